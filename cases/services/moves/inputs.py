"""Check the fields an action asks for, and read what they name, before the heads are locked."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from math import nan
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from cases import policy
from cases.choices import CITY, DISTRICT_SLUGS, Action, Role
from cases.errors import InvalidInput
from cases.models import Area, Assist, Condition, Request, Supervision, Unit
from cases.selectors.calendars import current_version
from cases.selectors.inspectors import inspector_for
from cases.selectors.place import locate
from cases.services.moves.step import Step
from cases.workflow import ADJUST_EFFECTS, BOOLEANS, REASONS, RULINGS, Input, Move
from cityops.accounts.models import User
from cityops.accounts.roles import ScopeKind

LONGEST_REPLY = timedelta(days=90)
# Which open request an action decides.
_DECIDES = {
    Action.DECIDE_EXTENSION: Request.Kind.EXTENSION,
    Action.DECIDE_SUSPENSION: Request.Kind.SUSPENSION,
    Action.DECIDE_APPEAL: Request.Kind.APPEAL,
    Action.ADJUST: Request.Kind.ADJUST,
}
_ASKS_INSPECTOR = (Action.SEND_VERIFY, Action.SEND_CHECK, Action.FINISH)
_AUDITS = (Action.AUDIT_CLOSURE, Action.AUDIT_DECLINE)


def require_plain(inputs: dict[str, Any]) -> None:
    """Raise InvalidInput for a name or value that is no text PostgreSQL holds, and no boolean."""
    for name, value in inputs.items():
        if not (_is_text(name) and (isinstance(value, bool) or _is_text(value))):
            shown = ascii(name)[1:-1]
            raise InvalidInput(
                _("“%(name)s” is neither text nor true or false.") % {"name": shown},
                fields={shown: _("send plain text")},
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


def with_booleans(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return inputs of a form with the words true and false of yes-or-no fields as booleans."""
    return {
        name: value == "true" if name in BOOLEANS and value in ("true", "false") else value
        for name, value in inputs.items()
    }


def read_inputs(step: Step, move: Move) -> None:
    """Fill `step` from its inputs. Raises InvalidInput naming the field and the fix."""
    _require_the_fields(step, move)
    for name, value in step.inputs.items():
        _READ[Input(name)](step, value)
    if step.action in (Action.FILE, Action.RECLASSIFY):
        step.calendar_version = step.folder.case.calendar_version or current_version()
    if step.action in _ASKS_INSPECTOR and step.assignee_id is None:
        step.assignee_id = inspector_for(step.folder.case)
    if step.action in _AUDITS and step.assignee_id is None:
        step.assignee_id = inspector_for(step.folder.case, is_stranger=True)
    if step.action in _DECIDES:
        requests = Request.objects.select_for_update().filter(state__in=Request.OPEN)
        step.request = requests.get(case=step.folder.case, kind=_DECIDES[step.action])


def _require_the_fields(step: Step, move: Move) -> None:
    missing = [name for name in move.required - {Input.PHOTOS} if name not in step.inputs]
    if missing:
        raise InvalidInput(
            _("“%(action)s” still needs: %(fields)s.")
            % {"action": step.action.label, "fields": _labels(missing)},
            fields=dict.fromkeys(sorted(missing), _("is required")),
        )
    unknown = step.inputs.keys() - move.inputs
    if unknown:
        raise InvalidInput(
            _("“%(action)s” takes no %(fields)s.")
            % {"action": step.action.label, "fields": ", ".join(sorted(unknown))},
            fields=dict.fromkeys(sorted(unknown), _("is not an input of this action")),
        )
    for name, value in step.inputs.items():
        if isinstance(value, bool) != (name in BOOLEANS):
            wanted = _("send true or false") if name in BOOLEANS else _("send plain text")
            raise InvalidInput(
                _("“%(field)s” is of another kind.") % {"field": Input(name).label},
                fields={name: wanted},
            )


def _labels(names: Iterable[str]) -> str:
    return _(", ").join(str(Input(name).label) for name in sorted(names))


def _unknown(name: Input, value: str, hint: str) -> InvalidInput:
    """Return the refusal of a value that names nothing."""
    words = {"field": name.label, "value": value}
    return InvalidInput(_("%(field)s: there is no “%(value)s”.") % words, fields={name: hint})


def _boolean(_step: Step, _value: Any) -> None:
    """Nothing to read: `_require_the_fields` has seen that it is one."""


