"""Recompute every chain and every state from the ledger; name the first bad position."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet

from cases.ledger import PRIVATE, digest_of, hash_of, header_of, state_of
from cases.models import Case, DistrictHead, Event

CHUNK = 2000


@dataclass(frozen=True)
class Fault:
    """A place where the ledger does not add up."""

    scope: str
    dseq: int
    case: str
    what: str

    def __str__(self) -> str:
        where = f"{self.scope}/{self.dseq}" if self.dseq else self.case
        return f"{where}: {self.what}"


@dataclass(frozen=True)
class Position:
    """How far a chain was followed: the last good event and the hash it had; 0 before the first."""

    dseq: int = 0
    hash: bytes = bytes(32)


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Read everything as of one moment, or writers would look like faults; reads only."""
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def verify_ledger() -> list[Fault]:
    """Return the first fault of each scope's chain, and every case whose state is not its fold.

    Reads only. A chain is followed from its first event: dense dseq, previous hash, header equal
    to the columns, digest of the private part where it was not erased, hash, and the head.
    """
    with one_snapshot():
        heads = DistrictHead.objects.order_by("scope")
        chains = [fault for head in list(heads) if (fault := follow_chain(head)[0])]
        return [*chains, *check_states(Case.objects.all())]


def follow_chain(
    head: DistrictHead, start: Position = Position(), *, most: int | None = None
) -> tuple[Fault | None, Position]:
    """Follow a chain on from `start`, over `most` events; return its first fault and how far it is.

    The event at `start` must still have the hash it had when the chain was followed up to it.
    """
    at, last_at = start, None
    events = Event.objects.filter(scope=head.scope).annotate(number=F("case__number"))
    if start.dseq:
        last = events.filter(dseq=start.dseq).first()
        if last is None or bytes(last.hash) != start.hash:
            return Fault(head.scope, start.dseq, "", "the log up to here was rewritten"), start
        last_at = last.at
    events = events.filter(dseq__gt=start.dseq).order_by("dseq")
    for event in (events if most is None else events[:most]).iterator(CHUNK):
        number = event.number or ""
        what = _fault_in(event, at.dseq + 1, at.hash, number)
        if what is None and last_at is not None and event.at < last_at:
            what = "its time lies before the event before it"
        if what is not None:
            return Fault(head.scope, at.dseq + 1, number, what), at
        at, last_at = Position(event.dseq, bytes(event.hash)), event.at
    is_end = most is None or at.dseq - start.dseq < most or at.dseq >= head.dseq
    if is_end and (head.dseq, bytes(head.hash)) != (at.dseq, at.hash):
        return Fault(head.scope, at.dseq, "", f"the head stands at {head.dseq}, not here"), at
    return None, at


def faults_of(case: Case) -> dict[tuple[str, int], str]:
    """Return what does not add up in the events of a case, by scope and dseq. Two statements.

    Each is recomputed and must follow the event before it in its log; whether the logs up to
    there are whole only `verify_ledger` tells.
    """
    events = list(case.event_set.order_by("case_seq"))
    wanted = Q(pk__in=[])
    for event in events:
        wanted |= Q(scope=event.scope, dseq=event.dseq - 1)
    before = Event.objects.filter(wanted).values_list("scope", "dseq", "hash")
    hashes = {(scope, dseq): bytes(found) for scope, dseq, found in before}
    faults = {}
    for event in events:
        prev = bytes(32) if event.dseq == 1 else hashes.get((event.scope, event.dseq - 1), b"")
        if what := _fault_in(event, event.dseq, prev, case.number):
            faults[event.scope, event.dseq] = what
    return faults


def _fault_in(event: Event, expected: int, prev: bytes, number: str) -> str | None:
    if event.dseq != expected:
        return f"event {expected} is missing; {event.dseq} follows"
    if bytes(event.prev_hash) != prev:
        return "does not follow the hash of the event before it"
    if header_of(event, number or None) != event.header:
        return "a column differs from the header"
    if event.private is not None and event.salt is not None:
        if digest_of(bytes(event.salt), event.private) != bytes(event.body_digest):
            return "the private part was changed"
        if _private(event).get("actor") != event.actor_id:
            return "the actor was changed"
    if hash_of(prev, event.header, bytes(event.body_digest)) != bytes(event.hash):
        return "the hash does not fit the header"
    return None


def check_states(cases: QuerySet[Case]) -> Iterator[Fault]:
    """Compare each of `cases` with the fold of its events; what was erased is not compared."""
    events = Event.objects.filter(case__in=cases).only(*_FOLDED).order_by("case_id", "case_seq")
    found = cases.order_by("pk").iterator(CHUNK)
    for case_id, history in groupby(events.iterator(CHUNK), key=attrgetter("case_id")):
        case = next(found)
        while case.pk != case_id:
            yield _without_events(case)
            case = next(found)
        yield from _check_state(case, history)
    yield from map(_without_events, found)


_FOLDED = ("case_id", "case_seq", "scope", "dseq", "data", "private")


def _check_state(case: Case, history: Iterable[Event]) -> Iterator[Fault]:
    folded: dict[str, object] = {}
    erased, seq = False, 0
    for event in history:
        seq += 1
        if event.case_seq != seq:
            yield Fault(event.scope, event.dseq, case.number, f"event {seq} is missing")
            seq = event.case_seq
        folded |= event.data.get("set", {})
        erased = erased or event.private is None
        folded |= _private(event).get("set", {})
    yield from _compare(case, folded, seq, erased=erased)


def _without_events(case: Case) -> Fault:
    return Fault(case.scope, 0, case.number, "a case without any event")


def _private(event: Event) -> dict[str, Any]:
    """Return the private part; nothing where it was erased or is no longer JSON."""
    try:
        return dict(json.loads(event.private or "{}"))
    except ValueError:
        return {}


_EMPTY: tuple[object, ...] = (None, "", [], {}, False)


def _compare(case: Case, folded: dict[str, object], seq: int, *, erased: bool) -> Iterator[Fault]:
    if case.case_seq != seq:
        what = f"the case counts {case.case_seq} events, the log {seq}"
        yield Fault(case.scope, 0, case.number, what)
    for name, value in state_of(case).items():
        told = folded.get(name)
        if told == value or (name not in folded and value in _EMPTY):
            continue
        if erased and name in PRIVATE:
            continue
        yield Fault(case.scope, 0, case.number, _difference(name, value, told))


def _difference(name: str, value: object, told: object) -> str:
    """Say in which column a case differs; what is private is not repeated, for faults are kept."""
    if name in PRIVATE:
        return f"{name} differs from the log"
    return f"{name} is {value!r}, the log says {told!r}"
