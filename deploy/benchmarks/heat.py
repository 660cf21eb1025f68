"""Heat of the city and of a district's streets, and a past hour, against their bare SQL."""

import statistics
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from itertools import count, cycle
from urllib.parse import urlencode

from django.utils import timezone

from cases.models import Case, Rollup
from cases.selectors import heat as counted
from cases.selectors.history import past_list, past_map
from cases.selectors.spans import parse_span
from cases.views.desk import DESK_ROLES
from cityops.accounts.models import User
from deploy.benchmarks.clients import Server
from deploy.benchmarks.figures import Figure
from deploy.benchmarks.people import session_of
from deploy.benchmarks.reads import bare_s, captured
from deploy.home import Home

TIMES = 15
WINDOW = "109.94,27.53,110.02,27.57"  # the streets of the old town at zoom 15, 1920 × 1080


def of_city(home: Home) -> Figure:
    """Return the time of a month's heat of the whole city, not kept yet, against its SQL alone."""
    reader = _reader("dispatcher1")
    posts = User.objects.filter(grant__scope_kind="district", grant__role__in=DESK_ROLES)
    local = posts.order_by("username").first()
    spans = _spans()

    def bare(level: str) -> float:
        return _bare(home, lambda: _heat(reader, next(spans), level))

    cold = _ask(home, "dispatcher1", ({"period": span} for span in spans))
    one = next(spans)
    warm = _ask(home, "dispatcher1", ({"period": one} for _ in count()))
    streets = {"zoom": "15", "bbox": WINDOW}
    street_cold = _ask(home, "dispatcher1", ({"period": span, **streets} for span in spans))
    street_warm = _ask(home, "dispatcher1", ({"period": one, **streets} for _ in count()))
    more = {
        "city, kept: s": warm,
        "streets: s": street_cold,
        "streets, kept: s": street_warm,
        "streets, bare SQL: s": bare("cell"),
    }
    if local is not None:
        asked = ({"period": span, **streets} for span in spans)
        more["streets, to a district: s"] = _ask(home, local.username, asked)
    more |= {"cases": Case.objects.count(), "rows of counts": Rollup.objects.count()}
    return Figure("heat of the city, a month", "s", cold, "bare SQL", bare("community"), more)


def past_hour(home: Home) -> Figure:
    """Return the time of the map of a past hour, and of its page, against their SQL alone."""
    reader, hours = _reader("dispatcher1"), _hours()
    found = _ask_past(home, "/desk/past/cases/", hours)
    more = {
        "its page: s": _ask_past(home, "/desk/past/", hours),
        "its list, bare SQL: s": _bare(home, lambda: past_list(reader, at=next(hours))),
        "open then": past_list(reader, at=next(hours)).total,
    }
    bare = _bare(home, lambda: past_map(reader, at=next(hours)))
    return Figure("map of a past hour", "s", found, "bare SQL", bare, more)


def _reader(username: str) -> User:
    return User.objects.with_grants().get(username=username)


def _spans() -> Iterator[str]:
    """Yield months of days, each another one, so that none is kept in the cache yet."""
    last = timezone.localdate()
    for n in count():
        after = last - timedelta(days=n % 60)
        first = after - timedelta(days=29 + n // 60)
        yield f"{first}..{after}"


def _hours() -> Iterator[datetime]:
    """Yield past hours, each another one."""
    latest = timezone.localtime().replace(minute=0, second=0, microsecond=0)
    for n in count(1):
        yield latest - timedelta(hours=7 * n)


def _heat(reader: User, span: str, level: str) -> None:
    asked = counted.Asked(parse_span(span, today=date.today()))  # noqa: DTZ011  # the span names days
    stand = counted.standing(reader)
    counted.heat(reader, asked, count="filed", level=level, stand=stand)


def _ask(home: Home, username: str, queries: Iterator[dict[str, str]]) -> float:
    return _median(home, username, (f"/desk/heat/?{urlencode(query)}" for query in queries))


def _ask_past(home: Home, path: str, hours: Iterator[datetime]) -> float:
    return _median(home, "dispatcher1", (f"{path}?at={at:%Y-%m-%dT%H:%M}" for at in hours))


def _median(home: Home, username: str, paths: Iterator[str]) -> float:
    """Return the median time of TIMES answers, one client, after two that warm up."""
    web, headers = Server.web_of(home), session_of(username)
    taken = []
    for _ in range(TIMES + 2):
        calls = iter([("GET", next(paths), None, headers)])
        taken.append(1 / web.ask(calls, clients=1, count=1).rate)
    return statistics.median(taken[2:])


def _bare(home: Home, work: Callable[[], object]) -> float:
    """Return the median time of the statements of `work`, of another thing each time."""
    found = cycle([captured(work) for _ in range(TIMES)])
    return bare_s(home, lambda: next(found), times=TIMES)
