"""Routing explained to programs: the API and the command `route`."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from cases.choices import Role
from cases.models import Condition, Responsibility
from cityops.accounts.models import ApiToken
from tests.support.city import huaihua
from tests.support.people import person
from tests.support.spine import PLACE, case_of, condition, dispatched, media, people, report

__all__ = ["condition", "huaihua", "media", "people"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]
ASKED = {**PLACE, "condition": "event-0405-1"}


def client(user):
    return Client(headers={"Authorization": f"Bearer {ApiToken.issue(user)}"})


def ask(user, **words):
    return client(user).get("/api/v1/routing/explain/", words)


def route(*words):
    out = StringIO()
    try:
        call_command("route", *words, stdout=out)
    except SystemExit as end:
        return end.code, out.getvalue()
    return 0, out.getvalue()


# --- API ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.DISPATCHER, Role.SUPERVISOR, Role.LEADER, Role.ADMIN])
def test_a_place_is_explained_to_who_reads_the_rules(role):
    answer = ask(person("p", role), **ASKED)

    said = answer.json()
    assert (answer.status_code, said["outcome"]) == (200, "found")
    limit = Condition.objects.get(code="event-0405-1")
    assert said["limit"] == {"value": limit.limit_value, "unit": limit.limit_unit}
    assert said["unit"] == "hecheng-urban-management"
    assert len(said["considered"]) == Responsibility.objects.count()
    assert said["considered"][0]["rule"] == said["rule"]


@pytest.mark.parametrize("role", [Role.ACCEPTOR, Role.INSPECTOR, Role.ASSESSOR])
def test_the_rules_are_not_there_for_others(role):
    assert ask(person("p", role), **ASKED).status_code == 404


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"lon": "x"}, "lon"),
        ({"condition": "event-9999-9"}, "condition"),
        ({"condition": ""}, "condition"),
        ({"source": "pigeon"}, "source"),
        ({"at": "yesterday"}, "at"),
        ({"lon": "100", "lat": "20"}, "location"),
    ],
)
def test_what_is_wrong_with_a_question_is_named(words, field):
    answer = ask(person("p", Role.DISPATCHER), **{**ASKED, **words})

    assert (answer.status_code, list(answer.json()["fields"])) == (422, [field])


def test_a_case_is_explained_to_the_unit_that_holds_it_and_to_no_other(people, condition):
    number = dispatched(people, condition)
    holder = person("u1", Role.UNIT, case_of(number).unit_id)
    other = person("u2", Role.UNIT, "hecheng-ecology")

    said = ask(holder, number=number).json()

    assert (said["unit"], said["rule"]) == (case_of(number).unit_id, case_of(number).rule)
    assert said["recorded"]["unit"] == said["unit"]
    assert said["agrees"] is True
    assert ask(other, number=number).status_code == 404


def test_an_unfiled_case_has_nothing_to_explain(people, condition):
    words = {"source": "citizen"}
    number = report(people, condition, **words)["number"]

    answer = ask(people.dispatcher, number=number)

    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["number"])


# --- command --------------------------------------------------------------------------------------


def test_the_command_names_the_unit_and_the_rules_that_match():
    code, told = route("--place", "109.9765,27.5505", "--condition", "event-0405-1")

    assert code == 0
    assert "answers for it. (" in told
    assert "wins" in told
    assert "other rules do not match" in told


def test_the_command_prints_json_and_ends_with_1_where_nobody_answers():
    Responsibility.objects.all().delete()

    code, told = route("--place", "109.9765,27.5505", "--condition", "event-0405-1", "--json")

    assert (code, json.loads(told)["outcome"]) == (1, "unrouted")


def test_the_command_explains_a_case(people, condition):
    number = dispatched(people, condition)

    code, told = route("--case", number, "--json")

    assert (code, json.loads(told)["number"]) == (0, number)


@pytest.mark.parametrize(
    "words",
    [
        ("--case", "HH1"),
        ("--place", "109.9765,27.5505"),
        ("--place", "100,20", "--condition", "event-0405-1"),
    ],
)
def test_the_command_says_what_it_cannot_answer(words):
    with pytest.raises(CommandError) as refused:
        route(*words)

    assert refused.value.returncode == 2
