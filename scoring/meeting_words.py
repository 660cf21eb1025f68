"""What meetings say in the reader's language: why a line is proposed, how an item stands."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from cases.choices import CITY
from cases.models import Area, Case, MinorClass, Unit
from cityops.accounts.models import User
from scoring.meeting_models import ActionItem, AgendaLine, ItemChange
from scoring.periods import CITY_TIME, parse_period
from scoring.sheet import body_names
from scoring.words import LIGHTS, period_words

CASES_SHOWN = 12  # of a place with many
CHANGED_WORDS = {
    "text": gettext_lazy("decision"),
    "unit": gettext_lazy("responsible unit"),
    "due_on": gettext_lazy("last day"),
    "was": gettext_lazy("last day before"),
}
FIELD_WORDS = {
    "period": gettext_lazy("month"),
    "number": gettext_lazy("case number"),
    "text": gettext_lazy("text"),
    "unit": gettext_lazy("responsible unit"),
    "due_on": gettext_lazy("last day"),
    "held_on": gettext_lazy("held on"),
    "reason": gettext_lazy("reason"),
    "note": gettext_lazy("note"),
}


# --- agenda lines -------------------------------------------------------------------------------


def line_rows(lines: Iterable[AgendaLine], user: User) -> list[dict[str, Any]]:
    """Return each line with its title, reasons and cases; of a case out of reach its header."""
    rows = list(lines)
    numbers = {number for line in rows for number in line.numbers}
    among = Case.objects.filter(number__in=numbers).select_related("minor", "unit")
    cases = {case.number: case for case in among}
    seen = set(among.visible_to(user).values_list("number", flat=True))
    names = body_names() | {CITY: _("the city")}
    places = _place_names(rows)
    found = []
    for line in rows:
        shown = [
            {"number": number, "case": cases.get(number), "is_visible": number in seen}
            for number in line.numbers[:CASES_SHOWN]
        ]
        found.append(
            {
                "line": line,
                "title": _title(line, places),
                "address": _address(line),
                "reasons": [reason_words(one, names) for one in line.reasons],
                "cases": shown,
                "only": shown[0] if line.subject.startswith("case:") else None,
                "more": max(len(line.numbers) - CASES_SHOWN, 0),
            }
        )
    return found


def reason_words(reason: dict[str, Any], names: dict[str, str]) -> str:
    """Return why a line was proposed, as the ledger had it then."""
    why, times = reason["why"], reason.get("times", 0)
    if why == "overdue":
        words = {"multiple": reason["multiple"], "due": _moment(reason["due_at"])}
        return _("over by %(multiple)s times its limit, was due %(due)s") % words
    if why == "repeated":
        return ngettext(
            "%(n)d closed case came back within 7 days and 50 m",
            "%(n)d closed cases came back within 7 days and 50 m",
            times,
        ) % {"n": times}
    if why == "disputed" and not times:
        return _("disputed, waits to be ruled on")
    if why == "disputed":
        return _("disputed, waits to be ruled on; returned %(n)d times") % {"n": times}
    if why == "returned":
        return _("returned %(n)d times and still open") % {"n": times}
    if why == "shirked":
        return _("returned without justification, %(body)s") % {
            "body": _name(names, reason, "body")
        }
    if why == "objection":
        words = {key: _name(names, reason, key) for key in ("by", "body")}
        words["period"] = period_words(parse_period(reason["period"]))
        return _("%(by)s objects to a number of %(body)s, %(period)s") % words
    if why == "moved":
        ends = {key: _name(names, reason, key) for key in ("from", "to")}
        return _("went from %(from)s to %(to)s") % ends
    return _("%(metres)d m from the border of its district") % {"metres": reason["metres"]}


def _name(names: dict[str, str], reason: dict[str, Any], key: str) -> str:
    return names.get(str(reason[key]), str(reason[key]))


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(CITY_TIME):%Y-%m-%d %H:%M}" if text else "–"


def _title(line: AgendaLine, places: dict[str, str]) -> str:
    if line.subject.startswith("place:"):
        return places.get(line.subject, line.subject)
    if line.subject.startswith("objection:"):
        return _("Objection")
    return line.text or line.numbers[0]


def _address(line: AgendaLine) -> str:
    """Return where the matter of a line is, but for its cases."""
    if line.subject.startswith("place:"):
        area, _slash, minor = line.subject.removeprefix("place:").partition("/")
        asked = {"category": minor, "grid": area} if area else {"category": minor}
        return f"{reverse('case_list')}?{urlencode(asked)}"
    for one in line.reasons:
        if one["why"] == "objection":
            return reverse("score_objection", args=[one["period"], one["pk"]])
    return ""


def _place_names(lines: Iterable[AgendaLine]) -> dict[str, str]:
    """Return street, community, cell and class of the lines that are about a place."""
    facts = {
        line.subject: one for line in lines for one in line.reasons if one["why"] == "repeated"
    }
    codes = {one["area"][:length] for one in facts.values() for length in (9, 12)}
    areas = Area.objects.filter(level__in=("street", "community"), code__in=codes)
    names = {area.code: area.name for area in areas.order_by("valid")}
    minors = MinorClass.objects.filter(code__in={one["minor"] for one in facts.values()})
    classes = {minor.code: minor.name for minor in minors}
    return {
        subject: " · ".join(
            word
            for word in (
                names.get(one["area"][:9]),
                names.get(one["area"][:12]) if len(one["area"]) > 9 else "",
                one["area"][12:],
                classes.get(one["minor"], one["minor"]),
            )
            if word
        )
        for subject, one in facts.items()
    }


# --- action items -------------------------------------------------------------------------------


def item_row(item: ActionItem, names: dict[str, str], *, on: date, times: int) -> dict[str, Any]:
    """Return an item with its light and state in words, and how often it was carried."""
    light = item.light(on=on)
    shape, word = LIGHTS[light]
    is_open = item.ended_at is None
    return {
        "item": item,
        "body": names.get(item.body, item.body),
        "light": light,
        "shape": shape,
        "word": word,
        "has_light": item.dropped_at is None,
        "state": state_words(item),
        "is_open": is_open,
        "is_late": is_open and item.asked_at is None and light == "late",
        "times": times,
    }


def state_words(item: ActionItem) -> str:
    """Return how an item stands."""
    if item.confirmed_at is not None:
        return pgettext("item", "confirmed done")
    if item.dropped_at is not None:
        is_replaced = hasattr(item, "replaced_by")
        return pgettext("item", "replaced") if is_replaced else pgettext("item", "dropped")
    return _("waits to be confirmed") if item.asked_at is not None else pgettext("item", "open")


def change_words(change: ItemChange, units: dict[str, str]) -> list[tuple[str, str]]:
    """Return what a line of an item's log set, in words."""
    return [
        (str(label), units.get(str(change.said[name]), str(change.said[name])))
        for name, label in CHANGED_WORDS.items()
        if name in change.said
    ]


def owners() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return (district, [(code, name)]) of who may answer for an item; city-wide units last."""
    names = body_names() | {CITY: _("City-wide utilities")}
    groups: dict[str, list[tuple[str, str]]] = {}
    units = Unit.objects.filter(is_active=True)
    for unit in sorted(units, key=lambda one: (one.district_id is None, one.body, one.pk)):
        groups.setdefault(unit.body, []).append((unit.pk, unit.name))
    return [(names.get(body, body), found) for body, found in groups.items()]
