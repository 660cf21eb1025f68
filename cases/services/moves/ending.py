"""How a case ends, comes back, and is looked at afterwards."""

from datetime import timedelta

from django.utils.translation import gettext as _

from cases.choices import Action, ClockKind, Stage, Waiting
from cases.errors import MoveNotAllowed
from cases.guards import CHECK_FAILED, REOPENED
from cases.ledger import Book
from cases.models import Case, Task
from cases.services import filing
from cases.services.moves.site import answer_task, send_task
from cases.services.moves.step import Step
from cases.services.photos import facts_of, taken_of
from cases.workflow import Input


def answer_check(book: Book, step: Step) -> None:
    """Passed: to be closed. Failed: back to the dispatcher, the unit and what remained kept."""
    folder, case = step.folder, step.folder.case
    ended = book.stop_clock(folder, ClockKind.CHECK)
    if step.passed:
        case.stage = Stage.CHECKED
    else:
        case.stage, case.last_reason = Stage.RETURNED, CHECK_FAILED
        book.start_minutes(folder, ClockKind.DISPATCH, step.options.dispatch_min)
    answer_task(book, step, clock=ended)


def rework(book: Book, step: Step) -> None:
    """Back to the same unit with what remained at the finish: no new time (assessment.md §3).

    After a reopening the clock runs already, with a full limit.
    """
    folder, case = step.folder, step.folder.case
    ended = book.stop_clock(folder, ClockKind.DISPATCH)
    case.stage, case.last_reason, case.handled_at = Stage.REWORK, "", None
    case.rework_count += 1
    if ClockKind.HANDLE not in folder.clocks:
        filing.start_handling(book, folder, left_s=case.left_s or 0, base_left_s=case.base_left_s)
    book.append(folder, Action.REWORK, clock=ended, sets_clock=True, **step.by.words())


def close(book: Book, step: Step) -> None:
    """Close after a check that was passed."""
    _end(book, step, Stage.CLOSED, facts={})


def force_close(book: Book, step: Step) -> None:
    """Close without a passed check; counted apart."""
    _end(book, step, Stage.CLOSED, facts={"reason": step.reason})


def void(book: Book, step: Step) -> None:
    """Take the case out of every denominator; a late one counts as late exit (assessment.md §4)."""
    duplicates = Case.objects.filter(merged_into=step.folder.case).order_by("number")
    if first := duplicates.first():
        words = {"number": first.number}
        raise MoveNotAllowed(
            _("Case %(number)s is merged into this one: unmerge it first.") % words
        )
    _end(book, step, Stage.VOIDED, facts={"reason": step.reason})


def _end(book: Book, step: Step, stage: Stage, *, facts: dict[str, str]) -> None:
    folder, case = step.folder, step.folder.case
    run = (case.unit_id or "", case.body)
    ended = filing.stop_all(book, folder)
    case.stage, case.stage_before, case.held = stage, "", {}
    case.suspended_until, case.is_deferred, case.exit_confirmed = None, False, False
    if stage == Stage.CLOSED:
        case.closed_at = book.at
        case.reopen_until = book.at + timedelta(days=step.options.reopen_days)
    book.append(folder, step.action, clock=ended, facts=facts, run=run, **step.by.words())


def reopen(book: Book, step: Step) -> None:
    """Begin a new cycle with a full limit for the unit of the last finish (assessment.md §3)."""
    folder, case = step.folder, step.folder.case
    case.stage, case.last_reason = Stage.RETURNED, REOPENED
    case.closed_at = case.reopen_until = case.handled_at = case.left_s = None
    case.cycle += 1
    case.was_late, case.extension_count, case.photo_doubts = False, 0, []
    case.extensions_left = step.options.max_extensions
    if not {Waiting.APPEAL, Waiting.APPEAL_ACCEPTOR}.isdisjoint(case.waiting_for):
        case.appeal = "lapsed"  # it was about the cycle that ends here
    filing.stop_waiting(folder, Waiting.AUDIT, Waiting.APPEAL, Waiting.APPEAL_ACCEPTOR)
    case.exit_confirmed = False
    if case.unit_id is not None:
        filing.start_handling(book, folder)
    book.start_minutes(folder, ClockKind.DISPATCH, step.options.dispatch_min)
    facts = {"reason": step.reason, **facts_of(step.photos)}
    words = step.by.words(**taken_of(step.photos))
    book.append(folder, Action.REOPEN, facts=facts, sets_clock=True, **words)


# --- afterwards ---------------------------------------------------------------------------------


def revisit(book: Book, step: Step) -> None:
    """Write down how satisfied the reporter is, 1 to 5."""
    facts = {"satisfaction": int(step.inputs[Input.SATISFACTION])}
    book.append(step.folder, Action.REVISIT, facts=facts, **step.by.words())


def audit(book: Book, step: Step) -> None:
    """Ask an inspector who was not involved whether the closing or declining holds."""
    filing.wait_for(step.folder, Waiting.AUDIT)
    kinds = {
        Action.AUDIT_CLOSURE: Task.Kind.AUDIT_CLOSURE,
        Action.AUDIT_DECLINE: Task.Kind.AUDIT_DECLINE,
    }
    send_task(book, step, kinds[step.action], minutes=step.options.audit_min)


def answer_audit(book: Book, step: Step) -> None:
    """Keep what the auditing inspector found; the case stays as it is."""
    filing.stop_waiting(step.folder, Waiting.AUDIT)
    answer_task(book, step)
