"""What the reconciler and the machinery have to say, and the page on which the desk reads it."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from cases import policy
from cases.choices import CITY, SCOPES, Role, Stage
from cases.models import Alarm, Case, Channel, DeskAlarm, District, Reconciliation, Unit
from cases.ringing import Tier
from cases.selectors.channels import resting, waiting_for
from cases.selectors.desk_alarms import desk_alarms
from cases.selectors.machinery import reconciler_lag_s
from cases.views.desk_alarms import escalated_words, known_words, words_of
from cases.views.outbox import kind_words
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

ROLES = (Role.DISPATCHER, Role.DUTY_CHIEF, Role.SUPERVISOR, Role.LEADER, Role.ADMIN)
RECONCILER_S = 180  # it looks each minute; later than this it has stopped
SHOWN = 10  # cases named in a row
CLEARED_SHOWN = 20
CLEARED_FOR = timedelta(days=7)

What = Alarm.What
FIXES: dict[str, str | Promise] = {
    What.CHAIN: gettext_lazy(
        "Change nothing by hand and keep a backup as evidence. deploy/manage verify_ledger names "
        "the place; compare it with the last backup that verifies."
    ),
    What.STATE: gettext_lazy(
        "Do not correct the cases by hand. deploy/manage verify_ledger names the columns; "
        "the timeline of the case is what counts."
    ),
    What.COUNT: gettext_lazy(
        "Run deploy/manage reconcile --full: it names the cases that stand elsewhere than in "
        "their log."
    ),
    What.COUNT_ENDED: gettext_lazy(
        "Run deploy/manage verify_ledger: it names the cases that stand elsewhere than in their "
        "log."
    ),
    What.UNDISPATCHED: gettext_lazy(
        "Dispatch these cases by hand from the desk, then tell IT: their automatic dispatch is "
        "gone."
    ),
    What.CLOCK: gettext_lazy(
        "Nobody is reminded of these deadlines: watch the cases by hand, and tell IT."
    ),
    What.DEAD: gettext_lazy(
        "Read the last error of the work; do it again, or discard it with a reason."
    ),
    What.REVIEW: gettext_lazy(
        "Ask the receiver whether it arrived; then do the work again, or discard it with a reason."
    ),
    What.PARKED: gettext_lazy(
        "Nothing is lost. Workers run code older than the one that asked for this work: IT runs "
        "deploy/up on every machine."
    ),
    What.WAITING: gettext_lazy(
        "Nothing is lost. The workers of this queue have stopped or cannot keep up: IT looks at "
        "the health page and starts more."
    ),
    What.UNROUTED: gettext_lazy(
        "Dispatch these cases by hand, and add a rule so that the next ones find their unit."
    ),
    What.SURGE: gettext_lazy(
        "Look at the new cases of the unit: a real wave needs help from others, a wrong rule "
        "needs correcting."
    ),
    What.ROLLUP: gettext_lazy(
        "Tell IT: count everything anew with deploy/manage rollup --rebuild. No case and no score "
        "is touched."
    ),
}


@login_required
@require_safe
def desk_health(request: UserRequest) -> HttpResponse:
    """Show what does not add up in the reader's districts, or that all is well."""
    if not request.user.holds(*ROLES):
        raise Http404
    scopes = _scopes_of(request.user)
    at = timezone.now()
    alarms = Alarm.objects.filter(scope__in=scopes)
    cleared = alarms.filter(cleared_at__gt=at - CLEARED_FOR).order_by("-cleared_at")
    runs = _last_runs()
    lag = reconciler_lag_s()
    desk = desk_alarms(request.user, at=at)
    context = {
        "at": at,
        "ringing": desk.ringing,
        "rings": [_ring(alarm) for alarm in desk.rows if alarm.tier == Tier.RINGS],
        "rows": _rows(alarms.open().order_by("since", "pk"), request.user),
        "channels": _channels(scopes, request.user, at=at),
        "cleared": _rows(cleared[:CLEARED_SHOWN], request.user),
        "runs": runs,
        "is_late": lag is None or lag > RECONCILER_S,
        "accounts": _accounts(runs.get("minute"), alarms, scopes),
        "groups": [group.name for group in GROUPS],
    }
    return render(request, "cases/desk/health.html", context)


def _scopes_of(user: User) -> list[str]:
    """Return the logs whose numbers `user` may read: of their districts, or all five."""
    reach = policy.reach_of(user)
    return [scope for scope in SCOPES if reach.is_whole or scope in reach.districts]


def _last_runs() -> dict[str, Reconciliation]:
    """Return the last run of each kind that is over."""
    runs = Reconciliation.objects.filter(finished_at__isnull=False)
    return {run.kind: run for run in runs.order_by("kind", "-finished_at").distinct("kind")}


def _ring(alarm: DeskAlarm) -> dict[str, Any]:
    return {
        "alarm": alarm,
        "says": words_of(alarm),
        "known": known_words(alarm),
        "escalated": escalated_words(alarm),
    }


# --- alarms -------------------------------------------------------------------------------------


