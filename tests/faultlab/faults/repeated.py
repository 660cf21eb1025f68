"""The same thing more than once: a phone that asks again, a broker that delivers again."""

import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from celery import Celery

from tests.faultlab.faults import fault
from tests.faultlab.faults.reports import (
    Answer,
    Reporter,
    act_body,
    act_call,
    act_path,
    together,
)
from tests.faultlab.faults.steady import chance, note_load, require, steady
from tests.faultlab.figures import Figures, Size
from tests.faultlab.history import Call
from tests.faultlab.load import Client
from tests.faultlab.runner import Lab

AT_ONCE = 5
COPIES = 3
LATER = "1 hour"
DRAIN_S = 60


# --- F15 -----------------------------------------------------------------------------------------


@fault("F15", "one request five times at once, five requests on one version")
def ask_again(lab: Lab, size: Size) -> Figures:
    """Send one key five times at once, and five keys on one version, over and over."""
    figures, reporter = Figures(size), Reporter(lab, chance("F15", size), "storm")
    clients = [reporter.client() for _ in range(AT_ONCE)]
    rounds = size.pick(100, 8)
    created = acted = decided = 0
    for _ in range(rounds):
        answers = _one_report(reporter, clients)
        created += _is_one(answers)
        case = _at_unit(lab, reporter, clients[0], answers)
        answers = _one_action(reporter, clients, case)
        if _is_one(answers):
            acted += 1
            decided += _is_decided(_five_actions(reporter, clients, answers[0][2]))
    for client in clients:
        client.close()
    reporter.close()
    figures.note("reports sent five times, one case", created, f"of {rounds}", at_least=rounds)
    figures.note("actions sent five times, taken once", acted, f"of {rounds}", at_least=rounds)
    figures.note("five on a version, one taken", decided, f"of {rounds}", at_least=rounds)
    return figures


def _one_report(reporter: Reporter, clients: list[Client]) -> list[Answer]:
    body, key = reporter.body(), reporter.key()
    actor = reporter.draw.choice(reporter.inspectors)
    return together(
        *(
            partial(client.once, Call("create", key, actor), "/api/v1/cases/", body)
            for client in clients
        )
    )


def _at_unit(lab: Lab, reporter: Reporter, client: Client, answers: list[Answer]) -> dict[str, Any]:
    """Wait until the case is dispatched; return it as the unit's screen shows it."""
    numbers = {body["number"] for _, _, body in answers if body}
    require(bool(numbers), f"a report was answered {[status for _, status, _ in answers]}")
    number, deadline = numbers.pop(), time.monotonic() + DRAIN_S
    while time.monotonic() < deadline:
        ((stage, version, unit, district),) = lab.rows(
            "SELECT stage, version, unit_id, district FROM cases_case WHERE number = %s", number
        )
        if stage == "dispatched":
            return {"number": number, "version": version, "district": district, "unit": unit}
        time.sleep(0.05)
    require(False, f"{number} was not dispatched within {DRAIN_S} s")  # noqa: FBT003
    return {}


def _one_action(reporter: Reporter, clients: list[Client], case: dict[str, Any]) -> list[Answer]:
    key, actor = reporter.key(), f"unit-{case['unit']}"
    return together(
        *(
            partial(
                client.once,
                act_call(case, actor, "sign", key),
                act_path(case),
                act_body(case, "sign"),
            )
            for client in clients
        )
    )


def _five_actions(reporter: Reporter, clients: list[Client], case: dict[str, Any]) -> list[Answer]:
    """Let five screens that show one version re-classify the case, each to another condition."""
    drawn = reporter.draw.sample(
        [code for code, _ in reporter.conditions if code != case["condition"]], AT_ONCE
    )
    return together(
        *(
            partial(reporter.act, client, case, "chief1", "reclassify", condition=condition)
            for client, condition in zip(clients, drawn, strict=True)
        )
    )


def _is_one(answers: list[Answer]) -> bool:
    """Whether all five were told the very same success."""
    return all(kind == "ok" for kind, _, _ in answers) and all(
        body == answers[0][2] for _, _, body in answers
    )


def _is_decided(answers: list[Answer]) -> bool:
    """Whether one was taken and the others were told that the case has moved on."""
    return sorted(status for _, status, _ in answers) == [200] + [409] * (AT_ONCE - 1)


# --- F14 -----------------------------------------------------------------------------------------


@fault("F14", "every task delivered three times, shuffled, and again an hour later")
def deliver_again(lab: Lab, size: Size) -> Figures:
    """Publish every effect twice more while it is worked on, and once more when it is old."""
    figures, draw = Figures(size), chance("F14", size)
    with steady(lab, size) as load, _Twin(lab, draw) as twin:
        time.sleep(size.pick(150, 10))
    note_load(load, figures)
    lab.quiesce()
    delivered = twin.delivered
    lab.rows(
        "UPDATE cases_effect SET created_at = created_at - %s::interval,"
        " next_at = next_at - %s::interval, published_at = published_at - %s::interval,"
        " claimed_until = claimed_until - %s::interval, done_at = done_at - %s::interval"
        " WHERE case_id IS NOT NULL",
        *[LATER] * 5,
    )
    twin.publish(twin.effects())
    _wait_read(lab)
    ((effects, most),) = lab.rows(
        "SELECT count(*), max(runs) FROM cases_effect WHERE case_id IS NOT NULL"
    )
    figures.note("effects of cases", effects, at_least=size.pick(3000, 40))
    figures.note("delivered again while at work", delivered, at_least=effects)
    figures.note("delivered again an hour later", twin.delivered - delivered, at_least=effects)
    figures.note("most runs of one effect", most)
    return figures


class _Twin:
    """A broker that delivers what it was given twice more, in an order by chance."""

    def __init__(self, lab: Lab, draw: random.Random) -> None:
        self.lab, self.draw = lab, draw
        self.delivered = 0
        self._known: set[int] = set()
        self._stop = threading.Event()
        self._app = Celery(broker=lab.redis_url("redis-broker"))
        self._thread = threading.Thread(target=self._copy)

    def __enter__(self) -> "_Twin":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def effects(self) -> list[tuple[int, str]]:
        """Return all effects of cases, with their queues, in an order by chance."""
        rows = self.lab.rows("SELECT id, queue FROM cases_effect WHERE case_id IS NOT NULL")
        self.draw.shuffle(rows)
        return [(row[0], row[1]) for row in rows]

    def publish(self, effects: list[tuple[int, str]]) -> None:
        """Deliver each once more, as the relay does."""
        for effect_id, queue in effects:
            self._app.send_task("cases.run_effect", args=[effect_id], queue=queue)
            self.delivered += 1

    def _copy(self) -> None:
        while not self._stop.wait(0.1):
            new = [(effect, queue) for effect, queue in self.effects() if effect not in self._known]
            self._known |= {effect for effect, _ in new}
            for _ in range(COPIES - 1):
                self.publish(new)


def _wait_read(lab: Lab) -> None:
    """Wait until no queue holds a message any more."""
    deadline = time.monotonic() + DRAIN_S
    while any(_lengths(lab)):
        require(time.monotonic() < deadline, "the workers have not read what was delivered again")
        time.sleep(0.2)


def _lengths(lab: Lab) -> Iterator[int]:
    with Celery(broker=lab.redis_url("redis-broker")).connection() as connection:
        channel = connection.default_channel
        for (queue,) in lab.rows("SELECT DISTINCT queue FROM cases_effect"):
            yield channel.client.llen(queue)
