"""What happens while a unit holds a case: dispatch to finish, help, and giving it back."""

from typing import Any

from django.contrib.gis.geos import Point
from django.utils.translation import gettext as _

from cases.choices import Action, ClockKind, Stage, Waiting
from cases.errors import InvalidInput, MoveNotAllowed
from cases.guards import CHECK_FAILED, REOPENED
from cases.ledger import Book
from cases.models import Assist, Condition, Refusal, Unit
from cases.services import filing
from cases.services.moves.site import check_now, require_assignee
from cases.services.moves.step import Step
from cases.services.photos import facts_of, taken_of
from cases.workflow import Input

METRIC = 4546  # EPSG of the city's projection, metres


def assign(book: Book, step: Step) -> None:
    """Give the case to a unit: a full limit; what remained after an unjustified return."""
    assert step.unit is not None
    case, ruling = step.folder.case, step.inputs.get(Input.RULING)
    refusal = _refusal_ruled_on(step) if ruling else None
    facts: dict[str, Any] = {"ruling": ruling} if ruling else {}
    is_same = refusal is not None and _main(refusal.unit) == _main(step.unit)
    goes_on = is_same and ruling == Refusal.Ruling.UNJUSTIFIED
    if goes_on:
        facts["goes_on"] = True
    if step.action == Action.ARBITRATE:
        case.arbitrated_unit = _main(step.unit)
    if step.district:
        filing.change_district(book, step.folder, step.district, step.by, facts={"by": step.action})
    filing.assign(
        book,
        step.folder,
        step.action,
        step.unit,
        step.by,
        options=step.options,
        left_s=case.left_s if goes_on else None,
        facts=facts,
    )
    if refusal is not None:
        refusal.ruling, refusal.ruled_at = str(ruling), book.at
        step.rows.append(refusal)
    if step.assisting:
        _ask_to_assist(book, step)


def _main(unit: Unit) -> str:
    """Return the unit a sub-unit counts as (assessment.md §5)."""
    return unit.parent_id or unit.pk


def _refusal_ruled_on(step: Step) -> Refusal:
    """Return the return a ruling is about. Raises InvalidInput where there is none."""
    case = step.folder.case
    waits = case.stage in (Stage.RETURNED, Stage.DISPUTED)
    waits = waits and case.last_reason not in (CHECK_FAILED, REOPENED)
    open_ones = Refusal.objects.select_related("unit").filter(case=case, ruling="")
    refusal = open_ones.order_by("pk").last()
    if refusal is None or not waits:
        raise InvalidInput(
            _("No unit returned this case, so there is nothing to rule on."),
            fields={"ruling": _("leave it out")},
        )
    return refusal


def redispatch(book: Book, step: Step) -> None:
    """Hand the case on to a sub-unit: the same run, the same deadline."""
    assert step.unit is not None
    case = step.folder.case
    case.unit, case.parent_unit = step.unit, step.unit.parent_id or ""
    case.handler = None
    facts = {"parent": case.parent_unit}
    book.append(step.folder, Action.REDISPATCH, facts=facts, **step.by.words())


def sign(book: Book, step: Step) -> None:
    """Sign for the case."""
    step.folder.case.stage = Stage.HANDLING
    ended = book.stop_clock(step.folder, ClockKind.SIGN)
    book.append(step.folder, Action.SIGN, clock=ended, **step.by.words())


def give_back(book: Book, step: Step) -> None:
    """End the run and give the case back; the second time it is disputed."""
    folder, case = step.folder, step.folder.case
    assert case.unit_id is not None
    run = (case.unit_id, case.body)
    refusal = Refusal(case=case, unit_id=case.unit_id, reason=step.reason, returned_at=book.at)
    ended = filing.stop_unit_clocks(book, folder)
    case.return_count += 1
    case.last_reason = step.reason
    case.unit, case.body, case.rule, case.parent_unit, case.handler = None, "", "", "", None
    case.due_at = case.base_due_at = None
    if case.return_count > 1:
        case.stage = Stage.DISPUTED
        book.start_minutes(folder, ClockKind.ARBITRATE, step.options.arbitrate_min)
    else:
        case.stage = Stage.RETURNED
        book.start_minutes(folder, ClockKind.DISPATCH, step.options.dispatch_min)
    facts = {"reason": case.last_reason}
    book.append(folder, Action.RETURN, clock=ended, facts=facts, run=run, **step.by.words())
    step.rows.append(refusal)


def dispute(book: Book, step: Step) -> None:
    """Ask for a ruling on who answers for a returned case."""
    step.folder.case.stage = Stage.DISPUTED
    ended = book.stop_clock(step.folder, ClockKind.DISPATCH)
    book.start_minutes(step.folder, ClockKind.ARBITRATE, step.options.arbitrate_min)
    book.append(step.folder, Action.DISPUTE, clock=ended, **step.by.words())


