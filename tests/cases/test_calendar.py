"""Versions of the working calendar: what is shipped, how it is published, how it reads."""

import json
import shutil
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import holidays
import pytest
from django.db import connection
from django.utils import translation

from cases.choices import LimitUnit
from cases.clock import Calendar, Extension, Limit, Pause, PauseKind, SpecialDay, due_at, explain
from cases.errors import CalendarMissing
from cases.models import WorkCalendar, WorkCalendarDay
from cases.selectors.calendars import current_version, load_calendar, unannounced_years
from cases.selectors.explain import deadline_lines
from cases.services import calendars
from cases.services.calendars import SHIPPED, publish_calendar, read_calendar, seed_calendars
from cityops.accounts.models import User

FLOOD = SpecialDay(date(2026, 7, 6), is_workday=False, name_zh="防汛", name_en="Flood")


def with_flood_day(calendar: Calendar) -> Calendar:
    return replace(calendar, special=(FLOOD, *calendar.special))


# --- what is shipped ----------------------------------------------------------------------------


@pytest.mark.parametrize("year", [2025, 2026])
def test_shipped_year_is_as_announced(year: int) -> None:
    known = holidays.country_holidays("CN", years=year)
    calendar = read_calendar(SHIPPED)
    days = [date(year, 1, 1) + timedelta(days=number) for number in range(365)]

    assert [day for day in days if calendar.is_workday(day)] == [
        day for day in days if known.is_working_day(day)
    ]
    assert [
        special.day
        for special in calendar.special
        if special.is_workday and special.day.year == year
    ] == sorted(day for day in known.weekend_workdays if day.year == year)


def test_shipped_2027_has_weekends_only_and_says_so() -> None:
    calendar = read_calendar(SHIPPED)
    days = [date(2027, 1, 1) + timedelta(days=number) for number in range(365)]

    assert calendar.provisional_years == {2027}
    assert [day for day in days if not calendar.is_workday(day)] == [
        day for day in days if day.isoweekday() > 5
    ]


