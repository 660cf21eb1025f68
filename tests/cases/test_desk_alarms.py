"""What rings at the desk: raised and ended by real moves, heard by whom it concerns, told once."""

import email
from datetime import timedelta

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from cases.choices import Action, ClockKind, Role
from cases.models import (
    Case,
    Channel,
    Condition,
    DeskAlarm,
    DeskAlarmChoice,
    DeskAlarmRule,
    Effect,
    StageClock,
)
from cases.ringing import DEFAULTS, Ring
from cases.services import desk_alarms
from cases.services.deadlines import scan_deadlines
from cases.services.desk_alarms import watch_desk
from cases.services.effects import run_effect
from cases.services.notify import keep_secret
from tests.support.people import person
from tests.support.spine import act, case_of, dispatched, head_of, photo, report, signed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]

FEED = "/desk/alarms/"


def let_pass(number, kind, *, soon=False):
    """Let the running clock of a case pass, or all but, as if hours had gone by."""
    clocks = StageClock.objects.filter(case__number=number, kind=kind, ended_at=None)
    now = timezone.now()
    if soon:
        clocks.update(soon_at=now - timedelta(minutes=1), due_at=now + timedelta(minutes=9))
    else:
        clocks.update(due_at=now - timedelta(seconds=1))
    scan_deadlines()


def rung(number):
    """Return what rang for a case: why, how loud, for which clock, and whether it still does."""
    alarms = DeskAlarm.objects.filter(case__number=number).order_by("pk")
    return [(a.ring, a.tier, a.clock, a.ended_at is None) for a in alarms]


def client_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def heard(user):
    answer = client_of(user).get(FEED)
    assert answer.status_code == 200
    return [(row["ring"], row["number"]) for row in answer.json()["alarms"]]


def acknowledge(user, alarm):
    address = f"{FEED}{alarm.pk}/acknowledge/"
    return client_of(user).post(address, headers={"Accept": "application/json"})


def emergency():
    found = Condition.objects.filter(minor__kind="event", limit_unit="emergency_hour")
    return found.earliest("code")


def outside_report(people, condition):
    """Report as an operator does, so that an acceptor has to accept it."""
    return report(people, condition, source="hotline")["number"]


# --- raised and ended ---------------------------------------------------------------------------


def test_an_overdue_case_rings_until_it_is_finished(people, condition):
    number, unit = signed(people, condition)
    assert rung(number) == []

    let_pass(number, ClockKind.HANDLE)
    scan_deadlines()

    # The timer's own order to reply is no leader's, so it rings for nothing.
    assert rung(number) == [("late", "1", "handle", True)]
    (alarm,) = DeskAlarm.objects.all()
    assert alarm.event is not None
    assert alarm.event.action == "overdue"
    assert alarm.raised_at == alarm.event.at
    assert alarm.escalate_at == alarm.raised_at + timedelta(minutes=10)

    act(number, Action.FINISH, unit, photos=(photo(),))

    assert rung(number) == [("late", "1", "handle", False)]
    alarm.refresh_from_db()
    assert alarm.ended_at == case_of(number).handled_at


def test_a_number_in_an_address_is_told_in_full_to_operators_alone(people, condition):
    number, _ = signed(people, condition)
    Case.objects.filter(number=number).update(address="三楼 13812342210")
    let_pass(number, ClockKind.HANDLE)

    (row,) = client_of(people.dispatcher).get(FEED).json()["alarms"]

    assert row["address"] == "三楼 138****2210"


def test_due_soon_sounds_and_gives_way_to_overdue(people, condition):
    number, _ = signed(people, condition)

    let_pass(number, ClockKind.HANDLE, soon=True)
    assert rung(number) == [("soon", "2", "handle", True)]

    let_pass(number, ClockKind.HANDLE)

    assert rung(number) == [("soon", "2", "handle", False), ("late", "1", "handle", True)]


def test_what_is_not_signed_for_sounds_until_it_is(people, condition):
    number = dispatched(people, condition)

    let_pass(number, ClockKind.SIGN)
    assert rung(number) == [("unsigned", "2", "sign", True)]

    act(number, Action.SIGN, _unit(number))

    assert rung(number) == [("unsigned", "2", "sign", False)]


