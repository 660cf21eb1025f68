"""`/healthz`: the process answers. `/readyz`: database and migrations are right; else degraded.

`degraded` names the parts that do not work; `detail` says of them, and of the alarms that stand,
what, how many, since when, and the fix. `/health/` tells an administrator of the parts in words.
"""

import shutil
import threading
import time
from datetime import datetime, timedelta
from functools import cache
from math import inf
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min, Sum
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from cases.errors import CalendarMissing
from cases.ledger import is_filling
from cases.models import Alarm
from cases.models.effect import QUEUES
from cases.selectors.calendars import unannounced_years, uncovered_years
from cases.selectors.machinery import canaries_late, reconciler_lag_s, relay_lag_s
from cases.views.alarms import FIXES, RECONCILER_S
from cityops.accounts.http import UserRequest
from cityops.accounts.roles import Role

RELAY_LAG_S = 10  # a due effect older than this was not taken by any relay
CANARY_S = 40  # each queue finishes a canary at least this often
LEAST_FREE = 1_000_000_000  # bytes for photos and logs; deploy/up asks for as much

FRESH_S = 1.0  # what /readyz found is told for so long without looking again,
STALE_S = 10.0  # and for so long while somebody looks
PATIENCE_S = 3.0  # for who looks; a Redis that does not answer takes 1 s, and there are two


class Part(NamedTuple):
    """One part of the system as the health page shows it; `advice` is empty while all is well.

    `key` names it to programs, `since` is when it was last seen at work, where that is known.
    """

    name: str
    words: str
    advice: str = ""
    key: str = ""
    since: datetime | None = None


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the process runs; touches nothing."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 iff the database answers and is migrated; the rest stands in `degraded`."""
    found = watch_in(get_language() or "").found()
    return JsonResponse(found.body, status=found.status)


class Found(NamedTuple):
    """What /readyz answers."""

    body: dict[str, Any]
    status: int = 200


_HANGS = Found({"status": "no answer in time", "degraded": ["database"]}, 503)


class Watch:
    """What /readyz found last: of all who ask at once one looks, so they hold one thread."""

    def __init__(self) -> None:
        self._looking = threading.Lock()
        self._found, self._at = _HANGS, -inf

    def found(self) -> Found:
        """Return it, looking first when it is no longer fresh and nobody else looks."""
        if self._age_s() < FRESH_S:
            return self._found
        if self._looking.acquire(timeout=0 if self._age_s() < STALE_S else PATIENCE_S):
            try:
                if self._age_s() >= FRESH_S:
                    self._found = _look()
                    self._at = time.monotonic()
            finally:
                self._looking.release()
        return self._found if self._age_s() < STALE_S else _HANGS

    def _age_s(self) -> float:
        return time.monotonic() - self._at


@cache
def watch_in(language: str) -> Watch:
    """Return the watch whose answers are in a language."""
    return Watch()


def _look() -> Found:
    try:
        connection.ensure_connection()
        missing = _missing_migrations()
        parts = [] if missing else [*_redis_servers(), _relay(), *_queues(), _reconciler()]
        detail = [] if missing else _detail(parts)
    except DatabaseError:
        return Found({"status": "no database", "degraded": ["database"]}, 503)
    if missing:
        body: dict[str, Any] = {"status": "not migrated", "migrations": missing}
        return Found(body | {"degraded": ["migrations"]}, 503)
    degraded = [part.key for part in parts if part.advice]
    return Found({"status": "ready", "degraded": degraded, "detail": detail})


def _missing_migrations() -> list[str]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [str(migration) for migration, _backwards in plan]


def _detail(parts: list[Part]) -> list[dict[str, Any]]:
    """Return what is wrong, counted; it names no case and no unit, for anybody may read it."""
    stopped = [
        {"what": part.key, "scope": "", "how_many": 1, "since": part.since, "fix": part.advice}
        for part in parts
        if part.advice
    ]
    alarms = Alarm.objects.open().values("what", "scope").order_by("what", "scope")
    return stopped + [
        {**alarm, "fix": str(FIXES[alarm["what"]])}
        for alarm in alarms.annotate(how_many=Sum("how_many"), since=Min("since"))
    ]


