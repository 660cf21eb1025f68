"""The socket at /ws/live/: authenticates, registers with the hub, passes notices on."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from cases.choices import SCOPES
from cases.hub import SIGNED_OUT, TOO_SLOW, Listener, hub, replay
from cityops.accounts.models import User
from cityops.accounts.sessions import signed_in

BAD_MESSAGES = 4400
MAX_BAD = 5
SEND_S = 10  # a reader that takes longer over one message is cut off
CLOSE_S = 5  # and is not waited for longer than this; then the server's own keepalive ends it


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
        self.listener = Listener(str(self.scope["session"].session_key), user)
        self.heads = await hub().join(self.listener)
        self.telling: asyncio.Task[None] | None = None
        self.ending = asyncio.create_task(self._end(self.listener))
        await self._send({"type": "hello", "heads": self.heads})

    async def disconnect(self, code: int) -> None:
        """Leave the hub."""
        if self.listener is not None:
            self._let_go(self.listener)
            self.ending.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer `resume`, once, and only then tell what is new: what was missed comes first.

        Anything else is an error message, and too many of them the end.
        """
        last, listener = _resume(text_data), self.listener
        if listener is None:
            return
        if last is None or self.is_resumed:
            self.bad += 1
            await self._send({"type": "error", "detail": 'send {"type":"resume","last":{…}}'})
            if self.bad >= MAX_BAD:
                await self.close(BAD_MESSAGES)
            return
        self.is_resumed = True
        for message in await replay(listener.user, last, self.heads):
            await self._send(message)
            if listener.ended.is_set():
                return
        self.telling = asyncio.create_task(self._pass_on(listener))

    async def _pass_on(self, listener: Listener) -> None:
        """Send what waits, a line each: what came together, or while one was sent, as one frame."""
        while True:
            texts = [await listener.queue.get()]
            while not listener.queue.empty():
                texts.append(listener.queue.get_nowait())
            await self._send_text("\n".join(texts))

    async def _end(self, listener: Listener) -> None:
        """Wait until the hub ends the listener, then close, though a message be stuck on its way.

        What waited for a slow reader is let go at once, so none holds memory for long.
        """
        await listener.ended.wait()
        self._let_go(listener)
        with suppress(OSError):  # too late, or already gone
            async with asyncio.timeout(CLOSE_S):
                await self.close(listener.code)

    def _let_go(self, listener: Listener) -> None:
        hub().leave(listener)
        self.listener = None
        if self.telling is not None:
            self.telling.cancel()

    async def _user(self) -> User | None:
        user = self.scope["user"]
        find = database_sync_to_async(signed_in, thread_sensitive=False)
        return await find(self.scope["session"].session_key, user.pk if user else None)

    async def _send(self, message: dict[str, Any]) -> None:
        await self._send_text(json.dumps(message))

    async def _send_text(self, text: str) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                await self.send(text)
        except OSError:  # too late, or already gone
            if self.listener is not None:
                self.listener.end(TOO_SLOW)


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
