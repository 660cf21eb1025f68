"""Read the files of a city folder, and say exactly where one is wrong."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from cases.errors import BadCityFolder

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


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        Spot(name).refuse("the file is missing", f"Put {name} into the folder")
    except UnicodeDecodeError as error:
        Spot(name).refuse(f"not UTF-8 at byte {error.start}", "Save the file as UTF-8")


def read_json(folder: Path, name: str) -> Any:
    try:
        return json.loads(_text(folder, name))
    except json.JSONDecodeError as error:
        Spot(name).refuse(f"not JSON at line {error.lineno}: {error.msg}", "Mend the file")


def read_csv(
    folder: Path, name: str, columns: tuple[str, ...], *, optional: tuple[str, ...] = ()
) -> Iterator[tuple[Spot, dict[str, str]]]:
    """Yield (spot, columns) of each row; an optional column that is not there is empty."""
    reader = csv.DictReader(_text(folder, name).splitlines(), restval=None, strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        Spot(name).refuse(f"not CSV at line {reader.line_num + 1}: {error}", "Mend the quotes")
    missing = [column for column in columns if column not in (reader.fieldnames or [])]
    if missing:
        Spot(name).refuse(f"no column {', '.join(missing)}", f"Columns are {', '.join(columns)}")
    for index, row in enumerate(rows):
        spot = Spot(name, index)
        if None in row or None in row.values():
            spot.refuse("more or fewer fields than the header", "Quote fields that hold a comma")
        yield spot, {column: row.get(column, "").strip() for column in (*columns, *optional)}


def read_features(folder: Path, name: str) -> Iterator[tuple[Spot, Json, Json]]:
    """Yield (spot, properties, geometry) of each feature of a GeoJSON file."""
    collection = read_json(folder, name)
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


def word(spot: Spot, row: Json, name: str, *, longest: int = 120) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        spot.refuse(f"no {name}", f"Give {name} as text")
    if len(value.strip()) > longest:
        spot.refuse(f"{name} is longer than {longest} characters", "Shorten it")
    return value.strip()


def word_or_none(spot: Spot, row: Json, name: str, *, longest: int = 120) -> str | None:
    """Return a text that may be missing or null."""
    return None if row.get(name) in (None, "") else word(spot, row, name, longest=longest)


def one_of(spot: Spot, row: Json, name: str, allowed: Iterable[str]) -> str:
    value = word(spot, row, name)
    if value not in set(allowed):
        spot.refuse(f"{name} is {value!r}", f"Take one of {', '.join(sorted(allowed))}")
    return value


def unique(spot: Spot, code: str, seen: dict[Any, Spot], key: Any = None) -> None:
    earlier = seen.setdefault(code if key is None else key, spot)
    if earlier is not spot:
        spot.refuse(
            f"{code} stands twice, first at {earlier.index} of {earlier.file}",
            "Give each its own code",
        )
