"""The feed of the live map: open cases in columns, built by one statement."""

from collections.abc import Sequence

from django.core.exceptions import EmptyResultSet
from django.db import connection

from cases.models import Case
from cityops.accounts.models import User

MOST = 5_000

_COLUMNS = """
    SELECT json_build_object(
        'number', coalesce(json_agg(m.number ORDER BY m.place), '[]'),
        'lon', coalesce(json_agg(round(ST_X(m.point)::numeric, 6) ORDER BY m.place), '[]'),
        'lat', coalesce(json_agg(round(ST_Y(m.point)::numeric, 6) ORDER BY m.place), '[]'),
        'kind', coalesce(json_agg(m.kind ORDER BY m.place), '[]'),
        'light', coalesce(json_agg(m.light ORDER BY m.place), '[]'),
        'stage', coalesce(json_agg(m.stage ORDER BY m.place), '[]'),
        'unit', coalesce(json_agg(m.unit_id ORDER BY m.place), '[]'),
        'district', coalesce(json_agg(m.district ORDER BY m.place), '[]'),
        'total', (SELECT count(*) FROM o),
        'without_point', (SELECT count(*) FROM o WHERE point IS NULL),
        'heads', (SELECT json_object_agg(scope, dseq) FROM cases_districthead)
    )::text FROM m
"""
# The time light of a case `o` now, as `Case.light` tells it.
LIGHT = """
    CASE WHEN o.stage = 'suspended' THEN 'paused' WHEN o.lamp_due_at < now() THEN 'late'
         WHEN o.lamp_soon_at <= now() THEN 'soon' ELSE 'normal' END
"""


def live_map(user: User, *, numbers: Sequence[str] | None = None) -> str:
    """Return the JSON of the open cases `user` may see, the first due first, at most `MOST`.

    With `numbers` only of those: one that is missing in the answer has left the map. `heads` is
    of the same snapshot: what comes after it is not in the columns yet.
    """
    mine = Case.objects.all().visible_to(user).open().order_by()
    if numbers is not None:
        mine = mine.filter(number__in=numbers)
    try:
        inner, parameters = mine.values("pk").query.sql_with_params()
    except EmptyResultSet:
        inner, parameters = "SELECT NULL::bigint WHERE false", ()
    sql = f"""
        WITH o AS MATERIALIZED (SELECT * FROM cases_case WHERE id IN ({inner})),
        m AS (
            SELECT o.*, k.kind, {LIGHT} AS light,
                   row_number() OVER (ORDER BY o.lamp_due_at, o.number) AS place
            FROM o JOIN cases_minorclass k ON k.code = o.minor_id
            WHERE o.point IS NOT NULL ORDER BY o.lamp_due_at, o.number LIMIT {MOST}
        ) {_COLUMNS}
    """  # noqa: S608 - compiled by the ORM, its values stay parameters
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        text: str = cursor.fetchone()[0]
    return text