def _note(_step: Step, value: str) -> None:
    if len(value) > 1000:
        raise InvalidInput(
            _("A note is text of at most 1,000 characters."), fields={"note": _("shorten it")}
        )


def _one_of(name: Input, known: tuple[str, ...], value: str) -> None:
    if value not in known:
        raise _unknown(name, value, _("take one of: %(known)s") % {"known": ", ".join(known)})


def _condition(step: Step, value: str) -> None:
    found = Condition.objects.select_related("minor").filter(code=value, is_active=True)
    step.condition = found.first()
    if step.condition is None:
        raise _unknown(Input.CONDITION, value, _("take a code listed under /api/v1/categories/"))


def _cell(step: Step, value: str) -> None:
    area = Area.objects.filter(level=Area.Level.CELL, code=value, valid__contains=timezone.now())
    found = area.first()
    if found is None:
        raise _unknown(Input.CELL, value, _("take a 15-digit code of the grid"))
    step.cell = locate(found.label.x, found.label.y)
    step.scopes.add(step.cell.district)


def _district(step: Step, value: str) -> None:
    _one_of(Input.DISTRICT, DISTRICT_SLUGS, value)
    if value == step.folder.case.district:
        raise InvalidInput(
            _("The case is already in that district."), fields={"district": _("take another one")}
        )
    step.district = value
    step.scopes.add(value)


def _unit(step: Step, value: str) -> None:
    case = step.folder.case
    step.unit = _active_unit(value, Input.UNIT)
    if step.action == Action.REDISPATCH:
        parents = {case.unit_id, case.parent_unit} - {None, ""}
        if step.unit.parent_id not in parents or step.unit.pk == case.unit_id:
            raise InvalidInput(
                _("“%(value)s” is no sub-unit of the unit that holds the case.")
                % {"value": step.unit.name},
                fields={"unit": _("take a sub-unit")},
            )
        return
    if step.unit.body in (CITY, case.district):
        return
    actor = step.by.actor
    if step.action != Action.ARBITRATE or actor is None or not policy.reach_of(actor).is_whole:
        raise InvalidInput(
            _("“%(value)s” belongs to another district.") % {"value": step.unit.name},
            fields={"unit": _("take a unit of the case's district or a city-wide utility")},
        )
    step.district = step.unit.body
    step.scopes.add(step.unit.body)


def _assist(step: Step, value: str) -> None:
    codes = [code for code in re.split(r"[,\s]+", value) if code]
    step.assisting = [_active_unit(code, Input.ASSIST) for code in dict.fromkeys(codes)]
    lead = step.inputs.get(Input.UNIT, step.folder.case.unit_id)
    if lead in codes or not codes:
        raise InvalidInput(
            _("The lead unit does not assist itself."), fields={"assist": _("take other units")}
        )
    asked = Assist.objects.filter(case=step.folder.case, answered_at=None, unit__in=codes)
    if asked.exists():
        raise InvalidInput(
            _("One of these units was asked before and has not reported yet."),
            fields={"assist": _("take other units")},
        )


def _active_unit(code: str, name: Input) -> Unit:
    unit = Unit.objects.filter(code=code, is_active=True).first()
    if unit is None:
        raise _unknown(name, code, _("take the code of an active unit"))
    return unit


def _handler(step: Step, value: str) -> None:
    case = step.folder.case
    people = User.objects.filter(
        username=value,
        is_active=True,
        grant__role=Role.UNIT,
        grant__scope_kind=ScopeKind.UNIT,
        grant__scope_key=case.unit_id,
    )
    step.handler = people.first()
    if step.handler is None:
        raise InvalidInput(
            _("“%(value)s” does not belong to the unit that holds the case.") % {"value": value},
            fields={"handler": _("take the user name of somebody of the unit")},
        )


def _into(step: Step, value: str) -> None:
    if step.other is None:
        raise InvalidInput(
            _("There is no case %(number)s to merge into.") % {"number": value},
            fields={"into": _("take the number of another case you may see")},
        )


def _kind(step: Step, value: str) -> None:
    if step.by.role != Role.SUPERVISOR:
        raise InvalidInput(
            _("The kind follows from who supervises."), fields={"kind": _("leave it out")}
        )
    _one_of(Input.KIND, (Supervision.Kind.IMPORTANT, Supervision.Kind.OVERDUE), value)


