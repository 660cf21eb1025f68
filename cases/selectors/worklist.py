"""The views of the desk: which cases each holds, how many, and the first of them.

All views but one are of open cases; what waits for a decision may be an appeal of a closed one.
"""

from datetime import datetime

from django.db.models import Count, Q, QuerySet

from cases.choices import Role, Stage, Waiting
from cases.models import Case
from cityops.accounts.models import User
from cityops.accounts.roles import ScopeKind

MOST_SHOWN = 200
DECIDE = "decide"
# What waits for whom: requests, unanswered supervision orders, and disputes beside them.
_DECIDES = {
    Role.DISPATCHER: (Waiting.EXTENSION, Waiting.SUSPENSION, Waiting.APPEAL),
    Role.ACCEPTOR: (Waiting.APPEAL_ACCEPTOR,),
    Role.SUPERVISOR: (Waiting.REPLY,),
    Role.LEADER: (Waiting.REPLY,),
}
_ARBITERS = (Role.DISPATCHER, Role.SUPERVISOR)


def views(at: datetime) -> dict[str, Q]:
    """Return the filter of every view over open cases, in the order of their keys."""
    return {
        "urgent": Q(lamp_soon_at__lte=at) | Q(lamp_due_at__lt=at),
        "accept": Q(stage__in=[Stage.REPORTED, Stage.VERIFYING]),
        "file": Q(stage=Stage.ACCEPTED),
        "dispatch": Q(stage__in=[Stage.RETURNED, Stage.DISPUTED])
        | Q(stage=Stage.FILED, is_unrouted=True),
        "check": Q(stage__in=[Stage.HANDLED, Stage.CHECKING]),
        "close": Q(stage=Stage.CHECKED),
        "all": Q(),
    }


def awaited(user: User) -> list[Waiting]:
    """Return the kinds of waiting that `user` can end, or has ordered, by the roles held."""
    return [kind for role, kinds in _DECIDES.items() if user.holds(role) for kind in kinds]


def _to_decide(user: User) -> Q:
    """Return the filter of what waits for `user`: of each post, within its own district or all."""
    wanted = Q(pk__in=[])
    for grant in user.grants:
        kinds = _DECIDES.get(Role(grant.role))
        if kinds is None:
            continue
        waits = ~Q(waiting_for=[]) & Q(waiting_for__overlap=list(kinds))
        if grant.role in _ARBITERS:
            waits |= Q(stage=Stage.DISPUTED)
        if grant.scope_kind == ScopeKind.DISTRICT:
            waits &= Q(district=grant.scope_key)
        wanted |= waits
    return wanted


def _held(user: User, view: str, *, at: datetime) -> QuerySet[Case]:
    visible = Case.objects.all().visible_to(user)
    if view == DECIDE:
        return visible.filter(_to_decide(user))
    return visible.open().filter(views(at)[view])


def counts(user: User, *, at: datetime) -> dict[str, int]:
    """Return how many cases of `user` each view holds, in two statements."""
    counted = {name: Count("pk", filter=where or None) for name, where in views(at).items()}
    of_open = Case.objects.all().visible_to(user).open().aggregate(**counted)
    return of_open | {DECIDE: _held(user, DECIDE, at=at).count()}


def queue(user: User, view: str, *, at: datetime) -> QuerySet[Case]:
    """Return the cases of a view `user` may see, the first due first, at most `MOST_SHOWN`."""
    found = _held(user, view, at=at)
    return found.select_related("minor", "unit").order_by("lamp_due_at", "number")[:MOST_SHOWN]
