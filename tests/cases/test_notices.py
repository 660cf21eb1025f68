"""Who is told of what in the product: once, and only while they may see the case."""

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cases.choices import OPEN_STAGES, Action, ClockKind, Role, Stage
from cases.models import Case, Effect, Notice, StageClock, Unit
from cases.notices import HOLDERS, TABLE, Audience, audiences_of, detail_of, telling_of
from cases.services.deadlines import scan_deadlines
from cases.services.effects import run_effect
from cases.workflow import steps
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
    unit_person,
)


def test_the_table_names_what_can_happen():
    led_to = {(action, str(target)) for action, _, target in steps()}
    clocks = {
        (action, str(kind)) for action in (Action.DUE_SOON, Action.OVERDUE) for kind in ClockKind
    }
    decided = {
        (action, word)
        for action in (Action.DECIDE_EXTENSION, Action.DECIDE_APPEAL, Action.DECIDE_SUSPENSION)
        for word in ("endorsed", "granted", "refused")
    }

    assert set(HOLDERS) == OPEN_STAGES
    assert {key for key in TABLE if key[1]} <= led_to | clocks | decided


@pytest.mark.parametrize(
    ("action", "to_stage", "facts", "to"),
    [
        ("dispatch", "dispatched", {"rule": "r"}, {"unit"}),
        ("remind", "returned", {}, {"dispatcher"}),
        ("supervise", "handling", {}, {"unit", "unit_head"}),
        ("supervise", "reported", {}, {"acceptor", "unit_head"}),
        ("return", "disputed", {"reason": "other"}, {"supervisor", "dispatcher"}),
        ("answer_check", "returned", {"passed": False}, {"dispatcher", "unit"}),
        ("overdue", "handling", {"clock": "handle"}, {"unit", "unit_head", "supervisor"}),
        ("decide_extension", "handling", {"level": "unit_head", "approved": True}, {"dispatcher"}),
        ("decide_extension", "handling", {"level": "unit_head", "approved": False}, {"unit"}),
        ("decide_extension", "handling", {"level": "dispatcher", "approved": True}, {"unit"}),
        ("decide_appeal", "closed", {"level": "dispatcher", "upheld": True}, {"acceptor"}),
        ("decide_appeal", "closed", {"level": "acceptor", "upheld": True}, {"unit"}),
    ],
)
def test_who_is_told(action, to_stage, facts, to):
    telling = telling_of(action, to_stage, facts)

    assert telling is not None
    assert audiences_of(telling, to_stage) == {Audience(name) for name in to}


@pytest.mark.parametrize(
    ("action", "to_stage", "facts"),
    [
        ("report", "reported", {}),
        ("sign", "handling", {}),
        ("answer_check", "checked", {"passed": True}),
        ("due_soon", "filed", {"clock": "dispatch"}),
        ("adjust", "closed", {"approved": True}),
    ],
)
def test_what_tells_nobody(action, to_stage, facts):
    assert telling_of(action, to_stage, facts) is None
    assert detail_of(action, to_stage, facts) in {to_stage, "dispatch"}


# --- on the city --------------------------------------------------------------------------------


pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def tell_all():
    """Run every notify effect twice over, as a doubled delivery would."""
    for effect in Effect.objects.filter(kind="notify").order_by("pk"):
        run_effect(effect.pk)
        run_effect(effect.pk)


def told(action):
    names = Notice.objects.filter(event__action=action).values_list("user__username", flat=True)
    return sorted(names)


def client_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def unread(user) -> int:
    return client_of(user).get("/notices/unread/").json()["unread"]


def test_people_of_the_unit_are_told_once_of_a_dispatch(people, condition):
    number = report(people, condition)["number"]
    code = _unit_to_be(number)
    worker, head = person("w", Role.UNIT, code), person("h", Role.UNIT_HEAD, code)
    person("stranger", Role.UNIT, "another-unit")
    gone = person("gone", Role.UNIT, code)
    gone.is_active = False
    gone.save(update_fields=["is_active"])

    assert run_dispatch(number) == "dispatched"
    tell_all()

    assert told("dispatch") == ["h", "w"]
    assert unread(worker) == unread(head) == 1
    assert unread(people.dispatcher) == 0


def _unit_to_be(number):
    """Return the unit the rules give the case, by dispatching it in a savepoint."""
    with transaction.atomic():
        run_dispatch(number)
        code = case_of(number).unit_id
        transaction.set_rollback(True)
    return code


