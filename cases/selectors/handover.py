"""What a shift hands over, and the hand-overs somebody may read."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet

from cases import policy
from cases.choices import EMERGENCY_UNITS, UNIT_STAGES, Action, Stage
from cases.models import Area, Case, Event, Handover, Supervision
from cityops.accounts.models import User

MOST = 100  # of a list; how many there are in all stands beside it
PROMISES_FOR = timedelta(days=90)
LISTS = ("late", "leader", "emergency", "promises", "suspended")

Row = dict[str, Any]
Matter = dict[str, Any]  # by list: how many, and the rows


def handovers_of(user: User) -> QuerySet[Handover]:
    """Return the hand-overs of the scopes `user` works in, the newest first."""
    scopes = sorted(policy.handover_scopes(user))
    found = Handover.objects.filter(scope__in=scopes).select_related("given_by", "taken_by")
    return found.defer("matter").order_by("-given_at", "-pk")


def matter_of(user: User, scope: str, *, at: datetime) -> Matter:
    """Return what is open in a scope at `at` and `user` may see, as JSON; names in both languages.

    Overdue, leaders' orders without a reply, emergencies, promises made, and what is on hold.
    No word of a case and no person is in it: what is to be read stands at the case.
    """
    mine = Case.objects.all().visible_to(user).of_scope(scope).open().order_by()
    late = mine.overdue(at=at).exclude(stage=Stage.SUSPENDED)
    orders = Supervision.objects.filter(
        kind=Supervision.Kind.LEADER, answered_at=None, case__in=mine
    )
    reply_by = {
        order.case_id: order.reply_by for order in orders.order_by("case", "-reply_by")
    }  # the most pressing of a case
    promised = _promises(mine, at=at)
    emergency = mine.filter(limit_unit__in=sorted(EMERGENCY_UNITS))
    suspended = mine.filter(stage=Stage.SUSPENDED)
    lists = {
        "late": late.order_by("lamp_due_at", "pk"),
        "leader": mine.filter(pk__in=reply_by).order_by("lamp_due_at", "pk"),
        "emergency": emergency.order_by("lamp_due_at", "pk"),
        "promises": mine.filter(pk__in=promised).order_by("lamp_due_at", "pk"),
        "suspended": suspended.order_by("suspended_until", "pk"),
    }
    counts = {name: found.aggregate(n=Count("pk"))["n"] for name, found in lists.items()}
    cases = {
        name: list(found.select_related("minor", "unit")[:MOST]) for name, found in lists.items()
    }
    streets = _streets((one.street for found in cases.values() for one in found), at=at)
    times: dict[str, dict[int, datetime]] = {"leader": reply_by, "promises": promised}
    return {
        name: {
            "total": counts[name],
            "rows": [_row(one, streets, times.get(name, {}).get(one.pk), at) for one in found],
        }
        for name, found in cases.items()
    }


def _promises(mine: QuerySet[Case], *, at: datetime) -> dict[int, datetime]:
    """Return the last time promised for each case that a unit still holds, by case."""
    events = Event.objects.filter(
        action=Action.REMIND,
        at__gt=at - PROMISES_FOR,
        data__facts__has_key="promised_at",
        case__in=mine.filter(stage__in=sorted(UNIT_STAGES)),
    )
    return {
        event.case_id: datetime.fromisoformat(event.data["facts"]["promised_at"])
        for event in events.order_by("case", "case_seq")
        if event.case_id is not None
    }


def _streets(codes: Iterable[str], *, at: datetime) -> dict[str, Area]:
    found = Area.objects.filter(level=Area.Level.STREET, code__in=set(codes), valid__contains=at)
    return {area.code: area for area in found.defer("geom", "label")}


def _row(case: Case, streets: dict[str, Area], time: datetime | None, at: datetime) -> Row:
    street, unit = streets.get(case.street), case.unit
    due_at = case.suspended_until if case.stage == Stage.SUSPENDED else case.lamp_due_at
    return {
        "number": case.number,
        "stage": case.stage,
        "light": case.light(at=at),
        "class": [case.minor.name_zh, case.minor.name_en],
        "street": [street.name_zh, street.name_en or street.name_zh] if street else ["", ""],
        "unit": [unit.name_zh, unit.name_en] if unit else ["", ""],
        "due_at": due_at.isoformat() if due_at else None,
        "time": time.isoformat() if time else None,
    }
