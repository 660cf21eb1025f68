"""The ranking as its page shows it: names in words, and every number with its list."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from cases.choices import CITY, DISTRICT_SLUGS, Source
from cases.models import District
from cases.models.area import in_language
from scoring.charts import spark
from scoring.classes import counts_in
from scoring.history import sheets_of, totals_of
from scoring.models import ManualEntry, Run
from scoring.rates import INDICATORS
from scoring.rollup import all_items
from scoring.rules import half_up, indicators_of, ratio
from scoring.selectors import MEASURED
from scoring.trial import names_of_bodies
from scoring.words import COUNT_NAMES, names_in

ALL = "all"  # the bodies compared, together

_OVER = {  # what an item's number of cases is: its list, in words
    "left_undone_rate": "assessed",
    "held_rate": "assessed",
    "check_pass_rate": "checks",
    "audit_pass_rate": "audits",
    "recurrence_rate": "closings",
    "onsite": "points",
    "satisfaction": "answers",
    "key_tasks": "milestones",
}
_RATES = {  # rate: (part, whole)
    "closed": ("closed", "should_close"),
    "closed_on_time": ("closed_on_time", "should_close_judged"),
    "rework": ("checks_passed", "checks"),
}
_LEFT = {"rework"}  # those that are what the part leaves of the whole


class Number(NamedTuple):
    """A count and the address of the list that has as many rows."""

    name: str | Promise
    value: int
    address: str

    @property
    def shown(self) -> str:
        """The value with its thousands apart."""
        return f"{self.value:,}"


class Rate(NamedTuple):
    """A rate in per cent and the two counts it is made of; `percent` is None without a whole."""

    percent: str | None
    part: Number
    whole: Number


def body_names(run: Run | None = None) -> dict[str, str]:
    """Return the short name of each body a run compares, and of each source of reports.

    Without a run those of the districts.
    """
    level = run.scheme.level if run else "district"
    if run and level in ("unit", "street"):
        bodies = [sheet["body"] for sheet in json.loads(run.result)["bodies"]]
        return {ALL: _("all of them")} | names_of_bodies(level, bodies)
    names = {slug: slug for slug in DISTRICT_SLUGS} | names_of_bodies(level, [])
    names[ALL] = _("the four together")
    names[CITY] = _("City-wide utilities")
    return names | {source.value: str(source.label) for source in Source}


def sheet_of(
    run: Run, before: Run | None = None, past: Sequence[Run | None] = ()
) -> dict[str, Any]:
    """Return what the ranking page shows of a run, from its sealed result alone.

    Against the run of the period `before`, and with the totals of `past` ones, the oldest first.
    """
    result = _with_reasons(json.loads(run.result))
    names = body_names(run)
    kinds = {d.slug: d.get_kind_display() for d in District.objects.all()}
    scheme = _Words(run.scheme.data)
    bodies = [_body(run, sheet, names, scheme) for sheet in result["bodies"]]
    was, sheets = sheets_of(before), [sheets_of(one) for one in past]
    for body in bodies:
        slug = body["body"]
        body["kind"] = kinds.get(slug, "")
        body["change"] = _change(body, was.get(slug))
        now = None if body["total"] is None else Decimal(body["total"])
        body["history"] = [*totals_of(sheets, slug), now]
        body["spark"] = spark(body["history"])
    missing = _missing(result["bodies"], scheme)
    said = {
        "bodies": bodies,
        "was": was,
        "columns": bodies,
        "missing": pgettext("list", ", ").join(scheme.names[code] for code in missing),
        "missing_codes": missing,
        "few": scheme.data["few"],
        "scheme_name": scheme.name,
        "level": run.scheme.level,
        "has_few": any(
            line["points"] is None and line["code"] not in missing
            for body in bodies
            for line in body["lines"]
        ),
    }
    if "city" in result:
        city = _body(run, {"body": CITY, "items": [], **result["city"]}, names, scheme)
        said |= {"city": city, "columns": [*bodies, city]}
        said["reports"] = [
            (
                names.get(source, source),
                _number(run, source, "decided_reports", one["counts"]),
                _number(run, source, "valid_reports", one["counts"]),
                one["rates"]["valid_reports"],
            )
            for source, one in result.get("reports", {}).items()
        ]
    said["all_counts"] = [
        (name, [_number(run, body["body"], count, body["counts"]) for body in said["columns"]])
        for count, name in COUNT_NAMES.items()
    ]
    said["is_empty"] = not any(body["counts"] for body in said["columns"])
    return said


def class_sheet(run: Run, code: str) -> dict[str, Any]:
    """Return the counts and rates of each body among the cases of a class; a class has no score."""
    names, found = body_names(run), counts_in(run, code)
    slugs = [sheet["body"] for sheet in json.loads(run.result)["bodies"]]
    bodies = []
    for slug in slugs:
        counts = found.get(slug, {})
        body = {"body": slug, "name": names.get(slug, slug), "counts": counts}
        bodies.append({**body, **_columns(run, slug, counts, code)})
    return {"bodies": bodies, "is_empty": not found, "level": run.scheme.level}


def _columns(run: Run, slug: str, counts: Mapping[str, int], code: str = "") -> dict[str, Any]:
    """Return the counts and rates that stand in the ranking's columns."""
    rates = {}
    for rate, (part, whole) in _RATES.items():
        value = ratio(counts.get(part, 0), counts.get(whole, 0))
        if value is not None:
            value = Fraction(100) - value if rate in _LEFT else value
        percent = None if value is None else str(half_up(value))
        of_part = _number(run, slug, part, counts, code)
        rates[rate] = Rate(percent, of_part, _number(run, slug, whole, counts, code))
    first = "need_handle" if run.scheme.level == "unit" else "filed"  # units file nothing
    return {
        "first": _number(run, slug, first, counts, code),
        "overdue": _number(run, slug, "overdue_unhandled", counts, code),
        "rates_shown": rates,
    }


