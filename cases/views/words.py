"""A case in the reader's words: its time light, its place, the lines of its timeline."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases import clock
from cases.choices import OPEN_STAGES, UNIT_STAGES, ClockKind, LimitUnit, Role, Stage, Waiting
from cases.errors import CalendarMissing
from cases.models import (
    Area,
    Attachment,
    Case,
    Component,
    District,
    Event,
    Responsibility,
    Supervision,
    Task,
    Unit,
)
from cases.models.category import limit_text
from cases.selectors.calendars import load_calendar
from cases.selectors.deadline import deadlines_of
from cases.selectors.responsibility import REGISTER
from cases.selectors.timeline import shown_due
from cases.workflow import CHECK_FAILED, REOPENED

REASON_WORDS = {
    "not_responsible": gettext_lazy("not our responsibility"),
    "unclear_place": gettext_lazy("the place is unclear"),
    "not_in_scope": gettext_lazy("not in scope"),
    "not_found": gettext_lazy("nothing found on site"),
    "duplicate": gettext_lazy("reported before"),
    "other": gettext_lazy("another reason"),
    CHECK_FAILED: gettext_lazy("the check failed"),
    REOPENED: gettext_lazy("reopened"),
    "wrong_report": gettext_lazy("the report was wrong"),
    "no_longer_there": gettext_lazy("the problem is no longer there"),
    "cannot_be_done": gettext_lazy("it cannot be handled"),
    "not_solved": gettext_lazy("the problem was not solved"),
    "came_back": gettext_lazy("the problem came back"),
    "new_evidence": gettext_lazy("new evidence"),
    "weather": gettext_lazy("weather"),
    "material": gettext_lazy("waiting for material"),
    "coordination": gettext_lazy("coordination with others"),
    "planned_works": gettext_lazy("planned works"),
    "budget": gettext_lazy("budget"),
    "season": gettext_lazy("season"),
    "border": gettext_lazy("on the border of the districts"),
    "wrong_place": gettext_lazy("the place was wrong"),
}
RULING_WORDS = {
    "justified": gettext_lazy("the return was justified"),
    "unjustified": gettext_lazy("the return was not justified"),
}
EFFECT_WORDS = {
    "exempt": gettext_lazy("exempt from timeliness"),
    "leave_out": gettext_lazy("leave out of the period"),
    "put_in": gettext_lazy("put into the period"),
}
SATISFACTION_WORDS = {
    "5": gettext_lazy("very satisfied"),
    "4": gettext_lazy("satisfied"),
    "3": gettext_lazy("fairly satisfied"),
    "2": gettext_lazy("dissatisfied"),
    "1": gettext_lazy("very dissatisfied"),
}
WAITING_WORDS = {  # what a case waits for beside its stage, as a mark in a list
    Waiting.EXTENSION_HEAD: gettext_lazy("extension: the head of unit decides"),
    Waiting.EXTENSION: gettext_lazy("extension: the dispatcher decides"),
    Waiting.SUSPENSION: gettext_lazy("suspension: the dispatcher decides"),
    Waiting.ASSIST: gettext_lazy("assistance asked for"),
    Waiting.REPLY: gettext_lazy("supervised, no reply yet"),
    Waiting.AUDIT: gettext_lazy("being audited"),
    Waiting.APPEAL: gettext_lazy("appeal: the dispatcher decides"),
    Waiting.APPEAL_ACCEPTOR: gettext_lazy("appeal: the acceptor decides"),
    Waiting.ADJUST: gettext_lazy("adjustment: a second assessor decides"),
}
DOUBT_WORDS = {
    "taken_before": gettext_lazy("the photo was taken before the case was dispatched"),
    "taken_away": gettext_lazy("the photo was taken away from the place"),
}
_LIGHTS = {
    "normal": ("○", gettext_lazy("on time")),
    "soon": ("▲", gettext_lazy("due soon")),
    "late": ("■", gettext_lazy("overdue")),
    "paused": ("◆", gettext_lazy("paused")),
}
_NO_CLOCK = frozenset(set(Stage) - OPEN_STAGES | {Stage.HANDLED, Stage.CHECKED})


@dataclass(frozen=True)
class Light:
    """A time light as shape and word, never as colour alone, with what remains of the time."""

    key: str
    shape: str
    word: str
    remaining: str
    due_at: datetime | None


@dataclass(frozen=True)
class Line:
    """One event of the timeline in the reader's words."""

    event: Event
    action: str
    source: str
    target: str
    role: str
    opinion: str
    facts: list[str]


def light_of(case: Case, *, at: datetime) -> Light | None:
    """Return the time light at `at` in the reader's words; None where no clock runs."""
    if case.stage in _NO_CLOCK:
        return None
    key = case.light(at=at)
    shape, word = _LIGHTS[key]
    due_at = shown_due(case)
    return Light(key, shape, str(word), _remaining(case, due_at, at=at), due_at)


def _remaining(case: Case, due_at: datetime | None, *, at: datetime) -> str:
    """Return hours and minutes left or over, in working time where the limit counts that."""
    if due_at is None or case.stage == Stage.SUSPENDED:
        return ""
    try:
        left_s = _left_s(case, due_at, at=at)
    except CalendarMissing:
        return ""
    return _left_words(left_s)


def light_of_task(task: Task, *, at: datetime) -> Light:
    """Return the time light of a task at `at`; what is asked of inspectors runs day and night."""
    soon_at = task.sent_at + (task.due_at - task.sent_at) * 0.8
    key = "late" if at > task.due_at else "soon" if at >= soon_at else "normal"
    shape, word = _LIGHTS[key]
    left_s = int((task.due_at - at).total_seconds())
    return Light(key, shape, str(word), _left_words(left_s), task.due_at)


