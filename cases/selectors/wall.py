"""What a wall shows of its scope: counts, comparison, trend, overdue cases, marks, alarms.

A wall stands in a hall, so nothing here names a person, tells an address or quotes a word of a
case: its class, street, unit, place on the map and times are all there is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.db.models import Case as Choice
from django.db.models import CharField, Count, F, FloatField, Func, Q, QuerySet, Value, When
from django.db.models.functions import TruncDate
from django.utils import timezone

from cases.choices import CITY, EMERGENCY_UNITS, Action, ClockKind, Stage
from cases.models import Area, Case, District, DistrictHead, Event, MinorClass, Supervision, Wall

MOST_MARKS = 5_000
MOST_LATE = 12  # the wall shows as many as fit
MOST_PLACES = 8
MOST_ALARMS = 20
DAYS = 14
MOST_CLASSES = 6
ALARMS_FOR = timedelta(minutes=10)  # a wall that was away longer shows what is overdue, not each
# The clocks whose passing interrupts a wall; the others are reminders.
LOUD = (ClockKind.HANDLE, ClockKind.DISPATCH, ClockKind.ARBITRATE)
LIGHTS = ("normal", "soon", "late", "paused")
_TODAY = {
    Action.REPORT: "reported",
    Action.SELF_HANDLE: "reported",
    Action.FILE: "filed",
    Action.CLOSE: "closed",
    Action.FORCE_CLOSE: "closed",
}


def wall_of(token: str, *, at: datetime) -> Wall | None:
    """Return the wall a token opens at `at`; None for a wrong, expired or revoked one."""
    standing: QuerySet[Wall] = Wall.objects.standing(at=at)
    return standing.filter(digest=Wall.digest_of(token)).first()


class Head(NamedTuple):
    """Where a log ends; no two states of a log have the same hash."""

    scope: str
    dseq: int
    hash: str


def heads_of(scope: str) -> list[Head]:
    """Return where the logs of a scope end: all of them for the city."""
    heads = DistrictHead.objects.order_by("scope")
    found = heads if scope == CITY else heads.filter(scope=scope)
    rows = found.values_list("scope", "dseq", "hash")
    return [Head(name, dseq, bytes(digest).hex()) for name, dseq, digest in rows]


# --- counts -------------------------------------------------------------------------------------


@dataclass
class Place:
    """What stands and was done today in one district, or in one street of a district's wall."""

    code: str
    name: str = ""
    open: int = 0
    soon: int = 0
    late: int = 0
    paused: int = 0
    reported: int = 0
    filed: int = 0
    closed: int = 0

    @property
    def normal(self) -> int:
        """The open ones whose time runs and is not short."""
        return self.open - self.soon - self.late - self.paused


def places_of(scope: str, *, at: datetime) -> list[Place]:
    """Return every place of a scope with its counts, in three statements: districts or streets.

    A case without one, not yet located, is counted under an empty code.
    """
    key = "district" if scope == CITY else "street"
    found = {code: Place(code, name) for code, name in _districts()} if scope == CITY else {}
    is_paused = Q(stage=Stage.SUSPENDED)
    is_late = Q(lamp_due_at__lt=at) & ~is_paused
    is_soon = Q(lamp_soon_at__lte=at, lamp_due_at__gte=at) & ~is_paused
    counted = (
        Case.objects.all()
        .of_scope(scope)
        .open()
        .order_by()
        .values_list(key)
        .annotate(
            n=Count("pk"),
            soon=Count("pk", filter=is_soon),
            late=Count("pk", filter=is_late),
            paused=Count("pk", filter=is_paused),
        )
    )
    for code, *numbers in counted:
        place = found.setdefault(code, Place(code))
        place.open, place.soon, place.late, place.paused = numbers
    midnight = timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)
    today = Event.objects.filter(action__in=_TODAY, at__gte=midnight, case__isnull=False)
    if scope != CITY:
        today = today.filter(case__district=scope)
    done = today.order_by().values_list(f"case__{key}", "action")
    for code, action, count in done.annotate(n=Count("case", distinct=True)):
        place = found.setdefault(code, Place(code))
        name = _TODAY[Action(action)]
        setattr(place, name, getattr(place, name) + count)
    if scope != CITY:
        names = street_names(found, at=at)
        for place in found.values():
            place.name = names.get(place.code, "")
    return list(found.values())


def total_of(places: Iterable[Place]) -> Place:
    """Return the sum of places."""
    total = Place("")
    for place in places:
        for name in ("open", "soon", "late", "paused", "reported", "filed", "closed"):
            setattr(total, name, getattr(total, name) + getattr(place, name))
    return total


def busiest(places: list[Place]) -> tuple[list[Place], Place | None]:
    """Return the places to show, as many as fit, and the sum of the others if there are any."""
    if len(places) <= MOST_PLACES:
        return places, None
    in_order = sorted(places, key=lambda place: (-place.late, -place.open, place.code))
    return in_order[: MOST_PLACES - 1], total_of(in_order[MOST_PLACES - 1 :])


