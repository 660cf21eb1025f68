"""What leaves the city: once each, signed, without secrets or persons, and never against a wall."""

import hashlib
import hmac
import logging
import socket
import time
from datetime import timedelta

import pytest
from apprise.plugins import dingtalk, feishu, wecombot
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone

from cases.choices import Action
from cases.models import Case, Channel, ChannelSecret, Effect, Event, Reply, Unit
from cases.notices import audiences_of, telling_of
from cases.selectors.channels import channels_for, resting, waiting_for
from cases.services import line, sending
from cases.services.effects import run_effect
from cases.services.notify import ask_test, keep_secret
from cases.services.outside import NotNow
from cases.services.robots import key_of
from cityops.accounts.models import User
from tests.support.outside import CERTIFIED
from tests.support.spine import act, case_of, dispatched, report, signed

pytestmark = pytest.mark.django_db
on_the_city = pytest.mark.usefixtures("huaihua")
SECRET = "asecretofthirtytwolettersabcdefg"


def channel(kind="webhook", address="", **words):
    made = Channel.objects.create(name=words.pop("name", kind), kind=kind, address=address, **words)
    keep_secret(made, SECRET)
    return made


@pytest.fixture
def webhook(other_system):
    return channel(address=f"{other_system.address}/hook")


def test_of(one) -> Effect:
    """Ask for a test of a channel, as often as wanted."""
    ask_test(one, minute=Effect.objects.count())
    return Effect.objects.filter(kind="send_test").latest("pk")


test_of.__test__ = False


def run(effect):
    """Run an effect now, whatever it waits for."""
    Effect.objects.filter(pk=effect.pk).update(next_at=timezone.now())
    outcome = run_effect(effect.pk)
    effect.refresh_from_db()
    return outcome


def db_now():
    """Return the database's time, which stands still in the transaction of a test."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        return cursor.fetchone()[0]


def wake():
    Channel.objects.update(rests_until=db_now() - timedelta(seconds=1))


def tell_all():
    for effect in Effect.objects.filter(kind="notify", done_at=None).order_by("pk"):
        run_effect(effect.pk)


def send_all():
    tell_all()
    return [run(effect) for effect in Effect.objects.filter(kind__in=("send", "reply"))]


# --- webhooks -----------------------------------------------------------------------------------


@on_the_city
def test_a_webhook_hears_of_an_event_once_and_can_verify_it(
    people, condition, webhook, other_system
):
    number = dispatched(people, condition)

    outcomes = [*send_all(), *send_all()]

    assert outcomes == ["sent", "held elsewhere"]
    (arrival,) = other_system.arrived
    effect = Effect.objects.get(kind="send")
    event = Event.objects.get(action="dispatch")
    assert arrival.headers["X-Cityops-Delivery"] == effect.key == arrival.data["delivery"]
    assert effect.key == f"send:{webhook.pk}:hecheng:{event.dseq}"
    signed_bytes = arrival.headers["X-Cityops-Timestamp"].encode() + b"." + arrival.body
    mac = hmac.new(SECRET.encode(), signed_bytes, hashlib.sha256).hexdigest()
    assert arrival.headers["X-Cityops-Signature"] == f"sha256={mac}"
    assert abs(int(arrival.headers["X-Cityops-Timestamp"]) - time.time()) < 60
    assert arrival.data["case"]["number"] == number
    assert arrival.data["event"]["action"] == "dispatch"
    webhook.refresh_from_db()
    assert webhook.last_sent_at is not None


def test_a_webhook_is_called_over_https(secured_system, authority, settings, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    settings.OUTSIDE_HOSTS = frozenset({CERTIFIED})
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *a, **b: resolve("127.0.0.1", *a, **b))
    effect = test_of(channel(address=f"https://{CERTIFIED}:{secured_system.port}/hook"))

    assert run(effect) == "sent"
    (arrival,) = secured_system.arrived
    at, said = (arrival.headers[f"X-Cityops-{name}"] for name in ("Timestamp", "Signature"))
    assert said == f"sha256={sending.signature_of(SECRET, at, arrival.body)}"


@on_the_city
def test_no_free_text_and_no_person_leaves_the_city(people, condition, webhook, other_system):
    words = {"description": "ZZ-text", "address": "ZZ-street 5", "contact": "ZZ-person 138"}
    number = report(people, condition, **words)["number"]
    run_effect(Effect.objects.get(case__number=number, kind="dispatch").pk)
    act(number, Action.REMIND, people.dispatcher, note="ZZ-note")

    send_all()

    assert len(other_system.arrived) == 2
    assert b"ZZ" not in b"".join(arrival.body for arrival in other_system.arrived)
    assert SECRET.encode() not in b"".join(arrival.body for arrival in other_system.arrived)


def test_an_unknown_outcome_waits_for_a_person_and_is_not_sent_again(
    webhook, other_system, monkeypatch
):
    monkeypatch.setattr(line, "DEADLINE_S", 0.3)
    other_system.mode = "silent"
    effect = test_of(webhook)

    outcomes = [run(effect), run(effect)]

    assert outcomes == ["needs review", "held elsewhere"]
    assert effect.state == Effect.State.NEEDS_REVIEW
    assert len(other_system.arrived) == 1


def test_what_was_refused_is_tried_again_and_arrives_once(webhook, other_system):
    other_system.mode = "no"
    effect = test_of(webhook)
    Effect.objects.update(max_runs=3)

    first = run(effect)
    other_system.mode = "yes"
    other_system.arrived.clear()
    outcomes = [run(effect), run(effect)]

    assert first == "failed"
    assert outcomes == ["sent", "held elsewhere"]
    assert len(other_system.arrived) == 1


@on_the_city
def test_what_comes_late_tells_nobody_of_a_successor(people, condition, other_system):
    """The unit has lost the case; the city's channel hears of it as the event left it."""
    number = dispatched(people, condition)
    before = case_of(number)
    channel(name="all", address=f"{other_system.address}/all")
    for name in ("unit", "own"):
        address = f"{other_system.address}/{name}"
        words = {"unit_id": before.unit_id} if name == "unit" else {"scope": "hecheng"}
        channel(name=name, address=address, **words)
    tell_all()
    another = Unit.objects.exclude(pk=before.unit_id).first()
    Case.objects.filter(number=number).update(
        unit=another,
        scope="zhongfang",
        district="zhongfang",
        stage="handling",
        due_at=before.due_at + timedelta(days=1),
    )

    outcomes = send_all()

    assert sorted(outcomes) == ["no longer theirs", "no longer theirs", "sent"]
    (arrival,) = other_system.arrived
    assert arrival.path == "/all"
    assert arrival.data["case"] == {
        "number": number,
        "stage": "dispatched",
        "district": "hecheng",
        "street": before.street,
        "category": before.minor_id,
        "condition": before.condition_id,
        "unit": before.unit_id,
        "due_at": before.due_at.isoformat(),
    }


