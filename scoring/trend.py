"""Twelve periods side by side: each body's total, and each kind's mean, drawn and as a table."""

from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from cases.models import District
from scoring.charts import Chart, Values, chart
from scoring.frame import frame, history_of, period_of, require_reader, run_of
from scoring.history import sheets_of, totals_of
from scoring.models import Run
from scoring.periods import Period
from scoring.rules import half_up
from scoring.services import NotBegun
from scoring.sheet import body_names
from scoring.words import period_words

PERIODS_SHOWN = 12
PHONE_SHOWN = 4
LINES_MOST = 6  # more cannot be told apart


class Column(NamedTuple):
    """A period of the table: its name, and the address of its score."""

    name: str
    words: str
    address: str
    is_known: bool


@require_GET
@login_required
def trend(request: HttpRequest, period: str) -> HttpResponse:
    """Show the totals of the twelve periods that end with one."""
    user = require_reader(request)
    wanted = period_of(period)
    try:
        run = run_of(request, wanted)
    except NotBegun as error:
        raise Http404(str(error)) from error
    past = history_of(run, wanted, PERIODS_SHOWN - 1)
    runs = [*past.runs, run]
    columns = [_column(*pair, run) for pair in zip([*past.periods, wanted], runs, strict=True)]
    bodies = _bodies(run, runs)
    kinds = _kinds(bodies) if run.scheme.level == "district" else []
    names = [column.name[2:] for column in columns]
    shown = bodies[:LINES_MOST]
    return render(
        request,
        "scoring/trend.html",
        frame(wanted, run, user)
        | {
            "columns": columns,
            "lines": bodies,
            "kinds": kinds,
            "chart": chart(shown, names),
            "narrow": _narrow(shown, names),
            "kinds_chart": chart(kinds, names),
            "kinds_narrow": _narrow(kinds, names),
            "plot": _plot(shown, names),
            "kinds_plot": _plot(kinds, names),
            "is_cut": len(bodies) > LINES_MOST,
            "most": LINES_MOST,
        },
    )


def _column(period: Period, kept: Run | None, run: Run) -> Column:
    address = reverse("score_ranking", args=[period.name])
    if run.scheme.level != "district":
        address += f"?scope={run.scheme.level}"
    return Column(period.name, period_words(period), address, kept is not None)


def _bodies(run: Run, runs: list[Run | None]) -> list[tuple[str, Values]]:
    """Return each body's totals in the order of the newest ranks."""
    names, sheets = body_names(run), [sheets_of(one) for one in runs]
    return [(names.get(body, body), totals_of(sheets, body)) for body in sheets_of(run)]


def _kinds(bodies: list[tuple[str, Values]]) -> list[tuple[str, Values]]:
    """Return the mean of the totals of each kind of body, where each of them has one."""
    kinds = {d.short_name: d.get_kind_display() for d in District.objects.all()}
    groups: dict[str, list[Values]] = {}
    for name, values in bodies:
        groups.setdefault(str(kinds.get(name, "")), []).append(values)
    return [(kind, list(map(_mean, *of))) for kind, of in sorted(groups.items())]


def _mean(*totals: Decimal | None) -> Decimal | None:
    known = [total for total in totals if total is not None]
    if len(known) < len(totals):
        return None
    return half_up(sum(map(Fraction, known), Fraction(0)) / len(known))


def _narrow(series: list[tuple[str, Values]], names: list[str]) -> Chart | None:
    """Return the newest periods alone, for a phone."""
    last = [(name, values[-PHONE_SHOWN:]) for name, values in series]
    return chart(last, names[-PHONE_SHOWN:], width=400)


def _plot(series: list[tuple[str, Values]], names: list[str]) -> dict[str, Any]:
    """Return what the desk's chart draws: the same figures as the table, as text."""
    return {
        "names": names,
        "series": [
            {"name": name, "values": [None if v is None else str(v) for v in values]}
            for name, values in series
        ],
    }
