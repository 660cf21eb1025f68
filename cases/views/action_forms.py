"""The form of every action the table allows a reader, and what was sent with one."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy

from cases import policy
from cases.choices import CITY, Action, Role
from cases.errors import InvalidInput
from cases.forms import ANSWER_WORDS
from cases.models import Case, CityOptions, Condition, District, Supervision, Task, Unit
from cases.selectors.duplicates import Candidate, candidates
from cases.services.photos import StoredPhoto, kind_of_photos, store
from cases.views.words import EFFECT_WORDS, REASON_WORDS, RULING_WORDS, SATISFACTION_WORDS
from cases.workflow import BOOLEANS, MOVES, REASONS, RULINGS, Input
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

MAX_PHOTOS = 2
_LONGEST_VERSION = 9  # digits that fit the column
_LABELS = {
    Input.CONDITION: gettext_lazy("Filing condition"),
    Input.CELL: gettext_lazy("Grid cell"),
    Input.DISTRICT: gettext_lazy("District"),
    Input.UNIT: gettext_lazy("Unit"),
    Input.ASSIST: gettext_lazy("Assisting units"),
    Input.HANDLER: gettext_lazy("Handler"),
    Input.INTO: gettext_lazy("Merge into the case"),
    Input.KIND: gettext_lazy("Kind of supervision"),
    Input.REPLY_BY: gettext_lazy("Reply by"),
    Input.UNTIL: gettext_lazy("Until the day"),
    Input.PERIOD: gettext_lazy("Period"),
    Input.EFFECT: gettext_lazy("Effect"),
    Input.REASON: gettext_lazy("Reason"),
    Input.RULING: gettext_lazy("Ruling on the return"),
    Input.ASSIGNEE: gettext_lazy("Inspector"),
    Input.SATISFACTION: gettext_lazy("Satisfaction"),
    Input.PHOTOS: gettext_lazy("Photo"),
    Input.NOTE: gettext_lazy("Note"),
    Input.FALSIFIED: gettext_lazy("The closing was feigned"),
    Input.PASSED: gettext_lazy("Result"),
    Input.APPROVED: gettext_lazy("Decision"),
}  # also the order the fields stand in; the two result buttons close a form
_RESULTS = (Input.PASSED, Input.APPROVED)  # a form that asks for one ends in two buttons
_DECISION_WORDS = (gettext_lazy("Approve"), gettext_lazy("Refuse"))
_WIDGETS = {
    Input.CELL: "text",
    Input.INTO: "text",
    Input.REPLY_BY: "datetime-local",
    Input.UNTIL: "date",
    Input.PERIOD: "month",
    Input.NOTE: "note",
    Input.PHOTOS: "photos",
    Input.FALSIFIED: "checkbox",
    Input.ASSIST: "multiple",
}

Choices = list[tuple[str, str]]


@dataclass(frozen=True)
class Field:
    """One input of an action as its form shows it."""

    name: str
    label: str
    widget: str  # select unless the field needs another
    is_required: bool
    value: str = ""
    choices: Choices = field(default_factory=list)


@dataclass(frozen=True)
class ActionForm:
    """The form of one action; `key` makes sending it twice the same as once.

    `buttons` are name, yes and no of a form that ends in a result.
    """

    action: str
    label: str
    fields: list[Field]
    key: uuid.UUID
    is_open: bool = False
    buttons: tuple[str, str, str] | None = None


# --- forms --------------------------------------------------------------------------------------


def action_forms(user: User, case: Case, *, said: dict[str, Any] | None = None) -> list[ActionForm]:
    """Return a form for each action the table allows `user` now, filled with what was `said`."""
    task = Task.objects.open().filter(case=case).first()
    assignee_id = task.assignee_id if task else None
    actions = policy.actions_for(user, case, at=timezone.now(), assignee_id=assignee_id)
    return [
        _form(action, case, user, said if said and said.get("action") == action else {})
        for action in actions
    ]


def common_form(
    action: Action, cases: Iterable[Case], user: User, *, said: Mapping[str, Any]
) -> ActionForm | None:
    """Return one form for many cases, with the choices of any of them; None for no case.

    For actions whose choices hang on the district of the case alone.
    """
    forms = [_form(action, one, user, said) for one in {c.district: c for c in cases}.values()]
    if not forms:
        return None
    fields = [
        replace(same[0], choices=list(dict.fromkeys(row for f in same for row in f.choices)))
        for same in zip(*(form.fields for form in forms), strict=True)
    ]
    return replace(forms[0], fields=fields)


def row_form(
    action: Action, case: Case, user: User, *, known: Mapping[Input, Choices]
) -> ActionForm:
    """Return the form of an action for a row of a list, with choices already `known`."""
    return _form(action, case, user, {}, known)


def _form(
    action: Action,
    case: Case,
    user: User,
    said: Mapping[str, Any],
    known: Mapping[Input, Choices] = MappingProxyType({}),
) -> ActionForm:
    move = MOVES[action]
    names = [name for name in _LABELS if name in move.inputs and name not in _RESULTS]
    if action == Action.SUPERVISE and not user.holds(Role.SUPERVISOR):
        names.remove(Input.KIND)  # a leader's order is a leader's order
    fields = [
        Field(
            name=name.value,
            label=str(_LABELS[name]),
            widget=_WIDGETS.get(name, "select"),
            is_required=name in move.required,
            value=str(said.get(name, _default(name, action, case))),
            choices=known[name] if name in known else _choices(name, action, case, user),
        )
        for name in names
    ]
    result = next((name for name in _RESULTS if name in move.required), None)
    buttons = None
    if result is not None:
        yes, no = ANSWER_WORDS.get(action, _DECISION_WORDS)
        buttons = (result.value, str(yes), str(no))
    return ActionForm(action.value, str(action.label), fields, uuid.uuid4(), bool(said), buttons)


def _default(name: Input, action: Action, case: Case) -> str:
    if name == Input.PERIOD:
        return f"{timezone.localdate():%Y-%m}"
    if action in (Action.REDISPATCH, Action.RECLASSIFY):
        return ""
    preset = {
        Input.CONDITION: case.condition_id,
        Input.UNIT: case.unit_id,
        Input.CELL: case.grid_cell,
    }
    return preset.get(name) or ""


def _choices(name: Input, action: Action, case: Case, user: User) -> Choices:
    if name == Input.CONDITION:
        return _conditions(action, case)
    if name == Input.UNIT:
        return [(row.pk, row.name) for row in _units(action, case, user)]
    if name == Input.ASSIST:
        active = Unit.objects.filter(is_active=True).exclude(pk=case.unit_id)
        return [(row.pk, row.name) for row in active]
    if name == Input.REASON:
        return [(code, str(REASON_WORDS[code])) for code in REASONS[action]]
    if name == Input.DISTRICT:
        others = District.objects.exclude(pk=case.district)
        return [(row.pk, row.name) for row in others]
    if name == Input.HANDLER:
        return _people(grant__role=Role.UNIT, grant__scope_key=case.unit_id)
    if name == Input.ASSIGNEE:
        return _people(grant__role=Role.INSPECTOR)
    if name == Input.INTO:
        return [(row.case.number, row.case.number) for row in duplicates_of(case, user)]
    return [(code, str(words)) for code, words in _WORDS.get(name, {}).items()]


_WORDS: dict[Input, dict[str, Any]] = {
    Input.RULING: {code: RULING_WORDS[code] for code in RULINGS},
    Input.EFFECT: EFFECT_WORDS,
    Input.SATISFACTION: SATISFACTION_WORDS,
    Input.KIND: {
        kind.value: kind.label for kind in Supervision.Kind if kind != Supervision.Kind.LEADER
    },
}


def duplicates_of(case: Case, user: User) -> list[Candidate]:
    """Return the open cases this one may be a duplicate of, as far as `user` may see them."""
    return candidates(case, user, CityOptions.objects.get())


def _conditions(action: Action, case: Case) -> Choices:
    """Return the conditions of the case's class; those of every class to re-classify."""
    rows = Condition.objects.filter(is_active=True).select_related("minor")
    if action == Action.RECLASSIFY:
        others = rows.exclude(pk=case.condition_id).order_by("minor", "code")
        return [(r.code, f"{r.minor.name} · {r.text} · {r.limit_text}") for r in others]
    return [(r.code, f"{r.text} · {r.limit_text}") for r in rows.filter(minor=case.minor_id)]


