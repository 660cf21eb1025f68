"""The life of a case as one table: who may take which action from where, and where it leads.

The table draws the buttons and forms, guards the services, is repeated by a database constraint
on events, fills docs/workflow.md and answers the API. Pure Python. Source: domain.md §3.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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
    Stage,
    Waiting,
)
from cases.errors import MoveNotAllowed
from cases.guards import (
    CaseFacts,
    Guard,
    failed_or_reopened,
    has_extension_left,
    has_handler,
    has_suspension_left,
    is_outside_report,
    may_still_return,
    not_appealed,
    not_confirmed,
    not_overdue,
    waits_for,
    waits_not_for,
    was_overdue,
    was_returned,
    within_reopening,
)

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
    PROMISED_AT = "promised_at", gettext_lazy("Promised for")
    FALSIFIED = "falsified", gettext_lazy("The closing was feigned")
    PASSED = "passed", gettext_lazy("Result")
    APPROVED = "approved", gettext_lazy("Decision")


BOOLEANS = frozenset({Input.FALSIFIED, Input.PASSED, Input.APPROVED})
_DECLINE_REASONS = ("not_in_scope", "not_found", "duplicate", "other")
_END_REASONS = ("wrong_report", "no_longer_there", "cannot_be_done", "other")
_SUSPENSION_REASONS = ("planned_works", "budget", "season", "other")
REASONS: dict[Action, tuple[str, ...]] = {
    _A.RETURN: ("not_responsible", "unclear_place", "duplicate", "other"),
    _A.DECLINE: _DECLINE_REASONS,
    _A.DECLINE_FILING: _DECLINE_REASONS,
    _A.FORCE_CLOSE: _END_REASONS,
    _A.VOID: _END_REASONS,
    _A.REOPEN: ("not_solved", "came_back", "new_evidence", "other"),
    _A.REQUEST_EXTENSION: ("weather", "material", "coordination", "other"),
    _A.REQUEST_SUSPENSION: _SUSPENSION_REASONS,
    _A.DEFER: _SUSPENSION_REASONS,
    _A.TRANSFER: ("border", "wrong_place", "other"),
}
RULINGS = ("justified", "unjustified")
ADJUST_EFFECTS = ("exempt", "leave_out", "put_in")


# --- the table ----------------------------------------------------------------------------------


class Who(StrEnum):
    """Which people of a role: of which unit, or which inspectors."""

    LEAD = "lead"  # the one that holds the case
    ASSISTING = "assisting"
    NEARBY = "nearby"  # no unit: inspectors who stand before it, but not its reporter


@dataclass(frozen=True)
class Move:
    """One row of the table. More than one target, or one and `may_stay`: the outcome decides.

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


