"""What is said about a case from above: reminders, supervision orders, confirmed exits."""

from datetime import datetime, timedelta

from cases.choices import Action, ClockKind, Role, Waiting
from cases.ledger import Book, Folder, stamp
from cases.models import Supervision
from cases.services import filing
from cases.services.moves.step import Step
from cases.workflow import Input


def remind(book: Book, step: Step) -> None:
    """Remind whoever has the case, and note by when they promised; nothing changes."""
    facts = {"promised_at": stamp(step.promised_at)} if step.promised_at else {}
    book.append(step.folder, Action.REMIND, facts=facts, **step.by.words())


def supervise(book: Book, step: Step) -> None:
    """Order a reply by a time; a leader's remark is such an order."""
    assert step.reply_by is not None
    kind = Supervision.Kind.LEADER
    if step.by.role != Role.LEADER:
        kind = Supervision.Kind(step.inputs.get(Input.KIND, Supervision.Kind.IMPORTANT))
    step.rows.append(order_reply(book, step.folder, kind, step.reply_by, step.by))


def order_reply(
    book: Book, folder: Folder, kind: Supervision.Kind, reply_by: datetime, by: filing.By
) -> Supervision:
    """Record a supervision order; the clock runs to the earliest reply still owed."""
    case = folder.case
    case.supervised = [*(k for k in case.supervised if k != kind), kind.value]
    filing.wait_for(folder, Waiting.REPLY)
    running = folder.clocks.get(ClockKind.SUPERVISE)
    if running is None or running.due_at is None or reply_by < running.due_at:
        soon_at = book.at + (reply_by - book.at) * 0.8
        book.start_clock(folder, ClockKind.SUPERVISE, due_at=reply_by, soon_at=soon_at)
    facts = {"kind": kind, "reply_by": stamp(reply_by)}
    book.append(folder, Action.SUPERVISE, facts=facts, **by.words())
    return Supervision(
        case=case, kind=kind, ordered_by=by.actor, ordered_at=book.at, reply_by=reply_by
    )


def supervise_overdue(book: Book, folder: Folder, *, hours: int) -> Supervision:
    """Order a reply because the handling is overdue: the timer's own order."""
    reply_by = book.at + timedelta(hours=hours)
    return order_reply(book, folder, Supervision.Kind.OVERDUE, reply_by, filing.By())


def reply(book: Book, step: Step) -> None:
    """Answer every supervision order of the case that is open."""
    filing.stop_waiting(step.folder, Waiting.REPLY)
    ended = book.stop_clock(step.folder, ClockKind.SUPERVISE)
    book.append(step.folder, Action.REPLY_SUPERVISION, clock=ended, **step.by.words())
    for order in Supervision.objects.filter(case=step.folder.case, answered_at=None):
        order.answered_at = book.at
        step.rows.append(order)


def confirm_exit(book: Book, step: Step) -> None:
    """Accept a late exit as proper (assessment.md §4)."""
    step.folder.case.exit_confirmed = True
    book.append(step.folder, Action.CONFIRM_EXIT, **step.by.words())
