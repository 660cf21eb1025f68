"""Reports and actions that a fault sends itself, one at a time, through a recorded client."""

import itertools
import random
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tests.faultlab.figures import Red
from tests.faultlab.history import Call, History
from tests.faultlab.load import Client
from tests.faultlab.runner import Lab

R = TypeVar("R")
Answer = tuple[str, int, dict[str, Any]]  # ok, fail or info; status; body


class Reporter:
    """One person's clients, their reports drawn from a seed."""

    def __init__(self, lab: Lab, draw: random.Random, name: str) -> None:
        self.lab, self.draw = lab, draw
        files = (lab.out / f"history-{name}-{number}.jsonl" for number in itertools.count(1))
        self.history = History(next(path for path in files if not path.exists()))
        self.places = lab.rows(
            "SELECT ST_X(label), ST_Y(label) FROM cases_area"
            " WHERE level = 'community' AND upper_inf(valid) ORDER BY code"
        )
        self.conditions = lab.rows(
            "SELECT code, minor_id FROM cases_condition WHERE is_active ORDER BY code"
        )
        self.inspectors = sorted(name for name in lab.people if name.startswith("inspector"))

    def client(self) -> Client:
        """Return a connection of its own."""
        return Client(self.lab, self.history)

    def key(self) -> str:
        """Return a new Idempotency-Key."""
        return str(uuid.UUID(int=self.draw.getrandbits(128), version=4))

    def body(self, **words: Any) -> dict[str, Any]:
        """Return a report of something somewhere in the city."""
        lon, lat = self.draw.choice(self.places)
        condition, minor = self.draw.choice(self.conditions)
        return {
            "location": {"lon": lon, "lat": lat},
            "category": minor,
            "condition": condition,
            "description": f"{self.draw.randrange(10**6)}",
            **words,
        }

    def report(self, client: Client, **words: Any) -> dict[str, Any]:
        """Bring a case in; returns the answer. Raises Red when it is refused."""
        call = Call("create", self.key(), self.draw.choice(self.inspectors))
        answer = client.send(call, "/api/v1/cases/", self.body(**words))
        if answer is None:
            raise Red("a plain report was refused")
        return answer

    def act(
        self, client: Client, case: dict[str, Any], actor: str, action: str, **inputs: Any
    ) -> Answer:
        """Take an action once on a case as it was answered."""
        call = act_call(case, actor, action, self.key())
        return client.once(call, act_path(case), act_body(case, action, **inputs))

    def close(self) -> None:
        """Close the history."""
        self.history.close()


def act_call(case: dict[str, Any], actor: str, action: str, key: str) -> Call:
    """Return the call of an action on a case as it was answered."""
    return Call("act", key, actor, action, case["number"], case["version"], case["district"] or "")


def act_path(case: dict[str, Any]) -> str:
    """Return where actions on a case are sent."""
    return f"/api/v1/cases/{case['number']}/actions/"


def act_body(case: dict[str, Any], action: str, **inputs: Any) -> dict[str, Any]:
    """Return what is sent."""
    return {"action": action, "seen_version": case["version"], **inputs}


def together(*jobs: Callable[[], R]) -> list[R]:
    """Run jobs at one moment in threads of their own; return what each returned."""
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], R]) -> R:
        start.wait(10)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))
