"""The desk's data: the map's columns, the counts of its views, and who may read them."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cases.choices import Action, Role
from cases.models import Case, Event
from cases.views.desk import VIEW_NAMES
from tests.support.people import person
from tests.support.spine import act, dispatched, photo, report, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]
COLUMNS = ("number", "lon", "lat", "kind", "light", "stage", "unit", "district")
ADDRESSES = ("/desk/", "/desk/queue/", "/desk/queue/?view=decide", "/desk/cases/")


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def read(user, address):
    answer = client_of(user).get(address)
    assert answer.status_code == 200
    return answer.json()


def counted(user):
    page = client_of(user).get("/desk/queue/")
    return {view.key: view.count for view in page.context["views"]}


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
    assert counted(people.dispatcher)["all"] == 2
    assert feed["heads"]["hecheng"] > 0


def test_a_district_sees_its_own(people, condition):
    report(people, condition)
    own = person("own", Role.SUPERVISOR, "hecheng")
    other = person("other", Role.SUPERVISOR, "zhongfang")

    assert [read(who, "/desk/cases/")["total"] for who in (own, other)] == [1, 0]
    assert [counted(who)["all"] for who in (own, other)] == [1, 0]


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


def test_numbers_ask_for_those_cases_only(people, condition):
    first, _ = (report(people, condition)["number"] for _ in range(2))

    feed = read(people.dispatcher, f"/desk/cases/?numbers={first},HH2020010100001")

    assert feed["number"] == [first]


def test_the_page_shows_the_urgent_queue_or_all_and_the_chosen_case(people, condition):
    number = report(people, condition)["number"]

    page = client_of(people.dispatcher).get("/desk/", {"case": number})

    assert page.context["view"] == "all"
    assert [row.case.number for row in page.context["rows"]] == [number]
    assert {view.key: view.count for view in page.context["views"]}["all"] == 1
    assert page.context["case"].number == number
    assert page.context["heads"]["hecheng"] > 0


def test_a_view_counts_what_it_lists(people, condition):
    dispatched(people, condition)
    report(people, condition)
    client = client_of(people.dispatcher)

    for view in VIEW_NAMES:
        page = client.get("/desk/queue/", {"view": view})
        counts = {view.key: view.count for view in page.context["views"]}
        assert len(page.context["rows"]) == counts[view]


# --- what waits for a decision ------------------------------------------------------------------


def asked(people, condition):
    """Return a case with an extension, a suspension, a supervision and the unit's people."""
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.SIGN, unit)
    act(number, Action.REQUEST_EXTENSION, unit, reason="weather")
    until = f"{timezone.localdate() + timedelta(days=3)}"
    act(number, Action.REQUEST_SUSPENSION, unit, reason="season", until=until)
    return number, unit


def to_decide(user):
    """Return the numbers and marks of the view; what it counts is what it lists."""
    page = client_of(user).get("/desk/queue/", {"view": "decide"})
    rows = {row.case.number: row.waits for row in page.context["rows"]}
    assert counted(user)["decide"] == len(rows)
    assert all(wait in page.content.decode() for waits in rows.values() for wait in waits)
    return rows


def test_dispatcher_decides_what_the_head_endorsed_and_every_suspension(people, condition):
    number, _ = asked(people, condition)
    head = person("head", Role.UNIT_HEAD, Case.objects.get().unit_id)

    before = to_decide(people.dispatcher)
    act(number, Action.DECIDE_EXTENSION, head, approved=True)
    endorsed = to_decide(people.dispatcher)
    act(number, Action.DECIDE_EXTENSION, people.dispatcher, approved=False)
    act(number, Action.DECIDE_SUSPENSION, people.dispatcher, approved=True)

    suspension = "suspension: the dispatcher decides"
    assert before == {number: [suspension]}
    assert endorsed == {number: ["extension: the dispatcher decides", suspension]}
    assert to_decide(people.dispatcher) == {}


def test_posts_of_a_district_decide_its_own_cases_only(people, condition):
    number, _ = asked(people, condition)
    own, other = (person(f"d-{s}", Role.DISPATCHER, s) for s in ("hecheng", "zhongfang"))
    Case.objects.update(also_districts=["zhongfang"])  # sees it, but does not decide

    assert [list(to_decide(who)) for who in (own, other)] == [[number], []]
    assert counted(other)["all"] == 1


