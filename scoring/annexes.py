"""Cases as a run found them: the rows of a bulletin's annexes, the same whenever it is printed."""

import json
from collections.abc import Sequence

from django.db import connection
from django.utils.translation import gettext as _

from cases.models import MinorClass, Unit
from scoring.models import Run
from scoring.periods import CITY_TIME
from scoring.trial import names_of_bodies


def case_rows(run: Run, listed: Sequence[tuple[str, str]], may_see: set[str]) -> list[list[str]]:
    """Return number, body, class, unit, when reported and due of each (body, number).

    From the logs up to where the run read them: a case that changed since stands as it did. Of a
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
    """Return class, unit, when reported and last due of each case, in the city's time."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.number,
              (array_agg(e.data->'set'->>'minor_id' ORDER BY e.case_seq DESC)
                FILTER (WHERE e.data->'set' ? 'minor_id'))[1],
              (array_agg(e.unit ORDER BY e.case_seq DESC) FILTER (WHERE e.unit <> ''))[1],
              to_char(min(e.at) AT TIME ZONE %s, 'YYYY-MM-DD HH24:MI'),
              to_char((array_agg(e.due_at ORDER BY e.case_seq DESC)
                FILTER (WHERE e.due_at IS NOT NULL))[1] AT TIME ZONE %s, 'YYYY-MM-DD HH24:MI')
            FROM cases_case c JOIN cases_event e ON e.case_id = c.id
            JOIN json_each_text(%s) h ON h.key = e.scope AND e.dseq <= h.value::bigint
            WHERE c.number = ANY(%s) GROUP BY c.number
            """,
            [CITY_TIME.key, CITY_TIME.key, json.dumps(run.heads), list(set(numbers))],
        )
        return {row[0]: (row[1] or "", row[2] or "", row[3], row[4] or "") for row in cursor}
