"""The one door through which a case moves after its report: lock, check, change, record."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cases import policy
from cases.choices import Action, ClockKind, Role, Stage
from cases.errors import InvalidInput, MoveNotAllowed, NotAllowed
from cases.ledger import Book, Folder, open_book, open_folder, plain, retrying
from cases.models import Case, CityOptions, Condition, Task, Unit
from cases.selectors.inspectors import inspector_for
from cases.selectors.timeline import case_answer
from cases.services import filing
from cases.services.calendars import current_version
from cases.services.idempotency import claim, was_answered
from cases.services.photos import StoredPhoto, attach
from cases.workflow import (
    CHECK_FAILED,
    DECLINE_REASONS,
    MOVES,
    RETURN_REASONS,
    Input,
    Move,
)
from cityops.accounts.models import User

RULINGS = ("justified", "unjustified")


@dataclass
class Step:
    """One action on one locked case, with what was read for it before the head lock."""

    folder: Folder
    action: Action
    by: filing.By
    inputs: dict[str, Any]
    options: CityOptions
    calendar_version: int = 0
    condition: Condition | None = None
    unit: Unit | None = None
    task: Task | None = None
    assignee_id: int | None = None
    photos: tuple[StoredPhoto, ...] = ()
    new_task: Task | None = None


@retrying
def take_action(
    *,
    number: str,
    action: Action,
    actor: User,
    seen_version: int,
    inputs: dict[str, Any] | None = None,
    photos: tuple[StoredPhoto, ...] = (),
    key: uuid.UUID | None = None,
    claimed_at: datetime | None = None,
    at: datetime | None = None,
) -> dict[str, Any]:
    """Take `action` on a case; returns the case as the API shows it, with the new events.

    `inputs` are the fields the workflow table names. Raises Case.DoesNotExist, NotAllowed,
    MoveNotAllowed, StaleCase, InvalidInput, KeyReused; then nothing has changed.
    """
    inputs = {k: v for k, v in (inputs or {}).items() if v not in (None, "")}
    _require_plain(inputs)
    request = [number, action, seen_version, plain(inputs), [p.sha256 for p in photos]]
    held = claim(actor, key, request)
    if held.answer is not None:
        return held.answer
    folder = open_folder(number=number)
    task = _open_task(folder)
    assignee_id = task.assignee_id if task else None
    role = policy.require(actor, action, folder.case, assignee_id=assignee_id)
    folder.require_version(seen_version)
    by = filing.By(actor, role, str(inputs.get(Input.NOTE, "")), claimed_at)
    step = Step(folder, action, by, inputs, CityOptions.objects.get(), task=task, photos=photos)
    _read_inputs(step, MOVES[action])
    with open_book(folder.case.scope, at=at) as book:
        _APPLY[action](book, step)
    _write_task(step, at=book.at)
    if photos:
        attach(folder.case, photos, actor=actor, at=book.at)
    answer = case_answer(folder.case, book.events, at=book.at)
    held.keep(folder.case, answer)
    return answer


def _require_plain(inputs: dict[str, Any]) -> None:
    """Raise InvalidInput for a name or value that is no text PostgreSQL holds, and no boolean."""
    for name, value in inputs.items():
        if not (_is_text(name) and (isinstance(value, bool) or _is_text(value))):
            shown = ascii(name)[1:-1]
            raise InvalidInput(
                f"The input {shown} is neither text nor true or false.",
                fields={shown: "send plain text"},
            )


def _is_text(value: Any) -> bool:
    """Whether `value` is text without NUL and without half a character."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def require_may_try(
    *, number: str, action: Action | None, actor: User, key: uuid.UUID | None
) -> None:
    """Refuse here who would be refused anyway, before anything of a request is kept.

    Looks at the case alone, or with `action` also at who may take it now. A request answered
    before is let through to its answer, though the case may since have left its sender's sight.
    Raises Case.DoesNotExist, NotAllowed, MoveNotAllowed.
    """
    try:
        case = Case.objects.visible_to(actor).get(number=number)
        if action is not None:
            task = Task.objects.open().filter(case=case).first()
            policy.require(actor, action, case, assignee_id=task.assignee_id if task else None)
    except (Case.DoesNotExist, NotAllowed, MoveNotAllowed):
        if not was_answered(actor, key):
            raise


def _open_task(folder: Folder) -> Task | None:
    """Lock the case's open task; there is one only while it is verified or checked."""
    if folder.case.stage not in (Stage.VERIFYING, Stage.CHECKING):
        return None
    return Task.objects.select_for_update().open().filter(case=folder.case).first()


# --- inputs -------------------------------------------------------------------------------------


