"""What a unit asks for and others decide: extension, suspension, appeal; and deferring."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from cases import clock
from cases.choices import Action, ClockKind, Role, Waiting
from cases.errors import InvalidInput
from cases.ledger import Book, Folder, stamp
from cases.models import Assist, Request, Supervision
from cases.services import filing
from cases.services.moves.step import Step
from cases.services.photos import facts_of, taken_of
from cases.workflow import Input


def _ask(book: Book, step: Step, kind: Request.Kind, awaited: Waiting) -> None:
    case, said = step.folder.case, step.inputs
    filing.wait_for(step.folder, awaited)
    facts: dict[str, Any] = {"reason": said[Input.REASON]} if Input.REASON in said else {}
    if step.photos:
        facts |= facts_of(step.photos)
    if step.until is not None:
        facts["until"] = stamp(step.until) or ""
    words = step.by.words(**taken_of(step.photos))
    book.append(step.folder, step.action, facts=facts, **words)
    request = Request(case=case, kind=kind, unit=case.unit_id or "", asked_by=step.by.actor)
    request.reason, request.until = said.get(Input.REASON, ""), step.until
    request.period, request.effect = said.get(Input.PERIOD, ""), said.get(Input.EFFECT, "")
    request.asked_at = book.at
    step.rows.append(request)


def _decide(book: Book, step: Step, state: Request.State) -> None:
    """Write down what became of the request."""
    assert step.request is not None
    step.request.state = state
    step.request.decided_by, step.request.decided_at = step.by.actor, book.at
    step.rows.append(step.request)


_WAITS: dict[str, set[str]] = {
    Request.Kind.EXTENSION: {Waiting.EXTENSION, Waiting.EXTENSION_HEAD},
    Request.Kind.SUSPENSION: {Waiting.SUSPENSION},
    Request.Kind.APPEAL: {Waiting.APPEAL, Waiting.APPEAL_ACCEPTOR},
    Request.Kind.ADJUST: {Waiting.ADJUST},
}


def lapse_requests(folder: Folder, *, at: datetime) -> None:
    """Mark what the case no longer waits for as lapsed; the case is locked.

    A unit asked to assist in a run that ended is not asked any more.
    """
    waits = set(folder.case.waiting_for)
    if waits == set(folder.waited):
        return
    if Waiting.ASSIST not in waits:
        Assist.objects.filter(case=folder.case, answered_at=None).update(answered_at=at)
    kinds = [kind for kind, names in _WAITS.items() if waits.isdisjoint(names)]
    still = Request.objects.filter(case=folder.case, state__in=Request.OPEN, kind__in=kinds)
    still.update(state=Request.State.LAPSED, decided_at=at)
    if Waiting.REPLY in folder.waited and Waiting.REPLY not in waits:
        Supervision.objects.filter(case=folder.case, answered_at=None).update(answered_at=at)


def _outcome(step: Step) -> Request.State:
    return Request.State.APPROVED if step.approved else Request.State.REFUSED


# --- extension ----------------------------------------------------------------------------------


def request_extension(book: Book, step: Step) -> None:
    """Ask for one more limit; the head of unit decides first, then the dispatcher."""
    _ask(book, step, Request.Kind.EXTENSION, Waiting.EXTENSION_HEAD)


def decide_extension(book: Book, step: Step) -> None:
    """Endorse, approve or refuse; an approval adds one original limit to the old deadline."""
    folder, case = step.folder, step.folder.case
    filing.stop_waiting(folder, Waiting.EXTENSION_HEAD, Waiting.EXTENSION)
    facts = {"level": step.by.role, "approved": step.approved}
    if step.by.role == Role.UNIT_HEAD and step.approved:
        filing.wait_for(folder, Waiting.EXTENSION)
        book.start_minutes(folder, ClockKind.EXTEND, step.options.decide_extension_min)
        book.append(folder, step.action, facts=facts, **step.by.words())
        _decide(book, step, Request.State.ENDORSED)
        return
    ended = book.stop_clock(folder, ClockKind.EXTEND)
    if step.approved:
        assert case.due_at is not None  # a unit holds the case
        limit, calendar = filing.case_limit(folder)
        case.extensions_left -= 1
        case.extension_count += 1
        filing.set_deadline(book, folder, clock.due_at(case.due_at, limit, calendar))
        facts |= {"value": limit.value, "unit": limit.unit}
    book.append(
        folder, step.action, clock=ended, facts=facts, sets_clock=step.approved, **step.by.words()
    )
    _decide(book, step, _outcome(step))


# --- suspension ---------------------------------------------------------------------------------


def request_suspension(book: Book, step: Step) -> None:
    """Ask for the clock to stand still until a day."""
    _ask(book, step, Request.Kind.SUSPENSION, Waiting.SUSPENSION)


def decide_suspension(book: Book, step: Step) -> None:
    """Suspend until the day asked for, or refuse."""
    assert step.request is not None
    until = step.request.until
    assert until is not None
    filing.stop_waiting(step.folder, Waiting.SUSPENSION)
    if step.approved and until <= book.at:
        raise InvalidInput(
            _("The day asked for has passed."), fields={"approved": _("refuse the request")}
        )
    facts = {"approved": step.approved, "until": stamp(until)}
    ended = None
    if step.approved:
        ended = filing.suspend(book, step.folder, until, is_deferred=False)
    book.append(
        step.folder,
        step.action,
        clock=ended,
        facts=facts,
        sets_clock=step.approved,
        **step.by.words(),
    )
    _decide(book, step, _outcome(step))


def defer(book: Book, step: Step) -> None:
    """Suspend by a leader's decision 缓办; counted apart."""
    assert step.until is not None
    ended = filing.suspend(book, step.folder, step.until, is_deferred=True)
    facts = {"until": stamp(step.until), "reason": step.reason}
    book.append(
        step.folder, Action.DEFER, clock=ended, facts=facts, sets_clock=True, **step.by.words()
    )


