"""Creating a case over HTTP: the web part alone, and all of it until the case is dispatched."""

import contextlib
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator

from django.db import connection
from django.utils import timezone

from cases.models import Effect
from cases.simulation.city import City
from deploy import home as homes
from deploy.benchmarks.clients import Call, Server, as_json, one_after_another
from deploy.benchmarks.figures import Figure
from deploy.benchmarks.people import token_of
from deploy.home import Home
from deploy.python_env import ROOT

CLIENTS = 8
COUNT = 600
WARM_UP = 40
PATIENCE_S = 120
# As supervisord.conf starts the web server.
_SERVER = "granian --interface wsgi --host 127.0.0.1 --workers 2 --blocking-threads 24 --no-ws"


def cases(home: Home) -> Figure:
    """Return reports (accepted and filed in the same request) a second, against a bare INSERT."""
    web, calls = Server.web_of(home), one_after_another(report_maker())
    web.ask(calls, clients=CLIENTS, count=WARM_UP)
    wait_until_dispatched()
    with halted(home, "relay"):
        alone = web.ask(calls, clients=CLIENTS, count=COUNT)
    wait_until_dispatched()
    begun = time.perf_counter()
    web.ask(calls, clients=CLIENTS, count=COUNT)
    wait_until_dispatched()
    all_in = COUNT / (time.perf_counter() - begun)
    with _bare_server(home) as bare:
        inserts = one_after_another(lambda: ("POST", "/insert", b"x" * 300, {}))
        bare.ask(inserts, clients=CLIENTS, count=WARM_UP)
        limit = bare.ask(inserts, clients=CLIENTS, count=COUNT * 2).rate
    return Figure(
        f"report + accept + file, {CLIENTS} clients",
        "1/s",
        alone.rate,
        "bare Django INSERT",
        limit,
        {"all-in until dispatched, 1/s": all_in, "all-in, ratio": all_in / limit},
    )


def report_maker() -> Callable[[], Call]:
    """Return a maker of the reports of a simulated city: its places, shares and classes."""
    city = City(seed=3)
    luck = city.luck("create")
    headers = token_of("inspector1") | {"Content-Type": "application/json"}

    def make() -> Call:
        report = city.draft(timezone.now(), luck).report
        body = {
            "location": {"lon": report.lon, "lat": report.lat},
            "category": report.category,
            "condition": report.condition,
            "description": report.description,
            "address": report.address,
        }
        key = {"Idempotency-Key": str(uuid.uuid4())}
        return "POST", "/api/v1/cases/", as_json(body), headers | key

    return make


def wait_until_dispatched() -> None:
    """Wait until no dispatch is due any more; raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    while Effect.objects.filter(kind="dispatch", done_at=None).exists():
        if time.monotonic() > deadline:
            raise TimeoutError("Cases are still waiting to be dispatched.")
        time.sleep(0.05)


@contextlib.contextmanager
def halted(home: Home, program: str) -> Iterator[None]:
    """Stop a program for a while without ending it."""
    group = int((home.run / f"{program}.pid").read_text())
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)


@contextlib.contextmanager
def _bare_server(home: Home) -> Iterator[Server]:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_bare (id bigserial PRIMARY KEY, body text)")
    try:
        with child_server(home, _SERVER, "deploy.benchmarks.bare:application") as port:
            yield Server(port)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE bench_bare")


@contextlib.contextmanager
def child_server(home: Home, command: str, application: str) -> Iterator[int]:
    """Run a server of `application` on a free port, which is returned, and end it after."""
    port = homes.pick_port(set())
    program, *words = command.split()
    child = subprocess.Popen(
        [home.venv / "bin" / program, *words, "--port", str(port), application],
        cwd=ROOT,
        env=home.environment() | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield port
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.wait(20)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline:
            raise TimeoutError("The bare server does not answer.")
        time.sleep(0.1)