def _unit(number):
    return person("u", Role.UNIT, case_of(number).unit_id)


def test_a_report_nobody_accepts_sounds_after_ten_minutes(people, condition):
    number = outside_report(people, condition)
    watch_desk()
    assert rung(number) == []
    late = StageClock.objects.filter(case__number=number, kind=ClockKind.ACCEPT)
    late.update(started_at=F("started_at") - timedelta(minutes=10))

    watch_desk()
    watch_desk()

    assert rung(number) == [("unaccepted", "2", "accept", True)]
    assert heard(people.acceptor) == [("unaccepted", number)]
    assert heard(people.dispatcher) == []

    act(number, Action.ACCEPT, people.acceptor)

    assert rung(number) == [("unaccepted", "2", "accept", False)]


def test_a_report_that_was_accepted_in_time_rings_for_nobody(people, condition):
    number = outside_report(people, condition)
    act(number, Action.ACCEPT, people.acceptor)
    StageClock.objects.update(started_at=F("started_at") - timedelta(minutes=11))

    watch_desk()

    assert rung(number) == []


def test_an_emergency_rings_from_the_report_until_a_unit_has_signed(people):
    number = report(people, emergency())["number"]
    assert rung(number) == [("emergency", "1", "", True)]

    effect = Effect.objects.get(case__number=number, kind="dispatch", done_at=None)
    assert run_effect(effect.pk) == "dispatched"
    assert rung(number) == [("emergency", "1", "", True)]

    unit = _unit(number)
    act(number, Action.SIGN, unit)

    assert rung(number) == [("emergency", "1", "", False)]

    act(number, Action.RETURN, unit, reason="not_responsible", note="not ours")

    assert rung(number) == [("emergency", "1", "", True)]  # nobody has it any more
    assert DeskAlarm.objects.get().acknowledged_at is None


def test_an_emergency_found_at_filing_rings_then(people, condition):
    number = outside_report(people, condition)
    act(number, Action.ACCEPT, people.acceptor)
    assert rung(number) == []

    urgent = emergency()
    Case.objects.filter(number=number).update(minor=urgent.minor_id)
    act(number, Action.FILE, people.chief, condition=urgent.code)

    assert rung(number) == [("emergency", "1", "", True)]


def test_a_leaders_order_rings_until_it_is_replied_to(people, condition):
    number, unit = signed(people, condition)
    leader = person("l1", Role.LEADER)
    by = (timezone.now() + timedelta(hours=4)).isoformat()

    act(number, Action.SUPERVISE, leader, note="today", reply_by=by)
    assert rung(number) == [("ordered", "1", "", True)]
    assert ("ordered", number) in heard(people.dispatcher)

    act(number, Action.REPLY_SUPERVISION, unit, note="on our way")

    assert rung(number) == [("ordered", "1", "", False)]


def test_a_supervisors_order_is_no_leaders(people, condition):
    number, _ = signed(people, condition)
    supervisor = person("s1", Role.SUPERVISOR)

    by = (timezone.now() + timedelta(hours=4)).isoformat()
    act(number, Action.SUPERVISE, supervisor, note="today", reply_by=by)

    assert rung(number) == []


@pytest.mark.parametrize("action", [Action.VOID, Action.FORCE_CLOSE])
def test_a_case_that_ends_ends_all_its_alarms(people, condition, action):
    number, _ = signed(people, condition)
    let_pass(number, ClockKind.HANDLE)
    leader = person("l1", Role.LEADER)
    by = (timezone.now() + timedelta(hours=4)).isoformat()
    act(number, Action.SUPERVISE, leader, note="today", reply_by=by)
    assert [row[3] for row in rung(number)] == [True, True]

    act(number, action, people.chief, reason="other", note="a")

    assert [row[3] for row in rung(number)] == [False, False]


