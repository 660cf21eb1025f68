"""A simulated city at work, something breaking every few seconds, and a desk that looks on."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright
from redis import Redis

from tests.faultlab.faults import fault
from tests.faultlab.faults.steady import chance, require
from tests.faultlab.figures import Figures, Red, Size
from tests.faultlab.runner import DISPATCH_WORKERS, THROUGH, Lab

PER_MINUTE = 60
OUTAGE_S = 4
WHOLE_S = 30  # after the last fault the desk shows what the server lists
MONITOR = {"width": 1920, "height": 1080}
_QUEUE = "/desk/queue/?view=all"
_LISTED = "links => links.map(link => link.dataset.case)"
# What a page loaded now would show: the server's own fragment, parsed apart from the open page.
_SERVED = """
async address => {
  const answer = await fetch(address);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return [...page.querySelectorAll("a[data-case]")].map(link => link.dataset.case);
}
"""


@fault("DESK", "a simulated city at work, a random fault every 20 s, the desk open", is_told=False)
def watch_from_the_desk(lab: Lab, size: Size) -> Figures:
    """Break something again and again; the desk must end with the server's list, not reloaded."""
    figures, draw, happened = Figures(size), chance("DESK", size), list[str]()
    seconds, every = size.pick(300, 40), size.pick(20, 8)
    with _desk(lab) as desk, _busy(lab, seconds, size.seed):
        begun = time.monotonic()
        for number in range(1, seconds // every):
            desk.wait_for_timeout(max(0, begun + number * every - time.monotonic()) * 1000)
            happened.append(_break_something(lab, draw))
        desk.wait_for_timeout(max(0, begun + seconds - time.monotonic()) * 1000)
        lab.heal()
        lab.quiesce()
        figures.note("whole again after", _wait_until_whole(desk), "s", at_most=WHOLE_S)
        figures.note("faults", len(happened), at_least=seconds // every - 1)
        figures.note("kinds of faults", len(set(happened)))
        listed = desk.locator("#queue a[data-case]").evaluate_all(_LISTED)
        figures.note("cases in the list", len(listed), at_least=1)
        figures.note("events", lab.rows("SELECT count(*) FROM cases_event")[0][0])
        require(desk.evaluate("() => window.untouched === true"), "the desk was loaded anew")
        desk.screenshot(path=lab.out / "desk.png")
    return figures


@contextlib.contextmanager
def _desk(lab: Lab) -> Iterator[Page]:
    """Open the desk with all open cases, and mark the page so that a reload would show."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        context = chromium.new_context(base_url=lab.url, viewport=MONITOR, locale="zh-CN")
        cookie = {"name": "sessionid", "value": lab.cookie("dispatcher1"), "url": lab.url}
        context.add_cookies([cookie])
        page = context.new_page()
        page.goto("/desk/?view=all")
        page.wait_for_selector("#chip[data-state=live]")
        page.evaluate("() => { window.untouched = true }")
        yield page
        chromium.close()


@contextlib.contextmanager
def _busy(lab: Lab, seconds: int, seed: int) -> Iterator[None]:
    """Let a simulated city live beside; it must outlive every fault."""
    words = ["simulate", "--live", "--minutes", str(seconds / 60), "--seed", str(seed)]
    words += ["--per-minute", str(PER_MINUTE)]
    with (lab.out / "simulate.log").open("w") as log:
        busy = subprocess.Popen(
            [lab.home.venv / "bin/python", Path(lab.root) / "manage.py", *words],
            cwd=lab.root,
            env=lab.home.environment("manage"),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
            require(busy.wait(60) == 0, f"the simulation failed; see {log.name}")
        finally:
            busy.kill()
            busy.wait()


def _break_something(lab: Lab, draw: random.Random) -> str:
    """Let one thing happen by chance, see that it did, and return its name."""
    what = draw.choice(_DISASTERS)
    what(lab, draw)
    return what.__name__


def _kill_worker(lab: Lab, draw: random.Random) -> None:
    lab.kill(draw.choice(DISPATCH_WORKERS))


def _kill_relay(lab: Lab, draw: random.Random) -> None:
    lab.kill(draw.choice(("relay", "relay-2")))


def _kill_live(lab: Lab, _: random.Random) -> None:
    lab.kill("live")


def _kill_web(lab: Lab, _: random.Random) -> None:
    lab.kill("web")


def _kill_beat(lab: Lab, draw: random.Random) -> None:
    lab.kill(draw.choice(("beat", "beat-2")))


def _crash_postgres(lab: Lab, _: random.Random) -> None:
    pid = lab.pid("postgres")
    os.kill(pid, signal.SIGQUIT)
    lab.wait_gone(pid)
    lab.wait_servers()


def _empty_redis(lab: Lab, _: random.Random) -> None:
    for name in THROUGH:
        with Redis.from_url(lab.redis_url(name)) as server:
            _, left = server.pipeline().flushall().dbsize().execute()
        require(left == 0, f"{name} still held {left} keys when it was emptied")


def _kill_redis(lab: Lab, draw: random.Random) -> None:
    name = draw.choice(THROUGH)
    lab.down(name)
    time.sleep(OUTAGE_S)
    lab.up(name)
    lab.wait_servers()


def _forget_connections(lab: Lab, draw: random.Random) -> None:
    name = draw.choice(THROUGH)
    dead = lab.proxy[name].set("forget")["dead"]
    require(dead > 0, f"there was no connection to {name} to forget")


def _hide_redis(lab: Lab, draw: random.Random) -> None:
    name = draw.choice(THROUGH)
    lab.proxy[name].set("hole")
    time.sleep(OUTAGE_S)
    lab.proxy[name].set("pass")


_DISASTERS: tuple[Callable[[Lab, random.Random], None], ...] = (
    *(_kill_worker, _kill_relay, _kill_live, _kill_web, _kill_beat),
    *(_crash_postgres, _empty_redis, _kill_redis, _forget_connections, _hide_redis),
)


def _wait_until_whole(desk: Page) -> float:
    """Wait until the open page lists what the server lists, in its order; return the seconds."""
    begun = time.monotonic()
    while True:
        shown = desk.locator("#queue a[data-case]").evaluate_all(_LISTED)
        served = desk.evaluate(_SERVED, _QUEUE)
        if shown == served:
            return time.monotonic() - begun
        if time.monotonic() - begun > 3 * WHOLE_S:
            missing, extra = set(served) - set(shown), set(shown) - set(served)
            raise Red(f"the desk lacks {sorted(missing)} and still shows {sorted(extra)}")
        desk.wait_for_timeout(500)
