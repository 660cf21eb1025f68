"""The page of alarms: what, how many, since when, the fix; only of the reader's districts."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from cases.choices import Role
from cases.models import Alarm, Channel, Effect, Reconciliation, StageClock
from cases.services.effects import run_effect
from cases.services.reconcile import look_at_all, look_now
from cityops.accounts.models import User
from tests.support.people import person
from tests.support.spine import case_of, dispatched

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


@pytest.fixture
def read(client):
    """Return a function that reads the page as a person."""

    def as_(user):
        client.force_login(user)
        answer = client.get("/desk/health/")
        assert answer.status_code == 200
        return answer.context, answer.content.decode()

    return as_


def test_all_is_well_and_every_case_is_accounted_for(read, people, condition):
    dispatched(people, condition)
    look_at_all()
    look_now()

    context, text = read(people.dispatcher)

    assert "Everything adds up as of" in text
    assert context["rows"] == []
    assert {row["name"]: (row["total"], row["counts"]) for row in context["accounts"]} == {
        "the whole city": (0, [0, 0, 0, 0, 0, 0, 0]),
        "Hecheng District": (1, [0, 0, 0, 1, 0, 0, 0]),
        "Zhongfang County": (0, [0, 0, 0, 0, 0, 0, 0]),
        context["accounts"][2]["name"]: (0, [0, 0, 0, 0, 0, 0, 0]),
        context["accounts"][3]["name"]: (0, [0, 0, 0, 0, 0, 0, 0]),
    }


def test_row_names_what_how_many_since_and_the_fix_until_it_clears(read, people, condition):
    number = dispatched(people, condition)
    clock = StageClock.objects.filter(case__number=number, kind="handle")
    clock.update(due_at=F("due_at") + timedelta(hours=1))
    look_now()

    context, text = read(people.dispatcher)

    (row,) = context["rows"]
    assert row["what"] == "cases whose clock is missing or wrong"
    assert row["where"] == "Hecheng District"
    assert row["alarm"].how_many == 1
    assert str(row["fix"]).startswith("Nobody is reminded of these deadlines")
    assert f'<a href="/cases/{number}/">{number}</a>' in text
    assert "Everything adds up" not in text

    clock.update(due_at=case_of(number).due_at)
    look_now()

    context, text = read(people.dispatcher)
    assert context["rows"] == []
    assert [row["what"] for row in context["cleared"]] == ["cases whose clock is missing or wrong"]
    assert "Everything adds up" in text


def test_district_reads_of_its_own_only(read, people, condition):
    number = dispatched(people, condition)
    for scope in ("city", "hecheng", "landport"):
        Alarm.objects.create(
            what="state",
            scope=scope,
            how_many=3,
            numbers=[number],
            words=f"words of {scope}",
            since=timezone.now(),
            seen_at=timezone.now(),
        )
    look_now()
    Alarm.objects.update(cleared_at=None)

    context, text = read(person("boss", Role.DISPATCHER, "landport"))

    assert [row["alarm"].scope for row in context["rows"]] == ["landport"]
    assert len(context["accounts"]) == 1
    assert "words of hecheng" not in text
    assert number not in text  # the case lies in another district
    assert len(read(people.dispatcher)[0]["rows"]) == 3


def test_stopped_reconciler_is_said(read, people):
    assert "The reconciler has not looked yet." in read(people.dispatcher)[1]

    look_now()
    Reconciliation.objects.update(finished_at=timezone.now() - timedelta(minutes=4))

    text = read(people.dispatcher)[1]
    assert "The reconciler has not looked since" in text
    assert "Everything adds up" not in text


def test_dead_work_leads_to_its_page(client, read, people, condition):
    dispatched(people, condition)
    Effect.objects.filter(kind="dispatch").update(state="dead", done_at=None)
    look_now()

    address = "/desk/effects/?standing=dead&scope=hecheng&kind=dispatch"
    for reader, link in (
        (people.dispatcher, address),
        (person("here", Role.DISPATCHER, "hecheng"), address),
        (people.chief, ""),  # who may not rule on work
    ):
        (row,) = read(reader)[0]["rows"]
        assert (row["alarm"].what, row["link"]) == ("dead", link)
        assert row["about"] == "dispatch a case"
        client.force_login(reader)
        assert not link or client.get(link).status_code == 200


def test_resting_channel_is_shown_to_readers_of_its_scope_until_it_works(read, people, condition):
    words = {"kind": "webhook", "address": "https://hook.example.org/", "failures": 5}
    until = timezone.now() + timedelta(minutes=9)
    one = Channel.objects.create(
        name="the hook", scope="hecheng", rests_until=until, last_error="it said 503", **words
    )
    Channel.objects.create(name="switched off", is_active=False, **words)
    hotline = words | {"kind": "hotline"}
    Channel.objects.create(name="of the city", **hotline)  # has rested: tried with the next
    Channel.objects.create(name="only stumbling", **words | {"failures": 4})
    dispatched(people, condition)
    run_effect(Effect.objects.get(kind="notify").pk)
    look_now()

    context, text = read(person("here", Role.DISPATCHER, "hecheng"))

    assert [row["channel"].name for row in context["channels"]] == ["the hook"]
    assert context["channels"][0]["waiting"] == 1
    assert f"{timezone.localtime(until):%m-%d %H:%M}" in text
    assert "it said 503" in text
    assert "hook.example.org" not in text
    assert "Everything adds up" not in text
    assert "not all that should leave the city does" in text
    assert "/admin/" not in text

    context, text = read(people.dispatcher)
    rows = {row["channel"].name: (row["rests"], row["link"]) for row in context["channels"]}
    assert rows == {"the hook": (True, ""), "of the city": (False, "")}
    assert [row["waiting"] for row in context["channels"]] == [1, None]
    assert "with the next delivery" in text
    context, _ = read(User.objects.create_superuser("root", "x", name="root"))
    link = f"/admin/cases/channel/{one.pk}/change/"
    assert link in [row["link"] for row in context["channels"]]

    Channel.objects.update(failures=0, rests_until=None)
    context, text = read(people.dispatcher)
    assert context["channels"] == []
    assert "Everything adds up" in text


@pytest.mark.parametrize("role", [Role.ACCEPTOR, Role.ASSESSOR, Role.INSPECTOR, Role.OPERATOR])
def test_others_get_no_page(client, role):
    client.force_login(person("someone", role))

    assert client.get("/desk/health/").status_code == 404
