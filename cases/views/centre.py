"""Pages of the supervision centre: answers owed, weekly draws, and the refusal ledger."""

from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from cases.choices import Action, Role, Waiting
from cases.models import Case, District, Draw, Refusal, Reply, Unit
from cases.selectors.draws import results_of, revisits_due
from cases.services.replies import give_reply
from cases.views.words import REASON_WORDS, RULING_WORDS
from cityops.accounts.http import UserRequest

MOST_REPLIES = 200
DRAWS_SHOWN = 18  # six weeks of three draws
MOST_REFUSALS = 500
_AUDITORS = (Role.SUPERVISOR, Role.ASSESSOR, Role.LEADER, Role.ADMIN)
_JUDGES = (*_AUDITORS, Role.DISPATCHER)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def replies(request: UserRequest) -> HttpResponse:
    """Show an operator the answers owed to reporters, and whom to ask how satisfied they are."""
    if not request.user.holds(Role.OPERATOR):
        raise Http404
    if request.method == "POST":
        return _give(request)
    seen = Case.objects.all().visible_to(request.user)
    owed = Reply.objects.filter(given_at=None, case__in=seen).order_by("due_at", "pk")
    draws = Draw.objects.filter(kind=Draw.Kind.REVISIT).order_by("-end")[: DRAWS_SHOWN // 3]
    context = {
        "owed": [_owed(reply) for reply in owed.select_related("case__minor")[:MOST_REPLIES]],
        "revisits": revisits_due(request.user, draws),
    }
    return render(request, "cases/centre/replies.html", context)


def _owed(reply: Reply) -> dict[str, Any]:
    reason = REASON_WORDS.get(reply.reason, reply.reason)
    said = Action(reply.action).label
    return {"reply": reply, "case": reply.case, "said": said, "reason": reason}


def _give(request: UserRequest) -> HttpResponse:
    pk = request.POST.get("reply", "")
    reply = give_reply(int(pk), actor=request.user) if pk.isdecimal() and len(pk) < 19 else None
    if reply is None:
        raise Http404
    said = _("%(number)s: the answer was given.") % {"number": reply.case.number}
    messages.success(request, said)
    return redirect("replies")


@login_required
@require_safe
def draws(request: UserRequest) -> HttpResponse:
    """Show the weekly draws with what is needed to repeat them, and what the audits found."""
    if not request.user.holds(*_AUDITORS):
        raise Http404
    rows = list(Draw.objects.order_by("-end", "kind")[:DRAWS_SHOWN])
    results, names = results_of(rows), _district_names()
    seen = Case.objects.all().visible_to(request.user)
    numbers = {n for draw in rows for drawn in draw.numbers.values() for n in drawn}
    visible = set(seen.filter(number__in=numbers).values_list("number", flat=True))
    adjust = seen.filter(waiting_for__contains=[Waiting.ADJUST]).select_related("minor")
    context = {
        "adjustments": adjust.order_by("number") if request.user.holds(Role.ASSESSOR) else [],
        "rows": [
            {
                "draw": draw,
                "last_day": draw.end - timedelta(days=1),
                "heads": [(names.get(slug, slug), head) for slug, head in draw.heads.items()],
                "result": results[draw.pk],
                "bodies": [
                    (names.get(body, body), [(n, n in visible) for n in drawn])
                    for body, drawn in draw.numbers.items()
                ],
            }
            for draw in rows
        ],
    }
    return render(request, "cases/centre/draws.html", context)


def _district_names() -> dict[str, str]:
    return {district.pk: district.name for district in District.objects.all()}


@login_required
@require_safe
def refusals(request: UserRequest) -> HttpResponse:
    """Show the refusal ledger of a month: what each unit gave back, and how it was ruled on."""
    if not request.user.holds(*_JUDGES):
        raise Http404
    first, after = _month(request.GET.get("period", ""))
    start, end = (_midnight(day) for day in (first, after))
    seen = Case.objects.all().visible_to(request.user)
    rows = Refusal.objects.filter(case__in=seen, returned_at__gte=start, returned_at__lt=end)
    counted = rows.values("unit").annotate(
        returned=Count("pk"),
        justified=Count("pk", filter=Q(ruling=Refusal.Ruling.JUSTIFIED)),
        unjustified=Count("pk", filter=Q(ruling=Refusal.Ruling.UNJUSTIFIED)),
    )
    units = Unit.objects.in_bulk([row["unit"] for row in counted])
    listed = rows.select_related("case__minor", "unit").order_by("-returned_at", "-pk")
    context = {
        "first": first,
        "before": first - timedelta(days=1),
        "after": after if end <= timezone.now() else None,
        "units": [
            {**row, "name": units[row["unit"]].name}
            for row in counted.order_by("-unjustified", "-returned", "unit")
        ],
        "rows": [
            {
                "refusal": row,
                "reason": REASON_WORDS.get(row.reason, row.reason),
                "ruling": RULING_WORDS.get(row.ruling, ""),
            }
            for row in listed[:MOST_REFUSALS]
        ],
    }
    return render(request, "cases/centre/refusals.html", context)


def _month(period: str) -> tuple[date, date]:
    """Return the first day of a month like 2026-11 and of the one after; the present by default."""
    try:
        first = parse_date(f"{period}-01")
    except ValueError:
        first = None
    first = first or timezone.localdate().replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime(day.year, day.month, day.day))  # noqa: DTZ001  # made aware
