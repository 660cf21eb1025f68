"""I3 and I4: the logs have no gap, the chains fit, and every case is what its events say it is."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import psycopg
from psycopg.rows import dict_row, namedtuple_row

from tests.faultlab.checker.evidence import Violation

CHUNK = 2000
NOTHING = (None, "", [], {}, False)
ZEROS = bytes(32)


def chains(connection: psycopg.Connection) -> Iterator[Violation]:
    """Follow every chain from its beginning, event by event; yields the first fault of each."""
    heads = {row.scope: row for row in _stream(connection, _HEADS)}
    for scope, events in groupby(_stream(connection, _CHAIN), key=lambda event: event.scope):
        head = heads.pop(scope)
        dseq, before, at = 0, ZEROS, None
        what = None
        for event in events:
            what = what or _fault(event, dseq, before, at)
            dseq, before, at = event.dseq, bytes(event.hash), event.at
            if what:
                break
        if what is None and (head.dseq, bytes(head.hash)) != (dseq, before):
            what = f"the head stands at {head.dseq}"
        if what:
            yield Violation("I3", f"{scope}/{dseq}", what)
    for head in heads.values():
        if (head.dseq, bytes(head.hash)) != (0, ZEROS):
            yield Violation("I3", head.scope, f"the head stands at {head.dseq} of an empty log")


def _fault(event: Any, dseq: int, before: bytes, at: datetime | None) -> str | None:
    if event.dseq != dseq + 1:
        return f"event {event.dseq} follows {dseq}"
    if bytes(event.prev_hash) != before:
        return "does not follow the event before it"
    if at is not None and event.at < at:
        return "its time lies before that of the event before it"
    if event.private is not None:
        salted = hashlib.sha256(bytes(event.salt) + event.private.encode()).digest()
        if salted != bytes(event.body_digest):
            return "its private part does not fit its digest"
    told = before + event.header.encode() + bytes(event.body_digest)
    if hashlib.sha256(told).digest() != bytes(event.hash):
        return "its hash does not fit its header"
    return _differs(event)


def _differs(event: Any) -> str | None:
    """Return the first column that is not what the hashed header says."""
    header = json.loads(event.header)
    columns = {
        "scope": event.scope,
        "dseq": event.dseq,
        "case": event.number,
        "case_seq": event.case_seq,
        "action": event.action,
        "from": event.from_stage,
        "to": event.to_stage,
        "at": _stamp(event.at),
        "data": json.loads(event.data),
    }
    for name, value in columns.items():
        if header[name] != value:
            return f"{name} is {value!r}, its header says {header[name]!r}"
    return None


def chains_in_sql(connection: psycopg.Connection) -> Iterator[Violation]:
    """Let PostgreSQL look at density, order and hashes itself: a judge with other eyes."""
    for row in _stream(connection, _SQL):
        yield Violation("I3", f"{row.scope}/{row.dseq}", f"SQL: {row.what}")


def states(connection: psycopg.Connection) -> Iterator[Violation]:
    """Fold the events of every case and compare all of its columns."""
    rows = {row["id"]: row for row in _cases(connection)}
    for case_id, events in groupby(_stream(connection, _FOLD), key=lambda event: event.case_id):
        row = rows.pop(case_id, None)
        if row is None:
            yield Violation("I4", f"case {case_id}", "has events but no row")
            continue
        folded: dict[str, Any] = {}
        seq = 0
        for event in events:
            if event.case_seq != seq + 1:
                yield Violation("I3", row["number"], f"event {event.case_seq} follows {seq}")
            seq = event.case_seq
            folded |= json.loads(event.public) | json.loads(event.private or "{}").get("set", {})
        yield from _compare(row, folded, seq)
    for row in rows.values():
        yield Violation("I4", row["number"], "a case without any event")


def _compare(row: dict[str, Any], folded: dict[str, Any], seq: int) -> Iterator[Violation]:
    if row["case_seq"] != seq:
        yield Violation("I4", row["number"], f"counts {row['case_seq']} events of {seq}")
    for name in row.keys() - {"id", "number", "client_uuid", "case_seq"}:
        value, told = _plain(row[name]), folded.get(name)
        if value != told and not (name not in folded and value in NOTHING):
            yield Violation("I4", row["number"], f"{name} is {value!r}, its log says {told!r}")


def _plain(value: Any) -> Any:
    """Return a column as the ledger writes it."""
    if isinstance(value, datetime):
        return _stamp(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    return value


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _cases(connection: psycopg.Connection) -> Iterator[dict[str, Any]]:
    """Return all cases; a point as the ledger writes it, JSON read."""
    with psycopg.ClientCursor(connection, row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT *, held::text AS held, to_char(ST_X(point), 'FM990.0000000') || ','"
            " || to_char(ST_Y(point), 'FM990.0000000') AS point FROM cases_case"
        )
        for row in cursor.fetchall():
            yield row | {"held": json.loads(row["held"])}


def _stream(connection: psycopg.Connection, query: str) -> Iterator[Any]:
    """Return rows by chunks: a long run does not fit into memory whole."""
    name = f"checker_{uuid.uuid4().hex}"
    with psycopg.ServerCursor(connection, name, row_factory=namedtuple_row) as cursor:
        cursor.itersize = CHUNK
        cursor.execute(query)
        yield from cursor


_HEADS = "SELECT scope, dseq, hash FROM cases_districthead"
_CHAIN = """
    SELECT e.scope, e.dseq, e.case_seq, e.action, e.from_stage, e.to_stage, e.at, e.header,
           e.private, e.salt, e.body_digest, e.prev_hash, e.hash, e.data::text, c.number
    FROM cases_event e LEFT JOIN cases_case c ON c.id = e.case_id ORDER BY e.scope, e.dseq
"""
_FOLD = """
    SELECT case_id, case_seq, coalesce(data->'set', '{}')::text AS public, private
    FROM cases_event WHERE case_id IS NOT NULL ORDER BY case_id, case_seq
"""
_SQL = """
    SELECT scope, dseq, what FROM (
      SELECT scope, dseq, CASE
        WHEN dseq <> row_number() OVER log THEN 'a gap'
        WHEN at < lag(at) OVER log THEN 'out of order'
        WHEN prev_hash <> coalesce(lag(hash) OVER log, decode(repeat('00', 32), 'hex'))
          THEN 'a broken chain'
        WHEN hash <> sha256(prev_hash || convert_to(header, 'UTF8') || body_digest)
          THEN 'a wrong hash'
        WHEN body_digest <> sha256(salt || convert_to(private, 'UTF8')) THEN 'a wrong digest'
        END AS what
      FROM cases_event WINDOW log AS (PARTITION BY scope ORDER BY dseq)) judged
    WHERE what IS NOT NULL ORDER BY scope, dseq LIMIT 20
"""
