"""Fill a home with many cases for benchmarks: a simulated month, copied over and over by COPY.

The month is read, the ledger emptied, and written anew: blocks of five weeks one after another,
the last at its own time, each with several copies of every case side by side. Chains are true:
`verify_ledger` accepts them. What the copies lack are photos, draws, and effects already done.
"""

import re
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.contrib.gis.geos import Point
from django.db import connection, models, transaction
from django.utils import timezone

from cases.ledger import canonical, digest_of, hash_of, header_of
from cases.models import (
    Assist,
    Case,
    DistrictHead,
    Event,
    NumberCounter,
    Refusal,
    Reply,
    Request,
    StageClock,
    Supervision,
    Task,
)
from cases.services.rollup import rebuild
from cases.simulation import simulate

BLOCK = timedelta(days=35)  # whole weeks, longer than the month: blocks follow one another
LONGEST_MONTH = timedelta(days=33)
MOST_BLOCKS = 12
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
# Rows that hang on a case and are copied with it.
_CHILDREN: tuple[type[models.Model], ...] = (
    *(StageClock, Task, Request, Assist, Supervision, Refusal, Reply),
)
# What names another case or a 12345 order, and so is another one in each copy.
_NUMBER = re.compile(r"HH\d{13}")
_ORDER = re.compile(r'"order_number":"(\d+)')
_MARK = "the number of the case"
_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


class CannotFillError(Exception):
    """There is no month to copy; the message says what to do."""


