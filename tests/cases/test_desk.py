"""The desk's data: the map's columns, the counts of its views, and who may read them."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cases.choices import Role
from cases.models import Case
from tests.support.people import person
from tests.support.spine import dispatched, report, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]
COLUMNS = ("number", "lon", "lat", "kind", "light", "stage", "unit", "district")
ADDRESSES = ("/desk/cases/", "/desk/counters/")


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def read(user, address):
    answer = client_of(user).get(address)
    assert answer.status_code == 200
    return answer.json()


def test_columns_and_totals_equal_the_open_cases(people, condition):
    report(people, condition)
    dispatched(people, condition)

    feed = read(people.dispatcher, "/desk/cases/")

    numbers = set(Case.objects.open().values_list("number", flat=True))
    assert set(feed["number"]) == numbers
    assert len(numbers) == 2
    assert {len(feed[column]) for column in COLUMNS} == {2}
    assert feed["total"] == 2
    assert feed["without_point"] == 0
    assert read(people.dispatcher, "/desk/counters/")["all"] == 2
    assert feed["heads"]["hecheng"] > 0


def test_a_district_sees_its_own(people, condition):
    report(people, condition)
    own = person("own", Role.SUPERVISOR, "hecheng")
    other = person("other", Role.SUPERVISOR, "zhongfang")

    assert [read(who, "/desk/cases/")["total"] for who in (own, other)] == [1, 0]
    assert [read(who, "/desk/counters/")["all"] for who in (own, other)] == [1, 0]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_unit_finds_no_desk(people, condition, address):
    unit = unit_person(dispatched(people, condition))

    assert client_of(unit).get(address).status_code == 404


@pytest.mark.parametrize("address", ADDRESSES)
def test_statements_do_not_grow_with_cases(people, condition, address):
    client, taken = client_of(people.dispatcher), []
    client.get(address)
    for more in (1, 29):
        for _ in range(more):
            report(people, condition)
        with CaptureQueriesContext(connection) as captured:
            client.get(address)
        taken.append(len(captured))

    assert taken[0] == taken[1]
