"""Working time against a minute-by-minute stepper that shares no code with it."""

import time as stopwatch
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cases.choices import LimitUnit
from cases.clock import (
    Calendar,
    Explanation,
    Extension,
    Limit,
    Pause,
    PauseKind,
    Season,
    SpecialDay,
    StepKind,
    after,
    due_at,
    explain,
    soon_at,
    used,
)
from cases.errors import CalendarMissing
from cases.services.calendars import SHIPPED, read_calendar

EMERGENCY_HOUR, EMERGENCY_DAY, WORK_HOUR, WORK_DAY = LimitUnit
MINUTE = timedelta(minutes=1)
unhurried = settings(deadline=None)  # the machine may be busy
SHIPPED_CALENDAR = read_calendar(SHIPPED)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Asia/Shanghai"))


# --- the stepper: local minutes, one after the other --------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What a calendar says, in the plainest form: dates, and minutes of the day."""

    first: date
    days: int
    off: frozenset[date]
    on: frozenset[date]
    sessions: tuple[tuple[int, int], ...]  # minutes of the day
    summer: tuple[tuple[int, int], ...]  # the same, in June to August

    def is_worked(self, minute: datetime) -> bool:
        """Say whether the minute that begins at a local naive time is working time."""
        day = minute.date()
        is_workday = day in self.on or (day not in self.off and minute.isoweekday() <= 5)
        sessions = self.summer if minute.month in (6, 7, 8) else self.sessions
        of_day = minute.hour * 60 + minute.minute
        return is_workday and any(start <= of_day < end for start, end in sessions)

    def calendar(self) -> Calendar:
        holidays = [SpecialDay(day, is_workday=False, name_zh="", name_en="") for day in self.off]
        makeups = [SpecialDay(day, is_workday=True, name_zh="", name_en="") for day in self.on]
        usual, summer = (
            tuple((clock_time(start), clock_time(end)) for start, end in sessions)
            for sessions in (self.sessions, self.summer)
        )
        return Calendar(
            version=1,
            first=self.first,
            last=self.first + timedelta(days=self.days - 1),
            special=(*holidays, *makeups),
            seasons=(Season(6, 1, summer), Season(9, 1, usual)),
        )


def midnight_of(day: date) -> datetime:
    return datetime.combine(day, time())


