"""What moved between two runs of a period: ranks, points, counts, and which case in which count."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Q, QuerySet

from cases.choices import CITY
from cases.models import Event
from scoring.models import Run
from scoring.periods import Period, periods_within
from scoring.runs import RULINGS

_FIGURES = ("rank", "total", "grade")


class Figure(NamedTuple):
    """A figure of a body that is another than before; None where there is none."""

    body: str
    name: str  # rank, total, grade, the code of an item or part, deductions, bonuses, a count
    before: str | None
    after: str | None


class Moved(NamedTuple):
    """The cases that came into a count of a body or left it, each as often as it counts."""

    body: str
    name: str  # a count or the code of an item
    entered: list[str]
    left: list[str]


class Ruling(NamedTuple):
    """A ruling that came after a run was sealed, and what its case would move."""

    number: str
    action: str
    at: datetime
    moves: list[tuple[str, str, bool]]  # body, count, and whether it would enter it


@dataclass
class Changes:
    """All that differs between two runs; empty when nothing does."""

    figures: list[Figure] = field(default_factory=list)  # ranks, totals, points
    counts: list[Figure] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.figures or self.counts or self.moved)


def changes_between(old: Run, new: Run) -> Changes:
    """Return what moved from one run of a period to another."""
    figures = _figures_moved(old, new)
    was, now = _counts(old), _counts(new)
    counts = [
        Figure(body, name, str(was[body, name]), str(now[body, name]))
        for body, name in sorted(was.keys() | now.keys())
        if was[body, name] != now[body, name]
    ]
    return Changes(figures, counts, list(_moved(old, new)))


def totals_moved(old: Run, new: Run) -> list[dict[str, Any]]:
    """Return each body whose rank or total moved, with both before and after."""
    moved = _figures_moved(old, new)
    bodies = dict.fromkeys(one.body for one in moved if one.name in ("rank", "total"))
    before, after = _figures(old), _figures(new)
    return [
        {"body": body}
        | {name: (before.get((body, name)), after.get((body, name))) for name in ("rank", "total")}
        for body in bodies
    ]


def _figures_moved(old: Run, new: Run) -> list[Figure]:
    before, after = _figures(old), _figures(new)
    return [
        Figure(body, name, before.get((body, name)), after.get((body, name)))
        for body, name in dict.fromkeys([*before, *after])
        if before.get((body, name)) != after.get((body, name))
    ]


def rulings_since(run: Run, period: Period) -> int:
    """Return how many rulings on cases of a period came after its run was read."""
    return _later(run, period).count()


def decided_since(run: Run, period: Period) -> int:
    """Return how many rulings that act in a period were made since its run was read.

    Appeals upheld, adjustments approved, exits confirmed and deadlines put right: what a run that
    waits for approval would lose.
    """
    names = [one.name for one in periods_within(period.start, period.end)]
    later = Event.objects.filter(at__gt=run.as_of)
    upheld = later.filter(
        action="decide_appeal",
        data__facts__level="acceptor",
        data__facts__upheld=True,
        case__closed_at__gte=period.start,
        case__closed_at__lt=period.end,
    )
    adjusted = later.filter(
        action="adjust", data__facts__approved=True, data__facts__period__in=names
    )
    said = _later(run, period).filter(action__in=["confirm_exit", "recompute_deadline"])
    # One closed for good before the period is in no count of it.
    said = said.filter(Q(case__closed_at=None) | Q(case__closed_at__gte=period.start))
    return upheld.count() + adjusted.count() + said.count()


def annex_of(run: Run, newer: Run, period: Period, changes: Changes) -> list[Ruling]:
    """Return the rulings between two runs on cases that moved, in order."""
    moves: dict[str, list[tuple[str, str, bool]]] = {}
    for one in changes.moved:
        for number in dict.fromkeys(one.entered):
            moves.setdefault(number, []).append((one.body, one.name, True))
        for number in dict.fromkeys(one.left):
            moves.setdefault(number, []).append((one.body, one.name, False))
    later = _later(run, period).filter(case__number__in=moves, at__lte=newer.as_of)
    later = later.order_by("at", "pk")
    rows = later.values_list("case__number", "action", "at")
    return [Ruling(number, action, at, moves[number]) for number, action, at in rows]


def _later(run: Run, period: Period) -> QuerySet[Event]:
    return Event.objects.filter(
        action__in=sorted(RULINGS), at__gt=run.as_of, case__reported_at__lt=period.end
    )


def _figures(run: Run) -> dict[tuple[str, str], str | None]:
    """Return rank, total, grade and points of each body, those of parts and extras too."""
    found: dict[tuple[str, str], str | None] = {}
    for sheet in json.loads(run.result)["bodies"]:
        body = sheet["body"]
        for name in _FIGURES:
            value = sheet[name]
            found[body, name] = None if value is None else str(value)
        for line in sheet["items"]:
            found[body, line["code"]] = line["points"]
        for part in sheet["parts"]:
            found[body, part["code"]] = part.get("points")
        for name in ("deductions", "bonuses"):
            found[body, name] = sheet[name]["points"]
            for line in sheet[name]["items"]:
                found[body, line["code"]] = line["points"]
    return found


def _counts(run: Run) -> Counter[tuple[str, str]]:
    result = json.loads(run.result)
    said: dict[str, Mapping[str, Any]] = {sheet["body"]: sheet for sheet in result["bodies"]}
    said |= {CITY: result["city"]} | result["reports"]
    return Counter({(b, name): n for b, one in said.items() for name, n in one["counts"].items()})


def _moved(old: Run, new: Run) -> Iterator[Moved]:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT body, count, a.numbers, b.numbers
            FROM (SELECT body, count, numbers FROM scoring_runlist WHERE run_id = %s) a
            FULL JOIN (SELECT body, count, numbers FROM scoring_runlist WHERE run_id = %s) b
              USING (body, count)
            WHERE a.numbers IS DISTINCT FROM b.numbers
            ORDER BY body, count
            """,
            [old.pk, new.pk],
        )
        rows = cursor.fetchall()
    for body, count, numbers, later in rows:
        was, now = Counter(numbers or ()), Counter(later or ())
        entered, left = sorted((now - was).elements()), sorted((was - now).elements())
        if entered or left:
            yield Moved(body, count, entered, left)
