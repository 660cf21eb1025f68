"""A rule of routing in the reader's words: for what, where, from whom, when, and to which unit."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from cases.choices import LimitUnit, Source
from cases.models import (
    Area,
    Condition,
    District,
    Kind,
    MinorClass,
    ProblemClass,
    Rank,
    Unit,
    UnitKind,
    WorkingTime,
)
from cases.models.routing import RuleTerms
from cases.selectors.rule_conflicts import Conflict


@dataclass(frozen=True)
class RuleLine:
    """A rule as a table shows it."""

    rule: RuleTerms
    category: str
    area: str
    further: tuple[str, ...]  # conditions beside class and area
    unit: str
    rank: str


class RuleNames:
    """What the codes in rules stand for at `at`, each list read once and only if it is needed."""

    def __init__(self, *, at: datetime) -> None:
        self.at = at

    @cached_property
    def minors(self) -> dict[str, MinorClass]:
        """Minor classes by code."""
        return {one.code: one for one in MinorClass.objects.all()}

    @cached_property
    def majors(self) -> dict[tuple[str, str], str]:
        """Names of the major classes by kind and code."""
        return {(one.kind, one.major_code): one.major_name for one in self.minors.values()}

    @cached_property
    def problems(self) -> dict[str, str]:
        """Names of the problem classes by code."""
        return {one.code: one.name for one in ProblemClass.objects.all()}

    @cached_property
    def conditions(self) -> dict[str, str]:
        """Texts of the filing conditions by code."""
        return {one.code: one.text for one in Condition.objects.all()}

    @cached_property
    def districts(self) -> dict[str, District]:
        """Districts by slug, in their order."""
        return {one.slug: one for one in District.objects.all()}

    @cached_property
    def counties(self) -> dict[str, str]:
        """Names of the county-level districts by their code of six digits."""
        held = self.districts.values()
        return {one.county: one.short_name for one in held if not one.is_zone}

    @cached_property
    def streets(self) -> dict[str, str]:
        """Names of the streets by code."""
        valid = Area.objects.filter(level=Area.Level.STREET, valid__contains=self.at)
        return {one.code: one.name for one in valid.defer("geom", "label")}

    @cached_property
    def units(self) -> dict[str, Unit]:
        """Units by code."""
        return {one.code: one for one in Unit.objects.all()}

    def unit(self, code: str | None) -> str:
        """Return the name of a unit, or that there is none."""
        if not code:
            return _("no unit")
        return self.units[code].name if code in self.units else code

    def line(self, rule: RuleTerms) -> RuleLine:
        """Return a rule in words."""
        return RuleLine(
            rule=rule,
            category=self._category(rule),
            area=self._area(rule),
            further=tuple(self._further(rule)),
            unit=self._unit(rule),
            rank=str(Rank(rule.rank).label),
        )

    def lines(self, rules: Iterable[RuleTerms]) -> list[RuleLine]:
        """Return rules in words, in their order."""
        return [self.line(rule) for rule in rules]

    def _category(self, rule: RuleTerms) -> str:
        if rule.minor_id:
            minor = self.minors[rule.minor_id]
            return _joined(minor.name, self.conditions.get(rule.condition_id or "", ""))
        if rule.condition_id:
            return self.conditions[rule.condition_id]
        if not rule.kind:
            return _("every class")
        kind = capfirst(str(Kind(rule.kind).label))
        return _joined(kind, self.majors.get((rule.kind, rule.major_code), rule.major_code))

    def _area(self, rule: RuleTerms) -> str:
        district = self.districts.get(rule.district_id or "")
        names = [
            self.counties.get(rule.county, rule.county),
            district.short_name if district else "",
            self.streets.get(rule.street_code, rule.street_code),
            rule.cell,
        ]
        return _joined(*dict.fromkeys(names)) or _("whole city")

    def _further(self, rule: RuleTerms) -> Iterable[str]:
        if rule.problem_class_id:
            yield _("problem: %(name)s") % {"name": self.problems[rule.problem_class_id]}
        if rule.severity:
            yield _("unit of the limit: %(unit)s") % {"unit": LimitUnit(rule.severity).label}
        if rule.source:
            yield _("source: %(source)s") % {"source": Source(rule.source).label}
        if rule.working_time:
            yield str(WorkingTime(rule.working_time).label)
        if rule.by_load:
            yield _("lowest load")

    def _unit(self, rule: RuleTerms) -> str:
        if rule.unit_id:
            return self.unit(rule.unit_id)
        if not rule.unit_kind:  # the component register, which names a unit for each component
            return ""
        kind = capfirst(str(UnitKind(rule.unit_kind).label))
        return _("%(kind)s: the unit serving the place") % {"kind": kind}


def _joined(*words: str) -> str:
    return " · ".join(word for word in words if word)


def conflict_rows(found: Iterable[Conflict], names: RuleNames) -> list[dict[str, Any]]:
    """Return pairs of rules that may match equally and lead to different units, in words."""
    return [
        {
            "lines": names.lines(dict.fromkeys((one.first, one.second))),
            "units": [unit.name for unit in one.units],
            "numbers": [case.number for case in one.cases],
        }
        for one in found
    ]
