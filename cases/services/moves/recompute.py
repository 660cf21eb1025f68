"""An edited calendar reaches a case: its deadline is worked out again, from the run's own start."""

from cases.choices import Action
from cases.ledger import Book, Folder
from cases.selectors.calendars import load_calendar
from cases.selectors.deadline import handling_story
from cases.selectors.timeline import events_of
from cases.services import filing
from cases.services.calendars import current_version
from cases.services.filing import By
from cases.services.moves.step import Step


def recompute_one(book: Book, step: Step) -> None:
    """Time the case with the calendar that is current now."""
    recompute(book, step.folder, current_version(), step.by)


def recompute(book: Book, folder: Folder, version: int, by: By) -> None:
    """Work the deadline of the running handling clock out again with a calendar version.

    One logged action (domain.md §4): the case is pinned to that version from then on.
    """
    case = folder.case
    story = handling_story(case, events_of(case), load_calendar(version))
    assert story is not None  # the table lets only cases with a unit through
    case.calendar_version = version
    due_at = story.explanation.due
    assert due_at is not None  # the clock runs
    case.base_due_at = story.without_extensions().explanation.due
    filing.set_deadline(book, folder, due_at)
    facts = {"calendar_version": version}
    book.append(folder, Action.RECOMPUTE_DEADLINE, facts=facts, sets_clock=True, **by.words())
