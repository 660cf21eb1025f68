"""The inbox of a responsible unit: one view at a time of what it has to do, and what went out."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from cases import policy
from cases.choices import Action, Role, Waiting
from cases.models import Case, Event, Request, Supervision
from cases.selectors.row_words import Light, light_of, places_of
from cases.selectors.unit_inbox import RETURNED, Inbox
from cases.services import bulk
from cases.views.action_forms import ActionForm, Choices, row_form
from cases.views.words import REASON_WORDS, WAITING_WORDS
from cases.workflow import Input
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User


@dataclass(frozen=True)
class View:
    """A view of the inbox.

    Of `actions` a row offers the first its reader may take, and beside it those of `also`.
    """

    key: str
    name: str | Promise
    empty: str | Promise = ""  # what stands there when there is none
    actions: tuple[Action, ...] = ()
    also: tuple[Action, ...] = ()


_WORK = (Action.FINISH, Action.ASSIGN_HANDLER)
VIEWS = (
    View("decide", gettext_lazy("For your decision"), actions=(Action.DECIDE_EXTENSION,)),
    View(
        "sign",
        gettext_lazy("To sign for"),
        gettext_lazy("Nothing to sign for."),
        (Action.SIGN, Action.ASSIGN_HANDLER),
        (Action.RETURN,),
    ),
    View(
        "rework",
        gettext_lazy("To do again"),
        gettext_lazy("Nothing came back from a check."),
        _WORK,
        (Action.REQUEST_EXTENSION,),
    ),
    View("reply", gettext_lazy("To reply to"), actions=(Action.REPLY_SUPERVISION,)),
    View("assist", gettext_lazy("Assisting"), actions=(Action.ASSIST,)),
    View(
        "handling",
        gettext_lazy("Being handled"),
        gettext_lazy("Nothing being handled."),
        _WORK,
        (Action.REQUEST_EXTENSION, Action.RETURN),
    ),
    View(
        "extension",
        gettext_lazy("Extension to be decided"),
        gettext_lazy("No extension waits to be decided."),
        _WORK,
    ),
    View("suspended", gettext_lazy("Suspended")),
    View("finished", gettext_lazy("Finished lately")),
    View(RETURNED, gettext_lazy("Returned lately")),
    View("appeal", gettext_lazy("Closed late"), actions=(Action.APPEAL,)),
)
_BY_KEY = {view.key: view for view in VIEWS}
_ALWAYS = ("sign", "rework", "handling", "extension")  # shown when empty too
_FIRST = ("decide", "sign", "rework", "reply", "assist", "handling")  # the first with a case opens
APPEAL_WORDS = {
    "": gettext_lazy("not appealed"),
    "asked": gettext_lazy("appealed"),
    "endorsed": gettext_lazy("appeal endorsed"),
    "upheld": gettext_lazy("appeal upheld: exempt"),
    "refused": gettext_lazy("appeal refused"),
    "lapsed": gettext_lazy("appeal lapsed: the case was reopened"),
}
# What a row says it waits for, but in the view that is about it.
_MARKS = {
    Waiting.EXTENSION_HEAD: "decide",
    Waiting.EXTENSION: "extension",
    Waiting.SUSPENSION: "",
    Waiting.ASSIST: "assist",
    Waiting.REPLY: "reply",
}


@dataclass(frozen=True)
class Row:
    """One case of the inbox: the one obvious action, others, and what else there is to know."""

    case: Case
    place: str
    light: Light | None
    form: ActionForm | None
    also: list[ActionForm]
    marks: list[str]
    notes: list[str]

    @property
    def may_sign(self) -> bool:
        """Whether the action is the one that needs no field."""
        return self.form is not None and self.form.action == Action.SIGN


@dataclass(frozen=True)
class Gone:
    """A case the unit gave back; it links there only while the unit may still see it."""

    number: str
    at: datetime
    reason: str
    is_visible: bool


@login_required
@require_safe
def unit_inbox(request: UserRequest) -> HttpResponse:
    """Show one view of the cases of the reader's units; nobody else has an inbox."""
    if not request.user.holds(Role.UNIT, Role.UNIT_HEAD):
        raise Http404
    inbox = Inbox(request.user, timezone.now(), is_mine=request.GET.get("mine") == "1")
    counts = inbox.counts()
    view = _chosen(request, counts)
    rows = _rows(inbox, view) if view.key != RETURNED else []
    context = {
        "view": view,
        "tabs": [
            (tab.key, tab.name, counts[tab.key])
            for tab in VIEWS
            if counts[tab.key] or tab.key in (*_ALWAYS, view.key)
        ],
        "is_mine": inbox.is_mine,
        "may_handle": request.user.holds(Role.UNIT),
        "rows": rows,
        "returned": _returned(inbox) if view.key == RETURNED else [],
        "unshown": counts[view.key] - len(rows) if view.key != RETURNED else 0,
        "next": request.get_full_path(),
        "key": uuid.uuid4(),
        "most": bulk.MOST_ROWS,
    }
    return render(request, "cases/unit/inbox.html", context)


