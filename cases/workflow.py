"""The life of a case as one table: who may take which action from where, and where it leads.

The table draws the buttons and forms, guards the services, is repeated by a database constraint
on events, fills docs/workflow.md and answers the API. Pure Python. Source: domain.md §3.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases.choices import (
    FILED_STAGES,
    OPEN_STAGES,
    UNIT_STAGES,
    Action,
    ClockKind,
    Role,
    Source,
    Stage,
    Waiting,
)
from cases.errors import MoveNotAllowed

_A, _S, _R, _C, _W = Action, Stage, Role, ClockKind, Waiting


class Input(TextChoices):
    """A field an action asks for, in the order the fields stand in a form."""

    CONDITION = "condition", gettext_lazy("Filing condition")
    CELL = "cell", gettext_lazy("Grid cell")
    DISTRICT = "district", gettext_lazy("District")
    UNIT = "unit", gettext_lazy("Unit")
    ASSIST = "assist", gettext_lazy("Assisting units")
    HANDLER = "handler", gettext_lazy("Handler")
    INTO = "into", gettext_lazy("Merge into the case")
    KIND = "kind", gettext_lazy("Kind of supervision")
    REPLY_BY = "reply_by", gettext_lazy("Reply by")
    UNTIL = "until", gettext_lazy("Until the day")
    PERIOD = "period", gettext_lazy("Period")
    EFFECT = "effect", gettext_lazy("Effect")
    REASON = "reason", gettext_lazy("Reason")
    RULING = "ruling", gettext_lazy("Ruling on the return")
    ASSIGNEE = "assignee", gettext_lazy("Inspector")
    SATISFACTION = "satisfaction", gettext_lazy("Satisfaction")
    PHOTOS = "photos", gettext_lazy("Photo")
    PLACE = "place", gettext_lazy("Place of the photo")
    NOTE = "note", gettext_lazy("Note")
    FALSIFIED = "falsified", gettext_lazy("The closing was feigned")
    PASSED = "passed", gettext_lazy("Result")
    APPROVED = "approved", gettext_lazy("Decision")


BOOLEANS = frozenset({Input.FALSIFIED, Input.PASSED, Input.APPROVED})


class CaseFacts(Protocol):
    """What the guards read of a case; times are aware."""

    stage: str
    source: str
    due_at: datetime | None
    may_return: bool
    last_reason: str
    waiting_for: list[str]
    extensions_left: int
    suspensions_left: int
    handler_id: int | None
    reopen_until: datetime | None
    was_late: bool
    appeal: str
    exit_confirmed: bool
    unit_id: str | None


# A guard returns why the action is refused now to somebody in that role, or "".
Guard = Callable[[CaseFacts, Role, datetime], str]

CHECK_FAILED = "check_failed"
REOPENED = "reopened"
RETURN_REASONS = ("not_responsible", "unclear_place", "duplicate", "other")
DECLINE_REASONS = ("not_in_scope", "not_found", "duplicate", "other")
END_REASONS = ("wrong_report", "no_longer_there", "cannot_be_done", "other")
REOPEN_REASONS = ("not_solved", "came_back", "new_evidence", "other")
EXTENSION_REASONS = ("weather", "material", "coordination", "other")
SUSPENSION_REASONS = ("planned_works", "budget", "season", "other")
TRANSFER_REASONS = ("border", "wrong_place", "other")
REASONS: dict[Action, tuple[str, ...]] = {
    _A.RETURN: RETURN_REASONS,
    _A.DECLINE: DECLINE_REASONS,
    _A.DECLINE_FILING: DECLINE_REASONS,
    _A.FORCE_CLOSE: END_REASONS,
    _A.VOID: END_REASONS,
    _A.REOPEN: REOPEN_REASONS,
    _A.REQUEST_EXTENSION: EXTENSION_REASONS,
    _A.REQUEST_SUSPENSION: SUSPENSION_REASONS,
    _A.DEFER: SUSPENSION_REASONS,
    _A.TRANSFER: TRANSFER_REASONS,
}
RULINGS = ("justified", "unjustified")
SUPERVISION_KINDS = ("important", "overdue", "leader")
ADJUST_EFFECTS = ("exempt", "leave_out", "put_in")


# --- guards -------------------------------------------------------------------------------------


def may_still_return(case: CaseFacts, _role: Role, at: datetime) -> str:
    """Refused once overdue, and to a unit named by arbitration (assessment.md §3)."""
    if not case.may_return:
        return _("The unit was named by arbitration and may not return the case.")
    return not_overdue(case, _role, at)


def not_overdue(case: CaseFacts, _role: Role, at: datetime) -> str:
    """Only until the deadline: what is asked later comes too late (domain.md §3)."""
    if case.due_at is not None and at > case.due_at:
        return _("The case is overdue: this had to come before its deadline.")
    return ""


def has_extension_left(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """At most as many approved extensions as the city allows."""
    return "" if case.extensions_left > 0 else _("No further extension is possible.")


def has_suspension_left(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """A case is suspended once."""
    return "" if case.suspensions_left > 0 else _("The case was suspended before.")


def is_outside_report(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """Verified are public, petition and media reports, and what other systems say."""
    if case.source in (Source.INSPECTOR, Source.LEADER):
        return _("Reports of inspectors and leaders' orders are not verified.")
    return ""


def failed_or_reopened(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """Rework follows a failed check or a reopening; a returned case is re-assigned."""
    if case.unit_id is None:
        return _("The case has no unit: re-assign it.")
    if case.last_reason not in (CHECK_FAILED, REOPENED):
        return _("Rework follows a failed check; a returned case is re-assigned.")
    return ""


def was_returned(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """A dispute is about a return, not about a failed check."""
    if case.last_reason in (CHECK_FAILED, REOPENED):
        return _("No unit returned this case; there is nothing to dispute.")
    return ""


def within_reopening(case: CaseFacts, _role: Role, at: datetime) -> str:
    """Reopened within the days the city gives, fixed at closing."""
    if case.reopen_until is None or at > case.reopen_until:
        return _("The time for reopening this case has passed.")
    return ""


def was_overdue(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """Only an overdue finding is appealed against or confirmed."""
    return "" if case.was_late else _("The case was never overdue.")


def not_appealed(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """One appeal a case."""
    return _("The unit has appealed before.") if case.appeal else ""


def not_confirmed(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """An exit is confirmed once."""
    return _("This exit was confirmed before.") if case.exit_confirmed else ""


def has_handler(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """There is somebody to take it back from."""
    return "" if case.handler_id is not None else _("The case has no handler.")


def _waits(wanted: Waiting | dict[Role, Waiting]) -> Guard:
    def waits(case: CaseFacts, role: Role, _at: datetime) -> str:
        name = wanted.get(role) if isinstance(wanted, dict) else wanted
        return "" if name in case.waiting_for else _("Nobody has asked for this.")

    kinds = wanted.values() if isinstance(wanted, dict) else [wanted]
    waits.__doc__ = f"The case waits for it: {', '.join(kinds)}."
    return waits


def _waits_not(*unwanted: Waiting) -> Guard:
    def waits_not(case: CaseFacts, _role: Role, _at: datetime) -> str:
        asked = not set(unwanted).isdisjoint(case.waiting_for)
        return _("This was asked for before and is not decided yet.") if asked else ""

    waits_not.__doc__ = f"Not asked for already: {', '.join(unwanted)}."
    return waits_not


# --- the table ----------------------------------------------------------------------------------


class Who(StrEnum):
    """Which unit people of a unit must belong to."""

    LEAD = "lead"  # the one that holds the case
    ASSISTING = "assisting"


@dataclass(frozen=True)
class Move:
    """One row of the table. More than one target, or `may_stay`: the outcome decides.

    `stops` and `starts` name the stage clocks that may be stopped or started; all others run on.
    """

    sources: frozenset[Stage]
    targets: tuple[Stage, ...]
    roles: frozenset[Role]
    required: frozenset[Input] = frozenset()
    optional: frozenset[Input] = frozenset({Input.NOTE})
    guards: tuple[Guard, ...] = ()
    stops: frozenset[ClockKind] = frozenset()
    starts: frozenset[ClockKind] = frozenset()
    may_stay: bool = False
    tells_reporter: bool = False
    who: Who = Who.LEAD

    @property
    def inputs(self) -> frozenset[Input]:
        """Every field the action takes."""
        return self.required | self.optional

    def targets_from(self, stage: Stage) -> tuple[Stage, ...]:
        """Return where the action may lead from `stage`, the usual one first."""
        return (*self.targets, stage) if self.may_stay else self.targets


def _move(
    sources: Iterable[Stage],
    targets: Stage | tuple[Stage, ...],
    roles: Iterable[Role],
    *,
    required: Iterable[Input] = (),
    optional: Iterable[Input] = (Input.NOTE,),
    guards: tuple[Guard, ...] = (),
    stops: Iterable[ClockKind] = (),
    starts: Iterable[ClockKind] = (),
    may_stay: bool = False,
    tells_reporter: bool = False,
) -> Move:
    return Move(
        frozenset(sources),
        targets if isinstance(targets, tuple) else (targets,),
        frozenset(roles),
        frozenset(required),
        frozenset(optional),
        guards,
        frozenset(stops),
        frozenset(starts),
        may_stay=may_stay,
        tells_reporter=tells_reporter,
    )


def _note(
    sources: Iterable[Stage],
    roles: Iterable[Role],
    *,
    required: Iterable[Input] = (),
    optional: Iterable[Input] = (Input.NOTE,),
    guards: tuple[Guard, ...] = (),
    stops: Iterable[ClockKind] = (),
    starts: Iterable[ClockKind] = (),
    who: Who = Who.LEAD,
) -> Move:
    """Return a row of an action that leaves the case where it is."""
    return Move(
        frozenset(sources),
        (),
        frozenset(roles),
        frozenset(required),
        frozenset(optional),
        guards,
        frozenset(stops),
        frozenset(starts),
        may_stay=True,
        who=who,
    )


_I = Input
_UNIT_CLOCKS = frozenset({_C.SIGN, _C.HANDLE, _C.EXTEND})
_LAST_CLOCKS = frozenset({_C.SUPERVISE, _C.HOTLINE})  # run until the case ends
_ANY_CLOCK = frozenset(_C)
_AFTER_FILING = FILED_STAGES | {_S.CLOSED}
_WORDS = (_I.NOTE, _I.PHOTOS)

# How a case comes in: from nothing.
BEGINNINGS: dict[Action, Move] = {
    _A.REPORT: _move((), _S.REPORTED, {_R.INSPECTOR, _R.OPERATOR}, starts={_C.ACCEPT, _C.HOTLINE}),
    _A.SELF_HANDLE: _move(
        (),
        _S.HANDLED,
        {_R.INSPECTOR},
        required={_I.CONDITION, _I.PHOTOS},
    ),
}

# Who may take which action from where, and where it leads; what leads forward stands first.
MOVES: dict[Action, Move] = {
    _A.ACCEPT: _move({_S.REPORTED}, _S.ACCEPTED, {_R.ACCEPTOR, _R.SYSTEM}, tells_reporter=True),
    _A.SEND_VERIFY: _move(
        {_S.REPORTED},
        _S.VERIFYING,
        {_R.ACCEPTOR},
        optional={_I.ASSIGNEE, _I.NOTE},
        guards=(is_outside_report,),
        stops={_C.ACCEPT},
        starts={_C.VERIFY},
    ),
    # 属实 or 不属实: the answer is kept, the acceptor decides.
    _A.ANSWER_VERIFY: _move(
        {_S.VERIFYING},
        _S.REPORTED,
        {_R.INSPECTOR},
        required={_I.PASSED},
        optional=_WORDS,
        stops={_C.VERIFY},
        starts={_C.ACCEPT},
    ),
    _A.FILE: _move(
        {_S.ACCEPTED},
        _S.FILED,
        {_R.DUTY_CHIEF, _R.SYSTEM},
        required={_I.CONDITION},
        optional={_I.CELL, _I.NOTE},
        stops={_C.ACCEPT},
        starts={_C.DISPATCH},
        tells_reporter=True,
    ),
    _A.DISPATCH: _move(
        {_S.FILED},
        _S.DISPATCHED,
        {_R.DISPATCHER, _R.SYSTEM},
        required={_I.UNIT},
        optional={_I.ASSIST, _I.NOTE},
        stops={_C.DISPATCH},
        starts={_C.SIGN, _C.HANDLE},
    ),
    _A.SIGN: _move({_S.DISPATCHED}, _S.HANDLING, {_R.UNIT}, stops={_C.SIGN}),
    _A.FINISH: _move(
        {_S.HANDLING, _S.REWORK},
        _S.HANDLED,
        {_R.UNIT},
        optional={_I.PHOTOS, _I.PLACE, _I.NOTE},
        stops=_UNIT_CLOCKS,
    ),
    _A.SEND_CHECK: _move(
        {_S.HANDLED},
        _S.CHECKING,
        {_R.ACCEPTOR, _R.SYSTEM},
        optional={_I.ASSIGNEE, _I.NOTE},
        starts={_C.CHECK},
    ),
    # Passed leads to `checked`; failed goes back to the dispatcher with reason check_failed.
    _A.ANSWER_CHECK: _move(
        {_S.CHECKING},
        (_S.CHECKED, _S.RETURNED),
        {_R.INSPECTOR},
        required={_I.PASSED},
        optional=_WORDS,
        stops={_C.CHECK},
        starts={_C.DISPATCH},
    ),
    _A.REWORK: _move(
        {_S.RETURNED},
        _S.REWORK,
        {_R.DISPATCHER},
        guards=(failed_or_reopened,),
        stops={_C.DISPATCH},
        starts={_C.HANDLE},
    ),
    _A.REASSIGN: _move(
        {_S.RETURNED, _S.DISPATCHED, _S.HANDLING},
        _S.DISPATCHED,
        {_R.DISPATCHER},
        required={_I.UNIT},
        optional={_I.RULING, _I.NOTE},
        stops={*_UNIT_CLOCKS, _C.DISPATCH},
        starts={_C.SIGN, _C.HANDLE},
    ),
    _A.ARBITRATE: _move(
        {_S.DISPUTED},
        _S.DISPATCHED,
        {_R.DISPATCHER, _R.SUPERVISOR},
        required={_I.UNIT},
        optional={_I.RULING, _I.NOTE},
        stops={_C.ARBITRATE},
        starts={_C.SIGN, _C.HANDLE},
    ),
    _A.CLOSE: _move(
        {_S.CHECKED}, _S.CLOSED, {_R.DUTY_CHIEF}, stops=_LAST_CLOCKS, tells_reporter=True
    ),
    _A.RESUME: _move(
        {_S.SUSPENDED},
        (_S.HANDLING, _S.REWORK),
        {_R.DISPATCHER, _R.SYSTEM},
        stops={_C.SUSPEND},
        starts={_C.HANDLE},
    ),
    _A.UNMERGE: _move(
        {_S.MERGED}, tuple(s for s in _S if s in OPEN_STAGES), {_R.DISPATCHER}, starts=_ANY_CLOCK
    ),
    # --- asked and decided beside the main way
    _A.DECIDE_EXTENSION: _note(
        UNIT_STAGES,
        {_R.UNIT_HEAD, _R.DISPATCHER},
        required={_I.APPROVED},
        guards=(
            _waits({_R.UNIT_HEAD: _W.EXTENSION_HEAD, _R.DISPATCHER: _W.EXTENSION}),
            not_overdue,
        ),
        stops={_C.EXTEND},
        starts={_C.EXTEND},
    ),
    _A.DECIDE_SUSPENSION: _move(
        {_S.HANDLING, _S.REWORK},
        _S.SUSPENDED,
        {_R.DISPATCHER},
        required={_I.APPROVED},
        guards=(_waits(_W.SUSPENSION), not_overdue),
        stops={_C.HANDLE, _C.EXTEND},
        starts={_C.SUSPEND},
        may_stay=True,
    ),
    _A.DECIDE_APPEAL: _note(
        {_S.CLOSED},
        {_R.DISPATCHER, _R.ACCEPTOR},
        required={_I.APPROVED},
        guards=(_waits({_R.DISPATCHER: _W.APPEAL, _R.ACCEPTOR: _W.APPEAL_ACCEPTOR}),),
    ),
    _A.ASSIST: _note(
        UNIT_STAGES,
        {_R.UNIT},
        optional=_WORDS,
        guards=(_waits(_W.ASSIST),),
        who=Who.ASSISTING,
    ),
    _A.REPLY_SUPERVISION: _note(
        OPEN_STAGES,
        {_R.UNIT, _R.UNIT_HEAD, _R.DISPATCHER},
        required={_I.NOTE},
        optional=(),
        guards=(_waits(_W.REPLY),),
        stops={_C.SUPERVISE},
    ),
    _A.ASSIGN_HANDLER: _note(UNIT_STAGES, {_R.UNIT_HEAD}, required={_I.HANDLER}),
    _A.RELEASE_HANDLER: _note(UNIT_STAGES, {_R.UNIT_HEAD}, guards=(has_handler,)),
    _A.REDISPATCH: _note(UNIT_STAGES, {_R.UNIT_HEAD, _R.DISPATCHER}, required={_I.UNIT}),
    _A.REQUEST_EXTENSION: _note(
        UNIT_STAGES,
        {_R.UNIT},
        required={_I.REASON},
        guards=(
            not_overdue,
            has_extension_left,
            _waits_not(_W.EXTENSION_HEAD, _W.EXTENSION),
        ),
    ),
    _A.REQUEST_SUSPENSION: _note(
        {_S.HANDLING, _S.REWORK},
        {_R.UNIT},
        required={_I.REASON, _I.UNTIL},
        guards=(not_overdue, has_suspension_left, _waits_not(_W.SUSPENSION)),
    ),
    _A.SEND_ASSIST: _note(UNIT_STAGES, {_R.DISPATCHER}, required={_I.ASSIST}),
    _A.RECLASSIFY: _note(
        {_S.FILED, _S.DISPATCHED, _S.HANDLING},
        {_R.DUTY_CHIEF},
        required={_I.CONDITION},
        starts={_C.HANDLE},
    ),
    # --- said about a case
    _A.REMIND: _note(
        OPEN_STAGES,
        {_R.ACCEPTOR, _R.DUTY_CHIEF, _R.DISPATCHER, _R.SUPERVISOR, _R.SYSTEM},
    ),
    _A.SUPERVISE: _note(
        OPEN_STAGES,
        {_R.LEADER, _R.SUPERVISOR, _R.SYSTEM},
        required={_I.NOTE, _I.REPLY_BY},
        optional={_I.KIND},
        starts={_C.SUPERVISE},
    ),
    _A.REVISIT: _note({_S.CLOSED, _S.DECLINED}, {_R.OPERATOR}, required={_I.SATISFACTION}),
    _A.APPEAL: _note(
        {_S.CLOSED},
        {_R.UNIT, _R.UNIT_HEAD},
        required={_I.NOTE},
        optional={_I.PHOTOS},
        guards=(was_overdue, not_appealed),
    ),
    _A.AUDIT_CLOSURE: _note(
        {_S.CLOSED},
        {_R.SUPERVISOR, _R.SYSTEM},
        optional={_I.ASSIGNEE, _I.NOTE},
        guards=(_waits_not(_W.AUDIT),),
    ),
    _A.AUDIT_DECLINE: _note(
        {_S.DECLINED},
        {_R.SUPERVISOR, _R.SYSTEM},
        optional={_I.ASSIGNEE, _I.NOTE},
        guards=(_waits_not(_W.AUDIT),),
    ),
    _A.ANSWER_AUDIT: _note(
        {_S.CLOSED, _S.DECLINED},
        {_R.INSPECTOR},
        required={_I.PASSED},
        optional={_I.FALSIFIED, *_WORDS},
        guards=(_waits(_W.AUDIT),),
    ),
    _A.ADJUST: _note(
        {*_AFTER_FILING, _S.VOIDED, _S.MERGED},
        {_R.ASSESSOR},
        required={_I.APPROVED},
        guards=(_waits(_W.ADJUST),),
    ),
    _A.CONFIRM_EXIT: _note(
        {*_AFTER_FILING, _S.VOIDED, _S.MERGED},
        {_R.ASSESSOR},
        required={_I.NOTE},
        optional=(),
        guards=(was_overdue, not_confirmed),
    ),
    _A.PROPOSE_ADJUST: _note(
        {*_AFTER_FILING, _S.VOIDED, _S.MERGED},
        {_R.ASSESSOR},
        required={_I.PERIOD, _I.EFFECT, _I.NOTE},
        optional=(),
        guards=(_waits_not(_W.ADJUST),),
    ),
    _A.RECOMPUTE_DEADLINE: _note(FILED_STAGES, {_R.ADMIN, _R.SYSTEM}, starts={_C.HANDLE}),
    # --- back, aside, and out
    _A.RETURN: _move(
        {_S.DISPATCHED, _S.HANDLING},
        (_S.RETURNED, _S.DISPUTED),
        {_R.UNIT},
        required={_I.REASON},
        guards=(may_still_return,),
        stops=_UNIT_CLOCKS,
        starts={_C.DISPATCH, _C.ARBITRATE},
    ),
    _A.DISPUTE: _move(
        {_S.RETURNED},
        _S.DISPUTED,
        {_R.DISPATCHER, _R.SUPERVISOR},
        guards=(was_returned,),
        stops={_C.DISPATCH},
        starts={_C.ARBITRATE},
    ),
    _A.TRANSFER: _note({_S.FILED}, {_R.DISPATCHER}, required={_I.DISTRICT, _I.REASON}),
    _A.DEFER: _move(
        {_S.HANDLING, _S.REWORK},
        _S.SUSPENDED,
        {_R.LEADER},
        required={_I.UNTIL, _I.REASON},
        guards=(not_overdue, has_suspension_left),
        stops={_C.HANDLE, _C.EXTEND},
        starts={_C.SUSPEND},
    ),
    _A.DECLINE: _move(
        {_S.REPORTED, _S.ACCEPTED},
        _S.DECLINED,
        {_R.ACCEPTOR},
        required={_I.REASON},
        stops={_C.ACCEPT, *_LAST_CLOCKS},
        tells_reporter=True,
    ),
    _A.DECLINE_FILING: _move(
        {_S.ACCEPTED},
        _S.DECLINED,
        {_R.DUTY_CHIEF},
        required={_I.REASON},
        stops={_C.ACCEPT, *_LAST_CLOCKS},
        tells_reporter=True,
    ),
    _A.MERGE: _move(OPEN_STAGES, _S.MERGED, {_R.DISPATCHER}, required={_I.INTO}, stops=_ANY_CLOCK),
    _A.REOPEN: _move(
        {_S.CLOSED},
        _S.RETURNED,
        {_R.DUTY_CHIEF},
        required={_I.REASON},
        optional=_WORDS,
        guards=(within_reopening,),
        starts={_C.DISPATCH, _C.HANDLE},
    ),
    _A.FORCE_CLOSE: _move(
        FILED_STAGES,
        _S.CLOSED,
        {_R.DUTY_CHIEF},
        required={_I.REASON},
        stops=_ANY_CLOCK,
        tells_reporter=True,
    ),
    _A.VOID: _move(
        OPEN_STAGES,
        _S.VOIDED,
        {_R.DUTY_CHIEF},
        required={_I.REASON},
        stops=_ANY_CLOCK,
        tells_reporter=True,
    ),
}

# Written by the system about a case that stays where it is.
NOTES = (
    *(_A.ROUTE, _A.DUE_SOON, _A.OVERDUE, _A.MOVED_OUT, _A.MOVED_IN),
    *(_A.TAKE_IN, _A.LET_GO, _A.STORE_PHOTO),
)


def target_of(
    action: Action, *, stage: Stage, roles: Iterable[Role], outcome: Stage | None = None
) -> Stage:
    """Return the stage `action` leads to; `outcome` picks among several.

    Raises MoveNotAllowed when the table has no such row for this stage and these roles.
    """
    move = MOVES.get(action)
    if move is None or stage not in move.sources:
        raise MoveNotAllowed(not_from(action, stage))
    if move.roles.isdisjoint(roles):
        raise MoveNotAllowed(not_yours(action))
    targets = move.targets_from(stage)
    target = outcome or targets[0]
    if target not in targets:
        words = {"action": action.label, "stage": target.label}
        raise MoveNotAllowed(_("“%(action)s” does not lead to the stage “%(stage)s”.") % words)
    return target


def not_from(action: Action, stage: str) -> str:
    """Return that no case in `stage` takes this action, in the reader's language."""
    words = {"action": action.label, "stage": Stage(stage).label}
    return _("“%(action)s” cannot be done to a case that is “%(stage)s”.") % words


def not_yours(action: Action) -> str:
    """Return that the action is another's to take, in the reader's language."""
    return _("“%(action)s” is not yours to do to this case.") % {"action": action.label}


def actions_from(stage: Stage, *, roles: Iterable[Role]) -> list[Action]:
    """Return the actions the table allows from `stage` to somebody with `roles`, in table order."""
    held = frozenset(roles)
    return [
        action
        for action, move in MOVES.items()
        if stage in move.sources and not move.roles.isdisjoint(held)
    ]


def refusal_of(action: Action, case: CaseFacts, role: Role, *, at: datetime) -> str:
    """Return why the guards refuse `action` now, whatever its inputs; empty when they do not."""
    return next(filter(None, (guard(case, role, at) for guard in MOVES[action].guards)), "")


def steps() -> list[tuple[Action, Stage | None, Stage]]:
    """Return every (action, from, to) an event may record; from is None for a beginning."""
    begun = [(action, None, target) for action, m in BEGINNINGS.items() for target in m.targets]
    moves = [
        (action, source, target)
        for action, move in MOVES.items()
        for source in sorted(move.sources)
        for target in move.targets_from(source)
    ]
    notes = [(action, stage, stage) for action in NOTES for stage in Stage]
    return [*begun, *moves, *notes]
