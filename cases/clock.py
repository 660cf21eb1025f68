"""Working time: deadlines, time used, and how a deadline came about (domain.md §4).

Instants go in and come out as aware datetimes, out always in UTC. Working time is counted on a
table of sessions with running totals, so each question is two look-ups, whatever lies between.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any
from zoneinfo import ZoneInfo

from cases.choices import LimitUnit
from cases.errors import CalendarMissing

SHANGHAI = ZoneInfo("Asia/Shanghai")
SAID_YEARS = range(1970, 2101)  # in which the clock of a phone or a camera may stand
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_SECOND_US = 1_000_000
_HOUR_S = 3600
_DAY_S = 86_400
_SATURDAY = 5
_WORKING = frozenset({LimitUnit.WORK_HOUR, LimitUnit.WORK_DAY})


@dataclass(frozen=True)
class SpecialDay:
    """A day that is not what its weekday says: a holiday, or a make-up workday 调休."""

    day: date
    is_workday: bool
    name_zh: str
    name_en: str


@dataclass(frozen=True)
class Season:
    """Working hours from a day of the year until the next season begins."""

    month: int
    day: int
    sessions: tuple[tuple[time, time], ...]  # [from, to) in local time, in order

    @property
    def seconds(self) -> int:
        """Working seconds of one day."""
        return sum(_of_day(end) - _of_day(start) for start, end in self.sessions)


ALL_YEAR = (Season(1, 1, ((time(8), time(12)), (time(14), time(18)))),)


@dataclass(frozen=True)
class _Table:
    """Sessions in order: start and end in microseconds since 1970, and the total worked by then."""

    starts: list[int]
    ends: list[int]
    totals: list[int]


@dataclass(frozen=True)
class Calendar:
    """One version of the working calendar, first to last day inclusive.

    Raises ValueError where its parts contradict each other. Every season has the same working
    time a day, so that a work day is one length all year.
    """

    version: int
    first: date
    last: date
    special: tuple[SpecialDay, ...] = ()
    seasons: tuple[Season, ...] = ALL_YEAR
    provisional_years: frozenset[int] = field(default_factory=frozenset)
    zone: ZoneInfo = SHANGHAI

    def __post_init__(self) -> None:
        """Refuse a calendar that contradicts itself."""
        if self.last < self.first:
            raise ValueError(f"The last day {self.last} lies before the first, {self.first}.")
        if len(self._named) != len(self.special):
            raise ValueError("A day stands twice among the special days.")
        for special in self.special:
            if not self.first <= special.day <= self.last:
                raise ValueError(f"{special.day} lies outside the days covered.")
        _check_seasons(self.seasons)

    @property
    def work_day_s(self) -> int:
        """Working seconds of a work day: all its sessions together."""
        return self.seasons[0].seconds

    def is_workday(self, day: date) -> bool:
        """Say whether `day` is worked: as announced, else by its weekday."""
        special = self._named.get(day)
        return special.is_workday if special else day.weekday() < _SATURDAY

    def special_day(self, day: date) -> SpecialDay | None:
        """Return what was announced for `day`, if anything."""
        return self._named.get(day)

    def local_day(self, at: datetime) -> date:
        """Return the date of an instant in the calendar's time zone."""
        return at.astimezone(self.zone).date()

    @cached_property
    def _named(self) -> dict[date, SpecialDay]:
        return {special.day: special for special in self.special}

    @cached_property
    def _bounds(self) -> tuple[int, int]:
        """First and last instant covered, the end of the last day included."""
        first = datetime.combine(self.first, time(), self.zone)
        after = datetime.combine(self.last + _DAY, time(), self.zone)
        return _microseconds(first), _microseconds(after)

    @cached_property
    def _table(self) -> _Table:
        table = _Table([], [], [])
        total = 0
        for day in filter(self.is_workday, _days(self.first, self.last)):
            for start, end in _season(self.seasons, day).sessions:
                table.starts.append(_microseconds(datetime.combine(day, start, self.zone)))
                table.ends.append(_microseconds(datetime.combine(day, end, self.zone)))
                total += table.ends[-1] - table.starts[-1]
                table.totals.append(total)
        return table

    def worked_until(self, at_us: int) -> int:
        """Return the microseconds worked from the first day to an instant.

        Raises CalendarMissing for an instant outside the days covered.
        """
        first, after = self._bounds
        if not first <= at_us <= after:
            raise self._missing()
        table = self._table
        index = bisect_right(table.starts, at_us) - 1
        if index < 0:
            return 0
        return table.totals[index] - max(0, table.ends[index] - at_us)

    def is_working_at(self, at: datetime) -> bool:
        """Say whether an instant lies within a session; its end does not.

        Raises CalendarMissing for one outside the days covered.
        """
        at_us = _microseconds(at)
        first, after = self._bounds
        if not first <= at_us <= after:
            raise self._missing()
        index = bisect_right(self._table.starts, at_us) - 1
        return index >= 0 and at_us < self._table.ends[index]

    def instant_of(self, worked_us: int) -> int:
        """Return the first instant by which `worked_us` > 0 microseconds were worked.

        That is a session's end, not the start of the next. Raises CalendarMissing beyond the
        last day.
        """
        table = self._table
        index = bisect_left(table.totals, worked_us)
        if index == len(table.totals):
            raise self._missing()
        return table.ends[index] - (table.totals[index] - worked_us)

    def _missing(self) -> CalendarMissing:
        return CalendarMissing(
            f"Working calendar {self.version} covers {self.first} to {self.last} only; "
            "publish one that covers more years."
        )


