"""The limit of the live screens: a loop that sends ready bytes to every socket, and nothing else.

`deploy.benchmarks.bare_live:application`; a GET of /SECONDS/RATE starts sending.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
_sockets: set[Callable[[Message], Awaitable[None]]] = set()


async def application(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Keep a socket, or start the sending."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": '{"type":"hello"}'})
        _sockets.add(send)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        _sockets.discard(send)
    elif scope["type"] == "http":
        seconds, rate = map(int, scope["path"].strip("/").split("/"))
        await _send_all(seconds, rate)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def _send_all(seconds: int, rate: int) -> None:
    begun = time.monotonic()
    for number in range(seconds * rate):
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
        notice = {
            "type": "notice",
            "scope": "hecheng",
            "dseq": number + 1,
            "kind": "dispatch",
            "case": f"HH20261126{number:05d}",
            "at": time.time(),
        }
        message = {"type": "websocket.send", "text": json.dumps(notice)}
        for socket in list(_sockets):
            await socket(message)
