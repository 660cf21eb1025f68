"""The alarms of a reader's desk, in a fixed number of statements, and in words for a channel."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from cases.models import DeskAlarm, DeskAlarmChoice, DeskAlarmRule
from cases.ringing import Ring, Tier
from cityops.accounts.models import User

MOST_SHOWN = 100
KNOWN_FOR = timedelta(minutes=2)  # others read so long who knows of an alarm


@dataclass(frozen=True)
class DeskAlarms:
    """What a desk shows: alarms, the loudest and oldest first, and how they are to be heard."""

    rows: list[DeskAlarm]
    ringing: int  # of all, also those past MOST_SHOWN
    choice: DeskAlarmChoice
    is_quiet: bool
    link: DeskAlarmRule


def desk_alarms(user: User, *, at: datetime) -> DeskAlarms:
    """Return the open alarms `user` hears: unacknowledged, or only just acknowledged."""
    heard = DeskAlarm.objects.all().heard_by(user).open()
    fresh = Q(acknowledged_at=None) | Q(acknowledged_at__gte=at - KNOWN_FOR)
    rows = heard.filter(fresh).select_related("case__minor", "acknowledged_by")
    choice = DeskAlarmChoice.objects.filter(user=user.pk).first() or DeskAlarmChoice(user=user)
    return DeskAlarms(
        rows=list(rows.order_by("tier", "raised_at", "pk")[:MOST_SHOWN]),
        ringing=heard.filter(tier=Tier.RINGS, acknowledged_at=None).count(),
        choice=choice,
        is_quiet=choice.is_quiet(timezone.localtime(at).time()),
        link=DeskAlarmRule.objects.get(ring=Ring.LINK),
    )