def resume(book: Book, step: Step) -> None:
    """Go on before the day the suspension ends."""
    filing.resume(book, step.folder, step.by)


# --- appeal and adjustment ----------------------------------------------------------------------


def appeal(book: Book, step: Step) -> None:
    """Appeal against an overdue finding, once."""
    step.folder.case.appeal = "asked"
    _ask(book, step, Request.Kind.APPEAL, Waiting.APPEAL)


def decide_appeal(book: Book, step: Step) -> None:
    """The dispatcher endorses or refuses, the acceptor upholds or refuses; the fact stays."""
    folder, case = step.folder, step.folder.case
    filing.stop_waiting(folder, Waiting.APPEAL, Waiting.APPEAL_ACCEPTOR)
    is_first = step.by.role == Role.DISPATCHER
    if not step.approved:
        case.appeal, state = "refused", Request.State.REFUSED
    elif is_first:
        case.appeal, state = "endorsed", Request.State.ENDORSED
        filing.wait_for(folder, Waiting.APPEAL_ACCEPTOR)
    else:
        case.appeal, state = "upheld", Request.State.APPROVED
    facts = {"level": step.by.role, "upheld": step.approved}
    book.append(folder, step.action, facts=facts, **step.by.words())
    _decide(book, step, state)


def propose_adjust(book: Book, step: Step) -> None:
    """Propose what one case is to count for in one period; a second assessor decides."""
    _ask(book, step, Request.Kind.ADJUST, Waiting.ADJUST)


def adjust(book: Book, step: Step) -> None:
    """Decide on an adjustment; its proposer may not. Raises InvalidInput."""
    request = step.request
    assert request is not None
    assert step.by.actor is not None
    if request.asked_by_id == step.by.actor.pk:
        raise InvalidInput(
            _("Who proposed an adjustment does not decide on it."),
            fields={"approved": _("another assessor decides")},
        )
    filing.stop_waiting(step.folder, Waiting.ADJUST)
    facts: dict[str, Any] = {"approved": step.approved}
    if step.approved:
        facts |= {"period": request.period, "effect": request.effect}
    book.append(step.folder, step.action, facts=facts, **step.by.words())
    _decide(book, step, _outcome(step))
