"""Mistakes of other systems about cases, each shown not to be made here (domain.md §9: 2, 6, 7)."""

import uuid

import pytest
from django.test import Client

from cases.choices import Action, Role
from cases.errors import KeyReused, StaleCase
from cases.ledger import open_folder
from cases.models import Area, Case, Condition, Event, IdempotencyKey
from cases.services.effects import run_effect
from cases.services.intake import Report, report_case
from cases.services.ledger_check import verify_ledger
from cases.services.moves import take_action
from tests.support.people import person
from tests.support.spine import PLACE, act, dispatched, report, run_dispatch, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


# --- 2: a row locked, then written through a stale instance -------------------------------------


def test_mistake_02_a_stale_view_of_a_case_overwrites_nothing(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    seen = Case.objects.get(number=number)
    act(number, Action.SIGN, unit)
    before = Event.objects.count()

    with pytest.raises(StaleCase):
        take_action(
            number=number,
            action=Action.REDISPATCH,
            actor=people.dispatcher,
            seen_version=seen.version,
            inputs={"unit": seen.unit_id},
        )

    assert Case.objects.get(number=number).stage == "handling"
    assert Event.objects.count() == before


def test_mistake_02_the_instance_written_is_the_one_read_under_the_lock(people, condition):
    number = report(people, condition)["number"]
    stale = Case.objects.get(number=number)
    Case.objects.filter(number=number).update(address="changed meanwhile")

    locked = open_folder(number=number).case

    assert locked is not stale
    assert locked.address == "changed meanwhile"
    Case.objects.filter(number=number).update(address=stale.address)
    assert verify_ledger() == []


# --- 6: any status settable by PATCH; client ids that collide; retries that get stuck -----------


@pytest.mark.parametrize("method", ["patch", "put", "delete", "post"])
def test_mistake_06_no_status_is_set_past_the_table(people, condition, method):
    number = dispatched(people, condition)
    client = Client()
    client.force_login(people.dispatcher)
    before = Event.objects.count()

    answer = getattr(client, method)(
        f"/api/v1/cases/{number}/", {"stage": "closed"}, content_type="application/json"
    )

    assert answer.status_code == 405
    assert (Case.objects.get(number=number).stage, Event.objects.count()) == ("dispatched", before)


def test_mistake_06_one_key_of_two_people_is_refused_and_nothing_is_lost(people, condition):
    said = Report(**PLACE, category=condition.minor_id, condition=condition.code)
    key = uuid.uuid4()
    first = report_case(report=said, actor=people.inspector, key=key)

    with pytest.raises(KeyReused):
        report_case(report=said, actor=people.checker, key=key)

    assert list(Case.objects.values_list("number", flat=True)) == [first["number"]]
    assert report_case(report=said, actor=people.inspector, key=key) == first


def test_mistake_06_a_report_refused_often_is_taken_once_it_is_right(people, condition):
    key = uuid.uuid4()
    wrong = Report(lon=100.0, lat=20.0, category=condition.minor_id, condition=condition.code)
    right = Report(**PLACE, category=condition.minor_id, condition=condition.code)
    client = Client()
    client.force_login(people.inspector)
    for _ in range(4):
        body = {"location": {"lon": wrong.lon, "lat": wrong.lat}, "category": wrong.category}
        answer = client.post(
            "/api/v1/cases/", body, "application/json", headers={"Idempotency-Key": str(key)}
        )
        assert answer.status_code == 422
    assert not IdempotencyKey.objects.exists()

    assert report_case(report=right, actor=people.inspector, key=key)["stage"] == "filed"


# --- 7: place and class edited together start two dispatches ------------------------------------


def test_mistake_07_class_and_cell_filed_together_start_one_dispatch(people, condition):
    number = report(people, condition, source="hotline")["number"]
    act(number, Action.ACCEPT, people.acceptor)
    cell = Area.objects.filter(level="cell", county="431221").earliest("code")
    other = Condition.objects.filter(minor__kind="event", is_active=True).latest("code")

    act(number, Action.FILE, people.chief, condition=other.code, cell=cell.code)

    case = Case.objects.get(number=number)
    assert (case.minor_id, case.county) == (other.minor_id, "431221")
    assert run_dispatch(number) == "dispatched"
    assert case.effect_set.filter(kind="dispatch").count() == 1
    assert Event.objects.filter(case=case, action="dispatch").count() == 1


def test_mistake_07_a_case_edited_twice_before_its_dispatch_is_dispatched_once(people, condition):
    number = report(people, condition)["number"]
    other = Condition.objects.filter(minor__kind="event", is_active=True).latest("code")
    act(number, Action.RECLASSIFY, people.chief, condition=other.code)
    case = Case.objects.get(number=number)
    place = next(d for d in ("zhongfang", "hecheng") if d != case.district)
    act(number, Action.TRANSFER, people.dispatcher, district=place, reason="border")

    outcomes = [
        _outcome(effect) for effect in case.effect_set.filter(kind="dispatch").order_by("pk")
    ]

    assert outcomes == ["superseded", "superseded", "dispatched"]
    assert Event.objects.filter(case=case, action="dispatch").count() == 1


def _outcome(effect) -> str:
    run_effect(effect.pk)
    effect.refresh_from_db()
    return effect.outcome


def test_nobody_but_the_table_names_who_may(people, condition):
    """The counterpart of 6: somebody with the right role in another district is refused too."""
    number = dispatched(people, condition)
    foreign = person("foreign", Role.DISPATCHER, "zhongfang")
    client = Client()
    client.force_login(foreign)

    answer = client.post(
        f"/api/v1/cases/{number}/actions/",
        {"action": "remind", "seen_version": 1},
        content_type="application/json",
    )

    assert answer.status_code == 404
