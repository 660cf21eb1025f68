"""What the map of today shows: open cases in columns, by one statement; components in a box."""

from collections.abc import Sequence

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from cases.models import Case
from cases.policy import reach_of
from cases.selectors.outline import Box
from cityops.accounts.models import User

MOST = 5_000
MOST_COMPONENTS = 1_500

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
        'supervised', coalesce(json_agg(m.is_supervised ORDER BY m.place), '[]'),
        'unacknowledged', coalesce(json_agg(m.is_unsigned ORDER BY m.place), '[]'),
        'placeless', (SELECT coalesce(json_agg(number), '[]') FROM o WHERE point IS NULL),
        'total', (SELECT count(*) FROM o),
        'without_point', (SELECT count(*) FROM o WHERE point IS NULL),
        'not_shown', (SELECT count(*) FROM o WHERE point IS NOT NULL) - count(m.place),
        'heads', (SELECT json_object_agg(scope, dseq) FROM cases_districthead)
    )::text FROM m
"""
# The time light of a case `o` now, as `Case.light` tells it.
LIGHT = """
    CASE WHEN o.stage = 'suspended' THEN 'paused' WHEN o.lamp_due_at < now() THEN 'late'
         WHEN o.lamp_soon_at <= now() THEN 'soon' ELSE 'normal' END
"""


def live_map(
    user: User, *, numbers: Sequence[str] | None = None, among: QuerySet[Case] | None = None
) -> str:
    """Return the JSON of the open cases `user` may see, the first due first, at most `MOST`.

    With `among` of those of a view of theirs instead (`worklist.held`). With `numbers` only of
    those: one that is missing in the answer has left the map. `placeless` names those without a
    point, `not_shown` counts those beyond `MOST`, so every case that is open is in the answer
    once. `heads` is of the same snapshot: what comes after it is not in the columns yet.
    """
    mine = Case.objects.all().visible_to(user).open() if among is None else among
    mine = mine.order_by()
    if numbers is not None:
        mine = mine.filter(number__in=numbers)
    try:
        inner, parameters = mine.values("pk").query.sql_with_params()
    except EmptyResultSet:
        inner, parameters = "SELECT NULL::bigint WHERE false", ()
    sql = f"""
        WITH o AS MATERIALIZED (
            SELECT number, point, minor_id, stage, unit_id, district, lamp_due_at, lamp_soon_at,
                   (supervised <> '{{}}')::int AS is_supervised,
                   (stage = 'dispatched')::int AS is_unsigned
            FROM cases_case WHERE id IN ({inner})
        ),
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


def cards(user: User, numbers: Sequence[str]) -> QuerySet[Case]:
    """Return those of the cases `user` may see, the first due first."""
    found = Case.objects.all().visible_to(user).filter(number__in=numbers)
    return found.select_related("minor", "unit").order_by("lamp_due_at", "number")


# The nearest to the middle come first, so that what is left out lies at the edges.
_COMPONENTS = """
    WITH b AS (
        SELECT code, name, state, point FROM cases_component
        WHERE point && ST_MakeEnvelope(%s, %s, %s, %s, 4326) AND (%s OR district = ANY(%s))
    ),
    m AS (
        SELECT * FROM b ORDER BY point <-> ST_SetSRID(ST_MakePoint(%s, %s), 4326), code LIMIT %s
    )
    SELECT json_build_object(
        'code', coalesce(json_agg(code), '[]'),
        'name', coalesce(json_agg(name), '[]'),
        'state', coalesce(json_agg(state), '[]'),
        'lon', coalesce(json_agg(round(ST_X(point)::numeric, 6)), '[]'),
        'lat', coalesce(json_agg(round(ST_Y(point)::numeric, 6)), '[]'),
        'not_shown', (SELECT count(*) FROM b) - count(*)
    )::text FROM m
"""


def components_in(user: User, box: Box) -> str:
    """Return the JSON of the components in a box in the reach of `user`, `MOST_COMPONENTS` at most.

    Posts of a district see its own, posts of the city all; `not_shown` counts those left out.
    """
    reach = reach_of(user)
    west, south, east, north = box
    middle = ((west + east) / 2, (south + north) / 2)
    districts = sorted(reach.districts)
    with connection.cursor() as cursor:
        cursor.execute(_COMPONENTS, [*box, reach.is_whole, districts, *middle, MOST_COMPONENTS])
        text: str = cursor.fetchone()[0]
    return text
