"""The ledger: one transaction, one book. Events are appended, hashed and never changed.

Locks are taken in one order everywhere: idempotency key, case, its clocks and tasks, number
counter, heads in slug order, last. Inside `open_book` no further lock is taken. The time of the
transaction is read under the head lock, so "at < x" is a prefix of every log (architecture.md §2).
"""

import hashlib
import json
import random
import secrets
import time
import unicodedata
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.contrib.gis.geos import Point
from django.db import OperationalError, connection, transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from cases.choices import SCOPES, Action, ClockKind, Role
from cases.errors import Busy, CityFilling, StaleCase
from cases.models import Case, DistrictHead, Effect, Event, StageClock
from cases.notices import telling_of
from cases.ringing import raised_by, standing
from cityops.accounts.models import User

# Held exclusively while a demo month is written, shared by every other writer.
FILLING_LOCK = 4_312_000_001
ASK_AGAIN_S = 5.0
_last_asked = (-ASK_AGAIN_S, False)  # when this process asked whether it is held, and the answer

# Columns that name no part of the case's state, or are the identity of the row itself.
_NOT_STATE = {"id", "number", "client_uuid", "case_seq"}
# Free text and persons stay out of headers.
PRIVATE = {
    *("address", "description", "contact", "order_number", "reporter_id", "handler_id"),
}
_COLUMNS = [f.attname for f in Case._meta.concrete_fields if f.attname not in _NOT_STATE]
# A change of one of these makes an open form wrong.
_VERSIONED = {"stage", "point", "minor_id", "condition_id", "unit_id", "due_at", "district"}

P = ParamSpec("P")
R = TypeVar("R")

# --- canonical bytes ----------------------------------------------------------------------------


def stamp(moment: datetime | None) -> str | None:
    """Return a moment as UTC text with six digits, the only form in the ledger."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None


def plain(value: Any) -> Any:
    """Return a column's value as canonical JSON holds it; raises TypeError for a float."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return unicodedata.normalize("NFC", str(value))
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, Point):
        return f"{value.x:.7f},{value.y:.7f}"
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    raise TypeError(f"{type(value).__name__} has no canonical form")


