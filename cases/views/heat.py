"""Heat and trend: where and when cases came, were filed, closed and late, from the counts."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import NamedTuple
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from cases.errors import InvalidInput
from cases.models import District
from cases.models.area import in_language
from cases.selectors import heat as counted
from cases.selectors.heat import Asked
from cases.selectors.rollup import COLUMNS
from cases.selectors.spans import BUCKETS, DEFAULT, Span, parse_span
from cases.views.desk import DESK_ROLES
from cases.views.heat_words import BUCKET_WORDS, COUNT_WORDS, SPAN_WORDS, class_choices
from cityops.accounts.http import UserRequest

CELL_ZOOM = 14  # from this zoom on cells are told apart


@require_safe
@login_required
def heat(request: UserRequest) -> HttpResponse:
    """Return the cases counted at each place, in columns: communities, or cells from CELL_ZOOM on.

    `bbox` keeps the places whose middle lies in it. The steps stay those of the whole city or
    built-up area, so that colours do not change as the map moves.
    """
    require_desk(request)
    asked, count = _asked(request.GET), request.GET.get("count", "filed")
    if count not in COLUMNS:
        raise InvalidInput(_("There is no such count."), fields={"count": ", ".join(COLUMNS)})
    level = "cell" if _number(request.GET, "zoom", 0) >= CELL_ZOOM else "community"
    box = _box(request.GET)
    stand = counted.standing(request.user)
    key = counted.heat_key(request.user, asked, count=count, level=level, stand=stand)
    etag = f'"{key}{box or ""}"'
    if unchanged := get_conditional_response(request, etag=etag):
        return _private(unchanged, etag)
    found = counted.heat(request.user, asked, count=count, level=level, stand=stand)
    text = json.dumps(counted.within(found, box) if box else found, ensure_ascii=False)
    return _private(HttpResponse(text, content_type="application/json"), etag)


def require_desk(request: UserRequest) -> None:
    """Raise Http404 unless the reader holds a post of the desk."""
    if not request.user.holds(*DESK_ROLES):
        raise Http404


def _private(answer: HttpResponse, etag: str) -> HttpResponse:
    answer["ETag"] = etag
    answer["Cache-Control"] = "private, no-cache"
    return answer


@require_safe
@login_required
@cache_control(private=True, max_age=86_400)
def heat_areas(request: UserRequest) -> HttpResponse:
    """Return the outlines heat colours: every community, or the cells of tile `x`, `y`.

    Kept by the browser: `v` in the address is the version of the areas, as heat tells it.
    """
    require_desk(request)
    if "x" in request.GET:
        most = 2**counted.TILE_ZOOM - 1
        x, y = (_number(request.GET, name, -1) for name in ("x", "y"))
        if not (0 <= x <= most and 0 <= y <= most):
            raise InvalidInput(_("There is no such tile."), fields={"x": f"0 … {most}"})
        text = counted.cells(int(x), int(y))
    else:
        text = counted.communities()
    return HttpResponse(text, content_type="application/geo+json")


def _asked(query: QueryDict) -> Asked:
    span = parse_span(query.get("period") or DEFAULT, today=timezone.localdate())
    words = {name: query.get(name, "") for name in ("category", "place", "district")}
    return Asked(span, **words)


def _number(query: QueryDict, name: str, default: float) -> float:
    try:
        number = float(query.get(name, default))
    except ValueError:
        number = float("nan")
    if not -1e6 < number < 1e6:  # neither endless nor no number at all
        raise InvalidInput(_("That is no number."), fields={name: _("give a number")})
    return number


def _box(query: QueryDict) -> tuple[float, float, float, float] | None:
    if not (text := query.get("bbox", "")):
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        west = south = east = north = float("nan")
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise InvalidInput(
            _("That is no window."), fields={"bbox": _("give west,south,east,north in degrees")}
        )
    return west, south, east, north


# --- trend --------------------------------------------------------------------------------------


@require_safe
@login_required
def trend(request: UserRequest) -> HttpResponse:
    """Show the counts of a place, district or class over time, and those of the span before."""
    require_desk(request)
    asked = _asked(request.GET)
    by = request.GET.get("by", "") or _fitting(asked.span)
    if by not in BUCKETS:
        raise InvalidInput(_("There is no such step."), fields={"by": ", ".join(BUCKETS)})
    rows = counted.trend(request.user, asked, by=by)
    now = counted.totals(request.user, asked)
    before_span = asked.span.before
    before = counted.totals(request.user, replace(asked, span=before_span))
    context = {
        "asked": asked,
        "by": by,
        "where": in_language(*counted.place_name(asked.place)) if asked.place else "",
        "rows": [
            (start, _label(start, by), [row[name] for name in COLUMNS])
            for start, row in rows.items()
        ],
        "counts": COUNT_WORDS.values(),
        "totals": [
            (word, now[name], before[name], _change(now[name], before[name]))
            for name, word in COUNT_WORDS.items()
        ],
        "before": before_span,
        "chart": chart(rows, by),
        "spans": SPAN_WORDS,
        "buckets": BUCKET_WORDS,
        "districts": _districts(request),
        "classes": class_choices(),
        "links": _links(request, asked),
    }
    return render(request, "cases/desk/trend.html", context)


def _fitting(span: Span) -> str:
    days = (span.after - span.first).days
    return "day" if days <= 45 else "week" if days <= 200 else "month"


def _label(start: date, by: str) -> str:
    if by == "month":
        return f"{start:%Y-%m}"
    return f"{start:%m-%d}"


def _change(now: int, before: int) -> str:
    """Return the change in words that need no colour; nothing where there is nothing to compare."""
    if before == 0:
        return ""
    share = round((now - before) * 100 / before)
    return f"▲ {share} %" if share > 0 else f"▼ {-share} %" if share < 0 else "＝"


def _districts(request: UserRequest) -> list[District]:
    mine = counted.readable(request.user)
    rows = District.objects.all()
    return list(rows if mine is None else rows.filter(slug__in=mine))


def _links(request: UserRequest, asked: Asked) -> list[tuple[str, str]]:
    """Return (name, query) of the areas around the place, outermost first."""
    found = []
    for length in (9, 12, 15):
        if len(asked.place) > length or (len(asked.place) == length and length < 15):
            query = request.GET.copy()
            query["place"] = asked.place[:length]
            name = in_language(*counted.place_name(asked.place[:length]))
            found.append((name, urlencode(query.dict())))
    return found[:-1] if found and len(asked.place) in (9, 12) else found


# --- the chart ----------------------------------------------------------------------------------

WIDE, HIGH, LEFT, BELOW = 960, 260, 44, 26


class Bar(NamedTuple):
    """A bar of the chart with the words a pointer or a reader is told."""

    x: float
    y: float
    width: float
    height: float
    words: str


class Chart(NamedTuple):
    """What the SVG draws: filed as bars, closed as a line, first overdue as squares."""

    bars: list[Bar]
    closed: str
    overdue: list[Bar]
    marks: list[tuple[float, str]]
    lines: list[tuple[float, int]]


def chart(rows: dict[date, dict[str, int]], by: str) -> Chart:
    """Place the counts of each bucket in a box of WIDE × HIGH."""
    most = _rounded_up(max((max(row[n] for n in COLUMNS[1:]) for row in rows.values()), default=0))
    step = (WIDE - LEFT) / max(1, len(rows))
    scale = (HIGH - BELOW - 10) / most
    base = HIGH - BELOW

    def at(n: int) -> float:
        return round(base - n * scale, 1)

    bars, late, points, marks = [], [], [], []
    every = -(-len(rows) // 12)
    for place, (start, row) in enumerate(rows.items()):
        x = LEFT + place * step
        middle = round(x + step / 2, 1)
        words = f"{_label(start, by)}: " + _list(
            f"{COUNT_WORDS[name]} {row[name]}" for name in COLUMNS[1:]
        )
        width = round(max(1.0, step * 0.7), 1)
        bars.append(
            Bar(
                round(middle - width / 2, 1),
                at(row["filed"]),
                width,
                round(row["filed"] * scale, 1),
                words,
            )
        )
        if row["overdue"]:
            late.append(Bar(round(middle - 4, 1), round(at(row["overdue"]) - 4, 1), 8, 8, words))
        points.append(f"{middle},{at(row['closed'])}")
        if place % every == 0:
            marks.append((middle, _label(start, by)))
    lines = [(at(n), n) for n in sorted({0, most // 2, most})]
    return Chart(bars, " ".join(points), late, marks, lines)


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)


def _rounded_up(n: int) -> int:
    """Return the next number that makes an even axis: 2, 4, 10, 20, 40, 100 and so on."""
    most = 2
    while most < n:
        for factor in (2, 2.5, 2):
            most = int(most * factor)
            if most >= n:
                break
    return most
