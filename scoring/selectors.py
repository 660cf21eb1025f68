"""Which case is in which count: set-based SQL over the ledger, the production path.

The twin of scoring/indicators.py, written apart from it; source: assessment.md §2 to §5.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min, Q

from cases.choices import DISTRICT_SLUGS
from cases.ledger import stamp
from cases.models import Area, District, Event, Unit
from scoring.indicators import Assessed, By, Facts
from scoring.key_tasks import key_task_measures
from scoring.models import ManualEntry
from scoring.onsite import onsite_measures
from scoring.periods import Period, periods_within
from scoring.results import Beside, Sums
from scoring.rollup import indicators_in
from scoring.rules import Entry, Measure
from scoring.satisfaction import satisfaction_measures
from scoring.schemes import needs_cells
from scoring.statements import CHANGED, FACTS, FACTS_OF_SOME, LATER, TOGETHER


def facts_between(
    start: datetime,
    end: datetime,
    *,
    as_of: datetime | None = None,
    by: By = "body",
    cases: Sequence[int] | None = None,
) -> Facts:
    """Return the counts of [start, end) from the ledger; one query, whatever its size.

    A period that still runs is counted up to `as_of`; later than the end it is the cut-off of
    rulings, of which there are none without it. `by` puts the unit, or the street or grid cell
    of the case, in the body's place. Of the cases with the keys in `cases` alone, where given, as
    if there were no others.
    """
    is_closed = as_of is not None and as_of >= end
    words: dict[str, Any] = {
        "start": start,
        "end": end if as_of is None or is_closed else as_of,
        "cut_off": as_of if is_closed else None,
        "periods": [period.name for period in periods_within(start, end)],
        "by": by,
        "cases": None if cases is None else list(cases),
    }
    with _planned_for(cases), connection.cursor() as cursor:
        cursor.execute(FACTS if cases is None else FACTS_OF_SOME, words)
        facts = Facts()
        known: dict[str, str] = {}  # a number stands in many counts: one text for all of them
        for body, name, numbers, number, *rest in cursor:
            facts.counted[body, name] += [known.setdefault(n, n) for n in numbers or [number]]
            if numbers is None:
                facts.assessed.add(Assessed(known[number], body, *rest))
    return facts


def changed_since(
    heads: Mapping[str, int], since: datetime, until: datetime, *, most: int
) -> list[int] | None:
    """Return the cases that may count otherwise at `until` than at `since`, with their like.

    Counts of [any start, since) turn into those of [the same start, until) by what these cases
    are now, less what they were: each case that changed is there, and so is what decides whether
    it came back and each member of its group. None if the log was read up to `heads` at `since`
    and has got events from before then (a demo month is written after its days): nothing tells
    what was counted; None too for more than `most`. Reads by indexes, so it costs what changed
    and not what the log holds.
    """
    if _is_from_before(heads, since):
        return None
    with connection.cursor() as cursor:
        words: dict[str, Any] = {"since": since, "until": until}
        stamps = {"since_stamp": stamp(since), "until_stamp": stamp(until)}
        cursor.execute(CHANGED, words | stamps)
        changed = [row[0] for row in cursor.fetchall()]
        if changed and len(changed) <= most:
            cursor.execute(TOGETHER, words | {"changed": changed})
            changed = sorted(row[0] for row in cursor.fetchall())
    return changed if len(changed) <= most else None


def is_moved_since(
    heads: Mapping[str, int], since: datetime, *, start: datetime, end: datetime
) -> bool:
    """Tell whether counts of [start, end) may be others than they were, read at `since` or later.

    They were read up to `heads` at `since`, which is no earlier than `end`: only rulings and
    reopenings of cases that may count there move them, or events from before then, written since.
    """
    week_before = start - timedelta(hours=168)
    audited = Event.objects.filter(action="answer_audit", at__gte=start, at__lt=end)
    may_count = Q(case__closed_at=None) | Q(case__closed_at__gte=week_before)
    may_count |= Q(case__in=audited.values("case"))
    later = Event.objects.filter(may_count, action__in=LATER, at__gte=since)
    is_ruled = later.filter(case__reported_at__lt=end).exists()
    return is_ruled or _is_from_before(heads, since)


def _is_from_before(heads: Mapping[str, int], since: datetime) -> bool:
    """Tell whether the log, read up to `heads` at `since`, got events from before then.

    Within each log times never go back, so its first new event tells.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(bool_or(newer.at < %s), false)
            FROM json_each_text(%s) h (scope, dseq) CROSS JOIN LATERAL (
              SELECT at FROM cases_event e WHERE e.scope = h.scope AND e.dseq > h.dseq::bigint
              ORDER BY e.dseq LIMIT 1) newer
            """,
            [since, json.dumps(heads)],
        )
        return bool(cursor.fetchone()[0])


def hashes_at(heads: Mapping[str, int]) -> list[str] | None:
    """Return the words for the hash of each log at a position; None if one is not there."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT h.scope, h.dseq, coalesce(e.hash, d.hash)
            FROM (SELECT key AS scope, value::bigint AS dseq FROM json_each_text(%s)) h
            LEFT JOIN cases_event e ON e.scope = h.scope AND e.dseq = h.dseq
            LEFT JOIN cases_districthead d ON d.scope = h.scope AND d.dseq = h.dseq
            ORDER BY h.scope
            """,
            [json.dumps(heads)],
        )
        rows = cursor.fetchall()
    return None if any(row[2] is None for row in rows) else [hash_words(*row) for row in rows]


def hash_words(scope: str, dseq: int, value: bytes) -> str:
    """Return a position of a log and its hash as a run is sealed with."""
    return f"{scope}:{dseq}:{bytes(value).hex()}"


def reference_of(scheme: Mapping[str, Any], period: Period, *, as_of: datetime) -> Beside:
    """Return what a scheme reads beside the log, for whatever bodies its level has."""
    kinds: dict[str, str] = {}
    if scheme.get("groups"):
        kinds = dict(District.objects.values_list("slug", "kind"))
        kinds |= dict(Unit.objects.values_list("code", "kind"))
    cells = _cells_of(period.start) if needs_cells(scheme) else {}
    beside = Beside((), kinds, cells, entries=_entries_of(scheme["version"], period))
    names = MEASURED.keys() & set(indicators_in(scheme))
    if scheme["level"] != "district" or not names:
        return beside
    given, wide = (
        _measured(names, start, period.end, as_of) for start in (period.start, period.wide_start)
    )
    return replace(beside, given=given, given_wide=wide)


# Indicators measured outside the cases, each by body over [start, end) as far as it has gone.
MEASURED: Mapping[str, Callable[[datetime, datetime, datetime], Mapping[str, Measure]]] = {
    "onsite": lambda start, end, as_of: onsite_measures(start, end),
    "key_tasks": key_task_measures,
    "satisfaction": satisfaction_measures,
}


def _measured(
    names: Iterable[str], start: datetime, end: datetime, as_of: datetime
) -> dict[str, dict[str, Measure]]:
    """Return the measures of each body that has any."""
    found: dict[str, dict[str, Measure]] = defaultdict(dict)
    for name in sorted(names):
        for body, measure in MEASURED[name](start, end, as_of).items():
            found[body][name] = measure
    return dict(found)


def _entries_of(version: str, period: Period) -> dict[str, dict[str, Entry]]:
    """Return the last entry of each body and manual item in a period."""
    found: dict[str, dict[str, Entry]] = defaultdict(dict)
    for one in ManualEntry.objects.filter(scheme=version, period=period.name).order_by("pk"):
        found[one.body][one.code] = Entry(Fraction(one.points), one.pk)
    return dict(found)


def bodies_of(level: str, sums: Sums) -> Sequence[str]:
    """Return who is compared at a level: the four, else the units or streets that had a case."""
    if level in ("district", "post"):
        return DISTRICT_SLUGS
    if level == "unit":
        return sorted(Unit.objects.filter(pk__in=sums.keys()).values_list("pk", flat=True))
    streets = Area.objects.filter(level=Area.Level.STREET, code__in=sums.keys())
    return sorted(set(streets.values_list("code", flat=True)))


def _cells_of(at: datetime) -> dict[str, int]:
    """Return how many grid cells lie in each district, functional zones first (domain.md §1)."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT place.district_id, count(*)::int FROM cases_area cell
            CROSS JOIN LATERAL (
              SELECT d.district_id FROM cases_area d
              WHERE d.level = 'district' AND d.valid @> %(at)s AND ST_Covers(d.geom, cell.label)
              ORDER BY d.precedence DESC LIMIT 1) place
            WHERE cell.level = 'cell' AND cell.valid @> %(at)s GROUP BY 1 ORDER BY 1
            """,
            {"at": at},
        )
        return dict(cursor.fetchall())


def log_span() -> tuple[datetime, datetime] | None:
    """Return when the log's first and last events happened; None for an empty log."""
    span = Event.objects.aggregate(first=Min("at"), last=Max("at"))
    return (span["first"], span["last"]) if span["first"] else None


@contextmanager
def _planned_for(cases: Sequence[int] | None) -> Iterator[None]:
    """Keep the planner from nested loops over the parts above, which have no index.

    It takes them when the table's statistics are older than a large import, and then never ends.
    Nor is the query compiled, which takes longer than to run it, and its sorts get memory. Of a
    few cases it is planned once a connection, since that takes longer than to run it; of all,
    each time, for its spans of time. The caller's transaction gets its settings back; not by a
    rollback, since psycopg forgets on each what was planned.
    """
    mode = "force_custom_plan" if cases is None else "force_generic_plan"
    wanted = _SETTINGS | {"plan_cache_mode": mode}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, current_setting(name) FROM unnest(%s::text[]) name", [[*wanted]]
        )
        before = dict(cursor.fetchall())
        _set(cursor, wanted)
        yield
        _set(cursor, before)


_SETTINGS = {"enable_nestloop": "off", "jit": "off", "work_mem": "64MB"}


def _set(cursor: Any, settings: Mapping[str, str]) -> None:
    """Set what holds to the end of the transaction."""
    cursor.execute(
        "SELECT set_config(name, setting, true)"
        " FROM unnest(%s::text[], %s::text[]) s (name, setting)",
        [[*settings], [*settings.values()]],
    )
