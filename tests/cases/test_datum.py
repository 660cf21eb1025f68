"""Datums: published sample points, and there and back again anywhere in China."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.datum import (
    bd09_to_gcj02,
    bd09_to_wgs84,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    to_wgs84,
    wgs84_to_bd09,
    wgs84_to_gcj02,
)

LON = st.floats(73, 135)
LAT = st.floats(3, 54)


def apart(one: tuple[float, float], other: tuple[float, float]) -> float:
    return max(abs(one[0] - other[0]), abs(one[1] - other[1]))


def test_wgs84_to_gcj02_agrees_with_the_published_sample():
    moved = wgs84_to_gcj02(116.404, 39.915)

    assert apart(moved, (116.41024449916938, 39.91640428150164)) < 1e-9


def test_gcj02_to_bd09_agrees_with_the_published_sample():
    moved = gcj02_to_bd09(116.404, 39.915)

    assert apart(moved, (116.41036949371029, 39.92133699351021)) < 1e-9


@given(LON, LAT)
def test_gcj02_is_undone_to_a_tenth_of_a_millionth_of_a_degree(lon, lat):
    assert apart(gcj02_to_wgs84(*wgs84_to_gcj02(lon, lat)), (lon, lat)) < 1e-7


@given(LON, LAT)
def test_bd09_is_undone_to_a_tenth_of_a_millionth_of_a_degree(lon, lat):
    assert apart(bd09_to_gcj02(*gcj02_to_bd09(lon, lat)), (lon, lat)) < 1e-7
    assert apart(bd09_to_wgs84(*wgs84_to_bd09(lon, lat)), (lon, lat)) < 1e-7


@given(LON, LAT)
def test_shift_is_a_few_hundred_metres(lon, lat):
    shift = apart(wgs84_to_gcj02(lon, lat), (lon, lat))

    assert 1e-5 < shift < 0.02


@pytest.mark.parametrize("move", [wgs84_to_gcj02, gcj02_to_wgs84])
def test_nothing_moves_outside_china(move):
    assert move(-0.1276, 51.5072) == (-0.1276, 51.5072)


def test_to_wgs84_takes_each_datum():
    point = (109.98, 27.56)

    assert to_wgs84(*point, "wgs84") == point
    assert apart(to_wgs84(*wgs84_to_gcj02(*point), "gcj02"), point) < 1e-7
    assert apart(to_wgs84(*wgs84_to_bd09(*point), "bd09"), point) < 1e-7


def test_to_wgs84_refuses_an_unknown_datum():
    with pytest.raises(ValueError, match="wgs84, gcj02, bd09"):
        to_wgs84(109.98, 27.56, "epsg:4490")
