"""I1 and I2: every case that came in is somewhere, and nothing that follows it happened twice."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.faultlab.checker.evidence import Evidence, Violation, grouped
from tests.faultlab.checker.operations import read_operations

# Where an accepted case may be; each stage in exactly one place.
PLACES = {
    "pending acceptance": {"reported", "verifying", "accepted"},
    "rejected": {"declined", "voided", "merged"},
    "pending dispatch": {"filed"},
    "dispatched": {
        *("dispatched", "handling", "handled", "checking", "checked"),
        *("rework", "suspended", "returned", "disputed"),
    },
    "closed": {"closed"},
}


def conservation(evidence: Evidence) -> Iterator[Violation]:
    """I1: each case in one place, none waiting for its dispatch."""
    waiting = _waiting(evidence)
    for case in evidence.cases.values():
        places = [place for place, stages in PLACES.items() if case.stage in stages]
        if len(places) != 1:
            yield Violation("I1", case.number, f"its stage {case.stage} is no place to be")
        if case.stage == "filed" and not case.is_unrouted and case.id not in waiting:
            yield Violation("I1", case.number, "still waits to be dispatched, and nothing is due")
    yield from _counts(evidence)


def all_told_of(evidence: Evidence) -> Iterator[Violation]:
    """I1: no case that nobody made."""
    known = [case.key for case in evidence.cases.values()]
    made = {
        key
        for (_, key), operation in read_operations(evidence).items()
        if operation.invoked and operation.first["op"] == "create"
    }
    for key in sorted(set(known) - made):
        yield Violation("I1", key, "a case that no history tells of")


def _waiting(evidence: Evidence) -> set[int]:
    """Return cases whose dispatch waits for a person: dead, or of an outcome nobody knows."""
    return {
        effect["case_id"]
        for effect in evidence.effects
        if effect["kind"] == "dispatch" and effect["state"] in ("dead", "needs_review")
    }


def _counts(evidence: Evidence) -> Iterator[Violation]:
    """Every district has the cases its log reports, less those that moved away."""
    reported = Counter(e.scope for e in evidence.events if e.action in ("report", "self_handle"))
    for event in evidence.events:
        reported[event.scope] += {"moved_in": 1, "moved_out": -1}.get(event.action, 0)
    standing = Counter(case.scope for case in evidence.cases.values())
    for scope in sorted(reported.keys() | standing.keys()):
        if reported[scope] != standing[scope]:
            what = f"{standing[scope]} cases, its log has {reported[scope]}"
            yield Violation("I1", scope, what)


def once(evidence: Evidence) -> Iterator[Violation]:
    """I2: one dispatch an asking, one case event a dispatch, one signal a deadline, one message."""
    for key, effects in grouped(evidence.effects, "key").items():
        if len(effects) > 1:
            yield Violation("I2", key, f"{len(effects)} effects with one key")
    yield from _dispatches(evidence)
    signals = Counter(
        (event.case_id, event.action, event.clock, event.clock_due_at)
        for event in evidence.events
        if event.action in ("due_soon", "overdue")
    )
    for (case_id, action, clock, due_at), count in signals.items():
        if count > 1:
            what = f"{action} of {clock} due {due_at} was written {count} times"
            yield Violation("I2", f"case {case_id}", what)
    for key, count in Counter(record["key"] for record in evidence.sent).items():
        if count > 1:
            yield Violation("I2", key, f"was sent {count} times")


def _dispatches(evidence: Evidence) -> Iterator[Violation]:
    """Each filing asks once; each asking that was carried out is one event, and none is more."""
    asked: Counter[int] = Counter()
    seqs: Counter[tuple[Any, ...]] = Counter()
    for effect in evidence.effects:
        if effect["kind"] == "dispatch":
            seqs[effect["case_id"], effect["case_seq"]] += 1
            asked[effect["case_id"]] += effect["outcome"] == "dispatched"
    for event in evidence.events:
        if event.action == "file" and seqs[event.case_id, event.case_seq] != 1:
            count = seqs[event.case_id, event.case_seq]
            where = f"{event.scope}/{event.dseq}"
            yield Violation("I2", where, f"a filing that asked for {count} dispatches")
    for case_id, events in evidence.by_case.items():
        count = sum(event.action == "dispatch" and event.actor_id is None for event in events)
        if count != asked[case_id]:
            what = f"dispatched {count} times, {asked[case_id]} effects say so"
            yield Violation("I2", f"case {case_id}", what)
