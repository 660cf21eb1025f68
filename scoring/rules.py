"""From values to points: the kinds of rule a scheme knows. Pure, of the standard library alone.

Exact fractions inside; what is printed is rounded half up once (docs/schemes.md).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

ZERO = Fraction(0)
HUNDRED = Fraction(100)


@dataclass(frozen=True)
class Measure:
    """The value of an indicator for one body; None when there was nothing to take it over."""

    value: Fraction | None  # per cent, or how many
    groups: int | None = None  # what it was taken over, splits undone; None: it is a mere count
    cases: int = 0  # cases or events it was taken over
    key: int = 0  # of a count, how many in leaders', media and supervised cases


@dataclass(frozen=True)
class Entry:
    """Points of a manual item, and the number of the entry that says what they rest on."""

    points: Fraction
    number: int


Measures = Mapping[str, Measure]


def half_up(number: Fraction, places: int = 2) -> Decimal:
    """Round a number that is not negative to decimal places, half up (四舍五入)."""
    return Decimal((number * 2 * 10**places + 1) // 2).scaleb(-places)


def ratio(part: int, whole: int) -> Fraction | None:
    """Return part / whole in per cent; None for an empty whole, printed as a dash."""
    return Fraction(100 * part, whole) if whole else None


def indicators_of(item: Mapping[str, Any]) -> list[str]:
    """Return the names of the indicators an item reads, in the order it names them."""
    rule = item["rule"]
    if "indicator" in item:
        return [item["indicator"]]
    if "blend" in item:
        return [name for name, _ in item["blend"]]
    return [term["indicator"] for term in [*rule.get("terms", []), *rule.get("charges", [])]]


def value_of(item: Mapping[str, Any], measures: Measures) -> Measure:
    """Return the value an item is judged by: its indicator, or a weighted sum of several.

    An item of several terms has none of its own: it is present when each of them is.
    """
    found = [measures[name] for name in indicators_of(item)]
    if "indicator" in item:
        return found[0]
    groups = [m.groups for m in found if m.groups is not None]
    sample = min(groups) if groups else None
    cases = max((m.cases for m in found), default=0)
    values = [m.value for m in found if m.value is not None]
    if len(values) < len(found):
        return Measure(None, sample, cases)
    factors = [Fraction(factor) for _, factor in item.get("blend", [])]
    total = sum((f * v for f, v in zip(factors, values, strict=False)), ZERO)
    return Measure(total, sample, cases)


def points_of(item: Mapping[str, Any], value: Fraction, measures: Measures) -> Fraction:
    """Return the exact points of an item out of its weight, never above it nor below nothing."""
    rule, weight = item["rule"], Fraction(item["weight"])
    return min(max(KINDS[rule["kind"]](rule, weight, value, measures), ZERO), weight)


def amount_of(item: Mapping[str, Any], measures: Measures) -> Fraction:
    """Return what the charges of an item come to, up to its cap."""
    rule = item["rule"]
    amount = sum((_charge(charge, measures) for charge in rule["charges"]), ZERO)
    cap = rule.get("cap")
    return amount if cap is None else min(amount, Fraction(cap))


def _ratio(rule: Mapping[str, Any], weight: Fraction, value: Fraction, _: Measures) -> Fraction:
    """Weight times the rate; of a rate that should be low, of what it leaves to 100 %."""
    rate = value if rule["better"] == "high" else HUNDRED - value
    return weight * rate / 100


def _threshold(rule: Mapping[str, Any], weight: Fraction, value: Fraction, _: Measures) -> Fraction:
    """Full marks up to a value, then so many points less a percentage point, down to a floor."""
    return max(weight - _short(rule, value), Fraction(rule.get("floor", "0")))


def _short(term: Mapping[str, Any], value: Fraction) -> Fraction:
    full_at = Fraction(term["full_at"])
    off = full_at - value if term["better"] == "high" else value - full_at
    return Fraction(term["per_point"]) * max(off, ZERO)


def _thresholds(
    rule: Mapping[str, Any], weight: Fraction, _: Fraction, measures: Measures
) -> Fraction:
    """Full marks less what each of several values falls short by."""
    lost = ZERO
    for term in rule["terms"]:
        value = measures[term["indicator"]].value
        lost += _short(term, value) if value is not None else ZERO
    return max(weight - lost, Fraction(rule.get("floor", "0")))


def _band(rule: Mapping[str, Any], weight: Fraction, value: Fraction, _: Measures) -> Fraction:
    """The share of the weight of the first band whose upper end the value does not pass."""
    return weight * Fraction(band(rule["bands"], value)) / 100


def band(bands: Sequence[Sequence[Any]], value: Fraction) -> str:
    """Return what the band of a value gives; the last one has no upper end."""
    return next(str(gives) for upto, gives in bands if upto is None or value <= Fraction(upto))


def _charges(
    rule: Mapping[str, Any], weight: Fraction, _: Fraction, measures: Measures
) -> Fraction:
    """Full marks less so much an occurrence."""
    return weight - amount_of({"rule": rule}, measures)


def _charge(charge: Mapping[str, Any], measures: Measures) -> Fraction:
    """Return so much an occurrence, more from a later one on; one in a key case counts so often.

    Steps say from which occurrence another amount holds: [["3", "0.5"]] from the third on.
    """
    measure = measures[charge["indicator"]]
    if measure.value is None:
        return ZERO
    times = measure.value + measure.key * (int(charge.get("key_times", "1")) - 1)
    amount, each, passed = ZERO, Fraction(charge["points"]), ZERO
    for first, later in charge.get("steps", []):
        upto = max(min(times, Fraction(first) - 1), passed)
        amount, passed, each = amount + each * (upto - passed), upto, Fraction(later)
    amount += each * (times - passed)
    cap = charge.get("cap")
    return amount if cap is None else min(amount, Fraction(cap))


# Points of an item of each kind; those of `manual` are an entry's and stand for themselves.
KINDS: Mapping[str, Callable[[Mapping[str, Any], Fraction, Fraction, Measures], Fraction]] = {
    "ratio": _ratio,
    "threshold": _threshold,
    "thresholds": _thresholds,
    "band": _band,
    "charges": _charges,
}
