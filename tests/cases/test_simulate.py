"""The simulated month: real services, one virtual clock, repeatable, refused where it must be."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from cases.choices import DISTRICT_SLUGS
from cases.models import Case, Component, DistrictHead, Effect, Event, Request
from cases.services.components import load_components
from cases.services.demo_users import create_demo_users
from cases.services.ledger_check import verify_ledger
from cases.simulation import CannotSimulateError, read_moves, simulate
from cases.simulation import city as city_module
from cases.simulation.city import PROFILES, City
from cases.simulation.gaming import Move
from cases.simulation.life import Life
from cases.simulation.month import SCAN_EVERY
from cases.simulation.run import Run
from cases.simulation.services import Services
from cases.simulation.story import WAY, work
from cases.workflow import BEGINNINGS, MOVES
from tests.support.city import HUAIHUA

UNTIL = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


@pytest.fixture
def demo(settings, tmp_path):
    settings.DEMO, settings.DEMO_PASSWORD_FILE = True, tmp_path / "demo_password"
    settings.DEMO_PASSWORD_FILE.write_text("the-demo-password\n")
    create_demo_users()


def run(*moves, days=3, per_day=20, seed=1):
    return simulate(
        days=days,
        per_day=per_day,
        seed=seed,
        until=UNTIL,
        progress=lambda line: None,
        moves=read_moves(moves),
    )


def test_month_is_written_through_the_services(demo):
    done = run()

    assert done["report"] + done["self_handle"] == Case.objects.count() == 60
    assert set(Case.objects.values_list("district", flat=True)) == {
        "hecheng",
        "zhongfang",
        "hightech",
        "landport",
    }
    assert Case.objects.filter(stage="closed").exists()
    assert Case.objects.open().exists()
    assert verify_ledger() == []


def test_a_problem_of_a_registered_class_is_reported_of_a_component(demo):
    load_components((HUAIHUA / "components.csv").read_bytes())
    registered = set(Component.objects.values_list("district", "minor"))

    run(per_day=60)

    cases = list(Case.objects.select_related("component"))
    assert {case.number for case in cases if case.component} == {
        case.number for case in cases if (case.district, case.minor_id) in registered
    }
    assert len([case for case in cases if case.component]) > 10
    assert all(case.point == case.component.point for case in cases if case.component)
    assert verify_ledger() == []


def test_virtual_time_stays_within_the_days(demo):
    run()

    times = Event.objects.order_by("at").values_list("at", flat=True)
    assert times[0] >= UNTIL - timedelta(days=3)
    assert max(times) <= UNTIL


def test_work_signed_after_its_deadline_ends_after_it_was_signed(demo):
    run = Run(City(seed=1), Services())
    life = Life(run, run.city.draft(UNTIL, run.city.luck()), WAY, "0/0")
    life.now = {"due_at": UNTIL - timedelta(hours=2), "district": "hecheng"}

    for _ in range(300):
        work(life, UNTIL)

    assert min(at for at, _ in run.steps_until(UNTIL + timedelta(days=90))) >= UNTIL


def test_relay_finds_nothing_left_that_was_dispatched(demo):
    run()

    waiting = Effect.objects.filter(done_at=None)
    assert set(waiting.values_list("case__stage", flat=True)) <= {"filed"}


def test_second_month_over_the_first_is_refused(demo):
    first = run()
    heads = dict(DistrictHead.objects.values_list("scope", "dseq"))
    with pytest.raises(CannotSimulateError, match="already holds events"):
        run()

    assert dict(DistrictHead.objects.values_list("scope", "dseq")) == heads
    assert sum(first.values()) > 100


def test_real_city_is_not_simulated(settings):
    settings.DEMO = False

    with pytest.raises(CommandError, match="real city"):
        call_command("simulate", "--days", "1")

    assert Case.objects.count() == 0


def test_command_ends_with_what_became_of_each_district(demo, capsys):
    call_command("simulate", "--days", "2", "--per-day", "15", "--json")

    summary = json.loads(capsys.readouterr().out)
    actions = Counter(summary["actions"])
    reported = sum(d["reported"] for d in summary["districts"])
    assert actions["report"] + actions["self_handle"] == reported == summary["cases"] == 30
    ended = actions["close"] + actions["force_close"] - actions["reopen"]
    assert ended == sum(d["closed"] for d in summary["districts"])
    for row in summary["districts"]:
        assert row["reported"] >= row["filed"] >= row["closed"]
        assert (
            row["rework"]
            == Case.objects.filter(district=row["district"], rework_count__gt=0).count()
        )


def heads():
    return list(DistrictHead.objects.order_by("pk").values_list("pk", "dseq", "hash"))


def test_same_seed_and_end_write_the_same_bytes(demo):
    with transaction.atomic():
        run()
        first = heads()
        transaction.set_rollback(True)

    run()

    assert heads() == first


def test_another_seed_writes_another_log(demo):
    with transaction.atomic():
        run()
        first = heads()
        transaction.set_rollback(True)

    run(seed=2)

    assert heads() != first


def test_a_month_knows_every_action_of_the_table(demo, eventful):
    run(days=20, per_day=8)

    written = set(Event.objects.values_list("action", flat=True).distinct())
    moved_by = Event.objects.filter(action="moved_out").values_list("data__facts__by", flat=True)
    assert {*BEGINNINGS, *MOVES} - written - set(moved_by) == set()
    assert set(Request.objects.values_list("kind", "state")) >= {
        ("extension", "approved"),
        ("extension", "lapsed"),
        ("suspension", "approved"),
        ("appeal", "approved"),
    }
    assert verify_ledger() == []
    resumed = Event.objects.filter(action="resume", actor_role="system")
    assert max(event.at - event.clock_due_at for event in resumed) <= SCAN_EVERY
    assert Event.objects.filter(action="finish", case__in=resumed.values("case")).exists()


@pytest.mark.parametrize("move", ["hecheng:nothing", "nowhere:void-late", "void-late"])
def test_a_move_nobody_knows_is_refused_with_the_names(demo, move):
    with pytest.raises(CommandError) as refused:
        call_command("simulate", "--days", "1", "--move", "hecheng:void-late", "--move", move)

    assert repr(move) in str(refused.value)
    assert all(name in str(refused.value) for name in (*DISTRICT_SLUGS, *Move))
    assert Case.objects.count() == 0


def test_a_move_changes_what_it_is_about_in_its_own_district(demo, monkeypatch):
    monkeypatch.setitem(PROFILES, "hecheng", replace(PROFILES["hecheng"], on_time=0.3))
    monkeypatch.setattr(city_module, "AT_BORDER", 0)

    def told(scope):
        events = Event.objects.filter(scope=scope).order_by("dseq")
        return list(events.values_list("case__number", "action", "at"))

    with transaction.atomic():
        run()
        before = {scope: told(scope) for scope in DISTRICT_SLUGS}
        late = set(Case.objects.filter(district="hecheng", was_late=True).values_list("number"))
        transaction.set_rollback(True)

    run("hecheng:void-late")

    changed = {scope for scope in DISTRICT_SLUGS if told(scope) != before[scope]}
    voided = Event.objects.filter(action="void").values_list("case__number")
    assert changed == {"hecheng"}
    # What was merged has nothing to be merged with where that was voided.
    gone = {(n,) for n, action, _ in before["hecheng"] if action in ("void", "merge")}
    assert set(voided) - gone <= late
    assert voided.count() > 3
    assert verify_ledger() == []


def test_only_what_the_hotline_brings_again_has_an_order(demo):
    city = City(seed=1)
    luck = city.luck()
    drafts = (city.draft(UNTIL, luck) for _ in range(1000))
    order = next(draft for draft in drafts if draft.report.order_number)

    again = [city.again(order, "", UNTIL, luck).report for _ in range(30)]

    assert {report.source for report in again} >= {"hotline", "inspector"}
    assert all(bool(report.order_kind) == (report.source == "hotline") for report in again)
    assert order.report.order_number not in {report.order_number for report in again}
