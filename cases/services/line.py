"""Connections to other systems: only to hosts that were named, never inwards, never for long."""

import ipaddress
import os
import queue
import socket
import threading
import time
from contextlib import suppress

from django.conf import settings

from cases.services.outside import Failed

DEADLINE_S = 9.0  # of a whole delivery, from looking for the host to the end of its answer
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in the clothes of a public one


class Clock:
    """The time left of one delivery."""

    def __init__(self) -> None:
        self._until = time.monotonic() + DEADLINE_S

    def left_s(self) -> float:
        """Return the seconds left. Raises Failed when there are none, which nothing sent yet."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise Failed("there was no time left to connect")
        return left


def connect(host: str, port: int, clock: Clock) -> socket.socket:
    """Connect to an address that was looked at, not to the name again. Raises Failed.

    Every address of the host must be public or of PRIVATE_NETWORKS, so that a name which leads
    elsewhere the next time it is asked for gains nothing.
    """
    addresses = _resolve(host, port, clock)
    for address in addresses:
        if not (_is_public(address) or is_private_allowed(address)):
            raise Failed(f"{host} leads to an address that is not public")
    problem = "has no address"
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=clock.left_s())
        except OSError as error:
            problem = type(error).__name__
    raise Failed(f"{host} cannot be reached: {problem}")


def is_private_allowed(address: str) -> bool:
    """Whether the operator opened the network of an address that is not public."""
    found = ipaddress.ip_address(address)
    return any(found in network for network in settings.PRIVATE_NETWORKS)


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and (
        found.ipv4_mapped or found.sixtofour or found.teredo or found in _NAT64
    ):
        return False
    return found.is_global and not found.is_multicast


def _resolve(host: str, port: int, clock: Clock) -> list[str]:
    """Return the host's addresses. Raises Failed.

    The system's resolver knows no deadline, so it is not waited for.
    """
    answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def ask() -> None:
        with suppress(OSError, UnicodeError):
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put([str(row[4][0]).partition("%")[0] for row in found])
            return
        answers.put([])

    threading.Thread(target=ask, daemon=True).start()
    try:
        addresses = answers.get(timeout=clock.left_s())
    except queue.Empty:
        addresses = []
    if not addresses:
        raise Failed(f"{host} has no address")
    return addresses


def cut_when_over(sock: socket.socket, clock: Clock) -> threading.Timer:
    """Cut the connection when the time is over, whoever has wrapped it; cancel it when done."""
    spare = socket.socket(fileno=os.dup(sock.fileno()))

    def cut() -> None:
        with suppress(OSError):
            spare.shutdown(socket.SHUT_RDWR)

    timer = _Timer(clock.left_s(), cut)
    timer.spare = spare
    timer.daemon = True
    timer.start()
    return timer


class _Timer(threading.Timer):
    """A timer that gives its copy of the connection back."""

    spare: socket.socket

    def run(self) -> None:
        """Wait, cut unless cancelled, give back."""
        super().run()
        self.spare.close()
