"""The socket at /ws/live/: authenticates, registers with the hub, passes notices on."""

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError

from cases.choices import SCOPES
from cases.hub import CHECK_S, Listener, hub, replay
from cityops.accounts.models import User
from cityops.accounts.sessions import signed_in

logger = logging.getLogger(__name__)

SIGNED_OUT = 4401
BAD_MESSAGES = 4400
START_AGAIN = 4429
MAX_BAD = 5


class LiveConsumer(AsyncWebsocketConsumer):
    """One live screen. Messages and the resume handshake: docs/live.md."""

    listener: Listener | None = None
    bad = 0
    is_resumed = False

    async def connect(self) -> None:
        """Let a signed-in user in and start telling."""
        user = await self._user()
        await self.accept()
        if user is None:
            await self.close(SIGNED_OUT)
            return
        self.listener = Listener(user)
        self.heads = await hub().join(self.listener)
        self.tasks = [asyncio.create_task(self._check_again())]
        await self._send({"type": "hello", "heads": self.heads})

    async def disconnect(self, code: int) -> None:
        """Leave the hub."""
        if self.listener is not None:
            hub().leave(self.listener)
            for task in self.tasks:
                task.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer `resume`, once, and only then tell what is new: what was missed comes first.

        Anything else is an error message, and too many of them the end.
        """
        last = _resume(text_data)
        if self.listener is None:
            return
        if last is None or self.is_resumed:
            self.bad += 1
            await self._send({"type": "error", "detail": 'send {"type":"resume","last":{…}}'})
            if self.bad >= MAX_BAD:
                await self.close(BAD_MESSAGES)
            return
        self.is_resumed = True
        for message in await replay(self.listener.user, last, self.heads):
            await self._send(message)
        self.tasks.append(asyncio.create_task(self._pass_on()))

    async def _pass_on(self) -> None:
        assert self.listener is not None
        while not self.listener.is_lost:
            await self._send(await self.listener.queue.get())
        await self.close(START_AGAIN)

    async def _check_again(self) -> None:
        """Look at session and roles again; what was granted since counts, what was taken too."""
        while True:
            await asyncio.sleep(CHECK_S)
            try:
                user = await self._user()
            except DatabaseError:
                logger.warning("live: the session could not be looked at, trying again")
                continue
            if user is None or self.listener is None:
                await self.close(SIGNED_OUT)
                return
            self.listener.user = user

    async def _user(self) -> User | None:
        user = self.scope["user"]
        find = database_sync_to_async(signed_in, thread_sensitive=False)
        return await find(self.scope["session"].session_key, user.pk if user else None)

    async def _send(self, message: dict[str, Any]) -> None:
        await self.send(json.dumps(message))


def _resume(text: str | None) -> dict[str, int] | None:
    """Return the cursors of a resume message; None when it is anything else."""
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        message = json.loads(text or "")
        last = message["last"] if message["type"] == "resume" else None
        if isinstance(last, dict) and all(
            scope in SCOPES and type(dseq) is int and 0 <= dseq < 2**62
            for scope, dseq in last.items()
        ):
            return last
    return None
