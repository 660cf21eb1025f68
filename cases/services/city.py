"""Load a checked city folder: reference rows in place, areas and rules in versions."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import shapely
from django.contrib.gis.geos import GEOSGeometry
from django.db import connection, models, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import QuerySet

from cases.errors import BadCityFolder, InvalidInput
from cases.models import (
    Area,
    Border,
    Component,
    Condition,
    District,
    DraftRule,
    MinorClass,
    PlaceName,
    ProblemClass,
    Responsibility,
    Unit,
)
from cases.services.calendars import seed_calendars
from cases.services.city_folder import AreaRow, CityFolder, read_folder
from cases.services.components import place_again
from cases.services.filing import rules_changed

Json = dict[str, Any]
CITY_LOCK = 0x63697479  # "city": two writers of versions at once would both open one
_BORDER_STEP_DEG = 0.005  # straight in degrees is not straight in metres: 4 m off over 20 km


def load_city(
    folder: Path, *, since: datetime | None, progress: Callable[[str], None]
) -> dict[str, dict[str, int]]:
    """Load `folder` in one transaction; return counts of added, changed, closed and kept rows.

    Changed areas and rules are closed at `since` and opened anew from it; by default that is now,
    and the beginning of time when nothing was loaded before. Filed cases that wait for a unit are
    then asked for again. Raises BadCityFolder, InvalidInput.
    """
    city = read_folder(folder, progress=progress)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s), now()", [CITY_LOCK])
        now = cursor.fetchone()[1]
        if not Area.objects.exists():
            return _store(city, since, progress)
        since = since or now
        done = _store(city, since, progress)
        rules_changed(f"city-{now:%Y%m%dT%H%M%S.%f}", at=since)
        return done


def _store(
    city: CityFolder, since: datetime | None, progress: Callable[[str], None]
) -> dict[str, dict[str, int]]:
    done = {"districts": _upsert(District, "slug", city.districts)}
    progress("storing areas")
    done["areas"] = _version_areas(city.areas, since)
    done["borders"] = _version_borders(city.areas, since)
    places = [_place(place) for place in city.places]
    done["places"] = _upsert(PlaceName, "name_zh", places)
    PlaceName.objects.exclude(name_zh__in=[place["name_zh"] for place in places]).delete()
    progress("storing categories, units and responsibilities")
    done["problem_classes"] = _upsert(ProblemClass, "code", city.problem_classes)
    done["minor_classes"] = _upsert(MinorClass, "code", city.minors)
    done["conditions"] = _upsert(Condition, "code", city.conditions)
    done["units"] = _upsert(Unit, "code", city.units)
    done["responsibilities"] = _version_rules(city.responsibilities, since)
    if Component.objects.exists():
        done["components"] = place_again()
    seed_calendars()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE cases_area, cases_responsibility")  # the first question is fast
    return done


# --- rows kept in place -------------------------------------------------------------------------


def _upsert(model: type[Any], key: str, rows: list[Json]) -> dict[str, int]:
    """Add and change rows by `key`, touching none that is the same.

    Rows no longer in the folder are taken out of use where the model has `is_active`: cases
    may still point at them.
    """
    counts = Counter({"added": 0, "changed": 0, "closed": 0, "kept": 0})
    columns = [name for name in rows[0] if name != key]
    stored = {row[key]: row for row in model.objects.values(key, *columns)}
    fresh = [row for row in rows if row[key] not in stored]
    changed = [row for row in rows if row[key] in stored and row != stored[row[key]]]
    model.objects.bulk_create([model(**row) for row in fresh], batch_size=1000)
    for row in changed:
        model.objects.filter(**{key: row[key]}).update(**{name: row[name] for name in columns})
    if "is_active" in columns:
        gone = model.objects.filter(is_active=True).exclude(
            **{f"{key}__in": [row[key] for row in rows]}
        )
        counts["closed"] = gone.update(is_active=False)
    counts["added"], counts["changed"] = len(fresh), len(changed)
    counts["kept"] = len(rows) - len(fresh) - len(changed)
    return dict(counts)


def _place(place: Any) -> Json:
    return {
        "name_zh": place.name_zh,
        "name_en": place.name_en,
        "kind": place.kind,
        "source": place.source,
        "point": _geos(place.point),
    }


# --- rows kept in versions ----------------------------------------------------------------------


def _version(
    rows: QuerySet[Any],
    wanted: dict[Any, str],
    key_of: Callable[[Any], Any],
    since: datetime | None,
) -> tuple[list[Any], dict[str, int]]:
    """Close the open versions that differ from `wanted` (key → digest); return the keys to open."""
    model = rows.model
    open_rows = list(rows.filter(valid__upper_inf=True).defer(*_heavy(model)))
    same = {key_of(r) for r in open_rows if wanted.get(key_of(r)) == r.digest}
    ended = [row for row in open_rows if key_of(row) not in same]
    _close(model, ended, since)
    to_open = [key for key in wanted if key not in same]
    replaced = {key_of(row) for row in ended} & set(to_open)
    return to_open, {
        "added": len(to_open) - len(replaced),
        "changed": len(replaced),
        "closed": len(ended) - len(replaced),
        "kept": len(same),
    }


def _heavy(model: type[models.Model]) -> list[str]:
    """Return the geometry columns, which a comparison of digests need not read."""
    names = {field.name for field in model._meta.concrete_fields}
    return sorted(names & {"geom", "label", "line"})


def _close(model: type[Any], rows: list[Any], since: datetime | None) -> None:
    """End versions at `since`. Raises InvalidInput for one that began then or later."""
    if not rows:
        return
    late = max((row.valid.lower for row in rows if row.valid.lower), default=None)
    if since is None or (late is not None and since <= late):
        raise InvalidInput(
            f"A version began at {late}, so it cannot end at {since}. Give a later --from.",
            fields={"from": "a later moment"},
        )
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET valid = tstzrange(lower(valid), %s) WHERE id = ANY(%s)",  # noqa: S608  # a model's table
            [since, [row.pk for row in rows]],
        )


def _version_areas(areas: list[AreaRow], since: datetime | None) -> dict[str, int]:
    rows = {(row.level, row.code): row for row in areas}
    digests = {key: _area_digest(row) for key, row in rows.items()}
    to_open, counts = _version(
        Area.objects.all(), digests, lambda area: (area.level, area.code), since
    )
    valid = DateTimeTZRange(since, None)
    Area.objects.bulk_create(
        [_area(rows[key], digests[key], valid) for key in to_open], batch_size=1000
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE cases_area SET area_m2 = ST_Area(ST_Transform(geom, 4546)) WHERE area_m2 = 0"
        )
    return counts


def _area(row: AreaRow, digest: str, valid: DateTimeTZRange) -> Area:
    return Area(
        level=row.level,
        code=row.code,
        name_zh=row.name_zh,
        name_en=row.name_en,
        parent_code=row.parent_code,
        county=row.county,
        district_id=row.district,
        precedence=row.precedence,
        geom=_geos(row.geom),
        label=_geos(row.geom.representative_point()),
        area_m2=0,  # measured by PostGIS right after
        valid=valid,
        digest=digest,
    )


def _area_digest(row: AreaRow) -> str:
    words = (row.level, row.code, row.name_zh, row.name_en, row.parent_code, row.county)
    return _digest([*words, row.district, row.precedence], row.geom)


def _version_borders(areas: list[AreaRow], since: datetime | None) -> dict[str, int]:
    """Version what each district answers for: its outline less the zones inside it."""
    districts = [row for row in areas if row.level == "district"]
    zones = [row for row in districts if row.precedence]
    lines = {}
    for row in districts:
        inner = [zone.geom for zone in zones if not row.precedence and zone.county == row.county]
        territory = row.geom.difference(shapely.union_all(inner)) if inner else row.geom
        if territory.is_empty:
            raise BadCityFolder(f"{row.code}: its zones leave nothing of it. Redraw them.")
        lines[row.district] = territory.boundary.segmentize(_BORDER_STEP_DEG)
    digests = {slug: _digest([slug], line) for slug, line in lines.items()}
    to_open, counts = _version(
        Border.objects.all(), digests, lambda border: border.district_id, since
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO cases_border (district_id, line, valid, digest) VALUES"
            " (%s, ST_Transform(ST_Multi(ST_GeomFromWKB(%s, 4326)), 4546),"
            " tstzrange(%s, NULL), %s)",
            [(slug, shapely.to_wkb(lines[slug]), since, digests[slug]) for slug in to_open],
        )
    return counts


def _version_rules(rows: list[Json], since: datetime | None) -> dict[str, int]:
    """Version the rules of the folder but those that a published draft has decided on."""
    decided = DraftRule.objects.filter(draft__published_at__isnull=False)
    ours = set(decided.values_list("code", flat=True))
    by_code = {row["code"]: row for row in rows if row["code"] not in ours}
    digests = {code: rule_digest(row) for code, row in by_code.items()}
    open_rules = Responsibility.objects.exclude(code__in=ours)
    to_open, counts = _version(open_rules, digests, lambda rule: rule.code, since)
    valid = DateTimeTZRange(since, None)
    Responsibility.objects.bulk_create(
        [Responsibility(**by_code[code], valid=valid, digest=digests[code]) for code in to_open],
        batch_size=1000,
    )
    counts["kept"] += sum(row["code"] in ours for row in rows)
    return counts


# Columns that rules had from the first; others count only where they say something, so that a
# rule loaded before they came reads the same.
_FIRST_COLUMNS = {
    *("code", "rank", "kind", "major_code", "minor_id", "condition_id", "problem_class_id"),
    *("district_id", "county", "street_code", "unit_id", "unit_kind", "reason_zh", "reason_en"),
}


def rule_digest(row: Json) -> str:
    """Return what tells a changed rule: a digest of its code and terms."""
    return _digest(sorted((k, v) for k, v in row.items() if v or k in _FIRST_COLUMNS))


def _digest(words: Iterable[Any], shape: Any = None) -> str:
    text = json.dumps(list(words), ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.sha256(text.encode())
    if shape is not None:
        digest.update(shapely.to_wkb(shape))
    return digest.hexdigest()


def _geos(shape: Any) -> Any:
    """Return a shapely shape as the geometry class Django stores."""
    return GEOSGeometry(memoryview(shapely.to_wkb(shape)), srid=4326)
