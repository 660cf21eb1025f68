"""The monthly scheduling meeting 一月一调度: its agenda, what it decides, and who answers for it.

One is open at a time. What is open when the next is prepared is carried to it: that follows from
the times, nobody has to carry anything. Every change is a line of a log (docs/meetings.md).
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db import connection
from django.db.models import Max, Q, QuerySet
from django.utils.translation import gettext as _

from cases.errors import InvalidInput, NotAllowed
from cases.ledger import retrying
from cases.models import Case, Unit
from cases.notices import ITEM_POSTS
from cityops.accounts.models import User
from cityops.accounts.roles import ScopeKind
from scoring.agenda import Proposal, proposals
from scoring.lifecycle import READERS, moment_of_action, require_office
from scoring.meeting_models import (
    TEXT_MAX,
    ActionItem,
    AgendaLine,
    ItemChange,
    Meeting,
    MeetingChange,
)
from scoring.periods import CITY_TIME, Period, earlier, months_after, parse_period
from scoring.telling import tell_item, tell_item_asked
from scoring.versions import may_edit

_MEETINGS_LOCK = 743_004  # held while a meeting is prepared
MONTHS_BACK = 11
Kind = MeetingChange.Kind
ItemKind = ItemChange.Kind


# --- who reads what -----------------------------------------------------------------------------


def reads_all(user: User) -> bool:
    """Whether a user reads every action item: whoever reads scores for the whole city."""
    return user.is_active and any(
        grant.role in READERS and grant.scope_kind == ScopeKind.CITY for grant in user.grants
    )


def items_for(user: User) -> QuerySet[ActionItem]:
    """Return the action items a user reads: all, those of their district, those of their unit."""
    items = ActionItem.objects.select_related("meeting", "unit")
    if reads_all(user):
        return items
    held = user.grants if user.is_active else []
    districts = {
        grant.scope_key
        for grant in held
        if grant.role in READERS and grant.scope_kind == ScopeKind.DISTRICT
    }
    units = _units_of(user)
    return items.filter(Q(body__in=districts) | Q(unit__in=units) | Q(unit__parent__in=units))


def _units_of(user: User) -> set[str]:
    held = user.grants if user.is_active else []
    return {
        grant.scope_key
        for grant in held
        if grant.role in ITEM_POSTS and grant.scope_kind == ScopeKind.UNIT
    }


def may_report(user: User, item: ActionItem) -> bool:
    """Whether a user reports on an item: the owner's people, its parent unit's, or the office."""
    owners = {item.unit_id, item.unit.parent_id}
    return may_edit(user) or not owners.isdisjoint(_units_of(user))


def carried_to(meeting: Meeting, items: QuerySet[ActionItem]) -> QuerySet[ActionItem]:
    """Keep the items of earlier meetings that were open when a meeting was prepared."""
    at = meeting.prepared_at
    return items.filter(
        Q(confirmed_at=None) | Q(confirmed_at__gt=at),
        Q(dropped_at=None) | Q(dropped_at__gt=at),
        meeting__period__lt=meeting.period,
    )


def times_carried(item: ActionItem, periods: Sequence[str], *, to: str) -> int:
    """Return how many meetings an item was carried to, up to the one of `to`.

    `periods` are those of all meetings.
    """
    return sum(item.meeting.period < period <= to for period in periods)


def months_to_prepare(at: datetime) -> list[Period]:
    """Return the months a meeting may be prepared for: after the last one, up to the next month.

    A year back at most, the latest first; none while a meeting is open.
    """
    if Meeting.objects.filter(finished_at=None).exists():
        return []
    last = Meeting.objects.aggregate(last=Max("period"))["last"] or ""
    coming = months_after(at, 1)[0]
    months = [*earlier(coming, MONTHS_BACK), coming]
    return [month for month in reversed(months) if month.name > last]


# --- the agenda ---------------------------------------------------------------------------------


@retrying
def prepare_meeting(*, period: Period, actor: User) -> Meeting:
    """Open the meeting of a month, with what the ledger proposes now as its agenda.

    Raises NotAllowed, and InvalidInput while another is open or for a month that has had its own.
    """
    require_office(actor)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_MEETINGS_LOCK])
    now = moment_of_action()
    if Meeting.objects.filter(finished_at=None).exists():
        raise InvalidInput(_("A meeting is open. Finish it before you prepare the next one."))
    if period not in months_to_prepare(now):
        raise InvalidInput(
            _("Nothing was changed."), fields={"period": _("a month after the last meeting's")}
        )
    meeting = Meeting.objects.create(
        period=period.name, as_of=now, prepared_by=actor, prepared_at=now
    )
    _log(meeting, Kind.PREPARED, actor, now, is_first=True)
    _add(meeting, proposals(actor, at=now), actor, now)
    return meeting


@retrying
def propose_again(*, period: str, seen: int, actor: User) -> int:
    """Read the ledger anew: add what was not proposed yet, renew the reasons of what still holds.

    What was removed stays removed. Returns how many lines are new. Raises NotAllowed,
    Meeting.DoesNotExist, and InvalidInput where the meeting has changed or is finished.
    """
    meeting = _open_meeting(period, seen, actor)
    now = moment_of_action()
    known = {line.subject: line for line in meeting.lines.exclude(subject="")}
    found = proposals(actor, at=now)
    for one in found:
        if (line := known.get(one.subject)) is not None:
            line.reasons, line.numbers = one.reasons, one.numbers
            line.save(update_fields=["reasons", "numbers"])
    fresh = [one for one in found if one.subject not in known]
    _add(meeting, fresh, actor, now)
    meeting.as_of = now
    _log(meeting, Kind.PROPOSED, actor, now, said={"new": len(fresh)})
    return len(fresh)


def _add(meeting: Meeting, found: Sequence[Proposal], actor: User, now: datetime) -> None:
    """Put lines behind those that stand on the agenda, before the removed ones."""
    kept, removed = _in_order(meeting)
    made = AgendaLine.objects.bulk_create(
        AgendaLine(
            meeting=meeting,
            position=len(kept) + len(removed) + place,
            kind=one.kind,
            subject=one.subject,
            numbers=one.numbers,
            reasons=one.reasons,
            added_by=actor,
            added_at=now,
        )
        for place, one in enumerate(found, start=1)
    )
    _put_in_order([*kept, *made, *removed])


def _in_order(meeting: Meeting) -> tuple[list[AgendaLine], list[AgendaLine]]:
    """Return the lines that stand on the agenda, and those removed."""
    lines = list(meeting.lines.order_by("position"))
    kept = [line for line in lines if line.removed_at is None]
    return kept, [line for line in lines if line.removed_at is not None]


def _put_in_order(lines: Sequence[AgendaLine]) -> None:
    moved = []
    for place, line in enumerate(lines, start=1):
        if line.position != place:
            line.position = place
            moved.append(line)
    AgendaLine.objects.bulk_update(moved, ["position"])


@retrying
def add_line(*, period: str, seen: int, text: str, number: str, actor: User) -> AgendaLine:
    """Put a line of the office's own on the agenda, perhaps about a case. Raises as above."""
    meeting = _open_meeting(period, seen, actor)
    fields = _wrong_text(text)
    cases = Case.objects.filter(number=number.strip().upper()).visible_to(actor)
    numbers = list(cases.values_list("number", flat=True))
    if number.strip() and not numbers:
        fields["number"] = _("there is no such case")
    _require(fields)
    now = moment_of_action()
    kept, removed = _in_order(meeting)
    line = AgendaLine.objects.create(
        meeting=meeting,
        position=len(kept) + len(removed) + 1,
        kind=AgendaLine.Kind.OWN,
        text=text.strip(),
        numbers=numbers,
        added_by=actor,
        added_at=now,
    )
    _put_in_order([*kept, line, *removed])
    _log(meeting, Kind.ADDED, actor, now, line=line)
    return line


