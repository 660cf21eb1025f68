"""Which case is in which count: set-based SQL over the ledger, the production path.

The twin of scoring/indicators.py, written apart from it; source: assessment.md §2 to §5.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from fractions import Fraction

from django.db import connection, transaction
from django.db.models import Max, Min

from cases.models import Event
from scoring.indicators import Assessed, Facts
from scoring.periods import periods_within
from scoring.statements import FACTS


def facts_between(
    start: datetime, end: datetime, *, as_of: datetime | None = None, per_unit: bool = False
) -> Facts:
    """Return the counts of [start, end) from the ledger; one query, whatever its size.

    A period that still runs is counted up to `as_of`; later than the end it is the cut-off of
    rulings, of which there are none without it. `per_unit` puts the unit in the body's place.
    """
    is_closed = as_of is not None and as_of >= end
    words = {
        "start": start,
        "end": end if as_of is None or is_closed else as_of,
        "cut_off": as_of if is_closed else None,
        "periods": [period.name for period in periods_within(start, end)],
        "per_unit": per_unit,
    }
    facts = Facts()
    with _without_nested_loops(), connection.cursor() as cursor:
        cursor.execute(FACTS, words)
        rows = cursor.fetchall()
    facts.members.update(row[:3] for row in rows)
    for body, _, number, tenths, *rest in (row for row in rows if row[3] is not None):
        facts.assessed.add(Assessed(number, body, Fraction(tenths, 10), *rest))
    return facts


def log_span() -> tuple[datetime, datetime] | None:
    """Return when the log's first and last events happened; None for an empty log."""
    span = Event.objects.aggregate(first=Min("at"), last=Max("at"))
    return (span["first"], span["last"]) if span["first"] else None


@contextmanager
def _without_nested_loops() -> Iterator[None]:
    """Keep the planner from nested loops over the parts above, which have no index.

    It takes them when the table's statistics are older than a large import, and then never ends.
    Nor is the query compiled, which takes longer than to run it, and its sorts get memory.
    Rolling back what only reads gives the caller's transaction its settings back.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_nestloop = off")
            cursor.execute("SET LOCAL jit = off")
            cursor.execute("SET LOCAL work_mem = '64MB'")
        yield
        transaction.set_rollback(True)
