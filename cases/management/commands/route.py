"""`route`: say which unit answers for a case, or for a condition at a place, and why."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from cases.choices import Source
from cases.errors import Refusal
from cases.management.commands.load_city import moment
from cases.models import Case, Condition
from cases.selectors.place import locate
from cases.selectors.routing import Explanation, explain_case, explain_place, explanation_answer


def point(text: str) -> tuple[float, float]:
    """Read LON,LAT in WGS-84 degrees."""
    try:
        lon, lat = map(float, text.split(","))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no place; write 109.9765,27.5505") from None
    return lon, lat


class Command(BaseCommand):
    """`route`: exit 0 a unit was found, 1 none or several, 2 wrong usage."""

    help = "Say which unit answers for a case or a place, every rule that matches, and the limit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        about = parser.add_mutually_exclusive_group(required=True)
        about.add_argument("--case", metavar="NUMBER", help="a filed case")
        about.add_argument("--place", type=point, metavar="LON,LAT", help="a WGS-84 point")
        parser.add_argument("--condition", metavar="CODE", help="filing condition, with --place")
        parser.add_argument("--source", choices=Source.values, default=Source.INSPECTOR)
        parser.add_argument(
            "--at", type=moment, help="date or time (default: now; of a case, its dispatch)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the explanation."""
        try:
            explained = self._explained(options)
        except Refusal as refusal:
            raise CommandError(refusal.message, returncode=2) from refusal
        if options["json"]:
            self.stdout.write(json.dumps(explanation_answer(explained), ensure_ascii=False))
        else:
            self._print(explained)
        if explained.unit is None:
            raise SystemExit(1)

    def _explained(self, options: dict[str, Any]) -> Explanation:
        if options["case"]:
            case = Case.objects.filter(number=options["case"]).first()
            explained = explain_case(case, at=options["at"]) if case else None
            if explained is None:
                told = f"There is no filed case {options['case']}."
                raise CommandError(told, returncode=2)
            return explained
        found = Condition.objects.select_related("minor").filter(code=options["condition"] or "")
        condition = found.first()
        if condition is None:
            told = "Give --condition the code of a filing condition, such as event-0112-1."
            raise CommandError(told, returncode=2)
        lon, lat = options["place"]
        place = locate(lon, lat, options["at"])
        return explain_place(place, condition, source=options["source"], at=options["at"])

    def _print(self, explained: Explanation) -> None:
        self.stdout.write(f"{explained.words} ({explained.limit_text})")
        for one in explained.matched:
            units = ", ".join(unit.code for unit in one.units)
            self.stdout.write(f"  {one.standing:7} {one.rule.code} → {units}: {one.words}")
        for unit, load in explained.loads:
            told = f"{load.open_cases} open cases, {load.handlers} handlers"
            self.stdout.write(f"  load of {unit.code}: {told}")
        others = len(explained.considered) - len(explained.matched)
        self.stdout.write(f"{others} other rules do not match; --json says why.")
        if not explained.agrees and explained.recorded is not None:
            went = explained.recorded
            self.stdout.write(f"The log has {went.unit} by {went.rule}.")
