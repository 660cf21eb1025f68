"""Recompute every chain and every state from the ledger; name the first bad position."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import connection, transaction
from django.db.models import F

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


def verify_ledger() -> list[Fault]:
    """Return the first fault of each scope's chain, and every case whose state is not its fold.

    Reads only. A chain is followed from its first event: dense dseq, previous hash, header equal
    to the columns, digest of the private part where it was not erased, hash, and the head.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:  # one snapshot, or writers would look like faults
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        heads = list(DistrictHead.objects.order_by("scope"))
        chains = [fault for head in heads if (fault := _check_chain(head))]
        return [*chains, *_check_states()]


def _check_chain(head: DistrictHead) -> Fault | None:
    prev, expected, last_at = bytes(32), 1, None
    events = Event.objects.filter(scope=head.scope).annotate(number=F("case__number"))
    for event in events.order_by("dseq").iterator(CHUNK):
        number = event.number or ""
        what = _fault_in(event, expected, prev, number)
        if what is None and last_at is not None and event.at < last_at:
            what = "its time lies before the event before it"
        if what is not None:
            return Fault(head.scope, expected, number, what)
        prev, expected, last_at = bytes(event.hash), expected + 1, event.at
    if (head.dseq, bytes(head.hash)) != (expected - 1, prev):
        return Fault(head.scope, expected - 1, "", f"the head stands at {head.dseq}, not here")
    return None


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


def _check_states() -> Iterator[Fault]:
    """Compare each case with the fold of its events; what was erased is not compared."""
    cases = Case.objects.order_by("pk").iterator(CHUNK)
    events = Event.objects.filter(case__isnull=False).only(*_FOLDED).order_by("case_id", "case_seq")
    for case_id, history in groupby(events.iterator(CHUNK), key=attrgetter("case_id")):
        case = next(cases)
        while case.pk != case_id:
            yield _without_events(case)
            case = next(cases)
        yield from _check_state(case, history)
    yield from map(_without_events, cases)


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
    return Fault("", 0, case.number, "a case without any event")


def _private(event: Event) -> dict[str, Any]:
    """Return the private part; nothing where it was erased or is no longer JSON."""
    try:
        return dict(json.loads(event.private or "{}"))
    except ValueError:
        return {}


_EMPTY: tuple[object, ...] = (None, "", [], {}, False)


def _compare(case: Case, folded: dict[str, object], seq: int, *, erased: bool) -> Iterator[Fault]:
    if case.case_seq != seq:
        yield Fault("", 0, case.number, f"the case counts {case.case_seq} events, the log {seq}")
    for name, value in state_of(case).items():
        told = folded.get(name)
        if told == value or (name not in folded and value in _EMPTY):
            continue
        if erased and name in PRIVATE:
            continue
        yield Fault("", 0, case.number, f"{name} is {value!r}, the log says {told!r}")
