"""Cases as a run found them: the rows of a bulletin's annexes, the same whenever it is printed."""

import json
from collections.abc import Sequence

from django.db import connection
from django.utils.translation import gettext as _

from cases.models import MinorClass, Unit
from scoring.models import Run
from scoring.periods import CITY_TIME, parse_period
from scoring.trial import names_of_bodies


def case_rows(run: Run, listed: Sequence[tuple[str, str]], may_see: set[str]) -> list[list[str]]:
    """Return number, body, class, unit, when reported and due of each (body, number).

    From the logs as far as the run read them: a case that changed since stands as it did. Of a
    case not in `may_see` the number and body alone.
    """
    found = _as_read(run, [number for _body, number in listed])
    bodies = names_of_bodies(run.scheme.level, [body for body, _number in listed])
    classes = {one.pk: one.name for one in MinorClass.objects.all()}
    units = {one.pk: one.name for one in Unit.objects.all()}
    rows = []
    for body, number in listed:
        row = [number, bodies.get(body, body)]
        if number not in may_see:
            rows.append([*row, _("a case of another district"), "–", "–", "–"])
            continue
        minor, unit, reported, due = found[number]
        rows.append([*row, classes.get(minor, "–"), units.get(unit, "–"), reported, due or "–"])
    return rows


def _as_read(run: Run, numbers: Sequence[str]) -> dict[str, tuple[str, str, str, str]]:
    """Return class, unit, when reported and due of each case, in the city's time.

    As they stood at the period's end (assessment.md §2): what came after is the next period's, but
    a deadline put right since. One whose clock is stopped is not due.
    """
    stood_at = min(parse_period(run.period).end, run.as_of)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH log AS (
              SELECT c.number, e.*, e.at < %(stood_at)s AS is_fact,
                min(e.case_seq) FILTER (WHERE e.at >= %(stood_at)s AND e.unit <> '' AND e.action IN
                  ('dispatch', 'reassign', 'arbitrate', 'rework', 'reopen'))
                  OVER (PARTITION BY c.id) AS next_run
              FROM cases_case c JOIN cases_event e ON e.case_id = c.id
              JOIN json_each_text(%(heads)s) h ON h.key = e.scope AND e.dseq <= h.value::bigint
              WHERE c.number = ANY(%(numbers)s))
            SELECT number,
              (array_agg(data->'set'->>'minor_id' ORDER BY case_seq DESC)
                FILTER (WHERE is_fact AND data->'set' ? 'minor_id'))[1],
              (array_agg(unit ORDER BY case_seq DESC) FILTER (WHERE is_fact AND unit <> ''))[1],
              to_char(min(at) AT TIME ZONE %(zone)s, 'YYYY-MM-DD HH24:MI'),
              to_char((array_agg(due_at ORDER BY case_seq DESC)
                FILTER (WHERE sets_clock AND (is_fact OR (action = 'recompute_deadline'
                  AND due_at IS NOT NULL AND case_seq < coalesce(next_run, case_seq + 1)))))[1]
                AT TIME ZONE %(zone)s, 'YYYY-MM-DD HH24:MI')
            FROM log GROUP BY number
            """,
            {
                "stood_at": stood_at,
                "zone": CITY_TIME.key,
                "heads": json.dumps(run.heads),
                "numbers": list(set(numbers)),
            },
        )
        return {row[0]: (row[1] or "", row[2] or "", row[3], row[4] or "") for row in cursor}
