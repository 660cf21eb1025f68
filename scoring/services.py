"""Computing a period's score from one snapshot of the ledger, and keeping it sealed."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext as _

from cases.errors import Busy
from cases.ledger import canonical
from cases.models import Unit
from scoring.indicators import Facts
from scoring.models import Run, RunList, Scheme
from scoring.periods import Period, parse_period
from scoring.results import COUNTED_BY, Beside, lists_of, result_of
from scoring.rules import Entry, Measure
from scoring.selectors import bodies_of, facts_between, reference_of
from scoring.versions import scheme_for

DEFINITIONS = 5  # raised when counts or the result's form change, so that no old run is served
PROVISIONAL_KEPT = timedelta(days=1)  # links into a running period work as long
_LOCK_TIMEOUT = "55P03"


class NotBegun(ValueError):
    """The period has not begun, so there is nothing to score."""


def compute_run(period: Period, scheme: Scheme | None = None) -> Run:
    """Return the run of a period over the ledger as it stands; stored once a head vector.

    By the version of the scheme in force at the period's start, unless another is named; a run by
    a draft, which may still change, is returned and not stored. Reads in one REPEATABLE READ
    snapshot; must not be called inside a transaction. Raises NotBegun, and Busy while a demo month
    is being written. A running period is scored up to now.
    """
    scheme = scheme or scheme_for(period)
    with one_snapshot():
        return run_in_snapshot(period, scheme)


def unit_counts(period: Period) -> dict[str, dict[str, int]]:
    """Return the counts of each unit, its refusals among them; what is no unit's is left out.

    The same definitions with the unit in place of the body (assessment.md §3). Raises as
    compute_run does.
    """
    with one_snapshot():
        as_of, _, _ = _read_heads()
        if as_of <= period.start:
            raise NotBegun(f"The period {period.name} has not begun.")
        facts = facts_between(period.start, period.end, as_of=as_of, by="unit")
        units = set(Unit.objects.values_list("code", flat=True))
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for (unit, name), numbers in sorted(facts.lists.items()):
        if unit in units:
            counts[unit][name] = len(numbers)
    return dict(counts)


def try_schemes(period: Period, schemes: list[Scheme]) -> list[dict[str, Any]]:
    """Return what each scheme makes of a period, from one snapshot; nothing is stored.

    Facts are read once a level. Raises as compute_run does.
    """
    with one_snapshot():
        as_of, _, _ = _read_heads()
        if as_of <= period.start:
            raise NotBegun(f"The period {period.name} has not begun.")
        read: dict[str, tuple[Facts, Facts]] = {}
        results = []
        for scheme in schemes:
            level = scheme.level
            if level not in read:
                read[level] = _facts_of(period, as_of, level)
            facts, wide = read[level]
            reference = reference_of(scheme.data, period, as_of=as_of)
            beside = _with_bodies(reference, scheme, facts)
            results.append(result_of(facts, wide, scheme.data, beside, months=period.months))
    return results


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Open a transaction that sees one state of the log throughout; raises Busy."""
    try:
        with transaction.atomic(durable=True):
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == _LOCK_TIMEOUT:
            raise Busy(_("The log is being written without a pause. Try again shortly.")) from error
        raise


def run_in_snapshot(period: Period, scheme: Scheme) -> Run:
    """Compute in the transaction that is open, which must see one snapshot throughout."""
    as_of, heads, hashes = _read_heads()
    if as_of <= period.start:
        raise NotBegun(f"The period {period.name} has not begun.")
    reference = reference_of(scheme.data, period, as_of=as_of)
    inputs = [hashes, period.name, scheme.digest, DEFINITIONS, _plain(reference)]
    digest = _sha256(canonical([*inputs, as_of >= period.end]))
    kept = Run.objects.filter(period=period.name, inputs_digest=digest).order_by("-as_of").first()
    if kept and (kept.as_of >= period.end or not _passed(kept.as_of, as_of)):
        return kept
    facts, wide = _facts_of(period, as_of, scheme.level)
    beside = _with_bodies(reference, scheme, facts)
    result = result_of(facts, wide, scheme.data, beside, months=period.months)
    text = canonical(result)
    run = Run(
        period=period.name,
        as_of=as_of,
        heads=heads,
        scheme=scheme,
        inputs_digest=digest,
        beside=canonical(_plain(beside)),
        result=text,
        seal=_sha256(text),
    )
    if scheme.is_open:
        return run
    run.save()
    _forget_provisional(period, since=as_of - PROVISIONAL_KEPT)
    lists = lists_of(facts, wide, result, scheme.data, beside)
    RunList.objects.bulk_create(
        RunList(run=run, body=body, count=count, numbers=numbers)
        for (body, count), numbers in sorted(lists.items())
    )
    return run


