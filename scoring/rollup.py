"""From facts to totals and ranks by a scheme's data. Pure; source: assessment.md §6."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from scoring.indicators import Assessed, Facts
from scoring.rules import Item, half_up, points, ratio

EMERGENCY = ("emergency_hour", "emergency_day")
# Items that are a count over another: (part, whole).
SHARES = {
    "A5": ("checks_passed", "checks"),
    "A6": ("audits_passed", "audits"),
    "A7": ("recurrent", "closings"),
}
THREE_MONTHS = {"A6"}  # judged over the three months that end with the period


@dataclass(frozen=True)
class Value:
    """An item's value in per cent with what it was taken over; None when empty."""

    value: Fraction | None
    groups: int
    cases: int


def item_of(case: Assessed, scheme: dict[str, Any]) -> str:
    """Return the one of A1, A2, A3 that judges a case; urgent and key comes first."""
    if case.is_key or case.limit_unit in EMERGENCY or case.source in scheme["key_sources"]:
        return "A3"
    return "A1" if case.limit_value <= scheme["quick"][case.limit_unit] else "A2"


def mean_credit(cases: Iterable[Assessed]) -> Value:
    """Return the mean over groups of the mean credit in the group: splitting wins nothing."""
    groups: dict[object, list[Fraction]] = defaultdict(list)
    for case in cases:
        groups[case.cell, case.minor, case.unit, case.filed_on].append(case.credit)
    number = sum(map(len, groups.values()))
    if not groups:
        return Value(None, 0, 0)
    means = [sum(g, Fraction(0)) / len(g) for g in groups.values()]
    return Value(100 * sum(means, Fraction(0)) / len(means), len(means), number)


def cases_behind(code: str, facts: Facts, body: str, scheme: dict[str, Any]) -> list[str]:
    """Return the numbers of the cases an item is made of; of A4 and A8 those that cost points."""
    if code in SHARES:
        return facts.lists.get((body, SHARES[code][1]), [])
    return sorted(c.number for c in facts.assessed if c.body == body and _shows(c, code, scheme))


def _shows(case: Assessed, code: str, scheme: dict[str, Any]) -> bool:
    if code == "A4":
        return case.left_undone
    if code == "A8":
        return case.is_held
    return item_of(case, scheme) == code


def value_of(code: str, facts: Facts, body: str, scheme: dict[str, Any]) -> Value:
    """Return the value of an item with the cases or events it was taken over."""
    if code in SHARES:
        part, whole = (facts.count(body, name) for name in SHARES[code])
        return Value(ratio(part, whole), whole, whole)
    cases = [case for case in facts.assessed if case.body == body]
    if code in {"A4", "A8"}:
        part = sum(_shows(case, code, scheme) for case in cases)
        return Value(ratio(part, len(cases)), len(cases), len(cases))
    return mean_credit(case for case in cases if item_of(case, scheme) == code)


def score_body(body: str, facts: Facts, wide: Facts, scheme: dict[str, Any]) -> dict[str, Any]:
    """Return items and total of one body; `wide` are the facts of the three months."""
    items = [(data, Item.of(data)) for data in scheme["items"]]
    found: dict[str, tuple[Value, bool]] = {}
    for _, item in items:
        value, is_wide = value_of(item.code, facts, body, scheme), False
        if value.groups < scheme["few"] or item.code in THREE_MONTHS:
            value, is_wide = value_of(item.code, wide, body, scheme), True
        if value.value is not None and value.groups >= scheme["few"]:
            found[item.code] = value, is_wide
    present = sum((item.weight for _, item in items if item.code in found), Fraction(0))
    scale = sum((item.weight for _, item in items), Fraction(0)) / present if present else None
    lines = []
    total = Decimal("0.00")
    for data, item in items:
        line: dict[str, Any] = {"code": item.code, "weight": data["weight"], "points": None}
        if item.code in found and scale is not None:
            value, is_wide = found[item.code]
            assert value.value is not None
            printed = points(item, value.value, scale=scale)
            total += printed
            line |= {
                "value": str(half_up(value.value)),
                "points": str(printed),
                "full": str(half_up(item.weight * scale)),
                "groups": value.groups,
                "cases": value.cases,
                "listed": len(cases_behind(item.code, wide if is_wide else facts, body, scheme)),
                "three_months": is_wide,
            }
        lines.append(line)
    assessed = facts.count(body, "assessed")
    weakest = max((line for line in lines if line["points"]), key=_lost, default=None)
    return {
        "body": body,
        "items": lines,
        "total": str(total) if found else None,
        "weakest": weakest["code"] if weakest and _lost(weakest) else None,
        "assessed": assessed,
        "few_cases": assessed < scheme["ranked_from"],
    }


def _lost(line: dict[str, Any]) -> Decimal:
    """Return the points of its full marks an item lost."""
    return Decimal(line["full"]) - Decimal(line["points"])


def rank(bodies: list[dict[str, Any]], scheme: dict[str, Any], *, is_month: bool) -> None:
    """Give ranks 1, 1, 3, grades and the word on small gaps, in place; best first."""
    bodies.sort(key=lambda b: (b["few_cases"], b["total"] is None, -_total(b), b["body"]))
    ranked = [b for b in bodies if not b["few_cases"] and b["total"] is not None]
    for b in bodies:
        b["rank"] = None
        b["close"] = False
        b["grade"] = None if b["total"] is None else _grade(_total(b), scheme)
    for place, b in enumerate(ranked):
        b["rank"] = 1 + sum(_total(other) > _total(b) for other in ranked)
        if place + 1 < len(ranked) and is_month:
            gap = _total(b) - _total(ranked[place + 1])
            b["close"] = gap < Decimal(scheme["small_gap"])


def _total(body: dict[str, Any]) -> Decimal:
    return Decimal(body["total"] or 0)


def _grade(total: Decimal, scheme: dict[str, Any]) -> str:
    return next(str(name) for name, least in scheme["grades"] if total >= Decimal(least))
