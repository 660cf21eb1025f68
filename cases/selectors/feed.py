"""Events for live screens: read in order, with what decides who may know of them."""

from dataclasses import dataclass

from django.db import connection

from cases.choices import Role
from cityops.accounts.models import User
from cityops.accounts.roles import ScopeKind

HEADS_GROUP = "heads"  # the channel group the relay tells new heads to


@dataclass(frozen=True)
class FeedEvent:
    """An event as the hub holds it: a name of a change and whom it concerns."""

    scope: str
    dseq: int
    kind: str
    number: str
    district: str
    unit: str
    reporter_id: int | None
    assignees: list[int]


def read_heads() -> dict[str, int]:
    """Return the position of every log."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT scope, dseq FROM cases_districthead ORDER BY scope")
        return dict(cursor.fetchall())


def events_between(scope: str, after: int, upto: int) -> list[FeedEvent]:
    """Return the events of a log in (after, upto], in order, in one statement.

    Visibility is that of the case as it stands now, the same `Case.visible_to` reads.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT e.scope, e.dseq, e.action, c.number, c.district, coalesce(c.unit_id, ''),
                   c.reporter_id,
                   ARRAY(SELECT t.assignee_id FROM cases_task t WHERE t.case_id = c.id)
            FROM cases_event e JOIN cases_case c ON c.id = e.case_id
            WHERE e.scope = %s AND e.dseq > %s AND e.dseq <= %s ORDER BY e.dseq
            """,
            [scope, after, upto],
        )
        rows = cursor.fetchall()
    names = ("scope", "dseq", "kind", "number", "district", "unit", "reporter_id", "assignees")
    return [FeedEvent(**dict(zip(names, row, strict=True))) for row in rows]


def may_know(user: User, event: FeedEvent) -> bool:
    """Whether `user` may see the event's case: `CaseQuerySet.visible_to`, for one row in memory."""
    return user.is_active and any(
        _grant_shows(grant.role, grant.scope_kind, grant.scope_key, user.pk, event)
        for grant in user.grants
    )


def _grant_shows(role: str, kind: str, key: str, user_id: int, event: FeedEvent) -> bool:
    if role == Role.INSPECTOR:
        return user_id == event.reporter_id or user_id in event.assignees
    if role in (Role.UNIT, Role.UNIT_HEAD):
        return kind == ScopeKind.UNIT and key == event.unit
    if kind == ScopeKind.CITY:
        return True
    return kind == ScopeKind.DISTRICT and key == event.district
