"""Keep a running demo busy for a while, at real time and through queues and workers."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from cases.errors import Refusal
from cases.models import Case, Task
from cases.simulation.city import City
from cases.simulation.gaming import Moves
from cases.simulation.run import Run
from cases.simulation.services import Services
from cases.simulation.story import new_case

SPEED = 60  # an hour of a case's life passes in a minute
TELL_S = 10


def keep_busy(
    *,
    per_minute: int,
    minutes: float,
    seed: int,
    progress: Callable[[str], None],
    moves: Moves | None = None,
) -> Counter[str]:
    """Report and handle cases for `minutes`; returns actions counted, refused ones included.

    People of the running demo may act at the same time: a case they moved is left to them. What a
    crash of PostgreSQL cuts off is not taken up again.
    """
    run = Run(City(seed), Services(is_live=True), moves=moves, speed=SPEED)
    start = told = timezone.now()
    end = start + timedelta(minutes=minutes)
    for number in range(int(per_minute * minutes)):
        moment = start + timedelta(minutes=number / per_minute)
        run.plan(moment, partial(new_case, run, str(number)))
    for at, step in run.steps_until(end):
        wait_s = (at - timezone.now()).total_seconds()
        if wait_s > 0:
            time.sleep(wait_s)
        now = timezone.now()
        if now > end:  # the city is slower than the plan: the time is bounded all the same
            break
        try:
            step(now)
        except (Refusal, Case.DoesNotExist, Task.DoesNotExist):
            run.done["refused"] += 1
        except (OperationalError, InterfaceError):  # PostgreSQL has gone; it comes back
            connection.close()
            run.done["cut off"] += 1
        if now - told > timedelta(seconds=TELL_S):
            told = now
            progress(f"{run.begun} reports, {run.done.total()} actions")
    return run.done
