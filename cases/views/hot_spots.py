"""Hot spots: which class comes up most in which grid cell, and the cases behind each number."""

from dataclasses import replace
from datetime import date
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from cases.errors import InvalidInput
from cases.models import District, MinorClass
from cases.selectors.heat import LEVELS, Asked, readable
from cases.selectors.hot_spots import (
    MOST_SHOWN,
    PERIOD,
    RANKS,
    HotSpot,
    came_back_as,
    cases_counted,
    hot_spot,
    hot_spots,
)
from cases.selectors.rollup import COLUMNS
from cases.selectors.spans import parse_span
from cases.views.desk import DESK_ROLES
from cases.views.heat_words import COUNT_WORDS, SPAN_WORDS, class_choices
from cityops.accounts.http import UserRequest

MOST_ROWS = 500
SHOWN = ("filed", "closed", "recurrent")  # of the counts, as columns
RANK_WORDS = {
    "filed": gettext_lazy("most cases"),
    "recurrent": gettext_lazy("most that came back"),
}


@require_safe
@login_required
def hot_spot_list(request: UserRequest) -> HttpResponse:
    """Rank cells and classes by their cases, or by how often they came back."""
    asked, by = _asked(request), request.GET.get("by", "filed")
    if by not in RANKS:
        raise InvalidInput(_("There is no such ranking."), fields={"by": ", ".join(RANKS)})
    found, mine = hot_spots(request.user, asked, by=by), readable(request.user)
    districts = District.objects.all() if mine is None else District.objects.filter(pk__in=mine)
    context = {
        "asked": asked,
        "by": by,
        "ranks": RANK_WORDS,
        "spots": [(spot, _numbers(spot), _trend(request, spot)) for spot in found.spots],
        "total": found.total,
        "most": MOST_SHOWN,
        "shown": [COUNT_WORDS[name] for name in SHOWN],
        "spans": SPAN_WORDS,
        "months": _months(timezone.localdate()),
        "districts": districts,
        "classes": class_choices(),
    }
    return render(request, "cases/desk/hot_spots.html", context)


@require_safe
@login_required
def hot_spot_cases(request: UserRequest) -> HttpResponse:
    """List the cases behind one number of a hot spot."""
    asked, count = _asked(request), request.GET.get("count", "filed")
    if count not in COLUMNS:
        raise InvalidInput(_("There is no such count."), fields={"count": ", ".join(COLUMNS)})
    is_one = len(asked.place) == LEVELS["cell"]
    if not (is_one and MinorClass.objects.filter(pk=asked.category).exists()):
        raise InvalidInput(
            _("There is no such hot spot."),
            fields={"place": _("give a grid cell and a minor class")},
        )
    spot = hot_spot(request.user, asked)
    found = cases_counted(request.user, asked, count=count)
    rows = list(found[:MOST_ROWS])
    back = came_back_as(request.user, rows) if count == "recurrent" else {}
    context = {
        "spot": spot,
        "count": count,
        "word": COUNT_WORDS[count],
        "numbers": _numbers(spot),
        "rows": [(case, back.get(case.pk, "")) for case in rows],
        "total": len(rows) if len(rows) < MOST_ROWS else found.count(),
        "most": MOST_ROWS,
        "trend": _trend(request, spot),
        "back": HotSpot(replace(asked, place="", category=""), {}).query,
    }
    return render(request, "cases/desk/hot_spot_cases.html", context)


def _asked(request: UserRequest) -> Asked:
    """Return what is asked; 404 for who reads no counts."""
    if readable(request.user) == []:
        raise Http404
    query = request.GET
    span = parse_span(query.get("period") or PERIOD, today=timezone.localdate())
    words = {name: query.get(name, "") for name in ("category", "place", "district")}
    return Asked(span, **words)


def _months(today: date) -> list[str]:
    """Return this month and the one before, as a span names them."""
    this = parse_span(f"{today:%Y-%m}", today=today)
    return [this.name, f"{this.before.first:%Y-%m}"]


def _numbers(spot: HotSpot) -> list[tuple[Any, int, str]]:
    """Return the counts in words, each with the query that lists its cases."""
    return [(COUNT_WORDS[name], spot.counts[name], f"{spot.query}&count={name}") for name in SHOWN]


def _trend(request: UserRequest, spot: HotSpot) -> str:
    """Return the query of the trend of a hot spot; empty for who has no desk."""
    return spot.query if request.user.holds(*DESK_ROLES) else ""
