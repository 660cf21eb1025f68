"""Every action runs against itself: real threads, real locks, one outcome."""

import threading
import time
import uuid
from contextlib import suppress
from dataclasses import replace

import pytest
from django.db import connection, transaction
from django.db.models import F, Max

from cases.choices import Action, Role, Source
from cases.errors import CityFilling, HandoverMoved, Refusal, StaleCase
from cases.ledger import FILLING_LOCK
from cases.models import (
    Case,
    Condition,
    DistrictHead,
    Effect,
    EffectRuling,
    Event,
    Handover,
    MinorClass,
    Responsibility,
    RoutingDraft,
)
from cases.relay import take_due
from cases.selectors.calendars import current_version, load_calendar
from cases.selectors.dry_run import dry_run
from cases.services import dispatch, effects
from cases.services.bulk import Row, take_actions
from cases.services.calendars import publish_calendar
from cases.services.city import load_city
from cases.services.effects import claim_effect, end_lost_claims, run_effect, run_effects
from cases.services.filing import By
from cases.services.handover import give_over, take_over
from cases.services.intake import Report, report_case
from cases.services.ledger_check import verify_ledger
from cases.services.moves import take_action
from cases.services.recompute import recompute_all
from cases.services.routing import open_draft, publish_draft, put_rule
from cases.services.rulings import Ruling, rule
from cases.ticks import write_tick
from tests.support.city import SmallCity, open_logs
from tests.support.people import person
from tests.support.spine import unexplained

pytestmark = pytest.mark.django_db(transaction=True)

REPORT = Report(lon=110.015, lat=27.515, category="event-0112", condition="event-0112-1")


@pytest.fixture
def city(tmp_path):
    open_logs()
    load_city(SmallCity(tmp_path).write(), since=None, progress=lambda line: None)


def together(*jobs):
    """Run jobs at once in threads; return what each returned or raised."""
    start, results = threading.Barrier(len(jobs)), []

    def run(job):
        try:
            start.wait(10)
            results.append(job())
        except Refusal as refusal:
            results.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == len(jobs)
    return results


def test_one_key_sent_five_times_at_once_is_one_case(city):
    inspector, key = person("i1", Role.INSPECTOR, grids=("431202",)), uuid.uuid4()

    answers = together(*[lambda: report_case(report=REPORT, actor=inspector, key=key)] * 5)

    assert Case.objects.count() == 1
    assert all(answer == answers[0] for answer in answers)
    assert verify_ledger() == []


def test_five_people_on_one_version_one_succeeds(city):
    operator, acceptor = person("o1", Role.OPERATOR), person("a1", Role.ACCEPTOR)
    report = Report(**{**vars(REPORT), "source": Source.HOTLINE})
    answer = report_case(report=report, actor=operator)
    words = {"number": answer["number"], "action": Action.ACCEPT, "actor": acceptor}

    results = together(*[lambda: take_action(**words, seen_version=answer["version"])] * 5)

    refused = [result for result in results if isinstance(result, Refusal)]
    assert len(refused) == 4
    assert Event.objects.filter(action="accept").count() == 1


def test_five_who_change_the_class_at_once_one_succeeds(city):
    other = MinorClass.objects.get()
    other.code, other.minor_code = "event-0113", "13"
    other.save(force_insert=True)
    condition = Condition.objects.get()
    condition.code, condition.minor = "event-0113-1", other
    condition.save(force_insert=True)
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))
    chief = person("c1", Role.DUTY_CHIEF)
    answer = report_case(report=REPORT, actor=inspector)
    words = {"number": answer["number"], "action": Action.RECLASSIFY, "actor": chief}
    words |= {"seen_version": answer["version"], "inputs": {"condition": condition.code}}

    results = together(*[lambda: take_action(**words)] * 5)

    assert [type(result) for result in results if isinstance(result, Refusal)] == [StaleCase] * 4
    assert Event.objects.filter(action="reclassify").count() == 1
    assert verify_ledger() == []


