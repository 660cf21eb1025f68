"""The versions of the working calendar as the clock reads them."""

from datetime import date, time
from functools import lru_cache
from typing import Any

from cases.clock import Calendar, Season, SpecialDay
from cases.errors import CalendarMissing
from cases.models import WorkCalendar, WorkCalendarDay


def current_version() -> int:
    """Return the version new cases are timed with. Raises CalendarMissing before the first."""
    version = WorkCalendar.objects.values_list("version", flat=True).first()
    if version is None:
        raise CalendarMissing("There is no working calendar yet; load the city to get one.")
    return version


@lru_cache(maxsize=64)
def load_calendar(version: int) -> Calendar:
    """Return one version for the clock. Raises CalendarMissing for a version never published.

    Kept for the life of the process: a published version never changes, nor is its number given
    out again.
    """
    row = WorkCalendar.objects.filter(version=version).first()
    if row is None:
        raise CalendarMissing(f"There is no working calendar of version {version}.")
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
    covered = range(calendar.first.year, calendar.last.year + 1)
    years = (today.year, today.year + 1)
    return [year for year in years if year not in covered or year in calendar.provisional_years]


def _special_day(row: WorkCalendarDay) -> SpecialDay:
    is_workday = row.kind == WorkCalendarDay.Kind.MAKEUP
    return SpecialDay(row.date, is_workday, row.name_zh, row.name_en)


def season_of(plain: dict[str, Any]) -> Season:
    """Return a season from its stored form."""
    month, day = plain["from"].split("-")
    hours = [(time.fromisoformat(start), time.fromisoformat(end)) for start, end in plain["hours"]]
    return Season(int(month), int(day), tuple(hours))
