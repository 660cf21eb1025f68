"""Claim, do, done: every effect takes place once, whatever dies on the way (architecture.md §3)."""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from cases.errors import CityFilling
from cases.ledger import require_not_filling, retrying
from cases.models import Effect
from cases.services.deadlines import scan_deadlines
from cases.services.dispatch import dispatch_filed
from cases.services.draws import draw_samples
from cases.services.recompute import recompute_slice
from cases.services.upkeep import delete_old_ticks

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=15)  # after it, another worker may claim and the relay publishes again


def _canary(effect: Effect) -> str:
    """Prove that the queue is read: being done is all it does."""
    return "alive"


# Work that happens inside the transaction that marks the effect done.
_IN_TRANSACTION: dict[str, Callable[[Effect], str]] = {
    "dispatch": dispatch_filed,
    "canary": _canary,
}
# Work that opens its own transactions, each safe to repeat.
_ON_ITS_OWN: dict[str, Callable[[Effect], str]] = {
    "scan_deadlines": lambda _: scan_deadlines(),
    "delete_old_ticks": lambda _: delete_old_ticks(),
    "draw_samples": lambda _: draw_samples(),
    "recompute_deadlines": recompute_slice,
}


def run_effect(effect_id: int) -> str:
    """Do one effect if nobody else holds or has done it; returns what became of it.

    Safe to run twice or late: the claim is one UPDATE, and being done is written in the
    transaction of the work itself.
    """
    if not claim_effect(effect_id):
        return "held elsewhere"
    effect = Effect.objects.get(pk=effect_id)
    try:
        return _do(effect)
    except CityFilling:
        _put_back(effect_id)
        return "waits for the demo month"
    except Exception as error:
        logger.exception("effect %s failed", effect.key)
        _failed(effect_id, f"{type(error).__name__}: {error}"[:2000])
        return "failed"


def claim_effect(effect_id: int) -> bool:
    """Take the effect for one lease and count the run, committed before the work."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cases_effect
            SET runs = runs + 1, claimed_until = now() + make_interval(secs => %s),
              next_at = now() + make_interval(secs => %s)
            WHERE id = %s AND done_at IS NULL AND NOT dead
              AND (claimed_until IS NULL OR claimed_until < now()) AND runs < max_runs
            """,
            [LEASE.total_seconds(), LEASE.total_seconds(), effect_id],
        )
        return bool(cursor.rowcount)


def _do(effect: Effect) -> str:
    alone = _ON_ITS_OWN.get(effect.kind)
    if alone is not None:
        outcome = alone(effect)
        Effect.objects.filter(pk=effect.pk, done_at=None).update(done_at=Now(), outcome=outcome)
        return outcome
    return _do_in_transaction(effect)


@retrying
def _do_in_transaction(effect: Effect) -> str:
    """Do the work and mark it done together. Order of locks: the case, the effect, the head."""
    if effect.case_id is not None:
        require_not_filling()
        _lock_case(effect.case_id)
    held = Effect.objects.select_for_update().get(pk=effect.pk)
    if held.done_at is not None or held.dead:
        return "done elsewhere"
    outcome = _IN_TRANSACTION[held.kind](held)
    Effect.objects.filter(pk=held.pk).update(done_at=Now(), outcome=outcome, last_error="")
    return outcome


def _lock_case(case_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM cases_case WHERE id = %s FOR UPDATE", [case_id])


def _failed(effect_id: int, error: str) -> None:
    """Keep the error; after `max_runs` runs the effect is dead and waits for a person."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cases_effect
            SET last_error = %s, dead = runs >= max_runs, claimed_until = NULL,
                next_at = now() + make_interval(secs => least(300, power(2, runs)))
            WHERE id = %s AND done_at IS NULL
            """,
            [error, effect_id],
        )


def _put_back(effect_id: int) -> None:
    """Give the run back: waiting for the demo month is nobody's failure."""
    Effect.objects.filter(pk=effect_id, done_at=None).update(
        runs=F("runs") - 1, claimed_until=None, next_at=Now() + timedelta(seconds=2)
    )


def bury_crashed() -> int:
    """Mark effects dead whose last allowed run ended without a word; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cases_effect SET dead = true, last_error = 'the worker died during the last run'
            WHERE done_at IS NULL AND NOT dead AND runs >= max_runs AND claimed_until < now()
            """
        )
        return int(cursor.rowcount)