_REDIS = {
    "redis broker": settings.CELERY_BROKER_URL,
    "redis channels": settings.CHANNELS_REDIS_URL,
}


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


@login_required
@require_safe
def health(request: UserRequest) -> HttpResponse:
    """Show an administrator the state of every part, and what to do about it."""
    if not request.user.holds(Role.ADMIN):
        raise Http404
    return render(request, "health.html", {"parts": _parts(), "at": timezone.now()})


def _parts() -> list[Part]:
    """Return every part, those that want something first."""
    machinery = [*_redis_servers(), _relay(), *_queues(), _reconciler()]
    parts = [_database(), *machinery, _disk(), _calendar()]
    return sorted(parts, key=lambda part: part.advice == "")


def _database() -> Part:
    missing = ", ".join(_missing_migrations())
    if not missing:
        return Part(_("Database"), _("answers, and its tables are up to date"))
    return Part(_("Database"), missing, _("Run deploy/up: it brings the tables up to date."))


def _redis_servers() -> list[Part]:
    advice = _("No case is lost. Run deploy/up: it starts what has ended; see its log in HOME/log.")
    return [
        Part(name.capitalize(), _("answers"))
        if _answers(url)
        else Part(name.capitalize(), _("does not answer"), advice, key=name)
        for name, url in _REDIS.items()
    ]


def _relay() -> Part:
    lag = relay_lag_s()
    words = _("the oldest work due waits for %(lag).1f s") % {"lag": lag}
    if lag <= RELAY_LAG_S:
        return Part(_("Relay"), words)
    advice = _("Nothing is lost; see relay.log in HOME/log.")
    return Part(_("Relay"), words, advice, "relay", timezone.now() - timedelta(seconds=lag))


def _queues() -> list[Part]:
    late = canaries_late(older_than_s=CANARY_S)
    return [
        Part(name, _("works"))
        if name not in late
        else Part(
            name,
            _("gave no sign of life for %(s)d s") % {"s": CANARY_S},
            _("Nothing is lost, the relay offers the work again; see worker-%(name)s.log.")
            % {"name": name},
            f"queue {name}",
            late[name],
        )
        for name in QUEUES
    ]


def _reconciler() -> Part:
    lag = reconciler_lag_s()
    if is_filling() or (lag is not None and lag <= RECONCILER_S):
        return Part(_("Reconciler"), _("looks each minute"))
    words = _("has not looked yet")
    since = None
    if lag is not None:
        words = _("last looked %(min)d minutes ago") % {"min": lag // 60}
        since = timezone.now() - timedelta(seconds=lag)
    advice = _("Nothing is lost, but nobody would notice: see worker-scoring.log in HOME/log.")
    return Part(_("Reconciler"), words, advice, "reconciler", since)


def _disk() -> Part:
    free = shutil.disk_usage(settings.HOME).free
    words = _("%(gb).1f GB free for photos and logs") % {"gb": free / 1e9}
    return Part(_("Disk"), words, "" if free > LEAST_FREE else _("Make room: HOME/log first."))


def _calendar() -> Part:
    today = timezone.localdate()
    try:
        years, missing = unannounced_years(today=today), uncovered_years(today=today)
    except CalendarMissing:
        return Part(_("Working calendar"), _("there is none"), _("Load the city: load_city DIR."))
    if missing:
        return Part(
            _("Working calendar"),
            _("not covered: %(years)s; no deadline of working time can fall there")
            % {"years": ", ".join(map(str, missing))},
            _("Publish a calendar with that year under Administration, now."),
        )
    if not years:
        return Part(_("Working calendar"), _("the holidays of this year and the next are known"))
    return Part(
        _("Working calendar"),
        _("holidays not announced: %(years)s; until then only weekends are counted out")
        % {"years": ", ".join(map(str, years))},
        _("When they are announced, publish a new calendar under Administration."),
    )