@dataclass(frozen=True)
class Plan:
    """How a month of `size` cases becomes many: `blocks` one after another, `copies` of each."""

    size: int
    blocks: int
    copies: int

    @classmethod
    def of(cls, size: int, wanted: int) -> "Plan":
        """Return the plan that makes at least `wanted` cases."""
        blocks = min(MOST_BLOCKS, max(1, -(-wanted // size)))
        return cls(size, blocks, -(-wanted // (size * blocks)))

    @property
    def total(self) -> int:
        """How many cases it makes."""
        return self.size * self.blocks * self.copies


def fill(wanted: int, progress: Callable[[str], None]) -> int:
    """Replace the simulated month by at least `wanted` cases; returns how many."""
    cases = list(Case.objects.order_by("pk"))
    events = list(Event.objects.filter(case__isnull=False).order_by("scope", "dseq"))
    children = {model: list(model._default_manager.order_by("pk")) for model in _CHILDREN}
    times = [event.at for event in events]
    if not cases or max(times) - min(times) > LONGEST_MONTH:
        raise CannotFillError("Fill needs one simulated month: run simulate in an empty city.")
    plan = Plan.of(len(cases), wanted)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE cases_case, cases_event, cases_numbercounter, cases_draw CASCADE")
        heads = {
            scope: (0, bytes(32)) for scope in DistrictHead.objects.values_list("pk", flat=True)
        }
        for block in range(plan.blocks):
            shift = BLOCK * (block + 1 - plan.blocks)
            names = _Names(cases, plan, block, shift)
            _copy(cursor, Case, _case_rows(cases, names, shift))
            heads = _copy_events(cursor, events, names, shift, heads)
            for model, rows in children.items():
                _copy(cursor, model, _child_rows(rows, names, shift))
            progress(f"block {block + 1} of {plan.blocks}: {names.last} cases")
        for scope, (dseq, digest) in heads.items():
            DistrictHead.objects.filter(pk=scope).update(dseq=dseq, hash=digest)
        _go_on_numbering(cursor, names)
        tables: tuple[type[models.Model], ...] = (Case, Event, *_CHILDREN)
        for table in tables:
            _set_sequence(cursor, table)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    progress("counts of heat and trend …")
    rebuild()
    return plan.total


def ensure(wanted: int, progress: Callable[[str], None]) -> None:
    """Fill an empty home unless it holds `wanted` cases already: a month first, then copies."""
    if Case.objects.count() >= wanted:
        return
    if not Case.objects.exists():
        progress("a month to copy …")
        simulate(days=30, per_day=20, seed=1, until=timezone.now(), progress=lambda line: None)
    progress(f"{fill(wanted, progress):,} cases")


class _Names:
    """The keys and numbers of the copies in one block."""

    def __init__(self, cases: list[Any], plan: Plan, block: int, shift: timedelta) -> None:
        self.copies = plan.copies
        self.first = block * plan.copies * plan.size
        self.last = self.first + plan.copies * plan.size
        self.place = {case.pk: place for place, case in enumerate(cases)}
        self.keys = {case.number: case.pk for case in cases}
        self.days: dict[date, int] = {}
        self.stems = [self._stem(case.number, shift) for case in cases]

    def _stem(self, number: str, shift: timedelta) -> tuple[str, int]:
        day = datetime.strptime(number[2:10], "%Y%m%d").replace(tzinfo=UTC).date() + shift
        first = self.days.get(day, 0)
        self.days[day] = first + self.copies
        return f"HH{day:%Y%m%d}", first

    def key(self, case_id: int, copy: int) -> int:
        return self.first + self.place[case_id] * self.copies + copy + 1

    def number(self, case_id: int, copy: int) -> str:
        stem, first = self.stems[self.place[case_id]]
        return f"{stem}{first + copy + 1:05d}"

    def order(self, order_number: str, copy: int) -> str:
        """Return the number of a copied 12345 order, made longer so that each is its own."""
        return f"{order_number}{self.first + copy}" if order_number else ""

    def told(self, text: str, copy: int) -> str:
        """Return JSON of a copy: other cases and the order by their numbers in the same copy."""
        text = _NUMBER.sub(lambda found: self.number(self.keys[found.group()], copy), text)
        return _ORDER.sub(lambda found: f'"order_number":"{self.order(found.group(1), copy)}', text)


def _go_on_numbering(cursor: Any, names: _Names) -> None:
    """Let the last day's numbers go on after those of the copies."""
    day = max(names.days)
    cursor.execute("SELECT nextval('cases_number')")
    base = cursor.fetchone()[0] - names.days[day]
    NumberCounter.objects.create(day=day, base=base)


def _case_rows(cases: list[Any], names: _Names, shift: timedelta) -> Iterator[list[str]]:
    for case in cases:
        row, into = _texts(case, shift), case.merged_into_id
        for copy in range(names.copies):
            yield _with(
                row,
                id=str(names.key(case.pk, copy)),
                number=names.number(case.pk, copy),
                client_uuid=str(uuid.uuid4()),
                order_number=names.order(case.order_number, copy),
                merged_into_id=names.number(names.keys[into], copy) if into else "\\N",
            )


def _child_rows(rows: list[Any], names: _Names, shift: timedelta) -> Iterator[list[str]]:
    key = names.first * 100  # ids need only be unique: at most 100 children a case
    for child in rows:
        row = _texts(child, shift)
        if "draw_id" in row:
            row["draw_id"] = "\\N"
        for copy in range(names.copies):
            key += 1
            yield _with(row, id=str(key), case_id=str(names.key(child.case_id, copy)))


def _copy_events(
    cursor: Any,
    events: list[Any],
    names: _Names,
    shift: timedelta,
    heads: dict[str, tuple[int, bytes]],
) -> dict[str, tuple[int, bytes]]:
    """Write the events of a block in the order of each log and return where the logs end."""

    def rows() -> Iterator[list[str]]:
        for event in events:
            private = _moved(event.private, shift)
            digest = digest_of(bytes(event.salt), private)
            # The header with marks where copies differ; its times are those of the columns.
            header, data = (
                _moved(header_of(event, _MARK), shift),
                _moved(canonical(event.data), shift),
            )
            names_others = any(
                name.search(text) for name in (_NUMBER, _ORDER) for text in (data, private)
            )
            before, after = header.split(f'"{_MARK}"')
            before_seq, after_seq = after.split(f'"dseq":{event.dseq},', 1)
            row = _texts(event, shift) | {
                "data": _escaped(data),
                "private": _escaped(private),
                "body_digest": _bytes(digest),
            }
            for copy in range(names.copies):
                dseq, prev = heads[event.scope]
                number = names.number(event.case_id, copy)
                text = f'{before}"{number}"{before_seq}"dseq":{dseq + 1},{after_seq}'
                if names_others:
                    others = f'{before}"{_MARK}"{before_seq}"dseq":{dseq + 1},{after_seq}'
                    text = names.told(others, copy).replace(_MARK, number)
                    row["data"] = _escaped(names.told(data, copy))
                    told = names.told(private, copy)
                    digest = digest_of(bytes(event.salt), told)
                    row |= {"private": _escaped(told), "body_digest": _bytes(digest)}
                digest_here = hash_of(prev, text, digest)
                heads[event.scope] = (dseq + 1, digest_here)
                yield _with(
                    row,
                    id=str(next(keys)),
                    case_id=str(names.key(event.case_id, copy)),
                    dseq=str(dseq + 1),
                    header=_escaped(text),
                    prev_hash=_bytes(prev),
                    hash=_bytes(digest_here),
                )

    keys = iter(range(sum(dseq for dseq, _ in heads.values()) + 1, sys.maxsize))
    _copy(cursor, Event, rows())
    return heads


# --- COPY ---------------------------------------------------------------------------------------


def _texts(row: models.Model, shift: timedelta) -> dict[str, str]:
    """Return the columns of a row as COPY writes them, every moment moved by `shift`."""
    return {
        str(field.column): _text(getattr(row, field.attname), shift)
        for field in row._meta.concrete_fields
    }


def _text(value: Any, shift: timedelta) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, datetime):
        return (value + shift).isoformat()
    if isinstance(value, Point):
        return str(value.hexewkb.decode())
    if isinstance(value, (bytes, memoryview)):
        return _bytes(bytes(value))
    if isinstance(value, list):
        return "{" + ",".join(value) + "}"
    if isinstance(value, dict):
        return _escaped(_moved(canonical(value), shift))
    return _escaped(str(value))


def _moved(text: str, shift: timedelta) -> str:
    """Return JSON with every moment in it moved by `shift`."""

    def moved(found: re.Match[str]) -> str:
        return (datetime.strptime(found.group(), _FORMAT) + shift).strftime(_FORMAT)  # noqa: DTZ007  # UTC stays UTC

    return _STAMP.sub(moved, text)


def _bytes(value: bytes) -> str:
    return "\\\\x" + value.hex()


def _escaped(text: str) -> str:
    if "\\" in text or "\n" in text or "\t" in text or "\r" in text:
        text = text.replace("\\", "\\\\").replace("\n", "\\n")
        text = text.replace("\t", "\\t").replace("\r", "\\r")
    return text


def _with(row: dict[str, str], **changed: str) -> list[str]:
    return list((row | changed).values())


def _copy(cursor: Any, model: type[models.Model], rows: Iterable[list[str]]) -> None:
    columns = ", ".join(str(field.column) for field in model._meta.concrete_fields)
    with cursor.copy(f"COPY {model._meta.db_table} ({columns}) FROM STDIN") as stream:
        for row in rows:
            stream.write("\t".join(row) + "\n")


def _set_sequence(cursor: Any, model: type[models.Model]) -> None:
    table = model._meta.db_table
    cursor.execute(
        f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"  # noqa: S608
    )