def test_an_extension_ends_due_soon_and_the_new_deadline_rings_again(people, condition):
    number, unit = signed(people, condition)
    let_pass(number, ClockKind.HANDLE, soon=True)
    act(number, Action.REQUEST_EXTENSION, unit, reason="weather")
    act(number, Action.DECIDE_EXTENSION, head_of(number), approved=True)
    act(number, Action.DECIDE_EXTENSION, people.dispatcher, approved=True)
    assert rung(number) == [("soon", "2", "handle", False)]

    let_pass(number, ClockKind.HANDLE, soon=True)

    assert rung(number) == [("soon", "2", "handle", False), ("soon", "2", "handle", True)]


def test_a_refused_action_leaves_no_trace(people, condition, monkeypatch):
    number, unit = signed(people, condition)
    let_pass(number, ClockKind.HANDLE)
    before = rung(number)

    with pytest.raises(Exception, match="not yours"):
        act(number, Action.VOID, unit, reason="other")

    assert rung(number) == before


def test_the_simulated_past_rings_for_nothing(people, condition):
    """What was overdue before the desk opened is no news; the scan of the past says so itself."""
    number, _ = signed(people, condition)
    StageClock.objects.filter(kind=ClockKind.HANDLE).update(due_at=timezone.now())

    scan_deadlines(at=timezone.now() + timedelta(minutes=5))

    assert case_of(number).was_late
    assert rung(number) == []


# --- what the city decides ----------------------------------------------------------------------


def test_the_tier_is_the_citys_to_decide(people, condition):
    DeskAlarmRule.objects.filter(ring="late").update(tier="3")
    DeskAlarmRule.objects.filter(ring="soon").update(tier="1", escalate_min=5)
    number, _ = signed(people, condition)

    let_pass(number, ClockKind.HANDLE, soon=True)
    let_pass(number, ClockKind.HANDLE)

    assert rung(number) == [("soon", "1", "handle", False)]
    (alarm,) = DeskAlarm.objects.all()
    assert alarm.escalate_at == alarm.raised_at + timedelta(minutes=5)


def test_every_kind_of_alarm_has_its_row_as_shipped():
    rows = DeskAlarmRule.objects.values_list("ring", "tier", "wait_s", "escalate_min")

    shipped = {(ring, tier, wait_s, 10) for ring, (tier, wait_s) in DEFAULTS.items()}
    assert set(rows) == shipped
    assert {row[0] for row in rows} == set(Ring)


# --- who hears it -------------------------------------------------------------------------------


def test_only_posts_of_the_district_hear_a_case(people, condition):
    number, unit = signed(people, condition)
    let_pass(number, ClockKind.HANDLE)
    assert case_of(number).district == "hecheng"
    near = {
        role: person(f"near-{role}", role, "hecheng")
        for role in (Role.DISPATCHER, Role.DUTY_CHIEF, Role.SUPERVISOR, Role.OPERATOR, Role.LEADER)
    }
    far = person("far", Role.DISPATCHER, "zhongfang")

    hear = {role for role, user in near.items() if heard(user)}

    assert hear == {Role.DISPATCHER, Role.DUTY_CHIEF, Role.SUPERVISOR}
    assert heard(people.dispatcher) == [("late", number)]
    assert heard(far) == []
    assert client_of(unit).get(FEED).status_code == 404
    assert client_of(people.inspector).get(FEED).status_code == 404


def test_a_role_of_two_districts_hears_each_by_its_own(people, condition):
    """An operator here and a dispatcher there hears what dispatchers hear there only."""
    number, _ = signed(people, condition)
    let_pass(number, ClockKind.HANDLE)
    both = person("both", Role.DISPATCHER, "zhongfang")
    both.grant_set.create(role=Role.LEADER, scope_kind="district", scope_key="hecheng")

    assert heard(both) == []


def test_what_one_may_not_hear_cannot_be_acknowledged(people, condition):
    number, _ = signed(people, condition)
    let_pass(number, ClockKind.HANDLE)
    (alarm,) = DeskAlarm.objects.all()
    far = person("far", Role.DISPATCHER, "zhongfang")
    leader = person("l1", Role.LEADER)

    assert acknowledge(far, alarm).status_code == 404
    assert acknowledge(leader, alarm).status_code == 404
    assert acknowledge(people.inspector, alarm).status_code == 404

    alarm.refresh_from_db()
    assert alarm.acknowledged_at is None


