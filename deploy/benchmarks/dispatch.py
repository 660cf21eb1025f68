"""Dispatch: how long from the filing to the unit's screen, and how fast a backlog drains."""

import contextlib
import json
import statistics
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import cast

import psycopg
import redis
from django.conf import settings
from django.db import connection

from cases.choices import Action
from cases.models import Effect, Event, Unit
from deploy.benchmarks.clients import Call, Server, one_after_another
from deploy.benchmarks.create import halted, report_maker, wait_until_dispatched
from deploy.benchmarks.figures import Figure
from deploy.benchmarks.people import session_of
from deploy.benchmarks.sockets import open_sockets, wait_until
from deploy.home import Home

SOCKETS = 50
RATE = 20  # cases filed a second
SECONDS = 30
BACKLOG = 40_000
URGENT_AFTER_S = 10.0  # an urgent case joins the backlog so long after the draining began
CLIENTS = 8
CHAINS = 1000  # hand-overs of the bare chain
BARE_DRAINERS = 8
DRAIN_PATIENCE_S = 1800
_URGENT = 1


def to_inbox(home: Home) -> Figure:
    """Return the median time from the filing of a case to the notice on its unit's socket."""
    units = list(Unit.objects.filter(is_active=True, parent=None).order_by("pk"))
    names = [f"unit-{unit.pk}" for unit in units][:SOCKETS]
    cookies = [session_of(name)["Cookie"] for name in names]
    ready: set[int] = set()
    heard: dict[str, float] = {}

    def hear(number: int, payload: bytes) -> None:
        now = time.time()
        if b'"hello"' in payload:
            ready.add(number)
        elif b'"dispatch"' in payload:
            heard.setdefault(json.loads(payload)["case"], now)

    first = Event.objects.latest("pk").pk
    with open_sockets(home.state.ports["live"], cookies, hear):
        wait_until(lambda: len(ready) == len(cookies), 60)
        _report_steadily(home)
        wait_until_dispatched()
        expected = _dispatched_to(names, after=first)
        wait_until(lambda: expected.keys() <= heard.keys(), 30)
    late = [heard[number] - at.timestamp() for number, at in expected.items()]
    bare = _bare_chain()
    return Figure(
        f"filed → on the unit's screen at {RATE} cases/s, {len(cookies)} sockets, median",
        "s",
        statistics.median(late),
        "INSERT → Redis list → UPDATE → Redis channel",
        statistics.median(bare),
        {
            "cases": len(late),
            "99 %, s": _percentile(late, 99),
            "99 %, ratio": _percentile(bare, 99) / _percentile(late, 99),
            "filed → dispatched, median, s": _until_dispatched(first),
            "bare: 99 %, s": _percentile(bare, 99),
        },
    )


def _report_steadily(home: Home) -> None:
    calls, web = one_after_another(report_maker()), Server.web_of(home)
    begun = time.monotonic()
    for number in range(RATE * SECONDS):
        time.sleep(max(0.0, begun + number / RATE - time.monotonic()))
        web.ask(calls, clients=1, count=1)


def _dispatched_to(users: list[str], *, after: int) -> dict[str, datetime]:
    """Return when each case was filed that was dispatched to a unit of `users`, by number."""
    rows = Event.objects.filter(pk__gt=after, case__isnull=False)
    units = [name.removeprefix("unit-") for name in users]
    mine = rows.filter(action=Action.DISPATCH, data__set__unit_id__in=units)
    filed = rows.filter(action=Action.FILE, case__in=mine.values("case"))
    return dict(filed.values_list("case__number", "at"))


def _until_dispatched(after: int) -> float:
    rows = Event.objects.filter(pk__gt=after, case__isnull=False)
    filed = dict(rows.filter(action=Action.FILE).values_list("case", "at"))
    done = rows.filter(action=Action.DISPATCH, case__in=filed).values_list("case", "at")
    return statistics.median((at - filed[case]).total_seconds() for case, at in done)


def _percentile(seconds: list[float], percent: int) -> float:
    return statistics.quantiles(seconds, n=100)[percent - 1]


