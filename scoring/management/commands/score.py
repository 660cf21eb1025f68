"""Score a period and print the table or the sealed result."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from scoring.models import Edition
from scoring.periods import BadPeriod, parse_period
from scoring.services import NotBegun, compute_run, unit_counts
from scoring.versions import UnknownScheme, scheme_of


class Command(BaseCommand):
    """Exit code 0: scored; 1: it could not be computed; 2: a wrong period or scheme."""

    help = "Score a period: 2026-10, 2026-Q3, 2026-H1 or 2026."

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the period, the scheme and the form of the answer."""
        parser.add_argument("period")
        parser.add_argument("--scheme", help="by this version, not by the one in force then")
        parser.add_argument("--edition", type=int, help="the published bytes of this edition")
        parser.add_argument("--units", action="store_true", help="count by unit, not by district")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compute and print; or print what was published, to the byte."""
        if options["units"] and options["scheme"]:
            raise CommandError("--units counts by no scheme: leave out --scheme", returncode=2)
        if options["edition"] is not None:
            self._print_edition(options)
            return
        try:
            period = parse_period(options["period"])
            scheme = scheme_of(options["scheme"]) if options["scheme"] else None
            if options["units"]:
                self._print_units(unit_counts(period), as_json=options["json"])
                return
            run = compute_run(period, scheme)
        except (BadPeriod, NotBegun, UnknownScheme) as error:
            raise CommandError(str(error), returncode=2) from error
        if options["json"]:
            self.stdout.write(run.result)
            return
        self.stdout.write(f"{run.period}, as of {run.as_of:%Y-%m-%d %H:%M:%S} UTC, {run.seal}")
        for body in json.loads(run.result)["bodies"]:
            place, total = body["rank"] or "-", body["total"] or "-"
            filed = body["counts"].get("filed", 0)
            self.stdout.write(f"{place:>2}  {body['body']:<10} {total:>6}  filed {filed}")

    def _print_edition(self, options: dict[str, Any]) -> None:
        """Print the sealed result alone, so that its SHA-256 is the seal."""
        if options["units"] or options["scheme"]:
            raise CommandError("an edition stands as it is: --edition alone", returncode=2)
        found = Edition.objects.select_related("run").filter(
            period=options["period"], number=options["edition"], approved_at__isnull=False
        )
        edition = found.first()
        if edition is None:
            text = f"{options['period']} has no published edition {options['edition']}"
            raise CommandError(text, returncode=2)
        self.stdout.write(edition.run.result, ending="")

    def _print_units(self, units: dict[str, dict[str, int]], *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(units))
            return
        shown = ("assessed", "closed_on_time", "overdue_unhandled", "late_exit", "shirked")
        self.stdout.write(" ".join(f"{name:>17}" for name in ("unit", *shown)))
        for unit, counts in units.items():
            numbers = " ".join(f"{counts.get(name, 0):>17}" for name in shown)
            self.stdout.write(f"{unit:>17} {numbers}")
