"""Screens of the lab: clients that follow the logs as live.js does and write down what they take.

All of them live in one thread with an event loop of its own. Each line of a log is a record of
sockets-*.jsonl that the checker reads: `start` (the heads it was first greeted with), `notice`,
`upto`, `resync` (it loaded the whole picture), `open`, `close`, `gap`, and `left` when it is sent
away, after which nothing is its concern.
"""

import asyncio
import contextlib
import itertools
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from cases.choices import SCOPES
from tests.faultlab.figures import Red

# As in live.js.
SILENT_S = 45
HELLO_S = 10
FIRST_WAIT_S = 12
LONGEST_WAIT_S = 20
POLL_S = 40
SMALL_SEGMENT = 536  # keeps the buffers between server and a slow reader small


class Screens:
    """Many clients of one live server; every method may be called from any thread."""

    def __init__(self, url: str, log: Path, *, seed: int = 0) -> None:
        self.url = url  # ws://host:port/ws/live/
        self.clients: dict[str, Screen] = {}
        self._file = log.open("a", buffering=1)
        self._random = random.Random(seed)  # noqa: S311 - a fault is repeated by its seed
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="screens")
        self._thread.start()

    def open(
        self, name: str, cookie: str, *, user: str, count: int = 1, polls: bool = False
    ) -> None:
        """Open clients of one user, named name.0, name.1 …; wait until all have been greeted."""
        made = [
            Screen(self, f"{name}.{number}" if count > 1 else name, user, cookie)
            for number in range(count)
        ]
        self.clients |= {screen.name: screen for screen in made}
        for screen in made:
            self._run(screen.begin(polls=polls))
        self.wait_until(lambda: all(screen.last for screen in made), 60)

    def wait_whole(self, heads: dict[str, int], limit_s: float) -> float:
        """Wait until every client stands at `heads` or beyond; returns the seconds it took."""
        begun = time.monotonic()
        self.wait_until(lambda: not self.behind(heads), limit_s)
        return time.monotonic() - begun

    def behind(self, heads: dict[str, int]) -> list[str]:
        """Return the clients that have not come to `heads` yet."""
        return [
            screen.name
            for screen in list(self.clients.values())
            if any(screen.last.get(scope, 0) < head for scope, head in heads.items())
        ]

    def vanish(self, name: str, seconds: float) -> None:
        """Let a client hear and answer nothing for a while: a phone in the pocket."""
        self._run(self.clients[name].sleep(seconds))

    def slow(self, name: str, seconds_a_message: float) -> None:
        """Let a client take its time over every message from its next connection on."""
        screen = self.clients[name]
        screen.pace_s = seconds_a_message
        self._run(screen.hang_up())

    def leave(self, name: str) -> None:
        """Send a client away; what comes later is no concern of it."""
        self._run(self.clients.pop(name).leave()).result(10)

    def stop(self) -> None:
        """Send everybody away, and end the thread."""
        for name in list(self.clients):
            self.leave(name)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._file.close()

    def wait_until(self, condition: Callable[[], bool], limit_s: float) -> None:
        """Wait; raises Red that says where some of them stand."""
        deadline = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > deadline:
                standing = {s.name: s.last for s in itertools.islice(self.clients.values(), 5)}
                raise Red(f"screens are not whole after {limit_s:.0f} s: {standing}")
            time.sleep(0.05)

    def write(self, record: dict[str, Any]) -> None:
        """Add a line to the log; only the loop's thread writes."""
        self._file.write(json.dumps({"at": time.time(), **record}) + "\n")

    def wait_after(self, failures: int) -> float:
        """Return how long a client waits after so many failures, in seconds."""
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (failures - 1))
        return self._random.uniform(0.5, longest)

    def _run(self, work: Coroutine[Any, Any, None]) -> "Future[None]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)


