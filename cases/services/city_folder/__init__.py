"""Read a city folder (docs/city-folder.md) and refuse it at the first thing that is wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cases.errors import BadCityFolder
from cases.services.city_folder.areas import (
    AreaRow,
    PlaceRow,
    read_built_up,
    read_cells,
    read_districts,
    read_places,
    read_subdivisions,
)
from cases.services.city_folder.categories import read_categories, read_problem_classes
from cases.services.city_folder.files import Json
from cases.services.city_folder.units import read_responsibilities, read_units

__all__ = ["AreaRow", "CityFolder", "PlaceRow", "read_folder"]


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
    districts, areas = read_districts(folder)
    progress("reading streets and communities")
    areas += read_subdivisions(folder, areas)
    progress("reading grid cells and built-up areas")
    areas += read_cells(folder, areas) + read_built_up(folder, areas)
    progress("reading places, categories, units and responsibilities")
    places = read_places(folder)
    problem_classes = read_problem_classes(folder)
    minors, conditions = read_categories(folder, {row["code"] for row in problem_classes})
    units = read_units(folder, areas)
    return CityFolder(
        districts,
        areas,
        places,
        problem_classes,
        minors,
        conditions,
        units,
        read_responsibilities(folder, areas, units, problem_classes, minors, conditions),
    )