def test_one_person_supports_a_case_once_however_often_at_once(city):
    inspector, other = (person(n, Role.INSPECTOR, grids=("431202",)) for n in ("i1", "i2"))
    number = report_case(report=REPORT, actor=inspector)["number"]
    words = {"number": number, "action": Action.SUPPORT, "actor": other, "seen_version": 0}
    words |= {"inputs": {"place": f"{REPORT.lon},{REPORT.lat}"}}

    results = together(*[lambda: take_action(**words, key=uuid.uuid4())] * 5)

    assert [result["supports"] for result in results] == [1] * 5
    assert Event.objects.filter(action="support").count() == 1
    assert verify_ledger() == []


def test_many_cases_sent_twice_at_once_are_done_once(city):
    inspector, unit = person("i1", Role.INSPECTOR, grids=("431202",)), "brigade"
    dispatcher, key = person("d1", Role.DISPATCHER), uuid.uuid4()
    for _ in range(3):
        report_case(report=REPORT, actor=inspector, key=uuid.uuid4())
    rows = [Row(*row) for row in Case.objects.order_by("pk").values_list("number", "version")]

    def dispatch():
        return take_actions(
            action=Action.DISPATCH, actor=dispatcher, rows=rows, inputs={"unit": unit}, key=key
        )

    first, second = together(dispatch, dispatch)

    assert first == second
    assert {result.code for result in first} == {"done"}
    assert Event.objects.filter(action=Action.DISPATCH).count() == 3
    assert verify_ledger() == []


def test_reports_at_once_leave_a_dense_log(city):
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))

    together(*[lambda: report_case(report=REPORT, actor=inspector, key=uuid.uuid4())] * 8)

    assert Case.objects.count() == 8
    assert len(set(Case.objects.values_list("number", flat=True))) == 8
    assert DistrictHead.objects.get(scope="hecheng").dseq == Event.objects.count() == 24
    assert verify_ledger() == []


def test_effect_delivered_three_times_at_once_dispatches_once(city):
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))
    report_case(report=REPORT, actor=inspector, key=uuid.uuid4())
    effect = Effect.objects.get()

    together(*[lambda: run_effect(effect.pk)] * 3)

    assert Event.objects.filter(action="dispatch").count() == 1
    effect.refresh_from_db()
    assert (effect.outcome, effect.runs) == ("dispatched", 1)


def filed(count):
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))
    for _ in range(count):
        report_case(report=REPORT, actor=inspector, key=uuid.uuid4())
    return list(Effect.objects.order_by("pk").values_list("pk", flat=True))


def test_cases_of_one_message_are_dispatched_in_one_transaction(city):
    keys = filed(5)

    outcomes = together(lambda: run_effects(keys), lambda: run_effects(keys[::-1]))

    told = [outcome[key] for outcome in outcomes for key in keys]
    assert sorted(told) == ["dispatched"] * 5 + ["held elsewhere"] * 5
    dispatched = Event.objects.filter(action="dispatch")
    assert dispatched.count() == 5
    assert len(set(dispatched.values_list("at", flat=True))) == 1
    assert set(Effect.objects.filter(kind="dispatch").values_list("runs", flat=True)) == {1}
    assert verify_ledger() == []
    assert unexplained() == []


def test_one_dispatch_that_breaks_keeps_no_other_of_its_message_back(city, monkeypatch):
    keys = filed(4)
    bad = Effect.objects.get(pk=keys[1]).case_id
    unit_for = dispatch.unit_for

    def breaks_on_one(folder, options, **words):
        if folder.case.pk == bad:
            raise RuntimeError("bad case")
        return unit_for(folder, options, **words)

    monkeypatch.setattr(dispatch, "unit_for", breaks_on_one)

    outcomes = run_effects(keys)

    assert list(outcomes.values()).count("dispatched") == 3
    assert outcomes[keys[1]] == "failed"
    ran = Effect.objects.filter(kind="dispatch").order_by("pk").values_list("state", "runs")
    assert list(ran) == [("done", 1), ("due", 1), ("done", 1), ("done", 1)]
    assert verify_ledger() == []


