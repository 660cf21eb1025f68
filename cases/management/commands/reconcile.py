"""`reconcile`: compare cases, clocks, work and logs now; what does not add up is an alarm."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cases.services.reconcile import UnderWayError, look_at_all, look_now


class Command(BaseCommand):
    """Reconcile now."""

    help = "Compare cases, clocks, work and logs; --full looks at everything, else at what is new."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --full and --json."""
        parser.add_argument("--full", action="store_true", help="all events and cases, as nightly")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print findings; exit code 0 when there is none, 1 when there is, 2 when it cannot run."""
        progress = self.stderr.write if sys.stderr.isatty() else lambda line: None
        try:
            run = look_at_all(progress) if options["full"] else look_now()
        except UnderWayError as error:
            said = "Another run, or the writing of a demo month, is under way: try again."
            raise CommandError(said, returncode=2) from error
        if options["json"]:
            answer = {"kind": run.kind, "counts": run.counts, "findings": run.findings}
            self.stdout.write(json.dumps(answer, ensure_ascii=False))
        else:
            for one in run.findings:
                words = one["words"] or ", ".join(one["numbers"][:5])
                what = f"{one['what']} {one['key']}".rstrip()
                self.stderr.write(f"{one['scope']}: {one['how_many']} {what} ({words})")
            cases = sum(n for stages in run.counts.values() for n in stages.values())
            self.stdout.write(f"{cases} cases, {len(run.findings)} findings")
        if run.findings:
            raise SystemExit(1)
