#!/usr/bin/env python3
"""Verify an exported log and recount its period: `python3 verify_log.py LOG`.

One file, standard library only, nothing of cityops: whoever holds the log can copy this beside it
and recompute what was published. The format: docs/export.md. The counts: docs/assessment.md §2 to
§5, written here the plainest way there is, case by case, each question asked of its events anew.

Exit code 0: everything adds up; 1: it does not, and the place is named; 2: the file is no log.
"""

import argparse
import hashlib
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from itertools import pairwise
from math import cos, hypot, radians, sin, sqrt
from pathlib import Path
from typing import Any

Plain = dict[str, Any]  # what JSON says, or what is said of a run, a case, a line
Measure = tuple[Fraction | None, int | None, int, int]  # value, groups, cases, of them key

FORM = 1  # of the exported file
LOGS = ("city", "hecheng", "hightech", "landport", "zhongfang")
FIRST_LINE: dict[str, type] = {  # what it holds, and as what
    **dict.fromkeys(("period", "start", "end", "as_of", "wide_start", "result", "seal"), str),
    **dict.fromkeys(("heads", "scheme", "beside"), dict),
    **dict.fromkeys(("names", "wide_names"), list),
    "months": int,
}
PERIOD = re.compile(r"(20\d\d)(?:-(?:(0[1-9]|1[0-2])|Q([1-4])|H([12])))?", re.ASCII)
HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
NOTHING = "00" * 32  # the hash before the first event
WEEK = timedelta(days=7)
CITY_TIME, UTC = timezone(timedelta(hours=8)), timezone(timedelta(0))

STARTS = ("dispatch", "reassign", "arbitrate", "rework", "reopen")
ENDS = ("finish", "return", "close", "force_close", "void", "merge")
EXITS = ("void", "merge")
RULINGS = (*EXITS, "decide_appeal", "recompute_deadline", "confirm_exit", "adjust")
DECISIONS = ("file", "decline", "decline_filing")
HANDLED = ("handled", "checking", "checked")
WITH_SOMEBODY = ("filed", "dispatched", "handling", "rework", "suspended", "returned", "disputed")
GONE = ("voided", "merged")
TO_UNITS = ("dispatch", "reassign", "arbitrate")
STOPS = {  # which action ends which stage clock
    "accept": (*DECISIONS, "send_verify"),
    "verify": ("answer_verify",),
    "dispatch": (*TO_UNITS, "rework", "dispute"),
    "sign": ("sign", "return", "reassign", "arbitrate"),
    "check": ("answer_check",),
}


class NoLog(ValueError):
    """The file is not one that export_log writes."""


class Broken(ValueError):
    """A chain does not hold: the log, the position in it and what is wrong there."""

    def __init__(self, scope: str, dseq: int, what: str) -> None:
        super().__init__(f"{scope}/{dseq}: {what}")
        self.scope, self.dseq, self.what = scope, dseq, what


# --- reading the file and its chains ------------------------------------------------------------


def canonical(value: Any) -> str:
    """Return canonical JSON: sorted keys, no spaces, UTF-8 text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def moment(text: Any) -> Any:
    """Return the aware moment a text of the log names; None for null."""
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


def parsed(text: str) -> Any:
    """Return what a JSON text says; a field given twice says nothing. Raises NoLog."""
    try:
        return json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise NoLog(f"this is not JSON: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> Plain:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise NoLog("a field stands twice")
    return found


def read(lines: Iterable[str]) -> tuple[Plain, list[Plain]]:
    """Return what the first line says and the list of the other lines. Raises NoLog."""
    lines = iter(lines)
    about = parsed(next(lines, "{}"))
    rows = [parsed(line) for line in lines if line.strip()]
    if not isinstance(about, dict) or about.get("cityops_log") != FORM:
        raise NoLog("the first line does not say that this is a log of cityops")
    for name, kind in FIRST_LINE.items():
        if type(about.get(name)) is not kind:
            raise NoLog(f"the first line does not say {name} as it should")
    for scope, head in about["heads"].items():
        if not isinstance(head, dict) or type(head.get("dseq")) is not int:
            raise NoLog(f"the first line gives no head of {scope}")
        if not is_hash(head.get("hash")):
            raise NoLog(f"the first line gives no hash of {scope}")
    for number, row in enumerate(rows, 2):
        names = ("scope", "header", "body", "hash")
        if not isinstance(row, dict) or any(type(row.get(n)) is not str for n in names):
            raise NoLog(f"line {number} holds no event")
    return about, rows


def is_hash(value: Any) -> bool:
    """Whether this is a SHA-256 in hex."""
    return isinstance(value, str) and HASH.fullmatch(value) is not None


def follow(about: Plain, rows: list[Plain]) -> list[Plain]:
    """Follow every chain from its first event to the head named; return the headers in order.

    Raises Broken at the first event of a log that does not follow from the one before it.
    """
    heads = about["heads"]
    for scope in sorted({*LOGS} ^ heads.keys()):
        what = (
            "the first line names no head of this log" if scope in LOGS else "there is no such log"
        )
        raise Broken(scope, 0, what)
    reached = dict.fromkeys(heads, (0, NOTHING))
    headers = []
    for row in rows:
        scope = row["scope"]
        if scope not in heads:
            raise Broken(scope, 0, "there is no such log")
        dseq, before = reached[scope]
        headers.append(_link(scope, dseq + 1, before, row))
        reached[scope] = dseq + 1, row["hash"]
    for scope, (dseq, last) in reached.items():
        head = heads[scope]
        if dseq != head["dseq"]:
            raise Broken(scope, dseq, f"the log ends here, its head stands at {head['dseq']}")
        if last != head["hash"]:
            raise Broken(scope, dseq, "the last event has another hash than the head")
    return headers


def _link(scope: str, dseq: int, before: str, row: Plain) -> Plain:
    """Return the header of an event that follows `before`; raises Broken."""
    header = parsed(row["header"])
    if not isinstance(header, dict):
        raise NoLog(f"the header of {scope}/{dseq} is no object")
    if not is_hash(row["body"]) or not is_hash(row["hash"]):
        raise Broken(scope, dseq, "the line holds no event")
    digest, stated = bytes.fromhex(row["body"]), row["hash"]
    if header.get("scope") != scope or header.get("dseq") != dseq:
        there = f"{header.get('scope')}/{header.get('dseq')}"
        raise Broken(scope, dseq, f"event {there} stands here: one is missing, or not in its place")
    made = hashlib.sha256(bytes.fromhex(before) + row["header"].encode() + digest).hexdigest()
    if made != stated:
        raise Broken(scope, dseq, "the event was altered: its hash does not follow from the log")
    return header


# --- the period ---------------------------------------------------------------------------------


def period_of(name: str) -> Plain:
    """Return what a period's name alone says of its times and of the periods within. NoLog."""
    found = PERIOD.fullmatch(name)
    if found is None:
        raise NoLog(f"there is no period {name}")
    year, month, quarter, half = found.groups()
    first, many = int(year) * 12, 12
    if month:
        first, many = first + int(month) - 1, 1
    elif quarter:
        first, many = first + 3 * (int(quarter) - 1), 3
    elif half:
        first, many = first + 6 * (int(half) - 1), 6
    wide = min(first, first + many - 3)
    return {
        "start": stamp(first),
        "end": stamp(first + many),
        "months": many,
        "names": names_within(first, first + many),
        "wide_start": stamp(wide),
        "wide_names": names_within(wide, first + many),
    }


