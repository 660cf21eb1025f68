"""The desk: the live map, the queue of a view, the case that is chosen, and their data."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from cases.choices import Role
from cases.errors import InvalidInput
from cases.models import ComponentState
from cases.selectors import live_map
from cases.selectors.feed import read_heads
from cases.selectors.worklist import awaited, counts, queue
from cases.views.boxes import read_box
from cases.views.case import case_context, case_in_sight
from cases.views.words import WAITING_WORDS, light_of
from cityops.accounts.http import UserRequest

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


@login_required
@require_safe
def desk(request: UserRequest) -> HttpResponse:
    """Show the whole desk; it works without scripts, which only keep it live.

    The heads are read first: what happens after them the live connection tells again.
    """
    _require_desk(request)
    heads = read_heads()
    context = {"heads": heads, **_queue_context(request), **_chosen(request), **_layers()}
    return render(request, "cases/desk/desk.html", context)


@login_required
@require_safe
def desk_queue(request: UserRequest) -> HttpResponse:
    """Return the views with their counts and the queue of the one asked for."""
    _require_desk(request)
    answer = render(request, "cases/desk/_live.html", _queue_context(request))
    answer["Cache-Control"] = "private, no-store"
    return answer


@require_safe
@login_required
def cases(request: UserRequest) -> HttpResponse:
    """Return the columns of the live map; `numbers=A,B` asks only for those cases."""
    _require_desk(request)
    asked = request.GET.get("numbers")
    numbers = asked.split(",")[:MOST_NUMBERS] if asked is not None else None
    text = live_map.live_map(request.user, numbers=numbers)
    headers = {"Cache-Control": "private, no-store"}
    return HttpResponse(text, content_type="application/json", headers=headers)


@require_safe
@login_required
def cards(request: UserRequest) -> HttpResponse:
    """Return the open cases of `numbers=A,B` in words: what a mark on the map stands for."""
    _require_desk(request)
    now, numbers = timezone.now(), request.GET.get("numbers", "").split(",")[:MOST_NUMBERS]
    found = live_map.cards(request.user, numbers)
    context = {"rows": [(case, light_of(case, at=now)) for case in found]}
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


def _queue_context(request: UserRequest) -> dict[str, Any]:
    """Return the views, and the rows of the one asked for: the urgent ones, else all open."""
    now = timezone.now()
    held = counts(request.user, at=now)
    view = request.GET.get("view", "")
    if view not in VIEW_NAMES:
        view = "urgent" if held["urgent"] else "all"
    mine = awaited(request.user)
    rows = [
        (
            case,
            light_of(case, at=now),
            case.photos_late(at=now),
            [WAITING_WORDS[kind] for kind in mine if kind in case.waiting_for],
        )
        for case in queue(request.user, view, at=now)
    ]
    return {
        "view": view,
        "views": [(key, name, held[key]) for key, name in VIEW_NAMES.items()],
        "rows": rows,
        "unshown": held[view] - len(rows),
        "chosen": request.GET.get("case", ""),
    }


def _layers() -> dict[str, Any]:
    """Return what the layers of the map need: the key of the base map, the words of components."""
    return {"tianditu": settings.TIANDITU_KEY, "component_states": ComponentState.choices}


def _chosen(request: UserRequest) -> dict[str, Any]:
    """Return the context of the panel: of the case in the address, if it may be seen."""
    number = request.GET.get("case", "")
    case = case_in_sight(request.user, number) if number else None
    return {**case_context(request, case), "next": request.get_full_path()} if case else {}
