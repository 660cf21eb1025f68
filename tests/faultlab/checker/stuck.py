"""I9: nothing is stuck once a run has come to rest."""

import time
from collections.abc import Iterator

import psycopg
import redis

from tests.faultlab.checker.evidence import Violation

UNACKED_S = 2  # a task on its way to a worker is unacknowledged for a moment

# Where and what, for each thing that stands still. An effect that failed waits for its next run.
_PROBES = (
    """
    SELECT 'effect ' || key, 'asked for at ' || created_at || ' and not done' FROM cases_effect
    WHERE state = 'due'
      AND (next_at < now() - interval '60 s'
           OR last_error = '' AND created_at < now() - interval '60 s')
    """,
    """
    SELECT 'transaction of ' || application_name, 'open since ' || xact_start
    FROM pg_stat_activity
    WHERE xact_start < now() - interval '15 s' AND application_name LIKE 'cityops%'
      AND pid <> pg_backend_pid() AND datname = current_database()
    """,
    """
    SELECT 'lock of ' || application_name, 'waited for since ' || waitstart
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE NOT granted AND waitstart < now() - interval '2 s' AND datname = current_database()
    """,
    """
    SELECT 'queue ' || queue, 'no canary came back for 30 s' FROM cases_effect
    WHERE kind = 'canary' GROUP BY queue
    HAVING coalesce(max(done_at), '-infinity') < now() - interval '30 s'
    """,
)


def stuck(connection: psycopg.Connection, broker_url: str) -> Iterator[Violation]:
    """Look for work, transactions, locks and messages that stand still."""
    for probe in _PROBES:
        for where, what in connection.execute(probe).fetchall():
            yield Violation("I9", where, what)
    if broker_url:
        for message in sorted(_unacked(broker_url)):
            yield Violation("I9", f"message {message}", f"unacknowledged for {UNACKED_S} s")


def _unacked(broker_url: str) -> set[str]:
    with redis.Redis.from_url(broker_url, socket_timeout=5, decode_responses=True) as server:
        before = set(server.hkeys("unacked"))
        if not before:
            return set()
        time.sleep(UNACKED_S)
        return before & set(server.hkeys("unacked"))
