"""Which case is in which count: a fold of each case's log. Pure; source: assessment.md §2 to §5.

The twin of scoring/selectors.py, written apart from it: on any log both give the same Facts.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import cached_property
from itertools import groupby, pairwise, takewhile
from typing import Literal

from cases.recurrence import WITHIN, is_near, is_soon
from scoring.periods import CITY_TIME, periods_within
from scoring.runs import EXITS, RULINGS, CaseLog, Row

_IN_CHECK = {"handled", "checking", "checked"}
_UNHANDLED = {"filed", "dispatched", "handling", "rework", "suspended", "returned", "disputed"}
_GONE = {"voided", "merged"}
_DECIDED = ("file", "decline", "decline_filing")
_STOPS = {
    kind: {*stops, "void", "merge", "force_close"}
    for kind, stops in {
        "accept": {*_DECIDED, "send_verify"},
        "verify": {"answer_verify"},
        "dispatch": {"dispatch", "reassign", "arbitrate", "rework", "dispute"},
        "sign": {"sign", "return", "reassign", "arbitrate"},
        "check": {"answer_check"},
    }.items()
}
_OF_THE_CENTRE = {"accept", "verify", "dispatch"}  # the others are the body's
_TIMES = {"rework": "reworked", "return": "returned", "reopen": "reopened"}
LEFT_UNDONE_AFTER = timedelta(days=7)
LATE_TENTHS, BORROWED_TENTHS = 4, 5  # of the credit for a case on time (assessment.md §6)

_PUBLIC = {"hotline", "citizen", "leader", "media"}
_KEY = {"leader", "media"}

By = Literal["body", "unit", "street", "cell"]
Put = Callable[..., None]


@dataclass(frozen=True, order=True)
class Assessed:
    """A case of M 参评 under one body, with all that its items and group are made of."""

    number: str
    body: str
    tenths: int  # of a credit: 10 on time, 5 on borrowed time, 4 late, 0 not done
    left_undone: bool
    is_extended: bool
    is_suspended: bool
    is_key: bool  # supervised as important, or by a leader, before it was first due
    source: str
    limit_value: int
    limit_unit: str
    cell: str
    minor: str
    unit: str
    filed_on: date

    @property
    def credit(self) -> Fraction:
        """What it is worth, 0 to 1."""
        return Fraction(self.tenths, 10)

    @property
    def is_held(self) -> bool:
        """True when time was borrowed: an extension in its cycle, or suspended and not late."""
        return self.is_extended or self.is_suspended


@dataclass
class Facts:
    """The cases in each count of each body, and those of M; complete before it is read."""

    counted: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    assessed: set[Assessed] = field(default_factory=set)

    @cached_property
    def lists(self) -> dict[tuple[str, str], list[str]]:
        """The case numbers in each count of each body, each as often as it counts, in order."""
        for numbers in self.counted.values():
            numbers.sort()
        return dict(sorted(self.counted.items()))

    @cached_property
    def members(self) -> Counter[tuple[str, str, str]]:
        """How often each case is in each count of each body."""
        return Counter(
            (body, name, number) for (body, name), of in self.counted.items() for number in of
        )

    @cached_property
    def assessed_of(self) -> dict[str, list[Assessed]]:
        """The cases of M of each body."""
        found: dict[str, list[Assessed]] = defaultdict(list)
        for case in self.assessed:
            found[case.body].append(case)
        return dict(found)

    def count(self, body: str, name: str) -> int:
        """Return how many cases, or events for counts of events, `name` has."""
        return len(self.lists.get((body, name), ()))


def facts_of(
    rows: Iterable[Row],
    start: datetime,
    end: datetime,
    *,
    as_of: datetime | None = None,
    by: By = "body",
) -> Facts:
    """Fold the log known at `as_of` into the counts of [start, end), in any order of `rows`.

    A period that still runs is counted up to `as_of`; later than the end it is the cut-off of
    rulings, of which there are none without it. `by` puts the unit, or the street or grid cell
    of the case, in the body's place.
    """
    is_closed = as_of is not None and as_of >= end
    until = end if as_of is None or is_closed else as_of
    known = [r for r in rows if r.at < until or (is_closed and as_of and r.at <= as_of)]
    known.sort(key=lambda row: (row.number, row.seq))
    if by == "unit":
        known = [replace(row, body=row.unit) for row in known]
    elif by != "body":
        known = _by_place(known, by, until)
    names = {period.name for period in periods_within(start, end)}
    facts = Facts()
    logs = (list(events) for _, events in groupby(known, key=lambda row: row.number))
    cases = [_Case(events, start, until, names) for events in logs if events[0].at < until]
    for case in cases:
        _add_case(facts, case)
    _add_recurrence(facts, [case.log for case in cases if case.is_live], start, until)
    return facts


def _by_place(rows: list[Row], by: By, until: datetime) -> list[Row]:
    """Put the street or cell a case lay in at `until` in place of body and district."""
    column = {"street": "street", "cell": "grid_cell"}[by]
    places: dict[str, str] = {}
    for row in rows:
        said = row.data.get("set", {}) if row.at < until else {}
        places[row.number] = said.get(column, places.get(row.number, ""))
    named = {number: place or "city" for number, place in places.items()}
    return [replace(r, body=named[r.number], district=named[r.number]) for r in rows]


class _Case:
    """One case as a period sees it: the facts before `end`, and the rulings known since."""

    def __init__(self, known: list[Row], start: datetime, end: datetime, names: set[str]) -> None:
        self.known, self.start, self.end = known, start, end
        self.log = CaseLog(row for row in known if row.at < end)
        later = known[len(self.log.rows) :]
        for row in takewhile(lambda row: not row.begins_run, later):
            self.log.recompute(row)
        self.is_self_handled = bool(self.log.state.get("is_self_handled"))
        self.filed = next((row for row in self.log.rows if row.action == "file"), None)
        self.is_gone = self.log.stage in _GONE
        self.said = [*self.log.rows, *(row for row in later if row.action in RULINGS)]
        last = [self.log.last(*EXITS)] if self.is_gone else []
        self.exits = [row for row in (*last, *later) if row and row.action in EXITS]
        self.adjusted = [
            row.facts["effect"]
            for row in self.said
            if row.action == "adjust"
            and row.facts.get("approved", True)
            and row.facts["period"] in names
        ]

    @property
    def placed(self) -> str:
        """How an assessor put it in or out of the period, last; else empty."""
        return next((effect for effect in reversed(self.adjusted) if effect != "exempt"), "")

    @cached_property
    def is_removed(self) -> bool:
        """True when it is in no count: voided or merged in time or with a word, or left out."""
        if self.placed:
            return self.placed == "leave_out"
        return any(not self._was_late(row) or self.is_confirmed(row) for row in self.exits)

    @property
    def is_live(self) -> bool:
        return not (self.filed is None or self.is_self_handled or self.is_removed or self.is_gone)

    @property
    def is_supervised(self) -> bool:
        """True when supervised as important, or by a leader, before it was first due."""
        first_due = self.log.runs[0].start.due_at if self.log.runs else None
        return any(
            row.facts["kind"] in {"leader", "important"}
            and (first_due is None or row.at < first_due)
            for row in self.log.rows
            if row.action == "supervise"
        )

    @property
    def is_exempt(self) -> bool:
        """True when an upheld appeal of this cycle, or an adjustment, excuses its lateness."""
        return "exempt" in self.adjusted or any(map(self._upholds, self.known))

    def _upholds(self, row: Row) -> bool:
        if row.action != "decide_appeal" or not row.facts["upheld"]:
            return False
        cycle = sum(r.action == "reopen" and r.seq < row.seq for r in self.known)
        return bool(row.facts["level"] == "acceptor" and cycle == self.log.cycle)

    def _was_late(self, exit_: Row) -> bool:
        if exit_.at < self.end:  # it ended the last run, so nothing has changed since
            return bool(self.log.late(self.log.body, self.end))
        log = CaseLog(row for row in self.known if row.seq < exit_.seq)
        return bool(log.late(log.body, exit_.at))

    def is_confirmed(self, exit_: Row) -> bool:
        """Tell whether an assessor accepted that the case left as `exit_` says."""
        return any(r.action == "confirm_exit" and r.seq > exit_.seq for r in self.said)

    def moved_away(self) -> Iterator[tuple[str, Row]]:
        """Yield each body that lost the case for good in its cycle, and the event that took it."""
        judged = self.log.judged
        for body in {run.body for run in judged} - {self.log.body}:
            moves = [b.start for a, b in pairwise(judged) if a.body == body != b.body]
            moves = [row for row in moves if row.action in {"reassign", "arbitrate"}]
            if moves:
                yield body, moves[-1]


def _add_case(facts: Facts, case: _Case) -> None:
    """Count one case; a removed one only as voided or merged, and where facts alone count."""
    log, start = case.log, case.start

    def put(body: str, *names: str) -> None:
        for name in names:
            facts.counted[body, name].append(log.rows[0].number)

    if case.is_self_handled:
        closing = log.last("close")
        if closing and closing.at >= start:
            put(closing.district or "city", "self_handled")
        return
    _add_exits(log, start, put)
    _add_report(case, put)
    if case.filed:
        _add_backlog(log, start, put)
    if case.is_removed:
        return
    _add_clocks(log, start, case.end, put)
    _add_audits(log, start, put)
    if case.filed is None:
        return
    _add_events(log, start, put)
    _add_dispatch(log, start, put)
    _add_state(facts, case, put)
    for body, move in case.moved_away():
        if log.late(body, case.end) and move.at >= start and not case.is_confirmed(move):
            put(body, "late_exit", "need_handle", "need_handle_judged")
            put(body, "should_close", "should_close_judged")
            _assess(facts, case, body, 0, put, left_undone=True)


def _add_state(facts: Facts, case: _Case, put: Put) -> None:
    log, stage, body, start = case.log, case.log.stage, case.log.body, case.start
    late = log.late(body, case.end)
    if case.is_gone:
        gone = log.last(*EXITS)
        if gone and gone.at >= start:
            put(body, "late_exit", "need_handle", "need_handle_judged")
            put(body, "should_close", "should_close_judged")
            _assess(facts, case, body, 0, put, left_undone=True)
        return
    source = str(log.state.get("source", ""))
    if case.filed and case.filed.at >= start:
        put(log.district, "filed", "need_dispatch")
        put(log.district, *(["filed_public"] if source in _PUBLIC else []))
    closing = log.last("close", "force_close")
    is_closing = stage == "closed" and closing is not None and closing.at >= start
    if (stage != "closed" or is_closing) and (case.is_supervised or source in _KEY):
        put(body, "key")
    is_forced = is_closing and closing is not None and closing.action == "force_close"
    is_exempt = is_closing and not is_forced and bool(late) and case.is_exempt
    last = log.runs[-1] if log.runs else None
    ended = last.end_at if last and last.end_kind == "finish" else None
    if stage in _IN_CHECK | {"closed"} and ended and ended >= start:
        put(body, "handled", "need_handle", *([] if late else ["handled_on_time"]))
        put(body, *([] if is_exempt else ["need_handle_judged"]))
    if stage in _IN_CHECK:
        put(body, "in_check", "should_close", "should_close_judged")
    if is_closing:
        put(body, "forced" if is_forced else "closed", "should_close")
        put(body, "exempt" if is_exempt else "should_close_judged")
        if not is_forced and not late:
            put(body, "closed_on_time")
        borrowed = last and last.base_due_at and last.end_at and last.end_at > last.base_due_at
        tenths = LATE_TENTHS if late else BORROWED_TENTHS if borrowed else 10
        if not is_exempt:
            tenths = 0 if is_forced else tenths
            _assess(facts, case, body, tenths, put, left_undone=is_forced)
    if stage not in _UNHANDLED:
        return
    if late:
        put(body, "overdue_unhandled", "need_handle", "need_handle_judged")
        put(body, "should_close", "should_close_judged")
        first = min(run.due_at for run in late if run.due_at)
        undone = first < case.end - LEFT_UNDONE_AFTER
        _assess(facts, case, body, 0, put, left_undone=undone)
    elif stage == "suspended":
        put(body, "suspended_open")
        _assess(facts, case, body, BORROWED_TENTHS, put, left_undone=False)
    else:
        put(body, "not_due" if log.open_run else "to_dispatch")


def _assess(
    facts: Facts, case: _Case, body: str, tenths: int, put: Put, *, left_undone: bool
) -> None:
    """Put a case of M into its count and among those the items judge."""
    log, state = case.log, case.log.state
    assert case.filed is not None
    runs = [run for run in log.judged if run.body == body]
    is_extended = any(run.is_extended for run in runs)
    put(body, "assessed", *(["extended_assessed"] if is_extended else []))
    facts.assessed.add(
        Assessed(
            number=case.filed.number,
            body=body,
            tenths=tenths,
            left_undone=left_undone,
            is_extended=is_extended,
            is_suspended=log.stage == "suspended" and tenths > 0,
            is_key=case.is_supervised,
            source=str(state.get("source", "")),
            limit_value=int(state.get("limit_value", 0)),
            limit_unit=str(state.get("limit_unit", "")),
            cell=str(state.get("grid_cell", "")),
            minor=str(state.get("minor_id", "")),
            unit=runs[-1].unit if runs else "",
            filed_on=case.filed.at.astimezone(CITY_TIME).date(),
        )
    )


def _add_exits(log: CaseLog, start: datetime, put: Put) -> None:
    """Count what was voided or merged, by the body before: facts alone."""
    for place, row in enumerate(log.rows):
        if row.action in EXITS and row.at >= start:
            put(_holder(log, place), "voided" if row.action == "void" else "merged")


def _holder(log: CaseLog, place: int) -> str:
    """Return the body an event without a change of hands found: of the run, else of the last."""
    return log.rows[place].body or CaseLog(log.rows[:place]).body


def _add_backlog(log: CaseLog, start: datetime, put: Put) -> None:
    """Count what was open at either end of the period, by facts alone."""
    ends = {"closed", *_GONE}
    if log.stage not in ends:
        put(log.body, "backlog_out")
    before = [row for row in log.rows if row.at < start]
    if any(row.action == "file" for row in before) and before[-1].to_stage not in ends:
        put(CaseLog(before).body, "backlog_in")


def _add_report(case: _Case, put: Put) -> None:
    """Count a decided report under its source: the centre's own measure, in no district's score.

    A voided report was not valid; a merged one is told by its survivor.
    """
    decided = next((row for row in case.log.rows if row.action in _DECIDED), None)
    left = {row.action for row in case.exits}
    if decided is None or decided.at < case.start or "merge" in left:
        return
    if case.placed != "leave_out":
        valid = ["valid_reports"] if decided.action == "file" and "void" not in left else []
        put(str(case.log.state.get("source", "")), "decided_reports", *valid)


def _add_clocks(log: CaseLog, start: datetime, end: datetime, put: Put) -> None:
    """Count stage clocks: the centre's under the district, the others under the run's body."""
    for place, row in enumerate(log.rows):
        kind = row.data.get("starts", {}).get("kind")
        if kind not in _STOPS:
            continue
        due = datetime.fromisoformat(row.data["starts"]["due_at"])
        ended = next((r.at for r in log.rows[place + 1 :] if _stops(r, kind)), None)
        if (due < end) if ended is None else (ended >= start):
            body = log.district if kind in _OF_THE_CENTRE else row.body
            put(body, f"{kind}_clocks", *([f"{kind}_on_time"] if ended and ended <= due else []))


def _stops(row: Row, kind: str) -> bool:
    """Tell whether an event ends a running stage clock; starting it anew does as well."""
    return row.action in _STOPS[kind] or row.data.get("starts", {}).get("kind") == kind


def _add_audits(log: CaseLog, start: datetime, put: Put) -> None:
    """Count the answers to audits: of closings, and of refusals under the acceptor's district."""
    for place, row in enumerate(log.rows):
        if row.action != "answer_audit" or row.at < start:
            continue
        passed = row.facts["passed"]
        if row.to_stage == "declined":
            put(log.district, "refusals_audited", *([] if passed else ["refused_wrongly"]))
            continue
        put(_holder(log, place), "audits", *(["audits_passed"] if passed else []),
            *(["falsified"] if row.facts.get("falsified") else []))  # fmt: skip


