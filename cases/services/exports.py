"""Lists of cases as files: few rows at once, many by a worker that anybody may interrupt.

A file is one moment's truth: all its rows are read in one snapshot, page after page.
"""

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import QueryDict
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from cases import policy
from cases.errors import InvalidInput, NoRoom, TooMany
from cases.models import Case, District, Effect, Export, Notice, Unit
from cases.selectors.calendars import current_version
from cases.selectors.case_search import Filters, page, read_filters, search
from cases.selectors.columns import Cell, Column, Value, columns_named, told_of, with_columns
from cases.selectors.telephones import telephone_reach
from cases.services.outside import NotNow
from cases.services.patience import as_long_again
from cases.services.workbook import write_csv, write_workbook
from cityops.accounts.models import User

MOST_AT_ONCE = 2_000  # rows of a file that is made while its reader waits
MOST_ROWS = 100_000
MOST_UNDER_WAY = 3  # exports of one person
PAGE = 1_000
RUNS = 3
BUSY_S = (1.0, 10.0)  # how soon one that found another being written is tried again, and how late
ONE_AT_A_TIME = 4_312_000_004  # advisory lock of who begins
FOLDER = "exports"
HALF_KEPT_S = 3600  # what a writer that died left, after its last change
_HALF = ".part"
_TELEPHONES = "telephones"  # in `reach`: they stand in full in the file, or with :DISTRICT some


@dataclass(frozen=True)
class Asked:
    """What somebody wants as a file: the list as they see it, or of it the rows they chose."""

    filters: Filters
    columns: Sequence[Column]
    said: list[tuple[str, str]] = field(default_factory=list)  # the filters in words
    numbers: Sequence[str] = ()  # chosen rows; none: all

    @property
    def cells(self) -> list[Cell]:
        """The cells of a row, from left to right."""
        return [cell for column in self.columns for cell in column.cells]


# --- the rows -----------------------------------------------------------------------------------


def found_for(reader: User, asked: Asked, *, at: datetime) -> QuerySet[Case]:
    """Return the cases of the file, in no order: those `reader` may see that were asked for."""
    found = search(reader, asked.filters, at=at)
    return found.filter(number__in=asked.numbers) if asked.numbers else found


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Read one state of the database throughout; nothing can be written in it."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


class _Reading:
    """The rows of a file as they stand at one moment, in the order of the list."""

    def __init__(self, reader: User, asked: Asked) -> None:
        self.reader = reader
        self.asked = asked
        self.at = timezone.now()

    def rows(self, tell: Callable[[int, int], None] | None = None) -> Generator[list[Value]]:
        """Yield them in one snapshot, read page by page; `tell` hears how many of how many.

        Raises TooBig for a worker's file of more rows than one may hold.
        """
        with one_snapshot():
            self.at = timezone.now()
            found = found_for(self.reader, self.asked, at=self.at)
            if tell is None:
                yield from (row for rows in self._pages(found) for row in rows)
                return
            done, total = 0, found.order_by()[: MOST_ROWS + 1].count()
            if total > MOST_ROWS:
                raise TooBig
            tell(done, total)
            for rows in self._pages(found):
                yield from rows
                done += len(rows)
                tell(done, total)

    def _pages(self, found: QuerySet[Case]) -> Iterator[list[list[Value]]]:
        found, cells = with_columns(found, self.asked.columns), self.asked.cells
        cursor = ""
        while True:
            cases, cursor = page(found, self.asked.filters, cursor=cursor, size=PAGE)
            told = told_of(cases, reader=self.reader, at=self.at)
            yield [[cell.of(one) for cell in cells] for one in told]
            if not cursor:
                return

    def about(self, count: int) -> list[tuple[str, str]]:
        """Return what the second sheet says of the first."""
        told = _telephone_words(self.reader)
        return [
            (_("What this is"), _("Cases as the list showed them; numbers are of one moment.")),
            (_("Scope"), scope_words(self.reader)),
            *(self.asked.said or [(_("Filters"), _("none: all cases of the scope"))]),
            *([(_("Chosen rows"), str(len(self.asked.numbers)))] if self.asked.numbers else []),
            (_("Cases"), f"{count:,}"),
            (_("As of"), f"{timezone.localtime(self.at):%Y-%m-%d %H:%M:%S}"),
            (
                _("Time lights"),
                _("of that moment; remaining time is working time where the limit is"),
            ),
            (_("Working calendar"), _("version %(n)s") % {"n": current_version()}),
            (_("Telephone numbers"), told),
            (_("Made by"), f"{self.reader.name} ({self.reader.username})"),
        ]


