"""Tasks on site: sending an inspector to look, and taking the answer in."""

from datetime import timedelta

from django.utils.translation import gettext as _

from cases.errors import InvalidInput
from cases.ledger import Book
from cases.models import Case, StageClock, Task
from cases.services.moves.step import Step
from cases.workflow import Input


def send_task(
    book: Book, step: Step, kind: Task.Kind, *, minutes: int, clock: StageClock | None = None
) -> None:
    """Record who is asked to look; the person stays out of the header. Raises InvalidInput."""
    if step.assignee_id is None:
        raise InvalidInput(_("There is no inspector to send."), fields={"assignee": _("name one")})
    words = step.by.words()
    words["private"]["assignee"] = step.assignee_id
    book.append(step.folder, step.action, clock=clock, **words)
    step.rows.append(new_task(book, step.folder.case, kind, step.assignee_id, minutes=minutes))


def new_task(book: Book, case: Case, kind: Task.Kind, assignee_id: int, *, minutes: int) -> Task:
    """Return a task sent now, to be written once the book is closed."""
    return Task(
        case=case,
        kind=kind,
        assignee_id=assignee_id,
        sent_at=book.at,
        due_at=book.at + timedelta(minutes=minutes),
    )


def answer_task(book: Book, step: Step, *, clock: StageClock | None = None) -> None:
    """Record what the inspector found, and close the task."""
    assert step.task is not None  # the policy let only its assignee through
    falsified = bool(step.inputs.get(Input.FALSIFIED, False))
    facts = {"passed": step.passed, "photos": [photo.sha256 for photo in step.photos]}
    if falsified:
        facts["falsified"] = True
    book.append(step.folder, step.action, clock=clock, facts=facts, **step.by.words())
    step.task.answered_at, step.task.passed = book.at, step.passed
    step.task.falsified = falsified
    step.rows.append(step.task)
