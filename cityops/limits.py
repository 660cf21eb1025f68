"""Bulkheads of the web process: what one person or one district sends never takes all there is.

Before this stands nginx, which bounds the requests of one sign-in or token a second
(deploy/nginx.conf); behind it every statement ends after a while (`_TIMEOUTS` in settings.py).
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import gettext as _

from cases.choices import SCOPES
from cases.errors import TooMany
from cases.selectors.home_scope import home_scope
from cases.services.limits import take_token
from cityops.accounts.middleware import OPEN_PATHS
from cityops.accounts.models import User
from cityops.accounts.tokens import bearer_of
from cityops.refusals import answer_of

NOBODY = "nobody"  # whoever has not signed in shares one room
WALLS = "walls"  # but walls, which nobody signs in at, have one of their own
SEATS, REPORT_SEATS = 3, 2
MOST = 10  # in a room, seated or waiting; both rooms of a scope together leave threads free
MOST_NOBODY = 6  # in the one room of whoever has not signed in
PATIENCE_S = 2.0  # for a seat; a browser's dozen of small photos wait for each other this way
KNOWN_S = 60.0  # whose share a sign-in uses; a new role takes effect on it as soon
MOST_KNOWN = 10_000
READS = frozenset({"GET", "HEAD", "OPTIONS"})
# Pages that read a whole month or more: theirs is a room apart, so that a stuck one stops no work.
REPORTS = ("/score/", "/api/v1/assessments/", "/desk/routing/", "/desk/handover/")


class Room:
    """Where the requests of one scope are worked on in this process: `seats` of them at once.

    With those that wait for a seat there are never more than `most`.
    """

    def __init__(self, *, seats: int, most: int = MOST) -> None:
        self._seats = threading.BoundedSemaphore(seats)
        self._door = threading.BoundedSemaphore(most)

    @contextmanager
    def door(self) -> Iterator[None]:
        """Be in the room. Raises TooMany when it is full."""
        with _held(self._door, 0):
            yield

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Hold a seat. Raises TooMany when none came free in time."""
        with _held(self._seats, PATIENCE_S):
            yield


@contextmanager
def _held(places: threading.Semaphore, patience_s: float) -> Iterator[None]:
    if not places.acquire(timeout=patience_s):
        raise TooMany(
            _("Too much is asked at once from your district. Try again in a moment."),
            wait_s=1,
        )
    try:
        yield
    finally:
        places.release()


@dataclass
class Sender:
    """What this process remembers of a sign-in or token: whose share it uses, until when to wait.

    So whoever finds the room full, or comes back too early, is refused without a statement. It
    opens nothing: who comes in is looked up as ever.
    """

    scope: str
    known_until: float
    wait_until: float = 0.0


class Bulkheads:
    """The rooms of this process, one for each scope, and one for its reports.

    Nobody's reports are none: such a request is only told to sign in.
    """

    def __init__(self) -> None:
        self._rooms = {scope: Room(seats=SEATS) for scope in SCOPES}
        self._rooms[NOBODY] = Room(seats=SEATS, most=MOST_NOBODY)
        self._rooms[WALLS] = Room(seats=SEATS)
        self._reports = {scope: Room(seats=REPORT_SEATS) for scope in SCOPES}
        self._senders: dict[str, Sender] = {}

    def answer(
        self, request: HttpRequest, get_response: Callable[[HttpRequest], HttpResponse]
    ) -> HttpResponse:
        """Let the request in or refuse it."""
        sender = self._sender_of(request)
        room = self._room_of(sender.scope, request.path)
        try:
            with room.door():
                if request.method not in READS:
                    _require_token(request, sender)
                with room.seat():
                    return get_response(request)
        except TooMany as refusal:
            return answer_of(request, refusal)

    def _room_of(self, scope: str, path: str) -> Room:
        if path.startswith("/wall/"):
            return self._rooms[WALLS]
        is_report = path.startswith(REPORTS) and scope != NOBODY
        return (self._reports if is_report else self._rooms)[scope]

    def _sender_of(self, request: HttpRequest) -> Sender:
        held = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
        key = request.META.get("HTTP_AUTHORIZATION") or held
        known = self._senders.get(key)
        if known is not None and time.monotonic() < known.known_until:
            return known
        user = _user_of(request)
        scope = home_scope(user.grants) if user else NOBODY
        sender = Sender(scope, time.monotonic() + KNOWN_S)
        if user is not None and key:
            if len(self._senders) >= MOST_KNOWN:
                self._senders.clear()
            self._senders[key] = sender
        return sender


def _user_of(request: HttpRequest) -> User | None:
    user = bearer_of(request) or request.user
    return user if isinstance(user, User) else None


def _require_token(request: HttpRequest, sender: Sender) -> None:
    wait_s = ceil(sender.wait_until - time.monotonic())
    if wait_s <= 0:
        user = _user_of(request)
        wait_s = take_token(user_id=user.pk, scope=sender.scope) if user else 0
        if wait_s <= 0:
            return
        sender.wait_until = time.monotonic() + wait_s
    raise TooMany(
        _(
            "Too many changes were sent at once, so this one was not made."
            " Wait %(s)d s, then send it again."
        )
        % {"s": wait_s},
        wait_s=wait_s,
    )


@sync_and_async_middleware
def bulkheads(get_response: Callable[[HttpRequest], Any]) -> Callable[..., Any]:
    """Keep requests within their bulkhead; the live process holds no thread and needs none."""
    if iscoroutinefunction(get_response):

        async def wait(request: HttpRequest) -> HttpResponseBase:
            answer: HttpResponseBase = await get_response(request)
            return answer

        return wait

    rooms = Bulkheads()

    def run(request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(OPEN_PATHS):
            answer: HttpResponseBase = get_response(request)
            return answer
        return rooms.answer(request, get_response)

    return run
