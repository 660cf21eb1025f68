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
from django.conf import settings
from django.db import Error, connection, connections

from cases.choices import SCOPES
from cases.models.effect import QUEUES
from cases.selectors.feed import HEADS_GROUP, read_heads
from cases.services.effects import LEASE, bury_crashed

logger = logging.getLogger(__name__)

POLL_S = 0.2
HELD_BACK_S = 5  # what the broker did not take is offered again after it
TELL_TIMEOUT_S = 2

# Of each queue the most urgent of every scope, so that no district waits behind another's many.
_TAKE = """
    UPDATE cases_effect SET next_at = now() + make_interval(secs => %(lease)s), published_at = now()
    WHERE id IN (
      SELECT due.id FROM unnest(%(queues)s::text[], %(scopes)s::text[], %(most)s::int[])
        AS q(name, scope, most)
      CROSS JOIN LATERAL (
        SELECT id FROM cases_effect
        WHERE queue = q.name AND scope = q.scope AND state = 'due' AND next_at <= now()
        ORDER BY urgency, due_at, next_at
        LIMIT greatest(0, q.most - (
          SELECT count(*) FROM cases_effect
          WHERE queue = q.name AND scope = q.scope AND state = 'due'
            AND published_at IS NOT NULL AND next_at > now()))
        FOR UPDATE SKIP LOCKED) AS due)
    RETURNING id, queue, urgency, due_at
"""


def take_due() -> list[tuple[int, str]]:
    """Lease due effects and return (id, queue), most urgent first; committed before publishing."""
    pairs = [(queue, scope) for queue in QUEUES for scope in ("", *SCOPES)]
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "lease": LEASE.total_seconds(),
                "queues": [queue for queue, _ in pairs],
                "scopes": [scope for _, scope in pairs],
                "most": [in_flight(*pair) for pair in pairs],
            },
        )
        rows = cursor.fetchall()
    rows.sort(key=lambda row: (row[2], row[3] is None, row[3] or 0, row[0]))
    return [(row[0], row[1]) for row in rows]


def in_flight(queue: str, scope: str) -> int:
    """Return how many effects of a scope may be published and not yet done, in one queue."""
    named: dict[str, int] = settings.IN_FLIGHT_OF
    return min(named.get(name, settings.IN_FLIGHT) for name in (queue, scope))


def publish(due: list[tuple[int, str]]) -> None:
    """Hand ids to Celery; what the broker does not take now is offered again soon."""
    for done, (effect_id, queue) in enumerate(due):
        try:
            current_app.send_task(
                "cases.run_effect", args=[effect_id], queue=queue, retry=False, ignore_result=True
            )
        except Exception as error:  # noqa: BLE001  # any broker trouble: the row is what counts
            left = [effect_id for effect_id, _ in due[done:]]
            logger.warning("broker: %s; %d effects wait", error, len(left))
            hold_back(left)
            return


def hold_back(effect_ids: list[int]) -> None:
    """Take back the lease of what was not handed over, so that it blocks no place in flight."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cases_effect
            SET next_at = now() + make_interval(secs => %s), published_at = NULL
            WHERE id = ANY(%s) AND state = 'due' AND claimed_until IS NULL
            """,
            [HELD_BACK_S, effect_ids],
        )


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
