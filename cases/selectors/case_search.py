"""Searching cases: what may be asked, which cases it finds, and one page after another of them."""

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.db.models import F, OrderBy, Q, QuerySet
from django.utils import timezone

from cases.choices import DISTRICT_SLUGS, ENDED_STAGES, OPEN_STAGES, Source, Stage
from cases.errors import InvalidInput
from cases.models import Case, CaseWords, Kind
from cityops.accounts.models import User

MOST_COUNTED = 10_000  # beyond it a list says "over 10,000"
MOST_WORDS = 8
LONGEST = 200  # characters of the words
LIGHTS = ("late", "soon", "normal", "paused")
PLACES = ("none",)  # of a case: none is known
STAGES = ("open", "ended", *Stage.values)
PERIODS = {"reported": "reported_at", "filed": "filed_at", "closed": "closed_at"}
_CATEGORY = re.compile(rf"({'|'.join(Kind.values)})(-(\d\d)(\d\d)?)?")
_WHOLE_CELL = 15  # digits of a grid cell; fewer name all cells of a community, street or county
_GRID = re.compile(r"\d{6}(\d{3}){0,3}")
_NUMBER = re.compile(r"(HH)?\d+")


@dataclass(frozen=True)
class Sort:
    """An order of cases; equal ones stand by key, those without a value last."""

    column: str
    is_descending: bool = False

    @property
    def may_be_empty(self) -> bool:
        """Whether some cases have no value."""
        return bool(Case._meta.get_field(self.column).null)

    def order(self) -> list[OrderBy]:
        """Return the order as the index has it."""
        last = True if self.may_be_empty else None
        column, key = F(self.column), F("pk")
        if self.is_descending:
            return [column.desc(nulls_last=last), key.desc()]
        return [column.asc(nulls_last=last), key.asc()]

    def after(self, value: datetime | None, pk: int) -> Q:
        """Return the condition of standing after the case with this value and key."""
        way = "lt" if self.is_descending else "gt"
        if value is None:
            return Q((f"{self.column}__isnull", True), (f"pk__{way}", pk))
        later = Q((f"{self.column}__{way}", value))
        later |= Q((self.column, value), (f"pk__{way}", pk))
        if self.may_be_empty:
            return later | Q((f"{self.column}__isnull", True))
        return Q((f"{self.column}__{way}e", value)) & later  # the first half is what an index reads


SORTS = {
    "newest": Sort("reported_at", is_descending=True),
    "oldest": Sort("reported_at"),
    "due": Sort("lamp_due_at"),
    "closed": Sort("closed_at", is_descending=True),
}