@dataclass(frozen=True)
class Limit:
    """A time limit as a filing condition gives it."""

    value: int
    unit: LimitUnit

    def __post_init__(self) -> None:
        """Refuse a negative limit."""
        if self.value < 0:
            raise ValueError(f"A time limit cannot be negative: {self.value}.")

    @property
    def is_working(self) -> bool:
        """Say whether it counts working time; emergency units run nights and holidays too."""
        return self.unit in _WORKING

    def seconds(self, calendar: Calendar) -> int:
        """Return its length, in working or continuous seconds as its unit says."""
        if self.unit == LimitUnit.WORK_DAY:
            return self.value * calendar.work_day_s
        return self.value * (_DAY_S if self.unit == LimitUnit.EMERGENCY_DAY else _HOUR_S)


def due_at(start: datetime, limit: Limit, calendar: Calendar) -> datetime:
    """Return when `limit`, begun at `start`, is used up.

    A start outside working time counts from the next session; a deadline that falls on a
    session's end stands there. Raises CalendarMissing.
    """
    return after(start, limit.seconds(calendar), calendar, is_working=limit.is_working)


def soon_at(start: datetime, limit: Limit, calendar: Calendar) -> datetime:
    """Return when 80 % of `limit`, begun at `start`, is used up. Raises CalendarMissing."""
    seconds = limit.seconds(calendar) * 4 // 5
    return after(start, seconds, calendar, is_working=limit.is_working)


def after(start: datetime, seconds: int, calendar: Calendar, *, is_working: bool) -> datetime:
    """Return the first instant by which `seconds` have passed since `start`.

    Zero seconds pass at once, on a night or holiday too. Raises ValueError for a negative length,
    CalendarMissing where working time is asked for outside the days covered.
    """
    if seconds < 0:
        raise ValueError(f"{seconds} seconds cannot pass after {start}.")
    start_us = _microseconds(start)
    if not is_working:
        return _instant(start_us + seconds * _SECOND_US)
    worked = calendar.worked_until(
        start_us
    )  # refuses a start outside the calendar, zero length too
    if seconds == 0:
        return _instant(start_us)
    return _instant(calendar.instant_of(worked + seconds * _SECOND_US))