def test_a_case_that_somebody_holds_keeps_no_other_of_its_message_waiting(city):
    keys = filed(3)
    with transaction.atomic():
        Case.objects.select_for_update().get(pk=Effect.objects.get(pk=keys[1]).case_id)
        (outcomes,) = together(lambda: run_hurried(keys))

    assert [outcomes[key] for key in keys] == ["dispatched", "waits", "dispatched"]
    ran = Effect.objects.filter(kind="dispatch").order_by("pk").values_list("state", "runs")
    assert list(ran) == [("done", 1), ("due", 0), ("done", 1)]


def test_a_case_asked_for_twice_in_one_message_is_dispatched_once(city):
    keys = filed(2)
    again = Effect.objects.get(pk=keys[0])
    again.pk, again.key = None, "dispatch:rules:1"
    again.save()

    outcomes = run_effects([*keys, again.pk])

    assert list(outcomes.values()) == ["dispatched", "dispatched", "superseded"]
    assert Event.objects.filter(action="dispatch").count() == 2


def test_with_one_dispatch_go_the_most_urgent_in_flight(city):
    keys = filed(14)
    assert len(take_due()) == 14
    Effect.objects.filter(pk__in=keys[10:]).update(urgency=1)
    Effect.objects.filter(pk=keys[1]).update(published_at=None)

    outcomes = run_effects([keys[9]])

    assert sorted(outcomes) == [keys[0], *keys[2:6], keys[9], *keys[10:]]
    assert set(outcomes.values()) == {"dispatched"}


def test_a_dispatch_that_was_parked_is_so_no_more_once_it_runs(city):
    keys = filed(2)
    Effect.objects.filter(pk=keys[0]).update(parked_at=F("created_at"))

    run_effects(keys)

    assert not Effect.objects.exclude(parked_at=None).exists()


def test_a_dispatch_that_ran_before_runs_alone(city, monkeypatch):
    keys = filed(3)
    Effect.objects.filter(pk=keys[0]).update(runs=1, claimed_until=F("created_at"))

    assert set(run_effects(keys).values()) == {"dispatched"}

    times = Event.objects.filter(action="dispatch").values_list("at", flat=True)
    assert len(set(times)) == 2


def test_two_relays_take_each_effect_once(city):
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))
    for _ in range(10):
        report_case(report=REPORT, actor=inspector, key=uuid.uuid4())

    first, second = together(take_due, take_due)

    taken = [effect_id for effect_id, *_ in [*first, *second]]
    assert sorted(taken) == sorted(Effect.objects.values_list("pk", flat=True))
    assert take_due() == []


def test_crashed_worker_counts_as_a_run_and_another_takes_over(city):
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))
    report_case(report=REPORT, actor=inspector, key=uuid.uuid4())
    effect = Effect.objects.get()
    Effect.objects.update(runs=1, claimed_until=F("created_at"))  # its lease ran out

    outcome = run_effect(effect.pk)

    assert outcome == "dispatched"
    assert Effect.objects.get(kind="dispatch").runs == 2


def claimed_by_the_dead(kind):
    """Return an effect that a worker claimed whose connection is gone."""
    effect = Effect.objects.create(key=f"{kind}:1", kind=kind, queue="notify")
    assert together(lambda: claim_effect(effect)) == [True]
    effect.refresh_from_db()
    for _ in range(1500):  # PostgreSQL notices a moment later, on a busy machine two
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [effect.claimed_by])
            if not cursor.fetchall():
                return effect
        time.sleep(0.02)
    raise AssertionError("the connection is still there")


def test_a_claim_ends_with_its_connection_and_counts():
    effect = claimed_by_the_dead("canary")

    assert end_lost_claims() == 1

    assert end_lost_claims() == 0
    assert run_effect(effect.pk) == "alive"
    assert Effect.objects.get().runs == 2


