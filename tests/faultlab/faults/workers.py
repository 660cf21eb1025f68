"""Workers that die: a child, a whole group, and every labelled step of the consumer."""

import random
import time
from contextlib import suppress
from datetime import datetime

import psycopg

from tests.faultlab.crashpoints import CONSUMER, die_at, schedule
from tests.faultlab.faults import fault
from tests.faultlab.faults.steady import (
    LATE_S,
    LEASE_S,
    breathe,
    chance,
    database_now,
    light,
    note_load,
    note_redelivery,
    require,
    steady,
)
from tests.faultlab.figures import Figures, Size, share
from tests.faultlab.runner import DISPATCH_WORKERS, Lab

LOOK_S = 5.0  # how long to look for a child at work


@fault("F01", "kill -9 of a worker's child mid-dispatch")
def kill_children(lab: Lab, size: Size) -> Figures:
    """Kill children of dispatch workers while they hold a claim; masters replace them."""
    figures, draw, since = Figures(size), chance("F01", size), database_now(lab)
    with steady(lab, size) as load:
        deaths = []
        for _ in range(size.pick(20, 5)):
            name = _worker_at_work(lab, draw)
            lab.kill_process(draw.choice(lab.children(name)))
            deaths.append(time.time())
            breathe(draw, 0, 1)
        breathe(draw, 1, 2)
    figures.note("children killed", len(deaths))
    note_load(load, figures)
    note_redelivery(lab, figures, since, deaths)
    return figures


@fault("F02", "kill -9 of a whole worker group, back after 0 to 10 s")
def kill_groups(lab: Lab, size: Size) -> Figures:
    """Kill workers with all their children; meanwhile the other queues go on as they did."""
    figures, draw, since = Figures(size), chance("F02", size), database_now(lab)
    longest = 0.0
    away: list[tuple[str, float, float]] = []
    with light(lab, size) as load:
        time.sleep(size.pick(20, 4))
        calm_until = time.time()
        for _ in range(size.pick(10, 2)):
            name, pause = draw.choice(DISPATCH_WORKERS), draw.uniform(0, size.pick(10, 3))
            begun = time.time()
            lab.down(name)
            time.sleep(pause)
            lab.up(name)
            away.append((name.removeprefix("worker-"), begun, time.time()))
            longest = max(longest, _until_consuming(lab, name, begun) - begun)
            breathe(draw, 0, 2)
    figures.note("groups killed", len(away))
    note_load(load, figures)
    deaths = [begun for _, begun, _ in away]
    note_redelivery(lab, figures, since, deaths, lost_s=longest, cut_off=0)
    calm = _dispatch_p95(lab, since.timestamp(), calm_until)
    others = _dispatches_of_others(lab, away)
    during = share(others, 0.95)
    figures.note("dispatches of other queues", len(others), at_least=size.pick(50, 5))
    name, when = "other queues", "meanwhile"
    figures.compare(name, when, calm_s=calm, found_s=during, times=1.2, hiccup_s=0.2)
    return figures


@fault("F03", "kill -9 at each labelled step of the consumer")
def kill_at_steps(lab: Lab, size: Size) -> Figures:
    """Let workers die before and after claim, before the effect, around its commit.

    Whoever comes by the armed step dies, so while it lasts hardly any run ends: what counts is
    how soon all is done once nobody dies any more.
    """
    figures, draw, since = Figures(size), chance("F03", size), database_now(lab)
    deaths = []
    with steady(lab, size) as load:
        for step in schedule(CONSUMER, size.pick(50, 2), draw):
            die_at(lab, step)
            deaths.append(time.time())
            breathe(draw, 0, 0.3)
    figures.note("deaths", len(deaths))
    note_load(load, figures)
    note_redelivery(lab, figures, since, deaths, lost_s=deaths[-1] - deaths[0])
    caught_up_s = _last_done(lab, since, until=deaths[-1]) - deaths[-1]
    figures.note("all dispatched after the last death", caught_up_s, "s", at_most=LEASE_S + LATE_S)
    return figures


def _worker_at_work(lab: Lab, draw: random.Random) -> str:
    """Return a worker that has claimed a dispatch just now; any of them when none does for long."""
    deadline = time.monotonic() + LOOK_S
    with psycopg.connect(lab.database_url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            found = connection.execute(
                "SELECT queue FROM cases_effect WHERE case_id IS NOT NULL AND done_at IS NULL"
                " AND queue LIKE 'dispatch.%%' AND claimed_until > now() + %s::interval",
                ["14.9 s"],
            ).fetchall()
            if found:
                return f"worker-{draw.choice(found)[0]}"
            time.sleep(0.005)
    return draw.choice(DISPATCH_WORKERS)


def _until_consuming(lab: Lab, name: str, since: float) -> float:
    """Wait until a worker has done something that was asked after `since`; return when (epoch)."""
    queue, deadline = name.removeprefix("worker-"), time.monotonic() + 60
    while time.monotonic() < deadline:
        with suppress(psycopg.OperationalError):
            ((done,),) = lab.rows(
                "SELECT extract(epoch FROM min(done_at))::float FROM cases_effect"
                " WHERE queue = %s AND created_at > to_timestamp(%s) AND done_at IS NOT NULL",
                queue,
                since,
            )
            if done:
                return float(done)
        time.sleep(0.2)
    require(False, f"{name} did not consume again within 60 s")  # noqa: FBT003
    return 0.0


def _last_done(lab: Lab, since: datetime, *, until: float) -> float:
    """Return when the last dispatch asked for until a moment was done; both epoch seconds."""
    ((done,),) = lab.rows(
        "SELECT extract(epoch FROM max(done_at))::float FROM cases_effect"
        " WHERE kind = 'dispatch' AND created_at BETWEEN %s AND to_timestamp(%s)",
        since,
        until,
    )
    return float(done)


def _dispatch_p95(lab: Lab, begun: float, end: float) -> float:
    """Return the seconds 95 % of the dispatches asked for in a time were done after."""
    rows = lab.rows(
        """
        SELECT extract(epoch FROM done_at - created_at)::float FROM cases_effect
        WHERE kind = 'dispatch' AND done_at IS NOT NULL
          AND created_at BETWEEN to_timestamp(%s) AND to_timestamp(%s)
        """,
        begun,
        end,
    )
    return share([row[0] for row in rows], 0.95)


def _dispatches_of_others(lab: Lab, away: list[tuple[str, float, float]]) -> list[float]:
    """Return the seconds that dispatches took since the first group was killed, of whole queues.

    A queue whose group was killed is not whole until all that was asked of it meanwhile is done.
    """
    rows = lab.rows(
        """
        SELECT queue, extract(epoch FROM created_at)::float, extract(epoch FROM done_at)::float
        FROM cases_effect WHERE kind = 'dispatch' AND done_at IS NOT NULL
          AND created_at >= to_timestamp(%s)
        """,
        min(begun for _, begun, _ in away),
    )
    broken = [
        (queue, begun, max([end, *(d for q, c, d in rows if q == queue and begun <= c <= end)]))
        for queue, begun, end in away
    ]
    return [
        done - created
        for queue, created, done in rows
        if not any(
            queue == name and begun <= done and created <= end for name, begun, end in broken
        )
    ]