def canonical(value: Any) -> str:
    """Return canonical JSON: sorted keys, no spaces, UTF-8 text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def state_of(case: Case) -> dict[str, Any]:
    """Return every column that events explain, in canonical form."""
    return {name: plain(getattr(case, name)) for name in _COLUMNS}


def header_of(event: Event, number: str | None) -> str:
    """Return the canonical header of an event, from its columns.

    Holds what scores and routing need; no free text and no person. `verify_ledger` rebuilds it,
    so a changed column is found even when the stored header was left alone.
    """
    clock = None
    if event.clock_kind:
        clock = {
            "kind": event.clock_kind,
            "started_at": stamp(event.clock_started_at),
            "due_at": stamp(event.clock_due_at),
            "on_time": event.on_time,
            "used_s": event.used_s,
        }
    head: dict[str, Any] = {
        "v": 1,
        "scope": event.scope,
        "dseq": event.dseq,
        "case": number,
        "case_seq": event.case_seq,
        "action": event.action,
        "from": event.from_stage,
        "to": event.to_stage,
        "at": stamp(event.at),
        "role": event.actor_role,
        "district": event.district,
        "body": event.body,
        "unit": event.unit,
        "clock": clock,
        "data": event.data,
        "move": str(event.move_id) if event.move_id else None,
        "claimed_at": stamp(event.claimed_at),
    }
    if event.sets_clock:
        head["due_at"] = stamp(event.due_at)
        head["base_due_at"] = stamp(event.base_due_at)
    return canonical(head)


def digest_of(salt: bytes, private: str) -> bytes:
    """Return SHA-256(salt ‖ private)."""
    return hashlib.sha256(salt + private.encode()).digest()


def hash_of(prev: bytes, header: str, body_digest: bytes) -> bytes:
    """Return SHA-256(prev ‖ header ‖ body_digest)."""
    return hashlib.sha256(prev + header.encode() + body_digest).digest()


# --- opening a case -----------------------------------------------------------------------------


@dataclass
class Folder:
    """A locked case with its running clocks and what the log already says of it."""

    case: Case
    clocks: dict[str, StageClock] = field(default_factory=dict)
    recorded: dict[str, Any] = field(default_factory=dict)  # empty for a case not yet written
    dirty: set[str] = field(default_factory=set)  # columns to write back
    touched: set[str] = field(default_factory=set)  # kinds of clocks to write back
    ended: list[StageClock] = field(default_factory=list)
    starts: dict[str, str | None] = field(default_factory=dict)  # by the next event
    waited: list[str] = field(default_factory=list)  # what the case waited for when opened

    @property
    def stage_before(self) -> str:
        """The stage the log knows; empty before the first event."""
        return str(self.recorded.get("stage", ""))

    def require_version(self, seen: int) -> None:
        """Raise StaleCase when the case has moved on since `seen`."""
        if self.case.version != seen:
            words = {"number": self.case.number, "now": self.case.version, "seen": seen}
            raise StaleCase(
                _("Case %(number)s is at version %(now)s, not %(seen)s: look at it again.") % words,
                version=self.case.version,
                stage=self.case.stage,
            )


def require_not_filling() -> None:
    """Raise CityFilling while a demo month is being written, before any case is locked.

    The writer of the month keeps the heads over many actions and so locks cases after heads, the
    other way round: it must be alone. A real city has no such writer and asks nothing.
    """
    if not settings.DEMO:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [FILLING_LOCK])
        if not cursor.fetchone()[0]:
            raise CityFilling(_("The demo month is being written. Try again in a minute."))


def is_filling() -> bool:
    """Whether a demo month is being written, for a page to say so; up to ASK_AGAIN_S old."""
    global _last_asked  # what this process last heard
    asked_at, answer = _last_asked
    if time.monotonic() - asked_at < ASK_AGAIN_S:
        return answer
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT EXISTS (
              SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
              WHERE datname = current_database() AND locktype = 'advisory'
                AND mode = 'ExclusiveLock' AND granted AND objsubid = 1
                AND (classid::bigint << 32) | objid::bigint = %s)
            """,
            [FILLING_LOCK],
        )
        answer = bool(cursor.fetchone()[0])
    _last_asked = (time.monotonic(), answer)
    return answer


def open_folder(*, number: str | None = None, pk: int | None = None) -> Folder:
    """Lock a case and its clocks. Raises Case.DoesNotExist, CityFilling.

    Class, condition and unit are read after the lock: joined to a statement that had to wait for
    it, they would be those of before, or the case would seem not to exist.
    """
    require_not_filling()
    key: dict[str, Any] = {"number": number} if number is not None else {"pk": pk}
    locked = Case.objects.select_for_update().values_list("pk", flat=True).get(**key)
    return _folders_of([locked])[locked]


def open_folders(pks: Iterable[int]) -> dict[int, Folder]:
    """Lock cases, in the order of their keys, and their clocks; as `open_folder`, by key."""
    require_not_filling()
    cases = Case.objects.select_for_update().filter(pk__in=set(pks)).order_by("pk")
    return _folders_of(list(cases.values_list("pk", flat=True)))


def _folders_of(locked: list[int]) -> dict[int, Folder]:
    cases = Case.objects.select_related("minor", "condition", "unit").in_bulk(locked)
    running: dict[int, dict[str, StageClock]] = {pk: {} for pk in locked}
    clocks = StageClock.objects.select_for_update().filter(case__in=locked, ended_at__isnull=True)
    for clock in clocks.order_by("pk"):
        running[clock.case_id][clock.kind] = clock
    return {
        pk: Folder(case, running[pk], state_of(case), waited=list(case.waiting_for))
        for pk, case in cases.items()
    }


# --- writing ------------------------------------------------------------------------------------


