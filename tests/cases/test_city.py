"""Loading a city folder: repeatable, versioned by validity, and refused as a whole when wrong."""

import contextlib
import json
import threading
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from cases.errors import BadCityFolder, InvalidInput, OutsideCity
from cases.models import (
    Area,
    Border,
    Component,
    Condition,
    District,
    MinorClass,
    PlaceName,
    Responsibility,
    Unit,
)
from cases.selectors.place import locate
from cases.services import components
from cases.services.city import load_city
from cases.services.components import load_components
from tests.support.city import HUAIHUA, SmallCity, feature, small_city, square
from tests.support.components import HEADINGS, register

__all__ = ["small_city"]
pytestmark = pytest.mark.django_db

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)

_MODELS = (Area, Border, Condition, District, MinorClass, PlaceName, Responsibility, Unit)


def load(city, since=None):
    folder = city.write() if isinstance(city, SmallCity) else city
    return load_city(folder, since=since, progress=lambda line: None)


def everything():
    return {model: list(model.objects.order_by("pk").values()) for model in _MODELS}


def versions(level, code):
    rows = Area.objects.filter(level=level, code=code).order_by("pk")
    return [(row.valid.lower, row.valid.upper) for row in rows]


def test_huaihua_loads_completely():
    done = load(HUAIHUA)

    added = {name: counts["added"] for name, counts in done.items()}
    assert added == {
        "districts": 4,
        "areas": 6148,
        "borders": 4,
        "places": 14,
        "problem_classes": 11,
        "minor_classes": 190,
        "conditions": 480,
        "units": 79,
        "responsibilities": 294,
    }
    assert Area.objects.filter(level="cell").count() == 5839
    assert Area.objects.filter(area_m2__lte=0).count() == 0
    assert [d.slug for d in District.objects.all()] == [
        *("hecheng", "zhongfang", "landport", "hightech")
    ]


def test_loading_again_changes_nothing(small_city):
    load(small_city)
    before = everything()

    done = load(small_city)

    assert everything() == before
    assert {counts["added"] + counts["changed"] + counts["closed"] for counts in done.values()} == {
        0
    }


def test_the_first_load_holds_for_the_past_too(small_city):
    load(small_city)

    assert versions("cell", "431202001001001") == [(None, None)]
    assert locate(110.015, 27.515, at=datetime(2020, 1, 1, tzinfo=UTC)).cell == "431202001001001"


def test_a_changed_boundary_closes_the_old_version_and_opens_a_new_one(small_city):
    load(small_city)
    small_city.grid[0]["geometry"] = square(110.01, 27.51, 110.02, 27.515)

    done = load(small_city, since=APRIL)

    assert done["areas"] == {"added": 0, "changed": 1, "closed": 0, "kept": 6}
    assert versions("cell", "431202001001001") == [(None, APRIL), (APRIL, None)]
    assert versions("cell", "431202001001002") == [(None, None)]
    assert locate(110.015, 27.517, at=MARCH).cell == "431202001001001"
    assert locate(110.015, 27.517, at=APRIL).cell is None
    assert locate(110.015, 27.517).cell is None


def test_a_dropped_area_is_closed_and_kept(small_city):
    load(small_city)
    del small_city.grid[1]

    done = load(small_city, since=APRIL)

    assert done["areas"]["closed"] == 1
    assert versions("cell", "431202001001002") == [(None, APRIL)]
    assert locate(110.025, 27.515, at=MARCH).cell == "431202001001002"
    assert locate(110.025, 27.515, at=MAY).cell is None


def test_a_grown_zone_moves_the_border_of_its_county(small_city):
    load(small_city)
    small_city.districts[1]["geometry"] = square(110.055, 27.5, 110.1, 27.6)

    done = load(small_city, since=APRIL)

    assert done["areas"]["changed"] == 1
    assert done["borders"]["changed"] == 2
    assert locate(110.057, 27.55, at=MARCH).district == "hecheng"
    assert locate(110.057, 27.55, at=MAY).district == "landport"
    assert locate(110.05, 27.55, at=MARCH).border_m == pytest.approx(988, abs=6)
    assert locate(110.05, 27.55, at=MAY).border_m == pytest.approx(494, abs=3)


