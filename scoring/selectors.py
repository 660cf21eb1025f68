"""Which case is in which count: set-based SQL over the ledger, the production path.

The twin of scoring/indicators.py, written apart from it; source: assessment.md §3, §5.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction

from django.db import connection, transaction
from django.db.models import Max, Min

from cases.models import Event
from scoring.indicators import Assessed, Facts

_BASE = """
WITH ev AS MATERIALIZED (
  SELECT e.case_id, e.case_seq, e.at, e.action, e.to_stage, e.district, e.body, e.unit,
    e.due_at, e.base_due_at, c.number, (e.data->'facts'->>'passed')::boolean AS passed,
    e.data->'facts'->>'ruling' AS ruling, e.data->'facts'->>'parent' AS parent,
    e.data->'starts'->>'kind' AS starts, (e.data->'starts'->>'due_at')::timestamptz AS stage_due,
    (e.data->'facts'->>'recurs')::boolean AS recurs,
    CASE WHEN e.data->'set' ?| ARRAY['source', 'limit_value', 'limit_unit', 'grid_cell',
      'minor_id', 'point'] THEN e.data->'set' END AS words
  FROM cases_event e JOIN cases_case c ON c.id = e.case_id
  WHERE e.at < %(end)s AND NOT c.is_self_handled
    -- Closed for good before the period and the week that recurrence looks back: in no count.
    AND (c.closed_at IS NULL OR c.closed_at >= %(start)s - interval '168 hours')),
said AS (
  SELECT case_id, source[1] AS source, limit_value[1]::int AS limit_value,
    limit_unit[1] AS limit_unit, cell[1] AS cell, minor[1] AS minor, point[1] AS point, recurs
  FROM (
    SELECT case_id,
      array_agg(words->>'source' ORDER BY case_seq DESC)
        FILTER (WHERE words ? 'source') AS source,
      array_agg(words->>'limit_value' ORDER BY case_seq DESC)
        FILTER (WHERE words ? 'limit_value') AS limit_value,
      array_agg(words->>'limit_unit' ORDER BY case_seq DESC)
        FILTER (WHERE words ? 'limit_unit') AS limit_unit,
      array_agg(words->>'grid_cell' ORDER BY case_seq DESC)
        FILTER (WHERE words ? 'grid_cell') AS cell,
      array_agg(words->>'minor_id' ORDER BY case_seq DESC)
        FILTER (WHERE words ? 'minor_id') AS minor,
      array_agg(words->>'point' ORDER BY case_seq DESC) FILTER (WHERE words ? 'point') AS point,
      bool_or(recurs) AS recurs
    FROM ev WHERE words IS NOT NULL GROUP BY case_id) heard),
bound AS (
  SELECT ev.*,
    lead(at) OVER w AS end_at, lead(action) OVER w AS end_kind
  FROM ev
  WHERE action IN ('dispatch', 'reassign', 'arbitrate', 'rework', 'finish', 'return', 'close')
  WINDOW w AS (PARTITION BY case_id ORDER BY case_seq)),
run AS MATERIALIZED (
  SELECT case_id, number, case_seq, unit, coalesce(parent, unit) AS main, body, at AS start_at,
    due_at, base_due_at, end_at, end_kind,
    due_at IS NOT NULL AND least(coalesce(end_at, %(end)s), %(end)s) > due_at AS late,
    lag(body) OVER v AS body_before, row_number() OVER (PARTITION BY case_id
      ORDER BY case_seq DESC) AS back
  FROM bound WHERE action IN ('dispatch', 'reassign', 'arbitrate', 'rework')
  WINDOW v AS (PARTITION BY case_id ORDER BY case_seq)),
held AS (
  SELECT case_id, body, bool_or(late) AS late, min(due_at) FILTER (WHERE late) AS first_late,
    (array_agg(unit ORDER BY case_seq DESC))[1] AS unit
  FROM run GROUP BY case_id, body),
head AS (SELECT DISTINCT ON (case_id) case_id, number, to_stage, district
  FROM ev ORDER BY case_id, case_seq DESC),