def _read_inputs(step: Step, move: Move) -> None:
    """Check the fields the table asks for and read what they name, before the head lock."""
    missing = [name for name in move.required if name not in step.inputs]
    if missing:
        raise InvalidInput(
            f"The action {step.action} needs {', '.join(sorted(missing))}.",
            fields=dict.fromkeys(sorted(missing), "is required"),
        )
    unknown = step.inputs.keys() - move.required - move.optional
    if unknown:
        raise InvalidInput(
            f"The action {step.action} takes no {', '.join(sorted(unknown))}.",
            fields=dict.fromkeys(sorted(unknown), "is not an input of this action"),
        )
    for name, value in step.inputs.items():
        _READ.get(Input(name), _text)(step, value)
    if step.action == Action.FILE:
        step.calendar_version = current_version()
    if step.action in (Action.SEND_CHECK, Action.FINISH) and step.assignee_id is None:
        step.assignee_id = inspector_for(step.folder.case)


def _text(step: Step, value: Any) -> None:
    if not isinstance(value, str) or len(value) > 1000:
        raise InvalidInput(
            "A note is text of at most 1,000 characters.", fields={"note": "shorten it"}
        )


def _read_condition(step: Step, value: Any) -> None:
    step.condition = Condition.objects.select_related("minor").filter(code=value).first()
    if step.condition is None:
        raise InvalidInput(
            f"There is no filing condition {value!r}.",
            fields={"condition": "take a code listed under /api/v1/categories/"},
        )


def _read_unit(step: Step, value: Any) -> None:
    step.unit = Unit.objects.filter(code=value, is_active=True).first()
    if step.unit is None:
        raise InvalidInput(
            f"There is no unit {value!r}.", fields={"unit": "take the code of an active unit"}
        )
    if step.unit.body not in ("city", step.folder.case.district):
        raise InvalidInput(
            f"The unit {value!r} belongs to another district.",
            fields={"unit": "take a unit of the case's district or a city-wide utility"},
        )


def _read_reason(step: Step, value: Any) -> None:
    known = RETURN_REASONS if step.action == Action.RETURN else DECLINE_REASONS
    if value not in known:
        raise InvalidInput(
            f"There is no reason {value!r}.", fields={"reason": f"take one of {', '.join(known)}"}
        )


def _read_ruling(step: Step, value: Any) -> None:
    if value not in RULINGS:
        raise InvalidInput(
            f"There is no ruling {value!r}.", fields={"ruling": f"take one of {', '.join(RULINGS)}"}
        )


def _read_passed(step: Step, value: Any) -> None:
    if not isinstance(value, bool):
        raise InvalidInput("`passed` is true or false.", fields={"passed": "send true or false"})


def _read_assignee(step: Step, value: Any) -> None:
    person = User.objects.filter(username=value, is_active=True).first()
    if person is None or not person.holds(Role.INSPECTOR):
        raise InvalidInput(
            f"There is no inspector {value!r}.",
            fields={"assignee": "take an inspector's user name"},
        )
    step.assignee_id = person.pk


_READ: dict[Input, Callable[[Step, Any], None]] = {
    Input.CONDITION: _read_condition,
    Input.UNIT: _read_unit,
    Input.REASON: _read_reason,
    Input.RULING: _read_ruling,
    Input.PASSED: _read_passed,
    Input.ASSIGNEE: _read_assignee,
}


# --- actions ------------------------------------------------------------------------------------


def _accept(book: Book, step: Step) -> None:
    filing.accept(book, step.folder, step.by)


def _decline(book: Book, step: Step) -> None:
    step.folder.case.stage = Stage.DECLINED
    ended = book.stop_clock(step.folder, ClockKind.ACCEPT)
    facts = {"reason": step.inputs[Input.REASON]}
    book.append(step.folder, step.action, clock=ended, facts=facts, **step.by.words())


def _file(book: Book, step: Step) -> None:
    assert step.condition is not None
    filing.file(
        book,
        step.folder,
        step.condition,
        step.by,
        options=step.options,
        calendar_version=step.calendar_version,
    )


def _sign(book: Book, step: Step) -> None:
    step.folder.case.stage = Stage.HANDLING
    ended = book.stop_clock(step.folder, ClockKind.SIGN)
    book.append(step.folder, Action.SIGN, clock=ended, **step.by.words())


def _return(book: Book, step: Step) -> None:
    """End the run and give the case back; refused once overdue (assessment.md §3)."""
    folder, case = step.folder, step.folder.case
    if not case.may_return:
        raise MoveNotAllowed("The unit was named by arbitration and may not return the case.")
    if case.due_at is not None and book.at > case.due_at:
        raise MoveNotAllowed("The case is overdue and can no longer be returned.")
    run = (case.unit_id or "", case.body)
    ended = filing.stop_unit_clocks(book, folder)
    case.return_count += 1
    case.last_reason = step.inputs[Input.REASON]
    case.unit, case.body, case.rule = None, "", ""
    case.due_at = case.base_due_at = None
    if case.return_count > 1:
        case.stage = Stage.DISPUTED
        book.start_minutes(folder, ClockKind.ARBITRATE, step.options.arbitrate_min)
    else:
        case.stage = Stage.RETURNED
        book.start_minutes(folder, ClockKind.DISPATCH, step.options.dispatch_min)
    facts = {"reason": case.last_reason}
    book.append(folder, Action.RETURN, clock=ended, facts=facts, run=run, **step.by.words())


