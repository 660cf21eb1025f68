"""The one statement behind every count: set-based SQL over the ledger; assessment.md §2 to §5.

A case stands under its own key as it is at `end`; under the negative key of a void or merge that
came after, it stands once more as it was just before that, to tell whether it was late then.
"""

from cases.plane import degrees, metres_sql
from cases.recurrence import NEAR_M
from scoring.runs import RULINGS

_LOG = """
WITH wanted AS MATERIALIZED (
  SELECT id, number, is_self_handled FROM cases_case
  -- Closed for good before the period and the week that recurrence looks back: in no count,
  -- unless audited since.
  WHERE (closed_at IS NULL OR closed_at >= %(start)s - interval '168 hours' OR id IN (
    SELECT case_id FROM cases_event
    WHERE action = 'answer_audit' AND at >= %(start)s AND at < %(end)s)) @some@),
later AS MATERIALIZED (  -- rulings known by the cut-off, and reopenings, which end a cycle
  SELECT id, case_id, case_seq, at, action, due_at, base_due_at, data->'facts' AS facts
  FROM cases_event
  WHERE at >= %(end)s AND at <= %(cut_off)s AND action IN (@later@)),
placed AS MATERIALIZED (  -- by place: where each case lay at `end`, not where it lies now
  SELECT case_id, nullif((array_agg(place ORDER BY case_seq DESC))[1], '') AS place FROM (
    SELECT case_id, case_seq,
      data->'set'->>CASE %(by)s WHEN 'cell' THEN 'grid_cell' ELSE 'street' END AS place
    FROM cases_event
    WHERE %(by)s IN ('street', 'cell') AND at < %(end)s AND case_id = ANY(
      ARRAY(SELECT id FROM wanted))) said
  WHERE place IS NOT NULL GROUP BY case_id),
ev AS MATERIALIZED (
  SELECT v.key, v.moment, v.case_seq, v.at, v.action, v.to_stage, v.unit, v.sets_clock, v.due_at,
    v.base_due_at, c.number,
    CASE WHEN %(by)s IN ('street', 'cell') THEN coalesce(p.place, 'city')
      ELSE coalesce(nullif(v.district, ''), 'city') END AS district,
    CASE WHEN %(by)s IN ('street', 'cell') THEN coalesce(p.place, 'city')
      WHEN %(by)s = 'unit' THEN v.unit ELSE v.body END AS body,
    v.action IN ('dispatch', 'reassign', 'arbitrate', 'rework', 'reopen') AND v.unit <> ''
      AS begins,
    v.action IN ('finish', 'return', 'close', 'force_close', 'void', 'merge') AS ends,
    v.data->'starts'->>'kind' AS starts, (v.data->'starts'->>'due_at')::timestamptz AS stage_due,
    CASE WHEN v.action IN ('dispatch', 'reassign', 'arbitrate', 'answer_check', 'answer_audit',
      'file', 'reclassify', 'decide_extension', 'decide_suspension', 'decide_appeal', 'adjust',
      'supervise', 'moved_out', 'moved_in') THEN v.data->'facts' END AS facts,
    CASE WHEN v.data->'set' ?| ARRAY['source', 'limit_value', 'limit_unit', 'grid_cell',
      'minor_id', 'point'] THEN v.data->'set' END AS words
  FROM (
    SELECT e.case_id AS key, %(end)s AS moment, e.* FROM cases_event e
    WHERE e.at < %(end)s AND e.case_id = ANY(ARRAY(SELECT id FROM wanted))
    UNION ALL
    SELECT -l.id, l.at, e.* FROM later l JOIN cases_event e USING (case_id)
    WHERE l.action IN ('void', 'merge') AND e.case_seq < l.case_seq AND e.case_id = ANY(
      ARRAY(SELECT case_id FROM later WHERE action IN ('void', 'merge')))) v
  JOIN wanted c ON c.id = v.case_id LEFT JOIN placed p ON p.case_id = v.case_id
  WHERE NOT c.is_self_handled),
rare AS MATERIALIZED (
  SELECT *, action = 'decide_extension' AND facts->>'level' = 'dispatcher'
      AND (facts->>'approved')::boolean AS extends
  FROM ev WHERE (sets_clock AND NOT begins AND NOT ends) OR action IN ('rework', 'return',
    'reopen', 'void', 'merge', 'unmerge', 'redispatch', 'decide_extension', 'decide_suspension',
    'defer', 'decide_appeal', 'recompute_deadline', 'confirm_exit', 'adjust', 'supervise',
    'moved_out', 'moved_in', 'answer_check', 'answer_audit')),
reopened AS (SELECT key, max(case_seq) AS seq FROM rare WHERE action = 'reopen' GROUP BY key),
undone AS (SELECT key, max(case_seq) AS seq FROM rare WHERE action = 'unmerge' GROUP BY key),
bound AS (
  SELECT ev.*, lead(at) OVER w AS end_at, lead(action) OVER w AS end_kind,
    lead(case_seq) OVER w AS end_seq
  FROM ev LEFT JOIN undone u USING (key)
  WHERE (begins OR ends) AND NOT (action = 'merge' AND case_seq < coalesce(u.seq, 0))
  WINDOW w AS (PARTITION BY key ORDER BY case_seq)),
stretch AS MATERIALIZED (
  SELECT key, moment, number, case_seq, action, unit, body, at AS start_at, due_at, base_due_at,
    end_at, end_kind, end_seq, coalesce(facts->>'parent', unit) AS main,
    facts->>'ruling' AS ruling, lead(case_seq) OVER v AS next_seq
  FROM bound WHERE begins
  WINDOW v AS (PARTITION BY key ORDER BY case_seq)),
mended AS (  -- deadlines recomputed since, where no other run began before
  SELECT DISTINCT ON (l.case_id) l.case_id AS key, l.due_at, l.base_due_at
  FROM later l LEFT JOIN (
    SELECT case_id, min(case_seq) AS seq FROM cases_event
    WHERE at >= %(end)s AND unit <> ''
      AND action IN ('dispatch', 'reassign', 'arbitrate', 'rework', 'reopen')
      AND case_id = ANY(ARRAY(SELECT case_id FROM later WHERE action = 'recompute_deadline'))
    GROUP BY case_id) s USING (case_id)
  WHERE l.action = 'recompute_deadline' AND l.due_at IS NOT NULL
    AND (s.seq IS NULL OR l.case_seq < s.seq)
  ORDER BY l.case_id, l.case_seq DESC),
turn AS (  -- what changed a run on its way
  SELECT s.key, s.case_seq, bool_or(r.sets_clock) AS is_moved,
    (array_agg(r.due_at ORDER BY r.case_seq DESC) FILTER (WHERE r.sets_clock))[1] AS due_at,
    (array_agg(r.base_due_at ORDER BY r.case_seq DESC) FILTER (WHERE r.sets_clock))[1]
      AS base_due_at,
    (array_agg(r.unit ORDER BY r.case_seq DESC) FILTER (WHERE r.action = 'redispatch'))[1]
      AS unit,
    (array_agg(r.body ORDER BY r.case_seq DESC) FILTER (WHERE r.action = 'redispatch'))[1]
      AS body,
    bool_or(r.extends) AS is_extended
  FROM stretch s JOIN rare r ON r.key = s.key AND r.case_seq > s.case_seq
  WHERE (r.sets_clock OR r.action IN ('redispatch', 'decide_extension')) AND NOT r.begins
    AND NOT r.ends AND CASE WHEN r.action = 'recompute_deadline' AND r.due_at IS NOT NULL
      THEN s.next_seq IS NULL OR r.case_seq < s.next_seq
      ELSE s.end_seq IS NULL OR r.case_seq < s.end_seq END
  GROUP BY s.key, s.case_seq),
run AS MATERIALIZED (
  SELECT r.*, due_at IS NOT NULL AND least(coalesce(end_at, moment), moment) > due_at AS late,
    lag(body) OVER v AS body_before
  FROM (
    SELECT s.key, s.moment, s.number, s.case_seq, s.action, s.start_at, s.end_at, s.end_kind,
      s.main, s.ruling, s.next_seq, s.due_at AS first_due, s.body AS first_body,
      s.case_seq >= coalesce(o.seq, 0) AS is_judged,
      coalesce(t.unit, s.unit) AS unit, coalesce(t.body, s.body) AS body,
      CASE WHEN m.key IS NOT NULL THEN m.due_at WHEN t.is_moved THEN t.due_at ELSE s.due_at END
        AS due_at,
      CASE WHEN m.key IS NOT NULL THEN m.base_due_at WHEN t.is_moved THEN t.base_due_at
        ELSE s.base_due_at END AS base_due_at,
      coalesce(t.is_extended, false) AS is_extended
    FROM stretch s LEFT JOIN reopened o USING (key)
    LEFT JOIN turn t ON t.key = s.key AND t.case_seq = s.case_seq
    LEFT JOIN mended m ON m.key = s.key AND s.next_seq IS NULL) r
  WINDOW v AS (PARTITION BY key ORDER BY case_seq)),
held AS (
  SELECT key, body, bool_or(late) AS late, min(due_at) FILTER (WHERE late) AS first_late,
    (array_agg(unit ORDER BY case_seq DESC))[1] AS unit, bool_or(is_extended) AS is_extended
  FROM run WHERE is_judged GROUP BY key, body),
head AS (SELECT DISTINCT ON (key) key, number, to_stage, district
  FROM ev ORDER BY key, case_seq DESC),
mark AS (
  SELECT key, min(at) FILTER (WHERE action = 'file') AS filed_at,
    max(at) FILTER (WHERE action IN ('close', 'force_close')) AS closed_at,
    max(case_seq) FILTER (WHERE action = 'force_close')
      > coalesce(max(case_seq) FILTER (WHERE action = 'close'), 0) AS forced,
    max(at) FILTER (WHERE action IN ('void', 'merge')) AS left_at,
    max(case_seq) FILTER (WHERE action IN ('void', 'merge')) AS left_seq
  FROM ev WHERE action IN ('file', 'close', 'force_close', 'void', 'merge') GROUP BY key),
place AS MATERIALIZED (
  SELECT h.key, h.number, h.to_stage AS stage, h.district, m.filed_at, m.closed_at, m.left_at,
    m.left_seq, coalesce(m.forced, false) AS forced,
    coalesce(r.body, h.district) AS body, r.end_at, r.end_kind, r.base_due_at,
    r.key IS NOT NULL AND r.end_at IS NULL AS is_running,
    coalesce(x.late, false) AS late, x.first_late
  FROM head h LEFT JOIN mark m USING (key)
  LEFT JOIN run r ON r.key = h.key AND r.next_seq IS NULL
  LEFT JOIN held x ON x.key = h.key AND x.body = r.body),
"""