prior AS (SELECT DISTINCT ON (case_id) case_id, to_stage, district
  FROM ev WHERE at < %(start)s ORDER BY case_id, case_seq DESC),
mark AS (
  SELECT case_id, min(at) FILTER (WHERE action = 'file') AS filed_at,
    max(at) FILTER (WHERE action = 'close') AS closed_at
  FROM ev GROUP BY case_id),
kept AS MATERIALIZED (
  SELECT h.case_id, h.number, h.to_stage AS stage, h.district, m.filed_at, m.closed_at,
    coalesce(r.body, h.district) AS body, r.end_at, r.end_kind, r.base_due_at,
    coalesce(x.late, false) AS late, x.first_late
  FROM head h JOIN mark m ON m.case_id = h.case_id AND m.filed_at IS NOT NULL
  LEFT JOIN run r ON r.case_id = h.case_id AND r.back = 1
  LEFT JOIN held x ON x.case_id = h.case_id AND x.body = r.body),
closing AS (SELECT * FROM kept WHERE stage = 'closed' AND closed_at >= %(start)s),
waiting AS (SELECT * FROM kept WHERE late AND stage IN
  ('filed', 'dispatched', 'handling', 'rework', 'suspended', 'returned', 'disputed')),
parted AS (
  SELECT case_id, body_before AS body, max(start_at) AS at FROM run
  WHERE body_before <> body GROUP BY case_id, body_before),
gone AS (
  SELECT k.case_id, k.number, x.body FROM kept k JOIN held x USING (case_id)
  JOIN parted p ON p.case_id = x.case_id AND p.body = x.body
  WHERE x.late AND x.body <> k.body AND p.at >= %(start)s),
hung AS (SELECT * FROM kept WHERE stage = 'suspended' AND NOT late)
"""

_MEMBERS = """, stop (kind, action) AS (VALUES
  ('accept', 'file'), ('accept', 'decline'), ('accept', 'decline_filing'),
  ('dispatch', 'dispatch'), ('dispatch', 'reassign'), ('dispatch', 'arbitrate'),
  ('dispatch', 'rework'), ('sign', 'sign'), ('sign', 'return'), ('sign', 'reassign'),
  ('sign', 'arbitrate'), ('check', 'answer_check')),
tick AS (
  SELECT case_id, case_seq, at, number, district, body, starts AS kind, stage_due,
    true AS is_start FROM ev WHERE starts IN (SELECT kind FROM stop)
  UNION ALL SELECT case_id, case_seq, at, number, district, body, kind, NULL, false
    FROM ev JOIN stop USING (action)),
clock AS (
  SELECT tick.*, lead(at) OVER (PARTITION BY case_id, kind ORDER BY case_seq, is_start) AS ended
  FROM tick),
timed AS (
  SELECT CASE WHEN kind IN ('accept', 'dispatch') THEN h.district ELSE k.body END AS body,
    kind, k.number, coalesce(ended <= stage_due, false) AS on_time
  FROM clock k JOIN head h USING (case_id) WHERE is_start
    AND CASE WHEN ended IS NULL THEN stage_due < %(end)s ELSE ended >= %(start)s END),
decided AS (
  SELECT DISTINCT ON (case_id) case_id, number, at, action
  FROM ev WHERE action IN ('file', 'decline', 'decline_filing') ORDER BY case_id, case_seq),
reports AS (
  SELECT d.number, action = 'file' AS valid, coalesce(s.source, '') AS source
  FROM decided d JOIN said s USING (case_id) WHERE at >= %(start)s),
first_run AS (
  SELECT DISTINCT ON (case_id) case_id, main FROM run ORDER BY case_id, case_seq),
first_finish AS (
  SELECT DISTINCT ON (case_id) case_id, main, end_at
  FROM run WHERE end_kind = 'finish' ORDER BY case_id, case_seq),
