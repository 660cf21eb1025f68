"""The inbox of a responsible unit: whose it is, its sections, signing from it, what went out."""

import re
import uuid

import pytest
from django.test import Client
from django.utils import timezone

from cases.choices import Action, Role
from cases.models import Case, Event
from tests.cases.test_pages_phone import client_of
from tests.support.people import person
from tests.support.spine import act, dispatched, photo, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


@pytest.fixture
def number(people, condition):
    """Return a case dispatched to a unit."""
    return dispatched(people, condition)


def inbox(user):
    return client_of(user).get("/unit/")


def sections(answer):
    """Return the case numbers of each section as the page shows them."""
    parts = re.split(r'<section class="card"\s+aria-labelledby="', answer.content.decode())[1:]
    return {
        part.split('"')[0]: list(dict.fromkeys(re.findall(r"HH\d{13}", part))) for part in parts
    }


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
    head = person("h-same", Role.UNIT_HEAD, Case.objects.get().unit_id)

    assert sections(inbox(unit))["dispatched"] == [number]
    assert "Hecheng" in inbox(unit).content.decode()
    assert sections(inbox(head))["dispatched"] == [number]
    assert not any(sections(inbox(other)).values())


@pytest.mark.parametrize("post", ["inspector", "acceptor", "chief", "dispatcher", "operator"])
def test_nobody_else_has_an_inbox(people, number, post):
    assert inbox(getattr(people, post)).status_code == 404
    assert Client().get("/unit/").status_code == 302


def test_case_wanders_through_the_three_sections(people, number):
    unit = unit_person(number)
    seen = [sections(inbox(unit))]
    act(number, Action.SIGN, unit)
    seen.append(sections(inbox(unit)))
    act(number, Action.FINISH, unit, photos=(photo(),))
    seen.append(sections(inbox(unit)))
    act(number, Action.ANSWER_CHECK, people.checker, passed=False)
    act(number, Action.REWORK, people.dispatcher)
    seen.append(sections(inbox(unit)))

    where = [[name for name, numbers in shown.items() if number in numbers] for shown in seen]
    assert where == [["dispatched"], ["handling"], ["recent"], ["rework"]]


def test_unit_signs_from_the_inbox(people, number):
    unit = unit_person(number)
    answer = inbox(unit)
    page = answer.content.decode()
    said = dict(
        re.findall(r'type="hidden"\s+name="(action|seen_version|key)"\s+value="(.+?)"', page)
    )

    signed = client_of(unit).post(f"/cases/{number}/actions/?next=/unit/", said, follow=True)

    assert said["action"] == "sign"
    assert signed.redirect_chain == [("/unit/", 302)]
    assert sections(signed)["handling"] == [number]
    assert Case.objects.get().stage == "handling"


def test_head_of_the_unit_is_not_offered_to_sign(people, number):
    head = person("h-same", Role.UNIT_HEAD, Case.objects.get().unit_id)
    said = {"action": "sign", "seen_version": Case.objects.get().version, "key": uuid.uuid4()}

    assert 'value="sign"' not in inbox(head).content.decode()
    assert client_of(head).post(f"/cases/{number}/actions/", said).status_code == 403
    assert Case.objects.get().stage == "dispatched"
    assert not Event.objects.filter(action=Action.SIGN).exists()


def test_returned_case_stays_listed_with_its_reason_but_is_no_longer_open(people, number):
    unit = unit_person(number)
    act(number, Action.RETURN, unit, reason="unclear_place")

    answer = inbox(unit)

    page = answer.content.decode()
    assert sections(answer)["recent"] == [number]
    assert "the place is unclear" in page
    assert f"/cases/{number}/" not in page
    assert client_of(unit).get(f"/cases/{number}/").status_code == 404


def test_nearest_deadline_stands_first(people, condition):
    first, second = dispatched(people, condition), dispatched(people, condition)
    unit = unit_person(first)
    Case.objects.filter(number=second).update(due_at=timezone.now())

    assert sections(inbox(unit))["dispatched"] == [second, first]


def test_statements_stay_the_same_for_ten_and_a_hundred_cases(
    people, number, django_assert_num_queries
):
    client = client_of(unit_person(number))
    for count in (10, 100):
        Case.objects.exclude(number=number).delete()
        copies(number, count - 1)

        with django_assert_num_queries(7):
            page = client.get("/unit/").content.decode()

        assert page.count('value="sign"') == count + 1  # each, and those chosen together
