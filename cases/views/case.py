"""The case page: facts, photos, history, and the actions the table allows this reader."""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from cases import clock, policy
from cases.choices import CITY, OPEN_STAGES, UNIT_STAGES, Action, ClockKind, LimitUnit, Role, Stage
from cases.errors import CalendarMissing, InvalidInput, Refusal
from cases.models import (
    Area,
    Attachment,
    Case,
    Component,
    Condition,
    District,
    Event,
    Responsibility,
    Task,
    Unit,
)
from cases.selectors.calendars import load_calendar
from cases.selectors.deadline import deadlines_of
from cases.selectors.timeline import events_of, shown_due
from cases.services.moves import RULINGS, require_may_try, take_action
from cases.services.photos import StoredPhoto, store
from cases.workflow import CHECK_FAILED, DECLINE_REASONS, MOVES, RETURN_REASONS, Input
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

MAX_PHOTOS = 2
PANEL = "cases/case/_panel.html"
_LONGEST_VERSION = 9  # digits that fit the column

REASON_WORDS = {
    "not_responsible": gettext_lazy("not our responsibility"),
    "unclear_place": gettext_lazy("the place is unclear"),
    "not_in_scope": gettext_lazy("not in scope"),
    "not_found": gettext_lazy("nothing found on site"),
    "duplicate": gettext_lazy("reported before"),
    "other": gettext_lazy("another reason"),
    CHECK_FAILED: gettext_lazy("the check failed"),
}
RULING_WORDS = {
    "justified": gettext_lazy("the return was justified"),
    "unjustified": gettext_lazy("the return was not justified"),
}
_LIGHTS = {
    "normal": ("○", gettext_lazy("on time")),
    "soon": ("▲", gettext_lazy("due soon")),
    "late": ("■", gettext_lazy("overdue")),
    "paused": ("◆", gettext_lazy("paused")),
}
_LABELS = {
    Input.CONDITION: gettext_lazy("Filing condition"),
    Input.UNIT: gettext_lazy("Unit"),
    Input.REASON: gettext_lazy("Reason"),
    Input.RULING: gettext_lazy("Ruling on the return"),
    Input.ASSIGNEE: gettext_lazy("Inspector"),
    Input.PHOTOS: gettext_lazy("Photo"),
    Input.NOTE: gettext_lazy("Note"),
    Input.PASSED: gettext_lazy("Result of the check"),
}  # also the order the fields stand in; the two result buttons close a form
_REFUSALS = {
    "stale_case": gettext_lazy(
        "The case has moved on since you opened it. This is how it stands now."
    ),
    "move_not_allowed": gettext_lazy("This cannot be done to the case as it stands now."),
    "not_allowed": gettext_lazy("You may not do this to this case."),
    "busy": gettext_lazy("The system is busy. Nothing has changed; try again shortly."),
    "demo_month_filling": gettext_lazy("The demo data is being written. Try again shortly."),
    "bad_photo": gettext_lazy("The photo could not be stored."),
    "idempotency_key_reused": gettext_lazy("This form was already sent with other contents."),
}

_NO_CLOCK = frozenset(set(Stage) - OPEN_STAGES | {Stage.HANDLED, Stage.CHECKED})

# What leads a case forward is offered first.
_BACKWARDS = frozenset({Action.DECLINE, Action.DECLINE_FILING, Action.RETURN})

Choices = list[tuple[str, str]]


@dataclass(frozen=True)
class Light:
    """A time light as shape and word, never as colour alone, with what remains of the time."""

    key: str
    shape: str
    word: str
    remaining: str
    due_at: datetime | None


@dataclass(frozen=True)
class Field:
    """One input of an action as its form shows it."""

    name: str
    label: str
    is_required: bool
    value: str = ""
    choices: Choices = field(default_factory=list)


@dataclass(frozen=True)
class ActionForm:
    """The form of one action; `key` makes sending it twice the same as once."""

    action: str
    label: str
    fields: list[Field]
    key: uuid.UUID
    is_open: bool = False

    @property
    def asks_result(self) -> bool:
        """Whether the form ends in the two buttons passed and failed."""
        return any(row.name == Input.PASSED for row in self.fields)


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


# --- views --------------------------------------------------------------------------------------


@login_required
@require_safe
def case_page(request: UserRequest, number: str) -> HttpResponse:
    """Show a case to those who may see it."""
    return _page(request, visible_case(request.user, number))