class Screen:
    """One client: its cursors, its connection, and what befalls it."""

    def __init__(self, screens: Screens, name: str, user: str, cookie: str) -> None:
        self.screens, self.name, self.user = screens, name, user
        self.headers = {"Cookie": f"sessionid={cookie}"}
        self.last: dict[str, int] = {}
        self.pace_s = 0.0
        self.failures = 0
        self.opened: list[float] = []  # when it was greeted, on the monotonic clock
        self.codes: list[int] = []  # close codes it was given
        self._asleep_until = 0.0
        self._connection: ClientConnection | None = None

    async def begin(self, *, polls: bool) -> None:
        """Start following."""
        self._task = asyncio.create_task(self._poll() if polls else self._follow())

    async def sleep(self, seconds: float) -> None:
        """Stop reading until `seconds` have gone by, connection or not."""
        self._asleep_until = time.monotonic() + seconds
        connection = self._connection
        if connection is not None:
            connection.transport.pause_reading()
        await asyncio.sleep(seconds)
        if connection is not None and not connection.transport.is_closing():
            connection.transport.resume_reading()

    async def hang_up(self) -> None:
        """Break the present connection."""
        if self._connection is not None:
            self._connection.transport.abort()

    async def leave(self) -> None:
        """Stop following, and say that it was meant."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._write("left")

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(OSError, WebSocketException):
                await self._one_connection()
            self._connection = None
            self.failures += 1
            await self._wait(self.screens.wait_after(self.failures))

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, self._asleep_until - time.monotonic()))

    async def _one_connection(self) -> None:
        """Follow until the connection ends, is silent for too long, or lost something."""
        async with connect(
            self.screens.url,
            origin=_origin(self.screens.url),
            additional_headers=self.headers,
            compression=None,
            open_timeout=HELLO_S,
            ping_interval=None,
            close_timeout=1,
            proxy=None,
            sock=self._small_socket() if self.pace_s else None,
        ) as connection:
            self._connection = connection
            try:
                is_whole = True
                while is_whole:
                    is_whole = await self._take_next(connection)
                    if self.pace_s:
                        await asyncio.sleep(self.pace_s)
                self._write("gap")
            finally:
                if connection.close_code is not None:
                    self.codes.append(connection.close_code)
                self._write("close", code=connection.close_code)

    def _small_socket(self) -> socket.socket:
        at = urlsplit(self.screens.url)
        made = socket.socket()
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SMALL_SEGMENT)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.connect((at.hostname, at.port))
        made.setblocking(False)  # noqa: FBT003 - Python's own signature
        return made

    async def _take_next(self, connection: ClientConnection) -> bool:
        await self._wait(0)  # a connection made while it sleeps is not paused
        is_greeted = bool(self.opened) and self.failures == 0
        async with asyncio.timeout(SILENT_S if is_greeted else HELLO_S):
            text = await connection.recv(decode=True)
        for line in text.split("\n"):
            if not await self._take_one(connection, line):
                return False
        return True

    async def _take_one(self, connection: ClientConnection, line: str) -> bool:
        message = json.loads(line)
        if message["type"] == "hello":
            self.failures = 0
            self.opened.append(time.monotonic())
            self._write("open")
            await connection.send(json.dumps({"type": "resume", "last": self.last}))
            if not self.last:
                self._start(message["heads"])
            return True
        return self.take(message)

    def take(self, message: dict[str, Any]) -> bool:
        """Take one message as live.js does; False when something before it was lost."""
        kind = message["type"]
        if kind == "notice":
            last = self.last.get(message["scope"], 0)
            if message["dseq"] <= last:
                return True
            if message["dseq"] != last + 1:
                return False
            self.last[message["scope"]] = message["dseq"]
            words = {name: message[name] for name in ("scope", "dseq", "case")}
            self._write("notice", action=message["kind"], **words)
        elif kind == "upto":
            if message["upto"] > self.last.get(message["scope"], 0):
                self.last[message["scope"]] = message["upto"]
                self._write("upto", scope=message["scope"], dseq=message["upto"])
        elif kind == "resync":
            self.last |= message["heads"]
            self._write("resync", heads=message["heads"])
        elif kind == "heartbeat":
            return all(self.last.get(s, 0) >= head for s, head in message["heads"].items())
        return True

    async def _poll(self) -> None:
        """Follow by long poll."""
        while True:
            try:
                answer = await asyncio.to_thread(self._ask)
            except (URLError, OSError, ValueError):
                self.failures += 1
                await self._wait(self.screens.wait_after(self.failures))
                continue
            self.failures = 0
            if not self.last:
                self._start(answer["heads"])
                continue
            for message in answer["messages"]:
                self.take(message)
            self.last |= answer["heads"]

    def _ask(self) -> Any:
        at = urlsplit(self.screens.url)
        after = ",".join(f"{scope}:{dseq}" for scope, dseq in self.last.items())
        # The very first answer only tells where the logs stand: cursors far ahead have no past.
        asked = urlencode({"after": after or ",".join(f"{s}:{2**50}" for s in SCOPES)})
        address = f"http://{at.netloc}/live/events?{asked}"
        with urlopen(Request(address, headers=self.headers), timeout=POLL_S) as answer:
            return json.load(answer)

    def _start(self, heads: dict[str, int]) -> None:
        self.last = dict(heads)
        self._write("start", heads=heads)

    def _write(self, kind: str, **words: Any) -> None:
        self.screens.write({"client": self.name, "user": self.user, "kind": kind, **words})


def _origin(url: str) -> Any:
    return f"http://{urlsplit(url).netloc}"