def _rows(alarms: QuerySet[Alarm], user: User) -> list[dict[str, Any]]:
    """Return alarms in words, each with the cases `user` may see and where to go."""
    found = list(alarms)
    numbers = {number for alarm in found for number in alarm.numbers[:SHOWN]}
    seen = Case.objects.all().visible_to(user).filter(number__in=numbers)
    visible = set(seen.values_list("number", flat=True))
    units = Unit.objects.in_bulk({alarm.key for alarm in found if alarm.key})
    names = scope_names()
    return [
        {
            "alarm": alarm,
            "what": alarm.get_what_display(),
            "where": names[alarm.scope],
            "about": units[alarm.key].name if alarm.key in units else kind_words(alarm.key),
            "fix": FIXES[alarm.what],
            "numbers": [number for number in alarm.numbers[:SHOWN] if number in visible],
            "more": max(0, alarm.how_many - SHOWN) if alarm.numbers else 0,
            "link": _link(alarm, user),
        }
        for alarm in found
    ]


def scope_names() -> dict[str, str]:
    """Return what each log is called in the reader's language."""
    return {CITY: _("the whole city")} | {row.pk: row.name for row in District.objects.all()}


# Alarms of follow-up work, and how its page calls what they count.
_OF_WORK: dict[str, str] = {
    What.DEAD: "dead",
    What.REVIEW: "needs_review",
    What.PARKED: "parked",
    What.WAITING: "due",
}


def _link(alarm: Alarm, user: User) -> str:
    """Return the page on which the alarm is dealt with; empty where its cases are all there is."""
    place = {"district": alarm.scope} if alarm.scope != CITY else {}
    if alarm.what in (What.UNDISPATCHED, What.UNROUTED):
        return f"{reverse('case_list')}?{urlencode({'stage': Stage.FILED, **place})}"
    if alarm.what == What.SURGE:
        asked = {"stage": "open", "unit": alarm.key, "sort": "newest"}
        return f"{reverse('case_list')}?{urlencode(asked)}"
    if alarm.what in _OF_WORK:
        if alarm.scope not in policy.outbox_scopes(user):
            return ""
        scope = {"scope": alarm.scope} if alarm.scope != CITY else {}  # the machinery's too
        asked = {"standing": _OF_WORK[alarm.what], **scope, "kind": alarm.key}
        return f"{reverse('effects')}?{urlencode(asked)}"
    return ""


# --- channels out of the city -------------------------------------------------------------------


def _channels(scopes: Collection[str], user: User, *, at: datetime) -> list[dict[str, Any]]:
    """Return the channels that rest, each with how many events wait for it and until when.

    The hotline hears of no events: the answers it is owed stand on their own page.
    """
    found = resting(scopes)
    waiting, names = waiting_for(found), scope_names()
    may_edit = user.has_perm("cases.change_channel")
    return [
        {
            "channel": channel,
            "where": names[channel.scope],
            "waiting": None if channel.kind == Channel.Kind.HOTLINE else waiting[channel.pk],
            "rests": channel.rests_until is not None and channel.rests_until > at,
            "link": reverse("admin:cases_channel_change", args=[channel.pk]) if may_edit else "",
        }
        for channel in found
    ]


# --- where every case is ------------------------------------------------------------------------


class Group(NamedTuple):
    """Stages that belong together in the account of all cases."""

    name: str | Promise
    stages: tuple[Stage, ...]


GROUPS = (
    Group(gettext_lazy("To accept"), (Stage.REPORTED, Stage.VERIFYING)),
    Group(gettext_lazy("To file"), (Stage.ACCEPTED,)),
    Group(gettext_lazy("To dispatch"), (Stage.FILED, Stage.RETURNED, Stage.DISPUTED)),
    Group(
        gettext_lazy("With a unit"),
        (Stage.DISPATCHED, Stage.HANDLING, Stage.REWORK, Stage.SUSPENDED),
    ),
    Group(gettext_lazy("To check and close"), (Stage.HANDLED, Stage.CHECKING, Stage.CHECKED)),
    Group(gettext_lazy("Closed"), (Stage.CLOSED,)),
    Group(gettext_lazy("Declined, voided, merged"), (Stage.DECLINED, Stage.VOIDED, Stage.MERGED)),
)


def _accounts(
    run: Reconciliation | None, alarms: QuerySet[Alarm], scopes: Iterable[str]
) -> list[dict[str, Any]]:
    """Return for each log how many cases came in and where they are, as the last run counted."""
    if run is None:
        return []
    wrong = alarms.filter(cleared_at=None, what__in=[What.COUNT, What.COUNT_ENDED])
    is_wrong = set(wrong.values_list("scope", flat=True))
    names = scope_names()
    rows = []
    for scope in scopes:
        told = run.counts.get(scope, {})
        counts = [sum(told.get(stage, 0) for stage in group.stages) for group in GROUPS]
        row = {"name": names[scope], "counts": counts, "total": sum(counts)}
        rows.append({**row, "is_wrong": scope in is_wrong})
    return rows
