"""The relay: due effects go to Celery, new heads to the live screens. Knows no business rule.

Two copies may run: due rows are taken with SKIP LOCKED, for a moment, and leased once they are
published; a head told twice is ignored by the hub. What is lost on the way is published again.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import NamedTuple, TypeVar

import redis
from celery import current_app
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import Error, connection, connections

from cases.choices import SCOPES
from cases.models.effect import QUEUES
from cases.selectors.feed import HEADS_GROUP, read_heads
from cases.services.effects import AT_ONCE, LEASE, bury_crashed, end_lost_claims, is_brisk

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

POLL_S = 0.2
PUBLISH_S = 3  # what a relay took is anybody's again after it, unless published: it may have died
HELD_BACK_S = 5  # what the broker did not take is offered again after it
TELL_TIMEOUT_S = 2

_SCOPES = ("", *SCOPES)

# Of each queue the most urgent of every scope, so that no district waits behind another's many.
_TAKE = """
    UPDATE cases_effect SET next_at = now() + make_interval(secs => %(held)s), published_at = now()
    WHERE id = ANY(ARRAY(
      SELECT due.id FROM unnest(%(queues)s::text[], %(scopes)s::text[], %(most)s::int[])
        AS q(name, scope, most)
      CROSS JOIN LATERAL (
        SELECT id FROM cases_effect
        WHERE queue = q.name AND scope = q.scope AND state = 'due' AND next_at <= now()
        ORDER BY urgency, due_at, next_at
        LIMIT greatest(0, q.most - (
          SELECT count(*) FROM cases_effect
          WHERE queue = q.name AND scope = q.scope AND state = 'due'
            AND published_at IS NOT NULL AND next_at > now()
            AND (claimed_until IS NULL OR claimed_until < now())))
        FOR UPDATE SKIP LOCKED) AS due))
    RETURNING id, queue, kind, runs, urgency, due_at
"""


class Due(NamedTuple):
    """An effect on its way to a worker."""

    effect_id: int
    queue: str
    kind: str
    runs: int  # until now


def take_due(*, but: Collection[str] = ()) -> list[Due]:
    """Take due effects for PUBLISH_S and return them, most urgent first; committed.

    Those of the queues in `but` stay.
    """
    pairs = [(queue, scope) for queue in QUEUES if queue not in but for scope in _SCOPES]
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "held": PUBLISH_S,
                "queues": [queue for queue, _ in pairs],
                "scopes": [scope for _, scope in pairs],
                "most": [in_flight(*pair) for pair in pairs],
            },
        )
        rows = cursor.fetchall()
    rows.sort(key=lambda row: (row[4], row[5] is None, row[5] or 0, row[0]))
    return [Due(*row[:4]) for row in rows]


def in_flight(queue: str, scope: str) -> int:
    """Return how many effects of a scope may wait for a worker, published, in one queue."""
    of: dict[str, int] = settings.IN_FLIGHT_OF
    return min((of[name] for name in (queue, scope) if name in of), default=settings.IN_FLIGHT)


def overfull() -> set[str]:
    """Return the queues that hold more messages than work may be in flight: nobody reads them.

    None if the broker is silent.

    What is unclaimed is published again after each lease, so without this a queue whose worker is
    away would grow for ever, and its urgent work wait behind all that once it is back.
    """
    asked = broker().pipeline(transaction=False)
    for queue in QUEUES:
        asked.llen(queue)
    try:
        lengths = asked.execute()
    except redis.RedisError:
        return set()
    return {queue for queue, length in zip(QUEUES, lengths, strict=True) if length > _most(queue)}


def _most(queue: str) -> int:
    return sum(in_flight(queue, scope) for scope in _SCOPES)


@cache
def broker() -> redis.Redis:
    """Return Redis as asked for lengths: impatient, because the answer is only useful."""
    url = settings.CELERY_BROKER_URL
    return redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)


def publish(due: list[Due]) -> None:
    """Hand ids to Celery; what the broker does not take now is offered again soon."""
    published: list[int] = []
    for queue, ids in _messages(due):
        try:
            current_app.send_task(
                "cases.run_effect", args=ids, queue=queue, retry=False, ignore_result=True
            )
        except Exception as error:  # noqa: BLE001  # any broker trouble: the row is what counts
            left = [one.effect_id for one in due if one.effect_id not in published]
            logger.warning("broker: %s; %d effects wait", error, len(left))
            hold_back(left)
            break
        published += ids
        lease(ids)


def _messages(due: list[Due]) -> Iterator[tuple[str, list[int]]]:
    """Gather what is due for messages, (queue, ids): new brisk work together, other one by one.

    Taking a message costs a worker more than doing brisk work. What ran before may take its
    worker down with it, and all that waits in its message.
    """
    brisk: dict[str, list[int]] = {}
    for effect_id, queue, kind, runs in due:
        if is_brisk(kind) and not runs:
            brisk.setdefault(queue, []).append(effect_id)
        else:
            yield queue, [effect_id]
    for queue, ids in brisk.items():
        for first in range(0, len(ids), AT_ONCE):
            yield queue, ids[first : first + AT_ONCE]


def lease(effect_ids: list[int]) -> None:
    """Leave what was published to the workers for one lease, unless one of them is at it.

    It waits for nobody: a row that is locked, a worker is just claiming.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cases_effect SET next_at = now() + make_interval(secs => %s)
            WHERE id = ANY(ARRAY(
              SELECT id FROM cases_effect
              WHERE id = ANY(%s) AND state = 'due' AND published_at IS NOT NULL
                AND (claimed_until IS NULL OR claimed_until < now())
              FOR UPDATE SKIP LOCKED))
            """,
            [LEASE.total_seconds(), effect_ids],
        )


def hold_back(effect_ids: list[int]) -> None:
    """Take back the lease of what was not handed over, so that it blocks no place in flight."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cases_effect
            SET next_at = now() + make_interval(secs => %s), published_at = NULL
            WHERE id = ANY(%s) AND state = 'due'
              AND (claimed_until IS NULL OR claimed_until < now())
            """,
            [HELD_BACK_S, effect_ids],
        )


def hand_over() -> None:
    """Do one round with the broker, which may take as long as it lets one wait."""
    with _trouble_passes():
        publish(take_due(but=overfull()))
        end_lost_claims()
        bury_crashed()


def heads_now() -> dict[str, int]:
    """Return the heads; none while the database does not answer."""
    with _trouble_passes():
        return read_heads()
    return {}


@contextmanager
def _trouble_passes() -> Iterator[None]:
    """Leave to the next round what the database refuses in this one."""
    try:
        yield
    except Error as error:
        logger.warning("database: %s", error)
        connection.close()


async def run(stop: asyncio.Event) -> None:
    """Go on until `stop` is set, in one long-lived loop: the channel layer keeps state per loop.

    Screens are told of new heads apart from the work with the broker, so that they do not wait
    for it while it is silent.
    """
    await asyncio.gather(_hand_over(stop), _tell_heads(stop))


async def _hand_over(stop: asyncio.Event) -> None:
    async for _ in _rounds(stop, hand_over):
        pass


async def _tell_heads(stop: asyncio.Event) -> None:
    told: dict[str, int] = {}
    async for heads in _rounds(stop, heads_now):
        if heads and heads != told and await tell(heads):
            told = heads


async def _rounds(stop: asyncio.Event, job: Callable[[], Result]) -> AsyncIterator[Result]:
    """Do `job` again and again, in a thread with a connection of its own, and yield its result."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(max_workers=1) as thread:
        while not stop.is_set():
            yield await loop.run_in_executor(thread, job)
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
