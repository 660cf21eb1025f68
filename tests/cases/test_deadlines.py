"""Due-soon and overdue: once each, and again when the deadline moved."""

from datetime import timedelta

import pytest
from django.db.models import F

from cases.models import Case, Event, StageClock
from cases.services import deadlines
from cases.services.deadlines import scan_deadlines
from cases.services.ledger_check import verify_ledger
from tests.support.spine import dispatched

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def move(kind, **hours):
    for column, by in hours.items():
        StageClock.objects.filter(kind=kind).update(**{column: F(column) + timedelta(hours=by)})


def signals():
    events = Event.objects.filter(action__in=["due_soon", "overdue"]).order_by("case_seq")
    return [(event.action, event.data["facts"]["clock"]) for event in events]


def test_nothing_is_signalled_in_time(people, condition):
    dispatched(people, condition)

    assert scan_deadlines() == "0 signals"
    assert signals() == []


def test_each_signal_is_written_once(people, condition):
    dispatched(people, condition)
    move("sign", soon_at=-1)
    first = scan_deadlines()
    move("sign", due_at=-2)
    second, third = scan_deadlines(), scan_deadlines()

    assert (first, second, third) == ("1 signals", "1 signals", "0 signals")
    assert signals() == [("due_soon", "sign"), ("overdue", "sign")]


def test_signal_comes_again_when_the_deadline_moved(people, condition):
    dispatched(people, condition)
    move("sign", due_at=-2, soon_at=-2)
    scan_deadlines()
    move("sign", due_at=0.5)
    scan_deadlines()

    assert signals() == [("overdue", "sign"), ("overdue", "sign")]


def test_signal_leaves_the_version_alone(people, condition):
    number = dispatched(people, condition)
    before = Case.objects.get(number=number)
    move("sign", due_at=-2, soon_at=-2)

    scan_deadlines()

    after = Case.objects.get(number=number)
    assert (after.version, after.stage) == (before.version, before.stage)
    assert after.case_seq == before.case_seq + 2  # overdue, and the unit is reminded to sign
    assert verify_ledger() == []


def test_what_a_scan_has_no_time_for_is_the_next_ones(people, condition, monkeypatch):
    dispatched(people, condition)
    move("sign", due_at=-2)
    with monkeypatch.context() as patch:
        patch.setattr(deadlines, "SLICE_S", -1)
        assert scan_deadlines() == "0 signals, more wait"

    assert scan_deadlines() == "1 signals"
