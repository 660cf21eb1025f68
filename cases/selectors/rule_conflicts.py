"""Where rules of routing collide, and the open cases that wait because of it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations
from typing import Any

from cases.choices import Stage
from cases.models import Case, CityOptions, District, Unit
from cases.models.case import CaseQuerySet
from cases.models.routing import RuleTerms
from cases.selectors.responsibility import (
    Found,
    Unrouted,
    components_kept,
    keeper_named,
    question_of,
    specificity,
)
from cases.selectors.rule_book import CONDITIONS, RuleBook
from cases.selectors.unit_load import weigh_once

MOST_WAITING = 500  # cases asked of the rules for one page


@dataclass(frozen=True)
class Conflict:
    """Two rules that can match equally and lead to different units; or one with two units."""

    first: RuleTerms
    second: RuleTerms  # the first again where its own kind of unit serves a place twice
    units: tuple[Unit, ...]  # of one place where they differ
    cases: tuple[Case, ...] = field(default=())  # open ones it leaves unrouted


@dataclass(frozen=True)
class Waiting:
    """An open case listed as unrouted, and what the rules of now say of it."""

    case: Case
    result: Found | Unrouted


def count_unrouted(cases: CaseQuerySet) -> int:
    """Return how many of `cases` wait unrouted."""
    return cases.filter(stage=Stage.FILED, is_unrouted=True).count()


def unrouted_cases(cases: CaseQuerySet, book: RuleBook, *, at: datetime) -> list[Waiting]:
    """Return which of `cases` wait unrouted, the longest waiting first, at most MOST_WAITING."""
    listed = cases.filter(stage=Stage.FILED, is_unrouted=True).order_by("filed_at", "pk")
    waiting = list(listed.select_related("minor", "condition__problem_class")[:MOST_WAITING])
    components = components_kept(case.component_id for case in waiting)
    weigh = weigh_once() if CityOptions.objects.get().route_by_load else None

    def answer(case: Case) -> Found | Unrouted:
        component = components.get(case.component_id or "")
        keeper = keeper_named(component, case.minor_id, case.district)
        return book.route(question_of(case, at=at), keeper=keeper, weigh=weigh)

    return [Waiting(case, answer(case)) for case in waiting]


def conflicts(book: RuleBook, waiting: Sequence[Waiting] = ()) -> list[Conflict]:
    """Return the pairs of rules that can match equally and lead to different units, by code.

    Where the city options let the load decide, rules that ask for it do not collide.
    """
    by_load = CityOptions.objects.get().route_by_load
    districts = list(District.objects.all())
    found = []
    for group in _equal_rules(book.rules):
        pairs = [*((rule, rule) for rule in group), *combinations(group, 2)]
        for first, second in pairs:
            if (by_load and first.by_load and second.by_load) or not _compatible(first, second):
                continue
            units = _disagreement(book, first, second, districts)
            if units:
                left = tuple(one.case for one in waiting if _is_about(one, first, second))
                found.append(Conflict(first, second, units, left))
    return sorted(found, key=lambda one: (one.first.code, one.second.code))


def _equal_rules(rules: Iterable[RuleTerms]) -> list[list[RuleTerms]]:
    """Group rules of one rank that are equally narrow and ask for the same class and area."""
    groups: dict[Any, list[RuleTerms]] = defaultdict(list)
    for rule in sorted(rules, key=lambda rule: rule.code):
        same = {name: getattr(rule, name) for name in CONDITIONS if name not in _CIRCUMSTANCES}
        groups[rule.rank, specificity(rule), tuple(same.values())].append(rule)
    return list(groups.values())


_CIRCUMSTANCES = ("severity", "source", "working_time")


def _compatible(first: RuleTerms, second: RuleTerms) -> bool:
    """Whether some moment and source suit both."""
    pairs = ((getattr(first, name), getattr(second, name)) for name in _CIRCUMSTANCES)
    return all(not one or not other or one == other for one, other in pairs)


def _disagreement(
    book: RuleBook, first: RuleTerms, second: RuleTerms, districts: Collection[District]
) -> tuple[Unit, ...]:
    """Return the units the two lead to at some place where these differ."""
    streets = {"", *(unit.street_code for unit in book.units.values())}
    for district in districts:
        if first.district_id not in (None, district.slug):
            continue
        if first.county not in ("", district.county):
            continue
        for street in sorted({first.street_code} if first.street_code else streets):
            if street and not street.startswith(district.county):
                continue
            led = {
                unit.code: unit
                for rule in (first, second)
                for unit in book.units_of(rule, district.slug, street)
            }
            if len(led) > 1:
                return tuple(led[code] for code in sorted(led))
    return ()


def _is_about(waiting: Waiting, first: RuleTerms, second: RuleTerms) -> bool:
    if not isinstance(waiting.result, Unrouted):
        return False
    return {first.code, second.code} <= {rule for rule, _unit in waiting.result.conflict}
