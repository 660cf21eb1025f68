"""Other systems for the tests: a web server and a mail server on loopback that write down."""

import json
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple

import pytest


class Arrival(NamedTuple):
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)


class OtherSystem:
    """A server that answers as told and keeps what arrived; `mode` may change while it runs.

    Modes: yes · no (403) · gone (410) · moved (302 to itself) · late (408) · broken (500) ·
    busy (503) · gateway (504) · silent (takes it and never answers) · drops (takes it and hangs
    up) · drips (a first line without end).
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.mode = "yes"
        self.says: Any = {"errcode": 0, "code": 0}
        self.arrived: list[Arrival] = []
        self.asked: list[str | None] = []  # names it was called by, under TLS
        other = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                other.arrived.append(Arrival(self.path, dict(self.headers), body))
                getattr(other, f"_{other.mode}")(self)

            def do_GET(self) -> None:
                other.arrived.append(Arrival(self.path, dict(self.headers), b""))
                other._yes(self)

            def log_message(self, *args: object) -> None:
                pass

        self.stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler, status: int, **headers: str) -> None:
        body = json.dumps(self.says).encode()
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def _yes(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, 200)

    def _no(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, 403)

    def _gone(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, 410)

    def _late(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, 408)

    def _broken(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, 500)

    def _busy(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, 503)

    def _gateway(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, 504)

    def _moved(self, handler: BaseHTTPRequestHandler) -> None:
        self._answer(handler, 302, Location=f"{self.address}/elsewhere")

    def _silent(self, handler: BaseHTTPRequestHandler) -> None:
        self.stopped.wait(20)

    def _drops(self, handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True

    def _drips(self, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 ")
        while not self.stopped.is_set():
            try:
                handler.wfile.write(b"a")
            except OSError:
                return
            time.sleep(0.05)


@pytest.fixture
def other_system(settings) -> Iterator[OtherSystem]:
    """Run another system that the operator has named, in a network he has opened."""
    settings.OUTSIDE_HOSTS = frozenset({"127.0.0.1"})
    settings.PRIVATE_NETWORKS = [ip_network("127.0.0.1/32")]
    system = OtherSystem()
    yield system
    system.stop()


CERTIFIED = "hook.example.org"  # the one name in the certificate of the system below


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> Path:
    """Make an authority nobody knows, and a certificate by it; return their folder."""
    folder = tmp_path_factory.mktemp("authority")
    new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    for words in (
        f"{new_key} -subj /CN=authority -keyout ca.key -out ca.pem",
        f"{new_key} -subj /CN=other -addext subjectAltName=DNS:{CERTIFIED} -CA ca.pem -CAkey ca.key"
        " -addext basicConstraints=critical,CA:FALSE -keyout key.pem -out cert.pem",
    ):
        subprocess.run(
            ["openssl", "req", "-x509", *words.split()],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=30,
        )
    return folder


@pytest.fixture
def secured_system(settings, authority) -> Iterator[OtherSystem]:
    """Run another system that speaks TLS, with the certificate of CERTIFIED."""
    settings.PRIVATE_NETWORKS = [ip_network("127.0.0.1/32")]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority / "cert.pem", authority / "key.pem")
    system = OtherSystem(tls)
    tls.sni_callback = lambda _sock, name, _tls: system.asked.append(name)
    yield system
    system.stop()


class MailServer:
    """A mail server that takes one line after the other; `refuses` names the verb it says no to."""

    def __init__(self) -> None:
        self.refuses = ""
        self.hangs_up_after = ""
        self.mails: list[str] = []
        other = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 mail\r\n")
                while line := self.rfile.readline().decode().strip():
                    if not self._take(line):
                        return

            def _take(self, line: str) -> bool:
                verb = line.split()[0].upper().partition(":")[0]
                if verb == other.refuses:
                    self.wfile.write(b"550 no\r\n")
                elif verb == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = []
                    while (said := self.rfile.readline()) != b".\r\n":
                        lines.append(said.decode())
                    other.mails.append("".join(lines))
                    if other.hangs_up_after == "DATA":
                        return False
                    self.wfile.write(b"250 taken\r\n")
                else:
                    self.wfile.write(b"221 bye\r\n" if verb == "QUIT" else b"250 fine\r\n")
                return verb != "QUIT"

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def mail_server(settings) -> Iterator[MailServer]:
    """Run a mail server the operator has named."""
    settings.PRIVATE_NETWORKS = [ip_network("127.0.0.1/32")]
    server = MailServer()
    settings.MAIL_SERVER = f"smtp://127.0.0.1:{server.port}/?from=city@example.org"
    yield server
    server.stop()
