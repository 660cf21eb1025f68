"""The counts of heat and trend equal a plain recount of the ledger, at every position of it."""

import io
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import connection

from cases.choices import Action, ClockKind
from cases.models import Case, DistrictHead, Event, Rollup, RollupCase, RollupState, StageClock
from cases.plane import metres
from cases.selectors.rollup import shares_wrong, sums_wrong
from cases.services import rollup
from cases.services.deadlines import scan_deadlines
from cases.services.demo_users import create_demo_users
from cases.services.reconcile import look_at_all
from cases.services.rollup import advance, advance_rollup, rebuild
from cases.simulation import month as month_module
from cases.simulation import simulate
from tests.support.spine import act, case_of, closed, dispatched, report

UNTIL = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
OUT = {"voided", "merged", "declined"}
COLUMNS = ("reported", "filed", "closed", "overdue", "recurrent")


def day_of(text):
    moment = datetime.fromisoformat(text) if isinstance(text, str) else text
    return moment.astimezone(SHANGHAI).date()


def recounted(events):
    """Count cases in plain Python: {(grain, start, place, district, minor): counts}."""
    states, stages, late, recurs, ends = {}, {}, {}, {}, {}
    for event in events:
        if event.action in ("file", "reclassify"):
            recurs[event.case_id] = event.data["facts"]["recurs"]
        if event.to_stage == "closed" and event.from_stage != "closed":
            ends[event.case_id] = event.action
        states.setdefault(event.case_id, {}).update(event.data["set"])
        stages[event.case_id] = event.to_stage
        due = None
        if event.action == "overdue" and event.data["facts"]["clock"] == "handle":
            due = event.data["facts"]["clock_due_at"]
        if event.clock_kind == "handle" and event.on_time is False:
            due = event.clock_due_at.isoformat()
        if due:
            late.setdefault(event.case_id, []).append(datetime.fromisoformat(due))
    found, back = {}, came_back(states, stages, recurs, ends)
    for key, state in states.items():
        if stages[key] in OUT:
            continue
        place = state.get("grid_cell") or state.get("community") or state.get("street") or ""
        words = (place, state.get("district") or "", state["minor_id"])
        days = [state.get(f"{name}_at") for name in COLUMNS[:3]]
        days.append(min(late[key]) if key in late else None)
        days.append(state["closed_at"] if key in back else None)
        for column, moment in zip(COLUMNS, days, strict=True):
            if moment:
                day = day_of(moment)
                for grain, start in (("day", day), ("month", day.replace(day=1))):
                    found.setdefault((grain, start, *words), Counter())[column] += 1
    return found


def came_back(states, stages, recurs, ends):
    """Return the keys of the cases that came back after their closing, each looked at with each."""
    live = [
        key
        for key, state in states.items()
        if recurs.get(key)
        and stages[key] not in OUT
        and state.get("point")
        and not state.get("is_self_handled")
    ]

    def moment(key, name):
        return datetime.fromisoformat(states[key][name])

    def is_return(one, other):
        return (
            one != other
            and states[one]["minor_id"] == states[other]["minor_id"]
            and timedelta(0) <= moment(other, "filed_at") - moment(one, "closed_at")
            and moment(other, "filed_at") - moment(one, "closed_at") <= timedelta(days=7)
            and metres(states[one]["point"], states[other]["point"]) <= 50
        )

    closings = [key for key in live if stages[key] == "closed" and ends[key] == "close"]
    return {one for one in closings if any(is_return(one, other) for other in live)}


def kept():
    rows = Rollup.objects.values_list("grain", "start", "place", "district", "minor", *COLUMNS)
    return {
        row[:5]: Counter(dict(zip(COLUMNS, row[5:], strict=True))) for row in rows if any(row[5:])
    }


def log():
    return list(Event.objects.exclude(case=None).order_by("case_id", "case_seq"))


def is_true():
    return kept() == recounted(log()) and sums_wrong() == {} and shares_wrong(0, 10**9) == []


@pytest.fixture
def demo(settings, tmp_path):
    settings.DEMO, settings.DEMO_PASSWORD_FILE = True, tmp_path / "demo_password"
    settings.DEMO_PASSWORD_FILE.write_text("the-demo-password\n")


