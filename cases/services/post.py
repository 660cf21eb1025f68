"""One HTTP request to another system, and what is known of it afterwards."""

import http
import http.client
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from cases.services.line import Clock, connect, cut_when_over, is_private_allowed
from cases.services.outside import Failed, NotConfigured, Unknown

MOST_BYTES = 64 * 1024  # of an answer; the rest is left unread
ROBOT_HOSTS = frozenset({"qyapi.weixin.qq.com", "oapi.dingtalk.com", "open.feishu.cn"})


@dataclass(frozen=True)
class Answer:
    """What came back, of a 2xx."""

    status: int
    body: bytes


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """POST once and return the answer; redirects are not followed.

    Raises Failed where nothing arrived or the other side said no, Unknown where it may have
    arrived: once a byte was sent, only an answer tells, and none of a server in trouble.
    """
    target = require_allowed(url)
    host, clock = str(target.hostname), Clock()
    port = target.port or (443 if target.scheme == "https" else 80)
    sock = connect(host, port, clock)
    timer = cut_when_over(sock, clock)
    try:
        sock = _secured(sock, target, clock)
        return _judged(host, *_exchange(sock, target, body, headers, clock))
    finally:
        timer.cancel()
        sock.close()


def require_allowed(url: str) -> SplitResult:
    """Return the parts of an address that may be asked. Raises Failed with what is wrong."""
    try:
        target = urlsplit(url)
        port = target.port
    except ValueError:
        raise Failed("the address is not one of the web") from None
    if target.scheme not in ("https", "http") or port == 0:
        raise Failed("the address does not begin with https://")
    if target.username is not None or not url.isprintable() or " " in url:
        raise Failed("the address holds a user name or a space")
    host = (target.hostname or "").lower()
    if host not in settings.OUTSIDE_HOSTS | ROBOT_HOSTS:
        raise NotConfigured(f"CITYOPS_OUTSIDE_HOSTS does not name the host {host}")
    return target


def _secured(sock: socket.socket, target: SplitResult, clock: Clock) -> socket.socket:
    """Return the connection under TLS; bare only within a network the operator opened."""
    if target.scheme == "http":
        if not is_private_allowed(str(sock.getpeername()[0]).partition("%")[0]):
            raise Failed("outside the city's own networks only https:// is spoken")
        return sock
    sock.settimeout(clock.left_s())
    try:
        return ssl.create_default_context().wrap_socket(sock, server_hostname=target.hostname)
    except (OSError, ValueError) as error:
        raise Failed(f"no TLS with {target.hostname}: {type(error).__name__}") from None


def _exchange(
    sock: socket.socket, target: SplitResult, body: bytes, headers: Mapping[str, str], clock: Clock
) -> tuple[int, bytes]:
    sock.settimeout(clock.left_s())
    line = http.client.HTTPConnection(str(target.hostname), target.port)
    line.sock = sock
    path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    try:
        line.request("POST", path, body, {"Connection": "close", **headers})
        answer = line.getresponse()
    except (OSError, http.client.HTTPException) as error:
        raise Unknown(f"{target.hostname} did not answer: {type(error).__name__}") from None
    content = b""
    with suppress(OSError, http.client.HTTPException):
        content = answer.read(MOST_BYTES)
    return answer.status, content


def _judged(host: str, status: int, body: bytes) -> Answer:
    if 200 <= status < 300:
        return Answer(status, body)
    if status >= 500 or status == http.HTTPStatus.REQUEST_TIMEOUT:
        raise Unknown(f"{host} answered {status}: it may have taken it before it failed")
    if 300 <= status < 400:
        raise Failed(f"{host} answered {status}: redirects are not followed")
    raise Failed(f"{host} answered {status}")
