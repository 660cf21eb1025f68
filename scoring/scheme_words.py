"""A scheme in words: each item's indicator, its rule in a sentence, and what holds for all."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from cases.models.area import in_language
from scoring.rates import INDICATORS
from scoring.words import LIST_NAMES

INDICATOR_NAMES: dict[str, str | Promise] = {
    "handling_rate": pgettext_lazy("indicator", "Handling rate"),
    "on_time_handling_rate": pgettext_lazy("indicator", "Handled on time"),
    "overdue_unhandled_rate": pgettext_lazy("indicator", "Overdue and not handled"),
    "closure_rate": pgettext_lazy("indicator", "Closing rate"),
    "on_time_closure_rate": pgettext_lazy("indicator", "Closed on time"),
    "overdue_closure_rate": pgettext_lazy("indicator", "Closed late"),
    "overdue_rate": pgettext_lazy("indicator", "Overdue rate"),
    "rework_rate": pgettext_lazy("indicator", "Rework rate"),
    "check_pass_rate": pgettext_lazy("indicator", "Checks passed"),
    "extension_rate": pgettext_lazy("indicator", "Extension rate"),
    "suspension_rate": pgettext_lazy("indicator", "Suspension rate"),
    "audit_pass_rate": pgettext_lazy("indicator", "Closure audits passed"),
    "recurrence_rate": pgettext_lazy("indicator", "Recurrence rate"),
    "shirk_rate": pgettext_lazy("indicator", "Returned without reason"),
    "accurate_dispatch_rate": pgettext_lazy("indicator", "Dispatched to the right unit"),
    "on_time_acceptance_rate": pgettext_lazy("indicator", "Accepted on time"),
    "on_time_verify_rate": pgettext_lazy("indicator", "Verified on time"),
    "on_time_dispatch_rate": pgettext_lazy("indicator", "Dispatched on time"),
    "on_time_sign_rate": pgettext_lazy("indicator", "Signed on time"),
    "on_time_check_rate": pgettext_lazy("indicator", "Checked on time"),
    "valid_report_rate": pgettext_lazy("indicator", "Valid reports"),
    "public_report_rate": pgettext_lazy("indicator", "Told by the public"),
    "rework_to_close": pgettext_lazy("indicator", "Cases reworked to those that should be closed"),
    "extension_to_close": pgettext_lazy(
        "indicator", "Cases extended to those that should be closed"
    ),
    "extension_to_handle": pgettext_lazy(
        "indicator", "Cases extended to those that should be handled"
    ),
    "return_rate": pgettext_lazy("indicator", "Cases returned to those that should be handled"),
    "quick_credit": pgettext_lazy("indicator", "Mean credit of quick cases"),
    "works_credit": pgettext_lazy("indicator", "Mean credit of works cases"),
    "urgent_credit": pgettext_lazy("indicator", "Mean credit of urgent and key cases"),
    "left_undone_rate": pgettext_lazy("indicator", "Left undone, of the assessed"),
    "held_rate": pgettext_lazy("indicator", "Extended or suspended, of the assessed"),
    "urgent_closure_rate": pgettext_lazy("indicator", "Urgent cases closed"),
    "urgent_on_time_rate": pgettext_lazy("indicator", "Urgent cases closed on time"),
    "reworked_times": pgettext_lazy("indicator", "Reworks"),
    "returned_times": pgettext_lazy("indicator", "Returns"),
    "extended_times": pgettext_lazy("indicator", "Extensions"),
    "reopened_times": pgettext_lazy("indicator", "Reopenings"),
    "shirked": pgettext_lazy("indicator", "Returns without reason"),
    "forced": pgettext_lazy("indicator", "Forced closings"),
    "late_exit": pgettext_lazy("indicator", "Cases that left while late"),
    "falsified": pgettext_lazy("indicator", "Falsified closings"),
    "refused_wrongly": pgettext_lazy("indicator", "Wrong refusals"),
    "filed_cases": pgettext_lazy("indicator", "Cases filed"),
    "cases_held": pgettext_lazy("indicator", "Cases held"),
    "filed_per_cell": pgettext_lazy("indicator", "Cases filed a grid cell"),
    "onsite": pgettext_lazy("indicator", "On-site inspection"),
    "satisfaction": pgettext_lazy("indicator", "Satisfaction of those who reported"),
    "key_tasks": pgettext_lazy("indicator", "Key tasks done on time"),
}
_OUTSIDE = gettext_lazy("measured outside the cases")
_FORMULAS: dict[str, str | Promise] = {  # those that are no mere counts
    "quick_credit": gettext_lazy("mean over the groups of quick cases"),
    "works_credit": gettext_lazy("mean over the groups of works cases"),
    "urgent_credit": gettext_lazy("mean over the groups of urgent and key cases"),
    "left_undone_rate": gettext_lazy("left undone / assessed"),
    "held_rate": gettext_lazy("extended or suspended / assessed"),
    "urgent_closure_rate": gettext_lazy("urgent, key and closed / urgent, key and assessed"),
    "urgent_on_time_rate": gettext_lazy(
        "urgent, key and closed on time / urgent, key and assessed"
    ),
    "filed_per_cell": gettext_lazy("filed / grid cells"),
    "onsite": _OUTSIDE,
    "satisfaction": _OUTSIDE,
    "key_tasks": _OUTSIDE,
}
_COUNT = re.compile(r"[a-z]\w+", re.ASCII)
KIND_NAMES: dict[str, str | Promise] = {
    "ratio": pgettext_lazy("rule", "weight × rate"),
    "threshold": pgettext_lazy("rule", "full from a value, then less"),
    "thresholds": pgettext_lazy("rule", "less for each of several values"),
    "band": pgettext_lazy("rule", "bands"),
    "charges": pgettext_lazy("rule", "less for each occurrence"),
    "manual": pgettext_lazy("rule", "entered by hand"),
}
_COMMA = pgettext_lazy("list", ", ")
_THEN = gettext_lazy("; ")


def indicator_words(item: Mapping[str, Any]) -> str:
    """Return what an item is judged by, in words."""
    if "indicator" in item:
        return str(INDICATOR_NAMES[item["indicator"]])
    if "blend" in item:
        parts = [_factored(str(INDICATOR_NAMES[name]), factor) for name, factor in item["blend"]]
        return " + ".join(parts)
    rule = item["rule"]
    names = [term["indicator"] for term in [*rule.get("terms", []), *rule.get("charges", [])]]
    return str(_COMMA).join(str(INDICATOR_NAMES[name]) for name in names) or "–"


def _factored(name: str, factor: str) -> str:
    return name if factor == "1" else f"{factor} × {name}"


def formulas_of(item: Mapping[str, Any]) -> list[str]:
    """Return how each indicator of an item is counted."""
    rule = item["rule"]
    names = [item["indicator"]] if "indicator" in item else [n for n, _f in item.get("blend", [])]
    names += [term["indicator"] for term in [*rule.get("terms", []), *rule.get("charges", [])]]
    return [formula_words(name) for name in names]


def formula_words(name: str) -> str:
    """Return the formula of an indicator with its counts by the names the ranking gives them."""
    if name in _FORMULAS:
        return str(_FORMULAS[name])
    formula = INDICATORS[name].formula
    return _COUNT.sub(lambda found: str(LIST_NAMES[found[0]]), formula)


def rule_words(item: Mapping[str, Any]) -> str:
    """Return the rule of an item as a sentence; of a deduction or bonus what it takes or gives."""
    rule = item["rule"]
    sentence = _SENTENCES[rule["kind"]](rule, item.get("weight", ""))
    more = []
    if item.get("months") == 3:
        more.append(_("always over three months"))
    if isinstance(item.get("few"), int):  # a form may hold anything before it is kept
        said = ngettext("from %d on", "from %d on", item["few"]) % item["few"]
        more.append(said)
    return str(_THEN).join([sentence, *more])


def _ratio(rule: Mapping[str, Any], weight: str) -> str:
    if rule["better"] == "high":
        return _("%(weight)s × the rate") % {"weight": weight}
    return _("%(weight)s × (1 − the rate)") % {"weight": weight}


def _threshold(rule: Mapping[str, Any], weight: str) -> str:
    said = {**rule, "weight": weight, "full_at": f"{rule['full_at']}%"}
    if rule["better"] == "high":
        sentence = _("%(weight)s at %(full_at)s and above; −%(per_point)s a point below") % said
    else:
        sentence = _("%(weight)s up to %(full_at)s; −%(per_point)s a point above") % said
    floor = rule.get("floor", "0")
    return sentence if floor == "0" else str(_THEN).join([sentence, _("never below %s") % floor])


def _thresholds(rule: Mapping[str, Any], weight: str) -> str:
    parts = [_("%s in full") % weight]
    for term in rule["terms"]:
        said = {**term, "name": INDICATOR_NAMES[term["indicator"]]}
        said["full_at"] = f"{term['full_at']}%"
        if term["better"] == "high":
            parts.append(_("−%(per_point)s a point of “%(name)s” below %(full_at)s") % said)
        else:
            parts.append(_("−%(per_point)s a point of “%(name)s” above %(full_at)s") % said)
    return str(_THEN).join(parts)


def _band(rule: Mapping[str, Any], weight: str) -> str:
    bands = []
    for upto, gives in rule["bands"]:
        said = {"upto": upto, "gives": f"{gives}%"}
        bands.append(
            (_("above: %(gives)s") if upto is None else _("up to %(upto)s: %(gives)s")) % said
        )
    return _("of %(weight)s: %(bands)s") % {"weight": weight, "bands": str(_COMMA).join(bands)}


def _charges(rule: Mapping[str, Any], weight: str) -> str:
    parts = [_("%s in full") % weight] if weight else []
    sign = "−" if weight else ""
    for charge in rule["charges"]:
        parts.append(_charge(charge, sign))
    if rule.get("cap") is not None:
        parts.append(_("at most %s together") % rule["cap"])
    return str(_THEN).join(parts)


def _charge(charge: Mapping[str, Any], sign: str) -> str:
    name = charge["indicator"]
    said = {"points": sign + charge["points"], "name": str(INDICATOR_NAMES[name])}
    if INDICATORS[name].unit == "percent":
        return _("%(points)s for each point of “%(name)s”") % said
    parts = [_("%(points)s for each of “%(name)s”") % said]
    for first, later in charge.get("steps", []):
        words = {"points": sign + later, "first": str(first)}
        parts.append(_("%(points)s from number %(first)s on") % words)
    if charge.get("key_times", "1") != "1":
        words = {"times": charge["key_times"]}
        parts.append(_("in key cases each counts %(times)s times") % words)
    if charge.get("cap") is not None:
        parts.append(_("at most %s") % charge["cap"])
    return str(_COMMA).join(parts)


def _manual(rule: Mapping[str, Any], weight: str) -> str:
    most = weight or str(rule.get("cap", ""))
    return _("0 to %s, entered by an assessor with evidence and a reason") % most


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any], str], str]] = {
    "ratio": _ratio,
    "threshold": _threshold,
    "thresholds": _thresholds,
    "band": _band,
    "charges": _charges,
    "manual": _manual,
}


def general_words(data: Mapping[str, Any]) -> list[str]:
    """Return what holds for the whole scheme, a sentence each."""
    few = {"few": str(data["few"])}
    ranked = {"least": str(data["ranked_from"])}
    said = [
        _("An item with fewer than %(few)s groups takes the three months ending with the period.")
        % few,
        _("Still fewer: it shows –, and its weight is shared among the others of its part."),
        _("A body with fewer than %(least)s assessed cases is shown and not ranked.") % ranked,
    ]  # fmt: skip
    if data.get("missing", "share") == "drop_for_all":
        said.append(_("A part that one of the ranked lacks is dropped for all."))
    if data.get("groups"):
        said.append(_("Each kind is ranked apart."))
    for name, text in (
        ("deductions", _("Deductions: at most %s a month.")),
        ("bonuses", _("Bonuses: at most %s a month.")),
    ):
        cap = data.get(name, {}).get("cap")
        if cap is not None:
            said.append(text % cap)
    if data.get("total_at_most") is not None:
        said.append(_("The total is at most %s.") % data["total_at_most"])
    places = data["rounding"]["places"]
    said.append(
        ngettext(
            "Each printed figure is rounded half up to %d place, once; sums are of those.",
            "Each printed figure is rounded half up to %d places, once; sums are of those.",
            places,
        )
        % places
    )
    said.append(_("Equal totals share a rank, and the next is left out."))
    if data.get("small_gap") is not None:
        said.append(_("A gap of less than %s to the next is called small.") % data["small_gap"])
    grades = [f"{name} ≥ {least}" for name, least in data.get("grades", [])]
    if grades:
        said.append(_("Grades: %s.") % str(_COMMA).join(grades))
    return said


def rows_of(
    data: Mapping[str, Any], before: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return a scheme as rows: parts and items in order, then deductions and bonuses.

    With the version it was made `before`, a row says what it said there when that differs.
    """
    old = {row["code"]: row for row in rows_of(before)} if before else {}
    rows: list[dict[str, Any]] = []
    _add_rows(rows, data["items"], 0, "")
    for name in ("deductions", "bonuses"):
        _add_rows(rows, data.get(name, {}).get("items", []), 0, name)
    for row in rows if before else []:
        was = old.pop(row["code"], None)
        row["is_new"] = was is None
        same = ("name", "indicator", "rule", "weight")
        row["was"] = was if was and any(was[n] != row[n] for n in same) else None
    return rows + [{**row, "is_gone": True} for row in old.values()]


def _add_rows(
    rows: list[dict[str, Any]], nodes: list[dict[str, Any]], depth: int, extra: str
) -> None:
    for node in nodes:
        is_part = "items" in node
        rows.append(
            {
                "code": node["code"],
                "name": in_language(node["name"]["zh"], node["name"]["en"]),
                "weight": node.get("weight", ""),
                "depth": depth,
                "is_part": is_part,
                "extra": extra,
                "indicator": "" if is_part else indicator_words(node),
                "formulas": [] if is_part else formulas_of(node),
                "rule": pgettext("part", "the sum of its items") if is_part else rule_words(node),
            }
        )
        _add_rows(rows, node.get("items", []), depth + 1, extra)
