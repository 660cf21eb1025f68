"""`simulate`: fill a demo city with a believable month, or keep a running one busy."""

import json
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from cases.simulation import CannotSimulateError, keep_busy, simulate


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
        took_s = round(time.monotonic() - begun, 1)
        if options["json"]:
            self.stdout.write(json.dumps({"actions": dict(done), "seconds": took_s}))
            return
        for action, count in done.most_common():
            self.stdout.write(f"{count:8}  {action}")
        self.stdout.write(f"{sum(done.values())} actions in {took_s} s")

    def _run(self, options: dict[str, Any]) -> Any:
        progress = self.stderr.write if options["json"] else self.stdout.write
        if options["live"]:
            return keep_busy(
                per_minute=options["per_minute"],
                minutes=options["minutes"],
                seed=options["seed"],
                progress=progress,
            )
        return simulate(
            days=options["days"],
            per_day=options["per_day"],
            seed=options["seed"],
            until=timezone.now(),
            progress=progress,
        )