# --- what is asked ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filters:
    """A search, checked; `asked` holds it as it stands in an address, without what says nothing."""

    asked: dict[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    since: datetime | None = None
    before: datetime | None = None

    @property
    def sort(self) -> Sort:
        """The order of the list."""
        return SORTS[self.asked.get("sort", "newest")]

    @property
    def query(self) -> str:
        """The search as a query string, always the same for the same search."""
        return urlencode(self.asked)

    def get(self, name: str) -> str:
        """Return a filter's value, empty when it says nothing."""
        return self.asked.get(name, "")


NAMES = (
    *("q", "stage", "light", "district", "unit", "category", "source", "grid", "place"),
    *("period", "from", "to", "sort"),
)
_KNOWN: dict[str, Iterable[str]] = {
    "stage": STAGES,
    "light": LIGHTS,
    "district": DISTRICT_SLUGS,
    "source": Source.values,
    "place": PLACES,
    "period": PERIODS,
    "sort": SORTS,
}
_DEFAULTS = {"period": "reported", "sort": "newest"}


def read_filters(params: Mapping[str, str]) -> Filters:
    """Return the search that stands in `params`; other names there are left alone.

    Days are of Asia/Shanghai, both included. Raises InvalidInput naming every wrong filter.
    """
    asked = {name: params.get(name, "").strip() for name in NAMES}
    asked = {k: v for k, v in asked.items() if v and v != _DEFAULTS.get(k)}
    wrong = {
        name: f"take one of {', '.join(known)}"
        for name, known in _KNOWN.items()
        if name in asked and asked[name] not in known
    }
    if "category" in asked and not _CATEGORY.fullmatch(asked["category"]):
        wrong["category"] = "take event, event-01 or event-0112, or the same of component"
    if "grid" in asked and not _GRID.fullmatch(asked["grid"]):
        wrong["grid"] = "take the digits of a county (6), street (9), community (12) or cell (15)"
    words = tuple(dict.fromkeys(unicodedata.normalize("NFC", asked.get("q", "")).lower().split()))
    if len(asked.get("q", "")) > LONGEST or len(words) > MOST_WORDS:
        wrong["q"] = f"take at most {MOST_WORDS} words of together {LONGEST} characters"
    days = {name: _day(asked[name]) for name in ("from", "to") if name in asked}
    wrong |= {name: "write the day as 2026-11-23" for name, day in days.items() if day is None}
    if wrong:
        raise InvalidInput("Some filters are wrong.", fields=wrong)
    since, last = days.get("from"), days.get("to")
    return Filters(
        asked,
        words,
        _midnight(since) if since else None,
        _midnight(last + timedelta(days=1)) if last else None,
    )


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year < 2100 else None


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


# --- what it finds ------------------------------------------------------------------------------


def search(user: User, filters: Filters, *, at: datetime) -> QuerySet[Case]:
    """Return the cases `user` may see that answer to every filter, in no order; lights of `at`."""
    found = Case.objects.all().visible_to(user)
    for condition in _conditions(filters, at):
        found = found.filter(condition)
    return found


def condition_of(filters: Filters, *, at: datetime) -> Q:
    """Return what every case answers to that the filters let through; lights of `at`."""
    whole = Q()
    for condition in _conditions(filters, at):
        whole &= condition
    return whole


def _conditions(filters: Filters, at: datetime) -> Iterable[Q]:
    get = filters.get
    if stage := get("stage"):
        yield Q(stage__in=_stages(stage))
    if light := get("light"):
        yield _light(light, at)
    for name in ("district", "unit", "source"):
        if value := get(name):
            yield Q((name, value))
    if get("place"):
        yield Q(point__isnull=True)
    if category := get("category"):
        yield (
            Q(minor=category)
            if len(category.partition("-")[2]) == 4
            else Q(minor__code__startswith=f"{category}{'' if '-' in category else '-'}")
        )
    if grid := get("grid"):
        yield Q(grid_cell=grid) if len(grid) == _WHOLE_CELL else Q(grid_cell__startswith=grid)
    column = PERIODS[get("period") or "reported"]
    if filters.since:
        yield Q((f"{column}__gte", filters.since))
    if filters.before:
        yield Q((f"{column}__lt", filters.before))
    if get("period") and not (filters.since or filters.before):
        yield Q((f"{column}__isnull", False))
    if filters.words:
        named = _named(filters.words)
        for word in filters.words:
            yield _holds(word, named[word])


def _stages(stage: str) -> list[str]:
    if stage == "open":
        return sorted(OPEN_STAGES)
    return sorted(ENDED_STAGES) if stage == "ended" else [stage]


def _light(light: str, at: datetime) -> Q:
    """Return the condition of showing a time light at `at`, as `Case.light` tells it."""
    if light == "paused":
        return Q(stage=Stage.SUSPENDED)
    running = Q(stage__in=sorted(OPEN_STAGES - {Stage.SUSPENDED}))
    if light == "late":
        return running & Q(lamp_due_at__lt=at)
    is_soon = Q(lamp_soon_at__lte=at)
    in_time = running & Q(lamp_due_at__gte=at)
    return in_time & is_soon if light == "soon" else in_time & ~is_soon


def _holds(word: str, named: dict[str, list[str]]) -> Q:
    """Return the condition of holding `word`: in the text, the number, or a name it goes by."""
    texts = CaseWords.objects.filter(text__contains=word)
    if len(word) > 1:
        texts = texts.filter(grams__contains=[a + b for a, b in pairwise(word)])
    found = Q(pk__in=texts.values("case"))
    if _NUMBER.fullmatch(word.upper()):
        found |= Q(number__contains=word.upper())
    for column, codes in named.items():
        found |= Q((f"{column}__in", codes))
    return found


# Classes, units, streets and communities whose name holds a word: anywhere in Chinese or in the
# pinyin initials, at the beginning of a word in English.
_NAMED = """
    SELECT word, kind, array_agg(DISTINCT code)
    FROM unnest(%s::text[]) word, (
        SELECT 'minor' AS kind, code, name_zh, name_en FROM cases_minorclass
        UNION ALL SELECT 'unit', code, name_zh, name_en FROM cases_unit
        UNION ALL SELECT level, code, name_zh, name_en FROM cases_area
        WHERE level IN ('street', 'community')
    ) n
    WHERE strpos(n.name_zh, word) > 0 OR strpos(' ' || lower(n.name_en), ' ' || word) > 0
       OR word ~ '^[a-z]{2,}$' AND strpos(cases_initials(n.name_zh), word) > 0
    GROUP BY word, kind
"""


def _named(words: tuple[str, ...]) -> dict[str, dict[str, list[str]]]:
    """Return by word and column the codes of what goes by it."""
    found: dict[str, dict[str, list[str]]] = {word: {} for word in words}
    with connection.cursor() as cursor:
        cursor.execute(_NAMED, [list(words)])
        for word, kind, codes in cursor.fetchall():
            found[word][kind] = codes
    return found


def count(found: QuerySet[Case]) -> int:
    """Return how many were found, at most one more than `MOST_COUNTED`."""
    return found.order_by()[: MOST_COUNTED + 1].count()


# --- one page after another ---------------------------------------------------------------------


@dataclass(frozen=True)
class Cursor:
    """The last case of a page: its place in an order. A page after it never shows it again."""

    sort: str
    value: datetime | None
    pk: int

    def __str__(self) -> str:
        told = [self.sort, self.value and self.value.isoformat(), self.pk]
        return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str, *, sort: str) -> "Cursor":
        """Return the cursor a list gave out; raises InvalidInput for anything else."""
        try:
            told = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            kind, value, pk = told
            cursor = cls(kind, datetime.fromisoformat(value) if value else None, pk)
        except (binascii.Error, ValueError, TypeError, RecursionError):
            cursor = None
        if cursor is None or cursor.sort != sort or not _is_key(cursor) or not _is_moment(cursor):
            raise InvalidInput(
                "The cursor is none this list gave out.",
                fields={"cursor": "take `next` of the page before, with the same filters"},
            )
        return cursor