def _telephone_words(reader: User) -> str:
    """Return in words which telephone numbers `reader` is told."""
    reach = telephone_reach(reader)
    if reach.is_whole:
        return _("in full")
    hidden = _("with the middle hidden")
    if not reach.districts:
        return hidden
    names = District.objects.filter(slug__in=reach.districts).order_by("slug")
    words = {"districts": _(", ").join(one.name for one in names), "hidden": hidden}
    return _("in full in %(districts)s, elsewhere %(hidden)s") % words


def scope_words(reader: User) -> str:
    """Return in words whose cases `reader` sees."""
    reach = policy.reach_of(reader)
    if reach.is_whole:
        return _("the whole city")
    districts = District.objects.filter(slug__in=reach.districts)
    units = Unit.objects.filter(code__in=reach.units)
    named = [*(one.name for one in districts), *(one.name for one in units)]
    if reach.inspector_id is not None:
        named.append(_("own reports and tasks"))
    return _(", ").join(named)


# --- at once ------------------------------------------------------------------------------------


def count_rows(reader: User, asked: Asked) -> int:
    """Return how many rows a file would have now, at most one more than any may hold."""
    return found_for(reader, asked, at=timezone.now()).order_by()[: MOST_ROWS + 1].count()


def workbook_now(target: IO[bytes], *, reader: User, asked: Asked) -> None:
    """Write the workbook while its reader waits."""
    reading = _Reading(reader, asked)
    with closing(reading.rows()) as rows:
        write_workbook(target, asked.cells, rows, reading.about)


def csv_now(target: IO[str], *, reader: User, asked: Asked) -> None:
    """Write the same rows as CSV."""
    with closing(_Reading(reader, asked).rows()) as rows:
        write_csv(target, asked.cells, rows)


# --- asked of a worker --------------------------------------------------------------------------


@transaction.atomic
def request_export(
    *, owner: User, asked: Asked, total: int, language: str, key: uuid.UUID
) -> Export:
    """Have a worker write the file; the same key is one export while it is under way.

    A page that the browser brings back still has the key of an export that ended or was deleted:
    sent again it is a new wish. Raises InvalidInput for more rows than a file holds or another
    person's key, TooMany while `MOST_UNDER_WAY` of this person are under way.
    """
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)  # one request of theirs at a time
    key, known = _newest_of(key, owner)
    if known is not None:
        return known
    if total > MOST_ROWS:
        raise InvalidInput(too_many_words(), fields={"rows": too_many_words()})
    if Export.objects.all().of(owner).under_way().count() >= MOST_UNDER_WAY:
        raise TooMany(
            _("%(n)s files of yours are being written: wait for one, or cancel one.")
            % {"n": MOST_UNDER_WAY},
            wait_s=30,
        )
    effect = Effect.objects.create(
        key=_effect_key(key), kind="export", queue="report", urgency=7, max_runs=RUNS
    )
    return Export.objects.create(
        key=key,
        owner=owner,
        effect=effect,
        query=asked.filters.query,
        columns=[column.key for column in asked.columns],
        said=asked.said,
        language=language,
        total=total,
    )


def _newest_of(key: uuid.UUID, owner: User) -> tuple[uuid.UUID, Export | None]:
    """Return the export of a form that is under way, else None and the key of its next one.

    The keys of one form follow from each other, so that it can be sent twice each time.
    """
    while True:
        known = Export.objects.select_related("effect").filter(key=key).first()
        if known is None and not Effect.objects.filter(key=_effect_key(key)).exists():
            return key, None
        if known is not None and known.owner_id != owner.pk:
            raise InvalidInput("The key of the form belongs to somebody else.")
        if known is not None and known.is_under_way:
            return key, known
        key = uuid.uuid5(key, "again")


def _effect_key(key: uuid.UUID) -> str:
    return f"export:{key}"


