"""Read the units of a city folder, and which of them answers for what and where."""

from pathlib import Path
from typing import Any

from cases.choices import LimitUnit, Source
from cases.models import Rank, UnitKind, WorkingTime
from cases.services.city_folder.areas import AreaRow
from cases.services.city_folder.files import (
    Json,
    Spot,
    one_of,
    read_csv,
    read_json,
    unique,
    word,
    word_or_none,
)

_UNIT_KEYS = {"code", "name_zh", "name_en", "kind", "district", "street", "parent"}


def read_units(folder: Path, areas: list[AreaRow]) -> list[Json]:
    """Read units.json, a list of units. Unknown keys are refused: no person stands here."""
    name = "units.json"
    listed = read_json(folder, name)
    if not isinstance(listed, list) or not listed:
        Spot(name).refuse("not a list of units", "Write a list of objects")
    slugs = {row.district for row in areas if row.level == "district"}
    streets = {row.code for row in areas if row.level == "street"}
    rows: list[Json] = []
    seen: dict[Any, Spot] = {}
    for index, unit in enumerate(listed):
        if not isinstance(unit, dict):
            Spot(name, index).refuse("not an object", "Write {code, name_zh, name_en, kind, …}")
        code = word(Spot(name, index), unit, "code", longest=40)
        spot = Spot(name, index, code)
        unique(spot, code, seen)
        if unknown := unit.keys() - _UNIT_KEYS:
            spot.refuse(
                f"unknown key {', '.join(sorted(unknown))}", f"Keys are {', '.join(_UNIT_KEYS)}"
            )
        district = word_or_none(spot, unit, "district")
        street = word_or_none(spot, unit, "street")
        if district not in {None, *slugs}:
            spot.refuse(f"no district {district}", "Give the slug of a district, or null")
        if street not in {None, *streets}:
            spot.refuse(f"no street {street}", "Give the code of a street, or null")
        rows.append(
            {
                "code": code,
                "name_zh": word(spot, unit, "name_zh", longest=60),
                "name_en": word(spot, unit, "name_en"),
                "kind": one_of(spot, unit, "kind", UnitKind.values),
                "district_id": district,
                "street_code": street or "",
                "parent_id": word_or_none(spot, unit, "parent"),
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
_FURTHER = ("severity", "source", "working_time", "by_load")  # rules of old had none of them


def read_responsibilities(
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
    for bare, row in read_csv(folder, "responsibilities.csv", _RULE_COLUMNS, optional=_FURTHER):
        code = word(bare, row, "code", longest=60)
        spot = Spot(bare.file, bare.index, code)
        unique(spot, code, seen)
        if row["category"] not in categories:
            spot.refuse(
                f"no category {row['category']}", "Write component, event-01, event-0112-1 or so"
            )
        if row["problem_class"] not in {"", *problems}:
            spot.refuse(f"no problem class {row['problem_class']}", "Take one of the folder's")
        rows.append(
            {
                "code": code,
                "rank": one_of(spot, row, "rank", Rank.values),
                **categories[row["category"]],
                "problem_class_id": row["problem_class"] or None,
                **_rule_area(spot, row["area"], places),
                **_rule_circumstances(spot, row),
                **_rule_unit(spot, row["unit"], unit_codes),
                "reason_zh": word(spot, row, "reason_zh", longest=80),
                "reason_en": word(spot, row, "reason_en", longest=160),
            }
        )
    return rows


def _rule_circumstances(spot: Spot, row: dict[str, str]) -> Json:
    """Read severity, source and working time, each perhaps empty; and whether the load decides."""
    words = {
        "severity": LimitUnit.values,
        "source": Source.values,
        "working_time": WorkingTime.values,
    }
    columns: Json = {
        name: one_of(spot, row, name, allowed) if row[name] else ""
        for name, allowed in words.items()
    }
    columns["by_load"] = bool(row["by_load"]) and one_of(spot, row, "by_load", _YES_NO) == "yes"
    return columns


_YES_NO = ("yes", "no")


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
    """Map slugs of districts, codes of counties, streets and cells to (column of a rule, value)."""
    words: dict[str, tuple[str, str]] = {}
    for row in areas:
        if row.level == "district" and row.district is not None:
            words[row.district] = ("district_id", row.district)
            if not row.precedence:
                words[row.code] = ("county", row.code)
        if row.level == "street":
            words[row.code] = ("street_code", row.code)
        if row.level == "cell":
            words[row.code] = ("cell", row.code)
    return words


def _rule_area(spot: Spot, area: str, places: dict[str, tuple[str, str]]) -> Json:
    """Read "", "hecheng", "431202", "431202006", a cell, or several of them joined by a slash."""
    columns: Json = {"district_id": None, "county": "", "street_code": "", "cell": ""}
    for part in filter(None, area.split("/")):
        if part not in places:
            spot.refuse(
                f"no area {part}", "Write a district slug, or the code of a county, street or cell"
            )
        column, value = places[part]
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
