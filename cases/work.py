"""Work that an app above this one does by ticks; the rest stands in services/effects.py."""

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple


class Work(NamedTuple):
    """What a tick does: in its own transactions, safe to repeat; returns what became of it."""

    do: Callable[[], str]
    lease: timedelta  # how long one run may take, below the 300 s after which Celery ends a process


WORK: dict[str, Work] = {}  # by kind of effect; an app adds its own when it is ready
