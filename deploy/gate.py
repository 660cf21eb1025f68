"""deploy/test: the whole gate, from a clean checkout to pytest's own count; and the fault lab."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from deploy import packages, python_env
from deploy.console import Refusal, step
from deploy.home import Home, prepare_folders
from deploy.lifecycle import (
    compile_messages,
    ending_on_signals,
    prepare_environment,
    start_servers,
    stop,
)
from deploy.processes import Supervisor
from deploy.python_env import DEV_LOCK, ROOT, RUNTIME_LOCK

TEMPLATE_FOLDERS = ("cityops", "cases", "scoring")
SCRIPT_TYPES = ROOT / "deploy/types"
WHOLE_CITIES = ("tests/faultlab", "tests/journeys", "tests/test_deploy.py")
WHEN_NAMED = "tests/scoring/test_gaming_moves.py"  # writes four months: docs/gaming.md
MOST_WORKERS = 4  # each has a database of its own, and they share the one server


def check(pytest_arguments: list[str]) -> int:
    """Run every check in order, the first failure ends the gate; pytest has the last word."""
    home = Home.at(ROOT / ".local/test")
    prepare_folders(home)
    with ending_on_signals(), home.locked():
        stop(home)  # a gate that was killed may have left its servers
        prepare_environment(home, [*packages.SERVER, *packages.BROWSER], DEV_LOCK)
        try:
            _check_locks(home)
            _check_code(home)
            start_servers(home, Supervisor(home), for_tests=True)
            _check_project(home)
            return _pytest(home, pytest_arguments)
        finally:
            stop(home)


def break_it(arguments: list[str]) -> int:
    """Run the fault lab: a city of its own under load, and what must hold whatever breaks."""
    home = Home.at(ROOT / ".local/test")
    prepare_folders(home)
    with home.locked():
        prepare_environment(home, [*packages.SERVER, *packages.BROWSER], DEV_LOCK)
    command = [str(home.venv / "bin/python"), "-m", "tests.faultlab", *arguments]
    env = {**home.environment(), "PYTHONPATH": str(ROOT)}
    with ending_on_signals():
        return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


def _check_locks(home: Home) -> None:
    """Recompile both locks with themselves as base; nothing may change."""
    with step("Locks"), tempfile.TemporaryDirectory() as folder:
        for lock in (RUNTIME_LOCK, DEV_LOCK):
            fresh = Path(folder) / lock.name
            shutil.copyfile(lock, fresh)
            python_env.compile_lock(home.path, home.venv, fresh, dev=lock == DEV_LOCK)
            if fresh.read_bytes() != lock.read_bytes():
                raise Refusal(f"{lock.name} does not match pyproject.toml; run deploy/lock.")


def refresh_locks(*, upgrade: bool) -> int:
    """Compile both locks anew from pyproject.toml."""
    home = Home.at(ROOT / ".local/test")
    prepare_folders(home)
    venv, _ = python_env.prepare(home.path, DEV_LOCK)
    for lock in (RUNTIME_LOCK, DEV_LOCK):
        with step(lock.name):
            python_env.compile_lock(home.path, venv, lock, dev=lock == DEV_LOCK, upgrade=upgrade)
    return 0


def _check_code(home: Home) -> None:
    """Check format, lint, templates, types and import contracts."""
    _tool(home, "Format", "ruff", "format", "--check", ".")
    _tool(home, "Lint", "ruff", "check", ".")
    _tool(home, "Template format", "djlint", "--check", *TEMPLATE_FOLDERS)
    _tool(home, "Template lint", "djlint", "--lint", *TEMPLATE_FOLDERS)
    _tool(home, "Types", "mypy")
    _tool(home, "Import contracts", "lint-imports")
    _check_scripts(home)


def _check_scripts(home: Home) -> None:
    """Check the types of the scripts: those of the pages, then the service worker's."""
    folder = home.path / "node"
    installed, wanted = folder / "installed.json", SCRIPT_TYPES / "package-lock.json"
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        folder.mkdir(exist_ok=True)
        for name in ("package.json", wanted.name):
            shutil.copyfile(SCRIPT_TYPES / name, folder / name)
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund")
        _tool(home, "TypeScript", "npm", "ci", "--prefix", str(folder), *quiet)
        shutil.copyfile(wanted, installed)
    compiler = str(folder / "node_modules/typescript/bin/tsc")
    for project in (ROOT / "jsconfig.json", SCRIPT_TYPES / "worker.json"):
        _tool(home, f"Script types ({project.stem})", "node", compiler, "-p", str(project))


def _check_project(home: Home) -> None:
    """Check migrations and production settings, and compile the translations."""
    python, manage = "python", str(ROOT / "manage.py")
    _tool(home, "Migrations", python, manage, "makemigrations", "--check", "--dry-run")
    production = {"CITYOPS_HTTPS": "1", "CITYOPS_DEMO": "0", "DEBUG": "0"}
    _tool(
        home,
        "Production settings",
        python,
        manage,
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        **production,
    )
    compile_messages(home)


def _tool(home: Home, name: str, program: str, *arguments: str, **variables: str) -> None:
    """Run one check; on failure show its whole output and name the step."""
    with step(name):
        done = subprocess.run(
            [home.venv / "bin" / program, *arguments],
            env={**home.environment(), **variables},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Refusal(f"{done.stdout}\nThe gate failed at: {name}")


def _pytest(home: Home, arguments: list[str]) -> int:
    """Run the tests with their own settings against the private servers.

    All of them in two turns: first what needs a database alone, on every processor,
    then what runs a whole city and must have the machine to itself.
    """
    if arguments:
        return _run_pytest(home, arguments)
    workers = str(min(MOST_WORKERS, os.cpu_count() or 1))
    left_out = (f"--ignore={folder}" for folder in (*WHOLE_CITIES, WHEN_NAMED))
    alone = _run_pytest(home, ["-n", workers, "--dist", "worksteal", *left_out])
    return max(alone, _run_pytest(home, list(WHOLE_CITIES)))


def _run_pytest(home: Home, arguments: list[str]) -> int:
    env = {**home.environment(), "DJANGO_SETTINGS_MODULE": "tests.settings", "CITYOPS_DEMO": "1"}
    done = subprocess.run(
        [home.venv / "bin/pytest", *arguments],
        env=env,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode
