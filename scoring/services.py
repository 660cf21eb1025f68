"""Computing a period's score from one snapshot of the ledger, and keeping it sealed."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from cases.errors import Busy
from cases.ledger import canonical
from cases.models import Unit
from scoring.indicators import Facts
from scoring.models import Run, RunList, Scheme
from scoring.periods import Period, parse_period
from scoring.results import COUNTED_BY, Beside, Sums, lists_of, moved_on, result_of, sums_of
from scoring.rules import Entry, Measure
from scoring.selectors import (
    bodies_of,
    changed_since,
    facts_between,
    hash_words,
    hashes_at,
    is_moved_since,
    reference_of,
)
from scoring.versions import scheme_for

DEFINITIONS = 7  # raised when counts or the result's form change, so that no old run is served
PROVISIONAL_KEPT = timedelta(days=1)  # links into a running period work as long
MOST_CARRIED = 2_000  # cases read twice, before and after: of more, the whole log is sooner read
_GIVEN_UP = ("55P03", "57014")  # waited for a lock, or ran, for longer than the process may


class NotBegun(ValueError):
    """The period has not begun, so there is nothing to score."""


def compute_run(period: Period, scheme: Scheme | None = None) -> Run:
    """Return the run of a period over the ledger as it stands; stored once a head vector.

    By the version of the scheme in force at the period's start, unless another is named; a run by
    a draft, which may still change, is returned and not stored. Reads in one REPEATABLE READ
    snapshot; must not be called inside a transaction. Raises NotBegun, and Busy while a demo month
    is being written, or where it takes longer to count than this process may let the database
    work. A running period is scored up to now; of one that is over the run that stands is returned.
    """
    scheme = scheme or scheme_for(period)
    heads = read_heads(period)
    with one_snapshot():
        run = run_in_snapshot(period, scheme, heads)
    if run.pk:
        forget_provisional(run)
    return run


def unit_counts(period: Period) -> dict[str, dict[str, int]]:
    """Return the counts of each unit, its refusals among them; what is no unit's is left out.

    The same definitions with the unit in place of the body (assessment.md §3). Raises as
    compute_run does.
    """
    as_of = read_heads(period).as_of
    with one_snapshot():
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
    as_of = read_heads(period).as_of
    with one_snapshot():
        read: dict[str, tuple[Facts, Facts]] = {}
        results = []
        for scheme in schemes:
            level = scheme.level
            if level not in read:
                read[level] = _facts_of(period, as_of, level)
            sums, wide = _summed(*read[level], scheme)
            reference = reference_of(scheme.data, period, as_of=as_of)
            beside = _with_bodies(reference, scheme, sums)
            results.append(result_of(sums, wide, scheme.data, beside, months=period.months))
    return results


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Open a transaction that sees one state of the tables throughout; raises Busy."""
    with _or_busy(), transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            # Between two statements many cases are summed; nobody waits for what only reads.
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '60s'")
        yield


@contextmanager
def _or_busy() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) in _GIVEN_UP:
            raise Busy(
                _("The database has no time for this score now. Try again shortly.")
            ) from error
        raise


@dataclass(frozen=True)
class Heads:
    """How far each log went at a moment; every event of before then is to be seen."""

    as_of: datetime
    dseq: Mapping[str, int]
    hashes: Sequence[str]