sent AS (
  SELECT k.body, k.number, f.main = o.main AS accurate
  FROM first_finish f JOIN first_run o USING (case_id) JOIN kept k USING (case_id)
  WHERE f.end_at >= %(start)s),
spot AS MATERIALIZED (
  SELECT k.case_id, k.number, k.body, k.stage, k.filed_at, k.closed_at, s.minor,
    ST_Transform(ST_SetSRID(ST_MakePoint(split_part(s.point, ',', 1)::float8,
      split_part(s.point, ',', 2)::float8), 4326), 4546) AS place  -- metres
  FROM kept k JOIN said s USING (case_id) WHERE s.recurs AND s.point <> ''),
tiled AS (SELECT *, floor(ST_X(place) / 50)::int AS x, floor(ST_Y(place) / 50)::int AS y FROM spot),
watched AS (
  SELECT * FROM tiled WHERE stage = 'closed' AND closed_at >= %(start)s - interval '168 hours'
    AND closed_at < %(end)s - interval '168 hours'),
again AS (
  SELECT DISTINCT w.case_id FROM watched w
  CROSS JOIN generate_series(-1, 1) right_by CROSS JOIN generate_series(-1, 1) up_by
  WHERE EXISTS (SELECT FROM tiled f
    WHERE f.minor = w.minor AND f.x = w.x + right_by AND f.y = w.y + up_by
      AND f.case_id <> w.case_id AND f.filed_at >= w.closed_at
      AND f.filed_at <= w.closed_at + interval '168 hours' AND ST_DWithin(w.place, f.place, 50))),
before AS (
  SELECT DISTINCT ON (case_id) case_id, body FROM run WHERE start_at < %(start)s
  ORDER BY case_id, case_seq DESC),
done AS (
  SELECT * FROM kept WHERE stage IN ('handled', 'checking', 'checked', 'closed')
    AND end_kind = 'finish' AND end_at >= %(start)s),
one AS (
  SELECT district AS body, unnest(ARRAY['filed', 'need_dispatch']) AS name, number
    FROM kept WHERE filed_at >= %(start)s
  UNION ALL SELECT body, unnest(ARRAY['handled', 'need_handle']), number FROM done
  UNION ALL SELECT body, 'handled_on_time', number FROM done WHERE NOT late
  UNION ALL SELECT body, unnest(ARRAY['in_check', 'should_close']), number
    FROM kept WHERE stage IN ('handled', 'checking', 'checked')
  UNION ALL SELECT body, unnest(ARRAY['closed', 'should_close', 'assessed']), number
    FROM closing
  UNION ALL SELECT body, 'closed_on_time', number FROM closing WHERE NOT late
  UNION ALL SELECT body, unnest(ARRAY['overdue_unhandled', 'need_handle', 'should_close',
    'assessed']), number FROM waiting
  UNION ALL SELECT body, unnest(ARRAY['late_exit', 'need_handle', 'should_close', 'assessed']),
    number FROM gone
  UNION ALL SELECT body, unnest(ARRAY['suspended_open', 'assessed']), number FROM hung
  UNION ALL SELECT body, 'not_due', number FROM kept
    WHERE NOT late AND stage IN ('dispatched', 'handling', 'rework')
  UNION ALL SELECT body, 'to_dispatch', number FROM kept
    WHERE NOT late AND stage IN ('filed', 'returned', 'disputed')
  UNION ALL SELECT body, 'backlog_out', number FROM kept WHERE stage <> 'closed'
  UNION ALL SELECT coalesce(b.body, p.district), 'backlog_in', k.number
    FROM kept k JOIN prior p USING (case_id) LEFT JOIN before b USING (case_id)
    WHERE k.filed_at < %(start)s AND p.to_stage <> 'closed'
  UNION ALL SELECT body, CASE action WHEN 'rework' THEN 'reworked' ELSE 'returned' END,
    number FROM ev WHERE at >= %(start)s AND action IN ('rework', 'return')
    GROUP BY body, action, number
  UNION ALL SELECT body, CASE action WHEN 'rework' THEN 'reworked_times'
    ELSE 'returned_times' END, number FROM ev
    WHERE at >= %(start)s AND action IN ('rework', 'return')
  UNION ALL SELECT body, 'checks', number FROM ev
    WHERE at >= %(start)s AND action = 'answer_check'
  UNION ALL SELECT body, 'checks_passed', number FROM ev WHERE at >= %(start)s
    AND action = 'answer_check' AND passed
  UNION ALL SELECT r.body_before, 'shirked', r.number FROM run r JOIN ev e
    ON e.case_id = r.case_id AND e.case_seq = r.case_seq
    WHERE e.at >= %(start)s AND e.action IN ('reassign', 'arbitrate')
      AND e.ruling = 'unjustified'
  UNION ALL SELECT body, kind || '_clocks', number FROM timed
  UNION ALL SELECT body, kind || '_on_time', number FROM timed WHERE on_time
  UNION ALL SELECT source, 'decided_reports', number FROM reports
  UNION ALL SELECT source, 'valid_reports', number FROM reports WHERE valid
  UNION ALL SELECT body, 'first_finished', number FROM sent
  UNION ALL SELECT body, 'accurate_dispatch', number FROM sent WHERE accurate
  UNION ALL SELECT body, 'closings', number FROM watched
  UNION ALL SELECT body, 'recurrent', number FROM watched JOIN again USING (case_id)
  UNION ALL SELECT DISTINCT e.district, 'self_handled', c.number
    FROM cases_event e JOIN cases_case c ON c.id = e.case_id
    WHERE c.is_self_handled AND e.action = 'close' AND e.at >= %(start)s AND e.at < %(end)s)
