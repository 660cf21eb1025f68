"""What another version of the calendar would do to the deadlines of open cases."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from django.db.models import QuerySet

from cases.choices import LimitUnit
from cases.clock import Calendar
from cases.models import Case, Event
from cases.selectors.deadline import TELLING, as_timed, handling_story

LARGEST = 10  # moves that are named
_WORKING = (LimitUnit.WORK_HOUR, LimitUnit.WORK_DAY)


@dataclass(frozen=True)
class Move:
    """A deadline that would move."""

    number: str
    old: datetime
    new: datetime

    @property
    def by(self) -> timedelta:
        """How much later on the wall clock; negative where it would be earlier."""
        return self.new - self.old


@dataclass
class Moves:
    """How many deadlines would move, and the largest moves."""

    cases: int = 0  # open cases whose limit counts working time
    later: int = 0
    earlier: int = 0
    becomes_late: int = 0  # overdue only by the new deadline
    largest: list[Move] = field(default_factory=list)

    @property
    def moved(self) -> int:
        """How many would move."""
        return self.later + self.earlier


def timed_by_calendar() -> QuerySet[Case]:
    """Return the open cases whose limit counts working time: a calendar decides their deadline."""
    return Case.objects.open().filter(calendar_version__isnull=False, limit_unit__in=_WORKING)


def moves_under(calendar: Calendar, *, at: datetime) -> Moves:
    """Return what timing every open case with `calendar` would move; `at` tells what is late.

    Three statements, however many cases. Raises CalendarMissing.
    """
    told = Moves(cases=timed_by_calendar().count())
    moves = sorted(_moves(calendar), key=lambda move: abs(move.by), reverse=True)
    for move in moves:
        told.later += move.new > move.old
        told.earlier += move.new < move.old
        told.becomes_late += move.new < at <= move.old
    told.largest = moves[:LARGEST]
    return told


def _moves(calendar: Calendar) -> Iterator[Move]:
    columns = ("number", "due_at", "limit_value", "limit_unit", "calendar_version")
    timed = timed_by_calendar().exclude(due_at=None)
    cases = {case.pk: case for case in timed.only(*columns)}
    events = (
        Event.objects.filter(case__in=timed, action__in=sorted(TELLING))
        .only("case_id", "action", "at", "data", "sets_clock", "due_at")
        .order_by("case", "case_seq")
    )
    for pk, rows in groupby(events.iterator(), key=lambda event: event.case_id):
        case = cases.get(pk or 0)  # none where it was dispatched between the two statements
        story = handling_story(case, rows, calendar) if case else None
        if case is None or case.due_at is None or story is None:
            continue
        due = as_timed(case, story).explanation.due
        if due is not None and due != case.due_at:
            yield Move(case.number, case.due_at, due)
