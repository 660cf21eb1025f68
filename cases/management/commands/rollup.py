"""`rollup`: bring the counts of heat and trend up to the ledger, or count everything anew."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from cases.services.rollup import advance_rollup, rebuild


class Command(BaseCommand):
    """Count now."""

    help = "Bring the counts of heat and trend up to the ledger; --rebuild counts everything anew."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --rebuild."""
        parser.add_argument("--rebuild", action="store_true", help="count every case anew")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print how many cases were counted; exit code 0."""
        begun = time.monotonic()
        said = f"{rebuild()} cases" if options["rebuild"] else advance_rollup()
        self.stdout.write(f"{said}, {time.monotonic() - begun:.1f} s")
