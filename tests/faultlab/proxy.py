"""A TCP proxy between a client and a server of the lab, whose network can be made bad at any time.

It is a process of its own, told what to do by lines on its stdin and answering with a line of
figures, so that a mode counts as set only once the proxy has said so; it ends with its parent.
"""

import argparse
import asyncio
import contextlib
import json
import random
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import uvloop

ROOT = Path(__file__).resolve().parents[2]
MODES = {
    "pass": "everything passes at once",
    "hole": "nothing passes, nobody is told; what waits passes when the hole is closed",
    "forget": "connections of this moment are dead for ever and nobody is told; new ones pass",
    "latency": "every chunk comes 200 ± 100 ms late",
    "slow": "64 kbit/s a connection and direction",
    "reset": "one chunk in a hundred resets its connection instead",
    "slice": "bytes arrive one by one",
    "lossy": "three in ten of the server's WebSocket frames are lost (with websocket=True)",
}
CHUNK = 65536
SLOW_BYTES_S = 8000
RESET_SHARE = 0.01
LOST_SHARE = 0.3
ANSWER_S = 10  # longer than this a proxy needs for nothing


class Proxy:
    """The lab's end of one proxy process."""

    def __init__(
        self, target: int, *, port: int = 0, seed: int = 0, websocket: bool = False
    ) -> None:
        self.target, self.port, self.seed, self.websocket = target, port, seed, websocket
        self.mode = "pass"
        self._child: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def start(self) -> int:
        """Start passing connections on and return the port to connect to."""
        words = [str(self.target), str(self.port), str(self.seed)]
        self._child = subprocess.Popen(
            [sys.executable, "-m", __name__, *words, *(["--websocket"] if self.websocket else [])],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.port = int(self._ask("pass")["port"])
        return self.port

    def stop(self) -> None:
        """End the process; every connection through it is closed."""
        if self._child is None:
            return
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.close()
        try:
            self._child.wait(ANSWER_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        assert self._child.stdout is not None
        self._child.stdout.close()
        self._child = None

    def set(self, mode: str) -> dict[str, Any]:
        """Change the network; returns the figures of the proxy, which then works so."""
        if mode not in MODES:
            raise ValueError(f"no mode {mode!r}; there are {', '.join(MODES)}")
        found = self._ask(mode)
        self.mode = str(found["mode"])
        return found

    def figures(self) -> dict[str, Any]:
        """Return mode, port, and counts: open connections, accepted, dead, resets, lost, bytes."""
        return self._ask("figures")

    def _ask(self, word: str) -> dict[str, Any]:
        assert self._child is not None, "the proxy was not started"
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        with self._lock:
            self._child.stdin.write(f"{word}\n")
            self._child.stdin.flush()
            line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"the proxy to port {self.target} has ended")
        return dict(json.loads(line))


class _Link:
    """One connection passed on, and whether its network has forgotten it."""

    def __init__(self) -> None:
        self.is_dead = False
        self.writers: list[asyncio.StreamWriter] = []

    def reset(self) -> None:
        """End both sides with a reset, as a firewall does."""
        for writer in self.writers:
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            writer.transport.abort()


class _Network:
    """All connections of one proxy and the state of the network between."""

    def __init__(self, target: int, *, seed: int, websocket: bool) -> None:
        self.target, self.websocket = target, websocket
        self.random = random.Random(seed)  # noqa: S311 - a fault is repeated by its seed
        self.mode = "pass"
        self.links: set[_Link] = set()
        self.counts = {"accepted": 0, "dead": 0, "resets": 0, "lost": 0, "bytes": 0}
        self.open = asyncio.Event()
        self.open.set()

    def set(self, mode: str) -> None:
        self.mode = mode
        if mode == "hole":
            self.open.clear()
        else:
            self.open.set()
        if mode == "forget":
            for link in self.links:
                self.counts["dead"] += not link.is_dead
                link.is_dead = True

    def figures(self) -> dict[str, Any]:
        return {"mode": self.mode, "connections": len(self.links), **self.counts}

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link()
        link.writers.append(writer)
        self.links.add(link)
        self.counts["accepted"] += 1
        try:
            await self.open.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
            link.writers.append(far_writer)
            there = self._pump(link, reader, far_writer)
            back = self._pump(link, far_reader, writer, frames=self.websocket)
            await asyncio.gather(there, back)
        except OSError:
            pass  # the server is not there, or one side has reset: both sides see an end
        finally:
            self.links.discard(link)
            for each in link.writers:
                each.close()

    async def _pump(
        self,
        link: _Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        frames: bool = False,
    ) -> None:
        pieces = _frames(reader) if frames else _chunks(reader)
        async for piece, may_be_lost in pieces:
            await self.open.wait()
            if link.is_dead:
                continue
            self.counts["bytes"] += len(piece)
            if may_be_lost and self.mode == "lossy" and self.random.random() < LOST_SHARE:
                self.counts["lost"] += 1
            else:
                await self._deliver(link, writer, piece)
        await self.open.wait()
        if link.is_dead:  # nor does the other side hear of the end
            await asyncio.Event().wait()
        if writer.can_write_eof():
            writer.write_eof()

    async def _deliver(self, link: _Link, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self.mode == "latency":
            await asyncio.sleep(self.random.uniform(0.1, 0.3))
        elif self.mode == "reset" and self.random.random() < RESET_SHARE:
            self.counts["resets"] += 1
            link.reset()
            return
        size = {"slow": SLOW_BYTES_S // 10, "slice": 1}.get(self.mode, len(data))
        for start in range(0, len(data), size):
            part = data[start : start + size]
            if self.mode == "slow":
                await asyncio.sleep(len(part) / SLOW_BYTES_S)
            writer.write(part)
            await writer.drain()
            if self.mode == "slice":
                await asyncio.sleep(0)


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, bool]]:
    """Yield what arrives, as it arrives."""
    while data := await reader.read(CHUNK):
        yield data, False


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, bool]]:
    """Yield the answer to the handshake, then frame by frame; only frames of data may be lost."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        yield await reader.readuntil(b"\r\n\r\n"), False
        while True:
            head = await reader.readexactly(2)
            more = {126: 2, 127: 8}.get(head[1] & 127, 0)
            length = await reader.readexactly(more)
            size = int.from_bytes(length, "big") if more else head[1] & 127
            payload = await reader.readexactly(size)
            yield head + length + payload, head[0] & 15 < 8


async def _obey(network: _Network, port: int) -> None:
    """Answer each word on stdin until it ends."""
    words = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    while line := await words.readline():
        word = line.decode().strip()
        if word in MODES:
            network.set(word)
        sys.stdout.write(json.dumps({"port": port, **network.figures()}) + "\n")
        sys.stdout.flush()


async def _main(target: int, port: int, seed: int, *, websocket: bool) -> None:
    network = _Network(target, seed=seed, websocket=websocket)
    server = await asyncio.start_server(network.accept, "127.0.0.1", port, backlog=2048)
    obeying = asyncio.create_task(_obey(network, server.sockets[0].getsockname()[1]))
    await obeying
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ("target", "port", "seed"):
        parser.add_argument(name, type=int)
    parser.add_argument("--websocket", action="store_true")
    given = parser.parse_args()
    uvloop.run(_main(given.target, given.port, given.seed, websocket=given.websocket))