class Book:
    """The heads one transaction holds, its one legal time, and what it will write."""

    def __init__(
        self, heads: dict[str, DistrictHead], at: datetime, *, is_past: bool = False
    ) -> None:
        self.heads = heads
        self.at = at
        self.is_past = is_past  # at virtual time: the simulation's
        self.events: list[Event] = []
        self._folders: dict[int, Folder] = {}
        self._effects: list[tuple[Effect, Event]] = []
        self._rung = 0  # events the desk has rung for

    def start_clock(
        self,
        folder: Folder,
        kind: ClockKind,
        *,
        due_at: datetime | None,
        soon_at: datetime | None,
        started_at: datetime | None = None,
    ) -> None:
        """Start the clock `kind`, or move the deadline of the running one."""
        clock = folder.clocks.get(kind)
        if clock is None:
            clock = StageClock(case=folder.case, kind=kind, started_at=started_at or self.at)
            folder.clocks[kind] = clock
        clock.due_at, clock.soon_at = due_at, soon_at
        folder.touched.add(kind)

    def start_minutes(self, folder: Folder, kind: ClockKind, minutes: int) -> None:
        """Start a continuous clock of `minutes` (domain.md §4: the centre works 24 h).

        The next event says so with its due time, so that the log alone tells what was late.
        """
        limit = timedelta(minutes=minutes)
        due_at = self.at + limit
        self.start_clock(folder, kind, due_at=due_at, soon_at=self.at + limit * 0.8)
        folder.starts = {"kind": kind.value, "due_at": stamp(due_at)}

    def stop_clock(
        self, folder: Folder, kind: ClockKind, *, used_s: int | None = None
    ) -> StageClock | None:
        """Stop a running clock; on time iff it ends at or before its due time.

        `used_s` is given where the clock runs on working time; else wall-clock seconds are taken.
        """
        clock = folder.clocks.pop(kind, None)
        if clock is None:
            return None
        clock.ended_at = self.at
        clock.on_time = clock.due_at is None or self.at <= clock.due_at
        if used_s is None:
            used_s = int((self.at - clock.started_at).total_seconds())
        clock.used_s = used_s
        folder.touched.discard(kind)
        folder.ended.append(clock)
        return clock

    def append(
        self,
        folder: Folder,
        action: Action,
        *,
        actor: User | None = None,
        role: Role = Role.SYSTEM,
        clock: StageClock | None = None,
        facts: dict[str, Any] | None = None,
        private: dict[str, Any] | None = None,
        claimed_at: datetime | None = None,
        sets_clock: bool = False,
        run: tuple[str, str] | None = None,
        move_id: uuid.UUID | None = None,
    ) -> Event:
        """Record one action: the columns changed since the last event become its `set`.

        `clock` is the stage clock this action ended; `run` = (unit, body) of the run concerned
        where that is no longer the case's own (a return ends the old unit's run).
        """
        case = folder.case
        _set_lamp(folder)
        before, after = folder.recorded, state_of(case)
        changed = {k: v for k, v in after.items() if k not in before or before[k] != v}
        if not before:
            changed = {k: v for k, v in changed.items() if v not in (None, "", [], {}, False)}
        if not before or not _VERSIONED.isdisjoint(changed):
            case.version += 1
            changed["version"] = after["version"] = case.version
        case.case_seq += 1
        unit, body = run or (case.unit_id or "", case.body)
        deadline_moved = not {"due_at", "base_due_at"}.isdisjoint(changed) or sets_clock
        event = Event(
            scope=case.scope,
            case=case,
            case_seq=case.case_seq,
            action=action,
            from_stage=folder.stage_before,
            to_stage=case.stage,
            at=self.at,
            actor=actor,
            actor_role=role,
            district=case.district,
            body=body,
            unit=unit,
            sets_clock=deadline_moved,
            due_at=case.due_at if deadline_moved else None,
            base_due_at=case.base_due_at if deadline_moved else None,
            claimed_at=claimed_at,
            move_id=move_id,
            data={
                "set": {k: v for k, v in changed.items() if k not in PRIVATE},
                "facts": plain(facts or {}),
                **({"starts": folder.starts} if folder.starts else {}),
            },
        )
        folder.starts = {}
        if clock is not None:
            event.clock_kind = clock.kind
            event.clock_started_at = clock.started_at
            event.clock_due_at = clock.due_at
            event.on_time = clock.on_time
            event.used_s = clock.used_s
        secret = {
            "actor": actor.pk if actor else None,
            "set": {k: v for k, v in changed.items() if k in PRIVATE},
            **plain({k: v for k, v in (private or {}).items() if v not in (None, "")}),
        }
        self._chain(event, canonical(secret), case.number)
        if not self.is_past and telling_of(action, case.stage, event.data["facts"]):
            self.effect(event, "notify", queue="notify", urgency=3)
        folder.recorded = after
        folder.dirty |= changed.keys()
        self._folders[id(folder)] = folder
        return event

    def _chain(self, event: Event, private: str, number: str) -> None:
        head = self.heads[event.scope]
        head.dseq += 1
        head.at = self.at
        event.dseq = head.dseq
        event.prev_hash = bytes(head.hash)
        event.private = private
        event.salt = self._salt(event.prev_hash)
        event.body_digest = digest_of(event.salt, private)
        event.header = header_of(event, number)
        event.hash = head.hash = hash_of(event.prev_hash, event.header, event.body_digest)
        self.events.append(event)

    def _salt(self, prev: bytes) -> bytes:
        """Return what keeps a short private part from being guessed.

        Invented persons need no secret: a simulation can be repeated to the byte.
        """
        if self.is_past:
            return digest_of(b"simulated", prev.hex())[:16]
        return secrets.token_bytes(16)

    def effect(
        self,
        event: Event,
        kind: str,
        *,
        queue: str,
        urgency: int = 5,
        due_at: datetime | None = None,
        name: str = "",
        **payload: Any,
    ) -> None:
        """Ask for work that must follow `event`; `name` tells those of one kind apart."""
        effect = Effect(
            key=f"{kind}:{event.scope}:{event.dseq}" + (f":{name}" if name else ""),
            kind=kind,
            queue=queue,
            scope=event.scope,
            case_seq=event.case_seq,
            payload=payload,
            urgency=urgency,
            due_at=due_at,
            created_at=self.at,
            next_at=self.at,
        )
        self._effects.append((effect, event))

    def close(self) -> None:
        """Write cases, clocks, effects, events, heads and alarms, in that order."""
        folders = list(self._folders.values())
        known = {folder.case.pk for folder in folders if not folder.case._state.adding}
        dirty = {"case_seq"}.union(*(folder.dirty for folder in folders))
        _write([folder.case for folder in folders], dirty)
        _write_clocks(folders)
        for effect, event in self._effects:
            effect.case = event.case
        _insert([effect for effect, _ in self._effects])
        for event in self.events:
            event.case = event.case  # the key of a case inserted just now
        _insert(self.events)
        _move_heads([head for head in self.heads.values() if head.at == self.at])
        if not self.is_past:
            _ring(folders, known, self.events[self._rung :], at=self.at)
        self._rung = len(self.events)
        self._folders, self._effects = {}, []


