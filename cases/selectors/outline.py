"""The outlines a map is drawn from: districts and streets; the grid around a point."""

from django.db import connection

Box = tuple[float, float, float, float]  # west, south, east, north; degrees, WGS-84
NEAR = 0.008  # degrees, some 800 m: a phone's map at the zoom a place is chosen at

_VALID = "level IN ('district', 'street') AND valid @> now()"
# 0.0002 degrees is about 20 m: less than a line's width until deep zooms.
_OUTLINE = f"""
    SELECT json_build_object('type', 'FeatureCollection', 'features', coalesce(json_agg(
        json_build_object(
            'type', 'Feature',
            'geometry', ST_AsGeoJSON(ST_SimplifyPreserveTopology(a.geom, 0.0002), 5)::json,
            'properties', json_build_object(
                'level', a.level, 'code', a.code, 'district', a.district_id,
                'zh', coalesce(d.short_zh, a.name_zh), 'en', coalesce(d.short_en, a.name_en),
                'lon', ST_X(a.label), 'lat', ST_Y(a.label)))
        ORDER BY a.level DESC, a.precedence, a.code), '[]'))::text
    FROM (SELECT * FROM cases_area WHERE {_VALID}) a
    LEFT JOIN cases_district d ON d.slug = a.district_id
"""  # noqa: S608 - no value from outside


def outline() -> str:
    """Return GeoJSON (WGS-84) of the districts and streets valid now, streets first."""
    with connection.cursor() as cursor:
        cursor.execute(_OUTLINE)
        text: str = cursor.fetchone()[0]
    return text


def outline_version() -> str:
    """Return a digest that changes when an outline does."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT md5(string_agg(digest, '' ORDER BY id)) FROM cases_area WHERE {_VALID}"  # noqa: S608
        )
        digest: str | None = cursor.fetchone()[0]
    return digest or "none"


# A cell has no name: people call it by the last three digits of its code.
_NEAR = """
    SELECT json_build_object('type', 'FeatureCollection', 'features', coalesce(json_agg(
        json_build_object(
            'type', 'Feature',
            'geometry', ST_AsGeoJSON(ST_SimplifyPreserveTopology(geom, 0.00002), 5)::json,
            'properties', json_build_object(
                'level', level, 'code', code,
                'zh', coalesce(nullif(name_zh, ''), right(code, 3)),
                'en', coalesce(nullif(name_en, ''), nullif(name_zh, ''), right(code, 3)),
                'lon', ST_X(label), 'lat', ST_Y(label)))
        ORDER BY level, code), '[]'))::text
    FROM cases_area
    WHERE level IN ('cell', 'community') AND valid @> now()
      AND geom && ST_MakeEnvelope(%s, %s, %s, %s, 4326)
"""


def outline_near(lon: float, lat: float) -> str:
    """Return GeoJSON (WGS-84) of communities and grid cells some 800 m around a point."""
    return outline_within((lon - NEAR, lat - NEAR, lon + NEAR, lat + NEAR))


def outline_within(box: Box) -> str:
    """Return GeoJSON (WGS-84) of communities and grid cells that reach into a box."""
    with connection.cursor() as cursor:
        cursor.execute(_NEAR, box)
        text: str = cursor.fetchone()[0]
    return text
