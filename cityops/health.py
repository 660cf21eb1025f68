"""`/healthz`: the process answers. `/readyz`: database and migrations are right; else degraded."""

from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from cases.selectors.machinery import canaries_late, relay_lag_s

RELAY_LAG_S = 10  # a due effect older than this was not taken by any relay
CANARY_S = 40  # each queue finishes a canary at least this often


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the process runs; touches nothing."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 iff the database answers and is migrated; the rest stands in `degraded`."""
    try:
        connection.ensure_connection()
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        degraded = _degraded()
    except DatabaseError:
        return JsonResponse({"status": "no database", "degraded": ["database"]}, status=503)
    if missing:
        names = [str(migration) for migration, _ in missing]
        body: dict[str, Any] = {"status": "not migrated", "migrations": names}
        return JsonResponse(body | {"degraded": ["migrations"]}, status=503)
    return JsonResponse({"status": "ready", "degraded": degraded})


def _degraded() -> list[str]:
    """Name what is wrong though cases are safe: Redis, the relay, queues nobody reads."""
    wrong = [name for name, url in _REDIS.items() if not _answers(url)]
    if relay_lag_s() > RELAY_LAG_S:
        wrong.append("relay")
    return wrong + [f"queue {name}" for name in canaries_late(older_than_s=CANARY_S)]


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
