"""How a deadline came about, told from the events, and equal to the one the case carries."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from cases.choices import LimitUnit
from cases.clock import Extension, Limit, Pause, PauseKind
from cases.models import Case, Event, StageClock
from cases.selectors import deadline
from cases.selectors.deadline import Story, handling_explained, handling_story
from cases.selectors.explain import deadline_lines
from cases.services.calendars import SHIPPED, read_calendar

CALENDAR = read_calendar(SHIPPED)
LIMIT = Limit(2, LimitUnit.WORK_DAY)


def local(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.fixture(autouse=True)
def calendar(monkeypatch):
    monkeypatch.setattr(deadline, "load_calendar", lambda version: CALENDAR)


def case_due(at=None):
    return Case(
        number="HH2026112300001",
        limit_value=LIMIT.value,
        limit_unit=LIMIT.unit,
        calendar_version=1,
        due_at=at,
    )


def log(*told):
    """Return events from (action, local time, facts…)."""
    return [
        Event(action=action, at=local(at), data={"facts": facts[0] if facts else {}}, **DUE)
        for action, at, *facts in told
    ]


DUE = {"due_at": local("12-31T12:00"), "sets_clock": True}  # that there is one is all that matters
APPROVED = {"level": "dispatcher", "approved": True}
REFUSED = {"level": "dispatcher", "approved": False}
FIRST_WORD = {"level": "unit_head", "approved": True}
JUSTIFIED = {"ruling": "justified"}
UNJUSTIFIED = {"ruling": "unjustified", "goes_on": True}  # with the unit that returned it

# what happened: start, pauses (start, end, kind), extensions
STORIES = {
    "nothing yet": ([("file", "11-23T09:00")], None),
    "dispatched and signed": (
        [("file", "11-23T09:00"), ("dispatch", "11-23T09:10"), ("sign", "11-23T10:00")],
        ("11-23T09:10", [], []),
    ),
    "a failed check": (
        [
            ("dispatch", "11-23T09:00"),
            ("finish", "11-23T15:00"),
            ("send_check", "11-23T15:00"),
            ("answer_check", "11-23T15:20"),
            ("rework", "11-23T15:30"),
        ],
        ("11-23T09:00", [("11-23T15:00", "11-23T15:30", PauseKind.CHECKED)], []),
    ),
    "an unjustified return": (
        [
            ("dispatch", "11-23T09:00"),
            ("return", "11-23T11:00"),
            ("reassign", "11-23T11:20", UNJUSTIFIED),
        ],
        ("11-23T09:00", [("11-23T11:00", "11-23T11:20", PauseKind.RETURNED)], []),
    ),
    "a justified return": (
        [
            ("dispatch", "11-23T09:00"),
            ("return", "11-23T11:00"),
            ("reassign", "11-23T11:20", JUSTIFIED),
        ],
        ("11-23T11:20", [], []),
    ),
    "an unjustified return, given to another unit": (
        [
            ("dispatch", "11-23T09:00"),
            ("return", "11-23T11:00"),
            ("reassign", "11-23T11:20", {"ruling": "unjustified"}),
        ],
        ("11-23T11:20", [], []),
    ),
    "re-assigned without a return": (
        [("dispatch", "11-23T09:00"), ("reassign", "11-23T11:20", UNJUSTIFIED)],
        ("11-23T11:20", [], []),
    ),
    "a dispute, arbitrated": (
        [
            ("dispatch", "11-23T09:00"),
            ("return", "11-23T11:00"),
            ("reassign", "11-23T11:20", UNJUSTIFIED),
            ("return", "11-23T11:40"),
            ("arbitrate", "11-23T15:00", UNJUSTIFIED),
        ],
        (
            "11-23T09:00",
            [
                ("11-23T11:00", "11-23T11:20", PauseKind.RETURNED),
                ("11-23T11:40", "11-23T15:00", PauseKind.RETURNED),
            ],
            [],
        ),
    ),
    "an extension, approved twice over": (
        [
            ("dispatch", "11-23T09:00"),
            ("request_extension", "11-23T10:00"),
            ("decide_extension", "11-23T10:30", FIRST_WORD),
            ("decide_extension", "11-23T11:00", APPROVED),
            ("decide_extension", "11-23T15:00", REFUSED),
        ],
        ("11-23T09:00", [], ["11-23T11:00"]),
    ),
    "suspended and resumed": (
        [
            ("dispatch", "11-23T09:00"),
            ("decide_suspension", "11-23T10:00", {"approved": False}),
            ("decide_suspension", "11-23T11:00", {"approved": True}),
            ("resume", "11-30T09:00"),
        ],
        ("11-23T09:00", [("11-23T11:00", "11-30T09:00", PauseKind.SUSPENDED)], []),
    ),
    "merged while it was suspended": (
        [
            ("dispatch", "11-23T09:00"),
            ("defer", "11-23T11:00"),
            ("merge", "11-24T09:00"),
            ("unmerge", "11-25T09:00"),
        ],
        ("11-23T09:00", [("11-23T11:00", None, PauseKind.SUSPENDED)], []),
    ),
    "merged and unmerged": (
        [("dispatch", "11-23T09:00"), ("merge", "11-23T11:00"), ("unmerge", "11-25T09:00")],
        ("11-23T09:00", [("11-23T11:00", "11-25T09:00", PauseKind.MERGED)], []),
    ),
    "reopened": (
        [("dispatch", "11-23T09:00"), ("finish", "11-23T11:00"), ("reopen", "11-26T09:00")],
        ("11-26T09:00", [], []),
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_the_story_is_read_from_the_events(name):
    told, expected = STORIES[name]

    story = handling_story(case_due(), log(*told))

    if expected is None:
        assert story is None
        return
    start, pauses, extended_at = expected
    assert story == Story(
        local(start),
        LIMIT,
        CALENDAR,
        tuple(Pause(local(a), b and local(b), kind) for a, b, kind in pauses),
        tuple(Extension(local(at), LIMIT) for at in extended_at),
    )


def explained_of(case, events):
    return handling_explained(case, handling_story(case, events))


def test_a_clock_that_stands_keeps_or_loses_its_deadline_as_the_case_says():
    finished = log(("dispatch", "11-23T09:00"), ("finish", "11-23T11:00"))
    returned = log(("dispatch", "11-23T09:00"), ("return", "11-23T11:00"))
    due = local("11-25T09:00")

    assert explained_of(case_due(due), finished).due == due
    stands = explained_of(case_due(), returned)
    assert (stands.due, stands.left_s) == (None, 14 * 3600)


def test_an_explanation_that_ends_elsewhere_is_withheld_and_logged(caplog):
    dispatched = log(("dispatch", "11-23T09:00"))

    assert explained_of(case_due(local("11-25T09:01")), dispatched) is None
    assert "HH2026112300001" in caplog.text
    assert explained_of(case_due(local("11-25T09:00")), dispatched) is not None


def test_under_another_limit_an_extension_adds_the_new_one():
    told = log(("dispatch", "11-23T09:00"), ("decide_extension", "11-23T11:00", APPROVED))
    story = handling_story(case_due(), told)

    hours = story.with_limit(Limit(3, LimitUnit.EMERGENCY_HOUR))

    assert hours.explanation.due == local("11-23T15:00")
    assert hours.without_extensions().explanation.due == local("11-23T12:00")
    assert story.explanation.due == local("11-27T09:00")


def test_an_extension_after_the_limit_was_overdrawn_gives_its_whole_length():
    """After a late finish nothing is left; a limit added in rework is added to nothing."""
    told = log(
        ("dispatch", "11-23T09:00"),
        ("finish", "11-27T09:00"),
        ("rework", "11-27T10:00"),
        ("decide_extension", "11-27T10:00", APPROVED),
    )

    explained = handling_story(case_due(), told).explanation

    assert explained.due == local("12-01T10:00")  # Friday 10:00 and two work days


def test_a_case_reopened_before_anybody_held_it_has_no_run():
    reopened = Event(action="reopen", at=local("11-26T09:00"), data={}, due_at=None)

    assert handling_story(case_due(), [reopened]) is None


def merged(*told, at="11-23T11:00", due="11-24T10:00"):
    """Return the events of a survivor that took a deadline over."""
    taken = Event(
        action="take_in",
        at=local(at),
        data={"facts": {"number": "HH2026112300009"}},
        sets_clock=True,
        due_at=local(due),
    )
    return [*log(("dispatch", "11-23T09:00")), taken, *log(*told)]


@pytest.mark.parametrize(
    ("told", "due"),
    [
        ([], "11-24T10:00"),
        ([("finish", "11-23T15:00"), ("rework", "11-24T09:00")], "11-24T16:00"),
        ([("decide_extension", "11-23T16:00", APPROVED)], "11-26T10:00"),
        ([("let_go", "11-23T16:00", {"number": "HH2026112300009"})], "11-25T09:00"),
    ],
)
def test_the_survivor_of_a_merge_shares_the_earlier_deadline(told, due):
    assert handling_story(case_due(), merged(*told)).explanation.due == local(due)


def test_a_deadline_taken_over_is_named_only_while_it_is_the_earlier_one():
    story = handling_story(case_due(), merged())
    shorter = story.with_limit(Limit(4, LimitUnit.WORK_HOUR))

    with translation.override("en"):
        assert deadline_lines(story.explanation)[-2:] == [
            "At 2026-11-23 11:00 case HH2026112300009 was merged into this one: "
            "its earlier deadline 2026-11-24 10:00 holds.",
            "Due at 2026-11-24 10:00.",
        ]
        assert deadline_lines(shorter.explanation)[-1] == "Due at 2026-11-23 15:00."
    assert len(shorter.explanation.steps) == len(story.explanation.steps) - 1


def test_the_other_clocks_tell_minutes_orders_and_times_named():
    start, friday = local("11-23T09:00"), local("11-27T15:00")
    clocks = [
        StageClock(kind="verify", started_at=start, due_at=local("11-23T09:30")),
        StageClock(kind="hotline", started_at=start, due_at=local("11-26T09:00")),
        StageClock(kind="suspend", started_at=start, due_at=friday),
        StageClock(kind="supervise", started_at=start, due_at=None),
    ]

    with translation.override("en"):
        told = [deadline._of_stage(clock, case_due()) for clock in clocks]

    assert [one["limit"] for one in told] == [
        {"value": 30, "unit": "minute"},
        {"value": 3, "unit": "work_day"},
        None,
        None,
    ]
    assert [one["calendar"] for one in told] == [None, CALENDAR.version, None, None]
    assert told[1]["lines"][1:3] == ["The limit is 3 work days.", "Timed with working calendar 0."]
    assert told[2]["lines"] == [
        "The clock started at 2026-11-23 09:00.",
        "The time was named then.",
        "Due at 2026-11-27 15:00.",
    ]
    assert told[3]["lines"] == []
