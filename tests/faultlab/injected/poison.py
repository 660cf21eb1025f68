"""Kinds of work no city has: tasks that kill, loop, leak, raise or return junk, until cured."""

import os
import signal
from pathlib import Path
from types import ModuleType
from typing import Any

CURED = Path(os.environ.get("LAB_CRASH_FOLDER", "/nonexistent")) / "cured"
GIB = 1024**3


def _kill(effect: Any) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return "alive after all"


def _loop(effect: Any) -> str:
    while True:
        pass


def _leak(effect: Any) -> str:
    return str(len([bytearray(GIB // 16) for _ in range(32)]))


def _raise(effect: Any) -> str:
    raise RuntimeError("poisoned")


def _junk(effect: Any) -> Any:
    return {"junk": effect}


def add_kinds(effects: ModuleType) -> None:
    """Let the workers know each kind; one that was cured does nothing but say so."""
    for work in (_kill, _loop, _leak, _raise, _junk):

        def run(effect: Any, work: Any = work) -> Any:
            return "cured" if CURED.exists() else work(effect)

        effects._ON_ITS_OWN[f"poison{work.__name__}"] = run