def stamp(months: int) -> str:
    """Return when a month begins in the city, counted from the year 0, as the log writes times."""
    begins = datetime(months // 12, months % 12 + 1, 1, tzinfo=CITY_TIME)
    return begins.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def names_within(first: int, end: int) -> list[str]:
    """Return the periods that lie wholly in [first, end), from months to years, newest first."""
    months = range(end - 1, first - 1, -1)
    names = [f"{m // 12}-{m % 12 + 1:02d}" for m in months]
    names += [f"{m // 12}-Q{m % 12 // 3 + 1}" for m in months if m % 3 == 0 and m + 3 <= end]
    names += [f"{m // 12}-H{m % 12 // 6 + 1}" for m in months if m % 6 == 0 and m + 6 <= end]
    names += [f"{m // 12}" for m in months if m % 12 == 0 and m + 12 <= end]
    return names


# --- one case -----------------------------------------------------------------------------------


class Event:
    """One header, its times read."""

    def __init__(self, header: Plain) -> None:
        self.case, self.seq = header["case"], header["case_seq"]
        self.action, self.to = header["action"], header["to"]
        self.at = moment(header["at"])
        self.district = header["district"] or "city"
        self.body, self.unit = header["body"], header["unit"]
        self.sets, self.facts = header["data"].get("set", {}), header["data"].get("facts", {})
        self.starts = header["data"].get("starts")
        self.moves_deadline = "due_at" in header
        self.due = moment(header.get("due_at"))
        self.base = moment(header.get("base_due_at"))

    @property
    def gives(self) -> bool:
        """Whether a unit has the case from here on."""
        return self.action in STARTS and self.unit != ""

    @property
    def extends(self) -> bool:
        """Whether more time was approved, by the one who may."""
        return bool(
            self.action == "decide_extension"
            and self.facts["level"] == "dispatcher"
            and self.facts["approved"]
        )


def runs_of(events: Sequence[Event]) -> list[Plain]:
    """Return the runs of a case after `events`, each a dict; `cycle` counts its reopenings."""
    runs: list[Plain] = []
    cycle = 0
    for event in events:
        going = runs[-1] if runs and runs[-1]["end"] is None else None
        if going and (event.gives or event.action in ENDS):
            going["end"], going["by"] = event.at, event.action
        if event.action == "reopen":
            cycle += 1
        if event.gives:
            runs.append(
                {
                    "unit": event.unit,
                    "body": event.body,
                    "main": event.facts.get("parent", event.unit),
                    "due": event.due,
                    "base": event.base,
                    "end": None,
                    "by": "",
                    "first": event,
                    "extended": False,
                    "cycle": cycle,
                }
            )
        elif event.action == "unmerge" and runs and runs[-1]["by"] == "merge":
            runs[-1]["end"], runs[-1]["by"] = None, ""
        if runs and runs[-1]["end"] is None:
            if event.moves_deadline:
                runs[-1]["due"], runs[-1]["base"] = event.due, event.base
            if event.action == "redispatch":
                runs[-1]["unit"], runs[-1]["body"] = event.unit, event.body
            if event.extends:
                runs[-1]["extended"] = True
        _recompute(runs, event)
    return runs


def _recompute(runs: list[Plain], event: Event) -> None:
    if event.action == "recompute_deadline" and event.due and runs:
        runs[-1]["due"], runs[-1]["base"] = event.due, event.base


def is_late(run: Plain, at: datetime) -> bool:
    """Finishing at the deadline is on time."""
    return run["due"] is not None and min(run["end"] or at, at) > run["due"]


def cycle_of(events: Iterable[Event]) -> int:
    """Return how often a case was reopened."""
    return sum(event.action == "reopen" for event in events)


def body_of(events: Sequence[Event], runs: list[Plain]) -> str:
    """Return whose case it is: of its last run, else of its district."""
    return runs[-1]["body"] if runs else events[-1].district


def holder_of(events: Sequence[Event], place: int) -> str:
    """Return whose case it was when the event at `place` happened."""
    before = events[:place]
    return events[place].body or body_of(before or events[:1], runs_of(before))


def last_of(events: Sequence[Event], *actions: str) -> Any:
    """Return the last event with one of the actions, or None."""
    return next((event for event in reversed(events) if event.action in actions), None)


class Period:
    """[start, end), what is known at `as_of`, and T, the moment its state is read at."""

    def __init__(
        self, start: datetime, end: datetime, as_of: datetime | None, names: Iterable[str]
    ) -> None:
        self.start, self.end, self.as_of, self.names = start, end, as_of, set(names)
        self.t = end if as_of is None else min(end, as_of)

    def knows(self, event: Event) -> bool:
        """Whether an event is a fact, or came before the cut-off of a period that is over."""
        is_over = self.as_of is not None and self.as_of >= self.end
        return event.at < self.t or (is_over and event.at <= self.as_of)


class Case:
    """A case as a period sees it at T, with the rulings known by the cut-off."""

    def __init__(self, known: list[Event], period: Period) -> None:
        self.period, self.known = period, known
        self.facts = [event for event in known if event.at < period.t]
        self.later = [event for event in known if event.at >= period.t]
        self.number = known[0].case
        self.stage = self.facts[-1].to
        self.district = self.facts[-1].district
        self.runs = runs_of(self.facts)
        for event in self.later:
            if event.gives:
                break
            _recompute(self.runs, event)
        self.body = body_of(self.facts, self.runs)
        cycle = cycle_of(self.facts)
        self.judged = [run for run in self.runs if run["cycle"] == cycle]
        self.filed: Any = next((event for event in self.facts if event.action == "file"), None)
        self.said = self.facts + [event for event in self.later if event.action in RULINGS]
        self.state = {}
        for event in self.facts:
            self.state.update(event.sets)
        self.is_self_handled = bool(self.state.get("is_self_handled"))

    def since(self, *actions: str) -> list[Event]:
        """Return the events of the period with one of the actions."""
        return [e for e in self.facts if e.at >= self.period.start and e.action in actions]

    def late(self, body: str) -> list[Plain]:
        """Return the runs of this cycle under `body` that are late at T."""
        return [run for run in self.judged if run["body"] == body and is_late(run, self.period.t)]

    def adjusted(self) -> list[str]:
        """Return what assessors decided for this case in this period, in order."""
        return [
            event.facts["effect"]
            for event in self.said
            if event.action == "adjust"
            and event.facts.get("approved", True)
            and event.facts["period"] in self.period.names
        ]

    def placed(self) -> str:
        """Return leave_out or put_in, whichever was decided last; else empty."""
        return next((e for e in reversed(self.adjusted()) if e != "exempt"), "")

    def exits(self) -> list[Event]:
        """Return the voids and merges that count: the one it stands in, and those known since."""
        own = [last_of(self.facts, *EXITS)] if self.stage in GONE else []
        return own + [event for event in self.later if event.action in EXITS]

    def left_late(self, exit_: Event) -> bool:
        """Whether it was late when it was voided or merged."""
        if exit_.at < self.period.t:
            return bool(self.late(self.body))
        before = [event for event in self.known if event.seq < exit_.seq]
        runs, cycle = runs_of(before), cycle_of(before)
        body = body_of(before, runs)
        judged = [run for run in runs if run["cycle"] == cycle and run["body"] == body]
        return any(is_late(run, exit_.at) for run in judged)

    def confirmed(self, event: Event) -> bool:
        """Whether an assessor accepted, later, that it left as `event` says."""
        return any(e.action == "confirm_exit" and e.seq > event.seq for e in self.said)

    def is_removed(self) -> bool:
        """Whether it stands in no count but the flows."""
        if self.placed():
            return self.placed() == "leave_out"
        return any(not self.left_late(e) or self.confirmed(e) for e in self.exits())

    def is_excused(self) -> bool:
        """Whether an upheld appeal of this cycle, or an adjustment, excuses its lateness."""
        return "exempt" in self.adjusted() or any(
            event.action == "decide_appeal"
            and event.facts["upheld"]
            and event.facts["level"] == "acceptor"
            and cycle_of(e for e in self.known if e.seq < event.seq) == cycle_of(self.facts)
            for event in self.known
        )

    def is_supervised(self) -> bool:
        """Whether it was supervised as important, or by a leader, before it was first due."""
        first_due = self.runs[0]["first"].due if self.runs else None
        return any(
            event.action == "supervise"
            and event.facts["kind"] in ("leader", "important")
            and (first_due is None or event.at < first_due)
            for event in self.facts
        )

    def is_live(self) -> bool:
        """Whether it is one of the cases most counts are of."""
        return bool(
            self.filed
            and not self.is_self_handled
            and not self.is_removed()
            and self.stage not in GONE
        )


# --- counts of one case -------------------------------------------------------------------------


class Counts:
    """How often each case stands in each count of each body, and the assessed cases."""

    def __init__(self) -> None:
        self.members: Counter[tuple[str, str, str]] = Counter()
        self.assessed: list[Plain] = []

    def put(self, case: Case, body: str, *names: str) -> None:
        """Count a case once more."""
        for name in names:
            self.members[body, name, case.number] += 1

    def number(self, body: str, name: str) -> int:
        """Return how many stand in a count of a body."""
        return sum(n for (b, c, _), n in self.members.items() if (b, c) == (body, name))


def count(events: Iterable[Event], period: Period) -> Counts:
    """Return the counts of a period over the events of all logs, in any order."""
    known = defaultdict(list)
    for event in events:
        if event.case and period.knows(event):
            known[event.case].append(event)
    counts, cases = Counts(), []
    for number in sorted(known):
        history = sorted(known[number], key=lambda event: event.seq)
        if history[0].at < period.t:
            cases.append(Case(history, period))
    for case in cases:
        _count_case(case, counts)
    _count_recurrence([case for case in cases if case.is_live()], period, counts)
    return counts


def _count_case(case: Case, counts: Counts) -> None:
    if case.is_self_handled:
        closing = last_of(case.facts, "close")
        if closing and closing.at >= case.period.start:
            counts.put(case, closing.district, "self_handled")
        return
    _count_flows(case, counts)
    if case.is_removed():
        return
    _count_clocks(case, counts)
    _count_audits(case, counts)
    if case.filed:
        _count_events(case, counts)
        _count_first_finish(case, counts)
        _count_state(case, counts)
        _count_handed_on(case, counts)


def _count_flows(case: Case, counts: Counts) -> None:
    """Count what facts alone say: what left, what was decided, what was open at either end."""
    start = case.period.start
    for place, event in enumerate(case.facts):
        if event.action in EXITS and event.at >= start:
            name = "voided" if event.action == "void" else "merged"
            counts.put(case, holder_of(case.facts, place), name)
    left = [event.action for event in case.exits()]
    decision: Any = next((e for e in case.facts if e.action in DECISIONS), None)
    is_told = decision and decision.at >= start and "merge" not in left
    if is_told and case.placed() != "leave_out":
        source = case.state.get("source", "")
        counts.put(case, source, "decided_reports")
        if decision.action == "file" and "void" not in left:
            counts.put(case, source, "valid_reports")
    if case.filed and case.stage not in ("closed", *GONE):
        counts.put(case, case.body, "backlog_out")
    before = [event for event in case.facts if event.at < start]
    if any(e.action == "file" for e in before) and before[-1].to not in ("closed", *GONE):
        counts.put(case, body_of(before, runs_of(before)), "backlog_in")


def _count_clocks(case: Case, counts: Counts) -> None:
    """Count the stage clocks that ended in the period, or stand open past their due time."""
    for place, event in enumerate(case.facts):
        kind = event.starts["kind"] if event.starts else None
        if kind not in STOPS:
            continue
        stops = (*STOPS[kind], "void", "merge", "force_close")
        ended = None
        for later in case.facts[place + 1 :]:
            if later.action in stops or (later.starts and later.starts["kind"] == kind):
                ended = later.at
                break
        due = moment(event.starts["due_at"])
        if due < case.period.t if ended is None else ended >= case.period.start:
            is_of_centre = kind in ("accept", "verify", "dispatch")
            body = case.district if is_of_centre else event.body
            counts.put(case, body, f"{kind}_clocks")
            if ended and ended <= due:
                counts.put(case, body, f"{kind}_on_time")


def _count_audits(case: Case, counts: Counts) -> None:
    for place, event in enumerate(case.facts):
        if event.action != "answer_audit" or event.at < case.period.start:
            continue
        if event.to == "declined":
            counts.put(case, case.district, "refusals_audited")
            if not event.facts["passed"]:
                counts.put(case, case.district, "refused_wrongly")
            continue
        body = holder_of(case.facts, place)
        counts.put(case, body, "audits")
        if event.facts["passed"]:
            counts.put(case, body, "audits_passed")
        if event.facts.get("falsified"):
            counts.put(case, body, "falsified")


def _count_events(case: Case, counts: Counts) -> None:
    """Count what happened, each charged to the body that held the case at that moment."""
    seen = set()
    names = {"rework": "reworked", "return": "returned", "reopen": "reopened"}
    for place, event in enumerate(case.facts):
        if event.at < case.period.start:
            continue
        name = "extended" if event.extends else names.get(event.action)
        if name:
            body = holder_of(case.facts, place)
            counts.put(case, body, f"{name}_times")
            if (body, name) not in seen:
                counts.put(case, body, name)
            seen.add((body, name))
        if event.action == "answer_check":
            counts.put(case, event.body, "checks")
            if event.facts["passed"]:
                counts.put(case, event.body, "checks_passed")
        if event.action == "decide_suspension" and event.facts["approved"]:
            counts.put(case, event.body, "suspended")
        if event.action == "defer":
            counts.put(case, event.body, "deferred")
        if event.facts.get("by") in ("transfer", "arbitrate"):
            if event.action == "moved_out":
                counts.put(case, event.facts["from_district"], "transferred_out")
            else:
                counts.put(case, event.facts["to_district"], "transferred_in")
    for one, other in pairwise(case.runs):
        first = other["first"]
        if first.at >= case.period.start and first.facts.get("ruling") == "unjustified":
            counts.put(case, one["body"], "shirked")


def _count_first_finish(case: Case, counts: Counts) -> None:
    finished = next((run for run in case.runs if run["by"] == "finish"), None)
    if finished and finished["end"] >= case.period.start:
        counts.put(case, case.body, "first_finished")
        if finished["main"] == case.runs[0]["main"]:
            counts.put(case, case.body, "accurate_dispatch")


def _count_state(case: Case, counts: Counts) -> None:
    """Count where a case stands at T, and assess it."""
    start, t, body = case.period.start, case.period.t, case.body
    late = case.late(body)
    if case.stage in GONE:
        if last_of(case.facts, *EXITS).at >= start:
            _count_late_exit(case, body, counts)
        return
    if case.filed.at >= start:
        counts.put(case, case.district, "filed", "need_dispatch")
        if case.state.get("source") in ("hotline", "citizen", "leader", "media"):
            counts.put(case, case.district, "filed_public")
    last: Any = case.runs[-1] if case.runs else None
    closing = last_of(case.facts, "close", "force_close")
    is_closed = case.stage == "closed" and closing and closing.at >= start
    is_key = case.is_supervised() or case.state.get("source") in ("leader", "media")
    if is_key and (case.stage != "closed" or is_closed):
        counts.put(case, body, "key")
    is_forced = is_closed and closing.action == "force_close"
    is_exempt = bool(is_closed and not is_forced and late and case.is_excused())
    is_done = case.stage in (*HANDLED, "closed") and last and last["by"] == "finish"
    if is_done and last["end"] >= start:
        counts.put(case, body, "handled", "need_handle")
        if not late:
            counts.put(case, body, "handled_on_time")
        if not is_exempt:
            counts.put(case, body, "need_handle_judged")
    if case.stage in HANDLED:
        counts.put(case, body, "in_check", "should_close", "should_close_judged")
    if is_closed:
        counts.put(case, body, "forced" if is_forced else "closed", "should_close")
        counts.put(case, body, "exempt" if is_exempt else "should_close_judged")
        if not is_forced and not late:
            counts.put(case, body, "closed_on_time")
        if is_forced:
            _assess(case, body, 0, counts, is_undone=True)
        elif late and not is_exempt:
            _assess(case, body, Fraction(2, 5), counts)
        elif not late:
            is_borrowed = last and last["base"] and last["end"] and last["end"] > last["base"]
            _assess(case, body, Fraction(1, 2) if is_borrowed else 1, counts)
    if case.stage in WITH_SOMEBODY:
        if late:
            counts.put(case, body, "overdue_unhandled", "need_handle", "need_handle_judged")
            counts.put(case, body, "should_close", "should_close_judged")
            is_undone = min(run["due"] for run in late) < t - WEEK
            _assess(case, body, 0, counts, is_undone=is_undone)
        elif case.stage == "suspended":
            counts.put(case, body, "suspended_open")
            _assess(case, body, Fraction(1, 2), counts, is_hung=True)
        else:
            is_with_unit = last and last["end"] is None
            counts.put(case, body, "not_due" if is_with_unit else "to_dispatch")


def _count_late_exit(case: Case, body: str, counts: Counts) -> None:
    counts.put(case, body, "late_exit", "need_handle", "need_handle_judged")
    counts.put(case, body, "should_close", "should_close_judged")
    _assess(case, body, 0, counts, is_undone=True)


def _count_handed_on(case: Case, counts: Counts) -> None:
    """Count a late case that was handed to another body for good."""
    for body in sorted({run["body"] for run in case.judged} - {case.body}):
        taken = [
            after["first"]
            for before, after in pairwise(case.judged)
            if before["body"] == body != after["body"]
            and after["first"].action in ("reassign", "arbitrate")
        ]
        if not taken or taken[-1].at < case.period.start:
            continue
        if case.late(body) and not case.confirmed(taken[-1]):
            _count_late_exit(case, body, counts)


def _assess(
    case: Case,
    body: str,
    credit: Fraction | int,
    counts: Counts,
    *,
    is_undone: bool = False,
    is_hung: bool = False,
) -> None:
    """Put a case of M under a body, with all that items and groups are made of."""
    runs = [run for run in case.judged if run["body"] == body]
    is_extended = any(run["extended"] for run in runs)
    counts.put(case, body, "assessed")
    if is_extended:
        counts.put(case, body, "extended_assessed")
    counts.assessed.append(
        {
            "number": case.number,
            "body": body,
            "credit": Fraction(credit),
            "left_undone": is_undone,
            "is_extended": is_extended,
            "is_suspended": is_hung,
            "is_key": case.is_supervised(),
            "source": case.state.get("source", ""),
            "limit_value": int(case.state.get("limit_value", 0)),
            "limit_unit": case.state.get("limit_unit", ""),
            "cell": case.state.get("grid_cell") or "",
            "minor": case.state.get("minor_id", ""),
            "unit": runs[-1]["unit"] if runs else "",
            "filed_on": case.filed.at.astimezone(CITY_TIME).date(),
        }
    )


def _count_recurrence(cases: list[Case], period: Period, counts: Counts) -> None:
    """Count closings a week old, and those after which the same came back within the week."""
    known = [case for case in cases if _recurs(case)]
    for case in known:
        closing = last_of(case.facts, "close", "force_close")
        if case.stage != "closed" or closing is None or closing.action != "close":
            continue
        if not period.start - WEEK <= closing.at < period.t - WEEK:
            continue
        counts.put(case, case.body, "closings")
        if any(_came_back(case, closing.at, other) for other in known if other is not case):
            counts.put(case, case.body, "recurrent")


def _recurs(case: Case) -> bool:
    said = [event.facts["recurs"] for event in case.facts if "recurs" in event.facts]
    return bool(said and said[-1] and case.state.get("point"))


def _came_back(case: Case, closed: datetime, other: Case) -> bool:
    return (
        other.state["minor_id"] == case.state["minor_id"]
        and closed <= other.filed.at <= closed + WEEK
        and metres(case.state["point"], other.state["point"]) <= 50
    )


def metres(one: str, other: str) -> float:
    """Return metres between two "lon,lat", on the plane that touches WGS-84 between them."""
    (lon, lat), (lon2, lat2) = (map(float, text.split(",")) for text in (one, other))
    middle = radians((lat + lat2) / 2)
    squeeze = 1 - 0.00669437999014 * sin(middle) ** 2
    north = radians(lat2 - lat) * 6335439.327292 / squeeze / sqrt(squeeze)
    east = radians(lon2 - lon) * cos(middle) * 6378137.0 / sqrt(squeeze)
    return hypot(north, east)


# --- indicators ---------------------------------------------------------------------------------

LATE = "closed - exempt - closed_on_time"
SHARES = {  # name: one sum of counts over another, in per cent
    "handling_rate": "handled / need_handle",
    "on_time_handling_rate": "handled_on_time / need_handle_judged",
    "overdue_unhandled_rate": "overdue_unhandled / need_handle",
    "closure_rate": "closed / should_close",
    "on_time_closure_rate": "closed_on_time / should_close_judged",
    "overdue_closure_rate": f"{LATE} / should_close_judged",
    "overdue_rate": f"{LATE} + overdue_unhandled + late_exit / should_close_judged",
    "rework_rate": "checks - checks_passed / checks",
    "check_pass_rate": "checks_passed / checks",
    "extension_rate": "extended_assessed / assessed",
    "suspension_rate": "suspended_open / assessed",
    "audit_pass_rate": "audits_passed / audits",
    "recurrence_rate": "recurrent / closings",
    "shirk_rate": "shirked / assessed",
    "accurate_dispatch_rate": "accurate_dispatch / first_finished",
    "on_time_acceptance_rate": "accept_on_time / accept_clocks",
    "on_time_verify_rate": "verify_on_time / verify_clocks",
    "on_time_dispatch_rate": "dispatch_on_time / dispatch_clocks",
    "on_time_sign_rate": "sign_on_time / sign_clocks",
    "on_time_check_rate": "check_on_time / check_clocks",
    "valid_report_rate": "valid_reports / decided_reports",
    "public_report_rate": "filed_public / filed",
    "rework_to_close": "reworked / should_close",
    "extension_to_close": "extended / should_close",
    "extension_to_handle": "extended / need_handle",
    "return_rate": "returned / need_handle",
}
SHOWN_BY_PART = ("shirk_rate",)  # lists the cases of the part, the others those of the whole
NUMBERS = {  # name: a sum of counts
    **{
        name: name
        for name in (
            *("reworked_times", "returned_times", "extended_times", "reopened_times", "shirked"),
            *("forced", "late_exit", "falsified", "refused_wrongly"),
        )
    },
    "filed_cases": "filed",
    "cases_held": "need_handle + suspended_open + not_due",
}
CREDITS = {"quick_credit": "quick", "works_credit": "works", "urgent_credit": "urgent"}
AMONG: dict[
    str, tuple[str, Callable[[Plain], bool]]
] = {  # name: (of which cases of M, which of these)
    "left_undone_rate": ("", lambda case: case["left_undone"]),
    "held_rate": ("", lambda case: case["is_extended"] or case["is_suspended"]),
    "urgent_closure_rate": ("urgent", lambda case: is_credited(case)),
    "urgent_on_time_rate": (
        "urgent",
        lambda case: is_credited(case) and case["credit"] != Fraction(2, 5),
    ),
}
RATES = {  # the bulletin's
    "closed": "closure_rate",
    "closed_on_time": "on_time_closure_rate",
    "overdue": "overdue_rate",
    "handled_on_time": "on_time_handling_rate",
    "extended": "extension_rate",
    "suspended": "suspension_rate",
    "rework": "rework_rate",
    "accurate_dispatch": "accurate_dispatch_rate",
    "recurrent": "recurrence_rate",
    "valid_reports": "valid_report_rate",
    "accept_on_time": "on_time_acceptance_rate",
    "verify_on_time": "on_time_verify_rate",
    "dispatch_on_time": "on_time_dispatch_rate",
    "sign_on_time": "on_time_sign_rate",
    "check_on_time": "on_time_check_rate",
}
GIVEN = ("onsite", "satisfaction", "key_tasks")  # measured outside the cases
INDICATORS = (*SHARES, *NUMBERS, *CREDITS, *AMONG, "filed_per_cell", *GIVEN)
KINDS = ("ratio", "threshold", "thresholds", "band", "charges", "manual")
SCHEME_FORM = 2
EMERGENCY = ("emergency_hour", "emergency_day")


def is_credited(case: Plain) -> bool:
    """Whether a case of M was closed, by its credit."""
    return case["credit"] > 0 and not case["is_suspended"]


def printed(number: Fraction | int, places: int = 2) -> str:
    """Return a number that is not negative as text, rounded half up once."""
    whole, rest = divmod((number * 2 * 10**places + 1) // 2, 10**places)
    return f"{whole}.{rest:0{places}d}" if places else f"{whole}"


class Measured:
    """What one body's indicators are: value, what it was taken over, its cases, of them key."""

    def __init__(self, counts: Counts, body: str, about: Plain, *, months: str = "given") -> None:
        self.counts, self.body, self.about = counts, body, about
        self.given = about["beside"].get(months, {}).get(body, {})  # measured outside the cases
        self.cases = [case for case in counts.assessed if case["body"] == body]

    def terms(self, text: str) -> list[tuple[str, int]]:
        """Return the counts a text adds (+1) and takes off (-1)."""
        words = text.split(" ")
        signs = [1] + [-1 if word == "-" else 1 for word in words[1::2]]
        return list(zip(words[0::2], signs, strict=True))

    def total(self, text: str) -> int:
        """Return a sum of counts."""
        return sum(sign * self.counts.number(self.body, name) for name, sign in self.terms(text))

    def listed(self, text: str) -> list[str]:
        """Return the cases of the counts a text adds, as often as they count."""
        added = [name for name, sign in self.terms(text) if sign > 0]
        found = []
        for (body, name, number), times in self.counts.members.items():
            if body == self.body and name in added:
                found += [number] * times * added.count(name)
        return found

    def judged_by(self, kind: str) -> list[Plain]:
        """Return the cases of M that one of quick, works and urgent judges; all for none."""
        return [case for case in self.cases if not kind or class_of(case, self.about) == kind]

    def get(self, name: str) -> Measure:
        """Return (value, groups, cases, of them key) of an indicator."""
        if name in SHARES:
            part, whole = SHARES[name].split(" / ")
            number = self.total(whole)
            return percent(self.total(part), number), number, number, 0
        if name in NUMBERS:
            number = self.total(NUMBERS[name])
            key = {n for (b, c, n) in self.counts.members if (b, c) == (self.body, "key")}
            of_key = sum(number in key for number in self.listed(NUMBERS[name]))
            return Fraction(number), None, number, of_key
        if name in CREDITS:
            return mean_credit(self.judged_by(CREDITS[name]))
        if name in AMONG:
            kind, test = AMONG[name]
            cases = self.judged_by(kind)
            return percent(sum(map(test, cases)), len(cases)), len(cases), len(cases), 0
        if name == "filed_per_cell":
            cells, filed = self.about["beside"]["cells"].get(self.body), self.total("filed")
            return Fraction(filed, cells) if cells else None, None, filed, 0
        given = self.given.get(name)
        if given is None:
            return None, 0, 0, 0
        value = None if given["value"] is None else Fraction(given["value"])
        return value, given["groups"], given["cases"], given["key"]

    def members(self, name: str) -> list[str]:
        """Return the cases an indicator shows behind its number."""
        if name in SHARES:
            return self.listed(SHARES[name].split(" / ")[name not in SHOWN_BY_PART])
        if name in NUMBERS:
            return self.listed(NUMBERS[name])
        if name in CREDITS:
            return [case["number"] for case in self.judged_by(CREDITS[name])]
        if name in AMONG:
            kind, test = AMONG[name]
            return [case["number"] for case in self.judged_by(kind) if test(case)]
        return self.listed("filed") if name == "filed_per_cell" else []


def percent(part: int, whole: int) -> Fraction | None:
    """Return part / whole in per cent; None for an empty whole."""
    return Fraction(100 * part, whole) if whole else None


def class_of(case: Plain, about: Plain) -> str:
    """Return which of quick, works and urgent judges a case."""
    said = about["scheme"]["cases"]
    is_urgent = case["limit_unit"] in EMERGENCY or case["source"] in said["key_sources"]
    if case["is_key"] or is_urgent:
        return "urgent"
    return "quick" if case["limit_value"] <= said["quick"][case["limit_unit"]] else "works"


def mean_credit(cases: list[Plain]) -> Measure:
    """Return the mean over groups of the mean credit in the group."""
    groups = defaultdict(list)
    for case in cases:
        key = (case["cell"], case["minor"], case["unit"], case["filed_on"])
        groups[key].append(case["credit"])
    if not groups:
        return None, 0, 0, 0
    means = [sum(credits) / len(credits) for credits in groups.values()]
    return 100 * Fraction(sum(means)) / len(means), len(groups), len(cases), 0


# --- rules of a scheme (docs/schemes.md) --------------------------------------------------------


def unknown_in(scheme: Plain) -> Iterator[str]:
    """Yield what a scheme says that this file does not know how to compute."""
    rules = {"": scheme["items"]}
    rules |= {n: scheme.get(n, {}).get("items", []) for n in ("deductions", "bonuses")}
    asked: list[tuple[str, Any, tuple[Any, ...]]] = [
        ("form", scheme["form"], (SCHEME_FORM,)),
        ("level", scheme["level"], ("district", "unit", "street", "post")),
        ("rounding.mode", scheme["rounding"]["mode"], ("half_up",)),
        ("groups", scheme.get("groups") or {"by": "kind"}, ({"by": "kind"},)),
        ("missing", scheme.get("missing", "share"), ("share", "drop_for_all")),
    ]
    for where, nodes in rules.items():
        kinds = ("charges", "manual") if where else KINDS
        for item, _ in leaves(nodes):
            rule, code = item["rule"], item["code"]
            asked.append((f"{code}.rule.kind", rule["kind"], kinds))
            asked += [(f"{code}.indicator", name, INDICATORS) for name in named_in(item)]
            for judged in (rule, *rule.get("terms", [])):
                if "better" in judged:
                    asked.append((f"{code}.rule.better", judged["better"], ("high", "low")))
    yield from (
        f"{where}: {value} is not known here" for where, value, k in asked if value not in k
    )


def named_in(item: Plain) -> list[str]:
    """Return the indicators an item reads."""
    rule = item["rule"]
    if "indicator" in item:
        return [item["indicator"]]
    if "blend" in item:
        return [name for name, _ in item["blend"]]
    return [term["indicator"] for term in [*rule.get("terms", []), *rule.get("charges", [])]]


def value_of(item: Plain, measured: Measured) -> tuple[Fraction | None, int | None, int]:
    """Return (value, groups, cases) an item is judged by."""
    found = [measured.get(name) for name in named_in(item)]
    if "indicator" in item:
        return found[0][:3]
    groups = min((one[1] for one in found if one[1] is not None), default=None)
    cases = max((one[2] for one in found), default=0)
    if any(one[0] is None for one in found):
        return None, groups, cases
    factors = [Fraction(factor) for _, factor in item.get("blend", [])]
    values = [one[0] or Fraction(0) for one in found]
    value = sum((f * v for f, v in zip(factors, values, strict=False)), Fraction(0))
    return value, groups, cases


def points_of(item: Plain, value: Fraction, measured: Measured) -> Fraction:
    """Return the exact points of an item: between nothing and its weight."""
    rule, weight = item["rule"], Fraction(item["weight"])
    kind = rule["kind"]
    if kind == "ratio":
        points = weight * (value if rule["better"] == "high" else 100 - value) / 100
    elif kind == "threshold":
        points = max(weight - short(rule, value), Fraction(rule.get("floor", "0")))
    elif kind == "thresholds":
        values = [(term, measured.get(term["indicator"])[0]) for term in rule["terms"]]
        lost = sum(short(term, one) for term, one in values if one is not None)
        points = max(weight - lost, Fraction(rule.get("floor", "0")))
    elif kind == "band":
        bands = [gives for upto, gives in rule["bands"] if upto is None or value <= Fraction(upto)]
        points = weight * Fraction(bands[0]) / 100
    else:
        points = weight - charged(rule, measured)
    return min(max(points, Fraction(0)), weight)


def short(term: Plain, value: Fraction) -> Fraction:
    """Return the points lost for what a value falls short by."""
    full_at = Fraction(term["full_at"])
    off = full_at - value if term["better"] == "high" else value - full_at
    return Fraction(term["per_point"]) * max(off, Fraction(0))


def charged(rule: Plain, measured: Measured) -> Fraction:
    """Return what the charges come to: so much an occurrence, up to the caps."""
    total = Fraction(0)
    for charge in rule["charges"]:
        value, _, _, key = measured.get(charge["indicator"])
        if value is None:
            continue
        times = value + key * (int(charge.get("key_times", "1")) - 1)
        prices: list[Any] = [("1", charge["points"]), *charge.get("steps", [])]
        amount = Fraction(0)
        for place, (first, each) in enumerate(prices):
            upto = Fraction(prices[place + 1][0]) - 1 if place + 1 < len(prices) else times
            amount += Fraction(each) * max(min(times, upto) - Fraction(first) + 1, Fraction(0))
        if charge.get("cap") is not None:
            amount = min(amount, Fraction(charge["cap"]))
        total += amount
    return total if rule.get("cap") is None else min(total, Fraction(rule["cap"]))


# --- the score ----------------------------------------------------------------------------------


def leaves(nodes: Iterable[Plain], part: str = "") -> Iterator[tuple[Plain, str]]:
    """Yield the items of a tree, each with the code of the part it stands in."""
    for node in nodes:
        if "items" in node:
            yield from leaves(node["items"], node["code"])
        else:
            yield node, part


def blank(item: Plain, part: str) -> Plain:
    """Return the line of an item that has no points."""
    return {"code": item["code"], "part": part, "weight": item["weight"], "points": None}


def weight_of(nodes: Iterable[Plain]) -> Fraction:
    """Return the sum of weights."""
    return sum((Fraction(node["weight"]) for node in nodes), Fraction(0))


class Sheets:
    """All bodies scored by a scheme, part by part."""

    def __init__(self, about: Plain, counts: Counts, wide: Counts) -> None:
        self.about, self.scheme = about, about["scheme"]
        self.places = self.scheme["rounding"]["places"]
        self.bodies = about["beside"]["bodies"]
        self.now = {body: Measured(counts, body, about) for body in self.bodies}
        three = "given_wide"
        self.over = {body: Measured(wide, body, about, months=three) for body in self.bodies}
        self.sample = {body: counts.number(body, "assessed") for body in self.bodies}
        self.ranked = [b for b in self.bodies if self.sample[b] >= self.scheme["ranked_from"]]

    def all(self) -> list[Plain]:
        """Return the sheet of each body, best first."""
        scheme, months = self.scheme, self.about["months"]
        root = {
            "code": "",
            "weight": weight_of(scheme["items"]),
            "items": scheme["items"],
            "missing": scheme.get("missing", "drop_for_all"),
        }
        found = self.node(root, "", is_root=True)
        sheets = []
        for body in self.bodies:
            own = found.get(body)
            lines = [blank(i, part) for i, part in leaves(scheme["items"])] if not own else None
            sheet = {
                "body": body,
                "items": own["lines"] if own else lines,
                "parts": own["parts"] if own else [],
                "assessed": self.sample[body],
                "few_cases": self.sample[body] < scheme["ranked_from"],
                "group": self.about["beside"]["kinds"].get(body, "")
                if scheme.get("groups")
                else "",
            }
            total = Fraction(own["line"]["score"]) if own else None
            for name, sign in (("deductions", -1), ("bonuses", 1)):
                extra, amount = self.beside(name, body, months)
                sheet[name] = {"items": extra, "points": printed(amount, self.places)}
                total = None if total is None else total + sign * amount
            if total is not None:
                total = max(total, Fraction(0))
                if scheme.get("total_at_most") is not None:
                    total = min(total, Fraction(scheme["total_at_most"]))
            sheet["total"] = None if total is None else printed(total, self.places)
            sheet["weakest"] = weakest(sheet["items"])
            for line in sheet["items"]:
                line.pop("counts_for", None)
            sheets.append(sheet)
        rank(sheets, scheme, is_month=months == 1)
        return sheets

    def node(self, node: Plain, part: str, *, is_root: bool = False) -> dict[str, Plain]:
        """Return what each body that has something of a part has of it."""
        if "items" not in node:
            leafs = {body: self.leaf(node, part, body) for body in self.bodies}
            return {body: leaf for body, leaf in leafs.items() if leaf}
        kept = []
        for child in node["items"]:
            found = self.node(child, node["code"])
            is_whole = all(b in found for b in self.ranked) if self.ranked else bool(found)
            if node.get("missing", "share") == "share" or is_whole:
                kept.append((child, found))
        sums = {}
        for body in self.bodies:
            present = [(child, found[body]) for child, found in kept if body in found]
            if present:
                sums[body] = self.sum(node, part, present, is_root=is_root)
        return sums

    def sum(
        self, node: Plain, part: str, present: list[tuple[Plain, Plain]], *, is_root: bool
    ) -> Plain:
        """Add up the printed points of what is present; what is missing shares its weight out."""
        own = weight_of(node["items"])
        scale = own / weight_of(child for child, _ in present)
        by_code = {child["code"]: found for child, found in present}
        total, lines, parts = Fraction(0), [], []
        for child in node["items"]:
            found = by_code.get(child["code"])
            if found is None:
                lines += [blank(i, inner or node["code"]) for i, inner in leaves([child])]
                continue
            full = Fraction(child["weight"]) * scale
            found["line"]["points"] = printed(found["raw"] * scale, self.places)
            found["line"]["full"] = printed(full, self.places)
            total += Fraction(found["line"]["points"])
            if "items" in child:
                for line in found["lines"]:
                    line["counts_for"] = line.get("counts_for", 1) * full / found["of"]
            lines += found["lines"]
            parts += found["parts"]
        line = {"code": node["code"], "part": part, "weight": node["weight"]}
        line["score"], line["of"] = printed(total, self.places), printed(own, self.places)
        raw = total * Fraction(node["weight"]) / own
        parts = parts if is_root else [line, *parts]
        return {"raw": raw, "of": own, "line": line, "lines": lines, "parts": parts}

    def leaf(self, item: Plain, part: str, body: str) -> Plain | None:
        """Return an item of a body; None where it has no value, or too few cases for one."""
        line, weight = blank(item, part), Fraction(item["weight"])
        found = {"of": weight, "line": line, "lines": [line], "parts": []}
        if item["rule"]["kind"] == "manual":
            entry = self.about["beside"]["entries"].get(body, {}).get(item["code"])
            if entry is None:
                return None
            line["entry"] = entry["number"]
            return {**found, "raw": min(max(Fraction(entry["points"]), Fraction(0)), weight)}
        few = int(item.get("few", self.scheme["few"]))
        measured = self.now[body]
        value, groups, cases = value_of(item, measured)
        is_counted = groups is not None
        is_wide = item.get("months") == 3 or (is_counted and (groups or 0) < few)
        if is_wide:
            measured = self.over[body]
            value, groups, cases = value_of(item, measured)
        if value is None or (is_counted and (groups or 0) < few):
            return None
        terms = item["rule"].get("terms", []) + item["rule"].get("charges", [])
        line["value"] = None if terms else printed(value, self.places)
        line["groups"] = groups if is_counted else cases
        line["cases"], line["three_months"] = cases, is_wide
        if terms:
            values = [measured.get(term["indicator"])[0] for term in terms]
            line["values"] = [None if v is None else printed(v, self.places) for v in values]
        return {**found, "raw": points_of(item, value, measured)}

    def beside(self, name: str, body: str, months: int) -> tuple[list[Plain], Fraction]:
        """Return the lines of deductions or bonuses and their sum, up to the period's cap."""
        said = self.scheme.get(name, {})
        lines, total = [], Fraction(0)
        for item in said.get("items", []):
            line = {"code": item["code"]}
            if item["rule"]["kind"] == "manual":
                entry = self.about["beside"]["entries"].get(body, {}).get(item["code"])
                amount = Fraction(0)
                if entry:
                    amount = min(Fraction(entry["points"]), Fraction(item["rule"]["cap"]))
                    line["entry"] = entry["number"]
            else:
                amount = charged(item["rule"], self.now[body])
            line["points"] = printed(max(amount, Fraction(0)), self.places)
            total += Fraction(line["points"])
            lines.append(line)
        if said.get("cap") is not None:
            total = min(total, Fraction(printed(Fraction(said["cap"]) * months, self.places)))
        return lines, total


def weakest(lines: list[Plain]) -> str | None:
    """Return the item that took most from the total, the first of equals."""
    most, code = Fraction(0), None
    for line in lines:
        if line["points"] is not None:
            lost = Fraction(line["full"]) - Fraction(line["points"])
            lost *= line.get("counts_for", 1)
            if lost > most:
                most, code = lost, line["code"]
    return code


def rank(sheets: list[Plain], scheme: Plain, *, is_month: bool) -> None:
    """Give ranks 1, 1, 3 within each group, grades and the word on small gaps; best first."""
    total = {sheet["body"]: Fraction(sheet["total"] or 0) for sheet in sheets}
    sheets.sort(key=lambda s: (s["few_cases"], s["total"] is None, -total[s["body"]], s["body"]))
    for sheet in sheets:
        grades = [
            g for g, least in scheme.get("grades", []) if total[sheet["body"]] >= Fraction(least)
        ]
        sheet["grade"] = grades[0] if grades and sheet["total"] is not None else None
        sheet["rank"], sheet["close"] = None, False
    ranked = [s for s in sheets if not s["few_cases"] and s["total"] is not None]
    for group in {sheet["group"] for sheet in ranked}:
        among = [sheet for sheet in ranked if sheet["group"] == group]
        totals = [total[sheet["body"]] for sheet in among]
        for place, sheet in enumerate(among):
            sheet["rank"] = 1 + sum(other > totals[place] for other in totals)
            if place + 1 < len(among) and is_month and scheme.get("small_gap") is not None:
                gap = totals[place] - totals[place + 1]
                sheet["close"] = gap < Fraction(scheme["small_gap"])


def result_of(about: Plain, counts: Counts, wide: Counts) -> Plain:
    """Return the result of a period as canonical JSON holds it (assessment.md §6)."""
    scheme = about["scheme"]
    sheets = Sheets(about, counts, wide)
    found = sheets.all()
    sizes: dict[str, dict[str, int]] = defaultdict(dict)
    for (body, name, _), times in counts.members.items():
        sizes[body][name] = sizes[body].get(name, 0) + times
    among = [item for item, _ in leaves(scheme["items"])]
    extras = [
        i for name in ("deductions", "bonuses") for i in scheme.get(name, {}).get("items", [])
    ]
    items = {item["code"]: item for item in [*among, *extras]}
    for sheet in found:
        body = sheet["body"]
        lines = [*sheet["items"], *sheet["deductions"]["items"], *sheet["bonuses"]["items"]]
        for line in lines:
            names = named_in(items[line["code"]])
            if line["points"] is not None and names:
                read = sheets.over[body] if line.get("three_months") else sheets.now[body]
                members = [number for name in names for number in read.members(name)]
                line["listed"] = len(members) if len(names) == 1 else len(set(members))
        sheet["counts"], sheet["rates"] = sizes.get(body, {}), rates(counts, body, about)
    if scheme["level"] not in ("district", "post"):
        return {"bodies": found}
    city = {"counts": sizes.get("city", {}), "rates": rates(counts, "city", about)}
    sources = sorted(sizes.keys() - {"city", *sheets.bodies})
    reports = {s: {"counts": sizes[s], "rates": rates(counts, s, about)} for s in sources}
    return {"bodies": found, "city": city, "reports": reports}


def rates(counts: Counts, body: str, about: Plain) -> Plain:
    """Return the bulletin's rates in per cent."""
    measured = Measured(counts, body, about)
    values = {rate: measured.get(name)[0] for rate, name in RATES.items()}
    return {rate: None if v is None else printed(v) for rate, v in values.items()}


# --- what was published -------------------------------------------------------------------------


def placed_by(level: str, events: list[Event], end: datetime) -> list[Event]:
    """Return the events with the unit, or the street of the case at `end`, in the body's place."""
    streets: dict[str, str] = {}
    for event in events:
        said = event.sets if event.at < end else {}
        streets[event.case] = said.get("street", streets.get(event.case, ""))
        if level == "unit":
            event.body = event.unit
    if level == "street":
        for event in events:
            event.body = event.district = streets[event.case] or "city"
    return events


def recompute(about: Plain, headers: Iterable[Plain]) -> Plain:
    """Return the result of the period, computed from the log alone."""
    about = {**about, **period_of(about["period"])}
    start, end, as_of = (moment(about[name]) for name in ("start", "end", "as_of"))
    events = placed_by(about["scheme"]["level"], [Event(header) for header in headers], end)
    wide_start = moment(about["wide_start"])
    counts = wide = count(events, Period(start, end, as_of, about["names"]))
    if wide_start < start:
        wide = count(events, Period(wide_start, end, as_of, about["wide_names"]))
    return result_of(about, counts, wide)


def differences(said: Any, found: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield where two results differ: the path, what is published, what the log gives."""
    if isinstance(said, dict) and isinstance(found, dict):
        for name in sorted({*said, *found}):
            yield from differences(said.get(name), found.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(said, list) and isinstance(found, list) and len(said) == len(found):
        for one, other in zip(said, found, strict=True):
            key = one.get("body") or one.get("code") if isinstance(one, dict) else None
            yield from differences(one, other, f"{path}[{key or ''}]")
    elif said != found:
        yield path, said, found


def verify(lines: Iterable[str]) -> tuple[list[str], bool]:
    """Return lines of text that tell what was found, and whether everything adds up."""
    about, rows = read(lines)
    try:
        return _verified(about, follow(about, rows))
    except Broken as broken:
        return [f"BROKEN {broken}"], False
    except NoLog:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise NoLog(f"no such log is written: {type(error).__name__} {error}") from error


def _verified(about: Plain, headers: list[Plain]) -> tuple[list[str], bool]:
    told = [f"head {scope} {h['dseq']} {h['hash']}" for scope, h in sorted(about["heads"].items())]
    rules = hashlib.sha256(canonical(about["scheme"]).encode()).hexdigest()
    told += [f"as_of {about['as_of']}", f"scheme {about['scheme']['version']} {rules}"]
    wrong = [
        f"{name}: the first line says {about[name]}, {about['period']} gives {value}"
        for name, value in period_of(about["period"]).items()
        if about[name] != value
    ]
    wrong += [f"scheme.{what}" for what in unknown_in(about["scheme"])]
    if wrong:
        return [*told, *(f"DIFFERENT {what}" for what in wrong)], False
    seal = hashlib.sha256(about["result"].encode()).hexdigest()
    if seal != about["seal"]:
        return [*told, f"DIFFERENT the seal says {about['seal']}, the result has {seal}"], False
    result = recompute(about, headers)
    wrong = [
        f"{path}: published {one}, the log gives {other}"
        for path, one, other in differences(parsed(about["result"]), result)
    ]
    if not wrong and canonical(result) != about["result"]:
        wrong = ["the text of the result: the same numbers, written in another way"]
    if wrong:
        return [*told, *(f"DIFFERENT {what}" for what in wrong)], False
    for sheet in result["bodies"]:
        told.append(f"rank {sheet['rank'] or '-'} {sheet['body']} {sheet['total'] or '-'}")
    return [
        *told,
        f"seal {seal}",
        f"{len(headers)} events follow from each other; {about['period']} agrees",
    ], True


def _one_line(text: str) -> str:
    """Return a text with nothing in it that could begin another line."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def main(arguments: list[str]) -> int:
    """Verify one file; see the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log", help="what export_log wrote")
    try:
        with Path(parser.parse_args(arguments).log).open(encoding="utf-8") as file:
            told, is_right = verify(file)
    except (OSError, UnicodeDecodeError, NoLog) as error:
        sys.stderr.write(f"{_one_line(str(error))}\n")
        return 2
    sys.stdout.write("".join(f"{_one_line(line)}\n" for line in told))
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
