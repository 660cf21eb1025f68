"""Heat and trend: sums of the counts beside the ledger, within what a reader may see."""

import hashlib
import json
import logging
import re
import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from cases.errors import InvalidInput
from cases.policy import reach_of
from cases.selectors.rollup import COLUMNS
from cases.selectors.spans import Span, bucket_of
from cityops.accounts.models import User

logger = logging.getLogger(__name__)

LEVELS = {"community": 12, "cell": 15}  # how long the codes of a level are
STEPS = 5
KEPT_S = 3600
AWAY_S = 20.0  # how long a cache that failed is not asked again
_CATEGORY = re.compile(r"(event|component)(-\d{2}(\d{2})?)?", re.ASCII)
_PLACE = re.compile(r"\d{6,15}", re.ASCII)
_away_until = 0.0  # of this process


@dataclass(frozen=True)
class Asked:
    """Which cases are counted: over which days, of which class, at which place and district."""

    span: Span
    category: str = ""  # event, event-01 or event-0112, or of component
    place: str = ""  # a code that those of the places within begin with
    district: str = ""

    def __post_init__(self) -> None:
        """Raise InvalidInput for what names no class or place."""
        if self.category and not _CATEGORY.fullmatch(self.category):
            said = {"category": _("take event, event-01 or event-0112, or the same of component")}
            raise InvalidInput(_("There is no such class."), fields=said)
        if self.place and not _PLACE.fullmatch(self.place):
            said = {"place": _("take the code of a street, community or grid cell")}
            raise InvalidInput(_("There is no such place."), fields=said)


@dataclass
class Where:
    """A condition on the counts: its parts, and the values they name."""

    parts: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        return " AND ".join(self.parts)


def readable(user: User) -> list[str] | None:
    """Return the districts whose counts `user` may read; None for all, the whole city's.

    Only the posts of a district or the city read counts: what one unit or inspector sees is not
    a district's, and a case that left a district is no longer counted there.
    """
    reach = reach_of(user)
    return None if reach.is_whole else sorted(reach.districts)


# --- heat ---------------------------------------------------------------------------------------


def heat(
    user: User, asked: Asked, *, count: str, level: str, stand: dict[str, Any]
) -> dict[str, Any]:
    """Return the cases counted at each place of a level, in columns, with the steps to colour.

    `stand` is what `standing` said. What lies at no place of the level is
    in `total` and in `elsewhere`. Steps are those of the places around: of a cell, of its built-up
    area, so that a small town's is not lost beside the city's.
    """
    assert count in COLUMNS
    key = heat_key(user, asked, count=count, level=level, stand=stand)
    return _kept(key, lambda: _heat(user, asked, count, level) | stand)


def standing(user: User) -> dict[str, Any]:
    """Return how far the counts have read the logs `user` may read, and the areas' version."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT positions::text FROM cases_rollupstate WHERE id = 1),
              count(*) || '-' || coalesce(max(id), 0)
            FROM cases_area WHERE level IN ('cell', 'community', 'builtup') AND valid @> now()
            """
        )
        positions, version = cursor.fetchone()
    mine, heads = readable(user), json.loads(positions or "{}")
    told = {scope: n for scope, n in heads.items() if mine is None or scope in mine}
    return {"heads": told, "areas_version": version}


def heat_key(user: User, asked: Asked, *, count: str, level: str, stand: dict[str, Any]) -> str:
    """Return a name that changes whenever the heat would: with the logs, areas, days and reader."""
    told = [readable(user), stand, str(asked.span.first), str(asked.span.after)]
    words = json.dumps(
        [*told, asked.category, asked.district, asked.place, count, level], sort_keys=True
    )
    return f"heat:{hashlib.sha256(words.encode()).hexdigest()[:40]}"


def _heat(user: User, asked: Asked, count: str, level: str) -> dict[str, Any]:
    where, length = where_of(user, asked), LEVELS[level]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT CASE WHEN length(place) >= {length} THEN left(place, {length}) ELSE '' END AS at,
              sum({count})::int
            FROM cases_rollup WHERE {where.sql} GROUP BY 1 HAVING sum({count}) > 0
            """,  # noqa: S608 - our own words, the values stay parameters
            where.values,
        )
        counts = dict(cursor.fetchall())
    elsewhere = counts.pop("", 0)
    places = _places(level, sorted(counts))
    by_area: dict[str, list[int]] = {}
    for code, area, *_point in places:
        by_area.setdefault(area, []).append(counts[code])
    scales = {area: classes(found) for area, found in sorted(by_area.items())}
    at_places = sum(counts[code] for code, *_rest in places)
    total = sum(counts.values()) + elsewhere  # an area that is no longer valid is elsewhere
    return {
        "level": level,
        "count": count,
        "first": str(asked.span.first),
        "last": str(asked.span.last),
        "place": [code for code, *_rest in places],
        "n": [counts[code] for code, *_rest in places],
        "step": [step_of(counts[code], scales[area]) for code, area, *_rest in places],
        "lon": [lon for *_rest, lon, _lat in places],
        "lat": [lat for *_rest, lat in places],
        "area": [area for _code, area, *_rest in places],
        "scales": scales,
        "areas": _area_names(sorted(scales)),
        "total": total,
        "elsewhere": total - at_places,
    }


_PLACES = """
    SELECT a.code, coalesce(b.code, ''), round(ST_X(a.label)::numeric, 5)::float,
      round(ST_Y(a.label)::numeric, 5)::float
    FROM cases_area a LEFT JOIN LATERAL (
      SELECT code FROM cases_area
      WHERE %(level)s = 'cell' AND level = 'builtup' AND valid @> now()
        AND ST_Covers(geom, a.label)
      ORDER BY code LIMIT 1) b ON true
    WHERE a.level = %(level)s AND a.valid @> now() AND a.code = ANY(%(codes)s)
    ORDER BY a.code
