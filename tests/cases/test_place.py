"""Where a point lies, on the real city: one answer for every point, by one query."""

import json
import math
import random
from itertools import pairwise

import pytest
import shapely
from django.db import connection
from django.utils import translation
from shapely.geometry import shape

from cases.errors import InvalidInput, OutsideCity
from cases.models import Area
from cases.selectors.place import (
    cell_name,
    locate,
)
from tests.support.city import HUAIHUA, huaihua

__all__ = ["huaihua"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


@pytest.fixture(scope="module")
def outlines():
    features = json.loads((HUAIHUA / "districts.geojson").read_text("utf-8"))["features"]
    return {f["properties"]["slug"]: shape(f["geometry"]) for f in features}


def test_locate_names_everything_about_a_point_in_town():
    place = locate(109.959557, 27.566309)

    assert (place.district, place.county) == ("hecheng", "431202")
    assert (place.street, place.street_zh) == ("431202001", "城中街道")
    assert (place.community, place.community_zh) == ("431202001001", "新街社区")
    assert (place.cell, place.built_up) == ("431202001001002", True)


@pytest.mark.parametrize("cell", range(0, 5839, 97))
def test_a_point_inside_a_cell_finds_the_cell_and_what_is_around_it(cell):
    area = Area.objects.filter(level="cell").order_by("code")[cell]

    place = locate(area.label.x, area.label.y)

    assert place.cell == area.code
    assert place.community == area.parent_code == area.code[:12]
    assert place.street == area.code[:9]
    assert place.county == area.code[:6]
    assert place.district == area.district_id
    assert place.built_up


@pytest.mark.parametrize(("zone", "county"), [("landport", "431202"), ("hightech", "431221")])
def test_a_functional_zone_wins_and_the_county_is_kept(outlines, zone, county):
    point = outlines[zone].representative_point()

    place = locate(point.x, point.y)

    assert (place.district, place.county) == (zone, county)


def test_street_and_community_resolve_everywhere_in_the_city(outlines):
    dice = random.Random(7)  # noqa: S311  # points, not secrets
    city = shapely.union_all(list(outlines.values()))
    west, south, east, north = city.bounds
    points = [(dice.uniform(west, east), dice.uniform(south, north)) for _ in range(1500)]
    inside = [(x, y) for x, y in points if city.contains(shapely.Point(x, y))]

    places = [locate(x, y) for x, y in inside]

    assert len(inside) > 500
    assert {len(place.street) for place in places} == {9}
    assert {len(place.community) for place in places} == {12}
    assert all(place.community.startswith(place.county) for place in places)
    assert any(place.cell is None for place in places)


def test_a_point_in_a_gap_between_drawn_communities_takes_the_nearest(django_assert_num_queries):
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH gap AS (
                SELECT (ST_Dump(ST_Difference(county.geom, (
                    SELECT ST_Union(geom) FROM cases_area
                    WHERE level = 'community' AND county = '431202')))).geom AS geom
                FROM cases_area county WHERE level = 'district' AND code = '431202'
            ), point AS (
                SELECT ST_PointOnSurface(geom) AS geom FROM gap ORDER BY ST_Area(geom) DESC
            )
            SELECT ST_X(geom), ST_Y(geom) FROM point LIMIT 1
            """
        )
        lon, lat = cursor.fetchone()

    with django_assert_num_queries(1):
        place = locate(lon, lat)

    assert place.community.startswith("431202")
    assert place.street == place.community[:9]


def test_locate_asks_one_query(django_assert_num_queries):
    with django_assert_num_queries(1):
        locate(109.959557, 27.566309)


def test_locate_enters_by_the_spatial_index():
    asked = []
    with connection.execute_wrapper(
        lambda execute, sql, params, many, context: (
            asked.append((sql, params)),
            execute(sql, params, many, context),
        )[1]
    ):
        locate(109.959557, 27.566309)
    ((sql, params),) = asked

    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + sql, params)
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "cases_area_geom" in plan
    assert "Seq Scan on cases_area" not in plan


# --- borders ------------------------------------------------------------------------------------


def shared_border_points(one, other):
    """Vertices and middles of the edges that two outlines share."""
    vertices = set(other.exterior.coords)
    points = []
    ring = one.exterior.coords
    for (x1, y1), (x2, y2) in pairwise(ring):
        if (x1, y1) in vertices:
            points.append((x1, y1))
            if (x2, y2) in vertices:
                points.append(((x1 + x2) / 2, (y1 + y2) / 2))
    return points


def test_a_point_on_the_border_of_two_counties_has_one_district(outlines):
    points = shared_border_points(outlines["hecheng"], outlines["zhongfang"])
    assert len(points) > 15

    for lon, lat in points:
        place = locate(lon, lat)

        assert place.border_m == 0
        assert place.community.startswith(place.county)
        assert locate(lon, lat) == place


def test_a_corner_shared_by_two_counties_goes_to_the_lower_code(outlines):
    corners = set(outlines["hecheng"].exterior.coords) & set(outlines["zhongfang"].exterior.coords)

    assert {locate(lon, lat).district for lon, lat in corners} == {"hecheng"}


@pytest.mark.parametrize("zone", ["landport", "hightech"])
def test_a_corner_of_a_functional_zone_belongs_to_the_zone(outlines, zone):
    corners = outlines[zone].exterior.coords[:-1]

    assert {locate(lon, lat).district for lon, lat in corners} == {zone}
    assert {locate(lon, lat).border_m for lon, lat in corners} == {0}


@pytest.mark.parametrize("slug", ["hecheng", "zhongfang", "landport", "hightech"])
def test_distance_to_the_border_is_that_to_the_effective_territory(outlines, slug):
    zones = {"hecheng": "landport", "zhongfang": "hightech"}
    territory = outlines[slug]
    if slug in zones:
        territory = territory.difference(outlines[zones[slug]])
    dice = random.Random(slug)  # noqa: S311  # points, not secrets
    west, south, east, north = territory.bounds
    found = 0
    while found < 40:
        point = shapely.Point(dice.uniform(west, east), dice.uniform(south, north))
        if not territory.contains(point):
            continue
        found += 1

        place = locate(point.x, point.y)

        assert place.district == slug
        expected = metres_to(territory.boundary, point)
        assert place.border_m == pytest.approx(expected, rel=0.01, abs=2)


def metres_to(line, point):
    """Distance by plain trigonometry around the point: an independent, 1 % reckoning."""
    east = 111_320 * math.cos(math.radians(point.y))
    flat = shapely.transform(
        line.segmentize(0.01), lambda xy: (xy - [point.x, point.y]) * [east, 110_840]
    )
    return flat.distance(shapely.Point(0, 0))


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("lon", "lat"), [(112.97, 28.19), (109.5, 27.5), (0, 0), (-109.9, 27.5)])
def test_a_point_outside_all_districts_is_refused(lon, lat):
    with pytest.raises(OutsideCity) as refusal:
        locate(lon, lat)

    assert refusal.value.code == "outside_city"
    assert "location" in refusal.value.fields


@pytest.mark.parametrize(
    ("lon", "lat"), [(math.nan, 27.5), (109.9, math.inf), (200, 27.5), (109.9, -91)]
)
def test_what_is_no_point_on_earth_is_refused(lon, lat):
    with pytest.raises(InvalidInput):
        locate(lon, lat)


def test_swapped_coordinates_are_recognised():
    with translation.override("en"), pytest.raises(InvalidInput, match="swapped"):
        locate(27.56, 109.96)


def test_cell_name_reads_street_community_and_number():
    assert cell_name("431202001001002").endswith("002")
    assert cell_name("000000000000000") == "000000000000000"
