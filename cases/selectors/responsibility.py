"""Which unit answers for a case: conditions of rules → unit, with the reason."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple

from django.db import connection

from cases.choices import CITY
from cases.errors import CalendarMissing
from cases.models import (
    Case,
    Component,
    Condition,
    Kind,
    Rank,
    Responsibility,
    Unit,
    WorkingTime,
)
from cases.models.routing import RuleTerms
from cases.selectors.calendars import load_calendar

# Component → owner first, event → locality first, last resort last (domain.md §3, ownership).
ORDER = {
    Kind.COMPONENT: (Rank.OWNER, Rank.LOCALITY, Rank.FALLBACK),
    Kind.EVENT: (Rank.LOCALITY, Rank.OWNER, Rank.FALLBACK),
}

REGISTER = "component-register"  # stands in the place of a rule's code


class Load(NamedTuple):
    """What a unit and its sub-units have on their hands."""

    open_cases: int
    handlers: int  # people who can sign in for it

    @property
    def per_handler(self) -> Fraction:
        """Open cases for each handler; a unit without one counts as one."""
        return Fraction(self.open_cases, max(1, self.handlers))


Weigh = Callable[[Collection[str]], Mapping[str, Load]]


@dataclass(frozen=True)
class Found:
    """The unit responsible, the code of the rule that chose it, and its reason to read.

    `loads` is not empty where the load decided among equal units.
    """

    unit: Unit
    rule: str
    is_fallback: bool
    explanation: str
    loads: tuple[tuple[str, Load], ...] = ()


@dataclass(frozen=True)
class Unrouted:
    """No unit, or several by equally specific rules: `conflict` lists (rule, unit code)."""

    explanation: str
    conflict: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Question:
    """What the conditions of rules are compared with; `condition.minor` must be loaded.

    An unknown source or working time matches no rule that asks for one. `severity` is given where
    a case was filed under another limit than the condition has now.
    """

    condition: Condition
    district: str
    county: str
    street: str
    cell: str = ""
    source: str = ""
    working_time: str = ""
    severity: str = ""

    def answers(self) -> dict[str, Any]:
        """Return what is known for each condition a rule may have, in the order they are tried."""
        minor = self.condition.minor
        return {
            "kind": minor.kind,
            "major_code": minor.major_code,
            "minor_id": minor.code,
            "problem_class_id": self.condition.problem_class_id,
            "condition_id": self.condition.code,
            "severity": self.severity or self.condition.limit_unit,
            "district_id": self.district,
            "county": self.county,
            "street_code": self.street,
            "cell": self.cell,
            "source": self.source,
            "working_time": self.working_time,
        }


class Match(NamedTuple):
    """A rule that matches, and the unit it leads to at this place."""

    rule: RuleTerms
    unit: Unit

    @property
    def specificity(self) -> tuple[int, int, int]:
        """How narrow the rule is."""
        return specificity(self.rule)


def specificity(rule: RuleTerms) -> tuple[int, int, int]:
    """Return how narrow a rule is: first by category, then by area, then by circumstances.

    Within category and area a later column outweighs all before it. No circumstance is narrower
    than another, so they are counted. Two rules with the same answer decide nothing together.
    """
    category = (rule.kind, rule.problem_class_id, rule.major_code)
    narrow = (rule.minor_id, rule.condition_id)
    area = (rule.county, rule.district_id, rule.street_code, rule.cell)
    circumstances = (rule.severity, rule.source, rule.working_time)
    return _weight(*category, *narrow), _weight(*area), sum(map(bool, circumstances))


def _weight(*columns: str | None) -> int:
    return sum(1 << position for position, column in enumerate(columns) if column)


def working_time_at(at: datetime, calendar_version: int) -> str:
    """Return whether `at` is working time; "" where the calendar does not cover it."""
    try:
        is_inside = load_calendar(calendar_version).is_working_at(at)
    except CalendarMissing:
        return ""
    return str(WorkingTime.INSIDE if is_inside else WorkingTime.OUTSIDE)


def question_of(case: Case, *, at: datetime) -> Question:
    """Return what rules are asked about a filed case dispatched at `at`."""
    assert case.condition is not None  # filing froze both
    assert case.calendar_version is not None
    case.condition.minor = case.minor
    return Question(
        condition=case.condition,
        district=case.district,
        county=case.county,
        street=case.street,
        cell=case.grid_cell,
        source=case.source,
        working_time=working_time_at(at, case.calendar_version),
        severity=str(case.limit_unit),
    )


def responsible_unit(
    question: Question,
    *,
    at: datetime | None,
    keeper: Unit | None = None,
    weigh: Weigh | None = None,
) -> Found | Unrouted:
    """Return the unit that answers, by the rules valid at `at` (or now). One query.

    Two equally specific rules with different units leave the case unrouted, never decided by row
    order, unless all of them let the load decide and `weigh` is given. `keeper` is whom the
    component register names: it outweighs every rule but those for this very problem or condition.
    """
    matches = matches_of(question, at)
    if keeper is not None:
        matches.append(Match(register_rule(question), keeper))
    return decide(Kind(question.condition.minor.kind), matches, weigh)


def register_rule(question: Question) -> Responsibility:
    """Return the component register as a rule: as narrow as one without a problem class can be."""
    answers = question.answers()
    named = {
        name: value
        for name, value in answers.items()
        if name not in ("problem_class_id", "condition_id")
    }
    return Responsibility(
        code=REGISTER,
        rank=Rank.OWNER,
        **named,
        reason_zh="部件台账载明由该单位负责",
        reason_en="The component register names this unit",
    )


def keeper_of(case: Case) -> Unit | None:
    """Return whom the register names for the case's component: its maintainer, else its owner.

    A sub-unit gets its work from its parent; a unit of another district only by arbitration.
    """
    if case.component_id is None:
        return None
    components = components_kept([case.component_id])
    return keeper_named(components.get(case.component_id), case.minor_id, case.district)


def components_kept(codes: Iterable[str | None]) -> dict[str, Component]:
    """Return components by code, with what `keeper_named` asks of them. One query."""
    known = Component.objects.select_related("maintainer__parent", "owner__parent")
    return known.in_bulk(set(codes) - {None})


def keeper_named(component: Component | None, minor: str, district: str) -> Unit | None:
    """Return the unit that keeps a component in a district; `parent` of its units loaded."""
    if component is None or component.minor_id != minor:  # the case is about something else
        return None
    for named in (component.maintainer, component.owner):
        unit = named.parent or named if named else None
        if unit is not None and unit.is_active and unit.body in (CITY, district):
            return unit
    return None


def decide(kind: Kind, matches: Collection[Match], weigh: Weigh | None = None) -> Found | Unrouted:
    """Choose among matching rules: best rank, then the most specific, then perhaps by load.

    Pure but for `weigh`, which is asked only where nothing else decides.
    """
    for rank in ORDER[kind]:
        ranked = [match for match in matches if match.rule.rank == rank]
        if ranked:
            return _narrowest(rank, ranked, weigh)
    return Unrouted("no rule names a unit here")


def _narrowest(rank: Rank, matches: list[Match], weigh: Weigh | None) -> Found | Unrouted:
    best = max(match.specificity for match in matches)
    winners = sorted(
        (match for match in matches if match.specificity == best),
        key=lambda match: (match.rule.code, match.unit.code),
    )
    if len({match.unit.code for match in winners}) == 1:
        return _found(rank, winners[0])
    if weigh is not None and all(match.rule.by_load for match in winners):
        return _lightest(rank, winners, weigh)
    conflict = tuple((match.rule.code, match.unit.code) for match in winners)
    told = ", ".join(f"{rule} → {unit}" for rule, unit in conflict)
    return Unrouted(f"equally specific rules disagree: {told}", conflict)


def _lightest(rank: Rank, winners: list[Match], weigh: Weigh) -> Found:
    """Choose the unit with the lowest open load per handler; of equal ones the first by code."""
    loads = weigh({match.unit.code for match in winners})
    chosen = min(winners, key=lambda match: (loads[match.unit.code].per_handler, match.unit.code))
    return _found(rank, chosen, tuple(sorted(loads.items())))


def _found(rank: Rank, match: Match, loads: tuple[tuple[str, Load], ...] = ()) -> Found:
    is_fallback = rank == Rank.FALLBACK
    return Found(match.unit, match.rule.code, is_fallback, match.rule.reason, loads)


# A rule by kind of unit means the narrowest active one: of the street, else of the district, else
# of the city. Sub-units get their work from their parent (redispatch), so they are left out.
# `RuleBook` says the same in memory.
_MATCHES = """
SELECT rule.code, rule.rank, rule.kind, rule.major_code, rule.minor_id, rule.problem_class_id,
       rule.condition_id, rule.severity, rule.district_id, rule.county, rule.street_code, rule.cell,
       rule.source, rule.working_time, rule.by_load, rule.reason_zh, rule.reason_en,
       unit.code, unit.name_zh, unit.name_en, unit.kind, unit.district_id, unit.street_code,
       unit.parent_id
