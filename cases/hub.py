"""One hub per live process: it reads each new event once and tells every socket in memory.

A head told by the relay is a hint; the hub also looks at the heads itself every few seconds, so a
silent Redis only slows it down. A socket gets notices of cases its user may see, and one, kind
`gone`, when a case leaves their sight; of the others it is only told how far the log has come, so
that its cursor advances and nothing leaks. Sessions and roles of all sockets are looked at again
every few seconds in one statement.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypedDict

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from cases.policy import Reach, reach_of
from cases.selectors.feed import (
    HEADS_GROUP,
    FeedEvent,
    events_between,
    has_left,
    may_know,
    read_heads,
)
from cityops.accounts.models import User
from cityops.accounts.sessions import still_signed_in

logger = logging.getLogger(__name__)

LOOK_S = 5  # how often the heads are read from PostgreSQL whatever Redis says
DEAF_LOOKS = 3  # so many looks in a row that find what Redis did not tell: it is heard no more
HEARTBEAT_S = 20
CHECK_S = 4  # how often sessions and roles are looked at again
REPLAY_LIMIT = 500  # events a client may be behind before it must ask for the whole picture
WAITING_LIMIT = 500  # messages a slow reader may have waiting before it is told to start again

SIGNED_OUT = 4401
TOO_SLOW = 4429

GONE = "gone"  # the kind of the notice that a case has left one's sight; says nothing of why


class CaseNotice(TypedDict):
    """What a live screen is told. Names a change; never carries its contents."""

    type: str
    scope: str  # whose log
    dseq: int  # position in that log, gap-free
    kind: str  # action, or GONE
    case: str  # case number


class Listener:
    """One socket or long poll: its session, its user, and the messages waiting for it."""

    def __init__(self, session_key: str, user: User) -> None:
        self.session_key = session_key
        self.user = user
        self.reach = reach_of(user)
        self.queue: asyncio.Queue[str] = asyncio.Queue(WAITING_LIMIT)
        self.ended = asyncio.Event()
        self.code = 0  # why it ended, as a close code

    def put(self, message: str) -> None:
        """Queue a JSON text; a reader that cannot keep up is cut off and resumes later."""
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.end(TOO_SLOW)

    def end(self, code: int) -> None:
        """Tell whoever serves this listener to stop; the first reason stands."""
        if not self.ended.is_set():
            self.code = code
            self.ended.set()

    def judge(self, user: User | None, heads: dict[str, int]) -> None:
        """Go on as `user` stands now: to the end once signed out, afresh with other roles."""
        if user is None:
            self.end(SIGNED_OUT)
        elif reach_of(user) != self.reach:
            self.user, self.reach = user, reach_of(user)
            self.put(json.dumps({"type": "resync", "heads": heads}))


def messages_for(
    reach: Reach, scope: str, events: list[FeedEvent], upto: int
) -> list[dict[str, Any]]:
    """Return notices for `reach`, in order, with a word between on what does not concern it.

    `events` are all of the log up to `upto`, so whoever follows sees no gap.
    """
    told = events[0].dseq - 1 if events else 0
    messages: list[dict[str, Any]] = []
    for event in events:
        kind = event.kind if may_know(reach, event) else GONE if has_left(reach, event) else ""
        if not kind:
            continue
        if event.dseq > told + 1:
            messages.append(_upto(scope, event.dseq - 1))
        messages.append(_notice(event, kind))
        told = event.dseq
    return messages if told == upto else [*messages, _upto(scope, upto)]


def _upto(scope: str, dseq: int) -> dict[str, Any]:
    return {"type": "upto", "scope": scope, "upto": dseq}


def _notice(event: FeedEvent, kind: str) -> dict[str, Any]:
    said = CaseNotice(
        type="notice", scope=event.scope, dseq=event.dseq, kind=kind, case=event.number
    )
    return dict(said)


class Hub:
    """The listeners of this process and the heads they have been told."""

    def __init__(self) -> None:
        self.heads: dict[str, int] = {}
        self.listeners: set[Listener] = set()
        self._lock = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._unheard = 0  # looks in a row that found what Redis did not tell

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
                self._tell(scope, events, head)

    def _tell(self, scope: str, events: list[FeedEvent], upto: int) -> None:
        """Queue the messages for everybody; worked out and written once for all who see alike."""
        texts: dict[Reach, list[str]] = {}
        for listener in list(self.listeners):
            if listener.reach not in texts:
                found = messages_for(listener.reach, scope, events, upto)
                texts[listener.reach] = [json.dumps(message) for message in found]
            for text in texts[listener.reach]:
                listener.put(text)

    async def check(self) -> None:
        """Look at the session and roles of every listener again, in one statement for all."""
        held = {listener.session_key: listener.user.pk for listener in self.listeners}
        if not held:
            return
        find = database_sync_to_async(still_signed_in, thread_sensitive=False)
        users = await find(held)
        async with self._lock:
            for listener in self.listeners:
                if listener.session_key in held:
                    listener.judge(users.get(listener.session_key), dict(self.heads))

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
            for work in (self._hear_relay, self._look, self._beat, self._check)
        ]

    async def _hear_relay(self) -> None:
        layer = get_channel_layer()
        assert layer is not None
        channel = await layer.new_channel()
        await layer.group_add(HEADS_GROUP, channel)
        try:
            while True:
                message = await layer.receive(channel)
                self._unheard = 0
                await self.advance(message["heads"])
        finally:
            with suppress(Exception):
                await layer.group_discard(HEADS_GROUP, channel)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            heads = await database_sync_to_async(read_heads, thread_sensitive=False)()
            is_news = any(head > self.heads.get(scope, 0) for scope, head in heads.items())
            self._unheard += is_news
            await self.advance(heads)
            if self._unheard >= DEAF_LOOKS:
                await self._hear_anew()

    async def _hear_anew(self) -> None:
        """Leave a connection to Redis that died without a word, and listen on a new one."""
        logger.warning("live: Redis is silent while the logs grow, connecting anew")
        self._unheard = 0
        layer = get_channel_layer()
        assert layer is not None
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await layer.flush()  # of this layer: it lets its connections go, no more
        self._tasks[0].cancel()
        self._tasks[0] = asyncio.create_task(_forever(self._hear_relay))

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            await self.check()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            text = json.dumps({"type": "heartbeat", "heads": self.heads})
            for listener in list(self.listeners):
                listener.put(text)


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
            messages += messages_for(reach_of(user), scope, events, heads[scope])
    return messages
