"""Dispatching by hand: the suggestion and why, the deadline, what goes along, what is next."""

import json
import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from cases.choices import Action, Role
from cases.models import Case, CityOptions, Condition, Event, Habit, Responsibility, Unit
from cases.selectors.dispatch_advice import advise, alike_waiting
from cases.selectors.routing import explain_case
from cases.selectors.timeline import events_of
from cases.services.moves import take_action
from cases.views.dispatching import next_to_dispatch, with_initials
from tests.support.crowds import crowd_around, plans_of
from tests.support.people import person
from tests.support.spine import act, case_of, report, run_dispatch, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def client_of(user, **headers):
    client = Client(headers={"accept-language": "en", **headers})
    client.force_login(user)
    return client


def text_of(answer):
    return " ".join(answer.content.decode().split())


def filed(people, condition):
    """Report a case that dispatch was not run for: it waits for a dispatcher."""
    return str(report(people, condition)["number"])


def unrouted(people, condition):
    """Report a case that stands among those to dispatch, as one no rule finds a unit for does."""
    number = filed(people, condition)
    Case.objects.filter(number=number).update(is_unrouted=True)
    return number


def advice_for(number, *, at=None):
    case = Case.objects.select_related("minor", "condition", "unit").get(number=number)
    found = advise(
        case,
        events_of(case),
        units=with_initials(),
        options=CityOptions.objects.get(),
        at=at or timezone.now(),
    )
    assert found is not None
    return found


def send(user, number, action="dispatch", *, query="", headers=None, **fields):
    form = {"action": action, "seen_version": case_of(number).version, "key": str(uuid.uuid4())}
    client = client_of(user, **(headers or {}))
    return client.post(f"/cases/{number}/actions/{query}", form | fields)


def unit_of(number):
    return advice_for(number).suggested.pk


def given_back(people, condition):
    """Return a case its unit gave back, and the code of that unit."""
    number = filed(people, condition)
    run_dispatch(number)
    code = case_of(number).unit_id
    act(number, Action.RETURN, unit_person(number), reason="not_responsible")
    return number, code


# --- the suggestion -----------------------------------------------------------------------------


def test_the_suggestion_is_what_dispatch_would_do_and_what_the_explanation_says(people, condition):
    number = filed(people, condition)

    advice = advice_for(number)
    explained = explain_case(Case.objects.select_related("minor", "condition").get(number=number))
    run_dispatch(number)

    assert advice.suggested == explained.unit
    assert advice.options[0].considered.rule.code == explained.result.rule
    matched = {unit.pk for one in explained.matched for unit in one.units}
    assert {one.unit.pk for one in advice.options} == matched
    assert case_of(number).unit_id == advice.suggested.pk


def test_the_form_suggests_with_the_reason_and_the_load_of_every_unit(people, condition):
    busy = filed(people, condition)
    run_dispatch(busy)
    number = filed(people, condition)
    rule = Responsibility.objects.get(code=case_of(busy).rule)
    unit = case_of(busy).unit

    page = text_of(client_of(people.dispatcher).get(f"/cases/{number}/"))

    first = page[page.index('class="is-suggested"') :].partition("</li>")[0]
    assert f"<strong>{unit.name_en}</strong>" in first
    assert f"{rule.reason_en} ({rule.code})" in first
    assert "1 open · 0 handlers" in first
    assert re.search(rf'value="{unit.pk}" data-initials="[a-z]+" selected>', page)
    assert page.count(" · 0 open</option>") > 10
    chooser = page[page.index("data-chooser") : page.index('data-due="full"')]
    assert chooser.count(f'<option value="{unit.pk}"') == 1


def test_equally_specific_rules_leave_the_choice_to_a_person(people, condition):
    number = filed(people, condition)
    winner = Responsibility.objects.get(code=advice_for(number).result.rule)
    others = Unit.objects.filter(district="hecheng", parent=None)
    winner.pk, winner.code, winner.unit_kind = None, "another", ""
    winner.unit = others.exclude(pk=advice_for(number).suggested.pk).first()
    winner.save()

    advice = advice_for(number)
    page = text_of(client_of(people.dispatcher).get(f"/cases/{number}/"))

    assert advice.suggested is None
    assert "Equally specific rules lead to different units: decide." in page
    assert "is-suggested" not in page


