"""The form of every action the table allows a reader, and what was sent with one."""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases import policy
from cases.choices import CITY, Action, LimitUnit, Role, Stage
from cases.errors import InvalidInput, MoveNotAllowed, Refusal
from cases.forms import ANSWER_WORDS
from cases.models import Case, CityOptions, Condition, District, Event, Request, Supervision, Unit
from cases.models.category import limit_text
from cases.selectors.beside import Beside, beside
from cases.selectors.dispatch_advice import GIVING, Advice, advise
from cases.services.moves.inputs import LONGEST_REPLY, with_booleans
from cases.services.photos import StoredPhoto, kind_of_photos, store
from cases.views.beside import request_words
from cases.views.dispatching import Chooser, chooser, with_initials
from cases.views.words import EFFECT_WORDS, REASON_WORDS, RULING_WORDS, SATISFACTION_WORDS
from cases.workflow import MOVES, REASONS, RULINGS, Input
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

MAX_PHOTOS = 2
USUAL_SUSPENSION = timedelta(days=30)  # a suggestion only
_LONGEST_VERSION = 9  # digits that fit the column
_RESULTS = (Input.PASSED, Input.APPROVED)  # a form that asks for one ends in two buttons
_DECISION_WORDS = (gettext_lazy("Approve"), gettext_lazy("Refuse"))
_NO_FIELDS = {Input.PLACE, *_RESULTS}  # said by the phone, or by the button that sends the form
_WIDGETS = {
    Input.CELL: "text",
    Input.INTO: "text",
    Input.REPLY_BY: "datetime-local",
    Input.PROMISED_AT: "datetime-local",
    Input.UNTIL: "date",
    Input.PERIOD: "month",
    Input.NOTE: "note",
    Input.PHOTOS: "photos",
    Input.FALSIFIED: "checkbox",
    Input.ASSIST: "multiple",
}

# What somebody's turn it is to do: on top, the first one open.
NEXT = (
    *(Action.ACCEPT, Action.ANSWER_VERIFY, Action.FILE, Action.DISPATCH, Action.SIGN),
    *(Action.DECIDE_EXTENSION, Action.DECIDE_SUSPENSION, Action.DECIDE_APPEAL, Action.ADJUST),
    *(Action.ASSIST, Action.FINISH, Action.SEND_CHECK, Action.ANSWER_CHECK, Action.REWORK),
    *(Action.ARBITRATE, Action.CLOSE, Action.ANSWER_AUDIT, Action.REPLY_SUPERVISION),
)
# The others, below quiet headings; what ends a case stands last.
GROUPS = (
    (
        gettext_lazy("Decide"),
        (
            *(Action.RECLASSIFY, Action.ASSIGN_HANDLER, Action.RELEASE_HANDLER, Action.RESUME),
            *(Action.DEFER, Action.REOPEN, Action.CONFIRM_EXIT, Action.PROPOSE_ADJUST),
            Action.RECOMPUTE_DEADLINE,
        ),
    ),
    (
        gettext_lazy("Ask"),
        (
            *(Action.SEND_VERIFY, Action.REQUEST_EXTENSION, Action.REQUEST_SUSPENSION),
            *(Action.SEND_ASSIST, Action.APPEAL, Action.REVISIT),
            *(Action.AUDIT_CLOSURE, Action.AUDIT_DECLINE),
        ),
    ),
    (gettext_lazy("Supervise"), (Action.REMIND, Action.SUPERVISE)),
    (
        gettext_lazy("Move elsewhere"),
        (
            *(Action.REASSIGN, Action.REDISPATCH, Action.TRANSFER, Action.RETURN),
            *(Action.DISPUTE, Action.MERGE, Action.UNMERGE),
        ),
    ),
    (
        gettext_lazy("End"),
        (Action.DECLINE, Action.DECLINE_FILING, Action.FORCE_CLOSE, Action.VOID),
    ),
)
FINAL = GROUPS[-1][1]
_DECIDES = {
    Action.DECIDE_EXTENSION: Request.Kind.EXTENSION,
    Action.DECIDE_SUSPENSION: Request.Kind.SUSPENSION,
    Action.DECIDE_APPEAL: Request.Kind.APPEAL,
    Action.ADJUST: Request.Kind.ADJUST,
}

