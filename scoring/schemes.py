"""The form of a scheme: what it may say, checked with the path and the fix of each fault. Pure.

docs/schemes.md describes the form; the seal is of the canonical text.
"""

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from cases.choices import Source
from scoring.rates import INDICATORS
from scoring.rollup import all_items, leaves
from scoring.rules import indicators_of

FORM = 2
LEVELS = ("district", "unit", "street", "post")
KINDS = ("ratio", "threshold", "thresholds", "band", "charges", "manual")
LIMIT_UNITS = ("work_hour", "work_day")
_NUMBER = re.compile(r"\d{1,6}(\.\d{1,4})?", re.ASCII)
_VERSION = re.compile(r"[a-z0-9][a-z0-9.-]{1,39}", re.ASCII)
_UPTO = re.compile(r"\[\d+\]\[0\]", re.ASCII)  # the upper end of a band, under `bands`
_CODE = re.compile(r"[A-Z][A-Z0-9]{0,7}", re.ASCII)


class Fault(NamedTuple):
    """What is wrong in a scheme, where, and how to mend it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class BadScheme(ValueError):
    """A scheme that cannot be used; `faults` say all that is wrong."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = list(faults)


def canonical(data: Mapping[str, Any]) -> str:
    """Return the one text of a scheme: sorted keys, no spaces, UTF-8; its SHA-256 is the seal."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def seal_of(text: str) -> str:
    """Return the SHA-256 of a canonical text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse(text: str) -> dict[str, Any]:
    """Read and check the JSON of a scheme; raises BadScheme."""
    try:
        data = json.loads(text, parse_float=_no_float, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BadScheme([Fault("", _("This is not JSON: %s.") % error)]) from error
    require_sound(data)
    found: dict[str, Any] = data
    return found


def _no_float(text: str) -> Any:
    raise ValueError(_("the number %s must be in quotes, so that it stays exact") % text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a field that is given twice: readers of JSON differ in which they keep."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(_("the field %s stands twice") % twice)
    return found


def require_sound(data: Any) -> None:
    """Raise BadScheme with every fault of a scheme's data."""
    faults = list(_Check().scheme(data))
    told = {fault.path for fault in faults}
    faults += [
        Fault(path, _("null is no value: write one, or leave the field out"))
        for path in _nulls(data, "")
        if path not in told
    ]
    if faults:
        raise BadScheme(faults)


def _nulls(said: Any, path: str) -> Iterator[str]:
    """Yield where null stands, but for the open end of bands, which is checked with them."""
    if said is None:
        yield path
    elif isinstance(said, dict):
        for name, value in said.items():
            here = f"{path}.{name}" if path else name
            is_bands = name == "bands" and isinstance(value, list)
            for one in _nulls(value, here):
                if not (is_bands and _UPTO.fullmatch(one, len(here))):
                    yield one
    elif isinstance(said, list):
        for place, value in enumerate(said):
            yield from _nulls(value, f"{path}[{place}]")


def is_number(value: Any) -> bool:
    """Tell whether this is a number as schemes write it: text, not negative, at most 4 places."""
    return isinstance(value, str) and _NUMBER.fullmatch(value) is not None


class _Check:
    """Walks a scheme and yields its faults in the order of the text."""

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}  # code: where it stood first

    def scheme(self, data: Any) -> Iterator[Fault]:
        """Yield the faults of the whole."""
        if not isinstance(data, dict):
            yield Fault("", _("a scheme is an object: {…}"))
            return
        required = (
            *("form", "version", "name", "level", "rounding", "few", "ranked_from"),
            *("cases", "items"),
        )
        more = (
            *("about", "small_gap", "grades", "missing", "groups", "deductions", "bonuses"),
            "total_at_most",
        )
        yield from _fields(data, "", required, more)
        if data.get("form") != FORM:
            yield Fault("form", _("write %d: the form of scheme this version reads") % FORM)
        if not _matches(_VERSION, data.get("version")):
            yield Fault(
                "version", _("2 to 40 small letters, digits, dots and hyphens, as in 2027-v1")
            )
        yield from _names(data.get("name"), "name")
        if "about" in data:
            yield from _names(data["about"], "about")
        yield from _one_of(data.get("level"), "level", LEVELS)
        yield from self._rounding(data.get("rounding"))
        yield from _whole(data.get("few"), "few", least=1)
        yield from _whole(data.get("ranked_from"), "ranked_from", least=0)
        if data.get("small_gap") is not None:
            yield from _number(data["small_gap"], "small_gap")
        if data.get("total_at_most") is not None:
            yield from _number(data["total_at_most"], "total_at_most")
        yield from _one_of(data.get("missing", "share"), "missing", ("share", "drop_for_all"))
        yield from self._grades(data.get("grades", []))
        yield from self._cases(data.get("cases"))
        if data.get("groups") is not None:
            yield from self._groups(data["groups"])
        yield from self._items(data.get("items"), "items", of=Fraction(100))
        for name in ("deductions", "bonuses"):
            if name in data:
                yield from self._extras(data[name], name)

    def _rounding(self, said: Any) -> Iterator[Fault]:
        if not isinstance(said, dict):
            yield Fault("rounding", _('write {"mode": "half_up", "places": 2}'))
            return
        yield from _fields(said, "rounding", ("mode", "places"), ())
        yield from _one_of(said.get("mode"), "rounding.mode", ("half_up",))
        yield from _whole(said.get("places"), "rounding.places", least=0, most=4)

    def _grades(self, said: Any) -> Iterator[Fault]:
        before: Decimal | None = None
        if not isinstance(said, list):
            yield Fault("grades", _('a list of [grade, least total]: [["A", "90"], ["B", "0"]]'))
            return
        for place, pair in enumerate(said):
            path = f"grades[{place}]"
            if not _is_pair(pair) or not isinstance(pair[0], str) or not is_number(pair[1]):
                yield Fault(path, _('write a grade and its least total: ["A", "90"]'))
                return
            if before is not None and Decimal(pair[1]) >= before:
                yield Fault(path, _("grades go down: this one begins no lower than the last"))
            before = Decimal(pair[1])
        if before:
            yield Fault(
                f"grades[{len(said) - 1}]",
                _("the last grade begins at 0, so that each total has one"),
            )

    def _cases(self, said: Any) -> Iterator[Fault]:
        if not isinstance(said, dict):
            yield Fault("cases", _("say which cases are quick and which sources are key"))
            return
        yield from _fields(said, "cases", ("quick", "key_sources"), ())
        quick = said.get("quick")
        if not isinstance(quick, dict) or set(quick) != set(LIMIT_UNITS):
            yield Fault("cases.quick", _('write {"work_hour": 8, "work_day": 1}'))
        else:
            for unit in LIMIT_UNITS:
                yield from _whole(quick[unit], f"cases.quick.{unit}", least=0)
        sources = said.get("key_sources")
        if not isinstance(sources, list):
            yield Fault("cases.key_sources", _('a list of sources: ["leader", "media"]'))
            return
        for place, source in enumerate(sources):
            yield from _one_of(source, f"cases.key_sources[{place}]", Source.values)

    def _groups(self, said: Any) -> Iterator[Fault]:
        if not isinstance(said, dict):
            yield Fault("groups", _('write {"by": "kind"}, or leave it out to rank all together'))
            return
        yield from _fields(said, "groups", ("by",), ())
        yield from _one_of(said.get("by"), "groups.by", ("kind",))

    def _items(self, said: Any, path: str, *, of: Fraction | None) -> Iterator[Fault]:
        if not isinstance(said, list) or not said:
            yield Fault(path, _("a list of at least one item"))
            return
        total = Fraction(0)
        for place, node in enumerate(said):
            here = f"{path}[{place}]"
            if not isinstance(node, dict):
                yield Fault(here, _("an item is an object: {…}"))
                continue
            yield from self._head(node, here)
            yield from _number(node.get("weight"), f"{here}.weight")
            if is_number(node.get("weight")):
                if Fraction(node["weight"]) == 0:
                    yield Fault(
                        f"{here}.weight", _("a weight is above 0; take the item out instead")
                    )
                total += Fraction(node["weight"])
            if "items" in node:
                yield from _fields(node, here, ("code", "name", "weight", "items"), ("missing",))
                how = node.get("missing", "share")
                yield from _one_of(how, f"{here}.missing", ("share", "drop_for_all"))
                yield from self._items(node["items"], f"{here}.items", of=None)
            else:
                yield from self._item(node, here)
        if of is not None and total != of:
            said_total = f"{float(total):g}"
            yield Fault(path, _("the weights add up to %(sum)s, not to 100") % {"sum": said_total})

    def _head(self, node: dict[str, Any], here: str) -> Iterator[Fault]:
        code = str(node.get("code"))
        if not _matches(_CODE, node.get("code")):
            yield Fault(f"{here}.code", _("1 to 8 capital letters and digits, as in A1"))
        elif code in self.codes:
            where = self.codes[code]
            yield Fault(f"{here}.code", _("%(code)s is taken by %(where)s") % {
                "code": code, "where": where,
            })  # fmt: skip
        else:
            self.codes[code] = here
        yield from _names(node.get("name"), f"{here}.name")

    def _item(self, node: dict[str, Any], here: str) -> Iterator[Fault]:
        rule = node.get("rule")
        kind = rule.get("kind") if isinstance(rule, dict) else None
        if kind not in KINDS:
            yield from _one_of(kind, f"{here}.rule.kind", KINDS)
            return
        reads = [name for name in ("indicator", "blend") if name in node]
        if kind in ("thresholds", "charges", "manual"):
            if reads:
                yield Fault(
                    f"{here}.{reads[0]}", _("an item of kind %s has none of its own") % kind
                )
        elif len(reads) != 1:
            yield Fault(here, _("name one indicator, or a blend of several"))
        required = ("code", "name", "weight", "rule")
        yield from _fields(node, here, required, ("indicator", "blend", "months", "few"))
        if "indicator" in node:
            yield from _indicator(node["indicator"], f"{here}.indicator")
        if "blend" in node:
            yield from self._blend(node["blend"], f"{here}.blend")
        if "months" in node and node["months"] != 3:
            yield Fault(f"{here}.months", _("write 3 for the three months, or leave it out"))
        if "few" in node:
            yield from _whole(node["few"], f"{here}.few", least=1)
        yield from _RULES[kind](rule, f"{here}.rule")

    def _blend(self, said: Any, path: str) -> Iterator[Fault]:
        if not isinstance(said, list) or not said:
            yield Fault(path, _('a list of [indicator, factor]: [["closure_rate", "0.4"]]'))
            return
        for place, pair in enumerate(said):
            here = f"{path}[{place}]"
            if not _is_pair(pair):
                yield Fault(here, _('write an indicator and its factor: ["closure_rate", "0.4"]'))
                continue
            yield from _indicator(pair[0], f"{here}[0]")
            yield from _number(pair[1], f"{here}[1]")

    def _extras(self, said: Any, path: str) -> Iterator[Fault]:
        if not isinstance(said, dict):
            yield Fault(path, _('write {"cap": "10", "items": […]}'))
            return
        yield from _fields(said, path, ("items",), ("cap",))
        if said.get("cap") is not None:
            yield from _number(said["cap"], f"{path}.cap")
        if not isinstance(said.get("items"), list):
            yield Fault(f"{path}.items", _("a list of items"))
            return
        for place, node in enumerate(said["items"]):
            here = f"{path}.items[{place}]"
            if not isinstance(node, dict):
                yield Fault(here, _("an item is an object: {…}"))
                continue
            yield from self._head(node, here)
            yield from _fields(node, here, ("code", "name", "rule"), ())
            rule = node["rule"] if isinstance(node.get("rule"), dict) else {}
            kind = rule.get("kind")
            yield from _one_of(kind, f"{here}.rule.kind", ("charges", "manual"))
            if kind == "charges":
                yield from _charges(rule, f"{here}.rule")
            elif kind == "manual":
                yield from _fields(rule, f"{here}.rule", ("kind", "cap"), ())
                yield from _number(rule.get("cap"), f"{here}.rule.cap")


# --- rules --------------------------------------------------------------------------------------


def _ratio(rule: Any, path: str) -> Iterator[Fault]:
    yield from _fields(rule, path, ("kind", "better"), ())
    yield from _one_of(rule.get("better"), f"{path}.better", ("high", "low"))


def _threshold(rule: Any, path: str) -> Iterator[Fault]:
    yield from _fields(rule, path, ("kind", "full_at", "per_point", "better"), ("floor",))
    yield from _short(rule, path)
    if "floor" in rule:
        yield from _number(rule["floor"], f"{path}.floor")


def _short(rule: Any, path: str) -> Iterator[Fault]:
    for name in ("full_at", "per_point"):
        yield from _number(rule.get(name), f"{path}.{name}")
    yield from _one_of(rule.get("better"), f"{path}.better", ("high", "low"))


def _thresholds(rule: Any, path: str) -> Iterator[Fault]:
    yield from _fields(rule, path, ("kind", "terms"), ("floor",))
    if "floor" in rule:
        yield from _number(rule["floor"], f"{path}.floor")
    for here, term in _listed(rule.get("terms"), f"{path}.terms"):
        yield from _fields(term, here, ("indicator", "full_at", "per_point", "better"), ())
        yield from _indicator(term.get("indicator"), f"{here}.indicator")
        yield from _short(term, here)
    yield from _some(rule.get("terms"), f"{path}.terms", _("a list of at least one term"))


def _band(rule: Any, path: str) -> Iterator[Fault]:
    yield from _fields(rule, path, ("kind", "bands"), ())
    bands, before = rule.get("bands"), None
    if not isinstance(bands, list) or not bands:
        yield Fault(f"{path}.bands", _('a list of [upto, percent]: [["50", "100"], [null, "0"]]'))
        return
    for place, pair in enumerate(bands):
        here, is_last = f"{path}.bands[{place}]", place == len(bands) - 1
        if not _is_pair(pair):
            yield Fault(here, _('write an upper end and a percentage: ["50", "100"]'))
            continue
        if (pair[0] is None) != is_last:
            yield Fault(f"{here}[0]", _("the last band, and only it, has null as its upper end"))
        elif not is_last:
            yield from _number(pair[0], f"{here}[0]")
            if is_number(pair[0]):
                if before is not None and Fraction(pair[0]) <= before:
                    yield Fault(f"{here}[0]", _("upper ends go up from band to band"))
                before = Fraction(pair[0])
        yield from _number(pair[1], f"{here}[1]", most=100)


def _charges(rule: Any, path: str) -> Iterator[Fault]:
    yield from _fields(rule, path, ("kind", "charges"), ("cap",))
    if rule.get("cap") is not None:
        yield from _number(rule["cap"], f"{path}.cap")
    yield from _some(rule.get("charges"), f"{path}.charges", _("a list of at least one charge"))
    for here, charge in _listed(rule.get("charges"), f"{path}.charges"):
        yield from _fields(charge, here, ("indicator", "points"), ("steps", "key_times", "cap"))
        name = charge.get("indicator")
        yield from _indicator(name, f"{here}.indicator")
        yield from _number(charge.get("points"), f"{here}.points")
        if charge.get("cap") is not None:
            yield from _number(charge["cap"], f"{here}.cap")
        if "key_times" in charge and charge["key_times"] not in ("1", "2", "3", "4", "5"):
            yield Fault(f"{here}.key_times", _('a whole number from "1" to "5", in quotes'))
        if "steps" in charge:
            yield from _steps(charge["steps"], f"{here}.steps")
        is_rate = isinstance(name, str) and name in INDICATORS and (
            INDICATORS[name].unit == "percent"
        )  # fmt: skip
        if is_rate and ("steps" in charge or "key_times" in charge):
            yield Fault(here, _("steps and key_times are for counts; %s is a rate") % name)


def _steps(said: Any, path: str) -> Iterator[Fault]:
    before = 1
    if not isinstance(said, list):
        yield Fault(path, _('a list of [from which occurrence, points]: [["3", "0.5"]]'))
        return
    for place, pair in enumerate(said):
        here = f"{path}[{place}]"
        is_whole = _is_pair(pair) and isinstance(pair[0], str) and pair[0].isdecimal()
        if not is_whole or int(pair[0]) <= before:
            yield Fault(here, _("steps go up: from a later occurrence than the one before"))
            return
        before = int(pair[0])
        yield from _number(pair[1], f"{here}[1]")


def _manual(rule: Any, path: str) -> Iterator[Fault]:
    yield from _fields(rule, path, ("kind",), ())


_RULES: Mapping[str, Callable[[Any, str], Iterator[Fault]]] = {
    "ratio": _ratio,
    "threshold": _threshold,
    "thresholds": _thresholds,
    "band": _band,
    "charges": _charges,
    "manual": _manual,
}


# --- single values ------------------------------------------------------------------------------


def _fields(
    said: Mapping[str, Any], path: str, required: Sequence[str], more: Sequence[str]
) -> Iterator[Fault]:
    known = [*required, *more]
    for name in said:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            words = {"near": near[0] if near else ", ".join(known)}
            yield Fault(
                f"{path}.{name}" if path else name,
                _("there is no such field; did you mean %(near)s?") % words,
            )
    for name in required:
        if name not in said:
            yield Fault(f"{path}.{name}" if path else name, _("this field is missing"))


def _listed(said: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for place, one in enumerate(said if isinstance(said, list) else []):
        yield f"{path}[{place}]", one if isinstance(one, dict) else {}


def _some(said: Any, path: str, message: str) -> Iterator[Fault]:
    """Refuse what is no list of at least one object."""
    if not isinstance(said, list) or not said:
        yield Fault(path, message)
        return
    for place, one in enumerate(said):
        if not isinstance(one, dict):
            yield Fault(f"{path}[{place}]", _("an object: {…}"))


def _names(said: Any, path: str) -> Iterator[Fault]:
    if not isinstance(said, dict) or set(said) != {"zh", "en"}:
        yield Fault(path, _('write both languages: {"zh": "…", "en": "…"}'))
        return
    for language in ("zh", "en"):
        words = said[language]
        if not isinstance(words, str) or not words.strip() or len(words) > 200:
            yield Fault(f"{path}.{language}", _("1 to 200 characters"))


def _one_of(value: Any, path: str, known: Sequence[str]) -> Iterator[Fault]:
    if value not in known:
        yield Fault(path, _("one of: %s") % ", ".join(known))


def _number(value: Any, path: str, *, most: int | None = None) -> Iterator[Fault]:
    if value is None:
        return  # what is missing or null is said already
    if not is_number(value):
        yield Fault(path, _('a number in quotes, not negative, at most 4 places: "0.5"'))
    elif most is not None and Fraction(value) > most:
        yield Fault(path, _("at most %d") % most)


def _whole(value: Any, path: str, *, least: int, most: int = 1_000_000) -> Iterator[Fault]:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        yield Fault(
            path, _("a whole number from %(least)d to %(most)d") % {"least": least, "most": most}
        )


def _indicator(name: Any, path: str) -> Iterator[Fault]:
    if isinstance(name, str) and name in INDICATORS:
        return
    near = difflib.get_close_matches(str(name), INDICATORS, 1, 0.3)
    yield Fault(path, _("there is no indicator %(name)s; did you mean %(near)s?") % {
        "name": name, "near": near[0] if near else next(iter(INDICATORS)),
    })  # fmt: skip


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


# --- reading a sound scheme ---------------------------------------------------------------------


def codes_of(scheme: Mapping[str, Any]) -> list[str]:
    """Return the codes of all items in order, deductions and bonuses last."""
    return [item["code"] for item in all_items(scheme)]


def needs_cells(scheme: Mapping[str, Any]) -> bool:
    """Tell whether an item is taken over the grid cells of an area."""
    return any("filed_per_cell" in indicators_of(item) for item in all_items(scheme))


def parts_of(scheme: Mapping[str, Any]) -> list[str]:
    """Return the codes of the parts in which items stand, the top one as the empty text."""
    return list(dict.fromkeys(part for _item, part in leaves(scheme["items"])))
