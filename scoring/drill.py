"""The cases behind one number: as many rows as the number says, or ten of them drawn."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from cases.models import Attachment, Case
from cityops.accounts.models import User
from scoring.classes import CaseClass, class_named
from scoring.frame import compared_bodies, frame, period_of, require_list, require_reader, run_of
from scoring.models import Run
from scoring.services import NotBegun, lists_of_run
from scoring.sheet import ALL, body_names
from scoring.words import LIST_NAMES, names_in

ROWS_A_PAGE = 50
DRAWN = 10
_AFTER = {Attachment.Kind.AFTER, Attachment.Kind.CHECK}
_BEFORE = {Attachment.Kind.NEAR, Attachment.Kind.FAR}


@require_GET
@login_required
def members(request: HttpRequest, period: str, body: str, count: str) -> HttpResponse:
    """List the cases behind one number."""
    user = require_reader(request)
    wanted = period_of(period)
    try:
        run = run_of(request, wanted)
    except NotBegun as error:
        raise Http404(str(error)) from error
    items, names = names_in(run.scheme.data), body_names(run)
    require_list(run, body, count, names, items)
    among = _class(request.GET.get("class", ""))
    numbers = numbers_of(run, body, count, among.code if among else "")
    listed = _visible(numbers, user) if among else numbers
    is_drawn = "draw" in request.GET
    shown = drawn(listed, run, body, count) if is_drawn else listed
    page = Paginator(_numbered(shown), ROWS_A_PAGE).get_page(request.GET.get("page"))
    said = {
        "total": len(numbers),
        "cases": len(set(numbers)),
        "others": len(numbers) - len(listed),
        "body": body,
        "body_name": names[body],
        "count": count,
        "count_name": (LIST_NAMES | items)[count],
        "among": among,
        "is_event_count": len(set(numbers)) != len(numbers),
        "is_drawn": is_drawn,
        "drawn_from": len(set(listed)),
        "may_draw": len(set(listed)) > DRAWN,
        "page": page,
        "query": _query(run, among),
        "rows": rows_of(list(page), user),
    }
    return render(request, "scoring/members.html", frame(wanted, run, user) | said)


def numbers_of(run: Run, body: str, count: str, code: str = "") -> list[str]:
    """Return the cases of a list as often as they count, in order; those of a class alone."""
    bodies: Sequence[str] = compared_bodies(run) if body == ALL else (body,)
    lists = lists_of_run(run).filter(body__in=bodies, count=count)
    numbers = sorted(number for one in lists for number in one.numbers)
    if not code:
        return numbers
    kept = Case.objects.filter(number__in=set(numbers), minor__code__startswith=code)
    among = set(kept.values_list("number", flat=True))
    return [number for number in numbers if number in among]


def _visible(numbers: Sequence[str], user: User) -> list[str]:
    """Return those a reader may see: a list of one class tells the class of each of its cases."""
    seen = Case.objects.filter(number__in=set(numbers)).visible_to(user)
    may_see = set(seen.values_list("number", flat=True))
    return [number for number in numbers if number in may_see]


def drawn(numbers: Iterable[str], run: Run, body: str, count: str) -> list[str]:
    """Return ten of the cases, the same ten for the same link: nobody picks them."""
    seed = f"{run.seal}|{body}|{count}|"
    order = sorted(set(numbers), key=lambda n: hashlib.sha256((seed + n).encode()).digest())
    return sorted(order[:DRAWN])


def _class(code: str) -> CaseClass | None:
    if not code:
        return None
    found = class_named(code)
    if found is None:
        raise Http404
    return found


def _query(run: Run, among: CaseClass | None) -> str:
    return f"?run={run.pk}" + (f"&class={among.code}" if among else "")


def _numbered(numbers: list[str]) -> list[tuple[str, int, int]]:
    """Return (number, which time, of how many) for each row of a list in order."""
    times, seen, rows = Counter(numbers), Counter[str](), []
    for number in numbers:
        seen[number] += 1
        rows.append((number, seen[number], times[number]))
    return rows


def rows_of(numbered: list[tuple[str, int, int]], user: User) -> list[dict[str, Any]]:
    """Return the rows of a list; of a case the reader may not see, the header alone."""
    numbers = {number for number, _, _ in numbered}
    among = Case.objects.filter(number__in=numbers).select_related("minor", "unit")
    cases = {case.number: case for case in among}
    may_see = set(among.visible_to(user).values_list("number", flat=True))
    photos = _photos(may_see)
    return [
        {
            "number": number,
            "time": time,
            "times": times,
            "case": cases.get(number),
            "is_visible": number in may_see,
            "before": photos.get((number, "before")),
            "after": photos.get((number, "after")),
        }
        for number, time, times in numbered
    ]


def _photos(numbers: set[str]) -> dict[tuple[str, str], int]:
    """Return the first photo of each case as it was found, and the last of it as it was left."""
    found: dict[tuple[str, str], int] = {}
    photos = Attachment.objects.filter(case__number__in=numbers).exclude(stored_sha256="")
    for number, kind, pk in photos.order_by("pk").values_list("case__number", "kind", "pk"):
        if kind in _BEFORE:
            found.setdefault((number, "before"), pk)
        elif kind in _AFTER:
            found[number, "after"] = pk
    return found
