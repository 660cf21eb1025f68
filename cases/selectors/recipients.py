"""The people an event concerns: who is told of it in the product."""

from collections.abc import Iterable

from django.db.models import Q

from cases.choices import Role, Source
from cases.models import Event, Supervision, Task
from cases.notices import Audience
from cityops.accounts.models import Grant, User
from cityops.accounts.roles import ScopeKind

_POSTS = {
    Audience.ACCEPTOR: Role.ACCEPTOR,
    Audience.DUTY_CHIEF: Role.DUTY_CHIEF,
    Audience.DISPATCHER: Role.DISPATCHER,
    Audience.OPERATOR: Role.OPERATOR,
    Audience.SUPERVISOR: Role.SUPERVISOR,
    Audience.ASSESSOR: Role.ASSESSOR,
}


def recipients_of(event: Event, audiences: Iterable[Audience]) -> list[int]:
    """Return the keys of the users to tell, never the actor's own; in their order.

    Posts are those over the district of the event. People of a unit are told only while it still
    has the case: what is another's by now tells another.
    """
    named = frozenset(audiences)
    found = set(Grant.objects.filter(_grants(event, named)).values_list("user_id", flat=True))
    found |= _persons(event, named)
    active = User.objects.filter(pk__in=found - {event.actor_id}, is_active=True)
    return list(active.order_by("pk").values_list("pk", flat=True))


def _grants(event: Event, named: frozenset[Audience]) -> Q:
    """Return which grants make somebody one of the audiences."""
    case = event.case
    assert case is not None
    wanted = Q(pk__in=[])
    posts = [role for audience, role in _POSTS.items() if audience in named]
    if posts:
        near = Q(scope_kind=ScopeKind.DISTRICT, scope_key=event.district)
        wanted |= Q(role__in=posts) & (near | Q(scope_kind=ScopeKind.CITY))
    if event.unit and event.unit == case.unit_id:
        if Audience.UNIT in named:
            wanted |= _of_unit(event.unit, Role.UNIT, Role.UNIT_HEAD)
        if Audience.UNIT_HEAD in named:
            wanted |= _of_unit(event.unit, Role.UNIT_HEAD)
            wanted |= _of_unit(case.parent_unit, Role.UNIT_HEAD)
    assisting = event.data["facts"].get("assist_unit")
    if Audience.ASSISTING in named and assisting in case.assist_units:
        wanted |= _of_unit(assisting, Role.UNIT, Role.UNIT_HEAD)
    return wanted


def _of_unit(code: str, *roles: Role) -> Q:
    return Q(role__in=roles, scope_kind=ScopeKind.UNIT, scope_key=code)


def _persons(event: Event, named: frozenset[Audience]) -> set[int]:
    """Return those an event concerns by their own name."""
    case, found = event.case, set[int | None]()
    assert case is not None
    if Audience.HANDLER in named:
        found.add(case.handler_id)
    if Audience.REPORTER in named and case.source == Source.INSPECTOR:
        found.add(case.reporter_id)
    if Audience.ASKED in named:
        tasks = Task.objects.open().filter(case=case)
        found |= set(tasks.values_list("assignee_id", flat=True))
    if Audience.ORDERED in named:
        orders = Supervision.objects.filter(case=case, answered_at=event.at)
        found |= set(orders.values_list("ordered_by_id", flat=True))
    return found - {None}  # type: ignore[return-value]  # None is what was taken out
