"""Effects: done once, tried again, given up, left to a person, or kept for newer code."""

import signal
from datetime import timedelta
from types import SimpleNamespace

import pytest
from celery import current_app
from celery.signals import task_unknown
from django.db import OperationalError
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from psycopg import errors

from cases import tasks
from cases.errors import Busy
from cases.models import Effect
from cases.relay import take_due
from cases.services import effects
from cases.services.effects import bury_crashed, claim_effect, run_effect
from cases.services.outside import Failed, NotNow, Outside, Unknown

pytestmark = pytest.mark.django_db


@pytest.fixture
def other(monkeypatch):
    """Register the outside kind `ring`; what it does next is the test's to say."""
    system = SimpleNamespace(calls=[], next=lambda effect: "rung")

    def ring(effect):
        system.calls.append(effect.key)
        return system.next(effect)

    monkeypatch.setitem(effects._OUTSIDE, "ring", Outside(ring))
    return system


def effect_of(kind="ring", **words):
    return Effect.objects.create(key=f"{kind}:1", kind=kind, queue="notify", **words)


def raising(error):
    def do(effect):
        raise error

    return do


def of_database(error):
    """Return an error of PostgreSQL as Django raises it."""
    wrapped = OperationalError(str(error))
    wrapped.__cause__ = error
    return wrapped


def state_of(effect):
    effect.refresh_from_db()
    return effect.state, effect.runs


def is_due(effect):
    return effect.pk in {effect_id for effect_id, *_ in take_due()}


# --- outside work -------------------------------------------------------------------------------


def test_outside_work_is_done_once(other):
    effect = effect_of()

    assert [run_effect(effect.pk) for _ in range(3)] == ["rung", *["held elsewhere"] * 2]

    assert other.calls == ["ring:1"]
    assert state_of(effect) == ("done", 1)
    assert effect.outcome == "rung"


def test_what_certainly_failed_is_tried_again_later_and_given_up_in_the_end(other):
    effect = effect_of(max_runs=2)
    other.next = raising(Failed("connection refused"))

    assert run_effect(effect.pk) == "failed"

    assert state_of(effect) == ("due", 1)
    assert effect.last_error == "Failed: connection refused"
    assert effect.claimed_until is None
    assert effect.next_at > timezone.now()
    assert run_effect(effect.pk) == "failed"
    assert state_of(effect) == ("dead", 2)
    assert run_effect(effect.pk) == "held elsewhere"
    assert len(other.calls) == 2


@pytest.mark.parametrize("error", [Unknown("no answer"), KeyError("answer")])
def test_what_may_have_taken_place_is_left_to_a_person(other, error):
    effect = effect_of()
    other.next = raising(error)

    assert run_effect(effect.pk) == "needs review"

    Effect.objects.update(next_at=Now() - timedelta(hours=1))
    assert not is_due(effect)
    assert run_effect(effect.pk) == "held elsewhere"
    assert len(other.calls) == 1
    assert state_of(effect) == ("needs_review", 1)
    assert "answer" in effect.last_error


def test_what_must_wait_counts_no_run(other):
    effect = effect_of()
    other.next = raising(NotNow(300))

    assert run_effect(effect.pk) == "put off"

    assert state_of(effect) == ("due", 0)
    assert effect.next_at > timezone.now() + timedelta(seconds=290)


@pytest.mark.parametrize("error", [errors.LockNotAvailable("held"), errors.AdminShutdown("gone")])
def test_what_was_sent_and_could_not_be_marked_done_is_never_sent_again(other, monkeypatch, error):
    effect = effect_of()
    monkeypatch.setattr(effects, "_finish", lambda *_: raising(of_database(error))(effect))

    assert run_effect(effect.pk) == "needs review"

    monkeypatch.undo()
    Effect.objects.update(next_at=Now() - timedelta(hours=1))
    assert not is_due(effect)
    assert other.calls == ["ring:1"]
    assert state_of(effect) == ("needs_review", 1)


