"""What else was reported at the place of a case: near it, in its grid cell, on its component."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.gis.db.models.functions import Distance
from django.contrib.gis.measure import D
from django.db.models import QuerySet

from cases.choices import OPEN_STAGES
from cases.models import Area, Case
from cases.plane import degrees
from cityops.accounts.models import User

RADIUS_M = 100
MOST_SHOWN = 40  # of each way of being at the same place


@dataclass(frozen=True)
class Neighbour:
    """A case at the same place; `away_m` is None where one of the two has no point.

    `is_recurrence`: the later of the two is the earlier come back (selectors/recurrence.py).
    """

    case: Case
    away_m: int | None
    is_near: bool
    is_same_cell: bool
    is_same_component: bool
    is_recurrence: bool

    @property
    def is_open(self) -> bool:
        """Whether it is still on its way."""
        return self.case.stage in OPEN_STAGES


@dataclass(frozen=True)
class SamePlace:
    """The other cases at a place, open ones first, then the nearest; `is_cut` where more exist."""

    rows: list[Neighbour]
    is_cut: bool


def same_place(case: Case, user: User, *, recurring: Collection[int] = ()) -> SamePlace:
    """Return the other cases `user` may see at the place of a case. At most four statements.

    `recurring` are the keys of those it is the return of, or that are its return.
    """
    others = Case.objects.all().visible_to(user).exclude(pk=case.pk)
    found: dict[int, Case] = {}
    is_cut = False
    for cases in _ways(case, others.select_related("minor", "unit")):
        rows = list(cases[: MOST_SHOWN + 1])
        is_cut = is_cut or len(rows) > MOST_SHOWN
        found |= {row.pk: row for row in rows[:MOST_SHOWN]}
    neighbours = (_neighbour(case, row, recurring) for row in found.values())
    return SamePlace(_sorted(neighbours), is_cut)


def _ways(case: Case, others: "QuerySet[Case]") -> Iterable["QuerySet[Case]"]:
    """Yield the cases near, in the same cell, and on the same component, each by its own index."""
    measured = others
    if case.point is not None:
        measured = others.annotate(away=Distance("point", case.point))
        yield near(case, others, radius_m=RADIUS_M)
        if case.grid_cell and (box := _box_of(case.grid_cell)):
            same = measured.filter(point__bboverlaps=box, grid_cell=case.grid_cell)
            yield same.order_by("-reported_at", "pk")
    if case.component_id:
        yield measured.filter(component=case.component_id).order_by("-reported_at", "pk")


def near(case: Case, others: "QuerySet[Case]", *, radius_m: int) -> "QuerySet[Case]":
    """Keep the cases within `radius_m` metres of a case that has a point, the nearest first.

    Each gets `away`, its distance. A degree is longer north to south than west to east: the index
    is asked for the shorter, and the metres leave out what lies beyond the radius.
    """
    measured = others.annotate(away=Distance("point", case.point))
    within = measured.filter(
        point__dwithin=(case.point, degrees(radius_m)), away__lte=D(m=radius_m)
    )
    return within.order_by("away", "pk")


def _box_of(cell: str) -> object | None:
    """Return the outline of a grid cell, in its latest version."""
    areas = Area.objects.filter(level=Area.Level.CELL, code=cell).order_by("-valid")
    return areas.values_list("geom", flat=True).first()


def _neighbour(case: Case, other: Case, recurring: Collection[int]) -> Neighbour:
    away = getattr(other, "away", None)
    away_m = None if away is None else round(away.m)
    return Neighbour(
        other,
        away_m,
        is_near=away_m is not None and away_m <= RADIUS_M,
        is_same_cell=bool(case.grid_cell) and other.grid_cell == case.grid_cell,
        is_same_component=bool(case.component_id) and other.component_id == case.component_id,
        is_recurrence=other.pk in recurring,
    )


def _sorted(rows: Iterable[Neighbour]) -> list[Neighbour]:
    def key(row: Neighbour) -> tuple[bool, float, datetime, int]:
        away = float("inf") if row.away_m is None else row.away_m
        return not row.is_open, away, row.case.reported_at, row.case.pk

    return sorted(rows, key=key)
