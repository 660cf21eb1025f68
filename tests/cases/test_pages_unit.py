"""The inbox of a responsible unit: whose it is, its views, acting in a row, what went out."""

import re
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cases.choices import Action, Role
from cases.models import Case, Condition, Event, Unit
from cases.views.unit import VIEWS
from tests.cases.test_pages_phone import client_of, upload
from tests.support.people import person
from tests.support.spine import act, dispatched, photo, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


@pytest.fixture
def number(people, condition):
    """Return a case dispatched to a unit."""
    return dispatched(people, condition)


def inbox(user, view="", **words):
    return client_of(user).get("/unit/", {"view": view, **words})


def shown(answer):
    """Return the view that is open and the numbers of its rows as the page shows them."""
    rows = answer.content.decode().partition('<ul class="rows">')[2]
    return answer.context["view"].key, list(dict.fromkeys(re.findall(r"HH\d{13}", rows)))


def tabs(user):
    """Return how many cases each view holds by its tab; the rows of each are as many."""
    counts = {key: count for key, _, count in inbox(user).context["tabs"]}
    for view, count in counts.items():
        assert len(shown(inbox(user, view))[1]) == count
    return {view: count for view, count in counts.items() if count}


def head_of(number):
    return person("head", Role.UNIT_HEAD, Case.objects.get(number=number).unit_id)


def sign(number):
    """Have a case signed for; returns somebody of its unit."""
    unit = unit_person(number)
    act(number, Action.SIGN, unit)
    return unit


def close(people, number, unit):
    act(number, Action.FINISH, unit, photos=(photo(),))
    act(number, Action.ANSWER_CHECK, people.checker, passed=True)
    act(number, Action.CLOSE, people.chief)


def form_on(answer, number):
    """Return the hidden fields of the first form in a case's row."""
    row = answer.content.decode().partition(f'id="row-{number}"')[2].partition("</li>")[0]
    found = re.findall(r'type="hidden"\s+name="(action|seen_version|key)"\s+value="(.+?)"', row)
    return dict(reversed(found))


def copies(number, count):
    """Write `count` more cases like this one, past the ledger: only the page is looked at."""
    case = Case.objects.get(number=number)
    Case.objects.bulk_create(
        Case(
            **{
                field.attname: getattr(case, field.attname)
                for field in Case._meta.concrete_fields
                if field.name not in ("id", "number", "client_uuid")
            },
            number=f"HH20260101{n:05}",
        )
        for n in range(count)
    )


def test_unit_sees_its_own_cases_and_no_others(people, number):
    unit = unit_person(number)
    other = person("u-other", Role.UNIT, "some-other-unit")

    assert shown(inbox(unit)) == ("sign", [number])
    assert "Hecheng" in inbox(unit).content.decode()
    assert shown(inbox(head_of(number))) == ("sign", [number])
    assert tabs(other) == {}
    assert "Nothing being handled." in inbox(other).content.decode()


@pytest.mark.parametrize("post", ["inspector", "acceptor", "chief", "dispatcher", "operator"])
def test_nobody_else_has_an_inbox(people, number, post):
    assert inbox(getattr(people, post)).status_code == 404
    assert Client().get("/unit/").status_code == 302


def test_case_wanders_through_the_views(people, number):
    unit = unit_person(number)
    seen = [tabs(unit)]
    act(number, Action.SIGN, unit)
    seen.append(tabs(unit))
    act(number, Action.FINISH, unit, photos=(photo(),))
    seen.append(tabs(unit))
    act(number, Action.ANSWER_CHECK, people.checker, passed=False)
    act(number, Action.REWORK, people.dispatcher)
    seen.append(tabs(unit))

    assert seen == [{"sign": 1}, {"handling": 1}, {"finished": 1}, {"rework": 1}]


def test_unit_signs_from_the_inbox(people, number):
    unit = unit_person(number)
    said = form_on(inbox(unit), number)

    signed = client_of(unit).post(f"/cases/{number}/actions/?next=/unit/", said, follow=True)

    assert said["action"] == "sign"
    assert signed.redirect_chain == [("/unit/", 302)]
    assert shown(signed) == ("handling", [number])
    assert Case.objects.get().stage == "handling"


def test_unit_finishes_in_the_row(people, number):
    unit = sign(number)
    said = form_on(inbox(unit), number)

    done = client_of(unit).post(
        f"/cases/{number}/actions/?next=/unit/", said | {"photos": upload()}, follow=True
    )

    assert said["action"] == "finish"
    assert shown(done) == ("handling", [])
    assert Case.objects.get().stage == "checking"


