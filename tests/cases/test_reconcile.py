"""The reconciler: every mismatch planted by hand is found, named, kept, and cleared by itself."""

import io
import json
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.models.functions import Now
from django.utils import timezone

from cases.choices import OPEN_STAGES, Action
from cases.ledger import FILLING_LOCK
from cases.models import Alarm, Case, CityOptions, Effect, Event, Reconciliation, StageClock
from cases.selectors.reconcile import tally_of_cases, tally_of_log
from cases.services import reconcile
from cases.services.ledger_check import check_states
from cases.services.reconcile import (
    UnderWayError,
    look_at_all,
    look_now,
    reconcile_minute,
    reconcile_nightly,
)
from cases.services.upkeep import delete_old_ticks
from tests.support.spine import act, case_of, closed, dispatched, report, signed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]
What = Alarm.What


def run(sql, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def standing():
    """Return the alarms that stand: (what, log, how many, cases)."""
    rows = Alarm.objects.open().order_by("what", "scope")
    return [(row.what, row.scope, row.how_many, row.numbers) for row in rows]


@contextmanager
def held_elsewhere(lock=reconcile.ONE_AT_A_TIME):
    """Have somebody else hold an advisory lock."""
    other = connections.create_connection("default")
    try:
        other.cursor().execute("SELECT pg_advisory_lock(%s)", [lock])
        yield
    finally:
        other.cursor().execute("SELECT pg_advisory_unlock(%s)", [lock])
        other.close()


def set_options(**words):
    CityOptions.objects.update(**words)


@pytest.fixture
def looked():
    """Have the reconciler look once, so that the next run goes on from there."""
    look_now()


# --- all is well --------------------------------------------------------------------------------


def test_nothing_is_found_where_all_adds_up(people, condition):
    closed(people, condition)
    signed(people, condition)
    look_now()
    report(people, condition)  # filed and waiting for its dispatch
    dispatched(people, condition)

    runs = [look_now(), look_at_all()]

    assert [run.findings for run in runs] == [[], []]
    assert standing() == []
    for one in runs:
        assert one.finished_at is not None
        told = {stage: n for stage, n in one.counts["hecheng"].items() if n}
        assert told == {"closed": 1, "handling": 1, "filed": 1, "dispatched": 1}


def test_counts_grow_with_the_log_as_if_counted_from_the_beginning(people, condition):
    dispatched(people, condition)
    look_now()
    report(people, condition)
    other = report(people, condition)["number"]
    act(other, Action.TRANSFER, people.dispatcher, district="zhongfang", reason="border")

    grown = look_now()

    whole = tally_of_log({}, {scope: (0, n) for scope, n in grown.positions["told"].items()})
    cases = tally_of_cases(OPEN_STAGES)
    assert full(grown.counts) == full(whole) == full(cases)
    assert full(cases) == {"hecheng": {"dispatched": 1, "filed": 1}, "zhongfang": {"filed": 1}}


def full(tally):
    kept = {scope: {s: n for s, n in stages.items() if n} for scope, stages in tally.items()}
    return {scope: stages for scope, stages in kept.items() if stages}


# --- the log ------------------------------------------------------------------------------------


def test_changed_event_is_named_until_it_is_put_right(people, condition, looked):
    dispatched(people, condition)
    run("UPDATE cases_event SET at = at - interval '1 h' WHERE dseq = 3")

    look_now()
    first = Alarm.objects.get()
    look_now()

    assert (first.what, first.scope, first.how_many) == (What.CHAIN, "hecheng", 1)
    assert first.words == "hecheng/3: a column differs from the header"
    assert standing() == [("chain", "hecheng", 1, first.numbers)]
    assert Alarm.objects.get().seen_at == first.seen_at

    run("UPDATE cases_event SET at = at + interval '1 h' WHERE dseq = 3")
    look_now()

    assert standing() == []
    assert Alarm.objects.get().cleared_at is not None


def test_old_event_is_found_by_the_nightly_run_and_stands_each_minute(people, condition):
    dispatched(people, condition)
    look_now()
    run("UPDATE cases_event SET actor_role = 'leader' WHERE dseq = 2")

    assert look_now().findings == []  # behind it already
    look_at_all()
    look_now()

    assert [(a.what, a.words) for a in Alarm.objects.open()] == [
        ("chain", "hecheng/2: a column differs from the header")
    ]


def test_log_rewritten_behind_the_reconciler_is_found_each_minute(people, condition):
    dispatched(people, condition)
    look_now()
    run("UPDATE cases_event SET hash = sha256('forged') WHERE dseq = 4")
    run("UPDATE cases_districthead SET hash = sha256('forged') WHERE scope = 'hecheng'")

    look_now()

    assert Alarm.objects.get().words == "hecheng/4: the log up to here was rewritten"


def test_log_cut_off_at_its_end_is_found(people, condition):
    dispatched(people, condition)
    look_now()
    run("DELETE FROM cases_event WHERE dseq = 4")
    run("UPDATE cases_districthead SET dseq = 3")

    look_now()

    assert "chain" in {what for what, *_ in standing()}


# --- the cases ----------------------------------------------------------------------------------


def test_changed_case_is_named_until_it_is_put_right(people, condition, looked):
    number = dispatched(people, condition)
    run("UPDATE cases_case SET address = 'forged'")

    look_now()
    look_now()  # nothing happened to the case since

    assert standing() == [("state", "hecheng", 1, [number])]
    assert Alarm.objects.get().words == f"{number}: address differs from the log"

    run("UPDATE cases_case SET address = ''")
    look_now()

    assert standing() == []


def test_what_is_private_is_named_and_not_kept(people, condition, looked):
    number = dispatched(people, condition)
    case = case_of(number)
    told = {"contact": "13800000000", "address": "Building 7", "description": "Ms Li's yard"}
    Case.objects.filter(pk=case.pk).update(return_count=7, **told)

    faults = {str(fault) for fault in check_states(Case.objects.all())}
    look_now()
    look_at_all()

    assert faults == {
        *(f"{number}: {name} differs from the log" for name in told),
        f"{number}: return_count is 7, the log says None",
    }
    kept = str([*Alarm.objects.values(), *Reconciliation.objects.values()])
    assert "differs from the log" in kept
    assert not [value for value in [*told.values(), case.description] if value and value in kept]


def test_case_changed_long_after_its_last_event_is_found_at_night(people, condition):
    number = dispatched(people, condition)
    look_now()
    run("UPDATE cases_case SET return_count = 7")

    assert look_now().findings == []
    look_at_all()

    assert standing() == [("state", "hecheng", 1, [number])]


def test_case_that_stands_elsewhere_than_its_log_says_is_missed_and_found(people, condition):
    dispatched(people, condition)
    look_now()
    run("UPDATE cases_case SET scope = 'landport'")

    look_now()

    assert standing() == [("count", "hecheng", 1, []), ("count", "landport", 1, [])]
    first = Alarm.objects.get(scope="hecheng")
    assert first.words == "dispatched: log 1, cases 0"


def test_ended_case_that_is_gone_is_found_at_night(people, condition):
    closed(people, condition)
    look_now()
    run("UPDATE cases_case SET scope = 'landport'")

    assert look_now().findings == []
    look_at_all()
    look_now()  # does not look at ended cases, so it clears nothing of them

    counted = [(what, scope, n) for what, scope, n, _ in standing() if what == "count_ended"]
    assert counted == [("count_ended", "hecheng", 1), ("count_ended", "landport", 1)]


def test_filed_case_without_a_dispatch_is_named(people, condition):
    number = report(people, condition)["number"]
    set_options(alarm_wait_s=0)
    look_now()
    assert [what for what, *_ in standing() if what == "undispatched"] == []

    Effect.objects.filter(kind="dispatch").update(state="done", done_at=Now(), outcome="lost")
    look_now()

    alarm = Alarm.objects.get(what=What.UNDISPATCHED)
    assert (alarm.scope, alarm.how_many, alarm.numbers) == ("hecheng", 1, [number])
    assert alarm.since == Event.objects.latest("dseq").at


def test_case_whose_clock_is_gone_or_wrong_is_named(people, condition):
    gone, wrong = dispatched(people, condition), dispatched(people, condition)
    StageClock.objects.filter(case__number=gone, kind="handle").delete()
    StageClock.objects.filter(case__number=wrong, kind="handle").update(due_at=Now())

    look_now()

    assert standing() == [("clock", "hecheng", 2, sorted([gone, wrong]))]


def test_clock_of_an_ended_case_is_named(people, condition):
    number, _ = closed(people, condition)
    StageClock.objects.filter(case__number=number, kind="handle").update(ended_at=None)

    look_now()

    assert standing() == [("clock", "hecheng", 1, [number])]


# --- work ---------------------------------------------------------------------------------------


def test_dead_work_is_named_and_a_tick_is_made_good_by_a_later_one(people, condition):
    number = report(people, condition)["number"]
    Effect.objects.update(state="dead", runs=5)
    for key in "ab":
        Effect.objects.create(key=key, kind="draw_samples", queue="scoring", state="dead")
    Effect.objects.create(key="c", kind="scan_deadlines", queue="dispatch.city", state="dead")

    look_now()
    assert stuck() == [
        ("city", "draw_samples", 2, []),
        ("city", "scan_deadlines", 1, []),
        ("hecheng", "dispatch", 1, [number]),
    ]

    later = {"state": "done", "done_at": timezone.now() + timedelta(seconds=9)}
    Effect.objects.create(key="d", kind="draw_samples", queue="scoring", **later)
    look_now()
    assert stuck() == [("city", "scan_deadlines", 1, []), ("hecheng", "dispatch", 1, [number])]


def stuck():
    rows = Alarm.objects.open().filter(what=What.DEAD).order_by("scope", "key")
    return [(row.scope, row.key, row.how_many, row.numbers) for row in rows]


def test_dead_sends_are_an_alarm_of_their_own_for_a_day(people, condition):
    number = report(people, condition)["number"]
    Effect.objects.filter(kind="dispatch").update(state="dead", runs=5)
    words = {"kind": "send", "queue": "notify", "scope": "hecheng", "case": case_of(number)}
    old = timezone.now() - timedelta(hours=25)
    for state in ("dead", "needs_review", "due"):
        for age in ({}, {"created_at": old}):
            key = f"{state}{age}"
            Effect.objects.create(key=key, state=state, last_error="500", **words, **age)
    at_work = {"state": "due", "created_at": old, "claimed_until": timezone.now()}
    Effect.objects.create(key="at work", **words, **at_work)

    look_now()
    assert stuck() == [("hecheng", "dispatch", 1, [number]), ("hecheng", "send", 2, [number])]
    delete_old_ticks()
    look_now()

    assert stuck() == [("hecheng", "dispatch", 1, [number]), ("hecheng", "send", 1, [number])]
    sends = Effect.objects.filter(kind="send")
    late = sends.filter(state="done", outcome="too late", last_error="500", created_at=old)
    assert (late.count(), sends.filter(done_at=None).count()) == (3, 4)
    assert Alarm.objects.get(what=What.REVIEW, key="send").how_many == 1


def test_work_no_worker_takes_is_named(people, condition):
    number = report(people, condition)["number"]
    set_options(alarm_wait_s=60)
    published = {"published_at": Now(), "next_at": timezone.now() + timedelta(seconds=15)}
    effects = Effect.objects.filter(kind="dispatch")
    effects.update(created_at=timezone.now() - timedelta(seconds=50), **published)
    look_now()
    assert standing() == []

    effects.update(created_at=timezone.now() - timedelta(seconds=70), **published)
    look_now()
    assert standing() == [("waiting", "hecheng", 1, [number])]

    effects.update(claimed_until=timezone.now() + timedelta(seconds=15), runs=1)
    look_now()
    assert standing() == []


def test_work_in_doubt_and_work_nobody_knows_is_named(people, condition):
    number = report(people, condition)["number"]
    effects = Effect.objects.filter(kind="dispatch")
    effects.update(state="needs_review")
    look_now()
    assert standing() == [("needs_review", "hecheng", 1, [number])]

    minute_ago = timezone.now() - timedelta(seconds=61)
    effects.update(state="due", parked_at=minute_ago, next_at=timezone.now())
    look_now()
    assert standing() == [("parked", "hecheng", 1, [number])]
    assert Alarm.objects.open().get().key == "dispatch"


# --- too many -----------------------------------------------------------------------------------


def test_more_unrouted_cases_than_tolerated_raise_an_alarm(people, condition):
    numbers = [report(people, condition)["number"] for _ in range(3)]
    Case.objects.update(is_unrouted=True)
    look_now()
    known = [what for what, *_ in standing() if what == "unrouted"]
    assert known == []  # up to five are tolerated

    set_options(alarm_unrouted=2)
    look_now()

    alarm = Alarm.objects.get(what=What.UNROUTED)
    assert (alarm.scope, alarm.how_many, alarm.numbers) == ("hecheng", 3, sorted(numbers))
    assert alarm.since == min(Case.objects.values_list("filed_at", flat=True))


def _age(numbers, **ago):
    """Let the dispatches of some cases lie in the past."""
    run(
        "UPDATE cases_event SET at = at - %s WHERE action = 'dispatch' AND case_id IN"
        " (SELECT id FROM cases_case WHERE number = ANY(%s))",
        timedelta(**ago),
        numbers,
    )


def test_unit_given_far_more_than_usual_raises_an_alarm(people, condition):
    set_options(alarm_surge_least=3, alarm_surge_factor=2)
    before = [dispatched(people, condition) for _ in range(2)]
    unit = case_of(before[0]).unit
    _age(before, weeks=1)
    run("UPDATE cases_event SET at = at - interval '15 days' WHERE action <> 'dispatch'")
    lately = [dispatched(people, condition) for _ in range(4)]

    def surges():
        look_now()
        rows = Alarm.objects.open().filter(what=What.SURGE)
        return [(a.scope, a.key, a.how_many, a.usual) for a in rows]

    assert surges() == [(unit.body, unit.code, 4, 1)]  # two weeks, two cases

    set_options(alarm_surge_factor=4)
    assert surges() == []
    set_options(alarm_surge_factor=2, alarm_surge_least=5)
    assert surges() == []
    set_options(alarm_surge_least=3)
    _age(lately, hours=2)
    assert surges() == []


# --- the command --------------------------------------------------------------------------------


def command(*words):
    out = io.StringIO()
    try:
        call_command("reconcile", *words, stdout=out, stderr=out)
    except SystemExit as end:
        return end.code, out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def test_command_ends_with_0_1_or_2(people, condition):
    number = dispatched(people, condition)
    assert command() == command("--full") == (0, "1 cases, 0 findings\n")

    run("UPDATE cases_case SET address = 'forged'")
    assert command()[0] == 0  # nothing happened to the case since
    code, said = command("--full", "--json")
    assert code == 1
    (finding,) = json.loads(said)["findings"]
    assert (finding["what"], finding["numbers"]) == ("state", [number])
    assert command("--full")[1].startswith(f"hecheng: 1 state ({number}: address differs")

    with held_elsewhere():
        assert command()[0] == 2


# --- runs ---------------------------------------------------------------------------------------


def test_nightly_run_goes_on_in_slices_where_it_was(people, condition, monkeypatch):
    for _ in range(3):
        dispatched(people, condition)
    run("UPDATE cases_case SET return_count = 7")
    monkeypatch.setattr(reconcile, "MOST_EVENTS", 5)
    monkeypatch.setattr(reconcile, "MOST_CASES", 2)
    monkeypatch.setattr(reconcile, "SLICE_S", 0)

    said = [reconcile_nightly() for _ in range(3)]
    assert said == ["goes on"] * 3
    assert Reconciliation.objects.get().positions["chain"]["hecheng"][0] == 10

    monkeypatch.setattr(reconcile, "SLICE_S", 5)
    assert reconcile_nightly() == "1 findings"
    assert reconcile_nightly() == "not due"
    assert [(what, n) for what, _, n, _ in standing()] == [("state", 3)]
    whole = look_at_all()
    assert [finding["how_many"] for finding in whole.findings] == [3]


def test_no_statement_of_a_run_counts_a_whole_log(people, condition, monkeypatch):
    """Four events a case, 16 in all."""
    numbers = [dispatched(people, condition) for _ in range(4)]
    Event.objects.filter(dseq=3).update(hash=b"forged")  # behind it the log is still counted
    run("UPDATE cases_case SET scope = 'landport' WHERE number = %s", numbers[0])
    asked = []

    def tally(before, ranges):
        asked.extend(upto - after for after, upto in ranges.values())
        return tally_of_log(before, ranges)

    monkeypatch.setattr(reconcile, "tally_of_log", tally)
    monkeypatch.setattr(reconcile, "MOST_EVENTS", 5)
    monkeypatch.setattr(reconcile, "MOST_COUNTED", 7)

    night = look_at_all()
    assert max(asked) == 5
    assert full(night.counts) == {"hecheng": {"dispatched": 4}}
    wanted = [("count", "hecheng"), ("count", "landport")]
    assert [(what, scope) for what, scope, *_ in standing() if what == "count"] == wanted

    asked.clear()
    Alarm.objects.all().delete()
    found = [[f["scope"] for f in look_now().findings if f["what"] == "count"] for _ in range(3)]
    assert max(asked) == 7
    assert found == [["landport"], ["landport"], ["hecheng", "landport"]]

    run("UPDATE cases_case SET scope = 'hecheng'")
    monkeypatch.setattr(reconcile, "MOST_COUNTED", 1)
    Reconciliation.objects.filter(kind="minute").delete()
    look_now()  # what is not counted to the end clears nothing
    assert [(what, scope) for what, scope, *_ in standing() if what == "count"] == wanted


def test_nightly_run_is_due_once_a_night(db):
    assert reconcile_nightly() == "0 findings"
    assert reconcile_nightly() == "not due"

    Reconciliation.objects.update(started_at=timezone.now() - timedelta(days=1))

    assert reconcile_nightly() == "0 findings"
    assert Reconciliation.objects.count() == 2


@pytest.mark.parametrize("lock", [reconcile.ONE_AT_A_TIME, FILLING_LOCK])
def test_second_run_at_the_same_time_stands_aside(db, lock):
    with held_elsewhere(lock):
        with pytest.raises(UnderWayError):
            look_now()
        assert reconcile_minute() == reconcile_nightly() == "stands aside"
        assert Reconciliation.objects.count() == 0
    assert reconcile_minute() == "0 findings"


def test_what_comes_back_is_another_alarm(people, condition):
    number = dispatched(people, condition)
    clock = StageClock.objects.get(case__number=number, kind="handle")
    for kind in ("sign", "handle", "sign"):
        StageClock.objects.filter(pk=clock.pk).update(kind="hotline" if kind == "sign" else kind)
        look_now()

    assert Alarm.objects.count() == 2
    assert len(standing()) == 1
