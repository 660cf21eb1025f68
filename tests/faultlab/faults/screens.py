"""Screens on a bad day: the live process dies, frames are lost, phones sleep, readers are slow."""

import itertools
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faultlab.faults import fault
from tests.faultlab.faults.steady import note_load, require
from tests.faultlab.figures import Figures, Red, Size, share
from tests.faultlab.load import Load
from tests.faultlab.proxy import Proxy
from tests.faultlab.runner import Lab
from tests.faultlab.sockets import Screens

WHOLE_S = 30  # after the network is back
SPREAD_S = 10  # over at least this time a herd comes back
CALM_S = 60
DISTRICT_PEOPLE = ("dispatcher-hecheng", "dispatcher-zhongfang", "dispatcher-landport")


@contextmanager
def open_screens(lab: Lab, *, seed: int, count: int, port: int = 0) -> Iterator[Screens]:
    """Open screens of the whole city, of three districts and two that poll; send them away after.

    `port` is that of a proxy to the city's address, where sockets are to go through one.
    """
    address = port or lab.home.state.port
    files = (lab.out / f"sockets-{number}.jsonl" for number in itertools.count(1))
    log = next(path for path in files if not path.exists())
    screens = Screens(f"ws://127.0.0.1:{address}/ws/live/", log, seed=seed)
    try:
        screens.open("city", lab.cookie("dispatcher1"), user="dispatcher1", count=count)
        for user in DISTRICT_PEOPLE:
            screens.open(user, lab.cookie(user), user=user, count=3)
        yield screens
    finally:
        screens.stop()


def come_whole(lab: Lab, screens: Screens, limit_s: float) -> float:
    """Wait until everybody has heard all that is in the logs now; return the seconds it took."""
    return screens.wait_whole(lab.heads(), limit_s)


@fault("F24", "live process killed, frames lost, phones asleep, a slow reader, a herd")
def bad_day(lab: Lab, size: Size) -> Figures:
    """Do to the screens what a day in the field does, under a load of events.

    Shortened, all of it befalls one herd and the screens are waited for once, at the end.
    """
    figures = Figures(size)
    proxy = Proxy(lab.home.state.port, seed=size.seed, websocket=True)
    proxy.start()
    try:
        with open_screens(lab, seed=size.seed, count=size.pick(50, 80), port=proxy.port) as screens:
            with _load(lab, size.seed) as load:
                time.sleep(2)
                _lose_frames(size, figures, proxy)
                _whole_again(lab, size, figures, screens, "whole after frames were lost")
                _sleep_and_dawdle(lab, size, figures, screens)
                _whole_again(lab, size, figures, screens, "whole after waking")
                if size.short:
                    _kill_live(lab, figures, screens)
            lab.quiesce()
            come_whole(lab, screens, WHOLE_S)
    finally:
        proxy.stop()
    note_load(load, figures)
    if not size.short:
        _herd(lab, size, figures)
    return figures


def _load(lab: Lab, seed: int) -> Load:
    """Return events enough to be missed, and few enough for a thousand screens."""
    return Load(lab, seed=seed, creations=0.7, transitions=1.3, clients=3)


def _lose_frames(size: Size, figures: Figures, proxy: Proxy) -> None:
    """Lose three in ten frames for a while."""
    proxy.set("lossy")
    time.sleep(size.pick(60, 4))
    figures.note("frames lost", int(proxy.set("pass")["lost"]), at_least=1)


def _whole_again(lab: Lab, size: Size, figures: Figures, screens: Screens, name: str) -> None:
    if not size.short:
        figures.note(name, come_whole(lab, screens, 3 * WHOLE_S), "s", at_most=WHOLE_S)


def _sleep_and_dawdle(lab: Lab, size: Size, figures: Figures, screens: Screens) -> None:
    """Let some phones sleep and one reader be slow."""
    sleep_s = size.pick(120, 5)
    sleepers, slow = [f"city.{number}" for number in range(5)], "city.5"
    screens.slow(slow, 0.5)
    for name in sleepers:
        screens.vanish(name, sleep_s)
    time.sleep(1)  # what had come before is still taken
    heard = {name: dict(screens.clients[name].last) for name in sleepers}
    time.sleep(sleep_s - 2)
    still = [name for name in sleepers if screens.clients[name].last == heard[name]]
    require(len(still) == len(sleepers), "phones that sleep have heard something")
    time.sleep(1)
    screens.clients[slow].pace_s = 0.0
    figures.note("phones asleep", len(sleepers))
    figures.note("connections of the slow reader", len(screens.clients[slow].opened))


# --- the herd ------------------------------------------------------------------------------------


def _herd(lab: Lab, size: Size, figures: Figures) -> None:
    """Kill the live process under a thousand screens."""
    with open_screens(lab, seed=size.seed, count=1000) as screens:
        with _load(lab, size.seed + 1):
            _kill_live(lab, figures, screens)
        lab.quiesce()
        come_whole(lab, screens, WHOLE_S)


def _kill_live(lab: Lab, figures: Figures, screens: Screens) -> None:
    """Kill the live process and see its screens come back one after another, and rest."""
    calm = _busy(lab, "live", 2)
    killed = time.monotonic()
    lab.kill("live", signal.SIGKILL)
    _note_return(lab, screens, figures, killed)
    calm_s = _until_calm(lab, calm, killed)
    figures.note("live process calm after", calm_s, "s", at_most=CALM_S)


def _note_return(lab: Lab, screens: Screens, figures: Figures, killed: float) -> None:
    """Wait until every screen has been greeted again and is whole; note how they came."""
    everybody = list(screens.clients.values())
    screens.wait_until(lambda: all(screen.opened[-1] > killed for screen in everybody), 3 * WHOLE_S)
    back = sorted(screen.opened[-1] - killed for screen in everybody)
    come_whole(lab, screens, 3 * WHOLE_S)
    figures.note("screens that came back", len(back))
    figures.note("first came back after", back[0], "s")
    figures.note("half of them back within", share(back, 0.5), "s")
    figures.note("herd spread over", back[-1] - back[0], "s", at_least=SPREAD_S)
    figures.note("herd whole after", time.monotonic() - killed, "s", at_most=WHOLE_S)


def _until_calm(lab: Lab, calm: float, killed: float) -> float:
    """Wait until the live process works as little as before; return when it began to."""
    while True:
        at = time.monotonic() - killed
        if _busy(lab, "live", 2) <= 1.5 * calm + 0.05:
            return at
        if at > 3 * CALM_S:
            raise Red(f"the live process has not calmed down within {3 * CALM_S} s")


def _busy(lab: Lab, name: str, seconds: float) -> float:
    """Return the share of one processor a program and its children used for a while."""
    group = [lab.pid(name), *lab.children(name)]
    before, begun = sum(map(_ticks, group)), time.monotonic()
    time.sleep(seconds)
    used = sum(map(_ticks, group)) - before
    return used / os.sysconf("SC_CLK_TCK") / (time.monotonic() - begun)


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])