def _set_lamp(folder: Folder) -> None:
    """Show the handling clock where it runs, else the running clock due first."""
    running = folder.clocks.get(ClockKind.HANDLE) or min(
        (c for c in folder.clocks.values() if c.due_at), key=_due, default=None
    )
    folder.case.lamp_due_at = running.due_at if running else None
    folder.case.lamp_soon_at = running.soon_at if running else None


def _due(clock: StageClock) -> datetime:
    assert clock.due_at is not None
    return clock.due_at


def _write_clocks(folders: list[Folder]) -> None:
    written: list[StageClock] = []
    for folder in folders:
        for clock in [*folder.ended, *(folder.clocks[kind] for kind in folder.touched)]:
            clock.case = folder.case
            written.append(clock)
        folder.ended, folder.touched = [], set()
    # Ended clocks first, so that one started again in the same breath finds its place free.
    written.sort(key=lambda clock: clock.ended_at is None)
    _write(written, _columns_of(StageClock)[1])


def _write(rows: Sequence[Case] | Sequence[StageClock], dirty: Collection[str]) -> None:
    """Write the columns `dirty` of known rows of one table back, then insert the new rows."""
    _update([row for row in rows if not row._state.adding], dirty)
    _insert([row for row in rows if row._state.adding])


def _insert(rows: Sequence[Case | StageClock | Effect | Event]) -> None:
    """Insert rows of one table, in their order, and give them their keys.

    They travel as one JSON parameter, so the statement is always the same: the ORM takes longer
    to build one of its own than PostgreSQL to carry it out.
    """
    if not rows:
        return
    table, columns = _columns_of(type(rows[0]))
    names = ", ".join(columns)
    told = [{c: getattr(row, attribute) for c, attribute in columns.items()} for row in rows]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {names}"  # noqa: S608 - our own models' names
            f" FROM json_populate_recordset(NULL::{table}, %s::json) RETURNING id",
            [_as_json(told)],
        )
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            row.pk = key
            row._state.adding = False


