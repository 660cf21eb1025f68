"""The first page of a leader, made for a phone: three numbers, the sentence, and my orders."""

import uuid
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from cases import policy
from cases.choices import Action
from cases.models import Case, CityOptions, Supervision
from cases.selectors.case_search import read_filters, search
from cityops.accounts.models import User
from cityops.accounts.roles import Role, ScopeKind
from scoring.frame import frame, history_of, require_reader, standing_run
from scoring.models import Run
from scoring.periods import CITY_TIME, Period, month_of
from scoring.sentence import sentence_of
from scoring.sheet import ALL, address_of, sheet_of
from scoring.words import period_words

CASES_SHOWN = 5


class Figure(NamedTuple):
    """A number in words and digits, and where its cases are."""

    name: str
    shown: str
    address: str


@require_GET
@login_required
def leader(request: HttpRequest) -> HttpResponse:
    """Show how things stand now, and what I ordered."""
    user = require_reader(request)
    if not user.holds(Role.LEADER):
        raise PermissionDenied
    now = timezone.now()
    period = month_of(now)
    run = standing_run(period)
    past = history_of(run, period, 1)
    said = sheet_of(run, past.before, past.runs)
    earlier = period_words(past.periods[-1])
    mine = _mine(user)
    late = _late(user, now)
    reply_h = CityOptions.objects.get().supervise_reply_h
    return render(
        request,
        "scoring/leader.html",
        frame(period, run, user)
        | {
            "figures": [*_counted(user, now), _on_time(run, said, user, period)],
            "sentence": sentence_of(said["bodies"], said["was"], earlier),
            "mine": [(order, _is_late(order, now)) for order in mine],
            "late": [(case, _form(user, case, now, reply_h)) for case in late],
        },
    )


def _counted(user: User, now: datetime) -> list[Figure]:
    """Return today's filed and the overdue cases, each counted by the search its list makes."""
    today = f"{now.astimezone(CITY_TIME):%Y-%m-%d}"
    searches = {
        _("Filed today"): {"period": "filed", "from": today, "to": today},
        _("Overdue, open"): {"stage": "open", "light": "late"},
    }
    return [
        Figure(
            name,
            f"{search(user, read_filters(words), at=now).count():,}",
            f"{reverse('case_list')}?{urlencode(words)}",
        )
        for name, words in searches.items()
    ]


def _on_time(run: Run, said: dict[str, Any], user: User, period: Period) -> Figure:
    """Return the month's rate: of the leader's district, else of the four together."""
    slug = next((g.scope_key for g in user.grants if g.scope_kind == ScopeKind.DISTRICT), ALL)
    bodies = [body for body in said["bodies"] if slug in (ALL, body["body"])]
    part = sum(body["counts"].get("closed_on_time", 0) for body in bodies)
    whole = sum(body["counts"].get("should_close_judged", 0) for body in bodies)
    shown = f"{100 * part / whole:.1f}%" if whole else "–"
    address = address_of(run, slug, "closed_on_time")
    return Figure(_("Closed on time, %s") % period_words(period), shown, address)


def _mine(user: User) -> QuerySet[Supervision]:
    """Return my open orders on cases I see, the one due first on top."""
    visible = Case.objects.all().visible_to(user)
    orders = Supervision.objects.filter(ordered_by=user, answered_at=None, case__in=visible)
    return orders.select_related("case__minor", "case__unit").order_by("reply_by")


def _late(user: User, now: datetime) -> QuerySet[Case]:
    """Return the cases that are overdue longest and that nobody supervises as a leader."""
    cases = Case.objects.all().visible_to(user).overdue(at=now)
    unsaid = cases.exclude(supervised__contains=[Supervision.Kind.LEADER])
    return unsaid.select_related("minor", "unit").order_by("lamp_due_at", "pk")[:CASES_SHOWN]


def _is_late(order: Supervision, now: datetime) -> bool:
    return order.reply_by < now


def _form(user: User, case: Case, now: datetime, reply_h: int) -> dict[str, str] | None:
    """Return what the form of a leader's remark carries; None where the policy allows none."""
    if not policy.can(user, Action.SUPERVISE, case, at=now):
        return None
    reply_by = (now + timedelta(hours=reply_h)).astimezone(CITY_TIME)
    return {"key": str(uuid.uuid4()), "reply_by": f"{reply_by:%Y-%m-%dT%H:%M}"}