def _assign(book: Book, step: Step) -> None:
    """Give the case to a unit: a full limit; what remained after an unjustified return."""
    assert step.unit is not None
    case = step.folder.case
    if step.action == Action.ARBITRATE:
        case.may_return = False
    ruling = step.inputs.get(Input.RULING)
    facts = {"ruling": ruling} if ruling else {}
    left_s = case.left_s if ruling == "unjustified" else None
    filing.assign(
        book,
        step.folder,
        step.action,
        step.unit,
        step.by,
        options=step.options,
        left_s=left_s,
        facts=facts,
    )


def _finish(book: Book, step: Step) -> None:
    """End the run; where the city says so, the check goes out in the same breath."""
    folder, case = step.folder, step.folder.case
    if not step.photos and _needs_after_photo(case.condition):
        raise InvalidInput(
            "This filing condition closes only with a photo taken after handling.",
            fields={"photos": "add a photo taken after handling"},
        )
    case.stage, case.handled_at = Stage.HANDLED, book.at
    ended = filing.stop_unit_clocks(book, folder)
    facts = {"photos": [p.sha256 for p in step.photos]}
    book.append(folder, Action.FINISH, clock=ended, facts=facts, **step.by.words())
    if step.options.auto_check and step.assignee_id is not None:
        step.by = filing.By()
        _send_check(book, step)


def _needs_after_photo(condition: Condition | None) -> bool:
    return condition is not None and condition.needs_after_photo


def _send_check(book: Book, step: Step) -> None:
    if step.assignee_id is None:
        raise InvalidInput(
            "There is no inspector to send the check to.",
            fields={"assignee": "name an inspector"},
        )
    step.folder.case.stage = Stage.CHECKING
    book.start_minutes(step.folder, ClockKind.CHECK, step.options.check_min)
    words = step.by.words()
    words["private"]["assignee"] = step.assignee_id
    book.append(step.folder, Action.SEND_CHECK, **words)
    step.new_task = Task(
        case=step.folder.case,
        kind=Task.Kind.CHECK,
        assignee_id=step.assignee_id,
        sent_at=book.at,
        due_at=book.at + timedelta(minutes=step.options.check_min),
    )


def _answer_check(book: Book, step: Step) -> None:
    """Passed: to be closed. Failed: back to the dispatcher, the unit and what remained kept."""
    folder, case = step.folder, step.folder.case
    passed = step.inputs[Input.PASSED]
    ended = book.stop_clock(folder, ClockKind.CHECK)
    if passed:
        case.stage = Stage.CHECKED
    else:
        case.stage, case.last_reason = Stage.RETURNED, CHECK_FAILED
        book.start_minutes(folder, ClockKind.DISPATCH, step.options.dispatch_min)
    facts = {"passed": passed, "photos": [p.sha256 for p in step.photos]}
    book.append(folder, Action.ANSWER_CHECK, clock=ended, facts=facts, **step.by.words())


def _rework(book: Book, step: Step) -> None:
    """Back to the same unit with what remained at the finish: no new time (assessment.md §3)."""
    folder, case = step.folder, step.folder.case
    if case.last_reason != CHECK_FAILED:
        raise MoveNotAllowed("Rework follows a failed check; a returned case is re-assigned.")
    ended = book.stop_clock(folder, ClockKind.DISPATCH)
    case.stage, case.last_reason, case.handled_at = Stage.REWORK, "", None
    case.rework_count += 1
    filing.start_handling(book, folder, left_s=case.left_s or 0)
    book.append(folder, Action.REWORK, clock=ended, sets_clock=True, **step.by.words())


def _close(book: Book, step: Step) -> None:
    step.folder.case.stage, step.folder.case.closed_at = Stage.CLOSED, book.at
    book.append(step.folder, Action.CLOSE, **step.by.words())


_APPLY: dict[Action, Callable[[Book, Step], Any]] = {
    Action.ACCEPT: _accept,
    Action.DECLINE: _decline,
    Action.DECLINE_FILING: _decline,
    Action.FILE: _file,
    Action.DISPATCH: _assign,
    Action.SIGN: _sign,
    Action.RETURN: _return,
    Action.REASSIGN: _assign,
    Action.ARBITRATE: _assign,
    Action.FINISH: _finish,
    Action.SEND_CHECK: _send_check,
    Action.ANSWER_CHECK: _answer_check,
    Action.REWORK: _rework,
    Action.CLOSE: _close,
}


def _write_task(step: Step, *, at: datetime) -> None:
    """Write the task that was answered or sent; its case is locked, so nobody else does."""
    if step.action == Action.ANSWER_CHECK and step.task is not None:
        step.task.answered_at, step.task.passed = at, step.inputs[Input.PASSED]
        step.task.save(update_fields=["answered_at", "passed"])
    if step.new_task is not None:
        step.new_task.save()
