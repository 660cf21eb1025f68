"""The checker: judges a run by histories, database and socket logs alone, and imports nothing else.

It knows the rules of the product from its documents, not from its code, so a broken checkout
cannot also break its judge. Call it once the faults are healed and the effects have been done.
"""

from pathlib import Path

import psycopg

from tests.faultlab.checker import ledger, operations, outcome, screens, stuck
from tests.faultlab.checker.evidence import Evidence, Violation

__all__ = ["Violation", "check"]


def check(
    database: str | psycopg.Connection,
    folder: Path,
    *,
    broker_url: str = "",
    is_told: bool = True,
) -> list[Violation]:
    """Return every violation of I1 to I6 and I9 that the evidence of a run shows, worst first.

    `folder` holds history-*.jsonl, sockets-*.jsonl, and stub-*.jsonl of the whole life of the
    database, which is read as its owner; `broker_url` is that of the broker's Redis. Unless
    `is_told`, others than recorded clients were at work, and histories are not looked at.
    """
    if isinstance(database, str):
        with psycopg.connect(database) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            return check(connection, folder, broker_url=broker_url, is_told=is_told)
    evidence = Evidence.read(database, folder)
    told = [*outcome.all_told_of(evidence), *operations.operations(evidence)] if is_told else []
    return [
        *told,
        *outcome.conservation(evidence),
        *outcome.once(evidence),
        *ledger.chains(database),
        *ledger.chains_in_sql(database),
        *ledger.states(database),
        *screens.screens(evidence),
        *stuck.stuck(database, broker_url),
    ]
