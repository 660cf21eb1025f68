"""Read the areas and places of a city folder; every geometry is checked."""

from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import MultiPolygon, Point, Polygon

from cases.choices import DISTRICT_SLUGS
from cases.models import District
from cases.services.city_folder.files import (
    Json,
    Spot,
    one_of,
    read_features,
    unique,
    word,
    word_or_none,
)

OUTSIDE_SHARE = 0.01  # how much of an area may stick out of the one around it: drawing tolerance
OVERLAP_SHARE = 0.01  # and how much of the smaller of two neighbours may lie in the other


@dataclass(frozen=True)
class AreaRow:
    """An area as the folder draws it; geometry in WGS-84 (lon, lat)."""

    level: str
    code: str
    name_zh: str
    name_en: str
    parent_code: str
    county: str
    district: str | None
    precedence: int
    geom: MultiPolygon
    spot: Spot = field(compare=False)


@dataclass(frozen=True)
class PlaceRow:
    """A named point."""

    name_zh: str
    name_en: str
    kind: str
    source: str
    point: Point


# --- geometry -----------------------------------------------------------------------------------


def _polygon(spot: Spot, geometry: Json) -> MultiPolygon:
    """Return the drawn area as a MultiPolygon, or refuse it and say where it is wrong."""
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        spot.refuse(f"geometry is {kind!r}", "Draw an area as Polygon or MultiPolygon")
    parts = [coordinates] if kind == "Polygon" else coordinates
    if (
        not isinstance(parts, list)
        or not parts
        or not all(isinstance(p, list) and p for p in parts)
    ):
        spot.refuse("the geometry is empty", "Draw it or leave the feature out")
    polygons = []
    for part in parts:
        rings = [_ring(spot, ring) for ring in part]
        polygons.append(Polygon(rings[0], rings[1:]))
    shape = MultiPolygon(polygons)
    if not shape.is_valid:
        spot.refuse(
            f"the outline is not valid: {shapely.is_valid_reason(shape)}",
            "Redraw it so that no line crosses or touches itself and holes lie inside",
        )
    if shape.area == 0:
        spot.refuse("the area is zero", "Draw an area")
    return shape


def _ring(spot: Spot, ring: Any) -> list[tuple[float, float]]:
    if not isinstance(ring, list) or len(ring) < 4:
        spot.refuse("a ring has fewer than four positions", "Draw at least a triangle, closed")
    points = [_position(spot, position) for position in ring]
    if points[0] != points[-1]:
        spot.refuse(
            f"the ring is not closed: starts at {points[0]}, ends at {points[-1]}",
            "Repeat the first position at the end",
        )
    return points


def _position(spot: Spot, position: Any) -> tuple[float, float]:
    if (
        not isinstance(position, list)
        or len(position) < 2
        or not all(
            isinstance(n, int | float) and not isinstance(n, bool) and isfinite(n)
            for n in position[:2]
        )
    ):
        spot.refuse(f"{position!r} is not a position", "Write [lon, lat] in degrees")
    lon, lat = float(position[0]), float(position[1])
    if -90 <= lon <= 90 and 90 < abs(lat) <= 180:
        spot.refuse(
            f"position {lon}, {lat}: lon and lat look swapped", "Write [lon, lat] in this order"
        )
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        spot.refuse(f"position {lon}, {lat} is off the globe", "Write [lon, lat] in WGS-84 degrees")
    return lon, lat


def _require_inside(row: AreaRow, around: AreaRow) -> None:
    share = row.geom.difference(around.geom).area / row.geom.area
    if share > OUTSIDE_SHARE:
        row.spot.refuse(
            f"{share:.0%} of it lies outside its {around.level} {around.code}",
            "Redraw it or name the one it lies in",
        )


def _require_outside(row: AreaRow, zone: AreaRow) -> None:
    share = row.geom.intersection(zone.geom).area / row.geom.area
    if share > OUTSIDE_SHARE:
        row.spot.refuse(
            f"{share:.0%} of it lies in the zone {zone.code}, which it does not name",
            "Name the zone or redraw it",
        )


def _require_apart(rows: list[AreaRow]) -> None:
    """Refuse areas of one level that overlap by more than drawing tolerance."""
    geoms = [row.geom for row in rows]
    pairs = shapely.STRtree(geoms).query(geoms, predicate="intersects").T
    for one, other in ((int(a), int(b)) for a, b in pairs if a < b):
        shared = geoms[one].intersection(geoms[other]).area
        if shared > OVERLAP_SHARE * min(geoms[one].area, geoms[other].area):
            rows[other].spot.refuse(
                f"it overlaps {rows[one].level} {rows[one].code} ({rows[one].spot.file}: "
                f"feature {rows[one].spot.index})",
                "Redraw one of the two",
            )


# --- areas --------------------------------------------------------------------------------------


_NAMES = {"name_zh": 60, "name_en": 120, "short_zh": 20, "short_en": 40}  # longest of each


