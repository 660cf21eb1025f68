"""Claim, do, done: every effect takes place once, whatever dies on the way (architecture.md §3)."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta

from django.db import DatabaseError, connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from cases.errors import Busy, CityFilling
from cases.ledger import require_not_filling, retrying
from cases.models import Case, Effect
from cases.services.deadlines import scan_deadlines
from cases.services.desk_alarms import watch_desk
from cases.services.dispatch import dispatch_filed
from cases.services.draws import draw_samples
from cases.services.exports import Overtaken, make_export, sweep_exports, tell_of_failed
from cases.services.filing import ask_again
from cases.services.intake import report_finding
from cases.services.notify import tell
from cases.services.outside import Failed, NotNow, Outside, Unknown
from cases.services.parked import KIND as TASK
from cases.services.parked import knows_task, run_task
from cases.services.patience import as_long_again, at_most
from cases.services.photo_store import prepare_photo, prepare_screenshot, sweep_photos
from cases.services.recompute import recompute_slice
from cases.services.reconcile import reconcile_minute, reconcile_nightly
from cases.services.rollup import advance_rollup
from cases.services.sending import reply, send, send_alarm, send_test
from cases.services.upkeep import delete_old_ticks
from cases.work import WORK

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=15)  # after it, another worker may claim and the relay publishes again
PARKED_S = 60  # after it a kind nobody knew is offered to the workers again
WAIT_S = 2.0  # while the demo month is written
LONGEST_S = 300  # after failed runs the next waits 2, 4, 8 s … and no longer than this
BUSY_S = (2.0, 30.0)  # how soon what the database had no time for is tried again, and how late

# What PostgreSQL says of its own state and not of the work: conflicts of writers, a lock or a
# statement given up, a server that stops or starts.
_NOT_OF_THE_WORK = {"40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "25P03"}


def _canary(effects: Sequence[Effect]) -> list[str]:
    """Prove that the queue is read: being done is all it does."""
    return ["alive" for _ in effects]


# Work that happens inside the transaction that marks the effects done, of one kind together.
_IN_TRANSACTION: dict[str, Callable[[Sequence[Effect]], list[str]]] = {
    "dispatch": dispatch_filed,
    "canary": _canary,
}
# Work that opens its own transactions, each safe to repeat.
_ON_ITS_OWN: dict[str, Callable[[Effect], str]] = {
    "scan_deadlines": lambda _: scan_deadlines(),
    "watch_desk": lambda _: watch_desk(),
    "delete_old_ticks": lambda _: delete_old_ticks(),
    "draw_samples": lambda _: draw_samples(),
    "reconcile_minute": lambda _: reconcile_minute(),
    "reconcile_nightly": lambda _: reconcile_nightly(),
    "advance_rollup": lambda _: advance_rollup(),
    "recompute_deadlines": recompute_slice,
    "photo": prepare_photo,
    "screenshot": prepare_screenshot,
    "sweep_photos": lambda _: sweep_photos(),
    TASK: run_task,
    "notify": tell,
    "ask_again": ask_again,
    "finding": report_finding,
    "export": make_export,
    "sweep_exports": lambda _: sweep_exports(),
}
# Work of these ends with the connection that claimed it: in the transaction, or as here because a
# run that goes on without its claim stops at its next page.
_ENDS_WITH_CONNECTION = (*_IN_TRANSACTION, "export")
# Work in other systems, never repeated by itself once it may have taken place.
_OUTSIDE: dict[str, Outside] = {
    "send": Outside(send),
    "send_test": Outside(send_test),
    "alarm": Outside(send_alarm),
    "reply": Outside(reply),
}
# Work of a few statements: a worker is given up to AT_ONCE of it at once.
AT_ONCE = 10
_BRISK = {"dispatch", "notify"}
# How long one run of a kind may take, where it is not LEASE. Longer work goes in slices.
_LONGER = timedelta(seconds=60)
_LEASES: dict[str, timedelta] = {
    "advance_rollup": _LONGER,
    "ask_again": _LONGER,
    "delete_old_ticks": _LONGER,
    "draw_samples": _LONGER,
    "export": timedelta(seconds=240),  # below the 300 s after which Celery ends a process
    "reconcile_minute": _LONGER,
    "reconcile_nightly": _LONGER,
}


def is_brisk(kind: str) -> bool:
    """Tell whether work of a kind is over so soon that more of it may wait behind it."""
    return kind in _BRISK


def run_effects(effect_ids: Sequence[int]) -> dict[int, str]:
    """Do effects, cases to dispatch together; returns what became of each.

    With a dispatch go those that wait behind it in its queue, so more may be done than asked.
    """
    due = Effect.objects.filter(pk__in=effect_ids, state=Effect.State.DUE)
    kinds = dict(due.values_list("pk", "kind"))  # one before it may have done most of a message
    done = _dispatch_together(effect_ids) if "dispatch" in kinds.values() else {}
    alone = {key: run_effect(key) for key in effect_ids if key in kinds and key not in done}
    return dict.fromkeys(effect_ids, "held elsewhere") | done | alone


def _dispatch_together(effect_ids: Sequence[int]) -> dict[int, str]:
    """Dispatch cases in one transaction, because each alone waits its turn for the head.

    A case that somebody holds is left out, and waited for alone. If one of them breaks the
    transaction, nothing is done and none is blamed: each runs again, alone.
    """
    mine = claim_dispatches(effect_ids)
    if not mine:
        return {}
    outcomes: dict[int, str] = {}
    try:
        with at_most(LEASE.total_seconds()):
            outcomes = _do_in_transaction(mine, waits=False)
    except Exception as error:  # noqa: BLE001  # whoever is to blame meets it again alone
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        logger.warning("%d dispatches run one by one: %s", len(mine), _words(error))
    alone = [effect for effect in mine if effect.pk not in outcomes]
    for effect in alone:
        _put_back(effect, 0, "")
    return outcomes | {effect.pk: run_effect(effect.pk) for effect in alone}


def run_effect(effect_id: int) -> str:
    """Do one effect if nobody else holds or has done it; returns what became of it.

    Safe to run twice or late: the claim is one UPDATE, and being done is written in the
    transaction of the work itself.
    """
    effect = Effect.objects.filter(pk=effect_id).first()
    if effect is None:
        return "gone"
    if not _is_known(effect):
        return _park(effect)
    if not _is_claimed(effect):
        return "held elsewhere"
    try:
        return _do(effect)
    except CityFilling:
        return _put_back(effect, WAIT_S, "waits for the demo month")
    except NotNow as later:
        return _put_back(effect, later.wait_s, "put off")
    except Overtaken:
        return "held elsewhere"
    except Unknown as error:
        return _unknown(effect, error)
    except Failed as error:  # of another system: expected, and no matter of our code
        logger.warning("effect %s failed: %s", effect.key, error)
        return _failed(effect, error)
    except Exception as error:
        if not connection.in_atomic_block:  # it may have been what broke
            connection.close_if_unusable_or_obsolete()
        if _is_of_the_database(error):
            logger.warning("effect %s waits for the database: %s", effect.key, error)
            return _put_back(effect, as_long_again(effect, *BUSY_S), "waits", _words(error))
        logger.exception("effect %s failed", effect.key)
        return _failed(effect, error)


def _is_of_the_database(error: Exception) -> bool:
    """Tell whether the work is not to blame: others held what it needs, or the server went."""
    sqlstate = getattr(error.__cause__, "sqlstate", "")
    return isinstance(error, Busy) or sqlstate in _NOT_OF_THE_WORK


def _is_known(effect: Effect) -> bool:
    if effect.kind == TASK:
        return knows_task(effect)
    return any(effect.kind in kinds for kinds in (_IN_TRANSACTION, _ON_ITS_OWN, _OUTSIDE, WORK))


def _is_claimed(effect: Effect) -> bool:
    """Claim the effect; no, too, where the database could not say: it comes again."""
    try:
        return claim_effect(effect)
    except DatabaseError as error:
        if not _is_of_the_database(error):
            raise
        connection.close_if_unusable_or_obsolete()
        return False


def _lease_s(effect: Effect) -> float:
    if effect.kind in WORK:
        return WORK[effect.kind].lease.total_seconds()
    return _LEASES.get(effect.kind, LEASE).total_seconds()


_CLAIM = """
    UPDATE cases_effect
    SET runs = runs + 1, parked_at = NULL, claimed_by = pg_backend_pid(),
      claimed_until = now() + make_interval(secs => %(lease)s),
      next_at = now() + make_interval(secs => %(lease)s)