# The keys of the desk and what each opens, the first that is offered.
LETTERS = {
    "u": (Action.REMIND,),
    "d": (Action.DISPATCH, Action.REASSIGN, Action.ARBITRATE),
    "e": (Action.DECIDE_EXTENSION, Action.REQUEST_EXTENSION),
    "r": (Action.RETURN,),
    "v": (Action.ANSWER_CHECK, Action.CLOSE, Action.SEND_CHECK),
}
_LETTER_OF = {action: letter for letter, actions in LETTERS.items() for action in actions}

Choices = list[tuple[str, str]]
Groups = list[tuple[str, Choices]]  # each with its heading; one without heading stands alone


@dataclass(frozen=True)
class Field:
    """One input of an action as its form shows it; `low` and `high` bound a day or time."""

    name: str
    label: str
    widget: str  # select unless the field needs another
    is_required: bool
    value: str = ""
    groups: Groups = field(default_factory=list)
    low: str = ""
    high: str = ""
    hint: str = ""  # how to mend what was refused

    @property
    def choices(self) -> Choices:
        """Every choice, whatever its group."""
        return [choice for _heading, choices in self.groups for choice in choices]

    @property
    def values(self) -> list[str]:
        """The choices made of a field that takes several."""
        return self.value.split(",") if self.value else []


@dataclass(frozen=True)
class ActionForm:
    """The form of one action; `key` makes sending it twice the same as once.

    `submit` names the case where the action ends it; `buttons` are name, yes and no of a form
    that ends in a result; `about` says what is to be decided on.
    """

    action: str
    label: str
    fields: list[Field]
    key: uuid.UUID
    submit: str
    is_open: bool = False
    buttons: tuple[str, str, str] | None = None
    about: str = ""
    chooser: Chooser | None = None  # of an action that gives the case to a unit

    @property
    def is_final(self) -> bool:
        """Whether the action ends the case."""
        return self.action in FINAL

    @property
    def letter(self) -> str:
        """The key of the desk that opens it; empty for none."""
        return _LETTER_OF.get(Action(self.action), "")


@dataclass(frozen=True)
class Offer:
    """What a reader can do: their turn on top, the first open, and the rest under headings."""

    first: ActionForm | None
    turn: list[ActionForm]
    groups: list[tuple[str, list[ActionForm]]]

    @property
    def compares_first(self) -> bool:
        """Whether what may be the same thing is looked at before the first form is sent."""
        return self.first is not None and self.first.action in (Action.ACCEPT, Action.FILE)


# --- forms --------------------------------------------------------------------------------------


def offer_of(forms: list[ActionForm], case: Case) -> Offer:
    """Return the forms as they stand on a page.

    A form that was refused is not moved: its page opens it where it stands.
    """
    by_action = {form.action: form for form in forms}
    turns = [*NEXT, Action.REASSIGN] if case.stage == Stage.RETURNED else NEXT
    turn = [by_action.pop(action) for action in turns if action in by_action]
    groups = [
        (str(title), [by_action[action] for action in actions if action in by_action])
        for title, actions in GROUPS
    ]
    first = turn.pop(0) if turn else None
    return Offer(first, turn, [(title, found) for title, found in groups if found])


def action_forms(
    user: User,
    case: Case,
    *,
    rows: Beside | None = None,
    said: dict[str, Any] | None = None,
    hints: dict[str, str] | None = None,
    events: list[Event] | None = None,
) -> list[ActionForm]:
    """Return a form for each action the table allows `user` now, filled with what was `said`.

    `rows` are those beside the case, if read before; `hints` say at which field how to mend what
    was refused. With the `events` of the case a form that gives it to a unit helps to choose one.
    """
    rows = rows or beside(case, user)
    assignee_id = rows.task.assignee_id if rows.task else None
    actions = policy.actions_for(user, case, at=timezone.now(), assignee_id=assignee_id)
    lists = _Lists(case, user, events=events)
    about = {request.kind: request_words(request) for request in rows.requests}
    forms = []
    for action in actions:
        decided = about.get(_DECIDES[action], "") if action in _DECIDES else ""
        is_this = bool(said) and said is not None and said.get("action") == action
        forms.append(
            _form(
                action,
                lists,
                said=said if is_this and said else {},
                hints=hints if is_this else None,
                about=decided or _gives(action, case),
            )
        )
    return forms


