"""Spans of days that heat and trend count over, in Asia/Shanghai, and the buckets of a trend."""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.translation import gettext as _

from cases.errors import InvalidInput

DEFAULT = "30d"
MOST_DAYS = 3 * 366
BUCKETS = ("day", "week", "month")
_LAST = re.compile(r"([1-9]\d{0,3})d", re.ASCII)
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])", re.ASCII)
_DAYS = re.compile(r"(20\d\d-\d\d-\d\d)\.\.(20\d\d-\d\d-\d\d)", re.ASCII)


@dataclass(frozen=True)
class Span:
    """Local days [first, after), under the name it was asked for."""

    name: str
    first: date
    after: date

    @property
    def last(self) -> date:
        """The last day of it."""
        return self.after - timedelta(days=1)

    @property
    def before(self) -> "Span":
        """The span before: of a month the month before, else as many days."""
        if _MONTH.fullmatch(self.name):
            first = _month(self.first - timedelta(days=1))
            return Span(f"{first:%Y-%m}", first, self.first)
        first = self.first - (self.after - self.first)
        return Span(f"{first}..{self.first - timedelta(days=1)}", first, self.first)

    @property
    def whole_months(self) -> tuple[date, date]:
        """The whole months in it as [from, to); empty where there is none."""
        first = self.first if self.first.day == 1 else next_month(self.first)
        return first, max(first, _month(self.after))

    def starts(self, by: str) -> list[date]:
        """Return the first days of its days, weeks or months; the first may be cut."""
        found, start = [], bucket_of(self.first, by)
        while start < self.after:
            found.append(start)
            step = {"day": 1, "week": 7}.get(by)
            start = start + timedelta(days=step) if step else next_month(start)
        return found


def parse_span(name: str, *, today: date) -> Span:
    """Return the span called 30d, 2026-10 or 2026-10-01..2026-10-07. Raises InvalidInput."""
    try:
        if found := _LAST.fullmatch(name):
            first = today - timedelta(days=int(found[1]) - 1)
            return _checked(Span(name, first, today + timedelta(days=1)))
        if found := _MONTH.fullmatch(name):
            first = date(int(found[1]), int(found[2]), 1)
            return _checked(Span(name, first, next_month(first)))
        if found := _DAYS.fullmatch(name):
            first, last = map(date.fromisoformat, found.groups())
            return _checked(Span(name, first, last + timedelta(days=1)))
    except (ValueError, OverflowError):
        pass  # the 31st of February
    raise _unknown(name)


def _checked(span: Span) -> Span:
    if not timedelta() < span.after - span.first <= timedelta(days=MOST_DAYS):
        raise _unknown(span.name)
    return span


def _unknown(name: str) -> InvalidInput:
    words = {"period": _("take 30d, 2026-10 or 2026-10-01..2026-10-07, three years at most")}
    return InvalidInput(_("There is no period “%(name)s”.") % {"name": name[:40]}, fields=words)


def bucket_of(day: date, by: str) -> date:
    """Return the first day of the day's day, week (from Monday) or month."""
    if by == "month":
        return _month(day)
    return day - timedelta(days=day.weekday()) if by == "week" else day


def _month(day: date) -> date:
    return day.replace(day=1)


def next_month(day: date) -> date:
    """Return the first day of the month after."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
