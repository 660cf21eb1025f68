"""The rules of a draft as a form: a field for every number and name, by its path in the JSON."""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases.models.area import in_language
from scoring.rates import INDICATORS
from scoring.scheme_words import INDICATOR_NAMES, KIND_NAMES, rule_words

Choices = list[tuple[str, str | Promise]]
_STEP = re.compile(r"([a-z_]+)|\[(\d+)\]", re.ASCII)
_BETTER: Choices = [
    ("high", gettext_lazy("the higher the better")),
    ("low", gettext_lazy("the lower the better")),
]
_MISSING: Choices = [
    ("share", gettext_lazy("share its weight among the others")),
    ("drop_for_all", gettext_lazy("drop it for all")),
]
_RULE_LABELS: Mapping[str, str | Promise] = {
    "full_at": gettext_lazy("Full at (%)"),
    "per_point": gettext_lazy("Points off a percentage point"),
    "floor": gettext_lazy("Never below"),
    "better": gettext_lazy("Direction"),
    "cap": gettext_lazy("At most"),
    "points": gettext_lazy("Points each"),
    "key_times": gettext_lazy("Times a key case counts"),
}


@dataclass
class Field:
    """One input: where its value stands, what it is called, and what is wrong with it."""

    path: str
    label: str | Promise
    value: str
    choices: Choices = field(default_factory=list)
    is_whole: bool = False
    error: str = ""

    @property
    def ident(self) -> str:
        """An id for label and input."""
        return "f-" + re.sub(r"\W+", "-", self.path).strip("-")


@dataclass
class Section:
    """An item, a part, or what holds for the whole."""

    title: str
    path: str
    fields: list[Field]
    sentence: str = ""
    is_item: bool = False
    depth: int = 0


def sections_of(data: Mapping[str, Any], errors: Mapping[str, str]) -> list[Section]:
    """Return every field of a scheme in the order of its text, with the errors of their paths."""
    sections = [_general(data), *_sections(data["items"], "items")]
    for name in ("deductions", "bonuses"):
        sections += _sections(data.get(name, {}).get("items", []), f"{name}.items")
    for section in sections:
        for one in section.fields:
            one.error = errors.get(one.path, "")
    return sections


def parts_to_add_to(data: Mapping[str, Any]) -> Choices:
    """Return the lists a new item may go into, by path, in words."""
    names: Choices = [("items", _("the whole"))]
    for path, nodes in _lists(data):
        for place, node in enumerate(nodes):
            if "items" in node:
                name = in_language(node["name"]["zh"], node["name"]["en"])
                names.append((f"{path}[{place}].items", name))
    return [*names, ("deductions.items", _("deductions")), ("bonuses.items", _("bonuses"))]


def applied(data: Mapping[str, Any], posted: Mapping[str, str]) -> dict[str, Any]:
    """Return the rules with what was posted put in: values, changed kinds, items gone and new.

    Only fields the form showed are taken. Whether the result is sound is for the service to say.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(data))
    for section in sections_of(data, {}):
        for one in section.fields:
            if one.path in posted:
                _put(changed, one, posted[one.path].strip())
    _change_kinds(changed, posted)
    _drop_empty_bands(changed)
    for path in sorted(_removed(changed, posted), key=_steps, reverse=True):
        above, _dot, place = path.rpartition("[")
        del _at(changed, above)[int(place[:-1])]
    if posted.get("add.code", "").strip():
        _add(changed, posted)
    return changed


def _general(data: Mapping[str, Any]) -> Section:
    fields = [
        Field("name.zh", _("Name (Chinese)"), data["name"]["zh"]),
        Field("name.en", _("Name (English)"), data["name"]["en"]),
        Field("few", _("Groups an item needs"), str(data["few"]), is_whole=True),
        Field("ranked_from", _("Cases to be ranked"), str(data["ranked_from"]), is_whole=True),
        Field("rounding.places", _("Places"), str(data["rounding"]["places"]), is_whole=True),
        Field("small_gap", _("A small gap is below"), data.get("small_gap") or ""),
        Field("total_at_most", _("Total at most"), data.get("total_at_most") or ""),
        Field(
            "missing",
            _("A part one of the ranked lacks"),
            data.get("missing", "share"),
            _MISSING,
        ),
    ]
    for name, label in (("deductions", _("Deductions a month")), ("bonuses", _("Bonuses a month"))):
        if name in data:
            fields.append(Field(f"{name}.cap", label, data[name].get("cap") or ""))
    for place, (grade, least) in enumerate(data.get("grades", [])):
        fields.append(Field(f"grades[{place}][1]", _("%s from") % grade, least))
    return Section(_("For the whole scheme"), "", fields)


def _lists(data: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield every list of items with its path, the list of a part after the one it stands in."""
    waiting = [("items", data["items"])]
    for name in ("deductions", "bonuses"):
        if name in data:
            waiting.append((f"{name}.items", data[name]["items"]))
    while waiting:
        path, nodes = waiting.pop(0)
        yield path, nodes
        inner = [(f"{path}[{n}].items", x["items"]) for n, x in enumerate(nodes) if "items" in x]
        waiting = [*inner, *waiting]


