"""Tasks on site: sending an inspector to look, and taking the answer in."""

from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from cases.choices import Action, ClockKind, Stage
from cases.errors import InvalidInput
from cases.ledger import Book, Folder
from cases.models import StageClock, Task
from cases.services.moves.step import Step
from cases.services.photos import facts_of, taken_of
from cases.workflow import Input


def send_task(
    book: Book, step: Step, kind: Task.Kind, *, minutes: int, clock: StageClock | None = None
) -> None:
    """Ask the inspector of the step to look. Raises InvalidInput where there is none."""
    words = {**step.by.words(), "clock": clock}
    assignee_id = require_assignee(step)
    task = ask_to_look(book, step.folder, step.action, kind, assignee_id, minutes=minutes, **words)
    step.rows.append(task)


def require_assignee(step: Step) -> int:
    """Return whom to send. Raises InvalidInput where there is nobody."""
    if step.assignee_id is None:
        raise InvalidInput(_("There is no inspector to send."), fields={"assignee": _("name one")})
    return step.assignee_id


def ask_to_look(
    book: Book,
    folder: Folder,
    action: Action,
    kind: Task.Kind,
    assignee_id: int,
    *,
    minutes: int,
    **words: Any,
) -> Task:
    """Record who is asked to look and return the task, to be written once the book is closed.

    `words` go to `Book.append`; who is asked stays out of the header.
    """
    private = {**words.pop("private", {}), "assignee": assignee_id}
    book.append(folder, action, private=private, **words)
    return Task(
        case=folder.case,
        kind=kind,
        assignee_id=assignee_id,
        sent_at=book.at,
        due_at=book.at + timedelta(minutes=minutes),
    )


def check_now(book: Book, folder: Folder, assignee_id: int, *, minutes: int, **words: Any) -> Task:
    """Send a handled case to its check, by a person or by itself."""
    folder.case.stage = Stage.CHECKING
    book.start_minutes(folder, ClockKind.CHECK, minutes)
    return ask_to_look(
        book,
        folder,
        Action.SEND_CHECK,
        Task.Kind.CHECK,
        assignee_id,
        minutes=minutes,
        **words,
    )


def answer_task(book: Book, step: Step, *, clock: StageClock | None = None) -> None:
    """Record what the inspector found, and close the task."""
    assert step.task is not None  # the policy let only its assignee through
    falsified = bool(step.inputs.get(Input.FALSIFIED, False))
    facts = {"passed": step.passed, **facts_of(step.photos)}
    if falsified:
        facts["falsified"] = True
    words = step.by.words(**taken_of(step.photos))
    book.append(step.folder, step.action, clock=clock, facts=facts, **words)
    step.task.answered_at, step.task.passed = book.at, step.passed
    step.task.falsified = falsified
    step.rows.append(step.task)
