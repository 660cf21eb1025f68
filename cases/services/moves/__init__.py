"""The one door for people: take an action of the workflow table on a case."""

import uuid
from datetime import datetime
from typing import Any

from django.utils import timezone

from cases import policy
from cases.choices import Action, Source
from cases.errors import MoveNotAllowed, NotAllowed
from cases.ledger import Book, Folder, open_book, open_folder, plain, retrying
from cases.models import Case, CityOptions, Reply, Task
from cases.selectors.timeline import case_answer
from cases.services import filing
from cases.services.idempotency import claim, was_answered
from cases.services.moves.acts import APPLY
from cases.services.moves.asked import lapse_requests
from cases.services.moves.inputs import read_inputs, require_plain
from cases.services.moves.step import Step
from cases.services.moves.supporting import require_near, support_answer
from cases.services.notify import ask_replies
from cases.services.photos import StoredPhoto, attach
from cases.workflow import MOVES, Input, refusal_of
from cityops.accounts.models import User


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
    require_plain(inputs)
    request = [number, action, seen_version, plain(inputs), [p.sha256 for p in photos]]
    held = claim(actor, key, request)
    if held.answer is not None:
        return held.answer
    if action == Action.SUPPORT:
        require_near(number, actor, inputs)
    folder, other = _open_folders(number, action, inputs, actor)
    now, task = at or timezone.now(), _open_task(folder)
    assignee_id = task.assignee_id if task else None
    role = policy.require(actor, action, folder.case, at=now, assignee_id=assignee_id)
    if action != Action.SUPPORT:  # what is seen is seen, whatever became of the case since
        folder.require_version(seen_version)
    by = filing.By(actor, role, str(inputs.get(Input.NOTE, "")), claimed_at)
    step = Step(folder, action, by, inputs, CityOptions.objects.get(), now, photos, task)
    step.other, step.scopes = other, {f.case.scope for f in (folder, other) if f is not None}
    read_inputs(step, MOVES[action])
    with open_book(*step.scopes, at=at) as book:
        _require_still(step, book)
        APPLY[action](book, step)
    _write_rows(step, book, actor)
    if action == Action.SUPPORT:
        answer = support_answer(folder.case)
    else:
        answer = case_answer(folder.case, book.events, reader=actor, at=book.at)
    held.keep(folder.case, answer)
    return answer


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
            assignee_id = task.assignee_id if task else None
            policy.require(actor, action, case, at=timezone.now(), assignee_id=assignee_id)
    except (Case.DoesNotExist, NotAllowed, MoveNotAllowed):
        if not was_answered(actor, key):
            raise


def _open_folders(
    number: str, action: Action, inputs: dict[str, Any], actor: User
) -> tuple[Folder, Folder | None]:
    """Lock the case, and others it concerns, in the order of their keys.

    Beside it stands the survivor of its merge. Cases merged into it are locked where their
    reporters are told: their answers refer to them.
    """
    wanted = {number}
    if action == Action.MERGE and Input.INTO in inputs:
        seen = Case.objects.visible_to(actor).filter(number=inputs[Input.INTO])
        wanted |= set(seen.values_list("number", flat=True))
    elif action in MOVES and MOVES[action].tells_reporter:
        wanted |= {case.number for case in _merged(number)}
    elif action == Action.UNMERGE:
        wanted |= {c.merged_into_id for c in Case.objects.filter(number=number) if c.merged_into_id}
    if len(wanted) == 1:
        return open_folder(number=number), None
    in_order = Case.objects.filter(number__in=wanted).order_by("pk").values_list("pk", flat=True)
    folders = {folder.case.number: folder for folder in [open_folder(pk=pk) for pk in in_order]}
    if number not in folders:
        raise Case.DoesNotExist
    folder = folders.pop(number)
    is_pair = action in (Action.MERGE, Action.UNMERGE)
    return folder, next(iter(folders.values()), None) if is_pair else None


def _open_task(folder: Folder) -> Task | None:
    """Lock the case's open task; there is at most one: it is verified, checked or audited."""
    if folder.case.stage not in Task.STAGES.values():
        return None
    return Task.objects.select_for_update().open().filter(case=folder.case).first()


def _require_still(step: Step, book: Book) -> None:
    """Ask the guards again at the legal time: a deadline may have passed while locks were awaited.

    Raises MoveNotAllowed.
    """
    if step.at == book.at:
        return
    if refusal := refusal_of(step.action, step.folder.case, step.by.role, at=book.at):
        raise MoveNotAllowed(refusal)


# --- rows beside the case -----------------------------------------------------------------------


def _write_rows(step: Step, book: Book, actor: User) -> None:
    """Write what the action did beside the case; the case is locked, so nobody else does."""
    case = step.folder.case
    for row in step.rows:
        row.save()
    lapse_requests(step.folder, at=book.at)
    task = step.task
    if task is not None and task.answered_at is None and case.stage != Task.STAGES[task.kind]:
        task.answered_at = book.at  # withdrawn: the case went another way
        task.save(update_fields=["answered_at"])
    if MOVES[step.action].tells_reporter:
        _owe_replies(step, book)
    if step.photos:
        attach(case, step.photos, actor=actor, at=book.at)


def _owe_replies(step: Step, book: Book) -> None:
    """Owe an answer to the reporter, and to those of the cases merged into this one."""
    reason = str(step.inputs.get(Input.REASON, ""))
    owed = Reply.objects.bulk_create(
        Reply(case=case, action=step.action, reason=reason, due_at=book.at)
        for case in (step.folder.case, *_merged(step.folder.case.number))
        if case.source != Source.INSPECTOR
    )
    if not book.is_past:
        ask_replies(owed)


def _merged(number: str) -> list[Case]:
    """Return the cases merged into the one of this number, and into those."""
    found: list[Case] = []
    newest = [number]
    while newest:
        cases = list(Case.objects.filter(merged_into__number__in=newest))
        newest = [case.number for case in cases]
        found += cases
    return found
