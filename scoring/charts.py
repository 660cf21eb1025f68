"""Lines of charts as points of an SVG, for phones, paper and pages without script. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

Values = Sequence[Decimal | None]
_LEAST_SPAN = Decimal(5)  # points: what scatters by less is drawn as the flat line it is
_PAD = 3


class Point(NamedTuple):
    """A place on the drawing, y downwards."""

    x: str
    y: str


@dataclass(frozen=True)
class Spark:
    """A line a few words long; a month without a score leaves a gap."""

    width: int
    height: int
    lines: list[str]  # the points of each stretch without a gap
    dots: list[Point]  # a value with a gap on either side, and the newest


@dataclass(frozen=True)
class Line:
    """One body's line in a chart with axes."""

    name: str
    number: int  # of the pattern and mark it is told by
    lines: list[str]
    dots: list[Point]
    end: Point | None  # where its name stands


@dataclass(frozen=True)
class Chart:
    """Lines over periods with a scale of points."""

    width: int
    height: int
    lines: list[Line]
    scale: list[tuple[str, str]]  # y, what stands there
    periods: list[tuple[str, str]]  # x, what stands there
    left: int
    right: int
    bottom: int


def spark(values: Values, *, width: int = 112, height: int = 32) -> Spark:
    """Return the line of one body's totals, the newest last."""
    known = [value for value in values if value is not None]
    if not known:
        return Spark(width, height, [], [])
    middle = (max(known) + min(known)) / 2
    span = max(max(known) - min(known), _LEAST_SPAN)
    low = middle - span / 2
    across = Decimal(width - 2 * _PAD) / max(len(values) - 1, 1)
    down = Decimal(height - 2 * _PAD) / span
    places = [
        None if value is None else _point(_PAD + across * n, height - _PAD - (value - low) * down)
        for n, value in enumerate(values)
    ]
    lines, alone = _stretches(places)
    newest = places[-1]
    dots = [*alone, newest] if newest and newest not in alone else alone
    return Spark(width, height, lines, dots)


def chart(
    series: Sequence[tuple[str, Values]], names: Sequence[str], *, width: int = 860
) -> Chart | None:
    """Return the lines of several bodies over the periods named; None where nothing is known.

    The scale begins at a round number below the lowest: what is read are the numbers beside it.
    """
    known = [value for _, values in series for value in values if value is not None]
    if not known:
        return None
    height, left, right, top, bottom = 320, 44, width - 132, 12, 286
    step = 10 if max(known) - min(known) > 20 else 5
    low = _round(min(known), step, ROUND_FLOOR)
    high = max(_round(max(known), step, ROUND_CEILING), low + step)
    across = Decimal(right - left) / max(len(names) - 1, 1)
    down = Decimal(bottom - top) / (high - low)
    lines, ends = [], []
    for number, (name, values) in enumerate(series):
        places = [
            None if value is None else _point(left + across * n, bottom - (value - low) * down)
            for n, value in enumerate(values)
        ]
        stretches, _ = _stretches(places)
        dots = [place for place in places if place]
        ends.append(dots[-1] if dots else None)
        lines.append((name, number, stretches, dots))
    told = _apart(ends, Decimal(right + 10), top + 6, bottom)
    scale = [
        (f"{bottom - (at - low) * down:.1f}", f"{at:f}")
        for at in (low + step * n for n in range(int((high - low) / step) + 1))
    ]
    periods = [(f"{left + across * n:.1f}", name) for n, name in enumerate(names)]
    drawn = [Line(*line, end) for line, end in zip(lines, told, strict=True)]
    return Chart(width, height, drawn, scale, periods, left, right, bottom)


def _point(x: Decimal, y: Decimal) -> Point:
    return Point(f"{x:.1f}", f"{y:.1f}")


def _stretches(places: Sequence[Point | None]) -> tuple[list[str], list[Point]]:
    """Return the lines between gaps, and the points that stand alone between two gaps."""
    lines, alone, open_ = [], [], list[Point]()
    for place in [*places, None]:
        if place:
            open_.append(place)
            continue
        if len(open_) > 1:
            lines.append(" ".join(f"{x},{y}" for x, y in open_))
        else:
            alone += open_
        open_ = []
    return lines, alone


def _apart(ends: Sequence[Point | None], x: Decimal, top: int, bottom: int) -> list[Point | None]:
    """Return where the names of lines stand: beside their ends, no two over each other."""
    wanted = sorted((Decimal(end.y), n) for n, end in enumerate(ends) if end)
    room, placed, last = Decimal(18), dict[int, Decimal](), Decimal(top) - 18
    for y, n in wanted:
        last = placed[n] = max(y, last + room)
    over = last - bottom
    return [
        Point(f"{x:.1f}", f"{placed[n] - max(over, Decimal(0)):.1f}") if end else None
        for n, end in enumerate(ends)
    ]


def _round(value: Decimal, step: int, way: str) -> Decimal:
    return (value / step).to_integral_value(rounding=way) * step
