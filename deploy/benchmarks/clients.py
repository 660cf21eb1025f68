"""HTTP clients of a benchmark: a few threads, each with one connection it keeps."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deploy.home import Home

Call = tuple[str, str, bytes | None, dict[str, str]]  # method, path, body, headers


@dataclass
class Outcome:
    """Answers of a run: the bodies, and the seconds it took."""

    bodies: list[bytes]
    took_s: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.bodies) / self.took_s


class Server:
    """A WSGI server asked directly, past nginx."""

    def __init__(self, port: int) -> None:
        self.port = port

    @classmethod
    def web_of(cls, home: Home) -> "Server":
        """Return the web server of a home."""
        return cls(home.state.ports["web"])

    def ask(self, calls: Iterator[Call], *, clients: int, count: int) -> Outcome:
        """Send `count` calls from `clients` threads; raises RuntimeError on any refusal."""
        lock, left, bodies = threading.Lock(), [count], list[bytes]()
        errors: list[str] = []

        def next_call() -> Call | None:
            with lock:
                if not left[0] or errors:
                    return None
                left[0] -= 1
                return next(calls)

        def work() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            while call := next_call():
                method, path, body, headers = call
                connection.request(method, path, body, {"Host": "localhost", **headers})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status >= 300:
                    errors.append(f"{answer.status} {path}: {text[:300]!r}")
                bodies.append(text)
            connection.close()

        threads = [threading.Thread(target=work) for _ in range(clients)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took_s = time.perf_counter() - begun
        if errors:
            raise RuntimeError(errors[0])
        return Outcome(bodies, took_s)


def one_after_another(make: Callable[[], Call]) -> Iterator[Call]:
    """Return an endless supply of calls."""
    while True:
        yield make()


def as_json(body: object) -> bytes:
    """Return a JSON body."""
    return json.dumps(body).encode()