def recompute(run: Run) -> str:
    """Return the result of a stored run, computed again from what it was read from.

    The same bytes as then: the log up to its moment, its scheme, and what it read beside the log.
    """
    period, scheme = parse_period(run.period), run.scheme
    facts, wide = _facts_of(period, run.as_of, scheme.level)
    beside = _beside_of(json.loads(run.beside))
    return canonical(result_of(facts, wide, scheme.data, beside, months=period.months))


def is_as_read(run: Run) -> bool:
    """Tell whether what a run read beside the log is what stands there now."""
    period = parse_period(run.period)
    reference = _plain(reference_of(run.scheme.data, period, as_of=run.as_of))
    read: dict[str, Any] = json.loads(run.beside)
    return reference | {"bodies": read["bodies"]} == read


def _facts_of(period: Period, as_of: datetime, level: str) -> tuple[Facts, Facts]:
    """Return the facts of a period and of the three months that end with it."""
    by = COUNTED_BY[level]
    facts = wide = facts_between(period.start, period.end, as_of=as_of, by=by)
    if period.wide_start < period.start:
        wide = facts_between(period.wide_start, period.end, as_of=as_of, by=by)
    return facts, wide


def _with_bodies(reference: Beside, scheme: Scheme, facts: Facts) -> Beside:
    return replace(reference, bodies=bodies_of(scheme.level, facts))


def _plain(beside: Beside) -> dict[str, Any]:
    """Return what is read beside the log in canonical form, to be sealed and exported."""
    entries = {
        body: {code: {**asdict(e), "points": str(e.points)} for code, e in entered.items()}
        for body, entered in beside.entries.items()
    }
    return {
        "bodies": list(beside.bodies),
        "kinds": dict(beside.kinds),
        "cells": dict(beside.cells),
        "given": _plain_measures(beside.given),
        "given_wide": _plain_measures(beside.given_wide),
        "entries": entries,
    }


def _beside_of(plain: dict[str, Any]) -> Beside:
    """Return what `_plain` put in canonical form."""
    return Beside(
        bodies=plain["bodies"],
        kinds=plain["kinds"],
        cells=plain["cells"],
        given=_measures(plain["given"]),
        given_wide=_measures(plain["given_wide"]),
        entries={
            body: {code: Entry(Fraction(e["points"]), e["number"]) for code, e in said.items()}
            for body, said in plain["entries"].items()
        },
    )


def _measures(plain: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Measure]]:
    return {
        body: {name: Measure(**{**m, "value": _number(m["value"])}) for name, m in said.items()}
        for body, said in plain.items()
    }


def _number(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _plain_measures(given: Mapping[str, Mapping[str, Measure]]) -> dict[str, Any]:
    return {
        body: {name: {**asdict(m), "value": _text(m.value)} for name, m in measures.items()}
        for body, measures in given.items()
    }


def _text(value: Fraction | None) -> str | None:
    return None if value is None else str(value)


def _forget_provisional(period: Period, *, since: datetime) -> None:
    """Delete the runs of a period nobody looks at any more: each new event makes one.

    The newest stays, and for ever what was submitted or objected to.
    """
    runs = Run.objects.filter(period=period.name)
    newest = runs.order_by("-as_of", "-pk").values("pk")[:1]
    old = runs.filter(as_of__lt=since, editions=None, objections=None)
    old.exclude(pk__in=list(newest.values_list("pk", flat=True))).delete()


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