_RULED = """
known AS MATERIALIZED (
  SELECT key, case_seq, action, facts FROM rare
    WHERE key > 0 AND action IN ('confirm_exit', 'decide_appeal', 'adjust')
  UNION ALL SELECT case_id, case_seq, action, facts FROM later),
confirmed AS (SELECT key, max(case_seq) AS seq FROM known WHERE action = 'confirm_exit'
  GROUP BY key),
adjusted AS (
  SELECT key, bool_or(effect = 'exempt') AS exempt,
    (array_agg(effect ORDER BY case_seq DESC) FILTER (WHERE effect <> 'exempt'))[1] AS placed
  FROM (
    SELECT key, case_seq, facts->>'effect' AS effect FROM known
    WHERE action = 'adjust' AND coalesce((facts->>'approved')::boolean, true)
      AND facts->>'period' = ANY(%(periods)s)) said
  GROUP BY key),
leaving AS (
  SELECT key, left_seq AS case_seq, late,
    CASE stage WHEN 'voided' THEN 'void' ELSE 'merge' END AS action
  FROM place WHERE key > 0 AND stage IN ('voided', 'merged')
  UNION ALL SELECT l.case_id, l.case_seq, p.late, l.action
    FROM later l JOIN place p ON p.key = -l.id),
removed AS (
  SELECT key FROM adjusted WHERE placed = 'leave_out'
  UNION SELECT key FROM leaving l LEFT JOIN confirmed c USING (key) LEFT JOIN adjusted a USING (key)
    WHERE a.placed IS NULL AND (NOT l.late OR c.seq > l.case_seq)),
excused AS (
  SELECT key FROM adjusted WHERE exempt
  UNION SELECT key FROM known k LEFT JOIN reopened o USING (key)
    LEFT JOIN (SELECT case_id AS key, min(case_seq) AS seq FROM later WHERE action = 'reopen'
      GROUP BY case_id) n USING (key)
    WHERE k.action = 'decide_appeal' AND k.facts->>'level' = 'acceptor'
      AND (k.facts->>'upheld')::boolean AND k.case_seq > coalesce(o.seq, 0)
      AND (n.seq IS NULL OR k.case_seq < n.seq)),
here AS MATERIALIZED (
  SELECT * FROM place p WHERE key > 0 AND NOT EXISTS (SELECT FROM removed o WHERE o.key = p.key)),
kept AS MATERIALIZED (
  SELECT h.*, h.late AND NOT h.forced AND e.key IS NOT NULL AS exempt
  FROM here h LEFT JOIN excused e USING (key) WHERE h.filed_at IS NOT NULL),
live AS MATERIALIZED (SELECT * FROM kept WHERE stage NOT IN ('voided', 'merged')),
closing AS (SELECT * FROM live WHERE stage = 'closed' AND closed_at >= %(start)s),
done AS (
  SELECT * FROM live WHERE stage IN ('handled', 'checking', 'checked', 'closed')
    AND end_kind = 'finish' AND end_at >= %(start)s),
waiting AS (SELECT * FROM live WHERE late AND stage IN
  ('filed', 'dispatched', 'handling', 'rework', 'suspended', 'returned', 'disputed')),
hung AS (SELECT * FROM live WHERE stage = 'suspended' AND NOT late),
parted AS (
  SELECT key, body_before AS body, max(start_at) AS at, max(case_seq) AS seq FROM run
  WHERE is_judged AND action IN ('reassign', 'arbitrate') AND body_before <> body
  GROUP BY key, body_before),
gone AS (
  SELECT key, number, body FROM kept
    WHERE stage IN ('voided', 'merged') AND left_at >= %(start)s
  UNION ALL
  SELECT k.key, k.number, x.body FROM kept k JOIN held x USING (key)
    JOIN parted p ON p.key = x.key AND p.body = x.body LEFT JOIN confirmed c ON c.key = x.key
    WHERE x.late AND x.body <> k.body AND p.at >= %(start)s
      AND (c.seq IS NULL OR c.seq < p.seq)),
"""

