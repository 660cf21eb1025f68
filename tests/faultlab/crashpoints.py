"""Arming the steps at which a process of the lab dies (injected/sitecustomize.py)."""

import random
import time

from tests.faultlab.figures import Red
from tests.faultlab.runner import Lab

COMES_BY_S = 60  # under load somebody passes every step long before this
CONSUMER = ("before_claim", "after_claim", "before_effect", "before_commit", "after_commit")
RELAY = ("taken", "half_published", "published")


def die_at(lab: Lab, step: str) -> float:
    """Let the next process that comes by a step die there; return the seconds until it did."""
    file = lab.home.crash_folder / f"{step}.1"
    file.touch()
    begun = time.monotonic()
    while file.exists():
        if time.monotonic() - begun > COMES_BY_S:
            file.unlink(missing_ok=True)
            raise Red(f"nobody came by the step {step} within {COMES_BY_S} s")
        time.sleep(0.01)
    return time.monotonic() - begun


def schedule(steps: tuple[str, ...], times: int, draw: random.Random) -> list[str]:
    """Return every step that many times, in an order by chance."""
    deaths = [step for step in steps for _ in range(times)]
    draw.shuffle(deaths)
    return deaths
