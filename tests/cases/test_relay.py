"""The relay: the most urgent first, so many of a scope in flight, nothing lost at the broker."""

import asyncio
import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
import redis
from celery import current_app
from django.utils import timezone

from cases import relay, tasks
from cases.models import Effect
from cases.models.effect import QUEUES
from cases.relay import hand_over, publish, take_due
from cases.services import effects
from cases.services.effects import claim_effect, run_effect
from cases.ticks import TICKS, Scheduler, Tick, write_tick
from tests.support.spine import case_of, report

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def effect_of(key, *, scope="hecheng", queue="", kind="canary", **words):
    queue = queue or f"dispatch.{scope}"
    return Effect.objects.create(
        key=key, kind=kind, queue=queue, scope=scope, next_at=LONG_AGO, **words
    )


def drain():
    """Let the relay take what is due and workers do it; return the keys, one list a poll."""
    polls = []
    while taken := take_due():
        for effect_id, *_ in taken:
            assert run_effect(effect_id) == "alive"
        keys = dict(Effect.objects.values_list("pk", "key"))
        polls.append([keys[effect_id] for effect_id, *_ in taken])
        assert len(polls) < 1000
    return polls


def rank(effect):
    due_at = effect.due_at or datetime.max.replace(tzinfo=UTC)
    return effect.urgency, due_at, effect.pk


# --- order and backpressure ---------------------------------------------------------------------


def test_backlog_drains_by_class_of_limit_and_deadline(settings):
    settings.IN_FLIGHT = 7
    seeded = random.Random(4)  # noqa: S311  # reproducible, not secret
    for number in range(60):
        due_at = LONG_AGO + timedelta(minutes=seeded.randrange(500))
        effect_of(str(number), urgency=seeded.choice((1, 2, 4, 6)), due_at=due_at)
    effect_of("some day", urgency=1)

    polls = drain()

    wanted = [effect.key for effect in sorted(Effect.objects.all(), key=rank)]
    assert [key for keys in polls for key in keys] == wanted
    assert [len(keys) for keys in polls] == [7] * 8 + [5]


def test_urgent_newcomer_passes_a_backlog(settings):
    settings.IN_FLIGHT = 5
    for number in range(30):
        effect_of(str(number), urgency=6, due_at=LONG_AGO)
    first = take_due()
    newest = effect_of("newest", urgency=1, due_at=timezone.now())
    assert take_due() == []  # five are in flight
    run_effect(first[0][0])

    assert take_due() == [(newest.pk, "dispatch.hecheng", "canary", 0)]


def test_filed_case_asks_for_its_dispatch_by_its_limit_and_deadline(huaihua, people, condition):
    number = report(people, condition)["number"]

    effect = Effect.objects.get(case__number=number)

    assert (effect.scope, effect.urgency) == ("hecheng", 4)  # a limit of work hours
    assert effect.due_at == case_of(number).lamp_due_at


def test_a_flood_of_one_scope_leaves_the_others_their_places(settings):
    settings.IN_FLIGHT, settings.IN_FLIGHT_OF = 5, {"landport": 2, "notify": 3}
    for number in range(20):
        for scope in ("hecheng", "landport"):
            effect_of(f"{scope}{number}", scope=scope)
            effect_of(f"notify {scope}{number}", scope=scope, queue="notify")

    taken = {Effect.objects.get(pk=effect_id).key for effect_id, *_ in take_due()}

    counts = [
        sum(key.startswith(start) for key in taken)
        for start in ("hecheng", "landport", "notify hecheng", "notify landport")
    ]
    assert counts == [5, 2, 3, 2]
    assert take_due() == []
    newcomer = effect_of("newcomer", scope="zhongfang", queue="notify")
    assert take_due() == [(newcomer.pk, "notify", "canary", 0)]


def test_what_a_dead_worker_had_begun_is_published_once_a_lease_and_holds_a_place(broker):
    _, sent = broker
    begun = effect_of("begun", runs=1, claimed_until=LONG_AGO)

    hand_over()
    hand_over()

    assert sent == [([begun.pk], "dispatch.hecheng")]
    begun.refresh_from_db()
    left = begun.next_at - begun.published_at
    assert left == effects.LEASE


def test_what_a_worker_is_at_holds_no_place_in_the_queue(settings):
    settings.IN_FLIGHT, settings.IN_FLIGHT_OF = 3, {}
    for number in range(6):
        effect_of(f"{number}")
    first, *_ = take_due()
    assert claim_effect(Effect.objects.get(pk=first.effect_id))

    assert len(take_due()) == 1


