"""Rows that have served their time."""

from datetime import timedelta

from django.db.models.functions import Now

from cases.models import Effect, IdempotencyKey

KEPT = timedelta(days=1)  # of ticks and canaries
KEYS_KEPT = timedelta(days=90)  # a phone may come back late


def delete_old_ticks() -> str:
    """Delete finished ticks and canaries, and idempotency keys no phone comes back for."""
    ticks, _ = Effect.objects.filter(case=None, done_at__lt=Now() - KEPT).delete()
    keys, _ = IdempotencyKey.objects.filter(created_at__lt=Now() - KEYS_KEPT).delete()
    return f"{ticks} ticks, {keys} keys"