@pytest.mark.parametrize("kind", ["webhook", "mail"])
def test_what_these_settings_do_not_let_out_waits_for_a_machine_that_does(
    other_system, settings, kind
):
    """It is no failure of the channel, and no run is counted."""
    settings.OUTSIDE_HOSTS = frozenset()
    settings.MAIL_SERVER = ""
    one = channel(kind, other_system.address if kind == "webhook" else "duty@example.org")
    effect = test_of(one)
    Effect.objects.update(created_at=timezone.now() - timedelta(minutes=10))

    outcomes = [run(effect) for _ in range(6)]

    one.refresh_from_db()
    assert outcomes == ["put off"] * 6
    assert (one.failures, one.rests_until) == (0, None)
    assert one.last_error.startswith("CITYOPS_")
    assert effect.runs == 0
    assert 9 * 60 < (effect.next_at - db_now()).total_seconds() < 11 * 60
    assert other_system.arrived == []
    settings.OUTSIDE_HOSTS = frozenset({"127.0.0.1"})
    if kind == "webhook":
        assert run(effect) == "sent"


# --- one at a time ------------------------------------------------------------------------------


@pytest.fixture
def other_worker():
    """Return a function by which another worker takes a channel or a place."""
    other = connection.copy()

    def take(key):
        cursor = other.cursor()
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [sending.DELIVERIES, key])

    yield take
    other.close()


@pytest.mark.parametrize("keys", [["own"], [0, -1]])
def test_a_slow_channel_or_two_leave_the_workers_to_others(
    webhook, other_system, other_worker, keys
):
    effect = test_of(webhook)
    for key in keys:
        other_worker(webhook.pk if key == "own" else key)

    outcome = run(effect)

    webhook.refresh_from_db()
    assert outcome == "put off"
    assert (effect.runs, webhook.failures) == (0, 0)
    assert other_system.arrived == []


def test_another_channels_slowness_and_one_place_taken_hold_nobody_up(
    webhook, other_system, other_worker
):
    other_worker(webhook.pk + 1)
    other_worker(0)

    assert run(test_of(webhook)) == "sent"
    with connection.cursor() as cursor:  # and what was taken is given back
        cursor.execute(
            "SELECT objid::int FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND classid = %s AND pid = pg_backend_pid()",
            [sending.DELIVERIES],
        )
        assert cursor.fetchall() == []


