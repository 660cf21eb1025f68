"""Where a point lies: cell, community, street, county, district."""

from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from django.contrib.gis.db.models.functions import Distance
from django.contrib.gis.geos import Point
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from cases.errors import InvalidInput, OutsideCity
from cases.models.area import Border, District, in_language

METRIC = 4546  # EPSG of the city's projection, metres


@dataclass(frozen=True)
class Place:
    """What the areas valid at one moment say about a point.

    `street` and `community` always resolve inside the city; `cell` only in built-up areas.
    `border_m`: whole metres to the nearest border of the district, rounded down.
    """

    district: str  # assessment district; a functional zone wins over the county around it
    county: str  # 6 digits
    street: str  # 9 digits
    street_zh: str
    street_en: str
    community: str  # 12 digits
    community_zh: str
    community_en: str
    cell: str | None  # 15 digits
    border_m: int
    built_up: bool

    @property
    def street_name(self) -> str:
        """Name of the street or township in the reader's language."""
        return in_language(self.street_zh, self.street_en or self.street_zh)

    @property
    def community_name(self) -> str:
        """Name of the community in the reader's language; most have only a Chinese one."""
        return in_language(self.community_zh, self.community_en or self.community_zh)

    @property
    def name(self) -> str:
        """Street, community and, where there is one, number of the cell."""
        words = [self.street_name, self.community_name]
        return " ".join([*words, self.cell[-3:]] if self.cell else words)


_POINT = "ST_SetSRID(ST_MakePoint(%(lon)s, %(lat)s), 4326)"
_AT = "coalesce(%(at)s::timestamptz, now())"

# Each step takes one row by a fixed order, so that a point on a border has one answer: zone before
# county, then the lower code. Communities drawn by hand leave hair-thin gaps: the nearest one takes
# the point. `IS TRUE` keeps the planner from entering by `valid`, which nearly every row satisfies.
_LOCATE = f"""
WITH hit AS MATERIALIZED (
    SELECT level, code, parent_code, county, district_id, precedence
    FROM cases_area
    WHERE ST_Covers(geom, {_POINT}) AND (valid @> {_AT}) IS TRUE
), district AS MATERIALIZED (
    SELECT district_id, county FROM hit WHERE level = 'district'
    ORDER BY precedence DESC, code LIMIT 1
), cell AS MATERIALIZED (
    SELECT hit.code, hit.parent_code FROM hit JOIN district USING (county)
    WHERE level = 'cell'
    ORDER BY hit.district_id = district.district_id DESC, hit.code LIMIT 1
), community_code AS MATERIALIZED (
    SELECT coalesce(
        (SELECT parent_code FROM cell),
        (SELECT code FROM hit WHERE level = 'community' AND county = district.county
         ORDER BY code LIMIT 1),
        (SELECT code FROM cases_area
         WHERE level = 'community' AND county = district.county AND (valid @> {_AT}) IS TRUE
         ORDER BY geom <-> {_POINT}, code LIMIT 1)
    ) AS code
    FROM district
)
SELECT district.district_id, district.county,
       street.code, street.name_zh, street.name_en,
       community.code, community.name_zh, community.name_en,
       (SELECT code FROM cell),
       floor(ST_Distance(border.line, ST_Transform({_POINT}, 4546)))::int,
       EXISTS (SELECT FROM hit WHERE level = 'builtup')
FROM district
JOIN cases_border border
  ON border.district_id = district.district_id AND (border.valid @> {_AT}) IS TRUE
JOIN cases_area community
  ON community.level = 'community' AND community.code = (SELECT code FROM community_code)
 AND (community.valid @> {_AT}) IS TRUE
JOIN cases_area street
  ON street.level = 'street' AND street.code = community.parent_code
 AND (street.valid @> {_AT}) IS TRUE
"""  # noqa: S608  # two literals of this module


def locate(lon: float, lat: float, at: datetime | None = None) -> Place:
    """Return the place of a WGS-84 point at `at`, by default now. One query, nothing cached.

    Raises InvalidInput if it is no point on earth, OutsideCity if no district covers it.
    """
    _require_degrees(lon, lat)
    with connection.cursor() as cursor:
        cursor.execute(_LOCATE, {"lon": lon, "lat": lat, "at": at})
        row = cursor.fetchone()
    if row is None:
        raise OutsideCity(
            _("The point %(lon).6f, %(lat).6f lies in none of the city's districts.")
            % {"lon": lon, "lat": lat},
            fields={"location": _("give lon, lat and crs of a place inside the city")},
        )
    return Place(*row)


def _require_degrees(lon: float, lat: float) -> None:
    if isfinite(lon) and isfinite(lat) and -180 <= lon <= 180 and -90 <= lat <= 90:
        return
    hint = _("lon is -180 to 180, lat is -90 to 90, in degrees")
    if isfinite(lon) and -90 <= lon <= 90 and 90 < abs(lat) <= 180:
        hint = _("lon and lat look swapped")
    raise InvalidInput(
        _("%(lon)s, %(lat)s is not a point on earth: %(hint)s.")
        % {"lon": lon, "lat": lat, "hint": hint},
        fields={"location": hint},
    )


def neighbour_of(point: Point, district: str, *, within_m: int) -> District | None:
    """Return the district across the border near a point; None where the city ends there."""
    here = point.transform(METRIC, clone=True)
    others = Border.objects.exclude(district=district).filter(valid__contains=timezone.now())
    near = others.filter(line__dwithin=(here, within_m)).annotate(away=Distance("line", here))
    border = near.select_related("district").order_by("away", "district").first()
    return border.district if border else None


def cell_name(code: str) -> str:
    """Return street, community and number of a grid cell, or the code if no such cell is known."""
    if not code:
        return ""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT street.name_zh, street.name_en, community.name_zh, community.name_en
            FROM cases_area cell
            JOIN cases_area community
              ON community.level = 'community' AND community.code = cell.parent_code
            JOIN cases_area street
              ON street.level = 'street' AND street.code = community.parent_code
            WHERE cell.level = 'cell' AND cell.code = %s
            ORDER BY upper(cell.valid) DESC, upper(community.valid) DESC, upper(street.valid) DESC
            LIMIT 1
            """,
            [code],
        )
        row = cursor.fetchone()
    if row is None:
        return code
    street = in_language(row[0], row[1] or row[0])
    community = in_language(row[2], row[3] or row[2])
    return f"{street} {community} {code[-3:]}"