def test_a_worker_that_died_outside_leaves_an_outcome_nobody_knows(other):
    effect = effect_of()
    assert claim_effect(effect)
    Effect.objects.update(claimed_until=Now() - timedelta(seconds=1))

    assert run_effect(effect.pk) == "held elsewhere"
    assert bury_crashed() == 1

    assert other.calls == []
    assert state_of(effect) == ("needs_review", 1)
    assert "died" in effect.last_error


def test_a_slow_worker_still_tells_that_it_was_done(other):
    def slow(effect):
        Effect.objects.update(claimed_until=Now() - timedelta(seconds=1))
        bury_crashed()
        return "rung"

    effect = effect_of()
    other.next = slow

    assert run_effect(effect.pk) == "rung"

    assert state_of(effect) == ("done", 1)
    assert effect.last_error == ""


@pytest.mark.parametrize("error", [Failed("late"), Unknown("late"), NotNow(1)])
def test_a_slow_worker_changes_nothing_once_another_has_begun(other, error):
    def slow(effect):
        Effect.objects.update(runs=F("runs") + 1)  # claimed again, after a person had it re-driven
        raise error

    effect = effect_of()
    other.next = slow

    run_effect(effect.pk)

    assert state_of(effect) == ("due", 2)
    assert effect.last_error == ""
    assert effect.claimed_until is not None


# --- work of ours -------------------------------------------------------------------------------


def test_what_kills_its_worker_is_given_up_after_its_last_run():
    effect = effect_of("canary", max_runs=3)
    for _ in range(3):
        assert claim_effect(effect)
        assert not claim_effect(effect)
        assert bury_crashed() == 0
        Effect.objects.update(claimed_until=Now() - timedelta(seconds=1))

    assert bury_crashed() == 1

    assert state_of(effect) == ("dead", 3)
    assert run_effect(effect.pk) == "held elsewhere"


@pytest.mark.parametrize(
    "error",
    [
        Busy("held"),
        *map(
            of_database,
            [
                errors.SerializationFailure("held"),
                errors.DeadlockDetected("held"),
                errors.LockNotAvailable("held"),
                errors.QueryCanceled("held"),
                errors.AdminShutdown("held"),
                errors.CrashShutdown("held"),
                errors.CannotConnectNow("held"),
            ],
        ),
    ],
)
@pytest.mark.parametrize(
    ("kinds", "outcome"), [(effects._IN_TRANSACTION, ["well"]), (effects._ON_ITS_OWN, "well")]
)
def test_waiting_for_the_database_counts_no_run(monkeypatch, kinds, outcome, error):
    effect = effect_of("trial", max_runs=1)
    monkeypatch.setitem(kinds, "trial", raising(error))

    assert [run_effect(effect.pk) for _ in range(3)] == ["waits"] * 3

    assert state_of(effect) == ("due", 0)
    assert "held" in effect.last_error
    assert (effect.claimed_until, effect.published_at) == (None, None)
    assert effect.next_at > timezone.now()
    monkeypatch.setitem(kinds, "trial", lambda _: outcome)
    assert run_effect(effect.pk) == "well"
    assert state_of(effect) == ("done", 1)


def test_the_longer_it_waits_for_the_database_the_seldomer_it_asks(monkeypatch):
    effect = effect_of("canary", max_runs=1)
    monkeypatch.setitem(effects._IN_TRANSACTION, "canary", raising(Busy("held")))
    waits = []
    for age_s in (0, 10, 4_000):
        Effect.objects.update(created_at=Now() - timedelta(seconds=age_s))
        run_effect(effect.pk)
        effect.refresh_from_db()
        waits.append(round((effect.next_at - timezone.now()).total_seconds()))

    assert waits == [2, 10, 30]


