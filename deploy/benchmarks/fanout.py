"""Live notices to many sockets, against a bare uvicorn loop that sends the same bytes."""

import asyncio
import base64
import contextlib
import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast
from urllib.request import urlopen

import uvloop

from cases.models import Event
from deploy.benchmarks.clients import Server, one_after_another
from deploy.benchmarks.create import child_server, report_maker, wait_until_dispatched
from deploy.benchmarks.figures import Figure
from deploy.benchmarks.people import session_of
from deploy.home import Home

SOCKETS = 1000
SECONDS = 10
RATE = 30  # notices a second
EVENTS_A_REPORT = 4  # report, accept, file, dispatch
SAMPLED = 40  # sockets whose messages are looked at one by one
SETTLE_S = 3.0
_BARE = "uvicorn --host 127.0.0.1 --ws-max-size 65536 --no-access-log --log-level warning"


def sockets(home: Home) -> Figure:
    """Return notices delivered a second to all sockets together, and how late they come."""
    ours = _listen(home.state.ports["live"], lambda: _work(home))
    with child_server(home, _BARE, "deploy.benchmarks.bare_live:application") as port:
        bare = _listen(port, lambda: _start_bare(port))
    return Figure(
        f"notices to {SOCKETS:,} sockets at {RATE} a second",
        "1/s",
        ours.rate,
        "bare uvicorn loop",
        bare.rate,
        {
            "delivered": ours.count,
            "expected": ours.expected,
            "late by, median, ms": ours.late_ms(0.5),
            "late by, 95 %, ms": ours.late_ms(0.95),
            "bare: late by, median, ms": bare.late_ms(0.5),
            "bare: late by, 95 %, ms": bare.late_ms(0.95),
        },
    )


def _work(home: Home) -> dict[tuple[str, int], float]:
    """Report at the rate that makes `RATE` events a second; returns when each event was written."""
    calls, web = one_after_another(report_maker()), Server.web_of(home)
    first = Event.objects.latest("pk").pk
    begun = time.monotonic()
    for number in range(SECONDS * RATE // EVENTS_A_REPORT):
        time.sleep(max(0.0, begun + number * EVENTS_A_REPORT / RATE - time.monotonic()))
        web.ask(calls, clients=1, count=1)
    wait_until_dispatched()
    written = Event.objects.filter(pk__gt=first).values_list("scope", "dseq", "at")
    return {(scope, dseq): at.timestamp() for scope, dseq, at in written}


def _start_bare(port: int) -> dict[tuple[str, int], float]:
    with urlopen(f"http://127.0.0.1:{port}/{SECONDS}/{RATE}", timeout=120) as answer:  # our own
        answer.read()
    return {}


class _Heard:
    """What all sockets heard together."""

    def __init__(self) -> None:
        self.ready = 0
        self.count = 0
        self.first = self.last = 0.0
        self.sampled: list[tuple[float, bytes]] = []
        self.written: dict[tuple[str, int], float] = {}

    def note(self, payload: bytes, *, is_sampled: bool) -> None:
        if b'"notice"' not in payload:
            self.ready += b'"hello"' in payload
            return
        self.last = time.time()
        self.first = self.first or self.last
        self.count += 1
        if is_sampled:
            self.sampled.append((self.last, payload))

    @property
    def rate(self) -> float:
        return self.count / (self.last - self.first)

    @property
    def expected(self) -> int:
        return SOCKETS * (len(self.written) or SECONDS * RATE)

    def late_ms(self, share: float) -> float:
        """Return how late the given share of the sampled notices came, in milliseconds."""
        late = []
        for heard, payload in self.sampled:
            notice = json.loads(payload)
            written = notice.get("at") or self.written[notice["scope"], notice["dseq"]]
            late.append((heard - written) * 1000)
        return statistics.quantiles(late, n=100)[int(share * 100) - 1]


def _listen(port: int, work: Callable[[], dict[tuple[str, int], float]]) -> _Heard:
    """Open the sockets, run `work` beside them, and return what they heard."""
    headers = session_of("dispatcher1")
    heard = _Heard()
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        opening = _open_all(loop, port, headers["Cookie"], heard)
        asyncio.run_coroutine_threadsafe(opening, loop).result(60)
        _wait_until(lambda: heard.ready == SOCKETS, 60)
        heard.written = work()
        with contextlib.suppress(TimeoutError):
            _wait_until(lambda: heard.count >= heard.expected, 30)
        time.sleep(SETTLE_S)  # what comes now comes twice, and shows in the count
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
    return heard


async def _open_all(
    loop: asyncio.AbstractEventLoop, port: int, cookie: str, heard: _Heard
) -> list[asyncio.Transport]:
    opened = []
    for number in range(SOCKETS):
        make = partial(_Socket, heard, cookie, is_sampled=number < SAMPLED)
        transport, _ = await loop.create_connection(make, "127.0.0.1", port)
        opened.append(transport)
    return opened


def _wait_until(condition: Callable[[], bool], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("The sockets did not hear what they should.")
        time.sleep(0.05)


class _Socket(asyncio.Protocol):
    """A WebSocket that greets, asks to go on, and reads what servers send: small, whole frames.

    A client library would cost more than the server that is measured.
    """

    def __init__(self, heard: _Heard, cookie: str, *, is_sampled: bool) -> None:
        self.heard, self.cookie, self.is_sampled = heard, cookie, is_sampled
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
            self.transport.write(_frame(b'{"type":"resume","last":{}}'))
        for payload in self._frames():
            self.heard.note(payload, is_sampled=self.is_sampled)

    def _frames(self) -> Iterator[bytes]:
        while len(self.rest) >= 2:
            size, start = self.rest[1], 2
            if size == 126:
                size, start = int.from_bytes(self.rest[2:4], "big"), 4
            if len(self.rest) < start + size:
                return
            yield self.rest[start : start + size]
            self.rest = self.rest[start + size :]


def _frame(payload: bytes) -> bytes:
    """Return a short text frame as a client sends it, masked."""
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes([0x81, 0x80 | len(payload)]) + mask + masked
