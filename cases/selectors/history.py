"""The city as it was at a moment: the fold of every log up to it, in one statement."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection

from cases.choices import ENDED_STAGES
from cases.models import Case
from cases.policy import reach_of
from cases.selectors.live_map import MOST
from cases.selectors.rollup import CHANGED_SINCE
from cityops.accounts.models import User

MOST_LISTED = 200

_ENDED = ", ".join(f"'{stage}'" for stage in sorted(ENDED_STAGES))
# Columns of a case that a map or list of the past tells; all stand in the headers of the log.
_SAID = ("point", "minor_id", "unit_id", "lamp_due_at", "lamp_soon_at", "community", "supervised")

# Which cases may have been open: those whose life holds the moment, found by the index on lives,
# and those whose logs went on since the lives were written down. Then of each the last event
# before the moment, and what its events up to there last said of each column.
_WAS = f"""
    WITH wanted AS MATERIALIZED (
      SELECT case_id FROM cases_rollupcase WHERE life @> %(at)s::timestamptz
      UNION {CHANGED_SINCE}),
    mine AS MATERIALIZED (SELECT case_id FROM wanted WHERE case_id IN ({{visible}})),
    stood AS MATERIALIZED (
      SELECT mine.case_id, e.case_seq, e.to_stage AS stage, e.district
      FROM mine CROSS JOIN LATERAL (
        SELECT case_seq, to_stage, district FROM cases_event
        WHERE case_id = mine.case_id AND at < %(at)s::timestamptz
        ORDER BY case_seq DESC LIMIT 1) e
      WHERE e.to_stage NOT IN ({_ENDED}) {{then}}),
    told AS (
      SELECT stood.case_id, stood.stage, stood.district, said.state
      FROM stood CROSS JOIN LATERAL (
        SELECT jsonb_object_agg(s.key, s.value ORDER BY e.case_seq) AS state
        FROM cases_event e CROSS JOIN LATERAL jsonb_each(e.data->'set') s
        WHERE e.case_id = stood.case_id AND e.case_seq <= stood.case_seq
          AND s.key = ANY(%(said)s)) said),
    was AS MATERIALIZED (
      SELECT c.number, t.stage, t.district, t.state->>'minor_id' AS minor,
        coalesce(t.state->>'unit_id', '') AS unit, coalesce(t.state->>'community', '') AS community,
        split_part(t.state->>'point', ',', 1)::float AS lon,
        split_part(t.state->>'point', ',', 2)::float AS lat,
        (t.state->>'lamp_due_at')::timestamptz AS due_at,
        coalesce(jsonb_array_length(nullif(t.state->'supervised', 'null')), 0) > 0 AS supervised,
        CASE WHEN t.stage = 'suspended' THEN 'paused'
          WHEN (t.state->>'lamp_due_at')::timestamptz < %(at)s::timestamptz THEN 'late'
          WHEN (t.state->>'lamp_soon_at')::timestamptz <= %(at)s::timestamptz THEN 'soon'
          ELSE 'normal' END AS light
      FROM told t JOIN cases_case c ON c.id = t.case_id)
"""  # noqa: S608 - our own words

_COLUMNS = f"""
    , m AS (
      SELECT was.*, k.kind, row_number() OVER (ORDER BY due_at, number) AS place
      FROM was JOIN cases_minorclass k ON k.code = was.minor
      WHERE lon IS NOT NULL ORDER BY due_at, number LIMIT {MOST})
    SELECT json_build_object(
      'number', coalesce(json_agg(m.number ORDER BY m.place), '[]'),
      'lon', coalesce(json_agg(round(m.lon::numeric, 6) ORDER BY m.place), '[]'),
      'lat', coalesce(json_agg(round(m.lat::numeric, 6) ORDER BY m.place), '[]'),
      'kind', coalesce(json_agg(m.kind ORDER BY m.place), '[]'),
      'light', coalesce(json_agg(m.light ORDER BY m.place), '[]'),
      'stage', coalesce(json_agg(m.stage ORDER BY m.place), '[]'),
      'unit', coalesce(json_agg(nullif(m.unit, '') ORDER BY m.place), '[]'),
      'district', coalesce(json_agg(m.district ORDER BY m.place), '[]'),
      'supervised', coalesce(json_agg(m.supervised::int ORDER BY m.place), '[]'),
      'placeless', (SELECT coalesce(json_agg(number ORDER BY number), '[]')
                    FROM was WHERE lon IS NULL),
      'total', (SELECT count(*) FROM was),
      'without_point', (SELECT count(*) FROM was WHERE lon IS NULL),
      'not_shown', greatest(0, (SELECT count(*) FROM was WHERE lon IS NOT NULL) - {MOST}),
      'at', %(at)s::timestamptz
    )::text FROM m