def _districts() -> list[tuple[str, str]]:
    return [(one.pk, one.short_name) for one in District.objects.all()]


def street_names(codes: Iterable[str], *, at: datetime) -> dict[str, str]:
    """Return the names of streets valid at `at` by their code."""
    found = Area.objects.filter(level=Area.Level.STREET, code__in=set(codes), valid__contains=at)
    return {area.code: area.name for area in found.defer("geom", "label")}


# --- trend --------------------------------------------------------------------------------------


@dataclass
class Trend:
    """How many reports of a major class came on each of the last days, the last one today."""

    name: str
    counts: list[int] = field(default_factory=lambda: [0] * DAYS)

    @property
    def total(self) -> int:
        """All of the days together."""
        return sum(self.counts)


def trends_of(scope: str, *, at: datetime) -> tuple[list[date], list[Trend]]:
    """Return the days, and the classes most reported in them, the most first; two statements."""
    today = timezone.localdate(at)
    days = [today - timedelta(days=DAYS - 1 - nth) for nth in range(DAYS)]
    since = timezone.make_aware(datetime.combine(days[0], time()))
    majors = {
        (one.kind, one.major_code): one.major_name
        for one in MinorClass.objects.distinct("kind", "major_code").order_by("kind", "major_code")
    }
    counted = (
        Case.objects.all()
        .of_scope(scope)
        .filter(reported_at__gte=since, reported_at__lte=at)
        .order_by()
        .values_list("minor__kind", "minor__major_code", TruncDate("reported_at"))
        .annotate(n=Count("pk"))
    )
    found: dict[tuple[str, str], Trend] = {}
    for kind, major, day, count in counted:
        trend = found.setdefault((kind, major), Trend(majors.get((kind, major), major)))
        trend.counts[(day - days[0]).days] = count
    in_order = sorted(found.values(), key=lambda trend: (-trend.total, trend.name))
    return days, in_order[:MOST_CLASSES]


# --- cases --------------------------------------------------------------------------------------


def late_cases(scope: str, *, at: datetime) -> list[Case]:
    """Return the cases longest overdue, as many as a wall holds; two statements."""
    late = Case.objects.all().of_scope(scope).overdue(at=at).exclude(stage=Stage.SUSPENDED)
    return list(late.select_related("minor", "unit").order_by("lamp_due_at", "pk")[:MOST_LATE])


def marks_of(scope: str, *, at: datetime) -> dict[str, list[Any]]:
    """Return where the open cases are, in columns; `light` is the place of the word in LIGHTS."""
    light = Choice(
        When(stage=Stage.SUSPENDED, then=Value("paused")),
        When(lamp_due_at__lt=at, then=Value("late")),
        When(lamp_soon_at__lte=at, then=Value("soon")),
        default=Value("normal"),
        output_field=CharField(),
    )
    rows = (
        Case.objects.all()
        .of_scope(scope)
        .open()
        .exclude(point=None)
        .annotate(
            lon=Func(F("point"), function="ST_X", output_field=FloatField()),
            lat=Func(F("point"), function="ST_Y", output_field=FloatField()),
            lamp=light,
        )
        .order_by("lamp_due_at", "number")
        .values_list("lon", "lat", "lamp")[:MOST_MARKS]
    )
    lon, lat, lamp = zip(*rows, strict=True) if rows else ((), (), ())
    return {
        "lon": [round(one, 5) for one in lon],  # about a metre
        "lat": [round(one, 5) for one in lat],
        "light": [LIGHTS.index(one) for one in lamp],
    }


@dataclass(frozen=True)
class WallAlarm:
    """An event that interrupts a wall: `why` is overdue, leader or emergency."""

    key: str  # scope and position in its log
    why: str
    case: Case
    at: datetime


def alarms_of(scope: str, *, at: datetime) -> list[WallAlarm]:
    """Return the newest events of the last minutes that interrupt a wall, the oldest first.

    Newly overdue, a leader's order, a case of an emergency filed: of open cases, from the log.
    """
    wanted = (
        Q(action=Action.OVERDUE, data__facts__clock__in=LOUD)
        | Q(action=Action.SUPERVISE, data__facts__kind=Supervision.Kind.LEADER)
        | Q(action=Action.FILE, case__limit_unit__in=EMERGENCY_UNITS)
    )
    still = Case.objects.all().of_scope(scope).open()
    events = (
        Event.objects.filter(
            wanted,
            action__in=(Action.OVERDUE, Action.SUPERVISE, Action.FILE),
            at__gt=at - ALARMS_FOR,
            case__in=still,
        )
        .select_related("case__minor", "case__unit")
        .order_by("-at", "scope", "-dseq")[:MOST_ALARMS]
    )
    why = {Action.OVERDUE: "overdue", Action.SUPERVISE: "leader", Action.FILE: "emergency"}
    return [
        WallAlarm(f"{event.scope}:{event.dseq}", why[Action(event.action)], event.case, event.at)
        for event in reversed(events)
        if event.case is not None
    ]
