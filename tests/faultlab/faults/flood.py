"""One district sends fifty times what all others do together; they do not notice."""

import json
import subprocess
import sys
import time

from deploy.python_env import ROOT
from tests.faultlab.faults import fault
from tests.faultlab.faults.steady import note_load
from tests.faultlab.figures import Figures, Size, share
from tests.faultlab.load import Load
from tests.faultlab.runner import Lab

LOAD = (2.0, 2.0)  # reports and actions a second of all others together
TIMES = 50
HICCUP_S = 0.25
FLOODING = "dispatcher-hecheng"


@fault("F22", "one district floods with reports, lists and photos of 200 megapixels", in_gate=False)
def flood(lab: Lab, size: Size) -> Figures:
    """Measure others before the flood and in it, with the limits a city has by default."""
    figures, calm_s = Figures(size), size.pick(60, 8)
    lab.limit_people(user=100, scope=400)
    rate = TIMES * sum(LOAD)
    try:
        with Load(lab, seed=size.seed, creations=LOAD[0], transitions=LOAD[1], clients=4) as load:
            calm_from = time.time()
            time.sleep(calm_s)
            flood_from = time.time()
            statuses = _flood(lab, rate, calm_s)
            until = time.time()
    finally:
        lab.limit_people(user=10**6, scope=10**6)
    note_load(load, figures)
    sent = sum(statuses.values())
    figures.note("flood, requests a second", sent / (until - flood_from))
    figures.note("flood, refused with 429", statuses.get("429", 0), at_least=sent // 2)
    figures.note("flood, 5xx", sum(n for status, n in statuses.items() if status[0] == "5"))
    for op in ("create", "act"):
        calm = share(load.took(op, since=calm_from, until=flood_from), 0.95)
        during = share(load.took(op, since=flood_from, until=until), 0.95)
        figures.note(f"others, {op}, p95 calm", calm, "s")
        # Flood, others and servers share two processors: a hiccup is not the flood.
        worst = max(1.5 * calm, calm + HICCUP_S)
        figures.note(f"others, {op}, p95 in the flood", during, "s", at_most=worst)
    figures.note("others, 5xx", load.count(least=500), at_most=0)
    return figures


def _flood(lab: Lab, rate: float, seconds: float) -> dict[str, int]:
    words = [str(lab.home.state.port), lab.people[FLOODING], str(rate), str(seconds)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faultlab.flooder", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    return dict(json.loads(done.stdout))
