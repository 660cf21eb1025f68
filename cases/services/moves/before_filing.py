"""What acceptor, inspector and duty chief do until a case is filed, and its re-classification."""

from django.utils.translation import gettext as _

from cases.choices import Action, ClockKind, Stage
from cases.errors import InvalidInput
from cases.ledger import Book
from cases.models import Task
from cases.selectors.deadline import handling_story
from cases.selectors.timeline import events_of
from cases.services import filing
from cases.services.moves.site import answer_task, send_task
from cases.services.moves.step import Step


def accept(book: Book, step: Step) -> None:
    """Accept the report."""
    filing.accept(book, step.folder, step.by)


def decline(book: Book, step: Step) -> None:
    """End a report that is not filed, with a reason its reporter is told."""
    step.folder.case.stage = Stage.DECLINED
    ended = filing.stop_all(book, step.folder)
    facts = {"reason": step.reason}
    book.append(step.folder, step.action, clock=ended, facts=facts, **step.by.words())


def send_verify(book: Book, step: Step) -> None:
    """Ask an inspector whether it is so; accepting waits for the answer."""
    ended = book.stop_clock(step.folder, ClockKind.ACCEPT)
    minutes = step.options.verify_min
    step.folder.case.stage = Stage.VERIFYING
    book.start_minutes(step.folder, ClockKind.VERIFY, minutes)
    send_task(book, step, Task.Kind.VERIFY, minutes=minutes, clock=ended)


def answer_verify(book: Book, step: Step) -> None:
    """Keep the answer, 属实 or 不属实; the acceptor decides, with a full limit."""
    step.folder.case.stage = Stage.REPORTED
    ended = book.stop_clock(step.folder, ClockKind.VERIFY)
    book.start_minutes(step.folder, ClockKind.ACCEPT, step.options.accept_min)
    answer_task(book, step, clock=ended)


def file(book: Book, step: Step) -> None:
    """File with class, condition and cell; a cell of another district moves the case there."""
    assert step.condition is not None
    case, place = step.folder.case, step.cell
    if place is not None:
        if place.district != case.district:
            filing.change_district(book, step.folder, place.district, step.by, facts={"by": "file"})
        case.county, case.street, case.community = place.county, place.street, place.community
        case.grid_cell, case.built_up = place.cell or "", place.built_up
    filing.file(
        book,
        step.folder,
        step.condition,
        step.by,
        options=step.options,
        calendar_version=step.calendar_version,
    )


def reclassify(book: Book, step: Step) -> None:
    """Take another condition: its limit counts from the run's own start (domain.md §9).

    A case not yet dispatched is looked at afresh: another unit may answer for it.
    """
    folder, case, condition = step.folder, step.folder.case, step.condition
    assert condition is not None
    if condition.pk == case.condition_id:
        raise InvalidInput(
            _("The case has this filing condition already."),
            fields={"condition": _("take another one")},
        )
    story = None
    if case.stage != Stage.FILED:
        story = handling_story(case, events_of(case), filing.case_limit(folder)[1])
    case.minor, case.condition = condition.minor, condition
    case.limit_value, case.limit_unit = step.options.limit_of(condition, built_up=case.built_up)
    facts = {
        "limit_value": case.limit_value,
        "limit_unit": case.limit_unit,
        "recurs": condition.minor.recurs,
    }
    if story is not None:
        again = story.with_limit(filing.case_limit(folder)[0])
        due_at = again.explanation.due
        assert due_at is not None  # only a clock that stands still has none
        case.base_due_at = again.without_extensions().explanation.due
        filing.set_deadline(book, folder, due_at)
    event = book.append(
        folder, Action.RECLASSIFY, facts=facts, sets_clock=story is not None, **step.by.words()
    )
    if case.stage == Stage.FILED:
        filing.ask_dispatch(book, folder, event)
