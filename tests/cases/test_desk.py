"""The desk's data: the map's columns, the counts of its views, and who may read them."""

import json
import uuid
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cases.choices import Action, Role
from cases.models import Case, Event, SavedSearch
from cases.selectors.feed import read_heads
from cases.selectors.worklist import queue
from cases.views.desk import VIEW_NAMES
from tests.support.people import person
from tests.support.spine import act, dispatched, photo, report, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]
CITY = ZoneInfo("Asia/Shanghai")
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


def test_a_number_in_an_address_is_told_in_full_to_operators_alone(people, condition):
    number = report(people, condition)["number"]
    Case.objects.filter(number=number).update(address="三楼 13812342210")

    for address in ("/desk/queue/?view=all", f"/desk/cards/?numbers={number}"):
        told, in_full = (
            client_of(user).get(address).content.decode()
            for user in (people.dispatcher, people.operator)
        )
        assert "三楼 138****2210" in told
        assert "13812342210" not in told
        assert "三楼 13812342210" in in_full


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
    assert json.loads(answer["HX-Trigger"]) == {"case-changed": None}
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


# --- the shell ----------------------------------------------------------------------------------


def page_of(user, **asked):
    page = client_of(user).get("/desk/", asked)
    assert page.status_code == 200
    return page


def numbers_of(page):
    return [row.case.number for row in page.context["rows"]]


def due_in(number, *, hours, **fields):
    at = timezone.now() + timedelta(hours=hours)
    Case.objects.filter(number=number).update(lamp_due_at=at, due_at=at, lamp_soon_at=at, **fields)


def test_counters_count_what_their_views_list(people, condition):
    late, soon = (dispatched(people, condition) for _ in range(2))
    report(people, condition)
    due_in(late, hours=-1)
    due_in(soon, hours=1)
    Case.objects.filter(number=soon).update(lamp_soon_at=timezone.now())

    page = page_of(people.dispatcher)
    shown = {view.key: (view.shape, view.count) for view in page.context["counters"]}

    assert shown["handling"] == ("", 2)
    assert (shown["soon"], shown["late"]) == (("▲", 1), ("■", 1))
    for key, (_shape, count) in shown.items():
        assert len(numbers_of(page_of(people.dispatcher, view=key))) == count
    assert numbers_of(page_of(people.dispatcher, view="late")) == [late]
    assert "(1) Overdue 1 · Desk" in " ".join(page.content.decode().split())


def test_cases_without_a_place_are_counted_and_listed(people, condition):
    placed, placeless = (report(people, condition)["number"] for _ in range(2))
    Case.objects.filter(number=placeless).update(point=None)

    assert numbers_of(page_of(people.dispatcher, view="placeless")) == [placeless]
    assert set(numbers_of(page_of(people.dispatcher, view="all"))) == {placed, placeless}


def test_the_queue_stands_by_the_time_left_as_each_clock_counts_it(people, condition):
    # Due on a Monday at 10:00, 2 h of working time away on the Friday before at 18:00.
    working, running, paused, done = (dispatched(people, condition) for _ in range(4))
    at = datetime(2026, 11, 27, 18, 0, tzinfo=CITY)
    monday, night = at + timedelta(days=2, hours=16), at + timedelta(hours=3)
    Case.objects.update(lamp_due_at=night, due_at=night, limit_unit="emergency_hour")
    Case.objects.filter(number=working).update(
        lamp_due_at=monday, due_at=monday, limit_unit="work_hour"
    )
    Case.objects.filter(number=paused).update(
        stage="suspended", stage_before="handling", suspended_until=monday, due_at=None
    )
    Case.objects.filter(number=done).update(stage="checked")

    found = [case.number for case in queue(Case.objects.all(), at=at)]

    assert found[:2] == [working, running]
    assert set(found[2:]) == {paused, done}


def test_a_card_tells_which_clock_its_time_is_of(people, condition):
    number = dispatched(people, condition)
    due_in(number, hours=1, limit_unit="work_hour")
    worked = page_of(people.dispatcher, view="all").context["rows"][0].clock_words
    Case.objects.update(limit_unit="emergency_hour")
    ran = page_of(people.dispatcher, view="all").context["rows"][0].clock_words

    due = timezone.localtime(Case.objects.get().due_at)
    assert worked == f"Clock of “to be signed for”, working time only; due {due:%Y-%m-%d %H:%M}"
    assert ran == f"Clock of “to be signed for”, day and night; due {due:%Y-%m-%d %H:%M}"


def test_own_saved_searches_are_views_with_their_counts(people, condition):
    filed = dispatched(people, condition)
    report(people, condition, source="hotline")
    other = person("other", Role.DISPATCHER)
    mine = SavedSearch.objects.create(user=people.dispatcher, name="我的", query="stage=dispatched")
    SavedSearch.objects.create(user=people.dispatcher, name="旧", query="stage=unknown")
    SavedSearch.objects.create(user=other, name="别人的", query="stage=open", is_shared=True)

    page = page_of(people.dispatcher, view=f"saved{mine.pk}")

    assert [(one.name, one.count, one.digit) for one in page.context["views"][8:]] == [
        ("我的", 1, 9)
    ]
    assert numbers_of(page) == [filed]
    assert page_of(other, view=f"saved{mine.pk}").context["view"] == "all"  # not theirs


def test_only_nine_views_have_a_key(people):
    for nth in range(3):
        SavedSearch.objects.create(user=people.dispatcher, name=f"{nth}", query="stage=open")

    views = page_of(people.dispatcher).context["views"]

    assert [view.digit for view in views] == [*range(1, 10), None, None]


def test_words_are_searched_for_within_the_open_cases_one_may_see(people, condition):
    number = report(people, condition, address="迎丰中路112号")["number"]
    report(people, condition, address="红星南路")
    own, other = (person(f"of-{s}", Role.DISPATCHER, s) for s in ("hecheng", "zhongfang"))

    for words in (number[-5:], "迎丰中路", "yfzl"):
        assert numbers_of(page_of(own, q=words, view="check")) == [number]
        assert numbers_of(page_of(other, q=words)) == []
    act(number, Action.VOID, people.chief, reason="wrong_report")
    assert numbers_of(page_of(own, q="迎丰中路")) == []


def test_too_many_words_are_refused_in_place(people, condition):
    report(people, condition)

    page = page_of(people.dispatcher, q="a b c d e f g h i")

    assert numbers_of(page) == []
    assert "Take at most 8 words" in page.content.decode()


def test_the_queue_tells_up_to_where_it_is_true(people, condition):
    report(people, condition)

    page = client_of(people.dispatcher).get("/desk/queue/")

    assert page.context["heads"] == read_heads()


@pytest.mark.parametrize(("only", "has_map"), [("map", True), ("list", False), ("else", True)])
def test_a_window_of_one_part(people, condition, only, has_map):
    report(people, condition)

    text = page_of(people.dispatcher, only=only).content.decode()

    assert ('id="map"' in text) == has_map
    assert (f"only-{only}" in text) == (only != "else")


def test_a_key_opens_a_form_or_the_panel_says_why_not(people, condition):
    number = dispatched(people, condition)

    text = client_of(people.dispatcher).get(f"/cases/{number}/panel/").content.decode()

    assert [f'data-letter="{letter}"' in text for letter in "uderv"] == [True, True] + [False] * 3
    assert [f"data-why-{letter}=" in text for letter in "uderv"] == [False, False] + [True] * 3
    assert 'data-why-r="“return” is not yours to do to this case."' in text