def read_districts(folder: Path) -> tuple[list[Json], list[AreaRow]]:
    """Read districts.geojson: the county-level districts and the functional zones inside them."""
    name = "districts.geojson"
    districts, areas = [], []
    seen: dict[Any, Spot] = {}
    for order, (bare, words, geometry) in enumerate(read_features(folder, name)):
        slug = one_of(bare, words, "slug", DISTRICT_SLUGS)  # logs exist for these alone
        spot = Spot(name, bare.index, slug)
        code = word(spot, words, "code", longest=6)
        unique(spot, slug, seen)
        unique(spot, code, seen)
        kind = one_of(spot, words, "kind", District.Kind.values)
        is_zone = kind == District.Kind.FUNCTIONAL_ZONE
        county = word(spot, words, "within", longest=6) if is_zone else code
        names = {name: word(spot, words, name, longest=longest) for name, longest in _NAMES.items()}
        districts.append(
            {"slug": slug, "code": code, "kind": kind, "county": county, "order": order} | names
        )
        geom = _polygon(spot, geometry)
        parent = county if is_zone else ""
        areas.append(
            AreaRow(
                "district",
                code,
                names["name_zh"],
                names["name_en"],
                parent,
                county,
                slug,
                int(is_zone),
                geom,
                spot,
            )
        )
    counties = {row.code: row for row in areas if not row.precedence}
    zones = [row for row in areas if row.precedence]
    for zone in zones:
        _require_inside(zone, _parent(zone, counties))
    _require_apart(list(counties.values()))
    if zones:
        _require_apart(zones)
    return districts, areas


def _parent(row: AreaRow, parents: dict[str, AreaRow]) -> AreaRow:
    if row.parent_code not in parents:
        row.spot.refuse(
            f"its parent {row.parent_code} is not in the folder", "Add the parent or mend the code"
        )
    return parents[row.parent_code]


def read_subdivisions(folder: Path, districts: list[AreaRow]) -> list[AreaRow]:
    """Read subdivisions.geojson: streets and townships, and the communities in them."""
    name = "subdivisions.geojson"
    counties = {row.code: row for row in districts if not row.precedence}
    rows: dict[str, dict[str, AreaRow]] = {"street": {}, "community": {}}
    seen: dict[Any, Spot] = {}
    for bare, words, geometry in read_features(folder, name):
        code = word(bare, words, "code", longest=12)
        spot = Spot(name, bare.index, code)
        unique(spot, code, seen)
        level = one_of(spot, words, "level", rows)
        county = word(spot, words, "district", longest=6)
        rows[level][code] = AreaRow(
            level,
            code,
            word(spot, words, "name_zh", longest=60),
            word_or_none(spot, words, "name_en") or "",
            county if level == "street" else word(spot, words, "street", longest=9),
            county,
            None,
            0,
            _polygon(spot, geometry),
            spot,
        )
    for street in rows["street"].values():
        _require_inside(street, _parent(street, counties))
    for community in rows["community"].values():
        _require_inside(community, _parent(community, rows["street"]))
    for drawn in rows.values():
        if drawn:
            _require_apart(list(drawn.values()))
    return [*rows["street"].values(), *rows["community"].values()]


def read_cells(folder: Path, areas: list[AreaRow]) -> list[AreaRow]:
    """Read grid.geojson; a cell belongs to a community and to the zone it names, if any."""
    name = "grid.geojson"
    communities = {row.code: row for row in areas if row.level == "community"}
    districts = {row.code: row for row in areas if row.level == "district"}
    zones = [row for row in districts.values() if row.precedence]
    rows: list[AreaRow] = []
    seen: dict[Any, Spot] = {}
    for bare, words, geometry in read_features(folder, name):
        code = word(bare, words, "code", longest=15)
        spot = Spot(name, bare.index, code)
        unique(spot, code, seen)
        county = word(spot, words, "district", longest=6)
        zone_code = word_or_none(spot, words, "zone")
        home = districts.get(zone_code or county)
        if home is None or home.county != county:
            spot.refuse(f"no district {county} with zone {zone_code}", "Mend district and zone")
        row = AreaRow(
            "cell",
            code,
            "",
            "",
            word(spot, words, "community_code", longest=12),
            county,
            home.district,
            0,
            _polygon(spot, geometry),
            spot,
        )
        _require_inside(row, _parent(row, communities))
        _require_inside(row, home)
        for zone in () if home.precedence else zones:
            _require_outside(row, zone)
        rows.append(row)
    _require_apart(rows)
    return rows


def read_built_up(folder: Path, areas: list[AreaRow]) -> list[AreaRow]:
    """Read builtup.geojson: where the emergency hours count plainly (assessment.md §3)."""
    name = "builtup.geojson"
    counties = {row.code: row for row in areas if row.level == "district" and not row.precedence}
    rows: list[AreaRow] = []
    seen: dict[Any, Spot] = {}
    for bare, words, geometry in read_features(folder, name):
        code = word(bare, words, "id", longest=20)
        spot = Spot(name, bare.index, code)
        unique(spot, code, seen)
        county = word(spot, words, "county", longest=6)
        row = AreaRow(
            "builtup",
            code,
            word(spot, words, "name_zh", longest=60),
            word_or_none(spot, words, "name_en") or "",
            county,
            county,
            None,
            0,
            _polygon(spot, geometry),
            spot,
        )
        _require_inside(row, _parent(row, counties))
        rows.append(row)
    return rows


def read_places(folder: Path) -> list[PlaceRow]:
    """Read places.geojson: named points for the map."""
    name = "places.geojson"
    rows = []
    seen: dict[Any, Spot] = {}
    for bare, words, geometry in read_features(folder, name):
        name_zh = word(bare, words, "name_zh", longest=60)
        spot = Spot(name, bare.index, name_zh)
        unique(spot, name_zh, seen)
        if geometry.get("type") != "Point":
            spot.refuse(f"geometry is {geometry.get('type')!r}", "Give a place as Point")
        rows.append(
            PlaceRow(
                name_zh,
                word(spot, words, "name_en"),
                word(spot, words, "kind", longest=30),
                word_or_none(spot, words, "source") or "",
                Point(_position(spot, geometry.get("coordinates"))),
            )
        )
    return rows
