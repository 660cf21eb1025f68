"""Two reports of one problem become one case, and can be taken apart again."""

from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from cases.choices import ENDED_STAGES, UNIT_STAGES, Action, ClockKind, Stage
from cases.errors import InvalidInput
from cases.ledger import Book, Folder, stamp
from cases.models import Case, StageClock, Task
from cases.services import filing
from cases.services.moves.step import Step


def merge(book: Book, step: Step) -> None:
    """Merge the case into the survivor: out of every count, its clocks held (domain.md §3).

    The survivor is the one filed first; it takes the earliest deadline of the group that has not
    passed. Raises InvalidInput.
    """
    assert step.other is not None
    folder, case, survivor = step.folder, step.folder.case, step.other.case
    if said := why_unfit(case, survivor):
        raise InvalidInput(said, fields={"into": _("take an open case filed before this one")})
    clocks = {kind: _left(book, folder, running) for kind, running in folder.clocks.items()}
    held: dict[str, Any] = {"clocks": clocks, "stage_before": case.stage_before}
    held |= {"due_at": stamp(case.due_at), "suspended_until": stamp(case.suspended_until)}
    held |= {"suspended": case.held}
    run, due_at, waits = (case.unit_id or "", case.body), case.due_at, case.waiting_for
    ended = filing.stop_all(book, folder)
    case.waiting_for = waits  # nobody decides while it is merged, and nothing lapses
    case.stage_before, case.stage, case.held = case.stage, Stage.MERGED, held
    case.suspended_until, case.merged_into, case.exit_confirmed = None, survivor, False
    facts = {"into": survivor.number}
    book.append(folder, Action.MERGE, clock=ended, facts=facts, run=run, **step.by.words())
    _take_in(book, step.other, case, due_at, step.by)


def why_unfit(case: Case, survivor: Case) -> str:
    """Return why `case` cannot be merged into `survivor`, or nothing: the one filed first stays."""
    said = ""
    if survivor.stage in ENDED_STAGES:
        said = _("Case %(number)s has ended.")
    elif survivor.district != case.district:
        said = _("Case %(number)s lies in another district.")
    elif case.filed_at and not (survivor.filed_at and survivor.filed_at <= case.filed_at):
        said = _("Case %(number)s was filed later: merge that one into this.")
    return said % {"number": survivor.number} if said else ""


def _left(book: Book, folder: Folder, running: StageClock) -> dict[str, Any]:
    """Return what remains of a clock, in seconds of its own time, or what it runs to whatever."""
    if running.kind == ClockKind.HANDLE:
        left, base = filing.left_of_run(book, folder)
        return {"left_s": left, "base_left_s": base}
    if running.kind in _NEVER_HELD or running.due_at is None:
        return {"due_at": stamp(running.due_at), "soon_at": stamp(running.soon_at)}
    return {"left_s": max(0, int((running.due_at - book.at).total_seconds()))}


def _take_in(
    book: Book, folder: Folder, duplicate: Case, due_at: datetime | None, by: filing.By
) -> None:
    """Write the merge into the survivor's log, and take over an earlier deadline.

    A survivor whose handling clock stands still has no deadline to make earlier.
    """
    case = folder.case
    facts: dict[str, Any] = {"number": duplicate.number}
    takes = False
    if ClockKind.HANDLE in folder.clocks and case.due_at and due_at:
        takes = book.at < due_at < case.due_at
        if takes:
            own = _own_deadlines(case) or (case.due_at, case.base_due_at)
            facts |= {"own_due_at": own[0], "own_base_due_at": own[1]}
            filing.set_deadline(book, folder, due_at)
            case.base_due_at = min(case.base_due_at or due_at, due_at)
    book.append(folder, Action.TAKE_IN, facts=facts, sets_clock=takes, **by.words())


