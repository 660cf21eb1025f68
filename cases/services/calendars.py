"""Publish versions of the working calendar, and seed the shipped one."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from cases.clock import Calendar, Season, SpecialDay
from cases.errors import StaleCalendar
from cases.models import WorkCalendar, WorkCalendarDay
from cases.selectors.calendars import load_calendar, season_of
from cityops.accounts.models import User

SHIPPED = Path(__file__).resolve().parent.parent / "data" / "calendar"
_LOCK = 0x63616C65  # "cale": two publishers at once would each extend the version they saw
_DAY = timedelta(days=1)


@transaction.atomic
def publish_calendar(
    content: Calendar,
    *,
    note: str,
    actor: User | None,
    is_seed: bool = False,
    seen_version: int | None = None,
) -> int:
    """Publish `content` as a new version and return its number.

    Content equal to the current version publishes nothing. Cases keep the version they were filed
    under; recomputing open deadlines is an action of its own. `seen_version` is the version that
    `content` was made from. Raises StaleCalendar if it is the current one no more.
    """
    _lock_publishing()
    latest = WorkCalendar.objects.first()
    if seen_version is not None and (latest is None or latest.version != seen_version):
        raise StaleCalendar(
            f"Working calendar {seen_version} is not the current one any more: look again.",
            fields={"seen_version": "begin from the current version"},
        )
    if latest is not None and _is_same(load_calendar(latest.version), content):
        return latest.version
    return _store(content, note=note, actor=actor, is_seed=is_seed)


@transaction.atomic
def seed_calendars(folder: Path = SHIPPED) -> int:
    """Publish the shipped calendar where none is, or an older shipped one; return the current.

    A calendar edited by a person is never replaced. Harmless to repeat.
    """
    _lock_publishing()
    latest = WorkCalendar.objects.first()
    if latest is not None and not latest.is_seed:
        return latest.version
    return publish_calendar(
        read_calendar(folder), note="shipped with the product", actor=None, is_seed=True
    )


def read_calendar(folder: Path) -> Calendar:
    """Read the shipped form: `hours.json` and one file a year, without gaps between the years.

    Raises ValueError or KeyError for a file that is wrong: it comes with the product.
    """
    years = [_json(path) for path in sorted(folder.glob("[0-9][0-9][0-9][0-9].json"))]
    numbers = [int(year["year"]) for year in years]
    if not numbers or numbers != list(range(numbers[0], numbers[-1] + 1)):
        raise ValueError(f"The years of {folder.name} do not follow each other: {numbers}.")
    return Calendar(
        version=0,
        first=date(numbers[0], 1, 1),
        last=date(numbers[-1], 12, 31),
        special=tuple(
            sorted((day for year in years for day in _announced(year)), key=lambda day: day.day)
        ),
        seasons=tuple(season_of(season) for season in _json(folder / "hours.json")),
        provisional_years=frozenset(year["year"] for year in years if year["is_provisional"]),
    )


def _store(content: Calendar, *, note: str, actor: User | None, is_seed: bool) -> int:
    row = WorkCalendar.objects.create(
        first_day=content.first,
        last_day=content.last,
        seasons=[_season_json(season) for season in content.seasons],
        provisional_years=sorted(content.provisional_years),
        note=note,
        is_seed=is_seed,
        created_by=actor,
    )
    kinds = {False: WorkCalendarDay.Kind.HOLIDAY, True: WorkCalendarDay.Kind.MAKEUP}
    WorkCalendarDay.objects.bulk_create(
        WorkCalendarDay(
            calendar=row,
            date=special.day,
            kind=kinds[special.is_workday],
            name_zh=special.name_zh,
            name_en=special.name_en,
        )
        for special in content.special
    )
    return row.version


def _lock_publishing() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _is_same(one: Calendar, other: Calendar) -> bool:
    """Compare contents, whatever the versions and the order of the special days."""
    plain = [
        replace(calendar, version=0, special=tuple(sorted(calendar.special, key=lambda s: s.day)))
        for calendar in (one, other)
    ]
    return plain[0] == plain[1]


def _announced(year: dict[str, Any]) -> Iterator[SpecialDay]:
    """Yield the days of one shipped year; a holiday's weekend days are part of it."""
    for holiday in year["holidays"]:
        day, last = date.fromisoformat(holiday["from"]), date.fromisoformat(holiday["to"])
        while day <= last:
            yield SpecialDay(day, False, holiday["name_zh"], holiday["name_en"])  # noqa: FBT003  # a column
            day += _DAY
    for makeup in year["makeup_workdays"]:
        day = date.fromisoformat(makeup["day"])
        yield SpecialDay(day, True, makeup["name_zh"], makeup["name_en"])  # noqa: FBT003  # a column


def _season_json(season: Season) -> dict[str, Any]:
    hours = [[f"{start:%H:%M}", f"{end:%H:%M}"] for start, end in season.sessions]
    return {"from": f"{season.month:02}-{season.day:02}", "hours": hours}


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))
