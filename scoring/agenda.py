"""What a scheduling meeting should talk about, as the ledger has it: proposed, never decided."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from django.db import connection
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from cases.choices import Action, LimitUnit, Stage
from cases.clock import Limit
from cases.errors import CalendarMissing
from cases.models import Case, CityOptions, Event, Refusal
from cases.plane import metres_sql
from cases.recurrence import NEAR_M, WITHIN
from cases.selectors.calendars import current_version, load_calendar
from cases.selectors.deadline import seconds_left
from cityops.accounts.models import User
from scoring.meeting_models import AgendaLine
from scoring.models import Objection

MOST = 10  # lines of each way of being proposed
LATELY = timedelta(days=31)  # how far back what happened is looked for
RETURNED_OFTEN = 2  # from the second return on it is more than a slip

Kind = AgendaLine.Kind


@dataclass
class Proposal:
    """A line to be: what it is about, and every reason it was found for, the first one its kind.

    `reasons` are facts, JSON-ready; meeting_words.py says them in the reader's language.
    """

    kind: Kind
    subject: str
    numbers: list[str] = field(default_factory=list)
    reasons: list[dict[str, Any]] = field(default_factory=list)


def proposals(user: User, *, at: datetime) -> list[Proposal]:
    """Return what to talk about: worst overdue, repeated, disputed, borders; once each.

    A case found in several ways is one line with all its reasons. Of cases `user` sees.
    """
    found: dict[str, Proposal] = {}
    for one in (
        *_overdue(user, at),
        *_repeated(user, at),
        *_disputed(user, at),
        *_border(user, at),
    ):
        first = found.setdefault(one.subject, one)
        if first is not one:
            first.reasons += one.reasons
    return list(found.values())


def _of_case(kind: Kind, number: str, **reason: Any) -> Proposal:
    return Proposal(kind, f"case:{number}", [number], [reason])


# --- worst overdue ------------------------------------------------------------------------------


def _overdue(user: User, at: datetime) -> list[Proposal]:
    """Return the open cases latest for their limit: the overdue multiple of domain.md §4."""
    late = [(_multiple(case, at), case) for case in _latest_of_each_limit(user, at)]
    late.sort(key=lambda one: (-one[0], one[1].number))
    return [
        _of_case(
            Kind.OVERDUE,
            case.number,
            why="overdue",
            multiple=f"{float(multiple):.2f}",
            due_at=case.due_at.isoformat() if case.due_at else "",
        )
        for multiple, case in late[:MOST]
    ]


def _latest_of_each_limit(user: User, at: datetime) -> QuerySet[Case]:
    """Return the cases among which the latest are.

    Of cases with one limit, timed by one calendar, the one due first is the latest.
    """
    late = Case.objects.all().visible_to(user).with_unit()
    late = late.filter(due_at__lt=at, limit_value__isnull=False)
    alike = [F("limit_unit"), F("limit_value"), F("calendar_version")]
    place = Window(RowNumber(), partition_by=alike, order_by=[F("due_at"), F("number")])
    return late.annotate(place=place).filter(place__lte=MOST)


def _multiple(case: Case, at: datetime) -> Fraction:
    """Return how often the limit has passed again since the deadline.

    By the plain clock where no calendar covers the days between.
    """
    assert case.due_at is not None
    assert case.limit_value is not None
    assert case.limit_unit is not None
    limit = Limit(case.limit_value, LimitUnit(case.limit_unit))
    calendar = load_calendar(case.calendar_version or current_version())
    try:
        over = -seconds_left(case, case.due_at, at=at)
    except CalendarMissing:
        over = int((at - case.due_at).total_seconds())
    return Fraction(over, limit.seconds(calendar) or 1)


# --- repeated -----------------------------------------------------------------------------------

# Pairs of a closing and the filing that followed it, as the count `recurrent` of the score pairs
# them (statements.py), with tiles no narrower than 50 m.
_AGAIN = """
WITH shut AS MATERIALIZED (
  SELECT c.id, c.number, c.minor_id, c.closed_at, c.grid_cell, c.community, c.street,
    ST_X(c.point) AS lon, ST_Y(c.point) AS lat
  FROM cases_case c JOIN cases_minorclass m ON m.code = c.minor_id
  WHERE m.recurs AND c.stage = 'closed' AND NOT c.is_self_handled AND c.point IS NOT NULL
    AND c.closed_at >= %(since)s - %(within)s AND c.closed_at < %(at)s),
filed AS MATERIALIZED (
  SELECT c.id, c.number, c.minor_id, c.filed_at, ST_X(c.point) AS lon, ST_Y(c.point) AS lat
  FROM cases_case c JOIN cases_minorclass m ON m.code = c.minor_id
  WHERE m.recurs AND c.stage NOT IN ('declined', 'voided', 'merged') AND NOT c.is_self_handled
    AND c.point IS NOT NULL AND c.filed_at >= %(since)s AND c.filed_at < %(at)s),