def unoffered(user: User, case: Case, rows: Beside) -> dict[str, str]:
    """Return by key of the desk why it opens nothing on this case, for those that do not."""
    assignee_id = rows.task.assignee_id if rows.task else None
    told = {}
    for letter, actions in LETTERS.items():
        refusals: list[Refusal] = []
        for action in actions:
            try:
                policy.require(user, action, case, at=timezone.now(), assignee_id=assignee_id)
            except Refusal as refusal:
                refusals.append(refusal)
        if len(refusals) == len(actions):
            # That the case does not stand so says more than that another may do it.
            told[letter] = next(
                (one for one in refusals if isinstance(one, MoveNotAllowed)), refusals[0]
            ).message
    return told


def _gives(action: Action, case: Case) -> str:
    """Return what an action brings that its form does not ask for; usually nothing."""
    if action != Action.REQUEST_EXTENSION or not case.limit_value or not case.limit_unit:
        return ""
    limit = limit_text(case.limit_value, LimitUnit(case.limit_unit))
    return _("Approved, it adds the limit of the case once more: %(limit)s.") % {"limit": limit}


def common_form(
    action: Action, cases: Iterable[Case], user: User, *, said: Mapping[str, Any]
) -> ActionForm | None:
    """Return one form for many cases, with the choices of any of them; None for no case.

    For actions whose choices hang on the district of the case alone.
    """
    by_district = {case.district: case for case in cases}
    forms = [_form(action, _Lists(case, user), said=said) for case in by_district.values()]
    if not forms:
        return None
    fields = [
        replace(same[0], groups=_merged(field.groups for field in same))
        for same in zip(*(form.fields for form in forms), strict=True)
    ]
    return replace(forms[0], fields=fields)


def _merged(lists: Iterable[Groups]) -> Groups:
    """Return the groups of several lists, each choice once."""
    merged: dict[str, dict[tuple[str, str], None]] = {}
    for heading, choices in (group for groups in lists for group in groups):
        merged.setdefault(heading, {}).update(dict.fromkeys(choices))
    return [(heading, list(choices)) for heading, choices in merged.items()]


def row_form(
    action: Action, case: Case, user: User, *, known: Mapping[Input, Choices]
) -> ActionForm:
    """Return the form of an action for a row of a list, with choices already `known`."""
    return _form(action, _Lists(case, user, known), said={})


def _form(
    action: Action,
    lists: "_Lists",
    *,
    said: Mapping[str, Any],
    hints: dict[str, str] | None = None,
    about: str = "",
) -> ActionForm:
    move, case = MOVES[action], lists.case
    names = [name for name in Input if name in move.inputs and name not in _NO_FIELDS]
    help_ = lists.chooser(action) if action in GIVING else None
    if action == Action.SUPERVISE and not lists.user.holds(Role.SUPERVISOR):
        names.remove(Input.KIND)  # a leader's order is a leader's order
    fields = []
    for name in names:
        low, high = _bounds(name, lists)
        fields.append(
            Field(
                name=name.value,
                label=str(name.label),
                widget=_WIDGETS.get(name, "select"),
                is_required=name in move.required or _is_photo_needed(name, action, case),
                value=str(said.get(name, _preset(name, action, lists, help_))),
                groups=_groups(name, action, lists),
                low=low,
                high=high,
                hint=(hints or {}).get(name, ""),
            )
        )
    result = next((name for name in _RESULTS if name in move.required), None)
    buttons = None
    if result is not None:
        yes, no = ANSWER_WORDS.get(action, _DECISION_WORDS)
        buttons = (result.value, str(yes), str(no))
    label = str(action.label)
    submit = label
    if action in FINAL:
        words = {"action": label, "number": f"HH…{case.number[-5:]}"}
        submit = _("%(action)s %(number)s") % words
    return ActionForm(
        action.value, label, fields, uuid.uuid4(), submit, bool(said), buttons, about, help_
    )