def read_heads(period: Period) -> Heads:
    """Read every head while nothing is being written, then let the writers go on.

    Exclusive, since a writer stamps its events once it has locked its heads and long before it
    changes them. A transaction of its own, over before any snapshot that a score is read from:
    what is written in between is later than the moment, and counts of a moment read no event of
    after it. Raises NotBegun for a period of which nothing is over, and Busy.
    """
    with _or_busy(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE cases_districthead IN EXCLUSIVE MODE")
        cursor.execute("SELECT scope, dseq, hash, at FROM cases_districthead ORDER BY scope")
        rows = cursor.fetchall()
        cursor.execute("SELECT clock_timestamp()")
        now = cursor.fetchone()[0]
    as_of = max([now, *(row[3] for row in rows)])
    if as_of <= period.start:
        raise NotBegun(f"The period {period.name} has not begun.")
    return Heads(
        as_of, {row[0]: int(row[1]) for row in rows}, [hash_words(*row[:3]) for row in rows]
    )


def run_in_snapshot(period: Period, scheme: Scheme, heads: Heads) -> Run:
    """Compute up to `heads` in the transaction that is open, which sees one snapshot throughout."""
    as_of = heads.as_of
    reference = reference_of(scheme.data, period, as_of=as_of)
    is_over = as_of >= period.end

    def digest_of(hashes: Sequence[str]) -> str:
        read = [hashes, period.name, scheme.digest, DEFINITIONS, _plain(reference), is_over]
        return _sha256(canonical(read))

    digest = digest_of(heads.hashes)
    runs = Run.objects.filter(period=period.name, scheme=scheme).order_by("-as_of", "-pk")
    kept = runs.filter(inputs_digest=digest).first()
    if is_over:
        last = kept or runs.filter(as_of__gte=period.end).first()
        if last and (last == kept or _stands(last, period, digest_of)):
            return last
    carried = _carried(period, runs.exclude(sums="").first(), as_of)
    if kept and carried and not carried.changed:
        return kept
    facts = None
    if carried:
        sums, wide = carried.sums, carried.wide
    else:
        facts = _facts_of(period, as_of, scheme.level)
        sums, wide = _summed(*facts, scheme)
    beside = _with_bodies(reference, scheme, sums)
    result = canonical(result_of(sums, wide, scheme.data, beside, months=period.months))
    run = Run(
        period=period.name,
        as_of=as_of,
        heads=dict(heads.dseq),
        scheme=scheme,
        inputs_digest=digest,
        beside=canonical(_plain(beside)),
        sums="" if is_over else _packed(sums, wide),
        result=result,
        seal=_sha256(result),
    )
    if scheme.is_open:
        return run
    run.save()
    if facts and is_over:
        _keep_lists(run, *facts)
    return run


def _stands(run: Run, period: Period, digest_of: Callable[[Sequence[str]], str]) -> bool:
    """Tell whether a run of a period that is over is what it would be now.

    It was read from the same log as far as that went, by the same definitions and with the same
    beside it, and what came since moves nothing.
    """
    hashes = hashes_at(run.heads)
    is_same = hashes is not None and digest_of(hashes) == run.inputs_digest
    return is_same and not is_moved_since(
        run.heads, run.as_of, start=period.wide_start, end=period.end
    )


def lists_of_run(run: Run) -> QuerySet[RunList]:
    """Return the cases behind the numbers of a run.

    A run of a period under way is looked at and soon forgotten, so its lists are read from the
    log, which was then as it is now, once somebody asks for one. Raises Busy.
    """
    lists = RunList.objects.filter(run=run)
    if not lists.exists():
        with _or_busy(), transaction.atomic():
            _keep_lists(run, *_facts_of(parse_period(run.period), run.as_of, run.scheme.level))
    return lists


def recompute(run: Run) -> str:
    """Return the result of a stored run, computed again from what it was read from.

    The same bytes as then: the log up to its moment, its scheme, and what it read beside the log.
    """
    period, scheme = parse_period(run.period), run.scheme
    sums, wide = _summed(*_facts_of(period, run.as_of, scheme.level), scheme)
    beside = _beside_of(json.loads(run.beside))
    return canonical(result_of(sums, wide, scheme.data, beside, months=period.months))


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


def _summed(facts: Facts, wide: Facts, scheme: Scheme) -> tuple[Sums, Sums]:
    """Return the sums of both; the same one for a period that is no shorter."""
    sums = sums_of(facts, scheme.data)
    return sums, sums if wide is facts else sums_of(wide, scheme.data)


@dataclass(frozen=True)
class _Carried:
    """The sums of a run taken on to a later moment, and what had changed until then."""

    sums: Sums
    wide: Sums
    changed: Sequence[int]


def _carried(period: Period, last: Run | None, as_of: datetime) -> _Carried | None:
    """Add to the sums of the last run what changed since; None where they must be read anew.

    The log up to a moment never changes, so what the cases concerned counted then is read again
    and taken off. Only a period under way is carried on: what is submitted and published is always
    read from the whole log.
    """
    if last is None or as_of >= period.end or last.as_of <= period.start:
        return None
    said = json.loads(last.sums)
    if said["definitions"] != DEFINITIONS:
        return None
    changed = changed_since(last.heads, last.as_of, as_of, most=MOST_CARRIED)
    if changed is None:
        return None
    rules, by = last.scheme.data, COUNTED_BY[last.scheme.level]

    def carried(name: str, start: datetime) -> Sums:
        was = _unpacked(said[name])
        if not changed:
            return was
        then, now = (
            sums_of(facts_between(start, period.end, as_of=at, by=by, cases=changed), rules)
            for at in (last.as_of, as_of)
        )
        return moved_on(was, then, now)

    sums = wide = carried("sums", period.start)
    if period.wide_start < period.start:
        wide = carried("wide", period.wide_start)
    return _Carried(sums, wide, changed)


def _packed(sums: Sums, wide: Sums) -> str:
    """Return sums as they are kept with a run to be carried on; fractions as text."""
    plain = {"definitions": DEFINITIONS, "sums": sums}
    if wide is not sums:
        plain["wide"] = wide
    return json.dumps(plain, default=str)


def _unpacked(plain: Mapping[str, Mapping[str, int | str]]) -> Sums:
    return {
        body: {name: n if isinstance(n, int) else Fraction(n) for name, n in parts.items()}
        for body, parts in plain.items()
    }


def _keep_lists(run: Run, facts: Facts, wide: Facts) -> None:
    """Store the cases behind the numbers of a run; two who do it at once store the same."""
    lists = lists_of(facts, wide, json.loads(run.result), run.scheme.data)
    RunList.objects.bulk_create(
        (
            RunList(run=run, body=body, count=count, numbers=numbers)
            for (body, count), numbers in sorted(lists.items())
        ),
        ignore_conflicts=True,
    )


def _with_bodies(reference: Beside, scheme: Scheme, sums: Sums) -> Beside:
    return replace(reference, bodies=bodies_of(scheme.level, sums))


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


def forget_provisional(newer: Run) -> None:
    """Delete the runs before one that nobody looks at any more: each new event makes one.

    Of the same period and scheme; what was submitted or objected to stays for ever. Outside the
    snapshot: two who delete the same would end one of the two.
    """
    since = newer.as_of - PROVISIONAL_KEPT
    runs = Run.objects.filter(period=newer.period, scheme=newer.scheme_id, as_of__lt=since)
    with suppress(IntegrityError), transaction.atomic():  # objected to at this very moment
        runs.filter(editions=None, objections=None).delete()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
