"""The city of Huaihua for a module of tests, and a city of two squares to break."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from cases.choices import SCOPES
from cases.models import CityOptions, DeskAlarmRule, DistrictHead
from cases.ringing import DEFAULTS
from cases.services.city import load_city

HUAIHUA = Path("cases/data/huaihua")


@pytest.fixture(scope="module")
def huaihua(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Load Huaihua once for a module; all of it is rolled back after."""
    with django_db_blocker.unblock(), transaction.atomic():
        open_logs()
        load_city(HUAIHUA, since=None, progress=lambda line: None)
        yield
        transaction.set_rollback(True)


def open_logs() -> None:
    """Make the rows the migrations made, which a transactional test's flush takes away."""
    for scope in SCOPES:
        DistrictHead.objects.get_or_create(
            scope=scope, defaults={"at": datetime(2020, 1, 1, tzinfo=UTC)}
        )
    CityOptions.objects.get_or_create(pk=1)
    for ring, (tier, wait_s) in DEFAULTS.items():
        DeskAlarmRule.objects.get_or_create(ring=ring, defaults={"tier": tier, "wait_s": wait_s})
    # One person of a test does the work of many; the tests of the limits set their own.
    CityOptions.objects.update(user_burst=10**6, scope_burst=10**6)


def square(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(geometry: dict[str, Any] | None, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


_CATEGORY = {
    "kind": "event",
    "major_code": "01",
    "major_zh": "市容环境",
    "major_en": "Streetscape",
    "minor_code": "12",
    "minor_zh": "道路不洁",
    "minor_en": "Dirty road",
    "recurs": "yes",
    "condition_no": "1",
    "problem_class": "dirty",
    "text_zh": "路面有垃圾",
    "text_en": "Litter on the road",
    "limit_value": "2",
    "limit_unit": "work_hour",
    "photo_rule": "one",
    "after_photo": "yes",
    "closing_zh": "已清扫",
    "closing_en": "Swept",
    "own": "yes",
}
_RULE = {
    "code": "all",
    "rank": "fallback",
    "category": "",
    "problem_class": "",
    "area": "",
    "unit": "kind:street_office",
    "reason_zh": "属地",
    "reason_en": "Locality",
}


class SmallCity:
    """A city folder of one county, 0.1° wide, a zone in its east, for a test to break."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = {"name_zh": "鹤城区", "name_en": "Hecheng", "short_zh": "鹤城"}
        zone = {"name_zh": "陆港", "name_en": "Land Port", "short_zh": "陆港"}
        self.districts = [
            feature(
                square(110.0, 27.5, 110.1, 27.6),
                slug="hecheng",
                code="431202",
                kind="district",
                short_en="Hecheng",
                **names,
            ),
            feature(
                square(110.06, 27.5, 110.1, 27.6),
                slug="landport",
                code="4312LG",
                kind="functional_zone",
                within="431202",
                short_en="Land Port",
                **zone,
            ),
        ]
        street = {"level": "street", "code": "431202001", "district": "431202"}
        community = {"level": "community", "code": "431202001001", "street": "431202001"}
        self.subdivisions = [
            feature(square(110.0, 27.5, 110.1, 27.6), name_zh="城中街道", **street),
            feature(
                square(110.0, 27.5, 110.1, 27.6),
                **{"name_zh": "新街社区", "district": "431202", **community},
            ),
        ]
        cell = {"district": "431202", "community_code": "431202001001", "zone": None}
        self.grid = [
            feature(square(110.01, 27.51, 110.02, 27.52), code="431202001001001", **cell),
            feature(square(110.02, 27.51, 110.03, 27.52), code="431202001001002", **cell),
        ]
        self.builtup = [
            feature(square(110.01, 27.51, 110.05, 27.55), id="m", name_zh="城", county="431202")
        ]
        point = {"type": "Point", "coordinates": [110.05, 27.55]}
        self.places = [feature(point, name_zh="怀化", name_en="Huaihua", kind="town")]
        self.problem_classes: Any = {"dirty": {"zh": "脏污积存", "en": "dirty"}}
        self.categories = [dict(_CATEGORY)]
        office = {"name_zh": "办事处", "name_en": "Office", "kind": "street_office"}
        brigade = {"name_zh": "大队", "name_en": "Brigade", "kind": "urban_management"}
        self.units: list[dict[str, Any]] = [
            {"code": "office", **office, "district": "hecheng"},
            {"code": "zone-office", **office, "district": "landport"},
            {"code": "brigade", **brigade, "district": "hecheng"},
        ]
        self.responsibilities = [dict(_RULE)]

    def write(self) -> Path:
        """Write the folder as it stands now and return it."""
        for name in ("districts", "subdivisions", "grid", "builtup", "places"):
            collection = {"type": "FeatureCollection", "features": getattr(self, name)}
            (self.folder / f"{name}.geojson").write_text(json.dumps(collection), "utf-8")
        for name in ("problem_classes", "units"):
            text = json.dumps(getattr(self, name), ensure_ascii=False)
            (self.folder / f"{name}.json").write_text(text, "utf-8")
        for name in ("categories", "responsibilities"):
            with (self.folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                rows = getattr(self, name)
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        return self.folder


@pytest.fixture
def small_city(tmp_path: Path) -> SmallCity:
    """Give a small city that loads, for a test to change."""
    return SmallCity(tmp_path)