def test_a_grown_zone_takes_the_components_in_it(small_city):
    small_city.categories.append(small_city.categories[0] | {"kind": "component"})
    load(small_city)
    inside = {"标识码": "4312020112000001", "经度": "110.057", "纬度": "27.55"}
    outside = {"标识码": "4312020112000002", "经度": "110.05", "纬度": "27.55"}
    load_components(register(inside, outside, headings=HEADINGS[:4]))

    small_city.districts[1]["geometry"] = square(110.055, 27.5, 110.1, 27.6)
    done = load(small_city)

    assert done["components"] == {"added": 0, "changed": 1, "closed": 0, "kept": 1}
    assert list(Component.objects.order_by("code").values_list("district", flat=True)) == [
        *("landport", "hecheng")
    ]


def test_a_component_left_outside_the_city_keeps_its_place(small_city):
    small_city.categories.append(small_city.categories[0] | {"kind": "component"})
    load(small_city)
    row = {"标识码": "4312020112000001", "经度": "110.005", "纬度": "27.505"}
    load_components(register(row, headings=HEADINGS[:4]))

    small_city.districts[0]["geometry"] = square(110.0095, 27.5, 110.1, 27.6)
    for drawn in small_city.subdivisions:
        drawn["geometry"] = square(110.0095, 27.5, 110.1, 27.6)
    done = load(small_city)

    assert done["components"] == {"added": 0, "changed": 0, "closed": 0, "kept": 1}
    assert Component.objects.get().district == "hecheng"


def test_two_changes_need_a_later_moment(small_city):
    load(small_city)
    small_city.grid[0]["geometry"] = square(110.01, 27.51, 110.02, 27.515)
    load(small_city, since=APRIL)
    before = everything()
    small_city.grid[0]["geometry"] = square(110.01, 27.51, 110.02, 27.516)

    with pytest.raises(InvalidInput, match="later --from"):
        load(small_city, since=MARCH)

    assert everything() == before


def test_a_changed_limit_changes_the_condition_in_place(small_city):
    load(small_city)
    small_city.categories[0]["limit_value"] = "3"

    done = load(small_city)

    assert done["conditions"] == {"added": 0, "changed": 1, "closed": 0, "kept": 0}
    assert Condition.objects.get().limit_value == 3


def test_a_dropped_unit_goes_out_of_use(small_city):
    load(small_city)
    del small_city.units[2]

    done = load(small_city)

    assert done["units"]["closed"] == 1
    assert Unit.objects.get(code="brigade").is_active is False


def test_a_changed_rule_is_versioned(small_city):
    load(small_city)
    small_city.responsibilities[0]["reason_en"] = "The street answers"

    load(small_city, since=APRIL)

    rules = Responsibility.objects.order_by("pk")
    assert [(r.reason_en, r.valid.lower, r.valid.upper) for r in rules] == [
        ("Locality", None, APRIL),
        ("The street answers", APRIL, None),
    ]


def test_a_rule_may_have_further_conditions(small_city):
    further = {"source": "hotline", "working_time": "outside", "severity": "work_hour"}
    small_city.responsibilities[0] |= further | {"by_load": "yes", "area": "431202001001001"}

    load(small_city)

    rule = Responsibility.objects.get()
    assert (rule.source, rule.working_time, rule.severity) == tuple(further.values())
    assert (rule.by_load, rule.cell) == (True, "431202001001001")


def test_columns_that_say_nothing_make_no_new_version(small_city):
    load(small_city)
    small_city.responsibilities[0] |= {"source": "", "by_load": "no"}

    load(small_city)

    assert Responsibility.objects.get().valid.upper is None


def test_no_second_version_of_an_area_at_one_time(small_city):
    load(small_city)
    row = Area.objects.get(level="street")
    row.pk = None

    with pytest.raises(Exception, match="area_one_version_at_a_time"):
        row.save(force_insert=True)


