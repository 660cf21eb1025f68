"""Poisoned tasks among good ones: each dies after its runs and keeps nobody else from theirs."""

import http.client
import json
import random
import time
import urllib.request
from contextlib import suppress
from functools import partial
from typing import Any

from deploy import lifecycle
from deploy.console import Refusal
from tests.faultlab.faults import fault
from tests.faultlab.faults.reports import together
from tests.faultlab.faults.steady import chance, light, note_load, require
from tests.faultlab.figures import Figures, Size, share
from tests.faultlab.runner import Lab

KINDS = ("kill", "loop", "leak", "raise", "junk")
SCOPE = "hecheng"
QUEUE = f"dispatch.{SCOPE}"
DEAD_S = 240
ALARM_S = 60
CLICKS = 5


@fault("F19", "tasks that kill, loop, leak, raise or return junk among good ones")
def poison(lab: Lab, size: Size) -> Figures:
    """Put poison into one district's queue; then cure it and run each again, clicked five times."""
    figures, draw = Figures(size), chance("F19", size)
    runs, cured = size.pick(3, 2), lab.home.crash_folder / "cured"
    cured.unlink(missing_ok=True)
    _until_untold(lab)
    with light(lab, size) as load:
        time.sleep(size.pick(20, 5))
        poisoned = time.time()
        keys = _poison(lab, draw, copies=size.pick(3, 1), runs=runs, over_s=size.pick(50, 2))
        figures.note("alarm after", _alarm_s(lab, size, keys), "s", at_most=ALARM_S)
        time.sleep(1)
    lab.quiesce()
    note_load(load, figures)
    found = lab.rows("SELECT state, runs FROM cases_effect WHERE key = ANY(%s)", keys)
    dead = sum(state == "dead" for state, _ in found)
    figures.note("poisoned effects that are dead", dead, f"of {len(keys)}", at_least=len(keys))
    figures.note("fewest runs", min(count for _, count in found), at_least=runs)
    figures.note("most runs", max(count for _, count in found), at_most=runs)
    _note_others(lab, figures, load_began=load.taken[0].begun, poisoned=poisoned)
    cured.touch()
    _run_again(lab, figures, keys, runs)
    cured.unlink()
    return figures


def _poison(lab: Lab, draw: random.Random, *, copies: int, runs: int, over_s: float) -> list[str]:
    """Put the poisoned effects into one queue at moments by chance; return their keys."""
    kinds = [f"poison_{kind}" for kind in KINDS for _ in range(copies)]
    draw.shuffle(kinds)
    keys = [f"{kind}:{time.time_ns()}:{number}" for number, kind in enumerate(kinds)]
    for key, kind in zip(keys, kinds, strict=True):
        lab.rows(
            "INSERT INTO cases_effect (key, kind, queue, scope, payload, urgency, runs, max_runs,"
            " outcome, last_error, state) VALUES (%s, %s, %s, %s, '{}', 5, 0, %s, '', '', 'due')",
            *(key, kind, QUEUE, SCOPE, runs),
        )
        time.sleep(draw.uniform(0, 2 * over_s / len(kinds)))
    return keys


def _alarm_s(lab: Lab, size: Size, keys: list[str]) -> float:
    """Wait until no poisoned effect is due and /readyz names dead work of the district.

    Returns how long after the first was given up it did. A shortened run does not wait for the
    reconciler's minute.
    """
    deadline, dead, told = time.monotonic() + DEAD_S, 0.0, 0.0
    while True:
        rows = lab.rows("SELECT state FROM cases_effect WHERE key = ANY(%s)", keys)
        states = [state for (state,) in rows]
        if not dead and "dead" in states:
            dead = time.monotonic()
        if not told and dead and _is_told(lab):
            told = time.monotonic()
        if "due" not in states:
            if told:
                return told - dead
            if size.short:
                dead = time.monotonic()
                with suppress(Refusal):  # that it found something is what is wanted
                    lifecycle.manage(lab.home, "reconcile", failure="")
        require(
            time.monotonic() < deadline,
            f"poison is not dead after {DEAD_S} s, or nobody told: {states}",
        )
        time.sleep(0.3)


def _until_untold(lab: Lab) -> None:
    """Wait until what an earlier run had poisoned is told of no more."""
    deadline = time.monotonic() + 2 * ALARM_S
    while _is_told(lab):
        require(time.monotonic() < deadline, "an alarm of dead work stands before any is dead")
        time.sleep(0.5)


def _is_told(lab: Lab) -> bool:
    return any(one["what"] == "dead" and one["scope"] == SCOPE for one in _detail(lab))


def _detail(lab: Lab) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{lab.url}/readyz", timeout=10) as answer:  # noqa: S310 - our own
        return list(json.load(answer)["detail"])


def _note_others(lab: Lab, figures: Figures, *, load_began: float, poisoned: float) -> None:
    """Compare how long dispatches of the other districts took before the poison and with it."""
    calm, during = (
        share(
            [
                took
                for (took,) in lab.rows(
                    "SELECT extract(epoch FROM done_at - created_at)::float FROM cases_effect"
                    " WHERE kind = 'dispatch' AND queue <> %s AND state = 'done'"
                    " AND created_at BETWEEN to_timestamp(%s) AND to_timestamp(%s)",
                    *(QUEUE, since, until),
                )
            ],
            0.95,
        )
        for since, until in ((load_began, poisoned), (poisoned, time.time()))
    )
    name, when = "other districts", "beside poison"
    figures.compare(name, when, calm_s=calm, found_s=during, times=1.5, hiccup_s=0.2)


# --- run again -----------------------------------------------------------------------------------


def _run_again(lab: Lab, figures: Figures, keys: list[str], runs: int) -> None:
    """Let five screens have every dead effect run again at one moment."""
    rows = lab.rows("SELECT id, runs FROM cases_effect WHERE key = ANY(%s) ORDER BY id", keys)
    form = "&".join(["ruling=redrive", *(f"rows={pk}%3A{count}" for pk, count in rows)])
    together(*[partial(_post, lab, form)] * CLICKS)
    deadline = time.monotonic() + 60
    while lab.rows("SELECT 1 FROM cases_effect WHERE key = ANY(%s) AND state = 'due'", keys):
        require(time.monotonic() < deadline, "what is to be run again is not done after 60 s")
        time.sleep(0.2)
    ((done, most, rulings),) = lab.rows(
        "SELECT count(*) FILTER (WHERE state = 'done' AND outcome = 'cured'), max(runs),"
        " (SELECT count(*) FROM cases_effectruling r JOIN cases_effect e ON e.id = r.effect_id"
        "  WHERE e.key = ANY(%s)) FROM cases_effect WHERE key = ANY(%s)",
        *(keys, keys),
    )
    figures.note("cured and run again", done, f"of {len(keys)}", at_least=len(keys))
    figures.note("runs it took", most - runs, at_most=1)
    figures.note("rulings kept", rulings, f"of {len(keys)}", at_most=len(keys))


def _post(lab: Lab, form: str) -> int:
    """Post a ruling as a dispatcher's page does; returns the status."""
    token = "f" * 32
    headers = {
        "Cookie": f"sessionid={lab.cookie('dispatcher1')}; csrftoken={token}",
        "X-CSRFToken": token,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    connection = http.client.HTTPConnection("127.0.0.1", lab.home.state.port, timeout=30)
    connection.request("POST", "/desk/effects/", form, headers)
    status = connection.getresponse().status
    connection.close()
    require(status in (302, 303), f"the ruling was answered {status}")
    return status
