"""The wall: who may open it from where, what it holds of its scope, and what it never holds."""

import json
import logging
import re
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cases.choices import Action, Role
from cases.models import Case, Condition, Event, MinorClass, StageClock, Wall
from cases.models.wall import require_network
from cases.selectors import wall as shown
from cases.services.deadlines import scan_deadlines
from cases.views import wall as views
from cityops import limits
from cityops.accounts.http import client_address
from cityops.accounts.models import User
from cityops.logs import Line
from tests.support.people import person
from tests.support.spine import act, case_of, closed, dispatched, report, signed
from tests.support.walls import a_wall

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def addresses(wall):
    return [f"/wall/{wall.token}/{tail}" for tail in ("", "feed/", "outline/")]


def statuses(wall, **headers):
    return [Client().get(address, headers=headers).status_code for address in addresses(wall)]


def feed_of(wall):
    answer = Client().get(f"/wall/{wall.token}/feed/")
    assert answer.status_code == 200
    return answer.json()


def make_late(number, kind="handle"):
    """Let the running clock of a case pass, and have the scan say so."""
    past = timezone.now() - timedelta(minutes=37)
    StageClock.objects.filter(case__number=number, kind=kind, ended_at=None).update(due_at=past)
    lamps = {
        "lamp_due_at": past,
        "lamp_soon_at": past,
        **({"due_at": past} if kind == "handle" else {}),
    }
    Case.objects.filter(number=number).update(**lamps)
    scan_deadlines()


# --- who may open it ----------------------------------------------------------------------------


def test_the_token_opens_page_feed_and_outlines():
    wall = a_wall()

    assert statuses(wall) == [200, 200, 200]
    assert Wall.objects.values_list("digest", flat=True).get() == Wall.digest_of(wall.token)


def test_nothing_is_kept_of_who_looks():
    wall = a_wall()

    for address in addresses(wall):
        answer = Client().get(address)
        assert answer.cookies == {}
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "words",
    [
        {"addresses": ["10.12.0.0/16"]},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"revoked_at": timezone.now()},
    ],
    ids=["foreign", "expired", "revoked"],
)
def test_a_wall_that_may_not_be_seen_does_not_exist(words):
    assert statuses(a_wall(**words)) == [404, 404, 404]


def test_a_wrong_token_does_not_exist():
    wall = a_wall()
    wall.token = wall.token[:-1] + ("a" if wall.token[-1] != "a" else "b")

    assert statuses(wall) == [404, 404, 404]


def test_a_wall_only_shows():
    wall = a_wall()

    found = [Client().post(address).status_code for address in addresses(wall)]

    assert found == [405, 405, 405]


@pytest.mark.parametrize(
    ("peer", "told", "expected"),
    [
        ("127.0.0.1", "10.12.3.4", "10.12.3.4"),
        ("::1", "10.12.3.4", "10.12.3.4"),
        ("::ffff:127.0.0.1", "::ffff:10.12.3.4", "10.12.3.4"),
        ("127.0.0.1", "10.12.3.4, 192.0.2.7", "192.0.2.7"),  # what the nearest one wrote
        ("192.0.2.7", "10.12.3.4", "192.0.2.7"),  # no nginx of ours
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "10.12.3.4.evil", ""),
        ("", "10.12.3.4", ""),
    ],
)
def test_the_address_is_what_nginx_of_this_machine_tells(peer, told, expected):
    headers = {"X-Forwarded-For": told} if told else {}
    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)

    assert client_address(request) == expected


@pytest.mark.parametrize(
    ("networks", "address", "is_let_in"),
    [
        (["10.12.0.0/16"], "10.12.255.1", True),
        (["10.12.0.0/16"], "10.13.0.1", False),
        (["192.0.2.7", "10.12.0.0/16"], "192.0.2.7", True),
        (["2001:db8::/32"], "2001:db8::5", True),
        (["10.0.0.0/8"], "2001:db8::5", False),
        (["0.0.0.0/0"], "", False),
    ],
)
def test_a_wall_lets_its_own_addresses_in(networks, address, is_let_in):
    assert Wall(addresses=networks).lets_in(address) is is_let_in


