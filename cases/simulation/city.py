"""Who acts and what happens where: the believable volumes of domain.md §7."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from django.db import connection
from django.utils import timezone

from cases.choices import LimitUnit, OrderKind, Role, Source
from cases.models import Component, Condition, Unit, UnitKind
from cases.selectors.place import locate
from cases.services.intake import Report
from cases.simulation.pictures import Album
from cityops.accounts.models import User
from cityops.accounts.roles import ScopeKind


class CannotSimulateError(Exception):
    """The log, the users or the city do not allow it; the message says why."""


@dataclass(frozen=True)
class Profile:
    """How a district works: shares and odds, 0 to 1. Invented, not field data."""

    share: float  # of all reports
    on_time: float  # quick cases finished in time
    works_on_time: float  # cases of a work day and longer finished in time
    passes: float  # checks passed
    returns: float  # cases a unit returns
    slow_sign: float  # cases signed for after the hour
    left: float  # late cases nobody finishes for weeks


PROFILES = {
    "hecheng": Profile(0.60, 0.93, 0.88, 0.95, 0.03, 0.06, 0.25),
    "zhongfang": Profile(0.20, 0.89, 0.74, 0.93, 0.05, 0.16, 0.35),  # works cases late
    "hightech": Profile(0.11, 0.96, 0.93, 0.97, 0.02, 0.02, 0.10),  # strong
    "landport": Profile(0.09, 0.91, 0.88, 0.85, 0.04, 0.06, 0.20),  # closings that fail the check
}
# About 95 % come from inspectors (domain.md §7); the rest is shared out by us.
SOURCES = {
    Source.INSPECTOR: 95.0,
    Source.HOTLINE: 3.0,
    Source.CITIZEN: 0.8,
    Source.MEDIA: 0.4,
    Source.SYSTEM: 0.4,
    Source.LEADER: 0.4,
}
COMPLAINTS = 0.8  # of 12345 orders, the rest are consultations; ours

# Reports of each hour of a day, midnight first: two peaks in working hours, a third in the evening.
HOURS = (1, 1, 1, 1, 1, 2, 6, 20, 48, 60, 54, 34, 14, 18, 46, 56, 48, 34, 22, 26, 22, 12, 5, 2)
WEEKEND = 0.6  # of a working day's reports

# Minor classes by how often they are reported; every class not named weighs REST together.
CLASSES = {
    "event-0410": 190,  # non-motor parking
    "event-0110": 140,  # exposed refuse
    "event-0405": 130,  # shop-front trading
    "event-0201": 110,  # small advertisements
    "component-0103": 28,  # manhole covers
    "component-0102": 22,
    "component-0101": 14,
    "component-0284": 45,  # damaged paving
    "event-0113": 25,
    "component-0137": 55,  # street lamps
}
REST = 240
# Small things an inspector puts right on the spot, and how often; ours.
SMALL = ("event-0110", "event-0201", "event-0410")
SELF_HANDLED = 0.06
# A problem reported again: who does, and some steps away at most; ours.
AGAIN = {Source.HOTLINE: 40, Source.CITIZEN: 20, Source.INSPECTOR: 40}
AGAIN_M = 15  # north and east
METRES_A_DEGREE = 111_000
# Whose cases get mixed up: each functional zone lies inside a county (domain.md §1).
NEIGHBOURS = {
    "hecheng": "landport",
    "landport": "hecheng",
    "zhongfang": "hightech",
    "hightech": "zhongfang",
}
AT_BORDER = 0.008  # of reports come from a few steps beside a zone's border; ours
BORDER_M, BORDER_DOTS = 20, 30
EMERGENCIES = (LimitUnit.EMERGENCY_HOUR, LimitUnit.EMERGENCY_DAY)
# Kinds of units a returned case may go to: most work of a city can be theirs.
ABLE = (UnitKind.URBAN_MANAGEMENT, UnitKind.SANITATION, UnitKind.MUNICIPAL)
_NEEDED = (
    Role.INSPECTOR,
    Role.OPERATOR,
    Role.ACCEPTOR,
    Role.DUTY_CHIEF,
    Role.DISPATCHER,
    Role.UNIT,
)


@dataclass(frozen=True)
class Spot:
    """A place something may lie at, WGS-84 degrees; `community` is its 12-digit code."""

    lon: float
    lat: float
    community: str
    address: str
    component: str = ""  # code of what is registered there


@dataclass(frozen=True)
class Draft:
    """A report to be made, by whom, and what is the matter."""

    report: Report
    reporter: User
    condition: Condition
    district: str  # where it is expected to lie; the place decides


class People:
    """Who plays which part, read from the demo accounts' grants once a run."""

    def __init__(self) -> None:
        users = User.objects.with_grants().filter(is_demo=True, is_active=True).order_by("username")
        self._by_role: dict[Role, list[User]] = {role: [] for role in Role}
        self._by_district: dict[tuple[Role, str], User] = {}
        self._grids: list[tuple[str, User]] = []
        self._near: dict[str, list[User]] = {}
        self._in_unit: dict[str, list[User]] = defaultdict(list)
        self._heads: dict[str, User] = {}
        self._parents = dict(Unit.objects.values_list("pk", "parent"))
        self.of_unit: dict[str, User] = {}
        self.by_id = {user.pk: user for user in users}
        for user in self.by_id.values():
            self._place(user)
        if any(not self._by_role[role] for role in _NEEDED):
            raise CannotSimulateError("There are no demo accounts; run demo_users --create.")

    def _place(self, user: User) -> None:
        for grant in user.grants:
            role = Role(grant.role)
            if role == Role.UNIT_HEAD:
                self._heads.setdefault(grant.scope_key, user)
            elif role == Role.UNIT:
                self.of_unit[grant.scope_key] = user  # of several the last by name, `unit-…`
                self._in_unit[grant.scope_key].append(user)
            elif grant.scope_kind == ScopeKind.DISTRICT:
                self._by_district.setdefault((role, grant.scope_key), user)
                continue  # those who serve the whole city are asked by role alone
            self._by_role[role].append(user)
            self._grids += [(code, user) for code in grant.grids if role == Role.INSPECTOR]

    def one(self, role: Role, district: str = "") -> User:
        """Return who holds `role` in `district`, else the first who holds it city-wide."""
        return self._by_district.get((role, district)) or self._by_role[role][0]

    def find(self, role: Role, district: str = "") -> User | None:
        """Return the same where there may be nobody."""
        found = self._by_district.get((role, district))
        return found or next(iter(self._by_role[role]), None)

    def second(self, role: Role) -> User | None:
        """Return another who holds `role` city-wide, for what takes two."""
        return self._by_role[role][1] if len(self._by_role[role]) > 1 else None

    def head_of(self, unit: str) -> User | None:
        """Return the head of a unit, or of the one it belongs to."""
        return self._heads.get(unit) or self._heads.get(self._parents.get(unit) or "")

    def handler_of(self, unit: str) -> User | None:
        """Return one of the unit's people to whom its head gives a case."""
        return next(iter(self._in_unit.get(unit, ())), None)

    def inspectors_near(self, community: str) -> list[User]:
        """Return the inspectors whose grids hold the community, else all of them."""
        if community not in self._near:
            near = [user for code, user in self._grids if community.startswith(code)]
            self._near[community] = near or self._by_role[Role.INSPECTOR]
        return self._near[community]


