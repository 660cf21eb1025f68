"""One hub per live process: it reads each new event once and tells every socket in memory.

A head told by the relay is a hint; the hub also looks at the heads itself every few seconds, so a
silent Redis only slows it down. A socket gets notices of cases its user may see; of the others it
is only told how far the log has come, so that its cursor advances and nothing leaks.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypedDict

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from cases.selectors.feed import HEADS_GROUP, FeedEvent, events_between, may_know, read_heads
from cityops.accounts.models import User

logger = logging.getLogger(__name__)

LOOK_S = 5  # how often the heads are read from PostgreSQL whatever Redis says
HEARTBEAT_S = 20
CHECK_S = 60  # how often sessions and roles are looked at again
REPLAY_LIMIT = 500  # events a client may be behind before it must ask for the whole picture
WAITING_LIMIT = 1000  # messages a slow reader may have waiting before it is told to start again


class CaseNotice(TypedDict):
    """What a live screen is told. Names a change; never carries its contents."""

    type: str
    scope: str  # whose log
    dseq: int  # position in that log, gap-free
    kind: str  # action
    case: str  # case number


class Listener:
    """One socket or long poll: its user and the messages waiting for it."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(WAITING_LIMIT)
        self.is_lost = False  # could not keep up; must resume

    def put(self, message: dict[str, Any]) -> None:
        """Queue a message; a reader that cannot keep up is cut off and resumes later."""
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.is_lost = True

    def tell(self, scope: str, events: list[FeedEvent], upto: int) -> None:
        """Queue notices of what the user may see, and how far the log has come."""
        for message in messages_for(self.user, scope, events, upto):
            self.put(message)


def messages_for(
    user: User, scope: str, events: list[FeedEvent], upto: int
) -> list[dict[str, Any]]:
    """Return notices for `user` and one closing word on how far the log has come."""
    notices: list[dict[str, Any]] = [
        dict(CaseNotice(type="notice", scope=scope, dseq=e.dseq, kind=e.kind, case=e.number))
        for e in events
        if may_know(user, e)
    ]
    if not notices or notices[-1]["dseq"] != upto:
        notices.append({"type": "upto", "scope": scope, "upto": upto})
    return notices


class Hub:
    """The listeners of this process and the heads they have been told."""

    def __init__(self) -> None:
        self.heads: dict[str, int] = {}
        self.listeners: set[Listener] = set()
        self._lock = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def join(self, listener: Listener) -> dict[str, int]:
        """Add a listener and return the heads from which it will be told on."""
        async with self._lock:
            if not self.heads:
                self.heads = await database_sync_to_async(read_heads, thread_sensitive=False)()
            self.listeners.add(listener)
            if not self._tasks or any(task.done() for task in self._tasks):
                self._start()
            return dict(self.heads)

    def leave(self, listener: Listener) -> None:
        """Forget a listener."""
        self.listeners.discard(listener)

    async def advance(self, heads: dict[str, int]) -> None:
        """Read what is new up to `heads`, once, and tell everybody."""
        async with self._lock:
            for scope, head in heads.items():
                last = self.heads.get(scope, 0)
                if head <= last:
                    continue
                read = database_sync_to_async(events_between, thread_sensitive=False)
                events = await read(scope, last, head)
                self.heads[scope] = head
                for listener in list(self.listeners):
                    listener.tell(scope, events, head)

    async def close(self) -> None:
        """Stop the hub's work and wait until it has let go of the database."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def _start(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = [
            asyncio.create_task(_forever(work))
            for work in (self._hear_relay, self._look, self._beat)
        ]

    async def _hear_relay(self) -> None:
        layer = get_channel_layer()
        assert layer is not None
        channel = await layer.new_channel()
        await layer.group_add(HEADS_GROUP, channel)
        try:
            while True:
                message = await layer.receive(channel)
                await self.advance(message["heads"])
        finally:
            with suppress(Exception):
                await layer.group_discard(HEADS_GROUP, channel)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.advance(await database_sync_to_async(read_heads, thread_sensitive=False)())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            for listener in list(self.listeners):
                listener.put({"type": "heartbeat", "heads": dict(self.heads)})


async def _forever(work: Callable[[], Any]) -> None:
    """Run `work` again whenever it fails: Redis or PostgreSQL may be gone for a while."""
    while True:
        begun = time.monotonic()
        try:
            await work()
        except Exception:
            logger.exception("live: %s failed, starting again", work.__name__)
        if time.monotonic() - begun < 1:
            await asyncio.sleep(1)


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def hub() -> Hub:
    """Return the hub of this process's event loop."""
    loop = asyncio.get_running_loop()
    for other in [known for known in _hubs if known.is_closed()]:
        del _hubs[other]
    return _hubs.setdefault(loop, Hub())


async def _caught_up(last: dict[str, int], heads: dict[str, int]) -> dict[str, int]:
    """Return `heads`, not behind a page that was rendered from a database ahead of the hub.

    Where the page is ahead, there is nothing to replay up to where the page already stands.
    """
    if all(last[scope] <= heads.get(scope, 0) for scope in last):
        return heads
    true = await database_sync_to_async(read_heads, thread_sensitive=False)()
    return {s: max(head, min(last.get(s, 0), true.get(s, 0))) for s, head in heads.items()}


async def replay(user: User, last: dict[str, int], heads: dict[str, int]) -> list[dict[str, Any]]:
    """Return what happened after `last` up to `heads`; a resync where that is too much."""
    heads = await _caught_up(last, heads)
    behind = {scope: head - last[scope] for scope, head in heads.items() if scope in last}
    if any(not 0 <= missing <= REPLAY_LIMIT for missing in behind.values()):
        return [{"type": "resync", "heads": heads}]
    messages: list[dict[str, Any]] = []
    for scope in behind:
        if behind[scope]:
            read = database_sync_to_async(events_between, thread_sensitive=False)
            events = await read(scope, last[scope], heads[scope])
            messages += messages_for(user, scope, events, heads[scope])
    return messages
