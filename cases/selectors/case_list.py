"""A list of cases as the API tells it, made into JSON by the database."""

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from cases.models import Case
from cases.selectors.case_search import Filters, cursor_after, in_order
from cases.selectors.live_map import LIGHT
from cases.selectors.telephones import HINT, NUMBER, telephone_reach
from cityops.accounts.models import User

# One row in the words of `case_answer`, without events.
_ROW = f"""
    json_build_object(
        'number', o.number, 'stage', o.stage, 'version', o.version,
        'district', nullif(o.district, ''), 'county', nullif(o.county, ''),
        'street', nullif(o.street, ''), 'community', nullif(o.community, ''),
        'grid_cell', nullif(o.grid_cell, ''), 'border_m', o.border_m,
        'location', CASE WHEN o.point IS NOT NULL THEN json_build_object(
            'lon', ST_X(o.point), 'lat', ST_Y(o.point), 'crs', 'wgs84') END,
        'category', o.minor_id, 'condition', o.condition_id, 'component', o.component_id,
        'source', o.source,
        'unit', o.unit_id, 'body', nullif(o.body, ''), 'rule', nullif(o.rule, ''),
        'is_fallback', o.is_fallback, 'is_unrouted', o.is_unrouted,
        'due_at', CASE WHEN o.stage IN ('dispatched', 'handling', 'rework') THEN o.due_at
            ELSE coalesce(o.lamp_due_at, o.due_at) END,
        'light', {LIGHT}, 'photos_due', o.photos_due, 'waiting_for', o.waiting_for,
        'supervised', o.supervised, 'suspended_until', o.suspended_until,
        'merged_into', o.merged_into_id, 'appeal', nullif(o.appeal, ''),
        'order_number', nullif(o.order_number, ''), 'reported_at', o.reported_at,
        'closed_at', o.closed_at, 'description', CASE
            WHEN %s OR o.district = ANY(%s) THEN o.description
            ELSE regexp_replace(o.description, %s, %s, 'g') END,
        'address', o.address, 'events', '[]'::json)
"""
_PAGE = f"""
    SELECT coalesce(json_agg({_ROW} ORDER BY k.place) FILTER (WHERE k.place <= %s), '[]')::text,
           max(k.place) > %s,
           (array_agg(k.value ORDER BY k.place))[%s], (array_agg(k.id ORDER BY k.place))[%s]
    FROM (SELECT id, value, row_number() OVER () AS place FROM ({{inner}}) AS i (id, value)) AS k
    JOIN cases_case o ON o.id = k.id
"""  # noqa: S608 - the inner statement is compiled by the ORM, its values stay parameters


def case_list(
    found: QuerySet[Case], filters: Filters, *, reader: User, cursor: str = "", size: int
) -> tuple[str, str]:
    """Return the JSON array of a page of cases and the cursor of the next, empty on the last one.

    Raises InvalidInput for a wrong cursor.
    """
    column = filters.sort.column
    rows = in_order(found, filters, cursor).values_list("pk", column)[: size + 1]
    try:
        inner, parameters = rows.query.sql_with_params()
    except EmptyResultSet:
        return "[]", ""
    reach = telephone_reach(reader)
    said: list[bool | str | list[str]] = [reach.is_whole, sorted(reach.districts), NUMBER, HINT]
    with connection.cursor() as db:
        db.execute(_PAGE.format(inner=inner), [*said, size, size, size, size, *parameters])
        text, is_more, value, pk = db.fetchone()
    return text, cursor_after(filters, value, pk) if is_more else ""