def _preset(name: Input, action: Action, lists: "_Lists", help_: Chooser | None) -> str:
    """Return what a field begins with; the suggested unit where the case waits for one."""
    if name == Input.UNIT and help_ is not None and lists.case.unit_id is None:
        return help_.value
    return _default(name, action, lists)


def _is_photo_needed(name: Input, action: Action, case: Case) -> bool:
    """Whether the filing condition lets the handling finish with a photo only."""
    is_photo = (name, action) == (Input.PHOTOS, Action.FINISH)
    return is_photo and case.condition is not None and case.condition.needs_after_photo


def _default(name: Input, action: Action, lists: "_Lists") -> str:
    case, now = lists.case, timezone.localtime()
    if name == Input.PERIOD:
        return f"{now:%Y-%m}"
    if name == Input.REPLY_BY:
        reply_by = now + timedelta(hours=lists.options.supervise_reply_h)
        return f"{reply_by:%Y-%m-%dT%H:%M}"
    if name == Input.UNTIL:
        longest = timedelta(days=lists.options.max_suspension_days)
        return f"{(now + min(USUAL_SUSPENSION, longest)).date()}"
    if action in (Action.REDISPATCH, Action.RECLASSIFY):
        return ""
    preset = {
        Input.CONDITION: case.condition_id,
        Input.UNIT: case.unit_id,
        Input.CELL: case.grid_cell,
    }
    return preset.get(name) or ""


def _bounds(name: Input, lists: "_Lists") -> tuple[str, str]:
    """Return the first and the last day or time a field takes, in its widget's words."""
    now = timezone.localtime()
    if name in (Input.REPLY_BY, Input.PROMISED_AT):
        return f"{now:%Y-%m-%dT%H:%M}", f"{now + LONGEST_REPLY:%Y-%m-%dT%H:%M}"
    if name == Input.UNTIL:
        last = now + timedelta(days=lists.options.max_suspension_days)
        return f"{now.date()}", f"{last.date()}"
    return "", ""


def _groups(name: Input, action: Action, lists: "_Lists") -> Groups:
    if name in lists.known:
        return [("", lists.known[name])]
    if name == Input.CONDITION:
        return lists.conditions(action)
    if name == Input.UNIT:
        return lists.units_for(action)
    if name == Input.ASSIST:
        return lists.by_body(row for row in lists.units if row.pk != lists.case.unit_id)
    return [("", choices)] if (choices := _choices(name, action, lists)) else []


def _choices(name: Input, action: Action, lists: "_Lists") -> Choices:
    if name == Input.REASON:
        return [(code, str(REASON_WORDS[code])) for code in REASONS[action]]
    if name == Input.DISTRICT:
        return [
            (slug, name) for slug, name in lists.districts.items() if slug != lists.case.district
        ]
    if name == Input.HANDLER:
        return _people(grant__role=Role.UNIT, grant__scope_key=lists.case.unit_id)
    if name == Input.ASSIGNEE:
        return _people(grant__role=Role.INSPECTOR)
    return [(code, str(words)) for code, words in _WORDS.get(name, {}).items()]


_WORDS: dict[Input, dict[str, Any]] = {
    Input.RULING: {code: RULING_WORDS[code] for code in RULINGS},
    Input.EFFECT: EFFECT_WORDS,
    Input.SATISFACTION: SATISFACTION_WORDS,
    Input.KIND: {
        kind.value: kind.label for kind in Supervision.Kind if kind != Supervision.Kind.LEADER
    },
}


def _people(**where: Any) -> Choices:
    people = User.objects.filter(is_active=True, **where).distinct().order_by("name", "pk")
    return [(one.username, one.name) for one in people]


