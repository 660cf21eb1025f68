"""Thousands of cases at once, for plans of the database that only a full table shows."""

from django.db import connection

from cases.models import Case

_OWN = ("id", "number", "client_uuid", "point")


def crowd_around(number: str, count: int) -> None:
    """Copy a case `count` times, scattered over some 20 km; only the tables know, no log does."""
    columns = [f.column for f in Case._meta.concrete_fields if f.column not in _OWN]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO cases_case (number, client_uuid, point, {", ".join(columns)})
            SELECT 'HX' || lpad(n::text, 13, '0'), gen_random_uuid(),
                   ST_SetSRID(ST_MakePoint(ST_X(point) + (n %% 100) * 0.002 - 0.1001,
                                           ST_Y(point) + (n / 100) * 0.004 - 0.1001), 4326),
                   {", ".join(columns)}
            FROM cases_case, generate_series(1, %s) n WHERE number = %s
            """,  # noqa: S608  # columns of ours
            [count, number],
        )
        cursor.execute("ANALYZE cases_case")


def plans_of(read) -> str:
    """Return the plans of every statement `read` runs."""
    asked = []

    def keep(execute, sql, params, many, context):
        asked.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(keep):
        read()
    with connection.cursor() as cursor:
        plans = []
        for sql, params in asked:
            cursor.execute("EXPLAIN " + sql, params)
            plans += [row[0] for row in cursor.fetchall()]
    return "\n".join(plans)
