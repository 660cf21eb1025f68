"""PostgreSQL that crashes and comes back."""

import os
import signal
import time

from tests.faultlab.faults import fault
from tests.faultlab.faults.steady import breathe, chance, note_load, require, steady
from tests.faultlab.figures import Figures, Size
from tests.faultlab.load import Load
from tests.faultlab.runner import Lab

AFTERMATH_S = 3  # how much longer than PostgreSQL itself the errors may last


@fault("F09", "PostgreSQL crashes (-m immediate) and restarts")
def crash_postgres(lab: Lab, size: Size) -> Figures:
    """Crash PostgreSQL under load: nothing answered is lost, and nobody needs a restart."""
    figures, draw = Figures(size), chance("F09", size)
    ours = [name for name in lab.programs() if name.startswith(("web", "live", "relay", "worker"))]
    before = {name: lab.pid(name) for name in ours}
    outages: list[tuple[float, float]] = []
    with steady(lab, size) as load:
        for _ in range(size.pick(5, 2)):
            breathe(draw, 2, size.pick(10, 4))
            outages.append(_crash(lab))
        breathe(draw, 3, 4)
    after = {name: lab.pid(name) for name in ours}
    figures.note("PostgreSQL crashed", len(outages))
    note_load(load, figures)
    figures.note("longest outage", max(end - begun for begun, end in outages), "s")
    nexts = [begun for begun, _ in outages[1:]] + [time.time()]
    over = [
        _errors_end(load, begun, end, until) - end
        for (begun, end), until in zip(outages, nexts, strict=True)
    ]
    figures.note("errors after the outage", max(over), "s", at_most=AFTERMATH_S)
    restarted = [name for name in ours if before[name] != after[name]]
    require(not restarted, f"these ended with PostgreSQL: {', '.join(restarted)}")
    return figures


def _crash(lab: Lab) -> tuple[float, float]:
    """End PostgreSQL as `pg_ctl -m immediate` does; return when it went and came back (epoch s)."""
    pid, begun = lab.pid("postgres"), time.time()
    os.kill(pid, signal.SIGQUIT)
    lab.wait_gone(pid)
    lab.wait_servers()
    require(lab.pid("postgres") not in (0, pid), "PostgreSQL was not started again")
    return begun, time.time()


def _errors_end(load: Load, begun: float, end: float, until: float) -> float:
    """Return when the last call that an outage broke ended (epoch s), or the outage itself.

    What began after it and ended after `until`, when the next outage began, was broken by that.
    """
    broken = [(t.begun, t.begun + t.took_s) for t in load.taken if not 0 < t.status < 500]
    ends = [ended for sent, ended in broken if begun <= ended and (sent < end or ended < until)]
    return max(ends, default=end)
