"""The whole sheet of a period from its facts, and the cases behind every number. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from cases.choices import CITY
from scoring.indicators import By, Facts
from scoring.rates import BULLETIN, INDICATORS, Parts, Reading, Tally, measures_of
from scoring.rollup import Inputs, all_items, indicators_in, score
from scoring.rules import Entry, Measure, half_up, indicators_of

# How the cases of a level are put together; posts are those of each district's centre.
COUNTED_BY: Mapping[str, By] = {
    "district": "body",
    "post": "body",
    "unit": "unit",
    "street": "street",
}


Sums = Mapping[str, Parts]  # by body; all of it adds up over cases, but means over groups


@dataclass(frozen=True)
class Beside:
    """What a score reads beside the cases, and the bodies it is for."""

    bodies: Sequence[str]
    kinds: Mapping[str, str] = field(default_factory=dict)  # body: the group it is ranked in
    cells: Mapping[str, int] = field(default_factory=dict)  # body: grid cells of its area
    given: Mapping[str, Mapping[str, Measure]] = field(default_factory=dict)
    given_wide: Mapping[str, Mapping[str, Measure]] = field(default_factory=dict)  # three months
    entries: Mapping[str, Mapping[str, Entry]] = field(default_factory=dict)


def sums_of(facts: Facts, scheme: Mapping[str, Any]) -> Sums:
    """Return what a scheme adds up of the cases of each body."""
    names = indicators_in(scheme)
    items = [item for item in all_items(scheme) if indicators_of(item)]
    sums: dict[str, dict[str, int | Fraction]] = defaultdict(dict)
    for (body, name), numbers in facts.lists.items():
        sums[body][name] = len(numbers)
    for body, parts in sums.items():
        tally = Tally(facts, body, scheme["cases"])
        for name in names:
            parts |= INDICATORS[name].parts(tally)
        parts |= {_listed(item["code"]): len(_behind(item, tally)) for item in items}
    return _only_said(sums)


def moved_on(sums: Sums, then: Sums, now: Sums) -> Sums:
    """Return sums with what some cases and their groups were taken off, and what they are added.

    Exact for each part: it adds up over cases, or over groups of which all cases are among them.
    """
    return _only_said(
        {
            body: {
                name: sums.get(body, {}).get(name, 0)
                - then.get(body, {}).get(name, 0)
                + now.get(body, {}).get(name, 0)
                for name in {*sums.get(body, {}), *then.get(body, {}), *now.get(body, {})}
            }
            for body in {*sums, *then, *now}
        }
    )


def _only_said(sums: Mapping[str, Parts]) -> Sums:
    """Leave out what is nought: a body without any case has no sums."""
    said = {body: {name: n for name, n in parts.items() if n} for body, parts in sums.items()}
    return {body: parts for body, parts in said.items() if parts}


def result_of(
    sums: Sums, wide: Sums, scheme: Mapping[str, Any], beside: Beside, *, months: int
) -> dict[str, Any]:
    """Return the sealed content: ranked sheets with counts and rates; districts the city too.

    `wide` are the sums of the three months that end with the period, `months` its length.
    """
    sheets = score(scheme, _inputs(sums, wide, scheme, beside), months=months)
    counts = {body: _counts(parts) for body, parts in sums.items()}
    for sheet in sheets:
        body = sheet["body"]
        lines = [
            *sheet["items"],
            *(x for n in ("deductions", "bonuses") for x in sheet[n]["items"]),
        ]
        items = {item["code"]: item for item in all_items(scheme)}
        for line in lines:
            if line["points"] is not None and indicators_of(items[line["code"]]):
                over = wide if line.get("three_months") else sums
                line["listed"] = over.get(body, {}).get(_listed(line["code"]), 0)
        sheet["counts"] = counts.get(body, {})
        sheet["rates"] = rates_of(sheet["counts"])
    if scheme["level"] not in ("district", "post"):
        return {"bodies": sheets}
    city = {"counts": counts.get(CITY, {}), "rates": rates_of(counts.get(CITY, {}))}
    sources = sorted(counts.keys() - {CITY, *beside.bodies})
    reports = {s: {"counts": counts[s], "rates": rates_of(counts[s])} for s in sources}
    return {"bodies": sheets, "city": city, "reports": reports}


def lists_of(
    facts: Facts, wide: Facts, result: dict[str, Any], scheme: Mapping[str, Any]
) -> dict[tuple[str, str], list[str]]:
    """Return the cases behind every count and item of a result, so that number = rows."""
    lists = dict(facts.lists)
    items = {item["code"]: item for item in all_items(scheme)}
    for sheet in result["bodies"]:
        body = sheet["body"]
        for line in [
            *sheet["items"],
            *sheet["deductions"]["items"],
            *sheet["bonuses"]["items"],
        ]:
            if "listed" in line:
                over = wide if line.get("three_months") else facts
                tally = Tally(over, body, scheme["cases"])
                lists[body, line["code"]] = _behind(items[line["code"]], tally)
    return lists


def rates_of(counts: Parts) -> dict[str, str | None]:
    """Return the bulletin's rates in per cent; None where the denominator is empty."""
    read = Reading(counts)
    values = {rate: INDICATORS[name].measure(read).value for rate, name in BULLETIN.items()}
    return {rate: None if v is None else str(half_up(v)) for rate, v in values.items()}


def _counts(parts: Parts) -> dict[str, int]:
    """Return the counts among the parts of a body."""
    return {name: int(number) for name, number in parts.items() if ":" not in name}


def _listed(code: str) -> str:
    """Return the name of the part that says how many cases an item shows."""
    return f"{code}:listed"


def _inputs(sums: Sums, wide: Sums, scheme: Mapping[str, Any], beside: Beside) -> list[Inputs]:
    names = indicators_in(scheme)
    inputs = []
    for body in beside.bodies:
        own, cells = sums.get(body, {}), beside.cells.get(body)
        now = measures_of(names, Reading(own, cells, beside.given.get(body, {})))
        over = now
        if wide is not sums:
            given = beside.given_wide.get(body, {})
            over = measures_of(names, Reading(wide.get(body, {}), cells, given))
        sample = int(own.get("assessed", 0))
        kind = beside.kinds.get(body, "")
        inputs.append(Inputs(body, now, over, sample, kind, beside.entries.get(body, {})))
    return inputs


def _behind(item: Mapping[str, Any], tally: Tally) -> list[str]:
    """Return the cases an item is made of; those of several indicators together, each once."""
    names = indicators_of(item)
    if len(names) == 1:
        return INDICATORS[names[0]].members(tally)
    return sorted({number for name in names for number in INDICATORS[name].members(tally)})
