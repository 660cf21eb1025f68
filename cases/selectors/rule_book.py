"""The rules of routing held in memory, to be asked many questions.

Dispatch lets the database compare (responsibility.py); a test holds the two together.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connection

from cases.models import Kind, Responsibility, RoutingDraft, Unit
from cases.models.routing import Change, RuleTerms
from cases.selectors.responsibility import (
    Found,
    Match,
    Question,
    Unrouted,
    Weigh,
    decide,
    register_rule,
)

_NAMED = ("minor", "problem_class", "condition", "district", "unit")


def rules_at(at: datetime) -> list[Responsibility]:
    """Return the versions of rules valid at `at`, with the rows they name, by code."""
    valid = Responsibility.objects.filter(valid__contains=at)
    return list(valid.select_related(*_NAMED, "draft").order_by("code"))


def last_change(until: datetime) -> datetime | None:
    """Return the last moment up to `until` at which a version of a rule began or ended."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT max(moment) FROM cases_responsibility
            CROSS JOIN LATERAL (VALUES (lower(valid)), (upper(valid))) AS bound(moment)
            WHERE moment <= %s
            """,
            [until],
        )
        moment: datetime | None = cursor.fetchone()[0]
    return moment


def rules_with(draft: RoutingDraft, live: Iterable[Responsibility]) -> list[RuleTerms]:
    """Return the rules as they would be once `draft` is live instead of, or on top of, `live`."""
    changes = {row.code: row for row in draft.rules.select_related(*_NAMED)}
    kept: list[RuleTerms] = [rule for rule in live if rule.code not in changes]
    put = [row for row in changes.values() if row.change != Change.REMOVE]
    return sorted([*kept, *put], key=lambda rule: rule.code)


class RuleBook:
    """Rules and units held in memory, to be asked many questions at one moment."""

    def __init__(self, rules: Iterable[RuleTerms], units: Iterable[Unit] | None = None) -> None:
        """Without `units` all active ones are read."""
        known = Unit.objects.filter(is_active=True) if units is None else units
        self.units = {unit.code: unit for unit in known if unit.is_active}
        self.rules = list(rules)
        self._by_minor: dict[str | None, list[tuple[RuleTerms, dict[str, Any]]]] = defaultdict(list)
        for rule in self.rules:
            self._by_minor[rule.minor_id].append((rule, conditions_of(rule)))
        self._serving: dict[tuple[str, str, str], tuple[Unit, ...]] = {}

    def matches(self, question: Question) -> list[Match]:
        """Return each rule that matches, with each unit it leads to."""
        answers = question.answers()
        asked = (*self._by_minor[None], *self._by_minor[answers["minor_id"]])
        return [
            Match(rule, unit)
            for rule, conditions in asked
            if not mismatch(conditions, answers)
            for unit in self.units_of(rule, question.district, question.street)
        ]

    def route(
        self, question: Question, *, keeper: Unit | None = None, weigh: Weigh | None = None
    ) -> Found | Unrouted:
        """Return what dispatch would find with these rules."""
        matches = self.matches(question)
        if keeper is not None:
            matches.append(Match(register_rule(question), keeper))
        return decide(Kind(question.condition.minor.kind), matches, weigh)

    def units_of(self, rule: RuleTerms, district: str, street: str) -> tuple[Unit, ...]:
        """Return the units in use a rule leads to at a place; more than one is a conflict."""
        if rule.unit_id:
            unit = self.units.get(rule.unit_id)
            return (unit,) if unit else ()
        key = (rule.unit_kind, district, street)
        if key not in self._serving:
            self._serving[key] = self._serving_place(*key)
        return self._serving[key]

    def _serving_place(self, kind: str, district: str, street: str) -> tuple[Unit, ...]:
        """Return the narrowest units of a kind: of the street, else the district, else the city."""
        serving = [
            unit
            for unit in self.units.values()
            if unit.kind == kind
            and unit.parent_id is None
            and unit.district_id in (district, None)
            and unit.street_code in ("", street)
        ]
        narrowest = max(map(_narrowness, serving), default=None)
        return tuple(unit for unit in serving if _narrowness(unit) == narrowest)


def _narrowness(unit: Unit) -> tuple[bool, bool]:
    return unit.street_code != "", unit.district_id is not None


CONDITIONS = (
    *("kind", "major_code", "minor_id", "problem_class_id", "condition_id", "severity"),
    *("district_id", "county", "street_code", "cell", "source", "working_time"),
)


def conditions_of(rule: RuleTerms) -> dict[str, Any]:
    """Return the conditions a rule has, in the order they are tried."""
    values = {column: getattr(rule, column) for column in CONDITIONS}
    return {column: value for column, value in values.items() if value}


def mismatch(conditions: dict[str, Any], answers: dict[str, Any]) -> str:
    """Return the first condition that does not hold; "" when all do."""
    for column, value in conditions.items():
        if answers[column] != value:
            return column
    return ""