def clock_time(minutes: int) -> time:
    return time(minutes // 60, minutes % 60)


def stepped_due(start: datetime, minutes: int, counts: Callable[[datetime], bool]) -> datetime:
    at = start
    while minutes > 0:
        minutes -= counts(at)
        at += MINUTE
    return at


def stepped_used(start: datetime, end: datetime, counts: Callable[[datetime], bool]) -> int:
    minutes, at = 0, start
    while at < end:
        minutes += counts(at)
        at += MINUTE
    return minutes * 60


def as_utc(naive: datetime) -> datetime:
    """Take 8 h off: China has had no summer time since 1991."""
    return (naive - timedelta(hours=8)).replace(tzinfo=UTC)


# --- strategies ---------------------------------------------------------------------------------

FIRST_DAYS = [date(2025, 12, 22), date(2026, 5, 20), date(2026, 9, 14), date(2028, 2, 20)]
HOURS = [
    (((480, 720), (840, 1080)), ((450, 690), (870, 1110))),
    (((540, 1020),), ((0, 480),)),
    (((480, 600), (660, 780), (900, 1140)), ((480, 720), (840, 1080))),
]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    first = draw(st.sampled_from(FIRST_DAYS))
    days = [first + timedelta(days=number) for number in range(40)]
    special = draw(st.dictionaries(st.sampled_from(days), st.booleans(), max_size=12))
    sessions, summer = draw(st.sampled_from(HOURS))
    return Plan(
        first=first,
        days=40,
        off=frozenset(day for day, is_on in special.items() if not is_on),
        on=frozenset(day for day, is_on in special.items() if is_on),
        sessions=sessions,
        summer=summer,
    )


def minutes_of(plan: Plan, *, days: int) -> st.SearchStrategy[datetime]:
    midnight = midnight_of(plan.first)
    return st.integers(0, days * 1440).map(lambda minute: midnight + minute * MINUTE)


instants = st.datetimes(
    min_value=midnight_of(date(2025, 1, 1)),
    max_value=midnight_of(date(2027, 10, 1)),
    timezones=st.just(UTC),
)
working_limits = st.one_of(
    st.integers(0, 60).map(lambda value: Limit(value, WORK_HOUR)),
    st.integers(0, 20).map(lambda value: Limit(value, WORK_DAY)),
)
limits = st.one_of(
    working_limits,
    st.integers(0, 90).map(lambda value: Limit(value, EMERGENCY_HOUR)),
    st.integers(0, 20).map(lambda value: Limit(value, EMERGENCY_DAY)),
)


# --- against the stepper ------------------------------------------------------------------------


@settings(unhurried, max_examples=150)
@given(st.data())
def test_after_agrees_with_the_stepper(data: st.DataObject) -> None:
    plan = data.draw(plans())
    start = data.draw(minutes_of(plan, days=20))
    minutes = data.draw(st.integers(0, 3 * 480))
    left = stepped_used(
        start, datetime.combine(plan.first, time()) + timedelta(days=40), plan.is_worked
    )
    assume(minutes * 60 <= left)

    due = after(as_utc(start), minutes * 60, plan.calendar(), is_working=True)

    assert due == as_utc(stepped_due(start, minutes, plan.is_worked))


@unhurried
@given(st.data())
def test_used_agrees_with_the_stepper(data: st.DataObject) -> None:
    plan = data.draw(plans())
    start, end = sorted(
        [data.draw(minutes_of(plan, days=40)), data.draw(minutes_of(plan, days=40))]
    )

    seconds = used(as_utc(start), as_utc(end), plan.calendar(), is_working=True)

    assert seconds == stepped_used(start, end, plan.is_worked)


# --- what must always hold ----------------------------------------------------------------------


@unhurried
@given(instants, instants, instants, limits)
def test_used_adds_up_to_the_second(
    one: datetime, two: datetime, three: datetime, limit: Limit
) -> None:
    start, middle, end = sorted([one, two, three])
    is_working = limit.is_working

    first = used(start, middle, SHIPPED_CALENDAR, is_working=is_working)
    second = used(middle, end, SHIPPED_CALENDAR, is_working=is_working)

    assert first >= 0
    assert second >= 0
    assert first + second == used(start, end, SHIPPED_CALENDAR, is_working=is_working)
    assert used(middle, start, SHIPPED_CALENDAR, is_working=is_working) == -first


@unhurried
@given(instants, limits)
def test_time_used_at_the_deadline_is_the_limit(start: datetime, limit: Limit) -> None:
    due = due_at(start, limit, SHIPPED_CALENDAR)

    seconds = used(start, due, SHIPPED_CALENDAR, is_working=limit.is_working)
    assert seconds == limit.seconds(SHIPPED_CALENDAR)
    assert due >= start
    assert due.tzinfo == UTC
    assert start <= soon_at(start, limit, SHIPPED_CALENDAR) <= due


@unhurried
@given(instants, working_limits)
def test_a_deadline_is_the_first_instant_that_uses_the_limit(start: datetime, limit: Limit) -> None:
    assume(limit.value > 0)
    due = due_at(start, limit, SHIPPED_CALENDAR)
    just_before = due - timedelta(microseconds=1)

    left = used(just_before, due, SHIPPED_CALENDAR, is_working=True)
    worked = SHIPPED_CALENDAR.is_workday(SHIPPED_CALENDAR.local_day(just_before))
    of_day = just_before.astimezone(ZoneInfo("Asia/Shanghai")).time()

    assert left in (0, 1)
    assert worked
    assert time(8) <= of_day < time(12) or time(14) <= of_day < time(18)


@unhurried
@given(instants, instants, limits)
def test_a_later_start_is_never_due_earlier(one: datetime, two: datetime, limit: Limit) -> None:
    earlier, later = sorted([one, two])

    assert due_at(earlier, limit, SHIPPED_CALENDAR) <= due_at(later, limit, SHIPPED_CALENDAR)


@unhurried
@given(instants, limits, st.integers(0, 10))
def test_a_longer_limit_is_never_due_earlier(start: datetime, limit: Limit, more: int) -> None:
    longer = Limit(limit.value + more, limit.unit)

    assert due_at(start, limit, SHIPPED_CALENDAR) <= due_at(start, longer, SHIPPED_CALENDAR)


@unhurried
@given(instants, limits)
def test_an_extension_of_the_deadline_is_one_longer_limit(start: datetime, limit: Limit) -> None:
    assume(limit.value > 0)
    double = Limit(limit.value * 2, limit.unit)

    extended = due_at(due_at(start, limit, SHIPPED_CALENDAR), limit, SHIPPED_CALENDAR)

    assert extended == due_at(start, double, SHIPPED_CALENDAR)


@unhurried
@given(st.integers(0, 10**7), st.integers(0, 10**7), working_limits)
def test_time_used_and_time_left_make_the_limit(ran_s: int, pause_s: int, limit: Limit) -> None:
    start = local("2026-03-02T09:13:07.123456")
    stop = start + timedelta(seconds=ran_s, microseconds=654_321)
    assume(stop <= due_at(start, limit, SHIPPED_CALENDAR))
    resumed = stop + timedelta(seconds=pause_s)

    left = used(stop, due_at(start, limit, SHIPPED_CALENDAR), SHIPPED_CALENDAR, is_working=True)
    explained = explain(start, limit, SHIPPED_CALENDAR, [Pause(stop, resumed)])

    spent = used(start, stop, SHIPPED_CALENDAR, is_working=True)
    assert spent + left == limit.seconds(SHIPPED_CALENDAR)
    assert explained.due == after(resumed, left, SHIPPED_CALENDAR, is_working=True)


# --- by hand ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "value", "unit", "due"),
    [
        ("2026-11-25T09:00", 2, WORK_HOUR, "2026-11-25T11:00"),
        ("2026-11-25T11:00", 2, WORK_HOUR, "2026-11-25T15:00"),
        # a session's end: there, not at the start of the next
        ("2026-11-25T08:00", 4, WORK_HOUR, "2026-11-25T12:00"),
        ("2026-11-25T08:00", 1, WORK_DAY, "2026-11-25T18:00"),
        ("2026-11-25T14:00", 1, WORK_DAY, "2026-11-26T12:00"),
        # starts outside working time
        ("2026-11-25T12:00", 1, WORK_HOUR, "2026-11-25T15:00"),
        ("2026-11-25T12:59", 1, WORK_HOUR, "2026-11-25T15:00"),
        ("2026-11-25T23:30", 4, WORK_HOUR, "2026-11-26T12:00"),
        ("2026-11-28T10:00", 1, WORK_HOUR, "2026-11-30T09:00"),
        # a weekend between
        ("2026-11-27T17:00", 2, WORK_HOUR, "2026-11-30T09:00"),
        # Friday before a make-up Sunday: Saturday is off, Sunday the 20th is worked
        ("2026-09-18T17:00", 4, WORK_HOUR, "2026-09-20T11:00"),
        # a make-up Saturday after National Day
        ("2026-09-30T17:30", 5, WORK_DAY, "2026-10-13T17:30"),
        # 20 work days over Mid-Autumn and National Day
        ("2026-09-21T08:00", 20, WORK_DAY, "2026-10-23T18:00"),
        # nine days of Spring Festival, worked Saturdays on both sides
        ("2026-02-14T17:00", 1, WORK_DAY, "2026-02-24T17:00"),
        ("2026-02-27T18:00", 8, WORK_HOUR, "2026-02-28T18:00"),
        # year's ends: 2026 begins with a worked Sunday; 2027 is not announced, its 1st is a Friday
        ("2025-12-31T17:00", 2, WORK_HOUR, "2026-01-04T09:00"),
        ("2026-12-31T17:00", 2, WORK_HOUR, "2027-01-01T09:00"),
        # emergency units run through everything
        ("2026-09-30T23:00", 2, EMERGENCY_HOUR, "2026-10-01T01:00"),
        ("2026-02-14T18:00", 3, EMERGENCY_DAY, "2026-02-17T18:00"),
        # nothing to wait for
        ("2026-11-28T10:00", 0, WORK_HOUR, "2026-11-28T10:00"),
        ("2026-11-28T10:00", 0, EMERGENCY_HOUR, "2026-11-28T10:00"),
    ],
)
def test_due_at_by_hand(start: str, value: int, unit: LimitUnit, due: str) -> None:
    assert due_at(local(start), Limit(value, unit), SHIPPED_CALENDAR) == local(due)