_WORDS = """
said AS MATERIALIZED (
  SELECT key, source[1] AS source, limit_value[1]::int AS limit_value, limit_unit[1] AS limit_unit,
    cell[1] AS cell, minor[1] AS minor, point[1] AS point
  FROM (
    SELECT key,
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
      array_agg(words->>'point' ORDER BY case_seq DESC) FILTER (WHERE words ? 'point') AS point
    FROM ev WHERE words IS NOT NULL AND key > 0 GROUP BY key) heard),
first_run AS MATERIALIZED (
  SELECT DISTINCT ON (key) key, main, first_due FROM run WHERE key > 0 ORDER BY key, case_seq),
urged AS (
  SELECT DISTINCT r.key FROM rare r LEFT JOIN first_run f USING (key)
  WHERE r.action = 'supervise' AND r.facts->>'kind' IN ('leader', 'important')
    AND (f.first_due IS NULL OR r.at < f.first_due)),
judged AS (
  SELECT key, body, CASE WHEN forced THEN 0 WHEN late THEN 4 WHEN end_at > base_due_at THEN 5
    ELSE 10 END AS tenths, forced AS undone, false AS hung FROM closing WHERE NOT exempt
  UNION ALL SELECT key, body, 0, first_late < %(end)s - interval '168 hours', false FROM waiting
  UNION ALL SELECT key, body, 0, true, false FROM gone
  UNION ALL SELECT key, body, 5, false, true FROM hung),
assessed AS MATERIALIZED (
  SELECT j.body, k.number, j.tenths, j.undone, coalesce(x.is_extended, false) AS extended, j.hung,
    u.key IS NOT NULL AS urged, coalesce(s.source, '') AS source,
    coalesce(s.limit_value, 0) AS limit_value, coalesce(s.limit_unit, '') AS limit_unit,
    coalesce(s.cell, '') AS cell, coalesce(s.minor, '') AS minor, coalesce(x.unit, '') AS unit,
    (k.filed_at AT TIME ZONE 'Asia/Shanghai')::date AS filed_on
  FROM judged j JOIN kept k USING (key) JOIN said s USING (key) LEFT JOIN urged u USING (key)
  LEFT JOIN held x ON x.key = j.key AND x.body = j.body),
"""