def too_many_words() -> str:
    """Return what is told when there are more rows than a file may hold."""
    return _("A file holds at most %(n)s cases: narrow the filters, by dates for example.") % {
        "n": f"{MOST_ROWS:,}"
    }


def drop_export(export: Export) -> None:
    """Forget an export: one being written stops at its next page, the file of one is deleted."""
    with transaction.atomic():
        held = Export.objects.select_for_update().filter(pk=export.pk).first()
        if held is not None:
            held.delete()
    if held is not None and held.file:
        path_of(held.file).unlink(missing_ok=True)


def may_still_have(reader: User, export: Export) -> bool:
    """Whether its owner still sees as far as when the file was written."""
    reach = set(_reach(reader))
    numbers = {word for word in export.reach if word.startswith(_TELEPHONES)}
    cases = set(export.reach) - numbers
    return ("whole" in reach or cases <= reach) and (_TELEPHONES in reach or numbers <= reach)


def _reach(reader: User) -> list[str]:
    """Return how far `reader` sees, in words that can be compared later."""
    reach, numbers = policy.reach_of(reader), telephone_reach(reader)
    return [
        *(["whole"] if reach.is_whole else []),
        *(f"district:{slug}" for slug in sorted(reach.districts)),
        *(f"unit:{code}" for code in sorted(reach.units)),
        *(["inspector"] if reach.inspector_id is not None else []),
        *([_TELEPHONES] if numbers.is_whole else []),
        *(f"{_TELEPHONES}:{slug}" for slug in sorted(numbers.districts)),
    ]


# --- the worker ---------------------------------------------------------------------------------


class Stopped(Exception):
    """The export was cancelled, or another run has taken it over."""


class Overtaken(Exception):
    """Another run has taken the export over: its effect is no longer this one's to end."""


class TooBig(Exception):
    """There are more rows than a file may hold."""


