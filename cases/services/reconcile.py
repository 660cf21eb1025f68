"""The reconciler: each minute over what is new and open, nightly over everything.

It reads and writes down; it never repairs. What does not add up becomes an alarm that stands until
a later run finds it right (docs/reliability.md).
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from cases.choices import ENDED_STAGES, OPEN_STAGES
from cases.ledger import FILLING_LOCK
from cases.models import Alarm, Case, CityOptions, DistrictHead, Event, Reconciliation
from cases.selectors.reconcile import (
    NAMED,
    Finding,
    clocks_wrong,
    database_now,
    stuck_work,
    surges,
    tally_of_log,
    uncounted,
    undispatched,
    unrouted,
)
from cases.selectors.rollup import shares_wrong, sums_wrong
from cases.services.ledger_check import Fault, Position, check_states, follow_chain, one_snapshot

logger = logging.getLogger(__name__)

What, Kind = Alarm.What, Reconciliation.Kind
ONE_AT_A_TIME = 4_312_000_002  # advisory lock
MOST_EVENTS = 3000  # of a log that a run looks at: the rest comes with the next one
MOST_COUNTED = 200_000  # of a log that a minute's run counts: a second's work
MOST_CASES = 1000  # whose state a nightly slice compares
SLICE_S = 5.0  # of nightly work at a time: well within the effect's lease
NIGHT = timedelta(hours=2, minutes=30)  # of the local day, from when a nightly run is due
_BY_NIGHT = {What.COUNT_ENDED, What.ROLLUP}  # only the nightly run looks at these


class UnderWayError(Exception):
    """Another run, or the writing of a demo month, is under way."""


# --- each minute --------------------------------------------------------------------------------


def reconcile_minute() -> str:
    """Look at what is new and what is open. Safe to run twice or late: one at a time, reads only.

    Each run goes on where the one before ended, so a missed minute is made up by the next.
    """
    try:
        run = look_now()
    except UnderWayError:
        return "stands aside"
    return f"{len(run.findings)} findings"


def look_now() -> Reconciliation:
    """Do one run over what is new and open, and keep it. Raises UnderWayError."""
    with _alone():
        at = database_now()
        run = Reconciliation(kind=Kind.MINUTE, started_at=at)
        with one_snapshot():
            findings, uncounted_yet = _look(run, at)
        left = {What.COUNT} if uncounted_yet else set()
        _finish(run, findings, settles=set(What) - _BY_NIGHT - left)
    return run


def _look(run: Reconciliation, at: datetime) -> tuple[list[Finding], set[str]]:
    """Return what a minute's run finds, and the logs that are not counted to their end yet."""
    last = _last(Kind.MINUTE)
    before = last.positions if last else {}
    heads = list(DistrictHead.objects.order_by("scope"))
    starts = _starts(heads, before.get("chain", {}))
    findings, chain = [], {}
    for head in heads:
        fault, end = follow_chain(head, starts[head.scope], most=MOST_EVENTS)
        chain[head.scope] = _written(end)
        findings += _chain_broken(fault, end, at)
    told = before.get("told", {})
    counted = {head.scope: min(head.dseq, told.get(head.scope, 0) + MOST_COUNTED) for head in heads}
    run.counts = tally_of_log(
        last.counts if last else {},
        {scope: (told.get(scope, 0), upto) for scope, upto in counted.items()},
    )
    folded = before.get("folded", {head.scope: head.dseq for head in heads})
    upto = {head.scope: min(head.dseq, folded[head.scope] + MOST_EVENTS) for head in heads}
    run.positions = {"chain": chain, "told": counted, "folded": upto}
    findings += _states_wrong(_changed(folded, upto), at)
    behind = {head.scope for head in heads if counted[head.scope] < head.dseq}
    wrong = uncounted(run.counts, stages=OPEN_STAGES, at=at)
    findings += [one for one in wrong if one.scope not in behind]
    return findings + _work_wrong(at), behind


