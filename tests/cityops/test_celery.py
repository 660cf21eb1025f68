"""A worker's child, and how a worker hears of work."""

import subprocess
import sys

import pytest
from celery import current_app
from kombu import Exchange, Producer, Queue

QUEUE = "a-test-of-acknowledging"
GREEDY = """
from cityops.celery import bound_memory
bound_memory()
try:
    bytearray(2 << 30)
except MemoryError:
    print("failed alone")
"""


def test_work_that_would_fill_the_memory_fails_alone():
    told = subprocess.run(
        [sys.executable, "-c", GREEDY], capture_output=True, text=True, check=True
    )

    assert told.stdout == "failed alone\n"


@pytest.fixture
def channel():
    """A channel to the broker whose reader takes one message at a time."""
    with current_app.connection_for_read() as connection, connection.channel() as channel:
        channel.basic_qos(prefetch_count=1)
        yield channel
        channel.queue_purge(QUEUE)
        channel.queue_delete(QUEUE)


def test_an_acknowledgement_the_network_lost_leaves_the_worker_hungry(channel, monkeypatch):
    queue = Queue(QUEUE, Exchange(QUEUE), QUEUE, channel=channel)
    queue.declare()
    for _ in range(2):
        Producer(channel, Exchange(QUEUE)).publish({}, routing_key=QUEUE)
    message = queue.get()
    assert not channel.qos.can_consume()

    with monkeypatch.context() as patch:
        patch.setattr(channel.qos, "pipe_or_acquire", lose)
        with pytest.raises(TimeoutError):
            message.ack()

    assert channel.qos.can_consume()
    assert message.delivery_tag in unacknowledged(channel)

    second = queue.get()
    second.ack()
    assert {message.delivery_tag, second.delivery_tag}.isdisjoint(unacknowledged(channel))


def lose(*_):
    raise TimeoutError


def unacknowledged(channel):
    with channel.conn_or_acquire() as client:
        return {tag.decode() for tag in client.hkeys(channel.unacked_key)}
