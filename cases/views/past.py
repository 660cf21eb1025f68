"""The map of a past hour: what was open then, read off the ledger; nothing can be done there."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from cases.choices import Stage
from cases.errors import InvalidInput
from cases.models.area import in_language
from cases.selectors.history import Past, PastCase, past_list, past_map
from cases.selectors.row_words import LIGHT_WORDS, has_no_clock
from cases.views.heat import require_desk
from cases.views.heat_words import heat_choices
from cityops.accounts.http import UserRequest

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# The posts' work as the counters of the desk name it.
_STAGES = {
    "accept": (Stage.REPORTED, Stage.VERIFYING),
    "file": (Stage.ACCEPTED,),
    "dispatch": (Stage.FILED, Stage.RETURNED, Stage.DISPUTED),
    "handle": (Stage.DISPATCHED, Stage.HANDLING, Stage.REWORK, Stage.SUSPENDED),
    "check": (Stage.HANDLED, Stage.CHECKING),
    "close": (Stage.CHECKED,),
}


@require_safe
@login_required
def past(request: UserRequest) -> HttpResponse:
    """Show the cases open at a past hour on a map and in a list; a script gets the list alone."""
    require_desk(request)
    at = _moment(request)
    found = past_list(request.user, at=at)
    context = {
        "at": at,
        "hours": range(24),
        "steps": _steps(at),
        "found": found,
        "lights": _lights(found),
        "stages": _stages(found),
        "rows": [_row(case) for case in found.cases],
        "unshown": found.total - len(found.cases),
        **heat_choices(),
    }
    name = "_past" if request.headers.get("HX-Request") else "past"
    answer = render(request, f"cases/desk/{name}.html", context)
    answer["Cache-Control"] = "private, no-store"
    answer["Vary"] = "HX-Request, Cookie"
    return answer


@require_safe
@login_required
def past_cases(request: UserRequest) -> HttpResponse:
    """Return the columns of the map as of `at`, in the form the live map has them."""
    require_desk(request)
    text = past_map(request.user, at=_moment(request))
    headers = {"Cache-Control": "private, no-store"}
    return HttpResponse(text, content_type="application/json", headers=headers)


def _moment(request: UserRequest) -> datetime:
    """Return the hour asked for, `at` or `day` and `hour`; the last full hour when none is.

    A later hour than now is not past: the last full one is shown instead.
    """
    latest = timezone.localtime().replace(minute=0, second=0, microsecond=0)
    text = request.GET.get("at", "")
    if day := request.GET.get("day", ""):
        text = f"{day}T{request.GET.get('hour', '0').zfill(2)}:00"
    if not text:
        return latest
    try:
        found = parse_datetime(text)
        whole_day = parse_date(text) if found is None else None
        if whole_day is not None:
            found = datetime(whole_day.year, whole_day.month, whole_day.day)  # noqa: DTZ001  # local
        if found is None or not 2000 <= found.year <= 9000:
            raise ValueError(text)
    except ValueError:
        said = {"at": _("write 2026-10-03T14:00")}
        raise InvalidInput(_("That is no hour."), fields=said) from None
    at = timezone.make_aware(found) if timezone.is_naive(found) else timezone.localtime(found)
    return min(at, latest)


def _steps(at: datetime) -> list[dict[str, Any]]:
    """Return the way to the hours and days beside: link, key, words."""
    latest = timezone.localtime().replace(minute=0, second=0, microsecond=0)
    moves = [
        ("{", -DAY, _("a day earlier"), _("−1 day")),
        ("[", -HOUR, _("an hour earlier"), _("−1 h")),
        ("]", HOUR, _("an hour later"), _("+1 h")),
        ("}", DAY, _("a day later"), _("+1 day")),
    ]
    return [
        {
            "key": key,
            "words": words,
            "sign": sign,
            "query": urlencode({"at": f"{at + step:%Y-%m-%dT%H:%M}"}),
            "is_past": at + step <= latest,
        }
        for key, step, words, sign in moves
    ]


def _lights(found: Past) -> list[tuple[str, str, str, int]]:
    return [
        (key, shape, str(word), found.lights.get(key, 0))
        for key, (shape, word) in LIGHT_WORDS.items()
    ]


def _stages(found: Past) -> list[tuple[str, int]]:
    words = {
        "accept": _("To accept"),
        "file": _("To file"),
        "dispatch": _("To dispatch"),
        "handle": _("With a unit"),
        "check": _("To check"),
        "close": _("To close"),
    }
    return [
        (words[key], sum(found.stages.get(stage, 0) for stage in stages))
        for key, stages in _STAGES.items()
    ]


def _row(case: PastCase) -> dict[str, Any]:
    stage = Stage(case.stage)
    light = None if has_no_clock(stage) else (case.light, *LIGHT_WORDS[case.light])
    return {
        "case": case,
        "stage": stage.label,
        "light": light,
        "minor": in_language(*case.minor),
        "unit": in_language(*case.unit),
    }
