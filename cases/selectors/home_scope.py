"""The district somebody works for: whose share of the machine their requests use."""

import time
from collections.abc import Iterable

from django.db import connection

from cases.choices import CITY, DISTRICT_SLUGS
from cityops.accounts.models import Grant
from cityops.accounts.roles import ScopeKind

KEPT_S = 300.0  # a share of the machine may go by last week's border, and by that of minutes ago
_known: dict[tuple[str, str], tuple[float, str]] = {}

_OF_UNIT = "SELECT district_id FROM cases_unit WHERE code = %s"
_OF_GRID = """
    SELECT d.district_id FROM cases_area c JOIN cases_area d
      ON d.level = 'district' AND upper_inf(d.valid) AND ST_Covers(d.geom, c.label)
    WHERE c.level IN ('street', 'community', 'cell') AND starts_with(c.code, %s)
      AND upper_inf(c.valid)
    ORDER BY length(c.code), c.code, d.precedence DESC LIMIT 1
"""


def home_scope(grants: Iterable[Grant]) -> str:
    """Return the one district all of `grants` lie in, else `city`."""
    found = {_scope_of(grant) for grant in grants}
    return found.pop() if len(found) == 1 else CITY


def _scope_of(grant: Grant) -> str:
    if grant.scope_kind == ScopeKind.DISTRICT:
        return grant.scope_key if grant.scope_key in DISTRICT_SLUGS else CITY
    if grant.scope_kind == ScopeKind.UNIT:
        return _looked_up(_OF_UNIT, grant.scope_key)
    if grant.scope_kind == ScopeKind.GRIDS and grant.grids:
        return _looked_up(_OF_GRID, grant.grids[0])
    return CITY


def _looked_up(statement: str, key: str) -> str:
    """Return the district of a unit or of leading digits of grid cells; `city` for none."""
    until, scope = _known.get((statement, key), (0.0, ""))
    if time.monotonic() < until:
        return scope
    with connection.cursor() as cursor:
        cursor.execute(statement, [key])
        row = cursor.fetchone()
    scope = (row and row[0]) or CITY
    _known[statement, key] = (time.monotonic() + KEPT_S, scope)
    return scope
