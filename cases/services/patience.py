"""How long a run may take, and how long an effect is put off.

What loops for ever is stopped, so that its worker can go on.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from django.db import connection
from django.utils import timezone

from cases.models import Effect


class TookTooLong(Exception):
    """The work was stopped because its time was over."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Stop the work inside after so many seconds; raises TookTooLong.

    By the process's alarm clock, so in its main thread only, where a worker runs effects;
    elsewhere nothing is stopped. A connection left in the middle of a statement is closed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TookTooLong(f"stopped after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    except TookTooLong:
        if not connection.in_atomic_block:
            connection.close()
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def as_long_again(effect: Effect, least_s: float, most_s: float) -> float:
    """Return how many seconds to put it off: as long as it has waited, within bounds."""
    waited = timezone.now() - effect.created_at
    return min(max(waited.total_seconds(), least_s), most_s)