def test_unit_returns_a_case_in_the_row_with_a_reason_of_the_list(people, number):
    unit = unit_person(number)
    answer = inbox(unit)
    row = answer.content.decode().partition(f'id="row-{number}"')[2].partition("</li>")[0]
    reasons = re.findall(r'<option value="(\w+)"', row)
    words = dict(re.findall(r'name="(seen_version|key)"\s+value="(.+?)"', row))  # of the last form
    address = f"/cases/{number}/actions/?next=/unit/"

    refused = client_of(unit).post(address, {"action": "return", **words})
    assert (refused.status_code, Case.objects.get().stage) == (422, "dispatched")
    done = client_of(unit).post(address, {"action": "return", **words, "reason": "duplicate"})

    assert reasons == ["not_responsible", "unclear_place", "duplicate", "other"]
    assert done.status_code == 302
    assert Case.objects.get().stage == "returned"


def test_case_that_waits_for_an_extension_stands_apart_with_the_reason(people, number):
    unit, head = sign(number), head_of(number)
    act(number, Action.REQUEST_EXTENSION, unit, reason="weather")
    first = inbox(unit, "extension")
    act(number, Action.DECIDE_EXTENSION, head, approved=True)
    second = inbox(unit, "extension")

    for answer in (first, second):
        assert shown(answer) == ("extension", [number])
        assert "weather" in answer.content.decode()
    act(number, Action.DECIDE_EXTENSION, people.dispatcher, approved=True)
    assert shown(inbox(unit, "extension")) == ("extension", [])


def test_head_of_the_unit_is_not_offered_to_sign(people, number):
    head = head_of(number)
    said = {"action": "sign", "seen_version": Case.objects.get().version, "key": uuid.uuid4()}

    assert 'value="sign"' not in inbox(head).content.decode()
    assert client_of(head).post(f"/cases/{number}/actions/", said).status_code == 403
    assert Case.objects.get().stage == "dispatched"
    assert not Event.objects.filter(action=Action.SIGN).exists()


def test_returned_case_stays_listed_with_its_reason_but_is_no_longer_open(people, number):
    unit = unit_person(number)
    act(number, Action.RETURN, unit, reason="unclear_place")

    answer = inbox(unit, "returned")

    page = answer.content.decode()
    assert shown(answer) == ("returned", [number])
    assert tabs(unit) == {"returned": 1}
    assert "the place is unclear" in page
    assert f"/cases/{number}/" not in page
    assert client_of(unit).get(f"/cases/{number}/").status_code == 404


def test_nearest_deadline_stands_first(people, condition):
    first, second = dispatched(people, condition), dispatched(people, condition)
    unit = unit_person(first)
    Case.objects.filter(number=second).update(due_at=timezone.now())

    assert shown(inbox(unit)) == ("sign", [second, first])


@pytest.mark.parametrize("is_needed", [True, False])
def test_row_asks_for_the_photo_the_condition_needs(people, number, is_needed):
    unit = sign(number)
    Condition.objects.update(needs_after_photo=is_needed)

    page = inbox(unit).content.decode()

    (first, second) = re.findall(r'<input id="HH\d+-finish-photos-\d"[^>]*>', page)
    assert ("required" in first, "required" in second) == (is_needed, False)


# --- head, handlers and sub-units ----------------------------------------------------------------


def test_head_assigns_a_handler_who_finds_the_case_among_his_own(people, number):
    handler = sign(number)
    colleague = person("colleague", Role.UNIT, Case.objects.get().unit_id)
    head = head_of(number)
    answer = inbox(head)
    said = form_on(answer, number)

    client_of(head).post(f"/cases/{number}/actions/", said | {"handler": handler.username})

    assert said["action"] == "assign_handler"
    options = re.findall(r'<option value="(.+?)"', answer.content.decode())
    assert sorted(options) == sorted([handler.username, "colleague"])
    assert [shown(inbox(who, mine="1"))[1] for who in (handler, colleague)] == [[number], []]
    assert shown(inbox(colleague)) == ("handling", [number])
    assert f"handler: {handler.name}" in inbox(colleague).content.decode()


def test_head_decides_first_on_more_time_and_others_see_that_it_was_asked(people, number):
    unit, head = sign(number), head_of(number)
    act(number, Action.REQUEST_EXTENSION, unit, reason="weather")
    answer = inbox(head)
    page, said = answer.content.decode(), form_on(answer, number)

    assert shown(answer) == ("decide", [number])
    assert "weather" in page
    assert unit.name in page
    assert "decide" not in tabs(unit)
    assert "extension: the head of unit decides" in inbox(unit).content.decode()
    client_of(head).post(f"/cases/{number}/actions/", said | {"approved": "true"})
    assert Case.objects.get().waiting_for == ["extension"]
    assert "decide" not in tabs(head)


def test_cases_of_a_squad_are_seen_by_the_brigade(people, number):
    unit, parent = sign(number), Unit.objects.get(pk=Case.objects.get().unit_id)
    squad = Unit.objects.create(
        code="squad",
        name_zh="一中队",
        name_en="First Squad",
        kind=parent.kind,
        parent=parent,
        district_id=parent.district_id,
    )
    soldier, head = person("soldier", Role.UNIT, squad.pk), head_of(number)
    act(number, Action.REDISPATCH, head, unit=squad.pk)

    for who in (unit, head, soldier):
        assert tabs(who) == {"handling": 1}
        assert ("First Squad" in inbox(who).content.decode()) == (who != soldier)
    assert form_on(inbox(unit), number) == {}  # whose work it is now, the brigade only sees
    assert form_on(inbox(head), number)["action"] == "assign_handler"
    assert form_on(inbox(soldier), number)["action"] == "finish"