def test_an_address_of_a_wall_is_one():
    require_network("10.12.0.0/16")
    require_network("2001:db8::1")
    require_network("::1")
    require_network("10.0.0.0/8")
    require_network("2001:db8::/32")
    for wrong in ("hall", "10.12.0.0/33", ""):
        with pytest.raises(ValidationError, match="is no address"):
            require_network(wrong)


@pytest.mark.parametrize("wide", ["0.0.0.0/0", "0.0.0.0/1", "10.0.0.0/7", "::/0", "2001:db8::/31"])
def test_a_wall_is_not_opened_to_the_world(wide):
    with pytest.raises(ValidationError, match="is too wide"):
        require_network(wide)


@pytest.mark.parametrize(
    "mapped", ["::ffff:0:0/96", "::ffff:10.12.0.0/112", "::ffff:7f00:1", "::/64"]
)
def test_an_address_of_a_wall_is_written_as_it_is_read(mapped):
    with pytest.raises(ValidationError, match="written as IPv6"):
        require_network(mapped)


@pytest.mark.parametrize("words", [{"addresses": []}, {"pages": []}, {"scope": "county"}])
def test_the_database_refuses_a_wall_without_bounds(words):
    with pytest.raises(IntegrityError), transaction.atomic():
        a_wall(**words)

    assert not Wall.objects.exists()


def test_a_full_room_of_nobody_leaves_the_walls_theirs():
    rooms = limits.Bulkheads()

    assert rooms._room_of(limits.NOBODY, "/wall/x/feed/") is not rooms._room_of(limits.NOBODY, "/")


def test_logs_keep_the_key_of_a_wall_to_themselves():
    path = f"/wall/{a_wall().token}/feed/"
    record = logging.LogRecord("x", 30, "x", 1, "Not Found: %s", (path,), None)

    assert Line("%(message)s").format(record) == "Not Found: /wall/*/feed/"


# --- the administrator --------------------------------------------------------------------------


@pytest.fixture
def admin_client():
    client = Client()
    client.force_login(User.objects.create_superuser("root", "a-long-password-1"))
    return client


SET_UP = {
    "name": "大厅",
    "scope": "hecheng",
    "addresses": "127.0.0.1, 10.12.0.0/16",
    "pages": ["today", "late"],
    "rotation_s": "30",
    "language": "zh-hans",
    "expires_at_0": "2099-01-01",
    "expires_at_1": "00:00:00",
}


def test_the_address_of_a_new_wall_is_shown_once(admin_client):
    page = admin_client.post("/admin/cases/wall/add/", SET_UP)

    (address,) = re.findall(r"http://testserver(/wall/[\w-]+/)", page.content.decode())
    wall = Wall.objects.get()
    assert Client().get(address).status_code == 200
    assert wall.addresses == ["127.0.0.1", "10.12.0.0/16"]
    again = admin_client.get(f"/admin/cases/wall/{wall.pk}/change/").content.decode()
    assert address.split("/")[2] not in again