# --- robots and mail ----------------------------------------------------------------------------


@pytest.fixture
def robots(other_system, monkeypatch):
    """Let the robots' own addresses lead to the other system."""
    for plugin in (wecombot.NotifyWeComBot, dingtalk.NotifyDingTalk, feishu.NotifyFeishu):
        path = plugin.notify_url.partition("://")[2].partition("/")[2]
        monkeypatch.setattr(plugin, "notify_url", f"{other_system.address}/{path}")
    return other_system


@pytest.mark.parametrize("kind", Channel.ROBOTS)
def test_a_robot_is_told_once(robots, kind):
    effect = test_of(channel(kind, name="the group"))

    outcomes = [run(effect), run(effect)]

    assert outcomes == ["sent", "held elsewhere"]
    (arrival,) = robots.arrived
    assert SECRET in arrival.path
    told = arrival.data.get("text", arrival.data.get("content"))
    assert "The channel “the group” works." in told.get("content", told.get("text"))


@pytest.mark.parametrize("kind", Channel.ROBOTS)
def test_a_robot_that_says_no_in_its_answer_has_not_told(robots, kind):
    """It answers 200 all the same; apprise would take that for a yes."""
    robots.says = {"errcode": 93000, "code": 93000}
    effect = test_of(channel(kind))

    outcome = run(effect)

    assert outcome == "failed"
    assert effect.state == Effect.State.DEAD  # a test is tried once
    assert effect.last_error == "Failed: the robot refused the message: code 93000"


def test_a_robot_whose_answer_is_lost_needs_review(robots):
    robots.mode = "drops"
    effect = test_of(channel("wecom"))

    assert run(effect) == "needs review"
    assert len(robots.arrived) == 1


def test_dingtalk_is_signed_and_its_signature_quoted_once(robots):
    one = channel("dingtalk")
    keep_secret(one, "atoken,SECabc")

    assert run(test_of(one)) == "sent"

    query = dict(pair.split("=", 1) for pair in robots.arrived[0].path.partition("?")[2].split("&"))
    assert query["access_token"] == "atoken"
    assert "%25" not in query["sign"]
    assert query["timestamp"].isdecimal()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("abc-1", "abc-1"),
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=abc-1", "abc-1"),
        ("https://oapi.dingtalk.com/robot/send?access_token=abc", "abc"),
        ("https://oapi.dingtalk.com/robot/send?access_token=abc,SECx", "abc,SECx"),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/abc-1/", "abc-1"),
    ],
)
def test_a_robots_key_is_found_in_its_address(text, key):
    assert key_of(text) == key


def test_mail_is_sent_once(mail_server):
    effect = test_of(channel("mail", "duty@example.org"))

    outcomes = [run(effect), run(effect)]

    assert outcomes == ["sent", "held elsewhere"]
    (mail,) = mail_server.mails
    assert "To: duty@example.org" in mail
    assert "From:" in mail


@pytest.mark.parametrize(
    ("refuses", "hangs_up_after", "outcome"),
    [
        ("RCPT", "", "failed"),
        ("MAIL", "", "failed"),
        ("EHLO", "", "sent"),
        ("", "DATA", "needs review"),
    ],
)
def test_what_a_mail_server_says_is_what_is_known(mail_server, refuses, hangs_up_after, outcome):
    mail_server.refuses, mail_server.hangs_up_after = refuses, hangs_up_after
    effect = test_of(channel("mail", "duty@example.org"))

    assert run(effect) == outcome


def test_a_mail_server_in_a_closed_network_is_not_reached(mail_server, settings):
    settings.PRIVATE_NETWORKS = []

    assert run(test_of(channel("mail", "duty@example.org"))) == "failed"
    assert mail_server.mails == []


# --- the circuit --------------------------------------------------------------------------------


