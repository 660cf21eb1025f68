"""The columns a list of cases can show: on the page, and each as the cells it has in a file."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases.choices import LimitUnit, Source, Stage
from cases.models import Case, Kind, ListColumns, Supervision
from cases.models.category import limit_text
from cases.selectors.row_words import Light, contact_words, light_of, place_names
from cases.selectors.telephones import said_to
from cityops.accounts.models import User

Value = str | int | float | datetime | Light | None


@dataclass(frozen=True)
class Told:
    """What a row tells of a case: the light of one moment, and what its reader may read."""

    case: Case
    light: Light | None
    names: dict[str, str]  # of the districts, streets and communities
    reader: User
    said: Callable[[str], str]  # what the reader is told of a text
    stages: dict[str, str]  # in words, looked up once for many rows
    sources: dict[str, str]


@dataclass(frozen=True)
class Cell:
    """One cell of a file: what stands above it, how wide it is in letters, and what it holds."""

    label: str | Promise
    width: int
    of: Callable[[Told], Value]


@dataclass(frozen=True)
class Column:
    """A column of the list; a file has its cells side by side."""

    key: str
    label: str | Promise
    cells: tuple[Cell, ...]
    is_default: bool = False
    is_fixed: bool = False  # a row that does not name its case is none
    joined: tuple[str, ...] = field(default=("case",))  # what is read with the case

    def words(self, told: Told) -> list[str]:
        """Return what the page shows of a column without a shape of its own, a line a cell."""
        return [text for cell in self.cells if (text := _words(cell.of(told)))]


def _words(value: Value) -> str:
    if isinstance(value, datetime):
        return f"{timezone.localtime(value):%Y-%m-%d %H:%M}"
    return "" if value is None else str(value)


def _column(
    key: str,
    label: Promise,
    *cells: tuple[str | Promise, int, Callable[[Told], Value]],
    is_default: bool = False,
    is_fixed: bool = False,
    joined: tuple[str, ...] = (),
) -> Column:
    made = tuple(Cell(*cell) for cell in cells)
    return Column(key, label, made, is_default, is_fixed, joined)


def _degrees(value: float) -> float:
    return round(value, 7)  # a centimetre


def _limit(told: Told) -> str:
    case = told.case
    if case.limit_value is None or case.limit_unit is None:
        return ""
    return limit_text(case.limit_value, LimitUnit(case.limit_unit))


def _supervised(told: Told) -> str:
    kinds = Supervision.Kind
    return _(", ").join(str(kinds(kind).label) for kind in dict.fromkeys(told.case.supervised))


def _kind(told: Told) -> str:
    return capfirst(str(Kind(told.case.minor.kind).label))


def _condition(told: Told) -> str:
    return told.case.condition.text if told.case.condition else ""


# Nothing that comes of what people may write reaches a reader but through `said`.
COLUMNS: tuple[Column, ...] = (
    _column(
        "light",
        gettext_lazy("Time light"),
        (gettext_lazy("Time light"), 8, lambda t: t.light),
        (gettext_lazy("Time left or over"), 14, lambda t: t.light and t.light.remaining),
        (gettext_lazy("Due"), 17, lambda t: t.light and t.light.due_at),
        is_default=True,
    ),
    _column(
        "case",
        gettext_lazy("Case"),
        (gettext_lazy("Case number"), 18, lambda t: t.case.number),
        (gettext_lazy("Minor class"), 22, lambda t: t.case.minor.name),
        is_default=True,
        is_fixed=True,
    ),
    _column(
        "place",
        gettext_lazy("Place"),
        (gettext_lazy("Address"), 34, lambda t: t.said(t.case.address)),
        (gettext_lazy("District or county"), 12, lambda t: t.names.get(t.case.district)),
        (gettext_lazy("Street"), 16, lambda t: t.names.get(t.case.street)),
        (gettext_lazy("Community"), 16, lambda t: t.names.get(t.case.community)),
        (gettext_lazy("Grid cell"), 17, lambda t: t.case.grid_cell),
        is_default=True,
    ),
    _column(
        "stage",
        gettext_lazy("Stage"),
        (gettext_lazy("Stage"), 12, lambda t: t.stages[t.case.stage]),
        is_default=True,
    ),
    _column(
        "unit",
        gettext_lazy("Unit"),
        (gettext_lazy("Unit"), 28, lambda t: t.case.unit.name if t.case.unit else None),
        is_default=True,
        joined=("unit",),
    ),
    _column(
        "reported",
        gettext_lazy("Reported"),
        (gettext_lazy("Reported"), 17, lambda t: t.case.reported_at),
        (gettext_lazy("Source"), 12, lambda t: t.sources[t.case.source]),
        is_default=True,
    ),
    _column(
        "class",
        gettext_lazy("Kind and major class"),
        (gettext_lazy("Kind"), 10, _kind),
        (gettext_lazy("Major class"), 16, lambda t: t.case.minor.major_name),
    ),
    _column(
        "condition",
        gettext_lazy("Filing condition"),
        (gettext_lazy("Filing condition"), 30, _condition),
        joined=("condition",),
    ),
    _column(
        "description",
        gettext_lazy("Description"),
        (gettext_lazy("Description"), 44, lambda t: t.said(t.case.description)),
    ),
    _column("limit", gettext_lazy("Time limit"), (gettext_lazy("Time limit"), 18, _limit)),
    _column(
        "filed", gettext_lazy("Filed at"), (gettext_lazy("Filed at"), 17, lambda t: t.case.filed_at)
    ),
    _column(
        "handled",
        gettext_lazy("Handled at"),
        (gettext_lazy("Handled at"), 17, lambda t: t.case.handled_at),
    ),
    _column(
        "closed",
        gettext_lazy("Closed at"),
        (gettext_lazy("Closed at"), 17, lambda t: t.case.closed_at),
    ),
    _column(
        "returns",
        gettext_lazy("Returns and reworks"),
        (gettext_lazy("Returns"), 8, lambda t: t.case.return_count),
        (gettext_lazy("Reworks"), 8, lambda t: t.case.rework_count),
    ),
    _column(
        "supervised",
        gettext_lazy("Supervised"),
        (gettext_lazy("Supervised"), 14, _supervised),
    ),
    _column(
        "order",
        gettext_lazy("12345 order"),
        (gettext_lazy("12345 order"), 20, lambda t: t.case.order_number),
        (gettext_lazy("Whom to answer"), 22, lambda t: contact_words(t.case, t.reader)),
    ),
    _column(
        "point",
        gettext_lazy("Coordinates"),
        (
            gettext_lazy("Longitude"),
            11,
            lambda t: _degrees(t.case.point.x) if t.case.point else None,
        ),
        (
            gettext_lazy("Latitude"),
            11,
            lambda t: _degrees(t.case.point.y) if t.case.point else None,
        ),
    ),
)
_BY_KEY = {column.key: column for column in COLUMNS}
DEFAULT = tuple(column.key for column in COLUMNS if column.is_default)


def columns_named(keys: Iterable[str]) -> list[Column]:
    """Return the columns of these names, in our order; names nobody knows are left out."""
    wanted = set(keys)
    return [column for column in COLUMNS if column.is_fixed or column.key in wanted]


def columns_of(user: User) -> list[Column]:
    """Return the columns `user` chose, or those everybody starts with."""
    chosen = ListColumns.objects.filter(user=user.pk).first()
    return columns_named(DEFAULT if chosen is None else chosen.keys)


def with_columns(found: QuerySet[Case], columns: Iterable[Column]) -> QuerySet[Case]:
    """Read with the cases what these columns tell of them."""
    return found.select_related("minor", *(name for one in columns for name in one.joined))


def told_of(cases: Sequence[Case], *, reader: User, at: datetime) -> Iterator[Told]:
    """Yield what rows of these cases tell `reader` at a moment, in two statements."""
    names = place_names(cases, at=at)
    stages = {value: str(label) for value, label in Stage.choices}
    sources = {value: str(label) for value, label in Source.choices}
    for case in cases:
        said = said_to(reader, case)
        yield Told(case, light_of(case, at=at), names, reader, said, stages, sources)
