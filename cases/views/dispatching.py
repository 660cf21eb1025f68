"""Dispatching a case: what helps to choose a unit, what goes along, and which case is next."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F
from django.db.models.expressions import Func
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from cases import policy
from cases.choices import Action, Role, Stage
from cases.errors import InvalidInput
from cases.models import Case, Event, Habit, Unit
from cases.selectors.dispatch_advice import (
    GIVING,
    WAITING,
    Advice,
    GaveBack,
    Had,
    Option,
    alike_waiting,
)
from cases.selectors.responsibility import REGISTER, Load, Unrouted
from cases.selectors.telephones import said_to
from cases.selectors.worklist import held, queue
from cases.services import bulk
from cases.services.habits import keep_habit
from cases.views.words import REASON_WORDS
from cityops.accounts.http import UserRequest
from cityops.accounts.models import User

_MOST_LOOKED_AT = 50  # of the waiting cases, for one that may be dispatched by this dispatcher
_LEADS_ON = GIVING | {Action.REWORK}  # what takes a case off the list of those to dispatch


@dataclass(frozen=True)
class Suggestion:
    """A unit a rule leads to, in words."""

    unit: Unit
    reason: str
    why: str  # why it stands where it stands
    load: str
    gave_back: str
    is_suggested: bool


@dataclass(frozen=True)
class UnitChoice:
    """A unit of the list to choose from; `initials` is what it is found by, beside its name."""

    code: str
    words: str
    initials: str


@dataclass(frozen=True)
class Alike:
    """A case of the same class near by that waits for dispatch too."""

    case: Case
    away_m: int
    address: str  # as the reader is told it

    @property
    def row(self) -> str:
        """What its box sends: the number and the version that is seen."""
        return f"{self.case.number}:{self.case.version}"


@dataclass(frozen=True)
class Chooser:
    """What stands above and in the place of the field `unit`."""

    heading: str
    suggestions: list[Suggestion]
    groups: list[tuple[str, list[UnitChoice]]]
    had: list[str]
    at: datetime
    limit: str
    due_at: datetime | None
    goes_on_due_at: datetime | None
    goes_on_unit: str  # whose return may be found not justified
    alike: list[Alike]
    asks_for_next: bool
    opens_next: bool

    @property
    def value(self) -> str:
        """The code of the unit chosen beforehand; empty where a person has to."""
        return next((one.unit.pk for one in self.suggestions if one.is_suggested), "")


def chooser(
    action: Action,
    case: Case,
    user: User,
    advice: Advice,
    units: Sequence[Unit],
    groups: Iterable[tuple[str, list[tuple[str, str]]]],
) -> Chooser:
    """Return what helps to choose among the units of `groups` for an action that gives a case."""
    names = {unit.pk: unit for unit in units}
    offered = {code for _heading, rows in groups for code, _words in rows}
    suggestions = [_suggestion(one, advice) for one in advice.options if one.unit.pk in offered]
    back = advice.last_gave_back
    is_dispatch = action == Action.DISPATCH
    asks_for_next = case.stage in WAITING and user.holds(Role.DISPATCHER)
    return Chooser(
        heading=_heading(advice),
        suggestions=suggestions,
        groups=_groups(suggestions, names, advice, groups),
        had=[_had_words(one, names) for one in advice.had],
        at=advice.at,
        limit=advice.limit_text,
        due_at=advice.due_at,
        goes_on_due_at=advice.goes_on_due_at if back is not None else None,
        goes_on_unit=back.unit if back is not None else "",
        alike=[_alike(one, user) for one in alike_waiting(case, user)] if is_dispatch else [],
        asks_for_next=asks_for_next,
        opens_next=asks_for_next and opens_next(user),
    )


def _heading(advice: Advice) -> str:
    held = advice.held_back
    if held is not None and held.gave_back is not None:
        words = {"unit": held.unit.name, "reason": _reason(held.gave_back)}
        return _("The rules lead to %(unit)s, which gave it back: %(reason)s.") % words
    if isinstance(advice.result, Unrouted):
        if advice.result.conflict:
            return _("Equally specific rules lead to different units: decide.")
        return _("No rule leads to a unit in use: decide.")
    if advice.result.is_fallback:
        return _("No rule names a unit, so the locality takes it.")
    return ""


def _suggestion(one: Option, advice: Advice) -> Suggestion:
    rule = one.considered.rule
    known = rule.reason if rule.code == REGISTER else f"{rule.reason} ({rule.code})"
    gave_back = ""
    if one.gave_back is not None:
        words = {"at": _moment(one.gave_back.at), "reason": _reason(one.gave_back)}
        gave_back = _("gave it back at %(at)s: %(reason)s") % words
    chosen = advice.suggested
    return Suggestion(
        one.unit,
        known,
        one.considered.words,
        load_words(advice.loads.get(one.unit.pk)),
        gave_back,
        chosen is not None and chosen.pk == one.unit.pk,
    )


def load_words(load: Load | None) -> str:
    """Return what a unit has on its hands."""
    if load is None:
        return ""
    cases = ngettext("%(n)s open", "%(n)s open", load.open_cases) % {"n": load.open_cases}
    people = ngettext("%(n)s handler", "%(n)s handlers", load.handlers) % {"n": load.handlers}
    return f"{cases} · {people}"


def _groups(
    suggestions: Iterable[Suggestion],
    names: dict[str, Unit],
    advice: Advice,
    groups: Iterable[tuple[str, list[tuple[str, str]]]],
) -> list[tuple[str, list[UnitChoice]]]:
    """Return the list of units: those the rules lead to first, each unit once."""
    first = [one.unit.pk for one in suggestions]
    rows = [(_("By the rules"), first)] if first else []
    rows += [
        (heading, [code for code, _words in choices if code not in first])
        for heading, choices in groups
    ]
    return [
        (heading, [_choice(names[code], advice) for code in codes if code in names])
        for heading, codes in rows
    ]


def _choice(unit: Unit, advice: Advice) -> UnitChoice:
    load = advice.loads.get(unit.pk)
    cases = load.open_cases if load else 0
    open_words = ngettext("%(n)s open", "%(n)s open", cases) % {"n": cases}
    return UnitChoice(unit.pk, f"{unit.name} · {open_words}", getattr(unit, "initials", ""))


def with_initials() -> list[Unit]:
    """Return the active units, each with the pinyin initials of its Chinese name."""
    units = Unit.objects.filter(is_active=True).order_by("district", "code")
    return list(units.annotate(initials=Func(F("name_zh"), function="cases_initials")))


def _had_words(one: Had, names: dict[str, Unit]) -> str:
    unit = names[one.unit].name if one.unit in names else one.unit
    said = [_moment(one.at), unit, str(Action(one.action).label)]
    if one.gave_back is not None:
        words = {"at": _moment(one.gave_back.at), "reason": _reason(one.gave_back)}
        said.append(_("gave it back at %(at)s: %(reason)s") % words)
    return " · ".join(said)


def _reason(back: GaveBack) -> str:
    return str(REASON_WORDS.get(back.reason, back.reason))


def _alike(case: Case, reader: User) -> Alike:
    away_m = round(getattr(case, "away").m)  # noqa: B009  # annotated by its selector
    return Alike(case, away_m, said_to(reader, case)(case.address))


def _moment(at: datetime) -> str:
    return date_format(localtime(at), "m-d H:i")


# --- after a case was given ---------------------------------------------------------------------


def opens_next(user: User) -> bool:
    """Whether the next case to dispatch opens by itself for `user`."""
    kept = Habit.objects.filter(user=user.pk).values_list("opens_next", flat=True).first()
    return True if kept is None else kept


@dataclass(frozen=True)
class After:
    """What became of the cases that went along, and which case opens next."""

    told: list[tuple[bool, str]]  # whether it was done, and the sentence
    next: Case | None = None


def leads_on(action: Action) -> bool:
    """Whether the action takes a case off the list of those to dispatch."""
    return action in _LEADS_ON


def together_rows(request: UserRequest) -> list[bulk.Row]:
    """Return the cases a form takes along, each as number:version. Raises InvalidInput."""
    rows: dict[str, bulk.Row] = {}
    for text in request.POST.getlist("together"):
        number, _colon, version = text.partition(":")
        is_version = version.isascii() and version.isdigit() and len(version) < 10
        if not is_version or not number.isascii() or not number.isalnum():
            raise InvalidInput(_("A case that goes along is sent as its number and version."))
        rows[number] = bulk.Row(number, int(version))
    if len(rows) > bulk.MOST_ROWS:
        raise InvalidInput(_("At most %(most)d cases go along.") % {"most": bulk.MOST_ROWS})
    return list(rows.values())


def after_giving(
    request: UserRequest,
    number: str,
    action: Action,
    rows: Sequence[bulk.Row],
    inputs: dict[str, object],
    key: uuid.UUID,
) -> After:
    """Dispatch what goes along, row by row, and find the next case; `number` was given already."""
    user = request.user
    told: list[tuple[bool, str]] = []
    if rows and action == Action.DISPATCH:
        results = bulk.take_actions(
            action=action, actor=user, rows=rows, inputs=inputs, key=uuid.uuid5(key, "together")
        )
        told = [(one.is_done, _told(one, action)) for one in results]
    if "asks_for_next" in request.POST:
        wanted = "opens_next" in request.POST
        if wanted != opens_next(user):
            keep_habit(user=user, opens_next=wanted)
        if wanted:
            following = next_to_dispatch(user, number)
            said = (
                _("Next to dispatch: %(number)s.") % {"number": following.number}
                if following
                else _("Nothing is left to dispatch.")
            )
            told.append((True, said))
            return After(told, following)
    return After(told)


def _told(one: bulk.Result, action: Action) -> str:
    if one.is_done:
        return _("%(number)s: %(action)s – done.") % {"number": one.number, "action": action.label}
    words = {"number": one.number, "sentence": one.sentence}
    return _("%(number)s was not dispatched: %(sentence)s") % words


def next_to_dispatch(user: User, but: str) -> Case | None:
    """Return the case that waits most urgently for a dispatch this dispatcher may make."""
    now = timezone.now()
    for case in queue(held(user, "dispatch", at=now), at=now)[:_MOST_LOOKED_AT]:
        if case.number != but and not GIVING.isdisjoint(policy.actions_for(user, case, at=now)):
            return case
    return None


def lost_words(case: Case, events: Sequence[Event]) -> str:
    """Return who got a case while somebody was about to dispatch it; empty where nobody did."""
    given = next((event for event in reversed(events) if event.action in GIVING), None)
    if given is None or case.stage == Stage.FILED or case.unit is None:
        return ""
    words = {"at": _moment(given.at), "unit": case.unit.name}
    if given.actor_role == Role.SYSTEM:
        return (
            _("The system dispatched it at %(at)s to %(unit)s. What you sent changed nothing.")
            % words
        )
    return (
        _("Somebody else dispatched it at %(at)s to %(unit)s. What you sent changed nothing.")
        % words
    )
