"""100,000 random deadlines, each equal to what counting minutes one by one gives (faults.md Z07).

The stepper shares no code with the clock: it knows the dates of the year, walks every minute of
every day once, notes how many were worked before it, and looks its answers up there. Ten families
of ten thousand; what a family means is asked of each of its cases, in dates alone.
"""

import random
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

import holidays
import pytest

from cases.choices import LimitUnit
from cases.clock import (
    Calendar,
    Extension,
    Limit,
    Pause,
    PauseKind,
    Season,
    SpecialDay,
    due_at,
    explain,
    soon_at,
)

EACH = 10_000  # deadlines of a family
CHANGED = "holidays changed after the fact"
EMERGENCY_HOUR, EMERGENCY_DAY, WORK_HOUR, WORK_DAY = LimitUnit
DAY_S, WEEK_S = 86_400, 7 * 86_400
MONTHS = 120 * DAY_S  # nothing drawn here is due later after its start

Sessions = tuple[tuple[int, int], ...]  # minutes of the day
USUAL = ((480, 720), (840, 1080))


# --- the stepper --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Days:
    """A calendar in its plainest form: dates, and minutes of the day."""

    first: date
    last: date
    off: frozenset[date]
    on: frozenset[date]
    sessions: Sessions = USUAL
    summer: Sessions = USUAL  # June to August

    def is_workday(self, day: date) -> bool:
        return day in self.on or (day not in self.off and day.isoweekday() <= 5)

    def calendar(self) -> Calendar:
        """Return the same as the clock takes it."""
        named = [(day, False) for day in self.off] + [(day, True) for day in self.on]
        return Calendar(
            version=1,
            first=self.first,
            last=self.last,
            special=tuple(SpecialDay(day, is_on, "", "") for day, is_on in sorted(named)),
            seasons=(Season(6, 1, _times(self.summer)), Season(9, 1, _times(self.sessions))),
        )

    def edited(self, chance: random.Random) -> "Days":
        """Return it with some forty of its days turned round: holidays changed after the fact."""
        days = (self.last - self.first).days
        turned = {self.first + timedelta(chance.randrange(days)) for _ in range(40)}
        off = {day for day in turned if self.is_workday(day)}
        kept_off, kept_on = self.off - turned, self.on - turned
        return Days(
            self.first,
            self.last,
            kept_off | off,
            kept_on | {day for day in turned - off if day.isoweekday() > 5 or day in self.off},
            self.sessions,
            self.summer,
        )


