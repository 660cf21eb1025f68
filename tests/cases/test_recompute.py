"""An edited calendar reaches the open cases: one logged event each, whatever their stage."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from cases.choices import Action, ClockKind, Role
from cases.clock import SpecialDay
from cases.errors import Busy
from cases.models import Case, Condition, Effect, StageClock
from cases.selectors.calendars import current_version, load_calendar, with_year
from cases.services import recompute
from cases.services.calendars import publish_calendar
from cases.services.effects import run_effect
from cases.services.filing import By
from cases.services.ledger_check import verify_ledger
from cases.services.recompute import ask_recompute, recompute_all, recompute_case
from cityops.accounts.models import User
from tests.support.people import person
from tests.support.spine import (
    act,
    case_of,
    dispatched,
    photo,
    report,
    signed,
    unexplained,
    unit_person,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def sound():
    """After each story the chains and folds hold, and every deadline is explained by its log."""
    yield
    assert verify_ledger() == []
    assert unexplained() == []


@pytest.fixture
def days():
    """Return a filing condition with a limit of work days."""
    return Condition.objects.filter(
        minor__kind="event", limit_unit="work_day", limit_value__gte=3
    ).earliest("code")


def close_days(*days):
    """Publish a calendar in which these days are holidays, and return its version."""
    content = load_calendar(current_version())
    for day in days:
        others = [one for one in content.special if one.day.year == day.year and one.day != day]
        closed = SpecialDay(day, is_workday=False, name_zh="冰冻", name_en="Ice")
        content = with_year(content, day.year, [*others, closed], is_provisional=False)
    return publish_calendar(content, note="Ice", actor=None)


def last_day(number):
    """Return the local date of the deadline: a workday, whatever today is."""
    return load_calendar(current_version()).local_day(case_of(number).due_at)


def test_a_running_deadline_moves_and_says_why(people, days):
    number, _ = signed(people, days)
    before = case_of(number)
    version = close_days(last_day(number))

    done, after = recompute_all(version, By())

    case, event = case_of(number), before.event_set.latest("case_seq")
    assert (dict(done), after) == ({"moved": 1}, None)
    assert case.due_at > before.due_at
    assert case.due_at == case.base_due_at
    assert (case.calendar_version, case.stage) == (version, before.stage)
    assert case.version == before.version + 1
    assert (event.action, event.actor_role) == ("recompute_deadline", "system")
    assert event.data["facts"] == {"calendar_version": version}
    assert (event.due_at, event.base_due_at) == (case.due_at, case.base_due_at)
    assert StageClock.objects.get(case=case, kind="handle").due_at == case.due_at
    assert case.lamp_due_at == case.due_at


def test_repeating_it_changes_nothing(people, days):
    number, _ = signed(people, days)
    version = close_days(last_day(number))
    recompute_all(version, By())
    seq = case_of(number).case_seq

    assert recompute_all(version, By()) == ({}, None)
    assert recompute_case(case_of(number).pk, version, By()) == "timed already"
    assert case_of(number).case_seq == seq


def test_an_older_version_never_comes_back(people, days):
    number, _ = signed(people, days)
    old = current_version()
    recompute_all(close_days(last_day(number)), By())

    assert recompute_all(old, By()) == ({}, None)


def test_an_extended_deadline_keeps_its_extension(people, days):
    number, unit = signed(people, days)
    code = case_of(number).unit_id
    act(number, Action.REQUEST_EXTENSION, unit, reason="weather")
    act(number, Action.DECIDE_EXTENSION, person("h", Role.UNIT_HEAD, code), approved=True)
    act(number, Action.DECIDE_EXTENSION, people.dispatcher, approved=True)
    before = case_of(number)

    recompute_all(close_days(last_day(number)), By())

    case = case_of(number)
    assert before.base_due_at == case.base_due_at < before.due_at < case.due_at


def test_waiting_for_the_check_it_gets_the_deadline_it_would_have_had(people, days):
    number, unit = signed(people, days)
    act(number, Action.FINISH, unit, photos=(photo(),))
    before = case_of(number)

    recompute_all(close_days(last_day(number)), By())

    case = case_of(number)
    assert before.due_at < case.due_at
    assert case.left_s == before.left_s
    assert not StageClock.objects.filter(case=case, kind="handle", ended_at=None).exists()
    act(number, Action.ANSWER_CHECK, people.checker, passed=False)
    act(number, Action.REWORK, people.dispatcher)


def test_suspended_it_goes_on_by_the_new_calendar(people, days):
    number, unit = signed(people, days)
    until = load_calendar(current_version()).local_day(case_of(number).due_at) + 3 * DAY
    act(number, Action.REQUEST_SUSPENSION, unit, reason="season", until=str(until))
    act(number, Action.DECIDE_SUSPENSION, people.dispatcher, approved=True)
    before = case_of(number)
    version = close_days(until)

    recompute_all(version, By())

    case = case_of(number)
    assert (case.due_at, case.held, case.calendar_version) == (None, before.held, version)
    act(number, Action.RESUME, people.dispatcher)


def test_returned_it_keeps_what_remains(people, days):
    number = dispatched(people, days)
    day = last_day(number)
    act(number, Action.RETURN, unit_person(number), reason="other")
    before = case_of(number)

    recompute_all(close_days(day), By())

    case = case_of(number)
    assert (case.due_at, case.left_s) == (None, before.left_s)
    code = before.event_set.get(action="dispatch").unit
    act(number, Action.REASSIGN, people.dispatcher, unit=code, ruling="unjustified")


def test_not_yet_dispatched_it_is_pinned_for_its_first_run(people, days):
    number = report(people, days)["number"]
    version = close_days(load_calendar(current_version()).last)

    assert dict(recompute_all(version, By())[0]) == {"kept": 1}

    assert (case_of(number).calendar_version, case_of(number).due_at) == (version, None)


def test_ended_cases_and_emergencies_are_left_alone(people, days):
    emergency = Condition.objects.filter(limit_unit="emergency_day").earliest("code")
    numbers = [dispatched(people, days), dispatched(people, emergency)]
    act(numbers[0], Action.VOID, people.chief, reason="other")
    before = [case_of(number).case_seq for number in numbers]

    done, _ = recompute_all(close_days(last_day(numbers[0])), By())

    assert dict(done) == {}
    assert [case_of(number).case_seq for number in numbers] == before


def test_a_deadline_the_log_does_not_explain_is_left_alone(people, days, caplog):
    number, _ = signed(people, days)
    true_due = case_of(number).due_at
    day = last_day(number)
    Case.objects.filter(number=number).update(due_at=true_due + DAY)

    done, _ = recompute_all(close_days(day), By())

    assert dict(done) == {"not explained": 1}
    assert number in caplog.text
    assert case_of(number).calendar_version < current_version()
    Case.objects.filter(number=number).update(due_at=true_due)


def test_the_signal_comes_again_for_the_new_deadline(people, days):
    number, _ = signed(people, days)
    due = case_of(number).due_at
    clocks = StageClock.objects.filter(case__number=number, kind=ClockKind.HANDLE)
    clocks.update(late_for=due)

    recompute_all(close_days(last_day(number)), By())

    clock = clocks.get()
    assert clock.late_for == due != clock.due_at


# --- by the workers -----------------------------------------------------------------------------


def run_all():
    """Run the effects as the relay would hand them out; return what became of them."""
    outcomes = []
    while effect := Effect.objects.filter(kind="recompute_deadlines", done_at=None).first():
        outcomes.append(run_effect(effect.pk))
        if outcomes[-1] == "waits":
            break
    return outcomes


def test_the_administrator_has_it_done_in_slices(people, days, monkeypatch):
    numbers = [dispatched(people, days) for _ in range(3)]
    version = close_days(last_day(numbers[0]))
    boss = User.objects.create_superuser("boss", name="boss")
    ticks = iter(range(100))
    monkeypatch.setattr(recompute.time, "monotonic", lambda: next(ticks))
    monkeypatch.setattr(recompute, "SLICE_S", 1)

    first, again = ask_recompute(version, actor=boss), ask_recompute(version, actor=boss)

    assert first == again
    assert run_all() == ["1 moved", "1 moved", "1 moved"]
    events = [case_of(number).event_set.latest("case_seq") for number in numbers]
    assert {(event.actor, event.actor_role) for event in events} == {(boss, "admin")}
    assert ask_recompute(version, actor=boss) != first


def test_cases_that_were_busy_are_tried_again(people, days, monkeypatch):
    number, _ = signed(people, days)
    version = close_days(last_day(number))
    ask_recompute(version, actor=people.chief)

    def busy(*args):
        raise Busy("The case is being changed by somebody else. Try again.")

    with monkeypatch.context() as patch:
        patch.setattr(recompute, "recompute_case", busy)
        assert run_all() == ["waits"]
    effect = Effect.objects.get(kind="recompute_deadlines")
    assert (effect.state, effect.runs) == ("due", 0)
    assert "1 cases were being changed" in effect.last_error
    assert run_all() == ["1 moved"]


# --- by the command -----------------------------------------------------------------------------


def run_command(capsys, *words):
    call_command("recompute_deadlines", *words)
    return capsys.readouterr().out


def test_a_dry_run_tells_what_would_move_and_moves_nothing(people, days, capsys):
    number, _ = signed(people, days)
    before = case_of(number)
    version = str(close_days(last_day(number)))

    words = run_command(capsys, "--calendar", version, "--dry-run")
    told = json.loads(run_command(capsys, "--calendar", version, "--dry-run", "--json"))

    assert words.startswith("1 open cases count working time: 1 deadlines would be later")
    assert number in words
    assert (told["cases"], told["later"], told["earlier"]) == (1, 1, 0)
    assert told["largest"][0]["due_at"] == str(before.due_at)
    assert case_of(number).case_seq == before.case_seq


def test_the_command_recomputes(people, days, capsys):
    number, _ = signed(people, days)
    version = str(close_days(last_day(number)))

    assert run_command(capsys, "--calendar", version) == "1 moved\n"
    assert run_command(capsys, "--calendar", version) == "Nothing to recompute.\n"
    assert json.loads(run_command(capsys, "--calendar", version, "--json")) == {}
    assert case_of(number).calendar_version == int(version)


def test_the_command_names_a_calendar_it_does_not_know():
    with pytest.raises(CommandError, match="no working calendar of version 999999") as refused:
        call_command("recompute_deadlines", "--calendar", "999999")

    assert refused.value.returncode == 2


def test_the_command_ends_with_1_where_something_was_left(people, days, capsys):
    number, _ = signed(people, days)
    true_due, version = case_of(number).due_at, str(close_days(last_day(number)))
    Case.objects.filter(number=number).update(due_at=true_due + DAY)

    with pytest.raises(SystemExit) as ended:
        call_command("recompute_deadlines", "--calendar", version)

    assert ended.value.code == 1
    assert capsys.readouterr().out == "1 not explained\n"
    Case.objects.filter(number=number).update(due_at=true_due)


# --- by the page --------------------------------------------------------------------------------


def test_the_page_of_the_version_asks_for_it_and_tells_how_far_it_is(people, days):
    number, _ = signed(people, days)
    version = close_days(last_day(number))
    client = Client(headers={"accept-language": "en"})
    client.force_login(User.objects.create_superuser("boss", name="boss"))
    page = f"/admin/cases/workcalendar/{version}/"

    before = client.get(f"{page}change/").content.decode()
    asked = client.post(f"{page}recompute/", follow=True)
    under_way = asked.content.decode()
    run_all()
    after = client.get(f"{page}change/").content.decode()

    assert "1 open case is timed with an earlier version." in before
    assert asked.redirect_chain == [(f"{page}change/", 302)]
    assert "The recomputation is under way." in under_way
    assert "<td>1 deadlines moved</td>" in after
    assert "No open case is timed with an earlier version." in after
    assert client.post("/admin/cases/workcalendar/99/recompute/").status_code == 404
    assert client.get(f"{page}recompute/").status_code == 405


def test_an_administrator_may_recompute_one_case(people, days):
    number, _ = signed(people, days)
    before, version = case_of(number), close_days(last_day(number))

    act(number, Action.RECOMPUTE_DEADLINE, person("boss", Role.ADMIN))

    assert case_of(number).due_at > before.due_at
    assert case_of(number).calendar_version == version
