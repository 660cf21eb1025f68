"""A relay that dies between lease and publishing, in the middle of it, and after."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faultlab.crashpoints import RELAY, arm, die_at, schedule, wait_for_death
from tests.faultlab.faults import fault
from tests.faultlab.faults.steady import (
    breathe,
    chance,
    database_now,
    note_load,
    note_redelivery,
    steady,
)
from tests.faultlab.figures import Figures, Red, Size
from tests.faultlab.runner import Lab

GATHER_S = 30
ALIVE_S = (1, 3)  # between deaths: a relay takes 1.5 s to start, and one never alive shows nothing


@fault("F04", "kill -9 of the relay between lease and publishing")
def kill_relays(lab: Lab, size: Size) -> Figures:
    """Let relays die with a leased batch: none of it published, half of it, all of it."""
    figures, draw, since = Figures(size), chance("F04", size), database_now(lab)
    deaths = []
    with steady(lab, size) as load:
        for step in schedule(RELAY, size.pick(13, 1), draw):
            if step == "half_published":
                with _work_gathering(lab):
                    arm(lab, step)
                wait_for_death(lab, step)
            else:
                die_at(lab, step)
            deaths.append(time.time())
            breathe(draw, *ALIVE_S)
        lab.wait_healthy()
    figures.note("relays killed", len(deaths))
    note_load(load, figures)
    note_redelivery(lab, figures, since, deaths, cut_off=0)
    return figures


@contextmanager
def _work_gathering(lab: Lab) -> Iterator[None]:
    """Leave one relay, halted until two effects are due: its next batch has two halves."""
    lab.down("relay-2")
    pid = lab.wait_running("relay")
    lab.signal(pid, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + GATHER_S
        due = (
            "SELECT count(*) FROM cases_effect"
            " WHERE state = 'due' AND published_at IS NULL AND next_at <= now()"
        )
        while lab.rows(due) < [(2,)]:
            if time.monotonic() > deadline:
                raise Red("no two effects became due while the relay was halted")
            time.sleep(0.05)
        yield
    finally:
        lab.signal(pid, signal.SIGCONT)
        lab.up("relay-2")
