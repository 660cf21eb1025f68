"""Events for live screens: read in order, with what decides who may know of them."""

from dataclasses import dataclass

from django.db import connection

from cases.policy import Reach

HEADS_GROUP = "heads"  # the channel group the relay tells new heads to


@dataclass(frozen=True)
class FeedEvent:
    """An event as the hub holds it: a name of a change and whom it concerns.

    The fields stand in the order `events_between` selects them.
    """

    scope: str
    dseq: int
    kind: str
    number: str
    districts: list[str]
    units: list[str]
    reporter_id: int | None
    assignees: list[int]
    district_before: str
    unit_before: str


def read_heads() -> dict[str, int]:
    """Return the position of every log."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT scope, dseq FROM cases_districthead ORDER BY scope")
        return dict(cursor.fetchall())


def events_between(scope: str, after: int, upto: int) -> list[FeedEvent]:
    """Return the events of a log in (after, upto], in order, in one statement.

    Visibility is that of the case as it stands now, the same `Case.visible_to` reads. Where an
    event changed district or unit, the ones before it tell whose sight the case left.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT e.scope, e.dseq, e.action, c.number, c.district || c.also_districts,
                   ARRAY[c.unit_id, c.parent_unit]::text[] || c.assist_units::text[],
                   c.reporter_id,
                   ARRAY(SELECT t.assignee_id FROM cases_task t WHERE t.case_id = c.id),
                   {_before("district", "c.district")}, {_before("unit_id", "c.unit_id")}
            FROM cases_event e JOIN cases_case c ON c.id = e.case_id
            WHERE e.scope = %s AND e.dseq > %s AND e.dseq <= %s ORDER BY e.dseq
            """,  # noqa: S608  # no value from outside
            [scope, after, upto],
        )
        return [FeedEvent(*row) for row in cursor.fetchall()]


def _before(column: str, now: str) -> str:
    """Return SQL for a column's value before the event, if that changed it, else its value now."""
    return f"""
        coalesce(CASE WHEN e.data->'set' ? '{column}' THEN (
            SELECT p.data->'set'->>'{column}' FROM cases_event p
            WHERE p.case_id = e.case_id AND p.case_seq < e.case_seq
              AND p.data->'set' ? '{column}' ORDER BY p.case_seq DESC LIMIT 1)
        ELSE {now} END, '')
    """  # noqa: S608  # columns named by this module


def may_know(reach: Reach, event: FeedEvent) -> bool:
    """Whether somebody of this reach may see the event's case as it stands now."""
    return reach.holds(
        districts=event.districts,
        units=event.units,
        reporter_id=event.reporter_id,
        assignees=event.assignees,
    )


def has_left(reach: Reach, event: FeedEvent) -> bool:
    """Whether the event took the case out of the sight of somebody of this reach."""
    return not may_know(reach, event) and reach.holds(
        districts=[event.district_before], units=[event.unit_before]
    )
