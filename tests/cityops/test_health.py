"""/healthz, /readyz and the health page."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import get_language

from cases.choices import Role
from cases.models import Alarm, DemoMonth, Effect, Reconciliation
from cases.models.effect import QUEUES
from cases.services.calendars import seed_calendars
from cityops import health
from tests.support.people import person


@pytest.fixture(autouse=True)
def forget():
    """Return a function that makes /readyz look anew; every test begins so."""
    health.watch_in.cache_clear()
    return health.watch_in.cache_clear


@pytest.fixture(autouse=True)
def dead_redis(monkeypatch):
    """Point both Redis at a port nobody listens on."""
    urls = dict.fromkeys(health._REDIS, "redis://127.0.0.1:1/0")
    monkeypatch.setattr(health, "_REDIS", urls)


def finish_canaries():
    for queue in QUEUES:
        Effect.objects.create(
            key=f"c:{queue}", kind="canary", queue=queue, state="done", done_at=Now()
        )
    Reconciliation.objects.create(kind="minute", started_at=Now(), finished_at=Now())


def test_healthz_touches_nothing(client):
    assert client.get("/healthz").json() == {"status": "ok"}


def test_ready_while_redis_is_gone(client, db):
    finish_canaries()

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["degraded"] == ["redis broker", "redis channels"]


def test_queue_without_a_canary_is_named(client, db):
    finish_canaries()
    Effect.objects.filter(queue="dispatch.hecheng").delete()

    assert "queue dispatch.hecheng" in client.get("/readyz").json()["degraded"]


def test_effect_nobody_publishes_is_the_relay(client, db):
    finish_canaries()
    Effect.objects.create(key="x", kind="canary", queue="media", next_at="2020-01-01T00:00Z")

    assert "relay" in client.get("/readyz").json()["degraded"]


@pytest.fixture
def page(client, db):
    """Return a function that reads the health page as an administrator, one line a part."""
    seed_calendars()
    client.force_login(person("boss", Role.ADMIN))

    def read():
        answer = client.get("/health/")
        return {part.name: part for part in answer.context["parts"]}, answer.content.decode()

    return read


def test_health_page_names_what_is_red_and_what_to_do(page):
    finish_canaries()
    Effect.objects.filter(queue="dispatch.hecheng").delete()
    Effect.objects.create(key="x", kind="canary", queue="media", next_at="2020-01-01T00:00Z")

    parts, text = page()

    wanting = {name for name, part in parts.items() if part.advice} - {"Working calendar", "Disk"}
    assert wanting == {"Redis broker", "Redis channels", "Relay", "dispatch.hecheng"}
    assert "gave no sign of life for 40 s" in text
    assert "worker-dispatch.hecheng.log" in text
    assert len(parts) == len(QUEUES) + 7


def test_health_page_says_which_holidays_are_not_announced(page, monkeypatch):
    for today, words in (
        (date(2026, 11, 26), "holidays not announced: 2027; until then only weekends"),
        (date(2025, 6, 1), "the holidays of this year and the next are known"),
        (date(2027, 6, 1), "not covered: 2028; no deadline of working time can fall there"),
    ):
        monkeypatch.setattr(health.timezone, "localdate", lambda today=today: today)

        assert words in page()[1]


@pytest.mark.parametrize("role", [Role.LEADER, Role.DISPATCHER, Role.INSPECTOR, Role.UNIT])
def test_health_page_is_for_administrators(client, db, role):
    client.force_login(person("someone", role, "some-unit" if role == Role.UNIT else ""))

    assert client.get("/health/").status_code == 404
    assert '"/health/"' not in client.get("/?who").content.decode()
    client.logout()
    assert client.get("/health/").status_code == 302


def test_detail_says_what_how_many_since_and_the_fix(client, db):
    finish_canaries()
    Effect.objects.filter(queue="media").delete()
    began = timezone.now() - timedelta(hours=2)
    for scope, unit, how_many in (("hecheng", "a", 7), ("hecheng", "b", 5), ("landport", "c", 9)):
        words = {"what": "surge", "scope": scope, "key": unit, "how_many": how_many}
        Alarm.objects.create(**words, since=began, seen_at=began, numbers=["HH2026112300187"])
    Alarm.objects.filter(scope="landport").update(cleared_at=began)

    answer = client.get("/readyz")

    assert answer.status_code == 200
    body = answer.json()
    assert body["degraded"] == ["redis broker", "redis channels", "queue media"]  # no alarm
    by_what = {one["what"]: one for one in body["detail"]}
    assert list(by_what) == [*body["degraded"], "surge"]
    surge = by_what["surge"]
    assert (surge["scope"], surge["how_many"]) == ("hecheng", 12)
    assert datetime.fromisoformat(surge["since"]) == began.replace(
        microsecond=began.microsecond // 1000 * 1000
    )
    assert surge["fix"].startswith("Look at the new cases of the unit")
    assert "worker-media.log" in by_what["queue media"]["fix"]
    assert "HH2026112300187" not in answer.content.decode()  # anybody may read it


def test_reconciler_that_stopped_is_named(client, db, forget):
    finish_canaries()
    late = timezone.now() - timedelta(minutes=4)
    Reconciliation.objects.update(finished_at=late)

    body = client.get("/readyz").json()

    assert body["degraded"] == ["redis broker", "redis channels", "reconciler"]
    since = datetime.fromisoformat(body["detail"][-1]["since"])
    assert abs(since - late) < timedelta(seconds=2)

    DemoMonth.objects.create(until=late, ended_at=timezone.now())  # it stood aside until now
    forget()
    assert "reconciler" not in client.get("/readyz").json()["degraded"]


# --- many ask at once ---------------------------------------------------------------------------


class Looking:
    """In the place of the look at every part: it lasts until it may end, and is counted."""

    def __init__(self, monkeypatch):
        self.count, self.begun, self.may_end = 0, threading.Semaphore(0), threading.Event()
        monkeypatch.setattr(health, "_look", self.look)

    def look(self):
        self.count += 1
        self.begun.release()
        assert self.may_end.wait(10)
        return health.Found({"look": self.count})


def test_readyz_looks_once_a_second(client, db, django_assert_num_queries, monkeypatch):
    finish_canaries()
    first = client.get("/readyz").json()

    with django_assert_num_queries(0):
        assert client.get("/readyz").json() == first

    monkeypatch.setattr(health, "FRESH_S", 0)
    Effect.objects.filter(queue="media").delete()
    assert client.get("/readyz").json()["degraded"] == [*first["degraded"], "queue media"]


def test_readyz_speaks_the_language_of_each_who_asks(client, monkeypatch):
    monkeypatch.setattr(health, "_look", lambda: health.Found({"in": get_language()}))

    told = [
        client.get("/readyz", headers={"Accept-Language": code}).json()
        for code in ("zh-hans", "en", "zh-hans")
    ]

    assert told == [{"in": "zh-hans"}, {"in": "en"}, {"in": "zh-hans"}]


def test_while_one_looks_the_others_are_told_what_was_found_last(monkeypatch):
    looking, watch = Looking(monkeypatch), health.Watch()
    looking.may_end.set()
    assert watch.found().body == {"look": 1}
    monkeypatch.setattr(health, "FRESH_S", 0)
    looking.may_end.clear()
    assert looking.begun.acquire(timeout=5)
    with ThreadPoolExecutor() as threads:
        slow = threads.submit(watch.found)
        assert looking.begun.acquire(timeout=5)

        assert [watch.found().body for _ in range(30)] == [{"look": 1}] * 30

        looking.may_end.set()
        assert slow.result(10).body == {"look": 2}


def test_who_finds_nothing_to_be_told_waits_for_the_look_and_not_for_ever(monkeypatch):
    looking, watch = Looking(monkeypatch), health.Watch()
    with ThreadPoolExecutor() as threads:
        slow = threads.submit(watch.found)
        assert looking.begun.acquire(timeout=5)
        patient = threads.submit(watch.found)
        monkeypatch.setattr(health, "PATIENCE_S", 0.05)
        assert watch.found().status == 503

        looking.may_end.set()
        assert slow.result(10).body == patient.result(10).body == {"look": 1}
    assert looking.count == 1


def test_a_redis_that_swallows_everything_costs_a_look_two_seconds(client, db, monkeypatch):
    finish_canaries()
    with socket.create_server(("127.0.0.1", 0)) as hole:
        url = f"redis://127.0.0.1:{hole.getsockname()[1]}/0"
        monkeypatch.setattr(health, "_REDIS", dict.fromkeys(health._REDIS, url))
        begun = time.monotonic()

        degraded = client.get("/readyz").json()["degraded"]

        assert degraded == ["redis broker", "redis channels"]
        assert time.monotonic() - begun < health.PATIENCE_S
