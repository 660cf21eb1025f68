"""Keeps the scores that pages show at hand: none is read from nothing while somebody waits.

A running score is taken on from the last, which costs what has changed since. So it stays cheap
only while somebody looks; this looks when nobody does (docs/adr/0009).
"""

import time
from datetime import datetime

from django.db.models import Max
from django.utils import timezone

from cases.errors import Busy
from scoring.models import Run, Scheme
from scoring.periods import Period, earlier, month_of, periods_between
from scoring.selectors import log_span
from scoring.services import compute_run
from scoring.versions import UnknownScheme, scheme_for

LEVELS = ("district", "street", "unit")  # that have a ranking page
SLICE_S = 60.0  # of work at a time, but for the last score; the next goes on with the others


def keep_scores() -> str:
    """Compute the runs of what is under way and of what ended with the last month, at each level.

    The one whose last run is oldest comes first, what has none yet last, the shortest of it first.
    Safe to run twice or late: a run says what the log says when it is read. What the database
    cannot count within the time of a worker's statement is left to the command `score`.
    """
    until, kept, left = time.monotonic() + SLICE_S, 0, 0
    for period, scheme in _wanted(timezone.now()):
        if time.monotonic() > until:
            return f"{kept} scores, more wait"
        try:
            compute_run(period, scheme)
            kept += 1
        except Busy:
            left += 1
    return f"{kept} scores" + (f", {left} took too long" if left else "")


def _wanted(now: datetime) -> list[tuple[Period, Scheme]]:
    """Return what is looked at, in order; nothing of before the log."""
    span = log_span()
    (last,) = earlier(month_of(now), 1)
    found = []
    for period in periods_between(last.start, now):
        for level in LEVELS:
            try:
                scheme = scheme_for(period, level)
            except UnknownScheme:
                continue
            if span and span[0] < period.end and period.start < now:
                found.append((period, scheme))
    runs = Run.objects.filter(period__in={period.name for period, _ in found})
    newest = {
        (name, key): at
        for name, key, at in runs.values_list("period", "scheme")
        .annotate(at=Max("created_at"))
        .values_list("period", "scheme", "at")
    }

    def turn(one: tuple[Period, Scheme]) -> tuple[bool, datetime, int]:
        at = newest.get((one[0].name, one[1].pk))
        return at is None, at or now, one[0].months

    return sorted(found, key=turn)
