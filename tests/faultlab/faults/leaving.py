"""Workers that are told to stop, as at a deployment, and workers of a second home beside them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

from deploy.python_env import ROOT
from tests.faultlab.faults import fault
from tests.faultlab.faults.steady import (
    breathe,
    chance,
    database_now,
    note_load,
    require,
    steady,
)
from tests.faultlab.figures import Figures, Size
from tests.faultlab.runner import DISPATCH_WORKERS, Lab

AGAIN = 1000  # added to the seed of a second load, which would repeat the first otherwise
STOP_S = 30  # then supervisord would kill it
COMMAND_S = 240  # a machine with other work to do starts six workers slowly


@fault("F23", "SIGTERM to workers; a second home's workers join, work alone, leave")
def stop_and_join(lab: Lab, size: Size) -> Figures:
    """A worker told to stop ends what it has begun; a second home's take over from none."""
    figures, draw, since = Figures(size), chance("F23", size), database_now(lab)
    slowest = 0.0
    with steady(lab, size):
        for _ in range(size.pick(10, 3)):
            slowest = max(slowest, _stop_warmly(lab, draw.choice(DISPATCH_WORKERS)))
            breathe(draw, 0, 2)
    lab.quiesce()
    ((cut_off,),) = lab.rows(
        "SELECT count(*) FROM cases_effect"
        " WHERE kind = 'dispatch' AND runs > 1 AND created_at >= %s",
        since,
    )
    figures.note("slowest warm stop", slowest, "s", at_most=STOP_S, hard=True)
    figures.note("runs cut off by SIGTERM", cut_off, at_most=0)
    with _second_home(lab), steady(lab, replace(size, seed=size.seed + AGAIN)) as load:
        lab.down(*DISPATCH_WORKERS)
        alone = database_now(lab)
        breathe(draw, 5, 10)
        ((done,),) = lab.rows(
            "SELECT count(*) FROM cases_effect WHERE kind = 'dispatch' AND done_at > %s", alone
        )
        lab.up(*DISPATCH_WORKERS)
        breathe(draw, 5, 10)  # both at once
    figures.note("dispatched by the second home alone", done, at_least=1)
    note_load(load, figures)
    return figures


def _stop_warmly(lab: Lab, name: str) -> float:
    """Tell a worker to stop, as supervisord does; return the seconds until the next one is up.

    Only its first process is told: that one lets the others end what they have begun.
    """
    begun, pid = time.monotonic(), lab.pid(name)
    os.kill(pid, signal.SIGTERM)
    while lab.pid(name) in (0, pid):
        require(time.monotonic() < begun + STOP_S, f"{name} did not stop in {STOP_S} s")
        time.sleep(0.1)
    return time.monotonic() - begun


@contextlib.contextmanager
def _second_home(lab: Lab) -> Iterator[None]:
    """Let workers of another home join the lab's city, and leave it."""
    path = lab.home.path / "second"
    env = {name: value for name, value in os.environ.items() if not name.startswith("CITYOPS_")}
    env |= lab.home.variables() | {"CITYOPS_QUEUES": "dispatch.*", "CITYOPS_VENV": sys.prefix}
    del env["CITYOPS_HOME"]
    _deploy("up", "--workers-only", "--detach", "--home", str(path), env=env)
    try:
        yield
    finally:
        _deploy("down", "--delete", "--home", str(path), env=env)


def _deploy(command: str, *words: str, env: dict[str, str]) -> None:
    done = subprocess.run(
        [ROOT / "deploy" / command, *words],
        env=env,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    require(done.returncode == 0, f"deploy/{command}: {done.stdout[-500:]}{done.stderr[-500:]}")
