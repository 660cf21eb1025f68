"""`deploy/bench`: a city of its own, filled, measured and deleted again."""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.console import Refusal
from deploy.home import Home, pick_port
from deploy.python_env import ROOT

NAMES = (
    *("locate", "list", "feed", "heat", "past", "score", "fanout", "create", "dispatch"),
    *("drain", "flood", "desk", "paint"),
)
CASES = 100_000
IN_A_BROWSER = {"desk", "paint"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NO_BROWSER = (
    "they measure in a browser, and no Chromium is installed; apt-get install chromium, "
    "or run deploy/test once, which installs it."
)


def run(arguments: list[str]) -> int:
    """Run the benchmarks named, all when none is."""
    parser = argparse.ArgumentParser(prog="deploy/bench")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--cases", type=int, default=CASES, help="cases to fill the city with")
    parser.add_argument("--home", help="measure in this running demo city and keep it")
    parser.add_argument("--json", action="store_true", help="print one JSON object to stdout")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(NAMES):
        raise Refusal(f"There is no benchmark {sorted(unknown)[0]}; there are {', '.join(NAMES)}.")
    names = options.names or list(NAMES)
    if not any(map(shutil.which, BROWSERS)):
        if wanted := IN_A_BROWSER & set(options.names):
            raise Refusal(f"{', '.join(sorted(wanted))}: {NO_BROWSER}")
        names = [name for name in names if name not in IN_A_BROWSER]
        sys.stderr.write(f"Left out, {', '.join(sorted(IN_A_BROWSER))}: {NO_BROWSER}\n")
    form = "json" if options.json else "text"
    if options.home:
        return _measure(Home.at(Path(options.home)), options.cases, form, names)
    path = ROOT / ".local/bench"
    _deploy("up", "--empty", "--detach", "--port", str(pick_port(set())), "--home", str(path))
    try:
        return _measure(Home.at(path), options.cases, form, names)
    finally:
        _deploy("down", "--delete", "--home", str(path))


def _measure(home: Home, cases: int, form: str, names: list[str]) -> int:
    if not home.state.venv:
        raise Refusal(f"Nothing was started under {home.path}; start it with deploy/up.")
    done = subprocess.run(
        [home.venv / "bin/python", "-m", "deploy.benchmarks", home.path, str(cases), form, *names],
        cwd=ROOT,
        env=home.environment(),
        check=False,
    )
    return done.returncode


def _deploy(command: str, *arguments: str) -> None:
    # The environment this command runs in was made for it, not for the commands it calls.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [ROOT / "deploy" / command, *arguments], env=env, stdout=sys.stderr, check=False
    )
    if done.returncode:
        raise Refusal(f"deploy/{command} failed.")
