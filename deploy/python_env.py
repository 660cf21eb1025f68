"""The Python environment of a home: exactly what a lock names, checked by hash."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from deploy.console import Refusal, run

ROOT = Path(__file__).resolve().parent.parent
RUNTIME_LOCK = ROOT / "requirements.lock"
DEV_LOCK = ROOT / "requirements-dev.lock"


def prepare(home: Path, lock: Path) -> tuple[Path, str]:
    """Return the environment's folder and what was done to make it match `lock`.

    CITYOPS_VENV names an environment that is used as it stands.
    """
    given = os.environ.get("CITYOPS_VENV")
    if given:
        venv = Path(given).resolve()
        if not os.access(venv / "bin/python", os.X_OK):
            raise Refusal(f"CITYOPS_VENV names {given}, which holds no Python this user can run.")
        return venv, f"as CITYOPS_VENV says, {venv}"
    venv = home / "venv"
    mark = venv / "cityops-lock"
    wanted = f"{sys.version_info[:2]} {hashlib.sha256(lock.read_bytes()).hexdigest()}\n"
    if mark.exists() and mark.read_text() == wanted:
        return venv, "unchanged"
    uv = _installer(home)
    mark.unlink(missing_ok=True)
    run([sys.executable, "-m", "venv", "--clear", "--without-pip", venv], failure="venv failed:")
    run(
        [uv, "pip", "sync", "--require-hashes", "--compile-bytecode", "--python", venv, lock],
        env=_uv_environment(home),
        failure="The Python packages could not be installed:",
    )
    mark.write_text(wanted)
    return venv, f"installed from {lock.name}"


def _installer(home: Path) -> Path:
    """Return the uv program at the version and hashes of the development lock."""
    folder = home / "uv"
    pins = home / "uv.txt"
    wanted = uv_pin(DEV_LOCK.read_text())
    uv = folder / "bin/uv"
    if uv.exists() and pins.exists() and pins.read_text() == wanted:
        return uv
    pins.unlink(missing_ok=True)
    run([sys.executable, "-m", "venv", "--clear", folder], failure="venv failed:")
    source = home / "uv.in"
    source.write_text(wanted)
    run(
        [folder / "bin/pip", "install", "-q", "--require-hashes", "-r", source],
        failure="The installer uv could not be installed:",
    )
    source.rename(pins)
    return uv


def uv_pin(lock: str) -> str:
    """Return the lines of a lock that pin uv: its version and its hashes."""
    lines = lock.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("uv=="))
    last = first
    while lines[last].endswith("\\"):
        last += 1
    return "\n".join(lines[first : last + 1]) + "\n"


def _uv_environment(home: Path) -> dict[str, str]:
    """Let uv ask the package index that this machine's pip is set up for."""
    env = {**os.environ}
    pip = home / "uv/bin/pip"
    index = os.environ.get("PIP_INDEX_URL", "")
    if not index and pip.exists():
        query: list[str | Path] = [pip, "config", "get", "global.index-url"]
        done = subprocess.run(query, capture_output=True, text=True, check=False)
        index = done.stdout.strip()
    if index:
        env.setdefault("UV_DEFAULT_INDEX", index)
    return env


def compile_lock(home: Path, venv: Path, target: Path, *, dev: bool, upgrade: bool = False) -> None:
    """Write the hash-pinned list of everything pyproject.toml asks for.

    What `target` already pins stays where it still fits, so an unchanged project
    compiles to unchanged bytes.
    """
    run(
        [
            venv / "bin/uv",
            *("pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--universal"),
            *("--python-version", "3.11", "--output-file", target),
            *(("--group", "dev") if dev else ()),
            *(("--upgrade",) if upgrade else ()),
            "pyproject.toml",
        ],
        env=_uv_environment(home),
        cwd=ROOT,
        failure="The lock could not be compiled:",
    )
