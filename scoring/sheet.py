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
from scoring.models import Run
from scoring.words import COUNT_NAMES, ITEM_NAMES

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
    bodies = [_body(run, sheet, names) for sheet in result["bodies"]]
    for body in bodies:
        body["kind"] = kinds.get(body["body"], "")
    city = _body(run, {"body": CITY, "items": [], **result["city"]}, names)
    columns = [*bodies, city]
    missing = _missing(result["bodies"])
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
        "missing": pgettext("list", ", ").join(str(ITEM_NAMES[code]) for code in missing),
        "few": run.scheme.data["few"],
        "has_few": any(
            line["points"] is None and line["code"] not in missing
            for body in bodies
            for line in body["lines"]
        ),
        "is_empty": not any(body["counts"] for body in columns),
    }


def _body(run: Run, sheet: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    slug, counts = sheet["body"], sheet["counts"]
    lines = [_line(run, slug, line) for line in sheet["items"]]
    return {
        **sheet,
        "name": names.get(slug, slug),
        "lines": lines,
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


def _line(run: Run, body: str, line: dict[str, Any]) -> dict[str, Any]:
    code = line["code"]
    shown: dict[str, Any] = {**line, "name": ITEM_NAMES[code], "lost": None}
    if line["points"] is not None:
        shown["lost"] = Decimal(line["full"]) - Decimal(line["points"])
        shown["number"] = Number(ITEM_NAMES[code], line["listed"], _address(run, body, code))
        shown["grouped"] = line["cases"] != line["groups"]
    return shown


def _last(bodies: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the ranked body with the lowest total, if it stands behind another."""
    ranked = [body for body in bodies if body["rank"] is not None]
    return ranked[-1] if ranked and ranked[-1]["rank"] > 1 else None


def _missing(bodies: list[dict[str, Any]]) -> list[str]:
    """Return the items that have no value for any of the bodies."""
    return [
        code
        for code in ITEM_NAMES
        if all(i["points"] is None for b in bodies for i in b["items"] if i["code"] == code)
    ]


def _number(run: Run, body: str, count: str, counts: dict[str, int]) -> Number:
    return Number(COUNT_NAMES.get(count, count), counts.get(count, 0), _address(run, body, count))


def _address(run: Run, body: str, count: str) -> str:
    return f"{reverse('score_members', args=[run.period, body, count])}?run={run.pk}"