def _is_key(cursor: Cursor) -> bool:
    return type(cursor.pk) is int and 0 <= cursor.pk < 2**63


def _is_moment(cursor: Cursor) -> bool:
    if cursor.value is None:
        return SORTS[cursor.sort].may_be_empty
    return cursor.value.tzinfo is not None and 2000 <= cursor.value.year < 2100


def in_order(found: QuerySet[Case], filters: Filters, cursor: str = "") -> QuerySet[Case]:
    """Return the cases in the order asked for, those after `cursor`; raises InvalidInput.

    A place in the order is a value and a key, so what comes in meanwhile moves nothing: no case
    that keeps its value is shown twice or left out.
    """
    name = filters.get("sort") or "newest"
    if cursor:
        last = Cursor.read(cursor, sort=name)
        found = found.filter(filters.sort.after(last.value, last.pk))
    return found.order_by(*filters.sort.order())


def page(
    found: QuerySet[Case], filters: Filters, *, cursor: str, size: int
) -> tuple[list[Case], str]:
    """Return a page of cases and the cursor of the next, empty on the last one."""
    rows = list(in_order(found, filters, cursor)[: size + 1])
    if len(rows) <= size:
        return rows, ""
    last = rows[size - 1]
    return rows[:size], cursor_after(filters, getattr(last, filters.sort.column), last.pk)


def cursor_after(filters: Filters, value: Any, pk: int) -> str:
    """Return the cursor of what follows the case with this value and key."""
    return str(Cursor(filters.get("sort") or "newest", value, pk))