# --- what is asked of a unit beside its work ------------------------------------------------------


def test_assisting_unit_reports_in_its_row(people, number):
    sign(number)
    helper = Unit.objects.filter(is_active=True).exclude(pk=Case.objects.get().unit_id).first()
    assistant = person("helper", Role.UNIT, helper.pk)
    act(number, Action.SEND_ASSIST, people.dispatcher, assist=helper.pk)
    answer = inbox(assistant)
    said = form_on(answer, number)

    assert (shown(answer), said["action"]) == (("assist", [number]), "assist")
    client_of(assistant).post(f"/cases/{number}/actions/", said | {"note": "已配合"})
    assert tabs(assistant) == {}
    assert Event.objects.filter(action=Action.ASSIST).count() == 1


def test_supervision_is_replied_to_in_its_row(people, number):
    unit = sign(number)
    reply_by = timezone.now() + timedelta(hours=5)
    leader = person("leader", Role.LEADER)
    act(number, Action.SUPERVISE, leader, note="请尽快", reply_by=reply_by.isoformat())
    answer = inbox(unit)
    page, said = answer.content.decode(), form_on(answer, number)

    assert shown(answer) == ("reply", [number])
    assert f"leader’s remark · reply by {timezone.localtime(reply_by):%m-%d %H:%M}" in page.replace(
        "&#x27;", "’"
    )
    client_of(unit).post(f"/cases/{number}/actions/", said | {"note": "今日完成"})
    assert tabs(unit) == {"handling": 1}


def test_suspended_case_says_until_when(people, number):
    unit = sign(number)
    until = timezone.localdate() + timedelta(days=3)
    act(number, Action.REQUEST_SUSPENSION, unit, reason="season", until=f"{until}")
    act(number, Action.DECIDE_SUSPENSION, people.dispatcher, approved=True)

    assert tabs(unit) == {"suspended": 1}
    shown_day = f"until {until + timedelta(days=1):%m-%d} 00:00"
    assert shown_day in inbox(unit, "suspended").content.decode()


def test_case_closed_late_is_appealed_once_and_shows_what_became_of_it(people, number):
    unit, punctual = sign(number), dispatched(people, Case.objects.get().condition)
    act(punctual, Action.SIGN, unit)
    close(people, punctual, unit)
    Case.objects.filter(number=number).update(was_late=True)
    close(people, number, unit)
    answer = inbox(unit, "appeal")
    said = form_on(answer, number)

    assert (shown(answer), said["action"]) == (("appeal", [number]), "appeal")
    assert "not appealed" in answer.content.decode()
    client_of(unit).post(f"/cases/{number}/actions/", said | {"note": "暴雨"})
    states = [("appealed", people.dispatcher), ("appeal endorsed", people.acceptor)]
    for state, decider in states:
        page = inbox(unit, "appeal")
        assert state in page.content.decode()
        assert form_on(page, number) == {}
        act(number, Action.DECIDE_APPEAL, decider, approved=True)
    assert "appeal upheld: exempt" in inbox(unit, "appeal").content.decode()


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.key)
def test_statements_of_a_view_stay_the_same_for_one_case_and_for_three(people, condition, view):
    first = dispatched(people, condition)
    unit = sign(first)
    head = person("head", Role.UNIT_HEAD, Case.objects.get().unit_id)
    act(first, Action.ASSIGN_HANDLER, head, handler=unit.username)
    states = {
        "decide": {"waiting_for": ["extension_head"]},
        "extension": {"waiting_for": ["extension"]},
        "sign": {"stage": "dispatched"},
        "rework": {"stage": "rework"},
        "reply": {"waiting_for": ["reply"]},
        "finished": {"stage": "handled", "handled_at": timezone.now()},
        "appeal": {"stage": "closed", "was_late": True, "closed_at": timezone.now()},
    }
    Case.objects.update(**states.get(view.key, {}))
    client, taken = client_of(head), []
    for more in (0, 2):
        copies(first, more)
        with CaptureQueriesContext(connection) as captured:
            answer = client.get("/unit/", {"view": view.key})
        taken.append(len(captured))
        if view.key in (*states, "handling"):
            assert len(answer.context["rows"]) == 1 + more

    assert taken[0] == taken[1] <= 13


def test_statements_stay_the_same_for_ten_and_a_hundred_cases(
    people, number, django_assert_num_queries
):
    client = client_of(unit_person(number))
    for count in (10, 100):
        Case.objects.exclude(number=number).delete()
        copies(number, count - 1)

        with django_assert_num_queries(9):
            page = client.get("/unit/").content.decode()

        assert page.count('value="sign"') == count + 1  # each, and those chosen together
