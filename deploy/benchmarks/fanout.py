"""Live notices to many sockets, against a bare uvicorn loop that sends the same bytes."""

import contextlib
import json
import statistics
import time
from collections.abc import Callable
from urllib.request import urlopen

from cases.models import Event
from deploy.benchmarks.clients import Server, one_after_another
from deploy.benchmarks.create import child_server, report_maker, wait_until_dispatched
from deploy.benchmarks.figures import Figure
from deploy.benchmarks.people import session_of
from deploy.benchmarks.sockets import open_sockets, wait_until
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
            "late by, 99 %, ms": ours.late_ms(0.99),
            "bare: late by, median, ms": bare.late_ms(0.5),
            "bare: late by, 95 %, ms": bare.late_ms(0.95),
            "bare: late by, 99 %, ms": bare.late_ms(0.99),
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

    def note(self, number: int, payload: bytes) -> None:
        if b'"notice"' not in payload:
            self.ready += b'"hello"' in payload
            return
        self.last = time.time()
        self.first = self.first or self.last
        self.count += 1
        if number < SAMPLED:
            self.sampled.append((self.last, payload))

    @property
    def rate(self) -> float:
        return self.count / (self.last - self.first)

    @property
    def expected(self) -> int:
        return SOCKETS * (len(self.written) or SECONDS * RATE)

    def late_ms(self, share: float) -> float:
        """Return how late the given share of the sampled notices came, in milliseconds.

        Of events the work wrote; a tick may write others beside it.
        """
        late = []
        for heard, payload in self.sampled:
            notice = json.loads(payload)
            key = notice.get("scope"), notice.get("dseq")
            if written := notice.get("at") or self.written.get(key):
                late.append((heard - written) * 1000)
        return statistics.quantiles(late, n=100)[int(share * 100) - 1]


def _listen(port: int, work: Callable[[], dict[tuple[str, int], float]]) -> _Heard:
    """Open the sockets, run `work` beside them, and return what they heard."""
    cookie, heard = session_of("dispatcher1")["Cookie"], _Heard()
    with open_sockets(port, [cookie] * SOCKETS, heard.note):
        wait_until(lambda: heard.ready == SOCKETS, 60)
        heard.written = work()
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: heard.count >= heard.expected, 30)
        time.sleep(SETTLE_S)  # what comes now comes twice, and shows in the count
    return heard
