"""Why an action is refused now, whatever its inputs: one small question a guard.

A guard reads nothing but the case, so a list of cases knows its buttons without a query
(docs/adr/0004-a-case-says-what-it-waits-for.md). Pure Python.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from django.utils.translation import gettext as _

from cases.choices import Role, Source, Waiting

CHECK_FAILED = "check_failed"  # why a case lies in `returned` without a unit having returned it
REOPENED = "reopened"


class CaseFacts(Protocol):
    """What the guards read of a case; times are aware."""

    stage: str
    source: str
    due_at: datetime | None
    arbitrated_unit: str
    parent_unit: str
    last_reason: str
    waiting_for: list[str]
    extensions_left: int
    suspensions_left: int
    handler_id: int | None
    reopen_until: datetime | None
    was_late: bool
    appeal: str
    exit_confirmed: bool
    unit_id: str | None


# A guard returns why the action is refused now to somebody in that role, or "".
Guard = Callable[[CaseFacts, Role, datetime], str]


def is_arbitrated(case: CaseFacts) -> bool:
    """Whether the case lies with the unit, or a sub-unit of it, that arbitration named."""
    return bool(case.arbitrated_unit) and case.arbitrated_unit == (case.parent_unit or case.unit_id)


def may_still_return(case: CaseFacts, _role: Role, at: datetime) -> str:
    """Refused once overdue, and to the unit arbitration named (assessment.md §3), for good."""
    if is_arbitrated(case):
        return _("The unit was named by arbitration and may not return the case.")
    return not_overdue(case, _role, at)


def not_overdue(case: CaseFacts, _role: Role, at: datetime) -> str:
    """Only until the deadline: what is asked later comes too late (domain.md §3)."""
    if case.due_at is not None and at > case.due_at:
        return _("The case is overdue: this had to come before its deadline.")
    return ""


def has_extension_left(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """At most as many approved extensions as the city allows."""
    return "" if case.extensions_left > 0 else _("No further extension is possible.")


def has_suspension_left(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """A case is suspended once."""
    return "" if case.suspensions_left > 0 else _("The case was suspended before.")


def is_outside_report(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """Verified are public, petition and media reports, and what other systems say."""
    if case.source in (Source.INSPECTOR, Source.LEADER):
        return _("Reports of inspectors and leaders' orders are not verified.")
    return ""


def failed_or_reopened(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """Rework follows a failed check or a reopening; a returned case is re-assigned."""
    if case.unit_id is None:
        return _("The case has no unit: re-assign it.")
    if case.last_reason not in (CHECK_FAILED, REOPENED):
        return _("Rework follows a failed check; a returned case is re-assigned.")
    return ""


def was_returned(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """A dispute is about a return, not about a failed check."""
    if case.last_reason in (CHECK_FAILED, REOPENED):
        return _("No unit returned this case; there is nothing to dispute.")
    return ""


def within_reopening(case: CaseFacts, _role: Role, at: datetime) -> str:
    """Reopened within the days the city gives, fixed at closing."""
    if case.reopen_until is None or at > case.reopen_until:
        return _("The time for reopening this case has passed.")
    return ""


def was_overdue(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """Only an overdue finding is appealed against or confirmed."""
    return "" if case.was_late else _("The case was never overdue.")


def not_appealed(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """One appeal a case."""
    return _("The unit has appealed before.") if case.appeal else ""


def not_confirmed(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """An exit is confirmed once."""
    return _("This exit was confirmed before.") if case.exit_confirmed else ""


def has_handler(case: CaseFacts, _role: Role, _at: datetime) -> str:
    """There is somebody to take it back from."""
    return "" if case.handler_id is not None else _("The case has no handler.")


def waits_for(wanted: Waiting | dict[Role, Waiting]) -> Guard:
    """Return a guard: the case waits for this, by role where it says so."""

    def waits(case: CaseFacts, role: Role, _at: datetime) -> str:
        name = wanted.get(role) if isinstance(wanted, dict) else wanted
        return "" if name in case.waiting_for else _("Nobody has asked for this.")

    kinds = wanted.values() if isinstance(wanted, dict) else [wanted]
    waits.__doc__ = f"The case waits for it: {', '.join(kinds)}."
    return waits


def waits_not_for(*unwanted: Waiting) -> Guard:
    """Return a guard: this was not asked for already."""

    def waits_not(case: CaseFacts, _role: Role, _at: datetime) -> str:
        asked = not set(unwanted).isdisjoint(case.waiting_for)
        return _("This was asked for before and is not decided yet.") if asked else ""

    waits_not.__doc__ = f"Not asked for already: {', '.join(unwanted)}."
    return waits_not
