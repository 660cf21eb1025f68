"""Alarms of the desk that time alone raises, who knows of them, and how the shift lead is told.

What an event rings for is written by the ledger beside the event (cases/ringing.py).
"""

from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import CharField, Exists, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat, Now

from cases.choices import CITY, ClockKind, Role, Stage
from cases.errors import CityFilling
from cases.ledger import require_not_filling
from cases.models import (
    Case,
    Channel,
    DeskAlarm,
    DeskAlarmChoice,
    DeskAlarmRule,
    Effect,
    StageClock,
)
from cases.ringing import Ring, Tier, unaccepted
from cases.services.notify import SEND_RUNS
from cityops.accounts.models import User

BATCH = 200  # cases of one run; the next run goes on
AGAIN = timedelta(
    minutes=1
)  # where there was no channel to the shift lead, one is looked for again

# --- what a tick does ---------------------------------------------------------------------------


def watch_desk() -> str:
    """Ring for reports that wait too long, and tell the shift lead of what nobody knows of.

    May run twice or late: an alarm is there once, and told once (its effects' keys). What was
    accepted, acknowledged or over meanwhile rings for nobody.
    """
    try:
        return f"{ring_unaccepted()} ring, {escalate()} told"
    except CityFilling:
        return "stands aside"


@transaction.atomic
def ring_unaccepted() -> int:
    """Ring for reports nobody has accepted within the rule's time; returns how many."""
    require_not_filling()
    rule = DeskAlarmRule.objects.get(ring=Ring.UNACCEPTED)
    if rule.tier == Tier.SHOWS:
        return 0
    clocks = StageClock.objects.filter(
        kind=ClockKind.ACCEPT,
        ended_at=None,
        case__stage=Stage.REPORTED,
        started_at__lte=Now() - timedelta(seconds=rule.wait_s),
    )
    key = Concat(Value(f"{Ring.UNACCEPTED}:"), Cast(OuterRef("pk"), CharField()))
    rung = DeskAlarm.objects.filter(case=OuterRef("case"), key=key)
    unrung = clocks.exclude(Exists(rung)).order_by("started_at")
    waiting = {clock.case_id: clock for clock in unrung[: 5 * BATCH]}
    # One somebody is at is rung for by the next run, if it still waits then.
    free = Case.objects.select_for_update(skip_locked=True).filter(pk__in=[*waiting][:BATCH])
    locked = set(free.order_by("pk").values_list("pk", flat=True))
    # Looked at again under the lock, which whoever accepts or rings meanwhile must hold as well.
    still = clocks.exclude(Exists(rung)).in_bulk([waiting[pk].pk for pk in locked])
    at = _now()
    escalate_at = at + timedelta(minutes=rule.escalate_min) if rule.tier == Tier.RINGS else None
    rows = []
    for clock in still.values():
        reason = unaccepted(clock)
        rows.append(
            DeskAlarm(
                case_id=clock.case_id,
                ring=reason.ring,
                key=reason.key,
                clock=reason.clock,
                tier=rule.tier,
                roles=list(reason.roles),
                due_at=reason.due_at,
                raised_at=at,
                escalate_at=escalate_at,
            )
        )
    return len(DeskAlarm.objects.bulk_create(rows))


def _now() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def escalate() -> int:
    """Have the shift lead told of alarms nobody has acknowledged in time; returns how many."""
    waiting = DeskAlarm.objects.ringing().filter(
        Q(escalated_at=None, escalate_at__lte=Now()) | Q(told=0, escalated_at__lte=Now() - AGAIN)
    )
    found = list(waiting.order_by("escalate_at", "pk").values_list("pk", "case_id")[:BATCH])
    return sum(_escalate_one(pk, case_id) for pk, case_id in found)


@transaction.atomic
def _escalate_one(pk: int, case_id: int) -> bool:
    """Mark one alarm as told and ask for its deliveries, together; the case before its alarm."""
    free = Case.objects.select_for_update(skip_locked=True).filter(pk=case_id)
    case = free.first()
    if case is None:  # somebody is at it: perhaps it ends; else the next run tells
        return False
    late = DeskAlarm.objects.ringing().filter(pk=pk, told=0).select_for_update()
    alarm = late.first()
    if alarm is None:
        return False
    channels = channels_to_the_lead(case)
    alarm.escalated_at, alarm.told = _now(), len(channels)
    alarm.save(update_fields=["escalated_at", "told"])
    Effect.objects.bulk_create(
        [
            Effect(
                key=f"alarm:{channel.pk}:{alarm.pk}:{alarm.raised_at.timestamp():.6f}",
                kind="alarm",
                queue="notify",
                scope=case.scope,
                case=case,
                payload={"channel": channel.pk, "alarm": alarm.pk},
                urgency=1,
                max_runs=SEND_RUNS,
            )
            for channel in channels
        ],
        ignore_conflicts=True,
    )
    return True


def channels_to_the_lead(case: Case) -> list[Channel]:
    """Return the robots and mailboxes by which the duty chief hears of a case of a district."""
    found = Channel.objects.filter(
        Q(audience="") | Q(audience=Role.DUTY_CHIEF),
        is_active=True,
        unit=None,
        kind__in=[*Channel.ROBOTS, Channel.Kind.MAIL],
        scope__in={CITY, case.scope, case.district},
    )
    return list(found.order_by("pk"))


# --- what people do -----------------------------------------------------------------------------


def acknowledge(*, pk: int, user: User) -> DeskAlarm:
    """Record that `user` knows of an alarm they hear; the first one counts for all.

    Safe to repeat, and by two at once. Raises DeskAlarm.DoesNotExist for what is not theirs.
    """
    heard = DeskAlarm.objects.all().heard_by(user)
    heard.get(pk=pk)
    free = DeskAlarm.objects.open().filter(pk=pk, acknowledged_at=None)
    free.update(acknowledged_at=Now(), acknowledged_by=user.pk)
    return DeskAlarm.objects.select_related("acknowledged_by").get(pk=pk)


def choose(*, user: User, chosen: DeskAlarmChoice) -> None:
    """Keep how `user` wants to hear alarms."""
    DeskAlarmChoice.objects.update_or_create(
        user=user,
        defaults={
            "volume": chosen.volume,
            "quiet_from": chosen.quiet_from,
            "quiet_until": chosen.quiet_until,
        },
    )
