"""Seeded clients over HTTP: reports, actions on the cases they became, and open screens.

Operation number k of a seed is always the same operation, sent k / rate seconds after the start.
Each carries a key and is sent again with it until it is answered, as the phone's queue does; what
was asked and answered stands in a history. The database is only read to see which cases are open.
"""

import hashlib
import http.client
import itertools
import json
import math
import random
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.faultlab.history import Call, History, Taken
from tests.faultlab.runner import Lab
from tests.faultlab.sockets import Screens

TIMEOUT_S = 15  # a phone that waits longer for an answer asks again
GIVE_UP_S = 120
AGAIN_S = 0.5
BEHIND_S = 2.0  # operations later than this are left out, and counted
BOARD_S = 0.3
WHOLE_S = 90  # a screen that has not caught up by then never will
PLAIN_SHARE = 0.5  # of reports are of a class that can be finished without a photo


@dataclass(frozen=True)
class OpenCase:
    """An open case as a screen would show it."""

    number: str
    stage: str
    version: int
    unit: str
    district: str
    is_plain: bool  # no photo is needed to finish it


class Client:
    """One connection that is kept; asks again with the same key until it is answered."""

    def __init__(self, lab: Lab, history: History) -> None:
        self._lab, self._history = lab, history
        self._connection = self._connect()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._lab.home.state.port, timeout=TIMEOUT_S)

    def send(self, call: Call, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer of a 2xx; None once it was refused or the client gave up."""
        deadline = time.monotonic() + GIVE_UP_S
        while True:
            kind, status, told = self.once(call, path, body)
            if kind == "ok" or (kind == "fail" and status != 429):
                return told if kind == "ok" else None
            if time.monotonic() > deadline:
                return None
            time.sleep(AGAIN_S)

    def once(self, call: Call, path: str, body: dict[str, Any]) -> tuple[str, int, dict[str, Any]]:
        """Send a call once; return ok, fail or info, the status and the body."""
        headers = {
            "Host": "localhost",
            "Authorization": f"Bearer {self._lab.people[call.actor]}",
            "Content-Type": "application/json",
            "Idempotency-Key": call.key,
        }
        status, text = 0, b""
        self._history.invoke(call)
        try:
            self._connection.request("POST", path, json.dumps(body), headers)
            answer = self._connection.getresponse()
            text = answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException):
            self.close()
            self._connection = self._connect()
        told = json.loads(text) if 200 <= status < 300 else {}
        # A repeated answer is kept as jsonb, whose keys stand in another order.
        same = json.dumps(told, sort_keys=True).encode()
        digest = hashlib.sha256(same).hexdigest() if told else ""
        return self._history.answered(call, status, body=told, answer=digest), status, told

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()


class Load:
    """Clients at work until `stop`."""

    def __init__(
        self,
        lab: Lab,
        *,
        seed: int,
        creations: float = 20.0,
        transitions: float = 40.0,
        clients: int = 12,
        screens: int = 0,
        name: str = "load",
    ) -> None:
        self.lab, self.seed = lab, seed
        self.rates = {"create": creations, "act": transitions}
        self.missed = 0
        self.whole_s = 0.0  # how long after the load the screens took to show all of it
        self.history = History(_free_file(lab.out, f"history-{name}"))
        self.screens = Screens(lab.screens_url, _free_file(lab.out, f"sockets-{name}"), seed=seed)
        self._clients, self._looking = clients, screens
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._board: list[OpenCase] = []

    def __enter__(self) -> "Load":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin; returns once every screen is open."""
        self._read_city()
        for index, user in enumerate(self.lab.lookers):
            each = self._looking // len(self.lab.lookers)
            each += index < self._looking % len(self.lab.lookers)
            if each:
                cookie = self.lab.cookie(user)
                self.screens.open(user, cookie, user=user, count=each)
        self._begun = time.monotonic()
        makers = {"create": self._create, "act": self._act}
        for op, rate in self.rates.items():
            for index in range(self._clients if rate else 0):
                self._run(self._keep_time, op, index, makers[op])
        self._run(self._watch_board)

    def stop(self) -> None:
        """Let what was asked be answered and the screens become whole, twice, then end.

        They show what the load wrote, and when the work that follows is done, all of that too.
        """
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.history.close()
        try:
            self.whole_s = self.screens.wait_whole(self.lab.heads(), WHOLE_S)
            self.lab.quiesce()
            self.screens.wait_whole(self.lab.heads(), WHOLE_S)
            for name in list(self.screens.clients):
                self.screens.leave(name)
        finally:
            self.screens.stop()

    @property
    def taken(self) -> list[Taken]:
        """Every call that has ended."""
        return list(self.history.taken)

    def numbers(self) -> list[str]:
        """Return the numbers of the cases whose reports were accepted."""
        return [t.number for t in self.taken if t.op == "create" and t.status == 201]

    def took(self, op: str, *, since: float = 0.0, until: float = math.inf) -> list[float]:
        """Return the seconds each answered call took that began in a time (epoch s)."""
        return [
            t.took_s for t in self.taken if t.op == op and since <= t.begun <= until and t.status
        ]

    def count(self, *, least: int, most: int = 599, since: float = 0.0) -> int:
        """Return how many calls ended with a status in a range."""
        return sum(least <= t.status <= most and t.begun >= since for t in self.taken)

    def _run(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _read_city(self) -> None:
        """Read once what reports are made of: places, classes, units."""
        rows = self.lab.rows
        self._places = rows(
            "SELECT ST_X(label), ST_Y(label) FROM cases_area"
            " WHERE level = 'community' AND upper_inf(valid) ORDER BY code"
        )
        found = rows("SELECT code, minor_id, needs_after_photo FROM cases_condition ORDER BY code")
        self._plain = [row[:2] for row in found if not row[2]]
        self._others = [row[:2] for row in found if row[2]]
        self._units: dict[str, list[str]] = defaultdict(list)
        for code, district in rows(
            "SELECT code, district_id FROM cases_unit"
            " WHERE is_active AND parent_id IS NULL AND district_id IS NOT NULL ORDER BY code"
        ):
            self._units[district].append(code)
        self._inspectors = sorted(name for name in self.lab.people if name.startswith("inspector"))

    def _keep_time(self, op: str, index: int, make: Callable[..., None]) -> None:
        """Send every operation of this client at its time."""
        client, rate = Client(self.lab, self.history), self.rates[op]
        for number in itertools.count(index, self._clients):
            wait_s = self._begun + number / rate - time.monotonic()
            if wait_s < -BEHIND_S:
                self.missed += 1
                continue
            if self._stop.wait(max(0.0, wait_s)):
                break
            draw = random.Random(f"{self.seed} {self.history.path.stem} {op} {number}")  # noqa: S311
            make(client, draw)
        client.close()

    def _create(self, client: Client, draw: random.Random) -> None:
        lon, lat = draw.choice(self._places)
        kinds = self._plain if draw.random() < PLAIN_SHARE else self._others
        condition, minor = draw.choice(kinds)
        body = {
            "location": {
                "lon": lon + draw.uniform(-0.001, 0.001),
                "lat": lat + draw.uniform(-0.001, 0.001),
            },
            "category": minor,
            "condition": condition,
            "description": f"{draw.randrange(10**6)}",
        }
        call = Call("create", _key(draw), draw.choice(self._inspectors))
        client.send(call, "/api/v1/cases/", body)

    def _act(self, client: Client, draw: random.Random) -> None:
        case = self._take(draw)
        if case is None:
            return
        actor, action, inputs = _next_step(case, draw, self._units[case.district])
        if actor not in self.lab.people:
            return
        call = Call(
            "act", _key(draw), actor, action, case.number, case.version, district=case.district
        )
        body = {"action": action, "seen_version": case.version, **inputs}
        client.send(call, f"/api/v1/cases/{case.number}/actions/", body)

    def _take(self, draw: random.Random) -> OpenCase | None:
        """Take a case off the board; now and then it stays, and another client meets it too."""
        with self._lock:
            if not self._board:
                return None
            place = draw.randrange(len(self._board))
            return self._board[place] if draw.random() < 0.02 else self._board.pop(place)

    def _watch_board(self) -> None:
        """Keep the list of open cases fresh while the database answers."""
        plain = [code for code, _ in self._plain]
        while not self._stop.wait(BOARD_S):
            try:
                rows = self.lab.rows(
                    """
                    SELECT number, stage, version, coalesce(unit_id, ''), district,
                           condition_id = ANY(%s)
                    FROM cases_case WHERE district <> '' AND stage IN
                      ('dispatched', 'handling', 'returned', 'handled', 'disputed', 'rework')
                    ORDER BY id DESC LIMIT 400
                    """,
                    plain,
                )
            except psycopg.Error:
                continue
            with self._lock:
                self._board = [OpenCase(*row) for row in rows]


def _next_step(
    case: OpenCase, draw: random.Random, units: list[str]
) -> tuple[str, str, dict[str, Any]]:
    """Return who does what next to a case, and with which inputs."""
    chance, unit = draw.random(), f"unit-{case.unit}"
    other = {"unit": draw.choice(units)} if units else {}
    if case.stage == "dispatched" and chance < 0.7:
        return unit, "sign", {}
    if case.stage in ("dispatched", "handling") and chance < 0.8:
        return unit, "return", {"reason": "not_responsible", "note": "x"}
    if case.stage in ("handling", "rework") and case.is_plain:
        return unit, "finish", {}
    if case.stage == "returned" and chance < 0.8:
        return "dispatcher1", "reassign", other
    if case.stage == "disputed" and chance < 0.8:
        return "supervisor1", "arbitrate", other
    if case.stage == "handled" and chance < 0.8:
        return "chief1", "force_close", {"reason": "other", "note": "x"}
    return draw.choice(["dispatcher1", "acceptor1", "chief1", "supervisor1"]), "remind", {}


def _key(draw: random.Random) -> str:
    return str(uuid.UUID(int=draw.getrandbits(128), version=4))


def _free_file(folder: Path, stem: str) -> Path:
    """Return a file that no earlier load of this folder wrote."""
    return next(
        path
        for number in itertools.count(1)
        if not (path := folder / f"{stem}-{number}.jsonl").exists()
    )