def test_what_took_its_worker_down_waits_as_after_a_failure():
    effect = claimed_by_the_dead("canary")
    Effect.objects.update(runs=3)

    end_lost_claims()

    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM next_at - now()) FROM cases_effect")
        ((wait_s,),) = cursor.fetchall()
    effect.refresh_from_db()
    assert 7 < wait_s <= 8
    assert effect.published_at is None
    assert take_due() == []


def test_a_claim_whose_connection_stands_is_kept():
    effect = Effect.objects.create(key="canary:1", kind="canary", queue="notify")
    claim_effect(effect)

    assert end_lost_claims() == 0

    assert run_effect(effect.pk) == "held elsewhere"


@pytest.mark.parametrize("kind", ["scan_deadlines", "send"])
def test_work_outside_the_claim_s_connection_keeps_its_lease(kind):
    effect = claimed_by_the_dead(kind)

    assert end_lost_claims() == 0

    assert run_effect(effect.pk) == "held elsewhere"


def run_hurried(keys):
    """Run effects as a worker does that waits a moment only for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '30ms'")
    return run_effects(keys)


def test_a_case_held_by_others_costs_its_dispatch_no_run(city):
    report_case(report=REPORT, actor=person("i1", Role.INSPECTOR, grids=("431202",)))
    Effect.objects.update(max_runs=1)
    effect = Effect.objects.get()
    with transaction.atomic():
        Case.objects.select_for_update().get()
        outcomes = [
            outcome[effect.pk]
            for _ in range(2)
            for outcome in together(lambda: run_hurried([effect.pk]))
        ]

    effect.refresh_from_db()
    assert outcomes == ["waits", "waits"]
    assert (effect.state, effect.runs, effect.claimed_until) == ("due", 0, None)
    assert run_effect(effect.pk) == "dispatched"


def test_a_database_that_goes_away_costs_no_run(city, monkeypatch):
    def lose_connection(_):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return "never said"

    monkeypatch.setitem(effects._ON_ITS_OWN, "trial", lose_connection)
    effect = Effect.objects.create(key="trial:1", kind="trial", queue="media", max_runs=1)

    assert together(lambda: run_effect(effect.pk)) == ["waits"]

    effect.refresh_from_db()
    assert (effect.state, effect.runs, effect.claimed_until) == ("due", 0, None)


def test_a_ruling_sent_five_times_at_once_counts_once(city):
    report_case(report=REPORT, actor=person("i1", Role.INSPECTOR, grids=("431202",)))
    Effect.objects.update(state="dead", runs=5)
    effect, dispatcher = Effect.objects.get(), person("d1", Role.DISPATCHER)
    words = {"effect_id": effect.pk, "seen_runs": 5, "ruling": Ruling.REDRIVE, "reason": ""}

    ruled = together(*[lambda: rule(**words, actor=dispatcher)] * 5)

    assert sorted(ruled) == [False] * 4 + [True]
    assert EffectRuling.objects.count() == 1
    assert together(*[lambda: run_effect(effect.pk)] * 3).count("dispatched") == 1
    assert Event.objects.filter(action="dispatch").count() == 1


def test_two_beats_write_one_tick():
    together(*[lambda: write_tick("scan_deadlines")] * 4)

    assert Effect.objects.filter(kind="scan_deadlines").count() == 1


def test_writers_stand_aside_while_a_demo_month_is_written(city):
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [FILLING_LOCK])
        (refused,) = together(lambda: report_case(report=REPORT, actor=inspector))
        cursor.execute("SELECT pg_advisory_unlock(%s)", [FILLING_LOCK])

    assert isinstance(refused, CityFilling)
    assert Case.objects.count() == 0
    assert Event.objects.aggregate(last=Max("dseq"))["last"] is None


def test_stale_refusal_names_the_present_version(city):
    operator, acceptor = person("o1", Role.OPERATOR), person("a1", Role.ACCEPTOR)
    report = Report(**{**vars(REPORT), "source": Source.HOTLINE})
    number = report_case(report=report, actor=operator)["number"]

    with pytest.raises(StaleCase) as refusal:
        take_action(number=number, action=Action.ACCEPT, actor=acceptor, seen_version=7)

    assert refusal.value.extra["version"] == 1


def test_verifying_while_others_write_finds_no_fault(city):
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))

    def write():
        for _ in range(10):
            report_case(report=REPORT, actor=inspector, key=uuid.uuid4())

    results = together(write, *[lambda: [verify_ledger() for _ in range(5)]] * 2)

    assert [result for result in results if result] == [[[], [], [], [], []]] * 2


def test_worker_gives_its_run_back_while_a_demo_month_is_written(city):
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))
    report_case(report=REPORT, actor=inspector, key=uuid.uuid4())
    effect = Effect.objects.get()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [FILLING_LOCK])
        outcome = together(lambda: run_effect(effect.pk))
        cursor.execute("SELECT pg_advisory_unlock(%s)", [FILLING_LOCK])

    effect.refresh_from_db()
    assert outcome == ["waits for the demo month"]
    assert (effect.runs, effect.done_at, effect.claimed_until) == (0, None, None)
    assert run_effect(effect.pk) == "dispatched"


def test_recomputing_twice_and_signing_at_once_leave_one_deadline_each(city):
    """Under the case's lock: whoever comes second reads what the first one wrote."""
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))
    numbers = []
    for _ in range(6):
        numbers.append(report_case(report=REPORT, actor=inspector, key=uuid.uuid4())["number"])
        run_effect(Effect.objects.get(case__number=numbers[-1]).pk)
    unit = person("u1", Role.UNIT, Case.objects.get(number=numbers[0]).unit_id)
    version = publish_calendar(
        replace(load_calendar(current_version()), provisional_years=frozenset()),
        note="the same days, another version",
        actor=None,
    )

    def sign():
        for number in numbers:
            seen = Case.objects.get(number=number).version
            with suppress(StaleCase):
                take_action(number=number, action=Action.SIGN, actor=unit, seen_version=seen)

    together(lambda: recompute_all(version, By()), lambda: recompute_all(version, By()), sign)

    assert Event.objects.filter(action="recompute_deadline").count() == 6
    assert set(Case.objects.values_list("calendar_version", flat=True)) == {version}
    assert unexplained() == []
    assert verify_ledger() == []