@pytest.mark.parametrize("error", [of_database(errors.SyntaxError("no")), MemoryError("no")])
def test_an_error_of_the_work_itself_counts(monkeypatch, error):
    effect = effect_of("canary", max_runs=1)
    monkeypatch.setitem(effects._IN_TRANSACTION, "canary", raising(error))

    assert run_effect(effect.pk) == "failed"

    assert state_of(effect) == ("dead", 1)


@pytest.mark.parametrize("junk", [None, 7])
def test_junk_for_an_outcome_is_a_failure(monkeypatch, junk):
    monkeypatch.setitem(effects._IN_TRANSACTION, "canary", lambda _: junk)
    effect = effect_of("canary")

    assert run_effect(effect.pk) == "failed"

    assert state_of(effect) == ("due", 1)


def loop_for_ever(effect):
    while True:
        pass


@pytest.fixture
def hurried(monkeypatch):
    """Let a run take a moment only."""
    monkeypatch.setattr(effects, "LEASE", timedelta(seconds=0.2))


def test_what_loops_for_ever_is_stopped_and_given_up(hurried, monkeypatch):
    monkeypatch.setitem(effects._IN_TRANSACTION, "canary", loop_for_ever)
    effect = effect_of("canary", max_runs=1)

    assert run_effect(effect.pk) == "failed"

    assert state_of(effect) == ("dead", 1)
    assert effect.last_error == "TookTooLong: stopped after 0 s"


def test_what_loops_outside_may_have_taken_place(hurried, other):
    effect = effect_of()
    other.next = loop_for_ever

    assert run_effect(effect.pk) == "needs review"

    assert state_of(effect) == ("needs_review", 1)


def test_a_run_in_time_leaves_no_alarm_behind(hurried):
    before = signal.getsignal(signal.SIGALRM)

    assert run_effect(effect_of("canary").pk) == "alive"

    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before


# --- newer code ---------------------------------------------------------------------------------


def test_a_kind_nobody_knows_is_parked_until_somebody_does(monkeypatch):
    effect = effect_of("tomorrow", max_runs=1)

    assert [run_effect(effect.pk) for _ in range(2)] == ["parked"] * 2

    assert state_of(effect) == ("due", 0)
    assert effect.parked_at is not None
    assert effect.next_at > timezone.now()
    monkeypatch.setitem(effects._IN_TRANSACTION, "tomorrow", lambda _: ["known"])
    Effect.objects.update(next_at=Now() - timedelta(seconds=1))
    assert is_due(effect)
    assert run_effect(effect.pk) == "known"
    assert state_of(effect) == ("done", 1)
    assert effect.parked_at is None


@pytest.fixture
def worker(monkeypatch):
    """Stand for the parent process of a worker, whose connection is its own."""
    monkeypatch.setattr(tasks, "connection", SimpleNamespace(close=lambda: None))


def unknown_message(name="cases.tomorrow"):
    """Deliver a message the way a worker does that finds no such task."""
    message = SimpleNamespace(
        payload=[[7], {"word": "x"}, {}], delivery_info={"routing_key": "dispatch.hecheng"}
    )
    task_unknown.send(sender=None, message=message, exc=KeyError(name), name=name, id="a1")


def test_a_message_whose_task_nobody_knows_is_kept_until_somebody_does(worker, monkeypatch):
    for _ in range(2):  # delivered twice
        unknown_message()

    effect = Effect.objects.get(kind="task")
    assert (effect.key, effect.queue, effect.state) == ("task:a1", "dispatch.hecheng", "due")
    assert run_effect(effect.pk) == "parked"
    called = []
    monkeypatch.setitem(current_app.tasks, "cases.tomorrow", lambda *a, **k: called.append((a, k)))
    assert run_effect(effect.pk) == "called"
    assert called == [((7,), {"word": "x"})]


def test_a_kept_message_never_calls_a_task_of_celery_itself(worker):
    assert "celery.backend_cleanup" in current_app.tasks
    unknown_message("celery.backend_cleanup")

    effect = Effect.objects.get(kind="task")
    assert run_effect(effect.pk) == "parked"
