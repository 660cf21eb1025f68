"""Which channels hear of an event, what they are told of it, and which of them rest."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import override

from cases.choices import CITY
from cases.models import Area, Case, Channel, DeskAlarm, District, Effect, Event
from cases.notices import Audience, Telling, audiences_of, telling_of
from cases.ringing import says


@dataclass(frozen=True)
class Message:
    """What leaves the city of one event: no free text, no person, no exact place."""

    title: str
    lines: list[str]
    data: dict[str, Any]

    @property
    def body(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)


def channels_for(event: Event, telling: Telling, audiences: Collection[Audience]) -> list[Channel]:
    """Return the active channels that hear of an event, in their order; for people and systems."""
    case = event.case
    assert case is not None
    active = Channel.objects.filter(is_active=True, scope__in={CITY, event.scope, event.district})
    return [
        channel
        for channel in active.exclude(kind=Channel.Kind.HOTLINE).order_by("pk")
        if (telling.is_loud or not channel.only_loud)
        and (not channel.audience or channel.audience in audiences)
        and (channel.unit_id is None or _is_for(channel.unit_id, event, case, audiences))
    ]


def _is_for(unit: str, event: Event, case: Case, audiences: Collection[Audience]) -> bool:
    """Whether the people of `unit` are told of the event too."""
    if Audience.ASSISTING in audiences:
        return unit == event.data["facts"].get("assist_unit") and unit in case.assist_units
    is_told = not {Audience.UNIT, Audience.UNIT_HEAD}.isdisjoint(audiences)
    return is_told and unit == event.unit == case.unit_id


def hears(channel: Channel, event: Event) -> bool:
    """Whether an active channel hears of an event, also now: not once the case is another's."""
    case = event.case
    assert case is not None
    if channel.scope not in {CITY, case.scope, case.district}:
        return False
    telling = telling_of(event.action, event.to_stage, event.data["facts"])
    if telling is None:
        return False
    return channel in channels_for(event, telling, audiences_of(telling, event.to_stage))


def resting(scopes: Collection[str]) -> list[Channel]:
    """Return the active channels of `scopes` that rest until a delivery succeeds, longest first."""
    found = Channel.objects.filter(is_active=True, failures__gte=Channel.LIMIT, scope__in=scopes)
    return list(found.order_by(F("rests_until").desc(nulls_last=True), "pk"))


def waiting_for(channels: Iterable[Channel]) -> Counter[int]:
    """Return how many events wait for each of the channels, by its key."""
    keys = [channel.pk for channel in channels]
    due = Effect.objects.filter(kind="send", state=Effect.State.DUE, payload__channel__in=keys)
    return Counter(due.values_list("payload__channel", flat=True))


def message_of(event: Event) -> Message:
    """Return what is told of an event outside, in the city's own language."""
    case = _as_left(event)
    with override(settings.LANGUAGE_CODE):
        telling = telling_of(event.action, event.to_stage, event.data["facts"])
        said = str(telling.says) if telling else str(event.get_action_display())
        due = date_format(timezone.localtime(case.due_at), "m-d H:i") if case.due_at else ""
        lines = [
            f"{case.number} · {case.minor.name}",
            case.condition.text if case.condition else "",
            _place(case),
            _("due %(at)s") % {"at": due} if due else "",
            _address(case),
        ]
        data = {
            "says": said,
            "event": {
                "scope": event.scope,
                "dseq": event.dseq,
                "action": event.action,
                "from": event.from_stage,
                "to": event.to_stage,
                "at": _utc(event.at),
            },
            "case": {
                "number": case.number,
                "stage": case.stage,
                "district": case.district,
                "street": case.street,
                "category": case.minor_id,
                "condition": case.condition_id or "",
                "unit": case.unit_id or "",
                "due_at": _utc(case.due_at),
            },
        }
    return Message(said, [line for line in lines if line], data)


def alarm_message(alarm: DeskAlarm) -> Message:
    """Return what the shift lead is told of an alarm nobody knows of, in the city's language."""
    case = alarm.case
    with override(settings.LANGUAGE_CODE):
        since = date_format(timezone.localtime(alarm.raised_at), "m-d H:i")
        title = _("Nobody knows of it yet: %(alarm)s") % {"alarm": says(alarm.ring, alarm.clock)}
        lines = [
            f"{case.number} · {case.minor.name}",
            case.condition.text if case.condition else "",
            _place(case),
            _("has rung at the desk since %(at)s") % {"at": since},
            _address(case),
        ]
    return Message(title, [line for line in lines if line], {})


def _as_left(event: Event) -> Case:
    """Return the case as the event left it, in what is told of one: no later unit or deadline."""
    told: dict[str, Any] = {}
    until = Event.objects.filter(case=event.case_id, case_seq__lte=event.case_seq)
    for data in until.order_by("case_seq").values_list("data", flat=True):
        told |= data.get("set", {})
    assert event.case is not None
    due_at = told.get("due_at")
    return Case(
        number=event.case.number,
        stage=event.to_stage,
        due_at=datetime.fromisoformat(due_at) if due_at else None,
        unit_id=told.get("unit_id"),
        minor_id=told["minor_id"],
        condition_id=told.get("condition_id"),
        district=event.district,
        street=told.get("street", ""),
        community=told.get("community", ""),
    )


def _place(case: Case) -> str:
    """Return district, street and community by name: no nearer than that."""
    district = District.objects.filter(pk=case.district).first()
    codes = [case.street, case.community]
    areas = Area.objects.filter(level__in=("street", "community"), code__in=codes)
    names = {area.code: area.name for area in areas.filter(valid__contains=timezone.now())}
    known = (district.name if district else "", *(names.get(code, "") for code in codes))
    return " · ".join(word for word in known if word)


def _address(case: Case) -> str:
    """Return the address of the case page, where the site knows its own."""
    site = next(iter(settings.CSRF_TRUSTED_ORIGINS), "")
    return f"{site}{reverse('case', args=[case.number])}" if site else ""


def _utc(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
