"""Chinese map datums to WGS-84 and back: gcj02 shifts the point, bd09 shifts it once more."""

from math import atan2, cos, hypot, pi, radians, sin, sqrt
from typing import Literal

Crs = Literal["wgs84", "gcj02", "bd09"]
CRS_NAMES: tuple[Crs, ...] = ("wgs84", "gcj02", "bd09")

_AXIS_M = 6_378_245.0  # Krasovsky 1940, the ellipsoid of the published shift
_ECCENTRICITY_2 = 0.00669342162296594323
_BD_ANGLE = pi * 3000 / 180
_PRECISION_DEG = 1e-10  # of the inverse: 0.01 mm


def to_wgs84(lon: float, lat: float, crs: str) -> tuple[float, float]:
    """Return (lon, lat) in WGS-84 degrees of a point given in `crs`, or raise ValueError."""
    if crs == "wgs84":
        return lon, lat
    if crs == "gcj02":
        return gcj02_to_wgs84(lon, lat)
    if crs == "bd09":
        return bd09_to_wgs84(lon, lat)
    raise ValueError(f"crs must be one of {', '.join(CRS_NAMES)}, not {crs!r}")


def wgs84_to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """Return the point as Chinese web maps draw it; degrees. Outside China nothing moves."""
    if not _is_shifted(lon, lat):
        return lon, lat
    east, north = _shift(lon, lat)
    return lon + east, lat + north


def gcj02_to_wgs84(lon: float, lat: float) -> tuple[float, float]:
    """Undo `wgs84_to_gcj02`: no formula exists, so repeat the shift until the point fits."""
    if not _is_shifted(lon, lat):
        return lon, lat
    x, y = lon, lat
    for _ in range(30):  # the shift changes slowly, so each round gains two digits or more
        east, north = _shift(x, y)
        next_x, next_y = lon - east, lat - north
        moved = max(abs(next_x - x), abs(next_y - y))
        x, y = next_x, next_y
        if moved < _PRECISION_DEG:
            break
    return x, y


def gcj02_to_bd09(lon: float, lat: float) -> tuple[float, float]:
    """Return the point as Baidu maps draw it; degrees."""
    radius = hypot(lon, lat) + 0.00002 * sin(lat * _BD_ANGLE)
    angle = atan2(lat, lon) + 0.000003 * cos(lon * _BD_ANGLE)
    return radius * cos(angle) + 0.0065, radius * sin(angle) + 0.006


def bd09_to_gcj02(lon: float, lat: float) -> tuple[float, float]:
    """Undo `gcj02_to_bd09`, by the same repetition."""
    x, y = lon - 0.0065, lat - 0.006
    for _ in range(30):
        back_lon, back_lat = gcj02_to_bd09(x, y)
        east, north = back_lon - lon, back_lat - lat
        x, y = x - east, y - north
        if max(abs(east), abs(north)) < _PRECISION_DEG:
            break
    return x, y


def wgs84_to_bd09(lon: float, lat: float) -> tuple[float, float]:
    """Return a WGS-84 point as Baidu maps draw it; degrees."""
    return gcj02_to_bd09(*wgs84_to_gcj02(lon, lat))


def bd09_to_wgs84(lon: float, lat: float) -> tuple[float, float]:
    """Return a point of a Baidu map in WGS-84; degrees."""
    return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))


def _is_shifted(lon: float, lat: float) -> bool:
    """Say whether the shift applies: the rectangle the published algorithm uses for China."""
    return 72.004 <= lon <= 137.8347 and 0.8293 <= lat <= 55.8271


def _shift(lon: float, lat: float) -> tuple[float, float]:
    """Return the shift at a WGS-84 point, in degrees east and north."""
    x, y = lon - 105.0, lat - 35.0
    waves = (20 * sin(6 * x * pi) + 20 * sin(2 * x * pi)) * 2 / 3
    north_m = (
        -100
        + 2 * x
        + 3 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * sqrt(abs(x))
        + waves
        + (20 * sin(y * pi) + 40 * sin(y / 3 * pi)) * 2 / 3
        + (160 * sin(y / 12 * pi) + 320 * sin(y * pi / 30)) * 2 / 3
    )
    east_m = (
        300
        + x
        + 2 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * sqrt(abs(x))
        + waves
        + (20 * sin(x * pi) + 40 * sin(x / 3 * pi)) * 2 / 3
        + (150 * sin(x / 12 * pi) + 300 * sin(x / 30 * pi)) * 2 / 3
    )
    phi = radians(lat)
    magic = 1 - _ECCENTRICITY_2 * sin(phi) ** 2
    metres_north = _AXIS_M * (1 - _ECCENTRICITY_2) / (magic * sqrt(magic)) * pi / 180
    metres_east = _AXIS_M / sqrt(magic) * cos(phi) * pi / 180
    return east_m / metres_east, north_m / metres_north
