"""Distances of a few hundred metres, the same here, in SQL and in the verifier. Pure."""

from math import cos, hypot, radians, sin, sqrt

# WGS-84: its larger radius in metres, its squared eccentricity, and the radius at the equator
# of a meridian's curve.
_A, _E2 = 6378137.0, 0.00669437999014
_M = 6335439.327292


def metres(one: str, other: str) -> float:
    """Return metres between two "lon,lat", on the plane that touches WGS-84 between them."""
    (lon, lat), (lon2, lat2) = (map(float, text.split(",")) for text in (one, other))
    middle = radians((lat + lat2) / 2)
    squeeze = 1 - _E2 * sin(middle) ** 2
    north = radians(lat2 - lat) * _M / squeeze / sqrt(squeeze)
    east = radians(lon2 - lon) * cos(middle) * _A / sqrt(squeeze)
    return hypot(north, east)


def metres_sql(one: str, other: str) -> str:
    """Return the same as an expression over two rows that have `lon` and `lat`."""
    middle = f"radians(({one}.lat + {other}.lat) / 2)"
    squeeze = f"(1 - {_E2} * sin({middle}) ^ 2)"
    north = f"radians({other}.lat - {one}.lat) * {_M} / {squeeze} / sqrt({squeeze})"
    east = f"radians({other}.lon - {one}.lon) * cos({middle}) * {_A} / sqrt({squeeze})"
    return f"sqrt(({north}) ^ 2 + ({east}) ^ 2)"


def box_sql(point: str, metres_around: int) -> str:
    """Return a box over a PostGIS point in degrees that holds all within so many metres.

    Somewhat larger than that: a degree is at least 110 km wide, on its parallel by the cosine.
    """
    high = f"{metres_around} / 110000.0"
    return f"ST_Expand({point}, {high} / cos(radians(ST_Y({point}))), {high})"