_OTHERS = """
stop (kind, action) AS (VALUES
  ('accept', 'file'), ('accept', 'decline'), ('accept', 'decline_filing'),
  ('accept', 'send_verify'), ('verify', 'answer_verify'),
  ('dispatch', 'dispatch'), ('dispatch', 'reassign'), ('dispatch', 'arbitrate'),
  ('dispatch', 'rework'), ('dispatch', 'dispute'), ('sign', 'sign'), ('sign', 'return'),
  ('sign', 'reassign'), ('sign', 'arbitrate'), ('check', 'answer_check')
  UNION ALL SELECT kind, action FROM (VALUES ('accept'), ('verify'), ('dispatch'), ('sign'),
    ('check')) k (kind) CROSS JOIN (VALUES ('void'), ('merge'), ('force_close')) a (action)),
tick AS (
  SELECT key, case_seq, at, number, body, starts AS kind, stage_due, true AS is_start
    FROM ev WHERE starts IN (SELECT kind FROM stop)
  UNION ALL SELECT key, case_seq, at, number, body, kind, NULL, false
    FROM ev JOIN stop USING (action)),
clock AS (
  SELECT tick.*, lead(at) OVER (PARTITION BY key, kind ORDER BY case_seq, is_start) AS ended
  FROM tick),
timed AS (
  SELECT CASE WHEN kind IN ('accept', 'verify', 'dispatch') THEN h.district ELSE k.body END
    AS body, kind, k.number, coalesce(ended <= stage_due, false) AS on_time
  FROM clock k JOIN here h USING (key) WHERE is_start
    AND CASE WHEN ended IS NULL THEN stage_due < %(end)s ELSE ended >= %(start)s END),
decided AS (
  SELECT DISTINCT ON (key) key, number, at, action
  FROM ev WHERE key > 0 AND action IN ('file', 'decline', 'decline_filing')
  ORDER BY key, case_seq),
reports AS (
  SELECT d.number, coalesce(s.source, '') AS source, d.action = 'file' AND NOT EXISTS (
    SELECT FROM leaving l WHERE l.key = d.key AND l.action = 'void') AS valid
  FROM decided d JOIN said s USING (key) LEFT JOIN adjusted a USING (key)
  WHERE d.at >= %(start)s AND a.placed IS DISTINCT FROM 'leave_out' AND NOT EXISTS (
    SELECT FROM leaving l WHERE l.key = d.key AND l.action = 'merge')),
first_finish AS (
  SELECT DISTINCT ON (key) key, main, end_at
  FROM run WHERE end_kind = 'finish' ORDER BY key, case_seq),
sent AS (
  SELECT k.body, k.number, f.main = o.main AS accurate
  FROM first_finish f JOIN first_run o USING (key) JOIN kept k USING (key)
  WHERE f.end_at >= %(start)s),
kind AS (
  SELECT key, (array_agg((facts->>'recurs')::boolean ORDER BY case_seq DESC)
    FILTER (WHERE facts ? 'recurs'))[1] AS recurs
  FROM ev WHERE key > 0 AND action IN ('file', 'reclassify') GROUP BY key),
spot AS MATERIALIZED (
  SELECT k.key, k.number, k.body, k.stage, k.forced, k.filed_at, k.closed_at, s.minor,
    split_part(s.point, ',', 1)::float8 AS lon, split_part(s.point, ',', 2)::float8 AS lat
  FROM live k JOIN said s USING (key) JOIN kind USING (key) WHERE recurs AND s.point <> ''),
-- Tiles no narrower than 50 m up to 80 degrees north or south.
tiled AS (SELECT *, floor(lon * 380)::int AS x, floor(lat * 2200)::int AS y FROM spot),
watched AS (
  SELECT * FROM tiled WHERE stage = 'closed' AND NOT forced
    AND closed_at >= %(start)s - interval '168 hours'
    AND closed_at < %(end)s - interval '168 hours'),
again AS (
  SELECT DISTINCT w.key FROM watched w
  CROSS JOIN generate_series(-1, 1) right_by CROSS JOIN generate_series(-1, 1) up_by
  WHERE EXISTS (SELECT FROM tiled f
    WHERE f.minor = w.minor AND f.x = w.x + right_by AND f.y = w.y + up_by
      AND f.key <> w.key AND f.filed_at >= w.closed_at
      AND f.filed_at <= w.closed_at + interval '168 hours' AND @near@ <= @near_m@)),
prior AS (SELECT DISTINCT ON (key) key, to_stage, district
  FROM ev WHERE at < %(start)s AND key > 0 ORDER BY key, case_seq DESC),
before AS (
  SELECT DISTINCT ON (key) key, body FROM (
    SELECT key, case_seq, start_at AS at, first_body AS body FROM run
    UNION ALL SELECT key, case_seq, at, body FROM rare WHERE action = 'redispatch') holder
  WHERE at < %(start)s ORDER BY key, case_seq DESC),
event AS MATERIALIZED (
  SELECT r.* FROM rare r JOIN kept USING (key) WHERE r.at >= %(start)s),
told AS (  -- who held the case when it was voided, merged, reopened or audited
  SELECT DISTINCT ON (r.key, r.case_seq) r.key, r.number, r.action, r.to_stage, r.facts,
    r.district, coalesce(nullif(r.body, ''), o.body, r.district) AS body
  FROM rare r LEFT JOIN run o ON o.key = r.key AND o.case_seq < r.case_seq
  WHERE r.key > 0 AND r.at >= %(start)s AND r.action IN ('void', 'merge', 'reopen',
    'answer_audit')
  ORDER BY r.key, r.case_seq, o.case_seq DESC),
times AS (
  SELECT body, name, number FROM event JOIN (VALUES ('rework', 'reworked'), ('return', 'returned'),
    ('decide_extension', 'extended')) v (action, name) USING (action)
  WHERE action <> 'decide_extension' OR extends
  UNION ALL SELECT t.body, 'reopened', t.number FROM told t JOIN kept USING (key)
    WHERE t.action = 'reopen'),
audit AS (
  SELECT t.*, (facts->>'passed')::boolean AS passed,
    coalesce((facts->>'falsified')::boolean, false) AS falsified, t.to_stage = 'declined' AS refused
  FROM told t JOIN here USING (key) WHERE t.action = 'answer_audit'),
"""

