"""Due-soon and overdue, once each: deadlines are rows that a scan looks at (architecture.md §3)."""

import logging
import time
from datetime import datetime

from django.db.models import F, Model, Q, QuerySet
from django.db.models.functions import Now

from cases.choices import Action, ClockKind
from cases.errors import CityFilling, Refusal
from cases.ledger import Book, Folder, open_book, open_folder, retrying
from cases.models import Case, CityOptions, StageClock
from cases.services import filing
from cases.services.moves.asked import lapse_requests
from cases.services.moves.oversight import supervise_overdue

logger = logging.getLogger(__name__)

BATCH = 500  # rows looked at in one read; the scan goes on until none is left
SLICE_S = 8.0  # or its time is over: what is left is the next scan's, well within the lease


def scan_deadlines(*, at: datetime | None = None) -> str:
    """Write every due-soon and overdue event that is due. A late scan delays a lamp, no score.

    Goes once over all that wait, most overdue first, as far as it comes in its time; one that
    cannot be written now is put off to the next scan and keeps nobody else from theirs. May run
    twice or late: each signal is checked again under the case's lock. `at` is given by simulate
    only.
    """
    written = put_off = 0
    waiting, until = _waiting(at), time.monotonic() + SLICE_S
    while rows := list(waiting.values_list("due_at", "pk", "case_id")[:BATCH]):
        for _, clock_id, case_id in rows:
            if at is None and time.monotonic() > until:
                return f"{written} signals, more wait"
            try:
                written += signal(clock_id, case_id, at=at)
            except CityFilling:
                return "stands aside"
            except Refusal:
                logger.exception("clock %d was not signalled", clock_id)
                put_off += 1
        due_at, clock_id, _ = rows[-1]
        waiting = _waiting(at).filter(Q(due_at__gt=due_at) | Q(due_at=due_at, pk__gt=clock_id))
    return f"{written} signals" + (f", {put_off} put off" if put_off else "")


def _waiting(at: datetime | None) -> QuerySet[StageClock]:
    now = Now() if at is None else at
    late = Q(due_at__lt=now) & (Q(late_for=None) | ~Q(late_for=F("due_at")))
    soon = Q(soon_at__lte=now, due_at__gte=now) & (Q(soon_for=None) | ~Q(soon_for=F("due_at")))
    return StageClock.objects.filter(late | soon, ended_at=None).order_by("due_at", "pk")


@retrying
def signal(clock_id: int, case_id: int, *, at: datetime | None = None) -> int:
    """Write the signal of one clock if it is due; returns how many were written, 0 or 1."""
    try:
        folder = open_folder(pk=case_id)
    except Case.DoesNotExist:
        return 0
    running = next((c for c in folder.clocks.values() if c.pk == clock_id), None)
    if running is None or running.due_at is None:
        return 0
    options, rows = CityOptions.objects.get(), list[Model]()
    with open_book(folder.case.scope, at=at) as book:
        if running.due_at < book.at and running.late_for != running.due_at:
            rows = _is_late(book, folder, running, options)
        elif running.soon_at and running.soon_at <= book.at <= running.due_at != running.soon_for:
            running.soon_for = running.due_at
            _tell(book, folder, running, Action.DUE_SOON)
        else:
            return 0
    for row in rows:
        row.save()
    lapse_requests(folder, at=book.at)
    return 1


def _is_late(book: Book, folder: Folder, running: StageClock, options: CityOptions) -> list[Model]:
    """Write that a clock has passed, and what follows by itself; returns rows to write after.

    A suspension that is over is no lateness: the case goes on.
    """
    if running.kind == ClockKind.SUSPEND:
        filing.resume(book, folder, filing.By())
        return []
    running.late_for = running.due_at
    if running.kind == ClockKind.HANDLE:
        folder.case.was_late = True
        filing.stop_waiting(folder, *filing.RUN_REQUESTS)  # they had to be decided before
        book.stop_clock(folder, ClockKind.EXTEND)
    _tell(book, folder, running, Action.OVERDUE)
    if running.kind == ClockKind.SIGN and options.auto_remind:
        book.append(folder, Action.REMIND)
    if running.kind == ClockKind.HANDLE and options.auto_supervise:
        return [supervise_overdue(book, folder, hours=options.supervise_reply_h)]
    return []


def _tell(book: Book, folder: Folder, running: StageClock, action: Action) -> None:
    folder.touched.add(running.kind)
    facts = {"clock": running.kind, "clock_due_at": running.due_at}
    book.append(folder, action, facts=facts)
