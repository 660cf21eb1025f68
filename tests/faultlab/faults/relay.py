"""A relay that dies between lease and publishing, in the middle of it, and after."""

import os
import signal
import time

from tests.faultlab.crashpoints import RELAY, die_at, schedule
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

RELAYS = ("relay", "relay-2")
GATHER_S = 30


@fault("F04", "kill -9 of the relay between lease and publishing")
def kill_relays(lab: Lab, size: Size) -> Figures:
    """Let relays die with a leased batch: none of it published, half of it, all of it."""
    figures, draw, since = Figures(size), chance("F04", size), database_now(lab)
    deaths = schedule(RELAY, size.pick(17, 1), draw)
    with steady(lab, size) as load:
        for step in deaths:
            if step == "half_published":
                _let_work_gather(lab)
            die_at(lab, step)
            breathe(draw, 0, 1)
        lab.wait_healthy()
    figures.note("relays killed", len(deaths))
    note_load(load, figures)
    note_redelivery(lab, figures, since, cut_off=0)
    return figures


def _let_work_gather(lab: Lab) -> None:
    """Halt the relays until two dispatches are due, so that the next batch has two halves."""
    running = [pid for name in RELAYS if (pid := lab.pid(name))]
    for pid in running:
        os.kill(pid, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + GATHER_S
        due = "SELECT count(*) FROM cases_effect WHERE done_at IS NULL AND published_at IS NULL"
        while lab.rows(due) < [(2,)]:
            if time.monotonic() > deadline:
                raise Red("no two effects became due while the relays were halted")
            time.sleep(0.05)
    finally:
        for pid in running:
            os.kill(pid, signal.SIGCONT)