# --- routing rules --------------------------------------------------------------------------------

RULE = {"rank": "locality", "unit_id": "brigade", "reason_zh": "试", "reason_en": "Tried"}


def publishing(draft, actor):
    seen = dry_run(draft, days=1).edition
    words = {"draft_id": draft.pk, "reason": "Agreed", "actor": actor}
    return lambda: publish_draft(**words, seen_edition=seen)


def draft_with(code, actor):
    draft = open_draft(title=code, reason="Trial", actor=actor)
    put_rule(draft_id=draft.pk, code=code, terms=RULE, actor=actor)
    return draft


def test_of_two_drafts_published_at_once_one_goes_live(city):
    admin = person("boss", Role.ADMIN)
    jobs = [publishing(draft_with(code, admin), admin) for code in ("a", "b")]

    results = together(*jobs)

    assert sorted(type(result).__name__ for result in results) == ["RoutingDraft", "StaleRules"]
    assert RoutingDraft.objects.exclude(published_at=None).count() == 1
    assert Responsibility.objects.exclude(draft=None).count() == 1


def test_a_draft_published_twice_at_once_goes_live_once(city):
    admin = person("boss", Role.ADMIN)
    publish = publishing(draft_with("a", admin), admin)

    results = together(publish, publish)

    assert sorted(type(result).__name__ for result in results) == ["DraftClosed", "RoutingDraft"]
    assert Responsibility.objects.exclude(draft=None).count() == 1


def test_published_rules_reach_the_next_dispatch(city):
    admin, inspector = person("boss", Role.ADMIN), person("i", Role.INSPECTOR, grids=("431202",))
    report_case(report=REPORT, actor=inspector, key=uuid.uuid4())
    publishing(draft_with("a", admin), admin)()

    run_effect(Effect.objects.get(kind="dispatch").pk)

    assert Case.objects.get().rule == "a"