FROM cases_responsibility rule
JOIN LATERAL (
    SELECT named.*, 0 AS place FROM cases_unit named
    WHERE named.code = rule.unit_id AND named.is_active
    UNION ALL
    SELECT of_kind.*, rank() OVER (
        ORDER BY of_kind.street_code <> '' DESC, of_kind.district_id IS NOT NULL DESC
    ) - 1 AS place
    FROM cases_unit of_kind
    WHERE rule.unit_kind <> '' AND of_kind.kind = rule.unit_kind
      AND of_kind.is_active AND of_kind.parent_id IS NULL
      AND (of_kind.district_id = %(district_id)s OR of_kind.district_id IS NULL)
      AND of_kind.street_code IN ('', %(street_code)s)
) unit ON unit.place = 0
WHERE rule.valid @> coalesce(%(at)s::timestamptz, statement_timestamp())
  AND rule.kind IN ('', %(kind)s)
  AND rule.major_code IN ('', %(major_code)s)
  AND (rule.minor_id = %(minor_id)s OR rule.minor_id IS NULL)
  AND (rule.problem_class_id = %(problem_class_id)s OR rule.problem_class_id IS NULL)
  AND (rule.condition_id = %(condition_id)s OR rule.condition_id IS NULL)
  AND rule.severity IN ('', %(severity)s)
  AND (rule.district_id = %(district_id)s OR rule.district_id IS NULL)
  AND rule.county IN ('', %(county)s)
  AND rule.street_code IN ('', %(street_code)s)
  AND rule.cell IN ('', %(cell)s)
  AND rule.source IN ('', %(source)s)
  AND rule.working_time IN ('', %(working_time)s)
"""

_RULE_COLUMNS = (
    *("code", "rank", "kind", "major_code", "minor_id", "problem_class_id", "condition_id"),
    *("severity", "district_id", "county", "street_code", "cell", "source", "working_time"),
    *("by_load", "reason_zh", "reason_en"),
)
_UNIT_COLUMNS = ("code", "name_zh", "name_en", "kind", "district_id", "street_code", "parent_id")


def matches_of(question: Question, at: datetime | None) -> list[Match]:
    """Return the rules valid at `at` (or now) that match, each with its unit here. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_MATCHES, {**question.answers(), "at": at})
        rows = cursor.fetchall()
    width = len(_RULE_COLUMNS)
    return [Match(_rule(row[:width]), _unit(row[width:])) for row in rows]


def _rule(row: tuple[Any, ...]) -> Responsibility:
    return Responsibility(**dict(zip(_RULE_COLUMNS, row, strict=True)))


def _unit(row: tuple[Any, ...]) -> Unit:
    """Build the unit as it is stored; every unit a rule leads to is active."""
    unit = Unit(**dict(zip(_UNIT_COLUMNS, row, strict=True)))
    unit._state.adding = False
    return unit