"""  # noqa: S608 - a number of ours
_LIST = f"""
    , tally AS (
      SELECT count(*) AS total, count(*) FILTER (WHERE lon IS NULL) AS without_point,
        (SELECT jsonb_object_agg(light, n) FROM (
          SELECT light, count(*) AS n FROM was GROUP BY light) l) AS lights,
        (SELECT jsonb_object_agg(stage, n) FROM (
          SELECT stage, count(*) AS n FROM was GROUP BY stage) s) AS stages
      FROM was),
    first AS (SELECT * FROM was ORDER BY due_at, number LIMIT {MOST_LISTED})
    SELECT t.total, t.without_point, coalesce(t.lights::text, '{{}}'),
      coalesce(t.stages::text, '{{}}'), f.number, f.stage, f.light, f.due_at,
      k.name_zh, k.name_en, u.name_zh, u.name_en, a.name_zh, f.supervised
    FROM tally t LEFT JOIN first f ON true
    LEFT JOIN cases_minorclass k ON k.code = f.minor
    LEFT JOIN cases_unit u ON u.code = f.unit
    LEFT JOIN cases_area a ON a.code = f.community AND a.level = 'community'
      AND a.valid @> %(at)s::timestamptz
    ORDER BY f.due_at, f.number
"""  # noqa: S608 - a number of ours


@dataclass(frozen=True)
class PastCase:
    """An open case as it stood; names in both languages, the community's in Chinese."""

    number: str
    stage: str
    light: str
    due_at: datetime | None
    minor: tuple[str, str]
    unit: tuple[str, str]
    community: str
    is_supervised: bool


@dataclass(frozen=True)
class Past:
    """How many cases were open, by light and by stage, and the first due of them."""

    total: int
    without_point: int
    lights: dict[str, int]
    stages: dict[str, int]
    cases: Sequence[PastCase]


def past_statement(user: User, tail: str, at: datetime) -> tuple[str, dict[str, Any]]:
    """Return the statement over the cases open just before `at` that `user` may see.

    With it come its values. A case is shown to whom it shows itself now, and to a district only
    if it was in that district then: what it did in the log of another is not theirs to see.
    """
    reach, values = reach_of(user), dict[str, Any]()
    then = ""
    if not reach.is_whole:
        then = "AND e.district = ANY(%(districts)s)"
        values["districts"] = sorted(reach.districts)
    try:
        query = Case.objects.all().visible_to(user).order_by().values("pk").query
        visible, parameters = query.sql_with_params()
    except EmptyResultSet:
        visible, parameters = "SELECT NULL::bigint WHERE false", ()
    for n, value in enumerate(parameters):
        visible = visible.replace("%s", f"%(visible{n})s", 1)
        values[f"visible{n}"] = value
    statement = _WAS.replace("{visible}", visible).replace("{then}", then) + tail
    return statement, values | {"at": at, "said": list(_SAID)}


def past_map(user: User, *, at: datetime) -> str:
    """Return the JSON of the cases open just before `at`, as `live_map` gives those of now."""
    statement, values = past_statement(user, _COLUMNS, at)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        text: str = cursor.fetchone()[0]
    return text


def past_list(user: User, *, at: datetime) -> Past:
    """Return the counts of the cases open just before `at` and the first due, in one statement."""
    statement, values = past_statement(user, _LIST, at)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = cursor.fetchall()
    total, without_point, lights, stages = rows[0][:4]
    cases = [
        PastCase(n, stage, light, due, (zh, en), (unit or "", unit_en or ""), area or "", is_urged)
        for *_t, n, stage, light, due, zh, en, unit, unit_en, area, is_urged in rows
        if n is not None
    ]
    return Past(total, without_point, json.loads(lights), json.loads(stages), cases)
