"""What the desk rings for: the feed of a reader, 知道了, and how they want to hear it."""

from datetime import time
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from cases import ringing
from cases.forms.desk_alarm import DeskAlarmChoiceForm
from cases.models import DeskAlarm
from cases.selectors.desk_alarms import desk_alarms
from cases.selectors.feed import read_heads
from cases.selectors.telephones import said_to
from cases.services.desk_alarms import acknowledge, choose
from cases.views.desk import DESK_ROLES
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User


@login_required
@require_safe
def alarms(request: UserRequest) -> HttpResponse:
    """Return the alarms that are open for the reader, with the heads they are true for."""
    _require_desk(request)
    heads = read_heads()
    at = timezone.now()
    found = desk_alarms(request.user, at=at)
    return _as_json(
        {
            "heads": heads,
            "at": at,
            "alarms": [_row(alarm, request.user) for alarm in found.rows],
            "ringing": found.ringing,
            "kinds": sorted(ringing.RINGING_ACTIONS),
            "volume": found.choice.volume,
            "quiet_from": _as_input(found.choice.quiet_from),
            "quiet_until": _as_input(found.choice.quiet_until),
            "quiet": found.is_quiet,
            "link": {"tier": int(found.link.tier), "after_s": found.link.wait_s},
        }
    )


@login_required
@require_POST
def alarm_acknowledge(request: UserRequest, pk: int) -> HttpResponse:
    """Say 知道了 for all who hear the alarm; a form leads back to the page of alarms."""
    _require_desk(request)
    try:
        alarm = acknowledge(pk=pk, user=request.user)
    except DeskAlarm.DoesNotExist:
        raise Http404 from None
    if "application/json" in request.headers.get("Accept", ""):
        return _as_json({"acknowledged": _known(alarm), "ended": alarm.ended_at is not None})
    return redirect("desk_health")


@login_required
@require_POST
def alarm_choices(request: UserRequest) -> HttpResponse:
    """Keep the reader's volume and quiet hours."""
    _require_desk(request)
    form = DeskAlarmChoiceForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"errors": form.errors}, status=422)
    choose(user=request.user, chosen=form.instance)
    return HttpResponse(status=204)


def _require_desk(request: UserRequest) -> None:
    if not request.user.holds(*DESK_ROLES):
        raise Http404


def _as_json(told: dict[str, Any]) -> JsonResponse:
    answer = JsonResponse(told)
    answer["Cache-Control"] = "private, no-store"
    return answer


def _as_input(moment: time | None) -> str:
    return f"{moment:%H:%M}" if moment else ""


def _row(alarm: DeskAlarm, reader: User) -> dict[str, Any]:
    case = alarm.case
    return {
        "id": alarm.pk,
        "tier": int(alarm.tier),
        "ring": alarm.ring,
        "says": words_of(alarm),
        "number": case.number,
        "minor": case.minor.name,
        "address": said_to(reader, case)(case.address),
        "due_at": alarm.due_at,
        "raised_at": alarm.raised_at,
        "acknowledged": _known(alarm),
        "escalated": escalated_words(alarm),
    }


def words_of(alarm: DeskAlarm) -> str:
    """Return what an alarm is about, in the reader's language."""
    return str(ringing.says(alarm.ring, alarm.clock))


def _known(alarm: DeskAlarm) -> dict[str, Any] | None:
    if alarm.acknowledged_by is None:
        return None
    return {"says": known_words(alarm), "at": alarm.acknowledged_at}


def known_words(alarm: DeskAlarm) -> str:
    """Return who knows of an alarm; empty while nobody does."""
    if alarm.acknowledged_by is None:
        return ""
    return _("%(name)s: got it") % {"name": alarm.acknowledged_by.name}


def escalated_words(alarm: DeskAlarm) -> str:
    """Return what became of telling the shift lead; empty before it was time."""
    if alarm.escalated_at is None:
        return ""
    at = f"{timezone.localtime(alarm.escalated_at):%H:%M}"
    if not alarm.told:
        return _("%(at)s: no channel leads to the duty chief") % {"at": at}
    return _("told to the duty chief at %(at)s") % {"at": at}
