"""Periods of assessment: month, quarter, half-year or year, half-open, at local midnight. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

CITY_TIME = ZoneInfo("Asia/Shanghai")
_NAME = re.compile(r"(20\d\d)(?:-(?:(0[1-9]|1[0-2])|Q([1-4])|H([12])))?", re.ASCII)


class BadPeriod(ValueError):
    """The name is none of 2026-10, 2026-Q3, 2026-H1 and 2026."""


@dataclass(frozen=True)
class Period:
    """[start, end) in Asia/Shanghai."""

    name: str
    start: datetime
    end: datetime

    @property
    def is_month(self) -> bool:
        """True for a calendar month, whose small gaps mean little (assessment.md §6)."""
        return self.months == 1

    @property
    def months(self) -> int:
        """How many calendar months it has: 1, 3, 6 or 12."""
        return _months(self.end) - _months(self.start)

    @property
    def wide_start(self) -> datetime:
        """Start of the three months that end with a shorter period: the few-cases rule."""
        return min(self.start, _midnight(_months(self.end) - 3))


def earlier(period: Period, many: int) -> list[Period]:
    """Return the periods of the same kind before this one, the oldest first; none before 2000."""
    first, months = _months(period.start), period.months
    starts = (first - months * n for n in range(many, 0, -1))
    return [_of_months(start, months) for start in starts if start >= 2000 * 12]


def _of_months(first: int, months: int) -> Period:
    year, month = divmod(first, 12)
    names = {
        1: f"{year}-{month + 1:02d}",
        3: f"{year}-Q{month // 3 + 1}",
        6: f"{year}-H{month // 6 + 1}",
        12: f"{year}",
    }
    return parse_period(names[months])


def parse_period(name: str) -> Period:
    """Return the period named 2026-10, 2026-Q3, 2026-H1 or 2026; raises BadPeriod."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise BadPeriod(f"There is no period {name!r}: write 2026-10, 2026-Q3, 2026-H1 or 2026.")
    year, month, quarter, half = found.groups()
    first, length = int(year) * 12, 12
    if month:
        first, length = first + int(month) - 1, 1
    elif quarter:
        first, length = first + 3 * (int(quarter) - 1), 3
    elif half:
        first, length = first + 6 * (int(half) - 1), 6
    return Period(name, _midnight(first), _midnight(first + length))


def periods_between(first: datetime, last: datetime) -> list[Period]:
    """Return the periods `first` to `last` touch, from months to years, newest first of each."""
    months = range(
        _months(last.astimezone(CITY_TIME)), _months(first.astimezone(CITY_TIME)) - 1, -1
    )
    names = [f"{m // 12}-{m % 12 + 1:02d}" for m in months]
    names += [f"{m // 12}-Q{m % 12 // 3 + 1}" for m in months]
    names += [f"{m // 12}-H{m % 12 // 6 + 1}" for m in months]
    names += [f"{m // 12}" for m in months]
    return [parse_period(name) for name in dict.fromkeys(names)]


def periods_within(first: datetime, last: datetime) -> list[Period]:
    """Return the months, quarters, half-years and years that lie wholly in [first, last)."""
    return [p for p in periods_between(first, last) if first <= p.start and p.end <= last]


def month_of(moment: datetime) -> Period:
    """Return the month a moment falls in, by the city's time."""
    return parse_period(moment.astimezone(CITY_TIME).strftime("%Y-%m"))


def months_after(moment: datetime, many: int) -> list[Period]:
    """Return the next months, the first the one that begins after a moment."""
    first = _months(month_of(moment).start) + 1
    return [month_of(_midnight(first + n)) for n in range(many)]


def is_month_start(moment: datetime) -> bool:
    """Tell whether a month begins at a moment, at local midnight."""
    return moment == month_of(moment).start


def _months(moment: datetime) -> int:
    return moment.year * 12 + moment.month - 1


def _midnight(months: int) -> datetime:
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=CITY_TIME)
