"""The first page of the phone: what is asked of me, and what became of my reports."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from cases import policy
from cases.choices import OPEN_STAGES, Action, Role, Stage, Waiting
from cases.models import Case, Event, Task
from cases.selectors.row_words import Light, light_of, places_of
from cases.selectors.unit_inbox import Inbox
from cases.views.phone_task import ASKED, REASONED
from cases.views.words import first_photos, light_of_task
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

MY_REPORTS = 30
_KINDS = {
    "verify": gettext_lazy("Verify"),
    "check": gettext_lazy("Check"),
    "audit": gettext_lazy("Audit"),
    "handle": gettext_lazy("Handle"),
}
_KIND_OF_TASK = {
    Task.Kind.VERIFY: "verify",
    Task.Kind.CHECK: "check",
    Task.Kind.AUDIT_CLOSURE: "audit",
    Task.Kind.AUDIT_DECLINE: "audit",
}
_USUAL_KINDS = {Role.INSPECTOR: ("verify", "check"), Role.UNIT: ("handle",)}  # shown when empty too
_UNIT_VERBS = {
    Stage.DISPATCHED: gettext_lazy("Sign for"),
    Stage.HANDLING: gettext_lazy("Handle"),
    Stage.REWORK: gettext_lazy("Do again"),
}


@dataclass(frozen=True)
class Card:
    """One thing to do at a place, and until when."""

    case: Case
    kind: str
    verb: str | Promise
    light: Light | None
    due_at: datetime | None


@login_required
@require_safe
def phone_home(request: UserRequest) -> HttpResponse:
    """Show what there is to do and what became of my reports, in a fixed number of statements."""
    now, user = timezone.now(), request.user
    cards = [*_asked_of(user, at=now), *_held_by_units_of(user, at=now)]
    reports = list(_my_reports(user))
    places = places_of([*(card.case for card in cards), *reports], at=now)
    kinds, kind = _kinds(user, cards), request.GET.get("kind", "")
    context = {
        "now": now,
        "may_report": policy.may_report(user),
        "kind": kind if kind in kinds else "",
        "kinds": [(key, _KINDS[key], number) for key, number in kinds.items()],
        "count": len(cards),
        "groups": _groups(cards, places, kind if kind in kinds else "", at=now),
        "reports": [
            {
                "case": case,
                "place": places[case.number],
                "light": case.light(at=now) if case.stage in OPEN_STAGES else "",
                "reason": getattr(case, "reason"),  # noqa: B009  # annotated below
            }
            for case in reports
        ],
    }
    return render(request, "cases/phone/home.html", context)


def _asked_of(user: User, *, at: datetime) -> list[Card]:
    """Return the tasks an inspector is asked to answer on site."""
    if not user.holds(Role.INSPECTOR):
        return []
    mine = Task.objects.of(user).open().filter(case__in=Case.objects.visible_to(user))
    return [
        Card(
            task.case,
            _KIND_OF_TASK[Task.Kind(task.kind)],
            ASKED[Task.Kind(task.kind)].verb,
            light_of_task(task, at=at),
            task.due_at,
        )
        for task in mine.select_related("case__minor", "case__condition")
    ]


def _held_by_units_of(user: User, *, at: datetime) -> list[Card]:
    """Return the cases the units of `user` have to handle."""
    if not user.holds(Role.UNIT, Role.UNIT_HEAD):
        return []
    cards = []
    for case in Inbox(user, at).to_handle():
        light = light_of(case, at=at)
        due_at = light.due_at if light else None
        cards.append(Card(case, "handle", _verb(user, case), light, due_at))
    return cards


def _verb(user: User, case: Case) -> str | Promise:
    """Return what somebody of its unit has to do to a case."""
    if user.holds(Role.UNIT_HEAD) and Waiting.EXTENSION_HEAD in case.waiting_for:
        return Action.DECIDE_EXTENSION.label
    return _UNIT_VERBS[Stage(case.stage)]


def _kinds(user: User, cards: list[Card]) -> dict[str, int]:
    """Return how many cards of each kind there are; where there is but one kind, none to choose."""
    counted = Counter(card.kind for card in cards)
    usual = {kind for role, kinds in _USUAL_KINDS.items() if user.holds(role) for kind in kinds}
    found = {kind: counted[kind] for kind in _KINDS if counted[kind] or kind in usual}
    return found if len(found) > 1 else {}


def _groups(
    cards: list[Card], places: dict[str, str], kind: str, *, at: datetime
) -> list[dict[str, Any]]:
    """Return the cards overdue, due today, and due later, each with its title; none is empty.

    Those of another kind than the one looked at are in their groups, but not shown.
    """
    photos, today = first_photos(card.case for card in cards), localtime(at).date()
    rows: dict[str, list[dict[str, Any]]] = {"late": [], "today": [], "later": []}
    for card in sorted(cards, key=lambda one: (one.due_at is None, one.due_at, one.case.number)):
        row = {
            "card": card,
            "place": places[card.case.number],
            "photo": photos.get(card.case.pk),
            "is_shown": kind in ("", card.kind),
        }
        rows[_group(card.due_at, today, at=at)].append(row)
    titles = {"late": _("Overdue"), "today": _("Today"), "later": _("Later")}
    return [
        {
            "key": key,
            "title": title,
            "rows": rows[key],
            "shown": sum(row["is_shown"] for row in rows[key]),
        }
        for key, title in titles.items()
        if rows[key]
    ]


def _group(due_at: datetime | None, today: Any, *, at: datetime) -> str:
    if due_at is None:
        return "later"
    if due_at < at:
        return "late"
    return "today" if localtime(due_at).date() == today else "later"


def _my_reports(user: User) -> QuerySet[Case]:
    """Return the newest reports of `user`, each with the reason it was declined for, if it was."""
    declined = Event.objects.filter(case=OuterRef("pk"), action__in=REASONED)
    return (
        Case.objects.visible_to(user)
        .filter(reporter=user.pk)
        .select_related("minor", "condition", "unit")
        .annotate(reason=Subquery(declined.order_by("-case_seq").values("data__facts__reason")[:1]))
        .order_by("-reported_at")[:MY_REPORTS]
    )
