"""What accepting, filing, and assigning do to a locked case, shared by people and automatics."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cases import clock
from cases.choices import Action, ClockKind, LimitUnit, Role, Stage
from cases.ledger import Book, Folder
from cases.models import CityOptions, Condition, Event, Unit
from cases.services.calendars import load_calendar
from cityops.accounts.models import User

_URGENCY = {
    LimitUnit.EMERGENCY_HOUR: 1,
    LimitUnit.EMERGENCY_DAY: 2,
    LimitUnit.WORK_HOUR: 4,
    LimitUnit.WORK_DAY: 6,
}


@dataclass(frozen=True)
class By:
    """Who acts, in which role, and what they said."""

    actor: User | None = None
    role: Role = Role.SYSTEM
    opinion: str = ""
    claimed_at: datetime | None = None

    def words(self) -> dict[str, Any]:
        """Return the keyword arguments of `Book.append` that name the actor."""
        return {
            "actor": self.actor,
            "role": self.role,
            "private": {"opinion": self.opinion},
            "claimed_at": self.claimed_at,
        }


def accept(book: Book, folder: Folder, by: By) -> Event:
    """Accept a report. The accept clock runs on to filing: "file with accept" (domain.md §4)."""
    folder.case.stage = Stage.ACCEPTED
    return book.append(folder, Action.ACCEPT, **by.words())


def file(
    book: Book,
    folder: Folder,
    condition: Condition,
    by: By,
    *,
    options: CityOptions,
    calendar_version: int,
) -> Event:
    """File a case: freeze class, condition, limit and calendar; ask for its dispatch."""
    case = folder.case
    case.stage = Stage.FILED
    case.minor_id, case.condition = condition.minor_id, condition
    case.limit_value, case.limit_unit = limit_of(condition, case.built_up, options)
    case.calendar_version = calendar_version
    case.filed_at = book.at
    ended = book.stop_clock(folder, ClockKind.ACCEPT)
    book.start_minutes(folder, ClockKind.DISPATCH, options.dispatch_min)
    facts = {
        "near_border": case.border_m is not None and case.border_m < options.border_warning_m,
        "recurs": condition.minor.recurs,
    }
    event = book.append(folder, Action.FILE, clock=ended, facts=facts, **by.words())
    book.effect(
        event,
        "dispatch",
        queue=f"dispatch.{case.scope}",
        urgency=_URGENCY[LimitUnit(case.limit_unit)],
        version=case.version,
    )
    return event


def limit_of(condition: Condition, built_up: bool, options: CityOptions) -> tuple[int, str]:  # noqa: FBT001  # a column's value
    """Return (value, unit); outside built-up areas emergency hours count by the area factor.

    Source: assessment.md §3.
    """
    value = condition.limit_value
    if condition.limit_unit == LimitUnit.EMERGENCY_HOUR and not built_up:
        value *= options.outskirts_factor
    return value, condition.limit_unit


def assign(
    book: Book,
    folder: Folder,
    action: Action,
    unit: Unit,
    by: By,
    *,
    options: CityOptions,
    left_s: int | None = None,
    rule: str = "",
    is_fallback: bool = False,
    facts: dict[str, Any] | None = None,
) -> Event:
    """Start a new run 承办段 with `unit`: a full limit, or `left_s` seconds of it.

    Source: assessment.md §3. A new run never washes out the lateness of the old one.
    """
    case = folder.case
    assert case.calendar_version is not None
    assert case.limit_value is not None
    old = (case.unit_id, case.body)
    ended = stop_unit_clocks(book, folder) or book.stop_clock(folder, ClockKind.DISPATCH)
    ended = ended or book.stop_clock(folder, ClockKind.ARBITRATE)
    case.stage = Stage.DISPATCHED
    case.unit, case.body = unit, unit.body
    case.rule, case.is_fallback, case.is_unrouted = rule, is_fallback, False
    case.left_s, case.last_reason, case.handled_at = None, "", None
    start_handling(book, folder, left_s=left_s)
    book.start_minutes(folder, ClockKind.SIGN, options.sign_min)
    said = {"rule": rule, "fallback": is_fallback, **(facts or {})}
    if unit.parent_id:
        said["parent"] = unit.parent_id  # a sub-unit counts as its parent (assessment.md §5)
    if old[0] and old[0] != unit.code:
        said |= {"from_unit": old[0], "from_body": old[1]}
    return book.append(folder, action, clock=ended, facts=said, sets_clock=True, **by.words())


def start_handling(book: Book, folder: Folder, *, left_s: int | None = None) -> None:
    """Start the handling clock now, for the full limit or for what was left of it."""
    case = folder.case
    limit, calendar = case_limit(folder)
    if left_s is None:
        due = clock.due_at(book.at, limit, calendar)
        soon = clock.soon_at(book.at, limit, calendar)
    else:
        due = clock.after(book.at, left_s, calendar, is_working=limit.is_working)
        soon = clock.after(book.at, left_s * 4 // 5, calendar, is_working=limit.is_working)
    case.due_at = case.base_due_at = due
    book.start_clock(folder, ClockKind.HANDLE, due_at=due, soon_at=soon)


def stop_handling(book: Book, folder: Folder) -> Any:
    """Stop the handling clock, measured on its own time; keep what remains of the limit."""
    running = folder.clocks.get(ClockKind.HANDLE)
    if running is None:
        return None
    limit, calendar = case_limit(folder)
    used = clock.used(running.started_at, book.at, calendar, is_working=limit.is_working)
    left = 0
    if running.due_at and running.due_at > book.at:
        left = clock.used(book.at, running.due_at, calendar, is_working=limit.is_working)
    folder.case.left_s = left
    return book.stop_clock(folder, ClockKind.HANDLE, used_s=used)


def stop_unit_clocks(book: Book, folder: Folder) -> Any:
    """Stop sign and handling clocks; return the handling one when it ran."""
    signed = book.stop_clock(folder, ClockKind.SIGN)
    return stop_handling(book, folder) or signed


def case_limit(folder: Folder) -> tuple[clock.Limit, clock.Calendar]:
    """Return the frozen limit and the calendar the case is timed with."""
    case = folder.case
    assert case.limit_value is not None
    assert case.limit_unit is not None
    assert case.calendar_version is not None
    limit = clock.Limit(case.limit_value, LimitUnit(case.limit_unit))
    return limit, load_calendar(case.calendar_version)
