"""What helps a dispatcher choose a unit: the rules, who had the case, loads, the deadline."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cases import clock
from cases.choices import Action, LimitUnit, Stage
from cases.errors import CalendarMissing
from cases.models import Case, CityOptions, Event, Kind, Unit
from cases.models.category import limit_text
from cases.selectors.calendars import load_calendar
from cases.selectors.responsibility import (
    Found,
    Load,
    Match,
    Unrouted,
    decide,
    keeper_of,
    matches_of,
    question_of,
    register_rule,
)
from cases.selectors.routing import Considered, Standing, standings
from cases.selectors.same_place import near
from cases.selectors.unit_load import unit_loads
from cityops.accounts.models import User

GIVING = frozenset({Action.DISPATCH, Action.REASSIGN, Action.ARBITRATE})
WAITING = frozenset({Stage.FILED, Stage.RETURNED, Stage.DISPUTED})
MOST_OPTIONS = 6
ALIKE_M = 500
MOST_ALIKE = 20


@dataclass(frozen=True)
class GaveBack:
    """That a unit returned this case."""

    at: datetime
    reason: str  # code


@dataclass(frozen=True)
class Option:
    """A unit that a rule leads to, and why it stands where it stands."""

    unit: Unit
    considered: Considered
    gave_back: GaveBack | None

    @property
    def is_first(self) -> bool:
        """Whether the rules choose it."""
        return self.considered.standing == Standing.WINS


@dataclass(frozen=True)
class Had:
    """Who had the case: since when, by what, and whether it gave it back."""

    unit: str  # code
    at: datetime
    action: str
    gave_back: GaveBack | None


@dataclass(frozen=True)
class Advice:
    """What is known at `at` for choosing a unit; times are those a dispatch at `at` would set."""

    at: datetime
    options: tuple[Option, ...]  # the suggested first
    result: Found | Unrouted
    loads: Mapping[str, Load]  # of every unit that was asked about
    had: tuple[Had, ...]  # oldest first
    limit_text: str
    due_at: datetime | None  # none where the calendar does not reach so far
    goes_on_due_at: datetime | None  # with the unit whose return was not justified

    @property
    def suggested(self) -> Unit | None:
        """The unit to take: what the rules choose, else the next, never one that gave it back.

        None in a conflict: the order of rows decides nothing.
        """
        if isinstance(self.result, Unrouted):
            return None
        return next((one.unit for one in self.options if one.gave_back is None), None)

    @property
    def held_back(self) -> Option | None:
        """The unit the rules choose, where it is not suggested because it gave the case back."""
        first = next((one for one in self.options if one.is_first), None)
        return first if first is not None and first.gave_back is not None else None

    @property
    def last_gave_back(self) -> Had | None:
        """Who gave it back last."""
        return next((had for had in reversed(self.had) if had.gave_back is not None), None)


def advise(
    case: Case,
    events: Iterable[Event],
    *,
    units: Sequence[Unit],
    options: CityOptions,
    at: datetime,
) -> Advice | None:
    """Return the advice for a filed case at `at`, by the rules valid then; None before filing.

    `units` are those that may be chosen, `events` the case's own. The suggestion is found as
    dispatch finds it. Two statements, three for a component.
    """
    if case.condition_id is None or case.calendar_version is None or case.limit_value is None:
        return None
    parents = {unit.pk: unit.parent_id or unit.pk for unit in units}
    had = _had(events)
    gave_back = {
        parents.get(one.unit, one.unit): one.gave_back for one in had if one.gave_back is not None
    }
    considered, result = _considered(case, options, at=at)
    found = _options(considered, gave_back)
    codes = {unit.pk for unit in units} | {one.unit.pk for one in found}
    due_at, goes_on_due_at = _deadlines(case, at=at)
    return Advice(
        at,
        tuple(sorted(found, key=lambda one: one.gave_back is not None)[:MOST_OPTIONS]),
        result,
        unit_loads(codes),
        had,
        limit_text(case.limit_value, LimitUnit(str(case.limit_unit))),
        due_at,
        goes_on_due_at,
    )


def _considered(
    case: Case, options: CityOptions, *, at: datetime
) -> tuple[tuple[Considered, ...], Found | Unrouted]:
    question, keeper = question_of(case, at=at), keeper_of(case)
    matches = matches_of(question, at)
    if keeper is not None:
        matches.append(Match(register_rule(question), keeper))
    kind = Kind(question.condition.minor.kind)
    result = decide(kind, matches, unit_loads if options.route_by_load else None)
    units: dict[str, list[Unit]] = {}
    for match in matches:
        units.setdefault(match.rule.code, []).append(match.unit)
    rules = {match.rule.code: match.rule for match in matches}
    matching = [(rules[code], tuple(led_to)) for code, led_to in units.items()]
    return standings(kind, matching, result), result


def _options(considered: Iterable[Considered], gave_back: Mapping[str, GaveBack]) -> list[Option]:
    """Return each unit once, by the first rule that leads to it."""
    seen: dict[str, Option] = {}
    for one in considered:
        for unit in one.units:
            main = unit.parent_id or unit.pk
            seen.setdefault(unit.pk, Option(unit, one, gave_back.get(main)))
    return list(seen.values())


def _had(events: Iterable[Event]) -> tuple[Had, ...]:
    """Return who had the case, as its log tells it."""
    had: list[Had] = []
    for event in events:
        if event.action in GIVING or event.action == Action.REDISPATCH:
            had.append(Had(event.unit, event.at, event.action, None))
        elif event.action == Action.RETURN:
            back = GaveBack(event.at, str(event.data["facts"].get("reason", "")))
            since = next((one for one in reversed(had) if one.unit == event.unit), None)
            if since is not None:
                had[had.index(since)] = Had(since.unit, since.at, since.action, back)
    return tuple(had)


def _deadlines(case: Case, *, at: datetime) -> tuple[datetime | None, datetime | None]:
    """Return when a full limit given at `at` ends, and what remained of the last, if any did."""
    assert case.calendar_version is not None
    assert case.limit_value is not None
    limit = clock.Limit(case.limit_value, LimitUnit(str(case.limit_unit)))
    try:
        calendar = load_calendar(case.calendar_version)
        full = clock.due_at(at, limit, calendar)
        if case.left_s is None or case.stage not in (Stage.RETURNED, Stage.DISPUTED):
            return full, None
        return full, clock.after(at, case.left_s, calendar, is_working=limit.is_working)
    except CalendarMissing:
        return None, None


def alike_waiting(case: Case, user: User) -> list[Case]:
    """Return the nearest cases of the same class and district that wait for dispatch too.

    Of those `user` may see, each with `away`, its distance; none for a case without a point.
    """
    if case.point is None or case.stage != Stage.FILED:
        return []
    waiting = Case.objects.all().visible_to(user).exclude(pk=case.pk)
    waiting = waiting.filter(stage=Stage.FILED, minor=case.minor_id, district=case.district)
    found = near(case, waiting, radius_m=ALIKE_M)
    return list(found.select_related("minor", "condition")[:MOST_ALIKE])
