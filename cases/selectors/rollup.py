"""What each case adds to the counts of heat and trend, and whether the counts say the same."""

from django.db import connection

from cases.choices import CITY, SCOPES

COLUMNS = ("reported", "filed", "closed", "overdue")
TABLES = ("cases_rollup", "cases_rollupcase")

# What every case of `wanted` (a table expression with case_id) adds: nothing once it is voided,
# merged or declined (domain.md §6). Its first passed deadline is read off the ledger: the signal,
# or the handling clock that ended late before anybody signalled.
SHARES = """
    SELECT c.id AS case_id, coalesce(nullif(c.grid_cell, ''), nullif(c.community, ''), c.street)
        AS place, c.district, c.minor_id AS minor,
      CASE WHEN x.counts THEN (c.reported_at AT TIME ZONE 'Asia/Shanghai')::date END AS reported_on,
      CASE WHEN x.counts THEN (c.filed_at AT TIME ZONE 'Asia/Shanghai')::date END AS filed_on,
      CASE WHEN x.counts THEN (c.closed_at AT TIME ZONE 'Asia/Shanghai')::date END AS closed_on,
      CASE WHEN x.counts THEN (l.due_at AT TIME ZONE 'Asia/Shanghai')::date END AS overdue_on,
      tstzrange(c.reported_at, coalesce(c.closed_at, g.at)) AS life
    FROM {wanted} AS wanted JOIN cases_case c ON c.id = wanted.case_id
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
"""

# The days `shares` name, each once a column: rows to add up.
DAYS = """
    SELECT s.place, s.district, s.minor, d.day, d.reported, d.filed, d.closed, d.overdue
    FROM {shares} AS s CROSS JOIN LATERAL (VALUES
      (s.reported_on, 1, 0, 0, 0), (s.filed_on, 0, 1, 0, 0),
      (s.closed_on, 0, 0, 1, 0), (s.overdue_on, 0, 0, 0, 1)
    ) AS d(day, reported, filed, closed, overdue)
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

    Cases with events the counts have not read yet are left to a later look.
    """
    wanted = "(SELECT id AS case_id FROM cases_case WHERE id BETWEEN %(first)s AND %(last)s)"
    columns = "case_id, place, district, minor, reported_on, filed_on, closed_on, overdue_on, life"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH true_shares AS (SELECT {columns} FROM ({SHARES.format(wanted=wanted)}) s),
            kept AS (
              SELECT {columns} FROM cases_rollupcase WHERE case_id BETWEEN %(first)s AND %(last)s),
            wrong AS (
              (SELECT * FROM true_shares EXCEPT SELECT * FROM kept)
              UNION ALL (SELECT * FROM kept EXCEPT SELECT * FROM true_shares))
            SELECT DISTINCT coalesce(c.scope, %(city)s), coalesce(c.number, '')
            FROM wrong LEFT JOIN cases_case c ON c.id = wrong.case_id
            WHERE wrong.case_id NOT IN ({CHANGED_SINCE}) ORDER BY 1, 2
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
