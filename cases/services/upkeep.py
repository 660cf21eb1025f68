"""Rows that have served their time, and statistics that have."""

from datetime import timedelta

from django.db import connection
from django.db.models.functions import Now

from cases.models import (
    Attachment,
    Case,
    DistrictHead,
    Effect,
    Event,
    IdempotencyKey,
    StageClock,
    Task,
)

KEPT = timedelta(days=1)  # of ticks and canaries
KEYS_KEPT = timedelta(days=90)  # a phone may come back late


def delete_old_ticks() -> str:
    """Delete finished ticks and canaries, and idempotency keys no phone comes back for."""
    ticks, _ = Effect.objects.filter(case=None, done_at__lt=Now() - KEPT).delete()
    keys, _ = IdempotencyKey.objects.filter(created_at__lt=Now() - KEYS_KEPT).delete()
    return f"{ticks} ticks, {keys} keys"


def refresh_statistics() -> None:
    """Tell the planner how much the ledger holds, after many rows were written at once.

    Until autovacuum comes round it believes the tables nearly empty and joins them by nested loops.
    """
    tables = (Case, Event, StageClock, Task, Attachment, Effect, DistrictHead)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(table._meta.db_table for table in tables)}")