@pytest.mark.django_db
def test_counts_equal_a_recount_at_every_position_of_a_month(huaihua, demo, monkeypatch):
    monkeypatch.setattr(month_module, "BATCH", 50)
    create_demo_users()
    positions, wrong = [], []

    def look(line):
        advance_rollup()
        positions.append(dict(RollupState.objects.get().positions))
        if kept() != recounted(log()):
            wrong.append(line)

    simulate(days=5, per_day=25, seed=3, until=UNTIL, progress=look)

    assert wrong == []
    assert len(positions) > 15
    assert positions[-1] == dict(DistrictHead.objects.values_list("scope", "dseq"))
    done = set(Event.objects.values_list("action", flat=True))
    assert {"close", "overdue", "return"} <= done
    assert is_true()
    before = kept()
    rebuild()
    assert kept() == before


@pytest.mark.django_db
def test_counting_again_changes_nothing(huaihua, people, condition):
    closed(people, condition)

    first = advance_rollup()
    before = kept()
    again = [advance_rollup() for _ in range(3)]

    assert first == "1 cases"
    assert again == ["0 cases"] * 3
    assert kept() == before == recounted(log())
    assert sum(counts["closed"] for counts in before.values()) == 2  # by day and by month


@pytest.mark.django_db
def test_a_case_that_moves_is_counted_where_it_is_and_nowhere_else(huaihua, people, condition):
    number = report(people, condition)["number"]
    advance_rollup()
    before = {row.district for row in Rollup.objects.all()}
    act(number, Action.TRANSFER, people.dispatcher, district="zhongfang", reason="border")
    advance_rollup()

    assert before == {"hecheng"}
    assert {row.district for row in Rollup.objects.all()} == {"zhongfang"}
    assert is_true()


@pytest.mark.django_db
def test_a_voided_case_leaves_every_count(huaihua, people, condition):
    number = report(people, condition)["number"]
    advance_rollup()
    assert Rollup.objects.exists()
    act(number, Action.VOID, people.chief, reason="wrong_report", note="a")
    advance_rollup()

    assert not Rollup.objects.exists()
    assert RollupCase.objects.get().life.upper is not None
    assert is_true()


@pytest.mark.django_db
def test_a_merged_case_leaves_and_comes_back(huaihua, people, condition):
    first, second = (report(people, condition)["number"] for _ in range(2))
    advance_rollup()
    before = kept()
    act(second, Action.MERGE, people.dispatcher, into=first)
    advance_rollup()
    merged = kept()
    assert is_true()
    act(second, Action.UNMERGE, people.dispatcher)
    advance_rollup()

    assert sum(c["filed"] for c in merged.values()) * 2 == sum(c["filed"] for c in before.values())
    assert kept() == before
    assert is_true()


@pytest.mark.django_db
def test_a_reopened_case_is_closed_again_once(huaihua, people, condition):
    number, _ = closed(people, condition)
    advance_rollup()
    act(number, Action.REOPEN, people.chief, reason="not_solved", note="a")
    advance_rollup()

    assert sum(counts["closed"] for counts in kept().values()) == 0
    assert RollupCase.objects.get().life.upper is None
    assert is_true()


@pytest.mark.django_db
def test_late_counts_once_on_the_day_the_deadline_first_passed(huaihua, people, condition):
    number = dispatched(people, condition)
    due_at = case_of(number).due_at
    late = datetime.now(UTC) - timedelta(days=3)
    StageClock.objects.filter(kind=ClockKind.HANDLE).update(due_at=late)
    scan_deadlines()
    advance_rollup()
    StageClock.objects.filter(kind=ClockKind.HANDLE).update(due_at=late + timedelta(days=2))
    scan_deadlines()
    advance_rollup()

    assert Event.objects.filter(action="overdue").count() == 2
    assert due_at is not None
    by_day = Rollup.objects.filter(grain="day", overdue__gt=0)
    assert [(row.start, row.overdue) for row in by_day] == [(day_of(late), 1)]
    assert is_true()


