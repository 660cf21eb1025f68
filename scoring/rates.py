"""Every indicator once: what is taken over what. Pure; source: docs/assessment.md §5 and §6.

A scheme names indicators; the counts they read are the only ones there are. Those of
data/indicators.json which the counts cannot give stand in NOT_COMPUTED with the reason.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from scoring.indicators import LATE_TENTHS, Assessed, Facts
from scoring.rules import HUNDRED, Measure, ratio

Unit = Literal["percent", "times", "cases", "cases_per_cell", "points"]
EMERGENCY = ("emergency_hour", "emergency_day")
_TERM = re.compile(r"([+-]?) ?(\w+)")


Parts = Mapping[str, "int | Fraction"]


@dataclass(frozen=True)
class Tally:
    """The cases of one body, which its indicators count and list."""

    facts: Facts
    body: str
    cases: Mapping[str, Any]  # what a scheme calls quick and key

    def listed(self, terms: str) -> list[str]:
        """Return the cases of the counts that are added, in order, as often as they count."""
        names = [name for sign, name in _TERM.findall(terms) if sign != "-"]
        return sorted(n for name in names for n in self.facts.lists.get((self.body, name), ()))

    @property
    def assessed(self) -> list[Assessed]:
        """The cases of M under the body."""
        return self.facts.assessed_of.get(self.body, [])

    def judged_by(self, kind: str) -> list[Assessed]:
        """The cases of M that one of quick, works and urgent judges."""
        return [case for case in self.assessed if class_of(case, self.cases) == kind]


@dataclass(frozen=True)
class Reading:
    """What the indicators of one body are read from."""

    parts: Parts  # its counts; with a colon in the name, what else its indicators add up
    cells: int | None = None  # grid cells of the body's area
    given: Mapping[str, Measure] = field(default_factory=dict)  # measured outside the cases

    def count(self, terms: str) -> int:
        """Return a sum of parts: "closed - exempt"."""
        return sum(
            (-1 if sign == "-" else 1) * self.part(name) for sign, name in _TERM.findall(terms)
        )

    def part(self, name: str) -> int:
        """Return a part that is a number of cases or groups."""
        return int(self.parts.get(name, 0))


def _nothing_more(tally: Tally) -> Parts:
    return {}


@dataclass(frozen=True)
class Indicator:
    """A named value of a body; `members` are the cases it shows behind its number.

    It is measured from counts, and from `parts` where they do not suffice: sums over cases, and
    over groups of cases, so that a change is added without reading the others again.
    """

    name: str
    formula: str  # in counts, or in the words of the source
    unit: Unit
    better: Literal["high", "low"]
    source: str
    measure: Callable[[Reading], Measure]
    members: Callable[[Tally], list[str]]
    parts: Callable[[Tally], Parts] = _nothing_more
    is_subset: bool = True  # false: the part is not among the whole, as other cities count it


def measures_of(names: Iterable[str], read: Reading) -> dict[str, Measure]:
    """Return the measures of the indicators named."""
    return {name: INDICATORS[name].measure(read) for name in names}


def class_of(case: Assessed, cases: Mapping[str, Any]) -> str:
    """Return which of quick, works and urgent judges a case; urgent and key comes first."""
    if case.is_key or case.limit_unit in EMERGENCY or case.source in cases["key_sources"]:
        return "urgent"
    return "quick" if case.limit_value <= cases["quick"][case.limit_unit] else "works"


def means_of_groups(cases: Iterable[Assessed]) -> tuple[Fraction, int, int]:
    """Return the sum of the mean credits of the groups, how many they are, and of how many cases.

    Each group counts once, so splitting one case into many wins nothing.
    """
    groups: dict[object, list[int]] = defaultdict(list)
    for case in cases:
        groups[case.cell, case.minor, case.unit, case.filed_on].append(case.tenths)
    by_size: Counter[int] = Counter()
    for credits in groups.values():
        by_size[len(credits)] += sum(credits)
    total = sum((Fraction(tenths, 10 * size) for size, tenths in by_size.items()), Fraction(0))
    return total, len(groups), sum(map(len, groups.values()))


def _share(
    name: str,
    formula: str,
    better: Literal["high", "low"],
    source: str,
    *,
    subset: bool = True,
    shows_part: bool = False,
) -> Indicator:
    part, whole = formula.split(" / ")
    shown = part if shows_part else whole

    def measure(read: Reading) -> Measure:
        taken_over = read.count(whole)
        return Measure(ratio(read.count(part), taken_over), taken_over, taken_over)

    return Indicator(
        name,
        formula,
        "percent",
        better,
        source,
        measure,
        lambda t: t.listed(shown),
        is_subset=subset,
    )


def _times(name: str, formula: str, source: str, unit: Unit = "times") -> Indicator:
    of_key = f"{name}:of_key"

    def measure(read: Reading) -> Measure:
        number = read.count(formula)
        return Measure(Fraction(number), None, number, read.part(of_key))

    def parts(tally: Tally) -> Parts:
        key = set(tally.facts.lists.get((tally.body, "key"), ()))
        return {of_key: sum(case in key for case in tally.listed(formula))}

    return Indicator(
        name, formula, unit, "low", source, measure, lambda t: t.listed(formula), parts
    )


def _credit(name: str, kind: str, source: str) -> Indicator:
    """Return the mean over groups of the mean credit in the group."""
    means, groups, cases = f"{name}:means", f"{name}:groups", f"{name}:cases"

    def measure(read: Reading) -> Measure:
        many = read.part(groups)
        value = HUNDRED * read.parts.get(means, 0) / many if many else None
        return Measure(value, many, read.part(cases))

    def parts(tally: Tally) -> Parts:
        return dict(
            zip((means, groups, cases), means_of_groups(tally.judged_by(kind)), strict=True)
        )

    return Indicator(
        name,
        f"mean over groups of the mean credit of {kind} cases",
        "percent",
        "high",
        source,
        measure,
        lambda tally: _numbers(tally.judged_by(kind)),
        parts,
    )


def _among(
    name: str,
    formula: str,
    better: Literal["high", "low"],
    source: str,
    *,
    of: Callable[[Tally], list[Assessed]],
    those: Callable[[Assessed], bool],
) -> Indicator:
    """Return a share of cases of M; its list shows those cases, not all of M."""
    met, all_of = f"{name}:met", f"{name}:of"

    def measure(read: Reading) -> Measure:
        taken_over = read.part(all_of)
        return Measure(ratio(read.part(met), taken_over), taken_over, taken_over)

    def parts(tally: Tally) -> Parts:
        cases = of(tally)
        return {met: sum(map(those, cases)), all_of: len(cases)}

    return Indicator(
        name,
        formula,
        "percent",
        better,
        source,
        measure,
        lambda tally: _numbers(case for case in of(tally) if those(case)),
        parts,
    )


def _numbers(cases: Iterable[Assessed]) -> list[str]:
    return sorted(case.number for case in cases)


def _given(name: str, source: str, unit: Unit = "percent") -> Indicator:
    none = Measure(None, 0, 0)
    return Indicator(
        name,
        "measured outside the cases",
        unit,
        "high",
        source,
        lambda read: read.given.get(name, none),
        lambda tally: [],
    )


def _per_cell(read: Reading) -> Measure:
    filed = read.count("filed")
    return Measure(Fraction(filed, read.cells) if read.cells else None, None, filed)


def _is_closed(case: Assessed) -> bool:
    return case.tenths > 0 and not case.is_suspended


def _is_on_time(case: Assessed) -> bool:
    return _is_closed(case) and case.tenths != LATE_TENTHS


_LATE = "closed - exempt - closed_on_time"
_S5, _S6 = "assessment.md §5", "assessment.md §6"
_CITIES = "data/indicators.json"
_ALL = [
    _share("handling_rate", "handled / need_handle", "high", _S5),
    _share("on_time_handling_rate", "handled_on_time / need_handle_judged", "high", _S5),
    _share("overdue_unhandled_rate", "overdue_unhandled / need_handle", "low", _S5),
    _share("closure_rate", "closed / should_close", "high", _S5),
    _share("on_time_closure_rate", "closed_on_time / should_close_judged", "high", _S5),
    _share("overdue_closure_rate", f"{_LATE} / should_close_judged", "low", _S5),
    _share(
        "overdue_rate",
        f"{_LATE} + overdue_unhandled + late_exit / should_close_judged",
        "low",
        _S5,
    ),
    _share("rework_rate", "checks - checks_passed / checks", "low", _S5),
    _share("check_pass_rate", "checks_passed / checks", "high", f"{_S6} A5"),
    _share("extension_rate", "extended_assessed / assessed", "low", _S5),
    _share("suspension_rate", "suspended_open / assessed", "low", _S5),
    _share("audit_pass_rate", "audits_passed / audits", "high", f"{_S6} A6"),
    _share("recurrence_rate", "recurrent / closings", "low", f"{_S6} A7"),
    _share("shirk_rate", "shirked / assessed", "low", _S6, subset=False, shows_part=True),
    _share("accurate_dispatch_rate", "accurate_dispatch / first_finished", "high", _S5),
    _share("on_time_acceptance_rate", "accept_on_time / accept_clocks", "high", _S5),
    _share("on_time_verify_rate", "verify_on_time / verify_clocks", "high", _S5),
    _share("on_time_dispatch_rate", "dispatch_on_time / dispatch_clocks", "high", _S5),
    _share("on_time_sign_rate", "sign_on_time / sign_clocks", "high", _S5),
    _share("on_time_check_rate", "check_on_time / check_clocks", "high", _S5),
    _share("valid_report_rate", "valid_reports / decided_reports", "high", _S5),
    _share("public_report_rate", "filed_public / filed", "low", _S5),
    _share("rework_to_close", "reworked / should_close", "low", _CITIES, subset=False),
    _share("extension_to_close", "extended / should_close", "low", _CITIES, subset=False),
    _share("extension_to_handle", "extended / need_handle", "low", _CITIES, subset=False),
    _share("return_rate", "returned / need_handle", "low", _CITIES, subset=False),
    _credit("quick_credit", "quick", f"{_S6} A1"),
    _credit("works_credit", "works", f"{_S6} A2"),
    _credit("urgent_credit", "urgent", f"{_S6} A3"),
    _among(
        "left_undone_rate", "left undone / assessed", "low", f"{_S6} A4",
        of=lambda tally: tally.assessed, those=lambda case: case.left_undone,
    ),
    _among(
        "held_rate", "extended or suspended / assessed", "low", f"{_S6} A8",
        of=lambda tally: tally.assessed, those=lambda case: case.is_held,
    ),
    _among(
        "urgent_closure_rate", "urgent and closed / urgent and assessed", "high", _S5,
        of=lambda tally: tally.judged_by("urgent"), those=_is_closed,
    ),
    _among(
        "urgent_on_time_rate", "urgent and closed on time / urgent and assessed", "high", _S5,
        of=lambda tally: tally.judged_by("urgent"), those=_is_on_time,
    ),
    *(
        _times(name, name, _S5)
        for name in (
            "reworked_times", "returned_times", "extended_times", "reopened_times", "shirked",
            "forced", "late_exit", "falsified", "refused_wrongly",
        )
    ),
    _times("filed_cases", "filed", _S5, "cases"),
    _times("cases_held", "need_handle + suspended_open + not_due", _S5, "cases"),
    Indicator(
        "filed_per_cell", "filed / grid cells", "cases_per_cell", "low", _CITIES, _per_cell,
        lambda tally: tally.listed("filed"),
    ),
    _given("onsite", _S6),
    _given("satisfaction", _S6),
    _given("key_tasks", _S6),
]  # fmt: skip
INDICATORS: Mapping[str, Indicator] = {one.name: one for one in _ALL}

# Of data/indicators.json: why the counts of assessment.md §5 do not give it.
NOT_COMPUTED: Mapping[str, str] = {
    "open_rate": "Reported less closed is no part of reported: 结案率 over 应结案 takes its place.",
    "on_time_filing_rate": "Filing ends the acceptance clock: on_time_acceptance_rate says it.",
    "accurate_filing_rate": "The log does not say that a class or place was given wrongly.",
    "missed_report_rate": "Whose grid a place was in at that time is not in the log (漏报).",
    "void_rate": "Voids are a flow by date, so they are no part of the period's reports.",
    "overdue_multiple": "Counts hold no durations; the page of a case shows its multiple.",
    "mean_handling_time": "Counts hold no durations.",
    "satisfaction_rate": "Comes from revisits, not from counts: the indicator `satisfaction`.",
}
# The bulletin's columns: its names, and the indicator each of them is.
BULLETIN = {
    "closed": "closure_rate",
    "closed_on_time": "on_time_closure_rate",
    "overdue": "overdue_rate",
    "handled_on_time": "on_time_handling_rate",
    "extended": "extension_rate",
    "suspended": "suspension_rate",
    "rework": "rework_rate",
    "accurate_dispatch": "accurate_dispatch_rate",
    "recurrent": "recurrence_rate",
    "valid_reports": "valid_report_rate",
    "accept_on_time": "on_time_acceptance_rate",
    "verify_on_time": "on_time_verify_rate",
    "dispatch_on_time": "on_time_dispatch_rate",
    "sign_on_time": "on_time_sign_rate",
    "check_on_time": "on_time_check_rate",
}
