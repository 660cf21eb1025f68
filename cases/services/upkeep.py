"""Rows that have served their time, and statistics that have."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from cases.models import (
    Alarm,
    Attachment,
    Case,
    CaseWords,
    DeskAlarm,
    DistrictHead,
    Effect,
    Event,
    IdempotencyKey,
    Notice,
    Reconciliation,
    StageClock,
    Task,
)
from cases.models.effect import STUCK
from cityops.accounts.models import SignInLock

KEPT = timedelta(days=2)  # of ticks and canaries: longer than the longest time between two
RUNS_KEPT = {"minute": timedelta(days=7), "nightly": timedelta(days=400)}
ALARMS_KEPT = timedelta(days=400)  # after they cleared
KEYS_KEPT = timedelta(days=90)  # a phone may come back late
NOTICES_KEPT = timedelta(days=90)  # and the work that is over
NOTICE_KINDS = (
    "notify",
    "send",
    "send_test",
    "alarm",
)  # of no use any more once notices are deleted
OVER_KINDS = (*NOTICE_KINDS, "reply", "photo", "recompute_deadlines", "task")
SENT_WITHIN = timedelta(days=1)  # later than that, what happened is no news to anybody outside
TRIES_KEPT = timedelta(days=1)  # anybody can try any name, so these rows would grow for ever


def delete_old_ticks() -> str:
    """Delete what has served its time: ticks, notices, keys, tries, sessions, reconciliations.

    An event asks for its work once, in its own transaction: none is written again. An effect
    somebody ruled on is kept, and so is a reply or a photo that failed, which somebody waits for.
    """
    give_up_late_sends()
    free = Effect.objects.filter(effectruling=None)
    ticks, _ = free.filter(case=None, scope="", done_at__lt=Now() - KEPT).delete()
    free.filter(kind__in=OVER_KINDS, done_at__lt=Now() - NOTICES_KEPT).delete()
    stuck = free.filter(kind__in=NOTICE_KINDS, state__in=STUCK)
    stuck.filter(created_at__lt=Now() - NOTICES_KEPT).delete()
    notices, _ = Notice.objects.filter(created_at__lt=Now() - NOTICES_KEPT).delete()
    keys, _ = IdempotencyKey.objects.filter(created_at__lt=Now() - KEYS_KEPT).delete()
    tries, _ = SignInLock.objects.untouched_since(timezone.now() - TRIES_KEPT).delete()
    for kind, kept in RUNS_KEPT.items():
        Reconciliation.objects.filter(kind=kind, finished_at__lt=Now() - kept).delete()
    _delete_old_desk_alarms()
    Alarm.objects.filter(cleared_at__lt=Now() - ALARMS_KEPT).delete()
    sessions, _ = Session.objects.filter(expire_date__lt=Now()).delete()
    return f"{ticks} ticks, {notices} notices, {keys} keys, {tries} tries, {sessions} sessions"


@transaction.atomic
def _delete_old_desk_alarms() -> None:
    """Delete alarms that ended long ago; one that is held may be ringing anew."""
    old = DeskAlarm.objects.filter(ended_at__lt=Now() - ALARMS_KEPT)
    free = old.select_for_update(skip_locked=True).values_list("pk", flat=True)
    DeskAlarm.objects.filter(pk__in=list(free)).delete()


def give_up_late_sends() -> None:
    """End what could not be sent out within a day, failed, in doubt or waiting: it is too late.

    Its last error stays. What a worker is at is left to it.
    """
    late = Effect.objects.filter(kind__in=("send", "alarm"), created_at__lt=Now() - SENT_WITHIN)
    late.filter(state__in=(Effect.State.DUE, *STUCK), claimed_until=None).update(
        state=Effect.State.DONE, done_at=Now(), outcome="too late", published_at=None
    )


def refresh_statistics() -> None:
    """Tell the planner how much the ledger holds, after many rows were written at once.

    Until autovacuum comes round it believes the tables nearly empty and joins them by nested loops.
    """
    tables = (Case, CaseWords, Event, StageClock, Task, Attachment, Effect, DistrictHead)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(table._meta.db_table for table in tables)}")