@pytest.mark.django_db(transaction=True)
def test_two_loads_at_once_open_one_version(small_city):
    folder = small_city.write()
    together = threading.Barrier(2)
    done, failed = [], []

    def run():
        try:
            done.append(
                load_city(
                    folder,
                    since=None,
                    # both have read the folder before either stores it
                    progress=lambda line: together.wait(20) if line.startswith("reading p") else 0,
                )
            )
        except Exception as error:  # noqa: BLE001  # shown by the assertion below
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failed == []
    assert sorted(counts["areas"]["added"] for counts in done) == [0, 7]
    assert Area.objects.count() == 7


@pytest.mark.django_db(transaction=True)
def test_two_registers_at_once_follow_each_other(small_city, monkeypatch):
    small_city.categories.append(small_city.categories[0] | {"kind": "component"})
    load(small_city)
    row = {"标识码": "4312020112000001", "经度": "110.015", "纬度": "27.515"}
    raw = register(row, headings=HEADINGS[:4])
    together, done = threading.Barrier(2), []

    compare = components._Reader._compare

    def compare_and_meet(reader, rows):
        compare(reader, rows)
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(1)  # both would be here at once if they did not follow each other

    def run():
        try:
            done.append(load_components(raw).counts)
        finally:
            connection.close()

    monkeypatch.setattr(components._Reader, "_compare", compare_and_meet)
    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted((counts["new"], counts["unchanged"]) for counts in done) == [(0, 1), (1, 0)]
    assert Component.objects.count() == 1


# --- what is refused ----------------------------------------------------------------------------

BOW_TIE = {
    "type": "Polygon",
    "coordinates": [
        [[110.01, 27.51], [110.02, 27.52], [110.02, 27.51], [110.01, 27.52], [110.01, 27.51]]
    ],
}
OPEN_RING = {
    "type": "Polygon",
    "coordinates": [[[110.01, 27.51], [110.02, 27.51], [110.02, 27.52], [110.01, 27.52]]],
}


def put(collection, index, geometry):
    def change(city):
        getattr(city, collection)[index]["geometry"] = geometry

    return change


def say(collection, index, **words):
    def change(city):
        row = getattr(city, collection)[index]
        row.get("properties", row).update(words)

    return change


def drop(collection, index, word):
    def change(city):
        row = getattr(city, collection)[index]
        del row.get("properties", row)[word]

    return change


def add(collection, row):
    def change(city):
        getattr(city, collection).append(row)

    return change


