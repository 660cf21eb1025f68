"""I9: nothing is stuck once a run has come to rest."""

import base64
import json
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
        left = _unacked(broker_url)
        due = "SELECT id, key FROM cases_effect WHERE state = 'due' AND id = ANY(%s)"
        for _, key in connection.execute(due, [sorted(left)]).fetchall():
            yield Violation("I9", f"message of {key}", f"unacknowledged for {UNACKED_S} s")


def _unacked(broker_url: str) -> set[int]:
    """Return the effects whose messages some consumer holds without working on them.

    One that was killed leaves a message behind which the broker gives out again much later; where
    its effect was done meanwhile, by a message of its own, that is nothing.
    """
    with redis.Redis.from_url(broker_url, socket_timeout=5, decode_responses=True) as server:
        before = server.hgetall("unacked")
        if not before:
            return set()
        time.sleep(UNACKED_S)
        return {_effect_of(before[tag]) for tag in before.keys() & server.hkeys("unacked")}


def _effect_of(message: str) -> int:
    ((effect_id,), _, _) = json.loads(base64.b64decode(json.loads(message)[0]["body"]))
    return int(effect_id)