def used(start: datetime, end: datetime, calendar: Calendar, *, is_working: bool) -> int:
    """Return the whole seconds that passed from `start` to `end`; negative if `end` is earlier.

    Counts the full seconds of the calendar's own running total that fall between the two, so
    neighbouring spans add up exactly, and the span to a deadline is exactly its limit.
    Raises CalendarMissing where working time is asked for outside the days covered.
    """
    total = calendar.worked_until if is_working else int
    return total(_microseconds(end)) // _SECOND_US - total(_microseconds(start)) // _SECOND_US


class PauseKind(StrEnum):
    """Why a clock stood still."""

    SUSPENDED = "suspended"
    CHECKED = "checked"  # finished and being checked; a failed check starts it again
    RETURNED = "returned"  # given back without a reason that held; the same limit goes on
    MERGED = "merged"  # shared the survivor's clock until the merge was undone


@dataclass(frozen=True)
class Pause:
    """A stretch in which the clock stood still; without an end it still does."""

    start: datetime
    end: datetime | None
    kind: PauseKind = PauseKind.SUSPENDED


@dataclass(frozen=True)
class Extension:
    """A limit added to the deadline."""

    approved_at: datetime
    limit: Limit


@dataclass(frozen=True)
class Shared:
    """The earlier deadline of a duplicate, taken over when it was merged into the case."""

    at: datetime
    due: datetime
    number: str  # of the duplicate


class StepKind(StrEnum):
    """What one line of an explanation says; beside each, the values it carries."""

    START = "start"  # at
    OUTSIDE = "outside"  # at: the session the count begins with
    LIMIT = "limit"  # value, unit
    MINUTES = "minutes"  # minutes: the limit of a stage of the centre's own
    NAMED = "named"  # no limit: somebody named the time
    CONTINUOUS = "continuous"
    CALENDAR = "calendar"  # version
    PROVISIONAL = "provisional"  # year
    HOLIDAY = "holiday"  # first, last, name_zh, name_en
    MAKEUP = "makeup"  # day, name_zh, name_en
    WEEKEND = "weekend"  # days: how many
    PAUSE = "pause"  # start, end or None, kind
    EXTENSION = "extension"  # at, value, unit
    SHARED = "shared"  # at, due, number
    DUE = "due"  # at


@dataclass(frozen=True)
class Step:
    """One line of an explanation, without its words."""

    kind: StepKind
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """A deadline and the steps that led to it; no deadline while the clock stands still."""

    due: datetime | None
    left_s: int | None  # what remained when the clock stopped; null while it runs
    steps: tuple[Step, ...]


def explain(
    start: datetime,
    limit: Limit,
    calendar: Calendar,
    pauses: Sequence[Pause] = (),
    extensions: Sequence[Extension] = (),
    shared: Shared | None = None,
) -> Explanation:
    """Work out a deadline with its pauses and extensions, step by step.

    `pauses` in order of time, only the last may lack an end; extensions are of the limit's kind,
    working or continuous; a deadline taken over holds where it is the earlier one. Raises
    ValueError for others, CalendarMissing.
    """
    _check_pauses(start, pauses)
    if any(extension.limit.is_working != limit.is_working for extension in extensions):
        raise ValueError("An extension counts another kind of time than the limit.")
    run = _run(start, limit.seconds(calendar), limit, calendar, pauses, extensions)
    if shared is not None:
        run, shared = _earlier(run, shared, limit, calendar, pauses, extensions)
    steps = [Step(StepKind.START, {"at": start})]
    if limit.is_working:
        steps += _outside(start, calendar)
    steps.append(Step(StepKind.LIMIT, {"value": limit.value, "unit": limit.unit}))
    if limit.is_working:
        steps += _days_explained(run.stretches, calendar)
    else:
        steps.append(Step(StepKind.CONTINUOUS))
    for pause in pauses:
        values = {"start": pause.start, "end": pause.end, "kind": pause.kind}
        steps.append(Step(StepKind.PAUSE, values))
    for extension in extensions:
        added = {"value": extension.limit.value, "unit": extension.limit.unit}
        steps.append(Step(StepKind.EXTENSION, {"at": extension.approved_at, **added}))
    if shared is not None:
        taken = {"at": shared.at, "due": shared.due, "number": shared.number}
        steps.append(Step(StepKind.SHARED, taken))
    if run.due is not None:
        steps.append(Step(StepKind.DUE, {"at": run.due}))
    return Explanation(run.due, run.left_s, tuple(steps))


