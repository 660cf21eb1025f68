"""What a case is the return of, and what returned after its own closing (recurrence.py)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.gis.geos import Point
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from cases.choices import Action, Stage
from cases.models import Case, Event, MinorClass
from cases.plane import degrees
from cases.recurrence import NEAR_M, WITHIN, is_near, is_soon
from cityops.accounts.models import User

_NEVER_WAS = (Stage.VOIDED, Stage.DECLINED, Stage.MERGED)
_FILED = (Action.FILE, Action.RECLASSIFY)
_COLUMNS = ("pk", "number", "point", "filed_at", "closed_at", "stage", "recurs", "is_forced")


@dataclass(frozen=True)
class Sighting:
    """A case that may be seen; `at` is when it was closed, or filed when it came after."""

    pk: int
    number: str
    at: datetime


@dataclass(frozen=True)
class Sightings:
    """Cases on one side of a return, newest first; those not to be seen are counted alone."""

    seen: list[Sighting] = field(default_factory=list)
    unseen: int = 0

    @property
    def count(self) -> int:
        """How many there are, seen or not."""
        return len(self.seen) + self.unseen


@dataclass(frozen=True)
class Recurrence:
    """The closings a case came back from, and what came back after its own closing."""

    closings: Sightings = field(default_factory=Sightings)
    returns: Sightings = field(default_factory=Sightings)
    near_m: int = NEAR_M
    days: int = WITHIN.days

    @property
    def keys(self) -> frozenset[int]:
        """The keys of the cases that may be seen, on either side."""
        return frozenset(row.pk for row in (*self.closings.seen, *self.returns.seen))


def recurrence(case: Case, user: User, events: Sequence[Event], *, at: datetime) -> Recurrence:
    """Return what a case came back from and as, as the assessment counts it. One statement.

    `events` are those of the case. One not yet filed is taken as filed at `at`, under the class it
    was reported with.
    """
    if case.point is None or case.stage in _NEVER_WAS or case.is_self_handled:
        return Recurrence()
    if not _recurs(case, events):
        return Recurrence()
    filed = case.filed_at or at
    is_forced = any(e.action == Action.FORCE_CLOSE and e.at == case.closed_at for e in events)
    closed = None if is_forced else case.closed_at
    windows = Q(closed_at__range=(filed - WITHIN, filed))
    if closed is not None:
        windows |= Q(filed_at__range=(closed, closed + WITHIN)) & ~Q(stage__in=_NEVER_WAS)
    others = Case.objects.filter(windows).exclude(pk=case.pk)
    rows = _near(case.point, case.minor_id, user, others)
    return Recurrence(
        _sightings(rows, "closed_at", lambda row: _is_from(row, filed)),
        _sightings(rows, "filed_at", lambda row: _is_after(row, closed)),
    )


def _recurs(case: Case, events: Sequence[Event]) -> bool:
    said = [
        bool(event.data["facts"]["recurs"])
        for event in events
        if event.action in _FILED and "recurs" in event.data["facts"]
    ]
    return said[-1] if said else case.minor.recurs


def closings_at(point: Point, minor: MinorClass, user: User, *, at: datetime) -> Sightings:
    """Return the closings that a report of a class at `point` (WGS-84) would be a return of."""
    if not minor.recurs:
        return Sightings()
    rows = _near(point, minor.pk, user, Case.objects.filter(closed_at__range=(at - WITHIN, at)))
    return _sightings(rows, "closed_at", lambda row: _is_from(row, at))


def _near(point: Point, minor: str, user: User, cases: "QuerySet[Case]") -> list[dict[str, Any]]:
    """Return what of `cases` lies near, of one class; `is_seen` tells whether `user` may see it."""
    seen = Case.objects.all().visible_to(user).filter(pk=OuterRef("pk"))
    within = cases.filter(
        point__dwithin=(point, degrees(NEAR_M)), minor=minor, is_self_handled=False
    )
    told = _told(within).annotate(is_seen=Exists(seen))
    here = _words(point)
    return [
        row
        for row in told.values(*_COLUMNS, "is_seen")
        if row["recurs"] and is_near(here, _words(row["point"]))
    ]


def _told(cases: "QuerySet[Case]") -> "QuerySet[Any]":
    """Add what the log says: whether the class recurs, as last filed, and a forced closing."""
    events = Event.objects.filter(case=OuterRef("pk"))
    filed = events.filter(action__in=_FILED, data__facts__has_key="recurs").order_by("-case_seq")
    forced = events.filter(action=Action.FORCE_CLOSE, at=OuterRef("closed_at"))
    return cases.annotate(
        recurs=Subquery(filed.values("data__facts__recurs")[:1]), is_forced=Exists(forced)
    )


def _is_from(row: dict[str, Any], filed: datetime) -> bool:
    """Whether a case filed at `filed` is the return of `row`."""
    closed = None if row["is_forced"] else row["closed_at"]
    return closed is not None and is_soon(closed=closed, filed=filed)


def _is_after(row: dict[str, Any], closed: datetime | None) -> bool:
    """Whether `row` is the return of a case closed at `closed`."""
    if closed is None or row["filed_at"] is None or row["stage"] in _NEVER_WAS:
        return False
    return is_soon(closed=closed, filed=row["filed_at"])


def _sightings(
    rows: Iterable[dict[str, Any]], column: str, counts: Callable[[dict[str, Any]], bool]
) -> Sightings:
    found = sorted((row for row in rows if counts(row)), key=lambda row: row[column], reverse=True)
    seen = [Sighting(row["pk"], row["number"], row[column]) for row in found if row["is_seen"]]
    return Sightings(seen, len(found) - len(seen))


def _words(point: Point) -> str:
    return f"{point.x:.7f},{point.y:.7f}"