def test_due_at_counts_a_leap_day() -> None:
    calendar = Calendar(version=1, first=date(2028, 1, 1), last=date(2028, 12, 31))

    due = due_at(local("2028-02-28T08:00"), Limit(3, WORK_DAY), calendar)

    assert due == local("2028-03-01T18:00")


def test_due_at_takes_any_zone_and_answers_in_utc() -> None:
    start = datetime(2026, 11, 24, 20, 0, tzinfo=ZoneInfo("America/New_York"))  # 09:00 of the 25th

    due = due_at(start, Limit(1, WORK_HOUR), SHIPPED_CALENDAR)

    assert due.isoformat() == "2026-11-25T02:00:00+00:00"


def test_microseconds_are_kept() -> None:
    due = due_at(local("2026-11-25T11:59:59.999999"), Limit(1, WORK_HOUR), SHIPPED_CALENDAR)

    assert due == local("2026-11-25T14:59:59.999999")


def test_soon_at_is_80_percent_of_the_limit() -> None:
    soon = soon_at(local("2026-11-27T08:00"), Limit(2, WORK_DAY), SHIPPED_CALENDAR)

    assert soon == local("2026-11-30T14:48")  # 12.8 of 16 work hours


def test_a_work_day_is_as_long_as_the_sessions() -> None:
    season = Season(1, 1, ((time(8, 30), time(11, 30)), (time(13), time(17))))
    calendar = Calendar(
        version=1, first=date(2026, 11, 1), last=date(2026, 11, 30), seasons=(season,)
    )

    due = due_at(local("2026-11-23T13:00"), Limit(1, WORK_DAY), calendar)

    assert Limit(1, WORK_DAY).seconds(calendar) == 7 * 3600
    assert due == local("2026-11-24T11:30")


