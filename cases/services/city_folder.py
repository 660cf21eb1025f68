"""Read a city folder (docs/city-folder.md) and refuse it at the first thing that is wrong."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

import shapely
from pypinyin import Style, lazy_pinyin
from shapely.geometry import MultiPolygon, Point, Polygon

from cases.choices import DISTRICT_SLUGS, LimitUnit
from cases.errors import BadCityFolder
from cases.models import District, Kind, PhotoRule, Rank, UnitKind

OUTSIDE_SHARE = 0.01  # how much of an area may stick out of the one around it: drawing tolerance
OVERLAP_SHARE = 0.01  # and how much of the smaller of two neighbours may lie in the other

Json = dict[str, Any]


@dataclass(frozen=True)
class Spot:
    """Where in the folder something stands, for error messages."""

    file: str
    index: int | None = None  # of the feature or row, from 0
    label: str = ""

    def refuse(self, problem: str, mend: str) -> NoReturn:
        """Raise BadCityFolder naming file, feature or row, the problem and how to mend it."""
        where = self.file
        if self.index is not None:
            where += f": {'row' if self.file.endswith('.csv') else 'feature'} {self.index}"
        if self.label:
            where += f" ({self.label})"
        raise BadCityFolder(f"{where}: {problem}. {mend}.")


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


@dataclass(frozen=True)
class CityFolder:
    """All of a city folder, checked; rows are ready to become rows of the models."""

    districts: list[Json]
    areas: list[AreaRow]
    places: list[PlaceRow]
    problem_classes: list[Json]
    minors: list[Json]
    conditions: list[Json]
    units: list[Json]
    responsibilities: list[Json]


def read_folder(folder: Path, *, progress: Callable[[str], None]) -> CityFolder:
    """Read and check every file of `folder`; raises BadCityFolder at the first fault."""
    if not folder.is_dir():
        raise BadCityFolder(f"{folder} is not a folder. Give the folder of a city.")
    progress("reading districts")
    districts, areas = _districts(folder)
    progress("reading streets and communities")
    areas += _subdivisions(folder, areas)
    progress("reading grid cells and built-up areas")
    areas += _cells(folder, areas) + _built_up(folder, areas)
    progress("reading places, categories, units and responsibilities")
    places = _places(folder)
    problem_classes = _problem_classes(folder)
    minors, conditions = _categories(folder, {row["code"] for row in problem_classes})
    units = _units(folder, areas)
    return CityFolder(
        districts,
        areas,
        places,
        problem_classes,
        minors,
        conditions,
        units,
        _responsibilities(folder, areas, units, problem_classes, minors, conditions),
    )


# --- files --------------------------------------------------------------------------------------


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        Spot(name).refuse("the file is missing", f"Put {name} into the folder")
    except UnicodeDecodeError as error:
        Spot(name).refuse(f"not UTF-8 at byte {error.start}", "Save the file as UTF-8")


def _json(folder: Path, name: str) -> Any:
    try:
        return json.loads(_text(folder, name))
    except json.JSONDecodeError as error:
        Spot(name).refuse(f"not JSON at line {error.lineno}: {error.msg}", "Mend the file")


def _csv(
    folder: Path, name: str, columns: tuple[str, ...]
) -> Iterator[tuple[Spot, dict[str, str]]]:
    reader = csv.DictReader(_text(folder, name).splitlines(), restval=None)
    missing = [column for column in columns if column not in (reader.fieldnames or [])]
    if missing:
        Spot(name).refuse(f"no column {', '.join(missing)}", f"Columns are {', '.join(columns)}")
    for index, row in enumerate(reader):
        spot = Spot(name, index)
        if None in row or None in row.values():
            spot.refuse("more or fewer fields than the header", "Quote fields that hold a comma")
        yield spot, {column: row[column].strip() for column in columns}


def _features(folder: Path, name: str) -> Iterator[tuple[Spot, Json, Json]]:
    """Yield (spot, properties, geometry) of each feature of a GeoJSON file."""
    collection = _json(folder, name)
    if not isinstance(collection, dict) or collection.get("type") != "FeatureCollection":
        Spot(name).refuse("not a GeoJSON FeatureCollection", "Write the features as one")
    features = collection.get("features")
    if not isinstance(features, list) or not features:
        Spot(name).refuse("no features", "Draw at least one")
    for index, feature in enumerate(features):
        spot = Spot(name, index)
        if not isinstance(feature, dict) or not isinstance(feature.get("properties"), dict):
            spot.refuse("not a Feature with properties", "Write it as GeoJSON says (RFC 7946)")
        geometry = feature.get("geometry")
        if not isinstance(geometry, dict):
            spot.refuse("no geometry", "Draw it or leave the feature out")
        yield spot, feature["properties"], geometry


def _word(spot: Spot, row: Json, name: str, *, longest: int = 120) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        spot.refuse(f"no {name}", f"Give {name} as text")
    if len(value.strip()) > longest:
        spot.refuse(f"{name} is longer than {longest} characters", "Shorten it")
    return value.strip()


def _one_of(spot: Spot, row: Json, name: str, allowed: Iterable[str]) -> str:
    value = _word(spot, row, name)
    if value not in set(allowed):
        spot.refuse(f"{name} is {value!r}", f"Take one of {', '.join(sorted(allowed))}")
    return value


def _unique(spot: Spot, code: str, seen: dict[Any, Spot], key: Any = None) -> None:
    earlier = seen.setdefault(code if key is None else key, spot)
    if earlier is not spot:
        spot.refuse(
            f"{code} stands twice, first at {earlier.index} of {earlier.file}",
            "Give each its own code",
        )


# --- geometry -----------------------------------------------------------------------------------


def _polygon(spot: Spot, geometry: Json) -> MultiPolygon:
    """Return the drawn area as a MultiPolygon, or refuse it and say where it is wrong."""
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        spot.refuse(f"geometry is {kind!r}", "Draw an area as Polygon or MultiPolygon")
    parts = [coordinates] if kind == "Polygon" else coordinates
    if not isinstance(parts, list) or not parts or not all(parts):
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


def _districts(folder: Path) -> tuple[list[Json], list[AreaRow]]:
    """Read districts.geojson: the county-level districts and the functional zones inside them."""
    name = "districts.geojson"
    districts, areas = [], []
    seen: dict[Any, Spot] = {}
    for order, (bare, words, geometry) in enumerate(_features(folder, name)):
        slug = _one_of(bare, words, "slug", DISTRICT_SLUGS)  # logs exist for these alone
        spot = Spot(name, bare.index, slug)
        code = _word(spot, words, "code", longest=6)
        _unique(spot, slug, seen)
        _unique(spot, code, seen)
        kind = _one_of(spot, words, "kind", District.Kind.values)
        is_zone = kind == District.Kind.FUNCTIONAL_ZONE
        county = _word(spot, words, "within", longest=6) if is_zone else code
        names = {key: _word(spot, words, key) for key in ("name_zh", "name_en")}
        shorts = {key: _word(spot, words, key, longest=40) for key in ("short_zh", "short_en")}
        districts.append(
            {"slug": slug, "code": code, "kind": kind, "county": county, "order": order}
            | names
            | shorts
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


def _subdivisions(folder: Path, districts: list[AreaRow]) -> list[AreaRow]:
    """Read subdivisions.geojson: streets and townships, and the communities in them."""
    name = "subdivisions.geojson"
    counties = {row.code: row for row in districts if not row.precedence}
    rows: dict[str, dict[str, AreaRow]] = {"street": {}, "community": {}}
    seen: dict[Any, Spot] = {}
    for bare, words, geometry in _features(folder, name):
        code = _word(bare, words, "code", longest=12)
        spot = Spot(name, bare.index, code)
        _unique(spot, code, seen)
        level = _one_of(spot, words, "level", rows)
        county = _word(spot, words, "district", longest=6)
        rows[level][code] = AreaRow(
            level,
            code,
            _word(spot, words, "name_zh", longest=60),
            str(words.get("name_en") or "").strip(),
            county if level == "street" else _word(spot, words, "street", longest=9),
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


def _cells(folder: Path, areas: list[AreaRow]) -> list[AreaRow]:
    """Read grid.geojson; a cell belongs to a community and to the zone it names, if any."""
    name = "grid.geojson"
    communities = {row.code: row for row in areas if row.level == "community"}
    districts = {row.code: row for row in areas if row.level == "district"}
    rows: list[AreaRow] = []
    seen: dict[Any, Spot] = {}
    for bare, words, geometry in _features(folder, name):
        code = _word(bare, words, "code", longest=15)
        spot = Spot(name, bare.index, code)
        _unique(spot, code, seen)
        county = _word(spot, words, "district", longest=6)
        home = districts.get(words.get("zone") or county)
        if home is None or home.county != county:
            spot.refuse(
                f"no district {county} with zone {words.get('zone')}", "Mend district and zone"
            )
        row = AreaRow(
            "cell",
            code,
            "",
            "",
            _word(spot, words, "community_code", longest=12),
            county,
            home.district,
            0,
            _polygon(spot, geometry),
            spot,
        )
        _require_inside(row, _parent(row, communities))
        _require_inside(row, home)
        rows.append(row)
    _require_apart(rows)
    return rows


def _built_up(folder: Path, areas: list[AreaRow]) -> list[AreaRow]:
    """Read builtup.geojson: where the emergency hours count plainly (assessment.md §3)."""
    name = "builtup.geojson"
    counties = {row.code: row for row in areas if row.level == "district" and not row.precedence}
    rows: list[AreaRow] = []
    seen: dict[Any, Spot] = {}
    for bare, words, geometry in _features(folder, name):
        code = _word(bare, words, "id", longest=20)
        spot = Spot(name, bare.index, code)
        _unique(spot, code, seen)
        county = _word(spot, words, "county", longest=6)
        row = AreaRow(
            "builtup",
            code,
            _word(spot, words, "name_zh", longest=60),
            str(words.get("name_en") or "").strip(),
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


def _places(folder: Path) -> list[PlaceRow]:
    """Read places.geojson: named points for the map."""
    name = "places.geojson"
    rows = []
    seen: dict[Any, Spot] = {}
    for bare, words, geometry in _features(folder, name):
        name_zh = _word(bare, words, "name_zh", longest=60)
        spot = Spot(name, bare.index, name_zh)
        _unique(spot, name_zh, seen)
        if geometry.get("type") != "Point":
            spot.refuse(f"geometry is {geometry.get('type')!r}", "Give a place as Point")
        rows.append(
            PlaceRow(
                name_zh,
                _word(spot, words, "name_en"),
                _word(spot, words, "kind", longest=30),
                str(words.get("source") or "").strip()[:120],
                Point(_position(spot, geometry.get("coordinates"))),
            )
        )
    return rows


# --- categories ---------------------------------------------------------------------------------

_CATEGORY_COLUMNS = (
    "kind,major_code,major_zh,major_en,minor_code,minor_zh,minor_en,recurs,condition_no,"
    "problem_class,text_zh,text_en,limit_value,limit_unit,photo_rule,after_photo,"
    "closing_zh,closing_en,own"
)
_MINOR_COLUMNS = ("kind", "major_code", "major_zh", "major_en", "minor_code")


def _problem_classes(folder: Path) -> list[Json]:
    name = "problem_classes.json"
    words = _json(folder, name)
    if not isinstance(words, dict) or not words:
        Spot(name).refuse("not an object of problem classes", "Write {code: {zh, en}}")
    rows = []
    for code, names in words.items():
        spot = Spot(name, label=code)
        if not isinstance(names, dict):
            spot.refuse("no names", "Write {zh, en}")
        rows.append(
            {
                "code": code,
                "name_zh": _word(spot, names, "zh", longest=20),
                "name_en": _word(spot, names, "en", longest=40),
            }
        )
    return rows


def _categories(folder: Path, problem_classes: set[str]) -> tuple[list[Json], list[Json]]:
    """Read categories.csv, a row per filing condition, into minor classes and conditions."""
    minors: dict[str, Json] = {}
    conditions: list[Json] = []
    seen: dict[Any, Spot] = {}
    for bare, row in _csv(folder, "categories.csv", tuple(_CATEGORY_COLUMNS.split(","))):
        kind = _one_of(bare, row, "kind", Kind.values)
        code = f"{kind}-{_digits(bare, row, 'major_code')}{_digits(bare, row, 'minor_code')}"
        no = _number(bare, row, "condition_no")
        spot = Spot(bare.file, bare.index, f"{code}-{no}")
        _unique(spot, f"{code}-{no}", seen)
        minor = _minor(spot, row, code, order=len(minors))
        if minors.setdefault(code, minor) != {**minor, "order": minors[code]["order"]}:
            spot.refuse("its class reads otherwise in an earlier row", "Write the class alike")
        condition = _condition(spot, row, code, no, problem_classes)
        for text in ("text_zh", "text_en"):
            _unique(spot, condition[text], seen, key=(code, text, condition[text].casefold()))
        conditions.append(condition)
    if not conditions:
        Spot("categories.csv").refuse("no rows", "Give at least one filing condition")
    return list(minors.values()), conditions


def _minor(spot: Spot, row: Json, code: str, *, order: int) -> Json:
    name_zh = _word(spot, row, "minor_zh", longest=40)
    initials = "".join(lazy_pinyin(name_zh, style=Style.FIRST_LETTER, errors="ignore")).lower()
    return {
        "code": code,
        **{column: _word(spot, row, column, longest=60) for column in _MINOR_COLUMNS},
        "name_zh": name_zh,
        "name_en": _word(spot, row, "minor_en", longest=80),
        "initials": initials,
        "recurs": _yes_or_no(spot, row, "recurs"),
        "order": order,
        "is_active": True,
    }


def _condition(spot: Spot, row: Json, minor: str, no: int, problem_classes: set[str]) -> Json:
    return {
        "code": f"{minor}-{no}",
        "minor_id": minor,
        "no": no,
        "problem_class_id": _one_of(spot, row, "problem_class", problem_classes),
        "text_zh": _word(spot, row, "text_zh"),
        "text_en": _word(spot, row, "text_en", longest=240),
        "limit_value": _number(spot, row, "limit_value"),
        "limit_unit": _one_of(spot, row, "limit_unit", LimitUnit.values),
        "photo_rule": _one_of(spot, row, "photo_rule", PhotoRule.values),
        "needs_after_photo": _yes_or_no(spot, row, "after_photo"),
        "closing_zh": _word(spot, row, "closing_zh"),
        "closing_en": _word(spot, row, "closing_en", longest=240),
        "is_own": _yes_or_no(spot, row, "own"),
        "is_active": True,
    }


def _digits(spot: Spot, row: Json, name: str) -> str:
    value = _word(spot, row, name, longest=2)
    if len(value) != 2 or not (value.isascii() and value.isdigit()):
        spot.refuse(f"{name} is {value!r}", "Write two digits")
    return value


def _number(spot: Spot, row: Json, name: str) -> int:
    value = _word(spot, row, name, longest=4)
    if not (value.isascii() and value.isdigit()) or int(value) < 1:
        spot.refuse(f"{name} is {value!r}", "Write a whole number from 1 on")
    return int(value)


def _yes_or_no(spot: Spot, row: Json, name: str) -> bool:
    return _one_of(spot, row, name, ("yes", "no")) == "yes"


# --- units and responsibilities -----------------------------------------------------------------

_UNIT_KEYS = {"code", "name_zh", "name_en", "kind", "district", "street", "parent"}


def _units(folder: Path, areas: list[AreaRow]) -> list[Json]:
    """Read units.json, a list of units. Unknown keys are refused: no person stands here."""
    name = "units.json"
    listed = _json(folder, name)
    if not isinstance(listed, list) or not listed:
        Spot(name).refuse("not a list of units", "Write a list of objects")
    slugs = {row.district for row in areas if row.level == "district"}
    streets = {row.code for row in areas if row.level == "street"}
    rows: list[Json] = []
    seen: dict[Any, Spot] = {}
    for index, unit in enumerate(listed):
        if not isinstance(unit, dict):
            Spot(name, index).refuse("not an object", "Write {code, name_zh, name_en, kind, …}")
        code = _word(Spot(name, index), unit, "code", longest=40)
        spot = Spot(name, index, code)
        _unique(spot, code, seen)
        if unknown := unit.keys() - _UNIT_KEYS:
            spot.refuse(
                f"unknown key {', '.join(sorted(unknown))}", f"Keys are {', '.join(_UNIT_KEYS)}"
            )
        if unit.get("district") not in {None, *slugs}:
            spot.refuse(f"no district {unit['district']}", "Give the slug of a district, or null")
        if unit.get("street") not in {None, *streets}:
            spot.refuse(f"no street {unit['street']}", "Give the code of a street, or null")
        rows.append(
            {
                "code": code,
                "name_zh": _word(spot, unit, "name_zh", longest=60),
                "name_en": _word(spot, unit, "name_en"),
                "kind": _one_of(spot, unit, "kind", UnitKind.values),
                "district_id": unit.get("district"),
                "street_code": unit.get("street") or "",
                "parent_id": unit.get("parent"),
                "is_active": True,
            }
        )
    return _parents_first(rows, seen)


def _parents_first(rows: list[Json], spots: dict[Any, Spot]) -> list[Json]:
    """Order units so that each follows its parent; refuse unknown parents and circles."""
    ordered: dict[str, Json] = {}
    waiting = rows
    while waiting:
        ready = [r for r in waiting if r["parent_id"] is None or r["parent_id"] in ordered]
        if not ready:
            spots[waiting[0]["code"]].refuse(
                f"its parent {waiting[0]['parent_id']} is unknown or its own sub-unit",
                "Name a unit of this file, or null",
            )
        ordered |= {row["code"]: row for row in ready}
        waiting = [row for row in waiting if row["code"] not in ordered]
    return list(ordered.values())


_RULE_COLUMNS = (
    "code",
    "rank",
    "category",
    "problem_class",
    "area",
    "unit",
    "reason_zh",
    "reason_en",
)


def _responsibilities(
    folder: Path,
    areas: list[AreaRow],
    units: list[Json],
    problem_classes: list[Json],
    minors: list[Json],
    conditions: list[Json],
) -> list[Json]:
    """Read responsibilities.csv: category × area → unit (docs/city-folder.md)."""
    categories = _category_words(minors, conditions)
    places = _area_words(areas)
    problems = {row["code"] for row in problem_classes}
    unit_codes = {row["code"] for row in units}
    rows = []
    seen: dict[Any, Spot] = {}
    for bare, row in _csv(folder, "responsibilities.csv", _RULE_COLUMNS):
        code = _word(bare, row, "code", longest=60)
        spot = Spot(bare.file, bare.index, code)
        _unique(spot, code, seen)
        if row["category"] not in categories:
            spot.refuse(
                f"no category {row['category']}", "Write component, event-01, event-0112-1 or so"
            )
        if row["problem_class"] not in {"", *problems}:
            spot.refuse(f"no problem class {row['problem_class']}", "Take one of the folder's")
        rows.append(
            {
                "code": code,
                "rank": _one_of(spot, row, "rank", Rank.values),
                **categories[row["category"]],
                "problem_class_id": row["problem_class"] or None,
                **_rule_area(spot, row["area"], places),
                **_rule_unit(spot, row["unit"], unit_codes),
                "reason_zh": _word(spot, row, "reason_zh", longest=80),
                "reason_en": _word(spot, row, "reason_en", longest=160),
            }
        )
    return rows


def _category_words(minors: list[Json], conditions: list[Json]) -> dict[str, Json]:
    """Map each word for a category, "" to "event-0112-1", to the columns of a rule."""
    empty: Json = {"kind": "", "major_code": "", "minor_id": None, "condition_id": None}
    words = {"": empty}
    for minor in minors:
        kind, major = minor["kind"], minor["major_code"]
        words[kind] = empty | {"kind": kind}
        words[f"{kind}-{major}"] = empty | {"kind": kind, "major_code": major}
        words[minor["code"]] = words[f"{kind}-{major}"] | {"minor_id": minor["code"]}
    for condition in conditions:
        words[condition["code"]] = words[condition["minor_id"]] | {
            "condition_id": condition["code"]
        }
    return words


def _area_words(areas: list[AreaRow]) -> dict[str, tuple[str, str]]:
    """Map district slugs, county codes and street codes to (column of a rule, value)."""
    words: dict[str, tuple[str, str]] = {}
    for row in areas:
        if row.level == "district" and row.district is not None:
            words[row.district] = ("district_id", row.district)
            if not row.precedence:
                words[row.code] = ("county", row.code)
        if row.level == "street":
            words[row.code] = ("street_code", row.code)
    return words


def _rule_area(spot: Spot, area: str, places: dict[str, tuple[str, str]]) -> Json:
    """Read "", "hecheng", "431202", "431202006" or several of them joined by a slash."""
    columns: Json = {"district_id": None, "county": "", "street_code": ""}
    for word in filter(None, area.split("/")):
        if word not in places:
            spot.refuse(f"no area {word}", "Write a district slug, a county or a street code")
        column, value = places[word]
        columns[column] = value
    return columns


def _rule_unit(spot: Spot, unit: str, units: set[str]) -> Json:
    """Read the code of a unit, or "kind:water" for the unit of that kind serving the place."""
    kind = unit.removeprefix("kind:")
    if kind != unit:
        if kind not in UnitKind.values:
            spot.refuse(f"no kind of unit {kind}", f"Take one of {', '.join(UnitKind.values)}")
        return {"unit_id": None, "unit_kind": kind}
    if unit not in units:
        spot.refuse(f"no unit {unit!r}", "Take a code of units.json, or kind:…")
    return {"unit_id": unit, "unit_kind": ""}