class City:
    """What the simulation draws from, read once.

    All chance comes from the seed and from what it is about, so that a seed tells one story and
    what happens to one case changes no other.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.people = People()
        self.album = Album()
        self.conditions, self._weights = _weighted_conditions()
        self.spots, self.borders = _spots(), _borders()
        self._orders = itertools.count(1)
        self._registered = _registered()
        self._districts = [slug for slug in PROFILES if self.spots.get(slug)]
        if not self._districts or not self.conditions:
            raise CannotSimulateError("No city is loaded; run load_city first.")
        able = Unit.objects.filter(is_active=True, parent=None, kind__in=ABLE).order_by("pk")
        self._able = [(unit.pk, unit.district_id) for unit in able]
        city_wide = Unit.objects.filter(is_active=True, parent=None, district=None).order_by("pk")
        self.utilities = [unit.pk for unit in city_wide if unit.pk in self.people.of_unit]
        self._parts: dict[str, list[str]] = defaultdict(list)
        for part in Unit.objects.filter(is_active=True).exclude(parent=None).order_by("pk"):
            self._parts[part.parent_id or ""].append(part.pk)
        self._kin: dict[str, list[Condition]] = defaultdict(list)
        for condition in self.conditions:
            self._kin[condition.minor_id].append(condition)

    def luck(self, *of: object) -> Random:
        """Return the chance of one matter: the same for a seed, whatever else happens."""
        words = " ".join(map(str, (self._seed, *of)))
        return Random(words)  # noqa: S311  # believable, not secret

    def draft(self, at: datetime, luck: Random) -> Draft:
        """Return a report somebody makes at `at`."""
        shares = [PROFILES[slug].share for slug in self._districts]
        (district,) = luck.choices(self._districts, shares)
        (condition,) = luck.choices(self.conditions, self._weights)
        (source,) = luck.choices(list(SOURCES), list(SOURCES.values()))
        registered = self._registered.get((district, condition.minor_id))
        if self.borders.get(district) and not registered and luck.random() < AT_BORDER:
            spot = luck.choice(self.borders[district])
        else:
            spot = luck.choice(registered or self.spots[district])
        is_seen = source == Source.INSPECTOR
        report = replace(
            _report_of(condition, spot),
            source=source,
            accuracy_m=luck.randrange(4, 30) if is_seen else None,
            is_self_handled=is_seen
            and condition.minor_id in SMALL
            and luck.random() < SELF_HANDLED,
        )
        return Draft(*self._by_somebody(report, spot.community, at, luck), condition, district)

    def small(self, district: str, at: datetime, luck: Random) -> Draft:
        """Return something small that an inspector of the district sees somewhere."""
        small = [condition for minor in SMALL for condition in self._kin[minor]]
        condition = luck.choice(small or self.conditions)
        spot = luck.choice(self.spots[district])
        report = replace(_report_of(condition, spot), accuracy_m=luck.randrange(4, 30))
        report, reporter = self._by_somebody(report, spot.community, at, luck)
        return Draft(report, reporter, condition, district)

    def again(self, draft: Draft, community: str, at: datetime, luck: Random) -> Draft:
        """Return a report of the same problem, some steps away unless its place is registered."""
        (source,) = luck.choices(list(AGAIN), list(AGAIN.values()))
        away_m = 0 if draft.report.component else AGAIN_M
        near = [luck.uniform(-away_m, away_m) / METRES_A_DEGREE for _ in range(2)]
        report = replace(
            draft.report,
            lon=round(draft.report.lon + near[0], 7),
            lat=round(draft.report.lat + near[1], 7),
            source=source,
            accuracy_m=luck.randrange(4, 30) if source == Source.INSPECTOR else None,
            is_self_handled=False,
            order_number="",
            order_kind="",
        )
        report, reporter = self._by_somebody(report, community, at, luck)
        return replace(draft, report=report, reporter=reporter)

    def _by_somebody(
        self, report: Report, community: str, at: datetime, luck: Random
    ) -> tuple[Report, User]:
        """Say who brings a report in; a 12345 order has its number, and nobody's name."""
        if report.source == Source.INSPECTOR:
            near = self.people.inspectors_near(community)
            return report, luck.choice(near)
        number = kind = ""
        if report.source == Source.HOTLINE:
            is_complaint = luck.random() < COMPLAINTS
            kind = OrderKind.COMPLAINT if is_complaint else OrderKind.CONSULTATION
            number = f"{timezone.localtime(at):%Y%m%d%H%M%S}{next(self._orders):05}"
        report = replace(report, order_number=number, order_kind=kind)
        return report, self.people.one(Role.OPERATOR)

    def other_condition(self, condition: Condition, luck: Random) -> Condition | None:
        """Draw another filing condition of the same class; None if it has one only."""
        others = [one for one in self._kin[condition.minor_id] if one.pk != condition.pk]
        return luck.choice(others) if others else None

    def part_of(self, unit: str, luck: Random) -> str | None:
        """Draw a sub-unit that somebody of the demo works in; None if there is none."""
        parts = [part for part in self._parts[unit] if part in self.people.of_unit]
        return luck.choice(parts) if parts else None

    def other_unit(self, district: str, code: str, luck: Random) -> str | None:
        """Draw a unit of the district that can take a case `code` gave back; None if none can."""
        others = [
            unit
            for unit, its_district in self._able
            if its_district == district and unit != code and unit in self.people.of_unit
        ]
        return luck.choice(others) if others else None

    def reports_a_day(self, mornings: list[datetime], total: int) -> Iterator[int]:
        """Yield how many of `total` reports fall on each day: fewer at weekends."""
        weights = [WEEKEND if timezone.localtime(m).weekday() > 4 else 1.0 for m in mornings]
        passed = 0.0
        for weight in weights:
            before, passed = passed, passed + weight
            yield round(total * passed / sum(weights)) - round(total * before / sum(weights))

    def moment_after(self, morning: datetime, luck: Random) -> datetime:
        """Return a moment in the 24 hours from `morning` on, by the shape of a day."""
        first = timezone.localtime(morning).hour
        (hour,) = luck.choices(range(24), [HOURS[(first + h) % 24] for h in range(24)])
        return morning + timedelta(hours=hour, seconds=luck.randrange(3600))


