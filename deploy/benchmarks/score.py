"""The score of a month from a log of many cases, against one scan of the same events."""

import time

from django.db import connection
from django.utils import timezone

from cases.models import Case, Event
from deploy.benchmarks.figures import Figure, median_s
from deploy.home import Home
from scoring.models import Run
from scoring.periods import parse_period
from scoring.services import compute_run

_SCAN = """
    SELECT e.district, e.action, count(*) FROM cases_event e
    JOIN cases_case c ON c.id = e.case_id WHERE e.at < %s GROUP BY e.district, e.action
"""


def month(home: Home) -> Figure:
    """Return the time of computing this month, against one GROUP BY over the same events."""
    period = parse_period(f"{timezone.localtime():%Y-%m}")

    def scan() -> None:
        with connection.cursor() as cursor:
            cursor.execute(_SCAN, [period.end])
            cursor.fetchall()

    limit = median_s(scan, times=3)
    Run.objects.all().delete()
    begun = time.perf_counter()
    compute_run(period)
    taken = time.perf_counter() - begun
    more = {"cases": float(Case.objects.count()), "events": float(Event.objects.count())}
    return Figure(f"score of {period.name}", "s", taken, "one GROUP BY scan", limit, more)
