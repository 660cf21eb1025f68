"""Two who prepare, change, finish or confirm at once: one does, the other looks again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from cases.choices import Role
from cases.services.city import load_city
from scoring.meeting_models import ActionItem, AgendaLine, Meeting
from scoring.meetings import (
    add_line,
    finish_meeting,
    judge_item,
    prepare_meeting,
    record_item,
    report_item,
)
from scoring.periods import earlier, month_of
from tests.scoring.test_lifecycle import at_once
from tests.support.city import SmallCity, open_logs
from tests.support.people import person

MONTH = month_of(timezone.now())
(LAST,) = earlier(MONTH, 1)
TODAY = timezone.localdate()


@pytest.fixture
def office(transactional_db, tmp_path):
    open_logs()
    load_city(SmallCity(tmp_path).write(), since=None, progress=lambda line: None)
    return [person(f"assessor{n}", Role.ASSESSOR) for n in range(3)]


@pytest.fixture
def meeting(office):
    return prepare_meeting(period=MONTH, actor=office[0])


def decided(meeting, actor, seen=1):
    words = {"text": "a", "unit": "office", "due_on": TODAY + timedelta(days=3), "line": None}
    return record_item(period=meeting.period, seen=seen, **words, actor=actor)


@pytest.mark.parametrize("months", [(MONTH, MONTH), (LAST, MONTH)])
def test_two_prepare_at_once_and_one_meeting_is_open(office, months):
    came = at_once(
        *(
            lambda month=month, actor=actor: prepare_meeting(period=month, actor=actor)
            for month, actor in zip(months, office, strict=False)
        )
    )

    assert sorted(came) == ["InvalidInput", "done"]
    assert Meeting.objects.get().prepared_by == office[came.index("done")]


def test_two_add_a_line_at_once_and_one_looks_again(office, meeting):
    def adding(actor):
        return lambda: add_line(
            period=meeting.period, seen=1, text=actor.username, number="", actor=actor
        )

    came = at_once(adding(office[0]), adding(office[1]))

    assert sorted(came) == ["InvalidInput", "done"]
    assert AgendaLine.objects.get().text == office[came.index("done")].username


def test_a_decision_and_the_finish_at_once_do_not_both_hold(office, meeting):
    came = at_once(
        lambda: decided(meeting, office[0]),
        lambda: finish_meeting(period=meeting.period, seen=1, held_on=TODAY, actor=office[1]),
    )

    assert sorted(came) == ["InvalidInput", "done"]
    meeting.refresh_from_db()
    assert meeting.is_open == (came[0] == "done")
    assert ActionItem.objects.count() == (came[0] == "done")


def test_two_confirm_at_once_and_one_is_named(office, meeting):
    item = decided(meeting, office[0])
    report_item(pk=item.pk, seen=1, note="a", is_done=True, actor=office[0])

    came = at_once(
        *(
            lambda actor=actor: judge_item(pk=item.pk, seen=2, is_done=True, note="", actor=actor)
            for actor in office[1:]
        )
    )

    assert sorted(came) == ["InvalidInput", "done"]
    item.refresh_from_db()
    assert item.confirmed_by == office[1:][came.index("done")]
    assert item.changes.count() == 3
