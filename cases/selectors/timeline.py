"""A case as the API and the case page tell it."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from cases.choices import UNIT_STAGES
from cases.models import Case, Event
from cases.selectors.telephones import said_to
from cityops.accounts.models import User


def event_row(event: Event, said: Callable[[str], str]) -> dict[str, Any]:
    """Return an event as the API shows it; `said` is `said_to` its reader."""
    row: dict[str, Any] = {
        "scope": event.scope,
        "dseq": event.dseq,
        "action": event.action,
        "from": event.from_stage or None,
        "to": event.to_stage,
        "at": event.at.isoformat(),
        "role": event.actor_role,
        "unit": event.unit or None,
    }
    if event.clock_kind:
        row["clock"] = {
            "kind": event.clock_kind,
            "due_at": event.clock_due_at and event.clock_due_at.isoformat(),
            "on_time": event.on_time,
            "used_s": event.used_s,
        }
    if event.sets_clock:
        row["due_at"] = event.due_at and event.due_at.isoformat()
    opinion = json.loads(event.private).get("opinion") if event.private else None
    if opinion:
        row["opinion"] = said(opinion)
    if event.data.get("facts"):
        row["facts"] = event.data["facts"]
    return row


def shown_due(case: Case) -> datetime | None:
    """Return the due time people are shown: handling while a unit holds it, else the stage's."""
    return case.due_at if case.stage in UNIT_STAGES else case.lamp_due_at or case.due_at


def case_answer(case: Case, events: list[Event], *, reader: User, at: datetime) -> dict[str, Any]:
    """Return a case with the given events as JSON-ready values (docs/product: API core)."""
    due_at, said = shown_due(case), said_to(reader, case)
    return {
        "number": case.number,
        "stage": case.stage,
        "version": case.version,
        "district": case.district or None,
        "county": case.county or None,
        "street": case.street or None,
        "community": case.community or None,
        "grid_cell": case.grid_cell or None,
        "border_m": case.border_m,
        "location": {"lon": case.point.x, "lat": case.point.y, "crs": "wgs84"}
        if case.point
        else None,
        "category": case.minor_id,
        "condition": case.condition_id,
        "component": case.component_id,
        "source": case.source,
        "unit": case.unit_id,
        "body": case.body or None,
        "rule": case.rule or None,
        "is_fallback": case.is_fallback,
        "is_unrouted": case.is_unrouted,
        "due_at": due_at and due_at.isoformat(),
        "light": case.light(at=at),
        "photos_due": case.photos_due,
        "waiting_for": case.waiting_for,
        "supervised": case.supervised,
        "suspended_until": case.suspended_until and case.suspended_until.isoformat(),
        "merged_into": case.merged_into_id,
        "appeal": case.appeal or None,
        "order_number": case.order_number or None,
        "reported_at": case.reported_at.isoformat(),
        "closed_at": case.closed_at and case.closed_at.isoformat(),
        "description": said(case.description),
        "address": case.address,
        "events": [event_row(event, said) for event in events],
    }


def events_of(case: Case) -> list[Event]:
    """Return the whole history of a case, oldest first."""
    return list(case.event_set.select_related("actor").order_by("case_seq"))
