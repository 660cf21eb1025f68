"""The score for a meeting room: one idea a page, large, with nobody's name or telephone."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from cityops.accounts.models import User
from scoring.charts import chart
from scoring.classes import most_frequent
from scoring.drill import drawn, numbers_of, rows_of
from scoring.frame import compared_bodies, frame, history_of, period_of, require_reader, run_of
from scoring.models import Run
from scoring.sentence import sentence_of
from scoring.services import NotBegun
from scoring.sheet import ALL, Number, address_of, sheet_of
from scoring.words import period_words

PERIODS_SHOWN = 6
CASES_SHOWN = 3
_LATE = "overdue_unhandled"


@require_GET
@login_required
def show(request: HttpRequest, period: str) -> HttpResponse:
    """Show a month or, for the quarterly review, a quarter, page by page."""
    user = require_reader(request)
    wanted = period_of(period)
    try:
        run = run_of(request, wanted)
    except NotBegun as error:
        raise Http404(str(error)) from error
    if run.scheme.level != "district":
        raise Http404
    past = history_of(run, wanted, PERIODS_SHOWN - 1)
    said = sheet_of(run, past.before, past.runs)
    earlier = period_words(past.periods[-1]) if past.periods else ""
    names = [one.name[2:] for one in [*past.periods, wanted]]
    return render(
        request,
        "scoring/show.html",
        frame(wanted, run, user)
        | {
            "bodies": said["bodies"],
            "before_words": earlier,
            "sentence": sentence_of(said["bodies"], said["was"], earlier),
            "chart": chart([(b["name"], b["history"]) for b in said["bodies"]], names),
            "names": names,
            "most": _most(run),
            "cases": _cases(run, user),
        },
    )


def _most(run: Run) -> dict[str, Any]:
    rows = most_frequent(run, _LATE, compared_bodies(run))
    return {
        "largest": max((many for _class, many in rows), default=0),
        "rows": [Number(c.name, many, address_of(run, ALL, _LATE, c.code)) for c, many in rows],
    }


def _cases(run: Run, user: User) -> list[dict[str, Any]]:
    """Return a few of the overdue cases, drawn by the seal, of which the reader sees photos."""
    ten = drawn(numbers_of(run, ALL, _LATE), run, ALL, _LATE)
    rows = rows_of([(number, 1, 1) for number in ten], user)
    return [row for row in rows if row["is_visible"] and row["before"]][:CASES_SHOWN]
