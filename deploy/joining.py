"""Workers on another machine: they join a city that runs elsewhere, and are all that runs here."""

import os
import time

from deploy import lifecycle, packages, processes, python_env
from deploy.console import Refusal, elapsed, run, say, step
from deploy.home import Home, prepare_folders
from deploy.processes import Supervisor, wait_until
from deploy.python_env import ROOT

# Without them a worker reaches nothing, or reads what was signed with another key.
NEEDED = ("DATABASE_URL_SYSTEM", "REDIS_URL", "REDIS_CHANNELS_URL", "SECRET_KEY")
ANSWER_S = 120
STOPPING = "Ctrl-C stops the workers; deploy/up --workers-only --detach would leave them running."


def up(home: Home, *, is_detached: bool) -> int:
    """Start the workers of this home, or start them anew; stay with them unless detached."""
    prepare_folders(home)
    supervisor = Supervisor(home)
    with lifecycle.ending_on_signals():
        with home.locked():
            _take(home)
            lifecycle.stop(home)  # workers that run finish what they have begun
            with lifecycle.nothing_left_after_failure(home):
                _start(home, supervisor)
        queues = ", ".join(processes.queues_of(home))
        say(f"{elapsed():6.1f} s  Workers of {queues} have joined; deploy/down stops them")
        if is_detached:
            return 0
        say(STOPPING)
        try:
            while supervisor.is_running():
                time.sleep(1)
        except KeyboardInterrupt:
            with home.locked():
                lifecycle.stop(home)
    say("Stopped.")
    return 0


def _take(home: Home) -> None:
    """Take a new home for workers only; refuse one that holds a city, and missing settings."""
    if home.state.venv and not home.state.workers_only:
        raise Refusal(f"{home.path} holds a city; give the workers a --home of their own.")
    kept = {"SECRET_KEY": home.state.secrets.get("secret_key", "")}
    known = {**home.state.servers, **kept, **os.environ}
    known.setdefault("DATABASE_URL_SYSTEM", known.get("DATABASE_URL", ""))
    if missing := [name for name in NEEDED if not known.get(name)]:
        raise Refusal(
            f"Workers need {', '.join(missing)} as HOME/env of the city has them, with addresses "
            "that lead there from this machine."
        )
    home.state.workers_only = True
    home.state.secrets["secret_key"] = known["SECRET_KEY"]
    home.state.servers.setdefault("DATABASE_URL", known["DATABASE_URL_SYSTEM"])


def _start(home: Home, supervisor: Supervisor) -> None:
    lifecycle.prepare_environment(home, packages.WORKER, python_env.RUNTIME_LOCK)
    with step("The city's database"):
        lifecycle.manage(
            home,
            *("migrate", "--check"),
            failure="Its tables are not those of this checkout: bring both to the same version.",
        )
    processes.write_configuration(home)
    supervisor.launch()
    names = processes.workers(home)
    with step("Workers"):
        supervisor.start(*names)
        wait_until(
            lambda: _answer(home) >= len(names),
            timeout_s=ANSWER_S,
            sentence="The workers do not answer",
            log=home.log / f"{names[0]}.log",
        )


def _answer(home: Home) -> int:
    """Return how many workers of this home answer through the broker."""
    try:
        said = run(
            [home.venv / "bin/celery", "-A", "cityops", "inspect", "ping", "--timeout", "3"],
            env=home.environment("worker"),
            cwd=ROOT,
            failure="No worker answers:",
        )
    except Refusal:
        return 0
    return sum(f".{home.digest}@" in line for line in said.splitlines())