tile AS (
  SELECT shut.*, floor(lon * 380)::int + right_by AS x, floor(lat * 2200)::int + up_by AS y
  FROM shut CROSS JOIN generate_series(-1, 1) right_by CROSS JOIN generate_series(-1, 1) up_by)
SELECT coalesce(nullif(w.grid_cell, ''), nullif(w.community, ''), w.street), w.minor_id,
  w.number, f.number
FROM tile w JOIN filed f ON f.minor_id = w.minor_id AND w.x = floor(f.lon * 380)::int
  AND w.y = floor(f.lat * 2200)::int
WHERE f.id <> w.id AND f.filed_at >= w.closed_at AND f.filed_at <= w.closed_at + %(within)s
  AND @near@ <= %(metres)s
  AND NOT EXISTS (SELECT FROM cases_event e
    WHERE e.case_id = w.id AND e.action = 'force_close' AND e.at = w.closed_at)
ORDER BY w.number, f.number
""".replace("@near@", metres_sql("w", "f"))


def _repeated(user: User, at: datetime) -> list[Proposal]:
    """Return the places where most cases of a class came back after a closing."""
    with connection.cursor() as cursor:
        asked: dict[str, Any] = {"since": at - LATELY, "at": at}
        cursor.execute(_AGAIN, asked | {"within": WITHIN, "metres": NEAR_M})
        pairs = cursor.fetchall()
    numbers = {number for pair in pairs for number in pair[2:]}
    seen = set(
        Case.objects.filter(number__in=numbers).visible_to(user).values_list("number", flat=True)
    )
    closings: dict[tuple[str, str], set[str]] = defaultdict(set)
    cases: dict[tuple[str, str], set[str]] = defaultdict(set)
    for area, minor, closed, filed in pairs:
        if closed in seen and filed in seen:
            closings[area, minor].add(closed)
            cases[area, minor] |= {closed, filed}
    most = sorted(closings, key=lambda place: (-len(closings[place]), place))[:MOST]
    return [
        Proposal(
            Kind.REPEATED,
            f"place:{area}/{minor}",
            sorted(cases[area, minor]),
            [{"why": "repeated", "times": len(closings[area, minor]), "area": area,
              "minor": minor}],
        )
        for area, minor in most
    ]  # fmt: skip


# --- disputed -----------------------------------------------------------------------------------


def _disputed(user: User, at: datetime) -> Iterator[Proposal]:
    """Yield disputes to be ruled on, cases returned again and again, shirking, open objections."""
    cases = Case.objects.all().visible_to(user)
    waiting = cases.filter(stage=Stage.DISPUTED).order_by("lamp_due_at", "number")
    for case in waiting[:MOST]:
        yield _of_case(Kind.DISPUTED, case.number, why="disputed", times=case.return_count)
    often = cases.open().filter(return_count__gte=RETURNED_OFTEN).exclude(stage=Stage.DISPUTED)
    for case in often.order_by("-return_count", "number")[:MOST]:
        yield _of_case(Kind.DISPUTED, case.number, why="returned", times=case.return_count)
    shirked = Refusal.objects.filter(
        ruling=Refusal.Ruling.UNJUSTIFIED, ruled_at__gte=at - LATELY, case__in=cases
    )
    for one in shirked.select_related("case", "unit").order_by("-ruled_at", "pk")[:MOST]:
        yield _of_case(Kind.DISPUTED, one.case.number, why="shirked", body=one.unit.body)
    objections = Objection.objects.filter(state=Objection.State.OPEN).order_by("pk")
    for said in objections[:MOST]:
        facts = {"pk": said.pk, "period": said.period_id, "by": said.district, "body": said.body}
        yield Proposal(Kind.DISPUTED, f"objection:{said.pk}", [], [{"why": "objection", **facts}])


# --- borders ------------------------------------------------------------------------------------


def _border(user: User, at: datetime) -> Iterator[Proposal]:
    """Yield open cases that went to another district, and ones in trouble beside a border."""
    cases = Case.objects.all().visible_to(user).open()
    by = (Action.TRANSFER.value, Action.ARBITRATE.value)
    moves = Event.objects.filter(
        action=Action.MOVED_IN, at__gte=at - LATELY, data__facts__by__in=by, case__in=cases
    )
    for move in moves.select_related("case").order_by("-at", "-pk")[:MOST]:
        assert move.case is not None
        facts = move.data["facts"]
        ends = {"from": facts["from_district"], "to": facts["to_district"]}
        yield _of_case(Kind.BORDER, move.case.number, why="moved", **ends)
    within = CityOptions.objects.get().border_warning_m
    trouble = Q(lamp_due_at__lt=at) | Q(was_late=True) | Q(return_count__gt=0)
    near = cases.filter(trouble, border_m__lte=within).order_by("lamp_due_at", "number")
    for case in near[:MOST]:
        yield _of_case(Kind.BORDER, case.number, why="border", metres=case.border_m)
