"""`python -m deploy.benchmarks.flooder PORT RATE SECONDS`: send calls and never wait for an answer.

A process of its own, so that it takes no time from the one that measures. Reads the calls as JSON
from stdin, a list of [method, path, body as base64, headers]; sends them in turn, `RATE` a second,
over at most 32 connections, whatever is answered. Prints how often each status came; 0 stands for
no answer.
"""

import base64
import http.client
import json
import sys
import threading
import time
import uuid
from collections import Counter

CONNECTIONS = 32
FRESH_KEY = "fresh"  # an Idempotency-Key of this name is made anew for each call
PATIENCE_S = 60

Call = tuple[str, str, bytes, dict[str, str]]


class Flood:
    """Calls sent at a rate; each thread takes the next moment and sends the next call."""

    def __init__(self, port: int, rate: float, seconds: float, calls: list[Call]) -> None:
        self.port, self.rate, self.calls = port, rate, calls
        self.count = int(rate * seconds)
        self.statuses: Counter[int] = Counter()
        self._lock, self._sent = threading.Lock(), 0
        self._begun = time.monotonic()

    def run(self) -> None:
        """Send everything; returns when the last is answered."""
        threads = [threading.Thread(target=self._work) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        link = open_link(self.port)
        while (number := self._next()) is not None:
            time.sleep(max(0.0, self._begun + number / self.rate - time.monotonic()))
            status = send(link, self.calls[number % len(self.calls)])
            with self._lock:
                self.statuses[status] += 1
        link.close()

    def _next(self) -> int | None:
        with self._lock:
            if self._sent == self.count:
                return None
            self._sent += 1
            return self._sent - 1


def open_link(port: int) -> http.client.HTTPConnection:
    """Return a connection to a server of this machine."""
    return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)


def send(link: http.client.HTTPConnection, call: Call) -> int:
    """Send a call and read its answer; returns the status, 0 when none came."""
    method, path, body, headers = call
    if headers.get("Idempotency-Key") == FRESH_KEY:
        headers = headers | {"Idempotency-Key": str(uuid.uuid4())}
    try:
        link.request(method, path, body or None, {"Host": "localhost", **headers})
        answer = link.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        link.close()
        return 0
    return answer.status


def main(port: str, rate: str, seconds: str) -> int:
    """Flood as told and print the statuses as one JSON object."""
    told = json.load(sys.stdin)
    calls = [(method, path, base64.b64decode(body), head) for method, path, body, head in told]
    flood = Flood(int(port), float(rate), float(seconds), calls)
    flood.run()
    sys.stdout.write(json.dumps(flood.statuses) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