def test_a_unit_that_gave_it_back_is_not_suggested_again_without_saying_so(people, condition):
    number, code = given_back(people, condition)

    advice = advice_for(number)
    page = text_of(client_of(people.dispatcher).get(f"/cases/{number}/"))

    assert advice.held_back.unit.pk == code
    assert advice.suggested is None or advice.suggested.pk != code
    assert "which gave it back: not our responsibility." in page
    assert "Who had it before" in page
    assert not re.search(rf'<option value="{code}" data-initials="[a-z]+" selected>', page)


def test_the_deadline_shown_is_the_one_a_dispatch_at_that_moment_sets(people):
    at = timezone.now() + timedelta(minutes=5)
    for unit in ("emergency_hour", "work_hour", "work_day"):
        condition = Condition.objects.filter(minor__kind="event", limit_unit=unit).first()
        if condition is None:
            continue
        number = filed(people, condition)
        advice = advice_for(number, at=at)
        inputs = {"unit": "hecheng-sanitation"}
        version = case_of(number).version
        take_action(
            number=number,
            action=Action.DISPATCH,
            actor=people.dispatcher,
            seen_version=version,
            inputs=inputs,
            at=at,
        )

        assert case_of(number).due_at == advice.due_at, unit
        at += timedelta(minutes=1)


def test_what_remained_is_shown_for_a_return_that_was_not_justified(people, condition):
    number, code = given_back(people, condition)
    at = timezone.now() + timedelta(minutes=5)
    advice = advice_for(number, at=at)

    take_action(
        number=number,
        action=Action.REASSIGN,
        actor=people.dispatcher,
        seen_version=case_of(number).version,
        inputs={"unit": code, "ruling": "unjustified"},
        at=at,
    )

    assert case_of(number).due_at == advice.goes_on_due_at
    assert advice.goes_on_due_at <= advice.due_at


def test_the_panel_has_the_same_form_in_the_same_shape(people, condition):
    number = filed(people, condition)
    client = client_of(people.dispatcher, **{"hx-request": "true"})

    panel = text_of(client.get(f"/cases/{number}/panel/"))

    form = panel[panel.index('<input type="hidden" name="action" value="dispatch">') :]
    assert "data-chooser" in form.partition("</form>")[0]


# --- together -----------------------------------------------------------------------------------


def test_only_near_cases_of_the_class_that_wait_and_may_be_seen_go_along(people, condition):
    number, twin = filed(people, condition), filed(people, condition)
    far = filed(people, condition)
    Case.objects.filter(number=far).update(point="SRID=4326;POINT(109.99 27.56)")
    gone = filed(people, condition)
    run_dispatch(gone)
    Case.objects.filter(number=twin).update(address="三楼 13812342210")
    case = Case.objects.get(number=number)
    stranger = person("d-zf", Role.DISPATCHER, "zhongfang")

    assert [one.number for one in alike_waiting(case, people.dispatcher)] == [twin]
    assert alike_waiting(case, stranger) == []
    page = text_of(client_of(people.dispatcher).get(f"/cases/{number}/"))
    assert f'name="together" value="{twin}:{case_of(twin).version}"' in page
    assert "1 more of this class near by waits: dispatch together" in page
    assert "三楼 138****2210" in page
    assert "13812342210" not in page


def test_what_goes_along_is_told_row_by_row_and_the_same_twice_as_once(people, condition):
    number, twin, gone = (filed(people, condition) for _ in range(3))
    rows = [f"{one}:{case_of(one).version}" for one in (twin, gone)]
    run_dispatch(gone)
    unit, key = unit_of(number), str(uuid.uuid4())
    seen = case_of(number).version
    form = {"unit": unit, "together": rows, "key": key, "seen_version": seen}

    pages = []
    for _ in range(2):
        client = client_of(people.dispatcher)
        form |= {"action": "dispatch"}
        pages.append(text_of(client.post(f"/cases/{number}/actions/", form, follow=True)))

    assert [case_of(one).unit_id for one in (number, twin)] == [unit, unit]
    for page in pages:
        assert f"{number}: dispatch – done." in page
        assert f"{twin}: dispatch – done." in page
        assert f"{gone} was not dispatched: " in page
    given = Event.objects.filter(action="dispatch").values_list("case__number", flat=True)
    assert sorted(given) == sorted([number, twin, gone])


