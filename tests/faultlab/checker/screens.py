"""I6: what every client heard is what the server would list for its user, once and in order.

A notice names a case that the user may see; in between, `upto` tells only how far the log has come.
What must be heard is what the user could see all along; of a case that came into their sight (a
unit's, when it is dispatched) earlier events may be heard too, because the feed looks at the case
as it stands.
"""

from collections.abc import Iterator
from typing import Any

from tests.faultlab.checker.evidence import Evidence, Record, Violation

POSTS_WITHOUT_SIGHT = {"inspector", "unit", "unit_head"}


class _Sight:
    """Whose cases a user sees (domain.md §2), by the grants in the database."""

    def __init__(self, username: str, grants: list[Any]) -> None:
        self.username = username
        posts = [g for g in grants if g.role not in POSTS_WITHOUT_SIGHT]
        self.is_whole = any(g.scope_kind == "city" for g in posts)
        self.districts = {g.scope_key for g in posts if g.scope_kind == "district"}
        self.units = {g.scope_key for g in grants if g.role in ("unit", "unit_head")}

    def always(self, case: Any) -> bool:
        """Whether the case was in sight from its first event on and still is."""
        if self.is_whole or case.reporter == self.username:
            return True
        return case.district in self.districts and not case.also_districts

    def ever(self, case: Any, events: list[Any]) -> bool:
        """Whether the case may have been in sight at some time."""
        units = [case.unit, case.parent_unit, *case.assist_units, *(e.unit for e in events)]
        return (
            self.always(case)
            or not self.districts.isdisjoint([case.district, *case.also_districts])
            or not self.units.isdisjoint(units)
            or self.username in (case.assignees or [])
        )


def screens(evidence: Evidence) -> Iterator[Violation]:
    """Judge every client by its log, which starts with the heads it was greeted with."""
    logs = {(event.scope, event.dseq): event for event in evidence.events}
    for client, frames in evidence.frames.items():
        user = frames[0]["user"]
        listener = _Listener(_Sight(user, evidence.grants.get(user, [])), evidence, logs)
        for frame in frames:
            for what in listener.hear(frame):
                yield Violation("I6", client, what)
        for what in listener.end():
            yield Violation("I6", client, what)


class _Listener:
    """One client's cursors as its log moves them."""

    def __init__(self, sight: _Sight, evidence: Evidence, logs: dict[tuple[str, int], Any]) -> None:
        self.sight, self.evidence, self.logs = sight, evidence, logs
        self.last: dict[str, int] = {}
        self.has_left = False

    def hear(self, frame: Record) -> Iterator[str]:
        """Take one line of the log; yields what was wrong with it."""
        kind = frame["kind"]
        self.has_left = kind == "left"
        if kind in ("start", "resync"):
            self.last |= frame["heads"]
        elif kind in ("notice", "upto"):
            scope, last = frame["scope"], self.last.get(frame["scope"], 0)
            if kind == "notice":
                if frame["dseq"] != last + 1:
                    yield f"{scope}/{frame['dseq']} was taken after {last}"
                yield from self._told(frame)
            else:
                yield from self._skipped(scope, last, frame["dseq"])
            self.last[scope] = max(last, frame["dseq"])

    def end(self) -> Iterator[str]:
        """At the end everybody who stayed is whole."""
        for scope, head in self.evidence.heads.items():
            if self.last and not self.has_left and self.last.get(scope, 0) != head:
                yield f"heard {scope} up to {self.last.get(scope, 0)}, it stands at {head}"

    def _told(self, frame: Record) -> Iterator[str]:
        where = f"{frame['scope']}/{frame['dseq']}"
        event = self.logs.get((frame["scope"], frame["dseq"]))
        case = self.evidence.cases.get(event.case_id) if event else None
        if event is None or case is None:
            yield f"{where} was heard and is not in the log"
        elif case.number != frame["case"] or frame["action"] not in (event.action, "gone"):
            yield f"{where} was heard as {frame['action']} of {frame['case']}, the log differs"
        elif not self.sight.ever(case, self.evidence.by_case[case.id]):
            yield f"{where} told of {frame['case']}, which {self.sight.username} may not see"
        elif frame["action"] == "gone" and self.sight.always(case):
            yield f"{where} told that {frame['case']} is gone, and it is not"

    def _skipped(self, scope: str, last: int, upto: int) -> Iterator[str]:
        """Whatever an `upto` passes over must be no concern of this user's."""
        for dseq in range(last + 1, upto + 1):
            event = self.logs.get((scope, dseq))
            case = self.evidence.cases.get(event.case_id) if event else None
            if event is None:
                yield f"was told of {scope}/{dseq}, which is not in the log"
            elif case is not None and self.sight.always(case):
                yield f"{scope}/{dseq} was kept from {self.sight.username}"
