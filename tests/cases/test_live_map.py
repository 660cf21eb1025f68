"""The map of today: the columns of the open cases, cards, components, and what each may read."""

import json
import random
from datetime import timedelta

import pytest
from django.contrib.gis.geos import Point
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.choices import Action, Role
from cases.models import Case
from cases.selectors import live_map as selector
from cases.selectors.live_map import components_in, live_map
from cases.selectors.outline import outline_near, outline_within
from cases.selectors.worklist import counts, held
from tests.support.components import component
from tests.support.people import person
from tests.support.spine import act, case_of, dispatched, report, signed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]

AROUND = (109.97, 27.54, 109.98, 27.56)  # what PLACE of the spine and COVER lie in


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def row_of(feed, number):
    at = feed["number"].index(number)
    return {
        name: column[at]
        for name, column in feed.items()
        if isinstance(column, list) and at < len(column)
    }


def read(user, **asked):
    return json.loads(live_map(user, **asked))


def of_all(feed):
    return len(feed["number"]) + len(feed["placeless"]) + feed["not_shown"]


# --- the columns of the open cases --------------------------------------------------------------


def test_who_has_signed_for_a_case_and_who_supervises_it_stand_in_the_columns(people, condition):
    new = report(people, condition)["number"]
    waiting = dispatched(people, condition)
    taken, _ = signed(people, condition)
    supervisor = person("s1", Role.SUPERVISOR)
    reply_by = (timezone.now() + timedelta(hours=5)).isoformat()
    act(taken, Action.SUPERVISE, supervisor, note="today", reply_by=reply_by)

    feed = read(people.dispatcher)

    told = {
        n: (row_of(feed, n)["supervised"], row_of(feed, n)["unacknowledged"])
        for n in feed["number"]
    }
    assert told == {new: (0, 0), waiting: (0, 1), taken: (1, 0)}


def test_a_case_that_lost_its_point_moves_to_those_without(people, condition):
    number, other = (report(people, condition)["number"] for _ in range(2))
    Case.objects.filter(number=number).update(point=None)

    feed, asked = read(people.dispatcher), read(people.dispatcher, numbers=[number])

    assert (feed["number"], feed["placeless"]) == ([other], [number])
    assert (feed["total"], feed["without_point"], feed["not_shown"]) == (2, 1, 0)
    assert (asked["number"], asked["placeless"]) == ([], [number])


def test_what_is_beyond_the_most_is_counted_not_cut_in_silence(people, condition, monkeypatch):
    numbers = [report(people, condition)["number"] for _ in range(4)]
    Case.objects.filter(number=numbers[0]).update(point=None)
    for hours, number in enumerate(numbers[1:]):
        due = timezone.now() + timedelta(hours=hours)
        Case.objects.filter(number=number).update(lamp_due_at=due)
    monkeypatch.setattr(selector, "MOST", 2)

    feed = read(people.dispatcher)

    assert feed["number"] == numbers[1:3]
    assert (feed["total"], feed["without_point"], feed["not_shown"]) == (4, 1, 1)


def test_nobody_without_a_grant_gets_a_column(people, condition):
    report(people, condition)
    nobody = person("n1", Role.INSPECTOR, grids=("431202",))

    feed = read(nobody)

    assert (feed["number"], feed["placeless"], feed["total"]) == ([], [], 0)


ROLES = {
    "city": (Role.DISPATCHER, ""),
    "hecheng": (Role.SUPERVISOR, "hecheng"),
    "zhongfang": (Role.ACCEPTOR, "zhongfang"),
}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10_000), most=st.integers(1, 12))
def test_map_and_placeless_and_not_shown_are_the_list(small_log, seed, most):
    """Whatever is open, wherever it lies: what the list counts stands in the feed once."""
    people, numbers = small_log
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    for number in numbers:
        views_of = ["accepted", "reported", "verifying"]
        values = {
            "stage": rng.choice(views_of),
            "waiting_for": rng.choice([[], ["reply"]]),
            "lamp_soon_at": timezone.now() + timedelta(hours=rng.randint(-9, 9)),
            "point": rng.choice([None, Point(109.97 + rng.random() / 50, 27.55, srid=4326)]),
            "district": rng.choice(["hecheng", "zhongfang"]),
            "lamp_due_at": timezone.now() + timedelta(hours=rng.randint(-9, 9)),
        }
        Case.objects.filter(number=number).update(**values)
    before, selector.MOST = selector.MOST, most
    try:
        for who in people:
            feed = read(who)
            assert of_all(feed) == feed["total"] == counts(who, at=timezone.now())["all"]
            assert (
                len(set(feed["number"]) | set(feed["placeless"]))
                == of_all(feed) - feed["not_shown"]
            )
            asked = read(who, numbers=numbers)
            assert of_all(asked) == feed["total"]
            _every_view_agrees(who)
    finally:
        selector.MOST = before


def _every_view_agrees(who):
    now = timezone.now()
    for view, counted in counts(who, at=now).items():
        feed = read(who, among=held(who, view, at=now))
        assert of_all(feed) == feed["total"] == counted, view


