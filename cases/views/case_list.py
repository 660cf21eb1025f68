"""The list of cases: a filter bar, saved searches, and rows that can be acted on together.

Every state of it stands in the address, so that Back, a link and a saved search restore it.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from cases import policy
from cases.choices import CITY, Action, Source, Stage
from cases.errors import InvalidInput
from cases.models import Case, District, Kind, MinorClass, SavedSearch, Unit
from cases.selectors.case_search import (
    LIGHTS,
    MOST_COUNTED,
    SORTS,
    STAGES,
    Filters,
    count,
    page,
    read_filters,
    search,
)
from cases.selectors.columns import (
    COLUMNS,
    DEFAULT,
    Column,
    columns_named,
    columns_of,
    told_of,
    with_columns,
)
from cases.selectors.row_words import LIGHT_WORDS, Light, words_of_place
from cases.services import bulk
from cases.services.exports import MOST_AT_ONCE
from cases.views.case import code_words
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

SIZES = (50, 100, 200)

_STAGE_WORDS = {"open": gettext_lazy("all open"), "ended": gettext_lazy("all ended")}
_PERIOD_WORDS = {
    "reported": gettext_lazy("reported on"),
    "filed": gettext_lazy("filed on"),
    "closed": gettext_lazy("closed on"),
}
_SORT_WORDS = {
    "newest": gettext_lazy("reported last"),
    "oldest": gettext_lazy("reported first"),
    "due": gettext_lazy("due first"),
    "closed": gettext_lazy("closed last"),
}
_LABELS = {
    "q": gettext_lazy("Search"),
    "stage": gettext_lazy("Stage"),
    "light": gettext_lazy("Time light"),
    "district": gettext_lazy("District or county"),
    "unit": gettext_lazy("Unit"),
    "category": gettext_lazy("Class"),
    "source": gettext_lazy("Source"),
    "place": gettext_lazy("Place"),
    "grid": gettext_lazy("Grid cell"),
    "period": gettext_lazy("Dates"),
    "from": gettext_lazy("From"),
    "to": gettext_lazy("To"),
    "sort": gettext_lazy("Order"),
}

Options = list[tuple[str, list[tuple[str, str]]]]  # groups, each (its name, (value, words) …)


@dataclass(frozen=True)
class Select:
    """A filter chosen from a list."""

    name: str
    label: str
    value: str
    options: Options
    first: str  # what it says when nothing is chosen; empty where something always is

    @property
    def words(self) -> str:
        """What is chosen, in words."""
        return next((w for _, rows in self.options for v, w in rows if v == self.value), self.value)


@dataclass(frozen=True)
class Chip:
    """A filter that is set, and the address without it."""

    label: str
    words: str
    without: str


@dataclass(frozen=True)
class Row:
    """A case as a list shows it, with what may be done to it together with others."""

    case: Case
    address: str
    place: str
    light: Light | None
    cells: list[tuple[Column, list[str]]]  # in the order of the columns
    actions: list[Action]
    result: bulk.Result | None = None

    @property
    def is_done(self) -> bool:
        """Whether the action was taken on it."""
        return self.result is not None and self.result.is_done

    @property
    def words(self) -> str:
        """Why the action was refused, in the reader's language; empty where it was not."""
        return "" if self.result is None or self.is_done else code_words(self.result.code)


@dataclass(frozen=True)
class Asked:
    """What the address asks for, and what is wrong with it."""

    filters: Filters
    size: int
    cursor: str = ""
    wrong: dict[str, str] = field(default_factory=dict)

    def address(self, **changed: str) -> str:
        """Return the address of the list with some names changed, an empty one left out."""
        size = {} if self.size == SIZES[0] else {"show": str(self.size)}
        names = {**self.filters.asked, **size, **changed}
        return "?" + urlencode({k: v for k, v in names.items() if v})


@login_required
@require_safe
def case_list(request: UserRequest) -> HttpResponse:
    """Show a page of the cases the reader may see that answer to the filters."""
    now, asked = timezone.now(), _asked(request)
    columns = columns_of(request.user)
    rows, after, counted = _page(request.user, asked, columns, at=now)
    selects = _selects(asked.filters)
    context = {
        "asked": asked,
        "address": asked.address(),
        "selects": selects,
        "periods": Select("period", "", asked.filters.get("period") or "reported", _periods(), ""),
        "chips": _chips(asked, selects),
        "rows": rows,
        "columns": columns,
        "all_columns": COLUMNS,
        "actions": offered(rows),
        "may_choose": bool(rows),
        "export_key": uuid.uuid4(),
        "most_at_once": MOST_AT_ONCE,
        "count": min(counted, MOST_COUNTED),
        "is_over": counted > MOST_COUNTED,
        "next": asked.address(cursor=after) if after else "",
        "sizes": SIZES,
        "at": now,
        "searches": _searches(request.user, asked.filters),
        "most": bulk.MOST_ROWS,
    }
    return render(request, "cases/list/list.html", context, status=422 if asked.wrong else 200)


def _asked(request: UserRequest) -> Asked:
    """Return what the address asks for; where that is wrong, what is wrong and no filter."""
    shown = request.GET.get("show", "")
    size = int(shown) if shown in map(str, SIZES) else SIZES[0]
    try:
        filters = read_filters(request.GET)
    except InvalidInput as refusal:
        asked = {name: request.GET.get(name, "") for name in _LABELS if name in request.GET}
        return Asked(Filters(asked), size, wrong=refusal.fields)
    return Asked(filters, size, request.GET.get("cursor", ""))


