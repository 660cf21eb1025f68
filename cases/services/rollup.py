"""Keeps the counts of heat and trend up to date with the ledger (docs/history.md).

A case whose log went on is counted as it stands now: what it added before is taken out, what it
adds now put in, in one statement and so in one snapshot. Doing it again changes nothing. So is the
case that came back, or comes back now, as one whose log went on: it is counted with it.
"""

import json
import time

from django.db import connection, transaction

from cases.models import RollupState
from cases.selectors.rollup import (
    CAME_BACK_AS,
    COLUMNS,
    DAYS,
    SHARE,
    SHARES,
    SUMS,
    TABLES,
    summed,
)

MOST_EVENTS = 10_000  # of each log that one statement looks at
SLICE_S = 8.0  # of work at a time: well within the effect's lease
_NAMES = ", ".join(COLUMNS)
_KEY = "grain, start, place, district, minor"
_ADDED = ", ".join(f"{name} = cases_rollup.{name} + excluded.{name}" for name in COLUMNS)
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in SHARE.split(", ")[1:])

# What was written since `positions`, and how far that reads each log.
_CHANGED = f"""
    WITH upto AS MATERIALIZED (
      SELECT h.scope, h.dseq AS head, s.after, least(h.dseq, s.after + {MOST_EVENTS}) AS dseq
      FROM cases_districthead h CROSS JOIN LATERAL (
        SELECT least(h.dseq, coalesce((%(positions)s::jsonb->>h.scope)::bigint, 0)) AS after) s)
    SELECT jsonb_object_agg(scope, dseq), coalesce(bool_or(dseq < head), false), ARRAY(
      SELECT DISTINCT e.case_id FROM upto
      JOIN cases_event e ON e.scope = upto.scope AND e.dseq > upto.after AND e.dseq <= upto.dseq
      WHERE e.case_id IS NOT NULL)
    FROM upto
"""  # noqa: S608 - our own statements

_TOUCHED = f"""
    WITH changed AS MATERIALIZED (SELECT unnest(%(changed)s::bigint[]) AS case_id)
    SELECT case_id FROM changed
    UNION SELECT r.case_id FROM changed
      JOIN cases_rollupcase r ON r.recurred_in = changed.case_id
    UNION ({CAME_BACK_AS})
"""  # noqa: S608 - our own statements

_COUNT = f"""
    WITH touched AS MATERIALIZED (SELECT unnest(%(touched)s::bigint[]) AS case_id),
    share AS MATERIALIZED ({SHARES.format(wanted="touched")}),
    before AS MATERIALIZED (SELECT r.* FROM cases_rollupcase r JOIN touched USING (case_id)),
    kept AS (
      INSERT INTO cases_rollupcase ({SHARE}) SELECT {SHARE} FROM share
      ON CONFLICT (case_id) DO UPDATE SET {_REPLACED}),
    turn AS (
      SELECT *, 1 AS sign FROM ({DAYS.format(shares="share")}) a
      UNION ALL SELECT *, -1 FROM ({DAYS.format(shares="before")}) b),
    change AS (
      SELECT * FROM ({SUMS.format(days="turn", columns=summed("sign"))}) c
      WHERE reported <> 0 OR filed <> 0 OR closed <> 0 OR overdue <> 0
        OR recurrent <> 0),
    counted AS (
      INSERT INTO cases_rollup ({_KEY}, {_NAMES}) SELECT {_KEY}, {_NAMES} FROM change
      ON CONFLICT ({_KEY}) DO UPDATE SET {_ADDED})
    UPDATE cases_rollupstate SET counted_at = clock_timestamp(), positions = %(positions)s
    WHERE id = 1
"""  # noqa: S608 - our own statements

_REBUILD = f"""
    WITH heads AS MATERIALIZED (SELECT scope, dseq FROM cases_districthead),
    share AS MATERIALIZED (
      {SHARES.format(wanted="(SELECT id AS case_id FROM cases_case)")}),
    kept AS (INSERT INTO cases_rollupcase ({SHARE}) SELECT {SHARE} FROM share),
    counted AS (
      INSERT INTO cases_rollup ({_KEY}, {_NAMES})
      SELECT {_KEY}, {_NAMES} FROM (
        {SUMS.format(days=f"({DAYS.format(shares='share')})", columns=summed())}) c)
    UPDATE cases_rollupstate SET counted_at = clock_timestamp(),
      positions = (SELECT jsonb_object_agg(scope, dseq) FROM heads)
    WHERE id = 1 RETURNING (SELECT count(*) FROM share)
"""  # noqa: S608 - our own statements


def advance_rollup() -> str:
    """Count the cases whose logs went on since last time, SLICE_S at a time.

    Safe to run twice or late: positions move in the transaction of the counts, and whoever finds
    another at it stands aside. What one run leaves the next goes on with.
    """
    until, changed, goes_on = time.monotonic() + SLICE_S, 0, True
    while goes_on and time.monotonic() < until:
        found = advance()
        if found is None:
            return "stands aside"
        changed, goes_on = changed + found[0], found[1]
    return f"{changed} cases" + (", more wait" if goes_on else "")


@transaction.atomic
def advance() -> tuple[int, bool] | None:
    """Count one batch; return how many cases changed and whether more waits, None if held."""
    state = RollupState.objects.select_for_update(skip_locked=True).filter(pk=1).first()
    if state is None:
        if not RollupState.objects.filter(pk=1).exists():  # taken away with a cut-off demo month
            RollupState.objects.bulk_create([RollupState(pk=1)], ignore_conflicts=True)
            return 0, True
        return None
    with connection.cursor() as cursor:
        # Keys go from one statement to the next as a list, which the planner takes for short: of
        # one statement it guesses every case, and reads all of them. A log that goes on
        # meanwhile is counted as it then stands, and once more when it is read that far.
        cursor.execute(_CHANGED, {"positions": json.dumps(state.positions)})
        positions, goes_on, changed = cursor.fetchone()
        cursor.execute(_TOUCHED, {"changed": changed})
        touched = [row[0] for row in cursor.fetchall()]
        cursor.execute(_COUNT, {"touched": touched, "positions": positions})
        cursor.execute(
            "DELETE FROM cases_rollup WHERE reported = 0 AND filed = 0 AND closed = 0"
            " AND overdue = 0"
        )
    return len(changed), goes_on


@transaction.atomic
def rebuild() -> int:
    """Count every case anew, as of one moment; returns how many. Readers see the old till then."""
    RollupState.objects.get_or_create(pk=1)
    RollupState.objects.select_for_update().get(pk=1)
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
        cursor.execute(_REBUILD)
        (counted,) = cursor.fetchone()
        cursor.execute(f"ANALYZE {', '.join(TABLES)}")
    return int(counted)