def _starts(heads: list[DistrictHead], chain: dict[str, Any]) -> dict[str, Position]:
    """Return where each chain is followed on: the first run begins at the heads.

    Where a chain is known to be broken it begins before the fault, so that the alarm stands
    until the fault is gone.
    """
    starts = {head.scope: Position(head.dseq, bytes(head.hash)) for head in heads}
    starts |= {scope: _read(position) for scope, position in chain.items()}
    broken = Alarm.objects.open().filter(what=What.CHAIN)
    for alarm in broken.exclude(position=None):
        good = _read(alarm.position or [])
        starts[alarm.scope] = min(starts[alarm.scope], good, key=lambda start: start.dseq)
    return starts


def _changed(after: dict[str, int], upto: dict[str, int]) -> set[int]:
    """Return the cases with events in the ranges, and those of which an alarm says they differ."""
    changed: set[int] = set()
    for scope, end in upto.items():
        events = Event.objects.filter(scope=scope, dseq__gt=after[scope], dseq__lte=end)
        changed.update(events.exclude(case=None).values_list("case_id", flat=True).distinct())
    named = [n for numbers in _standing(What.STATE).values() for n in numbers[1]]
    return changed | set(Case.objects.filter(number__in=named).values_list("pk", flat=True))


def _standing(what: Alarm.What) -> dict[str, tuple[int, list[str]]]:
    """Return by log how many cases the alarm that stands counts, and those it names."""
    rows = Alarm.objects.open().filter(what=what).values_list("scope", "how_many", "numbers")
    return {scope: (how_many, numbers) for scope, how_many, numbers in rows}


def _states_wrong(case_ids: set[int], at: datetime) -> list[Finding]:
    """Return the cases among these whose state is not their log, and those no alarm could name."""
    keys = sorted(case_ids)
    slices = [keys[n : n + MOST_CASES] for n in range(0, len(keys), MOST_CASES)]
    faults = [f for some in slices for f in check_states(Case.objects.filter(pk__in=some))]
    findings = _differing(faults, at)
    for scope, (how_many, numbers) in _standing(What.STATE).items():
        if how_many > len(numbers):  # more than it names: only the nightly run sees them all
            findings.append(Finding(What.STATE, scope, how_many - len(numbers), at))
    return _merged(findings)


def _work_wrong(at: datetime) -> list[Finding]:
    options = CityOptions.objects.get()
    return [
        *undispatched(options, at=at),
        *clocks_wrong(at=at),
        *stuck_work(options, at=at),
        *unrouted(options),
        *surges(options, at=at),
    ]


# --- nightly ------------------------------------------------------------------------------------


def reconcile_nightly() -> str:
    """Do a slice of the nightly run when one is due or under way. Safe to run twice or late.

    What it has seen stands in its row, so a crash costs one slice.
    """
    if not _is_due():
        return "not due"
    until = time.monotonic() + SLICE_S
    try:
        with _alone():
            run = _under_way()
            _step(run)
            while run.finished_at is None and time.monotonic() < until:
                _step(run)
    except UnderWayError:
        return "stands aside"
    return "goes on" if run.finished_at is None else f"{len(run.findings)} findings"


def look_at_all(progress: Callable[[str], None] = lambda line: None) -> Reconciliation:
    """Do a whole nightly run now, from the beginning. Raises UnderWayError."""
    with _alone():
        Reconciliation.objects.filter(kind=Kind.NIGHTLY, finished_at=None).delete()
        run = _under_way()
        while run.finished_at is None:
            progress(_step(run))
    return run


def _is_due() -> bool:
    if Reconciliation.objects.filter(kind=Kind.NIGHTLY, finished_at=None).exists():
        return True
    now = timezone.localtime()
    night = now.replace(hour=0, minute=0, second=0, microsecond=0) + NIGHT
    if night > now:
        night -= timedelta(days=1)
    last = _last(Kind.NIGHTLY)
    return last is None or last.started_at < night


def _under_way() -> Reconciliation:
    positions = {"chain": {}, "told": {}, "ended": [], "case": 0}
    run, _ = Reconciliation.objects.get_or_create(
        kind=Kind.NIGHTLY,
        finished_at=None,
        defaults={"started_at": database_now(), "positions": positions},
    )
    run.positions.setdefault("told", {})  # begun by an older version
    return run


