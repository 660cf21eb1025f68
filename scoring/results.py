"""The whole sheet of a period from its facts, and the cases behind every number. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cases.choices import CITY
from scoring.indicators import By, Facts
from scoring.rates import BULLETIN, INDICATORS, Reading, measures_of
from scoring.rollup import Inputs, all_items, indicators_in, score
from scoring.rules import Entry, Measure, half_up, indicators_of

# How the cases of a level are put together; posts are those of each district's centre.
COUNTED_BY: Mapping[str, By] = {
    "district": "body",
    "post": "body",
    "unit": "unit",
    "street": "street",
}


@dataclass(frozen=True)
class Beside:
    """What a score reads beside the cases, and the bodies it is for."""

    bodies: Sequence[str]
    kinds: Mapping[str, str] = field(default_factory=dict)  # body: the group it is ranked in
    cells: Mapping[str, int] = field(default_factory=dict)  # body: grid cells of its area
    given: Mapping[str, Mapping[str, Measure]] = field(default_factory=dict)
    given_wide: Mapping[str, Mapping[str, Measure]] = field(default_factory=dict)  # three months
    entries: Mapping[str, Mapping[str, Entry]] = field(default_factory=dict)


def result_of(
    facts: Facts, wide: Facts, scheme: Mapping[str, Any], beside: Beside, *, months: int
) -> dict[str, Any]:
    """Return the sealed content: ranked sheets with counts and rates; districts the city too.

    `wide` are the facts of the three months that end with the period, `months` its length.
    """
    sheets = score(scheme, _inputs(facts, wide, scheme, beside), months=months)
    counts = _counts(facts)
    for sheet in sheets:
        body = sheet["body"]
        lines = [
            *sheet["items"],
            *(x for n in ("deductions", "bonuses") for x in sheet[n]["items"]),
        ]
        items = {item["code"]: item for item in all_items(scheme)}
        for line in lines:
            if line["points"] is not None and indicators_of(items[line["code"]]):
                over = wide if line.get("three_months") else facts
                read = _reading(over, body, scheme, beside, is_wide=over is wide)
                line["listed"] = len(_behind(items[line["code"]], read))
        sheet["counts"] = counts.get(body, {})
        sheet["rates"] = rates_of(facts, body)
    if scheme["level"] not in ("district", "post"):
        return {"bodies": sheets}
    city = {"counts": counts.get(CITY, {}), "rates": rates_of(facts, CITY)}
    sources = sorted(counts.keys() - {CITY, *beside.bodies})
    reports = {s: {"counts": counts[s], "rates": rates_of(facts, s)} for s in sources}
    return {"bodies": sheets, "city": city, "reports": reports}


def lists_of(
    facts: Facts, wide: Facts, result: dict[str, Any], scheme: Mapping[str, Any], beside: Beside
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
                read = _reading(over, body, scheme, beside, is_wide=over is wide)
                lists[body, line["code"]] = _behind(items[line["code"]], read)
    return lists


def rates_of(facts: Facts, body: str) -> dict[str, str | None]:
    """Return the bulletin's rates in per cent; None where the denominator is empty."""
    read = Reading(facts, body, {})
    values = {rate: INDICATORS[name].measure(read).value for rate, name in BULLETIN.items()}
    return {rate: None if v is None else str(half_up(v)) for rate, v in values.items()}


class _Summed(Facts):
    """Counts alone, of several bodies together: enough for rates."""

    sums: Mapping[str, int]

    def count(self, body: str, name: str) -> int:
        """Return the sum, whatever the body."""
        return self.sums.get(name, 0)


def summed(counts: Mapping[str, int]) -> Facts:
    """Return counts in the form `rates_of` reads."""
    facts = _Summed()
    facts.sums = counts
    return facts


def _counts(facts: Facts) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for (body, name), numbers in facts.lists.items():
        counts[body][name] = len(numbers)
    return dict(counts)


def _reading(
    facts: Facts, body: str, scheme: Mapping[str, Any], beside: Beside, *, is_wide: bool = False
) -> Reading:
    given = (beside.given_wide if is_wide else beside.given).get(body, {})
    return Reading(facts, body, scheme["cases"], beside.cells.get(body), given)


def _inputs(facts: Facts, wide: Facts, scheme: Mapping[str, Any], beside: Beside) -> list[Inputs]:
    names = indicators_in(scheme)
    inputs = []
    for body in beside.bodies:
        now = measures_of(names, _reading(facts, body, scheme, beside))
        over = now
        if wide is not facts:
            over = measures_of(names, _reading(wide, body, scheme, beside, is_wide=True))
        sample = facts.count(body, "assessed")
        kind = beside.kinds.get(body, "")
        inputs.append(Inputs(body, now, over, sample, kind, beside.entries.get(body, {})))
    return inputs


def _behind(item: Mapping[str, Any], read: Reading) -> list[str]:
    """Return the cases an item is made of; those of several indicators together, each once."""
    names = indicators_of(item)
    if len(names) == 1:
        return INDICATORS[names[0]].members(read)
    return sorted({number for name in names for number in INDICATORS[name].members(read)})
