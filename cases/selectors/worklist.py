"""The views of the desk: which cases each holds, how many, and the first of them.

All views but one are of open cases; what waits for a decision may be an appeal of a closed one.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl

from django.db.models import Count, Q, QuerySet

from cases.choices import UNIT_STAGES, LimitUnit, Role, Stage, Waiting
from cases.errors import CalendarMissing, InvalidInput
from cases.models import Case, SavedSearch
from cases.selectors.case_search import condition_of, read_filters
from cases.selectors.deadline import seconds_left
from cityops.accounts.models import User
from cityops.accounts.roles import ScopeKind

MOST_SHOWN = 200
MOST_SAVED = 50  # what a person keeps; see views/searches.py
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
        "handling": Q(stage__in=sorted(UNIT_STAGES)),
        "soon": Q(lamp_soon_at__lte=at, lamp_due_at__gte=at),
        "late": Q(lamp_due_at__lt=at),
        "placeless": Q(point=None),
    }


@dataclass(frozen=True)
class SavedView:
    """A search somebody keeps, as a view of the desk: of the cases it finds those that are open."""

    key: str
    name: str
    where: Q


def saved_views(user: User, *, at: datetime) -> dict[str, SavedView]:
    """Return the searches `user` keeps, as views by key.

    One whose filters are known no more is left out.
    """
    found = {}
    for row in SavedSearch.objects.of(user).order_by("name", "pk")[:MOST_SAVED]:
        try:
            filters = read_filters(dict(parse_qsl(row.query)))
        except InvalidInput:
            continue
        key = f"saved{row.pk}"
        found[key] = SavedView(key, row.name, condition_of(filters, at=at))
    return found


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


def counts(user: User, *, at: datetime, saved: Mapping[str, SavedView] = {}) -> dict[str, int]:
    """Return how many cases of `user` each view holds, in two statements."""
    wheres = views(at) | {key: view.where for key, view in saved.items()}
    counted = {name: Count("pk", filter=where or None) for name, where in wheres.items()}
    visible = Case.objects.all().visible_to(user)
    return visible.open().aggregate(**counted) | {DECIDE: visible.filter(_to_decide(user)).count()}


def held(
    user: User, view: str, *, at: datetime, saved: Mapping[str, SavedView] = {}
) -> QuerySet[Case]:
    """Return the cases of a view `user` may see, in no order."""
    visible = Case.objects.all().visible_to(user)
    if view == DECIDE:
        return visible.filter(_to_decide(user))
    return visible.open().filter(saved[view].where if view in saved else views(at)[view])


def found(user: User, words: str, *, at: datetime) -> QuerySet[Case]:
    """Return the open cases `user` may see that hold the words. Raises InvalidInput."""
    where = condition_of(read_filters({"q": words}), at=at)
    return Case.objects.all().visible_to(user).open().filter(where)


# Of two cases on the same kind of clock the one due first has less time left; so the first of each
# kind, put in order together, are the first of all.
_RUNS = ~Q(stage__in=[Stage.SUSPENDED, Stage.HANDLED, Stage.CHECKED]) & Q(lamp_due_at__isnull=False)
_IN_WORKING_TIME = (
    Q(stage__in=sorted(UNIT_STAGES))
    & Q(limit_unit__in=[LimitUnit.WORK_HOUR, LimitUnit.WORK_DAY])
    & Q(calendar_version__isnull=False)
)


# What tells the order of cases, and no more, for there are more to put in order than to show.
_TELLS_ORDER = ("number", "stage", "lamp_due_at", "limit_unit", "calendar_version")


def queue(
    cases: QuerySet[Case], *, at: datetime, changed: Collection[str] | None = None
) -> list[Case]:
    """Return the cases with the least time left, as their clocks count it, at most `MOST_SHOWN`.

    Those on no running clock come last. Where `changed` numbers are named, the others are known
    to the reader: of them nothing but their order is read.
    """
    ordered = cases.order_by("lamp_due_at", "number").only(*_TELLS_ORDER)
    running = ordered.filter(_RUNS)
    first = [
        *running.filter(_IN_WORKING_TIME)[:MOST_SHOWN],
        *running.exclude(_IN_WORKING_TIME)[:MOST_SHOWN],
    ]
    first.sort(key=lambda case: _place(case, at))
    shown = [*first, *ordered.exclude(_RUNS)[:MOST_SHOWN]][:MOST_SHOWN]
    wanted = [case.pk for case in shown if changed is None or case.number in changed]
    whole = Case.objects.select_related("minor", "unit").in_bulk(wanted)
    return [whole.get(case.pk, case) for case in shown]


def _place(case: Case, at: datetime) -> tuple[int, datetime, str]:
    due_at = case.lamp_due_at
    assert due_at is not None
    try:
        left_s = seconds_left(case, due_at, at=at)
    except CalendarMissing:
        left_s = int((due_at - at).total_seconds())
    return left_s, due_at, case.number