def _step(run: Reconciliation) -> str:
    """Look at the next part of everything, in a snapshot of its own, and write down how far it is.

    First the logs one after another, then the cases, at last what can be counted.
    """
    at, positions = database_now(), run.positions
    with one_snapshot():
        heads = DistrictHead.objects.exclude(scope__in=positions["ended"]).order_by("scope")
        head = heads.first()
        if head is not None:
            found, said = _log_slice(run, head, at)
        else:
            found, said = _case_slice(positions, at)
            if not said:
                found = [*_counts_wrong(run, at), *_work_wrong(at)]
    findings = _merged([*map(_finding, run.findings), *found])
    if said:
        run.findings = list(map(_plain, findings))
        run.save()
        new = set(map(_name, found))
        _tell_alarms([one for one in findings if _name(one) in new], at=at)
        return said
    _finish(run, findings, settles=set(What))
    return "everything was looked at"


def _log_slice(run: Reconciliation, head: DistrictHead, at: datetime) -> tuple[list[Finding], str]:
    """Follow a chain on and count the same events; behind a fault they are only counted."""
    chain, told = run.positions["chain"], run.positions["told"]
    start = _read(chain[head.scope]) if head.scope in chain else Position()
    done = told.get(head.scope, 0)
    found: list[Finding] = []
    if start.dseq >= done:
        fault, end = follow_chain(head, start, most=MOST_EVENTS)
        chain[head.scope] = _written(end)
        found = _chain_broken(fault, end, at)
    told[head.scope] = min(head.dseq, done + MOST_EVENTS)
    run.counts |= tally_of_log(run.counts, {head.scope: (done, told[head.scope])})
    if told[head.scope] == head.dseq:
        run.positions["ended"].append(head.scope)
    return found, f"{head.scope}: {told[head.scope]} of {head.dseq} events"


def _case_slice(positions: dict[str, Any], at: datetime) -> tuple[list[Finding], str]:
    after = Case.objects.filter(pk__gt=positions["case"]).order_by("pk")
    keys = list(after.values_list("pk", flat=True)[:MOST_CASES])
    if not keys:
        return [], ""
    some = Case.objects.filter(pk__gt=positions["case"], pk__lte=keys[-1])
    found = _miscounted(shares_wrong(positions["case"] + 1, keys[-1]), at)
    positions["case"] = keys[-1]
    return [*_differing(check_states(some), at), *found], f"cases up to {keys[-1]}"


def _miscounted(wrong: list[tuple[str, str]], at: datetime) -> list[Finding]:
    """Return a finding for each log with the cases heat and trend do not count as they stand."""
    by_scope: dict[str, list[str]] = defaultdict(list)
    for scope, number in wrong:
        by_scope[scope].append(number)
    return [
        Finding(What.ROLLUP, scope, len(numbers), at, tuple(numbers[:NAMED]))
        for scope, numbers in sorted(by_scope.items())
    ]


def _counts_wrong(run: Reconciliation, at: datetime) -> list[Finding]:
    """Count what was written since each log was looked at, then compare in this one snapshot."""
    told, heads = run.positions["told"], DistrictHead.objects.values_list("scope", "dseq")
    run.counts = tally_of_log(
        run.counts, {scope: (told.get(scope, 0), dseq) for scope, dseq in heads}
    )
    return [
        *uncounted(run.counts, stages=OPEN_STAGES, at=at),
        *uncounted(run.counts, stages=ENDED_STAGES, at=at),
        *(
            Finding(What.ROLLUP, scope, rows, at, words=f"{rows} sums differ from their cases")
            for scope, rows in sums_wrong().items()
        ),
    ]


# --- findings and alarms ------------------------------------------------------------------------


def _chain_broken(fault: Fault | None, end: Position, at: datetime) -> list[Finding]:
    if fault is None:
        return []
    numbers, words = (fault.case,) if fault.case else (), str(fault)[:300]
    return [Finding(What.CHAIN, fault.scope, 1, at, numbers, words=words, position=_written(end))]


