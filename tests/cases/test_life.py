"""The actions beside the main way, one story each: what they change, and what they refuse."""

from datetime import timedelta

import pytest
from django.utils import timezone

from cases.choices import Action, ClockKind, Role, Stage, Waiting
from cases.errors import InvalidInput, MoveNotAllowed, NotAllowed
from cases.guards import is_arbitrated
from cases.models import (
    Case,
    CityOptions,
    Condition,
    Event,
    Refusal,
    Reply,
    Request,
    StageClock,
    Supervision,
    Task,
    Unit,
)
from cases.services.deadlines import scan_deadlines
from cases.services.effects import run_effect
from cases.services.ledger_check import verify_ledger
from tests.support.people import person
from tests.support.spine import (
    act,
    case_of,
    closed,
    dispatched,
    head_of,
    photo,
    report,
    run_dispatch,
    signed,
    unexplained,
    unit_person,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def day(days):
    return f"{timezone.localdate() + timedelta(days=days)}"


def running(number):
    found = StageClock.objects.filter(case__number=number, ended_at=None)
    return sorted(found.values_list("kind", flat=True))


@pytest.fixture(autouse=True)
def sound():
    """After each story the chains and folds hold, and every deadline is explained by its log."""
    yield
    assert verify_ledger() == []
    assert unexplained() == []


def test_extension_is_endorsed_then_approved_and_adds_one_limit(people, condition):
    number, unit = signed(people, condition)
    head = head_of(number)
    before = case_of(number)

    act(number, Action.REQUEST_EXTENSION, unit, reason="weather")
    with pytest.raises(MoveNotAllowed):
        act(number, Action.DECIDE_EXTENSION, people.dispatcher, approved=True)
    act(number, Action.DECIDE_EXTENSION, head, approved=True)
    assert running(number) == [ClockKind.EXTEND, ClockKind.HANDLE]
    act(number, Action.DECIDE_EXTENSION, people.dispatcher, approved=True)

    case = case_of(number)
    assert case.due_at > before.due_at
    assert case.base_due_at == before.base_due_at
    assert (case.extensions_left, case.extension_count, case.waiting_for) == (1, 1, [])
    assert Request.objects.get().state == "approved"
    assert running(number) == [ClockKind.HANDLE]


def test_extension_lapses_at_the_deadline(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.REQUEST_EXTENSION, unit, reason="weather")
    past = timezone.now() - timedelta(hours=1)
    StageClock.objects.filter(case__number=number, kind="handle").update(due_at=past)

    scan_deadlines()

    case = case_of(number)
    assert Request.objects.get().state == "lapsed"
    assert case.waiting_for == [Waiting.REPLY]
    assert (case.was_late, case.supervised) == (True, ["overdue"])
    assert Supervision.objects.get().kind == "overdue"


def test_suspension_keeps_what_remains_and_resumes_by_itself(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.REQUEST_SUSPENSION, unit, reason="season", until=day(30))

    act(number, Action.DECIDE_SUSPENSION, people.dispatcher, approved=True)

    case = case_of(number)
    left_s = case.held["left_s"]
    assert (case.stage, case.stage_before, case.due_at) == ("suspended", "handling", None)
    assert running(number) == [ClockKind.SUSPEND]
    StageClock.objects.filter(case__number=number, kind="suspend").update(
        due_at=timezone.now() - timedelta(seconds=1)
    )
    scan_deadlines()
    case = case_of(number)
    assert (case.stage, case.held, case.suspended_until) == ("handling", {}, None)
    assert case.due_at is not None
    assert left_s > 0
    with pytest.raises(MoveNotAllowed):
        act(number, Action.REQUEST_SUSPENSION, unit, reason="season", until=day(30))


@pytest.mark.parametrize("until", ["", "soon", "2020-01-01", "2099-01-01", "9999-12-31"])
def test_suspension_needs_a_day_within_a_year(people, condition, until):
    number, unit = signed(people, condition)
    before = Event.objects.count()

    with pytest.raises(InvalidInput) as refused:
        act(number, Action.REQUEST_SUSPENSION, unit, reason="season", until=until)

    assert set(refused.value.fields) == {"until"}
    assert (Event.objects.count(), Request.objects.count()) == (before, 0)


def test_leader_defers_and_remarks(people, condition):
    number, _ = signed(people, condition)
    leader = person("leader", Role.LEADER)

    due = f"{timezone.localtime() + timedelta(days=1):%Y-%m-%dT%H:%M}"
    act(number, Action.SUPERVISE, leader, note="请尽快办理", reply_by=due)
    act(number, Action.DEFER, leader, reason="budget", until=day(60))

    case = case_of(number)
    assert (case.is_deferred, case.supervised) == (True, ["leader"])
    act(number, Action.REPLY_SUPERVISION, people.dispatcher, note="已安排")
    assert Supervision.objects.get().answered_at is not None
    assert running(number) == [ClockKind.SUSPEND]


def test_verification_stops_the_accept_clock_and_starts_it_again(people, condition):
    answer = report(people, condition, source="hotline")
    number = answer["number"]

    act(number, Action.SEND_VERIFY, people.acceptor)
    assert running(number) == [ClockKind.VERIFY]
    task = Task.objects.get(case__number=number)
    act(number, Action.ANSWER_VERIFY, task.assignee, passed=False, note="未发现")

    assert case_of(number).stage == Stage.REPORTED
    assert running(number) == [ClockKind.ACCEPT]
    act(number, Action.DECLINE, people.acceptor, reason="not_found")
    assert running(number) == []
    assert list(Reply.objects.values_list("action", "reason")) == [("decline", "not_found")]


def test_inspectors_reports_are_not_verified(people, condition):
    CityOptions.objects.update(auto_accept=False)
    number = report(people, condition)["number"]

    with pytest.raises(MoveNotAllowed):
        act(number, Action.SEND_VERIFY, people.acceptor)

    assert case_of(number).stage == Stage.REPORTED


def test_reopened_case_gets_a_full_limit_and_goes_back_to_its_unit(people, condition):
    number, unit = closed(people, condition)

    act(number, Action.REOPEN, people.chief, reason="came_back")
    case = case_of(number)
    assert (case.stage, case.cycle, case.unit_id) == ("returned", 2, unit.grants[0].scope_key)
    assert running(number) == [ClockKind.DISPATCH, ClockKind.HANDLE]
    due_at = case.due_at
    act(number, Action.REWORK, people.dispatcher)

    assert case_of(number).due_at == due_at
    assert running(number) == [ClockKind.HANDLE]


def test_void_stops_every_clock_and_withdraws_the_check(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.FINISH, unit, photos=(photo(),))

    act(number, Action.VOID, people.chief, reason="wrong_report")

    assert running(number) == []
    task = Task.objects.get(case__number=number)
    assert (task.answered_at is not None, task.passed) == (True, None)


def test_return_is_written_into_the_refusal_ledger_and_ruled_on(people, condition):
    number, unit = signed(people, condition)
    before = case_of(number)
    act(number, Action.RETURN, unit, reason="not_responsible")

    act(
        number,
        Action.REASSIGN,
        people.dispatcher,
        unit=before.unit_id,
        ruling="unjustified",
    )

    refusal = Refusal.objects.get()
    assert (refusal.unit_id, refusal.ruling) == (before.unit_id, "unjustified")
    assert case_of(number).due_at <= before.due_at + timedelta(minutes=1)


def test_failed_check_is_no_return_to_rule_on(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.RETURN, unit, reason="not_responsible")
    act(number, Action.REASSIGN, people.dispatcher, unit=unit.grants[0].scope_key)
    act(number, Action.SIGN, unit)
    act(number, Action.FINISH, unit, photos=(photo(),))
    act(number, Action.ANSWER_CHECK, people.checker, passed=False)
    before = Event.objects.count()

    with pytest.raises(InvalidInput) as refused:
        act(
            number,
            Action.REASSIGN,
            people.dispatcher,
            unit=unit.grants[0].scope_key,
            ruling="unjustified",
        )

    assert set(refused.value.fields) == {"ruling"}
    assert (Event.objects.count(), Refusal.objects.get().ruling) == (before, "")


def test_dispute_is_opened_and_the_arbitrated_unit_may_not_return(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.RETURN, unit, reason="not_responsible")
    supervisor = person("super", Role.SUPERVISOR)

    act(number, Action.DISPUTE, supervisor)
    act(number, Action.ARBITRATE, supervisor, unit=unit.grants[0].scope_key)

    with pytest.raises(MoveNotAllowed):
        act(number, Action.RETURN, unit, reason="not_responsible")
    assert case_of(number).stage == Stage.DISPATCHED


def test_transfer_moves_the_case_to_the_other_log(people, condition):
    number = report(people, condition)["number"]
    old = case_of(number).district
    new = next(d for d in ("zhongfang", "hecheng") if d != old)

    act(number, Action.TRANSFER, people.dispatcher, district=new, reason="border")

    case = case_of(number)
    assert (case.scope, case.district, case.also_districts) == (new, new, [old])
    moved = Event.objects.filter(action__in=["moved_out", "moved_in"]).order_by("case_seq")
    assert [(event.action, event.scope) for event in moved] == [
        ("moved_out", old),
        ("moved_in", new),
    ]
    assert moved[0].move_id == moved[1].move_id
    dispatches = case.effect_set.filter(kind="dispatch").order_by("pk")
    effects = [outcome_of(effect) for effect in dispatches]
    assert effects == ["superseded", "dispatched"]
    with pytest.raises(MoveNotAllowed):
        act(number, Action.TRANSFER, people.dispatcher, district=old, reason="border")


def outcome_of(effect):
    run_effect(effect.pk)
    effect.refresh_from_db()
    return effect.outcome


def test_arbitration_across_districts_takes_a_city_wide_arbiter(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.RETURN, unit, reason="not_responsible")
    act(number, Action.DISPUTE, people.dispatcher)
    old = case_of(number).district
    other = Unit.objects.filter(is_active=True).exclude(district=None).exclude(district=old)
    local = person("local", Role.SUPERVISOR, old)

    with pytest.raises(InvalidInput):
        act(number, Action.ARBITRATE, local, unit=other[0].pk)
    act(number, Action.ARBITRATE, people.dispatcher, unit=other[0].pk)

    case = case_of(number)
    assert (case.district, case.scope, case.body) == (other[0].district_id,) * 3
    assert old in case.also_districts


def test_merge_shares_the_earliest_deadline_and_unmerge_restores_all(people):
    days = Condition.objects.filter(limit_unit="emergency_day").earliest("code")
    hours = Condition.objects.filter(limit_unit="emergency_hour").earliest("code")
    first, second = dispatched(people, days), dispatched(people, hours)
    before = case_of(second)
    own, sooner = case_of(first).due_at, before.due_at

    with pytest.raises(InvalidInput):
        act(first, Action.MERGE, people.dispatcher, into=second)
    act(second, Action.MERGE, people.dispatcher, into=first)

    assert (case_of(first).due_at, case_of(second).stage) == (sooner, "merged")
    assert running(second) == []
    act(second, Action.UNMERGE, people.dispatcher)

    case = case_of(second)
    assert (case.stage, case.unit_id, case.held) == (before.stage, before.unit_id, {})
    assert running(second) == [ClockKind.HANDLE, ClockKind.SIGN]
    assert abs(case.due_at - sooner) < timedelta(seconds=5)
    assert case_of(first).due_at == own


@pytest.mark.parametrize("first_out", ["soonest", "sooner"])
def test_survivor_always_has_the_earliest_deadline_of_its_group(people, first_out):
    known = Condition.objects.filter(is_active=True, limit_unit__startswith="emergency")
    limits = {condition.limit_text: condition for condition in known.order_by("code")}
    long, short = (limits[text] for text in ("1 emergency day", "2 emergency hours"))
    middle = next(c for c in known if c.limit_unit == "emergency_hour" and c.limit_value > 2)
    survivor, sooner, soonest = (dispatched(people, c) for c in (long, middle, short))
    own, due = case_of(survivor).due_at, {n: case_of(n).due_at for n in (sooner, soonest)}
    act(sooner, Action.MERGE, people.dispatcher, into=survivor)
    act(soonest, Action.MERGE, people.dispatcher, into=survivor)
    assert case_of(survivor).due_at == due[soonest]

    out = {"soonest": [soonest, sooner], "sooner": [sooner, soonest]}[first_out]
    act(out[0], Action.UNMERGE, people.dispatcher)
    assert case_of(survivor).due_at == due[out[1]]
    act(out[1], Action.UNMERGE, people.dispatcher)

    assert (case_of(survivor).due_at, case_of(survivor).base_due_at) == (own, own)


def test_sub_unit_counts_as_its_parent_where_a_return_was_not_justified(people, condition):
    number, _ = signed(people, condition)
    before = case_of(number)
    parent = Unit.objects.get(pk=before.unit_id)
    squad = Unit.objects.create(
        code="squad",
        name_zh="一中队",
        name_en="Squad 1",
        kind=parent.kind,
        parent=parent,
        district_id=parent.district_id,
    )
    act(number, Action.REDISPATCH, head_of(number), unit=squad.pk)
    act(number, Action.RETURN, unit_person(number), reason="not_responsible")

    act(number, Action.REASSIGN, people.dispatcher, unit=parent.pk, ruling="unjustified")

    assert Event.objects.get(action="reassign").data["facts"]["goes_on"] is True
    assert case_of(number).due_at <= before.due_at + timedelta(minutes=1)


def test_filed_case_taken_apart_is_dispatched_after_all(people, condition):
    first, second = dispatched(people, condition), report(people, condition)["number"]
    act(second, Action.MERGE, people.dispatcher, into=first)
    assert run_dispatch(second) == "superseded"

    act(second, Action.UNMERGE, people.dispatcher)

    assert run_dispatch(second) == "dispatched"


def test_unit_asked_to_assist_is_not_asked_twice(people, condition):
    number = dispatched(people, condition)
    helper = Unit.objects.exclude(pk=case_of(number).unit_id).filter(is_active=True).first()
    act(number, Action.SEND_ASSIST, people.dispatcher, assist=helper.pk)
    before = Event.objects.count()

    with pytest.raises(InvalidInput):
        act(number, Action.SEND_ASSIST, people.dispatcher, assist=helper.pk)

    assert Event.objects.count() == before


def test_another_unit_than_the_arbitrated_one_may_return(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.RETURN, unit, reason="not_responsible")
    act(number, Action.DISPUTE, people.dispatcher)
    act(number, Action.ARBITRATE, people.dispatcher, unit=unit.grants[0].scope_key)
    case = case_of(number)
    units = Unit.objects.filter(is_active=True, district=case.district)
    other = units.exclude(pk=case.unit_id).first()
    assert is_arbitrated(case)

    act(number, Action.REASSIGN, people.dispatcher, unit=other.pk)
    passed_on = is_arbitrated(case_of(number))
    act(number, Action.REASSIGN, people.dispatcher, unit=case.unit_id)

    assert not passed_on
    assert is_arbitrated(case_of(number))


def test_survivor_whose_clock_stands_still_takes_no_deadline_over(people):
    days = Condition.objects.filter(limit_unit="emergency_day").earliest("code")
    hours = Condition.objects.filter(limit_unit="emergency_hour").earliest("code")
    first, unit = signed(people, days)
    second = dispatched(people, hours)
    act(first, Action.FINISH, unit, photos=(photo(),))
    own, clocks = case_of(first).due_at, running(first)

    act(second, Action.MERGE, people.dispatcher, into=first)

    assert case_of(first).due_at == own > case_of(second).due_at
    assert running(first) == clocks


def test_order_of_a_merged_case_keeps_its_own_limit(people, condition):
    first = dispatched(people, condition)
    words = {"source": "hotline", "order_number": "HT-2", "order_kind": "complaint"}
    second = report(people, condition, **words)["number"]
    before = StageClock.objects.get(case__number=second, kind="hotline")
    act(second, Action.MERGE, people.dispatcher, into=first)
    assert running(second) == []

    act(second, Action.UNMERGE, people.dispatcher)

    after = StageClock.objects.get(case__number=second, kind="hotline", ended_at=None)
    assert (after.due_at, after.soon_at) == (before.due_at, before.soon_at)


def test_survivor_is_not_voided_while_it_holds_a_duplicate(people, condition):
    first, second = dispatched(people, condition), dispatched(people, condition)
    act(second, Action.MERGE, people.dispatcher, into=first)

    with pytest.raises(MoveNotAllowed):
        act(first, Action.VOID, people.chief, reason="other")

    assert case_of(first).stage == Stage.DISPATCHED


def test_everybody_who_reported_is_answered_at_the_closing(people, condition):
    first, unit = signed(people, condition)
    second = report(people, condition, source="hotline", order_number="12345-7")["number"]
    act(second, Action.MERGE, people.dispatcher, into=first)

    act(first, Action.FINISH, unit, photos=(photo(),))
    act(first, Action.ANSWER_CHECK, people.checker, passed=True)
    act(first, Action.CLOSE, people.chief)

    assert [reply.case.number for reply in Reply.objects.all()] == [second]


def test_appeal_is_decided_twice_and_made_once(people, condition):
    number, unit = signed(people, condition)
    past = timezone.now() - timedelta(hours=1)
    StageClock.objects.filter(case__number=number, kind="handle").update(due_at=past)
    act(number, Action.FINISH, unit, photos=(photo(),))
    act(number, Action.ANSWER_CHECK, people.checker, passed=True)
    act(number, Action.CLOSE, people.chief)
    assert case_of(number).was_late

    act(number, Action.APPEAL, unit, note="暴雨")
    with pytest.raises(MoveNotAllowed):
        act(number, Action.DECIDE_APPEAL, people.acceptor, approved=True)
    act(number, Action.DECIDE_APPEAL, people.dispatcher, approved=True)
    act(number, Action.DECIDE_APPEAL, people.acceptor, approved=True)

    assert (case_of(number).appeal, case_of(number).was_late) == ("upheld", True)
    with pytest.raises(MoveNotAllowed):
        act(number, Action.APPEAL, unit, note="again")


def test_adjustment_takes_two_assessors(people, condition):
    number, _ = closed(people, condition)
    one, two = person("as1", Role.ASSESSOR), person("as2", Role.ASSESSOR)
    act(number, Action.PROPOSE_ADJUST, one, period="2026-11", effect="exempt", note="系统故障")

    with pytest.raises(InvalidInput):
        act(number, Action.ADJUST, one, approved=True)
    act(number, Action.ADJUST, two, approved=True)

    facts = Event.objects.get(action="adjust").data["facts"]
    assert facts == {"approved": True, "period": "2026-11", "effect": "exempt"}


def test_audit_goes_to_somebody_who_was_not_involved(people, condition):
    number, _ = closed(people, condition)
    involved = set(Task.objects.values_list("assignee_id", flat=True)) | {people.inspector.pk}
    third = person("i3", Role.INSPECTOR, grids=("431202",))
    supervisor = person("super", Role.SUPERVISOR)

    with pytest.raises(InvalidInput):
        act(number, Action.AUDIT_CLOSURE, supervisor, assignee=people.inspector.username)
    act(number, Action.AUDIT_CLOSURE, supervisor)

    task = Task.objects.get(kind="audit_closure")
    assert task.assignee_id not in involved
    assert task.assignee_id == third.pk
    act(number, Action.ANSWER_AUDIT, third, passed=False, falsified=True)
    assert case_of(number).waiting_for == []
    assert Event.objects.get(action="answer_audit").data["facts"]["falsified"] is True


def test_reclassified_limit_counts_from_the_start_of_the_run(people, condition):
    number, _ = signed(people, condition)
    case = case_of(number)
    start = StageClock.objects.get(case=case, kind="handle").started_at
    other = Condition.objects.filter(limit_unit="emergency_hour", is_active=True).first()

    act(number, Action.RECLASSIFY, people.chief, condition=other.code)

    case = case_of(number)
    assert case.minor_id == other.minor_id
    assert case.due_at == start + timedelta(hours=case.limit_value)
    assert case.due_at == case.base_due_at


def test_handler_is_of_the_unit_and_released_by_a_return(people, condition):
    number, unit = signed(people, condition)
    head = head_of(number)
    with pytest.raises(InvalidInput):
        act(number, Action.ASSIGN_HANDLER, head, handler=people.inspector.username)
    act(number, Action.ASSIGN_HANDLER, head, handler=unit.username)
    assert case_of(number).handler_id == unit.pk

    act(number, Action.RETURN, unit, reason="not_responsible")

    assert case_of(number).handler_id is None


def test_assisting_unit_sees_the_case_and_reports_but_does_not_finish(people, condition):
    number, unit = signed(people, condition)
    helper = Unit.objects.filter(is_active=True).exclude(pk=unit.grants[0].scope_key).first()
    assistant = person("helper", Role.UNIT, helper.pk)
    assert not Case.objects.all().visible_to(assistant).exists()

    act(number, Action.SEND_ASSIST, people.dispatcher, assist=helper.pk)
    with pytest.raises(NotAllowed):
        act(number, Action.FINISH, assistant, photos=(photo(),))
    act(number, Action.ASSIST, assistant, note="已配合")

    assert case_of(number).waiting_for == []
    assert Case.objects.all().visible_to(assistant).get().number == number
    with pytest.raises(MoveNotAllowed):
        act(number, Action.ASSIST, assistant)


def test_unit_is_asked_to_assist_once_and_no_longer_when_the_run_has_ended(people, condition):
    number, unit = signed(people, condition)
    lead = unit.grants[0].scope_key
    others = Unit.objects.filter(is_active=True).exclude(pk=lead).order_by("pk")
    first, second = others[0], others[1]
    act(number, Action.SEND_ASSIST, people.dispatcher, assist=first.pk)
    with pytest.raises(InvalidInput):
        act(number, Action.SEND_ASSIST, people.dispatcher, assist=first.pk)

    act(number, Action.REASSIGN, people.dispatcher, unit=lead)
    act(number, Action.SEND_ASSIST, people.dispatcher, assist=second.pk)
    act(number, Action.ASSIST, person("second", Role.UNIT, second.pk))

    assert case_of(number).waiting_for == []
    with pytest.raises(MoveNotAllowed):
        act(number, Action.ASSIST, person("first", Role.UNIT, first.pk))


def test_reopened_case_without_a_unit_is_reassigned_not_reworked(people, condition):
    number = report(people, condition)["number"]
    act(number, Action.FORCE_CLOSE, people.chief, reason="other")
    act(number, Action.REOPEN, people.chief, reason="came_back")
    unit = Unit.objects.filter(is_active=True, district_id=case_of(number).district).first()

    with pytest.raises(MoveNotAllowed):
        act(number, Action.REWORK, people.dispatcher)
    act(number, Action.REASSIGN, people.dispatcher, unit=unit.pk)

    assert case_of(number).stage == Stage.DISPATCHED


def test_redispatch_keeps_run_and_deadline(people, condition):
    number, unit = signed(people, condition)
    before = case_of(number)
    parent = Unit.objects.get(pk=before.unit_id)
    squad = Unit.objects.create(
        code="squad",
        name_zh="一中队",
        name_en="Squad 1",
        kind=parent.kind,
        parent=parent,
        district_id=parent.district_id,
    )
    head = head_of(number)

    act(number, Action.REDISPATCH, head, unit=squad.pk)

    case = case_of(number)
    assert (case.unit_id, case.parent_unit) == (squad.pk, parent.pk)
    assert (case.due_at, case.stage) == (before.due_at, before.stage)
    assert Case.objects.all().visible_to(head).exists()
    assert Case.objects.all().visible_to(unit).exists()
    with pytest.raises(NotAllowed):
        act(number, Action.FINISH, unit, photos=(photo(),))


def test_only_a_sub_unit_is_redispatched_to(people, condition):
    number, _ = signed(people, condition)
    case = case_of(number)
    elsewhere = Unit.objects.filter(is_active=True, parent=None).exclude(district=case.district)
    before = Event.objects.count()

    for code in (elsewhere.first().pk, case.unit_id):
        with pytest.raises(InvalidInput) as refused:
            act(number, Action.REDISPATCH, people.dispatcher, unit=code)
        assert set(refused.value.fields) == {"unit"}

    assert (case_of(number).unit_id, Event.objects.count()) == (case.unit_id, before)


def test_reopening_ends_what_was_asked_about_the_cycle_before(people, condition):
    number, unit = signed(people, condition)
    past = timezone.now() - timedelta(hours=1)
    StageClock.objects.filter(case__number=number, kind="handle").update(due_at=past)
    leader = person("leader", Role.LEADER)
    due = f"{timezone.localtime() + timedelta(days=1):%Y-%m-%dT%H:%M}"
    act(number, Action.SUPERVISE, leader, note="请尽快办理", reply_by=due)
    act(number, Action.FINISH, unit, photos=(photo(),))
    act(number, Action.ANSWER_CHECK, people.checker, passed=True)
    act(number, Action.CLOSE, people.chief)
    assert Supervision.objects.get().answered_at is not None
    act(number, Action.APPEAL, unit, note="暴雨")

    act(number, Action.REOPEN, people.chief, reason="came_back")

    case = case_of(number)
    assert (case.waiting_for, case.appeal, case.was_late) == ([], "lapsed", False)
    assert Request.objects.get().state == "lapsed"


def test_unit_of_a_failed_self_handled_case_may_ask_for_time(people, condition):
    number = report(people, condition, is_self_handled=True, photos=(photo(),))["number"]
    act(number, Action.ANSWER_CHECK, Task.objects.get().assignee, passed=False)
    district = case_of(number).district
    code = Unit.objects.filter(is_active=True, district=district).first().pk
    act(number, Action.REASSIGN, people.dispatcher, unit=code)

    act(number, Action.REQUEST_EXTENSION, unit_person(number), reason="weather")

    assert case_of(number).waiting_for == [Waiting.EXTENSION_HEAD]


def test_doubtful_photos_are_flagged_not_refused(people, condition):
    number, unit = signed(people, condition)

    act(number, Action.FINISH, unit, photos=(photo(),), place="109.90,27.50")

    assert case_of(number).photo_doubts == ["taken_away"]


def test_self_handled_case_is_checked_and_closed_without_a_unit(people, condition):
    answer = report(people, condition, is_self_handled=True, photos=(photo(),))
    number = answer["number"]
    assert case_of(number).stage == Stage.CHECKING

    act(number, Action.ANSWER_CHECK, Task.objects.get().assignee, passed=True)
    act(number, Action.CLOSE, people.chief)

    case = case_of(number)
    assert (case.stage, case.unit_id, case.is_self_handled) == ("closed", None, True)


def test_leaders_order_is_filed_at_once(people, condition):
    CityOptions.objects.update(auto_accept=False)
    operator = people.operator

    number = report(people, condition, source="leader", actor=operator)["number"]

    assert case_of(number).stage == Stage.FILED
    assert run_dispatch(number) == "dispatched"


def test_order_keeps_its_number_and_its_own_clock(people, condition):
    words = {"source": "hotline", "order_number": "HT-1", "order_kind": "consultation"}
    number = report(people, condition, **words)["number"]

    assert running(number) == [ClockKind.ACCEPT, ClockKind.HOTLINE]
    with pytest.raises(InvalidInput) as refused:
        report(people, condition, **words)
    assert set(refused.value.fields) == {"order_number"}
    assert Case.objects.count() == 1
