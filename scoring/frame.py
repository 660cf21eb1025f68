"""What all pages of the score share: who reads, which period, which run, and what the head says."""

import json
import time
from typing import Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from cases.choices import CITY, Source
from cases.errors import Busy
from cityops.accounts.models import User
from scoring.history import kept_runs
from scoring.lifecycle import edition_of, may_read, stand_of
from scoring.models import Run
from scoring.periods import BadPeriod, Period, earlier, parse_period, periods_between
from scoring.selectors import log_span
from scoring.services import compute_run
from scoring.sheet import ALL
from scoring.versions import UnknownScheme, may_edit, scheme_for
from scoring.words import COUNT_NAMES, REPORT_COUNTS, period_words

SCOPES = {
    "district": _("Districts and zones"),
    "street": _("Streets"),
    "unit": _("Responsible units"),
}

COMPUTED_S = 1.0  # for earlier periods that nobody looked at, in one request


class History(NamedTuple):
    """The runs of the periods before one, the oldest first, and the one just before."""

    periods: list[Period]
    runs: list[Run | None]

    @property
    def before(self) -> Run | None:
        """The run of the period just before; None where there is none."""
        return self.runs[-1] if self.runs else None


def require_reader(request: HttpRequest) -> User:
    """Return the reader; raises PermissionDenied."""
    if not isinstance(request.user, User) or not may_read(request.user):
        raise PermissionDenied
    return request.user


def require_office_reader(request: HttpRequest) -> User:
    """Return the assessor of the whole city who acts; raises PermissionDenied."""
    user = require_reader(request)
    if not may_edit(user):
        raise PermissionDenied
    return user


def period_of(name: str) -> Period:
    """Return the period an address names; raises Http404."""
    try:
        return parse_period(name)
    except BadPeriod as error:
        raise Http404(str(error)) from error


def run_of(request: HttpRequest, period: Period) -> Run:
    """Return the run the link names, so that list and number agree, else the one that stands.

    Of the level in `scope`, districts where none is named. Raises Http404, and as compute_run.
    """
    if named := request.GET.get("run", ""):
        if not named.isascii() or not named.isdigit() or len(named) > 15:
            raise Http404
        runs = Run.objects.select_related("scheme")
        return get_object_or_404(
            runs, pk=int(named), period=period.name, scheme__level__in=list(SCOPES)
        )
    level = request.GET.get("scope") or "district"
    if level not in SCOPES:
        raise Http404
    return standing_run(period, level)


def standing_run(period: Period, level: str = "district") -> Run:
    """Return the sealed run of a period, of districts; else the newest. Raises as newest_run."""
    if level == "district" and (sealed := stand_of(period).run):
        return sealed
    return newest_run(period, level)


def newest_run(period: Period, level: str = "district") -> Run:
    """Return the run over the log as it stands; while that cannot be read, the last one kept.

    Raises Http404 where no scheme was in force, NotBegun, and Busy.
    """
    try:
        scheme = scheme_for(period, level)
        return compute_run(period) if level == "district" else compute_run(period, scheme)
    except UnknownScheme as error:
        raise Http404(str(error)) from error
    except Busy:
        among = Run.objects.filter(period=period.name, scheme=scheme).select_related("scheme")
        stored = among.order_by("-as_of").first()
        if stored is None:
            raise
        stored.is_last_kept = True
        return stored


def history_of(run: Run, period: Period, many: int) -> History:
    """Return the runs of the periods before a run's, of the same level.

    What nobody looked at since a period ended is computed, the newest first: the one just before
    in any case, since a month is compared with it, the others while a second lasts. The next look
    goes on from there, for what was computed is kept.
    """
    span, level = log_span(), run.scheme.level
    periods = earlier(period, many)
    kept = kept_runs(periods, level)
    missing = [one for one in periods if one.name not in kept and span and span[0] < one.end]
    until = time.monotonic() + COMPUTED_S
    while missing and (missing[-1] == periods[-1] or time.monotonic() < until):
        one = missing.pop()
        try:
            kept[one.name] = standing_run(one, level)
        except Http404:  # no scheme was in force
            continue
        except Busy:
            if one == periods[-1]:
                raise
            break
    return History(periods, [kept.get(one.name) for one in periods])


def require_list(run: Run, body: str, count: str, names: dict[str, str], items: Any) -> None:
    """Raise Http404 unless the two name a number of a page of the run."""
    is_source = body in Source.values
    counts: dict[str, Any] = dict(REPORT_COUNTS if is_source else COUNT_NAMES)
    if body not in (ALL, CITY) and not is_source:
        counts |= items
    if body not in names or count not in counts:
        raise Http404


def frame(period: Period, run: Run | None, reader: User) -> dict[str, Any]:
    """Return what each page says of the period, of where it stands and how far it is counted."""
    span = log_span()
    periods = periods_between(*span) if span else []
    edition = edition_of(run) if run else None
    return {
        "period": period,
        "period_words": period_words(period),
        "periods": [(p.name, period_words(p)) for p in periods],
        "is_known": period in periods,
        "newest": periods[0].name if periods else "",
        "run": run,
        "level": run.scheme.level if run else "district",
        "scopes": SCOPES.items(),
        "is_running": run is not None and run.as_of < period.end,
        "standing": stand_of(period, reader=reader),
        "edition": edition if edition and edition.is_published else None,
    }


def compared_bodies(run: Run) -> tuple[str, ...]:
    """Return whose lists `all` puts together: those the run compares."""
    return tuple(sheet["body"] for sheet in json.loads(run.result)["bodies"])


# --- inputs measured outside the cases ----------------------------------------------------------

INPUTS = {
    "onsite": _("On-site inspection"),
    "satisfaction": _("Satisfaction"),
    "key_tasks": _("Key tasks"),
}


def inputs_of(period: str) -> list[tuple[str, Any, str]]:
    """Return (name, words, address) of each page of inputs for a period."""
    return [
        (name, words, reverse(f"score_{name}", args=[period])) for name, words in INPUTS.items()
    ]


def frame_of(here: str, period: Period) -> dict[str, Any]:
    """Return what each page of inputs says of its period, and the ways to others."""
    span = log_span()
    periods = periods_between(*span) if span else []
    return {
        "here": here,
        "period": period,
        "period_words": period_words(period),
        "others": [
            (period_words(one), reverse(f"score_{here}", args=[one.name]))
            for one in periods
            if one != period
        ],
        "inputs": inputs_of(period.name),
    }