class _Lists:
    """What the forms of one case choose from, each list read once and only if a form needs it."""

    def __init__(
        self,
        case: Case,
        user: User,
        known: Mapping[Input, Choices] = MappingProxyType({}),
        events: list[Event] | None = None,
    ) -> None:
        self.case, self.user, self.known, self.events = case, user, known, events

    @cached_property
    def options(self) -> CityOptions:
        """The city's options."""
        return CityOptions.objects.get()

    @cached_property
    def districts(self) -> dict[str, str]:
        """Names of the districts by their slug."""
        return {row.pk: row.name for row in District.objects.all()}

    @cached_property
    def units(self) -> list[Unit]:
        """The active units: those of the case's district, the others, the city-wide ones."""
        rows = with_initials()
        return sorted(rows, key=lambda r: (r.body == CITY, r.body != self.case.district))

    @cached_property
    def advice(self) -> Advice | None:
        """What helps to choose a unit; none where the case's events were not read."""
        if self.events is None:
            return None
        return advise(
            self.case, self.events, units=self.units, options=self.options, at=timezone.now()
        )

    def chooser(self, action: Action) -> Chooser | None:
        """Return what helps to choose a unit for an action that gives the case to one."""
        if self.advice is None:
            return None
        groups = self.units_for(action)
        return chooser(action, self.case, self.user, self.advice, self.units, groups)

    def conditions(self, action: Action) -> Groups:
        """Return the conditions of every class, those of the case's own class first."""
        rows = Condition.objects.filter(is_active=True).select_related("minor")
        if action == Action.RECLASSIFY:
            rows = rows.exclude(pk=self.case.condition_id)
        own_first = [
            *rows.filter(minor=self.case.minor_id).order_by("no"),
            *rows.exclude(minor=self.case.minor_id).order_by("minor__order", "no"),
        ]
        groups: dict[str, Choices] = {}
        for row in own_first:
            heading = f"{row.minor.major_name} · {row.minor.name}"
            groups.setdefault(heading, []).append((row.code, f"{row.text} · {row.limit_text}"))
        return list(groups.items())

    def units_for(self, action: Action) -> Groups:
        """Return the units a case may go to."""
        if action == Action.REDISPATCH:
            parents = {self.case.unit_id, self.case.parent_unit} - {"", None}
            return self.by_body(row for row in self.units if row.parent_id in parents)
        bodies: Collection[str] = {CITY, self.case.district}
        if action == Action.ARBITRATE and policy.reach_of(self.user).is_whole:
            bodies = {CITY, *self.districts}
        return self.by_body(row for row in self.units if row.body in bodies)

    def by_body(self, units: Iterable[Unit]) -> Groups:
        """Return units under the names of their districts."""
        groups: dict[str, Choices] = {}
        for row in units:
            heading = self.districts.get(row.body, _("whole city"))
            groups.setdefault(heading, []).append((row.pk, row.name))
        return list(groups.items())


# --- what was sent ------------------------------------------------------------------------------


def sent_action(request: UserRequest) -> Action:
    """Return the action of a form. Raises InvalidInput."""
    name = request.POST.get("action", "")
    if name not in MOVES:
        raise InvalidInput(
            _("There is no action “%(name)s”.") % {"name": name},
            fields={"action": _("take a listed one")},
        )
    return Action(name)


def sent_version(request: UserRequest) -> int:
    """Return the version of the case its sender saw. Raises InvalidInput."""
    text = request.POST.get("seen_version", "")
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_VERSION:
        raise InvalidInput(
            _("The version of the case you saw is missing."),
            fields={"seen_version": _("load the page again")},
        )
    return int(text)


def sent_key(request: UserRequest) -> uuid.UUID:
    """Return the key of a form. Raises InvalidInput."""
    try:
        return uuid.UUID(request.POST.get("key", ""))
    except ValueError:
        raise InvalidInput(
            _("The key of the form is missing."), fields={"key": _("load the page again")}
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


def sent_photos(request: UserRequest, action: Action) -> tuple[StoredPhoto, ...]:
    """Store the photos of a form, if its action takes any.

    Raises InvalidInput, BadPhoto, TooMany, NoRoom.
    """
    if Input.PHOTOS not in MOVES[action].inputs:
        return ()
    kind, uploads = kind_of_photos(action), request.FILES.getlist("photos")
    if len(uploads) > MAX_PHOTOS:
        raise InvalidInput(
            _("A form brings %(most)d photos at most.") % {"most": MAX_PHOTOS},
            fields={"photos": _("leave some out")},
        )
    return tuple(store(upload, kind=kind, sender=request.user) for upload in uploads)
