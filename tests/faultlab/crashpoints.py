"""Arming the steps at which a process of the lab dies (injected/sitecustomize.py)."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faultlab.figures import Red
from tests.faultlab.runner import Lab

COMES_BY_S = 60  # under load somebody passes every step long before this
CONSUMER = ("before_claim", "after_claim", "before_effect", "before_commit", "after_commit")
RELAY = ("taken", "half_published", "sent", "published")


def die_at(lab: Lab, step: str) -> None:
    """Let the next process that comes by a step die there, and see that one did."""
    arm(lab, step)
    wait_for_death(lab, step)


def arm(lab: Lab, step: str) -> None:
    """Let the next process that comes by a step die there."""
    _file(lab, step).touch()


def wait_for_death(lab: Lab, step: str) -> None:
    """Wait until the armed step has had its death; Red when nobody comes by."""
    begun = time.monotonic()
    while _file(lab, step).exists():
        if time.monotonic() - begun > COMES_BY_S:
            _file(lab, step).unlink(missing_ok=True)
            raise Red(f"nobody came by the step {step} within {COMES_BY_S} s")
        time.sleep(0.01)


def _file(lab: Lab, step: str) -> Path:
    return lab.home.crash_folder / f"{step}.1"


def schedule(steps: tuple[str, ...], times: int, draw: random.Random) -> list[str]:
    """Return every step that many times, in an order by chance."""
    deaths = [step for step in steps for _ in range(times)]
    draw.shuffle(deaths)
    return deaths


@contextmanager
def armed(lab: Lab, step: str) -> Iterator[Callable[[], bool]]:
    """Arm a step for a while; what it yields tells after it whether somebody died."""
    arm(lab, step)
    has_died = False
    try:
        yield lambda: has_died
    finally:
        has_died = not _file(lab, step).exists()
        _file(lab, step).unlink(missing_ok=True)