def _bare_chain() -> list[float]:
    """Return the seconds of hand-overs that write twice and pass through both Redis, no more."""
    took, arrived = list[float](), threading.Event()
    broker = redis.Redis.from_url(settings.CELERY_BROKER_URL)
    channel = redis.Redis.from_url(settings.CHANNELS_REDIS_URL)

    def work() -> None:
        with _bare_connection() as mine:
            while row := _next_of(broker):
                mine.execute("UPDATE bench_bare SET done = true WHERE id = %s", [row])
                channel.publish("bench_bare", row)

    def hear() -> None:
        screen = channel.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]  # redis-py
        with contextlib.closing(screen):
            screen.subscribe("bench_bare")
            arrived.set()
            for _ in range(CHAINS):
                while screen.get_message(timeout=10) is None:
                    pass
                arrived.set()

    with _bare_table() as mine:
        threads = [threading.Thread(target=work), threading.Thread(target=hear)]
        for thread in threads:
            thread.start()
        arrived.wait(10)
        for _ in range(CHAINS):
            arrived.clear()
            begun = time.perf_counter()
            insert = "INSERT INTO bench_bare (body) VALUES ('x') RETURNING id"
            row = mine.execute(insert).fetchone()
            assert row is not None
            broker.rpush("bench_bare", row[0])
            arrived.wait(10)
            took.append(time.perf_counter() - begun)
        broker.rpush("bench_bare", 0)
        for thread in threads:
            thread.join()
    return took


def _next_of(broker: redis.Redis) -> int:
    """Return the next row of the list; 0 stands at its end, and for none within ten seconds."""
    taken = cast(tuple[bytes, bytes] | None, broker.blpop(["bench_bare"], timeout=10))
    return int(taken[1]) if taken else 0


def drain(home: Home) -> Figure:
    """Return dispatches a second while a backlog drains, against rows a bare SKIP LOCKED takes."""
    web, calls = Server.web_of(home), one_after_another(report_maker())
    wait_until_dispatched()
    with halted(home, "relay"):
        while (missing := BACKLOG - _waiting()) > 0:
            web.ask(calls, clients=CLIENTS, count=max(CLIENTS, missing))
        waiting, begun = _waiting(), time.monotonic()
    time.sleep(URGENT_AFTER_S)
    urgent = _file_urgent(web, calls)
    wait_until(lambda: not _waiting(), DRAIN_PATIENCE_S)
    took = time.monotonic() - begun
    return Figure(
        f"draining a backlog of {waiting:,} dispatches",
        "1/s",
        waiting / took,
        f"bare SKIP LOCKED, a row a transaction, {BARE_DRAINERS} connections",
        _bare_drain(waiting),
        {
            "minutes": took / 60,
            "an urgent case filed meanwhile waits, s": _seconds_to_dispatch(urgent),
        },
    )


def _waiting() -> int:
    return Effect.objects.filter(kind="dispatch", done_at=None).count()


def _file_urgent(web: Server, calls: Iterator[Call]) -> str:
    """Report until a case of the shortest limits is filed; returns its number."""
    urgent = Effect.objects.filter(kind="dispatch", urgency=_URGENT)
    while True:
        (answer,) = web.ask(calls, clients=1, count=1).bodies
        number = str(json.loads(answer)["number"])
        if urgent.filter(case__number=number).exists():
            return number


def _seconds_to_dispatch(number: str) -> float:
    at = dict(Event.objects.filter(case__number=number).values_list("action", "at"))
    return float((at[Action.DISPATCH] - at[Action.FILE]).total_seconds())


def _bare_drain(size: int) -> float:
    """Return rows a second that several connections take, one a transaction, until none is left."""
    take = """
        UPDATE bench_bare SET done = true WHERE id = (
          SELECT id FROM bench_bare WHERE NOT done LIMIT 1 FOR UPDATE SKIP LOCKED)
    """

    def work() -> None:
        with _bare_connection() as mine:
            while mine.execute(take).rowcount:
                pass

    with _bare_table() as mine:
        fill = "INSERT INTO bench_bare (body) SELECT 'x' FROM generate_series(1, %s)"
        mine.execute(fill, [size])
        mine.execute("CREATE INDEX ON bench_bare (id) WHERE NOT done")
        mine.execute("ANALYZE bench_bare")
        threads = [threading.Thread(target=work) for _ in range(BARE_DRAINERS)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return size / (time.perf_counter() - begun)


@contextlib.contextmanager
def _bare_table() -> Iterator[psycopg.Connection]:
    with _bare_connection() as mine:
        mine.execute(
            "CREATE TABLE bench_bare (id bigserial PRIMARY KEY, body text,"
            " done boolean NOT NULL DEFAULT false)"
        )
        try:
            yield mine
        finally:
            mine.execute("DROP TABLE bench_bare")


def _bare_connection() -> psycopg.Connection:
    """Return a connection without Django, each statement its own transaction."""
    known = connection.get_connection_params()
    names = {"host", "port", "user", "password", "dbname"} & known.keys()
    return psycopg.connect(**{name: known[name] for name in names}, autocommit=True)