def test_hours_change_with_the_season() -> None:
    winter = Season(10, 1, ((time(8), time(12)), (time(14), time(18))))
    summer = Season(6, 1, ((time(8), time(12)), (time(15), time(19))))
    calendar = Calendar(
        version=1, first=date(2026, 5, 1), last=date(2026, 12, 31), seasons=(summer, winter)
    )

    spring = due_at(local("2026-05-29T17:00"), Limit(6, WORK_HOUR), calendar)
    autumn = due_at(local("2026-09-30T18:00"), Limit(6, WORK_HOUR), calendar)

    assert spring == local("2026-06-01T16:00")  # winter hours run until the summer's begin
    assert autumn == local("2026-10-01T15:00")


# --- refusals -----------------------------------------------------------------------------------


def test_working_time_outside_the_calendar_is_refused() -> None:
    one_hour, last_hour = Limit(1, WORK_HOUR), local("2027-12-31T17:00")

    with pytest.raises(CalendarMissing, match="2025-01-01 to 2027-12-31"):
        due_at(local("2024-12-31T23:59:59"), one_hour, SHIPPED_CALENDAR)
    with pytest.raises(CalendarMissing):
        due_at(local("2027-12-31T17:30"), one_hour, SHIPPED_CALENDAR)
    with pytest.raises(CalendarMissing):
        due_at(local("2028-01-01T00:00:01"), Limit(0, WORK_HOUR), SHIPPED_CALENDAR)
    with pytest.raises(CalendarMissing):
        used(last_hour, local("2028-01-03T09:00"), SHIPPED_CALENDAR, is_working=True)
    assert due_at(last_hour, one_hour, SHIPPED_CALENDAR) == local("2027-12-31T18:00")


