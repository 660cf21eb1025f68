"""Load the component register from a CSV file."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from cases.services.components import Plan, load_components, plan_components


class Command(BaseCommand):
    """`load_components FILE`: repeatable; exit 0 loaded, 1 a row is wrong, 2 wrong usage."""

    help = "Load components from a CSV file (docs/components.md): all of it, or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="CSV in UTF-8 or GBK")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            raw = options["file"].read_bytes()
        except OSError as error:
            raise CommandError(
                f"{options['file']} cannot be read: {error.strerror}.", returncode=2
            ) from error
        plan = plan_components(raw) if options["dry_run"] else load_components(raw)
        if options["json"]:
            faults = [asdict(fault) for fault in plan.faults]
            told = {**plan.counts, "faults": faults, "ignored": plan.ignored}
            self.stdout.write(json.dumps(told, ensure_ascii=False))
        else:
            self._tell(plan)
        if plan.faults:
            raise CommandError(f"{len(plan.faults)} faults. Nothing was loaded.", returncode=1)

    def _tell(self, plan: Plan) -> None:
        for fault in plan.faults:
            self.stderr.write(str(fault))
        for heading in plan.ignored:
            self.stderr.write(f"column {heading}: not read")
        told = ", ".join(f"{number} {what}" for what, number in plan.counts.items() if number)
        self.stdout.write(f"components: {told or 'none in the file'}")
