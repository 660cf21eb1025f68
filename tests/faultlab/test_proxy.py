"""The proxy makes the network as bad as it says."""

import contextlib
import socket
import threading
import time

import pytest

from tests.faultlab.proxy import LOST_SHARE, Proxy


@pytest.fixture
def echo():
    """Run a server that sends back what it gets; return its port."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(20)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                link, _ = server.accept()
                threading.Thread(target=_give_back, args=[link], daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def _give_back(link):
    with link, contextlib.suppress(OSError):
        while data := link.recv(65536):
            link.sendall(data)


@pytest.fixture
def proxy(echo):
    made = Proxy(echo, seed=1)
    made.start()
    yield made
    made.stop()


def connect(proxy):
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=2)


def ask(link, data=b"hello"):
    link.sendall(data)
    got = b""
    while len(got) < len(data):
        part = link.recv(65536)
        if not part:
            break
        got += part
    return got


def is_silent(link, data=b"hello"):
    link.settimeout(0.3)
    try:
        ask(link, data)
    except TimeoutError:
        return True
    return False


def test_pass_carries_everything_both_ways(proxy):
    with connect(proxy) as link:
        assert ask(link, b"x" * 300_000) == b"x" * 300_000

    found = proxy.figures()
    assert (found["mode"], found["accepted"]) == ("pass", 1)
    assert found["bytes"] == 600_000


def test_a_hole_holds_everything_and_gives_it_when_it_closes(proxy):
    with connect(proxy) as link:
        assert ask(link) == b"hello"

        assert proxy.set("hole")["mode"] == proxy.mode == "hole"
        assert is_silent(link)
        with connect(proxy) as other:
            assert is_silent(other)
            proxy.set("pass")
            other.settimeout(2)
            assert other.recv(100) == b"hello"
        link.settimeout(2)
        assert link.recv(100) == b"hello"


def test_forgotten_connections_stay_dead_and_new_ones_pass(proxy):
    with connect(proxy) as old:
        assert ask(old) == b"hello"

        assert proxy.set("forget")["dead"] == 1
        assert is_silent(old)
        with connect(proxy) as new:
            assert ask(new) == b"hello"
        proxy.set("pass")
        assert is_silent(old)


def test_latency_is_200_ms_each_way(proxy):
    with connect(proxy) as link:
        proxy.set("latency")
        begun = time.monotonic()
        assert ask(link) == b"hello"

    assert 0.2 <= time.monotonic() - begun < 1


def test_slow_is_64_kbit_a_second(proxy):
    with connect(proxy) as link:
        proxy.set("slow")
        begun = time.monotonic()
        assert ask(link, b"x" * 4000) == b"x" * 4000

    assert time.monotonic() - begun >= 0.5


def test_sliced_bytes_arrive_whole(proxy):
    with connect(proxy) as link:
        proxy.set("slice")
        assert ask(link, bytes(range(256)) * 8) == bytes(range(256)) * 8


def test_resets_are_seen_and_counted(proxy):
    proxy.set("reset")
    with pytest.raises(OSError, match="reset"):  # noqa: PT012 - any of these may be the one
        for _ in range(100):
            with connect(proxy) as link:
                for _ in range(20):
                    ask(link)

    assert proxy.figures()["resets"] > 0


def test_lossy_drops_a_share_of_websocket_frames_and_never_a_part_of_one(echo):
    proxy = Proxy(echo, seed=1, websocket=True)
    proxy.start()
    handshake = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    frame = bytes([0x81, 5]) + b"hello"
    ping = bytes([0x89, 0])
    try:
        with connect(proxy) as link:
            assert ask(link, handshake) == handshake
            proxy.set("lossy")
            link.sendall((frame + ping) * 200)
            got, pings = b"", 0
            while pings < 200:
                got += link.recv(65536)
                pings = got.count(ping)

        kept = got.count(frame)
        assert got.replace(frame, b"") == ping * 200
        assert proxy.figures()["lost"] == 200 - kept
        assert abs(200 - kept - 200 * LOST_SHARE) < 40
    finally:
        proxy.stop()


def test_a_server_that_is_gone_is_an_end_to_the_client(proxy):
    gone = Proxy(1)
    gone.start()
    try:
        with connect(gone) as link:
            assert link.recv(100) == b""
    finally:
        gone.stop()


def test_an_unknown_mode_is_refused(proxy):
    with pytest.raises(ValueError, match="no mode"):
        proxy.set("storm")

    assert proxy.figures()["mode"] == "pass"