@on_the_city
def test_a_channel_rests_after_five_failures_and_one_delivery_tries_it_again(
    people, condition, webhook, other_system
):
    other_system.mode = "no"
    number = dispatched(people, condition)
    for _ in range(2):
        act(number, Action.REMIND, people.dispatcher)
    tell_all()
    effects = list(Effect.objects.filter(kind="send").order_by("pk"))
    for _ in range(5):
        assert run(effects[0]) == "failed"
    webhook.refresh_from_db()

    while_resting = [run(effect) for effect in effects]

    assert webhook.failures == 5
    assert 50 < (webhook.rests_until - db_now()).total_seconds() <= 60
    assert resting(["city"]) == [webhook]
    assert resting(["hecheng"]) == []
    assert waiting_for([webhook]) == {webhook.pk: 3}
    assert while_resting == ["put off"] * 3
    assert len(other_system.arrived) == 5
    assert effects[0].runs == 5  # being put off counts for nothing

    wake()
    assert run(effects[1]) == "failed"
    webhook.refresh_from_db()
    assert 100 < (webhook.rests_until - db_now()).total_seconds() <= 120
    wake()
    other_system.mode = "yes"
    assert [run(effect) for effect in effects] == ["sent"] * 3
    webhook.refresh_from_db()
    assert (webhook.failures, webhook.rests_until, webhook.last_error) == (0, None, "")


def test_one_delivery_alone_tries_a_channel_that_has_rested(webhook):
    Channel.objects.update(failures=5)
    wake()

    sending._require_awake(webhook)
    with pytest.raises(NotNow):
        sending._require_awake(webhook)


# --- who hears of what --------------------------------------------------------------------------


@on_the_city
def test_channels_hear_what_is_told_within_their_scope(people, condition):
    number, unit = signed(people, condition)
    code = case_of(number).unit_id
    for name, words in {
        "city": {},
        "own": {"scope": "hecheng"},
        "foreign": {"scope": "zhongfang"},
        "unit": {"unit_id": code},
        "dispatchers": {"audience": "dispatcher"},
        "all": {"only_loud": False},
        "off": {"is_active": False},
        "hotline": {"kind": "hotline"},
    }.items():
        channel(**{"name": name, **words})
    act(number, Action.REMIND, people.dispatcher)  # loud, to the unit
    act(number, Action.RETURN, unit, reason="other")  # not loud, to the dispatchers

    def heard(action):
        event = Event.objects.select_related("case").filter(action=action).latest("pk")
        telling = telling_of(action, event.to_stage, event.data["facts"])
        found = channels_for(event, telling, audiences_of(telling, event.to_stage))
        return {one.name for one in found}

    before = Event.objects.get(action="remind")
    assert before.unit == code
    assert heard("return") == {"all"}
    Channel.objects.filter(name="dispatchers").update(only_loud=False)
    assert heard("return") == {"all", "dispatchers"}
    assert heard("remind") == {"city", "own", "all"}  # the unit has lost the case meanwhile


# --- the 12345 hotline --------------------------------------------------------------------------


@pytest.fixture
def order(people, condition, other_system):
    """Return the number of a 12345 order's case; the hotline has an interface."""
    channel("hotline", f"{other_system.address}/orders")
    said = {"source": "hotline", "order_number": "12345-7", "order_kind": "complaint"}
    return report(people, condition, **said)["number"]


@on_the_city
def test_an_order_is_answered_and_its_reply_ticked_off(people, order, other_system):
    act(order, Action.DECLINE, people.acceptor, reason="not_in_scope")

    outcomes = [*send_all(), *send_all()]

    assert outcomes == ["sent", "held elsewhere"]
    (arrival,) = other_system.arrived
    assert arrival.path == "/orders"
    assert arrival.data["order_number"] == "12345-7"
    assert arrival.data["action"] == "decline"
    assert arrival.data["reason"] == "not_in_scope"
    reply = Reply.objects.get()
    assert reply.given_at is not None
    assert reply.given_by is None


@on_the_city
def test_what_an_operator_gave_by_hand_is_not_sent(people, order, other_system):
    act(order, Action.DECLINE, people.acceptor, reason="other")
    Reply.objects.update(given_at=timezone.now(), given_by=people.operator)

    assert send_all() == ["given by hand"]
    assert other_system.arrived == []


@on_the_city
def test_what_was_not_delivered_stays_owed(people, order, other_system):
    other_system.mode = "no"
    act(order, Action.DECLINE, people.acceptor, reason="other")

    assert send_all() == ["failed"]
    assert Reply.objects.get().given_at is None
    client = Client()
    client.force_login(people.operator)
    assert order in client.get("/replies/").content.decode()


@on_the_city
def test_a_hotline_that_fails_after_taking_an_answer_gets_it_once(people, order, other_system):
    other_system.mode = "broken"
    act(order, Action.DECLINE, people.acceptor, reason="other")

    outcomes = [*send_all(), *send_all()]

    assert outcomes == ["needs review", "held elsewhere"]
    assert len(other_system.arrived) == 1
    assert Reply.objects.get().given_at is None