_MEMBERS = """
own AS (
  SELECT DISTINCT ON (c.id) c.number,
    CASE WHEN %(by)s IN ('street', 'cell') THEN coalesce(p.place, 'city')
      ELSE coalesce(nullif(e.district, ''), 'city') END AS district
  FROM cases_event e JOIN wanted c ON c.id = e.case_id LEFT JOIN placed p ON p.case_id = c.id
  WHERE c.is_self_handled AND e.action = 'close' AND e.at >= %(start)s AND e.at < %(end)s
    AND e.case_id = ANY(ARRAY(SELECT id FROM wanted WHERE is_self_handled))
  ORDER BY c.id, e.case_seq DESC),
late_end AS (SELECT body, number FROM waiting UNION ALL SELECT body, number FROM gone),
one AS (
  SELECT district AS body, unnest(ARRAY['filed', 'need_dispatch']) AS name, number
    FROM live WHERE filed_at >= %(start)s
  UNION ALL SELECT l.district, 'filed_public', l.number FROM live l JOIN said s USING (key)
    WHERE l.filed_at >= %(start)s AND s.source IN ('hotline', 'citizen', 'leader', 'media')
  UNION ALL SELECT l.body, 'key', l.number FROM live l JOIN said s USING (key)
    LEFT JOIN urged u USING (key)
    WHERE (u.key IS NOT NULL OR s.source IN ('leader', 'media'))
      AND (l.stage <> 'closed' OR l.closed_at >= %(start)s)
  UNION ALL SELECT body, unnest(ARRAY['handled', 'need_handle']), number FROM done
  UNION ALL SELECT body, 'handled_on_time', number FROM done WHERE NOT late
  UNION ALL SELECT body, 'need_handle_judged', number FROM done WHERE NOT exempt
    OR stage <> 'closed' OR closed_at < %(start)s
  UNION ALL SELECT body, unnest(ARRAY['in_check', 'should_close', 'should_close_judged']), number
    FROM live WHERE stage IN ('handled', 'checking', 'checked')
  UNION ALL SELECT body, 'should_close', number FROM closing
  UNION ALL SELECT body, CASE WHEN forced THEN 'forced' ELSE 'closed' END, number FROM closing
  UNION ALL SELECT body, CASE WHEN exempt THEN 'exempt' ELSE 'should_close_judged' END, number
    FROM closing
  UNION ALL SELECT body, 'closed_on_time', number FROM closing WHERE NOT late AND NOT forced
  UNION ALL SELECT body, 'overdue_unhandled', number FROM waiting
  UNION ALL SELECT body, 'late_exit', number FROM gone
  UNION ALL SELECT body, unnest(ARRAY['need_handle', 'need_handle_judged', 'should_close',
    'should_close_judged']), number FROM late_end
  UNION ALL SELECT body, 'suspended_open', number FROM hung
  UNION ALL SELECT body, 'extended_assessed', number FROM assessed WHERE extended
  UNION ALL SELECT body, CASE WHEN is_running THEN 'not_due' ELSE 'to_dispatch' END, number
    FROM live WHERE NOT late AND stage IN
      ('filed', 'dispatched', 'handling', 'rework', 'returned', 'disputed')
  UNION ALL SELECT body, 'backlog_out', number FROM place
    WHERE key > 0 AND filed_at IS NOT NULL AND stage NOT IN ('closed', 'voided', 'merged')
  UNION ALL SELECT coalesce(b.body, p.district), 'backlog_in', k.number
    FROM place k JOIN prior p USING (key) LEFT JOIN before b USING (key)
    WHERE k.filed_at < %(start)s AND p.to_stage NOT IN ('closed', 'voided', 'merged')
  UNION ALL SELECT body, CASE action WHEN 'void' THEN 'voided' ELSE 'merged' END, number
    FROM told WHERE action IN ('void', 'merge')
  UNION ALL SELECT DISTINCT body, name, number FROM times
  UNION ALL SELECT body, name || '_times', number FROM times
  UNION ALL SELECT body, 'suspended', number FROM event
    WHERE action = 'decide_suspension' AND (facts->>'approved')::boolean
  UNION ALL SELECT body, 'deferred', number FROM event WHERE action = 'defer'
  UNION ALL SELECT facts->>'from_district', 'transferred_out', number FROM event
    WHERE action = 'moved_out' AND facts->>'by' IN ('transfer', 'arbitrate')
  UNION ALL SELECT facts->>'to_district', 'transferred_in', number FROM event
    WHERE action = 'moved_in' AND facts->>'by' IN ('transfer', 'arbitrate')
  UNION ALL SELECT body, 'checks', number FROM event WHERE action = 'answer_check'
  UNION ALL SELECT body, 'checks_passed', number FROM event
    WHERE action = 'answer_check' AND (facts->>'passed')::boolean
  UNION ALL SELECT r.body_before, 'shirked', r.number FROM run r JOIN kept USING (key)
    WHERE r.start_at >= %(start)s AND r.ruling = 'unjustified' AND r.body_before IS NOT NULL
  UNION ALL SELECT body, kind || '_clocks', number FROM timed
  UNION ALL SELECT body, kind || '_on_time', number FROM timed WHERE on_time
  UNION ALL SELECT source, 'decided_reports', number FROM reports
  UNION ALL SELECT source, 'valid_reports', number FROM reports WHERE valid
  UNION ALL SELECT body, 'first_finished', number FROM sent
  UNION ALL SELECT body, 'accurate_dispatch', number FROM sent WHERE accurate
  UNION ALL SELECT body, 'closings', number FROM watched
  UNION ALL SELECT body, 'recurrent', number FROM watched JOIN again USING (key)
  UNION ALL SELECT body, 'audits', number FROM audit WHERE NOT refused
  UNION ALL SELECT body, 'audits_passed', number FROM audit WHERE NOT refused AND passed
  UNION ALL SELECT body, 'falsified', number FROM audit WHERE NOT refused AND falsified
  UNION ALL SELECT district, 'refusals_audited', number FROM audit WHERE refused
  UNION ALL SELECT district, 'refused_wrongly', number FROM audit WHERE refused AND NOT passed
  UNION ALL SELECT district, 'self_handled', number FROM own)
"""

