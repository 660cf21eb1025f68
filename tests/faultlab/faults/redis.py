"""Redis emptied, killed, and connections to it that die without a word."""

import shutil
import time
from datetime import datetime

from redis import Redis

from tests.faultlab.faults import fault
from tests.faultlab.faults.steady import (
    breathe,
    chance,
    database_now,
    note_load,
    require,
    steady,
)
from tests.faultlab.figures import Figures, Red, Size, share
from tests.faultlab.runner import THROUGH, Lab

CONSUMES_AGAIN_S = 40
_LAST_QUEUE = """
    SELECT count(*), coalesce(extract(epoch FROM max(first) - %s), 0)::float
    FROM (SELECT min(done_at) AS first FROM cases_effect
          WHERE created_at > %s AND done_at IS NOT NULL GROUP BY queue) AS queues
"""


@fault("F05", "FLUSHALL of both Redis under load")
def empty_redis(lab: Lab, size: Size) -> Figures:
    """Empty both Redis again and again: it costs seconds, no case and no session."""
    figures, draw = Figures(size), chance("F05", size)
    with steady(lab, size) as load:
        times = size.pick(10, 3)
        for _ in range(times):
            breathe(draw, 0.5, 3)
            for name in THROUGH:
                with Redis.from_url(lab.redis_url(name)) as server:
                    _, left = server.pipeline().flushall().dbsize().execute()
                require(left == 0, f"{name} still held {left} keys when it was emptied")
        breathe(draw, 1, 2)
    figures.note("times emptied", times)
    note_load(load, figures)
    figures.note("all dispatched after", lab.quiesce(), "s", at_most=60)
    figures.note("sessions that survived", len(_standing_sessions(lab)), at_least=len(_SESSIONS))
    return figures


_SESSIONS = ("dispatcher1", "leader1", "supervisor1")


def _standing_sessions(lab: Lab) -> list[str]:
    return [name for name in _SESSIONS if lab.page("/desk/", name) == 200]


@fault("F06", "Redis killed, back empty after 0, 5 and 30 s, and flapping")
def kill_redis(lab: Lab, size: Size) -> Figures:
    """Kill both Redis and bring them back without their data; then three deaths in a row."""
    figures, draw, since = Figures(size), chance("F06", size), database_now(lab)
    pauses = size.pick((0, 5, 30, 0, 5, 30, 0, 5, 5, 0), (0, 5))
    outages: list[tuple[float, float]] = []
    with steady(lab, size) as load:
        for pause in pauses:
            outages.append(_outage(lab, pause))
            breathe(draw, 0, 2)
        for _ in range(3):
            outages.append(_outage(lab, 0.5))
        healed = database_now(lab)
        breathe(draw, 2, 3)
    during = [s for begun, end in outages for s in load.took("create", since=begun, until=end)]
    figures.note("Redis killed", 2 * len(outages))
    note_load(load, figures)
    figures.note("reports during outages", len(during), at_least=1)
    figures.note("create p99 during outages", share(during, 0.99), "s", at_most=1)
    lab.quiesce()
    figures.note("all dispatched after heal", _last_dispatch_s(lab, since, healed), "s", at_most=60)
    return figures


def _outage(lab: Lab, pause_s: float) -> tuple[float, float]:
    """Kill both Redis, take their data, and start them after a pause; return when (epoch s)."""
    begun = time.time()
    lab.down(*THROUGH)
    for name in THROUGH:
        for file in (lab.home.path / name).iterdir():
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    time.sleep(pause_s)
    lab.up(*THROUGH)
    lab.wait_servers()
    for name in THROUGH:
        with Redis.from_url(lab.redis_url(name)) as server:
            require(server.info("server")["uptime_in_seconds"] < 60, f"{name} was not killed")
    return begun, time.time()


def _last_dispatch_s(lab: Lab, since: datetime, healed: datetime) -> float:
    """Return how long after the heal the last case accepted before it was dispatched."""
    ((late,),) = lab.rows(
        """
        SELECT greatest(0, extract(epoch FROM max(done_at) - %s))::float FROM cases_effect
        WHERE kind = 'dispatch' AND created_at BETWEEN %s AND %s
        """,
        healed,
        since,
        healed,
    )
    return float(late or 0)


@fault("F07", "connections to Redis die without a word")
def forget_connections(lab: Lab, size: Size) -> Figures:
    """Let the network forget every connection to Redis: all must notice and connect anew."""
    figures, draw = Figures(size), chance("F07", size)
    slowest_queue = slowest_screen = 0.0
    with steady(lab, size) as load:
        for _ in range(size.pick(3, 1)):
            breathe(draw, 1, 3)
            since, begun = database_now(lab), time.monotonic()
            for name in THROUGH:
                dead = lab.proxy[name].set("forget")["dead"]
                require(dead > 0, f"there was no connection to {name} to forget")
            slowest_screen = max(slowest_screen, _live_hears_again(lab, begun))
            slowest_queue = max(slowest_queue, _all_queues_again(lab, since, begun))
            for name in THROUGH:
                lab.proxy[name].set("pass")
    note_load(load, figures)
    figures.note("every queue consumes again after", slowest_queue, "s", at_most=CONSUMES_AGAIN_S)
    figures.note("relay and live again after", slowest_screen, "s", at_most=CONSUMES_AGAIN_S)
    lab.quiesce()
    return figures


def _all_queues_again(lab: Lab, since: datetime, begun: float) -> float:
    """Wait until every queue has done what was asked for after `since`; return the seconds."""
    while True:
        ((queues, last_s),) = lab.rows(_LAST_QUEUE, since, since)
        if queues == len(lab.queues):
            return float(last_s)
        if time.monotonic() - begun > 3 * CONSUMES_AGAIN_S:
            raise Red(f"only {queues} queues consumed again within {3 * CONSUMES_AGAIN_S} s")
        time.sleep(0.5)


def _live_hears_again(lab: Lab, begun: float) -> float:
    """Wait until the relays tell and the live process hears by new connections."""
    with Redis.from_url(lab.redis_url("redis-channels")) as server:
        while True:
            passed_s = time.monotonic() - begun
            young = [c for c in server.client_list() if int(c["age"]) < passed_s]
            if any(int(c["sub"]) for c in young) and any(c["cmd"] == "publish" for c in young):
                return passed_s
            if passed_s > 3 * CONSUMES_AGAIN_S:
                raise Red(f"live screens heard nothing from Redis for {passed_s:.0f} s")
            time.sleep(0.5)
