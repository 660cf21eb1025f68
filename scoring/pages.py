"""The ranking, and how the score of one body came about."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from cases.choices import CITY
from scoring.classes import class_named, major_classes, most_frequent
from scoring.exported import heads_of
from scoring.frame import (
    compared_bodies,
    frame,
    history_of,
    period_of,
    require_reader,
    run_of,
)
from scoring.models import Run
from scoring.periods import Period, month_of
from scoring.scheme_words import general_words, rows_of
from scoring.sentence import sentence_of
from scoring.services import NotBegun
from scoring.sheet import ALL, Number, address_of, class_sheet, sheet_of
from scoring.words import COUNT_NAMES, period_words

MONTHS_SHOWN = 6
_LEFT_OUT = {  # counts that are no part of what is judged, and why
    "exempt": _("an upheld appeal or an assessor excused the delay"),
    "not_due": _("the unit's deadline lies after the period"),
    "to_dispatch": _("no unit had it: the centre's own backlog"),
    "in_check": _("handled, and waiting for the centre"),
    "self_handled": _("an inspector put it right on the spot"),
    "voided": _("voided in the period"),
    "merged": _("a duplicate, merged into another case"),
    "transferred_out": _("another district answers for it now"),
}


@require_GET
@login_required
def latest(request: HttpRequest) -> HttpResponse:
    """Lead to what was chosen in the form, else to this month."""
    require_reader(request)
    chosen = request.GET.get("period", "")
    period = period_of(chosen) if chosen else month_of(timezone.now())
    answer = redirect("score_ranking", period=period.name)
    query = request.GET.copy()
    for name in set(query) - {"scope", "class"} | {n for n in query if not query[n]}:
        del query[name]
    if query:
        answer["Location"] += f"?{query.urlencode()}"
    return answer


@require_GET
@login_required
def ranking(request: HttpRequest, period: str) -> HttpResponse:
    """Show the ranks with one sentence; or, of one class of cases, its counts."""
    user = require_reader(request)
    wanted = period_of(period)
    code = request.GET.get("class", "")
    among = class_named(code) if code else None
    if code and among is None:
        raise Http404
    try:
        run = run_of(request, wanted)
    except NotBegun:
        return render(request, "scoring/ranking.html", frame(wanted, None, user))
    said = frame(wanted, run, user) | {"classes": major_classes(), "among": among}
    if among:
        return render(request, "scoring/by_class.html", said | class_sheet(run, among.code))
    return render(request, "scoring/ranking.html", said | _ranking(run, wanted))


def _ranking(run: Run, period: Period) -> dict[str, Any]:
    past = history_of(run, period, MONTHS_SHOWN - 1)
    said = sheet_of(run, past.before, past.runs)
    earlier = period_words(past.periods[-1]) if past.periods else ""
    sentence = sentence_of(said["bodies"], said["was"], earlier)
    told = next((b for b in said["bodies"] if sentence and b["body"] == sentence.body), None)
    return said | {
        "heads": heads_of(run),
        "sentence": sentence,
        "told": told,
        "before": past.before,
        "before_words": earlier,
        "has_other_rules": past.before and past.before.scheme_id != run.scheme_id,
        "most": _most_overdue(run, told["body"] if told else ALL),
    }


def _most_overdue(run: Run, body: str) -> dict[str, Any]:
    """Return the classes with most overdue cases of a body, or of all where it has none."""
    count = "overdue_unhandled"
    rows = most_frequent(run, count, [body])
    if not rows:
        body, rows = ALL, most_frequent(run, count, compared_bodies(run))
    return {
        "is_all": body == ALL,
        "largest": max((many for _class, many in rows), default=0),
        "rows": [Number(c.name, many, address_of(run, body, count, c.code)) for c, many in rows],
    }


@require_GET
@login_required
def came_about(request: HttpRequest, period: str, body: str) -> HttpResponse:
    """Show how the total of one body came about, item by item."""
    user = require_reader(request)
    wanted = period_of(period)
    try:
        run = run_of(request, wanted)
    except NotBegun as error:
        raise Http404(str(error)) from error
    past = history_of(run, wanted, MONTHS_SHOWN - 1)
    said = sheet_of(run, past.before, past.runs)
    shown = next((one for one in said["columns"] if one["body"] == body), None)
    if shown is None:
        raise Http404
    rules = {row["code"]: row for row in rows_of(run.scheme.data)}
    for line in [*shown["lines"], *shown["extras"]]:
        line["words"] = rules[line["code"]]
    return render(
        request,
        "scoring/came_about.html",
        frame(wanted, run, user)
        | {
            "body": shown,
            "others": [(one["body"], one["name"]) for one in said["columns"]],
            "is_city": body == CITY,
            "before_words": period_words(past.periods[-1]) if past.periods else "",
            "general": general_words(run.scheme.data),
            "missing": said["missing"],
            "missing_codes": said["missing_codes"],
            "left_out": [
                (_number(run, shown, count), reason) for count, reason in _LEFT_OUT.items()
            ],
            "counts": [_number(run, shown, count) for count in COUNT_NAMES],
        },
    )


def _number(run: Run, body: dict[str, Any], count: str) -> Number:
    slug = body["body"]
    return Number(COUNT_NAMES[count], body["counts"].get(count, 0), address_of(run, slug, count))
