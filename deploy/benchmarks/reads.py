"""Reading: the list of cases, the live map, and where a point lies, against their bare SQL."""

import random
from collections.abc import Callable
from functools import partial
from itertools import cycle, repeat
from typing import Any

import psycopg
from django.db import connection
from django.utils import timezone

from cases.api.views import PAGE
from cases.models import Case
from cases.selectors.case_list import case_list as select_list
from cases.selectors.case_search import read_filters, search
from cases.selectors.live_map import live_map
from cases.selectors.place import locate as locate_place
from cityops.accounts.models import User
from deploy.benchmarks.clients import Server
from deploy.benchmarks.figures import Figure, median_s
from deploy.benchmarks.people import session_of, token_of
from deploy.home import Home

READS = 40
POINTS = 300


def case_list(home: Home) -> Figure:
    """Return the list of 100 cases over the API, one client, against its SELECT alone."""

    def select() -> None:
        filters, reader = read_filters({}), _reader()
        found = search(reader, filters, at=timezone.now())
        select_list(found, filters, reader=reader, size=PAGE)

    return _against(home, "list of 100", "/api/v1/cases/", select, times=READS)


def feed(home: Home) -> Figure:
    """Return the columns of the live map, at most 5,000 open cases, against their SELECT alone."""
    figure = _against(
        home, "live map", "/desk/cases/", lambda: live_map(_reader()), times=READS, is_page=True
    )
    figure.more["open cases"] = Case.objects.open().count()
    return figure


def locate(home: Home) -> Figure:
    """Return point → cell, street, district over the API against the PostGIS query alone."""
    draw = random.Random(7)  # noqa: S311  # places, not secrets
    places = [(draw.uniform(109.95, 110.01), draw.uniform(27.52, 27.58)) for _ in range(POINTS)]
    web, headers = Server.web_of(home), token_of("dispatcher1")
    calls = (("GET", f"/api/v1/locate/?lon={x}&lat={y}", None, headers) for x, y in places * 2)
    web.ask(calls, clients=1, count=20)
    outcome = web.ask(calls, clients=1, count=POINTS)
    statements = cycle([captured(partial(locate_place, *at)) for at in places])
    bare = bare_s(home, lambda: next(statements), times=POINTS)
    return Figure("locate, one client", "1/s", outcome.rate, "bare PostGIS query", 1 / bare)


def _against(
    home: Home,
    what: str,
    path: str,
    work: Callable[[], object],
    *,
    times: int,
    is_page: bool = False,
) -> Figure:
    web = Server.web_of(home)
    headers = session_of("dispatcher1") if is_page else token_of("dispatcher1")
    call = ("GET", path, None, headers)
    web.ask(repeat(call), clients=1, count=5)
    rate = web.ask(repeat(call), clients=1, count=times).rate
    statements = captured(work)
    bare = bare_s(home, lambda: statements, times=times)
    return Figure(f"{what}, one client", "1/s", rate, "bare SQL", 1 / bare)


Statements = list[tuple[str, Any]]


def captured(work: Callable[[], object]) -> Statements:
    """Return the statements `work` sends."""
    found: Statements = []

    def keep(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001  # Django's signature
        found.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(keep):
        work()
    return found


def bare_s(home: Home, statements: Callable[[], Statements], *, times: int) -> float:
    """Return the median time of sending the statements and fetching their rows."""
    with psycopg.connect(home.variables()["DATABASE_URL_WEB"], autocommit=True) as bare:

        def send() -> None:
            for sql, params in statements():
                bare.execute(sql, params).fetchall()

        return median_s(send, times=times)


def _reader() -> User:
    return User.objects.with_grants().get(username="dispatcher1")