@pytest.mark.parametrize(
    ("named", "wanted"),
    [
        ({}, 20),
        ({"hecheng": 40}, 40),
        ({"dispatch.hecheng": 40}, 40),
        ({"hecheng": 40, "dispatch.hecheng": 30}, 30),
        ({"hecheng": 5, "landport": 1}, 5),
    ],
)
def test_a_named_allowance_raises_as_well_as_lowers(settings, named, wanted):
    settings.IN_FLIGHT, settings.IN_FLIGHT_OF = 20, named

    assert relay.in_flight("dispatch.hecheng", "hecheng") == wanted


def test_what_failed_or_was_put_back_holds_no_place_in_flight(settings, monkeypatch):
    settings.IN_FLIGHT = 1
    first, second = effect_of("1"), effect_of("2", due_at=None, urgency=6)
    assert [effect_id for effect_id, *_ in take_due()] == [first.pk]
    assert take_due() == []
    monkeypatch.setitem(effects._IN_TRANSACTION, "canary", lambda _: 1 / 0)
    assert run_effect(first.pk) == "failed"

    assert [effect_id for effect_id, *_ in take_due()] == [second.pk]


# --- the broker ---------------------------------------------------------------------------------


@pytest.fixture
def broker(monkeypatch):
    """Stand for Celery; `broken` after as many messages as it says."""
    sent = []

    def send_task(name, args, queue, **_):
        if len(sent) >= send_task.takes:
            raise ConnectionError("gone")
        sent.append((list(args), queue))

    send_task.takes = 1_000
    monkeypatch.setattr(current_app, "send_task", send_task, raising=False)
    monkeypatch.setattr(relay, "overfull", set)
    return send_task, sent


def test_what_the_broker_did_not_take_is_offered_again_soon(broker):
    send_task, sent = broker
    send_task.takes = 2
    made = [effect_of(str(number)) for number in range(5)]

    hand_over()

    assert [ids for ids, _ in sent] == [[effect.pk] for effect in made[:2]]
    assert Effect.objects.filter(published_at=None).count() == 3
    soon = timezone.now() + timedelta(seconds=relay.HELD_BACK_S)
    assert Effect.objects.filter(published_at=None, next_at__lte=soon).count() == 3
    assert Effect.objects.filter(state="due").count() == 5


def test_new_brisk_work_of_a_queue_travels_together_and_all_other_alone(broker, settings):
    settings.IN_FLIGHT, settings.IN_FLIGHT_OF = 20, {}
    _, sent = broker
    told = [effect_of(f"told {n}", queue="notify", kind="notify") for n in range(12)]
    slow = effect_of("slow", queue="notify", kind="send")
    filed = effect_of("filed", kind="dispatch")
    ran_before = effect_of("ran before", kind="dispatch", runs=1)

    hand_over()

    assert sorted(sent) == sorted(
        [
            ([effect.pk for effect in told[:10]], "notify"),
            ([effect.pk for effect in told[10:]], "notify"),
            ([slow.pk], "notify"),
            ([filed.pk], "dispatch.hecheng"),
            ([ran_before.pk], "dispatch.hecheng"),
        ]
    )


def test_all_effects_of_a_message_are_done_though_one_is_gone(monkeypatch):
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)  # the test's own is one
    gone, *others = [effect_of(str(number)) for number in range(3)]
    Effect.objects.filter(pk=gone.pk).delete()

    tasks.run_effect(gone.pk, *(effect.pk for effect in others))

    assert set(Effect.objects.values_list("state", flat=True)) == {"done"}


def test_what_a_relay_took_and_never_published_is_soon_taken_again(broker):
    _, sent = broker
    died, lived = effect_of("died"), effect_of("lived", queue="notify")
    assert [one.effect_id for one in take_due(but=["notify"])] == [died.pk]  # and there it died

    hand_over()

    assert sent == [([lived.pk], "notify")]
    next_at = dict(Effect.objects.values_list("pk", "next_at"))
    assert next_at[died.pk] > timezone.now() - timedelta(minutes=1)
    apart = effects.LEASE - timedelta(seconds=relay.PUBLISH_S)
    assert next_at[lived.pk] - next_at[died.pk] == apart
    assert not Effect.objects.filter(published_at=None).exists()  # both hold their places in flight


