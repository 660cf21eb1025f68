"""A headless Chromium of a benchmark, told what to do over its developer protocol.

Playwright is a tool of the tests; the runtime has what this takes.
"""

import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from websockets.sync.client import ClientConnection, connect

from deploy.benchmarks.start import BROWSERS, NO_BROWSER
from deploy.console import Refusal

PATIENCE_S = 60
_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--mute-audio"),
    *("--remote-debugging-port=0", "--remote-allow-origins=*", "--enable-precise-memory-info"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.numbers = itertools.count(1)
        self.call("Page.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; raises RuntimeError if it is refused."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=PATIENCE_S))
            if answer.get("id") != number:
                continue
            if "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']['message']}")
            result: dict[str, Any] = answer["result"]
            return result

    def run(self, script: str) -> Any:
        """Return what an expression comes to once settled; raises RuntimeError if it fails."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if failure := answer.get("exceptionDetails"):
            raise RuntimeError(str(failure.get("exception", failure).get("description", failure)))
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until an expression is true; raises TimeoutError."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The page did not come to: {condition}")
            time.sleep(0.1)

    def go(self, address: str) -> None:
        """Open an address and wait until it is loaded."""
        self.call("Page.navigate", url=address)
        self.wait(f"location.href.startsWith({address!r}) && document.readyState === 'complete'")


class Browser:
    """A running Chromium with a profile of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int) -> None:
        self.process, self.port = process, port

    @contextlib.contextmanager
    def page(self, *, first: str = "") -> Iterator[Page]:
        """Open a tab, with a script that runs before any of its pages' own, and close it."""
        asked = Request(f"http://127.0.0.1:{self.port}/json/new?about:blank", method="PUT")
        with urlopen(asked, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own browser
            address = json.load(answer)["webSocketDebuggerUrl"]
        # Nobody listens for pings while a benchmark waits.
        with connect(address, max_size=None, ping_interval=None) as socket:
            page = Page(socket)
            page.call(
                "Emulation.setDeviceMetricsOverride",
                width=1920,
                height=1080,
                deviceScaleFactor=1,
                mobile=False,
            )
            if first:
                page.call("Page.addScriptToEvaluateOnNewDocument", source=first)
            yield page
            page.call("Page.close")

    def renderers_mb(self) -> list[float]:
        """Return the memory of each process that draws pages: what it has alone, in MB."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it may have ended
                words = (folder / "cmdline").read_bytes()
                if b"--type=renderer" not in words or str(self.process.pid) not in _ancestors(
                    folder
                ):
                    continue
                lines = (folder / "smaps_rollup").read_text().splitlines()
                private = [int(row.split()[1]) for row in lines if row.startswith("Private_")]
                found.append(sum(private) / 1024)
        return sorted(found, reverse=True)


def _ancestors(folder: Path) -> list[str]:
    """Return the ids of the processes above one."""
    found = []
    while folder.name not in ("0", "1"):
        parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        found.append(parent)
        folder = folder.parent / parent
    return found


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start Chromium and end it; refuses where there is none."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise Refusal(NO_BROWSER)
    # Files are still being written while it ends.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield Browser(process, _port(process, Path(profile)))
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _port(process: "subprocess.Popen[bytes]", profile: Path) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            return int((profile / "DevToolsActivePort").read_text().split()[0])
        time.sleep(0.05)
    raise Refusal("Chromium did not start; try it by hand: chromium --headless=new about:blank")
