"""WebSocket clients of a benchmark: many in one loop of their own thread."""

import asyncio
import base64
import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import cast

import uvloop

_TEXT, _PING, _PONG = 1, 9, 10  # kinds of frames (RFC 6455)
Hear = Callable[[int, bytes], None]  # number of the socket, what it was sent


@contextlib.contextmanager
def open_sockets(port: int, cookies: Sequence[str], hear: Hear) -> Iterator[None]:
    """Keep a socket open for each cookie; `hear` is called in their thread. Waits for no answer."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        opening = _open_all(loop, port, cookies, hear)
        asyncio.run_coroutine_threadsafe(opening, loop).result(60)
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _open_all(
    loop: asyncio.AbstractEventLoop, port: int, cookies: Sequence[str], hear: Hear
) -> None:
    for number, cookie in enumerate(cookies):
        make = partial(_Socket, cookie, hear, number)
        await loop.create_connection(make, "127.0.0.1", port)


def wait_until(condition: Callable[[], bool], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("The sockets did not hear what they should.")
        time.sleep(0.05)


class _Socket(asyncio.Protocol):
    """A WebSocket that greets, asks to go on, and reads what servers send: small, whole frames.

    A client library would cost more than the server that is measured.
    """

    def __init__(self, cookie: str, hear: Hear, number: int) -> None:
        self.cookie, self.hear, self.number = cookie, hear, number
        self.is_open = False
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET /ws/live/ HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
            f"Cookie: {self.cookie}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self.rest += data
        if not self.is_open:
            _, mark, rest = self.rest.partition(b"\r\n\r\n")
            if not mark:
                return
            self.is_open, self.rest = True, rest
            self.transport.write(_frame(_TEXT, b'{"type":"resume","last":{}}'))
        for kind, payload in self._frames():
            if kind == _PING:
                self.transport.write(_frame(_PONG, payload))
            elif kind == _TEXT:
                for line in payload.split(b"\n"):  # docs/live.md: one message a line
                    self.hear(self.number, line)

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        while len(self.rest) >= 2:
            size, start = self.rest[1], 2
            if size == 126:
                size, start = int.from_bytes(self.rest[2:4], "big"), 4
            if len(self.rest) < start + size:
                return
            yield self.rest[0] & 0x0F, self.rest[start : start + size]
            self.rest = self.rest[start + size :]


def _frame(kind: int, payload: bytes) -> bytes:
    """Return a short frame as a client sends it, masked."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes([0x80 | kind, 0x80 | len(payload)]) + mask + masked