def dispatch_again():
    """Run what asks for filed cases again, and the dispatches that follow; return outcomes."""
    asked = run_effect(Effect.objects.get(kind="ask_again").pk)
    due = Effect.objects.filter(state="due", kind="dispatch").values_list("pk", flat=True)
    return [asked, *map(run_effect, due)]


def test_a_case_found_unrouted_while_rules_are_published_is_asked_for_again(city, monkeypatch):
    report_case(report=REPORT, actor=person("i1", Role.INSPECTOR, grids=("431202",)))
    Responsibility.objects.all().delete()
    admin, real = person("boss", Role.ADMIN), dispatch.unit_for
    publish = publishing(draft_with("new", admin), admin)

    def overtaken(*args, **words):
        found = real(*args, **words)
        together(publish)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(dispatch, "unit_for", overtaken)
        assert run_effect(Effect.objects.get().pk) == "unrouted"

    assert dispatch_again() == ["1 asked", "dispatched"]
    assert Case.objects.get().rule == "new"


def test_a_city_loaded_again_finds_the_unit_of_a_case_without(city, tmp_path):
    report_case(report=REPORT, actor=person("i1", Role.INSPECTOR, grids=("431202",)))
    Responsibility.objects.all().delete()
    assert run_effect(Effect.objects.get().pk) == "unrouted"

    load_city(SmallCity(tmp_path).write(), since=None, progress=lambda line: None)

    assert dispatch_again() == ["1 asked", "dispatched"]
    assert run_effect(Effect.objects.get(kind="ask_again").pk) == "held elsewhere"


def test_a_dispatch_by_hand_and_the_automatic_one_at_once_one_wins(city):
    inspector = person("i1", Role.INSPECTOR, grids=("431202",))
    dispatcher = person("d1", Role.DISPATCHER)
    for _ in range(6):
        answer = report_case(report=REPORT, actor=inspector)
        effect = Effect.objects.get(case__number=answer["number"], kind="dispatch")
        words = {"number": answer["number"], "action": Action.DISPATCH, "actor": dispatcher}
        words |= {"seen_version": answer["version"], "inputs": {"unit": "brigade"}}

        results = together(
            lambda words=words: take_action(**words), lambda pk=effect.pk: run_effect(pk)
        )

        case = Case.objects.get(number=answer["number"])
        refused = [result for result in results if isinstance(result, Refusal)]
        is_by_hand = case.unit_id == "brigade"
        assert Event.objects.filter(case=case, action="dispatch").count() == 1
        assert len(refused) == (0 if is_by_hand else 1)
        assert ("superseded" in results) == is_by_hand
        assert {refusal.code for refusal in refused} <= {"move_not_allowed", "stale_case"}
    assert verify_ledger() == []


def test_two_who_hand_a_desk_over_at_once_one_does(city):
    givers = [person(name, Role.DISPATCHER, "hecheng") for name in ("d1", "d2")]
    here = {"scope": "hecheng", "desk": "command", "notes": ""}

    results = together(*[lambda giver=giver: give_over(actor=giver, **here) for giver in givers])

    assert sorted(type(result).__name__ for result in results) == ["Handover", "HandoverMoved"]
    assert Handover.objects.count() == 1


def test_two_who_take_a_desk_over_at_once_one_does(city):
    giver, *takers = (person(name, Role.DISPATCHER, "hecheng") for name in ("d1", "d2", "d3"))
    given = give_over(actor=giver, scope="hecheng", desk="command", notes="")

    results = together(*[lambda one=one: take_over(pk=given.pk, actor=one) for one in takers])

    (won,) = [result for result in results if isinstance(result, Handover)]
    assert [type(r) for r in results if isinstance(r, Refusal)] == [HandoverMoved]
    assert Handover.objects.get().taken_by == won.taken_by