SELECT body, name, number FROM one
"""


_ASSESSED = """, judged AS (
  SELECT case_id, body, CASE WHEN late THEN 4 WHEN end_at > base_due_at THEN 5 ELSE 10 END
    AS tenths, false AS undone FROM closing
  UNION ALL SELECT case_id, body, 0, first_late < %(end)s - interval '168 hours' FROM waiting
  UNION ALL SELECT case_id, body, 0, true FROM gone
  UNION ALL SELECT case_id, body, 5, false FROM hung)
SELECT k.number, j.body, j.tenths, j.undone, coalesce(s.source, ''), coalesce(s.limit_value, 0),
  coalesce(s.limit_unit, ''), coalesce(s.cell, ''), coalesce(s.minor, ''), x.unit,
  (k.filed_at AT TIME ZONE 'Asia/Shanghai')::date
FROM judged j JOIN kept k USING (case_id) JOIN said s USING (case_id)
JOIN held x ON x.case_id = j.case_id AND x.body = j.body
"""


def facts_between(start: datetime, end: datetime) -> Facts:
    """Return the counts of [start, end) from the ledger; two queries, whatever its size."""
    facts = Facts()
    words = {"start": start, "end": end}
    with _without_nested_loops(), connection.cursor() as cursor:
        cursor.execute(_BASE + _MEMBERS, words)
        facts.members.update(cursor.fetchall())
        cursor.execute(_BASE + _ASSESSED, words)
        for number, body, tenths, *rest in cursor.fetchall():
            facts.assessed.add(Assessed(number, body, Fraction(tenths, 10), *rest))
    return facts


def log_span() -> tuple[datetime, datetime] | None:
    """Return when the log's first and last events happened; None for an empty log."""
    span = Event.objects.aggregate(first=Min("at"), last=Max("at"))
    return (span["first"], span["last"]) if span["first"] else None


@contextmanager
def _without_nested_loops() -> Iterator[None]:
    """Keep the planner from nested loops over the parts above, which have no index.

    It takes them when the table's statistics are older than a large import, and then never ends.
    Nor is the query compiled, which takes longer than to run it, and its sorts get memory.
    Rolling back what only reads gives the caller's transaction its settings back.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_nestloop = off")
            cursor.execute("SET LOCAL jit = off")
            cursor.execute("SET LOCAL work_mem = '64MB'")
        yield
        transaction.set_rollback(True)
