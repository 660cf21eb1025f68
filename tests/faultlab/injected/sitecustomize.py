"""Loaded by Python itself in every process of a lab: death at a labelled step, where it is armed.

Nothing of this is in the product. A step is armed by files STEP.N in LAB_CRASH_FOLDER; whoever
comes by and can remove one dies of SIGKILL there and then, so each file is one death.
"""

import functools
import importlib.abc
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from poison import add_kinds  # beside this file

FOLDER = Path(os.environ.get("LAB_CRASH_FOLDER", "/nonexistent"))
# Steps of the web server are its own, so that no worker comes by first.
WHERE = "web_" if os.environ.get("CITYOPS_PROCESS") == "web" else ""
_now = threading.local()  # has_written: the events stand, the commit is still to come


def crash(step: str) -> None:
    """Die here if the step is armed."""
    for file in FOLDER.glob(f"{step}.*"):
        try:
            file.unlink()
        except FileNotFoundError:
            continue  # another process has died of it
        os.kill(os.getpid(), signal.SIGKILL)


def _label_worker(effects: ModuleType) -> None:
    """Label both sides of the claim, and add the kinds of poison."""
    add_kinds(effects)
    for name in ("claim_effect", "claim_dispatches"):
        setattr(effects, name, _label_claim(getattr(effects, name)))


def _label_claim(claim: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(claim)
    def claiming(wanted: Any) -> Any:
        crash("before_claim")
        claimed = claim(wanted)
        crash("after_claim")
        return claimed

    return claiming


def _label_ledger(ledger: ModuleType) -> None:
    """Label the moment before events are written."""
    close = ledger.Book.close

    @functools.wraps(close)
    def closing(self: Any) -> None:
        crash(f"{WHERE}before_effect")
        close(self)
        _now.has_written = True

    ledger.Book.close = closing


def _label_commit(base: ModuleType) -> None:
    """Label both sides of the commit that follows events."""
    commit = base.BaseDatabaseWrapper.commit

    @functools.wraps(commit)
    def committing(self: Any) -> None:
        has_written, _now.has_written = getattr(_now, "has_written", False), False
        if has_written:
            crash(f"{WHERE}before_commit")
        commit(self)
        if has_written:
            crash(f"{WHERE}after_commit")

    base.BaseDatabaseWrapper.commit = committing


def _label_relay(relay: ModuleType) -> None:
    """Label the moments from taking due effects to the end of their publishing."""
    publish = relay.publish

    @functools.wraps(publish)
    def publishing(due: list[Any]) -> None:
        if due:
            crash("taken")
        half = len(due) // 2
        publish(due[:half])
        if half:
            crash("half_published")
        publish(due[half:])
        if due:
            crash("published")

    lease = relay.lease

    @functools.wraps(lease)
    def leasing(effect_ids: list[int]) -> None:
        crash("sent")
        lease(effect_ids)

    relay.publish, relay.lease = publishing, leasing


LABELS: dict[str, dict[str, Callable[[ModuleType], None]]] = {
    "worker": {
        "cases.services.effects": _label_worker,
        "cases.ledger": _label_ledger,
        "django.db.backends.base.base": _label_commit,
    },
    "web": {"cases.ledger": _label_ledger, "django.db.backends.base.base": _label_commit},
    "relay": {"cases.relay": _label_relay},
}


class _Labeller(importlib.abc.MetaPathFinder):
    """Labels a module right after it was loaded."""

    def __init__(self, labels: dict[str, Callable[[ModuleType], None]]) -> None:
        self._labels = dict(labels)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Find the module as ever, and have it labelled when it is executed."""
        label = self._labels.pop(name, None)
        if label is None:
            return None
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_label(module: ModuleType) -> None:
            execute(module)
            label(module)

        spec.loader.exec_module = execute_and_label  # type: ignore[method-assign]
        return spec


if labels := LABELS.get(os.environ.get("CITYOPS_PROCESS", "")):
    sys.meta_path.insert(0, _Labeller(labels))
