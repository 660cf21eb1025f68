"""From a value to points: exact fractions inside, one rounding half up at the end. Pure."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Item:
    """One line of a scheme: full marks minus so many points a percentage point off."""

    code: str
    weight: Fraction  # points
    per_point: Fraction  # points lost per percentage point
    full_at: Fraction  # %, where full marks begin
    is_high_good: bool

    @classmethod
    def of(cls, data: dict[str, Any]) -> "Item":
        """Read an item of a scheme; its numbers are text, so that none is inexact."""
        return cls(
            data["code"],
            Fraction(data["weight"]),
            Fraction(data["per_point"]),
            Fraction(data["full_at"]),
            data["better"] == "high",
        )


def points(item: Item, value: Fraction, *, scale: Fraction = Fraction(1)) -> Decimal:
    """Return the printed points of a value in per cent; `scale` shares out missing weights."""
    off = item.full_at - value if item.is_high_good else value - item.full_at
    kept = item.weight - item.per_point * max(off, Fraction(0))
    return half_up(max(kept, Fraction(0)) * scale)


def half_up(number: Fraction) -> Decimal:
    """Round a number that is not negative to two decimals, half up (四舍五入)."""
    return Decimal((number * 200 + 1) // 2).scaleb(-2)


def ratio(part: int, whole: int) -> Fraction | None:
    """Return part / whole in per cent; None for an empty whole, printed as a dash."""
    return Fraction(100 * part, whole) if whole else None