def test_continuous_time_needs_no_calendar() -> None:
    due = due_at(local("2031-12-31T23:00"), Limit(2, EMERGENCY_HOUR), SHIPPED_CALENDAR)

    assert due == local("2032-01-01T01:00")


def test_times_without_a_zone_and_negative_lengths_are_refused() -> None:
    start = local("2026-11-25T09:00")

    with pytest.raises(ValueError, match="no time zone"):
        due_at(datetime(2026, 11, 25, 9), Limit(1, WORK_HOUR), SHIPPED_CALENDAR)  # noqa: DTZ001  # the point
    with pytest.raises(ValueError, match="negative"):
        Limit(-1, WORK_HOUR)
    with pytest.raises(ValueError, match="-5 seconds"):
        after(start, -5, SHIPPED_CALENDAR, is_working=True)


NEW_YEAR = SpecialDay(date(2026, 1, 1), is_workday=False, name_zh="元旦", name_en="New Year")
MORNING = (time(8), time(12))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"last": date(2025, 12, 31)}, "before the first"),
        ({"special": (NEW_YEAR, NEW_YEAR)}, "stands twice"),
        ({"first": date(2026, 1, 2), "special": (NEW_YEAR,)}, "outside the days"),
        ({"seasons": ()}, "without working hours"),
        ({"seasons": (Season(1, 1, ()),)}, "without working hours"),
        ({"seasons": (Season(1, 1, (MORNING, MORNING)),)}, "sessions from 1-1"),
        ({"seasons": (Season(1, 1, (MORNING,)), Season(1, 1, (MORNING,)))}, "in the year"),
        (
            {"seasons": (Season(1, 1, (MORNING,)), Season(6, 1, ((time(8), time(11)),)))},
            "differ in working time",
        ),
        ({"seasons": (Season(2, 30, (MORNING,)),)}, "day"),
    ],
)
def test_a_calendar_that_contradicts_itself_is_refused(parts: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"version": 1, "first": date(2026, 1, 1), "last": date(2026, 12, 31)}
    Calendar(**good)

    with pytest.raises(ValueError, match=message):
        Calendar(**(good | parts))


# --- explanations -------------------------------------------------------------------------------


def steps_of(explanation: Explanation, kind: StepKind) -> list[dict[str, object]]:
    return [step.values for step in explanation.steps if step.kind == kind]


def test_a_pause_over_a_weekend_costs_no_working_time() -> None:
    friday, monday = local("2026-11-27T17:00"), local("2026-11-30T09:00")
    pause = Pause(friday, monday)

    explained = explain(local("2026-11-27T16:00"), Limit(4, WORK_HOUR), SHIPPED_CALENDAR, [pause])

    assert explained.due == local("2026-11-30T12:00")  # 1 h before the pause, 3 h after it
    assert steps_of(explained, StepKind.WEEKEND) == []
    assert steps_of(explained, StepKind.PAUSE) == [
        {"start": friday, "end": monday, "kind": PauseKind.SUSPENDED}
    ]


def test_a_pause_outside_working_time_changes_nothing() -> None:
    start, limit = local("2026-11-27T16:00"), Limit(4, WORK_HOUR)
    pause = Pause(local("2026-11-27T19:00"), local("2026-11-29T23:00"))

    explained = explain(start, limit, SHIPPED_CALENDAR, [pause])

    assert explained.due == due_at(start, limit, SHIPPED_CALENDAR)


def test_nothing_is_left_after_a_pause_begun_too_late() -> None:
    resumed = local("2026-11-26T09:00")
    pause = Pause(local("2026-11-25T17:00"), resumed, PauseKind.CHECKED)

    explained = explain(local("2026-11-25T08:00"), Limit(4, WORK_HOUR), SHIPPED_CALENDAR, [pause])

    assert explained.due == resumed


