"""One action on many cases: every row by itself, told row by row, and the same twice as once."""

import uuid

import pytest

from cases.choices import Action, Role
from cases.errors import InvalidInput
from cases.models import Case, Event, IdempotencyKey
from cases.services import bulk
from cases.services.bulk import Row, take_actions
from tests.cases.test_api import client_of
from tests.support.people import person
from tests.support.spine import act, dispatched, photo, report, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def rows_of(*numbers):
    return [Row(n, Case.objects.get(number=n).version) for n in numbers]


def codes(results):
    return {result.number: result.code for result in results}


def state():
    return (
        list(Case.objects.order_by("pk").values_list("number", "stage", "version")),
        Event.objects.count(),
        IdempotencyKey.objects.count(),
    )


def test_each_row_has_its_own_result(people, condition):
    good, other, gone, stale = (dispatched(people, condition) for _ in range(4))
    unit = unit_person(good)
    rows = rows_of(good, gone, stale, other)
    act(gone, Action.SIGN, unit)
    rows[1] = rows_of(gone)[0]  # seen as it stands, but signed for already
    rows[2] = Row(stale, rows[2].seen_version - 1)
    hidden = report(people, condition)["number"]  # filed: with no unit yet
    rows += [*rows_of(hidden), Row("HH2020010100001", 1)]

    results = take_actions(action=Action.SIGN, actor=unit, rows=rows, inputs={}, key=uuid.uuid4())

    assert codes(results) == {
        good: "done",
        gone: "move_not_allowed",
        stale: "stale_case",
        other: "done",
        hidden: "not_found",
        "HH2020010100001": "not_found",
    }
    assert [result.number for result in results] == [row.number for row in rows]
    assert {c.number: c.stage for c in Case.objects.all()} == {
        good: "handling",
        gone: "handling",
        stale: "dispatched",
        other: "handling",
        hidden: "filed",
    }
    sentences = {result.number: result.sentence for result in results}
    assert sentences[hidden] == sentences["HH2020010100001"]


def test_a_repeated_request_changes_nothing(people, condition):
    numbers = [dispatched(people, condition) for _ in range(2)]
    unit, key = unit_person(numbers[0]), uuid.uuid4()
    rows = [*rows_of(*numbers), Row("HH2020010100001", 1)]
    asked = {"action": Action.SIGN, "actor": unit, "rows": rows, "inputs": {}, "key": key}
    first = take_actions(**asked)
    before = state()

    again = take_actions(**asked)

    assert again == first
    assert state() == before


def test_a_key_used_with_another_request_is_refused_row_by_row(people, condition):
    number = dispatched(people, condition)
    unit, key, rows = unit_person(number), uuid.uuid4(), rows_of(number)
    take_actions(action=Action.SIGN, actor=unit, rows=rows, inputs={}, key=key)
    before = state()

    results = take_actions(
        action=Action.SIGN, actor=unit, rows=rows, inputs={"note": "more"}, key=key
    )

    assert codes(results) == {number: "idempotency_key_reused"}
    assert state() == before


def test_somebody_without_the_role_changes_nothing(people, condition):
    number = dispatched(people, condition)
    before = state()

    results = take_actions(
        action=Action.SIGN,
        actor=people.dispatcher,
        rows=rows_of(number),
        inputs={},
        key=uuid.uuid4(),
    )

    assert codes(results) == {number: "not_allowed"}
    assert state() == before


def test_missing_inputs_are_told_with_every_row(people, condition):
    number = report(people, condition)["number"]
    before = state()

    results = take_actions(
        action=Action.DISPATCH,
        actor=people.dispatcher,
        rows=rows_of(number),
        inputs={},
        key=uuid.uuid4(),
    )

    assert [(r.code, r.fields) for r in results] == [("invalid_input", {"unit": "is required"})]
    assert state() == before