@retrying
def remove_line(*, period: str, seen: int, line: int, actor: User) -> AgendaLine:
    """Take a line off the agenda; it stays on record. Raises as above."""
    meeting = _open_meeting(period, seen, actor)
    kept, removed = _in_order(meeting)
    found = _among(kept, line)
    if found.items.filter(dropped_at=None).exists():
        raise InvalidInput(_("Something was decided about this line, so it stays."))
    now = moment_of_action()
    found.removed_by, found.removed_at = actor, now
    found.save(update_fields=["removed_by", "removed_at"])
    kept.remove(found)
    _put_in_order([*kept, *removed, found])
    _log(meeting, Kind.REMOVED, actor, now, line=found)
    return found


@retrying
def restore_line(*, period: str, seen: int, line: int, actor: User) -> AgendaLine:
    """Put a removed line back, as the last one. Raises as above."""
    meeting = _open_meeting(period, seen, actor)
    kept, removed = _in_order(meeting)
    found = _among(removed, line)
    found.removed_by = found.removed_at = None
    found.save(update_fields=["removed_by", "removed_at"])
    removed.remove(found)
    _put_in_order([*kept, found, *removed])
    _log(meeting, Kind.RESTORED, actor, moment_of_action(), line=found)
    return found


@retrying
def move_line(*, period: str, seen: int, line: int, to: int, actor: User) -> AgendaLine:
    """Put a line at place `to` of the agenda, or the nearest there is. Raises as above."""
    meeting = _open_meeting(period, seen, actor)
    kept, removed = _in_order(meeting)
    found = _among(kept, line)
    kept.remove(found)
    kept.insert(min(max(to, 1), len(kept) + 1) - 1, found)
    _put_in_order([*kept, *removed])
    said = {"to": kept.index(found) + 1}
    _log(meeting, Kind.MOVED, actor, moment_of_action(), line=found, said=said)
    return found


