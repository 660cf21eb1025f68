"""The lab's screens follow the logs as live.js does, and write down what they take."""

import asyncio
import json
import threading
import time

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from tests.faultlab.sockets import Screens

HEADS = {"city": 0, "hecheng": 5}


class Server:
    """Greets, then says what it is told to say to each connection, one list after another."""

    def __init__(self, *said):
        self.said = list(said)
        self.resumed = []
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.server = asyncio.run_coroutine_threadsafe(self._start(), self.loop).result(5)
        self.port = next(iter(self.server.sockets)).getsockname()[1]

    async def _start(self):
        return await serve(self._talk, "127.0.0.1", 0, ping_interval=None)

    async def _talk(self, link):
        try:
            await link.send(json.dumps({"type": "hello", "heads": HEADS}))
            self.resumed.append(json.loads(await link.recv())["last"])
            for message in self.said.pop(0) if self.said else []:
                await link.send(json.dumps(message))
            await link.wait_closed()
        except ConnectionClosed:
            pass

    def stop(self):
        self.server.close()
        asyncio.run_coroutine_threadsafe(self.server.wait_closed(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


def notice(dseq):
    return {"type": "notice", "scope": "hecheng", "dseq": dseq, "kind": "sign", "case": "HH1"}


@pytest.fixture
def listen(tmp_path, monkeypatch):
    """Let one screen listen to a server until it stands at `heads`; return what was written."""
    monkeypatch.setattr(Screens, "wait_after", lambda self, failures: 0.05)
    stopping = []

    def listen(server, heads):
        stopping.append(server.stop)
        screens = Screens(f"ws://127.0.0.1:{server.port}/ws/live/", tmp_path / "sockets-1.jsonl")
        try:
            screens.open("screen", "key", user="dispatcher1")
            screens.wait_whole(heads, 10)
        finally:
            screens.stop()
        lines = (tmp_path / "sockets-1.jsonl").read_text().splitlines()
        said = [json.loads(line) for line in lines]
        assert {(line["client"], line["user"]) for line in said} == {("screen", "dispatcher1")}
        return [(line["kind"], line.get("dseq", line.get("heads"))) for line in said]

    yield listen
    for stop in stopping:
        stop()


def test_what_is_heard_is_written_in_order(listen):
    server = Server([notice(6), {"type": "upto", "scope": "hecheng", "upto": 8}, notice(9)])

    heard = listen(server, {"hecheng": 9})

    assert heard[:5] == [
        ("open", None),
        ("start", HEADS),
        ("notice", 6),
        ("upto", 8),
        ("notice", 9),
    ]
    assert server.resumed == [{}]


@pytest.mark.parametrize(
    "last", [notice(8), {"type": "heartbeat", "heads": {"city": 0, "hecheng": 8}}]
)
def test_what_was_lost_is_asked_for_on_a_new_connection(listen, last):
    server = Server([notice(6), last], [notice(7), notice(8)])

    heard = listen(server, {"hecheng": 8})

    assert ("gap", None) in heard
    assert [line for line in heard if line[0] == "notice"] == [
        ("notice", 6),
        ("notice", 7),
        ("notice", 8),
    ]
    assert server.resumed == [{}, {"city": 0, "hecheng": 6}]


def test_what_was_heard_is_not_taken_again(listen):
    server = Server([notice(6), notice(6), notice(7)])

    heard = listen(server, {"hecheng": 7})

    assert [line for line in heard if line[0] == "notice"] == [("notice", 6), ("notice", 7)]


def test_who_is_put_to_sleep_while_it_comes_back_takes_nothing_until_it_wakes(
    tmp_path, monkeypatch
):
    slept = []

    def wait_after(screens, failures):
        slept.append(time.monotonic())
        screens.vanish("screen", 1.5)
        return 0.05

    monkeypatch.setattr(Screens, "wait_after", wait_after)
    server = Server([notice(8)], [notice(6)])
    screens = Screens(f"ws://127.0.0.1:{server.port}/ws/live/", tmp_path / "sockets-1.jsonl")
    try:
        screens.open("screen", "key", user="dispatcher1")
        screens.wait_whole({"hecheng": 6}, 10)
        greeted = screens.clients["screen"].opened
    finally:
        screens.stop()
        server.stop()
    assert greeted[-1] - slept[0] >= 1.5


def test_a_resync_is_a_new_start(listen):
    server = Server([{"type": "resync", "heads": {"city": 3, "hecheng": 900}}, notice(901)])

    heard = listen(server, {"hecheng": 901})

    assert ("resync", {"city": 3, "hecheng": 900}) in heard
    assert ("notice", 901) in heard
