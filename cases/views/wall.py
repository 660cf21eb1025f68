"""The wall: its page, its one feed and its outlines, each behind the same token and address.

There is no session and no sign-in: what refuses, for whatever reason, is 404.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from django.conf import settings
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from cases.choices import CITY
from cases.models import District, Wall
from cases.selectors import outline as areas
from cases.selectors import wall as shown
from cases.selectors.row_words import light_of
from cases.selectors.wall import DAYS, Head, Place, Trend, WallAlarm
from cityops.accounts.http import client_address

SAME_S = 15  # lights change with time alone; the log is looked at with each question
PAGE_NAMES = {
    Wall.Page.TODAY: gettext_lazy("The city today"),
    Wall.Page.COMPARE: gettext_lazy("Districts compared"),
    Wall.Page.TREND: gettext_lazy("Trend of classes"),
    Wall.Page.LATE: gettext_lazy("Overdue cases"),
}
WHY_WORDS = {
    "overdue": gettext_lazy("Newly overdue"),
    "leader": gettext_lazy("Leader’s order"),
    "emergency": gettext_lazy("Emergency"),
}

logger = logging.getLogger(__name__)


# --- views --------------------------------------------------------------------------------------


@require_safe
def wall(request: HttpRequest, token: str) -> HttpResponse:
    """Show the wall; everything on it comes with the feed."""
    found = _wall_of(request, token)
    with translation.override(found.language):
        page = render_to_string("cases/wall/page.html", _page_context(found, token))
    return _plain(HttpResponse(page))


@require_safe
def wall_feed(request: HttpRequest, token: str) -> HttpResponse:
    """Return what the wall shows now, or 304 while neither the log nor the lights moved on.

    `Wall-Time` is the moment for which the answer, 304 too, is true; `Wall-Setting` changes when
    the page itself must be loaded again.
    """
    found, now = _wall_of(request, token), timezone.now()
    heads = shown.heads_of(found.scope)
    stamp = _stamp_of(found, heads, at=now)
    etag = f'"{stamp}-{found.setting}"'
    if request.headers.get("If-None-Match", "").removeprefix("W/") == etag:
        answer = HttpResponse(status=304)
    else:
        text = _text_of(found, stamp, heads, at=now)
        answer = HttpResponse(text, content_type="application/json")
    answer["ETag"] = etag
    answer["Wall-Setting"] = found.setting
    answer["Wall-Time"] = now.isoformat(timespec="milliseconds")
    return _plain(answer)


@require_safe
def wall_outline(request: HttpRequest, token: str) -> HttpResponse:
    """Return districts and streets as GeoJSON for the map of the wall."""
    _wall_of(request, token)
    etag = f'"{areas.outline_version()}"'
    if request.headers.get("If-None-Match", "").removeprefix("W/") == etag:
        answer = HttpResponse(status=304)
    else:
        answer = HttpResponse(areas.outline(), content_type="application/geo+json")
    answer["ETag"] = etag
    return _plain(answer)


def _wall_of(request: HttpRequest, token: str) -> Wall:
    """Return the wall that `token` opens from where the request comes. Raises Http404."""
    found = shown.wall_of(token, at=timezone.now())
    if found is None or not found.lets_in(client_address(request)):
        raise Http404
    return found


def _plain(answer: HttpResponse) -> HttpResponse:
    """Keep an answer out of caches, and its address, which is the key, out of other pages."""
    answer["Cache-Control"] = "private, no-store"
    answer["Referrer-Policy"] = "no-referrer"
    answer["X-Robots-Tag"] = "noindex"
    return answer


def _page_context(found: Wall, token: str) -> dict[str, Any]:
    names = {key: PAGE_NAMES[Wall.Page(key)] for key in found.pages}
    if found.scope != CITY and Wall.Page.COMPARE in names:
        names[Wall.Page.COMPARE] = gettext_lazy("Streets compared")
    return {
        "wall": found,
        "token": token,
        "place": _place_name(found.scope),
        "names": names,
        "language": found.language,
        "is_demo": settings.DEMO,
    }


def _place_name(scope: str) -> str:
    if scope == CITY:
        return _("Huaihua: three districts and one county")
    return District.objects.get(pk=scope).name


# --- the feed -----------------------------------------------------------------------------------


class _Kept(NamedTuple):
    """The whole feed as it was made last for one scope and language."""

    stamp: str
    feed: dict[str, Any]


_kept: dict[tuple[str, str], _Kept] = {}  # at most one for each scope and language
_makers: dict[tuple[str, str], threading.Lock] = {}


def _stamp_of(found: Wall, heads: list[Head], *, at: datetime) -> str:
    """Return what changes when the walls of a scope have something else to show."""
    chain = [head.hash for head in heads]
    parts = [found.scope, found.language, chain, int(at.timestamp()) // SAME_S]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _text_of(found: Wall, stamp: str, heads: list[Head], *, at: datetime) -> str:
    """Return the feed as JSON; of many walls of a scope that ask at once, one has it made."""
    key = (found.scope, found.language)
    with _makers.setdefault(key, threading.Lock()):
        kept = _kept.get(key)
        if kept is None or kept.stamp != stamp:
            with translation.override(found.language):
                feed = {"heads": {h.scope: h.dseq for h in heads}, **_feed(found.scope, at=at)}
            kept = _kept[key] = _Kept(stamp, feed)
    return json.dumps(_cut(kept.feed, found.pages), ensure_ascii=False)


def _cut(feed: dict[str, Any], pages: list[str]) -> dict[str, Any]:
    """Keep of a feed what a wall with these pages shows; alarms interrupt any wall."""
    needs_map = Wall.Page.TODAY in pages or feed["alarms"]
    return {
        **feed,
        "pages": {page: html for page, html in feed["pages"].items() if page in pages},
        "map": feed["map"] if needs_map else None,
    }


@dataclass(frozen=True)
class _Moment:
    """A scope at a moment; its counts are read once, by the part that needs them first."""

    scope: str
    at: datetime

    @cached_property
    def places(self) -> list[Place]:
        """The counts of every place."""
        return shown.places_of(self.scope, at=self.at)

    @property
    def total(self) -> Place:
        """Their sum."""
        return shown.total_of(self.places)


def _feed(scope: str, *, at: datetime) -> dict[str, Any]:
    """Return all that walls of a scope can show; a page that cannot be drawn is null."""
    now = _Moment(scope, at)
    return {
        "at": at.isoformat(timespec="milliseconds"),
        "script": static("cases/wall.js"),
        "pages": {page: _drawn(draw, now) for page, draw in _DRAW.items()},
        "map": _drawn(_map, now),
        "alarms": _drawn(_alarms, now) or [],
    }


def _drawn(draw: Callable[[_Moment], Any], now: _Moment) -> Any:
    """Return one part of the feed, None where the database fails: the other parts are shown."""
    try:
        return draw(now)
    except DatabaseError:
        logger.exception("a part of the wall could not be drawn: %s", draw.__name__)
        return None


def _today(now: _Moment) -> str:
    return render_to_string("cases/wall/_today.html", {"total": now.total})


def _compare(now: _Moment) -> str:
    places, others = shown.busiest(now.places)
    rows = [*places, *([others] if others else [])]
    most = max((place.open for place in rows), default=0)
    context = {
        "rows": [(place, _name_of(place, others), _bar_of(place, most)) for place in rows],
        "total": shown.total_of(rows),
        "is_city": now.scope == CITY,
    }
    return render_to_string("cases/wall/_compare.html", context)


def _name_of(place: Place, others: Place | None) -> str:
    if place is others:
        return _("the others")
    return place.name or _("not located yet")


def _bar_of(place: Place, most: int) -> list[tuple[str, float, float]]:
    """Return the lights of a bar as (light, x, width) in percent of the longest."""
    parts, x = [], 0.0
    for light in ("late", "soon", "normal", "paused"):
        width = 100 * getattr(place, light) / most if most else 0.0
        if width:
            parts.append((light, round(x, 2), round(width, 2)))
        x += width
    return parts


def _trend(now: _Moment) -> str:
    days, trends = shown.trends_of(now.scope, at=now.at)
    most = max((max(trend.counts) for trend in trends), default=0)
    context = {
        "charts": [(trend, _columns_of(trend, most)) for trend in trends],
        "first": days[0],
        "last": days[-1],
        "most": most,
        "days": DAYS,
    }
    return render_to_string("cases/wall/_trend.html", context)


def _columns_of(trend: Trend, most: int) -> list[tuple[float, float, float, bool]]:
    """Return the columns of a chart 280 wide and 100 high: (x, y, height, is today)."""
    step = 280 / DAYS
    found = []
    for nth, count in enumerate(trend.counts):
        height = 100 * count / most if most else 0.0
        columns = (round(nth * step + 2, 1), round(100 - height, 1), round(height, 1))
        found.append((*columns, nth == DAYS - 1))
    return found


def _late(now: _Moment) -> str:
    cases = shown.late_cases(now.scope, at=now.at)
    names = shown.street_names([case.street for case in cases], at=now.at)
    rows = [(case, names.get(case.street, ""), light_of(case, at=now.at)) for case in cases]
    context = {"rows": rows, "unshown": max(0, now.total.late - len(rows))}
    return render_to_string("cases/wall/_late.html", context)


def _map(now: _Moment) -> dict[str, Any]:
    marks = shown.marks_of(now.scope, at=now.at)
    unplaced = now.total.open - len(marks["light"])
    words = _("%(count)d without a place on the map") % {"count": unplaced} if unplaced else ""
    return {**marks, "unplaced": words}


def _alarms(now: _Moment) -> list[dict[str, Any]]:
    alarms = shown.alarms_of(now.scope, at=now.at)
    names = shown.street_names([alarm.case.street for alarm in alarms], at=now.at)
    return [_alarm(alarm, names, now.at) for alarm in alarms]


def _alarm(alarm: WallAlarm, names: dict[str, str], at: datetime) -> dict[str, Any]:
    case = alarm.case
    context = {
        "why": WHY_WORDS[alarm.why],
        "case": case,
        "street": names.get(case.street, ""),
        "light": light_of(case, at=at),
    }
    point = case.point
    return {
        "key": alarm.key,
        "lon": round(point.x, 5) if point else None,
        "lat": round(point.y, 5) if point else None,
        "html": render_to_string("cases/wall/_alarm.html", context),
    }


_DRAW: dict[str, Callable[[_Moment], str]] = {
    Wall.Page.TODAY: _today,
    Wall.Page.COMPARE: _compare,
    Wall.Page.TREND: _trend,
    Wall.Page.LATE: _late,
}
