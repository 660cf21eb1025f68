"""From points to totals and ranks by a scheme's data. Pure: it imports nothing but the rules.

A verifier needs this file, scoring/rules.py and the measures of each body (docs/schemes.md).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any

from scoring.rules import (
    ZERO,
    Entry,
    Measures,
    amount_of,
    half_up,
    indicators_of,
    points_of,
    value_of,
)

Scheme = Mapping[str, Any]
Node = Mapping[str, Any]


@dataclass(frozen=True)
class Inputs:
    """What a scheme reads of one body: its indicators over the period and over three months."""

    body: str
    now: Measures
    wide: Measures
    sample: int  # the count that decides whether it is ranked
    kind: str = ""  # the group it is ranked in, where groups are ranked apart
    entries: Mapping[str, Entry] = field(default_factory=dict)  # by code of the manual item


@dataclass
class _Found:
    """A node of one body: exact points out of its weight, and the lines it prints."""

    raw: Fraction
    of: Fraction  # what the lines below it add up to at best; of an item its weight
    line: dict[str, Any]
    lines: list[dict[str, Any]]
    parts: list[dict[str, Any]]


def leaves(nodes: Sequence[Node], part: str = "") -> Iterator[tuple[Node, str]]:
    """Yield the items of a tree in order, each with the code of the part it stands in."""
    for node in nodes:
        if "items" in node:
            yield from leaves(node["items"], node["code"])
        else:
            yield node, part


def extras(scheme: Scheme, name: str) -> Sequence[Node]:
    """Return the items of `deductions` or `bonuses`; a scheme may have none."""
    found: Sequence[Node] = scheme.get(name, {}).get("items", [])
    return found


def all_items(scheme: Scheme) -> list[Node]:
    """Return every item of a scheme, deductions and bonuses included."""
    among = [item for item, _ in leaves(scheme["items"])]
    return [*among, *extras(scheme, "deductions"), *extras(scheme, "bonuses")]


def indicators_in(scheme: Scheme) -> list[str]:
    """Return the names of all indicators a scheme reads, each once, in order."""
    return list(dict.fromkeys(n for item in all_items(scheme) for n in indicators_of(item)))


def score(scheme: Scheme, bodies: Sequence[Inputs], *, months: int = 1) -> list[dict[str, Any]]:
    """Return the sheet of each body, best first; `months` of the period multiply caps.

    Printed figures are text. Totals are sums of printed figures, so a sheet adds up by hand.
    """
    places = int(scheme["rounding"]["places"])
    ranked = [b.body for b in bodies if b.sample >= scheme["ranked_from"]]
    found = _Tree(scheme, bodies, ranked, places).roots()
    sheets = []
    for one in bodies:
        node = found.get(one.body)
        sheet: dict[str, Any] = {
            "body": one.body,
            "items": node.lines if node else _blank(scheme),
            "parts": node.parts if node else [],
            "assessed": one.sample,
            "few_cases": one.sample < scheme["ranked_from"],
            "group": one.kind if scheme.get("groups") else "",
        }
        total = None if node is None else Decimal(node.line["score"])
        for name, sign in (("deductions", -1), ("bonuses", 1)):
            lines, amount = _extra(scheme, name, one, places, months)
            sheet[name] = {"items": lines, "points": str(amount)}
            total = None if total is None else total + sign * amount
        if total is not None:
            total = max(total, half_up(ZERO, places))
            at_most = scheme.get("total_at_most")
            total = total if at_most is None else min(total, half_up(Fraction(at_most), places))
        sheet["total"] = None if total is None else str(total)
        sheet["weakest"] = _weakest(sheet["items"])
        for line in sheet["items"]:
            line.pop("counts_for", None)
        sheets.append(sheet)
    rank(sheets, scheme, is_month=months == 1)
    return sheets


def _blank(scheme: Scheme) -> list[dict[str, Any]]:
    return [_empty(item, part) for item, part in leaves(scheme["items"])]


def _empty(item: Node, part: str) -> dict[str, Any]:
    return {"code": item["code"], "part": part, "weight": item["weight"], "points": None}


class _Tree:
    """The roll-up of one scheme over several bodies, part by part."""

    def __init__(
        self, scheme: Scheme, bodies: Sequence[Inputs], ranked: list[str], places: int
    ) -> None:
        self.scheme, self.bodies, self.ranked, self.places = scheme, bodies, ranked, places

    def roots(self) -> dict[str, _Found]:
        """Return the whole sheet of each body that has one."""
        root = {
            "code": "",
            "weight": str(_weight(self.scheme["items"])),
            "items": self.scheme["items"],
            "missing": self.scheme.get("missing", "drop_for_all"),
        }
        return self._node(root, "", is_root=True)

    def _node(self, node: Node, part: str, *, is_root: bool = False) -> dict[str, _Found]:
        if "items" not in node:
            return {b.body: f for b in self.bodies if (f := self._leaf(node, part, b))}
        children = [(child, self._node(child, node["code"])) for child in node["items"]]
        kept = [(child, found) for child, found in children if self._is_kept(node, found)]
        results = {}
        for one in self.bodies:
            present = [(child, found[one.body]) for child, found in kept if one.body in found]
            if present:
                results[one.body] = self._sum(node, part, present, is_root=is_root)
        return results

    def _is_kept(self, node: Node, found: dict[str, _Found]) -> bool:
        """Tell whether a part counts: one that a ranked body lacks may be dropped for all."""
        if node.get("missing", "share") == "share":
            return True
        return all(body in found for body in self.ranked) if self.ranked else bool(found)

    def _sum(
        self, node: Node, part: str, present: list[tuple[Node, _Found]], *, is_root: bool
    ) -> _Found:
        """Add up what a body has of a part; the weight of what it lacks goes to the others."""
        own = _weight(node["items"])
        scale = own / _weight(child for child, _ in present)
        total = half_up(ZERO, self.places)
        by_code = {child["code"]: found for child, found in present}
        lines: list[dict[str, Any]] = []
        parts: list[dict[str, Any]] = []
        for child in node["items"]:
            found = by_code.get(child["code"])
            if found is None:
                above = node["code"]
                lines += [_empty(item, inner or above) for item, inner in leaves([child])]
                continue
            full = Fraction(child["weight"]) * scale
            printed = half_up(found.raw * scale, self.places)
            total += printed
            found.line |= {"points": str(printed), "full": str(half_up(full, self.places))}
            if "items" in child:
                for line in found.lines:
                    line["counts_for"] = line.get("counts_for", Fraction(1)) * full / found.of
            lines += found.lines
            parts += found.parts
        line = {"code": node["code"], "part": part, "weight": node["weight"]}
        line |= {"score": str(total), "of": str(half_up(own, self.places))}
        raw = Fraction(total) * Fraction(node["weight"]) / own
        return _Found(raw, own, line, lines, parts if is_root else [line, *parts])

    def _leaf(self, item: Node, part: str, one: Inputs) -> _Found | None:
        line = _empty(item, part)
        if item["rule"]["kind"] == "manual":
            entry = one.entries.get(item["code"])
            if entry is None:
                return None
            raw = min(max(entry.points, ZERO), Fraction(item["weight"]))
            line["entry"] = entry.number
            return _Found(raw, Fraction(item["weight"]), line, [line], [])
        measures, is_wide = one.now, False
        measure = value_of(item, measures)
        few = int(item.get("few", self.scheme["few"]))
        is_counted = measure.groups is not None
        if item.get("months") == 3 or (is_counted and (measure.groups or 0) < few):
            measures, is_wide = one.wide, True
            measure = value_of(item, measures)
        if measure.value is None or (is_counted and (measure.groups or 0) < few):
            return None
        terms = item["rule"].get("terms", []) + item["rule"].get("charges", [])
        values = [_printed(measures[term["indicator"]].value, self.places) for term in terms]
        line |= {
            "value": None if terms else _printed(measure.value, self.places),
            "groups": measure.groups if is_counted else measure.cases,
            "cases": measure.cases,
            "three_months": is_wide,
            **({"values": values} if terms else {}),
        }
        raw = points_of(item, measure.value, measures)
        return _Found(raw, Fraction(item["weight"]), line, [line], [])


def _weight(nodes: Iterable[Node]) -> Fraction:
    return sum((Fraction(node["weight"]) for node in nodes), ZERO)


def _printed(value: Fraction | None, places: int) -> str | None:
    return None if value is None else str(half_up(value, places))


def _extra(
    scheme: Scheme, name: str, one: Inputs, places: int, months: int
) -> tuple[list[dict[str, Any]], Decimal]:
    """Return the lines of deductions or bonuses and their sum, up to the cap of the period."""
    lines, total = [], half_up(ZERO, places)
    for item in extras(scheme, name):
        line: dict[str, Any] = {"code": item["code"]}
        if item["rule"]["kind"] == "manual":
            entry = one.entries.get(item["code"])
            amount = min(entry.points, Fraction(item["rule"]["cap"])) if entry else ZERO
            line |= {"entry": entry.number} if entry else {}
        else:
            amount = amount_of(item, one.now)
        printed = half_up(max(amount, ZERO), places)
        total += printed
        lines.append(line | {"points": str(printed)})
    cap = scheme.get(name, {}).get("cap")
    if cap is not None:
        total = min(total, half_up(Fraction(cap) * months, places))
    return lines, total


def _weakest(lines: list[dict[str, Any]]) -> str | None:
    """Return the code of the item that took most from the total; the first of equals."""
    shown = [line for line in lines if line["points"] is not None]
    weakest = max(shown, key=_lost, default=None)
    return weakest["code"] if weakest and _lost(weakest) > 0 else None


def _lost(line: dict[str, Any]) -> Fraction:
    lost = Fraction(line["full"]) - Fraction(line["points"])
    return lost * Fraction(line.get("counts_for", 1))


def rank(sheets: list[dict[str, Any]], scheme: Scheme, *, is_month: bool) -> None:
    """Give ranks 1, 1, 3, grades and the word on small gaps, in place; best first.

    Where groups are ranked apart, each has its own first.
    """
    sheets.sort(key=lambda s: (s["few_cases"], s["total"] is None, -_total(s), s["body"]))
    for sheet in sheets:
        sheet["rank"] = None
        sheet["close"] = False
        sheet["grade"] = None if sheet["total"] is None else _grade(_total(sheet), scheme)
    ranked = [s for s in sheets if not s["few_cases"] and s["total"] is not None]
    for group in dict.fromkeys(s.get("group", "") for s in ranked):
        among = [s for s in ranked if s.get("group", "") == group]
        for place, sheet in enumerate(among):
            sheet["rank"] = 1 + sum(_total(other) > _total(sheet) for other in among)
            if place + 1 < len(among) and is_month and scheme.get("small_gap") is not None:
                gap = _total(sheet) - _total(among[place + 1])
                sheet["close"] = gap < Decimal(scheme["small_gap"])


def _total(sheet: dict[str, Any]) -> Decimal:
    return Decimal(sheet["total"] or 0)


def _grade(total: Decimal, scheme: Scheme) -> str | None:
    grades = scheme.get("grades", [])
    return next((str(name) for name, least in grades if total >= Decimal(least)), None)
