"""Read problem classes, minor classes and filing conditions of a city folder."""

from pathlib import Path
from typing import Any

from pypinyin import Style, lazy_pinyin

from cases.choices import LimitUnit
from cases.models import Kind, PhotoRule
from cases.services.city_folder.files import Json, Spot, one_of, read_csv, read_json, unique, word

_CATEGORY_COLUMNS = (
    "kind,major_code,major_zh,major_en,minor_code,minor_zh,minor_en,recurs,condition_no,"
    "problem_class,text_zh,text_en,limit_value,limit_unit,photo_rule,after_photo,"
    "closing_zh,closing_en,own"
)
_MINOR_COLUMNS = {"kind": 10, "major_code": 2, "major_zh": 30, "major_en": 60, "minor_code": 2}


def read_problem_classes(folder: Path) -> list[Json]:
    name = "problem_classes.json"
    words = read_json(folder, name)
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
                "name_zh": word(spot, names, "zh", longest=20),
                "name_en": word(spot, names, "en", longest=40),
            }
        )
    return rows


def read_categories(folder: Path, problem_classes: set[str]) -> tuple[list[Json], list[Json]]:
    """Read categories.csv, a row per filing condition, into minor classes and conditions."""
    minors: dict[str, Json] = {}
    conditions: list[Json] = []
    seen: dict[Any, Spot] = {}
    for bare, row in read_csv(folder, "categories.csv", tuple(_CATEGORY_COLUMNS.split(","))):
        kind = one_of(bare, row, "kind", Kind.values)
        code = f"{kind}-{_digits(bare, row, 'major_code')}{_digits(bare, row, 'minor_code')}"
        no = _number(bare, row, "condition_no")
        spot = Spot(bare.file, bare.index, f"{code}-{no}")
        unique(spot, f"{code}-{no}", seen)
        minor = _minor(spot, row, code, order=len(minors))
        if minors.setdefault(code, minor) != {**minor, "order": minors[code]["order"]}:
            spot.refuse("its class reads otherwise in an earlier row", "Write the class alike")
        condition = _condition(spot, row, code, no, problem_classes)
        for text in ("text_zh", "text_en"):
            unique(spot, condition[text], seen, key=(code, text, condition[text].casefold()))
        conditions.append(condition)
    if not conditions:
        Spot("categories.csv").refuse("no rows", "Give at least one filing condition")
    return list(minors.values()), conditions


def _minor(spot: Spot, row: Json, code: str, *, order: int) -> Json:
    name_zh = word(spot, row, "minor_zh", longest=40)
    initials = "".join(lazy_pinyin(name_zh, style=Style.FIRST_LETTER, errors="ignore")).lower()
    return {
        "code": code,
        **{
            name: word(spot, row, name, longest=longest) for name, longest in _MINOR_COLUMNS.items()
        },
        "name_zh": name_zh,
        "name_en": word(spot, row, "minor_en", longest=80),
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
        "problem_class_id": one_of(spot, row, "problem_class", problem_classes),
        "text_zh": word(spot, row, "text_zh"),
        "text_en": word(spot, row, "text_en", longest=240),
        "limit_value": _number(spot, row, "limit_value"),
        "limit_unit": one_of(spot, row, "limit_unit", LimitUnit.values),
        "photo_rule": one_of(spot, row, "photo_rule", PhotoRule.values),
        "needs_after_photo": _yes_or_no(spot, row, "after_photo"),
        "closing_zh": word(spot, row, "closing_zh"),
        "closing_en": word(spot, row, "closing_en", longest=240),
        "is_own": _yes_or_no(spot, row, "own"),
        "is_active": True,
    }


def _digits(spot: Spot, row: Json, name: str) -> str:
    value = word(spot, row, name, longest=2)
    if len(value) != 2 or not (value.isascii() and value.isdigit()):
        spot.refuse(f"{name} is {value!r}", "Write two digits")
    return value


def _number(spot: Spot, row: Json, name: str) -> int:
    value = word(spot, row, name, longest=4)
    if not (value.isascii() and value.isdigit()) or int(value) < 1:
        spot.refuse(f"{name} is {value!r}", "Write a whole number from 1 on")
    return int(value)


def _yes_or_no(spot: Spot, row: Json, name: str) -> bool:
    return one_of(spot, row, name, ("yes", "no")) == "yes"