@on_the_city
def test_without_an_interface_nothing_is_asked_of_it(people, order):
    Channel.objects.update(is_active=False)

    act(order, Action.DECLINE, people.acceptor, reason="other")

    assert Reply.objects.count() == 1
    assert Effect.objects.filter(kind="reply").count() == 0


# --- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["yes", "no", "drops"])
@pytest.mark.parametrize("kind", [*Channel.ROBOTS, "webhook"])
def test_no_secret_is_logged_or_kept_beside_an_error(robots, kind, mode, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("apprise", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    robots.mode = mode
    one = channel(kind, f"{robots.address}/hook" if kind == "webhook" else "")
    effect = test_of(one)

    run(effect)

    one.refresh_from_db()
    assert len(robots.arrived) == 1
    assert SECRET not in caplog.text + effect.last_error + one.last_error


def test_a_key_that_is_none_is_not_logged(robots, caplog):
    one = channel("wecom")
    keep_secret(one, "not a key!")

    run(test_of(one))

    assert "not a key" not in caplog.text
    assert robots.arrived == []


def test_the_web_process_may_write_a_secret_and_read_none():
    one = channel()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE cityops_web")
        keep_secret(one, "another-secret-of-letters")
        assert ChannelSecret.objects.filter(pk=one.pk).exists()
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            ChannelSecret.objects.get(pk=one.pk)
        cursor.execute("RESET ROLE")

    assert ChannelSecret.objects.get(pk=one.pk).value == "another-secret-of-letters"


# --- the administrator's page -------------------------------------------------------------------


@pytest.fixture
def admin():
    client = Client()
    client.force_login(User.objects.create_superuser("root", "x", name="root"))
    return client


def test_the_page_never_shows_a_secret_and_keeps_it_unless_another_is_typed(admin, webhook):
    address = f"/admin/cases/channel/{webhook.pk}/change/"
    said = {"name": "renamed", "kind": "webhook", "scope": "city", "address": webhook.address}

    page = admin.get(address).content.decode()
    answer = admin.post(address, {**said, "is_active": "on", "secret": ""})

    assert SECRET not in page
    assert answer.status_code == 302
    webhook.refresh_from_db()
    assert webhook.name == "renamed"
    assert ChannelSecret.objects.get().value == SECRET
    admin.post(address, {**said, "secret": "another-secret-of-letters"})
    assert ChannelSecret.objects.get().value == "another-secret-of-letters"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (
            {"kind": "webhook", "address": "https://elsewhere.org/", "secret": SECRET},
            "must name",
        ),
        ({"kind": "webhook", "address": "", "secret": SECRET}, "must name"),
        ({"kind": "webhook", "address": "OWN", "secret": "short"}, "16 characters"),
        ({"kind": "webhook", "address": "OWN", "secret": ""}, "nothing can be sent"),
        ({"kind": "wecom", "address": "https://x/", "secret": SECRET}, "leave this empty"),
        ({"kind": "wecom", "address": "", "secret": ""}, "nothing can be sent"),
        ({"kind": "mail", "address": "nobody", "secret": ""}, "one mail address"),
        ({"kind": "mail", "address": "a@example.org", "secret": SECRET}, "Mail needs none"),
    ],
)
def test_a_channel_that_could_not_send_is_refused(admin, other_system, words, fault):
    words = {**words, "address": words["address"].replace("OWN", other_system.address)}

    answer = admin.post("/admin/cases/channel/add/", {"name": "a", "scope": "city", **words})

    assert answer.status_code == 200
    assert fault in answer.content.decode()
    assert Channel.objects.count() == 0


def test_send_a_test_asks_once_a_minute(admin, webhook, other_system):
    asked = {"action": "ask_for_test", "_selected_action": [webhook.pk]}

    pages = [
        admin.post("/admin/cases/channel/", asked, follow=True).content.decode() for _ in range(2)
    ]
    outcomes = [run(effect) for effect in Effect.objects.filter(kind="send_test")]

    assert "Tests on their way: 1." in pages[0]
    assert outcomes in (["sent"], ["sent", "sent"])  # the minute may have passed between
    assert len(other_system.arrived) == len(outcomes)


def test_the_page_says_that_a_channel_rests(admin, webhook):
    until = timezone.now() + timedelta(minutes=5)
    Channel.objects.update(failures=6, rests_until=until, last_error="hook answered 500")

    page = admin.get("/admin/cases/channel/").content.decode()

    assert f"rests until {timezone.localtime(until):%m-%d %H:%M} after 6 failures in a row" in page