@login_required
@require_POST
def case_action(request: UserRequest, number: str) -> HttpResponse:
    """Take an action; a refusal shows the case as it stands, with the reason on top."""
    user = request.user
    try:
        action, key = _action(request), _key(request)
        storing = action if request.FILES else None
        require_may_try(number=number, action=storing, actor=user, key=key)
        take_action(
            number=number,
            action=action,
            actor=user,
            seen_version=_seen_version(request),
            inputs=_inputs(request, action),
            photos=_photos(request, action),
            key=key,
        )
    except Case.DoesNotExist:
        raise Http404 from None
    except Refusal as refusal:
        return _page(request, visible_case(request.user, number), refusal)
    done = _("%(number)s: %(action)s – done.") % {"number": number, "action": action.label}
    if is_fragment(request):
        return _panel_after(request, number, done)
    messages.success(request, done)
    return redirect(_next(request, number))


@login_required
@require_safe
def case_panel(request: UserRequest, number: str) -> HttpResponse:
    """Show a case beside a list: the page's parts without the page around them."""
    return render(request, PANEL, case_context(request, visible_case(request.user, number)))


def is_fragment(request: UserRequest) -> bool:
    """Whether a part of a page was asked for, to stand in the page that is open."""
    return "HX-Request" in request.headers


def visible_case(user: User, number: str) -> Case:
    """Return the case if `user` may see it; else it does not exist."""
    case = case_in_sight(user, number)
    if case is None:
        raise Http404
    return case


def case_in_sight(user: User, number: str) -> Case | None:
    """Return the case with what its page shows, or None where `user` may not see it."""
    found = Case.objects.visible_to(user).select_related("minor", "condition", "unit", "component")
    return found.filter(number=number).first()


def _panel_after(request: UserRequest, number: str, done: str) -> HttpResponse:
    """Return the panel as the case stands after an action; empty once out of one's sight."""
    case = case_in_sight(request.user, number)
    context = case_context(request, case) if case else {}
    answer = render(request, PANEL, {**context, "done": done})
    answer["HX-Trigger"] = "case-changed"
    return answer


def _page(request: UserRequest, case: Case, refusal: Refusal | None = None) -> HttpResponse:
    template = PANEL if is_fragment(request) else "cases/case/page.html"
    status = refusal.status if refusal else 200
    return render(request, template, case_context(request, case, refusal), status=status)


def case_context(
    request: UserRequest, case: Case, refusal: Refusal | None = None
) -> dict[str, Any]:
    now = timezone.now()
    said = request.POST if refusal else {}
    events = events_of(case)
    return {
        "case": case,
        "light": light_of(case, at=now),
        "place": place_words(case, at=now),
        "rule": _rule_words(case, at=now),
        "photos": photos_of(case),
        "photos_late": case.photos_late(at=now),
        "deadlines": _deadlines(case, events),
        "lines": [_line(event) for event in events],
        "forms": action_forms(request.user, case, said=dict(said.items())),
        "next": request.GET.get("next", ""),
        "refusal": refusal,
        "refusal_words": refusal_words(refusal) if refusal else "",
    }


def refusal_words(refusal: Refusal) -> str:
    """Return a refusal as one sentence in the reader's language, without its details."""
    return str(_REFUSALS.get(refusal.code, _("Something is missing or wrong in the form.")))


# --- what was sent ------------------------------------------------------------------------------


def _action(request: UserRequest) -> Action:
    name = request.POST.get("action", "")
    if name not in MOVES:
        raise InvalidInput(f"There is no action {name!r}.", fields={"action": "take a listed one"})
    return Action(name)


def _seen_version(request: UserRequest) -> int:
    text = request.POST.get("seen_version", "")
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_VERSION:
        raise InvalidInput(
            "The version of the case you saw is missing.",
            fields={"seen_version": "load the page again"},
        )
    return int(text)


def _key(request: UserRequest) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get("key", ""))
    except ValueError:
        raise InvalidInput(
            "The key of the form is missing.", fields={"key": "load the page again"}
        ) from None


def _inputs(request: UserRequest, action: Action) -> dict[str, Any]:
    """Return the fields the table names for `action`; the photos travel as files."""
    move = MOVES[action]
    names = (move.required | move.optional) - {Input.PHOTOS}
    inputs: dict[str, Any] = {
        name.value: request.POST[name].strip() for name in names if name in request.POST
    }
    if inputs.get(Input.PASSED) in ("true", "false"):
        inputs[Input.PASSED] = inputs[Input.PASSED] == "true"
    return inputs