def transfer(book: Book, step: Step) -> None:
    """Move a case to another district before its first dispatch, and have it dispatched there."""
    facts = {"by": Action.TRANSFER, "reason": step.reason}
    case = step.folder.case
    case.is_unrouted = False
    event = filing.change_district(book, step.folder, step.district, step.by, facts=facts)
    filing.ask_dispatch(book, step.folder, event)


# --- help and handlers --------------------------------------------------------------------------


def send_assist(book: Book, step: Step) -> None:
    """Ask further units to assist; the lead unit owns the deadline."""
    _ask_to_assist(book, step)


def _ask_to_assist(book: Book, step: Step) -> None:
    case = step.folder.case
    asked = Assist.objects.filter(case=case, answered_at=None, unit__in=step.assisting)
    if first := asked.order_by("pk").first():
        raise InvalidInput(
            _("“%(unit)s” has been asked and has not reported yet.") % {"unit": first.unit.name},
            fields={"assist": _("take other units")},
        )
    for unit in step.assisting:
        if unit.pk not in case.assist_units:
            case.assist_units = [*case.assist_units, unit.pk]
        if unit.district_id and unit.district_id not in (case.district, *case.also_districts):
            case.also_districts = [*case.also_districts, unit.district_id]
        filing.wait_for(step.folder, Waiting.ASSIST)
        facts = {"assist_unit": unit.pk}
        book.append(step.folder, Action.SEND_ASSIST, facts=facts, **step.by.words())
        step.rows.append(Assist(case=case, unit=unit, asked_at=book.at))


def assist(book: Book, step: Step) -> None:
    """Say what an assisting unit did."""
    assert step.by.actor is not None
    case, mine = step.folder.case, {grant.scope_key for grant in step.by.actor.grants}
    asked = list(Assist.objects.filter(case=case, answered_at=None))
    answered = [row for row in asked if row.unit_id in mine]
    if not answered:
        raise MoveNotAllowed(_("Your unit has reported on its assistance."))
    if len(answered) == len(asked):
        filing.stop_waiting(step.folder, Waiting.ASSIST)
    facts = {
        "assist_units": [row.unit_id for row in answered],
        **facts_of(step.photos),
    }
    book.append(step.folder, Action.ASSIST, facts=facts, **step.by.words(**taken_of(step.photos)))
    for row in answered:
        row.answered_at = book.at
    step.rows += answered


def assign_handler(book: Book, step: Step) -> None:
    """Give the case to one of the unit's people; who it is stays out of the header."""
    step.folder.case.handler = step.handler
    book.append(step.folder, Action.ASSIGN_HANDLER, **step.by.words())


def release_handler(book: Book, step: Step) -> None:
    """Take the case back from its handler."""
    step.folder.case.handler = None
    book.append(step.folder, Action.RELEASE_HANDLER, **step.by.words())


# --- finish -------------------------------------------------------------------------------------


def finish(book: Book, step: Step) -> None:
    """End the run; where the city says so, the check goes out in the same breath.

    Photos that claim another time or place are flagged to the checker, never refused.
    """
    folder, case = step.folder, step.folder.case
    if not step.photos and _needs_after_photo(case.condition):
        raise InvalidInput(
            _("This filing condition closes only with a photo taken after handling."),
            fields={"photos": _("add a photo taken after handling")},
        )
    case.photo_doubts = _doubts(step)
    case.stage, case.handled_at = Stage.HANDLED, book.at
    ended = filing.stop_unit_clocks(book, folder)
    facts = facts_of(step.photos)
    if case.photo_doubts:
        facts["doubts"] = case.photo_doubts
    words = step.by.words(**taken_of(step.photos))
    book.append(folder, Action.FINISH, clock=ended, facts=facts, **words)
    if step.options.auto_check and step.assignee_id is not None:
        minutes = step.options.check_min
        step.rows.append(check_now(book, folder, step.assignee_id, minutes=minutes))


def _needs_after_photo(condition: Condition | None) -> bool:
    return condition is not None and condition.needs_after_photo


def _doubts(step: Step) -> list[str]:
    """Return what does not fit about the photos: taken before the run, or away from the case."""
    case, doubts = step.folder.case, set()
    running = step.folder.clocks.get(ClockKind.HANDLE)
    for photo in step.photos:
        if running and photo.taken_at and photo.taken_at < running.started_at:
            doubts.add("taken_before")
        if _is_away(step, photo.place or step.photo_place):
            doubts.add("taken_away")
    return sorted(doubts) if case.point else sorted(doubts - {"taken_away"})


def _is_away(step: Step, place: tuple[float, float] | None) -> bool:
    """Whether a place lies further from the case than the city allows, in metres."""
    case = step.folder.case
    if place is None or case.point is None:
        return False
    there, here = Point(*place, srid=4326), case.point.clone()
    there.transform(METRIC)
    here.transform(METRIC)
    return bool(there.distance(here) > step.options.photo_distance_m)


def send_check(book: Book, step: Step) -> None:
    """Ask an inspector whether it is done."""
    who, minutes = require_assignee(step), step.options.check_min
    task = check_now(book, step.folder, who, minutes=minutes, **step.by.words())
    step.rows.append(task)