# --- who knows ----------------------------------------------------------------------------------


def test_one_acknowledgement_counts_for_all_and_names_who(people, condition):
    number, _ = signed(people, condition)
    let_pass(number, ClockKind.HANDLE)
    (alarm,) = DeskAlarm.objects.all()
    other = person("wang", Role.DISPATCHER, "hecheng")
    assert client_of(people.chief).get(FEED).json()["ringing"] == 1

    first = acknowledge(people.dispatcher, alarm).json()
    second = acknowledge(other, alarm).json()

    assert first["acknowledged"]["says"] == "d1: got it"
    assert second == first
    told = client_of(people.chief).get(FEED).json()
    assert told["ringing"] == 0
    assert [row["acknowledged"]["says"] for row in told["alarms"]] == ["d1: got it"]


def test_a_form_without_script_leads_back_to_the_alarms(people, condition):
    number, _ = signed(people, condition)
    let_pass(number, ClockKind.HANDLE)
    (alarm,) = DeskAlarm.objects.all()
    client = client_of(people.dispatcher)
    assert number in client.get("/desk/health/").content.decode()

    answer = client.post(f"{FEED}{alarm.pk}/acknowledge/")

    assert (answer.status_code, answer["Location"]) == (302, "/desk/health/")
    assert "d1: got it" in client.get("/desk/health/").content.decode()


# --- the shift lead is told ---------------------------------------------------------------------


@pytest.fixture
def lead(mail_server):
    """A mailbox of the duty chiefs of 鹤城区."""
    words = {"scope": "hecheng", "audience": "duty_chief"}
    return Channel.objects.create(name="lead", kind="mail", address="chief@city.example", **words)


def wait_out():
    """Let the ten minutes of every alarm be over."""
    DeskAlarm.objects.update(escalate_at=timezone.now() - timedelta(minutes=1))


def deliver():
    """Run every delivery twice over, as a doubled message would."""
    ids = list(Effect.objects.filter(kind="alarm").order_by("pk").values_list("pk", flat=True))
    return [run_effect(pk) for pk in ids for _ in range(2)]


def test_what_nobody_knows_of_is_told_to_the_shift_lead_once(people, condition, lead, mail_server):
    number, _ = signed(people, condition)
    let_pass(number, ClockKind.HANDLE)
    watch_desk()
    assert not Effect.objects.filter(kind="alarm").exists()

    wait_out()
    watch_desk()
    watch_desk()
    outcomes = deliver()

    assert outcomes == ["sent", "held elsewhere"]
    (mail,) = mail_server.mails
    assert _words(mail).count(number) == 1
    (alarm,) = DeskAlarm.objects.all()
    assert alarm.told == 1
    (row,) = client_of(people.dispatcher).get(FEED).json()["alarms"]
    assert row["escalated"] == f"told to the duty chief at {_clock(alarm.escalated_at)}"


def _words(mail):
    parts = email.message_from_string(mail).walk()
    texts = [p.get_payload(decode=True).decode() for p in parts if not p.is_multipart()]
    return "\n".join(texts)


def _clock(moment):
    return f"{timezone.localtime(moment):%H:%M}"


def test_only_channels_of_the_shift_lead_of_the_district_are_used(people, condition, lead):
    for name, words in {
        "elsewhere": {"scope": "zhongfang"},
        "dispatchers": {"scope": "hecheng", "audience": "dispatcher"},
        "off": {"scope": "hecheng", "is_active": False},
        "system": {"scope": "hecheng", "kind": "webhook"},
        "city": {"scope": "city"},
    }.items():
        Channel.objects.create(name=name, **{"kind": "mail", "address": "a@b.example", **words})
    number, _ = signed(people, condition)

    found = desk_alarms.channels_to_the_lead(case_of(number))

    assert [channel.name for channel in found] == ["lead", "city"]