def test_a_view_is_asked_for_by_name(people, condition):
    number, other = (report(people, condition)["number"] for _ in range(2))
    Case.objects.filter(number=number).update(stage="reported")
    client = client_of(people.dispatcher)

    assert client.get("/desk/cases/?view=accept").json()["number"] == [number]
    asked = client.get(f"/desk/cases/?view=accept&numbers={number},{other}").json()
    assert (asked["number"], asked["total"]) == ([number], 1)
    assert client.get("/desk/cases/?view=nothing").status_code == 400


@pytest.fixture
def small_log(people, condition):
    """Return people of different reach and the numbers of some open cases."""
    numbers = [report(people, condition)["number"] for _ in range(8)]
    return [person(f"p-{name}", *held) for name, held in ROLES.items()], numbers


# --- cards --------------------------------------------------------------------------------------


def test_a_card_tells_class_light_place_and_unit(people, condition):
    number = dispatched(people, condition)
    case = case_of(number)
    Case.objects.filter(number=number).update(address="Yingfeng Road 112")

    page = client_of(people.dispatcher).get(f"/desk/cards/?numbers={number}").content.decode()

    for word in (
        number,
        case.minor.name,
        case.unit.name,
        "Yingfeng Road 112",
        "not signed for",
        "left",
    ):
        assert word in page


def test_cards_are_of_cases_in_sight_only(people, condition):
    number = report(people, condition)["number"]
    other = person("z1", Role.DISPATCHER, "zhongfang")

    pages = [
        client_of(who).get(f"/desk/cards/?numbers={number}").content.decode()
        for who in (other, people.dispatcher)
    ]

    assert [number in page for page in pages] == [False, True]


# --- components ---------------------------------------------------------------------------------


def test_components_in_a_box_are_those_of_ones_reach(people):
    cover = component()
    own = person("h1", Role.DISPATCHER, "hecheng")
    other = person("z1", Role.DISPATCHER, "zhongfang")

    found = {
        who.username: json.loads(components_in(who, AROUND))
        for who in (people.dispatcher, own, other)
    }

    assert found["d1"] == found["h1"]
    assert found["d1"]["code"] == [cover.code]
    assert found["d1"]["state"] == ["intact"]
    assert (found["d1"]["lon"], found["d1"]["lat"]) == ([109.9765], [27.5505])
    assert found["z1"]["code"] == []


def test_components_outside_the_box_are_left_out_and_those_too_many_counted(people, monkeypatch):
    near = component()
    far = component(标识码="4312020103000902", 经度="109.9791")
    monkeypatch.setattr(selector, "MOST_COMPONENTS", 1)

    west, both = (
        json.loads(components_in(people.dispatcher, box))
        for box in ((109.9755, 27.55, 109.9775, 27.551), AROUND)
    )

    assert (west["code"], west["not_shown"]) == ([near.code], 0)
    assert (len(both["code"]), both["not_shown"]) == (1, 1)
    assert far.code not in west["code"]


@pytest.mark.parametrize("address", ["/desk/components/", "/outline/near/"])
@pytest.mark.parametrize(
    "box",
    [
        "",
        "1,2,3",
        "a,b,c,d",
        "110,27.5,109.9,27.6",
        "109.9,27.5,110.1,27.6",
        "nan,1,2,3",
        "0,95,0.05,95.05",
    ],
)
def test_a_box_that_is_none_or_too_wide_is_refused(people, address, box):
    assert client_of(people.dispatcher).get(address, {"box": box}).status_code == 400


def test_cells_within_a_box(people):
    answer = client_of(people.dispatcher).get(
        "/outline/near/", {"box": "109.97,27.54,109.98,27.56"}
    )

    levels = {f["properties"]["level"] for f in answer.json()["features"]}
    assert levels == {"cell", "community"}
    assert outline_within((100.0, 20.0, 100.05, 20.05)) != answer.content.decode()
    assert json.loads(outline_within((100.0, 20.0, 100.05, 20.05)))["features"] == []


# --- every box is answered from an index --------------------------------------------------------


def plan_of(work):
    """Return the plan of the one statement `work` sends, where reading a whole table is dear."""
    sent = []

    def keep(execute, sql, params, many, context):
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(keep):
        work()
    ((sql, params),) = sent
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}", params)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("SET LOCAL enable_seqscan = on")
    return plan


def test_components_in_view_come_from_the_index_of_their_places(people):
    component()

    plan = plan_of(lambda: components_in(people.dispatcher, AROUND))

    assert "component_point" in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize(
    "ask", [lambda: outline_within(AROUND), lambda: outline_near(109.975, 27.55)]
)
def test_cells_near_a_place_come_from_the_index_of_areas(ask):
    plan = plan_of(ask)

    assert "cases_area_geom" in plan
    assert "Seq Scan" not in plan


def test_the_open_cases_of_the_map_come_from_an_index(people, condition):
    report(people, condition)

    plan = plan_of(lambda: live_map(people.dispatcher))

    assert "Seq Scan on cases_case" not in plan


def test_a_place_has_one_index():
    """Each of the tables a map reads has one GiST index of its places, not two alike."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_indexes WHERE indexdef LIKE '%USING gist (point%'")
        found = sorted(name for (name,) in cursor.fetchall())

    assert found == ["cases_case", "cases_component", "cases_placename"]