def _differing(faults: Iterable[Fault], at: datetime) -> list[Finding]:
    """Return a finding for each log with the cases that differ; one case may differ in much."""
    by_scope: dict[str, dict[str, str]] = defaultdict(dict)
    for fault in faults:
        by_scope[fault.scope].setdefault(fault.case, str(fault))
    return [
        Finding(
            What.STATE,
            scope,
            len(cases),
            at,
            tuple(sorted(cases)[:NAMED]),
            words=cases[min(cases)][:300],
        )
        for scope, cases in sorted(by_scope.items())
    ]


def _name(one: Finding | Alarm) -> tuple[str, str, str]:
    return one.what, one.scope, one.key


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """Return one finding for what slices found of the same."""
    merged: dict[tuple[str, str, str], Finding] = {}
    for one in findings:
        was = merged.get(_name(one))
        if was is not None:
            one = replace(
                was,
                how_many=was.how_many + one.how_many,
                since=min(was.since, one.since),
                numbers=(*was.numbers, *one.numbers)[:NAMED],
            )
        merged[_name(one)] = one
    return list(merged.values())


def _finish(run: Reconciliation, findings: list[Finding], *, settles: set[Alarm.What]) -> None:
    """Keep a run that is over, with its alarms."""
    with transaction.atomic():
        run.finished_at = database_now()
        run.findings = list(map(_plain, findings))
        run.save()
        _tell_alarms(findings, at=run.finished_at, settles=settles)


@transaction.atomic
def _tell_alarms(
    findings: Iterable[Finding], *, at: datetime, settles: Collection[Alarm.What] = ()
) -> None:
    """Raise an alarm for each finding, or bring it up to date; clear those it `settles`."""
    rows = Alarm.objects.open().select_for_update().order_by("pk")
    standing = {_name(alarm): alarm for alarm in rows}
    for one in findings:
        alarm = standing.pop(_name(one), None)
        if alarm is None:
            alarm = Alarm(what=one.what, scope=one.scope, key=one.key, since=one.since, seen_at=at)
            logger.error("alarm: %s in %s, %d", one.what, one.scope, one.how_many)
        alarm.how_many, alarm.usual, alarm.words = one.how_many, one.usual, one.words
        alarm.numbers, alarm.since = list(one.numbers), min(alarm.since, one.since)
        alarm.position = one.position
        alarm.save()
    for alarm in standing.values():
        if What(alarm.what) in settles:
            alarm.cleared_at = at
            alarm.save(update_fields=["cleared_at"])


def _plain(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "since": finding.since.isoformat()}


def _finding(plain: dict[str, Any]) -> Finding:
    since = parse_datetime(plain["since"])
    assert since is not None
    words = {"what": What(plain["what"]), "since": since, "numbers": tuple(plain["numbers"])}
    return Finding(**{**plain, **words})


# --- one run at a time, and where it stands -----------------------------------------------------


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the right to run. Raises UnderWayError while another run or a demo month has it.

    A demo month may take the log of one that was cut off away, so neither begins during the other.
    """
    with (
        _held("pg_try_advisory_lock_shared", "pg_advisory_unlock_shared", FILLING_LOCK),
        _held("pg_try_advisory_lock", "pg_advisory_unlock", ONE_AT_A_TIME),
    ):
        yield


@contextmanager
def _held(take: str, give_back: str, key: int) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {take}(%s)", [key])
        if not cursor.fetchone()[0]:
            raise UnderWayError
        try:
            yield
        finally:
            cursor.execute(f"SELECT {give_back}(%s)", [key])


def _last(kind: Reconciliation.Kind) -> Reconciliation | None:
    return finished(kind).first()


def finished(kind: Reconciliation.Kind) -> QuerySet[Reconciliation]:
    """Return the runs of a kind that are over, the latest first."""
    runs = Reconciliation.objects.filter(kind=kind, finished_at__isnull=False)
    return runs.order_by("-finished_at")


def _read(position: list[Any]) -> Position:
    return Position(position[0], bytes.fromhex(position[1]))


def _written(position: Position) -> list[Any]:
    return [position.dseq, position.hash.hex()]
