"""Key tasks 重点任务清单: listed by the office, milestones reported and confirmed by another.

Every change is a line of the task's log; what a closed period counted does not move any more.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from cases.choices import DISTRICT_SLUGS
from cases.errors import InvalidInput, NotAllowed
from cases.ledger import retrying
from cases.models import Unit
from cityops.accounts.models import User
from scoring.lifecycle import TEXT_MAX, require_office, require_open
from scoring.measured import KeyTask, KeyTaskChange, Milestone
from scoring.periods import CITY_TIME, month_of
from scoring.rules import Measure, ratio

TITLE_MAX, ABOUT_MAX = 100, 1000
MET = 100
Kind = KeyTaskChange.Kind


@dataclass(frozen=True)
class Step:
    """A milestone to be: its name and its last day."""

    name: str
    due_on: date


# --- the list -----------------------------------------------------------------------------------


@retrying
def add_task(
    *,
    title: str,
    body: str,
    unit: str,
    about: str,
    steps: Iterable[Step],
    actor: User,
    key: uuid.UUID | None = None,
    at: datetime | None = None,
) -> KeyTask:
    """List a task with its milestones; `unit` is the code of the responsible one, or empty.

    With the same `key` again it is the same task. Raises NotAllowed, and InvalidInput by field.
    `at` is given for demonstrations only.
    """
    require_office(actor)
    steps = list(steps)
    now = at or timezone.now()
    fields = _wrong_words(title, body, unit, about)
    if not steps:
        fields["milestones"] = _("at least one")
    for number, step in enumerate(steps, start=1):
        if wrong := _wrong_name(step) or _wrong_day(step, now):
            fields[f"milestones[{number}]"] = wrong
    _require(fields)
    for step in steps:
        _require_open_for(step.due_on, actor, at=at)
    said: dict[str, Any] = {"title": title.strip(), "body": body, "unit": unit}
    said |= {"about": about.strip()}
    said["milestones"] = [[step.name.strip(), step.due_on.isoformat()] for step in steps]
    words = {"title": said["title"], "body": body, "unit_id": unit or None, "about": said["about"]}
    task, is_new = KeyTask.objects.get_or_create(
        key=key or uuid.uuid4(), defaults=words | {"added_at": now}
    )
    if not is_new:
        if task.changes.get(kind=Kind.ADDED).said != said:
            raise InvalidInput(_("This form listed another task before. Open it anew."))
        return task
    Milestone.objects.bulk_create(
        Milestone(task=task, name=step.name.strip(), due_on=step.due_on) for step in steps
    )
    KeyTaskChange.objects.create(
        task=task, kind=Kind.ADDED, version=task.version, said=said, by=actor, at=now
    )
    return task


@retrying
def change_task(
    *, pk: int, seen: int, title: str, unit: str, about: str, reason: str, actor: User
) -> KeyTask:
    """Change the words or the unit of a task; whose it is stays. `seen` is the version looked at.

    Raises NotAllowed, KeyTask.DoesNotExist, and InvalidInput by field.
    """
    require_office(actor)
    task = _lock(pk, seen)
    wrong = _wrong_words(title, task.body, unit, about, kept=task.unit_id or "")
    _require(wrong | _wrong_reason(reason))
    task.title, task.unit_id, task.about = title.strip(), unit or None, about.strip()
    said = {"title": task.title, "unit": unit, "about": task.about}
    _write(task, None, Kind.CHANGED, said, reason, actor)
    return task


@retrying
def add_milestone(*, pk: int, seen: int, step: Step, reason: str, actor: User) -> Milestone:
    """Add a milestone to a task, due in a period that is open. Raises as `change_task` does."""
    require_office(actor)
    task = _lock(pk, seen)
    fields = _wrong_reason(reason)
    if wrong := _wrong_name(step):
        fields["milestone"] = wrong
    if wrong := _wrong_day(step, timezone.now()):
        fields["due_on"] = wrong
    _require(fields)
    _require_open_for(step.due_on, actor)
    row = Milestone.objects.create(task=task, name=step.name.strip(), due_on=step.due_on)
    said = {"name": row.name, "due_on": row.due_on.isoformat()}
    _write(task, row, Kind.MILESTONE, said, reason, actor)
    return row


@retrying
def change_milestone(
    *, pk: int, milestone: int, seen: int, step: Step, reason: str, actor: User
) -> Milestone:
    """Put right the name or the last day of a milestone that is not met, from open to open period.

    Its last day once over stays: a late milestone is not moved. Raises as `change_task` does.
    """
    require_office(actor)
    task = _lock(pk, seen)
    row = _unmet(task, milestone)
    fields = _wrong_reason(reason)
    if wrong := _wrong_name(step):
        fields["milestone"] = wrong
    if step.due_on != row.due_on and row.due_on < _day_of(timezone.now()):
        fields["due_on"] = _("its day is over, so it stays")
    elif step.due_on != row.due_on and (wrong := _wrong_day(step, timezone.now())):
        fields["due_on"] = wrong
    _require(fields)
    if step.due_on != row.due_on:
        _require_open_for(row.due_on, actor)
        _require_open_for(step.due_on, actor)
    row.name, row.due_on = step.name.strip(), step.due_on
    row.save(update_fields=["name", "due_on"])
    said = {"name": row.name, "due_on": row.due_on.isoformat()}
    _write(task, row, Kind.MOVED, said, reason, actor)
    return row


@retrying
def drop_milestone(*, pk: int, milestone: int, seen: int, reason: str, actor: User) -> Milestone:
    """Take a milestone out of every count: it should not have been listed.

    Once its day is over it might wash out a late one: so one proposes it and another does it.
    Raises as `change_task` does.
    """
    require_office(actor)
    task = _lock(pk, seen)
    row = _unmet(task, milestone)
    _require(_wrong_reason(reason))
    _require_open_for(row.due_on, actor)
    if row.due_on < _day_of(timezone.now()) and row.drop_asked_by_id is None:
        row.drop_asked_by = actor
        row.save(update_fields=["drop_asked_by"])
        _write(task, row, Kind.DROP_ASKED, {}, reason, actor)
        return row
    if row.drop_asked_by_id == actor.pk:
        raise NotAllowed(_("Who proposed to drop it does not decide: a second assessor does."))
    row.dropped_at, row.dropped_by = timezone.now(), actor
    row.save(update_fields=["dropped_at", "dropped_by"])
    _write(task, row, Kind.DROPPED, {}, reason, actor)
    return row


@retrying
def keep_milestone(*, pk: int, milestone: int, seen: int, reason: str, actor: User) -> Milestone:
    """Keep an overdue milestone that was proposed to be dropped. Raises as `change_task` does."""
    require_office(actor)
    task = _lock(pk, seen)
    row = _milestone(task, milestone)
    if row.drop_asked_by_id is None:
        raise InvalidInput(_("Nobody proposed to drop this milestone."))
    _require(_wrong_reason(reason))
    row.drop_asked_by = None
    row.save(update_fields=["drop_asked_by"])
    _write(task, row, Kind.DROP_KEPT, {}, reason, actor)
    return row


# --- progress -----------------------------------------------------------------------------------


@retrying
def report_progress(
    *,
    pk: int,
    milestone: int,
    seen: int,
    progress: int,
    met_on: date | None,
    evidence: str,
    actor: User,
    at: datetime | None = None,
) -> Milestone:
    """Write down how far a milestone is; at 100 per cent the day it was met, and the evidence.

    It counts once another assessor confirms it. What was met late moves no count, so it is
    followed up after its month was published, too. Raises as `change_task` does.
    """
    require_office(actor)
    task = _lock(pk, seen)
    row = _unmet(task, milestone)
    if met_on is not None and met_on <= row.due_on:
        _require_open_for(row.due_on, actor, at=at)
    now = at or timezone.now()
    fields = {}
    if not 0 <= progress <= MET:
        fields["progress"] = _("0 to 100 per cent")
    if len(evidence.strip()) > TEXT_MAX or not evidence.strip():
        fields["evidence"] = _("1 to %d characters") % TEXT_MAX
    if progress == MET and met_on is None:
        fields["met_on"] = _("the day it was met")
    elif progress != MET and met_on is not None:
        fields["met_on"] = _("only with 100 per cent")
    elif met_on is not None and met_on > _day_of(now):
        fields["met_on"] = _("not a day to come")
    _require(fields)
    row.progress, row.evidence = progress, evidence.strip()
    row.met_on, row.reported_by = met_on, actor
    row.save(update_fields=["progress", "evidence", "met_on", "reported_by"])
    said: dict[str, Any] = {"progress": progress, "evidence": row.evidence}
    if met_on is not None:
        said["met_on"] = met_on.isoformat()
    kind = Kind.PROGRESS if met_on is None else Kind.MET
    _write(task, row, kind, said, "", actor, at=now)
    return row


@retrying
def judge_milestone(
    *,
    pk: int,
    milestone: int,
    seen: int,
    is_met: bool,
    reason: str,
    actor: User,
    at: datetime | None = None,
) -> Milestone:
    """Confirm a milestone reported as met, or send it back; never by who reported it.

    On time only as long as the period it was due in is open. Raises as `change_task` does.
    """
    require_office(actor)
    task = _lock(pk, seen)
    row = _milestone(task, milestone)
    if row.met_on is None or row.confirmed_at is not None:
        raise InvalidInput(_("Nothing waits to be confirmed here."))
    if row.reported_by_id == actor.pk:
        raise NotAllowed(_("Who reported it does not confirm it: a second assessor does."))
    _require({} if is_met else _wrong_reason(reason))
    if is_met and row.met_on <= row.due_on:
        _require_open_for(row.due_on, actor, at=at)
    if is_met:
        row.confirmed_by, row.confirmed_at = actor, at or timezone.now()
        row.save(update_fields=["confirmed_by", "confirmed_at"])
    else:
        row.progress, row.met_on = MET - 1, None
        row.save(update_fields=["progress", "met_on"])
    _write(task, row, Kind.CONFIRMED if is_met else Kind.SENT_BACK, {}, reason, actor, at=at)
    return row


def _lock(pk: int, seen: int) -> KeyTask:
    """Lock a task as it was looked at; raises InvalidInput where it has changed since."""
    task = KeyTask.objects.select_for_update().get(pk=pk)
    if task.version != seen:
        raise InvalidInput(_("The task has changed since you opened it. Look again."))
    return task


def _milestone(task: KeyTask, pk: int) -> Milestone:
    row = task.milestones.filter(pk=pk, dropped_at=None).first()
    if row is None:
        raise InvalidInput(_("There is no such milestone."))
    return row


def _unmet(task: KeyTask, pk: int) -> Milestone:
    row = _milestone(task, pk)
    if row.met_on is not None:
        raise InvalidInput(_("This milestone is reported as met."))
    return row


def _write(
    task: KeyTask,
    row: Milestone | None,
    kind: str,
    said: dict[str, Any],
    reason: str,
    actor: User,
    *,
    at: datetime | None = None,
) -> None:
    """Raise the version of a task and write what was done to it."""
    task.version += 1
    task.save()
    words = {"said": said, "reason": reason.strip(), "by": actor, "at": at or timezone.now()}
    KeyTaskChange.objects.create(task=task, milestone=row, kind=kind, version=task.version, **words)


def _require(fields: dict[str, str]) -> None:
    if fields:
        raise InvalidInput(_("Nothing was changed."), fields=fields)


def _require_open_for(due_on: date, actor: User, *, at: datetime | None = None) -> None:
    """Raise PeriodClosed where the month a milestone counts in takes no entries any more."""
    noon = datetime(due_on.year, due_on.month, due_on.day, 12, tzinfo=CITY_TIME)
    require_open(month_of(noon), actor=actor, at=at)


def _day_of(moment: datetime) -> date:
    return moment.astimezone(CITY_TIME).date()


def _wrong_words(title: str, body: str, unit: str, about: str, *, kept: str = "") -> dict[str, str]:
    """Return what is wrong; the unit a task has may be `kept`, whatever became of it since."""
    fields = {}
    if not 0 < len(title.strip()) <= TITLE_MAX:
        fields["title"] = _("1 to %d characters") % TITLE_MAX
    if len(about.strip()) > ABOUT_MAX:
        fields["about"] = _("at most %d characters") % ABOUT_MAX
    if body not in DISTRICT_SLUGS:
        fields["body"] = _("one of the districts")
    elif unit and unit != kept and not Unit.objects.filter(pk=unit, district=body).exists():
        fields["unit"] = _("a unit of this district")
    return fields


def _wrong_name(step: Step) -> str:
    return "" if 0 < len(step.name.strip()) <= TITLE_MAX else _("1 to %d characters") % TITLE_MAX


def _wrong_day(step: Step, now: datetime) -> str:
    """Say what is wrong with a day that is over: a mistyped one would be late at once, for good."""
    return _("today or a day to come") if step.due_on < _day_of(now) else ""


def _wrong_reason(reason: str) -> dict[str, str]:
    if 0 < len(reason.strip()) <= TEXT_MAX:
        return {}
    return {"reason": _("1 to %d characters") % TEXT_MAX}


# --- the measure --------------------------------------------------------------------------------


def milestones_due(
    start: datetime, end: datetime, *, as_of: datetime | None = None
) -> QuerySet[Milestone]:
    """Return the milestones whose last day lies in [start, end) and is over at `as_of`."""
    until = end if as_of is None else min(end, as_of)
    first, after = (moment.astimezone(CITY_TIME).date() for moment in (start, until))
    return Milestone.objects.filter(due_on__gte=first, due_on__lt=after, dropped_at=None)


def milestones_waiting(start: datetime, end: datetime) -> QuerySet[Milestone]:
    """Return those due in [start, end) that were reported as met in time and nobody confirmed."""
    waiting = milestones_due(start, end).filter(met_on__lte=F("due_on"), confirmed_at=None)
    return waiting.select_related("task").order_by("task__body", "due_on", "pk")


def key_task_measures(start: datetime, end: datetime, as_of: datetime) -> dict[str, Measure]:
    """Return each body's share of milestones due that were met on time and confirmed, in per cent.

    One that is not due yet is in no count. Source: assessment.md §6.
    """
    due: dict[str, list[bool]] = defaultdict(list)
    for row in milestones_due(start, end, as_of=as_of).select_related("task"):
        due[row.task.body].append(row.is_on_time)
    return {
        body: Measure(ratio(sum(found), len(found)), len(found), len(found))
        for body, found in due.items()
    }
