"""Load a city folder: districts, areas, categories, units and responsibilities."""

import json
from argparse import ArgumentTypeError
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from cases.errors import BadCityFolder, InvalidInput
from cases.services.city import load_city


def moment(text: str) -> datetime:
    """Read a date (its midnight) or date and time, in the city's time zone unless it says one."""
    value: date | datetime | None = None
    try:
        value = parse_date(text) or parse_datetime(text)
    except ValueError:
        value = None
    if value is None:
        raise ArgumentTypeError(
            f"{text!r} is no date or time; write 2026-07-01 or 2026-07-01T08:00"
        )
    if not isinstance(value, datetime):
        value = datetime.combine(value, time.min)
    return value if timezone.is_aware(value) else timezone.make_aware(value)


class Command(BaseCommand):
    """`load_city DIR`: repeatable; exit 0 loaded, 1 the folder is wrong, 2 wrong usage."""

    help = (
        "Load a city folder (docs/city-folder.md). Loading the same folder again changes nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="the city folder")
        parser.add_argument(
            "--from",
            dest="since",
            type=moment,
            help="date or time from which changed areas and rules are valid (default: now)",
        )
        parser.add_argument("--json", action="store_true", help="print the counts as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        def progress(line: str) -> None:
            (self.stderr if options["json"] else self.stdout).write(f"{line} …")

        try:
            done = load_city(options["folder"], since=options["since"], progress=progress)
        except (BadCityFolder, InvalidInput) as refusal:
            raise CommandError(f"{refusal.message} Nothing was loaded.", returncode=1) from refusal
        if options["json"]:
            self.stdout.write(json.dumps(done))
            return
        for name, counts in done.items():
            told = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
            self.stdout.write(f"{name.replace('_', ' ')}: {told}")