def _report_of(condition: Condition, spot: Spot) -> Report:
    """Return the report of what lies at a spot, as seen by an inspector."""
    return Report(
        lon=spot.lon,
        lat=spot.lat,
        category=condition.minor_id,
        condition=condition.pk,
        component=spot.component,
        description=condition.text_zh,
        address=f"{spot.address}附近",
        source=Source.INSPECTOR,
    )


def _spots() -> dict[str, list[Spot]]:
    """Return a place in every grid cell, by assessment district; the same each time."""
    spots: dict[str, list[Spot]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT cell.district_id, ST_X(dot), ST_Y(dot), community.code,
                   street.name_zh || community.name_zh
            FROM cases_area cell
            CROSS JOIN LATERAL (
              SELECT ST_GeometryN(ST_GeneratePoints(cell.geom, 1, 1), 1) AS dot) drawn
            JOIN cases_area community ON community.level = 'community'
              AND community.code = cell.parent_code AND upper_inf(community.valid)
            JOIN cases_area street ON street.level = 'street'
              AND street.code = community.parent_code AND upper_inf(street.valid)
            WHERE cell.level = 'cell' AND upper_inf(cell.valid) ORDER BY cell.code
            """
        )
        for district, lon, lat, community, address in cursor.fetchall():
            spots[district].append(Spot(round(lon, 7), round(lat, 7), community, address))
    return spots


def _borders() -> dict[str, list[Spot]]:
    """Return places some steps from the border of a functional zone, on either side of it."""
    spots: dict[str, list[Spot]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT ST_X(dot), ST_Y(dot), community.code, street.name_zh
            FROM cases_area zone
            CROSS JOIN (VALUES (-1), (1)) AS side(way)
            CROSS JOIN generate_series(1, %(dots)s) AS nth
            CROSS JOIN LATERAL ST_ExteriorRing(ST_GeometryN(
              ST_Buffer(ST_Transform(zone.geom, 4546), side.way * %(away)s), 1)) AS ring
            CROSS JOIN LATERAL ST_Transform(
              ST_LineInterpolatePoint(ring, (nth - 0.5) / %(dots)s), 4326) AS dot
            JOIN cases_area community ON community.level = 'community'
              AND ST_Covers(community.geom, dot) AND upper_inf(community.valid)
            JOIN cases_area street ON street.level = 'street'
              AND street.code = community.parent_code AND upper_inf(street.valid)
            WHERE zone.level = 'district' AND zone.precedence > 0 AND upper_inf(zone.valid)
            ORDER BY zone.code, side.way, nth
            """,
            {"dots": BORDER_DOTS, "away": BORDER_M},
        )
        rows = cursor.fetchall()
    for lon, lat, community, address in rows:
        place = locate(round(lon, 7), round(lat, 7))
        if place.border_m < 2 * BORDER_M:
            spot = Spot(round(lon, 7), round(lat, 7), community, address)
            spots[place.district].append(spot)
    return spots


def _registered() -> dict[tuple[str, str], list[Spot]]:
    """Return the places of registered components, by district and minor class."""
    spots: dict[tuple[str, str], list[Spot]] = defaultdict(list)
    for one in Component.objects.order_by("pk"):
        spot = Spot(one.point.x, one.point.y, one.community, one.name, one.pk)
        spots[one.district, one.minor_id].append(spot)
    return spots


def _weighted_conditions() -> tuple[list[Condition], list[float]]:
    """Return the active conditions and how often each is drawn; a class shares its weight."""
    active = Condition.objects.filter(is_active=True, minor__is_active=True)
    by_class: dict[str, list[Condition]] = defaultdict(list)
    for condition in active.select_related("minor").order_by("pk"):
        by_class[condition.minor_id].append(condition)
    rest = REST / max(1, len(by_class.keys() - CLASSES.keys()))
    drawn = [
        (condition, CLASSES.get(code, rest) / len(members))
        for code, members in by_class.items()
        for condition in members
    ]
    return [condition for condition, _ in drawn], [weight for _, weight in drawn]