def _sections(nodes: list[dict[str, Any]], path: str) -> Iterator[Section]:
    """Yield each item, after a part those that stand in it."""
    for place, node in enumerate(nodes):
        here = f"{path}[{place}]"
        yield _section(node, here)
        yield from _sections(node.get("items", []), f"{here}.items")


def _section(node: Mapping[str, Any], path: str) -> Section:
    title = f"{node['code']} {in_language(node['name']['zh'], node['name']['en'])}"
    fields = [
        Field(f"{path}.name.zh", _("Name (Chinese)"), node["name"]["zh"]),
        Field(f"{path}.name.en", _("Name (English)"), node["name"]["en"]),
    ]
    if "weight" in node:
        fields.append(Field(f"{path}.weight", _("Weight"), node["weight"]))
    depth = path.count("[") - 1
    if "items" in node:
        return Section(title, path, fields, depth=depth)
    if "indicator" in node:
        value = node["indicator"]
        fields.append(Field(f"{path}.indicator", _("Indicator"), value, _indicators()))
    for place, (name, factor) in enumerate(node.get("blend", [])):
        label = _("Indicator %d") % (place + 1)
        fields.append(Field(f"{path}.blend[{place}][0]", label, name, _indicators()))
        fields.append(Field(f"{path}.blend[{place}][1]", _("counts times"), factor))
    if "weight" in node and "blend" not in node:
        kind = node["rule"]["kind"]
        fields.append(Field(f"{path}.rule.kind", _("Rule"), kind, list(KIND_NAMES.items())))
    fields += _rule_fields(node["rule"], f"{path}.rule")
    if "few" in node:
        fields.append(
            Field(f"{path}.few", _("Groups an item needs"), str(node["few"]), is_whole=True)
        )
    return Section(title, path, fields, rule_words(node), is_item=True, depth=depth)


def _rule_fields(rule: Mapping[str, Any], path: str) -> list[Field]:
    fields = _plain_fields(rule, path)
    for place, term in enumerate(rule.get("terms", [])):
        fields += _reading_fields(term, f"{path}.terms[{place}]", place)
    for place, charge in enumerate(rule.get("charges", [])):
        here = f"{path}.charges[{place}]"
        fields += _reading_fields(charge, here, place)
        for step, (first, later) in enumerate(charge.get("steps", [])):
            fields.append(Field(f"{here}.steps[{step}][0]", _("from number"), first))
            fields.append(Field(f"{here}.steps[{step}][1]", _("points each from there"), later))
    bands = rule.get("bands", [])
    for place, (upto, gives) in enumerate(bands):
        if upto is not None:
            fields.append(Field(f"{path}.bands[{place}][0]", _("Up to"), upto))
        label = _("gives %") if upto is not None else _("Above, gives %")
        fields.append(Field(f"{path}.bands[{place}][1]", label, gives))
    return fields


def _reading_fields(term: Mapping[str, Any], path: str, place: int) -> list[Field]:
    label = _("Indicator %d") % (place + 1)
    name = Field(f"{path}.indicator", label, term["indicator"], _indicators())
    return [name, *_plain_fields(term, path)]


def _plain_fields(said: Mapping[str, Any], path: str) -> list[Field]:
    return [
        Field(f"{path}.{name}", label, said[name] or "", _BETTER if name == "better" else [])
        for name, label in _RULE_LABELS.items()
        if name in said
    ]


def _indicators() -> Choices:
    return list(INDICATOR_NAMES.items())


# --- putting in ---------------------------------------------------------------------------------


