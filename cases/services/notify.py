"""Telling people what concerns them: one effect an event writes their notices."""

from django.db import transaction

from cases.models import Effect, Event, Notice
from cases.notices import audiences_of, telling_of
from cases.selectors.recipients import recipients_of


def tell(effect: Effect) -> str:
    """Write the notices of the event that asked for `effect`; returns how many people are told.

    Safe to repeat: an event is told a person once.
    """
    events = Event.objects.select_related("case").filter(case=effect.case_id)
    event = events.get(case_seq=effect.case_seq or 0)
    telling = telling_of(event.action, event.to_stage, event.data["facts"])
    if telling is None:  # the table has changed since
        return "tells nobody"
    people = recipients_of(event, audiences_of(telling, event.to_stage))
    with transaction.atomic():
        rows = [Notice(user_id=pk, case=event.case, event=event) for pk in people]
        Notice.objects.bulk_create(rows, ignore_conflicts=True)
    return f"{len(people)} told"
