"""A whole city started as README says, for the tests that need every process of it."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psycopg
import pytest

from deploy import home
from deploy.home import Home

PATIENCE_S = 30  # for what the workers do by themselves
ROOT = Path(__file__).resolve().parents[2]


class RunningCity:
    """The home of a city that `deploy/up` has started, and the ways into it."""

    def __init__(self, path: Path) -> None:
        self.home = Home.at(path)
        self.variables = self.home.variables()
        self.address = self.home.address.rstrip("/")

    @property
    def demo_password(self) -> str:
        return (self.home.path / "demo_password").read_text().strip()

    def manage(self, *arguments: str) -> str:
        done = _deploy("manage", "--home", str(self.home.path), *arguments)
        return done.stdout.strip()

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Read as the owner of the database, past every rule of the application."""
        with psycopg.connect(self.variables["DATABASE_URL"]) as connection:
            return connection.execute(query, values).fetchall()

    def wait_for(self, number: str, stage: str) -> None:
        """Wait until the workers have brought a case to a stage."""
        until, found = time.monotonic() + PATIENCE_S, ""
        while found != stage:
            assert time.monotonic() < until, f"{number} is still {found}, not {stage}"
            time.sleep(0.2)
            ((found,),) = self.rows("SELECT stage FROM cases_case WHERE number = %s", number)

    def let_pass(self, number: str, kind: str) -> None:
        """Let the running clock of a case pass, as if hours had gone by; the log is left alone."""
        with psycopg.connect(self.variables["DATABASE_URL"]) as connection:
            connection.execute(
                "UPDATE cases_stageclock SET due_at = now() - interval '1 second'"
                " WHERE ended_at IS NULL AND kind = %s"
                " AND case_id = (SELECT id FROM cases_case WHERE number = %s)",
                [kind, number],
            )

    def end_sessions(self) -> None:
        """End every session, as the end of a shift does."""
        with psycopg.connect(self.variables["DATABASE_URL"]) as connection:
            connection.execute("DELETE FROM django_session")

    def file_case(
        self, token: str, condition: str, minor: str, place: tuple[float, float], **words: str
    ) -> str:
        """Report a case over HTTP, an inspector's is filed at once; return its number."""
        lon, lat = place
        body = {
            "location": {"lon": lon, "lat": lat, "crs": "wgs84"},
            "category": minor,
            "condition": condition,
            **words,
        }
        return str(self._post(token, "/api/v1/cases/", body)["number"])

    def act(self, token: str, number: str, action: str, **inputs: str) -> None:
        """Take an action over HTTP on a case as it stands now."""
        ((version,),) = self.rows("SELECT version FROM cases_case WHERE number = %s", number)
        body = {"action": action, "seen_version": version, **inputs}
        self._post(token, f"/api/v1/cases/{number}/actions/", body)

    def _post(self, token: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = Request(  # noqa: S310 - our own server
            f"{self.address}{path}",
            data=json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                "Idempotency-Key": str(uuid.uuid4()),
            },
        )
        with urlopen(request, timeout=30) as answer:  # noqa: S310
            return dict(json.load(answer))


@contextmanager
def started(path: Path) -> Iterator[RunningCity]:
    """Start an empty city with its people and units, and take it away again."""
    port = str(home.pick_port(set()))
    _deploy("up", "--empty", "--detach", "--home", str(path), "--port", port)
    try:
        yield RunningCity(path)
    finally:
        _deploy("down", "--home", str(path), "--delete")


@pytest.fixture(scope="session")
def running_city(tmp_path_factory) -> Iterator[RunningCity]:
    """Start a city for all journeys; it ends with the session."""
    with started(tmp_path_factory.mktemp("city")) as city:
        yield city


def _deploy(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of deploy/ without the servers the tests themselves use."""
    left_out = {*home.SERVERS, *home.GIVEN, "CITYOPS_HOME", "CITYOPS_PROCESS", "SECRET_KEY"}
    left_out |= {"DJANGO_SETTINGS_MODULE"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        [ROOT / "deploy" / command, *arguments],
        env={**kept, "CITYOPS_VENV": sys.prefix},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done
