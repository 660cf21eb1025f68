"""Which case is in which count: set-based SQL over the ledger, the production path.

The twin of scoring/indicators.py, written apart from it; source: assessment.md §3, §5.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction

from django.db import connection, transaction

from scoring.indicators import Assessed, Facts

_BASE = """
WITH ev AS MATERIALIZED (
  SELECT e.case_id, e.case_seq, e.at, e.action, e.to_stage, e.district, e.body, e.unit,
    e.due_at, e.base_due_at, e.data, c.number
  FROM cases_event e JOIN cases_case c ON c.id = e.case_id WHERE e.at < %(end)s),
bound AS (
  SELECT ev.*,
    lead(at) OVER w AS end_at, lead(action) OVER w AS end_kind
  FROM ev
  WHERE action IN ('dispatch', 'reassign', 'arbitrate', 'rework', 'finish', 'return', 'close')
  WINDOW w AS (PARTITION BY case_id ORDER BY case_seq)),
run AS MATERIALIZED (
  SELECT case_id, number, case_seq, unit, body, at AS start_at, due_at, base_due_at, end_at,
    end_kind, due_at IS NOT NULL AND least(coalesce(end_at, %(end)s), %(end)s) > due_at AS late,
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

_MEMBERS = """, before AS (
  SELECT DISTINCT ON (case_id) case_id, body FROM run WHERE start_at < %(start)s
  ORDER BY case_id, case_seq DESC),
done AS (
  SELECT * FROM kept WHERE stage IN ('handled', 'checking', 'checked', 'closed')
    AND end_kind = 'finish' AND end_at >= %(start)s),
one AS (
  SELECT district AS body, unnest(ARRAY['filed', 'need_dispatch']) AS name, number, 1 AS n
    FROM kept WHERE filed_at >= %(start)s
  UNION ALL SELECT body, unnest(ARRAY['handled', 'need_handle']), number, 1 FROM done
  UNION ALL SELECT body, 'handled_on_time', number, 1 FROM done WHERE NOT late
  UNION ALL SELECT body, unnest(ARRAY['in_check', 'should_close']), number, 1
    FROM kept WHERE stage IN ('handled', 'checking', 'checked')
  UNION ALL SELECT body, unnest(ARRAY['closed', 'should_close', 'assessed']), number, 1
    FROM closing
  UNION ALL SELECT body, 'closed_on_time', number, 1 FROM closing WHERE NOT late
  UNION ALL SELECT body, unnest(ARRAY['overdue_unhandled', 'need_handle', 'should_close',
    'assessed']), number, 1 FROM waiting
  UNION ALL SELECT body, unnest(ARRAY['late_exit', 'need_handle', 'should_close', 'assessed']),
    number, 1 FROM gone
  UNION ALL SELECT body, unnest(ARRAY['suspended_open', 'assessed']), number, 1 FROM hung
  UNION ALL SELECT body, 'not_due', number, 1 FROM kept
    WHERE NOT late AND stage IN ('dispatched', 'handling', 'rework')
  UNION ALL SELECT body, 'to_dispatch', number, 1 FROM kept
    WHERE NOT late AND stage IN ('filed', 'returned', 'disputed')
  UNION ALL SELECT body, 'backlog_out', number, 1 FROM kept WHERE stage <> 'closed'
  UNION ALL SELECT coalesce(b.body, p.district), 'backlog_in', k.number, 1
    FROM kept k JOIN prior p USING (case_id) LEFT JOIN before b USING (case_id)
    WHERE k.filed_at < %(start)s AND p.to_stage <> 'closed'
  UNION ALL SELECT body, CASE action WHEN 'rework' THEN 'reworked' ELSE 'returned' END,
    number, 1 FROM ev WHERE at >= %(start)s AND action IN ('rework', 'return')
    GROUP BY body, action, number
  UNION ALL SELECT body, CASE action WHEN 'rework' THEN 'reworked_times'
    ELSE 'returned_times' END, number, 1 FROM ev
    WHERE at >= %(start)s AND action IN ('rework', 'return')
  UNION ALL SELECT body, 'checks', number, 1 FROM ev
    WHERE at >= %(start)s AND action = 'answer_check'
  UNION ALL SELECT body, 'checks_passed', number, 1 FROM ev WHERE at >= %(start)s
    AND action = 'answer_check' AND (data->'facts'->>'passed')::boolean
  UNION ALL SELECT r.body_before, 'shirked', r.number, 1 FROM run r JOIN ev e
    ON e.case_id = r.case_id AND e.case_seq = r.case_seq
    WHERE e.at >= %(start)s AND e.action IN ('reassign', 'arbitrate')
      AND e.data->'facts'->>'ruling' = 'unjustified')
SELECT body, name, number, sum(n) FROM one GROUP BY body, name, number
"""


_ASSESSED = """, told AS (
  SELECT DISTINCT ON (case_id, key) case_id, key, value
  FROM ev, jsonb_each_text(data->'set')
  WHERE key IN ('source', 'limit_value', 'limit_unit', 'grid_cell', 'minor_id')
  ORDER BY case_id, key, case_seq DESC),
said AS (
  SELECT case_id, max(value) FILTER (WHERE key = 'source') AS source,
    max(value) FILTER (WHERE key = 'limit_value')::int AS limit_value,
    max(value) FILTER (WHERE key = 'limit_unit') AS limit_unit,
    max(value) FILTER (WHERE key = 'grid_cell') AS cell,
    max(value) FILTER (WHERE key = 'minor_id') AS minor
  FROM told GROUP BY case_id),
judged AS (
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
        for body, name, number, times in cursor.fetchall():
            facts.members[body, name, number] = int(times)
        cursor.execute(_BASE + _ASSESSED, words)
        for number, body, tenths, *rest in cursor.fetchall():
            facts.assessed.add(Assessed(number, body, Fraction(tenths, 10), *rest))
    return facts


@contextmanager
def _without_nested_loops() -> Iterator[None]:
    """Keep the planner from nested loops over the parts above, which have no index.

    It takes them when the table's statistics are older than a large import, and then never ends.
    The one loop that cannot be avoided, over the words of each event, then looks dear enough to
    compile the query first, which takes longer than the query: hence no compiling.
    Rolling back what only reads gives the caller's transaction its settings back.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_nestloop = off")
            cursor.execute("SET LOCAL jit = off")
        yield
        transaction.set_rollback(True)