def test_what_a_worker_began_meanwhile_is_not_taken_back(broker):
    send_task, _ = broker
    effect = effect_of("1")
    taken = take_due()
    assert claim_effect(effect)
    before = Effect.objects.values("next_at", "published_at", "claimed_until").get()
    send_task.takes = 0

    publish(taken)

    assert Effect.objects.values("next_at", "published_at", "claimed_until").get() == before


class Lengths:
    """Stand for Redis that is asked how long its lists are; a length of None: it is silent."""

    def __init__(self, lengths):
        self.lengths, self.asked = lengths, []

    def pipeline(self, *, transaction):
        self.asked.clear()
        return self

    def llen(self, queue):
        self.asked.append(queue)

    def execute(self):
        if self.lengths is None:
            raise redis.TimeoutError("silent")
        return [self.lengths.get(queue, 0) for queue in self.asked]


@pytest.mark.parametrize(
    ("lengths", "waits"),
    [({"notify": 18}, False), ({"notify": 19}, True), ({"media": 10_000}, False), (None, False)],
)
def test_a_queue_nobody_reads_gets_no_more_messages(settings, monkeypatch, lengths, waits):
    settings.IN_FLIGHT, settings.IN_FLIGHT_OF = 3, {}  # of each of six scopes
    monkeypatch.setattr(relay, "broker", lambda: Lengths(lengths))
    unread, read = effect_of("1", queue="notify"), effect_of("2")

    taken = take_due(but=relay.overfull())

    wanted = [(unread.pk, "notify", "canary", 0)] if not waits else []
    assert taken == [*wanted, (read.pk, "dispatch.hecheng", "canary", 0)]
    unread.refresh_from_db()
    assert (unread.published_at is None, unread.next_at == LONG_AGO) == (waits, waits)


async def test_screens_are_told_while_the_broker_is_silent(monkeypatch):
    silent, stop = threading.Event(), asyncio.Event()

    async def tell(heads):
        stop.set()
        silent.set()
        return True

    monkeypatch.setattr(relay, "hand_over", lambda: silent.wait(10))
    monkeypatch.setattr(relay, "read_heads", lambda: {"hecheng": 7})
    monkeypatch.setattr(relay, "tell", tell)

    await asyncio.wait_for(relay.run(stop), 5)

    assert silent.is_set()


# --- ticks --------------------------------------------------------------------------------------


def finish_all():
    for effect_id in Effect.objects.filter(state="due").values_list("pk", flat=True):
        Effect.objects.filter(pk=effect_id).update(state="done", done_at=timezone.now())


def test_a_slot_is_written_once_however_often_a_beat_looks(monkeypatch):
    monkeypatch.setitem(TICKS, "nightly", Tick("scoring", 86_400, at=timedelta(hours=2)))
    for _ in range(3):
        write_tick("nightly")
        finish_all()

    effect = Effect.objects.get()
    assert (effect.kind, effect.queue, effect.scope, effect.state) == (
        *("nightly", "scoring", "", "done"),
    )


def test_every_job_is_looked_at_at_once_when_a_beat_starts_and_needs_no_broker(monkeypatch):
    scheduler = Scheduler(current_app)
    assert scheduler.producer is None

    for _ in TICKS:
        assert scheduler.tick() == 0
    wait_s = scheduler.tick()

    names = {key.rpartition(":")[0] for key in Effect.objects.values_list("key", flat=True)}
    assert names == set(TICKS)
    assert 0 < wait_s <= 10
    assert set(Effect.objects.values_list("queue", flat=True)) == set(QUEUES)


def test_a_second_beat_adds_nothing():
    for _ in range(2):
        scheduler = Scheduler(current_app)
        for _ in TICKS:
            scheduler.tick()

    assert Effect.objects.count() == len(TICKS)


def test_while_a_tick_waits_no_other_of_its_kind_is_written(monkeypatch):
    monkeypatch.setitem(TICKS, "scan_deadlines", Tick("dispatch.city", 10))
    write_tick("scan_deadlines")
    Effect.objects.update(key="scan_deadlines:1")  # of an older slot

    write_tick("scan_deadlines")
    assert Effect.objects.count() == 1
    finish_all()
    write_tick("scan_deadlines")

    assert Effect.objects.filter(state="due").count() == 1
    assert Effect.objects.count() == 2
