"""Who may see a case, and who may do what to this very case: one reach for both.

A grant opens cases (domain.md §2); on those of its own district or unit its role may act where
the workflow table says so, the others it only sees. An inspector sees own reports and own tasks,
and acts only while a task is open.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cases.choices import CITY, SCOPES, Action, Role
from cases.errors import MoveNotAllowed, NotAllowed
from cases.guards import CaseFacts
from cases.workflow import MOVES, Input, Who, not_from, not_yours, refusal_of
from cityops.accounts.models import Grant, User
from cityops.accounts.roles import COMMAND_CENTRE, ScopeKind

_UNIT_ROLES = (Role.UNIT, Role.UNIT_HEAD)
# Posts of the centres and leaders; nobody sees or acts as the system.
_POSTS = frozenset(Role) - {Role.INSPECTOR, *_UNIT_ROLES, Role.SYSTEM}


class CaseLike(CaseFacts, Protocol):
    """What the policy reads of a case."""

    district: str
    also_districts: list[str]
    reporter_id: int | None
    unit_id: str | None
    parent_unit: str
    assist_units: list[str]


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
        districts: Collection[str],
        units: Collection[str],
        reporter_id: int | None = None,
        assignees: Collection[int] = (),
    ) -> bool:
        """Whether a case that stands like this is seen; `CaseQuerySet.visible_to` in memory.

        `districts` are its own and those that had it before; `units` the lead unit, its parent,
        and those that assist.
        """
        return (
            self.is_whole
            or not self.districts.isdisjoint(districts)
            or not self.units.isdisjoint(units)
            or (
                self.inspector_id is not None
                and (self.inspector_id == reporter_id or self.inspector_id in assignees)
            )
        )


def reach_of(user: User) -> Reach:
    """Return what `user` sees: default deny, and nothing once disabled."""
    if not user.is_active:
        return Reach()
    held = [(grant.role, grant.scope_kind, grant.scope_key) for grant in user.grants]
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


def roles_over(
    user: User, case: CaseLike, *, assignee_id: int | None = None, who: Who = Who.LEAD
) -> frozenset[Role]:
    """Return the roles `user` holds over this case.

    An inspector only while a task is theirs, or by `who` in front of a case another reported; a
    district only while the case is its own; people of a unit by `who`: of the lead unit, and the
    head of its parent, or of an assisting unit.
    """
    if not user.is_active:
        return frozenset()
    return frozenset(
        Role(grant.role) for grant in user.grants if _covers(grant, user, case, assignee_id, who)
    )


def _covers(grant: Grant, user: User, case: CaseLike, assignee_id: int | None, who: Who) -> bool:
    if grant.role == Role.INSPECTOR and who == Who.NEARBY:
        return case.reporter_id != user.pk
    if grant.role == Role.INSPECTOR:
        return assignee_id is not None and assignee_id == user.pk
    if grant.role in _UNIT_ROLES:
        return grant.scope_kind == ScopeKind.UNIT and grant.scope_key in _units(grant, case, who)
    if grant.role not in _POSTS:
        return False
    is_own = grant.scope_kind == ScopeKind.DISTRICT and grant.scope_key == case.district
    return grant.scope_kind == ScopeKind.CITY or is_own


def _units(grant: Grant, case: CaseLike, who: Who) -> list[str | None]:
    if who == Who.ASSISTING:
        return [*case.assist_units]
    if grant.role == Role.UNIT_HEAD and case.parent_unit:
        return [case.unit_id, case.parent_unit]
    return [case.unit_id]


def can(
    user: User, action: Action, case: CaseLike, *, at: datetime, assignee_id: int | None = None
) -> bool:
    """Whether `user` may take `action` on this case at `at`."""
    return action in actions_for(user, case, at=at, assignee_id=assignee_id)


def require(
    user: User, action: Action, case: CaseLike, *, at: datetime, assignee_id: int | None = None
) -> Role:
    """Return the role `user` acts in, or raise NotAllowed or MoveNotAllowed."""
    move = MOVES.get(action)
    roles = frozenset[Role]()
    if move is not None:
        roles = roles_over(user, case, assignee_id=assignee_id, who=move.who) & move.roles
    if move is None or not roles:
        raise NotAllowed(not_yours(action))
    if case.stage not in move.sources:
        raise MoveNotAllowed(not_from(action, case.stage))
    refusals = {role: refusal_of(action, case, role, at=at) for role in sorted(roles)}
    free = [role for role, refusal in refusals.items() if not refusal]
    if not free:
        raise MoveNotAllowed(next(iter(refusals.values())))
    return free[0]


def actions_for(
    user: User, case: CaseLike, *, at: datetime, assignee_id: int | None = None
) -> list[Action]:
    """Return the actions to offer `user` on this case, in table order.

    None is offered that answers a duplicate hint: it is taken there, not at the case.
    """
    lead, assisting = (
        roles_over(user, case, assignee_id=assignee_id, who=who)
        for who in (Who.LEAD, Who.ASSISTING)
    )
    return [
        action
        for action, move in MOVES.items()
        if case.stage in move.sources
        and move.who != Who.NEARBY
        and any(
            not refusal_of(action, case, role, at=at)
            for role in move.roles & (assisting if move.who == Who.ASSISTING else lead)
        )
    ]


def may_report(user: User) -> bool:
    """Whether `user` may bring cases in."""
    return user.is_active and user.holds(Role.INSPECTOR, Role.OPERATOR)


def may_send_photos(user: User) -> bool:
    """Whether `user` may send photos by themselves: some action of theirs takes photos."""
    return may_report(user) or (user.is_active and user.holds(*_PHOTOGRAPHERS))


_PHOTOGRAPHERS = frozenset(
    role for move in MOVES.values() if Input.PHOTOS in move.inputs for role in move.roles
)


# Who answers for what is written, or acts by it; a header holds no free text and no person.
_LOG_READERS = frozenset(
    {
        *(Role.DISPATCHER, Role.DUTY_CHIEF, Role.SUPERVISOR),
        *(Role.ASSESSOR, Role.LEADER, Role.ADMIN),
    }
)
# Who may have to reach the people of a case; operators are told them anyway.
_DISCLOSED_TO = (
    *(Role.OPERATOR, Role.SUPERVISOR, Role.DUTY_CHIEF, Role.ACCEPTOR),
    Role.DISPATCHER,
)


def may_read_log(user: User, case: CaseLike) -> bool:
    """Whether `user` sees the events of this case as they stand in the ledger: by post."""
    return not _LOG_READERS.isdisjoint(roles_over(user, case))


def discloses_as(user: User, case: CaseLike) -> Role | None:
    """Return the role in which `user` may have the people of this case shown in full, if any."""
    held = roles_over(user, case)
    return next((role for role in _DISCLOSED_TO if role in held), None)


def desks_of(user: User) -> list[tuple[str, str]]:
    """Return the (scope, desk) whose shifts `user` works, to hand over and take over."""
    if not user.is_active:
        return []
    found = [
        (grant.scope_key or CITY, "command" if grant.role in COMMAND_CENTRE else "supervision")
        for grant in user.grants
        if grant.role in _SHIFTS and grant.scope_kind in (ScopeKind.CITY, ScopeKind.DISTRICT)
    ]
    return sorted(dict.fromkeys(found))


def handover_scopes(user: User) -> frozenset[str]:
    """Return the scopes whose hand-overs `user` may read: each by its own posts alone."""
    if not user.is_active:
        return frozenset()
    return frozenset(
        grant.scope_key or CITY
        for grant in user.grants
        if grant.role in (*_SHIFTS, Role.LEADER, Role.ADMIN)
        and grant.scope_kind in (ScopeKind.CITY, ScopeKind.DISTRICT)
    )


# Posts that are staffed in shifts at a desk.
_SHIFTS = frozenset(
    {Role.ACCEPTOR, Role.DUTY_CHIEF, Role.OPERATOR, Role.SUPERVISOR, Role.DISPATCHER}
)


def may_edit_routing(user: User) -> bool:
    """Whether `user` may draft and publish routing rules: the city's administrators."""
    held = ((grant.role, grant.scope_kind) for grant in user.grants)
    return user.is_active and (Role.ADMIN, ScopeKind.CITY) in held


def may_read_routing(user: User) -> bool:
    """Whether `user` may read rules, drafts and dry runs: who dispatches, rules or answers."""
    readers = (Role.DISPATCHER, Role.SUPERVISOR, Role.LEADER, Role.ADMIN)
    return user.is_active and user.holds(*readers)


# --- work that follows --------------------------------------------------------------------------


def outbox_scopes(user: User) -> frozenset[str]:
    """Return the scopes whose effects `user` sees and rules on; empty for everybody else.

    Dispatchers and administrators of a district or the city. The empty scope, the machinery's own
    work, is the city's administrator's.
    """
    if not user.is_active:
        return frozenset()
    scopes = set[str]()
    for grant in user.grants:
        if grant.role not in (Role.DISPATCHER, Role.ADMIN):
            continue
        if grant.scope_kind == ScopeKind.DISTRICT:
            scopes.add(grant.scope_key)
        elif grant.scope_kind == ScopeKind.CITY:
            scopes.update(SCOPES, [""] if grant.role == Role.ADMIN else [])
    return frozenset(scopes)