def unmerge(book: Book, step: Step) -> None:
    """Put the case back where it was, with what remained of every clock at the merge."""
    folder, case = step.folder, step.folder.case
    held, minutes = case.held, step.options.check_min
    case.stage, case.stage_before = case.stage_before, held["stage_before"]
    case.held, case.merged_into, case.exit_confirmed = held["suspended"], None, False
    case.suspended_until = _moment(held["suspended_until"])
    for kind, words in sorted(held["clocks"].items()):
        _start_again(book, folder, ClockKind(kind), words)
    is_run = case.stage in UNIT_STAGES
    event = book.append(folder, Action.UNMERGE, sets_clock=is_run, **step.by.words())
    if case.stage == Stage.FILED:
        filing.ask_dispatch(book, folder, event)  # an earlier request found it merged
    _send_again(book, step, minutes)
    if step.other is not None:
        _let_go(book, step.other, case, step.by)


def _start_again(book: Book, folder: Folder, kind: ClockKind, words: dict[str, Any]) -> None:
    """Start a clock with what was left of it."""
    if kind == ClockKind.HANDLE:
        filing.start_handling(
            book, folder, left_s=words["left_s"], base_left_s=words["base_left_s"]
        )
    elif "due_at" in words:
        due_at, soon_at = (_moment(words[name]) for name in ("due_at", "soon_at"))
        book.start_clock(folder, kind, due_at=due_at, soon_at=soon_at)
    else:
        left = timedelta(seconds=words["left_s"])
        book.start_clock(folder, kind, due_at=book.at + left, soon_at=book.at + left * 0.8)
        if kind != ClockKind.EXTEND:
            folder.starts = {"kind": kind.value, "due_at": stamp(book.at + left)}


# A reporter, a supervisor, and a suspension wait for the day that was named, merged or not.
_NEVER_HELD = frozenset({ClockKind.HOTLINE, ClockKind.SUPERVISE, ClockKind.SUSPEND})


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _send_again(book: Book, step: Step, minutes: int) -> None:
    """Ask again the inspector whose task the merge withdrew."""
    case = step.folder.case
    kinds = [kind for kind, stage in Task.STAGES.items() if stage == case.stage]
    task = Task.objects.filter(case=case, kind__in=kinds).order_by("pk").last()
    if task is None:
        return
    task.answered_at, task.passed = None, None
    task.sent_at, task.due_at = book.at, book.at + timedelta(minutes=minutes)
    step.rows.append(task)


def _let_go(book: Book, folder: Folder, duplicate: Case, by: filing.By) -> None:
    """Write it into the survivor's log; a deadline taken over from the duplicate is given back.

    Then the earliest of those still merged is taken over: the group's, as at a merge.
    """
    case = folder.case
    own = _own_deadlines(case, taken_from=duplicate)
    gives_back = own is not None and ClockKind.HANDLE in folder.clocks
    if gives_back and own is not None:
        filing.set_deadline(book, folder, own[0])
        case.base_due_at = own[1]
    facts = {"number": duplicate.number}
    book.append(folder, Action.LET_GO, facts=facts, sets_clock=gives_back, **by.words())
    if gives_back:
        others = Case.objects.filter(merged_into=case).exclude(pk=duplicate.pk)
        known = [(due, other) for other in others if (due := _moment(other.held["due_at"]))]
        for due, other in sorted(known, key=lambda pair: pair[0]):
            if book.at < due:
                _take_in(book, folder, other, due, by)
                break


def _own_deadlines(
    case: Case, *, taken_from: Case | None = None
) -> tuple[datetime, datetime] | None:
    """Return the deadline the survivor gave up for a duplicate's, if nothing changed it since.

    And the same without extensions. `taken_from`: only where it was this duplicate's.
    """
    last = case.event_set.filter(sets_clock=True).order_by("-case_seq").first()
    if last is None or last.action != Action.TAKE_IN:
        return None
    facts = last.data["facts"]
    if taken_from is not None and facts["number"] != taken_from.number:
        return None
    own, base = (datetime.fromisoformat(facts[n]) for n in ("own_due_at", "own_base_due_at"))
    return own, base
