"""Fill the past with a city's work: one virtual clock over all districts, in time order."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from cases.choices import ClockKind, Role, Stage
from cases.ledger import FILLING_LOCK
from cases.models import (
    Alarm,
    Case,
    DemoMonth,
    DistrictHead,
    Draw,
    Event,
    Reconciliation,
    Reply,
    Rollup,
    RollupCase,
    RollupState,
    StageClock,
)
from cases.services.deadlines import scan_deadlines
from cases.services.upkeep import refresh_statistics
from cases.simulation.city import CannotSimulateError, City
from cases.simulation.gaming import Moves
from cases.simulation.run import Run
from cases.simulation.services import Services
from cases.simulation.story import new_case
from cases.simulation.weeks import plan_weeks

LOGS_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)  # as the migrations made the heads
BATCH = 200  # actions a transaction
QUIET_S = 15  # how long to wait for the transactions under way
SCAN_EVERY = timedelta(minutes=10)  # of virtual time; a late scan delays a lamp, no score


def simulate(
    *,
    days: int,
    per_day: int,
    seed: int,
    until: datetime,
    progress: Callable[[str], None],
    moves: Moves | None = None,
) -> Counter[str]:
    """Write `days` × `per_day` reports and what follows, ending at `until`; returns actions.

    What is not finished by then stays open. Equal seeds over equal cities and times write equal
    logs, to the byte; `moves` change what their districts do, and no luck of any case. A month
    that was cut off is taken away first. Raises CannotSimulateError
    when a log already holds a later event than the start, or `until` lies in the future; then
    nothing has changed.
    """
    start = until - timedelta(days=days)
    with _filling():
        _clear_cut_off()
        _require_empty(start, until)
        month = DemoMonth.objects.create(until=until)
        run = Run(City(seed), Services(), moves=moves)
        run.plan_days(start, days, days * per_day, partial(new_case, run))
        plan_weeks(run, start, days)
        _drive(run, start, until, total=days * per_day, progress=progress)
        _give_answers(run, until)
        month.ended_at = timezone.now()
        month.save(update_fields=["ended_at"])
        refresh_statistics()
    return run.done


def _give_answers(run: Run, until: datetime) -> None:
    """Let an operator have answered the reporters within half a day; the last are still owed."""
    soon = timedelta(hours=12)
    owed = Reply.objects.filter(given_at=None, due_at__lt=until - soon)
    owed.update(given_at=F("due_at") + soon / 3, given_by=run.city.people.find(Role.OPERATOR))


def district_counts() -> list[dict[str, Any]]:
    """Return what has become of each district's cases; late is handled, or still held, too late."""
    late = StageClock.objects.filter(case=OuterRef("pk"), kind=ClockKind.HANDLE).filter(
        Q(on_time=False) | Q(ended_at=None, due_at__lt=Now())
    )
    rows = Case.objects.annotate(is_late=Exists(late)).values("district").order_by("district")
    counted = rows.annotate(
        reported=Count("pk"),
        filed=Count("filed_at"),
        closed=Count("closed_at"),
        late=Count("pk", filter=Q(is_late=True)),
        returned=Count("pk", filter=Q(return_count__gt=0)),
        rework=Count("pk", filter=Q(rework_count__gt=0)),
        extended=Count("pk", filter=Q(extension_count__gt=0)),
        suspended=Count("pk", filter=Q(stage=Stage.SUSPENDED)),
        merged=Count("pk", filter=Q(stage=Stage.MERGED)),
        voided=Count("pk", filter=Q(stage=Stage.VOIDED)),
        declined=Count("pk", filter=Q(stage=Stage.DECLINED)),
        self_handled=Count("pk", filter=Q(is_self_handled=True)),
        unrouted=Count("pk", filter=Q(is_unrouted=True)),
    )
    return [dict(row) for row in counted]


def _clear_cut_off() -> None:
    """Empty the logs of a month that was cut off, unless people have acted since.

    Only the owner of the tables may, which is whom `simulate` runs as.
    """
    month = DemoMonth.objects.filter(ended_at=None).first()
    if month is None:
        return
    if Event.objects.filter(at__gt=month.until, actor__isnull=False).exists():
        DemoMonth.objects.filter(ended_at=None).update(ended_at=timezone.now())
        raise CannotSimulateError(
            "An earlier month was cut off and people have worked in the city since: it stays "
            "partial. deploy/down --delete and deploy/up begin anew."
        )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE cases_case, cases_numbercounter CASCADE")
        for rows in (Draw, Alarm, Reconciliation, Rollup, RollupCase, RollupState):
            rows.objects.all().delete()
        DistrictHead.objects.update(dseq=0, hash=bytes(32), at=LOGS_BEGIN)
        DemoMonth.objects.all().delete()


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
        rate = run.begun / (time.monotonic() - begun)
        progress(f"{run.begun}/{total} cases, {rate:.0f} a second, {at:%Y-%m-%d}")
