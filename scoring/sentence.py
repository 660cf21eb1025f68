"""The one sentence of a ranking: who moved most, through which item, and the cases behind it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from scoring.sheet import Number


class Link(NamedTuple):
    """Words of a sentence that open the cases they speak of."""

    words: str
    number: Number


class Said(NamedTuple):
    """A sentence about one body, and the cases it rests on."""

    body: str
    text: str
    links: list[Link]


def sentence_of(
    bodies: Sequence[Mapping[str, Any]], before: Mapping[str, Mapping[str, Any]], earlier: str
) -> Said | None:
    """Return the sentence on the bodies as shown, best first; None where nobody is ranked.

    Of those ranked now with a total `earlier` the one that moved most, with the item that moved it
    most; where there is none, the last, with the item that took most.
    """
    ranked = [body for body in bodies if body["rank"] is not None]
    moved = [(abs(change), body) for body in ranked if (change := body["change"])]
    if moved:
        change, mover = max(moved, key=lambda pair: pair[0])
        return _moved(mover, before[mover["body"]], change, earlier)
    last = ranked[-1] if ranked else None
    return _last(last) if last and last["rank"] > 1 else None


def _moved(body: Mapping[str, Any], was: Mapping[str, Any], change: Decimal, earlier: str) -> Said:
    is_down = body["change"] < 0
    line = _mover(body, was, -1 if is_down else 1)
    words = {"name": body["name"], "total": body["total"], "change": change, "before": earlier}
    if line:
        words |= {"item": line["name"], "points": line["points"], "full": line["full"]}
        text = (
            _(
                "%(name)s has %(total)s, down %(change)s from %(before)s, mainly through"
                " “%(item)s”: %(points)s of %(full)s points."
            )
            if is_down
            else _(
                "%(name)s has %(total)s, up %(change)s from %(before)s, mainly through"
                " “%(item)s”: %(points)s of %(full)s points."
            )
        )
    elif is_down:
        text = _("%(name)s has %(total)s, down %(change)s from %(before)s.")
    else:
        text = _("%(name)s has %(total)s, up %(change)s from %(before)s.")
    return Said(body["body"], text % words, _links(body, line))


def _last(body: Mapping[str, Any]) -> Said:
    line = body["why"]
    words = {"name": body["name"], "total": body["total"]}
    if line is None:
        return Said(body["body"], _("%(name)s stands last with %(total)s.") % words, _links(body))
    words |= {"item": line["name"], "lost": line["lost"], "full": line["full"]}
    text = _(
        "%(name)s stands last with %(total)s. It lost most in “%(item)s”: %(lost)s of %(full)s"
        " points."
    )
    return Said(body["body"], text % words, _links(body, line))


def _mover(body: Mapping[str, Any], was: Mapping[str, Any], way: int) -> Mapping[str, Any] | None:
    """Return the line that moved the total most the way it went; None where no item did."""
    now, then = worth_of(body), worth_of(was)
    moves = {code: way * (now[code] - then[code]) for code in now if code in then}
    code = max(moves, key=moves.__getitem__, default=None)
    if code is None or moves[code] <= 0:
        return None
    found: Mapping[str, Any] = next(line for line in body["lines"] if line["code"] == code)
    return found


def worth_of(sheet: Mapping[str, Any]) -> dict[str, Fraction]:
    """Return what each item of a sheet brings to the total, whichever part it stands in."""
    factor = {"": Fraction(1)} | {
        part["code"]: Fraction(part["full"]) / Fraction(part["of"])
        for part in sheet.get("parts", [])
        if "full" in part
    }
    return {
        line["code"]: Fraction(line["points"]) * factor.get(line["part"], Fraction(1))
        for line in sheet["items"]
        if line["points"] is not None
    }


def _links(body: Mapping[str, Any], line: Mapping[str, Any] | None = None) -> list[Link]:
    """Return the links of a sentence: the cases of the item, and those that are late now."""
    links = []
    number: Number | None = line.get("number") if line else None
    if number and number.value:
        words = ngettext("see its %d case", "see its %d cases", number.value) % number.value
        links.append(Link(words, number))
    late: Number = body["overdue"]
    if late.value:
        words = ngettext("see %d overdue case", "see %d overdue cases", late.value) % late.value
        links.append(Link(words, late))
    return links
