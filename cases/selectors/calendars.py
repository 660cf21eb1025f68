"""The versions of the working calendar: as the clock reads them, and as people compare them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _

from cases.clock import Calendar, Season, SpecialDay
from cases.errors import CalendarMissing
from cases.models import WorkCalendar, WorkCalendarDay


def current_version() -> int:
    """Return the version new cases are timed with. Raises CalendarMissing before the first."""
    version = WorkCalendar.objects.values_list("version", flat=True).first()
    if version is None:
        raise CalendarMissing(_("There is no working calendar yet; load the city to get one."))
    return version


@lru_cache(maxsize=64)
def load_calendar(version: int) -> Calendar:
    """Return one version for the clock. Raises CalendarMissing for a version never published.

    Kept for the life of the process: a published version never changes, nor is its number given
    out again.
    """
    row = WorkCalendar.objects.filter(version=version).first()
    if row is None:
        raise CalendarMissing(
            _("There is no working calendar of version %(version)s.") % {"version": version}
        )
    return Calendar(
        version=row.version,
        first=row.first_day,
        last=row.last_day,
        special=tuple(_special_day(day) for day in row.days.order_by("date")),
        seasons=tuple(season_of(season) for season in row.seasons),
        provisional_years=frozenset(row.provisional_years),
    )


def unannounced_years(*, today: date) -> list[int]:
    """Return which of this year and the next the current calendar does not know for certain.

    A year is uncertain while its holidays are not announced, or while it is not covered at all.
    """
    calendar = load_calendar(current_version())
    missing = uncovered_years(today=today)
    years = (today.year, today.year + 1)
    return [year for year in years if year in missing or year in calendar.provisional_years]


def uncovered_years(*, today: date) -> list[int]:
    """Return which of this year and the next no deadline of working time can fall in."""
    calendar = load_calendar(current_version())
    covered = range(calendar.first.year, calendar.last.year + 1)
    return [year for year in (today.year, today.year + 1) if year not in covered]


def _special_day(row: WorkCalendarDay) -> SpecialDay:
    is_workday = row.kind == WorkCalendarDay.Kind.MAKEUP
    return SpecialDay(row.date, is_workday, row.name_zh, row.name_en)


def season_of(plain: dict[str, Any]) -> Season:
    """Return a season from its stored form."""
    month, day = plain["from"].split("-")
    hours = [(time.fromisoformat(start), time.fromisoformat(end)) for start, end in plain["hours"]]
    return Season(int(month), int(day), tuple(hours))


# --- as people edit and compare them ------------------------------------------------------------

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Stretch:
    """Days in a row that are special for one reason: a line of an announcement."""

    first: date
    last: date
    is_workday: bool
    name_zh: str
    name_en: str

    def days(self) -> list[SpecialDay]:
        """Return its days."""
        count = (self.last - self.first).days + 1
        return [
            SpecialDay(self.first + _DAY * number, self.is_workday, self.name_zh, self.name_en)
            for number in range(count)
        ]


def stretches(special: Iterable[SpecialDay]) -> list[Stretch]:
    """Return special days as stretches, in order of time."""
    runs: list[Stretch] = []
    for one in sorted(special, key=lambda one: one.day):
        alone = Stretch(one.day, one.day, one.is_workday, one.name_zh, one.name_en)
        if runs and runs[-1] == replace(alone, first=runs[-1].first, last=one.day - _DAY):
            runs[-1] = replace(runs[-1], last=one.day)
        else:
            runs.append(alone)
    return runs


def with_year(
    calendar: Calendar, year: int, special: Iterable[SpecialDay], *, is_provisional: bool
) -> Calendar:
    """Return a calendar in which one year is told anew; the year after the last makes it longer."""
    others = [one for one in calendar.special if one.day.year != year]
    provisional = calendar.provisional_years - {year}
    return replace(
        calendar,
        first=min(calendar.first, date(year, 1, 1)),
        last=max(calendar.last, date(year, 12, 31)),
        special=tuple(sorted([*others, *special], key=lambda one: one.day)),
        provisional_years=provisional | {year} if is_provisional else provisional,
    )


def editable_years(calendar: Calendar) -> range:
    """Return the years an edit may tell anew: those covered, and the one that follows."""
    return range(calendar.first.year, calendar.last.year + 2)


@dataclass(frozen=True)
class ChangedDay:
    """A day that two versions tell differently; None where its weekday alone decides."""

    day: date
    before: SpecialDay | None
    after: SpecialDay | None
    was_workday: bool
    is_workday: bool


def changed_days(old: Calendar, new: Calendar) -> list[ChangedDay]:
    """Return the days that differ, in order of time; a year not covered before has weekdays."""
    days = sorted({one.day for one in (*old.special, *new.special)})
    told = [
        ChangedDay(
            day,
            old.special_day(day),
            new.special_day(day),
            old.is_workday(day),
            new.is_workday(day),
        )
        for day in days
    ]
    return [one for one in told if one.before != one.after]
