"""One action on the cases chosen in a list: first what would be done, then what became of each."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from cases.choices import Action
from cases.errors import InvalidInput
from cases.models import Case
from cases.selectors.columns import DEFAULT, columns_named
from cases.services import bulk
from cases.views.action_forms import common_form, sent_inputs
from cases.views.case import code_words
from cases.views.case_list import Row, back_of, rows_of
from cityops.accounts.http import UserRequest


@dataclass(frozen=True)
class Lost:
    """A row whose case its sender may not see, or no longer."""

    number: str
    words: str


@login_required
@require_POST
def case_bulk(request: UserRequest) -> HttpResponse:
    """Show what would be done to the rows; with the key of that form do it and tell row by row.

    The same form sent twice changes nothing the second time. Raises InvalidInput for a request no
    page of ours sends.
    """
    action, seen, key = _action(request), _seen(request), _key(request)
    results: list[bulk.Result] = []
    if key and 0 < len(seen) <= bulk.MOST_ROWS:
        results = bulk.take_actions(
            action=action,
            actor=request.user,
            rows=seen,
            inputs=sent_inputs(request, action),
            key=key,
        )
    return _page(request, action, [row.number for row in seen], results)


def _page(
    request: UserRequest, action: Action, numbers: list[str], results: list[bulk.Result]
) -> HttpResponse:
    """Show the rows as they stand now; those that can be tried are chosen."""
    now, user = timezone.now(), request.user
    held = Case.objects.visible_to(user).filter(number__in=numbers[: bulk.MOST_ROWS])
    cases = held.select_related("minor", "unit").order_by("number")
    rows = rows_of(user, cases, at=now, results=results)
    rows.sort(key=lambda row: row.is_done)  # what was refused first
    able = [row for row in rows if action in row.actions and not row.is_done]
    context: dict[str, Any] = {
        "action": action,
        "rows": rows,
        "columns": columns_named(DEFAULT),
        "able": {row.case.number for row in able},
        "lost": _lost(results, rows),
        "done": sum(result.is_done for result in results),
        "refused": sum(not result.is_done for result in results),
        "is_told": bool(results),
        "most": bulk.MOST_ROWS,
        "is_too_many": len(numbers) > bulk.MOST_ROWS,
        "form": common_form(action, [row.case for row in able], user, said=request.POST),
        "back": back_of(request),
        "at": now,
    }
    return render(request, "cases/list/bulk.html", context)


def _lost(results: Iterable[bulk.Result], rows: Iterable[Row]) -> list[Lost]:
    """Return what became of the rows that cannot be shown."""
    shown = {row.case.number for row in rows}
    return [
        Lost(result.number, "" if result.is_done else code_words(result.code))
        for result in results
        if result.number not in shown
    ]


# --- what was sent ------------------------------------------------------------------------------


def _action(request: UserRequest) -> Action:
    name = request.POST.get("action", "")
    if name not in bulk.ACTIONS:
        raise InvalidInput(f"There is no action {name!r} on many cases.")
    return Action(name)


def _seen(request: UserRequest) -> list[bulk.Row]:
    """Return the rows, each sent as its number and the version that was seen."""
    rows = []
    for text in dict.fromkeys(request.POST.getlist("rows")):
        number, _, version = text.partition(":")
        if not (version.isascii() and version.isdigit() and len(version) < 10):
            raise InvalidInput("A row is a number and a version.")
        rows.append(bulk.Row(number, int(version)))
    return rows


def _key(request: UserRequest) -> uuid.UUID | None:
    text = request.POST.get("key", "")
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        raise InvalidInput("The key of the form is no UUID.") from None
