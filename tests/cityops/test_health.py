"""/healthz and /readyz."""

import pytest
from django.db.models.functions import Now

from cases.models import Effect
from cases.models.effect import QUEUES
from cityops import health


@pytest.fixture(autouse=True)
def dead_redis(monkeypatch):
    """Point both Redis at a port nobody listens on."""
    urls = dict.fromkeys(health._REDIS, "redis://127.0.0.1:1/0")
    monkeypatch.setattr(health, "_REDIS", urls)


def finish_canaries():
    for queue in QUEUES:
        Effect.objects.create(key=f"c:{queue}", kind="canary", queue=queue, done_at=Now())


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
