"""The ranking and the cases behind each of its numbers."""

from collections import Counter
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from cases.choices import CITY, DISTRICT_SLUGS, Source
from cases.errors import Busy
from cases.models import Case
from cityops.accounts.models import User
from scoring.exported import heads_of
from scoring.lifecycle import stand_of
from scoring.models import Run
from scoring.periods import BadPeriod, Period, month_of, parse_period, periods_between
from scoring.selectors import log_span
from scoring.services import NotBegun, compute_run
from scoring.sheet import body_names, sheet_of
from scoring.views import may_read
from scoring.words import COUNT_NAMES, LIST_NAMES, REPORT_COUNTS, names_in, period_words

ROWS_A_PAGE = 500


def _require_reader(request: HttpRequest) -> User:
    if not isinstance(request.user, User) or not may_read(request.user):
        raise PermissionDenied
    return request.user


def _period(name: str) -> Period:
    try:
        return parse_period(name)
    except BadPeriod as error:
        raise Http404(str(error)) from error


def _run_of(request: HttpRequest, period: Period) -> Run:
    """Return the run the link names, so that list and number agree, else the sealed or newest."""
    if named := request.GET.get("run", ""):
        if not named.isascii() or not named.isdigit() or len(named) > 15:
            raise Http404
        runs = Run.objects.filter(period=period.name, scheme__level="district")
        return get_object_or_404(runs, pk=int(named))
    if sealed := stand_of(period).run:
        return sealed
    try:
        return compute_run(period)
    except Busy:
        stored = (
            Run.objects.filter(period=period.name, scheme__level="district")
            .order_by("-as_of")
            .first()
        )
        if stored is None:
            raise
        return stored


@require_GET
@login_required
def latest(request: HttpRequest) -> HttpResponse:
    """Lead to the period chosen in the form, else to this month."""
    _require_reader(request)
    chosen = request.GET.get("period", "")
    period = _period(chosen) if chosen else month_of(timezone.now())
    return redirect("score_ranking", period=period.name)


@require_GET
@login_required
def ranking(request: HttpRequest, period: str) -> HttpResponse:
    user = _require_reader(request)
    wanted = _period(period)
    try:
        run = _run_of(request, wanted)
    except NotBegun:
        return render(request, "scoring/ranking.html", _frame(wanted, None))
    said = sheet_of(run) | {"heads": heads_of(run), "standing": stand_of(wanted, reader=user)}
    return render(request, "scoring/ranking.html", _frame(wanted, run) | said)


@require_GET
@login_required
def members(request: HttpRequest, period: str, body: str, count: str) -> HttpResponse:
    """List the cases behind one number: as many rows as the number says."""
    user = _require_reader(request)
    wanted = _period(period)
    try:
        run = _run_of(request, wanted)
    except NotBegun as error:
        raise Http404(str(error)) from error
    items = names_in(run.scheme.data)
    _require_list(body, count, items)
    found = run.runlist_set.filter(body=body, count=count).first()
    numbers = found.numbers if found else []
    page = Paginator(_numbered(numbers), ROWS_A_PAGE).get_page(request.GET.get("page"))
    said = {
        "total": len(numbers),
        "cases": len(set(numbers)),
        "body_name": body_names().get(body, body),
        "body_slug": body,
        "count_slug": count,
        "standing": stand_of(wanted, reader=user),
        "count_name": (LIST_NAMES | items)[count],
        "is_event_count": len(set(numbers)) != len(numbers),
        "page": page,
        "rows": _rows(list(page), user),
    }
    return render(request, "scoring/members.html", _frame(wanted, run) | said)


def _require_list(body: str, count: str, items: dict[str, str]) -> None:
    """Raise Http404 unless the two name a number of the ranking."""
    counts: dict[str, Any] = REPORT_COUNTS if body in Source.values else COUNT_NAMES
    if body in DISTRICT_SLUGS:
        counts = counts | items
    if body not in (CITY, *DISTRICT_SLUGS, *Source.values) or count not in counts:
        raise Http404


def _frame(period: Period, run: Run | None) -> dict[str, Any]:
    """Return what both pages say of the period and of how far it is counted."""
    span = log_span()
    periods = periods_between(*span) if span else []
    return {
        "period": period,
        "period_words": period_words(period),
        "periods": [(p.name, period_words(p)) for p in periods],
        "is_known": period in periods,
        "newest": periods[0].name if periods else "",
        "run": run,
        "edition": run.editions.filter(approved_at__isnull=False).first() if run else None,
        "is_running": run is not None and run.as_of < period.end,
    }


def _numbered(numbers: list[str]) -> list[tuple[str, int, int]]:
    """Return (number, which time, of how many) for each row of a list in order."""
    times, seen, rows = Counter(numbers), Counter[str](), []
    for number in numbers:
        seen[number] += 1
        rows.append((number, seen[number], times[number]))
    return rows


def _rows(numbered: list[tuple[str, int, int]], user: User) -> list[dict[str, Any]]:
    """Return the rows of a list; of a case the reader may not see, the header alone."""
    numbers = {number for number, _, _ in numbered}
    among = Case.objects.filter(number__in=numbers).select_related("minor", "unit")
    cases = {case.number: case for case in among}
    visible = among.visible_to(user).values_list("number", flat=True)
    may_see = set(visible)
    return [
        {
            "number": number,
            "time": time,
            "times": times,
            "case": cases.get(number),
            "is_visible": number in may_see,
        }
        for number, time, times in numbered
    ]