def _reply_by(step: Step, value: str) -> None:
    step.reply_by = _moment(value)
    if step.reply_by is None or not step.at < step.reply_by <= step.at + LONGEST_REPLY:
        raise InvalidInput(
            _("The reply-by time is no time within the next 90 days."),
            fields={"reply_by": _("send a time like 2026-11-27T18:00")},
        )


def _promised_at(step: Step, value: str) -> None:
    step.promised_at = _moment(value)
    if step.promised_at is None or not step.at < step.promised_at <= step.at + LONGEST_REPLY:
        raise InvalidInput(
            _("The promised time is no time within the next 90 days."),
            fields={"promised_at": _("send a time like 2026-11-27T18:00")},
        )


def _until(step: Step, value: str) -> None:
    days = step.options.max_suspension_days
    last = _day(value)
    if last is not None and last.year < 9999:  # the day after it is still one
        midnight = datetime.combine(last + timedelta(days=1), time())
        step.until = timezone.make_aware(midnight).astimezone(UTC)
    if step.until is None or not step.at < step.until <= step.at + timedelta(days=days + 1):
        raise InvalidInput(
            _("The end date is no day within the next %(days)s days.") % {"days": days},
            fields={"until": _("send a day like 2026-12-31")},
        )


def _day(value: str) -> date | None:
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _moment(value: str) -> datetime | None:
    """Return a time as a form or a program sends it; without a zone it is Asia/Shanghai."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else timezone.make_aware(moment)


def _period(_step: Step, value: str) -> None:
    if not re.fullmatch(r"20\d\d-(0[1-9]|1[0-2])", value):
        raise _unknown(Input.PERIOD, value, _("send a month like 2026-11"))


def _effect(_step: Step, value: str) -> None:
    _one_of(Input.EFFECT, ADJUST_EFFECTS, value)


def _reason(step: Step, value: str) -> None:
    _one_of(Input.REASON, REASONS[step.action], value)


def _ruling(_step: Step, value: str) -> None:
    _one_of(Input.RULING, RULINGS, value)


def _satisfaction(_step: Step, value: str) -> None:
    _one_of(Input.SATISFACTION, ("1", "2", "3", "4", "5"), value)


def _place(step: Step, value: str) -> None:
    step.photo_place = place_of(value)
    locate(*step.photo_place)


def place_of(value: str) -> tuple[float, float]:
    """Return the lon, lat that a field says. Raises InvalidInput."""
    try:
        lon, lat = (float(part) for part in value.split(","))
    except ValueError:
        lon = lat = nan
    if not (abs(lon) <= 180 and abs(lat) <= 90):
        raise InvalidInput(
            _("“%(value)s” is no place.") % {"value": value},
            fields={"place": _("send lon,lat in WGS-84 degrees")},
        )
    return lon, lat


def _assignee(step: Step, value: str) -> None:
    person = User.objects.filter(username=value, is_active=True).first()
    if person is None or not person.holds(Role.INSPECTOR):
        raise _unknown(Input.ASSIGNEE, value, _("take an inspector's user name"))
    if step.action in _AUDITS and person.pk in _involved(step):
        raise InvalidInput(
            _("“%(value)s” had to do with this case.") % {"value": person.name},
            fields={"assignee": _("take an inspector who was not involved before")},
        )
    step.assignee_id = person.pk


def _involved(step: Step) -> set[int | None]:
    case = step.folder.case
    return {case.reporter_id, *case.task_set.values_list("assignee_id", flat=True)}


_READ: dict[Input, Callable[[Step, Any], None]] = {
    Input.CONDITION: _condition,
    Input.CELL: _cell,
    Input.DISTRICT: _district,
    Input.UNIT: _unit,
    Input.ASSIST: _assist,
    Input.HANDLER: _handler,
    Input.INTO: _into,
    Input.KIND: _kind,
    Input.REPLY_BY: _reply_by,
    Input.PROMISED_AT: _promised_at,
    Input.UNTIL: _until,
    Input.PERIOD: _period,
    Input.EFFECT: _effect,
    Input.REASON: _reason,
    Input.RULING: _ruling,
    Input.ASSIGNEE: _assignee,
    Input.SATISFACTION: _satisfaction,
    Input.PLACE: _place,
    Input.NOTE: _note,
    Input.FALSIFIED: _boolean,
    Input.PASSED: _boolean,
    Input.APPROVED: _boolean,
}
