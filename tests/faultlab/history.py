"""What a client asked and what it was told, a JSON object a line, written before and after.

`invoke` stands before the request leaves. `ok` is a 2xx, `fail` a certain refusal (4xx); `info`
(time-out, reset, 5xx) may have happened once or not at all. A retry is a new call with its key.
"""

import itertools
import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_calls = itertools.count(1)


@dataclass
class Call:
    """One HTTP call about to be made."""

    op: str  # create | act
    key: str
    actor: str
    action: str = ""
    number: str = ""
    seen: int | None = None
    district: str = ""
    call: str = ""
    begun: float = 0.0


@dataclass
class Taken:
    """How one call went: when it began, how long it took and its status, 0 without an answer."""

    op: str
    action: str
    begun: float  # epoch s
    took_s: float
    status: int
    number: str = ""


@dataclass
class History:
    """The file of one client process; its threads share it."""

    path: Path
    taken: list[Taken] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._file = self.path.open("a", buffering=1, encoding="utf-8")

    def invoke(self, call: Call) -> None:
        """Write that a call is about to be made."""
        call.call, call.begun = f"{self.path.stem}:{next(_calls)}", time.time()
        self._write(call, "invoke", call.begun)

    def answered(
        self, call: Call, status: int, *, body: dict[str, Any] | None = None, answer: str = ""
    ) -> str:
        """Write what became of a call, and return it: ok, fail or info."""
        now = time.time()
        kind = "ok" if 200 <= status < 300 else "fail" if 400 <= status < 500 else "info"
        told = body or {}
        call.number = call.number or str(told.get("number") or "")
        call.district = call.district or str(told.get("district") or "")
        version = told.get("version") if kind == "ok" else None
        self._write(call, kind, now, version=version, status=status, answer=answer)
        with self._lock:
            took_s = now - call.begun
            self.taken.append(Taken(call.op, call.action, call.begun, took_s, status, call.number))
        return kind

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(
        self,
        call: Call,
        kind: str,
        at: float,
        *,
        version: int | None = None,
        status: int = 0,
        answer: str = "",
    ) -> None:
        line = {
            "at": at,
            "type": kind,
            "call": call.call,
            "op": call.op,
            "key": call.key,
            "actor": call.actor,
            "district": call.district,
            "action": call.action,
            "number": call.number,
            "seen": call.seen,
            "version": version,
            "status": status,
            "answer": answer,
        }
        with self._lock:
            self._file.write(json.dumps(line) + "\n")
