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


def degrees(metres: float) -> float:
    """Return degrees that span at least `metres` at the city's latitude, to ask an index."""
    return metres / _METRES_IN_DEGREE


_METRES_IN_DEGREE = 90_000  # of longitude, rounded down; of latitude there are more
