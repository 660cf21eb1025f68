"""Hot spots 高发网格: how often one class of case comes up in one grid cell, from the counts."""

from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import urlencode

from django.db import connection
from django.db.models import QuerySet

from cases.models import Case, MinorClass
from cases.models.area import in_language
from cases.selectors.heat import LEVELS, Asked, place_names, readable, totals, where_of
from cases.selectors.rollup import COLUMNS
from cases.selectors.spans import parse_span
from cityops.accounts.models import User

PERIOD = "90d"  # looked at unless another is asked for
RANKS = ("filed", "recurrent")
LEAST = 2  # cases that make a cell and class a hot spot, unless one came back
MOST_SHOWN = 100


@dataclass(frozen=True)
class HotSpot:
    """The counts of one class in one grid cell over the days that were asked for."""

    asked: Asked  # of one cell and one minor class
    counts: dict[str, int]
    name: str = ""
    minor: str = ""

    @property
    def query(self) -> str:
        """What was asked, as a query string."""
        said = {name: getattr(self.asked, name) for name in ("category", "place", "district")}
        said = {"period": self.asked.span.name, **said}
        return urlencode({name: value for name, value in said.items() if value})


@dataclass(frozen=True)
class Ranked:
    """The first hot spots of a ranking, and how many there are."""

    spots: list[HotSpot]
    total: int


def hot_spots(user: User, asked: Asked, *, by: str) -> Ranked:
    """Return the cells and classes with the most cases, or the most that came back, within a span.

    What `user` may read of the counts (heat.py), at most MOST_SHOWN. Two statements.
    """
    assert by in RANKS
    where, (other,) = where_of(user, asked), [name for name in RANKS if name != by]
    names = ", ".join(f"sum({name})::int AS {name}" for name in COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH spot AS (
              SELECT place, minor, count(*) OVER () AS total, {names} FROM cases_rollup
              WHERE {where.sql} AND length(place) = {LEVELS["cell"]}
              GROUP BY place, minor HAVING sum(filed) >= {LEAST} OR sum(recurrent) > 0
              ORDER BY sum({by}) DESC, sum({other}) DESC, place, minor LIMIT {MOST_SHOWN})
            SELECT spot.place, spot.minor, spot.total, m.name_zh, m.name_en,
              {", ".join(f"spot.{name}" for name in COLUMNS)}
            FROM spot JOIN cases_minorclass m ON m.code = spot.minor
            ORDER BY spot.{by} DESC, spot.{other} DESC, spot.place, spot.minor
            """,  # noqa: S608 - our own words, the values stay parameters
            where.values,
        )
        rows = cursor.fetchall()
    cells = place_names({place for place, *_rest in rows})
    spots = [
        HotSpot(
            replace(asked, place=place, category=minor),
            dict(zip(COLUMNS, counts, strict=True)),
            in_language(*cells.get(place, (place, place))),
            in_language(zh, en),
        )
        for place, minor, _total, zh, en, *counts in rows
    ]
    return Ranked(spots, rows[0][2] if rows else 0)


def hot_spot(user: User, asked: Asked) -> HotSpot:
    """Return the counts of one cell and minor class with their names. Three statements."""
    (name,) = place_names([asked.place]).values() or [(asked.place, asked.place)]
    minor = MinorClass.objects.filter(pk=asked.category).first()
    words = minor.name if minor else asked.category
    return HotSpot(asked, totals(user, asked), in_language(*name), words)


def of_case(user: User, case: Case, *, today: date) -> HotSpot | None:
    """Return how often the class of a case came up in its cell; None for who reads no counts.

    One statement. Also None outside the built-up areas, which have no cells.
    """
    if len(case.grid_cell) != LEVELS["cell"] or readable(user) == []:
        return None
    span = parse_span(PERIOD, today=today)
    asked = Asked(span, category=case.minor_id, place=case.grid_cell)
    return HotSpot(asked, totals(user, asked))


def cases_counted(user: User, asked: Asked, *, count: str) -> "QuerySet[Case]":
    """Return the cases behind one count of a hot spot, the latest first: as many as it says."""
    assert count in COLUMNS
    mine = readable(user)
    span = {f"rollupcase__{count}_on__gte": asked.span.first}
    span[f"rollupcase__{count}_on__lt"] = asked.span.after
    cases = Case.objects.all().visible_to(user)
    cases = cases.filter(rollupcase__place=asked.place, rollupcase__minor=asked.category, **span)
    if mine is not None:
        cases = cases.filter(rollupcase__district__in=mine)
    if asked.district:
        cases = cases.filter(rollupcase__district=asked.district)
    return cases.select_related("unit", "rollupcase").order_by("-reported_at", "-pk")


def came_back_as(user: User, cases: list[Case]) -> dict[int, str]:
    """Return the numbers of what each of the `cases` first came back as, if `user` may see it."""
    keys = {case.rollupcase.recurred_in: case.pk for case in cases if case.rollupcase.recurred_in}
    seen = Case.objects.all().visible_to(user).filter(pk__in=keys)
    numbers = dict(seen.values_list("pk", "number"))
    return {
        case.pk: numbers[key]
        for case in cases
        if (key := case.rollupcase.recurred_in) is not None and key in numbers
    }