def test_an_open_pause_has_no_deadline() -> None:
    pause = Pause(local("2026-11-25T10:00"), None)

    explained = explain(local("2026-11-25T08:00"), Limit(4, WORK_HOUR), SHIPPED_CALENDAR, [pause])

    assert explained.due is None
    assert steps_of(explained, StepKind.DUE) == []


def test_extensions_move_the_deadline() -> None:
    start, limit = local("2026-11-25T08:00"), Limit(1, WORK_DAY)
    extension = Extension(local("2026-11-25T16:00"), limit)

    explained = explain(start, limit, SHIPPED_CALENDAR, extensions=[extension])

    assert explained.due == local("2026-11-26T18:00")
    assert steps_of(explained, StepKind.EXTENSION) == [
        {"at": extension.approved_at, "value": 1, "unit": WORK_DAY}
    ]


def test_an_explanation_names_every_day_left_out_or_added() -> None:
    explained = explain(local("2026-09-21T07:00"), Limit(20, WORK_DAY), SHIPPED_CALENDAR)

    national_day = {"name_zh": "国庆节", "name_en": "National Day"}
    assert [(step.kind, step.values) for step in explained.steps] == [
        (StepKind.START, {"at": local("2026-09-21T07:00")}),
        (StepKind.OUTSIDE, {"at": local("2026-09-21T08:00")}),
        (StepKind.LIMIT, {"value": 20, "unit": WORK_DAY}),
        (StepKind.CALENDAR, {"version": 0}),
        (
            StepKind.HOLIDAY,
            {
                "first": date(2026, 9, 25),
                "last": date(2026, 9, 27),
                "name_zh": "中秋节",
                "name_en": "Mid-Autumn",
            },
        ),
        (StepKind.HOLIDAY, {"first": date(2026, 10, 1), "last": date(2026, 10, 7), **national_day}),
        (StepKind.MAKEUP, {"day": date(2026, 10, 10), **national_day}),
        (StepKind.WEEKEND, {"days": 3}),  # 11, 17, 18 October
        (StepKind.DUE, {"at": local("2026-10-23T18:00")}),
    ]


def test_an_explanation_warns_of_a_year_not_announced() -> None:
    explained = explain(local("2026-12-31T17:00"), Limit(2, WORK_HOUR), SHIPPED_CALENDAR)

    assert steps_of(explained, StepKind.PROVISIONAL) == [{"year": 2027}]


def test_an_explanation_of_continuous_time_names_no_calendar() -> None:
    explained = explain(local("2026-09-30T23:00"), Limit(2, EMERGENCY_HOUR), SHIPPED_CALENDAR)

    assert [step.kind for step in explained.steps] == [
        StepKind.START,
        StepKind.LIMIT,
        StepKind.CONTINUOUS,
        StepKind.DUE,
    ]


def test_pauses_out_of_order_and_mixed_extensions_are_refused() -> None:
    start, limit = local("2026-11-25T08:00"), Limit(1, WORK_DAY)
    later = Pause(local("2026-11-25T10:00"), local("2026-11-25T11:00"))
    earlier = Pause(local("2026-11-25T09:00"), local("2026-11-25T10:30"))
    hours = Extension(start, Limit(1, EMERGENCY_HOUR))

    with pytest.raises(ValueError, match="follow each other"):
        explain(start, limit, SHIPPED_CALENDAR, [later, earlier])
    with pytest.raises(ValueError, match="without an end"):
        explain(start, limit, SHIPPED_CALENDAR, [Pause(earlier.start, None), later])
    with pytest.raises(ValueError, match="another kind of time"):
        explain(start, limit, SHIPPED_CALENDAR, extensions=[hours])


def test_speed_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    calendar = read_calendar(SHIPPED)
    limit = Limit(5, WORK_DAY)
    start = local("2026-01-01T00:00")
    starts = [start + timedelta(seconds=241 * number) for number in range(100_000)]
    began = stopwatch.perf_counter()

    dues = [due_at(at, limit, calendar) for at in starts]

    seconds = stopwatch.perf_counter() - began
    with capsys.disabled():
        print(f"\n100,000 deadlines in {seconds:.2f} s")  # noqa: T201  # what the test is for
    assert dues == sorted(dues)
