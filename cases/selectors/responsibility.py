"""Which unit answers for a case: category × area → unit, with the reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from cases.models import Condition, Kind, Rank, Responsibility, Unit

# Component → owner first, event → locality first, last resort last (domain.md §3, ownership).
_ORDER = {
    Kind.COMPONENT: (Rank.OWNER, Rank.LOCALITY, Rank.FALLBACK),
    Kind.EVENT: (Rank.LOCALITY, Rank.OWNER, Rank.FALLBACK),
}

REGISTER = "component-register"  # stands in the place of a rule's code


@dataclass(frozen=True)
class Found:
    """The unit responsible, the code of the rule that chose it, and its reason to read."""

    unit: Unit
    rule: str
    is_fallback: bool
    explanation: str


@dataclass(frozen=True)
class Unrouted:
    """No unit, or several by equally specific rules: `conflict` lists (rule, unit code)."""

    explanation: str
    conflict: tuple[tuple[str, str], ...] = ()


class Match(NamedTuple):
    """A rule that matches, and the unit it leads to at this place."""

    rule: Responsibility
    unit: Unit

    @property
    def specificity(self) -> tuple[int, int]:
        """How narrow the rule is: first by category, then by area; a later column outweighs."""
        rule = self.rule
        category = (rule.kind, rule.problem_class_id, rule.major_code)
        narrow = (rule.minor_id, rule.condition_id)
        area = (rule.county, rule.district_id, rule.street_code)
        return _weight(*category, *narrow), _weight(*area)


def _weight(*columns: str | None) -> int:
    return sum(1 << position for position, column in enumerate(columns) if column)


def responsible_unit(
    *,
    condition: Condition,
    district: str,
    county: str,
    street_code: str,
    at: datetime | None,
    keeper: Unit | None = None,
) -> Found | Unrouted:
    """Return the unit that answers for `condition` at a place, by the rules valid at `at` (or now).

    One query; `condition.minor` must be loaded. Two equally specific rules with different units
    leave the case unrouted, never decided by row order. `keeper` is whom the component register
    names: it outweighs every rule but those for this very problem or condition.
    """
    matches = _matches(condition, district, county, street_code, at)
    if keeper is not None:
        minor = condition.minor
        named = Responsibility(
            code=REGISTER,
            rank=Rank.OWNER,
            kind=minor.kind,
            major_code=minor.major_code,
            minor=minor,
            district_id=district,
            county=county,
            street_code=street_code,
            reason_zh="部件台账载明由该单位负责",
            reason_en="The component register names this unit",
        )
        matches.append(Match(named, keeper))
    return decide(Kind(condition.minor.kind), matches)


def decide(kind: Kind, matches: list[Match]) -> Found | Unrouted:
    """Choose among matching rules: best rank, then the most specific. Pure."""
    for rank in _ORDER[kind]:
        ranked = [match for match in matches if match.rule.rank == rank]
        if ranked:
            return _narrowest(rank, ranked)
    return Unrouted("no rule names a unit here")


def _narrowest(rank: Rank, matches: list[Match]) -> Found | Unrouted:
    best = max(match.specificity for match in matches)
    winners = sorted(
        (match for match in matches if match.specificity == best),
        key=lambda match: (match.rule.code, match.unit.code),
    )
    if len({match.unit.code for match in winners}) > 1:
        conflict = tuple((match.rule.code, match.unit.code) for match in winners)
        told = ", ".join(f"{rule} → {unit}" for rule, unit in conflict)
        return Unrouted(f"equally specific rules disagree: {told}", conflict)
    rule, unit = winners[0]
    return Found(unit, rule.code, rank == Rank.FALLBACK, rule.reason)


# A rule by kind of unit means the narrowest active one: of the street, else of the district, else
# of the city. Sub-units get their work from their parent (redispatch), so they are left out.
_MATCHES = """
SELECT rule.code, rule.rank, rule.kind, rule.major_code, rule.minor_id, rule.problem_class_id,
       rule.condition_id, rule.district_id, rule.county, rule.street_code,
       rule.reason_zh, rule.reason_en,
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
      AND (of_kind.district_id = %(district)s OR of_kind.district_id IS NULL)
      AND of_kind.street_code IN ('', %(street)s)
) unit ON unit.place = 0
WHERE rule.valid @> coalesce(%(at)s::timestamptz, now())
  AND rule.kind IN ('', %(kind)s)
  AND rule.major_code IN ('', %(major)s)
  AND (rule.minor_id = %(minor)s OR rule.minor_id IS NULL)
  AND (rule.problem_class_id = %(problem)s OR rule.problem_class_id IS NULL)
  AND (rule.condition_id = %(condition)s OR rule.condition_id IS NULL)
  AND (rule.district_id = %(district)s OR rule.district_id IS NULL)
  AND rule.county IN ('', %(county)s)
  AND rule.street_code IN ('', %(street)s)
"""


def _matches(
    condition: Condition, district: str, county: str, street_code: str, at: datetime | None
) -> list[Match]:
    """Read the rules that match, each with the unit it leads to, in one query."""
    minor = condition.minor
    with connection.cursor() as cursor:
        cursor.execute(
            _MATCHES,
            {
                "kind": minor.kind,
                "major": minor.major_code,
                "minor": minor.code,
                "problem": condition.problem_class_id,
                "condition": condition.code,
                "district": district,
                "county": county,
                "street": street_code,
                "at": at,
            },
        )
        rows = cursor.fetchall()
    return [Match(_rule(row[:12]), _unit(row[12:])) for row in rows]


_RULE_COLUMNS = (
    *("code", "rank", "kind", "major_code", "minor_id", "problem_class_id", "condition_id"),
    *("district_id", "county", "street_code", "reason_zh", "reason_en"),
)
_UNIT_COLUMNS = ("code", "name_zh", "name_en", "kind", "district_id", "street_code", "parent_id")


def _rule(row: tuple[str, ...]) -> Responsibility:
    return Responsibility(**dict(zip(_RULE_COLUMNS, row, strict=True)))


def _unit(row: tuple[str, ...]) -> Unit:
    """Build the unit as it is stored; every unit a rule leads to is active."""
    unit = Unit(**dict(zip(_UNIT_COLUMNS, row, strict=True)))
    unit._state.adding = False
    return unit