@pytest.mark.django_db
def test_the_reconciler_finds_counts_that_are_not_the_cases(huaihua, people, condition):
    number = report(people, condition)["number"]
    advance_rollup()
    assert is_true()

    Rollup.objects.filter(grain="day").update(filed=7)
    RollupCase.objects.update(minor="another")
    unread = report(people, condition)["number"]  # not counted yet: no fault
    run = look_at_all()

    found = [f for f in run.findings if f["what"] == "rollup"]
    assert {f["scope"] for f in found} == {"hecheng"}
    assert any(number in f["numbers"] for f in found)
    assert not any(unread in f["numbers"] for f in found)
    call_command("rollup", "--rebuild", stdout=io.StringIO())
    assert [f for f in look_at_all().findings if f["what"] == "rollup"] == []


@pytest.mark.django_db
def test_a_batch_leaves_the_rest_for_the_next(huaihua, people, condition, monkeypatch):
    for _ in range(3):
        report(people, condition)
    monkeypatch.setattr(rollup, "_CHANGED", rollup._CHANGED.replace("10000", "4"))

    found = [advance()]
    while found[-1][1]:
        found.append(advance())

    assert len(found) > 1
    assert is_true()


@pytest.mark.django_db
def test_what_is_written_between_the_statements_is_counted_next(huaihua, people, condition):
    advance_rollup()
    number = report(people, condition)["number"]
    later = []

    def write_meanwhile(execute, sql, params, many, context):
        if sql == rollup._TOUCHED and not later:
            later.append(report(people, condition)["number"])
            act(number, Action.VOID, people.chief, reason="wrong_report", note="a")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(write_meanwhile):
        advance()
    assert later
    advance()

    assert is_true()


# --- what came back -----------------------------------------------------------------------------


@pytest.fixture
def recurring(condition):
    condition.minor.recurs = True
    condition.minor.save()
    return condition


def days_of(*numbers):
    rows = RollupCase.objects.filter(case__number__in=numbers).select_related("case")
    return {row.case.number: row.recurrent_on for row in rows}


def recurrent():
    return sum(row.recurrent for row in Rollup.objects.filter(grain="day"))


@pytest.mark.django_db
def test_what_came_back_is_counted_on_the_day_of_the_closing(huaihua, people, recurring):
    old, _unit = closed(people, recurring)
    advance_rollup()
    assert recurrent() == 0
    was, earlier = case_of(old), timedelta(days=2)
    days = {name: getattr(was, name) - earlier for name in ("reported_at", "closed_at")}
    Case.objects.filter(number=old).update(**days)
    number = dispatched(people, recurring)
    advance_rollup()

    day = day_of(case_of(old).closed_at)
    assert days_of(old, number) == {old: day, number: None}
    assert Rollup.objects.get(grain="day", start=day, recurrent__gt=0).recurrent == 1
    assert recurrent() == 1


@pytest.mark.django_db
def test_a_closing_is_counted_anew_with_what_it_came_back_as(huaihua, people, recurring):
    old, _unit = closed(people, recurring)
    first, second = dispatched(people, recurring), dispatched(people, recurring)
    advance_rollup()
    assert recurrent() == 1  # once, however often it came back
    act(first, Action.VOID, people.chief, reason="wrong_report", note="a")
    advance_rollup()
    assert recurrent() == 1
    assert RollupCase.objects.get(case__number=old).recurred_in == case_of(second).pk
    assert is_true()
    act(second, Action.VOID, people.chief, reason="wrong_report", note="a")
    advance_rollup()

    assert recurrent() == 0
    assert is_true()


@pytest.mark.django_db
def test_a_return_not_yet_read_is_no_mistake(huaihua, people, recurring):
    closed(people, recurring)
    advance_rollup()
    number = dispatched(people, recurring)
    assert shares_wrong(0, 10**9) == []
    advance_rollup()
    act(number, Action.VOID, people.chief, reason="wrong_report", note="a")

    assert shares_wrong(0, 10**9) == []
    advance_rollup()
    assert is_true()


@pytest.mark.django_db
def test_a_return_that_was_missed_is_found(huaihua, people, recurring):
    old, _unit = closed(people, recurring)
    dispatched(people, recurring)
    advance_rollup()
    RollupCase.objects.filter(case__number=old).update(recurrent_on=None, recurred_in=None)

    assert shares_wrong(0, 10**9) == [("hecheng", old)]
