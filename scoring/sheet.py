"""The ranking as its page shows it: names in words, and every number with its list."""

import json
from decimal import Decimal
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from cases.choices import CITY, Source
from cases.models import District
from cases.models.area import in_language
from scoring.models import Run
from scoring.rates import INDICATORS
from scoring.rollup import all_items
from scoring.rules import indicators_of
from scoring.selectors import MEASURED
from scoring.words import COUNT_NAMES, names_in

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


def body_names() -> dict[str, str]:
    """Return the short name of each body and of each source of reports."""
    names = {district.slug: district.short_name for district in District.objects.all()}
    names[CITY] = _("City-wide utilities")
    return names | {source.value: str(source.label) for source in Source}


def sheet_of(run: Run) -> dict[str, Any]:
    """Return what the ranking page shows of a run, from its sealed result alone."""
    result = json.loads(run.result)
    names, kinds = body_names(), {d.slug: d.get_kind_display() for d in District.objects.all()}
    scheme = _Words(run.scheme.data)
    bodies = [_body(run, sheet, names, scheme) for sheet in result["bodies"]]
    for body in bodies:
        body["kind"] = kinds.get(body["body"], "")
    city = _body(run, {"body": CITY, "items": [], **result["city"]}, names, scheme)
    columns = [*bodies, city]
    missing = _missing(result["bodies"], scheme)
    return {
        "bodies": bodies,
        "last": _last(bodies),
        "city": city,
        "columns": columns,
        "all_counts": [
            (name, [_number(run, body["body"], count, body["counts"]) for body in columns])
            for count, name in COUNT_NAMES.items()
        ],
        "reports": [
            (
                names.get(source, source),
                _number(run, source, "decided_reports", said["counts"]),
                _number(run, source, "valid_reports", said["counts"]),
                said["rates"]["valid_reports"],
            )
            for source, said in result.get("reports", {}).items()
        ],
        "missing": pgettext("list", ", ").join(scheme.names[code] for code in missing),
        "few": scheme.data["few"],
        "scheme_name": scheme.name,
        "has_few": any(
            line["points"] is None and line["code"] not in missing
            for body in bodies
            for line in body["lines"]
        ),
        "is_empty": not any(body["counts"] for body in columns),
    }


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
        self.parts = {node["code"] for node in data["items"] if "items" in node}


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
        "filed": _number(run, slug, "filed", counts),
        "overdue": _number(run, slug, "overdue_unhandled", counts),
        "rates_shown": {
            rate: Rate(
                sheet["rates"][rate],
                _number(run, slug, part, counts),
                _number(run, slug, whole, counts),
            )
            for rate, (part, whole) in _RATES.items()
        },
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
    if line["points"] is not None and "full" in line:
        shown["lost"] = Decimal(line["full"]) - Decimal(line["points"])
    if "listed" in line:
        shown["number"] = Number(scheme.names[code], line["listed"], _address(run, body, code))
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


def _last(bodies: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the ranked body with the lowest total, if it stands behind another."""
    ranked = [body for body in bodies if body["rank"] is not None]
    return ranked[-1] if ranked and ranked[-1]["rank"] > 1 else None


def _missing(bodies: list[dict[str, Any]], scheme: _Words) -> list[str]:
    """Return the items that have no value for any of the bodies."""
    with_value = {i["code"] for b in bodies for i in b["items"] if i["points"] is not None}
    items = [item["code"] for item in all_items(scheme.data) if "weight" in item]
    return [code for code in items if code not in with_value]


def _number(run: Run, body: str, count: str, counts: dict[str, int]) -> Number:
    return Number(COUNT_NAMES.get(count, count), counts.get(count, 0), _address(run, body, count))


def _address(run: Run, body: str, count: str) -> str:
    return f"{reverse('score_members', args=[run.period, body, count])}?run={run.pk}"