def _left_words(left_s: int) -> str:
    hours, minutes = divmod(abs(left_s) // 60, 60)
    words = {"time": f"{hours}:{minutes:02}"}
    return _("%(time)s left") % words if left_s >= 0 else _("%(time)s over") % words


def _left_s(case: Case, due_at: datetime, *, at: datetime) -> int:
    is_working = case.stage in UNIT_STAGES and case.limit_unit in (
        LimitUnit.WORK_HOUR,
        LimitUnit.WORK_DAY,
    )
    if not is_working or case.calendar_version is None:
        return int((due_at - at).total_seconds())
    return clock.used(at, due_at, load_calendar(case.calendar_version), is_working=True)


def photos_of(case: Case) -> list[Attachment]:
    """Return the photos of a case in the order they came."""
    return list(Attachment.objects.filter(case=case).order_by("added_at", "pk"))


def place_words(placed: Case | Component, *, at: datetime) -> str:
    """Return district, street, community and cell, as far as they are known."""
    return _place_words(placed, _place_names([placed], at=at))


def places_of(cases: Iterable[Case], *, at: datetime) -> dict[str, str]:
    """Return the place words of many cases by number, in two statements."""
    rows = list(cases)
    names = _place_names(rows, at=at)
    return {case.number: _place_words(case, names) for case in rows}


def _place_names(placed: Sequence[Case | Component], *, at: datetime) -> dict[str, str]:
    """Return the names of the districts, and of the streets and communities of these rows."""
    districts = {one.slug: one.name for one in District.objects.all()}
    codes = {code for row in placed for code in (row.street, row.community)}
    areas = Area.objects.filter(level__in=("street", "community"), code__in=codes)
    return districts | {area.code: area.name for area in areas.filter(valid__contains=at)}


def _place_words(row: Case | Component, names: dict[str, str]) -> str:
    known = (names.get(row.district), names.get(row.street), names.get(row.community))
    return " · ".join(word for word in (*known, row.grid_cell[-3:]) if word)


def rule_words(case: Case, *, at: datetime) -> str:
    """Return why this unit answers for the case; empty when a person chose it."""
    if not case.rule:
        return ""
    if case.rule == REGISTER:
        return _("The component register names this unit.")
    rule = Responsibility.objects.filter(code=case.rule, valid__contains=at).first()
    return f"{rule.reason} ({case.rule})" if rule else case.rule


def deadline_words(case: Case, events: list[Event]) -> list[tuple[str, list[str]]]:
    """Return each deadline's clock and the lines that tell how it came about."""
    kinds = dict(ClockKind.choices)
    told = deadlines_of(case, events)
    return [(str(kinds[ClockKind(one["kind"])]), one["lines"]) for one in told]


def line_of(event: Event) -> Line:
    """Return an event as the timeline shows it."""
    stages, roles = dict(Stage.choices), dict(Role.choices)
    said = json.loads(event.private) if event.private else {}
    return Line(
        event=event,
        action=event.get_action_display(),
        source=str(stages.get(Stage(event.from_stage), "")) if event.from_stage else "",
        target=event.get_to_stage_display(),
        role=str(roles.get(Role(event.actor_role), event.actor_role)),
        opinion=said.get("opinion") or "",
        facts=_fact_words(event.data.get("facts") or {}),
    )


def _fact_words(facts: dict[str, Any]) -> list[str]:
    """Return what an event says beside its action, in the reader's words."""
    said = [
        words(facts[name]) for name, words in _FACTS.items() if facts.get(name) not in (None, "")
    ]
    if "value" in facts:
        said.append("+ " + limit_text(facts["value"], LimitUnit(facts["unit"])))
    return said


def _passed(value: bool) -> str:  # noqa: FBT001  # a fact's value
    return _("passed") if value else _("failed")


def _approved(value: bool) -> str:  # noqa: FBT001  # a fact's value
    return _("approved") if value else _("refused")


def _moment(value: str) -> str:
    at = parse_datetime(value)
    return date_format(localtime(at), "Y-m-d H:i") if at else value


def _unit_name(code: str) -> str:
    unit = Unit.objects.filter(pk=code).first()
    return unit.name if unit else code


def _district_name(slug: str) -> str:
    district = District.objects.filter(pk=slug).first()
    return district.name if district else slug


_FACTS: dict[str, Any] = {
    "reason": lambda code: str(REASON_WORDS.get(code, code)),
    "ruling": lambda code: str(RULING_WORDS.get(code, code)),
    "passed": _passed,
    "falsified": lambda _value: _("falsified"),
    "approved": _approved,
    "upheld": _approved,
    "until": lambda value: _("until %(at)s") % {"at": _moment(value)},
    "reply_by": lambda value: _("reply by %(at)s") % {"at": _moment(value)},
    "kind": lambda code: str(dict(Supervision.Kind.choices).get(code, code)),
    "to_district": lambda slug: "→ " + _district_name(slug),
    "assist_unit": _unit_name,
    "into": lambda number: "→ " + number,
    "number": str,
    "satisfaction": lambda value: str(SATISFACTION_WORDS[str(value)]),
    "period": str,
    "effect": lambda code: str(EFFECT_WORDS.get(code, code)),
    "doubts": lambda codes: ", ".join(str(DOUBT_WORDS[code]) for code in codes),
}