def _among(lines: Sequence[AgendaLine], pk: int) -> AgendaLine:
    for line in lines:
        if line.pk == pk:
            return line
    raise InvalidInput(_("There is no such line."))


# --- the meeting --------------------------------------------------------------------------------


@retrying
def record_item(
    *, period: str, seen: int, line: int | None, text: str, unit: str, due_on: date, actor: User
) -> ActionItem:
    """Record what was decided, who answers for it and by when; `line` is what it was said to.

    Raises as `propose_again` does, and InvalidInput by field.
    """
    meeting = _open_meeting(period, seen, actor)
    kept, _removed = _in_order(meeting)
    about = None if line is None else _among(kept, line)
    owner = _owner(meeting, text, unit, due_on)
    now = moment_of_action()
    item = _record(meeting, about, text, owner, due_on, now)
    _log_item(item, ItemKind.RECORDED, actor, now, meeting=meeting, said=_said(item), is_first=True)
    _log(meeting, Kind.DECIDED, actor, now, line=about, item=item)
    return item


@retrying
def finish_meeting(*, period: str, seen: int, held_on: date, actor: User) -> Meeting:
    """Let a meeting stand as it is: agenda and decisions are not changed any more.

    Raises as `record_item` does.
    """
    meeting = _open_meeting(period, seen, actor)
    now = moment_of_action()
    if held_on > now.astimezone(CITY_TIME).date():
        _require({"held_on": _("not a day to come")})
    meeting.held_on, meeting.finished_by, meeting.finished_at = held_on, actor, now
    _log(meeting, Kind.FINISHED, actor, now, said={"held_on": held_on.isoformat()})
    for item in meeting.items.filter(dropped_at=None).select_related("unit"):
        tell_item(item, "item", actor=actor)
    return meeting


@retrying
def correct_meeting(*, period: str, seen: int, text: str, actor: User) -> MeetingChange:
    """Add a line of correction to a finished meeting; what stands stays. Raises as above."""
    require_office(actor)
    meeting = _lock_meeting(period, seen)
    if meeting.is_open:
        raise InvalidInput(_("The meeting is open: change what is wrong."))
    _require(_wrong_text(text))
    return _log(meeting, Kind.CORRECTED, actor, moment_of_action(), text=text.strip())


def _open_meeting(period: str, seen: int, actor: User) -> Meeting:
    """Lock an open meeting as its reader saw it."""
    require_office(actor)
    meeting = _lock_meeting(period, seen)
    if not meeting.is_open:
        raise InvalidInput(_("The meeting is finished and stands as it is."))
    return meeting