def _times(sessions: Sessions) -> tuple[tuple[time, time], ...]:
    return tuple((time(a // 60, a % 60), time(b // 60, b % 60)) for a, b in sessions)


class Stepper:
    """Every minute of a calendar, one by one. Instants are local seconds since its start."""

    def __init__(self, days: Days) -> None:
        self.days, self.calendar = days, days.calendar()
        self.midnight = datetime.combine(days.first, time())
        self._is_worked = bytearray()
        self._before = array("l", [0])  # minutes worked before each minute
        self._ends = array("l", [0])  # the first minute by which so many were worked
        day, minute, worked = days.first, 0, 0
        while day <= days.last:
            sessions = days.summer if day.month in (6, 7, 8) else days.sessions
            is_workday = days.is_workday(day)
            for of_day in range(1440):
                is_worked = is_workday and any(a <= of_day < b for a, b in sessions)
                self._is_worked.append(is_worked)
                minute += 1
                if is_worked:
                    worked += 1
                    self._ends.append(minute)
                self._before.append(worked)
            day += timedelta(1)
        self._is_worked.append(0)

    def worked(self, at: int) -> int:
        """Return the working seconds before an instant."""
        minute, second = divmod(at, 60)
        return self._before[minute] * 60 + second * self._is_worked[minute]

    def first_by(self, worked: int) -> int:
        """Return the first instant by which so many working seconds had passed."""
        minutes, second = divmod(worked, 60)
        if second == 0:
            return self._ends[minutes] * 60
        return (self._ends[minutes + 1] - 1) * 60 + second

    def later(self, at: int, seconds: int, *, is_working: bool) -> int:
        """Return when `seconds` have passed since `at`; none pass at once."""
        if not is_working or seconds == 0:
            return at + seconds
        return self.first_by(self.worked(at) + seconds)

    def due(self, case: "Drawn") -> int | None:
        """Return the deadline, None while it stands still: what happened, one after the other."""
        working = case.is_working
        length = case.value * self.length_of(case.unit)
        left, at = length, case.start
        happened = [(a, 1, b) for a, b in case.pauses] + [(at_, 0, 0) for at_ in case.extended]
        for moment, is_pause, until in sorted(happened, key=lambda row: row[:2]):
            if not is_pause:
                left += length
                continue
            gone = self.worked(moment) - self.worked(at) if working else moment - at
            left = max(0, left - gone)
            if until is None:
                return None
            at = until
        return self.later(at, left, is_working=working)

    def length_of(self, unit: LimitUnit) -> int:
        a_day = sum(b - a for a, b in self.days.sessions) * 60
        return {EMERGENCY_HOUR: 3600, WORK_HOUR: 3600, EMERGENCY_DAY: DAY_S, WORK_DAY: a_day}[unit]

    def date_of(self, at: int) -> date:
        return self.days.first + timedelta(seconds=at)

    def second_of(self, day: date) -> int:
        return (day - self.days.first).days * DAY_S

    def as_utc(self, at: int) -> datetime:
        """Take 8 h off: China has had no summer time since 1991."""
        return (self.midnight + timedelta(seconds=at) - timedelta(hours=8)).replace(tzinfo=UTC)

    def whole_days(self, start: int, end: int) -> Iterator[date]:
        """Yield the dates that lie wholly between two instants."""
        for number in range(-(-start // DAY_S), end // DAY_S):
            yield self.days.first + timedelta(number)


@dataclass
class Drawn:
    """A deadline to work out, in the stepper's instants."""

    start: int
    value: int
    unit: LimitUnit
    pauses: list[tuple[int, int | None]] = field(default_factory=list)
    extended: list[int] = field(default_factory=list)

    @property
    def is_working(self) -> bool:
        return self.unit in (WORK_HOUR, WORK_DAY)


# --- calendars: China as it was, and invented ones ----------------------------------------------


def as_announced(first: int, last: int) -> Days:
    """Return China's days from the `holidays` package, make-up days included."""
    known = holidays.country_holidays("CN", years=range(first, last + 1))
    every = [date(first, 1, 1) + timedelta(n) for n in range((last - first + 1) * 366)]
    days = [day for day in every if day.year <= last]
    return Days(
        days[0],
        days[-1],
        frozenset(d for d in days if d.isoweekday() <= 5 and not known.is_working_day(d)),
        frozenset(d for d in days if d.isoweekday() > 5 and known.is_working_day(d)),
    )


def invented(first: int, last: int, sessions: Sessions, summer: Sessions, seed: int) -> Days:
    """Return years in which one day in twelve is not what its weekday says."""
    chance = random.Random(seed)  # noqa: S311  # a test's numbers
    every = [date(first, 1, 1) + timedelta(n) for n in range((last - first + 1) * 366)]
    special = [day for day in every if day.year <= last and chance.random() < 1 / 12]
    return Days(
        date(first, 1, 1),
        date(last, 12, 31),
        frozenset(day for day in special if day.isoweekday() <= 5),
        frozenset(day for day in special if day.isoweekday() > 5),
        sessions,
        summer,
    )


@pytest.fixture(scope="module")
def steppers() -> list[Stepper]:
    """Walk three calendars; 2024 and 2028 are leap years, one works from 00:00 on in summer."""
    return [
        Stepper(days)
        for days in (
            as_announced(2023, 2026),
            invented(2027, 2029, ((480, 600), (660, 780), (900, 1140)), USUAL, seed=1),
            invented(2027, 2028, ((540, 1020),), ((0, 480),), seed=2),
        )
    ]


# --- drawing ------------------------------------------------------------------------------------


class Drawer:
    """Draws deadlines on one calendar until one is of the family wanted."""

    def __init__(self, stepper: Stepper, chance: random.Random) -> None:
        self.stepper, self.chance = stepper, chance
        days = stepper.days
        self.end = stepper.second_of(days.last) - MONTHS
        covered = (days.first + timedelta(7), stepper.date_of(self.end))
        self.holidays = [day for day in sorted(days.off) if covered[0] < day < covered[1]]
        self.makeups = [day for day in sorted(days.on) if covered[0] < day < covered[1]]
        years = range(days.first.year, days.last.year + 1)
        self.leap_days = [date(y, 2, 29) for y in years if y % 4 == 0]
        self.new_years = [date(y, 1, 1) for y in years if y > days.first.year]

    def limit(self, *units: LimitUnit) -> tuple[int, LimitUnit]:
        unit = self.chance.choice(units or tuple(LimitUnit))
        most = {EMERGENCY_HOUR: 90, EMERGENCY_DAY: 20, WORK_HOUR: 60, WORK_DAY: 20}[unit]
        return self.chance.randint(0 if self.chance.random() < 0.01 else 1, most), unit

    def start(self) -> int:
        """Draw a second; now and then the edge of a minute, an hour, or a day."""
        at = self.chance.randrange(self.end)
        return at - at % self.chance.choice((1, 1, 1, 60, 3600, DAY_S))

    def plain(self) -> Drawn:
        return Drawn(self.start(), *self.limit())

    def around(self, day: date) -> Drawn:
        """Draw a working deadline with a pause that holds `day` whole."""
        stepper, chance = self.stepper, self.chance
        midnight = stepper.second_of(day)
        begin = max(1, midnight - chance.randrange(2 * DAY_S))
        end = midnight + DAY_S + chance.randrange(WEEK_S)
        start = max(0, begin - chance.randrange(4 * DAY_S))
        return Drawn(start, *self.limit(WORK_HOUR, WORK_DAY), pauses=[(begin, end)])

    def weekend(self) -> Drawn:
        day = self.stepper.date_of(self.chance.randrange(WEEK_S, self.end))
        return self.around(day - timedelta(day.isoweekday() - self.chance.choice((6, 7))))

    def holiday(self) -> Drawn:
        return self.around(self.chance.choice(self.holidays))

    def makeup(self) -> Drawn:
        return self.around(self.chance.choice(self.makeups))

    def paused(self, *units: LimitUnit) -> Drawn:
        """Draw up to four pauses; the last may begin after the deadline, or last for ever."""
        drawn = Drawn(self.start(), *self.limit(*units))
        at = drawn.start
        for _ in range(self.chance.randint(2, 4)):
            begin = at + self.chance.randrange(4 * DAY_S)
            at = begin + self.chance.randrange(10 * DAY_S)
            drawn.pauses.append((begin, at))
        if self.chance.random() < 0.1:
            drawn.pauses[-1] = (drawn.pauses[-1][0], None)
        return drawn

    def extended(self) -> Drawn:
        """Draw one or two extensions, each approved before the deadline that then was."""
        drawn = self.plain()
        if self.chance.random() < 0.5:
            begin = drawn.start + self.chance.randrange(2 * DAY_S)
            drawn.pauses.append((begin, begin + self.chance.randrange(10 * DAY_S)))
        for _ in range(self.chance.randint(1, 2)):
            due = self.stepper.due(drawn)
            assert due is not None
            at = self.chance.randint(drawn.start, due)
            is_paused = any(begin < at < (end or at) for begin, end in drawn.pauses)
            drawn.extended.append(drawn.pauses[0][1] or at if is_paused else at)
        return drawn

    def continuous(self) -> Drawn:
        return self.paused(EMERGENCY_HOUR, EMERGENCY_DAY)

    def leap_day(self) -> Drawn:
        midnight = self.stepper.second_of(self.chance.choice(self.leap_days))
        return Drawn(midnight - self.chance.randrange(20 * DAY_S), *self.limit())

    def year_end(self) -> Drawn:
        midnight = self.stepper.second_of(self.chance.choice(self.new_years))
        return Drawn(midnight - self.chance.randrange(20 * DAY_S), *self.limit())


# --- what makes a family, in dates alone --------------------------------------------------------


def _pauses_over(kind: Callable[[Stepper, date], bool]) -> Callable[[Stepper, Drawn], bool]:
    def holds(stepper: Stepper, case: Drawn) -> bool:
        """A pause that began in time lies over a whole day of the kind."""
        unpaused = Drawn(case.start, case.value, case.unit)
        in_time = case.pauses[0][0] < (stepper.due(unpaused) or 0)
        covered = (d for a, b in case.pauses for d in stepper.whole_days(a, b or a))
        return in_time and any(kind(stepper, day) for day in covered)

    return holds


def _is_weekend(stepper: Stepper, day: date) -> bool:
    return day.isoweekday() > 5 and day not in stepper.days.on


def _is_holiday(stepper: Stepper, day: date) -> bool:
    return day in stepper.days.off


def _is_makeup(stepper: Stepper, day: date) -> bool:
    return day in stepper.days.on


def _runs_over_leap_day(stepper: Stepper, case: Drawn) -> bool:
    days = stepper.whole_days(case.start, stepper.due(case) or case.start)
    return any((day.month, day.day) == (2, 29) for day in days)


def _runs_over_year_end(stepper: Stepper, case: Drawn) -> bool:
    due = stepper.due(case)
    return due is not None and stepper.date_of(case.start).year < stepper.date_of(due).year


Draw = Callable[[Drawer], Drawn]
Is = Callable[[Stepper, Drawn], bool]
FAMILIES: dict[str, tuple[Draw, Is]] = {
    "plain": (Drawer.plain, lambda _, case: not case.pauses),
    "pause over a weekend": (Drawer.weekend, _pauses_over(_is_weekend)),
    "pause over a holiday": (Drawer.holiday, _pauses_over(_is_holiday)),
    "pause over a make-up day": (Drawer.makeup, _pauses_over(_is_makeup)),
    "several pauses": (
        lambda drawer: drawer.paused(WORK_HOUR, WORK_DAY),
        lambda _, case: len(case.pauses) > 1,
    ),
    "extensions": (Drawer.extended, lambda _, case: bool(case.extended)),
    "leap day": (Drawer.leap_day, _runs_over_leap_day),
    "year end": (Drawer.year_end, _runs_over_year_end),
    "nights and holidays too": (Drawer.continuous, lambda _, case: not case.is_working),
}


# --- the comparison -----------------------------------------------------------------------------


def clock_due(stepper: Stepper, case: Drawn, calendar: Calendar) -> datetime | None:
    """Return what the clock answers."""
    limit = Limit(case.value, case.unit)
    pauses = [
        Pause(stepper.as_utc(a), None if b is None else stepper.as_utc(b), PauseKind.SUSPENDED)
        for a, b in case.pauses
    ]
    extensions = [Extension(stepper.as_utc(at), limit) for at in case.extended]
    return explain(stepper.as_utc(case.start), limit, calendar, pauses, extensions).due


def require_equal(stepper: Stepper, case: Drawn) -> int | None:
    """Compare the clock with the stepper to the second; return the stepper's deadline."""
    expected = stepper.due(case)
    found = clock_due(stepper, case, stepper.calendar)
    assert found == (None if expected is None else stepper.as_utc(expected)), case
    return expected


def draw(drawer: Drawer, family: str) -> Drawn:
    """Draw until a deadline is of the family: its own rule says so, not the way it was drawn."""
    how, is_of = FAMILIES[family]
    for _ in range(1000):
        case = how(drawer)
        if is_of(drawer.stepper, case):
            return case
    raise AssertionError(f"no deadline of the family {family} in 1,000 draws")


@pytest.fixture(scope="module")
def counted(steppers: list[Stepper]) -> Counter[str]:
    """Compare every family, and count what was compared."""
    seen: Counter[str] = Counter()
    for family in FAMILIES:
        chance = random.Random(f"Z07 {family}")  # noqa: S311  # a test's numbers
        drawers = [Drawer(stepper, chance) for stepper in steppers]
        for number in range(EACH):
            drawer = drawers[number % len(drawers)]
            case = draw(drawer, family)
            _note(seen, drawer.stepper, case, require_equal(drawer.stepper, case))
            seen[family] += 1
    _compare_changed(steppers, seen)
    return seen


def _note(seen: Counter[str], stepper: Stepper, case: Drawn, due: int | None) -> None:
    """Count the edges a deadline stands on."""
    if due is None:
        seen["stands still"] += 1
        return
    seen["due at 00:00"] += due % DAY_S == 0
    seen["due on a session's end"] += case.is_working and _ends_session(stepper, due)
    seen["overdrawn before a pause"] += bool(case.pauses) and due == case.pauses[-1][1]
    if not case.pauses and not case.extended:
        _require_plain(stepper, case, due)


def _compare_changed(steppers: list[Stepper], seen: Counter[str]) -> None:
    """Compare the same deadlines before and after some days of their calendar were turned round."""
    chance = random.Random("Z07 changed")  # noqa: S311  # a test's numbers
    drawers = [Drawer(stepper, chance) for stepper in steppers]
    edited = [[Stepper(one.days.edited(chance)) for _ in range(3)] for one in steppers]
    for number in range(EACH):
        which = number % len(drawers)
        case = draw(drawers[which], "extensions")
        before = steppers[which].due(case)
        seen["moved"] += before != require_equal(chance.choice(edited[which]), case)
        seen[CHANGED] += 1


def _ends_session(stepper: Stepper, due: int) -> bool:
    return stepper.worked(due) > stepper.worked(due - 1) and not (
        stepper.worked(due + 1) > stepper.worked(due)
    )


def _require_plain(stepper: Stepper, case: Drawn, due: int) -> None:
    """Compare the two short forms of the question, and the point where 80 % are used."""
    start, limit = stepper.as_utc(case.start), Limit(case.value, case.unit)
    soon = case.value * stepper.length_of(case.unit) * 4 // 5
    at = stepper.later(case.start, soon, is_working=case.is_working)
    assert due_at(start, limit, stepper.calendar) == stepper.as_utc(due), case
    assert soon_at(start, limit, stepper.calendar) == stepper.as_utc(at), case


def test_a_hundred_thousand_deadlines_equal_the_stepper(counted: Counter[str]) -> None:
    families = [*FAMILIES, CHANGED]

    assert {family: counted[family] for family in families} == dict.fromkeys(families, EACH)
    assert len(families) * EACH == 100_000


def test_among_them_are_the_edges(counted: Counter[str]) -> None:
    assert counted["due at 00:00"] > 300
    assert counted["due on a session's end"] > 2000
    assert counted["overdrawn before a pause"] > 1000
    assert counted["stands still"] > 1000
    assert counted["moved"] > 1000
