"""The desk in a browser: from a commit to the painted screen, and panning a full map."""

import contextlib
import json
import statistics
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from urllib.request import urlopen

from cases.models import Case, Event
from deploy.benchmarks.browser import Browser, Page, browser
from deploy.benchmarks.clients import Server, one_after_another
from deploy.benchmarks.create import child_server, report_maker, wait_until_dispatched
from deploy.benchmarks.figures import Figure
from deploy.benchmarks.people import session_of
from deploy.benchmarks.sockets import open_sockets, wait_until
from deploy.home import Home

SOCKETS = 50  # other screens beside the one that is looked at
REPORTS = 40
APART_S = 1.5
SETTLE_S = 3.0
ECHO_S = 10  # the bare loop sends one a second so long
PAN_S = 5
ZOOMS_IN = (0, 2, 2)  # steps closer before each stretch of panning
_BARE = "uvicorn --host 127.0.0.1 --ws-max-size 65536 --no-access-log --log-level warning"
# What the page holds is noted with the time it was on the screen.
_NOTE = """
window.painted = [];
document.addEventListener("desk-painted", ({ detail }) =>
  window.painted.push([Date.now(), detail.heads]));
document.addEventListener("map-painted", ({ detail }) => (window.held = detail));
"""
# Of the cases only the outermost are left: the map shows the same place with four marks.
_OUTERMOST = """
const ask = window.fetch;
window.fetch = async (address, options) => {
  const answer = await ask(address, options);
  if (!String(address).includes("/desk/cases/")) return answer;
  const columns = await answer.json();
  const ends = ["lon", "lat"].flatMap((name) => [Math.min, Math.max].map((end) =>
    columns[name].indexOf(end(...columns[name]))));
  for (const [name, column] of Object.entries(columns)) {
    if (Array.isArray(column)) columns[name] = ends.map((at) => column[at]);
  }
  return new Response(JSON.stringify(columns));
};
"""
_ECHO = """new Promise((resolve, reject) => {
  const late = [];
  const socket = new WebSocket("ws://127.0.0.1:%d/");
  socket.onerror = () => reject(new Error("no socket"));
  socket.onmessage = ({ data }) => {
    const { type, at } = JSON.parse(data);
    if (type === "hello") window.isOpen = true;
    if (type !== "notice") return;
    document.body.textContent = data;
    requestAnimationFrame(() => setTimeout(() => {
      late.push(Date.now() - at * 1000);
      if (late.length === %d) resolve(late);
    }, 0));
  };
})"""
# The pointer takes the map to and fro; every frame is a move of eight pixels.
_PAN = """new Promise((resolve) => {
  const map = document.getElementById("map");
  const { left, top, width, height } = map.getBoundingClientRect();
  const at = { x: left + width / 2, y: top + height / 2 };
  const tell = (kind, target) => target.dispatchEvent(new MouseEvent(kind,
    { bubbles: true, cancelable: true, button: 0, clientX: at.x, clientY: at.y, view: window }));
  const pane = map.querySelector(".leaflet-map-pane");
  const frames = [];
  const begun = performance.now();
  let way = 8;
  tell("mousedown", pane);
  const step = (now) => {
    frames.push(now);
    if (now - begun > %d) {
      tell("mouseup", document);
      return resolve(frames);
    }
    at.x += way;
    if (at.x < left + 40 || at.x > left + width - 40) {
      tell("mouseup", document);
      at.x = Math.min(left + width - 40, Math.max(left + 40, at.x));
      way = -way;
      tell("mousedown", pane);
    }
    tell("mousemove", document);
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""


def commit_to_paint(home: Home) -> Figure:
    """Return how late changes are on the screen, from the event's time, beside an echo's paint."""
    with browser() as chromium:
        bare = _echo_ms(home, chromium)
        with _desk(home, chromium) as page:
            written = _beside_others(home)
            heads = {scope: max(d for s, d in written if s == scope) for scope, _ in written}
            told = "window.painted.length && window.painted[window.painted.length - 1][1]"
            with contextlib.suppress(TimeoutError):
                wait_until(lambda: _holds(page.run(told), heads), 30)
            late = _late_ms(page.run("window.painted"), written)
    if len(late) < len(written):
        raise RuntimeError(f"{len(written) - len(late)} of {len(written)} changes were not painted")
    return Figure(
        f"commit to paint, {SOCKETS} other sockets, {Case.objects.open().count():,} open cases",
        "ms",
        _share(late, 0.95),
        "an echo and a paint",
        _share(bare, 0.95),
        {
            "median, ms": statistics.median(late),
            "bare: median, ms": statistics.median(bare),
            "changes": len(written),
        },
    )


def panning(home: Home) -> Figure:
    """Return the frames a second while a full map is panned, against one with four marks."""
    with browser() as chromium:
        with _desk(home, chromium) as page:
            drawn, slowest = _pan(page)
            held = page.run("window.held")
            page.call("HeapProfiler.collectGarbage")
            heap_mb = page.run("performance.memory.usedJSHeapSize") / 2**20
            process_mb = chromium.renderers_mb()[0]
        with _desk(home, chromium, is_bare=True) as page:
            bare, bare_slowest = _pan(page)
    return Figure(
        f"panning {held['map']:,} open cases, the slowest of three scales",
        "1/s",
        drawn,
        "the same map with four marks",
        bare,
        {
            "95 % of the frames within, ms": slowest,
            "bare: 95 % of the frames within, ms": bare_slowest,
            "heap of the page, MB": heap_mb,
            "memory of its process, MB": process_mb,
        },
    )


@contextlib.contextmanager
def _desk(home: Home, chromium: Browser, *, is_bare: bool = False) -> Iterator[Page]:
    """Open the desk as a dispatcher of the city; a bare one has four cases on its map."""
    name, _, value = session_of("dispatcher1")["Cookie"].partition("=")
    address = f"http://localhost:{home.state.port}/desk/"
    with chromium.page(first=_NOTE + (_OUTERMOST if is_bare else "")) as page:
        page.call("Network.setCookie", name=name, value=value, url=address)
        page.go(address)
        page.wait("window.held && document.querySelector('.outline')")
        time.sleep(SETTLE_S)
        yield page


def _beside_others(home: Home) -> dict[tuple[str, int], float]:
    """Report one after the other while others listen; returns when each event was written."""
    calls, web = one_after_another(report_maker()), Server.web_of(home)
    greeted = [0]

    def hear(_number: int, payload: bytes) -> None:
        greeted[0] += b'"hello"' in payload

    cookie = session_of("dispatcher1")["Cookie"]
    with open_sockets(home.state.ports["live"], [cookie] * SOCKETS, hear):
        wait_until(lambda: greeted[0] == SOCKETS, 60)
        first = Event.objects.latest("pk").pk
        for _ in range(REPORTS):
            web.ask(calls, clients=1, count=1)
            time.sleep(APART_S)
        wait_until_dispatched()
        time.sleep(SETTLE_S)
    rows = Event.objects.filter(pk__gt=first, case__isnull=False)
    return {(s, d): at.timestamp() for s, d, at in rows.values_list("scope", "dseq", "at")}


def _holds(held: Any, heads: dict[str, int]) -> bool:
    return bool(held) and all(held.get(scope, 0) >= head for scope, head in heads.items())


def _late_ms(painted: list[Any], written: dict[tuple[str, int], float]) -> list[float]:
    """Return how long after each event the screen first held it, in milliseconds."""
    late = []
    for (scope, dseq), at in written.items():
        shown = (ms for ms, heads in painted if heads.get(scope, 0) >= dseq)
        if (first := next(shown, None)) is not None:
            late.append(first - at * 1000)
    return late


def _echo_ms(home: Home, chromium: Browser) -> list[float]:
    """Return how late a frame of a bare loop is on an empty page."""
    application = "deploy.benchmarks.bare_live:application"
    with child_server(home, _BARE, application) as port, chromium.page() as page:
        page.run(f"void (window.echo = {_ECHO % (port, ECHO_S)})")
        page.wait("window.isOpen")
        with urlopen(f"http://127.0.0.1:{port}/{ECHO_S}/1", timeout=120) as answer:  # our own
            answer.read()
        late: list[float] = json.loads(page.run("window.echo.then(JSON.stringify)"))
    return late


def _pan(page: Page) -> tuple[float, float]:
    """Return the frames a second at the slowest scale, and what 95 % of its frames stay within."""
    found = []
    for steps in ZOOMS_IN:
        for _ in range(steps):
            page.run("void document.querySelector('[data-map=in]').click()")
            time.sleep(1)
        times = page.run(_PAN % (PAN_S * 1000))
        taken = [after - before for before, after in pairwise(times)]
        found.append((1000 / statistics.mean(taken), _share(taken, 0.95)))
    return min(found)


def _share(values: list[float], share: float) -> float:
    return statistics.quantiles(values, n=100)[int(share * 100) - 1]
