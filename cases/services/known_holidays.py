"""What the `holidays` package knows of a year: where an administrator's edit may start from."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from cases.clock import SpecialDay

_DAY = timedelta(days=1)
_FROM_ANOTHER_DAY = re.compile(r"substituted from (\d\d)/(\d\d)/(\d{4})")
_OBSERVED = " (observed)"

# The package's English name of a day: the holiday as it is announced, Chinese and English.
_NAMES = {
    "New Year's Day": ("元旦", "New Year"),
    "Chinese New Year's Eve": ("春节", "Spring Festival"),
    "Chinese New Year (Spring Festival)": ("春节", "Spring Festival"),
    "Tomb-Sweeping Day": ("清明节", "Qingming"),
    "Labor Day": ("劳动节", "Labour Day"),
    "Dragon Boat Festival": ("端午节", "Dragon Boat Festival"),
    "Mid-Autumn Festival": ("中秋节", "Mid-Autumn"),
    "National Day": ("国庆节", "National Day"),
}


@dataclass(frozen=True)
class KnownYear:
    """Days of a year that are not what their weekday says.

    A year of which no make-up workday is known was computed by the package, not announced by the
    State Council: its holidays are the statutory days alone.
    """

    days: tuple[SpecialDay, ...]
    is_announced: bool


def known_year(year: int) -> KnownYear:
    """Return the days off of `year` with the weekends they run into, and its make-up workdays."""
    from holidays import country_holidays  # noqa: PLC0415  # 0.3 s that only this page should cost

    known = country_holidays("CN", years=year, language="en_US")
    makeups = sorted(day for day in known.weekend_workdays if day.year == year)
    days: list[SpecialDay] = []
    makeup_names: dict[date, tuple[str, str]] = {}
    for run in _runs(year, known.is_working_day):
        named = {day: known[day] for day in run if day in known}
        if not named:
            continue  # a weekend as any other
        name_zh, name_en = _name(named.values())
        days += [SpecialDay(day, is_workday=False, name_zh=name_zh, name_en=name_en) for day in run]
        for words in named.values():
            if found := _FROM_ANOTHER_DAY.search(words):
                month, of_month, of_year = map(int, found.groups())
                makeup_names[date(of_year, month, of_month)] = (name_zh, name_en)
    for day in makeups:
        name_zh, name_en = makeup_names.get(day, ("调休", "Make-up workday"))
        days.append(SpecialDay(day, is_workday=True, name_zh=name_zh, name_en=name_en))
    return KnownYear(tuple(sorted(days, key=lambda special: special.day)), bool(makeups))


def _runs(year: int, is_worked: Callable[[date], bool]) -> Iterator[list[date]]:
    """Yield the stretches of days off of a year."""
    run: list[date] = []
    day = date(year, 1, 1)
    while day.year == year:
        if not is_worked(day):
            run.append(day)
        elif run:
            yield run
            run = []
        day += _DAY
    if run:
        yield run


def _name(words: Iterable[str]) -> tuple[str, str]:
    """Return the names of the holidays of one stretch, in the order they come."""
    plain = [word.removesuffix(_OBSERVED) for word in words]
    names = list(dict.fromkeys(_NAMES[word] for word in plain if word in _NAMES))
    if not names:
        return "休息日", "Day off"
    return "、".join(zh for zh, _ in names), " and ".join(en for _, en in names)