def _change(now: Mapping[str, Any], was: Mapping[str, Any] | None) -> Decimal | None:
    """Return by how much a total changed; None where either was over too few cases to be ranked."""
    if was is None or now["few_cases"] or was["few_cases"]:
        return None
    if now["total"] is None or was["total"] is None:
        return None
    return Decimal(now["total"]) - Decimal(was["total"])


def _with_reasons(result: dict[str, Any]) -> dict[str, Any]:
    """Put to each line entered by hand what its points rest on: the seal holds no free text."""
    lines = [
        line
        for body in result["bodies"]
        for line in [*body["items"], *body["deductions"]["items"], *body["bonuses"]["items"]]
        if "entry" in line
    ]
    entries = ManualEntry.objects.in_bulk([line["entry"] for line in lines]) if lines else {}
    for line in lines:
        if entry := entries.get(line["entry"]):
            line |= {"reason": entry.reason, "evidence": entry.evidence}
    return result


class _Words:
    """What a scheme calls its items, and what they are taken over."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data, self.names = data, names_in(data)
        self.name = in_language(data["name"]["zh"], data["name"]["en"])
        self.over = {
            item["code"]: next((_OVER[n] for n in indicators_of(item) if n in _OVER), "")
            for item in all_items(data)
        }
        self.reads = {item["code"]: indicators_of(item) for item in all_items(data)}
        self.targets = {item["code"]: _target(item) for item in all_items(data)}


def _body(run: Run, sheet: dict[str, Any], names: dict[str, str], scheme: _Words) -> dict[str, Any]:
    slug, counts = sheet["body"], sheet["counts"]
    lines = [_line(run, slug, line, scheme) for line in sheet["items"]]
    return {
        **sheet,
        "name": names.get(slug, slug),
        "lines": _with_parts(lines, sheet, scheme),
        "extras": [
            {**_line(run, slug, line, scheme), "sign": sign}
            for name, sign in (("deductions", "−"), ("bonuses", "+"))
            for line in sheet.get(name, {}).get("items", [])
        ],
        "capped": [
            (sign, sheet[name]["points"])
            for name, sign in (("deductions", "−"), ("bonuses", "+"))
            if _is_capped(sheet.get(name))
        ],
        "why": next((line for line in lines if line["code"] == sheet.get("weakest")), None),
        **_columns(run, slug, counts),
    }


def _is_capped(extra: dict[str, Any] | None) -> bool:
    """Tell whether deductions or bonuses come to more than their cap lets count."""
    if not extra or not extra["items"]:
        return False
    return sum(Decimal(line["points"]) for line in extra["items"]) != Decimal(extra["points"])


def _with_parts(
    lines: list[dict[str, Any]], sheet: dict[str, Any], scheme: _Words
) -> list[dict[str, Any]]:
    """Return the lines with the sum of each part after its last item."""
    sums = {part["code"]: part for part in sheet.get("parts", [])}
    rows = []
    for place, line in enumerate(lines):
        rows.append(line)
        part = line["part"]
        is_last = place + 1 == len(lines) or lines[place + 1]["part"] != part
        if is_last and part in sums and "points" in sums[part]:
            rows.append({**sums[part], "name": scheme.names[part], "is_part": True})
    return rows


def _line(run: Run, body: str, line: dict[str, Any], scheme: _Words) -> dict[str, Any]:
    code = line["code"]
    shown: dict[str, Any] = {**line, "name": scheme.names[code], "lost": None}
    values = line["values"] if "values" in line else [line.get("value")]
    shown["measured"] = " · ".join(map(_measured, values, scheme.reads[code])) or "–"
    shown["over"] = scheme.over[code]
    shown["target"] = scheme.targets[code]
    if line["points"] is not None and "full" in line:
        shown["lost"] = Decimal(line["full"]) - Decimal(line["points"])
    if "listed" in line:
        shown["number"] = Number(scheme.names[code], line["listed"], address_of(run, body, code))
        shown["grouped"] = line.get("cases") != line.get("groups")
        if page := next((n for n in scheme.reads[code] if n in MEASURED), ""):
            over = "?three" if line.get("three_months") else ""
            address = f"{reverse(f'score_{page}', args=[run.period])}{over}#{body}"
            shown["number"] = Number(scheme.names[code], line["groups"], address)
    return shown


def _measured(value: str | None, indicator: str) -> str:
    """Return a value with its unit: a rate in per cent, a number of times as it is."""
    if value is None:
        return "–"
    if INDICATORS[indicator].unit == "percent":
        return f"{value}%"
    return f"{Decimal(value).normalize():f}"


def _target(item: Mapping[str, Any]) -> str:
    """Return from which value on an item has full marks; a dash where the rule names none."""
    rule = item["rule"]
    if rule["kind"] == "threshold":
        return f"{rule['full_at']}%"
    if rule["kind"] == "ratio":
        return "100%" if rule["better"] == "high" else "0%"
    return "–"


def _missing(bodies: list[dict[str, Any]], scheme: _Words) -> list[str]:
    """Return the items that have no value for any of the bodies."""
    with_value = {i["code"] for b in bodies for i in b["items"] if i["points"] is not None}
    items = [item["code"] for item in all_items(scheme.data) if "weight" in item]
    return [code for code in items if code not in with_value]


def _number(run: Run, body: str, count: str, counts: Mapping[str, int], code: str = "") -> Number:
    name = COUNT_NAMES.get(count, count)
    return Number(name, counts.get(count, 0), address_of(run, body, count, code))


def address_of(run: Run, body: str, count: str, code: str = "") -> str:
    """Return the address of the list behind a number, of the cases of a class if one is given."""
    address = f"{reverse('score_members', args=[run.period, body, count])}?run={run.pk}"
    return f"{address}&class={code}" if code else address