def _people(**where: Any) -> Choices:
    people = User.objects.filter(is_active=True, **where).distinct().order_by("name", "pk")
    return [(one.username, one.name) for one in people]


def _units(action: Action, case: Case, user: User) -> list[Unit]:
    """Return the units a case may go to, those of its district first, the city-wide ones last."""
    rows = Unit.objects.filter(is_active=True)
    if action == Action.REDISPATCH:
        return list(rows.filter(parent__in=[case.unit_id, case.parent_unit]))
    bodies = {CITY, case.district}
    if action == Action.ARBITRATE and policy.reach_of(user).is_whole:
        bodies |= set(District.objects.values_list("pk", flat=True))
    found = [row for row in rows if row.body in bodies]
    return sorted(found, key=lambda r: (r.body != case.district, r.body == CITY, r.name))


# --- what was sent ------------------------------------------------------------------------------


def sent_action(request: UserRequest) -> Action:
    """Return the action of a form. Raises InvalidInput."""
    name = request.POST.get("action", "")
    if name not in MOVES:
        raise InvalidInput(f"There is no action {name!r}.", fields={"action": "take a listed one"})
    return Action(name)


def sent_version(request: UserRequest) -> int:
    """Return the version of the case its sender saw. Raises InvalidInput."""
    text = request.POST.get("seen_version", "")
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_VERSION:
        raise InvalidInput(
            "The version of the case you saw is missing.",
            fields={"seen_version": "load the page again"},
        )
    return int(text)


def sent_key(request: UserRequest) -> uuid.UUID:
    """Return the key of a form. Raises InvalidInput."""
    try:
        return uuid.UUID(request.POST.get("key", ""))
    except ValueError:
        raise InvalidInput(
            "The key of the form is missing.", fields={"key": "load the page again"}
        ) from None


def sent_inputs(request: UserRequest, action: Action) -> dict[str, Any]:
    """Return the fields the table names for `action`; the photos travel as files."""
    names = MOVES[action].inputs - {Input.PHOTOS}
    inputs: dict[str, Any] = {
        name.value: ",".join(request.POST.getlist(name)).strip()
        for name in names
        if name in request.POST
    }
    return with_booleans(inputs)


def with_booleans(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return inputs of a form with the words true and false of yes-or-no fields as booleans."""
    return {
        name: value == "true" if name in BOOLEANS and value in ("true", "false") else value
        for name, value in inputs.items()
    }


def sent_photos(request: UserRequest, action: Action) -> tuple[StoredPhoto, ...]:
    """Store the photos of a form, if its action takes any. Raises BadPhoto."""
    if Input.PHOTOS not in MOVES[action].inputs:
        return ()
    kind = kind_of_photos(action)
    uploads = request.FILES.getlist("photos")[:MAX_PHOTOS]
    return tuple(store(upload, kind=kind) for upload in uploads)
