"""How the handling deadline of a case came about, read from its events (domain.md §4)."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypedDict

from cases.choices import UNIT_STAGES, ClockKind, LimitUnit
from cases.clock import (
    Calendar,
    Explanation,
    Extension,
    Limit,
    Pause,
    PauseKind,
    Shared,
    explain,
    explain_minutes,
    explain_named,
    used,
    work_days_between,
)
from cases.models import Case, Event, StageClock
from cases.selectors.calendars import current_version, load_calendar
from cases.selectors.explain import deadline_lines, not_explained

logger = logging.getLogger(__name__)

_MINUTE = timedelta(minutes=1)
# Clocks that run to a time somebody named; an order's too where its days are not whole any more.
_NAMED = frozenset({ClockKind.SUSPEND, ClockKind.SUPERVISE, ClockKind.HOTLINE})

# Actions by name, so that the story of a case can be told whichever of them the table has.
_BEGINS = frozenset({"dispatch", "reopen", "reassign", "arbitrate"})
_STOPS = {
    "finish": PauseKind.CHECKED,
    "return": PauseKind.RETURNED,
    "decide_suspension": PauseKind.SUSPENDED,
    "defer": PauseKind.SUSPENDED,
    "merge": PauseKind.MERGED,
}
_RESUMES = {
    "rework": PauseKind.CHECKED,
    "resume": PauseKind.SUSPENDED,
    "unmerge": PauseKind.MERGED,
}
# All a story is told by; the other events of a case can be left unread.
TELLING = _BEGINS | _STOPS.keys() | _RESUMES.keys() | {"decide_extension", "take_in", "let_go"}


@dataclass(frozen=True)
class Story:
    """The last run 承办段 of a case as its clock sees it.

    The last pause has no end while the clock stands still. Each extension adds one limit, so
    all have the length the case's limit has now, re-classified or not.
    """

    start: datetime
    limit: Limit
    calendar: Calendar
    pauses: tuple[Pause, ...] = ()
    extensions: tuple[Extension, ...] = ()
    shared: Shared | None = None  # deadline taken over from a duplicate

    @property
    def explanation(self) -> Explanation:
        """The deadline and the steps that led to it. Raises CalendarMissing."""
        return explain(
            self.start, self.limit, self.calendar, self.pauses, self.extensions, self.shared
        )

    def with_limit(self, limit: Limit) -> "Story":
        """Return the same run under another limit, its extensions too."""
        extensions = tuple(replace(extension, limit=limit) for extension in self.extensions)
        return replace(self, limit=limit, extensions=extensions)

    def without_extensions(self) -> "Story":
        """Return the run as `base_due_at` sees it."""
        return replace(self, extensions=())

    def until_stopped(self) -> "Story":
        """Return the run as it was when its clock last ran: a pause that lasts is left out."""
        return replace(self, pauses=tuple(pause for pause in self.pauses if pause.end is not None))

    @property
    def stopped(self) -> PauseKind | None:
        """Why the clock stands still, if it does."""
        return self.pauses[-1].kind if self.pauses and self.pauses[-1].end is None else None

    def _stop(self, at: datetime, kind: PauseKind) -> "Story":
        """Stop the clock; one that stands already keeps its reason."""
        return self if self.stopped else replace(self, pauses=(*self.pauses, Pause(at, None, kind)))

    def _go_on(self, at: datetime) -> "Story":
        *before, last = self.pauses
        return replace(self, pauses=(*before, replace(last, end=at)))


def runs_in_working_time(case: Case) -> bool:
    """Whether the clock that people are shown of a case counts working time only."""
    return (
        case.stage in UNIT_STAGES
        and case.limit_unit in (LimitUnit.WORK_HOUR, LimitUnit.WORK_DAY)
        and case.calendar_version is not None
    )


def seconds_left(case: Case, due_at: datetime, *, at: datetime) -> int:
    """Return the seconds left until `due_at` as the case's clock counts them; negative once over.

    Raises CalendarMissing.
    """
    if not runs_in_working_time(case):
        return int((due_at - at).total_seconds())
    return used(at, due_at, _pinned(case), is_working=True)


def handling_story(
    case: Case, events: Iterable[Event], calendar: Calendar | None = None
) -> Story | None:
    """Return the last run of a case from its events, oldest first; None before its dispatch.

    Read with the limit the case has now, and the calendar version it is pinned to where no other
    is given. What goes on with the time that remained, after a failed check or a return without
    justification, is one run. Raises CalendarMissing.
    """
    story: Story | None = None
    for event in events:
        if event.action not in _BEGINS or (story and _goes_on(story, event)):
            story = story and _told(story, event)
        elif event.action == "reopen" and event.due_at is None:
            story = None  # nobody held the case: it waits for its first dispatch again
        else:
            story = Story(event.at, _limit(case), calendar or _pinned(case))
    return story


def _limit(case: Case) -> Limit:
    assert case.limit_value is not None  # filing froze them
    assert case.limit_unit is not None
    return Limit(case.limit_value, LimitUnit(case.limit_unit))


def _pinned(case: Case) -> Calendar:
    assert case.calendar_version is not None
    return load_calendar(case.calendar_version)


def _goes_on(story: Story, event: Event) -> bool:
    """Whether a unit is given the case with what remained: the return was not justified."""
    return bool(story.stopped) and bool(_facts(event).get("goes_on"))


def _told(story: Story, event: Event) -> Story:
    """Return the run as it stands after `event`."""
    action, at, facts = event.action, event.at, _facts(event)
    if action in _BEGINS or story.stopped == _RESUMES.get(action, ""):
        return story._go_on(at)
    if action in _STOPS and (action != "decide_suspension" or facts.get("approved")):
        return story._stop(at, _STOPS[action])
    if action == "decide_extension" and _adds_a_limit(facts):
        extension = Extension(at, story.limit)
        return replace(story, extensions=(*story.extensions, extension))
    if action == "take_in" and event.sets_clock and event.due_at is not None:
        return replace(story, shared=Shared(at, event.due_at, facts["number"]))
    if action == "let_go" and event.sets_clock:
        return replace(story, shared=None)
    return story


def _facts(event: Event) -> dict[str, Any]:
    facts: dict[str, Any] = event.data.get("facts") or {}
    return facts


def _adds_a_limit(facts: dict[str, Any]) -> bool:
    """Whether an extension was approved for good: the dispatcher's word after the unit head's."""
    return facts.get("level") == "dispatcher" and facts.get("approved") is True


def handling_explained(case: Case, story: Story) -> Explanation | None:
    """Explain `case.due_at` by the run's story; None where the story ends elsewhere.

    A wrong explanation would be worse than none, so it is withheld and logged as an error.
    Raises CalendarMissing.
    """
    explained = as_timed(case, story).explanation
    if explained.due == case.due_at:
        return explained
    logger.error(
        "case %s: due at %s, but its events say %s", case.number, case.due_at, explained.due
    )
    return None


def as_timed(case: Case, story: Story) -> Story:
    """Return the story that ends at `due_at`: handled and not yet checked, it stands as it ran."""
    return story if case.due_at is None else story.until_stopped()


# --- as the page and the API show it -------------------------------------------------------------


class Deadline(TypedDict):
    """A clock of a case and how its deadline came about, JSON-ready; times are ISO 8601."""

    kind: str
    started_at: str
    limit: dict[str, Any] | None  # value, unit; null where a person named the deadline
    calendar: int | None  # version; null where nights and holidays count too
    pauses: list[dict[str, Any]]  # start, end, kind
    extensions: list[dict[str, Any]]  # at, value, unit
    due_at: str | None
    lines: list[str]  # the same in words, in the reader's language


def deadlines_of(case: Case, events: Iterable[Event]) -> list[Deadline]:
    """Return how the handling deadline and those of the stage clocks that run came about."""
    story = handling_story(case, events)
    told = [_handling(case, story)] if story else []
    running = StageClock.objects.filter(case=case, ended_at=None).order_by("started_at", "pk")
    return told + [_of_stage(clock, case) for clock in running if clock.kind != ClockKind.HANDLE]


def _handling(case: Case, story: Story) -> Deadline:
    explained, story = handling_explained(case, story), as_timed(case, story)
    length = {"value": story.limit.value, "unit": story.limit.unit.value}
    return {
        "kind": ClockKind.HANDLE.value,
        "started_at": story.start.isoformat(),
        "limit": length,
        "calendar": story.calendar.version if story.limit.is_working else None,
        "pauses": [
            {
                "start": pause.start.isoformat(),
                "end": pause.end.isoformat() if pause.end else None,
                "kind": pause.kind.value,
            }
            for pause in story.pauses
        ],
        "extensions": [{"at": one.approved_at.isoformat(), **length} for one in story.extensions],
        "due_at": case.due_at.isoformat() if case.due_at else None,
        "lines": deadline_lines(explained) if explained else [not_explained()],
    }


def _of_stage(clock: StageClock, case: Case) -> Deadline:
    """Tell a stage clock: it runs for minutes, for an order's work days, or to a time named."""
    start, due = clock.started_at, clock.due_at
    told: Deadline = {
        "kind": clock.kind,
        "started_at": start.isoformat(),
        "limit": None,
        "calendar": None,
        "pauses": [],
        "extensions": [],
        "due_at": due.isoformat() if due else None,
        "lines": [],
    }
    if due is None:
        return told
    order = _order(case, start, due) if clock.kind == ClockKind.HOTLINE else None
    if order is not None:
        days, calendar = order
        told["limit"] = {"value": days.value, "unit": days.unit.value}
        told["calendar"] = calendar.version
        told["lines"] = deadline_lines(explain(start, days, calendar))
    elif clock.kind in _NAMED:
        told["lines"] = deadline_lines(explain_named(start, due))
    else:
        told["limit"] = {"value": (due - start) // _MINUTE, "unit": "minute"}
        told["lines"] = deadline_lines(explain_minutes(start, due))
    return told


def _order(case: Case, start: datetime, due: datetime) -> tuple[Limit, Calendar] | None:
    """Return the work days of a 12345 order; None where they are whole no more."""
    calendar = load_calendar(case.calendar_version or current_version())
    days = work_days_between(start, due, calendar)
    return (days, calendar) if days else None
