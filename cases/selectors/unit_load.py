"""How much units have on their hands, for rules that choose by load."""

from collections.abc import Collection, Mapping

from django.db import connection

from cases.choices import UNIT_STAGES
from cases.selectors.responsibility import Load, Weigh
from cityops.accounts.roles import Role, ScopeKind

_NONE: Mapping[str, int] = {}

# A sub-unit's cases and people count as its parent's. The two subqueries keep the counts apart.
_LOADS = """
SELECT unit.code,
       (SELECT count(*) FROM cases_case held
        WHERE held.stage = ANY(%(stages)s)
          AND (held.unit_id = unit.code OR held.parent_unit = unit.code)),
       (SELECT count(DISTINCT person.id)
        FROM accounts_grant held
        JOIN accounts_user person ON person.id = held.user_id AND person.is_active
        WHERE held.role = %(role)s AND held.scope_kind = %(scope)s
          AND held.scope_key IN (
            SELECT part.code FROM cases_unit part
            WHERE part.code = unit.code OR part.parent_id = unit.code))
FROM cases_unit unit
WHERE unit.code = ANY(%(codes)s)
"""


def unit_loads(codes: Collection[str], *, given: Mapping[str, int] = _NONE) -> dict[str, Load]:
    """Return cases with each unit now (to sign, in handling, in rework) and its active handlers.

    `given` are cases by unit that the caller is about to add. Read without a lock: dispatches at
    the same moment may see the same figures.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _LOADS,
            {
                "codes": sorted(codes),
                "stages": sorted(UNIT_STAGES),
                "role": Role.UNIT,
                "scope": ScopeKind.UNIT,
            },
        )
        return {
            code: Load(cases + given.get(code, 0), people)
            for code, cases, people in cursor.fetchall()
        }


def weigh_once() -> Weigh:
    """Return `unit_loads` that reads the loads of the same units once."""
    known: dict[str, Load] = {}

    def weigh(codes: Collection[str]) -> dict[str, Load]:
        if not known.keys() >= set(codes):
            known.update(unit_loads(set(codes) - known.keys()))
        return {code: known[code] for code in codes}

    return weigh
