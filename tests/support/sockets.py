"""A client of /ws/live/, and the hub it listens to moved on by hand."""

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.db import connections
from django.test import Client

from cases.hub import hub
from cases.selectors.feed import read_heads
from cityops.accounts.models import User
from cityops.asgi import application


@pytest.fixture
async def quiet_hub():
    """Stop the hub of the test's event loop and let its threads' connections go."""
    yield
    await hub().close()
    await sync_to_async(connections.close_all)()


def cookie_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


class Socket(ApplicationCommunicator):
    """A WebSocket client; channels' own needs a server package the project does without."""

    def __init__(self, cookie: str = "") -> None:
        headers = [(b"host", b"localhost"), (b"origin", b"http://localhost")]
        headers.append((b"cookie", f"sessionid={cookie}".encode()))
        scope = {"type": "websocket", "path": "/ws/live/", "headers": headers, "subprotocols": []}
        super().__init__(application, {**scope, "query_string": b""})
        self.heard: list[Any] = []  # came in a frame with what was asked for

    async def open(self) -> None:
        await self.send_input({"type": "websocket.connect"})
        assert (await self.receive_output(5))["type"] == "websocket.accept"

    async def say(self, text: str) -> None:
        await self.send_input({"type": "websocket.receive", "text": text})

    async def leave(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait(5)


async def connect(user: User) -> Socket:
    socket = Socket(await sync_to_async(cookie_of)(user))
    await socket.open()
    return socket


async def listen(user: User) -> tuple[Socket, dict[str, Any]]:
    """Connect and ask for what comes from now on; return the socket and its hello."""
    socket = await connect(user)
    (hello,) = await hear(socket, 1)
    await socket.say(json.dumps({"type": "resume", "last": {}}))
    return socket, hello


async def tell() -> None:
    """Do what the relay's word makes the hub do."""
    await hub().advance(await sync_to_async(read_heads)())


async def hear(socket: Socket, count: int) -> list[Any]:
    """Return the next so many messages; a frame may hold several, a line each."""
    while len(socket.heard) < count:
        text = (await socket.receive_output(5))["text"]
        socket.heard += [json.loads(line) for line in text.split("\n")]
    found, socket.heard = socket.heard[:count], socket.heard[count:]
    return found