STAYS: tuple[Stage, ...] = ()  # the targets of an action that leaves the case where it is


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
    who: Who = Who.LEAD,
) -> Move:
    leads_to = targets if isinstance(targets, tuple) else (targets,)
    return Move(
        frozenset(sources),
        leads_to,
        frozenset(roles),
        frozenset(required),
        frozenset(optional),
        guards,
        frozenset(stops),
        frozenset(starts),
        may_stay=may_stay or not leads_to,
        tells_reporter=tells_reporter,
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
    _A.DECIDE_EXTENSION: _move(
        UNIT_STAGES,
        STAYS,
        {_R.UNIT_HEAD, _R.DISPATCHER},
        required={_I.APPROVED},
        guards=(
            waits_for({_R.UNIT_HEAD: _W.EXTENSION_HEAD, _R.DISPATCHER: _W.EXTENSION}),
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
        guards=(waits_for(_W.SUSPENSION), not_overdue),
        stops={_C.HANDLE, _C.EXTEND},
        starts={_C.SUSPEND},
        may_stay=True,
    ),
    _A.DECIDE_APPEAL: _move(
        {_S.CLOSED},
        STAYS,
        {_R.DISPATCHER, _R.ACCEPTOR},
        required={_I.APPROVED},
        guards=(waits_for({_R.DISPATCHER: _W.APPEAL, _R.ACCEPTOR: _W.APPEAL_ACCEPTOR}),),
    ),
    _A.ASSIST: _move(
        UNIT_STAGES,
        STAYS,
        {_R.UNIT},
        optional=_WORDS,
        guards=(waits_for(_W.ASSIST),),
        who=Who.ASSISTING,
    ),
    _A.REPLY_SUPERVISION: _move(
        OPEN_STAGES,
        STAYS,
        {_R.UNIT, _R.UNIT_HEAD, _R.DISPATCHER},
        required={_I.NOTE},
        optional=(),
        guards=(waits_for(_W.REPLY),),
        stops={_C.SUPERVISE},
    ),
    _A.ASSIGN_HANDLER: _move(UNIT_STAGES, STAYS, {_R.UNIT_HEAD}, required={_I.HANDLER}),
    _A.RELEASE_HANDLER: _move(UNIT_STAGES, STAYS, {_R.UNIT_HEAD}, guards=(has_handler,)),
    _A.REDISPATCH: _move(UNIT_STAGES, STAYS, {_R.UNIT_HEAD, _R.DISPATCHER}, required={_I.UNIT}),
    _A.REQUEST_EXTENSION: _move(
        UNIT_STAGES,
        STAYS,
        {_R.UNIT},
        required={_I.REASON},
        optional=_WORDS,
        guards=(
            not_overdue,
            has_extension_left,
            waits_not_for(_W.EXTENSION_HEAD, _W.EXTENSION),
        ),
    ),
    _A.REQUEST_SUSPENSION: _move(
        {_S.HANDLING, _S.REWORK},
        STAYS,
        {_R.UNIT},
        required={_I.REASON, _I.UNTIL},
        guards=(not_overdue, has_suspension_left, waits_not_for(_W.SUSPENSION)),
    ),
    _A.SEND_ASSIST: _move(UNIT_STAGES, STAYS, {_R.DISPATCHER}, required={_I.ASSIST}),
    _A.RECLASSIFY: _move(
        {_S.FILED, _S.DISPATCHED, _S.HANDLING},
        STAYS,
        {_R.DUTY_CHIEF},
        required={_I.CONDITION},
        starts={_C.HANDLE},
    ),
    # --- said about a case
    _A.REMIND: _move(
        OPEN_STAGES,
        STAYS,
        {_R.ACCEPTOR, _R.DUTY_CHIEF, _R.DISPATCHER, _R.SUPERVISOR, _R.SYSTEM},
        optional={_I.PROMISED_AT, _I.NOTE},
    ),
    # 附议: the answer to a duplicate hint; the place is the one the hint was asked for.
    _A.SUPPORT: _move(
        OPEN_STAGES,
        STAYS,
        {_R.INSPECTOR},
        required={_I.PLACE},
        optional=_WORDS,
        who=Who.NEARBY,
    ),
    _A.SUPERVISE: _move(
        OPEN_STAGES,
        STAYS,
        {_R.LEADER, _R.SUPERVISOR, _R.SYSTEM},
        required={_I.NOTE, _I.REPLY_BY},
        optional={_I.KIND},
        starts={_C.SUPERVISE},
    ),
    _A.REVISIT: _move({_S.CLOSED, _S.DECLINED}, STAYS, {_R.OPERATOR}, required={_I.SATISFACTION}),
    _A.APPEAL: _move(
        {_S.CLOSED},
        STAYS,
        {_R.UNIT, _R.UNIT_HEAD},
        required={_I.NOTE},
        optional={_I.PHOTOS},
        guards=(was_overdue, not_appealed),
    ),
    _A.AUDIT_CLOSURE: _move(
        {_S.CLOSED},
        STAYS,
        {_R.SUPERVISOR, _R.SYSTEM},
        optional={_I.ASSIGNEE, _I.NOTE},
        guards=(waits_not_for(_W.AUDIT),),
    ),
    _A.AUDIT_DECLINE: _move(
        {_S.DECLINED},
        STAYS,
        {_R.SUPERVISOR, _R.SYSTEM},
        optional={_I.ASSIGNEE, _I.NOTE},
        guards=(waits_not_for(_W.AUDIT),),
    ),
    _A.ANSWER_AUDIT: _move(
        {_S.CLOSED, _S.DECLINED},
        STAYS,
        {_R.INSPECTOR},
        required={_I.PASSED},
        optional={_I.FALSIFIED, *_WORDS},
        guards=(waits_for(_W.AUDIT),),
    ),
    _A.ADJUST: _move(
        {*_AFTER_FILING, _S.VOIDED, _S.MERGED},
        STAYS,
        {_R.ASSESSOR},
        required={_I.APPROVED},
        guards=(waits_for(_W.ADJUST),),
    ),
    _A.CONFIRM_EXIT: _move(
        {*_AFTER_FILING, _S.VOIDED, _S.MERGED},
        STAYS,
        {_R.ASSESSOR},
        required={_I.NOTE},
        optional=(),
        guards=(was_overdue, not_confirmed),
    ),
    _A.PROPOSE_ADJUST: _move(
        {*_AFTER_FILING, _S.VOIDED, _S.MERGED},
        STAYS,
        {_R.ASSESSOR},
        required={_I.PERIOD, _I.EFFECT, _I.NOTE},
        optional=(),
        guards=(waits_not_for(_W.ADJUST),),
    ),
    _A.RECOMPUTE_DEADLINE: _move(FILED_STAGES, STAYS, {_R.ADMIN, _R.SYSTEM}, starts={_C.HANDLE}),
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
    _A.TRANSFER: _move({_S.FILED}, STAYS, {_R.DISPATCHER}, required={_I.DISTRICT, _I.REASON}),
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