def _lock_meeting(period: str, seen: int) -> Meeting:
    meeting = Meeting.objects.select_for_update().get(period=period)
    if meeting.version != seen:
        raise InvalidInput(_("The meeting has changed since you opened it. Look again."))
    return meeting


def _log(
    meeting: Meeting, kind: Kind, actor: User, at: datetime, *, is_first: bool = False, **words: Any
) -> MeetingChange:
    """Raise the version of a meeting and write what was done to it."""
    if not is_first:
        meeting.version += 1
        meeting.save()
    return MeetingChange.objects.create(
        meeting=meeting, version=meeting.version, kind=kind, by=actor, at=at, **words
    )


# --- action items -------------------------------------------------------------------------------


@retrying
def correct_item(
    *, pk: int, seen: int, text: str, unit: str, due_on: date, reason: str, actor: User
) -> ActionItem:
    """Put right what an item says: in place while its meeting is open, by another one after.

    Returns the item that holds now. Raises NotAllowed, ActionItem.DoesNotExist, InvalidInput.
    """
    require_office(actor)
    meeting = Meeting.objects.select_for_update(of=("self",)).get(items=pk)
    item = _open_item(pk, seen)
    owner = _owner(meeting, text, unit, due_on, reason=reason)
    now = moment_of_action()
    if meeting.is_open:
        item.text, item.unit, item.body = text.strip(), owner, owner.body
        item.first_due_on = item.due_on = due_on
        _log_item(item, ItemKind.CHANGED, actor, now, said=_said(item), note=reason.strip())
        return item
    item.dropped_at = now
    _log_item(item, ItemKind.REPLACED, actor, now, note=reason.strip())
    made = _record(meeting, item.line, text, owner, due_on, now, replaces=item)
    _log_item(made, ItemKind.RECORDED, actor, now, said=_said(made), note=reason.strip(),
              is_first=True)  # fmt: skip
    _log(meeting, Kind.CORRECTED, actor, now, item=made, text=reason.strip())
    if made.unit_id != item.unit_id:
        tell_item(item, "item_dropped", actor=actor)
    tell_item(made, "item", actor=actor)
    return made


@retrying
def drop_item(*, pk: int, seen: int, reason: str, actor: User) -> ActionItem:
    """End an item that is not to be done; it stays on record. Raises as `correct_item` does."""
    require_office(actor)
    item = _open_item(pk, seen)
    _require(_wrong_text(reason, "reason"))
    item.dropped_at = now = moment_of_action()
    _log_item(item, ItemKind.DROPPED, actor, now, note=reason.strip())
    if not item.meeting.is_open:
        tell_item(item, "item_dropped", actor=actor)
    return item


@retrying
def move_item(*, pk: int, seen: int, due_on: date, reason: str, actor: User) -> ActionItem:
    """Give a carried item another last day: the open meeting decides it, the first day stays.

    Raises as `correct_item` does.
    """
    require_office(actor)
    meeting = Meeting.objects.select_for_update().filter(finished_at=None).first()
    item = _open_item(pk, seen)
    if meeting is None or item.meeting_id == meeting.pk:
        raise InvalidInput(_("A later meeting, while it is open, moves the last day."))
    fields = _wrong_text(reason, "reason")
    if due_on < parse_period(meeting.period).start.date():
        fields["due_on"] = _("not before the month of the meeting")
    _require(fields)
    said = {"due_on": due_on.isoformat(), "was": item.due_on.isoformat()}
    item.due_on = due_on
    now = moment_of_action()
    _log_item(item, ItemKind.MOVED, actor, now, meeting=meeting, said=said, note=reason.strip())
    tell_item(item, "item", actor=actor)
    return item


