"""A list of cases as the API tells it, made into JSON by the database."""

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from cases.models import Case
from cases.selectors.live_map import LIGHT

# One row in the words of `case_answer`, without events.
_ROW = f"""
    json_build_object(
        'number', o.number, 'stage', o.stage, 'version', o.version,
        'district', nullif(o.district, ''), 'county', nullif(o.county, ''),
        'street', nullif(o.street, ''), 'community', nullif(o.community, ''),
        'grid_cell', nullif(o.grid_cell, ''), 'border_m', o.border_m,
        'location', CASE WHEN o.point IS NOT NULL THEN json_build_object(
            'lon', ST_X(o.point), 'lat', ST_Y(o.point), 'crs', 'wgs84') END,
        'category', o.minor_id, 'condition', o.condition_id, 'source', o.source,
        'unit', o.unit_id, 'body', nullif(o.body, ''), 'rule', nullif(o.rule, ''),
        'is_fallback', o.is_fallback, 'is_unrouted', o.is_unrouted,
        'due_at', CASE WHEN o.stage IN ('dispatched', 'handling', 'rework') THEN o.due_at
            ELSE coalesce(o.lamp_due_at, o.due_at) END,
        'light', {LIGHT}, 'photos_due', o.photos_due, 'reported_at', o.reported_at,
        'closed_at', o.closed_at, 'description', o.description, 'address', o.address,
        'events', '[]'::json)
"""


def case_list(found: QuerySet[Case]) -> tuple[str, list[str]]:
    """Return the JSON array of a page of cases, the highest number first, and their numbers."""
    try:
        inner, parameters = found.values("pk").query.sql_with_params()
    except EmptyResultSet:
        return "[]", []
    sql = f"""
        SELECT coalesce(json_agg({_ROW} ORDER BY o.number DESC), '[]')::text,
               coalesce(array_agg(o.number::text ORDER BY o.number DESC), '{{}}')
        FROM cases_case o WHERE o.id IN ({inner})
    """  # noqa: S608 - compiled by the ORM, its values stay parameters
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        text, numbers = cursor.fetchone()
    return text, numbers
