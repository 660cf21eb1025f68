"""A client without measure, as a process of its own: `PORT TOKEN RATE SECONDS`, one JSON line back.

Half of what it sends are reports nobody can take, so the log says nothing of it; the rest are
lists, and photos whose header promises 200 megapixels.
"""

import http.client
import json
import struct
import sys
import threading
import time
import zlib
from collections import Counter

THREADS = 16


def huge_photo() -> bytes:
    """Return a PNG of a few bytes that says it is 20,000 by 10,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        tail = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + tail

    head = struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def flood(port: int, token: str, rate: float, seconds: float) -> Counter[int]:
    """Send at a rate for a while; return how often each status was answered, 0 for none."""
    begun, statuses = time.monotonic(), Counter[int]()
    headers = {"Host": "localhost", "Authorization": f"Bearer {token}"}
    photo = "/api/v1/cases/HH2000010100001/photos/" + "0" * 64 + "/"
    sent = (
        ("POST", "/api/v1/cases/", b"{}", "application/json"),
        ("GET", "/api/v1/cases/?stage=open", None, ""),
        ("POST", "/api/v1/cases/", b"{}", "application/json"),
        ("PUT", photo, huge_photo(), "image/png"),
    )

    def work(index: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        number = index
        while (at := begun + number / rate) < begun + seconds:
            time.sleep(max(0.0, at - time.monotonic()))
            method, path, body, kind = sent[number % len(sent)]
            words = {"Content-Type": kind, "Content-Disposition": "attachment; filename=a.png"}
            try:
                connection.request(method, path, body, headers | (words if kind else {}))
                answer = connection.getresponse()
                answer.read()
                statuses[answer.status] += 1
            except (OSError, http.client.HTTPException):
                connection.close()
                statuses[0] += 1
            number += THREADS
            if time.monotonic() > begun + seconds:
                break

    threads = [threading.Thread(target=work, args=[index]) for index in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


if __name__ == "__main__":
    found = flood(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
    sys.stdout.write(json.dumps(found) + "\n")