def _update(rows: Sequence[Case | StageClock], dirty: Collection[str]) -> None:
    """Write the columns `dirty` of rows of one table back; as `_insert`, in one statement."""
    if not rows:
        return
    table, columns = _columns_of(type(rows[0]))
    written = {c: attribute for c, attribute in columns.items() if c in dirty}
    told = [
        {"id": row.pk} | {c: getattr(row, attribute) for c, attribute in written.items()}
        for row in rows
    ]
    changes = ", ".join(f"{c} = told.{c}" for c in written)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {changes}"  # noqa: S608 - our own models' names
            f" FROM json_populate_recordset(NULL::{table}, %s::json) AS told"
            f" WHERE {table}.id = told.id",
            [_as_json(told)],
        )
        if cursor.rowcount != len(rows):
            raise LookupError(f"{cursor.rowcount} of {len(rows)} rows of {table} were written")


def _as_json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, default=_as_text, ensure_ascii=False)


@cache
def _columns_of(model: type[Model]) -> tuple[str, dict[str, str]]:
    """Return the table of a model and its columns but the key, each with its attribute."""
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    return model._meta.db_table, {str(field.column): field.attname for field in fields}


def _as_text(value: object) -> str:
    """Return what JSON has no form for as PostgreSQL reads it from text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, Point):
        return str(value.hexewkb.decode())
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _move_heads(heads: list[DistrictHead]) -> None:
    with connection.cursor() as cursor:
        for head in heads:
            cursor.execute(
                "UPDATE cases_districthead SET dseq = %s, hash = %s, at = %s WHERE scope = %s",
                [head.dseq, bytes(head.hash), head.at, head.scope],
            )


_RING = """
    WITH ended AS (
      UPDATE cases_deskalarm alarm SET ended_at = greatest(%(at)s, alarm.raised_at)
      FROM json_to_recordset(%(known)s::json) AS stands(case_id bigint, keys text[], rings text[])
      WHERE alarm.case_id = stands.case_id AND alarm.ended_at IS NULL
        AND alarm.key <> ALL(stands.keys) AND alarm.ring <> ALL(stands.rings))
    INSERT INTO cases_deskalarm (case_id, event_id, ring, key, clock, tier, roles, due_at,
                                 raised_at, escalate_at, told)
    SELECT raised.case_id, event_id, ring, key, clock, tier, roles, due_at, %(at)s,
      CASE tier WHEN '1' THEN %(at)s + make_interval(mins => escalate_min) END, 0
    FROM json_to_recordset(%(raised)s::json) AS raised(case_id bigint, event_id bigint, ring text,
        key text, clock text, roles text[], due_at timestamptz)
      JOIN cases_deskalarmrule rule USING (ring)
    WHERE tier IN ('1', '2')
    -- One that ended rings anew: an emergency that was signed for and given back.
    ON CONFLICT (case_id, key) DO UPDATE SET event_id = excluded.event_id, tier = excluded.tier,
      roles = excluded.roles, raised_at = excluded.raised_at, escalate_at = excluded.escalate_at,
      ended_at = NULL, acknowledged_at = NULL, acknowledged_by_id = NULL, escalated_at = NULL,
      told = 0
    WHERE cases_deskalarm.ended_at IS NOT NULL
