"""Which event tells whom, in one table: the in-app notice, the robots, mail and webhooks. Pure.

A notice names what its reader must do or ought to know and would not see by looking where they
work anyway. Loud ones also go out to the channels that asked for no more than those.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from cases.choices import Action, ClockKind, Role, Stage


class Audience(StrEnum):
    """Whom an event concerns; selectors/recipients.py finds the people."""

    UNIT = "unit"  # of the run concerned, while it holds the case
    UNIT_HEAD = "unit_head"
    ASSISTING = "assisting"  # the unit just asked to assist
    HANDLER = "handler"
    ASKED = "asked"  # the inspector with the open task
    REPORTER = "reporter"  # an inspector; others are answered (Reply)
    ORDERED = "ordered"  # who ordered the reply just given
    ACCEPTOR = "acceptor"
    DUTY_CHIEF = "duty_chief"
    DISPATCHER = "dispatcher"
    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    ASSESSOR = "assessor"
    HOLDER = "holder"  # whoever must act next, by HOLDERS


@dataclass(frozen=True)
class Telling:
    """Whom one kind of event tells, and what."""

    says: Promise
    to: tuple[Audience, ...]
    is_loud: bool = False


_A, _S, _C, _T = Action, Stage, ClockKind, Audience

# Who has the case at each stage; ended ones are nobody's.
HOLDERS: dict[Stage, Audience] = {
    _S.REPORTED: _T.ACCEPTOR,
    _S.VERIFYING: _T.ASKED,
    _S.ACCEPTED: _T.DUTY_CHIEF,
    _S.FILED: _T.DISPATCHER,
    _S.DISPATCHED: _T.UNIT,
    _S.HANDLING: _T.UNIT,
    _S.REWORK: _T.UNIT,
    _S.HANDLED: _T.ACCEPTOR,
    _S.CHECKING: _T.ASKED,
    _S.CHECKED: _T.DUTY_CHIEF,
    _S.RETURNED: _T.DISPATCHER,
    _S.DISPUTED: _T.SUPERVISOR,
    _S.SUSPENDED: _T.DISPATCHER,
}

_GIVEN = Telling(_("dispatched to your unit: sign for it"), (_T.UNIT,), is_loud=True)
_LOOK = Telling(_("you are asked to look on site"), (_T.ASKED,))
_DISPUTED = Telling(_("disputed: a unit must be named"), (_T.SUPERVISOR, _T.DISPATCHER))
_SOON = _("due soon")
_LATE = _("overdue")

# (action, detail) with `detail_of` the event, else (action, ""): what is not here tells nobody.
TABLE: dict[tuple[Action, str], Telling] = {
    # --- given to a unit
    (_A.DISPATCH, ""): _GIVEN,
    (_A.REASSIGN, ""): _GIVEN,
    (_A.ARBITRATE, ""): _GIVEN,
    (_A.REDISPATCH, ""): _GIVEN,
    (_A.REWORK, ""): Telling(_("to be done again"), (_T.UNIT,), is_loud=True),
    (_A.RESUME, ""): Telling(_("the suspension is over: go on"), (_T.UNIT,), is_loud=True),
    (_A.REOPEN, ""): Telling(_("reopened"), (_T.UNIT, _T.DISPATCHER)),
    (_A.SEND_ASSIST, ""): Telling(_("your unit is asked to assist"), (_T.ASSISTING,), is_loud=True),
    (_A.ASSIGN_HANDLER, ""): Telling(_("assigned to you"), (_T.HANDLER,)),
    (_A.RECLASSIFY, ""): Telling(_("re-classified: look at the deadline"), (_T.UNIT,)),
    (_A.RECOMPUTE_DEADLINE, ""): Telling(_("the deadline has changed"), (_T.UNIT,)),
    (_A.DEFER, ""): Telling(_("deferred by a leader"), (_T.UNIT,)),
    # --- asked for and decided
    (_A.REQUEST_EXTENSION, ""): Telling(_("an extension is asked for"), (_T.UNIT_HEAD,)),
    (_A.DECIDE_EXTENSION, "endorsed"): Telling(
        _("an extension waits for your decision"), (_T.DISPATCHER,)
    ),
    (_A.DECIDE_EXTENSION, "granted"): Telling(_("the extension was granted"), (_T.UNIT,)),
    (_A.DECIDE_EXTENSION, "refused"): Telling(_("the extension was refused"), (_T.UNIT,)),
    (_A.REQUEST_SUSPENSION, ""): Telling(
        _("a suspension waits for your decision"), (_T.DISPATCHER,)
    ),
    (_A.DECIDE_SUSPENSION, "granted"): Telling(_("the suspension was granted"), (_T.UNIT,)),
    (_A.DECIDE_SUSPENSION, "refused"): Telling(_("the suspension was refused"), (_T.UNIT,)),
    (_A.APPEAL, ""): Telling(_("an appeal waits for your decision"), (_T.DISPATCHER,)),
    (_A.DECIDE_APPEAL, "endorsed"): Telling(_("an appeal waits for your decision"), (_T.ACCEPTOR,)),
    (_A.DECIDE_APPEAL, "granted"): Telling(_("the appeal was upheld"), (_T.UNIT,)),
    (_A.DECIDE_APPEAL, "refused"): Telling(_("the appeal was refused"), (_T.UNIT,)),
    (_A.PROPOSE_ADJUST, ""): Telling(_("an adjustment waits for your decision"), (_T.ASSESSOR,)),
    # --- back with the centres
    (_A.ROUTE, ""): Telling(_("no unit was found"), (_T.DISPATCHER,), is_loud=True),
    (_A.RETURN, _S.RETURNED): Telling(_("returned by the unit"), (_T.DISPATCHER,)),
    (_A.RETURN, _S.DISPUTED): _DISPUTED,
    (_A.DISPUTE, ""): _DISPUTED,
    (_A.MOVED_IN, ""): Telling(_("moved here from another district"), (_T.DISPATCHER,)),
    (_A.ANSWER_CHECK, _S.RETURNED): Telling(_("the check failed"), (_T.DISPATCHER, _T.UNIT)),
    (_A.REPLY_SUPERVISION, ""): Telling(_("replied to your order"), (_T.ORDERED,)),
    # --- on site
    (_A.SEND_VERIFY, ""): _LOOK,
    (_A.SEND_CHECK, ""): _LOOK,
    (_A.AUDIT_CLOSURE, ""): _LOOK,
    (_A.AUDIT_DECLINE, ""): _LOOK,
    # --- said about a case
    (_A.REMIND, ""): Telling(_("you are reminded of it"), (_T.HOLDER,), is_loud=True),
    (_A.SUPERVISE, ""): Telling(
        _("supervised: a reply is owed"), (_T.HOLDER, _T.UNIT_HEAD), is_loud=True
    ),
    # --- how it ended
    (_A.CLOSE, ""): Telling(_("closed"), (_T.REPORTER,)),
    (_A.FORCE_CLOSE, ""): Telling(_("closed by force"), (_T.REPORTER, _T.UNIT)),
    (_A.DECLINE, ""): Telling(_("declined"), (_T.REPORTER,)),
    (_A.DECLINE_FILING, ""): Telling(_("declined"), (_T.REPORTER,)),
    (_A.VOID, ""): Telling(_("voided: nothing more to do"), (_T.REPORTER, _T.UNIT)),
    (_A.MERGE, ""): Telling(_("merged into another case: nothing more to do"), (_T.UNIT,)),
    # --- clocks
    **{(_A.DUE_SOON, kind): Telling(_SOON, (_T.UNIT,)) for kind in (_C.SIGN, _C.HANDLE)},
    (_A.DUE_SOON, _C.SUPERVISE): Telling(_("a reply is due soon"), (_T.HOLDER,)),
    (_A.DUE_SOON, _C.VERIFY): Telling(_SOON, (_T.ASKED,)),
    (_A.DUE_SOON, _C.CHECK): Telling(_SOON, (_T.ASKED,)),
    (_A.OVERDUE, _C.ACCEPT): Telling(_("not accepted and filed in time"), (_T.HOLDER,)),
    (_A.OVERDUE, _C.DISPATCH): Telling(_("not dispatched in time"), (_T.DISPATCHER,), is_loud=True),
    (_A.OVERDUE, _C.SIGN): Telling(_("not signed for in time"), (_T.UNIT,)),
    (_A.OVERDUE, _C.HANDLE): Telling(_LATE, (_T.UNIT, _T.UNIT_HEAD, _T.SUPERVISOR), is_loud=True),
    (_A.OVERDUE, _C.VERIFY): Telling(_LATE, (_T.ASKED, _T.ACCEPTOR)),
    (_A.OVERDUE, _C.CHECK): Telling(_LATE, (_T.ASKED, _T.ACCEPTOR)),
    (_A.OVERDUE, _C.ARBITRATE): Telling(_("not ruled on in time"), (_T.SUPERVISOR,), is_loud=True),
    (_A.OVERDUE, _C.EXTEND): Telling(_("the extension was not decided in time"), (_T.DISPATCHER,)),
    (_A.OVERDUE, _C.SUPERVISE): Telling(
        _("not replied to in time"), (_T.HOLDER, _T.SUPERVISOR), is_loud=True
    ),
    (_A.OVERDUE, _C.HOTLINE): Telling(
        _("the 12345 order was not answered in time"), (_T.OPERATOR, _T.DUTY_CHIEF), is_loud=True
    ),
}

# What is told of a period of the assessment, to these posts of its districts and of the city.
PERIOD_POSTS = (Role.LEADER, Role.SUPERVISOR, Role.ASSESSOR)
ITEM_POSTS = (Role.UNIT, Role.UNIT_HEAD)  # those of a unit that answers for an action item
# What they are told: the meeting gave them an item, and what became of what they reported.
OF_ITEM: dict[str, Promise] = {
    "item": _("the scheduling meeting decided something your unit does until %(due)s"),
    "item_dropped": _("what the scheduling meeting had decided for your unit is not to be done"),
    "item_back": _("what your unit reported as done was sent back"),
    "item_done": _("what your unit reported as done was confirmed"),
}
OF_PERIOD: dict[str, Promise] = {
    "closed": _("the period is closed: objections until %(until)s"),
    "objected": _("an objection waits for the office's answer"),
    "answered": _("the objection of your side was answered"),
    "submitted": _("a run waits for approval by a second assessor"),
    "returned": _("the run you submitted was sent back"),
    "published": _("the period is published"),
    "reissued": _("the period was re-issued: edition %(edition)s stands now"),
    "item_asked": _("a decision of the scheduling meeting was reported as done: confirm it"),
    **OF_ITEM,
}


def detail_of(action: str, to_stage: str, facts: Mapping[str, Any]) -> str:
    """Return what an event turns on beside its action: a clock, a decision, or where it led."""
    if "clock" in facts:
        return str(facts["clock"])
    granted = facts.get("approved", facts.get("upheld"))
    if granted is None or action == Action.ADJUST:
        return to_stage
    is_first = (action, facts.get("level")) in (
        (Action.DECIDE_EXTENSION, Role.UNIT_HEAD),
        (Action.DECIDE_APPEAL, Role.DISPATCHER),
    )
    return "refused" if not granted else "endorsed" if is_first else "granted"


def telling_of(action: str, to_stage: str, facts: Mapping[str, Any]) -> Telling | None:
    """Return whom an event tells and what; None where it tells nobody."""
    key = Action(action)
    return TABLE.get((key, detail_of(action, to_stage, facts))) or TABLE.get((key, ""))


def audiences_of(telling: Telling, to_stage: str) -> frozenset[Audience]:
    """Return whom a telling concerns at this stage; the holder resolved."""
    named = set(telling.to)
    if Audience.HOLDER in named:
        holder = HOLDERS.get(Stage(to_stage))
        named = named - {Audience.HOLDER} | ({holder} if holder else set())
    return frozenset(named)
