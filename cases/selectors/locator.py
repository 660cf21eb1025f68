"""A schematic of where a case lies: the outlines of districts and streets around it."""

from dataclasses import dataclass

from django.db import connection

from cases.models import Case
from cases.models.area import in_language

METRIC = 4546  # EPSG of the city's projection, metres
HALF_WIDTH_M, HALF_HEIGHT_M = 4000, 2000

# SVG paths in metres around the point, south positive; smaller than a line is wide falls away.
_AROUND = f"""
    WITH here AS (SELECT ST_Transform(ST_SetSRID(ST_MakePoint(%s, %s), 4326), {METRIC}) AS p)
    SELECT a.level, coalesce(d.short_zh, a.name_zh), coalesce(d.short_en, a.name_en, ''),
      ST_AsSVG(ST_Translate(ST_SimplifyPreserveTopology(ST_Transform(a.geom, {METRIC}), 20),
                            -ST_X(here.p), -ST_Y(here.p)), 1, 0),
      round(ST_X(ST_Transform(a.label, {METRIC})) - ST_X(here.p)),
      round(ST_Y(here.p) - ST_Y(ST_Transform(a.label, {METRIC})))
    FROM here, cases_area a LEFT JOIN cases_district d ON d.slug = a.district_id
    WHERE a.level IN ('district', 'street') AND a.valid @> now()
      AND a.geom && ST_Transform(ST_Expand(here.p, {HALF_WIDTH_M}, {HALF_HEIGHT_M}), 4326)
    ORDER BY a.level DESC, a.code
"""  # noqa: S608 - no value from outside


@dataclass(frozen=True)
class Outline:
    """One area around a case; its name stands at x, y, in metres from the case."""

    level: str
    name: str
    path: str
    x: int
    y: int


@dataclass(frozen=True)
class Locator:
    """The areas around a case, to be drawn as an SVG whose middle is the case."""

    outlines: list[Outline]

    @property
    def view_box(self) -> str:
        """What the drawing shows, in metres."""
        return f"{-HALF_WIDTH_M} {-HALF_HEIGHT_M} {2 * HALF_WIDTH_M} {2 * HALF_HEIGHT_M}"


def locator(case: Case) -> Locator | None:
    """Return what to draw around a case; None for one without a place."""
    if case.point is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(_AROUND, [case.point.x, case.point.y])
        rows = cursor.fetchall()
    return Locator(
        [
            Outline(level, in_language(zh, en or zh), path, int(x), int(y))
            for level, zh, en, path, x, y in rows
        ]
    )