# A row without numbers is a case of M, all others are (body, count, its cases).
_ALL = """
SELECT body, 'assessed', NULL::text[], number, tenths, undone, extended, hung, urged, source,
  limit_value, limit_unit, cell, minor, unit, filed_on FROM assessed
UNION ALL SELECT body, name, array_agg(number), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL FROM one GROUP BY body, name
"""
# What moves a period that is over: rulings, and reopenings, which end a cycle.
LATER = (*sorted(RULINGS), "reopen")
_LOG = _LOG.replace("@later@", ", ".join(f"'{action}'" for action in LATER))
_NEAR = _OTHERS.replace("@near@", metres_sql("w", "f")).replace("@near_m@", str(NEAR_M))
_FACTS = _LOG + _RULED + _WORDS + _NEAR + _MEMBERS + _ALL
FACTS = _FACTS.replace("@some@", "")
# The same of the cases in `cases` alone, as if there were no others.
FACTS_OF_SOME = _FACTS.replace("@some@", "AND id = ANY(%(cases)s)")

# The cases that count otherwise at `until` than at `since`: something happened, or a time passed.
CHANGED = """
SELECT case_id FROM cases_event WHERE at >= %(since)s AND case_id IS NOT NULL
UNION SELECT case_id FROM cases_event
  WHERE sets_clock AND due_at >= %(since)s AND due_at < %(until)s
UNION SELECT case_id FROM cases_event  -- a week late: left undone
  WHERE sets_clock AND due_at >= %(since)s - interval '168 hours'
    AND due_at < %(until)s - interval '168 hours'
UNION SELECT case_id FROM cases_event
  WHERE data ? 'starts' AND data #>> '{starts,due_at}' >= %(since_stamp)s
    AND data #>> '{starts,due_at}' < %(until_stamp)s
UNION SELECT id FROM cases_case  -- a week closed: watched for whether they come back
  WHERE closed_at >= %(since)s - interval '168 hours'
    AND closed_at < %(until)s - interval '168 hours'
"""
# What must be read with changed cases: what may have come back as one of them, or what one of
# them may have come back as; what else decides that; and what shares its group. Of one that was
# reopened or put into another class since, what it was near before is not in its row.
TOGETHER = """
WITH changed AS (
  SELECT c.id, c.minor_id, c.point, c.grid_cell, c.filed_at, c.closed_at, EXISTS (
    SELECT FROM cases_event e WHERE e.case_id = c.id AND e.at >= %(since)s
      AND e.action IN ('reclassify', 'reopen')) AS is_turned
  FROM cases_case c WHERE c.id = ANY(%(changed)s)),
near AS (
  SELECT DISTINCT f.id, f.minor_id, f.point, f.closed_at
  FROM changed w CROSS JOIN LATERAL @around@ f
  WHERE w.is_turned OR f.minor_id = w.minor_id AND (
    w.filed_at BETWEEN f.closed_at AND f.closed_at + interval '168 hours'
    OR f.filed_at BETWEEN w.closed_at AND w.closed_at + interval '168 hours'))
SELECT id FROM changed UNION SELECT id FROM near
UNION SELECT f.id FROM near w CROSS JOIN LATERAL @around@ f
  WHERE f.minor_id = w.minor_id
    AND f.filed_at BETWEEN w.closed_at AND w.closed_at + interval '168 hours'
UNION SELECT f.id
  FROM changed w JOIN cases_case f ON f.grid_cell = w.grid_cell
    AND (f.filed_at AT TIME ZONE 'Asia/Shanghai')::date
      = (w.filed_at AT TIME ZONE 'Asia/Shanghai')::date
  WHERE w.is_turned OR f.minor_id = w.minor_id
"""
# A box apart, since to guess how many points it holds takes longer than to find them.
_AROUND = "(SELECT * FROM cases_case WHERE point && ST_Expand(w.point, @high@) OFFSET 0)"
TOGETHER = TOGETHER.replace("@around@", _AROUND.replace("@high@", str(degrees(NEAR_M))))
