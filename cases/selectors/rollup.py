"""What each case adds to the counts of heat and trend, and whether the counts say the same."""

from django.db import connection

from cases.choices import CITY, SCOPES
from cases.plane import degrees, metres_sql
from cases.recurrence import NEAR_M, WITHIN

COLUMNS = ("reported", "filed", "closed", "overdue", "recurrent")
# What a case adds, as it is kept.
SHARE = (
    "case_id, place, district, minor, reported_on, filed_on, closed_on, overdue_on, recurrent_on,"
    " recurred_in, life"
)
TABLES = ("cases_rollup", "cases_rollupcase")

# Whether the class of a case was flagged as one that comes back, when it was last filed.
RECURS = """
    SELECT (e.data->'facts'->>'recurs')::boolean FROM cases_event e
    WHERE e.case_id = {case}.id AND e.action IN ('file', 'reclassify')
      AND e.data->'facts' ? 'recurs'
    ORDER BY e.case_seq DESC LIMIT 1
"""
_DAYS = f"interval '{WITHIN.days * 24} hours'"
_LON_LAT = (  # as the log has them
    "round(ST_X({case}.point)::numeric, 7)::float8 AS lon,"
    " round(ST_Y({case}.point)::numeric, 7)::float8 AS lat"
)
# What is near and soon, apart: the planner would add the index of classes and read all of one.
_AROUND = f"""(SELECT * FROM cases_case
    WHERE point && ST_Expand({{case}}.point, {degrees(NEAR_M)})
      AND {{column}} >= {{since}} AND {{column}} <= {{until}} OFFSET 0)"""  # noqa: S608
_FILED_SINCE = {"column": "filed_at", "since": "c.closed_at", "until": f"c.closed_at + {_DAYS}"}
_CLOSED_UNTIL = {"column": "closed_at", "since": f"o.filed_at - {_DAYS}", "until": "o.filed_at"}
# The first case that `c` came back as after its closing (recurrence.py), by the index of places.
_RETURN = f"""
    SELECT o.id FROM {_AROUND.format(case="c", **_FILED_SINCE)} o
    CROSS JOIN LATERAL (SELECT {_LON_LAT.format(case="c")}) w
    CROSS JOIN LATERAL (SELECT {_LON_LAT.format(case="o")}) f
    WHERE k.recurs AND o.minor_id = c.minor_id AND o.id <> c.id
      AND o.stage NOT IN ('voided', 'merged', 'declined') AND NOT o.is_self_handled
      AND {metres_sql("w", "f")} <= {NEAR_M}
      AND ({RECURS.format(case="o")})
      AND NOT EXISTS (
        SELECT FROM cases_event e
        WHERE e.case_id = c.id AND e.action = 'force_close' AND e.at = c.closed_at)
    ORDER BY o.filed_at, o.id LIMIT 1
"""  # noqa: S608 - our own words
# The cases that may have come back as one of `changed` (a table expression with case_id): their
# own logs did not go on, what they add does. Those that did so before are found by `recurred_in`.
CAME_BACK_AS = f"""
    SELECT near.id AS case_id FROM changed
    JOIN cases_case o ON o.id = changed.case_id AND o.filed_at IS NOT NULL AND o.point IS NOT NULL
    JOIN LATERAL {_AROUND.format(case="o", **_CLOSED_UNTIL)} near ON near.minor_id = o.minor_id
"""  # noqa: S608 - our own words

# What every case of `wanted` (a table expression with case_id) adds: nothing once it is voided,
# merged or declined (domain.md §6). Its first passed deadline is read off the ledger: the signal,
# or the handling clock that ended late before anybody signalled.
SHARES = f"""
    SELECT c.id AS case_id, coalesce(nullif(c.grid_cell, ''), nullif(c.community, ''), c.street)
        AS place, c.district, c.minor_id AS minor,
      CASE WHEN x.counts THEN (c.reported_at AT TIME ZONE 'Asia/Shanghai')::date END AS reported_on,
      CASE WHEN x.counts THEN (c.filed_at AT TIME ZONE 'Asia/Shanghai')::date END AS filed_on,
      CASE WHEN x.counts THEN (c.closed_at AT TIME ZONE 'Asia/Shanghai')::date END AS closed_on,
      CASE WHEN x.counts THEN (l.due_at AT TIME ZONE 'Asia/Shanghai')::date END AS overdue_on,
      CASE WHEN r.id IS NOT NULL THEN (c.closed_at AT TIME ZONE 'Asia/Shanghai')::date
        END AS recurrent_on,
      r.id AS recurred_in,
      tstzrange(c.reported_at, coalesce(c.closed_at, g.at)) AS life
    FROM {{wanted}} AS wanted JOIN cases_case c ON c.id = wanted.case_id
    CROSS JOIN LATERAL (
      SELECT c.stage NOT IN ('voided', 'merged', 'declined') AS counts) x
    LEFT JOIN LATERAL (
      SELECT max(e.at) AS at FROM cases_event e
      WHERE NOT x.counts AND e.case_id = c.id
        AND e.action IN ('void', 'merge', 'decline', 'decline_filing')) g ON NOT x.counts
    LEFT JOIN LATERAL (
      SELECT min(coalesce(e.clock_due_at,
        (e.data->'facts'->>'clock_due_at')::timestamptz)) AS due_at
      FROM cases_event e
      WHERE e.case_id = c.id AND x.counts
        AND (e.action = 'overdue' OR e.clock_kind = 'handle' AND e.on_time = false)
        AND (e.action <> 'overdue' OR e.data->'facts'->>'clock' = 'handle')) l ON x.counts
    LEFT JOIN LATERAL (
      SELECT ({RECURS.format(case="c")}) AS recurs
      WHERE c.closed_at IS NOT NULL AND c.point IS NOT NULL AND NOT c.is_self_handled) k ON true
    LEFT JOIN LATERAL ({_RETURN}) r ON true
"""  # noqa: S608 - our own words

