"""`simulate`: fill a demo city with a believable month, or keep a running one busy."""

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from cases.simulation import (
    ABOUT,
    CannotSimulateError,
    district_counts,
    keep_busy,
    read_moves,
    simulate,
)

# What is told of each district, in the order of a case's life.
COLUMNS = (
    *("reported", "declined", "filed", "closed", "late", "returned", "rework", "extended"),
    *("suspended", "merged", "voided", "self_handled", "unrouted"),
)


class Command(BaseCommand):
    """Simulate a living city."""

    help = "Write believable cases through the real services; only in a demo city."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the sizes."""
        parser.add_argument("--days", type=int, default=30)
        parser.add_argument("--per-day", type=int, default=100)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--live", action="store_true", help="at real time, for a while")
        parser.add_argument("--per-minute", type=int, default=10)
        parser.add_argument("--minutes", type=float, default=10)
        parser.add_argument(
            "--move",
            action="append",
            default=[],
            metavar="DISTRICT:NAME",
            help="a district plays to look better; "
            + "; ".join(f"{name}: it {about}" for name, about in ABOUT.items()).replace("%", "%%"),
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object at the end")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run and print what was done."""
        if not settings.DEMO:
            raise CommandError("This is a real city (CITYOPS_DEMO is off): nothing is simulated.")
        begun = time.monotonic()
        try:
            done = self._run(options)
        except CannotSimulateError as reason:
            raise CommandError(str(reason)) from None
        cases = done["report"] + done["self_handle"]
        took_s = round(time.monotonic() - begun, 1)
        summary = {
            "moves": options["move"],
            "actions": dict(done),
            "districts": district_counts(),
            "seconds": took_s,
            "cases": cases,
            "cases_per_second": round(cases / took_s, 1) if took_s else None,
        }
        if options["json"]:
            self.stdout.write(json.dumps(summary))
        else:
            self._print(summary)

    def _print(self, summary: dict[str, Any]) -> None:
        """Print a table of the districts and a line of what was done."""
        self.stdout.write(f"{'':12}" + "".join(f" {name}" for name in COLUMNS))
        for row in summary["districts"]:
            counts = "".join(f" {row[name]:{len(name)}}" for name in COLUMNS)
            self.stdout.write(f"{row['district']:12}{counts}")
        actions = summary["actions"]
        self.stdout.write(", ".join(f"{count} {action}" for action, count in actions.items()))
        self.stdout.write(
            f"{summary['cases']} cases, {sum(actions.values())} actions "
            f"in {summary['seconds']} s: {summary['cases_per_second']} cases a second"
        )

    def _run(self, options: dict[str, Any]) -> Any:
        progress = self.stderr.write if options["json"] else self.stdout.write
        moves = read_moves(options["move"])
        if options["live"]:
            return keep_busy(
                per_minute=options["per_minute"],
                minutes=options["minutes"],
                seed=options["seed"],
                progress=progress,
                moves=moves,
            )
        return simulate(
            days=options["days"],
            per_day=options["per_day"],
            seed=options["seed"],
            until=timezone.now(),
            progress=progress,
            moves=moves,
        )