def make_export(effect: Effect) -> str:
    """Write the file of an export; safe to repeat: each run starts anew, the newest one ends it.

    Raises NoRoom where little of the disk is free, Overtaken where a newer run is at it.
    """
    export = _begin(effect)
    if export is None:
        return "not wanted any more"
    folder = path_of(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    for left in _left_of_older(export):
        _delete(left)
    if shutil.disk_usage(folder).free < settings.LEAST_FREE:
        raise NoRoom(_("There is no room for files now; it is tried again later."))
    scratch = folder / f"{export.key.hex}-{export.run}{_HALF}"
    scratch.mkdir()
    try:
        return _write(export, scratch)
    except (Stopped, FileNotFoundError):  # a newer run has cleared away what this one wrote
        if _mine(export).exists():
            raise
        if Export.objects.filter(pk=export.pk).exists():
            raise Overtaken from None
        return "not wanted any more"
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@transaction.atomic
def _begin(effect: Effect) -> Export | None:
    """Return the export with this as its newest run; None where it has ended or was cancelled.

    Raises NotNow while another is being written: files take minutes, and with all its places
    taken the queue would give no sign of life. Raises Overtaken where this run was held up for so
    long that another has claimed the effect.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
    if Effect.objects.select_for_update().get(pk=effect.pk).runs != effect.runs:
        raise Overtaken
    waiting = Export.objects.filter(state__in=(Export.State.WAITING, Export.State.RUNNING))
    export = waiting.select_for_update().filter(effect=effect.pk).first()
    if export is None:
        return None
    written = Export.objects.filter(state=Export.State.RUNNING, effect__claimed_until__gt=Now())
    if written.filter(effect__state=Effect.State.DUE).exclude(pk=export.pk).exists():
        raise NotNow(as_long_again(effect, *BUSY_S))
    export.state, export.run, export.done = Export.State.RUNNING, export.run + 1, 0
    export.save(update_fields=["state", "run", "done"])
    return export


def _mine(export: Export) -> QuerySet[Export]:
    """Return the export as long as this run is its newest and nobody has cancelled it."""
    return Export.objects.filter(pk=export.pk, run=export.run, state=Export.State.RUNNING)


def _left_of_older(export: Export) -> list[Path]:
    """Return what earlier runs of an export left; what a newer one wrote is its own."""
    found = path_of(FOLDER).glob(f"{export.key.hex}-*")
    return [path for path in found if _run_of(path) < export.run]


def _run_of(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _end(export: Export, **words: Any) -> None:
    """End the export with this run and tell its owner. Raises Stopped where it is not the newest.

    In a transaction, which holds the row from here on: no newer run begins meanwhile.
    """
    if not _mine(export).update(**words):
        raise Stopped
    _tell(export)


def _tell(export: Export) -> None:
    Notice.objects.filter(export=export.pk).delete()  # that it had failed, before it was run again
    Notice.objects.create(user_id=export.owner_id, export=export)


@transaction.atomic
def tell_of_failed() -> int:
    """Tell the owners of exports whose effect was given up, once each; returns how many."""
    failed = Export.objects.filter(
        state__in=(Export.State.WAITING, Export.State.RUNNING),
        effect__state=Effect.State.DEAD,
        notice=None,
    )
    held = list(failed.select_for_update(of=("self",), skip_locked=True))
    for export in held:
        _tell(export)
    return len(held)


def _write(export: Export, scratch: Path) -> str:
    """Write the workbook, put it in its place and say that it is there; returns what was done."""
    owner = User.objects.with_grants().get(pk=export.owner_id)
    said = [(label, words) for label, words in export.said]
    filters = read_filters(QueryDict(export.query))
    reading = _Reading(owner, Asked(filters, columns_named(export.columns), said))
    part = scratch / "cases.xlsx"
    try:
        with (
            translation.override(export.language),
            _beside(export) as tell,
            closing(reading.rows(tell)) as rows,
        ):
            count = write_workbook(part, reading.asked.cells, rows, reading.about, scratch=scratch)
    except TooBig:
        with transaction.atomic():
            _end(export, state=Export.State.TOO_BIG)
        return "too many rows"
    return _keep(export, part, count, reading)


@contextmanager
def _beside(export: Export) -> Iterator[Callable[[int, int], None]]:
    """Give a way to commit how far a run is from outside its snapshot; it raises Stopped."""
    with closing(connection.copy()) as other:

        def tell(done: int, total: int) -> None:
            with other.cursor() as cursor:
                cursor.execute(
                    "UPDATE cases_export SET done = %s, total = %s"
                    " WHERE id = %s AND run = %s AND state = 'running'",
                    [done, total, export.pk, export.run],
                )
                if not cursor.rowcount:
                    raise Stopped

        yield tell


def _keep(export: Export, part: Path, count: int, reading: _Reading) -> str:
    """Say in one commit that the file is there and tell of it; before that it is put in its place.

    While the row is held: an older run puts nothing beside the file of a newer one.
    """
    name = f"{FOLDER}/{export.key.hex}-{export.run}.xlsx"
    with part.open("rb+") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
        size = file.seek(0, os.SEEK_END)
    with transaction.atomic():
        _end(
            export,
            state=Export.State.READY,
            file=name,
            sha256=sha256,
            size=size,
            done=count,
            total=count,
            as_of=reading.at,
            reach=_reach(reading.reader),
            expires_at=Now() + Export.KEPT,
        )
        part.replace(path_of(name))
    return f"{count} rows"


# --- files --------------------------------------------------------------------------------------


def path_of(file: str) -> Path:
    """Return where a file of an export lies."""
    return Path(settings.MEDIA_ROOT) / file


def sweep_exports() -> str:
    """Delete exports over a week old or without their file, and files no export names.

    Returns how many. A city restored from a backup has no files.
    """
    over = list(Export.objects.filter(expires_at__lt=Now()))
    ready = Export.objects.exclude(file="").exclude(pk__in=[export.pk for export in over])
    over += [export for export in ready if not path_of(export.file).exists()]
    for export in over:
        drop_export(export)
    known = set(Export.objects.exclude(file="").values_list("file", flat=True))
    left = 0
    for path in sorted(path_of(FOLDER).glob("*")):
        if f"{FOLDER}/{path.name}" in known:
            continue
        with suppress(FileNotFoundError):  # its run has just ended
            if time.time() - path.stat().st_mtime > HALF_KEPT_S:
                _delete(path)
                left += 1
    return f"{len(over)} exports, {left} files"


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
