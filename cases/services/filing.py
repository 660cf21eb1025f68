"""What accepting, filing, and assigning do to a locked case, shared by people and automatics."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models.functions import Now

from cases import clock
from cases.choices import Action, ClockKind, LimitUnit, Role, Stage, Waiting
from cases.ledger import Book, Folder
from cases.models import Case, CityOptions, Condition, Effect, Event, StageClock, Unit
from cases.selectors.calendars import load_calendar
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

    def words(self, **private: Any) -> dict[str, Any]:
        """Return the keyword arguments of `Book.append` that name the actor.

        `private` is said beside the opinion and stays out of the header too.
        """
        return {
            "actor": self.actor,
            "role": self.role,
            "private": {"opinion": self.opinion, **private},
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
    case.limit_value, case.limit_unit = options.limit_of(condition, built_up=case.built_up)
    case.calendar_version = calendar_version
    case.extensions_left, case.suspensions_left = options.max_extensions, options.max_suspensions
    case.filed_at = book.at
    ended = book.stop_clock(folder, ClockKind.ACCEPT)
    book.start_minutes(folder, ClockKind.DISPATCH, options.dispatch_min)
    facts = {
        "near_border": case.border_m is not None and case.border_m < options.border_warning_m,
        "recurs": condition.minor.recurs,
    }
    event = book.append(folder, Action.FILE, clock=ended, facts=facts, **by.words())
    ask_dispatch(book, folder, event)
    return event


def ask_dispatch(book: Book, folder: Folder, event: Event) -> None:
    """Have the case dispatched as `event` leaves it; an earlier request is then superseded."""
    case, waited = folder.case, folder.clocks.get(ClockKind.DISPATCH)
    book.effect(
        event,
        "dispatch",
        queue=f"dispatch.{case.scope}",
        urgency=_URGENCY[LimitUnit(str(case.limit_unit))],
        due_at=waited.due_at if waited else None,
        version=case.version,
    )


def rules_changed(mark: str, *, at: datetime | None = None) -> None:
    """Have all filed cases asked for once more; `mark` says what changed, `at` since when.

    After the commit of the change, so that none is missed which is being filed or found unrouted
    by the old rules just now.
    """
    words = {"kind": "ask_again", "queue": "dispatch.city", "payload": {"mark": mark}}
    Effect.objects.get_or_create(key=f"ask_again:{mark}", defaults=words | {"next_at": at or Now()})


def ask_again(effect: Effect) -> str:
    """Have every filed case dispatched by the rules of now, once; returns how many.

    Safe to repeat. One that moves on meanwhile is superseded, as any request for a dispatch.
    """
    asked = [
        Effect(
            key=f"dispatch:{effect.payload['mark']}:{case.number}",
            kind="dispatch",
            queue=f"dispatch.{case.scope}",
            scope=case.scope,
            case=case,
            case_seq=case.case_seq,
            payload={"version": case.version},
            urgency=_URGENCY[LimitUnit(str(case.limit_unit))],
            due_at=case.lamp_due_at,
        )
        for case in Case.objects.filter(stage=Stage.FILED).order_by("pk")
    ]
    Effect.objects.bulk_create(asked, ignore_conflicts=True, batch_size=1000)
    return f"{len(asked)} asked"


def change_district(
    book: Book, folder: Folder, district: str, by: By, *, facts: dict[str, Any]
) -> Event:
    """Move a case to another district's log: out of the old one, into the new, one move.

    The book holds both heads. The old district goes on seeing the case (domain.md §2).
    """
    case, move_id = folder.case, uuid.uuid4()
    words = {**facts, "from_district": case.district, "to_district": district}
    book.append(folder, Action.MOVED_OUT, facts=words, move_id=move_id, **by.words())
    if case.district and case.district not in case.also_districts:
        case.also_districts = [*case.also_districts, case.district]
    case.scope = case.district = district
    return book.append(folder, Action.MOVED_IN, facts=words, move_id=move_id, **by.words())


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
    base_left_s = None if left_s is None else case.base_left_s
    run = stop_unit_clocks(book, folder)
    waited = book.stop_clock(folder, ClockKind.DISPATCH)
    ended = waited or book.stop_clock(folder, ClockKind.ARBITRATE) or run
    case.stage = Stage.DISPATCHED
    case.unit, case.body, case.parent_unit = unit, unit.body, unit.parent_id or ""
    case.rule, case.is_fallback, case.is_unrouted = rule, is_fallback, False
    case.left_s, case.base_left_s = None, None
    case.last_reason, case.handled_at = "", None
    case.handler, case.photo_doubts, case.extension_count = None, [], 0
    case.exit_confirmed = False  # of an earlier exit
    start_handling(book, folder, left_s=left_s, base_left_s=base_left_s)
    book.start_minutes(folder, ClockKind.SIGN, options.sign_min)
    said = {"rule": rule, "fallback": is_fallback, **(facts or {})}
    if unit.parent_id:
        said["parent"] = unit.parent_id  # a sub-unit counts as its parent (assessment.md §5)
    if old[0] and old[0] != unit.code:
        said |= {"from_unit": old[0], "from_body": old[1]}
    return book.append(folder, action, clock=ended, facts=said, sets_clock=True, **by.words())


def start_handling(
    book: Book, folder: Folder, *, left_s: int | None = None, base_left_s: int | None = None
) -> None:
    """Start the handling clock now, for the full limit or for what was left of it, in seconds.

    `base_left_s` is what was left without extensions, where that differs.
    """
    limit, calendar = case_limit(folder)
    left = limit.seconds(calendar) if left_s is None else left_s
    base = left if base_left_s is None else base_left_s
    folder.case.base_due_at = clock.after(book.at, base, calendar, is_working=limit.is_working)
    set_deadline(book, folder, clock.after(book.at, left, calendar, is_working=limit.is_working))


def set_deadline(book: Book, folder: Folder, due_at: datetime) -> None:
    """Let the handling clock run to `due_at`; soon is a fifth of the whole limit before it."""
    case = folder.case
    limit, calendar = case_limit(folder)
    left = clock.used(book.at, due_at, calendar, is_working=limit.is_working)
    whole = limit.seconds(calendar) * (1 + case.extension_count)
    until_soon = max(0, left - whole // 5)
    case.due_at = due_at
    soon_at = clock.after(book.at, until_soon, calendar, is_working=limit.is_working)
    book.start_clock(folder, ClockKind.HANDLE, due_at=due_at, soon_at=soon_at)


def stop_handling(book: Book, folder: Folder) -> StageClock | None:
    """Stop the handling clock, measured on its own time; keep what remains of the limit."""
    running = folder.clocks.get(ClockKind.HANDLE)
    if running is None:
        return None
    case = folder.case
    limit, calendar = case_limit(folder)
    used = clock.used(running.started_at, book.at, calendar, is_working=limit.is_working)
    case.left_s, case.base_left_s = left_of_run(book, folder)
    ended = book.stop_clock(folder, ClockKind.HANDLE, used_s=used)
    case.was_late = case.was_late or bool(ended and not ended.on_time)
    return ended


def left_of_run(book: Book, folder: Folder) -> tuple[int, int]:
    """Return the seconds that remain to the deadline, and to that without extensions; at least 0.

    Counted in the limit's own time, working or continuous (domain.md §9).
    """
    limit, calendar = case_limit(folder)

    def left(due_at: datetime | None) -> int:
        if due_at is None or due_at <= book.at:
            return 0
        return clock.used(book.at, due_at, calendar, is_working=limit.is_working)

    return left(folder.case.due_at), left(folder.case.base_due_at)


def stop_unit_clocks(book: Book, folder: Folder) -> StageClock | None:
    """End the run: stop its clocks, let what was asked lapse; return the handling clock if it ran.

    Requests for the run that ended ask for nothing any more.
    """
    stop_waiting(folder, *RUN_WAITS)
    book.stop_clock(folder, ClockKind.EXTEND)
    signed = book.stop_clock(folder, ClockKind.SIGN)
    return stop_handling(book, folder) or signed


RUN_REQUESTS = (Waiting.EXTENSION_HEAD, Waiting.EXTENSION, Waiting.SUSPENSION)
RUN_WAITS = (*RUN_REQUESTS, Waiting.ASSIST)


def wait_for(folder: Folder, what: Waiting) -> None:
    """Write down that the case waits for a decision or an answer."""
    if what not in folder.case.waiting_for:
        folder.case.waiting_for = sorted([*folder.case.waiting_for, what.value])


def stop_waiting(folder: Folder, *what: Waiting) -> None:
    """Strike out what was decided, answered, or has lapsed."""
    folder.case.waiting_for = [name for name in folder.case.waiting_for if name not in what]


def stop_all(book: Book, folder: Folder) -> StageClock | None:
    """Stop every clock of a case that leaves its way; return the one its stage was judged by.

    Nobody need answer or decide anything about it any more but appeals and adjustments.
    """
    run = stop_unit_clocks(book, folder)
    stop_waiting(folder, Waiting.REPLY, Waiting.AUDIT)
    others = [book.stop_clock(folder, ClockKind(kind)) for kind in sorted(folder.clocks)]
    return run or next(iter(others), None)


def suspend(book: Book, folder: Folder, until: datetime, *, is_deferred: bool) -> StageClock | None:
    """Let the handling clock stand still until a moment; what remains is counted on from then."""
    case = folder.case
    left_s, base_left_s = left_of_run(book, folder)
    case.held = {"left_s": left_s, "base_left_s": base_left_s}
    ended = stop_unit_clocks(book, folder)
    case.stage_before, case.stage = case.stage, Stage.SUSPENDED
    case.due_at = case.base_due_at = None
    case.suspended_until, case.is_deferred = until, is_deferred
    case.suspensions_left -= 1
    book.start_clock(folder, ClockKind.SUSPEND, due_at=until, soon_at=None)
    return ended


def resume(book: Book, folder: Folder, by: By) -> Event:
    """Go on after a suspension with the time that remained when it began."""
    case = folder.case
    ended = book.stop_clock(folder, ClockKind.SUSPEND)
    case.stage, case.stage_before = case.stage_before, ""
    case.suspended_until, case.is_deferred = None, False
    start_handling(book, folder, left_s=case.held["left_s"], base_left_s=case.held["base_left_s"])
    case.held = {}
    return book.append(folder, Action.RESUME, clock=ended, sets_clock=True, **by.words())


def case_limit(folder: Folder) -> tuple[clock.Limit, clock.Calendar]:
    """Return the frozen limit and the calendar the case is timed with."""
    case = folder.case
    assert case.limit_value is not None
    assert case.limit_unit is not None
    assert case.calendar_version is not None
    limit = clock.Limit(case.limit_value, LimitUnit(case.limit_unit))
    return limit, load_calendar(case.calendar_version)
