"""Fill the past with a city's work: one virtual clock over all districts, in time order."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from cases.ledger import FILLING_LOCK
from cases.models import DistrictHead
from cases.services.deadlines import scan_deadlines
from cases.services.upkeep import refresh_statistics
from cases.simulation.city import CannotSimulateError, City
from cases.simulation.services import Services
from cases.simulation.story import Run

BATCH = 200  # actions a transaction
QUIET_S = 15  # how long to wait for the transactions under way
SCAN_EVERY = timedelta(minutes=30)  # of virtual time; a late scan delays a lamp, no score


def simulate(
    *, days: int, per_day: int, seed: int, until: datetime, progress: Callable[[str], None]
) -> Counter[str]:
    """Write `days` × `per_day` reports and what follows, ending at `until`; returns actions.

    What is not finished by then stays open. Equal seeds over equal cities and times write equal
    logs, to the byte. Raises CannotSimulateError when a log already holds a later event than the
    start, or `until` lies in the future; then nothing has changed.
    """
    start = until - timedelta(days=days)
    with _filling():
        _require_empty(start, until)
        run = Run(City(seed), Services())
        run.plan_days(start, days, days * per_day)
        _drive(run, start, until, total=days * per_day, progress=progress)
        refresh_statistics()
    return run.done


def _require_empty(start: datetime, until: datetime) -> None:
    """Raise CannotSimulateError unless every log ends before `start` and `until` has passed."""
    if until > timezone.now():
        raise CannotSimulateError(f"The end {until:%Y-%m-%d %H:%M} UTC lies in the future.")
    last = DistrictHead.objects.aggregate(last=Max("at"))["last"]
    if last is None or last > start:
        raise CannotSimulateError(
            f"The log already holds events up to {last}: a month is written once, before them."
        )


def _try_lock(cursor: Any) -> bool:
    cursor.execute("SELECT pg_try_advisory_lock(%s)", [FILLING_LOCK])
    return bool(cursor.fetchone()[0])


@contextmanager
def _filling() -> Iterator[None]:
    """Keep every other writer out while cases of the past are written."""
    with connection.cursor() as cursor:
        until = time.monotonic() + QUIET_S
        while not _try_lock(cursor):  # transactions under way hold it shared until they commit
            if time.monotonic() > until:
                raise CannotSimulateError("Another simulation is running.")
            time.sleep(0.1)
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [FILLING_LOCK])


def _drive(
    run: Run, start: datetime, until: datetime, *, total: int, progress: Callable[[str], None]
) -> None:
    """Run all steps up to `until` in transactions of BATCH actions."""
    steps, begun, scanned = run.steps_until(until), time.monotonic(), start
    at, is_over = start, False
    while not is_over:
        is_over = True
        with transaction.atomic():
            for at, step in itertools.islice(steps, BATCH):
                is_over = False
                while scanned + SCAN_EVERY <= at:
                    scanned += SCAN_EVERY
                    scan_deadlines(at=scanned)
                step(at)
        rate = run.done["report"] / (time.monotonic() - begun)
        progress(f"{run.done['report']}/{total} cases, {rate:.0f} a second, {at:%Y-%m-%d}")
