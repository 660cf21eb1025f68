"""Keeps the scores that pages show at hand: none is read from nothing while somebody waits.

A running score is taken on from the last (docs/adr/0008), which costs what has changed since. So it
stays cheap only while somebody looks; this looks when nobody does.
"""

import time

from django.utils import timezone

from cases.errors import Busy
from scoring.periods import earlier, month_of, periods_between
from scoring.services import NotBegun, compute_run
from scoring.versions import UnknownScheme, scheme_for

LEVELS = ("district", "street", "unit")  # that have a ranking page
SLICE_S = 60.0  # of work at a time; what is left is done by the next


def keep_scores() -> str:
    """Compute the runs of what is under way and of what ended with the last month, at each level.

    Safe to run twice or late: a run says what the log says when it is read. The shortest periods
    come first; one that cannot be read in time is left to whoever looks.
    """
    until, now, kept, left = time.monotonic() + SLICE_S, timezone.now(), 0, 0
    (last,) = earlier(month_of(now), 1)
    for period in sorted(periods_between(last.start, now), key=lambda one: one.months):
        for level in LEVELS:
            if time.monotonic() > until:
                return f"{kept} scores, more wait"
            try:
                compute_run(period, scheme_for(period, level))
                kept += 1
            except (UnknownScheme, NotBegun):
                continue
            except Busy:
                left += 1
    return f"{kept} scores" + (f", {left} took too long" if left else "")
