"""Whether work that must follow a change is being done."""

from datetime import datetime

from django.db import connection

from cases.models.effect import QUEUES


def relay_lag_s() -> float:
    """Return for how many seconds the oldest due effect waits to be published; 0 when none does."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(extract(epoch FROM now() - min(next_at)), 0)::float FROM cases_effect
            WHERE state = 'due' AND next_at <= now()
            """
        )
        return float(cursor.fetchone()[0])


def canaries_late(*, older_than_s: int) -> dict[str, datetime | None]:
    """Return the queues in which no canary was finished within `older_than_s`, and the last one."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT q.name, (
              SELECT max(done_at) FROM cases_effect WHERE queue = q.name AND kind = 'canary')
            FROM unnest(%s::text[]) AS q(name)
            WHERE NOT EXISTS (
              SELECT FROM cases_effect e
              WHERE e.queue = q.name AND e.kind = 'canary' AND e.case_id IS NULL
                AND e.done_at > now() - make_interval(secs => %s))
            ORDER BY q.name
            """,
            [list(QUEUES), older_than_s],
        )
        return dict(cursor.fetchall())


def reconciler_lag_s() -> float | None:
    """Return the seconds since the reconciler last looked or was free to; None when it never did.

    It stands aside while a demo month is written.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT extract(epoch FROM now() - greatest(max(finished_at),
              (SELECT max(ended_at) FROM cases_demomonth)))::float
            FROM cases_reconciliation WHERE kind = 'minute'
            """
        )
        lag: float | None = cursor.fetchone()[0]
        return lag