def test_nobody_is_told_of_what_they_did_themselves(people, condition):
    number, unit = signed(people, condition)
    other = person("other-dispatcher", Role.DISPATCHER)

    act(number, Action.RETURN, unit, reason="other")
    act(number, Action.DISPUTE, people.dispatcher)
    tell_all()

    assert told("return") == ["d1", "other-dispatcher"]
    assert told("dispute") == ["other-dispatcher"]
    assert unread(other) == 2


def test_posts_of_another_district_are_not_told(people, condition):
    own = person("own", Role.DISPATCHER, "hecheng")
    person("foreign", Role.DISPATCHER, "zhongfang")
    number, unit = signed(people, condition)

    act(number, Action.RETURN, unit, reason="other")
    tell_all()

    assert told("return") == ["d1", "own"]
    assert unread(own) == 1


def test_an_inspector_is_told_of_the_task_and_led_to_it(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.FINISH, unit, photos=(photo(),))
    tell_all()
    notice = Notice.objects.get(user=people.checker)

    answer = client_of(people.checker).post(f"/notices/{notice.pk}/")

    assert told("send_check") == ["i2"]
    assert answer["Location"] == f"/m/tasks/{number}/"
    notice.refresh_from_db()
    assert notice.read_at is not None
    assert unread(people.checker) == 0


def test_the_reporting_inspector_is_told_how_it_ended(people, condition):
    number, _ = closed(people, condition)
    tell_all()

    page = client_of(people.inspector).get("/notices/").content.decode()

    assert told("close") == ["i1"]
    assert "<strong>Closed</strong>" in page
    assert number in page


def test_an_overdue_case_tells_the_unit_its_head_and_the_supervisor(people, condition):
    number, _ = signed(people, condition)
    head_of(number)
    person("s1", Role.SUPERVISOR)
    StageClock.objects.filter(kind="handle").update(due_at="2026-01-01T00:00Z")

    scan_deadlines()
    tell_all()

    code = case_of(number).unit_id
    assert told("overdue") == [f"h-{code}", "s1", f"u-{code}"]
    assert told("supervise") == [f"h-{code}", f"u-{code}"]


def test_a_case_that_left_ones_sight_is_neither_counted_nor_listed(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.REMIND, people.dispatcher)
    tell_all()
    before = unread(unit)
    notice = Notice.objects.get(user=unit, event__action="remind")

    others = Unit.objects.filter(district="hecheng", parent=None).exclude(
        pk=unit.grants[0].scope_key
    )
    act(number, Action.REASSIGN, people.dispatcher, unit=others.first().pk)

    client = client_of(unit)
    assert before == 2
    assert unread(unit) == 0
    assert number not in client.get("/notices/").content.decode()
    assert client.post(f"/notices/{notice.pk}/").status_code == 404
    notice.refresh_from_db()
    assert notice.read_at is None


def test_a_late_effect_does_not_tell_a_unit_that_has_lost_the_case(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.RETURN, unit, reason="other")

    tell_all()

    assert told("dispatch") == []


def test_ones_notices_are_nobody_elses(people, condition):
    number, unit = signed(people, condition)
    act(number, Action.RETURN, unit, reason="other")
    tell_all()
    notice = Notice.objects.get(user=people.dispatcher)
    other = person("d2", Role.DISPATCHER)

    assert client_of(other).post(f"/notices/{notice.pk}/").status_code == 404
    client_of(other).post("/notices/", {"upto": notice.pk + 10})

    notice.refresh_from_db()
    assert notice.read_at is None


def test_mark_all_reads_what_was_shown_and_not_what_came_after(people, condition):
    for _ in range(2):
        number, unit = signed(people, condition)
        act(number, Action.RETURN, unit, reason="other")
        tell_all()
    first, second = Notice.objects.filter(user=people.dispatcher).order_by("pk")

    answer = client_of(people.dispatcher).post("/notices/", {"upto": first.pk})

    assert answer["Location"] == "/notices/"
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.read_at is not None
    assert second.read_at is None


def test_the_list_takes_as_many_statements_for_three_as_for_one(people, condition):
    client, counts = client_of(people.dispatcher), []
    for _ in range(3):
        number, unit = signed(people, condition)
        act(number, Action.RETURN, unit, reason="other")
        tell_all()
        with CaptureQueriesContext(connection) as captured:
            client.get("/notices/")
        counts.append(len(captured))

    assert Case.objects.filter(stage=Stage.RETURNED).count() == 3
    assert counts[0] == counts[2]