def _add_events(log: CaseLog, start: datetime, put: Put) -> None:
    """Count what happened, charged to the body that held the case at that moment."""
    seen: set[tuple[str, str]] = set()
    holders = {b.start.seq: a.body for a, b in pairwise(log.runs)}
    for place, row in enumerate(log.rows):
        if row.at < start:
            continue
        name = "extended" if row.extends else _TIMES.get(row.action)
        if name:
            body = _holder(log, place)
            put(body, f"{name}_times", *([] if (body, name) in seen else [name]))
            seen.add((body, name))
        if row.action == "answer_check":
            put(row.body, "checks", *(["checks_passed"] if row.facts["passed"] else []))
        if row.action == "decide_suspension" and row.facts["approved"]:
            put(row.body, "suspended")
        if row.action == "defer":
            put(row.body, "deferred")
        if row.facts.get("ruling") == "unjustified" and row.seq in holders:
            put(holders[row.seq], "shirked")
        if row.facts.get("by") in {"transfer", "arbitrate"}:
            way, side = ("out", "from") if row.action == "moved_out" else ("in", "to")
            put(row.facts[f"{side}_district"], f"transferred_{way}")


def _add_dispatch(log: CaseLog, start: datetime, put: Put) -> None:
    first = next((run for run in log.runs if run.end_kind == "finish"), None)
    if first and first.end_at and first.end_at >= start:
        accurate = ["accurate_dispatch"] if first.main_unit == log.runs[0].main_unit else []
        put(log.body, "first_finished", *accurate)


def _add_recurrence(facts: Facts, logs: list[CaseLog], start: datetime, end: datetime) -> None:
    """Count closings a week old and those after which the same came back within the week."""
    known = [log for log in logs if _recurs(log)]
    for log in known:
        closing = log.last("close", "force_close")
        if log.stage != "closed" or closing is None or closing.action != "close":
            continue
        if start - WITHIN <= closing.at < end - WITHIN:
            facts.counted[log.body, "closings"].append(closing.number)
            if any(_is_again(log, other, closing.at) for other in known if other is not log):
                facts.counted[log.body, "recurrent"].append(closing.number)


def _recurs(log: CaseLog) -> bool:
    """Tell whether the class it was last filed under is one of those that come back."""
    said = [row.facts["recurs"] for row in log.rows if "recurs" in row.facts]
    return bool(said and said[-1])


def _is_again(log: CaseLog, other: CaseLog, closed: datetime) -> bool:
    filed = next(row.at for row in other.rows if row.action == "file")
    return (
        log.state["minor_id"] == other.state["minor_id"]
        and is_soon(closed=closed, filed=filed)
        and is_near(log.state["point"], other.state["point"])
    )
