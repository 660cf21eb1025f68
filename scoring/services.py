"""Computing a period's score from one snapshot of the ledger, and keeping it sealed."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import OperationalError, connection, transaction

from cases.choices import CITY, DISTRICT_SLUGS
from cases.errors import Busy
from cases.ledger import canonical
from cases.models import Unit
from scoring.indicators import Facts
from scoring.models import Run, RunList, Scheme
from scoring.periods import Period
from scoring.rollup import cases_behind, rank, score_body
from scoring.rules import half_up, ratio
from scoring.selectors import facts_between

DEFAULT_SCHEME = "2026-v1"
DEFINITIONS = 3  # raised when counts or the result's form change, so that no old run is served
PROVISIONAL_KEPT = timedelta(days=1)  # links into a running period work as long
_LOCK_TIMEOUT = "55P03"
_SHIPPED = Path(__file__).parent / "data"


class UnknownScheme(LookupError):
    """No scheme has this version."""


class NotBegun(ValueError):
    """The period has not begun, so there is nothing to score."""


def scheme_of(version: str | None = None) -> Scheme:
    """Return a scheme, the default one unless named; raises UnknownScheme.

    A shipped scheme is stored on first use and afterwards read from the database only.
    """
    version = version or DEFAULT_SCHEME
    stored = Scheme.objects.filter(pk=version).first()
    if stored is not None:
        return stored
    for path in sorted(_SHIPPED.glob("scheme-*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] == version:
            digest = _sha256(canonical(data))
            values = {"data": data, "digest": digest}
            return Scheme.objects.get_or_create(pk=version, defaults=values)[0]
    raise UnknownScheme(f"There is no scheme {version!r}.")


def compute_run(period: Period, scheme: Scheme | None = None) -> Run:
    """Return the run of a period over the ledger as it stands; stored once a head vector.

    Reads in one REPEATABLE READ snapshot; must not be called inside a transaction. Raises
    NotBegun, and Busy while a demo month is being written. A running period is scored up to now.
    """
    scheme = scheme or scheme_of()
    with _one_snapshot():
        return run_in_snapshot(period, scheme)


def unit_counts(period: Period) -> dict[str, dict[str, int]]:
    """Return the counts of each unit, its refusals among them; what is no unit's is left out.

    The same definitions with the unit in place of the body (assessment.md §3). Raises as
    compute_run does.
    """
    with _one_snapshot():
        as_of, _, _ = _read_heads()
        if as_of <= period.start:
            raise NotBegun(f"The period {period.name} has not begun.")
        facts = facts_between(period.start, period.end, as_of=as_of, per_unit=True)
        units = set(Unit.objects.values_list("code", flat=True))
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for (unit, name), numbers in sorted(facts.lists.items()):
        if unit in units:
            counts[unit][name] = len(numbers)
    return dict(counts)


@contextmanager
def _one_snapshot() -> Iterator[None]:
    """Open a transaction that sees one state of the log throughout; raises Busy."""
    try:
        with transaction.atomic(durable=True):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == _LOCK_TIMEOUT:
            raise Busy("The log is being written without a pause. Try again shortly.") from error
        raise


def run_in_snapshot(period: Period, scheme: Scheme) -> Run:
    """Compute in the transaction that is open, which must see one snapshot throughout."""
    as_of, heads, hashes = _read_heads()
    if as_of <= period.start:
        raise NotBegun(f"The period {period.name} has not begun.")
    inputs = [hashes, period.name, scheme.digest, DEFINITIONS]
    digest = _sha256(canonical([*inputs, as_of >= period.end]))
    kept = Run.objects.filter(period=period.name, inputs_digest=digest).order_by("-as_of").first()
    if kept and (kept.as_of >= period.end or not _passed(kept.as_of, as_of)):
        return kept
    facts = wide = facts_between(period.start, period.end, as_of=as_of)
    if period.wide_start < period.start:
        wide = facts_between(period.wide_start, period.end, as_of=as_of)
    result = result_of(facts, wide, scheme.data, is_month=period.is_month)
    text = canonical(result)
    run = Run.objects.create(
        period=period.name,
        as_of=as_of,
        heads=heads,
        scheme=scheme,
        inputs_digest=digest,
        result=text,
        seal=_sha256(text),
    )
    _forget_provisional(period, since=as_of - PROVISIONAL_KEPT)
    lists = lists_of(facts, wide, result, scheme.data)
    RunList.objects.bulk_create(
        RunList(run=run, body=body, count=count, numbers=numbers)
        for (body, count), numbers in sorted(lists.items())
    )
    return run


def _forget_provisional(period: Period, *, since: datetime) -> None:
    """Delete the runs of a running period nobody looks at any more: each new event makes one."""
    Run.objects.filter(period=period.name, as_of__lt=min(since, period.end)).delete()


def lists_of(
    facts: Facts, wide: Facts, result: dict[str, Any], scheme: dict[str, Any]
) -> dict[tuple[str, str], list[str]]:
    """Return the cases behind every count and item of a result, so that number = rows."""
    lists = dict(facts.lists)
    for sheet in result["bodies"]:
        for line in sheet["items"]:
            if line["points"] is not None:
                source = wide if line["three_months"] else facts
                numbers = cases_behind(line["code"], source, sheet["body"], scheme)
                lists[sheet["body"], line["code"]] = numbers
    return lists


def _passed(since: datetime, until: datetime) -> bool:
    """Tell whether a deadline passed in [since, until): the same log, another state."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT EXISTS (SELECT FROM cases_event WHERE due_at >= %s AND due_at < %s)
                OR EXISTS (SELECT FROM cases_event WHERE sets_clock
                           AND due_at + interval '168 hours' >= %s
                           AND due_at + interval '168 hours' < %s)
            """,
            [since, until, since, until],
        )
        return bool(cursor.fetchone()[0])


def result_of(facts: Facts, wide: Facts, scheme: dict[str, Any], *, is_month: bool) -> Any:
    """Return the whole sheet as plain data: four ranked bodies, the city shown apart."""
    bodies = [score_body(body, facts, wide, scheme) for body in DISTRICT_SLUGS]
    rank(bodies, scheme, is_month=is_month)
    sizes: dict[str, dict[str, int]] = defaultdict(dict)
    for (body, name), numbers in facts.lists.items():
        sizes[body][name] = len(numbers)
    for sheet in bodies:
        sheet["counts"] = sizes[sheet["body"]]
        sheet["rates"] = rates_of(sheet["counts"])
    city = {"counts": sizes[CITY], "rates": rates_of(sizes[CITY])}
    sources = sorted(sizes.keys() - {CITY, *DISTRICT_SLUGS})
    reports = {s: {"counts": sizes[s], "rates": rates_of(sizes[s])} for s in sources}
    return {"bodies": bodies, "city": city, "reports": reports}


def rates_of(counts: dict[str, int]) -> dict[str, str | None]:
    """Return the bulletin's rates in per cent; None where the denominator is empty."""

    def get(name: str) -> int:
        return counts.get(name, 0)

    judged, checks = get("should_close_judged"), get("checks")
    late = get("closed") - get("exempt") - get("closed_on_time")
    late += get("overdue_unhandled") + get("late_exit")
    rates = {
        "closed": ratio(get("closed"), get("should_close")),
        "closed_on_time": ratio(get("closed_on_time"), judged),
        "overdue": ratio(late, judged),
        "handled_on_time": ratio(get("handled_on_time"), get("need_handle_judged")),
        "extended": ratio(get("extended_assessed"), get("assessed")),
        "suspended": ratio(get("suspended_open"), get("assessed")),
        "rework": ratio(checks - get("checks_passed"), checks),
        "accurate_dispatch": ratio(get("accurate_dispatch"), get("first_finished")),
        "recurrent": ratio(get("recurrent"), get("closings")),
        "valid_reports": ratio(get("valid_reports"), get("decided_reports")),
    }
    for kind in ("accept", "verify", "dispatch", "sign", "check"):
        rates[f"{kind}_on_time"] = ratio(get(f"{kind}_on_time"), get(f"{kind}_clocks"))
    return {name: None if v is None else str(half_up(v)) for name, v in rates.items()}


def _read_heads() -> tuple[datetime, dict[str, int], list[str]]:
    """Read every head under a share lock, then let the writers go on.

    The table is locked, not its rows: LOCK takes no snapshot, so the one the next statement takes
    holds everything that was written before. Rolling back to the savepoint releases the lock; the
    snapshot stays.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE cases_districthead IN SHARE MODE")
            cursor.execute("SELECT scope, dseq, hash, at FROM cases_districthead ORDER BY scope")
            rows = cursor.fetchall()
            cursor.execute("SELECT clock_timestamp()")
            now = cursor.fetchone()[0]
        transaction.set_rollback(True)
    as_of = max([now, *(row[3] for row in rows)])
    heads = {row[0]: int(row[1]) for row in rows}
    return as_of, heads, [f"{row[0]}:{row[1]}:{bytes(row[2]).hex()}" for row in rows]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
