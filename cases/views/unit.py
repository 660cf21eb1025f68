"""The inbox of a responsible unit: what to sign for, to handle, to do again, and what went out."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from cases import policy
from cases.choices import UNIT_STAGES, Action, Role, Stage
from cases.models import Case, Event
from cases.services import bulk
from cases.views.words import REASON_WORDS, Light, light_of, places_of
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User
from cityops.accounts.roles import ScopeKind

RECENT = timedelta(days=7)
MAX_RECENT = 50
MAX_OPEN = 500

_SECTIONS = (
    (Stage.DISPATCHED, gettext_lazy("To sign for"), gettext_lazy("Nothing to sign for.")),
    (Stage.HANDLING, gettext_lazy("Being handled"), gettext_lazy("Nothing being handled.")),
    (Stage.REWORK, gettext_lazy("To do again"), gettext_lazy("Nothing came back from a check.")),
)


@dataclass(frozen=True)
class Row:
    """One case of the unit as its inbox shows it."""

    case: Case
    place: str
    light: Light | None
    may_sign: bool
    key: uuid.UUID


@dataclass(frozen=True)
class Section:
    """The cases of one stage, the nearest deadline first."""

    slug: str
    title: str
    empty: str
    rows: list[Row]


@dataclass(frozen=True)
class Gone:
    """A case the unit gave back; it links there only while the unit may still see it."""

    number: str
    at: datetime
    reason: str
    is_visible: bool


@login_required
@require_safe
def unit_inbox(request: UserRequest) -> HttpResponse:
    """Show the cases of the reader's units; nobody else has an inbox."""
    if not request.user.holds(Role.UNIT, Role.UNIT_HEAD):
        raise Http404
    now, units = timezone.now(), _units_of(request.user)
    held = Case.objects.visible_to(request.user).filter(unit__in=units)
    held = held.select_related("minor", "condition")
    waiting = held.filter(stage__in=sorted(UNIT_STAGES)).order_by("due_at", "number")[:MAX_OPEN]
    places = places_of(waiting, at=now)
    rows = [_row(request.user, case, places[case.number], at=now) for case in waiting]
    finished = held.exclude(stage__in=sorted(UNIT_STAGES)).filter(handled_at__gte=now - RECENT)
    context = {
        "sections": [
            Section(stage.value, str(title), str(empty), [r for r in rows if r.case.stage == stage])
            for stage, title, empty in _SECTIONS
        ],
        "finished": list(finished.order_by("-handled_at", "number")[:MAX_RECENT]),
        "returned": _returned(request.user, units, since=now - RECENT),
        "key": uuid.uuid4(),
        "most": bulk.MOST_ROWS,
    }
    return render(request, "cases/unit/inbox.html", context)


def _units_of(user: User) -> list[str]:
    return sorted(
        grant.scope_key
        for grant in user.grants
        if grant.role in (Role.UNIT, Role.UNIT_HEAD) and grant.scope_kind == ScopeKind.UNIT
    )


def _row(user: User, case: Case, place: str, *, at: datetime) -> Row:
    may_sign = policy.can(user, Action.SIGN, case, at=at)
    return Row(case, place, light_of(case, at=at), may_sign, uuid.uuid4())


def _returned(user: User, units: Iterable[str], *, since: datetime) -> list[Gone]:
    """Return what these units gave back: their own acts, of cases that are no longer theirs."""
    events = Event.objects.filter(action=Action.RETURN, unit__in=units, at__gte=since)
    found = list(events.select_related("case").order_by("-at", "pk")[:MAX_RECENT])
    mine = Case.objects.visible_to(user).filter(pk__in=[event.case_id for event in found])
    visible = set(mine.values_list("pk", flat=True))
    return [
        Gone(event.case.number, event.at, _reason(event), event.case_id in visible)
        for event in found
        if event.case is not None
    ]


def _reason(event: Event) -> str:
    code = event.data.get("facts", {}).get("reason", "")
    return str(REASON_WORDS.get(code, code))