@retrying
def report_item(*, pk: int, seen: int, note: str, is_done: bool, actor: User) -> ActionItem:
    """Report how far an item is, or that it is done, which somebody else confirms.

    By the owner's people, or by the office for an owner who is not here. Raises as above.
    """
    item = _open_item(pk, seen)
    if not may_report(actor, item):
        raise NotAllowed(_("The owner's people report on it, or the assessment office."))
    if item.asked_at is not None:
        raise InvalidInput(_("It waits to be confirmed."))
    _require(_wrong_text(note, "note"))
    now = moment_of_action()
    if is_done:
        item.asked_by, item.asked_at = actor, now
    _log_item(item, ItemKind.ASKED if is_done else ItemKind.PROGRESS, actor, now, note=note.strip())
    if is_done:
        tell_item_asked(item, actor=actor)
    return item


@retrying
def judge_item(*, pk: int, seen: int, is_done: bool, note: str, actor: User) -> ActionItem:
    """Confirm that an item is done, or send it back with a reason; never by who reported it.

    Raises as `correct_item` does.
    """
    require_office(actor)
    item = _open_item(pk, seen)
    if item.asked_at is None:
        raise InvalidInput(_("Nothing waits to be confirmed here."))
    if item.asked_by_id == actor.pk:
        raise NotAllowed(_("Who reported it does not confirm it: a second assessor does."))
    _require(_wrong_text(note, "note", least=0 if is_done else 1))
    now = moment_of_action()
    if is_done:
        item.confirmed_by, item.confirmed_at = actor, now
    else:
        item.asked_by = item.asked_at = None
    kind = ItemKind.CONFIRMED if is_done else ItemKind.SENT_BACK
    _log_item(item, kind, actor, now, note=note.strip())
    tell_item(item, "item_done" if is_done else "item_back", actor=actor)
    return item


def _open_item(pk: int, seen: int) -> ActionItem:
    """Lock an item that has not ended, as its reader saw it."""
    items = ActionItem.objects.select_for_update(of=("self",))
    item = items.select_related("meeting", "unit", "line").get(pk=pk)
    if item.version != seen:
        raise InvalidInput(_("The item has changed since you opened it. Look again."))
    if item.ended_at is not None:
        raise InvalidInput(_("The item has ended and stands as it is."))
    return item


def _record(
    meeting: Meeting,
    line: AgendaLine | None,
    text: str,
    owner: Unit,
    due_on: date,
    now: datetime,
    replaces: ActionItem | None = None,
) -> ActionItem:
    last = meeting.items.aggregate(last=Max("number"))["last"] or 0
    return ActionItem.objects.create(
        meeting=meeting,
        number=last + 1,
        line=line,
        text=text.strip(),
        unit=owner,
        body=owner.body,
        first_due_on=due_on,
        due_on=due_on,
        replaces=replaces,
        recorded_at=now,
    )


def _owner(meeting: Meeting, text: str, unit: str, due_on: date, reason: str | None = None) -> Unit:
    """Return the owner of what is to be recorded; raises InvalidInput by field."""
    fields = _wrong_text(text) | ({} if reason is None else _wrong_text(reason, "reason"))
    owner = Unit.objects.filter(pk=unit, is_active=True).first()
    if owner is None:
        fields["unit"] = _("choose who answers for it")
    if due_on < parse_period(meeting.period).start.date():
        fields["due_on"] = _("not before the month of the meeting")
    _require(fields)
    assert owner is not None
    return owner


def _said(item: ActionItem) -> dict[str, Any]:
    return {"text": item.text, "unit": item.unit_id, "due_on": item.due_on.isoformat()}


def _log_item(
    item: ActionItem,
    kind: ItemKind,
    actor: User,
    at: datetime,
    *,
    is_first: bool = False,
    **words: Any,
) -> None:
    """Raise the version of an item and write what was done to it."""
    if not is_first:
        item.version += 1
        item.save()
    ItemChange.objects.create(item=item, version=item.version, kind=kind, by=actor, at=at, **words)


def _wrong_text(text: str, field: str = "text", *, least: int = 1) -> dict[str, str]:
    if least <= len(text.strip()) <= TEXT_MAX:
        return {}
    return {field: _("1 to %d characters") % TEXT_MAX}


def _require(fields: dict[str, str]) -> None:
    if fields:
        raise InvalidInput(_("Nothing was changed."), fields=fields)
