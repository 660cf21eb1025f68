"""Which case is in which count: a fold of each case's own log. Pure; source: assessment.md §3, §5.

The twin of scoring/selectors.py, written apart from it: on any log both give the same Facts.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from itertools import groupby, pairwise
from math import cos, hypot, radians
from typing import Any

from scoring.periods import CITY_TIME

_STARTS = {"dispatch", "reassign", "arbitrate", "rework"}
_ENDS = {"finish", "return", "close"}
_IN_CHECK = {"handled", "checking", "checked"}
_DECIDED = {"file", "decline", "decline_filing"}
_STOPS = {
    "accept": _DECIDED,
    "dispatch": {"dispatch", "reassign", "arbitrate", "rework"},
    "sign": {"sign", "return", "reassign", "arbitrate"},
    "check": {"answer_check"},
}
_UNHANDLED = {"filed", "dispatched", "handling", "rework", "suspended", "returned", "disputed"}
LEFT_UNDONE_AFTER = timedelta(days=7)
RECURS_WITHIN = timedelta(days=7)
RECURS_NEAR_M = 50
METRES_A_DEGREE = 111_195  # of latitude


@dataclass(frozen=True)
class Row:
    """One event as the ledger holds it."""

    number: str
    seq: int
    action: str
    to_stage: str
    at: datetime
    district: str = ""
    body: str = ""
    unit: str = ""
    due_at: datetime | None = None
    base_due_at: datetime | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Stretch:
    """A run 承办段: one stretch of a case with one unit."""

    unit: str
    body: str
    start_at: datetime
    due_at: datetime | None
    base_due_at: datetime | None
    main_unit: str  # its parent where the unit is a sub-unit
    end_at: datetime | None = None
    end_kind: str = ""

    def late(self, at: datetime) -> bool:
        """True when the run ended, or stands at `at`, after its deadline."""
        return self.due_at is not None and min(self.end_at or at, at) > self.due_at


@dataclass(frozen=True, order=True)
class Assessed:
    """A case of M 参评 under one body, with all that its items and group are made of."""

    number: str
    body: str
    credit: Fraction
    left_undone: bool
    source: str
    limit_value: int
    limit_unit: str
    cell: str
    minor: str
    unit: str
    filed_on: date


@dataclass
class Facts:
    """Events per (body, count, case), and the cases of M; complete before it is read."""

    members: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    assessed: set[Assessed] = field(default_factory=set)

    @cached_property
    def lists(self) -> dict[tuple[str, str], list[str]]:
        """The case numbers in each count of each body, each as often as it counts, in order."""
        lists: dict[tuple[str, str], list[str]] = defaultdict(list)
        for (body, name, number), times in sorted(self.members.items()):
            lists[body, name] += [number] * times
        return dict(lists)

    def count(self, body: str, name: str) -> int:
        """Return how many cases, or events for counts of events, `name` has."""
        return len(self.lists.get((body, name), ()))


@dataclass
class _Log:
    """What the facts of one case say at one moment."""

    rows: list[Row]
    state: dict[str, Any]
    runs: list[Stretch]

    @property
    def body(self) -> str:
        return self.runs[-1].body if self.runs else self.rows[-1].district

    def at(self, action: str) -> Row:
        """Return the last event with `action`."""
        return next(row for row in reversed(self.rows) if row.action == action)

    def late(self, body: str, at: datetime) -> list[Stretch]:
        return [run for run in self.runs if run.body == body and run.late(at)]


def facts_of(rows: Iterable[Row], start: datetime, end: datetime) -> Facts:
    """Fold the events before `end` into the counts of [start, end), in any order of `rows`."""
    facts = Facts()
    known = sorted((r for r in rows if r.at < end), key=lambda r: (r.number, r.seq))
    logs = (list(events) for _, events in groupby(known, key=lambda r: r.number))
    live = [log for rows in logs if (log := _add_case(facts, rows, start, end))]
    _add_recurrence(facts, live, start, end)
    return facts


def _read(rows: list[Row]) -> _Log:
    state: dict[str, Any] = {}
    runs: list[Stretch] = []
    for row in rows:
        state |= row.data.get("set", {})
        if row.action in _STARTS | _ENDS and runs and runs[-1].end_at is None:
            runs[-1].end_at, runs[-1].end_kind = row.at, row.action
        if row.action in _STARTS:
            main = row.data.get("facts", {}).get("parent", row.unit)
            runs.append(Stretch(row.unit, row.body, row.at, row.due_at, row.base_due_at, main))
    return _Log(rows, state, runs)


def _add_case(facts: Facts, rows: list[Row], start: datetime, end: datetime) -> _Log | None:
    """Count one case; return its log if it is live: filed, and not self-handled."""
    log = _read(rows)

    def put(body: str, *names: str) -> None:
        for name in names:
            facts.members[body, name, rows[0].number] += 1

    if log.state.get("is_self_handled"):
        if any(r.action == "close" and r.at >= start for r in rows):
            put(rows[-1].district, "self_handled")
        return None
    _add_report(log, start, put)
    _add_clocks(log, start, end, put)
    filed = next((r for r in rows if r.action == "file"), None)
    if filed is None:
        return None
    _add_events(log, start, put)
    _add_dispatch(log, start, put)
    _add_backlog(log, start, put)
    if filed.at >= start:
        put(rows[-1].district, "filed", "need_dispatch")
    _add_state(facts, log, filed, start, end, put)
    for body in {run.body for run in log.runs} - {log.body}:
        moves = [b for a, b in pairwise(log.runs) if a.body == body != b.body]
        if log.late(body, end) and moves and moves[-1].start_at >= start:
            put(body, "late_exit", "need_handle", "should_close", "assessed")
            facts.assessed.add(_assessed(log, body, filed, Fraction(0), left_undone=True))
    return log


def _add_recurrence(facts: Facts, logs: list[_Log], start: datetime, end: datetime) -> None:
    """Count closings a week old and those after which the same came back within the week."""
    known = [log for log in logs if log.at("file").data.get("facts", {}).get("recurs")]
    for log in known:
        if log.rows[-1].to_stage != "closed":
            continue
        closed = log.at("close").at
        if start - RECURS_WITHIN <= closed < end - RECURS_WITHIN:
            facts.members[log.body, "closings", log.rows[0].number] += 1
            if any(_is_again(log, other, closed) for other in known if other is not log):
                facts.members[log.body, "recurrent", log.rows[0].number] += 1


def _is_again(log: _Log, other: _Log, closed: datetime) -> bool:
    return (
        log.state["minor_id"] == other.state["minor_id"]
        and closed <= other.at("file").at <= closed + RECURS_WITHIN
        and _distance_m(log.state["point"], other.state["point"]) <= RECURS_NEAR_M
    )


def _distance_m(one: str, other: str) -> float:
    """Return metres between two "lon,lat"; on a plane, good for a few hundred metres."""
    (lon, lat), (lon2, lat2) = (map(float, text.split(",")) for text in (one, other))
    return hypot((lon - lon2) * cos(radians(lat)), lat - lat2) * METRES_A_DEGREE


def _add_state(
    facts: Facts, log: _Log, filed: Row, start: datetime, end: datetime, put: Any
) -> None:
    stage, body = log.rows[-1].to_stage, log.body
    late = log.late(body, end)
    last = log.runs[-1] if log.runs else None
    ended = last.end_at if last and last.end_kind == "finish" else None
    if stage in _IN_CHECK | {"closed"} and ended and ended >= start:
        put(body, "handled", "need_handle", *([] if late else ["handled_on_time"]))
    if stage in _IN_CHECK:
        put(body, "in_check", "should_close")
    closed = [r.at for r in log.rows if r.action == "close"]
    if stage == "closed" and closed and closed[-1] >= start:
        put(body, "closed", "should_close", "assessed", *([] if late else ["closed_on_time"]))
        borrowed = last and last.base_due_at and last.end_at and last.end_at > last.base_due_at
        credit = Fraction(2, 5) if late else Fraction(1, 2) if borrowed else Fraction(1)
        facts.assessed.add(_assessed(log, body, filed, credit, left_undone=False))
    if stage not in _UNHANDLED:
        return
    if late:
        put(body, "overdue_unhandled", "need_handle", "should_close", "assessed")
        first = min(run.due_at for run in late if run.due_at)
        undone = first < end - LEFT_UNDONE_AFTER
        facts.assessed.add(_assessed(log, body, filed, Fraction(0), left_undone=undone))
    elif stage == "suspended":
        put(body, "suspended_open", "assessed")
        facts.assessed.add(_assessed(log, body, filed, Fraction(1, 2), left_undone=False))
    else:
        has_unit = stage in {"dispatched", "handling", "rework"}
        put(body, "not_due" if has_unit else "to_dispatch")


def _add_backlog(log: _Log, start: datetime, put: Any) -> None:
    if log.rows[-1].to_stage != "closed":
        put(log.body, "backlog_out")
    before = [r for r in log.rows if r.at < start]
    if any(r.action == "file" for r in before) and before[-1].to_stage != "closed":
        put(_read(before).body, "backlog_in")


def _add_events(log: _Log, start: datetime, put: Any) -> None:
    seen: set[tuple[str, str]] = set()
    holder = ""
    for row in log.rows:
        shirked = row.data.get("facts", {}).get("ruling") == "unjustified"
        if row.at >= start:
            if row.action in {"rework", "return"}:
                name = {"rework": "reworked", "return": "returned"}[row.action]
                put(row.body, f"{name}_times", *([] if (row.body, name) in seen else [name]))
                seen.add((row.body, name))
            if row.action == "answer_check":
                passed = row.data["facts"]["passed"]
                put(row.body, "checks", *(["checks_passed"] if passed else []))
            if row.action in {"reassign", "arbitrate"} and shirked:
                put(holder, "shirked")
        if row.action in _STARTS:
            holder = row.body


def _add_report(log: _Log, start: datetime, put: Any) -> None:
    """Count a decided report under its source: the centre's own measure, in no district's score."""
    decided = next((r for r in log.rows if r.action in _DECIDED), None)
    if decided and decided.at >= start:
        valid = ["valid_reports"] if decided.action == "file" else []
        put(str(log.state.get("source", "")), "decided_reports", *valid)


def _add_clocks(log: _Log, start: datetime, end: datetime, put: Any) -> None:
    """Count stage clocks: the centre's under the district, the others under the run's body."""
    for place, row in enumerate(log.rows):
        kind = row.data.get("starts", {}).get("kind")
        if kind not in _STOPS:
            continue
        due = datetime.fromisoformat(row.data["starts"]["due_at"])
        ended = next((r.at for r in log.rows[place + 1 :] if r.action in _STOPS[kind]), None)
        if (due < end) if ended is None else (ended >= start):
            body = log.rows[-1].district if kind in {"accept", "dispatch"} else row.body
            put(body, f"{kind}_clocks", *([f"{kind}_on_time"] if ended and ended <= due else []))


def _add_dispatch(log: _Log, start: datetime, put: Any) -> None:
    first = next((run for run in log.runs if run.end_kind == "finish"), None)
    if first and first.end_at and first.end_at >= start:
        accurate = ["accurate_dispatch"] if first.main_unit == log.runs[0].main_unit else []
        put(log.body, "first_finished", *accurate)


def _assessed(log: _Log, body: str, filed: Row, credit: Fraction, *, left_undone: bool) -> Assessed:
    state = log.state
    return Assessed(
        filed.number,
        body,
        credit,
        left_undone,
        str(state.get("source", "")),
        int(state.get("limit_value", 0)),
        str(state.get("limit_unit", "")),
        str(state.get("grid_cell", "")),
        str(state.get("minor_id", "")),
        next(run.unit for run in reversed(log.runs) if run.body == body),
        filed.at.astimezone(CITY_TIME).date(),
    )
