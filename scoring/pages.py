"""The ranking and the cases behind each of its numbers."""

import json

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from cases.errors import Busy
from cases.models import Case, District
from cityops.accounts.models import User
from scoring.models import Run
from scoring.periods import BadPeriod, Period, month_of, parse_period
from scoring.services import NotBegun, compute_run
from scoring.views import may_read


def _require_reader(request: HttpRequest) -> User:
    if not isinstance(request.user, User) or not may_read(request.user):
        raise PermissionDenied
    return request.user


def _run_of(request: HttpRequest, period: str) -> Run:
    """Return the run the link names, so that list and number agree, else the newest."""
    try:
        wanted = parse_period(period)
        if named := request.GET.get("run", ""):
            if not named.isascii() or not named.isdigit() or len(named) > 15:
                raise Http404
            return get_object_or_404(Run, pk=int(named), period=wanted.name)
        return _newest(wanted)
    except (BadPeriod, NotBegun) as error:
        raise Http404(str(error)) from error


def _newest(period: Period) -> Run:
    """Return the run of the log as it stands, or the last one stored while it is being written."""
    try:
        return compute_run(period)
    except Busy:
        stored = Run.objects.filter(period=period.name).order_by("-as_of").first()
        if stored is None:
            raise
        return stored


@require_GET
@login_required
def latest(request: HttpRequest) -> HttpResponse:
    _require_reader(request)
    return redirect("score_ranking", period=month_of(timezone.now()).name)


@require_GET
@login_required
def ranking(request: HttpRequest, period: str) -> HttpResponse:
    _require_reader(request)
    run = _run_of(request, period)
    result = json.loads(run.result)
    names = {district.pk: district.name for district in District.objects.all()}
    for body in result["bodies"]:
        body["name"] = names.get(body["body"], body["body"])
        body["items_list"] = body["items"]  # `items` is a method to a template
        for count in ("filed", "overdue_unhandled"):
            body["counts"].setdefault(count, 0)
    return render(request, "scoring/ranking.html", {"run": run, "bodies": result["bodies"]})


@require_GET
@login_required
def members(request: HttpRequest, period: str, body: str, count: str) -> HttpResponse:
    user = _require_reader(request)
    run = _run_of(request, period)
    rows = list(run.runcase_set.filter(body=body, count=count).order_by("number"))
    numbers = [row.number for row in rows]
    stages = dict(Case.objects.filter(number__in=numbers).values_list("number", "stage"))
    seen = Case.objects.visible_to(user).filter(number__in=numbers)
    visible = set(seen.values_list("number", flat=True))
    cases = [{"number": n, "stage": stages.get(n, ""), "is_visible": n in visible} for n in numbers]
    total = sum(row.times for row in rows)
    said = {"run": run, "body": body, "count": count, "cases": cases, "total": total}
    return render(request, "scoring/members.html", said)