# The days `shares` name, each once a column: rows to add up.
DAYS = """
    SELECT s.place, s.district, s.minor, d.day,
      d.reported, d.filed, d.closed, d.overdue, d.recurrent
    FROM {shares} AS s CROSS JOIN LATERAL (VALUES
      (s.reported_on, 1, 0, 0, 0, 0), (s.filed_on, 0, 1, 0, 0, 0), (s.closed_on, 0, 0, 1, 0, 0),
      (s.overdue_on, 0, 0, 0, 1, 0), (s.recurrent_on, 0, 0, 0, 0, 1)
    ) AS d(day, reported, filed, closed, overdue, recurrent)
    WHERE d.day IS NOT NULL
"""
SUMS = """
    SELECT g.grain, g.start, place, district, minor, {columns}
    FROM {days} AS days CROSS JOIN LATERAL (VALUES
      ('day', day), ('month', date_trunc('month', day)::date)) AS g(grain, start)
    GROUP BY g.grain, g.start, place, district, minor
"""


def summed(sign: str = "") -> str:
    """Return the sums of the columns of DAYS, for SUMS; `sign` is a factor column of theirs."""
    factor = f" * {sign}" if sign else ""
    return ", ".join(f"sum({name}{factor})::int AS {name}" for name in COLUMNS)


# Cases with events the counts have not read yet.
CHANGED_SINCE = """
    SELECT DISTINCT e.case_id
    FROM (SELECT h.scope, h.dseq, coalesce((p.positions->>h.scope)::bigint, 0) AS after
          FROM cases_districthead h LEFT JOIN cases_rollupstate p ON p.id = 1) AS h
    JOIN cases_event e ON e.scope = h.scope AND e.dseq > h.after AND e.dseq <= h.dseq
    WHERE e.case_id IS NOT NULL
"""


def shares_wrong(first: int, last: int) -> list[tuple[str, str]]:
    """Return (log, number) of cases, by key in [first, last], that are not counted as they stand.

    Cases with events the counts have not read yet are left to a later look, and so are those that
    came back as one of them.
    """
    wanted = "(SELECT id AS case_id FROM cases_case WHERE id BETWEEN %(first)s AND %(last)s)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH unread AS MATERIALIZED ({CHANGED_SINCE}),
            true_shares AS (SELECT {SHARE} FROM ({SHARES.format(wanted=wanted)}) s),
            kept AS (
              SELECT {SHARE} FROM cases_rollupcase WHERE case_id BETWEEN %(first)s AND %(last)s),
            wrong AS (
              (SELECT * FROM true_shares EXCEPT SELECT * FROM kept)
              UNION ALL (SELECT * FROM kept EXCEPT SELECT * FROM true_shares))
            SELECT DISTINCT coalesce(c.scope, %(city)s), coalesce(c.number, '')
            FROM wrong LEFT JOIN cases_case c ON c.id = wrong.case_id
            WHERE wrong.case_id NOT IN (SELECT case_id FROM unread)
              AND wrong.case_id NOT IN (
                SELECT case_id FROM wrong WHERE recurred_in IN (SELECT case_id FROM unread))
            ORDER BY 1, 2
            """,  # noqa: S608 - our own statements
            {"first": first, "last": last, "city": CITY},
        )
        return [(scope, number) for scope, number in cursor.fetchall()]


def sums_wrong() -> dict[str, int]:
    """Return for each log how many rows of the counts are not the sum of what the cases add."""
    days = f"({DAYS.format(shares='cases_rollupcase')})"
    key = "grain, start, place, district, minor"
    names = ", ".join(COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH true_sums AS ({SUMS.format(days=days, columns=summed())}),
            kept AS (
              SELECT {key}, {names} FROM cases_rollup
              WHERE NOT (reported = 0 AND filed = 0 AND closed = 0 AND overdue = 0)),
            wrong AS (
              (SELECT * FROM true_sums EXCEPT SELECT * FROM kept)
              UNION ALL (SELECT * FROM kept EXCEPT SELECT * FROM true_sums))
            SELECT CASE WHEN district = ANY(%(scopes)s) THEN district ELSE %(city)s END AS log,
              count(DISTINCT ({key})) FROM wrong GROUP BY 1 ORDER BY 1
            """,  # noqa: S608 - our own statements
            {"scopes": list(SCOPES), "city": CITY},
        )
        return dict(cursor.fetchall())
