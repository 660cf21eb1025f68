"""I5: what was answered with success is there, once; what was refused is not; no version goes back.

A call without an answer, or with one that says nothing certain (a timeout, a reset, 5xx), may have
happened or not, but never twice.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faultlab.checker.evidence import Evidence, Record, Violation


@dataclass
class Operation:
    """All calls with one Idempotency-Key of one actor: the first and its repetitions."""

    invoked: list[Record] = field(default_factory=list)
    ok: list[Record] = field(default_factory=list)
    fail: list[Record] = field(default_factory=list)

    @property
    def may_be_done(self) -> bool:
        """Whether some call neither succeeded nor was refused for certain."""
        return len(self.invoked) > len(self.ok) + len(self.fail)

    @property
    def moved(self) -> bool:
        """Whether its success raised the version of the case."""
        return bool(self.ok[0]["version"] > self.first["seen"])

    @property
    def first(self) -> Record:
        """The call that was made first."""
        return self.invoked[0]


def read_operations(evidence: Evidence) -> dict[tuple[str, str], Operation]:
    """Return the operations of all histories, by actor and key."""
    found: dict[tuple[str, str], Operation] = defaultdict(Operation)
    for record in evidence.calls:
        operation = found[record["actor"], record["key"]]
        if record["type"] == "invoke":
            operation.invoked.append(record)
        elif record["type"] == "ok":
            operation.ok.append(record)
        elif record["type"] == "fail":
            operation.fail.append(record)
    return found


def operations(evidence: Evidence) -> Iterator[Violation]:
    """Compare every operation with what the database kept of it."""
    made = {(case.reporter, case.key): case for case in evidence.cases.values()}
    done: Counter[tuple[str, str, str]] = Counter()
    for (actor, key), operation in read_operations(evidence).items():
        if not operation.invoked:
            yield Violation("I5", key, "an answer to a call that was not made")
            continue
        kept, case = evidence.keys.get((actor, key)), made.get((actor, key))
        number = _where_done(evidence, operation, case, kept)
        yield from _presence(operation, key, there=bool(number))
        yield from _answers(operation, key, kept)
        if number:
            done[number, operation.first["action"] or "report", actor] += 1
    yield from _unexplained(evidence, done)
    yield from _versions(evidence)


def _where_done(evidence: Evidence, operation: Operation, case: Any, kept: Any) -> str:
    """Return the number of the case an operation took place on; empty when it did not."""
    first = operation.first
    if first["op"] == "create":
        return str(case.number) if case else ""
    if first["op"] == "photo":  # its key is the SHA-256 of its bytes
        return first["number"] if (first["number"], first["key"]) in evidence.photos else ""
    return str(kept.number) if kept else ""


def _presence(operation: Operation, key: str, *, there: bool) -> Iterator[Violation]:
    what = f"{operation.first['op']} {operation.first['action']} by {operation.first['actor']}"
    if operation.ok and not there:
        yield Violation("I5", key, f"{what} was answered with success and is lost")
    if there and not operation.ok and not operation.may_be_done:
        yield Violation("I5", key, f"{what} was refused each time and took place")


def _answers(operation: Operation, key: str, kept: Any) -> Iterator[Violation]:
    if len({record["answer"] for record in operation.ok}) > 1:
        yield Violation("I5", key, "repetitions of one request were answered differently")
    for record in operation.ok:
        if kept is not None and (kept.number, kept.version) != (
            record["number"],
            record["version"],
        ):
            told = f"{record['number']} at {record['version']}"
            yield Violation("I5", key, f"answered {told}, kept {kept.number} at {kept.version}")


def _unexplained(evidence: Evidence, done: Counter[tuple[str, str, str]]) -> Iterator[Violation]:
    """Count what people did by the log, and compare with what the histories say they did.

    A case moved between districts is one action and two events.
    """
    logged: Counter[tuple[str, str, str]] = Counter()
    for case_id, events in evidence.by_case.items():
        if case_id not in evidence.cases:
            continue
        number = evidence.cases[case_id].number
        for event in events:
            if event.actor is not None and event.action != "moved_in":
                action = "transfer" if event.action == "moved_out" else event.action
                logged[number, action, event.actor] += 1
    for case, action, actor in sorted(logged.keys() | done.keys()):
        count, wanted = logged[case, action, actor], done[case, action, actor]
        if count != wanted:
            what = f"{action} by {actor} stands {count} times in the log, {wanted} were made"
            yield Violation("I5", case, what)


def _versions(evidence: Evidence) -> Iterator[Violation]:
    """No version goes back: not in the log, nor in what clients were answered."""
    for case_id, events in evidence.by_case.items():
        versions = [event.version for event in events if event.version is not None]
        if versions != sorted(set(versions)):
            yield Violation("I5", f"case {case_id}", f"versions in the log: {versions}")
    standing = {case.number: case.version for case in evidence.cases.values()}
    acts: dict[str, list[Operation]] = defaultdict(list)
    for operation in read_operations(evidence).values():
        if operation.ok and operation.invoked and operation.first["op"] != "photo":
            acts[operation.ok[0]["number"]].append(operation)
    for number, done in acts.items():
        highest = max(operation.ok[0]["version"] for operation in done)
        if highest > standing.get(number, highest):
            what = f"answered version {highest}, stands at {standing[number]}"
            yield Violation("I5", number, what)
        yield from _stale(number, [each for each in done if each.first["seen"] is not None])


def _stale(number: str, done: list[Operation]) -> Iterator[Violation]:
    """One version lets one action through, and none whose screen was known to be old."""
    moved = Counter(each.first["seen"] for each in done if each.moved)
    for seen, count in moved.items():
        if count > 1:
            yield Violation("I5", number, f"{count} actions took place on version {seen}")
    for each in done:
        known = [other.ok[0] for other in done if other.ok[0]["at"] < each.first["at"]]
        newest = max((answer["version"] for answer in known), default=0)
        if each.first["seen"] < newest:
            what = f"acted on version {each.first['seen']} after {newest} had been answered"
            yield Violation("I5", number, what)