CELL = {"district": "431202", "community_code": "431202001001", "zone": None}
CELL_AT = square(110.03, 27.51, 110.04, 27.52)
FAULTS = {
    "crossing": (
        put("grid", 1, BOW_TIE),
        r"grid\.geojson: feature 1 \(431202001001002\): .*Self-intersection\[110\.015 27\.515",
    ),
    "open": (put("grid", 0, OPEN_RING), r"grid\.geojson: feature 0 .*ring is not closed"),
    "short": (
        put("grid", 0, {"type": "Polygon", "coordinates": [[[110, 27.5], [110, 27.5]]]}),
        "feature 0 .*fewer than four",
    ),
    "empty": (put("grid", 0, {"type": "Polygon", "coordinates": []}), "feature 0 .*is empty"),
    "none": (put("grid", 0, None), r"grid\.geojson: feature 0: no geometry"),
    "a number": (
        put("grid", 0, {"type": "MultiPolygon", "coordinates": [5]}),
        "feature 0 .*is empty",
    ),
    "zone is a list": (say("grid", 0, zone=["4312LG"]), "feature 0 .*no zone"),
    "long name": (
        say("districts", 0, short_zh="鹤" * 21),
        "feature 0 .*short_zh is longer than 20",
    ),
    "a point": (
        put("grid", 0, {"type": "Point", "coordinates": [110, 27.5]}),
        "feature 0 .*geometry is 'Point'",
    ),
    "swapped": (put("grid", 0, square(27.51, 110.01, 27.52, 110.02)), "feature 0 .*look swapped"),
    "off the globe": (put("grid", 0, square(210, 27.5, 211, 27.6)), "feature 0 .*off the globe"),
    "not numbers": (
        put("grid", 0, {"type": "Polygon", "coordinates": [[["a", "b"]] * 4]}),
        "feature 0 .*not a position",
    ),
    "outside its community": (
        put("grid", 0, square(110.2, 27.51, 110.21, 27.52)),
        "feature 0 .*100% of it lies outside its community 431202001001",
    ),
    "half in its zone": (
        put("grid", 0, square(110.055, 27.51, 110.065, 27.52)),
        "feature 0 .*50% of it lies in the zone 4312LG, which it does not name",
    ),
    "half out of its zone": (
        lambda city: city.grid[0].update(
            feature(square(110.055, 27.51, 110.065, 27.52), **{**CELL, "zone": "4312LG"}, code="1")
        ),
        r"feature 0 \(1\): 50% of it lies outside its district 4312LG",
    ),
    "overlap": (
        add("grid", feature(square(110.015, 27.51, 110.018, 27.52), code="3", **CELL)),
        r"feature 2 \(3\): it overlaps cell 431202001001001 \(grid\.geojson: feature 0\)",
    ),
    "zone outside": (
        put("districts", 1, square(110.06, 27.5, 110.2, 27.6)),
        r"districts\.geojson: feature 1 \(landport\): .*outside its district 431202",
    ),
    "same code": (
        add("grid", feature(CELL_AT, code="431202001001001", **CELL)),
        r"feature 2 \(431202001001001\): 431202001001001 stands twice, first at 0",
    ),
    "unknown community": (
        say("grid", 1, community_code="431202009009"),
        "feature 1 .*parent 431202009009 is not in the folder",
    ),
    "unknown street": (
        say("subdivisions", 1, street="431202009"),
        "feature 1 .*parent 431202009 is not in the folder",
    ),
    "no code": (drop("grid", 1, "code"), r"grid\.geojson: feature 1: no code"),
    "unknown slug": (say("districts", 0, slug="elsewhere"), "feature 0: slug is 'elsewhere'"),
    "place that is no point": (put("places", 0, CELL_AT), r"places\.geojson: feature 0 \(怀化\)"),
    "limit": (say("categories", 0, limit_unit="week"), r"categories\.csv: row 0 .*limit_unit"),
    "no limit": (say("categories", 0, limit_value="0"), "row 0 .*limit_value is '0'"),
    "no text": (say("categories", 0, text_en=" "), "row 0 .*no text_en"),
    "read alike": (
        lambda city: city.categories.append(
            city.categories[0] | {"condition_no": "2", "text_zh": "另"}
        ),
        r"row 1 \(event-0112-2\): Litter on the road stands twice, first at 0",
    ),
    "class unlike": (
        lambda city: city.categories.append(
            city.categories[0]
            | {"condition_no": "2", "text_zh": "另", "text_en": "O", "minor_en": "Else"}
        ),
        "row 1 .*reads otherwise",
    ),
    "unit kind": (say("units", 2, kind="navy"), r"units\.json: feature 2 \(brigade\): kind"),
    "a phone": (say("units", 0, phone="0745"), "feature 0 .*unknown key phone"),
    "unit district": (say("units", 0, district="nowhere"), "feature 0 .*no district nowhere"),
    "unit street": (say("units", 0, street="431202009"), "feature 0 .*no street 431202009"),
    "unit circle": (say("units", 0, parent="office"), "feature 0 .*its own sub-unit"),
    "rule class": (
        say("responsibilities", 0, category="event-9999"),
        r"responsibilities\.csv: row 0 \(all\): no category event-9999",
    ),
    "rule area": (say("responsibilities", 0, area="mars"), "row 0 .*no area mars"),
    "rule unit": (say("responsibilities", 0, unit="navy"), "row 0 .*no unit 'navy'"),
    "rule kind": (say("responsibilities", 0, unit="kind:navy"), "row 0 .*no kind of unit navy"),
    "rule rank": (say("responsibilities", 0, rank="boss"), "row 0 .*rank is 'boss'"),
    "rule severity": (say("responsibilities", 0, severity="grave"), "row 0 .*severity is 'grave'"),
    "rule source": (say("responsibilities", 0, source="pigeon"), "row 0 .*source is 'pigeon'"),
    "rule time": (say("responsibilities", 0, working_time="noon"), "row 0 .*working_time is"),
    "rule load": (say("responsibilities", 0, by_load="perhaps"), "row 0 .*by_load is 'perhaps'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_and_nothing_is_loaded(small_city, fault):
    change, message = FAULTS[fault]
    load(small_city)
    before = everything()
    change(small_city)
    small_city.categories[0]["closing_en"] = "Changed, if anything were loaded"

    with pytest.raises(BadCityFolder, match=message):
        load(small_city)

    assert everything() == before


def test_a_missing_file_is_named(small_city):
    (small_city.write() / "grid.geojson").unlink()

    with pytest.raises(BadCityFolder, match=r"grid\.geojson: the file is missing"):
        load_city(small_city.folder, since=None, progress=lambda line: None)


def test_a_broken_file_is_named_with_its_line(small_city):
    (small_city.write() / "units.json").write_text('[\n{"code": }\n]', "utf-8")

    with pytest.raises(BadCityFolder, match=r"units\.json: not JSON at line 2"):
        load_city(small_city.folder, since=None, progress=lambda line: None)


def test_a_broken_quote_is_named_with_its_line(small_city):
    path = small_city.write() / "responsibilities.csv"
    path.write_text(path.read_text("utf-8") + '"a"b,owner', "utf-8")

    with pytest.raises(BadCityFolder, match=r"responsibilities\.csv: not CSV at line 3"):
        load_city(small_city.folder, since=None, progress=lambda line: None)


def test_a_row_too_short_is_named(small_city):
    path = small_city.write() / "responsibilities.csv"
    path.write_text(path.read_text("utf-8") + "short,owner\n", "utf-8")

    with pytest.raises(BadCityFolder, match=r"responsibilities\.csv: row 1: more or fewer"):
        load_city(small_city.folder, since=None, progress=lambda line: None)


def test_a_missing_column_is_named(small_city):
    small_city.categories = [{"kind": "event"}]

    with pytest.raises(BadCityFolder, match=r"categories\.csv: no column major_code"):
        load(small_city)


def test_no_folder_is_refused(tmp_path):
    with pytest.raises(BadCityFolder, match="is not a folder"):
        load(tmp_path / "none")


# --- the command --------------------------------------------------------------------------------


def test_the_command_prints_progress_and_counts(small_city, capsys):
    call_command("load_city", small_city.write())

    printed = capsys.readouterr().out.splitlines()
    assert "reading districts …" in printed
    assert "areas: 7 added" in printed


def test_the_command_prints_json_alone(small_city, capsys):
    call_command("load_city", small_city.write(), "--json")

    told = json.loads(capsys.readouterr().out)
    assert told["areas"] == {"added": 7, "changed": 0, "closed": 0, "kept": 0}


def test_the_command_takes_a_day_in_the_citys_time(small_city):
    call_command("load_city", small_city.write(), "--from", "2026-04-01")

    assert versions("street", "431202001") == [(datetime(2026, 3, 31, 16, tzinfo=UTC), None)]
    with pytest.raises(OutsideCity):
        locate(110.05, 27.55, at=MARCH)


def test_the_command_ends_with_1_when_the_folder_is_wrong(small_city):
    small_city.grid[0]["geometry"] = BOW_TIE

    with pytest.raises(CommandError, match=r"grid\.geojson: feature 0.*Nothing was loaded") as end:
        call_command("load_city", small_city.write())

    assert end.value.returncode == 1
    assert Area.objects.count() == 0


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", "2026-02-30T00:00"])
def test_the_command_refuses_a_moment_it_cannot_read(small_city, moment):
    with pytest.raises(CommandError, match="--from"):
        call_command("load_city", small_city.write(), "--from", moment)