def _chosen(request: UserRequest, counts: dict[str, int]) -> View:
    """Return the view asked for; else the first where there is something to do."""
    wanted = request.GET.get("view", "")
    if wanted not in _BY_KEY:
        wanted = next((key for key in _FIRST if counts[key]), _FIRST[-1])
    return _BY_KEY[wanted]


# --- rows ---------------------------------------------------------------------------------------


def _rows(inbox: Inbox, view: View) -> list[Row]:
    cases = list(inbox.cases(view.key))
    places, notes = places_of(cases, at=inbox.at), _notes(view, cases)
    handlers = _handlers(cases) if Action.ASSIGN_HANDLER in view.actions else {}
    units = inbox.units()
    return [
        Row(
            case,
            places[case.number],
            light_of(case, at=inbox.at),
            *_forms(inbox, view, case, handlers.get(case.unit_id or "", [])),
            _marks(view, case, units),
            notes.get(case.pk, []),
        )
        for case in cases
    ]


def _forms(
    inbox: Inbox, view: View, case: Case, handlers: Choices
) -> tuple[ActionForm | None, list[ActionForm]]:
    """Return the form of the first action of the view its reader may take now, and the others."""
    allowed = policy.actions_for(inbox.user, case, at=inbox.at)
    first = [action for action in view.actions if action in allowed][:1]
    forms = [
        row_form(action, case, inbox.user, known={Input.HANDLER: handlers})
        for action in (*first, *view.also)
        if action in allowed
    ]
    return (forms[0], forms[1:]) if first else (None, forms)


def _handlers(cases: Iterable[Case]) -> dict[str, Choices]:
    """Return the people of the units that hold these cases, by unit, in one statement."""
    people: dict[str, Choices] = {}
    found = User.objects.filter(
        is_active=True, grant__role=Role.UNIT, grant__scope_key__in={c.unit_id for c in cases}
    )
    rows = found.order_by("name", "pk").values_list("grant__scope_key", "username", "name")
    for unit, username, name in rows:
        people.setdefault(unit, []).append((username, name))
    return people


def _marks(view: View, case: Case, units: list[str]) -> list[str]:
    """Return what the case waits for, who handles it, and which other unit has it."""
    said = [kind for kind, about in _MARKS.items() if about != view.key]
    marks = [str(WAITING_WORDS[kind]) for kind in said if kind in case.waiting_for]
    if case.handler is not None:
        marks.append(_("handler: %(name)s") % {"name": case.handler.name})
    if case.unit is not None and case.unit_id not in units:
        marks.append(case.unit.name)
    return marks


def _notes(view: View, cases: list[Case]) -> dict[int, list[str]]:
    """Return what the view says of each case, in at most one statement."""
    if view.key in ("decide", "extension"):
        return _requests(cases)
    if view.key == "reply":
        return _orders(cases)
    if view.key == "appeal":
        return {case.pk: [str(APPEAL_WORDS[case.appeal])] for case in cases}
    if view.key == "suspended":
        until = {case.pk: case.suspended_until for case in cases}
        return {pk: [_("until %(at)s") % {"at": _moment(at)}] for pk, at in until.items() if at}
    if view.key == "finished":
        return {case.pk: [str(case.get_stage_display())] for case in cases}
    return {}


def _requests(cases: list[Case]) -> dict[int, list[str]]:
    """Return why more time was asked for, when and by whom."""
    asked = Request.objects.filter(
        case__in=cases, kind=Request.Kind.EXTENSION, state__in=Request.OPEN
    )
    return {
        one.case_id: [
            str(REASON_WORDS.get(one.reason, one.reason)),
            f"{one.asked_by.name} {_moment(one.asked_at)}",
        ]
        for one in asked.select_related("asked_by")
    }


def _orders(cases: list[Case]) -> dict[int, list[str]]:
    """Return the kinds of the orders not replied to, and by when."""
    notes: dict[int, list[str]] = {}
    open_orders = Supervision.objects.filter(case__in=cases, answered_at=None)
    for one in open_orders.order_by("reply_by"):
        words = _("reply by %(at)s") % {"at": _moment(one.reply_by)}
        notes.setdefault(one.case_id, []).append(f"{one.get_kind_display()} · {words}")
    return notes


def _moment(at: datetime) -> str:
    return date_format(localtime(at), "m-d H:i")


def _returned(inbox: Inbox) -> list[Gone]:
    """Return what these units gave back, of cases that are no longer theirs."""
    found = inbox.returned()
    mine = Case.objects.visible_to(inbox.user).filter(pk__in=[event.case_id for event in found])
    visible = set(mine.values_list("pk", flat=True))
    return [
        Gone(event.case.number, event.at, _reason(event), event.case_id in visible)
        for event in found
        if event.case is not None
    ]


def _reason(event: Event) -> str:
    code = event.data.get("facts", {}).get("reason", "")
    return str(REASON_WORDS.get(code, code))