def test_without_a_channel_the_alarm_says_so(people, condition):
    number, _ = signed(people, condition)
    let_pass(number, ClockKind.HANDLE)
    wait_out()

    watch_desk()

    (row,) = client_of(people.dispatcher).get(FEED).json()["alarms"]
    assert row["escalated"].endswith(": no channel leads to the duty chief")


@pytest.mark.parametrize("how", ["acknowledged", "ended"])
@pytest.mark.parametrize("when", ["before the tick", "before the delivery"])
def test_what_is_known_or_over_by_now_tells_nobody(people, condition, lead, mail_server, how, when):
    number, unit = signed(people, condition)
    let_pass(number, ClockKind.HANDLE)
    wait_out()
    (alarm,) = DeskAlarm.objects.all()
    if when == "before the delivery":
        watch_desk()

    if how == "acknowledged":
        acknowledge(people.dispatcher, alarm)
    else:
        act(number, Action.FINISH, unit, photos=(photo(),))
    watch_desk()
    outcomes = deliver()

    over = {"acknowledged": "known by now", "ended": "over by now"}[how]
    assert outcomes == ([] if when == "before the tick" else [over, "held elsewhere"])
    assert mail_server.mails == []


def test_an_outage_is_caught_up_with(people, condition, lead, mail_server):
    number, _ = signed(people, condition)
    let_pass(number, ClockKind.HANDLE)
    wait_out()
    watch_desk()
    Channel.objects.update(rests_until=timezone.now() + timedelta(hours=1))
    assert deliver()[0] == "put off"

    Channel.objects.update(rests_until=None)
    Effect.objects.filter(kind="alarm").update(next_at=timezone.now())

    assert deliver() == ["sent", "held elsewhere"]
    assert len(mail_server.mails) == 1


def test_robots_of_the_lead_are_told_too(people, condition, monkeypatch):
    said = []
    monkeypatch.setattr("cases.services.robots.tell_robot", lambda *words: said.append(words))
    robot = Channel.objects.create(name="robot", kind="wecom", scope="hecheng")
    keep_secret(robot, "asecretofthirtytwolettersabcdefg")
    number, _ = signed(people, condition)
    let_pass(number, ClockKind.HANDLE)
    wait_out()

    watch_desk()
    deliver()

    ((kind, _, title, body),) = said
    assert kind == "wecom"
    assert number in body
    assert title


# --- how somebody wants to hear it --------------------------------------------------------------


def test_volume_and_quiet_hours_are_kept_with_the_user(people):
    client = client_of(people.dispatcher)
    assert client.get(FEED).json()["volume"] == 70

    words = {"volume": 40, "quiet_from": "22:00", "quiet_until": "06:00"}
    answer = client.post(f"{FEED}choices/", words)

    assert answer.status_code == 204
    told = client.get(FEED).json()
    assert [told[name] for name in words] == [40, "22:00", "06:00"]
    assert client_of(people.chief).get(FEED).json()["volume"] == 70


@pytest.mark.parametrize(
    "words",
    [
        {"volume": 0},
        {"volume": 101},
        {"volume": 50, "quiet_from": "22:00"},
        {"volume": 50, "quiet_from": "22:00", "quiet_until": "22:00"},
    ],
)
def test_nobody_can_silence_the_desk_for_good(people, words):
    answer = client_of(people.dispatcher).post(f"{FEED}choices/", words)

    assert answer.status_code == 422
    assert not DeskAlarmChoice.objects.exists()


@pytest.mark.parametrize(
    ("begin", "end", "at", "is_quiet"),
    [
        ("22:00", "06:00", "23:30", True),
        ("22:00", "06:00", "05:59", True),
        ("22:00", "06:00", "06:00", False),
        ("12:00", "14:00", "12:00", True),
        ("12:00", "14:00", "14:00", False),
    ],
)
def test_quiet_hours_may_go_over_midnight(begin, end, at, is_quiet):
    from_, until, now = (timezone.datetime.strptime(t, "%H:%M").time() for t in (begin, end, at))
    choice = DeskAlarmChoice(quiet_from=from_, quiet_until=until)

    assert choice.is_quiet(now) is is_quiet