def _photos(request: UserRequest, action: Action) -> tuple[StoredPhoto, ...]:
    move = MOVES[action]
    if Input.PHOTOS not in move.required | move.optional:
        return ()
    kind = Attachment.Kind.CHECK if action == Action.ANSWER_CHECK else Attachment.Kind.AFTER
    uploads = request.FILES.getlist("photos")[:MAX_PHOTOS]
    return tuple(store(upload, kind=kind) for upload in uploads)


def _next(request: UserRequest, number: str) -> str:
    """Return where to go on: the page asked for, the case, or home when it left one's sight."""
    wanted = request.GET.get("next", "")
    if wanted and url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return wanted
    case = Case.objects.visible_to(request.user).filter(number=number).first()
    if case is not None:
        return case.get_absolute_url()
    return "unit_inbox" if request.user.holds(Role.UNIT, Role.UNIT_HEAD) else "home"


# --- actions ------------------------------------------------------------------------------------


def action_forms(user: User, case: Case, *, said: dict[str, Any] | None = None) -> list[ActionForm]:
    """Return a form for each action the table allows `user` now, filled with what was `said`."""
    task = Task.objects.open().filter(case=case).first()
    assignee_id = task.assignee_id if task else None
    actions = policy.actions_for(user, case, assignee_id=assignee_id)
    return [
        _form(action, case, said if said and said.get("action") == action else {})
        for action in sorted(actions, key=_BACKWARDS.__contains__)
        if _makes_sense(action, case)
    ]


def _makes_sense(action: Action, case: Case) -> bool:
    """Leave out what the services refuse whatever the inputs (moves.py)."""
    if action == Action.REWORK:
        return case.last_reason == CHECK_FAILED
    if action == Action.RETURN:
        return case.may_return and (case.due_at is None or case.due_at > timezone.now())
    return True


def _form(action: Action, case: Case, said: dict[str, Any]) -> ActionForm:
    move = MOVES[action]
    names = [name for name in _LABELS if name in move.required | move.optional]
    fields = [
        Field(
            name=name.value,
            label=str(_LABELS[name]),
            is_required=name in move.required,
            value=str(said.get(name, _default(name, case))),
            choices=_choices(name, action, case),
        )
        for name in names
    ]
    return ActionForm(action.value, str(action.label), fields, uuid.uuid4(), bool(said))


def _default(name: Input, case: Case) -> str:
    preset = {Input.CONDITION: case.condition_id, Input.UNIT: case.unit_id}
    return preset.get(name) or ""


def _choices(name: Input, action: Action, case: Case) -> Choices:
    if name == Input.CONDITION:
        rows = Condition.objects.filter(minor=case.minor_id, is_active=True)
        return [(row.code, f"{row.text} · {row.limit_text}") for row in rows]
    if name == Input.UNIT:
        return [(row.code, row.name) for row in _units(case)]
    if name == Input.REASON:
        codes = RETURN_REASONS if action == Action.RETURN else DECLINE_REASONS
        return [(code, str(REASON_WORDS[code])) for code in codes]
    if name == Input.RULING:
        return [(code, str(RULING_WORDS[code])) for code in RULINGS]
    if name == Input.ASSIGNEE:
        people = User.objects.filter(is_active=True, grant__role=Role.INSPECTOR)
        return [(one.username, one.name) for one in people.distinct().order_by("name", "pk")]
    return []


def _units(case: Case) -> list[Unit]:
    """Return the units a case of this district may go to, the city-wide ones last."""
    rows = [row for row in Unit.objects.filter(is_active=True) if row.body in (CITY, case.district)]
    return sorted(rows, key=lambda row: (row.body == CITY, row.name))


# --- words --------------------------------------------------------------------------------------


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


def _rule_words(case: Case, *, at: datetime) -> str:
    """Return why this unit answers for the case; empty when a person chose it."""
    if not case.rule:
        return ""
    rule = Responsibility.objects.filter(code=case.rule, valid__contains=at).first()
    return f"{rule.reason} ({case.rule})" if rule else case.rule


def _deadlines(case: Case, events: list[Event]) -> list[tuple[str, list[str]]]:
    """Return each deadline's clock and the lines that tell how it came about."""
    kinds = dict(ClockKind.choices)
    told = deadlines_of(case, events)
    return [(str(kinds[ClockKind(one["kind"])]), one["lines"]) for one in told]


def _line(event: Event) -> Line:
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
    words: list[str] = []
    if reason := facts.get("reason"):
        words.append(str(REASON_WORDS.get(reason, reason)))
    if ruling := facts.get("ruling"):
        words.append(str(RULING_WORDS.get(ruling, ruling)))
    if "passed" in facts:
        words.append(_("passed") if facts["passed"] else _("failed"))
    return words
