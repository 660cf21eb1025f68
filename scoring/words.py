"""Names of periods, counts and items in words."""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from cases.models.area import in_language
from scoring.periods import CITY_TIME, Period

# In the order of a case's life, as the table of all counts shows them.
COUNT_NAMES: dict[str, str | Promise] = {
    "backlog_in": pgettext_lazy("count", "Brought forward"),
    "filed": pgettext_lazy("count", "Filed"),
    "need_dispatch": pgettext_lazy("count", "To be dispatched"),
    "filed_public": pgettext_lazy("count", "Filed, told by the public"),
    "key": pgettext_lazy("count", "Key cases"),
    "handled": pgettext_lazy("count", "Handled"),
    "handled_on_time": pgettext_lazy("count", "Handled on time"),
    "need_handle": pgettext_lazy("count", "Should be handled"),
    "need_handle_judged": pgettext_lazy("count", "Should be handled, exempt left out"),
    "closed": pgettext_lazy("count", "Closed"),
    "closed_on_time": pgettext_lazy("count", "Closed on time"),
    "forced": pgettext_lazy("count", "Force-closed"),
    "exempt": pgettext_lazy("count", "Exempt"),
    "should_close": pgettext_lazy("count", "Should be closed"),
    "should_close_judged": pgettext_lazy("count", "Should be closed, exempt left out"),
    "assessed": pgettext_lazy("count", "Assessed"),
    "extended_assessed": pgettext_lazy("count", "Assessed, extended"),
    "overdue_unhandled": pgettext_lazy("count", "Overdue, not handled"),
    "late_exit": pgettext_lazy("count", "Left while late"),
    "in_check": pgettext_lazy("count", "Awaiting check and closing"),
    "suspended_open": pgettext_lazy("count", "Suspended"),
    "not_due": pgettext_lazy("count", "Not yet due"),
    "to_dispatch": pgettext_lazy("count", "Awaiting dispatch"),
    "backlog_out": pgettext_lazy("count", "Carried forward"),
    "checks": pgettext_lazy("count", "Checks"),
    "checks_passed": pgettext_lazy("count", "Checks passed"),
    "reworked": pgettext_lazy("count", "Cases reworked"),
    "reworked_times": pgettext_lazy("count", "Reworks"),
    "returned": pgettext_lazy("count", "Cases returned"),
    "returned_times": pgettext_lazy("count", "Returns"),
    "extended": pgettext_lazy("count", "Cases extended"),
    "extended_times": pgettext_lazy("count", "Extensions"),
    "suspended": pgettext_lazy("count", "Suspensions"),
    "deferred": pgettext_lazy("count", "Deferred by a leader"),
    "reopened": pgettext_lazy("count", "Cases reopened"),
    "reopened_times": pgettext_lazy("count", "Reopenings"),
    "transferred_in": pgettext_lazy("count", "Transferred in"),
    "transferred_out": pgettext_lazy("count", "Transferred out"),
    "voided": pgettext_lazy("count", "Voided"),
    "merged": pgettext_lazy("count", "Merged"),
    "shirked": pgettext_lazy("count", "Returned without reason"),
    "first_finished": pgettext_lazy("count", "First finished"),
    "accurate_dispatch": pgettext_lazy("count", "Finished by the first unit"),
    "accept_clocks": pgettext_lazy("count", "Acceptances"),
    "accept_on_time": pgettext_lazy("count", "Accepted on time"),
    "verify_clocks": pgettext_lazy("count", "Verifications due"),
    "verify_on_time": pgettext_lazy("count", "Verified on time"),
    "dispatch_clocks": pgettext_lazy("count", "Dispatches"),
    "dispatch_on_time": pgettext_lazy("count", "Dispatched on time"),
    "sign_clocks": pgettext_lazy("count", "Signings"),
    "sign_on_time": pgettext_lazy("count", "Signed on time"),
    "check_clocks": pgettext_lazy("count", "Checks due"),
    "check_on_time": pgettext_lazy("count", "Checked on time"),
    "closings": pgettext_lazy("count", "Closings watched for a week"),
    "recurrent": pgettext_lazy("count", "Came back within the week"),
    "audits": pgettext_lazy("count", "Closings audited"),
    "audits_passed": pgettext_lazy("count", "Closings that held in the audit"),
    "falsified": pgettext_lazy("count", "Closings found falsified"),
    "refusals_audited": pgettext_lazy("count", "Refusals audited"),
    "refused_wrongly": pgettext_lazy("count", "Refused wrongly"),
    "self_handled": pgettext_lazy("count", "Self-handled"),
}
REPORT_COUNTS: dict[str, str | Promise] = {  # by source of the report, not by body
    "decided_reports": pgettext_lazy("count", "Reports decided"),
    "valid_reports": pgettext_lazy("count", "Valid reports"),
}
# Of what has a last day, as shape and word: colour never says it alone.
LIGHTS = {
    "normal": ("○", pgettext_lazy("light", "on time")),
    "soon": ("▲", pgettext_lazy("light", "due soon")),
    "late": ("■", pgettext_lazy("light", "overdue")),
    "met": ("✓", pgettext_lazy("light", "met")),
    "met_late": ("✓", pgettext_lazy("light", "met late")),
}
LIST_NAMES = {**COUNT_NAMES, **REPORT_COUNTS}

_MONTHS = (
    gettext_lazy("January"),
    gettext_lazy("February"),
    gettext_lazy("March"),
    gettext_lazy("April"),
    gettext_lazy("May"),
    gettext_lazy("June"),
    gettext_lazy("July"),
    gettext_lazy("August"),
    gettext_lazy("September"),
    gettext_lazy("October"),
    gettext_lazy("November"),
    gettext_lazy("December"),
)


def period_words(period: Period) -> str:
    """Return the period as a reader says it: October 2026, quarter 4 of 2026, year 2026."""
    start = period.start.astimezone(CITY_TIME)
    if period.is_month:
        month = _MONTHS[start.month - 1]
        return _("%(month)s %(year)d") % {"month": month, "year": start.year}
    if "Q" in period.name:
        quarter = start.month // 3 + 1
        return _("Quarter %(quarter)d of %(year)d") % {"quarter": quarter, "year": start.year}
    if "H" in period.name:
        if start.month == 1:
            return _("First half of %(year)d") % {"year": start.year}
        return _("Second half of %(year)d") % {"year": start.year}
    return _("Year %(year)d") % {"year": start.year}


def names_in(scheme: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of each part and item of a scheme by its code, in the reader's language."""
    nodes = [*scheme["items"]]
    for name in ("deductions", "bonuses"):
        nodes += scheme.get(name, {}).get("items", [])
    names = {}
    while nodes:
        node = nodes.pop(0)
        names[node["code"]] = in_language(node["name"]["zh"], node["name"]["en"])
        nodes = [*node.get("items", []), *nodes]
    return names