def _page(
    user: User, asked: Asked, columns: Sequence[Column], *, at: datetime
) -> tuple[list[Row], str, int]:
    """Return the rows, the cursor of the next page and the number found; nothing where wrong."""
    if asked.wrong:
        return [], "", 0
    found = search(user, asked.filters, at=at)
    try:
        cases, after = page(
            with_columns(found, columns),
            asked.filters,
            cursor=asked.cursor,
            size=asked.size,
        )
    except InvalidInput as refusal:
        asked.wrong.update(refusal.fields)
        return [], "", 0
    return rows_of(user, cases, columns, at=at), after, count(found)


def rows_of(
    user: User,
    cases: Iterable[Case],
    columns: Sequence[Column] = tuple(columns_named(DEFAULT)),
    *,
    at: datetime,
    results: Iterable[bulk.Result] = (),
) -> list[Row]:
    """Return cases as rows of a list, with what became of them."""
    known = {result.number: result for result in results}
    return [
        Row(
            told.case,
            told.said(told.case.address),
            words_of_place(told.case, told.names),
            told.light,
            [(column, column.words(told)) for column in columns],
            [one for one in policy.actions_for(user, told.case, at=at) if one in bulk.ACTIONS],
            known.get(told.case.number),
        )
        for told in told_of(list(cases), reader=user, at=at)
    ]


def offered(rows: Iterable[Row]) -> list[Action]:
    """Return the actions that may be taken on some of the rows, in the order of a case's life."""
    held = {action for row in rows for action in row.actions}
    return [action for action in bulk.ACTIONS if action in held]


def back_of(request: UserRequest) -> str:
    """Return the list the rows were chosen in, with all its state."""
    wanted = request.POST.get("back", "")
    if wanted and url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return wanted
    return reverse("case_list")


# --- the filter bar -----------------------------------------------------------------------------


def _selects(filters: Filters) -> list[Select]:
    """Return the filters chosen from lists, in the words of the reader."""
    districts = [(one.slug, one.short_name) for one in District.objects.all()]
    lights = [(name, str(LIGHT_WORDS[name][1])) for name in LIGHTS]
    options: dict[str, tuple[Options, str]] = {
        "stage": (_plain((one, _stage_words(one)) for one in STAGES), _("any stage")),
        "light": (_plain(lights), _("any light")),
        "district": (_plain(districts), _("all districts")),
        "unit": (unit_options(dict(districts)), _("any unit")),
        "category": (class_options(), _("any class")),
        "source": (_plain((v, str(w)) for v, w in Source.choices), _("any source")),
        "place": (_plain([("none", _("without a place"))]), _("any place")),
        "sort": (_plain((one, str(_SORT_WORDS[one])) for one in SORTS), ""),
    }
    return [
        Select(name, str(_LABELS[name]), filters.get(name), rows, first)
        for name, (rows, first) in options.items()
    ]


def _plain(rows: Iterable[tuple[str, str]]) -> Options:
    return [("", list(rows))]


def _stage_words(stage: str) -> str:
    return str(_STAGE_WORDS.get(stage) or Stage(stage).label)


def _periods() -> Options:
    return _plain((name, str(words)) for name, words in _PERIOD_WORDS.items())


def unit_options(districts: dict[str, str]) -> Options:
    """Return the units by district, the city-wide ones last."""
    names = {**districts, CITY: _("whole city")}
    rows = sorted(Unit.objects.filter(is_active=True), key=lambda one: (one.body, one.name))
    held = {body: [(u.code, u.name) for u in units] for body, units in groupby(rows, _body)}
    return [(names[body], held[body]) for body in names if body in held]


def _body(unit: Unit) -> str:
    return unit.body


def class_options() -> Options:
    """Return kinds, major classes and minor classes, each as a value of the one filter."""
    kinds = [(kind.value, _("all: %(what)s") % {"what": kind.label}) for kind in Kind]
    groups: Options = [("", kinds)]
    for (kind_, major), minors in groupby(
        MinorClass.objects.filter(is_active=True), lambda one: (one.kind, one.major_code)
    ):
        rows = list(minors)
        name = rows[0].major_name
        groups.append(
            (
                f"{capfirst(Kind(kind_).label)} · {name}",
                [
                    (f"{kind_}-{major}", _("all: %(what)s") % {"what": name}),
                    *((one.code, one.name) for one in rows),
                ],
            )
        )
    return groups


def _chips(asked: Asked, selects: list[Select]) -> list[Chip]:
    """Return the filters that are set, each with the address without it."""
    words = {one.name: one.words for one in selects}
    words["period"] = str(_PERIOD_WORDS.get(asked.filters.get("period"), ""))
    return [
        Chip(str(_LABELS[name]), words.get(name) or value, asked.address(**{name: ""}))
        for name, value in asked.filters.asked.items()
        if name != "sort"
    ]


def filter_words(filters: Filters) -> list[tuple[str, str]]:
    """Return the filters that are set and the order, each as its label and words."""
    selects = _selects(filters)
    chips = [(chip.label, chip.words) for chip in _chips(Asked(filters, SIZES[0]), selects)]
    order = next(one for one in selects if one.name == "sort")
    return [*chips, (order.label, order.words or order.options[0][1][0][1])]


def _searches(user: User, filters: Filters) -> dict[str, Any]:
    """Return the saved searches offered to `user`, and their own one that is being shown."""
    held = SavedSearch.objects.offered_to(user).select_related("user").order_by("name", "pk")
    rows = list(held)
    shown = [one for one in rows if one.query == filters.query]
    return {
        "rows": rows,
        "query": filters.query,
        "own": next((one for one in shown if one.user_id == user.pk), None),
    }