def test_a_refused_form_takes_nothing_along(people, condition):
    number, twin = filed(people, condition), filed(people, condition)
    before = Event.objects.count()

    answer = send(people.dispatcher, number, unit="", together=f"{twin}:{case_of(twin).version}")

    assert answer.status_code == 422
    assert Event.objects.count() == before


def test_a_row_that_is_no_row_is_refused(people, condition):
    number = filed(people, condition)

    answer = send(people.dispatcher, number, unit=unit_of(number), together="nonsense")

    assert answer.status_code == 422
    assert case_of(number).stage == "filed"


# --- the next -----------------------------------------------------------------------------------


def test_the_next_case_opens_and_the_last_says_that_nothing_is_left(people, condition):
    one, two = unrouted(people, condition), unrouted(people, condition)
    asks = {"unit": unit_of(one), "asks_for_next": "1", "opens_next": "1"}

    first = send(people.dispatcher, one, **asks)
    last = send(people.dispatcher, two, **asks)

    assert first["Location"] == f"/cases/{two}/"
    assert last["Location"] == f"/cases/{two}/"
    page = text_of(client_of(people.dispatcher).get("/cases/"))
    assert "Nothing is left to dispatch." not in page  # it was told to the browser that asked


def test_the_desk_is_told_which_case_is_next(people, condition):
    one, two = unrouted(people, condition), unrouted(people, condition)

    answer = send(
        people.dispatcher,
        one,
        headers={"hx-request": "true"},
        unit=unit_of(one),
        asks_for_next="1",
        opens_next="1",
    )

    heard = json.loads(answer["HX-Trigger"])
    assert heard == {"case-changed": None, "desk-next": {"number": two}}
    assert f"Next to dispatch: {two}." in text_of(answer)


def test_whoever_turns_it_off_stays_and_is_remembered(people, condition):
    one, two = unrouted(people, condition), unrouted(people, condition)

    answer = send(people.dispatcher, one, unit=unit_of(one), asks_for_next="1")

    assert answer["Location"] == f"/cases/{one}/"
    assert Habit.objects.get(user=people.dispatcher.pk).opens_next is False
    page = text_of(client_of(people.dispatcher).get(f"/cases/{two}/"))
    assert re.search(r'name="opens_next" value="1" ?>', page)


def test_a_page_that_says_where_to_go_on_is_obeyed(people, condition):
    one, _two = unrouted(people, condition), unrouted(people, condition)

    asks = {"unit": unit_of(one), "asks_for_next": "1", "opens_next": "1"}
    answer = send(people.dispatcher, one, query="?next=/desk/", **asks)

    assert answer["Location"] == "/desk/"


def test_next_is_never_a_case_the_dispatcher_may_not_dispatch(people, condition):
    number = unrouted(people, condition)
    Case.objects.filter(number=number).update(also_districts=["zhongfang"])
    stranger = person("d-zf", Role.DISPATCHER, "zhongfang")

    assert next_to_dispatch(stranger, "") is None
    assert next_to_dispatch(people.dispatcher, "").number == number


# --- who was first ------------------------------------------------------------------------------


def test_whoever_comes_second_is_told_who_has_it(people, condition):
    number = filed(people, condition)
    seen, unit = case_of(number).version, unit_of(number)
    run_dispatch(number)

    answer = send(people.dispatcher, number, unit=unit, seen_version=seen)

    assert answer.status_code == 409
    assert "The system dispatched it at" in text_of(answer)
    assert Event.objects.filter(case__number=number, action="dispatch").count() == 1


# --- what it costs ------------------------------------------------------------------------------


def test_statements_of_the_form_do_not_grow(people, condition, django_assert_max_num_queries):
    number = filed(people, condition)
    client = client_of(people.dispatcher)
    client.get(f"/cases/{number}/panel/")
    with django_assert_max_num_queries(30) as few:
        client.get(f"/cases/{number}/panel/")
    for _ in range(3):
        filed(people, condition)

    with django_assert_max_num_queries(30) as many:
        client.get(f"/cases/{number}/panel/")

    assert len(many) == len(few)


def test_the_near_ones_are_found_by_the_spatial_index(people, condition):
    number = filed(people, condition)
    case = Case.objects.get(number=number)
    crowd_around(number, 5000)

    plan = plans_of(lambda: alike_waiting(case, people.dispatcher))

    assert "case_place_time" in plan
    assert "Seq Scan on cases_case" not in plan