def test_shipped_years_must_follow_each_other(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    (tmp_path / "2026.json").unlink()

    with pytest.raises(ValueError, match="do not follow each other"):
        read_calendar(tmp_path)


# --- publishing ---------------------------------------------------------------------------------


@pytest.mark.django_db
def test_before_the_first_calendar_the_refusal_is_named() -> None:
    with pytest.raises(CalendarMissing, match="no working calendar yet"):
        current_version()
    with pytest.raises(CalendarMissing, match="version 999999"):
        load_calendar(999_999)


@pytest.mark.django_db
def test_seeding_twice_publishes_once() -> None:
    first = seed_calendars()
    second = seed_calendars()

    assert (first, second) == (current_version(), first)
    assert WorkCalendar.objects.count() == 1
    assert replace(load_calendar(first), version=0) == read_calendar(SHIPPED)
    assert WorkCalendarDay.objects.filter(kind="makeup").count() == 11


@pytest.mark.django_db
def test_a_newer_shipped_calendar_becomes_a_new_version(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    year = json.loads((tmp_path / "2027.json").read_text("utf-8"))
    year["is_provisional"] = False
    year["holidays"] = [
        {"from": "2027-01-01", "to": "2027-01-03", "name_zh": "元旦", "name_en": "New Year"}
    ]
    old = seed_calendars()
    (tmp_path / "2027.json").write_text(json.dumps(year), "utf-8")

    new = seed_calendars(tmp_path)

    assert new > old
    assert new == current_version()
    assert load_calendar(new).is_workday(date(2027, 1, 1)) is False
    assert load_calendar(old).is_workday(date(2027, 1, 1)) is True


@pytest.mark.django_db
def test_an_edited_calendar_is_a_new_version_and_is_not_replaced_by_the_seed() -> None:
    old = seed_calendars()
    actor = User.objects.create_user("admin9")

    new = publish_calendar(with_flood_day(load_calendar(old)), note="Flood", actor=actor)

    assert new > old
    assert seed_calendars() == new == current_version()
    assert WorkCalendar.objects.get(version=new).created_by == actor
    start, limit = datetime(2026, 7, 3, 9, tzinfo=UTC), Limit(2, LimitUnit.WORK_HOUR)  # Fri 17:00
    assert due_at(start, limit, load_calendar(old)) == datetime(2026, 7, 6, 1, tzinfo=UTC)
    assert due_at(start, limit, load_calendar(new)) == datetime(2026, 7, 7, 1, tzinfo=UTC)


@pytest.mark.django_db
def test_publishing_the_same_content_again_changes_nothing() -> None:
    version = seed_calendars()
    same = load_calendar(version)

    again = publish_calendar(
        replace(same, special=tuple(reversed(same.special))), note="again", actor=None
    )

    assert again == version
    assert WorkCalendar.objects.count() == 1


@pytest.mark.django_db
def test_a_loaded_calendar_is_not_read_again(django_assert_num_queries: Any) -> None:
    version = publish_calendar(read_calendar(SHIPPED), note="", actor=None)

    with django_assert_num_queries(2):
        first = load_calendar(version)
    with django_assert_num_queries(0):
        second = load_calendar(version)
    with django_assert_num_queries(1):
        current_version()

    assert first is second


@pytest.mark.django_db(transaction=True)
def test_two_at_once_publish_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    both_began = threading.Barrier(2)
    store, results = calendars._store, []

    def slow_store(content: Calendar, **words: Any) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.3)")  # long enough for the other to look
        return store(content, **words)

    def seed() -> None:
        try:
            both_began.wait(timeout=10)
            results.append(seed_calendars())
        finally:
            connection.close()

    monkeypatch.setattr(calendars, "_store", slow_store)
    threads = [threading.Thread(target=seed) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    assert results == [current_version()] * 2
    assert WorkCalendar.objects.count() == 1


@pytest.mark.django_db
def test_years_not_known_for_certain_are_listed() -> None:
    seed_calendars()

    assert unannounced_years(today=date(2025, 6, 1)) == []
    assert unannounced_years(today=date(2026, 11, 25)) == [2027]
    assert unannounced_years(today=date(2027, 1, 1)) == [2027, 2028]


# --- the words of an explanation ----------------------------------------------------------------


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_deadline_lines_of_working_time() -> None:
    explained = explain(
        utc("2026-09-29T10:30"),
        Limit(3, LimitUnit.WORK_DAY),
        read_calendar(SHIPPED),
        pauses=[
            Pause(utc("2026-09-30T02:00"), utc("2026-09-30T04:00")),
            Pause(utc("2026-10-08T01:00"), utc("2026-10-08T02:00"), PauseKind.CHECKED),
        ],
        extensions=[Extension(utc("2026-10-08T02:30"), Limit(3, LimitUnit.WORK_DAY))],
    )

    with translation.override("en"):
        lines = deadline_lines(explained)

    assert lines == [
        "The clock started at 2026-09-29 18:30.",
        "That is outside working hours, so time counts from 2026-09-30 08:00.",
        "The limit is 3 work days.",
        "Timed with working calendar 0.",
        "Not counted: 2026-10-01 to 2026-10-07 (National Day).",
        "Counted: 2026-10-10, a make-up workday (National Day).",
        "Not counted: 1 weekend day.",
        "Suspended from 2026-09-30 10:00 to 2026-09-30 12:00.",
        "Paused for the check from 2026-10-08 09:00 to 2026-10-08 10:00.",
        "Extended by 3 work days, approved at 2026-10-08 10:30.",
        "Due at 2026-10-14 11:00.",
    ]


def test_deadline_lines_of_continuous_time_and_of_a_clock_that_stands() -> None:
    limit, start = Limit(2, LimitUnit.EMERGENCY_HOUR), utc("2026-12-31T15:00")
    calendar = read_calendar(SHIPPED)
    pause = Pause(utc("2026-12-31T15:30"), None)

    with translation.override("en"):
        runs = deadline_lines(explain(start, limit, calendar))
        stands = deadline_lines(explain(start, limit, calendar, [pause]))
        checked = deadline_lines(
            explain(start, limit, calendar, [replace(pause, kind=PauseKind.CHECKED)])
        )

    assert runs == [
        "The clock started at 2026-12-31 23:00.",
        "The limit is 2 emergency hours.",
        "It runs through nights, weekends and holidays.",
        "Due at 2027-01-01 01:00.",
    ]
    assert stands == [*runs[:3], "Suspended since 2026-12-31 23:30."]
    assert checked == [*runs[:3], "Paused for the check since 2026-12-31 23:30."]


def test_deadline_lines_of_one_day_and_of_a_year_not_announced() -> None:
    start, limit = utc("2026-12-31T09:00"), Limit(2, LimitUnit.WORK_HOUR)
    eve = SpecialDay(date(2027, 1, 1), is_workday=False, name_zh="元旦", name_en="New Year")
    calendar = read_calendar(SHIPPED)

    with translation.override("en"):
        lines = deadline_lines(explain(start, limit, replace(calendar, special=(eve,))))

    assert lines == [
        "The clock started at 2026-12-31 17:00.",
        "The limit is 2 work hours.",
        "Timed with working calendar 0.",
        "Not counted: 2027-01-01 (New Year).",
        "Not counted: 2 weekend days.",
        "The holidays of 2027 are not announced yet: only its weekends are left out.",
        "Due at 2027-01-04 09:00.",
    ]
