"""What several faults share: the load of the matrix, moments, and how long effects took."""

import random
import time
from datetime import datetime

from tests.faultlab.figures import Figures, Red, Size
from tests.faultlab.load import Load
from tests.faultlab.runner import Lab

LEASE_S = 15
WHOLE_S = 25  # what the matrix gives a live screen to catch up
LATE_S = 5  # redelivery may take this much longer than the lease


def steady(lab: Lab, size: Size) -> Load:
    """Return the load of the fault matrix, in a shortened run a third of it."""
    if size.short:
        return light(lab, size)
    return Load(lab, seed=size.seed, creations=20, transitions=40, clients=12, screens=50)


def light(lab: Lab, size: Size) -> Load:
    """Return a third of the matrix's load, for faults that compare times of others.

    With all of it servers, clients and proxies fill two processors, so that whatever a fault
    takes of them, a task that spins above all, is felt by everybody and compares nothing.
    """
    return Load(lab, seed=size.seed, creations=6, transitions=12, clients=6, screens=20)


def chance(name: str, size: Size) -> random.Random:
    """Return the chance of one fault with one seed: it replays the same schedule."""
    return random.Random(f"{name} {size.seed}")  # noqa: S311 - a schedule, not a secret


def database_now(lab: Lab) -> datetime:
    """Return the database's clock."""
    ((now,),) = lab.rows("SELECT clock_timestamp()")
    return now


def breathe(draw: random.Random, least_s: float, most_s: float) -> None:
    """Wait some time by chance."""
    time.sleep(draw.uniform(least_s, most_s))


def note_redelivery(
    lab: Lab,
    figures: Figures,
    since: datetime,
    deaths: list[float],
    *,
    lost_s: float = 0.0,
    cut_off: int = 1,
) -> None:
    """Note how many runs were cut off, and how long work waited that a death (epoch s) had lost.

    Each loss may cost one lease; `lost_s` is how long nobody could work at all.
    """
    lab.quiesce()
    rows = lab.rows(
        "SELECT extract(epoch FROM created_at)::float, extract(epoch FROM done_at)::float, runs"
        " FROM cases_effect WHERE kind = 'dispatch' AND created_at >= %s AND done_at IS NOT NULL",
        since,
    )
    waits = [done - created for created, done, _ in rows]
    beyond = [beyond_leases(created, done, deaths, lost_s) for created, done, _ in rows]
    figures.note(
        "runs cut off and done again", sum(runs > 1 for *_, runs in rows), at_least=cut_off
    )
    figures.note("most runs of one effect", max((runs for *_, runs in rows), default=0))
    figures.note("slowest dispatch", max(waits, default=0), "s")
    figures.note("slowest beyond its leases", max(beyond, default=0), "s", at_most=LATE_S + lost_s)


def beyond_leases(created: float, done: float, deaths: list[float], lost_s: float = 0.0) -> float:
    """Return how long an effect took beyond the leases that deaths while it was on its way cost."""
    begun, late_s = created, LATE_S + lost_s
    while done - begun > late_s:
        met = [death for death in deaths if begun <= death <= begun + late_s]
        if not met:
            break
        begun = max(met) + LEASE_S
    return max(0.0, done - begun)


def note_load(load: Load, figures: Figures) -> None:
    """Note what the clients got done, and that some of it was."""
    figures.note("cases reported", len(load.numbers()), at_least=1)
    figures.note("actions taken", sum(t.op == "act" and t.status == 200 for t in load.taken))
    figures.note("server errors", load.count(least=500))
    figures.note("screens whole after", load.whole_s, "s", at_most=WHOLE_S)


def require(condition: bool, sentence: str) -> None:  # noqa: FBT001 - as `assert`
    """Raise Red with the sentence unless the fault has taken effect."""
    if not condition:
        raise Red(sentence)