def _steps(path: str) -> list[str | int]:
    return [name or int(place) for name, place in _STEP.findall(path)]


def _at(data: Any, path: str) -> Any:
    for step in _steps(path):
        data = data[step]
    return data


def _put(data: dict[str, Any], one: Field, text: str) -> None:
    *above, last = _steps(one.path)
    target: Any = data
    for step in above:
        target = target[step]
    if one.is_whole:
        target[last] = int(text) if text.isascii() and text.isdecimal() else text
    elif not text and last in ("small_gap", "total_at_most", "cap"):
        target.pop(last, None)
    else:
        target[last] = text


_NEW_RULES: Mapping[str, Any] = {
    "ratio": {"kind": "ratio", "better": "high"},
    "threshold": {"kind": "threshold", "full_at": "100", "per_point": "1", "better": "high"},
    "band": {"kind": "band", "bands": [["50", "100"], ["100", "60"], [None, "0"]]},
    "manual": {"kind": "manual"},
}


def _change_kinds(data: dict[str, Any], posted: Mapping[str, str]) -> None:
    """Give an item whose kind was changed the rule of the new kind, for its numbers to be set."""
    for path, nodes in _lists(data):
        for place, node in enumerate(nodes):
            kind = posted.get(f"{path}[{place}].rule.kind")
            rule = node.get("rule", {})
            if kind in KIND_NAMES and "weight" in node and not _is_of_kind(rule, kind):
                _give_rule(node, kind, node.get("indicator"))


def _is_of_kind(rule: Mapping[str, Any], kind: str) -> bool:
    """Tell whether a rule, whose kind may just have been put in, has what the kind needs."""
    needs = {"threshold": "full_at", "thresholds": "terms", "band": "bands", "charges": "charges"}
    if kind == "ratio":
        return "better" in rule and "full_at" not in rule
    if kind == "manual":
        return set(rule) == {"kind"}
    return needs[kind] in rule


def _give_rule(node: dict[str, Any], kind: str, indicator: str | None) -> None:
    known = indicator if indicator and indicator in INDICATORS else next(iter(INDICATORS))
    better = INDICATORS[known].better
    if kind == "charges":
        rule: dict[str, Any] = {"charges": [{"indicator": known, "points": "1"}]}
    elif kind == "thresholds":
        term = {"indicator": known, "full_at": "100", "per_point": "1", "better": better}
        rule = {"terms": [term]}
    else:
        rule = copy.deepcopy(_NEW_RULES[kind])
    if "better" in rule:
        rule["better"] = better
    if kind == "threshold" and better == "low":
        rule["full_at"] = "0"
    node["rule"] = {**rule, "kind": kind}
    node.pop("indicator", None)
    if kind in ("ratio", "threshold", "band"):
        node["indicator"] = known


def _drop_empty_bands(data: dict[str, Any]) -> None:
    """Take out bands whose upper end was emptied."""
    for _path, nodes in _lists(data):
        for node in nodes:
            rule = node.get("rule", {})
            if "bands" in rule:
                rule["bands"] = [pair for pair in rule["bands"] if pair[0] != ""]


def _removed(data: Mapping[str, Any], posted: Mapping[str, str]) -> list[str]:
    paths = [f"{path}[{place}]" for path, nodes in _lists(data) for place in range(len(nodes))]
    return [path for path in paths if posted.get(f"remove.{path}")]


def _add(data: dict[str, Any], posted: Mapping[str, str]) -> None:
    """Put a new item last into the list named; its numbers are set in the form that comes next."""

    def said(name: str) -> str:
        return posted.get(f"add.{name}", "").strip()

    where = said("where")
    extra = where.removesuffix(".items") if where in ("deductions.items", "bonuses.items") else ""
    if extra:
        data.setdefault(extra, {"items": []})
    nodes = dict(_lists(data)).get(where, data["items"])
    node: dict[str, Any] = {"code": said("code"), "name": {"zh": said("zh"), "en": said("en")}}
    kind = said("kind") if said("kind") in KIND_NAMES else "ratio"
    if extra:
        kind = kind if kind in ("charges", "manual") else "charges"
        _give_rule(node, kind, said("indicator"))
        if kind == "manual":
            node["rule"]["cap"] = said("weight") or "1"
    else:
        node["weight"] = said("weight")
        _give_rule(node, kind, said("indicator"))
    nodes.append(node)
