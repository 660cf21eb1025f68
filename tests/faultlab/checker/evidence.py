"""What a run left behind, read into memory: events and effects in short, histories, socket logs."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row, namedtuple_row

Record = dict[str, Any]


class Violation(NamedTuple):
    """One place where a run broke a promise."""

    invariant: str  # I1 to I9 of the plan of faults
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.where}: {self.what}"


@dataclass
class Evidence:
    """Database, histories and socket logs of one run."""

    events: list[Any]  # in the order of each log
    cases: dict[int, Any]  # by primary key
    effects: list[Record]
    keys: dict[tuple[str, str], Any]  # idempotency keys, by user name and key
    grants: dict[str, list[Any]]  # by user name
    photos: set[tuple[str, str]]  # case number and SHA-256 as announced
    heads: dict[str, int]
    calls: list[Record]  # histories, in time
    frames: dict[str, list[Record]]  # socket logs, by client, in the order they were heard
    sent: list[Record]  # what stub servers received
    by_case: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def read(cls, connection: psycopg.Connection, folder: Path) -> "Evidence":
        """Read all of it; records of a history are put in the order of their time."""
        frames: dict[str, list[Record]] = defaultdict(list)
        for record in records(folder, "sockets"):
            frames[record["client"]].append(record)
        grants = defaultdict(list)
        for row in _rows(connection, _GRANTS):
            grants[row.username].append(row)
        found = cls(
            events=_rows(connection, _EVENTS),
            cases={row.id: row for row in _rows(connection, _CASES)},
            effects=_dicts(connection, _EFFECTS),
            keys={(row.username, row.key): row for row in _rows(connection, _KEYS)},
            grants=grants,
            photos={(row.number, row.sha256) for row in _rows(connection, _PHOTOS)},
            heads={row.scope: row.dseq for row in _rows(connection, _HEADS)},
            calls=sorted(records(folder, "history"), key=lambda record: record["at"]),
            frames=frames,
            sent=records(folder, "stub"),
        )
        for event in found.events:
            found.by_case[event.case_id].append(event)
        for events in found.by_case.values():
            events.sort(key=lambda event: event.case_seq)
        return found


def records(folder: Path, kind: str) -> list[Record]:
    """Return the records of every file of a kind; a last line cut off by a kill is no record."""
    found: list[Record] = []
    for path in sorted(folder.glob(f"{kind}-*.jsonl")):
        lines = path.read_text().splitlines(keepends=True)
        found += [json.loads(line) for line in lines if line.endswith("\n")]
    return found


def _rows(connection: psycopg.Connection, query: str) -> list[Any]:
    with psycopg.ClientCursor(connection, row_factory=namedtuple_row) as cursor:
        return cursor.execute(query).fetchall()


def _dicts(connection: psycopg.Connection, query: str) -> list[Record]:
    with psycopg.ClientCursor(connection, row_factory=dict_row) as cursor:
        return [json.loads(row["row"]) for row in cursor.execute(query).fetchall()]


_EVENTS = """
    SELECT e.scope, e.dseq, e.case_id, e.case_seq, e.action, e.actor_id, u.username AS actor,
           (e.data->'set'->>'version')::int AS version, e.from_stage, e.to_stage, e.district,
           e.unit, e.data->'facts'->>'clock' AS clock,
           e.data->'facts'->>'clock_due_at' AS clock_due_at
    FROM cases_event e LEFT JOIN accounts_user u ON u.id = e.actor_id ORDER BY e.scope, e.dseq
"""
_CASES = """
    SELECT id, number, client_uuid::text AS key, stage, version, case_seq, scope, district,
           also_districts, unit_id AS unit, parent_unit, assist_units, is_unrouted, reporter_id,
           (SELECT username FROM accounts_user u WHERE u.id = c.reporter_id) AS reporter,
           (SELECT array_agg(u.username) FROM cases_task t JOIN accounts_user u
             ON u.id = t.assignee_id WHERE t.case_id = c.id) AS assignees
    FROM cases_case c
"""
# Whole rows, because a newer checkout may know more states of an effect than an older one.
_EFFECTS = "SELECT to_jsonb(e)::text AS row FROM cases_effect e ORDER BY id"
_KEYS = """
    SELECT u.username, k.key::text, k.case_id, k.answer IS NOT NULL AS is_answered,
           (k.answer->>'version')::int AS version, k.answer->>'number' AS number
    FROM cases_idempotencykey k JOIN accounts_user u ON u.id = k.user_id
"""
_GRANTS = """
    SELECT u.username, g.role, g.scope_kind, g.scope_key
    FROM accounts_grant g JOIN accounts_user u ON u.id = g.user_id
"""
_PHOTOS = """
    SELECT c.number, a.sha256 FROM cases_attachment a JOIN cases_case c ON c.id = a.case_id
"""
_HEADS = "SELECT scope, dseq FROM cases_districthead"


def grouped(records_: Iterable[Record], key: str) -> dict[Any, list[Record]]:
    """Return records by one of their fields, in their order."""
    found: dict[Any, list[Record]] = defaultdict(list)
    for record in records_:
        found[record[key]].append(record)
    return found
