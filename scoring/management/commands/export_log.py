"""Write the log behind a score to a file that anybody can verify."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import F

from scoring.exported import exported_lines
from scoring.models import Run
from scoring.periods import BadPeriod, parse_period
from scoring.services import NotBegun, compute_run

TOLD_EVERY = 100_000


class Command(BaseCommand):
    """Exit code 0: written; 1: it could not be written; 2: a wrong period or seal."""

    help = "Export the log behind the score of a period: JSON lines, one event a line."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the period, or the seal of a run that was published, and the file."""
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--period", help="2026-10, 2026-Q3, 2026-H1 or 2026: as it stands now")
        which.add_argument("--seal", help="the seal of a stored run: as it was published")
        parser.add_argument("--out", required=True, help="the file to write, or - for the output")

    def _run_of(self, period: str | None, seal: str | None) -> Run:
        if period:
            return compute_run(parse_period(period))
        published = F("editions__approved_at").desc(nulls_last=True)
        run = Run.objects.filter(seal=seal).order_by(published, "-pk").first()
        if run is None:
            raise CommandError(f"No stored run has the seal {seal}.", returncode=2)
        return run

    def handle(self, *args: Any, **options: Any) -> None:
        """Write a file beside the one wanted, and put it there once it is whole."""
        try:
            run = self._run_of(options["period"], options["seal"])
        except (BadPeriod, NotBegun) as error:
            raise CommandError(str(error), returncode=2) from error
        if options["out"] == "-":
            for line in exported_lines(run):
                self.stdout.write(line)
            return
        out = Path(options["out"])
        unfinished = out.with_name(f"{out.name}.part")
        try:
            with unfinished.open("w", encoding="utf-8", newline="\n") as file:
                for number, line in enumerate(exported_lines(run)):
                    file.write(f"{line}\n")
                    if number and number % TOLD_EVERY == 0:
                        sys.stderr.write(f"{number:,} events\n")
            unfinished.replace(out)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise CommandError(f"{out} cannot be written: {error}") from error
        total = sum(run.heads.values())
        self.stdout.write(f"{total:,} events of {len(run.heads)} logs, seal {run.seal}: {out}")
