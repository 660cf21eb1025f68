"""One district sends fifty times what all others do together; they do not notice."""

import base64
import json
import struct
import subprocess
import sys
import time
import zlib

from deploy.benchmarks.flooder import Call
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


@fault("F22", "one district floods with reports, lists and photos of 200 megapixels")
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
        name, when = f"others, {op}", "in the flood"
        figures.compare(name, when, calm_s=calm, found_s=during, times=1.5, hiccup_s=HICCUP_S)
    figures.note("others, 5xx", load.count(least=500), at_most=0)
    return figures


def _flood(lab: Lab, rate: float, seconds: float) -> dict[str, int]:
    """Send at a rate for a while from a process of its own; return how often each status came."""
    told = [(m, path, base64.b64encode(body).decode(), head) for m, path, body, head in _calls(lab)]
    words = map(str, (lab.home.state.port, rate, seconds))
    done = subprocess.run(
        [sys.executable, "-m", "deploy.benchmarks.flooder", *words],
        cwd=ROOT,
        input=json.dumps(told),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=seconds + 120,
    )
    return dict(json.loads(done.stdout))


def _calls(lab: Lab) -> list[Call]:
    """Return what is sent in turn: reports nobody can take, so no log tells of them, and more."""
    who = {"Authorization": f"Bearer {lab.people[FLOODING]}"}
    form = who | {"Content-Type": "application/json"}
    file = who | {"Content-Type": "image/png", "Content-Disposition": "attachment; filename=a.png"}
    photo = "/api/v1/cases/HH2000010100001/photos/" + "0" * 64 + "/"
    return [
        ("POST", "/api/v1/cases/", b"{}", form),
        ("GET", "/api/v1/cases/?stage=open", b"", who),
        ("POST", "/api/v1/cases/", b"{}", form),
        ("PUT", photo, _huge_photo(), file),
    ]


def _huge_photo() -> bytes:
    """Return a PNG of a few bytes that says it is 20,000 by 10,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        tail = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + tail

    head = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
