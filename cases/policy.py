"""Who may see a case, and who may do what to this very case: one reach for both.

A grant opens cases (domain.md §2); what it opens, its role may act on where the workflow table
says so. An inspector sees own reports and own tasks, and acts only while a task is open.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from cases.choices import Action, Role, Stage
from cases.errors import MoveNotAllowed, NotAllowed
from cases.workflow import MOVES, actions_from
from cityops.accounts.models import Grant, User
from cityops.accounts.roles import ScopeKind

_UNIT_ROLES = (Role.UNIT, Role.UNIT_HEAD)
# Posts of the centres and leaders; nobody sees or acts as the system.
_POSTS = frozenset(Role) - {Role.INSPECTOR, *_UNIT_ROLES, Role.SYSTEM}


class CaseLike(Protocol):
    """What the policy reads of a case."""

    stage: str
    district: str
    unit_id: str | None


@dataclass(frozen=True)
class Reach:
    """Whose cases somebody sees: of districts, of units, and those an inspector had to do with."""

    is_whole: bool = False
    districts: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    inspector_id: int | None = None

    def holds(
        self,
        *,
        district: str,
        unit: str | None,
        reporter_id: int | None = None,
        assignees: Collection[int] = (),
    ) -> bool:
        """Whether a case that stands like this is seen; `CaseQuerySet.visible_to` in memory."""
        return (
            self.is_whole
            or district in self.districts
            or unit in self.units
            or (
                self.inspector_id is not None
                and (self.inspector_id == reporter_id or self.inspector_id in assignees)
            )
        )


def reach_of(user: User) -> Reach:
    """Return what `user` sees: default deny, and nothing once disabled."""
    return _reach(user, user.grants) if user.is_active else Reach()


def _reach(user: User, grants: Iterable[Grant]) -> Reach:
    held = [(grant.role, grant.scope_kind, grant.scope_key) for grant in grants]
    return Reach(
        is_whole=any(role in _POSTS and kind == ScopeKind.CITY for role, kind, _ in held),
        districts=frozenset(
            key for role, kind, key in held if role in _POSTS and kind == ScopeKind.DISTRICT
        ),
        units=frozenset(
            key for role, kind, key in held if role in _UNIT_ROLES and kind == ScopeKind.UNIT
        ),
        inspector_id=user.pk if any(role == Role.INSPECTOR for role, _, _ in held) else None,
    )


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
    return _reach(user, [grant]).holds(district=case.district, unit=case.unit_id)


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