"""


def _places(level: str, codes: list[str]) -> list[tuple[str, str, float, float]]:
    """Return (code, built-up area, lon, lat) of the areas valid now among `codes`."""
    with connection.cursor() as cursor:
        cursor.execute(_PLACES, {"level": level, "codes": codes})
        found: list[tuple[str, str, float, float]] = cursor.fetchall()
    return found


def _area_names(codes: list[str]) -> dict[str, dict[str, str]]:
    """Return the names of built-up areas, in both languages."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code, name_zh, coalesce(nullif(name_en, ''), name_zh) FROM cases_area"
            " WHERE level = 'builtup' AND valid @> now() AND code = ANY(%s)",
            [codes],
        )
        return {code: {"zh": zh, "en": en} for code, zh, en in cursor.fetchall()}


Class = tuple[int, int, int]  # from, to (both counted), step 1 to STEPS


def classes(counts: Sequence[int]) -> list[Class]:
    """Return classes of about as many places each, lightest first; fewer where counts are alike."""
    ordered = sorted(counts)
    if not ordered:
        return []
    ends = sorted({ordered[-(-len(ordered) * n // STEPS) - 1] for n in range(1, STEPS + 1)})
    starts = [ordered[0], *(low + 1 for low, _high in pairwise(ends))]
    last = len(ends) - 1
    return [
        (start, end, 1 + round(n * (STEPS - 1) / last) if last else (STEPS + 1) // 2)
        for n, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]


def step_of(count: int, found: Sequence[Class]) -> int:
    """Return the step of a count within its classes."""
    return found[min(bisect_left([end for _start, end, _step in found], count), len(found) - 1)][2]


def within(found: dict[str, Any], box: tuple[float, float, float, float]) -> dict[str, Any]:
    """Keep the places of a heat whose middle lies in `box` (west, south, east, north)."""
    west, south, east, north = box
    kept = [
        n
        for n, (lon, lat) in enumerate(zip(found["lon"], found["lat"], strict=True))
        if west <= lon <= east and south <= lat <= north
    ]
    columns = ("place", "n", "step", "lon", "lat", "area")
    return found | {name: [found[name][n] for n in kept] for name in columns}


# --- trend --------------------------------------------------------------------------------------


def trend(user: User, asked: Asked, *, by: str) -> dict[date, dict[str, int]]:
    """Return the counts of each day, week or month of a span, by its first day."""
    where = where_of(user, asked, grain="" if by == "month" else "day")
    names = ", ".join(f"sum({name})::int" for name in COLUMNS)
    found = {start: dict.fromkeys(COLUMNS, 0) for start in asked.span.starts(by)}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT start, {names} FROM cases_rollup WHERE {where.sql} GROUP BY start",  # noqa: S608 - our own words
            where.values,
        )
        for start, *counts in cursor.fetchall():
            bucket = found[bucket_of(start, by)]
            for name, n in zip(COLUMNS, counts, strict=True):
                bucket[name] += n
    return found


def totals(user: User, asked: Asked) -> dict[str, int]:
    """Return the counts of a whole span."""
    where = where_of(user, asked)
    names = ", ".join(f"coalesce(sum({name}), 0)::int" for name in COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {names} FROM cases_rollup WHERE {where.sql}", where.values)  # noqa: S608 - our own words
        return dict(zip(COLUMNS, cursor.fetchone(), strict=True))


# --- what is counted ----------------------------------------------------------------------------


def where_of(user: User, asked: Asked, *, grain: str = "") -> Where:
    """Return the condition of what is asked within what `user` may read.

    Whole months are read off the rows of months, the rest off those of days; `grain` asks for days
    alone.
    """
    where = Where()
    _over(where, asked.span, grain)
    mine = readable(user)
    if mine is not None:
        where.parts.append("district = ANY(%(mine)s)")
        where.values["mine"] = mine
    if asked.district:
        where.parts.append("district = %(district)s")
        where.values["district"] = asked.district
    if asked.category:
        # A range, not a pattern, so that also a plan made for any value uses the index.
        where.parts.append("minor ~>=~ %(minor)s AND minor ~<~ %(minor_end)s")
        where.values |= {"minor": asked.category, "minor_end": f"{asked.category}~"}
    if asked.place:
        where.parts.append("place ~>=~ %(place)s AND place ~<~ %(place_end)s")
        where.values |= {"place": asked.place, "place_end": f"{asked.place}~"}
    return where


def _over(where: Where, span: Span, grain: str) -> None:
    first, after = span.whole_months
    where.values |= {"first": span.first, "after": span.after}
    if grain or first >= after:
        where.parts.append("grain = 'day' AND start >= %(first)s AND start < %(after)s")
        return
    where.values |= {"month": first, "month_end": after}
    where.parts.append(
        "(grain = 'month' AND start >= %(month)s AND start < %(month_end)s"
        " OR grain = 'day' AND start >= %(first)s AND start < %(month)s"
        " OR grain = 'day' AND start >= %(month_end)s AND start < %(after)s)"
    )


# --- the geometry -------------------------------------------------------------------------------

TILE_ZOOM = 14  # cells come in tiles of this zoom: some 2.2 km wide
_AREAS = """
    SELECT json_build_object('type', 'FeatureCollection', 'features', coalesce(json_agg(
        json_build_object('type', 'Feature',
          'geometry', ST_AsGeoJSON(ST_SimplifyPreserveTopology(a.geom, {tolerance}), 5)::json,
          'properties', json_build_object('code', a.code,
            'zh', coalesce(nullif(a.name_zh, ''), right(a.code, 3)),
            'en', coalesce(nullif(a.name_en, ''), nullif(a.name_zh, ''), right(a.code, 3)),
            'around', p.name_zh))
        ORDER BY a.code), '[]'))::text
    FROM cases_area a LEFT JOIN cases_area p ON p.code = a.parent_code AND p.valid @> now()
      AND p.level = CASE a.level WHEN 'cell' THEN 'community' ELSE 'street' END
    WHERE a.level = {level} AND a.valid @> now() {where}
"""
COMMUNITIES = _AREAS.format(tolerance="0.0002", level="'community'", where="")
# A cell belongs to the tile its middle lies in; the box is searched by the index of outlines.
CELLS = _AREAS.format(
    tolerance="0.00002",
    level="'cell'",
    where="""AND a.geom && ST_Transform(ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4326)
      AND ST_Contains(ST_Transform(ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4326), a.label)""",
)


def communities() -> str:
    """Return GeoJSON (WGS-84) of every community valid now."""
    with connection.cursor() as cursor:
        cursor.execute(COMMUNITIES)
        text: str = cursor.fetchone()[0]
    return text


def cells(x: int, y: int) -> str:
    """Return GeoJSON (WGS-84) of the grid cells in a tile of TILE_ZOOM."""
    with connection.cursor() as cursor:
        cursor.execute(CELLS, {"z": TILE_ZOOM, "x": x, "y": y})
        text: str = cursor.fetchone()[0]
    return text


def place_name(code: str) -> tuple[str, str]:
    """Return the name of a street, community or cell with those around it, in both languages."""
    return place_names([code]).get(code, ("", ""))


def place_names(codes: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return the names of streets, communities and cells with those around them, by code."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT w.code, string_agg(coalesce(nullif(name_zh, ''), right(a.code, 3)), ' · '
                     ORDER BY length(a.code)),
                   string_agg(coalesce(nullif(name_en, ''), nullif(name_zh, ''), right(a.code, 3)),
                     ' · ' ORDER BY length(a.code))
            FROM unnest(%s::text[]) AS w(code)
            CROSS JOIN LATERAL (
              SELECT code, name_zh, name_en FROM cases_area
              WHERE level IN ('street', 'community', 'cell') AND valid @> now()
                AND code IN (left(w.code, 9), left(w.code, 12), left(w.code, 15))) a
            GROUP BY w.code
            """,
            [[*codes]],
        )
        return {code: (zh, en) for code, zh, en in cursor.fetchall()}


# --- kept in the cache --------------------------------------------------------------------------


def _kept(key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what the cache holds under `key`, else make and keep it; a cache away is a miss."""
    text = _asked_cache(lambda: cache.get(key))
    if text is not None:
        found: dict[str, Any] = json.loads(text)
        return found
    found = make()
    _asked_cache(lambda: cache.set(key, json.dumps(found), KEPT_S))
    return found


def _asked_cache(ask: Callable[[], Any]) -> Any:
    global _away_until  # whether this process's cache is away
    if time.monotonic() < _away_until:
        return None
    try:
        return ask()
    except (RedisError, OSError) as error:
        _away_until = time.monotonic() + AWAY_S
        logger.warning("the cache is away: %s", error)
        return None