def explain_minutes(start: datetime, due: datetime) -> Explanation:
    """Explain the deadline of a stage of the centre: minutes, nights and holidays included."""
    minutes = (due - start) // timedelta(minutes=1)
    steps = (
        Step(StepKind.START, {"at": start}),
        Step(StepKind.MINUTES, {"minutes": minutes}),
        Step(StepKind.CONTINUOUS),
        Step(StepKind.DUE, {"at": due}),
    )
    return Explanation(due, None, steps)


def explain_named(start: datetime, due: datetime) -> Explanation:
    """Explain a deadline that somebody named: the end of a suspension, the time to reply by."""
    steps = (Step(StepKind.START, {"at": start}), Step(StepKind.NAMED))
    return Explanation(due, None, (*steps, Step(StepKind.DUE, {"at": due})))


def work_days_between(start: datetime, due: datetime, calendar: Calendar) -> Limit | None:
    """Return the limit in whole work days that leads from `start` to `due`; None if none does.

    Raises CalendarMissing.
    """
    seconds = used(start, due, calendar, is_working=True)
    limit = Limit(max(0, seconds) // calendar.work_day_s, LimitUnit.WORK_DAY)
    return limit if limit.value and due_at(start, limit, calendar) == due else None


@dataclass(frozen=True)
class _Ran:
    """How a clock ran: the stretches it ran in, and where it ends or what is left."""

    stretches: list[tuple[datetime, datetime]]
    due: datetime | None = None
    left_s: int | None = None


def _run(
    at: datetime,
    left: int,
    limit: Limit,
    calendar: Calendar,
    pauses: Iterable[Pause],
    extensions: Iterable[Extension],
) -> _Ran:
    """Run the clock for `left` seconds from `at` on, through pauses and extensions in order.

    What is left when a pause begins is counted from its end: none, if the limit was used up. So
    an extension that came after such a pause gives its whole length, not what was overdrawn.
    """
    is_working = limit.is_working
    waiting = sorted(extensions, key=lambda extension: extension.approved_at, reverse=True)
    stretches = []
    for pause in pauses:
        stretches.append((at, pause.start))
        while waiting and waiting[-1].approved_at <= pause.start:
            left += waiting.pop().limit.seconds(calendar)
        left = max(0, left - used(at, pause.start, calendar, is_working=is_working))
        if pause.end is None:
            return _Ran(stretches, left_s=left)
        at = pause.end
    left += sum(extension.limit.seconds(calendar) for extension in waiting)
    due = after(at, left, calendar, is_working=is_working)
    return _Ran([*stretches, (at, due)], due)


def _earlier(
    own: _Ran,
    shared: Shared,
    limit: Limit,
    calendar: Calendar,
    pauses: Sequence[Pause],
    extensions: Sequence[Extension],
) -> tuple[_Ran, Shared | None]:
    """Return the run that ends first: one's own, or what the deadline taken over left."""
    left = max(0, used(shared.at, shared.due, calendar, is_working=limit.is_working))
    later = [pause for pause in pauses if pause.start >= shared.at]
    added = [extension for extension in extensions if extension.approved_at >= shared.at]
    taken = _run(shared.at, left, limit, calendar, later, added)
    if not later:  # the moment taken over, not the whole seconds to it
        due = shared.due
        for extension in added:
            due = due_at(due, extension.limit, calendar)
        taken = replace(taken, due=due)
    if own.due is None or taken.due is None:
        is_earlier = (taken.left_s or 0) < (own.left_s or 0)
    else:
        is_earlier = taken.due < own.due
    return (taken, shared) if is_earlier else (own, None)


def _check_pauses(start: datetime, pauses: Sequence[Pause]) -> None:
    instants = [start]
    for number, pause in enumerate(pauses, 1):
        if pause.end is None and number < len(pauses):
            raise ValueError("A pause without an end is followed by another.")
        instants += [pause.start, pause.end or pause.start]
    if any(later < earlier for earlier, later in pairwise(instants)):
        raise ValueError("The pauses do not follow each other in time.")


def _outside(start: datetime, calendar: Calendar) -> list[Step]:
    """Return the step that names the first session counted, where `start` lies in none."""
    start_us = _microseconds(start)
    table = calendar._table
    index = bisect_right(table.starts, start_us)
    if index and start_us < table.ends[index - 1]:
        return []
    return [Step(StepKind.OUTSIDE, {"at": _instant(at)}) for at in table.starts[index : index + 1]]


def _days_explained(
    stretches: Iterable[tuple[datetime, datetime]], calendar: Calendar
) -> list[Step]:
    """Return the steps about the calendar and the days it leaves out or adds."""
    spans = [(calendar.local_day(start), calendar.local_day(end)) for start, end in stretches]
    days = sorted({day for first, last in spans for day in _days(first, last)})
    steps = [Step(StepKind.CALENDAR, {"version": calendar.version})]
    weekend_days = 0
    for announced, group in groupby(days, key=lambda day: _announced(day, calendar)):
        run = list(group)
        if announced is None:
            weekend_days += sum(not calendar.is_workday(day) for day in run)
            continue
        is_workday, names = announced[0], {"name_zh": announced[1], "name_en": announced[2]}
        if is_workday:
            steps += [Step(StepKind.MAKEUP, {"day": day, **names}) for day in run]
        else:
            steps.append(Step(StepKind.HOLIDAY, {"first": run[0], "last": run[-1], **names}))
    if weekend_days:
        steps.append(Step(StepKind.WEEKEND, {"days": weekend_days}))
    for year in sorted({day.year for day in days} & calendar.provisional_years):
        steps.append(Step(StepKind.PROVISIONAL, {"year": year}))
    return steps


def _announced(day: date, calendar: Calendar) -> tuple[bool, str, str] | None:
    special = calendar.special_day(day)
    return (special.is_workday, special.name_zh, special.name_en) if special else None


def _check_seasons(seasons: Sequence[Season]) -> None:
    if not seasons or any(season.seconds <= 0 for season in seasons):
        raise ValueError("A season without working hours cannot time anything.")
    if len({season.seconds for season in seasons}) > 1:
        raise ValueError("The seasons differ in working time a day, so a work day has no length.")
    begins = [date(2000, season.month, season.day) for season in seasons]  # 2000: a leap year
    if any(later <= earlier for earlier, later in pairwise(begins)):
        raise ValueError("The seasons do not follow each other in the year.")
    for season in seasons:
        instants = [instant for session in season.sessions for instant in session]
        if any(later <= earlier for earlier, later in pairwise(instants)):
            raise ValueError(
                f"The sessions from {season.month}-{season.day} do not follow each other."
            )


def _season(seasons: Sequence[Season], day: date) -> Season:
    """Return the season of a day; before the first of the year, the last one still runs."""
    index = bisect_right(
        seasons, (day.month, day.day), key=lambda season: (season.month, season.day)
    )
    return seasons[index - 1]


def _days(first: date, last: date) -> list[date]:
    return [first + _DAY * number for number in range((last - first).days + 1)]


def _of_day(at: time) -> int:
    """Return the seconds from midnight to a time of day."""
    return at.hour * _HOUR_S + at.minute * 60 + at.second


def _microseconds(at: datetime) -> int:
    """Return an aware datetime as microseconds since 1970. Raises ValueError for a naive one."""
    if at.tzinfo is None:
        raise ValueError(f"{at} has no time zone.")
    return (at - _EPOCH) // _MICROSECOND


def _instant(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)
