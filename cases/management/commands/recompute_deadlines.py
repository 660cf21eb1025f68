"""`recompute_deadlines`: time the open cases with another version of the working calendar."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from cases.errors import Busy, CalendarMissing
from cases.selectors.calendars import load_calendar
from cases.selectors.deadline_moves import Moves, moves_under
from cases.services.filing import By
from cases.services.recompute import recompute_all, waiting_for

LINE_EVERY = 200  # cases


class Command(BaseCommand):
    """Exit code 0: done; 1: some cases were left as they are; 2: no such calendar."""

    help = "Recompute the deadlines of open cases with a published calendar; safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the version, and whether to look only."""
        parser.add_argument("--calendar", type=int, required=True, help="version to time with")
        parser.add_argument("--dry-run", action="store_true", help="say what would move, and stop")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Recompute, or say what would move."""
        version = options["calendar"]
        try:
            calendar = load_calendar(version)
        except CalendarMissing as error:
            raise CommandError(str(error), returncode=2) from error
        try:
            if options["dry_run"]:
                self._say_moves(moves_under(calendar, at=timezone.now()), options)
            else:
                self._recompute(version, options)
        except (CalendarMissing, Busy) as error:
            raise CommandError(str(error)) from error

    def _recompute(self, version: int, options: dict[str, Any]) -> None:
        total = waiting_for(version).count()

        def progress(done: int) -> None:
            if done % LINE_EVERY == 0:
                self.stderr.write(f"{done}/{total} cases")

        done, _ = recompute_all(version, By(), progress=progress)
        words = ", ".join(f"{count} {what}" for what, count in sorted(done.items()))
        self.stdout.write(json.dumps(done) if options["json"] else words or "Nothing to recompute.")
        if done["not explained"] or done["busy"]:
            raise SystemExit(1)

    def _say_moves(self, moves: Moves, options: dict[str, Any]) -> None:
        if options["json"]:
            told = {
                "cases": moves.cases,
                "later": moves.later,
                "earlier": moves.earlier,
                "becomes_late": moves.becomes_late,
                "largest": [
                    {"number": move.number, "due_at": f"{move.old}", "would_be": f"{move.new}"}
                    for move in moves.largest
                ],
            }
            self.stdout.write(json.dumps(told))
            return
        self.stdout.write(
            f"{moves.cases} open cases count working time: {moves.later} deadlines would be later, "
            f"{moves.earlier} earlier, {moves.becomes_late} overdue by it"
        )
        for move in moves.largest:
            old, new = f"{move.old:%Y-%m-%d %H:%M}", f"{move.new:%Y-%m-%d %H:%M}"
            self.stdout.write(f"{move.number}  {old} -> {new} UTC")
