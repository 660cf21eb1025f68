"""Whether work that must follow a change is being done."""

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


def canaries_late(*, older_than_s: int) -> list[str]:
    """Return the queues in which no canary was finished within the last `older_than_s` seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT q.name FROM unnest(%s::text[]) AS q(name)
            WHERE NOT EXISTS (
              SELECT FROM cases_effect e
              WHERE e.queue = q.name AND e.kind = 'canary' AND e.case_id IS NULL
                AND e.done_at > now() - make_interval(secs => %s))
            ORDER BY q.name
            """,
            [list(QUEUES), older_than_s],
        )
        return [row[0] for row in cursor.fetchall()]
