"""The score of a month from a log of many cases, against one scan of the month's events."""

import statistics
import time

from django.db import connection
from django.utils import timezone

from cases.models import Case, Event
from deploy.benchmarks.clients import Server, one_after_another
from deploy.benchmarks.create import report_maker, wait_until_dispatched
from deploy.benchmarks.figures import Figure, median_s
from deploy.home import Home
from scoring.models import Run
from scoring.periods import parse_period
from scoring.services import compute_run
from scoring.versions import scheme_for

LEVELS = ("district", "unit", "street")
_TIMES = 5  # whose median is told
_SCAN = """
    SELECT e.district, e.action, count(*) FROM cases_event e
    JOIN cases_case c ON c.id = e.case_id WHERE e.at >= %s AND e.at < %s
    GROUP BY e.district, e.action
"""


def month(home: Home) -> Figure:
    """Return the time of scoring this month at all levels, as each new event makes necessary.

    Beside it: from nothing, and for each of the districts' runs alone.
    """
    period = parse_period(f"{timezone.localtime():%Y-%m}")
    span = [period.start, period.end]

    def scan() -> None:
        with connection.cursor() as cursor:
            cursor.execute(_SCAN, span)
            cursor.fetchall()

    def score(*levels: str) -> float:
        begun = time.perf_counter()
        for level in levels:
            compute_run(period, scheme_for(period, level))
        return time.perf_counter() - begun

    def score_anew(*levels: str) -> float:
        Server.web_of(home).ask(one_after_another(report_maker()), clients=1, count=1)
        wait_until_dispatched()
        return score(*levels)

    limit = median_s(scan, times=3)
    Run.objects.filter(editions=None, objections=None).delete()
    from_nothing = score(*LEVELS)
    alone = statistics.median(score_anew("district") for _ in range(_TIMES))
    taken = statistics.median(score_anew(*LEVELS) for _ in range(_TIMES))
    more = {
        "districts alone, after one more report: s": alone,
        "all levels, from nothing: s": from_nothing,
        "events of the month": float(Event.objects.filter(at__gte=span[0], at__lt=span[1]).count()),
        "events": float(Event.objects.count()),
        "cases": float(Case.objects.count()),
    }
    what = f"score of {period.name} by district, unit and street, after one more report"
    return Figure(what, "s", taken, "one GROUP BY of its events", limit, more)
