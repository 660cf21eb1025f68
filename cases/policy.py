"""Who may do what to this very case: a row of the workflow table and a scope over the case."""

from typing import Protocol

from cases.choices import Action, Role, Stage
from cases.errors import MoveNotAllowed, NotAllowed
from cases.workflow import MOVES, actions_from
from cityops.accounts.models import Grant, User
from cityops.accounts.roles import ScopeKind


class CaseLike(Protocol):
    """What the policy reads of a case."""

    stage: str
    district: str
    unit_id: str | None


def roles_over(user: User, case: CaseLike, *, assignee_id: int | None = None) -> frozenset[Role]:
    """Return the roles `user` holds over this case; an inspector only while a task is theirs."""
    if not user.is_active:
        return frozenset()
    return frozenset(
        Role(grant.role) for grant in user.grants if _covers(grant, user, case, assignee_id)
    )


def _covers(grant: Grant, user: User, case: CaseLike, assignee_id: int | None) -> bool:
    if grant.role == Role.INSPECTOR:
        return assignee_id is not None and assignee_id == user.pk
    if grant.scope_kind == ScopeKind.CITY:
        return True
    if grant.scope_kind == ScopeKind.DISTRICT:
        return bool(case.district) and grant.scope_key == case.district
    if grant.scope_kind == ScopeKind.UNIT:
        return case.unit_id is not None and grant.scope_key == case.unit_id
    return False


def can(user: User, action: Action, case: CaseLike, *, assignee_id: int | None = None) -> bool:
    """Whether `user` may take `action` on this case now."""
    roles = roles_over(user, case, assignee_id=assignee_id)
    return action in actions_from(Stage(case.stage), roles=roles)


def require(user: User, action: Action, case: CaseLike, *, assignee_id: int | None = None) -> Role:
    """Return the role `user` acts in, or raise NotAllowed or MoveNotAllowed."""
    roles = roles_over(user, case, assignee_id=assignee_id)
    move = MOVES.get(action)
    if move is None or roles.isdisjoint(move.roles):
        raise NotAllowed(f"You may not take the action {action} on this case.")
    if case.stage not in move.sources:
        raise MoveNotAllowed(f"A case in stage {case.stage} cannot take the action {action}.")
    return min(roles & move.roles)


def actions_for(user: User, case: CaseLike, *, assignee_id: int | None = None) -> list[Action]:
    """Return the actions to offer `user` on this case, in table order."""
    roles = roles_over(user, case, assignee_id=assignee_id)
    return actions_from(Stage(case.stage), roles=roles)


def may_report(user: User) -> bool:
    """Whether `user` may bring cases in."""
    return user.is_active and user.holds(Role.INSPECTOR, Role.OPERATOR)
