"""The desk: the live map, the queue of a view, the case that is chosen, and their data."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from cases.choices import Role, Stage
from cases.errors import InvalidInput
from cases.models import Case, ComponentState
from cases.selectors import live_map
from cases.selectors.deadline import runs_in_working_time
from cases.selectors.feed import read_heads
from cases.selectors.row_words import LIGHT_WORDS, Light, light_of
from cases.selectors.telephones import said_to
from cases.selectors.worklist import SavedView, awaited, counts, found, held, queue, saved_views
from cases.views.boxes import read_box
from cases.views.case import case_context, case_in_sight
from cases.views.heat_words import heat_choices
from cases.views.words import WAITING_WORDS
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

DESK_ROLES = (
    Role.ACCEPTOR,
    Role.DUTY_CHIEF,
    Role.DISPATCHER,
    Role.OPERATOR,
    Role.SUPERVISOR,
    Role.LEADER,
    Role.ADMIN,
)
MOST_NUMBERS = 200
KEYS = 9  # views that have a key
VIEW_NAMES = {
    "urgent": gettext_lazy("Late or due soon"),
    "accept": gettext_lazy("To accept"),
    "file": gettext_lazy("To file"),
    "dispatch": gettext_lazy("To dispatch"),
    "check": gettext_lazy("To check"),
    "close": gettext_lazy("To close"),
    "decide": gettext_lazy("To decide"),
    "all": gettext_lazy("All open"),
}
# Views without a key of their own: behind a counter, or behind the words on the map.
_MORE_NAMES = {
    "handling": gettext_lazy("Being handled"),
    "soon": gettext_lazy("Due soon"),
    "late": gettext_lazy("Overdue"),
    "placeless": gettext_lazy("Without a place"),
}
_NAMES = VIEW_NAMES | _MORE_NAMES
_COUNTERS = ("accept", "dispatch", "handling", "check", "soon", "late")
_PARTS = ("map", "list")  # what a window of its own may show


@dataclass(frozen=True)
class View:
    """A view as its tab or counter shows it; `key` stands in the address, `digit` on the tab."""

    key: str
    name: str
    count: int
    digit: int | None = None
    shape: str = ""  # of the time light it counts


@dataclass(frozen=True)
class Row:
    """A case as a card of the queue; one the reader holds already is its number alone."""

    case: Case
    light: Light | None = None
    address: str = ""  # as the reader is told it
    photos_late: int = 0
    waits: Sequence[str] = ()
    is_known: bool = False

    @property
    def stage_name(self) -> str:
        """The stage in the reader's words; the model's own way to them is slow for a list."""
        return str(Stage(self.case.stage).label)

    @property
    def clock_words(self) -> str:
        """Which clock the remaining time is of, and when it runs out."""
        if self.light is None or self.light.due_at is None:
            return ""
        due_at = timezone.localtime(self.light.due_at)
        words = {"stage": self.stage_name, "at": f"{due_at:%Y-%m-%d %H:%M}"}
        if runs_in_working_time(self.case):
            return _("Clock of “%(stage)s”, working time only; due %(at)s") % words
        return _("Clock of “%(stage)s”, day and night; due %(at)s") % words


@login_required
@require_safe
def desk(request: UserRequest) -> HttpResponse:
    """Show the whole desk, or with `only` its map or its list in a window of its own.

    It works without scripts, which only keep it live. The heads are read first: what happens
    after them the live connection tells again.
    """
    _require_desk(request)
    only = request.GET.get("only", "")
    context = {
        **_queue_context(request),
        **_chosen(request),
        **_layers(),
        **heat_choices(),
        "only": only if only in _PARTS else "",
    }
    return render(request, "cases/desk/desk.html", context)


@login_required
@require_safe
def desk_queue(request: UserRequest) -> HttpResponse:
    """Return the views with their counts and the queue of the one asked for.

    With `changed=A,B` the page holds the other cards as they are: they are told by number alone.
    """
    _require_desk(request)
    asked = request.GET.get("changed")
    changed = None if asked is None else frozenset(asked.split(",")[:MOST_NUMBERS])
    answer = render(request, "cases/desk/_live.html", _queue_context(request, changed))
    answer["Cache-Control"] = "private, no-store"
    return answer


@require_safe
@login_required
def cases(request: UserRequest) -> HttpResponse:
    """Return the columns of the live map, of a `view` or of the cases `numbers=A,B` names."""
    _require_desk(request)
    user, now, view = request.user, timezone.now(), request.GET.get("view", "all")
    saved = {} if view in _NAMES else saved_views(user, at=now)
    if view not in _NAMES and view not in saved:
        return HttpResponseBadRequest("There is no such view.", content_type="text/plain")
    asked = request.GET.get("numbers")
    numbers = asked.split(",")[:MOST_NUMBERS] if asked is not None else None
    among = held(user, view, at=now, saved=saved)
    text = live_map.live_map(user, numbers=numbers, among=among)
    headers = {"Cache-Control": "private, no-store"}
    return HttpResponse(text, content_type="application/json", headers=headers)


@require_safe
@login_required
def cards(request: UserRequest) -> HttpResponse:
    """Return the cases of `numbers=A,B` in words: what a mark on the map stands for."""
    _require_desk(request)
    now, numbers = timezone.now(), request.GET.get("numbers", "").split(",")[:MOST_NUMBERS]
    found = live_map.cards(request.user, numbers)
    rows = [
        (case, light_of(case, at=now), said_to(request.user, case)(case.address)) for case in found
    ]
    context = {"rows": rows}
    answer = render(request, "cases/desk/_cards.html", context)
    answer["Cache-Control"] = "private, no-store"
    return answer


@require_safe
@login_required
def components(request: UserRequest) -> HttpResponse:
    """Return the columns of the registered components in `box`, the middle first."""
    _require_desk(request)
    try:
        box = read_box(request.GET.get("box", ""))
    except InvalidInput as refusal:
        return HttpResponseBadRequest(refusal.fields["box"], content_type="text/plain")
    text = live_map.components_in(request.user, box)
    headers = {"Cache-Control": "private, max-age=60"}
    return HttpResponse(text, content_type="application/json", headers=headers)


def _require_desk(request: UserRequest) -> None:
    if not request.user.holds(*DESK_ROLES):
        raise Http404


def _queue_context(request: UserRequest, changed: Collection[str] | None = None) -> dict[str, Any]:
    """Return the views, and the rows of the one asked for: the urgent ones, else all open.

    Words that are searched for replace the view. The heads are read before the rows, which so
    hold all that happened up to them.
    """
    now, user, heads = timezone.now(), request.user, read_heads()
    saved = saved_views(user, at=now)
    counted = counts(user, at=now, saved=saved)
    names = _NAMES | {key: view.name for key, view in saved.items()}
    view, words = request.GET.get("view", ""), request.GET.get("q", "").strip()
    if view not in names:
        view = "urgent" if counted["urgent"] else "all"
    rows, held_count, wrong = _rows(user, view, words, saved, changed, at=now)
    return {
        "heads": heads,
        "view": view,
        "view_name": names[view],
        "q": words,
        "wrong": wrong,
        "views": [
            View(key, str(names[key]), counted[key], place if place <= KEYS else None)
            for place, key in enumerate([*VIEW_NAMES, *saved], start=1)
        ],
        "counters": [
            View(
                key,
                str(names[key]),
                counted[key],
                shape=LIGHT_WORDS[key][0] if key in LIGHT_WORDS else "",
            )
            for key in _COUNTERS
        ],
        "late": counted["late"],
        "all_open": counted["all"],
        "rows": rows,
        "held": counted[view] if held_count is None else held_count,
        "unshown": (counted[view] if held_count is None else held_count) - len(rows),
        "chosen": request.GET.get("case", ""),
    }


def _rows(
    user: User,
    view: str,
    words: str,
    saved: dict[str, SavedView],
    changed: Collection[str] | None,
    *,
    at: datetime,
) -> tuple[list[Row], int | None, str]:
    """Return the rows of what was searched for, else of the view, and how many the words found."""
    mine = awaited(user)

    def row(case: Case) -> Row:
        if changed is not None and case.number not in changed:
            return Row(case, is_known=True)
        waits = [str(WAITING_WORDS[kind]) for kind in mine if kind in case.waiting_for]
        light, photos_late = light_of(case, at=at), case.photos_late(at=at)
        return Row(case, light, said_to(user, case)(case.address), photos_late, waits)

    hits, count = held(user, view, at=at, saved=saved), None
    if words:
        try:
            hits = found(user, words, at=at)
        except InvalidInput as refusal:
            return [], 0, refusal.fields.get("q", refusal.message)
        count = hits.count()
    return [row(case) for case in queue(hits, at=at, changed=changed)], count, ""


def _layers() -> dict[str, Any]:
    """Return what the layers of the map need: the key of the base map, the words of components."""
    return {"tianditu": settings.TIANDITU_KEY, "component_states": ComponentState.choices}


def _chosen(request: UserRequest) -> dict[str, Any]:
    """Return the context of the panel: of the case in the address, if it may be seen."""
    number = request.GET.get("case", "")
    case = case_in_sight(request.user, number) if number else None
    return {**case_context(request, case), "next": request.get_full_path()} if case else {}