"""


def claim_effect(effect: Effect) -> bool:
    """Take the effect for one lease and count the run, committed before the work.

    Outside work that somebody began is not taken over: nobody knows how far they came.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            {_CLAIM}
            WHERE id = %(id)s AND state = 'due' AND runs < max_runs
              AND (claimed_until IS NULL OR (claimed_until < now() AND NOT %(outside)s))
            RETURNING runs
            """,
            {"lease": _lease_s(effect), "id": effect.pk, "outside": effect.kind in _OUTSIDE},
        )
        row = cursor.fetchone()
    if row is not None:
        effect.runs = row[0]
    return row is not None


def claim_dispatches(effect_ids: Sequence[int]) -> list[Effect]:
    """Take dispatches for one lease as `claim_effect` does, up to AT_ONCE.

    The ones named, then the most urgent of what else is in flight in their queue. One that ran
    before may be what broke that run, so it is left out.
    """
    claimed = Effect.objects.raw(
        f"""
        {_CLAIM}
        WHERE id = ANY(ARRAY(
          SELECT id FROM cases_effect
          WHERE queue IN (
              SELECT queue FROM cases_effect WHERE id = ANY(%(ids)s) AND kind = 'dispatch')
            AND state = 'due' AND kind = 'dispatch' AND runs = 0 AND claimed_until IS NULL
            AND (published_at IS NOT NULL OR id = ANY(%(ids)s))
          ORDER BY id <> ALL(%(ids)s), urgency, due_at, id
          LIMIT %(most)s FOR UPDATE SKIP LOCKED))
        RETURNING *
        """,  # noqa: S608 - _CLAIM is our own
        {"lease": LEASE.total_seconds(), "ids": list(effect_ids), "most": AT_ONCE},
    )
    return sorted(claimed, key=lambda effect: effect.pk)


# --- the work -----------------------------------------------------------------------------------


def _do(effect: Effect) -> str:
    if effect.kind in _OUTSIDE:
        return _do_outside(effect)
    if effect.kind in _ON_ITS_OWN or effect.kind in WORK:
        with at_most(_lease_s(effect)):
            tick = WORK.get(effect.kind)
            outcome = tick.do() if tick else _ON_ITS_OWN[effect.kind](effect)
        _finish({effect.pk: outcome})
        return outcome
    with at_most(_lease_s(effect)):
        return _do_in_transaction([effect])[effect.pk]


def _do_outside(effect: Effect) -> str:
    """Do it and mark it done; raises Failed or NotNow only where the work says that it is not.

    Whatever else goes wrong, marking it done included, it may have taken place.
    """
    try:
        with at_most(_lease_s(effect)):
            outcome = _OUTSIDE[effect.kind].do(effect)
        retrying(_finish)({effect.pk: outcome})
        return outcome
    except (Failed, NotNow, Unknown):
        raise
    except Exception as error:
        logger.exception("effect %s: nobody knows whether it took place", effect.key)
        raise Unknown(_words(error)) from error


@retrying
def _do_in_transaction(effects: Sequence[Effect], *, waits: bool = True) -> dict[int, str]:
    """Do work of one kind and mark it done, together. Order of locks: cases, effects, heads.

    Returns what became of each; without `waits` of those only whose case nobody holds.
    """
    cases = {effect.case_id for effect in effects if effect.case_id is not None}
    if cases:
        require_not_filling()
        locked = _lock_cases(cases, waits=waits)
        effects = [effect for effect in effects if effect.case_id in locked]
    held = Effect.objects.select_for_update().order_by("pk").in_bulk([one.pk for one in effects])
    due = [effect for effect in effects if held[effect.pk].state == Effect.State.DUE]
    outcomes = {effect.pk: "done elsewhere" for effect in effects}
    if due:
        done = _IN_TRANSACTION[due[0].kind](due)
        outcomes |= {effect.pk: outcome for effect, outcome in zip(due, done, strict=True)}
        _finish({effect.pk: outcomes[effect.pk] for effect in due})
    return outcomes


def _lock_cases(cases: Collection[int], *, waits: bool) -> set[int]:
    """Lock cases in the order of their keys; returns those locked."""
    rows = Case.objects.select_for_update(skip_locked=not waits).filter(pk__in=cases)
    return set(rows.order_by("pk").values_list("pk", flat=True))


# --- what became of it --------------------------------------------------------------------------


def _finish(outcomes: Mapping[int, str]) -> None:
    """Mark effects done, also those given up meanwhile by people who did not see them end."""
    for outcome in set(outcomes.values()):
        keys = [key for key, ended in outcomes.items() if ended == outcome]
        open_ones = Effect.objects.filter(pk__in=keys, done_at=None)
        open_ones.exclude(state=Effect.State.DISCARDED).update(
            state=Effect.State.DONE, done_at=Now(), outcome=outcome[:40], last_error=""
        )


def _mine(effect: Effect) -> QuerySet[Effect]:
    """Return the effect as long as nobody else claimed or ruled on it since this run began."""
    waiting = (Effect.State.DUE, Effect.State.NEEDS_REVIEW)
    return Effect.objects.filter(pk=effect.pk, runs=effect.runs, state__in=waiting)


def _failed(effect: Effect, error: Exception) -> str:
    """Keep the error; after `max_runs` runs the effect is dead and waits for a person."""
    is_over = effect.runs >= effect.max_runs
    wait = timedelta(seconds=min(LONGEST_S, 2 ** min(effect.runs, 9)))
    _mine(effect).update(
        state=Effect.State.DEAD if is_over else Effect.State.DUE,
        last_error=_words(error),
        claimed_until=None,
        published_at=None,
        next_at=Now() + wait,
    )
    return "failed"


def _unknown(effect: Effect, error: Unknown) -> str:
    """Leave it to a person whether outside work is tried again."""
    _mine(effect).update(
        state=Effect.State.NEEDS_REVIEW,
        last_error=str(error)[:2000],
        claimed_until=None,
        published_at=None,
    )
    return "needs review"


def _put_back(effect: Effect, wait_s: float, outcome: str, why: str = "") -> str:
    """Give the run back: having to wait is nobody's failure."""
    _mine(effect).update(
        state=Effect.State.DUE,
        runs=F("runs") - 1,
        claimed_until=None,
        published_at=None,
        next_at=Now() + timedelta(seconds=wait_s),
        last_error=why or F("last_error"),
    )
    return outcome