def test_appeal_waits_for_the_dispatcher_then_the_acceptor(people, condition):
    number, unit = asked(people, condition)
    act(number, Action.FINISH, unit, photos=(photo(),))
    act(number, Action.ANSWER_CHECK, people.checker, passed=True)
    act(number, Action.CLOSE, people.chief)
    Case.objects.update(was_late=True)
    act(number, Action.APPEAL, unit, note="暴雨")

    seen = [(to_decide(people.dispatcher), to_decide(people.acceptor))]
    act(number, Action.DECIDE_APPEAL, people.dispatcher, approved=True)
    seen.append((to_decide(people.dispatcher), to_decide(people.acceptor)))

    assert seen == [
        ({number: ["appeal: the dispatcher decides"]}, {}),
        ({}, {number: ["appeal: the acceptor decides"]}),
    ]


def test_dispute_waits_for_both_arbiters(people, condition):
    number, unit = asked(people, condition)
    supervisor = person("super", Role.SUPERVISOR)
    act(number, Action.RETURN, unit, reason="not_responsible")
    assert to_decide(supervisor) == {}
    act(number, Action.DISPUTE, people.dispatcher)

    assert to_decide(supervisor) == to_decide(people.dispatcher) == {number: []}


def test_supervision_without_reply_stays_with_those_above(people, condition):
    number, unit = asked(people, condition)
    leader, supervisor = person("l", Role.LEADER), person("s", Role.SUPERVISOR, "hecheng")
    reply_by = (timezone.now() + timedelta(hours=5)).isoformat()
    act(number, Action.SUPERVISE, leader, note="请尽快", reply_by=reply_by)

    seen = [to_decide(leader), to_decide(supervisor)]
    act(number, Action.REPLY_SUPERVISION, unit, note="今日完成")

    assert seen == [{number: ["supervised, no reply yet"]}] * 2
    assert (to_decide(leader), to_decide(people.chief)) == ({}, {})


def test_the_panel_acts_in_place_and_shows_what_came_of_it(people, condition):
    number = dispatched(people, condition)
    worker = unit_person(number)
    words = {"action": "sign", "seen_version": Case.objects.get(number=number).version}

    answer = client_of(worker).post(
        f"/cases/{number}/actions/",
        {**words, "key": uuid.uuid4()},
        headers={"HX-Request": "true"},
    )

    assert answer.status_code == 200
    assert answer["HX-Trigger"] == "case-changed"
    assert next(template.name for template in answer.templates) == "cases/case/_panel.html"
    assert answer.context["case"].stage == "handling"
    assert 'id="said" role="status" hx-swap-oob="true"' in answer.content.decode()


def test_a_refused_action_stays_in_the_panel_and_changes_nothing(people, condition):
    number = dispatched(people, condition)
    before = Event.objects.count()

    answer = client_of(unit_person(number)).post(
        f"/cases/{number}/actions/",
        {"action": "sign", "seen_version": 0, "key": uuid.uuid4()},
        headers={"HX-Request": "true"},
    )

    assert answer.status_code == 409
    assert next(template.name for template in answer.templates) == "cases/case/_panel.html"
    assert Event.objects.count() == before


def test_outlines_are_kept_until_an_area_changes(people):
    client = client_of(people.inspector)
    first = client.get("/outline/")
    again = client.get("/outline/", headers={"If-None-Match": first["ETag"]})

    names = {f["properties"]["zh"] for f in first.json()["features"]}
    assert {"鹤城区", "中方县"} < names
    assert again.status_code == 304


def test_photo_that_does_not_arrive_is_flagged_to_the_acceptor_after_half_an_hour(
    people, condition
):
    number = report(people, condition, photos_due=("0" * 64,))["number"]
    addresses = ("/desk/queue/?view=accept", f"/cases/{number}/panel/", f"/cases/{number}/")

    def flags():
        client = client_of(people.acceptor)
        pages = [client.get(address).content.decode() for address in addresses]
        return ["photo missing" in pages[0], *["has not arrived" in page for page in pages[1:]]]

    assert flags() == [False] * 3
    Case.objects.update(reported_at=timezone.now() - timedelta(minutes=31))
    assert flags() == [True] * 3
    Case.objects.update(photos_due=[])
    assert flags() == [False] * 3