def test_dispatch_check_and_close_of_many(people, condition):
    numbers = [report(people, condition)["number"] for _ in range(2)]

    def take(action, actor, **inputs):
        results = take_actions(
            action=action,
            actor=actor,
            rows=rows_of(*numbers),
            inputs=inputs,
            key=uuid.uuid4(),
        )
        assert {result.code for result in results} == {"done"}

    take(Action.DISPATCH, people.dispatcher, unit="hecheng-sanitation")
    unit = unit_person(numbers[0])
    take(Action.SIGN, unit)
    for number in numbers:
        act(number, Action.FINISH, unit, photos=(photo(),))
    Case.objects.filter(stage="checking").update(stage="handled")
    Case.objects.get(number=numbers[0]).task_set.all().delete()
    Case.objects.get(number=numbers[1]).task_set.all().delete()
    take(Action.SEND_CHECK, people.acceptor, assignee=people.checker.username)
    for number in numbers:
        act(number, Action.ANSWER_CHECK, people.checker, passed=True)
    take(Action.CLOSE, people.chief)

    assert set(Case.objects.values_list("stage", flat=True)) == {"closed"}


@pytest.mark.parametrize(
    ("rows", "action"),
    [
        ([], Action.SIGN),
        ([Row("HH2026112300001", 1)] * 2, Action.SIGN),
        ([Row(f"HH20261123{n:05}", 1) for n in range(201)], Action.SIGN),
        ([Row("HH2026112300001", 1)], Action.RETURN),
    ],
    ids=["none", "twice", "too many", "one at a time"],
)
def test_a_wrong_request_is_refused_as_a_whole(people, rows, action):
    with pytest.raises(InvalidInput):
        take_actions(action=action, actor=people.dispatcher, rows=rows, inputs={}, key=uuid.uuid4())

    assert IdempotencyKey.objects.count() == 0


def test_rows_left_when_time_is_up_are_told_to_come_again(people, condition, monkeypatch):
    numbers = [dispatched(people, condition) for _ in range(2)]
    unit, key, rows = unit_person(numbers[0]), uuid.uuid4(), rows_of(*numbers)
    moments = iter([0.0, 1.0, 999.0])
    monkeypatch.setattr(bulk.time, "monotonic", lambda: next(moments))

    asked = {"action": Action.SIGN, "actor": unit, "rows": rows, "inputs": {}, "key": key}
    first = take_actions(**asked)
    monkeypatch.undo()

    assert [result.code for result in first] == ["done", "busy"]
    assert [result.code for result in take_actions(**asked)] == ["done", "done"]


def test_what_may_be_offered_follows_the_roles():
    assert bulk.actions_of([Role.DISPATCHER]) == [Action.DISPATCH]
    assert bulk.actions_of([Role.UNIT, Role.LEADER]) == [Action.SIGN]
    assert bulk.actions_of([Role.ACCEPTOR, Role.DUTY_CHIEF]) == [Action.SEND_CHECK, Action.CLOSE]
    assert bulk.actions_of([Role.ASSESSOR]) == []


# --- over the API -------------------------------------------------------------------------------


def send(client, body, key=None):
    headers = {"Idempotency-Key": str(key)} if key else {}
    return client.post("/api/v1/cases/bulk/", body, "application/json", headers=headers)


def test_the_api_tells_each_row(people, condition):
    number = dispatched(people, condition)
    client, version = client_of(unit_person(number)), Case.objects.get().version
    body = {
        "action": "sign",
        "rows": [
            {"number": number, "seen_version": version},
            {"number": "HH2020010100001", "seen_version": 1},
        ],
    }

    answer = send(client, body, uuid.uuid4())

    assert answer.status_code == 200
    done, refused = answer.json()["results"]
    assert (done["done"], done["stage"], done["version"]) == (True, "handling", version + 1)
    assert (refused["done"], refused["code"]) == (False, "not_found")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"action": "void"}, "action"),
        ({"rows": []}, "rows"),
        ({"rows": [{"number": "HH2026112300001"}]}, "rows.0.seen_version"),
        ({"rows": [{"number": "HH2026112300001", "seen_version": 1}] * 2}, "rows"),
        ({"inputs": "none"}, "inputs"),
    ],
    ids=str,
)
def test_the_api_refuses_a_wrong_request(people, change, field):
    body = {"action": "sign", "rows": [{"number": "HH2026112300001", "seen_version": 1}], **change}
    unit = person("u1", Role.UNIT, "hecheng-sanitation")

    answer = send(client_of(unit), body, uuid.uuid4())

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert any(name.startswith(field) for name in answer.json()["fields"])
    assert IdempotencyKey.objects.count() == 0


def test_the_api_wants_a_key(people):
    body = {"action": "sign", "rows": [{"number": "HH2026112300001", "seen_version": 1}]}

    answer = send(client_of(people.dispatcher), body)

    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["Idempotency-Key"])
