"""An edited calendar reaches a case: its deadline is worked out again, from the run's own start."""

from django.utils.translation import gettext as _

from cases.choices import Action, ClockKind
from cases.clock import PauseKind
from cases.errors import MoveNotAllowed
from cases.ledger import Book, Folder
from cases.selectors.calendars import current_version, load_calendar
from cases.selectors.deadline import Story, as_timed, handling_explained, handling_story
from cases.selectors.timeline import events_of
from cases.services import filing
from cases.services.filing import By
from cases.services.moves.step import Step


def recompute_one(book: Book, step: Step) -> None:
    """Time the case with the calendar that is current now."""
    recompute(book, step.folder, current_version(), step.by)


def recompute(book: Book, folder: Folder, version: int, by: By) -> None:
    """Pin the case to a calendar version and time its run with it: one logged action.

    Handled, it gets the deadline it would have had; standing still, the time that would have
    been left (domain.md §4). A deadline the log does not explain is an alarm, not a thing to
    mend silently: raises MoveNotAllowed.
    """
    case, events = folder.case, events_of(folder.case)
    told = handling_story(case, events)
    if told is not None and handling_explained(case, told) is None:
        raise MoveNotAllowed(_("The log does not explain the deadline of this case."))
    story = handling_story(case, events, load_calendar(version))
    case.calendar_version = version
    if story is not None:
        _retime(book, folder, story)
    facts = {"calendar_version": version}
    is_timed = story is not None
    book.append(folder, Action.RECOMPUTE_DEADLINE, facts=facts, sets_clock=is_timed, **by.words())


def _retime(book: Book, folder: Folder, story: Story) -> None:
    """Set the deadline where there is one, and what is left where the clock stands still."""
    case, timed, base = folder.case, as_timed(folder.case, story), story.without_extensions()
    due_at = timed.explanation.due
    if due_at is not None:
        case.base_due_at = timed.without_extensions().explanation.due
        if ClockKind.HANDLE in folder.clocks:
            filing.set_deadline(book, folder, due_at)
        else:
            case.due_at = due_at
            case.was_late = case.was_late or (case.handled_at or book.at) > due_at
    left_s, base_left_s = story.explanation.left_s, base.explanation.left_s
    if story.stopped == PauseKind.SUSPENDED:
        case.held = {"left_s": left_s, "base_left_s": base_left_s}
    elif story.stopped is not None:
        case.left_s, case.base_left_s = left_s, base_left_s