def _park(effect: Effect) -> str:
    """Keep what this worker's code does not know for one that does; no run is counted."""
    unclaimed = Q(claimed_until=None) | Q(claimed_until__lt=Now())
    Effect.objects.filter(unclaimed, pk=effect.pk, state=Effect.State.DUE).update(
        claimed_until=None,
        parked_at=Coalesce("parked_at", Now()),
        published_at=None,
        next_at=Now() + timedelta(seconds=PARKED_S),
    )
    return "parked"


def _words(error: Exception) -> str:
    """Return what an error says; of the database's without the row it was about."""
    said = getattr(getattr(error.__cause__, "diag", None), "message_primary", None) or error
    return f"{type(error).__name__}: {said}"[:2000]


def end_lost_claims() -> int:
    """End the claims of connections that are gone, before their lease; returns how many.

    Only of work that went with its connection (_ENDS_WITH_CONNECTION). The run counts, and the next
    waits as after a failure, since the work may have been what took its worker down.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cases_effect
            SET claimed_until = now(), published_at = NULL,
              next_at = now() + make_interval(secs => least(%(longest)s, 2 ^ least(runs, 9)))
            WHERE id IN (
              SELECT id FROM cases_effect
              WHERE state = 'due' AND claimed_until > now() AND kind = ANY(%(kinds)s)
                AND claimed_by NOT IN (SELECT pid FROM pg_stat_activity)
              FOR UPDATE SKIP LOCKED)
            """,
            {"longest": LONGEST_S, "kinds": list(_ENDS_WITH_CONNECTION)},
        )
        return int(cursor.rowcount)


def bury_crashed() -> int:
    """Give up what ended without a word, and tell who waits for a file; returns how many.

    Work of ours after its last allowed run, outside work at once: it may have taken place.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cases_effect
            SET state = CASE WHEN kind = ANY(%(outside)s) THEN 'needs_review' ELSE 'dead' END,
              last_error = 'the worker died or took longer than its lease',
              claimed_until = NULL, published_at = NULL
            WHERE id IN (
              SELECT id FROM cases_effect
              WHERE state = 'due' AND claimed_until < now()
                AND (runs >= max_runs OR kind = ANY(%(outside)s))
              FOR UPDATE SKIP LOCKED)
            """,
            {"outside": list(_OUTSIDE)},
        )
        buried = int(cursor.rowcount)
    tell_of_failed()  # also of those whose last run failed with a word
    return buried
