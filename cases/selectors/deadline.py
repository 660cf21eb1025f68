"""How the handling deadline of a case came about, read from its events (domain.md §4)."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypedDict

from cases.choices import ClockKind, LimitUnit
from cases.clock import (
    Calendar,
    Explanation,
    Extension,
    Limit,
    Pause,
    PauseKind,
    explain,
    explain_minutes,
)
from cases.models import Case, Event, StageClock
from cases.selectors.calendars import load_calendar
from cases.selectors.explain import deadline_lines, not_explained

logger = logging.getLogger(__name__)

_MINUTE = timedelta(minutes=1)

# Actions by name, so that the story of a case can be told whichever of them the table has.
_BEGINS = frozenset({"dispatch", "reopen"})
_GIVES_ANEW = frozenset({"reassign", "arbitrate"})  # but not after an unjustified return
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


class Story(NamedTuple):
    """The last run 承办段 of a case as its clock sees it.

    The last pause has no end while the clock stands still. Each extension adds one limit, so
    all have the length the case's limit has now, re-classified or not.
    """

    start: datetime
    limit: Limit
    calendar: Calendar
    pauses: list[Pause]
    extensions: list[Extension]

    def with_limit(self, limit: Limit) -> "Story":
        """Return the same run under another limit, its extensions too."""
        extensions = [Extension(one.approved_at, limit) for one in self.extensions]
        return self._replace(limit=limit, extensions=extensions)

    def without_extensions(self) -> "Story":
        """Return the run as `base_due_at` sees it."""
        return self._replace(extensions=[])

    def until_stopped(self) -> "Story":
        """Return the run as it was when its clock last ran: a pause that lasts is left out."""
        return self._replace(pauses=[pause for pause in self.pauses if pause.end is not None])

    def explained(self) -> Explanation:
        """Work the deadline out. Raises CalendarMissing."""
        return explain(*self)


@dataclass
class _Run:
    """What the events told so far of one run."""

    start: datetime
    pauses: list[Pause] = field(default_factory=list)
    extended_at: list[datetime] = field(default_factory=list)

    @property
    def stopped(self) -> PauseKind | None:
        """Why the clock stands still, if it does."""
        return self.pauses[-1].kind if self.pauses and self.pauses[-1].end is None else None

    def stop(self, at: datetime, kind: PauseKind) -> None:
        """Stop the clock; one that stands already keeps its reason."""
        if self.stopped is None:
            self.pauses.append(Pause(at, None, kind))

    def go_on(self, at: datetime) -> None:
        """Start the clock again."""
        last = self.pauses.pop()
        self.pauses.append(Pause(last.start, at, last.kind))


def handling_story(case: Case, events: Iterable[Event]) -> Story | None:
    """Return the last run of a case from its events, oldest first; None before its dispatch.

    Read with the limit and the calendar version the case has now. Raises CalendarMissing.
    """
    run: _Run | None = None
    for event in events:
        run = _told(run, event)
    if run is None:
        return None
    assert case.limit_value is not None  # filing froze them
    assert case.limit_unit is not None
    assert case.calendar_version is not None
    limit = Limit(case.limit_value, LimitUnit(case.limit_unit))
    extensions = [Extension(at, limit) for at in run.extended_at]
    return Story(run.start, limit, load_calendar(case.calendar_version), run.pauses, extensions)


def _told(run: _Run | None, event: Event) -> _Run | None:
    """Return the run as it stands after `event`."""
    action, at = event.action, event.at
    facts = event.data.get("facts") or {}
    if action in _BEGINS:
        return _Run(at)
    if action in _GIVES_ANEW:
        goes_on = facts.get("ruling") == "unjustified" and run is not None and run.stopped
        if not goes_on:
            return _Run(at)
    if run is None:
        return None
    if action in _GIVES_ANEW or run.stopped == _RESUMES.get(action, ""):
        run.go_on(at)
    elif action in _STOPS and (action != "decide_suspension" or facts.get("approved")):
        run.stop(at, _STOPS[action])
    elif action == "decide_extension" and _adds_a_limit(facts):
        run.extended_at.append(at)
    return run


def _adds_a_limit(facts: dict[str, object]) -> bool:
    """Whether an extension was approved for good: the dispatcher's word after the unit head's."""
    return facts.get("level") == "dispatcher" and facts.get("approved") is True


def handling_explained(case: Case, story: Story) -> Explanation | None:
    """Explain `case.due_at` by the run's story; None where the story ends elsewhere.

    A wrong explanation would be worse than none, so it is withheld and logged as an error.
    Raises CalendarMissing.
    """
    explained = _as_timed(case, story).explained()
    if explained.due == case.due_at:
        return explained
    logger.error(
        "case %s: due at %s, but its events say %s", case.number, case.due_at, explained.due
    )
    return None


def _as_timed(case: Case, story: Story) -> Story:
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
    return told + [_of_stage(clock) for clock in running if clock.kind != ClockKind.HANDLE]


def _handling(case: Case, story: Story) -> Deadline:
    explained = handling_explained(case, story)
    start, limit, calendar, pauses, extensions = _as_timed(case, story)
    length = {"value": limit.value, "unit": limit.unit.value}
    return {
        "kind": ClockKind.HANDLE.value,
        "started_at": start.isoformat(),
        "limit": length,
        "calendar": calendar.version if limit.is_working else None,
        "pauses": [
            {
                "start": pause.start.isoformat(),
                "end": pause.end.isoformat() if pause.end else None,
                "kind": pause.kind.value,
            }
            for pause in pauses
        ],
        "extensions": [{"at": one.approved_at.isoformat(), **length} for one in extensions],
        "due_at": case.due_at.isoformat() if case.due_at else None,
        "lines": deadline_lines(explained) if explained else [not_explained()],
    }


def _of_stage(clock: StageClock) -> Deadline:
    start, due = clock.started_at, clock.due_at
    told: Deadline = {
        "kind": clock.kind,
        "started_at": start.isoformat(),
        "limit": None,
        "calendar": None,
        "pauses": [],
        "extensions": [],
        "due_at": None,
        "lines": [],
    }
    if due is not None:
        told["limit"] = {"value": (due - start) // _MINUTE, "unit": "minute"}
        told["due_at"] = due.isoformat()
        told["lines"] = deadline_lines(explain_minutes(start, due))
    return told
