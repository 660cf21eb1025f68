"""Alarms of the desk under two hands at once: real threads, real locks, one outcome."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from cases.choices import Action, ClockKind, Role
from cases.models import Case, Channel, DeskAlarm, Effect, StageClock
from cases.services.deadlines import scan_deadlines
from cases.services.desk_alarms import acknowledge, escalate, ring_unaccepted
from cases.services.intake import report_case
from cases.services.upkeep import delete_old_ticks
from tests.cases.test_concurrency import REPORT, city, together
from tests.support.people import person
from tests.support.spine import act, run_dispatch, unit_person

__all__ = ["city"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("city")]


def report(actor, **words):
    return report_case(report=replace(REPORT, **words), actor=actor)["number"]


@pytest.fixture
def alarm():
    """An overdue case at a desk that rings."""
    number = report(person("i", Role.INSPECTOR, grids=("431202",)))
    run_dispatch(number)
    act(number, Action.SIGN, unit_person(number))
    past = timezone.now() - timedelta(seconds=1)
    StageClock.objects.filter(kind=ClockKind.HANDLE).update(due_at=past)
    scan_deadlines()
    return DeskAlarm.objects.get(ring="late")


def test_two_who_say_that_they_know_leave_one_name(alarm):
    users = [person(name, Role.DISPATCHER) for name in ("a", "b")]

    found = together(*(lambda user=user: acknowledge(pk=alarm.pk, user=user) for user in users))

    alarm.refresh_from_db()
    assert alarm.acknowledged_by in users
    assert {one.acknowledged_by for one in found} == {alarm.acknowledged_by}
    assert {one.acknowledged_at for one in found} == {alarm.acknowledged_at}


def test_many_workers_tell_the_shift_lead_once(alarm):
    Channel.objects.create(name="lead", kind="mail", address="a@b.example", scope="hecheng")
    DeskAlarm.objects.update(escalate_at=timezone.now() - timedelta(minutes=1))

    told = together(escalate, escalate, escalate)

    assert sum(told) == 1
    assert Effect.objects.filter(kind="alarm").count() == 1


def test_one_who_is_at_the_case_is_not_waited_for_and_ends_the_alarm(alarm):
    """The case is held by an action: the tick leaves it out, and finds it over afterwards."""
    DeskAlarm.objects.update(escalate_at=timezone.now() - timedelta(minutes=1))
    with transaction.atomic():
        Case.objects.select_for_update().get(pk=alarm.case_id)

        assert together(escalate) == [0]

    act(alarm.case.number, Action.VOID, person("c", Role.DUTY_CHIEF), reason="other")

    assert escalate() == 0
    alarm.refresh_from_db()
    assert (alarm.escalated_at, alarm.ended_at is None) == (None, False)


def test_many_workers_ring_once_for_a_report_that_waits():
    report(person("o", Role.OPERATOR), source="hotline")
    past = timezone.now() - timedelta(minutes=11)
    StageClock.objects.filter(kind=ClockKind.ACCEPT).update(started_at=past)

    rung = together(ring_unaccepted, ring_unaccepted, ring_unaccepted)

    assert sum(rung) == 1
    assert DeskAlarm.objects.filter(ring="unaccepted").count() == 1


def test_the_sweep_of_old_alarms_waits_for_nobody(alarm):
    """Waiting for one while it holds others could close a circle with who rings them anew."""
    long_ago = timezone.now() - timedelta(days=500)
    DeskAlarm.objects.update(raised_at=long_ago, ended_at=long_ago)
    with transaction.atomic():
        DeskAlarm.objects.select_for_update().get()

        together(delete_old_ticks)

    assert DeskAlarm.objects.count() == 1
    delete_old_ticks()
    assert DeskAlarm.objects.count() == 0


def test_one_who_rang_between_the_look_and_the_lock_is_not_repeated():
    report(person("o", Role.OPERATOR), source="hotline")
    past = timezone.now() - timedelta(minutes=11)
    StageClock.objects.filter(kind=ClockKind.ACCEPT).update(started_at=past)
    others = []

    def ring_first(execute, sql, params, many, context):
        if "FOR UPDATE" in sql and not others:
            others.extend(together(ring_unaccepted))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(ring_first):
        rung = ring_unaccepted()

    assert (others, rung) == ([1], 0)
    assert DeskAlarm.objects.filter(ring="unaccepted").count() == 1