"""


def _ring(
    folders: Iterable[Folder], known: Collection[int], events: Iterable[Event], *, at: datetime
) -> None:
    """Ring the desk for what the events say, and end what stands no more; in one statement.

    It locks alarms after the heads: why that cannot deadlock says docs/reliability.md (Locks).
    """
    by_case = {id(folder.case): folder for folder in folders}
    raised: dict[tuple[int, str], dict[str, Any]] = {}  # once a case and key
    for event in events:
        folder = by_case[id(event.case)]
        case, facts = folder.case, event.data["facts"]
        unit = _expected_unit(case)
        reason = raised_by(event.action, facts, event.case_seq, case, folder.clocks, unit)
        if reason is None:
            continue
        row = {
            "case_id": case.pk,
            "event_id": event.pk,
            "ring": reason.ring,
            "key": reason.key,
            "clock": reason.clock,
            "roles": reason.roles,
            "due_at": reason.due_at,
        }
        raised.setdefault((case.pk, reason.key), row)
    told = []
    for folder in by_case.values():
        if folder.case.pk in known:
            keys, rings = standing(folder.case, folder.clocks.values(), _expected_unit(folder.case))
            told.append({"case_id": folder.case.pk, "keys": [*keys], "rings": [*rings]})
    if raised or told:
        words: dict[str, Any] = {
            "at": at,
            "known": _as_json(told),
            "raised": _as_json([*raised.values()]),
        }
        with connection.cursor() as cursor:
            cursor.execute(_RING, words)


def _expected_unit(case: Case) -> str:
    """Return the unit of the limit a case will have when it is filed; empty once it is."""
    return "" if case.limit_unit or case.condition is None else case.condition.limit_unit


@contextmanager
def open_book(*scopes: str, at: datetime | None = None) -> Iterator[Book]:
    """Lock the heads of `scopes` and write the book when the block ends without an error.

    Must run inside a transaction, after every other lock. `at` is given by simulate only, which
    holds FILLING_LOCK; everybody else gets the database's clock. Raises CityFilling while a demo
    month is being written.
    """
    heads, now, is_free = _lock_heads(scopes)
    if at is None and not is_free:
        raise CityFilling(_("The demo month is being written. Try again in a minute."))
    last = max(head.at for head in heads.values())
    if at is not None and at < last:
        raise ValueError(f"{at} lies before the last event of the log, {last}")
    book = Book(heads, at if at is not None else max(now, last), is_past=at is not None)
    yield book
    book.close()


def _lock_heads(scopes: Iterable[str]) -> tuple[dict[str, DistrictHead], datetime, bool]:
    """Lock heads in slug order; the clock is read after the last lock is held."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH held AS MATERIALIZED (
              SELECT scope, dseq, hash, at FROM cases_districthead
              WHERE scope = ANY(%s) ORDER BY scope FOR UPDATE)
            SELECT scope, dseq, hash, at, clock_timestamp(),
                   pg_try_advisory_xact_lock_shared(%s)
            FROM held
            """,
            [sorted(scopes), FILLING_LOCK],
        )
        rows = cursor.fetchall()
    heads = {
        row[0]: DistrictHead(scope=row[0], dseq=row[1], hash=bytes(row[2]), at=row[3])
        for row in rows
    }
    missing = set(scopes) - heads.keys()
    if missing:
        raise LookupError(f"no log for {sorted(missing)}; known are {SCOPES}")
    return heads, max(row[4] for row in rows), all(row[5] for row in rows)


# --- conflicts ----------------------------------------------------------------------------------

_RETRY_STATES = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock timeout


def retrying(service: Callable[P, R]) -> Callable[P, R]:
    """Run a service in a transaction; try again when the database asks for it, then say Busy."""

    @wraps(service)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(4):
            try:
                with transaction.atomic():
                    return service(*args, **kwargs)
            except OperationalError as error:
                state = getattr(error.__cause__, "sqlstate", None)
                if state not in _RETRY_STATES or connection.in_atomic_block:
                    raise
                if attempt == 3:
                    break
                time.sleep(random.uniform(0.02, 0.1) * (attempt + 1))  # noqa: S311  # jitter
        raise Busy(_("The case is being changed by somebody else. Try again."))

    return run
