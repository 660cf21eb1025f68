"""When a case is an earlier one come back 反复. Pure.

Source: assessment.md §5, the counts `closings` and `recurrent` (item A7). Both are live cases of
one minor class that was flagged `recurs` when they were last filed or re-classified; a forced
closing does not count.
"""

from datetime import datetime, timedelta

from cases.plane import metres

NEAR_M = 50  # of each other, included
WITHIN = timedelta(days=7)  # from the closing to the filing, both ends included


def is_soon(*, closed: datetime, filed: datetime) -> bool:
    """Whether the later was filed soon enough after the earlier was closed."""
    return closed <= filed <= closed + WITHIN


def is_near(one: str, other: str) -> bool:
    """Whether two "lon,lat" are near enough."""
    return metres(one, other) <= NEAR_M
