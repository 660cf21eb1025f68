"""The relay: due effects go to Celery, new heads to the live screens. Knows no business rule.

Two copies may run: due rows are taken with SKIP LOCKED and leased before they are published, and
a head told twice is ignored by the hub. What is lost on the way is published again after the lease.
"""

import asyncio
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from celery import current_app
from channels.layers import get_channel_layer
from django.db import Error, connection, connections

from cases.models.effect import QUEUES
from cases.selectors.feed import HEADS_GROUP, read_heads
from cases.services.effects import LEASE, bury_crashed

logger = logging.getLogger(__name__)

POLL_S = 0.2
IN_FLIGHT = 100  # published and not yet done, per queue
TELL_TIMEOUT_S = 2

_TAKE = """
    UPDATE cases_effect SET next_at = now() + make_interval(secs => %(lease)s), published_at = now()
    WHERE id IN (
      SELECT due.id FROM unnest(%(queues)s::text[]) AS q(name)
      CROSS JOIN LATERAL (
        SELECT id FROM cases_effect
        WHERE queue = q.name AND done_at IS NULL AND NOT dead AND next_at <= now()
        ORDER BY urgency, next_at
        LIMIT greatest(0, %(in_flight)s - (
          SELECT count(*) FROM cases_effect
          WHERE queue = q.name AND done_at IS NULL AND NOT dead
            AND next_at > now() AND published_at > now() - make_interval(secs => %(lease)s)))
        FOR UPDATE SKIP LOCKED) AS due)
    RETURNING id, queue, urgency
"""


def take_due() -> list[tuple[int, str]]:
    """Lease due effects and return (id, queue), most urgent first; committed before publishing."""
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE, {"lease": LEASE.total_seconds(), "queues": list(QUEUES), "in_flight": IN_FLIGHT}
        )
        rows = sorted(cursor.fetchall(), key=lambda row: (row[2], row[0]))
    return [(row[0], row[1]) for row in rows]


def publish(due: list[tuple[int, str]]) -> None:
    """Hand ids to Celery; what cannot be handed over now comes again after its lease."""
    for effect_id, queue in due:
        try:
            current_app.send_task(
                "cases.run_effect", args=[effect_id], queue=queue, retry=False, ignore_result=True
            )
        except Exception as error:  # noqa: BLE001  # any broker trouble: the lease is the retry
            logger.warning("broker: %s; %d effects wait for their lease", error, len(due))
            return


def poll() -> dict[str, int]:
    """Do one round of database and broker work; returns the heads."""
    try:
        publish(take_due())
        bury_crashed()
        return read_heads()
    except Error as error:
        logger.warning("database: %s", error)
        connection.close()
        return {}


async def run(stop: asyncio.Event) -> None:
    """Poll until `stop` is set, in one long-lived loop: the channel layer keeps state per loop."""
    told: dict[str, int] = {}
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(max_workers=1) as thread:
        while not stop.is_set():
            heads = await loop.run_in_executor(thread, poll)
            if heads and heads != told and await tell(heads):
                told = heads
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL_S)
        await loop.run_in_executor(thread, connections.close_all)  # those of that thread


async def tell(heads: dict[str, int]) -> bool:
    """Send the heads to every live process; False when Redis did not take them."""
    layer = get_channel_layer()
    assert layer is not None
    message = {"type": "heads", "heads": heads}
    try:
        await asyncio.wait_for(layer.group_send(HEADS_GROUP, message), TELL_TIMEOUT_S)
    except Exception as error:  # noqa: BLE001  # told again at the next poll
        logger.warning("channels: %s", error)
        return False
    return True


async def main() -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await run(stop)
