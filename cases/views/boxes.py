"""The box of degrees a map asks for."""

from math import isfinite

from cases.errors import InvalidInput
from cases.selectors.outline import Box

WIDEST = 0.1  # degrees, some 10 km: no map shows cells or components of more


def read_box(text: str) -> Box:
    """Return `west,south,east,north` (WGS-84) as numbers; raises InvalidInput for anything else."""
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError:
        west = south = east = north = float("nan")
    is_box = all(map(isfinite, (west, south, east, north))) and west < east and south < north
    is_ours = west >= -180 and east <= 180 and south >= -90 and north <= 90
    if not (is_box and is_ours and max(east - west, north - south) <= WIDEST):
        raise InvalidInput(
            "This is no box.",
            fields={"box": f"give west,south,east,north in degrees, at most {WIDEST} wide"},
        )
    return west, south, east, north
