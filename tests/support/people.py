"""Users with their grants."""

from cityops.accounts.models import Grant, User
from cityops.accounts.roles import Role, ScopeKind


def person(username: str, role: Role, scope: str = "", *, grids: tuple[str, ...] = ()) -> User:
    """Make a user with one role; `scope` is a district slug or, for a unit, its code."""
    kind = ScopeKind.CITY
    if grids:
        kind, scope = ScopeKind.GRIDS, "own"
    elif scope:
        kind = ScopeKind.UNIT if role in (Role.UNIT, Role.UNIT_HEAD) else ScopeKind.DISTRICT
    user = User.objects.create_user(username, name=username)
    Grant.objects.create(user=user, role=role, scope_kind=kind, scope_key=scope, grids=list(grids))
    return User.objects.with_grants().get(pk=user.pk)
