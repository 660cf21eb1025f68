"""Mistakes of other systems about time, each shown not to be made here (domain.md §9: 3, 4, 5)."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db.models import F

from cases.choices import Action, ClockKind, LimitUnit
from cases.clock import Calendar, Extension, Limit, Pause, due_at, explain, used
from cases.errors import Busy, CalendarMissing
from cases.models import Case, CityOptions, Condition, Event, StageClock
from cases.selectors.deadline import Story
from cases.services import deadlines
from cases.services.calendars import SHIPPED, read_calendar
from cases.services.deadlines import scan_deadlines
from tests.support.spine import act, dispatched, report, unit_person

CALENDAR = read_calendar(SHIPPED)
HOURS, DAYS = LimitUnit.WORK_HOUR, LimitUnit.WORK_DAY
on_the_city = pytest.mark.usefixtures("huaihua", "db")


def local(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=ZoneInfo("Asia/Shanghai"))


# --- 3: on hold does not pause; holidays ignored; re-classified cases are born overdue ----------


def test_mistake_03_on_hold_pauses_the_clock() -> None:
    hold = Pause(local("11-23T10:00"), local("11-25T10:00"))

    explained = explain(local("11-23T09:00"), Limit(4, HOURS), CALENDAR, [hold])

    assert explained.due == local("11-25T15:00")  # an hour before it, three after it
    running_on = due_at(local("11-23T09:00"), Limit(4, HOURS), CALENDAR)
    assert running_on == local("11-23T15:00")


def test_mistake_03_a_clock_on_hold_has_no_deadline_to_be_late_for() -> None:
    hold = Pause(local("11-23T10:00"), None)

    explained = explain(local("11-23T09:00"), Limit(4, HOURS), CALENDAR, [hold])

    assert (explained.due, explained.left_s) == (None, 3 * 3600)


def test_mistake_03_holidays_are_left_out_and_make_up_days_counted() -> None:
    due = due_at(local("09-30T17:00"), Limit(2, DAYS), CALENDAR)

    assert due == local("10-09T17:00")  # seven days of National Day between
    assert due_at(local("10-09T17:00"), Limit(1, DAYS), CALENDAR) == local("10-10T17:00")


def test_mistake_03_a_reclassified_case_is_timed_from_its_own_run() -> None:
    """Reported on Monday, dispatched on Thursday, re-classified on Friday to four hours."""
    reported, start, now = local("11-23T09:00"), local("11-26T15:00"), local("11-27T08:30")
    story = Story(start, Limit(5, DAYS), CALENDAR)

    due = story.with_limit(Limit(4, HOURS)).explanation.due

    assert due == local("11-27T09:00") > now
    assert due_at(reported, Limit(4, HOURS), CALENDAR) < start  # so it would be born overdue


@on_the_city
def test_mistake_03_reclassified_by_the_duty_chief_it_is_not_born_overdue(people) -> None:
    days = Condition.objects.filter(limit_unit="work_day", limit_value__gte=5).earliest("code")
    hours = Condition.objects.filter(limit_unit="emergency_hour").earliest("code")
    number = dispatched(people, days)
    case = Case.objects.get(number=number)
    reported = case.reported_at - timedelta(days=20)
    Case.objects.filter(pk=case.pk).update(reported_at=reported)

    act(number, Action.RECLASSIFY, people.chief, condition=hours.code)

    after = Case.objects.get(pk=case.pk)
    started = case.event_set.get(action=Action.DISPATCH).at
    factor = 1 if after.built_up else CityOptions.objects.get().outskirts_factor
    assert after.due_at == started + timedelta(hours=hours.limit_value * factor)
    assert after.due_at > reported + timedelta(days=20)


# --- 4: the scan is keyed on "last modified", skips cases without an assignee, stops at 100 -----


def make_late(number: str, kind: ClockKind) -> None:
    StageClock.objects.filter(case__number=number, kind=kind).update(
        started_at=F("started_at") - timedelta(hours=200),
        due_at=F("due_at") - timedelta(hours=200),
        soon_at=F("soon_at") - timedelta(hours=200),
    )


def overdue_clocks(number: str) -> list[str]:
    found = Event.objects.filter(case__number=number, action=Action.OVERDUE).order_by("case_seq")
    return [event.data["facts"]["clock"] for event in found]


@on_the_city
def test_mistake_04_work_on_a_case_does_not_put_its_overdue_signal_off(people, condition) -> None:
    number = dispatched(people, condition)
    make_late(number, ClockKind.HANDLE)
    act(number, Action.SIGN, unit_person(number))  # the case was modified just now

    scan_deadlines()

    assert overdue_clocks(number) == ["handle"]


@on_the_city
def test_mistake_04_a_case_nobody_holds_escalates_too(people, condition) -> None:
    number = report(people, condition)["number"]  # filed, no unit yet
    assert Case.objects.get(number=number).unit_id is None
    make_late(number, ClockKind.DISPATCH)

    scan_deadlines()

    assert overdue_clocks(number) == ["dispatch"]


@on_the_city
def test_mistake_04_the_scan_goes_on_until_no_row_is_left(people, condition, monkeypatch) -> None:
    monkeypatch.setattr(deadlines, "BATCH", 3)
    numbers = [report(people, condition)["number"] for _ in range(8)]
    for number in numbers:
        make_late(number, ClockKind.DISPATCH)

    assert scan_deadlines() == "8 signals"
    assert [overdue_clocks(number) for number in numbers] == [["dispatch"]] * 8


@on_the_city
def test_mistake_04_one_case_that_is_busy_keeps_no_other_from_its_signal(
    people, condition, monkeypatch, caplog
) -> None:
    numbers = [report(people, condition)["number"] for _ in range(3)]
    for number in numbers:
        make_late(number, ClockKind.DISPATCH)
    held = Case.objects.get(number=numbers[0]).pk
    real = deadlines.signal

    def signal(clock_id, case_id, *, at):
        if case_id == held:
            raise Busy("The case is being changed by somebody else. Try again.")
        return real(clock_id, case_id, at=at)

    with monkeypatch.context() as patch:
        patch.setattr(deadlines, "signal", signal)
        patch.setattr(deadlines, "BATCH", 1)
        assert scan_deadlines() == "2 signals, 1 put off"
    assert [overdue_clocks(number) for number in numbers] == [[], ["dispatch"], ["dispatch"]]
    assert "was not signalled" in caplog.text
    assert scan_deadlines() == "1 signals"


# --- 5: wall-clock pauses subtracted from working time; a loop that stops after N steps ---------


def test_mistake_05_a_pause_is_measured_in_working_time() -> None:
    """63 hours on the wall from Friday evening to Monday morning are one working hour."""
    hold = Pause(local("11-27T17:00"), local("11-30T08:00"))

    explained = explain(local("11-27T16:00"), Limit(4, HOURS), CALENDAR, [hold])

    assert explained.due == local("11-30T11:00")
    undisturbed = due_at(local("11-27T16:00"), Limit(4, HOURS), CALENDAR)
    assert used(undisturbed, explained.due, CALENDAR, is_working=True) == 3600
    assert explained.due < undisturbed + (hold.end - hold.start)


def test_mistake_05_no_limit_is_too_long_to_be_counted_to_its_end() -> None:
    calendar = Calendar(version=1, first=date(2000, 1, 1), last=date(2099, 12, 31))
    start = datetime(2000, 1, 3, 8, tzinfo=ZoneInfo("Asia/Shanghai"))  # a Monday

    due = due_at(start, Limit(26_000, DAYS), calendar)

    assert due == start + timedelta(weeks=5200, days=-3, hours=10)  # Friday at 18:00
    assert used(start, due, calendar, is_working=True) == 26_000 * 8 * 3600


def test_mistake_05_beyond_the_calendar_it_says_so() -> None:
    extension = Extension(local("11-24T09:00"), Limit(200, DAYS))

    with pytest.raises(CalendarMissing, match="2025-01-01 to 2027-12-31"):
        due_at(local("11-23T09:00"), Limit(400, DAYS), CALENDAR)
    with pytest.raises(CalendarMissing):
        explain(local("11-23T09:00"), Limit(200, DAYS), CALENDAR, extensions=[extension])
