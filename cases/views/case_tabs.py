"""The tabs of the case page: which there are for a reader, and what each shows beyond the facts."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import Http404
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from cases import policy
from cases.choices import Role
from cases.models import Attachment, Case, Disclosure, Event
from cases.selectors.row_words import light_of
from cases.selectors.same_place import RADIUS_M, same_place
from cases.services.ledger_check import faults_of
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

OVERVIEW, PHOTOS, TIMELINE, PLACE, LOG = "overview", "photos", "timeline", "place", "log"
NAMES: dict[str, Promise] = {
    OVERVIEW: gettext_lazy("Overview"),
    PHOTOS: gettext_lazy("Before and after"),
    TIMELINE: gettext_lazy("Timeline"),
    PLACE: gettext_lazy("Same place"),
    LOG: gettext_lazy("Log (audit)"),
}
_HASH_SHOWN = 12  # hexadecimal digits that tell two events apart at a glance
_ON_PAPER = 11  # lines of the timeline that fit beside four photos on one sheet


def tab_of(request: UserRequest, case: Case) -> str:
    """Return the tab asked for; 404 for the log where it is not the reader's."""
    asked = request.GET.get("tab", OVERVIEW)
    if asked == LOG and not policy.may_read_log(request.user, case):
        raise Http404
    return asked if asked in NAMES else OVERVIEW


def tab_context(request: UserRequest, case: Case, context: dict[str, Any]) -> dict[str, Any]:
    """Return the tabs, and what the one asked for shows."""
    user, tab = request.user, tab_of(request, case)
    names = {key: name for key, name in NAMES.items() if key != LOG}
    if policy.may_read_log(user, case):
        names[LOG] = NAMES[LOG]
    shown: dict[str, Callable[[], dict[str, Any]]] = {
        PHOTOS: lambda: {"compare": comparison(request, context["photos"])},
        PLACE: lambda: {"place_rows": _place_rows(case, user, context), "radius": RADIUS_M},
        LOG: lambda: _log(request, case, context["events"]),
    }
    asked = request.GET.get("next", "")
    return {
        "tab": tab,
        "tabs": [
            (key, name, _query(tab="" if key == OVERVIEW else key, next=asked))
            for key, name in names.items()
        ],
        "left_out": max(0, len(context["lines"]) - _ON_PAPER),
        "photos_left_out": _photos_left_out(context["photos"]),
        **(shown[tab]() if tab in shown else {}),
    }


def _query(**asked: object) -> str:
    """Return the query of a tab, of what is not empty; `next` is where the reader goes on to."""
    query = urlencode({name: value for name, value in asked.items() if value})
    return f"?{query}" if query else ""


def _photos_left_out(photos: dict[str, list[Attachment]]) -> int:
    """Count the photos a sheet of paper does not show: it has two before and two after."""
    beyond = sum(max(0, len(photos[side]) - 2) for side in ("before", "after"))
    return beyond + len(photos["others"])


# --- before and after ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Side:
    """One side of a comparison: the photo that is looked at, and those it may be changed for."""

    key: str  # before, after
    photo: Attachment | None
    choices: list[tuple[Attachment, str]]  # with the query that chooses it


@dataclass(frozen=True)
class Comparison:
    """The two sides, and how many photos of them cannot be shown."""

    sides: tuple[Side, Side]
    unshown: int


def comparison(request: UserRequest, photos: dict[str, list[Attachment]]) -> Comparison:
    """Return the photos to compare: those named in the address, else the first of each side."""
    chosen = {key: _chosen(request.GET.get(key, ""), photos[key]) for key in ("before", "after")}
    goes_on = request.GET.get("next", "")

    def query_with(key: str, photo: Attachment) -> str:
        pair = {side: one.pk for side, one in {**chosen, key: photo}.items() if one is not None}
        return _query(tab=PHOTOS, **pair, next=goes_on)

    sides = tuple(
        Side(key, chosen[key], [(photo, query_with(key, photo)) for photo in photos[key]])
        for key in ("before", "after")
    )
    unshown = sum(not photo.stored_sha256 for key in chosen for photo in photos[key])
    return Comparison((sides[0], sides[1]), unshown)


def _chosen(asked: str, photos: Sequence[Attachment]) -> Attachment | None:
    named = next((photo for photo in photos if str(photo.pk) == asked), None)
    shown = next((photo for photo in photos if photo.stored_sha256), None)
    return named or shown or next(iter(photos), None)


# --- same place ---------------------------------------------------------------------------------


def _place_rows(case: Case, user: User, context: dict[str, Any]) -> dict[str, Any]:
    found = same_place(case, user, recurring=context["recurrence"].keys)
    lit = [(row, light_of(row.case, at=context["now"])) for row in found.rows]
    open_rows = [pair for pair in lit if pair[0].is_open]
    return {
        "open": open_rows,
        "ended": [pair for pair in lit if not pair[0].is_open],
        "is_cut": found.is_cut,
        "has_place": case.point is not None or case.component_id is not None,
    }


# --- log ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """An event as the ledger holds it; `fault` says what does not add up, once it was verified."""

    event: Event
    role: str
    hash: str
    prev: str
    header: str
    is_erased: bool
    fault: str


def _log(request: UserRequest, case: Case, events: list[Event]) -> dict[str, Any]:
    is_verified, roles = "verify" in request.GET, dict(Role.choices)
    faults = faults_of(case) if is_verified else {}
    shown = Disclosure.objects.filter(case=case).select_related("by").order_by("-at", "-pk")
    return {
        "entries": [
            Entry(
                event,
                str(roles.get(event.actor_role, event.actor_role)),
                bytes(event.hash).hex()[:_HASH_SHOWN],
                bytes(event.prev_hash).hex()[:_HASH_SHOWN],
                json.dumps(json.loads(event.header), indent=2, ensure_ascii=False),
                event.private is None,
                faults.get((event.scope, event.dseq), ""),
            )
            for event in events
        ],
        "is_verified": is_verified,
        "verify_query": _query(tab=LOG, verify=1, next=request.GET.get("next", "")),
        "faults": len(faults),
        "disclosures": shown[:50],
    }
