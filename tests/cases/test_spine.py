"""The spine of a case: report → accept → file → dispatch → sign → finish → check → close."""

import uuid

import pytest

from cases.choices import Action, Role, Stage
from cases.errors import InvalidInput, KeyReused, MoveNotAllowed, NotAllowed, StaleCase
from cases.models import (
    Case,
    DistrictHead,
    Effect,
    Event,
    Responsibility,
    StageClock,
    Task,
)
from cases.services.effects import run_effect
from cases.services.intake import Report, add_due_photo, report_case
from cases.services.ledger_check import verify_ledger
from cases.services.moves import take_action
from tests.support.people import person
from tests.support.spine import PLACE, act, dispatched, photo, report, run_dispatch, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def test_case_goes_from_report_to_closing(people, condition):
    answer = report(people, condition)
    number = answer["number"]
    outcome = run_dispatch(number)
    unit = unit_person(number)
    act(number, Action.SIGN, unit)
    act(number, Action.FINISH, unit, photos=(photo(),))
    act(number, Action.ANSWER_CHECK, people.checker, passed=True)
    closed = act(number, Action.CLOSE, people.chief)

    assert answer["stage"] == "filed"
    assert outcome == "dispatched"
    assert closed["stage"] == "closed"
    assert list(Event.objects.order_by("case_seq").values_list("action", flat=True)) == [
        "report", "accept", "file", "dispatch", "sign", "finish", "send_check", "answer_check",
        "close",
    ]  # fmt: skip
    assert Event.objects.get(action="finish").on_time is True
    assert not StageClock.objects.filter(ended_at=None).exists()
    assert DistrictHead.objects.get(scope="hecheng").dseq == 9
    assert verify_ledger() == []


def test_dispatch_sets_the_deadline_and_names_the_rule(people, condition):
    number = dispatched(people, condition)

    event = Event.objects.get(action="dispatch")
    case = Case.objects.get(number=number)
    assert event.sets_clock
    assert event.due_at == event.base_due_at == case.due_at
    assert event.data["facts"]["rule"] == case.rule != ""
    assert event.body == case.body


def test_effect_runs_once(people, condition):
    number = report(people, condition)["number"]
    effect = Effect.objects.get(case__number=number)

    outcomes = [run_effect(effect.pk), run_effect(effect.pk)]

    assert outcomes == ["dispatched", "held elsewhere"]
    assert Event.objects.filter(action="dispatch").count() == 1


def test_report_repeated_with_its_key_changes_nothing(people, condition):
    said = Report(**PLACE, category=condition.minor_id, condition=condition.code)
    key = uuid.uuid4()

    first = report_case(report=said, actor=people.inspector, key=key)
    again = report_case(report=said, actor=people.inspector, key=key)

    assert again == first
    assert Case.objects.count() == 1
    assert Event.objects.count() == 3


def test_key_with_another_report_is_refused(people, condition):
    key = uuid.uuid4()
    words = {"category": condition.minor_id, "condition": condition.code}
    report_case(report=Report(**PLACE, **words), actor=people.inspector, key=key)

    other = Report(**PLACE, **words, description="another")
    with pytest.raises(KeyReused):
        report_case(report=other, actor=people.inspector, key=key)

    assert Case.objects.count() == 1


def test_stale_version_is_refused(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    seen = Case.objects.get(number=number).version
    act(number, Action.SIGN, unit)
    events = Event.objects.count()

    with pytest.raises(StaleCase):
        take_action(number=number, action=Action.FINISH, actor=unit, seen_version=seen)

    assert Event.objects.count() == events
    assert Case.objects.get(number=number).stage == Stage.HANDLING


def test_unit_may_not_act_for_another(people, condition):
    number = dispatched(people, condition)
    stranger = person("stranger", Role.UNIT, "another-unit")

    with pytest.raises(NotAllowed):
        act(number, Action.SIGN, stranger)

    assert Case.objects.get(number=number).stage == Stage.DISPATCHED


def test_return_goes_back_to_the_dispatcher_and_the_second_opens_a_dispute(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    code = Case.objects.get(number=number).unit_id
    with pytest.raises(InvalidInput):
        act(number, Action.RETURN, unit)

    first = act(number, Action.RETURN, unit, reason="not_responsible")
    act(number, Action.REASSIGN, people.dispatcher, unit=code, ruling="unjustified")
    second = act(number, Action.RETURN, unit, reason="not_responsible")
    act(number, Action.ARBITRATE, people.dispatcher, unit=code)

    assert first["stage"] == "returned"
    assert first["unit"] is None
    assert second["stage"] == "disputed"
    assert Event.objects.filter(action="return").first().unit == code
    with pytest.raises(MoveNotAllowed):
        act(number, Action.RETURN, unit, reason="other")
    assert verify_ledger() == []


def test_failed_check_leads_to_rework_with_what_remained(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.SIGN, unit)
    act(number, Action.FINISH, unit, photos=(photo(),))
    left = Case.objects.get(number=number).left_s

    failed = act(number, Action.ANSWER_CHECK, people.checker, passed=False, note="still there")
    reworked = act(number, Action.REWORK, people.dispatcher)

    assert failed["stage"] == "returned"
    assert reworked["stage"] == "rework"
    assert Case.objects.get(number=number).rework_count == 1
    assert left > 0
    assert verify_ledger() == []


def test_check_goes_to_another_inspector_than_the_reporter(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.SIGN, unit)
    act(number, Action.FINISH, unit, photos=(photo(),))

    assert Task.objects.get().assignee_id == people.checker.pk
    with pytest.raises(NotAllowed):
        act(number, Action.ANSWER_CHECK, people.inspector, passed=True)
    assert Case.objects.get(number=number).stage == Stage.CHECKING


def test_operator_report_waits_for_acceptor_and_chief(people, condition):
    said = Report(**PLACE, category=condition.minor_id, condition="", source="hotline")
    number = report_case(report=said, actor=people.operator)["number"]

    accepted = act(number, Action.ACCEPT, people.acceptor)
    with pytest.raises(NotAllowed):
        act(number, Action.FILE, people.acceptor, condition=condition.code)
    filed = act(number, Action.FILE, people.chief, condition=condition.code)

    assert accepted["stage"] == "accepted"
    assert filed["stage"] == "filed"
    assert run_dispatch(number) == "dispatched"


def test_decline_answers_with_a_reason(people, condition):
    said = Report(**PLACE, category=condition.minor_id, source="hotline")
    number = report_case(report=said, actor=people.operator)["number"]

    declined = act(number, Action.DECLINE, people.acceptor, reason="not_in_scope")

    assert declined["stage"] == "declined"
    assert not StageClock.objects.filter(ended_at=None).exists()


def test_announced_photos_hold_the_report_until_the_last_is_stored(people, condition):

    one = photo("near")
    answer = report(people, condition, photos_due=(one.sha256,))

    add_due_photo(number=answer["number"], photo=one, actor=people.inspector)

    assert answer["stage"] == "reported"
    case = Case.objects.get()
    assert case.stage == Stage.FILED
    assert case.attachment_set.count() == 1
    assert verify_ledger() == []


def test_unrouted_case_is_listed_for_the_dispatcher(people, condition):

    Responsibility.objects.all().delete()
    number = report(people, condition)["number"]

    outcome = run_dispatch(number)

    assert outcome == "unrouted"
    case = Case.objects.get(number=number)
    assert (case.stage, case.is_unrouted) == (Stage.FILED, True)
