"""A case as domain.md §3 and §4 tell its life: the reference tests/cases/test_state_machine.py has.

Written from the document, not from the program: what may be done, by whom, and what it leads to.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.cases.test_workflow import ALLOWED

MINUTES = {"accept": 15, "dispatch": 15, "sign": 60, "verify": 30, "check": 30}
MINUTES |= {"arbitrate": 240, "extend": 120}
HOURS = {"event-0112-1": 8, "event-0112-2": 24}  # emergency hours: nights and holidays included
NAMED = {"hotline", "supervise", "suspend"}  # wait for the day named, merged or not
OF_A_RUN = {"extension_head", "extension", "suspension"}  # lapse with it, and at its deadline
ENDED = {"closed", "declined", "voided", "merged"}
UNIT_STAGES = {"dispatched", "handling", "rework"}
PARENT = {"squad": "office"}


def main_of(unit: str) -> str:
    """Return the unit a sub-unit counts as."""
    return PARENT.get(unit, unit)


DISTRICT_OF = {"office": "hecheng", "brigade": "hecheng", "zone-office": "landport"}


@dataclass(frozen=True)
class Person:
    """Somebody with one role; `scope` is a district, a unit, or empty for the whole city."""

    name: str
    role: str
    scope: str = ""


@dataclass
class Life:
    """Where one case stands, and what is known of its way."""

    number: str
    source: str
    reporter: str
    filed_no: int = 0  # in the order of filing; 0 until filed
    stage: str = "reported"
    before: str = ""
    district: str = "hecheng"
    condition: str = "event-0112-1"
    unit: str = ""
    clocks: dict[str, datetime] = field(default_factory=dict)  # running ones and their due times
    told: set[tuple[str, datetime]] = field(default_factory=set)  # lateness already written
    unsure: set[str] = field(default_factory=set)  # clocks whose due time is not reckoned here
    is_plain_run: bool = False  # the handling clock runs for just the limit
    waits: set[str] = field(default_factory=set)
    assisting: set[str] = field(default_factory=set)
    unanswered: list[str] = field(default_factory=list)
    involved: set[str] = field(default_factory=set)  # inspectors
    assignee: str = ""
    left: timedelta | None = None  # of the limit when the run ended
    until: datetime | None = None  # asked for, or suspended until
    returned_by: list[str] = field(default_factory=list)  # returns not ruled on
    returns: int = 0
    last_reason: str = ""
    arbitrated: str = ""  # the unit, or the main unit of the sub-unit, the arbiter named last
    extensions_left: int = 2
    was_suspended: bool = False
    has_handler: bool = False
    was_late: bool = False
    appealed: bool = False
    exit_confirmed: bool = False
    closed_at: datetime | None = None
    proposer: str = ""
    awaits_route: bool = False  # the system has been asked to dispatch it
    into: "Life | None" = None
    set_aside: dict[str, Any] = field(default_factory=dict)

    # --- who may do what ------------------------------------------------------------------------

    def holds(self, person: Person, action: str) -> bool:
        """Whether the role of `person` is one over this very case."""
        if action == "support":  # of one who stands before it
            return person.name != self.reporter
        if person.role == "inspector":
            return person.name == self.assignee
        if action == "assist":
            return person.scope in self.assisting
        if person.role == "unit_head":
            return bool(self.unit) and person.scope in (self.unit, PARENT.get(self.unit))
        return person.scope in ("", self.district, self.unit)

    def allows(self, person: Person, action: str, at: datetime, said: dict[str, Any]) -> bool:
        """Whether `person` may take `action` now with these inputs."""
        sources, _, roles, _ = (text.split() for text in ALLOWED[action])
        return (
            self.stage in sources
            and person.role in roles
            and self.holds(person, action)
            and all(self._guards(person, action, at, said))
        )

    def _guards(
        self, person: Person, action: str, at: datetime, said: dict[str, Any]
    ) -> Iterator[bool]:
        is_late = "handle" in self.clocks and at > self.clocks["handle"]
        match action:
            case "send_verify":
                yield self.source not in ("inspector", "leader")
            case "return":
                yield not is_late and main_of(self.unit) != self.arbitrated
            case "request_extension":
                yield not is_late and self.extensions_left > 0
                yield self.waits.isdisjoint({"extension", "extension_head"})
            case "decide_extension":
                level = "extension_head" if person.role == "unit_head" else "extension"
                yield not is_late and level in self.waits
            case "request_suspension":
                yield not is_late and not self.was_suspended and "suspension" not in self.waits
            case "decide_suspension":
                yield not is_late and "suspension" in self.waits
                yield not said["approved"] or (self.until is not None and at < self.until)
            case "defer":
                yield not is_late and not self.was_suspended
            case "rework":
                yield self.last_reason in ("check_failed", "reopened") and bool(self.unit)
            case "dispute":
                yield self.last_reason not in ("check_failed", "reopened")
            case "reopen":
                yield self.closed_at is not None and at <= self.closed_at + timedelta(days=14)
            case "release_handler":
                yield self.has_handler
            case "assist":
                yield "assist" in self.waits and person.scope in self.unanswered
            case "reply_supervision":
                yield "reply" in self.waits
            case "appeal":
                yield self.was_late and not self.appealed
            case "decide_appeal":
                yield ("appeal" if person.role == "dispatcher" else "appeal_acceptor") in self.waits
            case "answer_audit":
                yield "audit" in self.waits
            case "audit_closure" | "audit_decline":
                yield "audit" not in self.waits and said["assignee"] not in self.involved
            case "confirm_exit":
                yield self.was_late and not self.exit_confirmed
            case "propose_adjust":
                yield "adjust" not in self.waits
            case "adjust":
                yield "adjust" in self.waits and person.name != self.proposer
            case "reclassify":
                yield said["condition"] != self.condition
            case "transfer":
                yield said["district"] != self.district
            case "redispatch":
                yield self.unit == "office"  # the squad is its only sub-unit
            case "send_assist":
                yield said["assist"] not in (self.unit, *self.unanswered)
            case "assign_handler":
                yield said["handler"] == f"worker-{self.unit}"
            case "dispatch" | "reassign" | "arbitrate":
                is_here = DISTRICT_OF[said["unit"]] == self.district
                yield is_here or (action == "arbitrate" and not person.scope)
                yield "ruling" not in said or (
                    bool(self.returned_by)
                    and self.stage in ("returned", "disputed")
                    and self.last_reason not in ("check_failed", "reopened")
                )
            case "merge":
                into = said["into"]
                yield into is not self and into.stage not in ENDED
                yield into.district == self.district
                yield not self.filed_no or 0 < into.filed_no < self.filed_no
            case "void":
                yield not said["has_duplicates"]

    # --- what it leads to -----------------------------------------------------------------------

    def take(self, person: Person, action: str, at: datetime, said: dict[str, Any]) -> None:
        """Do what an allowed action does."""
        self._at, self._said, self._by = at, said, person
        getattr(self, f"_{action}", lambda: None)()

    def _start(self, kind: str, length: timedelta | None = None) -> None:
        length = timedelta(minutes=MINUTES[kind]) if length is None else length
        self.clocks[kind] = self._at + length
        if kind == "handle":
            self.is_plain_run = length == self.limit

    def _stop(self, *kinds: str) -> None:
        for kind in kinds:
            self.clocks.pop(kind, None)

    @property
    def limit(self) -> timedelta:
        """The whole limit of the filing condition."""
        return timedelta(hours=HOURS[self.condition])

    def _end_run(self) -> None:
        """What remains is kept; what was asked for the run lapses."""
        self.waits -= {*OF_A_RUN, "assist"}
        self.unanswered = []
        if "handle" in self.clocks:
            due = self.clocks["handle"]
            self.was_late = self.was_late or self._at > due
            self.left = max(due - self._at, timedelta())
        self._stop("sign", "handle", "extend")

    def _end(self, stage: str) -> None:
        self._end_run()
        self.waits -= {"reply", "audit"}
        self.stage, self.before, self.clocks, self.assignee = stage, "", {}, ""
        self.exit_confirmed = False

    def _accept(self) -> None:
        self.stage = "accepted"

    def _send_verify(self) -> None:
        self.stage = "verifying"
        self._stop("accept")
        self._start("verify")
        self._ask_inspector()

    def _ask_inspector(self) -> None:
        self.assignee = self._said["assignee"]
        self.involved.add(self.assignee)

    def _answer_verify(self) -> None:
        self.stage, self.assignee = "reported", ""
        self._stop("verify")
        self._start("accept")

    def _decline(self) -> None:
        self._end("declined")

    _decline_filing = _decline

    def _file(self) -> None:
        self.stage, self.awaits_route = "filed", True
        self.condition, self.filed_no = self._said["condition"], self._said["filed_no"]
        self._stop("accept")
        self._start("dispatch")

    def _reclassify(self) -> None:
        """The limit counts from the start of the run, less what it stood still."""
        old, self.condition = self.limit, self._said["condition"]
        self.awaits_route = self.stage == "filed"
        if "handle" in self.clocks:
            self.clocks["handle"] += self.limit - old
            self.unsure |= set() if self.is_plain_run else {"handle"}

    def _dispatch(self) -> None:
        self._end_run()
        ruled = self.returned_by.pop() if "ruling" in self._said else ""
        is_same = main_of(ruled) == main_of(self._said["unit"])
        goes_on = self._said.get("ruling") == "unjustified" and is_same
        length = self.left if goes_on and self.left is not None else self.limit
        self.stage, self.unit, self.left = "dispatched", self._said["unit"], None
        self.last_reason, self.has_handler, self.exit_confirmed = "", False, False
        self._stop("dispatch", "arbitrate")
        self._start("sign")
        self._start("handle", length)

    _reassign = _dispatch

    def _arbitrate(self) -> None:
        self._dispatch()
        self.arbitrated = main_of(self.unit)
        self.district = DISTRICT_OF[self.unit]

    def route(self, at: datetime) -> None:
        """The system dispatches a filed case to the street office of its district."""
        if self.awaits_route and self.stage == "filed":
            unit = {"hecheng": "office", "landport": "zone-office"}[self.district]
            self._at, self._said = at, {"unit": unit}
            self._dispatch()
        self.awaits_route = False

    def _transfer(self) -> None:
        self.district, self.awaits_route = self._said["district"], True

    def _redispatch(self) -> None:
        self.unit, self.has_handler = "squad", False

    def _send_assist(self) -> None:
        self.waits.add("assist")
        self.assisting.add(self._said["assist"])
        self.unanswered.append(self._said["assist"])

    def _assist(self) -> None:
        self.unanswered = [unit for unit in self.unanswered if unit != self._by.scope]
        if not self.unanswered:
            self.waits.discard("assist")

    def _sign(self) -> None:
        self.stage = "handling"
        self._stop("sign")

    def _assign_handler(self) -> None:
        self.has_handler = True

    def _release_handler(self) -> None:
        self.has_handler = False

    def _return(self) -> None:
        self._end_run()
        self.returned_by.append(self.unit)
        self.returns += 1
        self.unit, self.last_reason, self.has_handler = "", "other", False
        self.stage = "returned" if self.returns == 1 else "disputed"
        self._start("dispatch" if self.returns == 1 else "arbitrate")

    def _dispute(self) -> None:
        self.stage = "disputed"
        self._stop("dispatch")
        self._start("arbitrate")

    def _request_extension(self) -> None:
        self.waits.add("extension_head")

    def _decide_extension(self) -> None:
        self.waits -= {"extension_head", "extension"}
        if self._by.role == "unit_head" and self._said["approved"]:
            self.waits.add("extension")
            self._start("extend")
            return
        self._stop("extend")
        if self._said["approved"]:
            self.extensions_left -= 1
            self.clocks["handle"] += self.limit
            self.is_plain_run = False

    def _request_suspension(self) -> None:
        self.waits.add("suspension")
        self.until = self._said["ends"]

    def _decide_suspension(self) -> None:
        self.waits.discard("suspension")
        if self._said["approved"]:
            self._suspend()

    def _defer(self) -> None:
        self.until = self._said["ends"]
        self._suspend()

    def _suspend(self) -> None:
        assert self.until is not None
        self._end_run()
        self.before, self.stage, self.was_suspended = self.stage, "suspended", True
        self.clocks["suspend"] = self.until

    def _resume(self) -> None:
        self.stage, self.before = self.before, ""
        self._stop("suspend")
        self._start("handle", self.left)

    def _finish(self) -> None:
        self._end_run()
        self.stage = "handled"

    def _send_check(self) -> None:
        self.stage = "checking"
        self._start("check")
        self._ask_inspector()

    def _answer_check(self) -> None:
        self._stop("check")
        self.stage, self.assignee = "checked", ""
        if not self._said["passed"]:
            self.stage, self.last_reason = "returned", "check_failed"
            self._start("dispatch")

    def _rework(self) -> None:
        self.stage, self.last_reason = "rework", ""
        self._stop("dispatch")
        if "handle" not in self.clocks:
            self._start("handle", self.left or timedelta())

    def _close(self) -> None:
        self._end("closed")
        self.closed_at = self._at

    _force_close = _close

    def _void(self) -> None:
        self._end("voided")

    def _merge(self) -> None:
        aside = {"before": self.before, "assignee": self.assignee, "waits": set(self.waits)}
        aside |= {"clocks": {k: due - self._at for k, due in self.clocks.items()}}
        aside |= {"named": {k: self.clocks[k] for k in NAMED & self.clocks.keys()}}
        aside |= {"left": self.left}
        before, due, into = self.stage, self.clocks.get("handle"), self._said["into"]
        unanswered = self.unanswered
        self._end("merged")
        self.before, self.into, self.set_aside = before, into, aside
        self.waits, self.awaits_route, self.unanswered = aside["waits"], False, unanswered
        own = into.clocks.get("handle")
        if own and due and self._at < due < own:
            into.clocks["handle"], into.is_plain_run = due, False

    def _unmerge(self) -> None:
        aside = self.set_aside
        assert self.into is not None
        self.into.unsure.add("handle")  # gets its own deadline back if nothing changed it since
        self.stage, self.before, self.into = self.before, aside["before"], None
        self.exit_confirmed = False
        self.assignee, self.left = aside["assignee"], aside["left"]
        for kind, length in aside["clocks"].items():
            self._start(kind, max(length, timedelta()))
        self.clocks |= aside["named"]
        self.awaits_route = self.stage == "filed"

    def _reopen(self) -> None:
        self.stage, self.last_reason, self.assignee = "returned", "reopened", ""
        self.was_late, self.extensions_left, self.left = False, 2, None
        self.waits -= {"audit", "appeal", "appeal_acceptor"}
        self.exit_confirmed = False
        if self.unit:
            self._start("handle", self.limit)
        self._start("dispatch")

    def _appeal(self) -> None:
        self.appealed = True
        self.waits.add("appeal")

    def _decide_appeal(self) -> None:
        self.waits -= {"appeal", "appeal_acceptor"}
        if self._by.role == "dispatcher" and self._said["approved"]:
            self.waits.add("appeal_acceptor")

    def _audit_closure(self) -> None:
        self.waits.add("audit")
        self._ask_inspector()

    _audit_decline = _audit_closure

    def _answer_audit(self) -> None:
        self.waits.discard("audit")
        self.assignee = ""

    def _confirm_exit(self) -> None:
        self.exit_confirmed = True

    def _propose_adjust(self) -> None:
        self.waits.add("adjust")
        self.proposer = self._by.name

    def _adjust(self) -> None:
        self.waits.discard("adjust")

    def _supervise(self, reply_by: datetime | None = None) -> None:
        self.waits.add("reply")
        by = reply_by or self._said["replies"]
        self.clocks["supervise"] = min(by, self.clocks.get("supervise", by))

    def _reply_supervision(self) -> None:
        self.waits.discard("reply")
        self._stop("supervise")

    # --- what the timer does --------------------------------------------------------------------

    def pass_deadlines(self, at: datetime) -> None:
        """A suspension that is over ends; a handling that is late loses what was asked for."""
        self._at = at
        if self.clocks.get("suspend", at) < at:
            self._resume()
        due = self.clocks.get("handle", at)
        if due < at and ("handle", due) not in self.told:
            self.told.add(("handle", due))
            self.was_late = True
            self.waits -= OF_A_RUN
            self._stop("extend")
            self._supervise(at + timedelta(hours=24))