@pytest.mark.parametrize(
    "wrong",
    [
        {"addresses": ""},
        {"addresses": "10.12.0.0/16, hall"},
        {"addresses": "0.0.0.0/0"},
        {"pages": []},
        {"rotation_s": "5"},
        {"expires_at_0": "2020-01-01"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_wall_set_up_wrongly_is_not_made(admin_client, wrong):
    page = admin_client.post("/admin/cases/wall/add/", {**SET_UP, **wrong})

    assert page.status_code == 200
    assert "errorlist" in page.content.decode()
    assert not Wall.objects.exists()


def test_revoking_ends_what_the_token_opened(admin_client):
    wall = a_wall()
    assert statuses(wall) == [200, 200, 200]

    said = {"action": "revoke", "_selected_action": [wall.pk]}
    admin_client.post("/admin/cases/wall/", said)

    assert statuses(wall) == [404, 404, 404]


def test_the_scope_of_a_wall_is_chosen_once(admin_client):
    wall = a_wall("hecheng")

    admin_client.post(f"/admin/cases/wall/{wall.pk}/change/", {**SET_UP, "scope": "city"})

    assert Wall.objects.get().pages == ["today", "late"]
    assert Wall.objects.get().scope == "hecheng"


# --- what it shows ------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_cases(people, condition):
    report(people, condition)
    late = dispatched(people, condition)
    closed(people, condition)
    make_late(late)

    total = shown.total_of(shown.places_of("city", at=timezone.now()))

    assert (total.reported, total.filed, total.closed) == (3, 3, 1)
    assert (total.open, total.late, total.soon, total.paused, total.normal) == (2, 1, 0, 0, 1)


def test_a_place_is_a_district_of_the_city_and_a_street_of_a_district(people, condition):
    report(people, condition)

    districts = shown.places_of("city", at=timezone.now())
    streets = shown.places_of("hecheng", at=timezone.now())

    assert [(one.code, one.open) for one in districts if one.open] == [("hecheng", 1)]
    assert len(districts) == 4
    assert [(one.name, one.open) for one in streets] == [("Chengzhong Subdistrict", 1)]


def test_places_that_do_not_fit_are_added_up():
    places = [shown.Place(str(n), open=n, late=1) for n in range(11)]

    first, others = shown.busiest(places)

    assert len(first) == shown.MOST_PLACES - 1
    assert others.open + sum(one.open for one in first) == sum(range(11))
    assert others.late == 4


def test_the_trend_counts_reports_of_fourteen_days(people, condition):
    for days in (0, 0, 13, 14):
        number = report(people, condition)["number"]
        Case.objects.filter(number=number).update(reported_at=timezone.now() - timedelta(days=days))

    days, (trend,) = shown.trends_of("city", at=timezone.now())

    assert len(days) == 14
    assert trend.counts == [1, *[0] * 12, 2]
    assert trend.name == condition.minor.major_en


def test_the_longest_overdue_stand_on_the_board(people, condition):
    numbers = [dispatched(people, condition) for _ in range(shown.MOST_LATE + 2)]
    for nth, number in enumerate(numbers):
        make_late(number)
        past = timezone.now() - timedelta(hours=nth + 1)
        Case.objects.filter(number=number).update(lamp_due_at=past)

    board = feed_of(a_wall())["pages"]["late"]

    assert re.findall(r"HH\d+", board) == numbers[:1:-1]
    assert 'data-unshown="2"' in board


def test_the_map_holds_every_open_case_with_a_place(people, condition):
    report(people, condition)
    make_late(dispatched(people, condition))
    away = dispatched(people, condition)
    Case.objects.filter(number=away).update(point=None)

    marks = feed_of(a_wall())["map"]

    assert marks["lon"] == [109.9765, 109.9765]
    assert marks["lat"] == [27.5505, 27.5505]
    assert sorted(shown.LIGHTS[light] for light in marks["light"]) == ["late", "normal"]
    assert marks["unplaced"]


def test_alarms_are_the_newly_overdue_the_leader_s_orders_and_the_emergencies(people, condition):
    leader = person("l1", Role.LEADER)
    emergency = Condition.objects.filter(limit_unit="emergency_hour").earliest("code")
    late = dispatched(people, condition)
    ordered, _ = signed(people, condition)
    soon = (timezone.now() + timedelta(hours=5)).isoformat()
    make_late(late)
    make_late(dispatched(people, condition), "sign")  # a reminder, no alarm
    act(ordered, Action.SUPERVISE, leader, note="请尽快", reply_by=soon)
    urgent = report(people, emergency)["number"]

    found = [(one.why, one.case.number) for one in shown.alarms_of("city", at=timezone.now())]

    assert found == [("overdue", late), ("leader", ordered), ("emergency", urgent)]


def test_an_alarm_ends_with_its_case_and_with_time(people, condition):
    late = dispatched(people, condition)
    make_late(late)
    now = timezone.now()

    assert len(shown.alarms_of("city", at=now)) == 1
    assert shown.alarms_of("city", at=now + shown.ALARMS_FOR) == []
    act(late, Action.VOID, people.chief, reason="wrong_report")
    assert shown.alarms_of("city", at=timezone.now()) == []


def test_a_page_that_cannot_be_drawn_is_left_out(people, condition, monkeypatch, caplog):
    report(people, condition)

    def fail(now):
        raise DatabaseError("too long")

    monkeypatch.setitem(views._DRAW, Wall.Page.TREND, fail)

    pages = feed_of(a_wall())["pages"]

    assert [name for name, html in pages.items() if html is None] == ["trend"]
    assert "a part of the wall could not be drawn" in caplog.text


# --- what it never holds ------------------------------------------------------------------------

CANARY = "金丝雀 13912345678 张某某"


def test_a_wall_names_nobody_and_quotes_nothing(people, condition):
    for name in ("inspector", "dispatcher", "chief"):
        user = getattr(people, name)
        User.objects.filter(pk=user.pk).update(name=CANARY)
    number = report(people, condition, description=CANARY)["number"]
    Case.objects.filter(number=number).update(address=CANARY, contact=CANARY)
    leader = person("l1", Role.LEADER)
    soon = (timezone.now() + timedelta(hours=5)).isoformat()
    act(number, Action.SUPERVISE, leader, note=CANARY, reply_by=soon)
    make_late(number, "dispatch")

    feed = json.dumps(feed_of(a_wall()), ensure_ascii=False)

    assert number in feed
    assert not [word for word in CANARY.split() if word in feed]


def test_a_wall_is_told_its_own_pages_alone(people, condition):
    report(people, condition)
    make_late(dispatched(people, condition))
    whole = feed_of(a_wall())

    told = feed_of(a_wall(pages=["today"]))

    assert list(whole["pages"]) == Wall.Page.values
    assert told["pages"] == {"today": whole["pages"]["today"]}
    assert feed_of(a_wall(pages=["late"]))["pages"] == {"late": whole["pages"]["late"]}


def test_a_wall_without_a_map_is_told_no_places(people, condition):
    report(people, condition)
    assert feed_of(a_wall())["map"]["lon"]

    told = feed_of(a_wall(pages=["trend"]))

    assert (told["map"], told["alarms"]) == (None, [])
    assert "109.9765" not in json.dumps(told)


def test_a_wall_of_other_pages_has_another_etag(people, condition):
    wall = a_wall()
    first = ask(wall)

    Wall.objects.update(pages=["today"])

    assert list(ask(wall, first["ETag"]).json()["pages"]) == ["today"]


def test_a_wall_of_a_district_holds_nothing_of_another(people, condition):
    leader = person("l1", Role.LEADER)
    unit_name = "金丝雀大队"
    number = dispatched(people, condition)
    case = case_of(number)
    case.unit.__class__.objects.filter(pk=case.unit_id).update(name_zh=unit_name)
    MinorClass.objects.filter(pk=case.minor_id).update(name_zh="金丝雀类")
    MinorClass.objects.update(major_zh="金丝雀大类")
    soon = (timezone.now() + timedelta(hours=5)).isoformat()
    make_late(number)
    act(number, Action.SUPERVISE, leader, note="急", reply_by=soon)
    own, other = a_wall("hecheng"), a_wall("zhongfang")

    mine = json.dumps(feed_of(own), ensure_ascii=False)
    theirs = feed_of(other)

    for word in (number, "金丝雀大队", "金丝雀类", "金丝雀大类", "城中街道", "109.9765"):
        assert word in mine
        assert word not in json.dumps(theirs, ensure_ascii=False)
    assert list(theirs["heads"]) == ["zhongfang"]
    assert theirs["map"] == {"lon": [], "lat": [], "light": [], "unplaced": ""}
    assert theirs["alarms"] == []
    assert set(re.findall(r"<dd>\s*(\d+)\s*</dd>", theirs["pages"]["today"])) == {"0"}


def test_a_case_that_moves_away_leaves_the_wall(people, condition):
    number = report(people, condition)["number"]
    act(number, Action.TRANSFER, people.dispatcher, district="zhongfang", reason="border")

    assert shown.total_of(shown.places_of("hecheng", at=timezone.now())).open == 0
    assert shown.total_of(shown.places_of("zhongfang", at=timezone.now())).open == 1


# --- how it asks --------------------------------------------------------------------------------


def ask(wall, etag=""):
    return Client().get(f"/wall/{wall.token}/feed/", headers={"If-None-Match": etag})


@pytest.fixture
def same_moment(monkeypatch):
    """Let no light change with time alone."""
    monkeypatch.setattr(views, "SAME_S", 10**9)


@pytest.mark.usefixtures("same_moment")
def test_what_has_not_changed_is_not_sent_again(people, condition):
    wall = a_wall()
    first = ask(wall)

    same = ask(wall, first["ETag"])
    weak = ask(wall, f"W/{first['ETag']}")  # as nginx marks what it packs
    report(people, condition)
    other = ask(wall, first["ETag"])

    assert (same.status_code, same.content) == (304, b"")
    assert same["Wall-Time"] >= first["Wall-Time"]
    assert weak.status_code == 304
    assert other.status_code == 200
    assert other["ETag"] != first["ETag"]


@pytest.mark.usefixtures("same_moment")
def test_another_district_s_change_is_none_of_a_wall(people, condition):
    wall = a_wall("zhongfang")
    first = ask(wall)

    report(people, condition)

    assert ask(wall, first["ETag"]).status_code == 304


def test_the_lights_are_looked_at_again_without_an_event(people, condition, monkeypatch):
    wall, first = a_wall(), None
    first = ask(wall)
    later = timezone.now() + timedelta(seconds=views.SAME_S)
    monkeypatch.setattr("cases.views.wall.timezone.now", lambda: later)

    assert ask(wall, first["ETag"]).status_code == 200


def test_the_page_is_told_when_it_was_made_otherwise():
    wall = a_wall()
    before = ask(wall)["Wall-Setting"]

    Wall.objects.update(rotation_s=60)

    assert f'data-setting="{before}"' not in Client().get(addresses(wall)[0]).content.decode()
    assert ask(wall)["Wall-Setting"] != before


@pytest.mark.usefixtures("same_moment")
def test_walls_of_a_scope_share_what_is_made(people, condition):
    report(people, condition)
    first, second = a_wall(), a_wall()
    ask(first)

    with CaptureQueriesContext(connection) as captured:
        assert ask(second).status_code == 200

    assert len(captured) == 2  # the wall, and where the logs end


@pytest.mark.parametrize("scope", ["city", "hecheng"])
def test_statements_do_not_grow_with_cases(people, condition, scope):
    taken = []
    for more in (1, 11):
        for _ in range(more):
            make_late(dispatched(people, condition))
        wall = a_wall(scope)
        with CaptureQueriesContext(connection) as captured:
            assert ask(wall).status_code == 200
        taken.append(len(captured))

    assert taken == [12, 12]


def test_events_of_a_wall_come_by_an_index(people, condition):
    report(people, condition)

    wanted = Event.objects.filter(action__in=["overdue", "file"], at__gt=timezone.now())

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    # By both where there are many of either; of this one event the planner takes what it likes.
    assert re.search(r"event_(action_)?at\b", wanted.order_by().explain())
