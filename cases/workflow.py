"""The life of a case as one table: who may take which action from where, and where it leads.

The table draws the buttons and forms, guards the services, is repeated by a database constraint
on events, and answers the API. Pure Python. Source: domain.md §3.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from cases.choices import Action, Role, Stage
from cases.errors import MoveNotAllowed

_A, _S, _R = Action, Stage, Role


class Input(StrEnum):
    """A field an action asks for."""

    CONDITION = "condition"
    UNIT = "unit"
    REASON = "reason"
    NOTE = "note"
    RULING = "ruling"
    ASSIGNEE = "assignee"
    PASSED = "passed"
    PHOTOS = "photos"


@dataclass(frozen=True)
class Move:
    """One row of the table. `targets` has more than one stage where the outcome decides."""

    sources: frozenset[Stage]
    targets: tuple[Stage, ...]
    roles: frozenset[Role]
    required: frozenset[Input] = frozenset()
    optional: frozenset[Input] = frozenset()
    tells_reporter: bool = False


def _move(
    sources: Iterable[Stage],
    targets: Stage | tuple[Stage, ...],
    roles: Iterable[Role],
    *,
    required: Iterable[Input] = (),
    optional: Iterable[Input] = (Input.NOTE,),
    tells_reporter: bool = False,
) -> Move:
    return Move(
        frozenset(sources),
        targets if isinstance(targets, tuple) else (targets,),
        frozenset(roles),
        frozenset(required),
        frozenset(optional),
        tells_reporter,
    )


MOVES: dict[Action, Move] = {
    _A.ACCEPT: _move({_S.REPORTED}, _S.ACCEPTED, {_R.ACCEPTOR, _R.SYSTEM}, tells_reporter=True),
    _A.DECLINE: _move(
        {_S.REPORTED, _S.ACCEPTED},
        _S.DECLINED,
        {_R.ACCEPTOR},
        required={Input.REASON},
        tells_reporter=True,
    ),
    _A.FILE: _move(
        {_S.ACCEPTED},
        _S.FILED,
        {_R.DUTY_CHIEF, _R.SYSTEM},
        required={Input.CONDITION},
        tells_reporter=True,
    ),
    _A.DECLINE_FILING: _move(
        {_S.ACCEPTED},
        _S.DECLINED,
        {_R.DUTY_CHIEF},
        required={Input.REASON},
        tells_reporter=True,
    ),
    _A.DISPATCH: _move(
        {_S.FILED}, _S.DISPATCHED, {_R.DISPATCHER, _R.SYSTEM}, required={Input.UNIT}
    ),
    _A.SIGN: _move({_S.DISPATCHED}, _S.HANDLING, {_R.UNIT}),
    # The second return of a case opens a dispute.
    _A.RETURN: _move(
        {_S.DISPATCHED, _S.HANDLING},
        (_S.RETURNED, _S.DISPUTED),
        {_R.UNIT},
        required={Input.REASON},
    ),
    _A.REASSIGN: _move(
        {_S.RETURNED, _S.DISPATCHED, _S.HANDLING},
        _S.DISPATCHED,
        {_R.DISPATCHER},
        required={Input.UNIT},
        optional={Input.NOTE, Input.RULING},
    ),
    _A.ARBITRATE: _move(
        {_S.DISPUTED},
        _S.DISPATCHED,
        {_R.DISPATCHER, _R.SUPERVISOR},
        required={Input.UNIT},
        optional={Input.NOTE, Input.RULING},
    ),
    _A.FINISH: _move(
        {_S.HANDLING, _S.REWORK},
        _S.HANDLED,
        {_R.UNIT},
        optional={Input.NOTE, Input.PHOTOS},
    ),
    _A.SEND_CHECK: _move(
        {_S.HANDLED}, _S.CHECKING, {_R.ACCEPTOR, _R.SYSTEM}, optional={Input.ASSIGNEE, Input.NOTE}
    ),
    # Passed leads to `checked`; failed goes back to the dispatcher with reason check_failed.
    _A.ANSWER_CHECK: _move(
        {_S.CHECKING},
        (_S.CHECKED, _S.RETURNED),
        {_R.INSPECTOR},
        required={Input.PASSED},
        optional={Input.NOTE, Input.PHOTOS},
    ),
    _A.REWORK: _move({_S.RETURNED}, _S.REWORK, {_R.DISPATCHER}),
    _A.CLOSE: _move({_S.CHECKED}, _S.CLOSED, {_R.DUTY_CHIEF}, tells_reporter=True),
}

# Written by the system about a case that stays where it is.
NOTES = (_A.ROUTE, _A.DUE_SOON, _A.OVERDUE, _A.MOVED_OUT, _A.MOVED_IN, _A.STORE_PHOTO)

RETURN_REASONS = ("not_responsible", "unclear_place", "duplicate", "other")
CHECK_FAILED = "check_failed"
DECLINE_REASONS = ("not_in_scope", "not_found", "duplicate", "other")


def target_of(
    action: Action, *, stage: Stage, roles: Iterable[Role], outcome: Stage | None = None
) -> Stage:
    """Return the stage `action` leads to; `outcome` picks among several.

    Raises MoveNotAllowed when the table has no such row for this stage and these roles.
    """
    move = MOVES.get(action)
    if move is None or stage not in move.sources:
        raise MoveNotAllowed(f"A case in stage {stage} cannot take the action {action}.")
    if move.roles.isdisjoint(roles):
        raise MoveNotAllowed(f"These roles may not take the action {action}.")
    target = outcome or move.targets[0]
    if target not in move.targets:
        raise MoveNotAllowed(f"The action {action} does not lead to {target}.")
    return target


def actions_from(stage: Stage, *, roles: Iterable[Role]) -> list[Action]:
    """Return the actions the table allows from `stage` to somebody with `roles`, in table order."""
    held = frozenset(roles)
    return [
        action
        for action, move in MOVES.items()
        if stage in move.sources and not move.roles.isdisjoint(held)
    ]


def steps() -> list[tuple[Action, Stage | None, Stage]]:
    """Return every (action, from, to) an event may record; from is None for a report."""
    moves = [
        (action, source, target)
        for action, move in MOVES.items()
        for source in sorted(move.sources)
        for target in move.targets
    ]
    notes = [(action, stage, stage) for action in NOTES for stage in Stage]
    return [(_A.REPORT, None, _S.REPORTED), *moves, *notes]
