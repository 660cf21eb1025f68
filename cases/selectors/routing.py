"""Why a case goes where it goes: every rule looked at, the one that wins, and where rules collide.

The rules are compared in memory here; dispatch lets the database do the same
(responsibility.py). A test holds the two together.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import combinations
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases.choices import Action, LimitUnit, Source, Stage
from cases.models import (
    Area,
    Case,
    CityOptions,
    Condition,
    District,
    Event,
    Kind,
    MinorClass,
    ProblemClass,
    Rank,
    Responsibility,
    RoutingDraft,
    Unit,
    WorkingTime,
)
from cases.models.case import CaseQuerySet
from cases.models.category import limit_text
from cases.models.routing import Change, RuleTerms
from cases.selectors.calendars import current_version
from cases.selectors.place import Place
from cases.selectors.responsibility import (
    ORDER,
    Found,
    Load,
    Match,
    Question,
    Unrouted,
    Weigh,
    decide,
    keeper_of,
    question_of,
    register_rule,
    specificity,
    working_time_at,
)
from cases.selectors.unit_load import unit_loads

# --- rules --------------------------------------------------------------------------------------

_NAMED = ("minor", "problem_class", "condition", "district", "unit")


def rules_at(at: datetime) -> list[Responsibility]:
    """Return the versions of rules valid at `at`, with the rows they name, by code."""
    valid = Responsibility.objects.filter(valid__contains=at)
    return list(valid.select_related(*_NAMED, "draft").order_by("code"))


def rules_with(draft: RoutingDraft, live: Iterable[Responsibility]) -> list[RuleTerms]:
    """Return the rules as they would be once `draft` is live instead of, or on top of, `live`."""
    changes = {row.code: row for row in draft.rules.select_related(*_NAMED)}
    kept: list[RuleTerms] = [rule for rule in live if rule.code not in changes]
    put = [row for row in changes.values() if row.change != Change.REMOVE]
    return sorted([*kept, *put], key=lambda rule: rule.code)


class RuleBook:
    """Rules and units held in memory, to be asked many questions at one moment."""

    def __init__(self, rules: Iterable[RuleTerms], units: Iterable[Unit] | None = None) -> None:
        """Without `units` all active ones are read."""
        known = Unit.objects.filter(is_active=True) if units is None else units
        self.units = {unit.code: unit for unit in known if unit.is_active}
        self.rules = list(rules)
        self._by_minor: dict[str | None, list[tuple[RuleTerms, dict[str, Any]]]] = defaultdict(list)
        for rule in self.rules:
            self._by_minor[rule.minor_id].append((rule, conditions_of(rule)))
        self._serving: dict[tuple[str, str, str], tuple[Unit, ...]] = {}

    def matches(self, question: Question) -> list[Match]:
        """Return each rule that matches, with each unit it leads to."""
        answers = question.answers()
        asked = (*self._by_minor[None], *self._by_minor[answers["minor_id"]])
        return [
            Match(rule, unit)
            for rule, conditions in asked
            if not mismatch(conditions, answers)
            for unit in self.units_of(rule, question.district, question.street)
        ]

    def route(
        self, question: Question, *, keeper: Unit | None = None, weigh: Weigh | None = None
    ) -> Found | Unrouted:
        """Return what dispatch would find with these rules."""
        matches = self.matches(question)
        if keeper is not None:
            matches.append(Match(register_rule(question), keeper))
        return decide(Kind(question.condition.minor.kind), matches, weigh)

    def units_of(self, rule: RuleTerms, district: str, street: str) -> tuple[Unit, ...]:
        """Return the units in use a rule leads to at a place; more than one is a conflict."""
        if rule.unit_id:
            unit = self.units.get(rule.unit_id)
            return (unit,) if unit else ()
        key = (rule.unit_kind, district, street)
        if key not in self._serving:
            self._serving[key] = self._serving_place(*key)
        return self._serving[key]

    def _serving_place(self, kind: str, district: str, street: str) -> tuple[Unit, ...]:
        """Return the narrowest units of a kind: of the street, else the district, else the city."""
        serving = [
            unit
            for unit in self.units.values()
            if unit.kind == kind
            and unit.parent_id is None
            and unit.district_id in (district, None)
            and unit.street_code in ("", street)
        ]
        narrowest = max(map(_narrowness, serving), default=None)
        return tuple(unit for unit in serving if _narrowness(unit) == narrowest)


def _narrowness(unit: Unit) -> tuple[bool, bool]:
    return unit.street_code != "", unit.district_id is not None


CONDITIONS = (
    *("kind", "major_code", "minor_id", "problem_class_id", "condition_id", "severity"),
    *("district_id", "county", "street_code", "cell", "source", "working_time"),
)


def conditions_of(rule: RuleTerms) -> dict[str, Any]:
    """Return the conditions a rule has, in the order they are tried."""
    values = {column: getattr(rule, column) for column in CONDITIONS}
    return {column: value for column, value in values.items() if value}


def mismatch(conditions: dict[str, Any], answers: dict[str, Any]) -> str:
    """Return the first condition that does not hold; "" when all do."""
    for column, value in conditions.items():
        if answers[column] != value:
            return column
    return ""


# --- explain ------------------------------------------------------------------------------------


class Standing(StrEnum):
    """What became of a rule that was looked at."""

    WINS = "wins"
    TIES = "ties"  # as good as another that leads elsewhere
    WEAKER = "weaker"  # matches, but another goes first
    UNMATCHED = "unmatched"


@dataclass(frozen=True)
class Considered:
    """A rule that was looked at, the units it leads to here, and why it did or did not win."""

    rule: RuleTerms
    units: tuple[Unit, ...]
    standing: Standing
    words: str  # the first condition that does not match; or why it wins, ties, or comes after
    failed: str = ""  # column of that condition; "unit" where nobody in use serves the place

    @property
    def is_match(self) -> bool:
        """Whether all its conditions hold and it leads to a unit."""
        return self.standing != Standing.UNMATCHED


@dataclass(frozen=True)
class Recorded:
    """What the case's own log says: who got it last, and by which rule or person."""

    at: datetime
    action: str
    unit: str
    rule: str  # "" where a person chose
    is_fallback: bool


@dataclass(frozen=True)
class Explanation:
    """Which unit answers at one moment, and how that was found."""

    question: Question
    at: datetime
    considered: tuple[Considered, ...]  # every rule valid then; what matches first
    result: Found | Unrouted
    limit_value: int
    limit_unit: str
    loads: tuple[tuple[Unit, Load], ...] = ()
    number: str = ""  # of the case it is about
    recorded: Recorded | None = None

    @property
    def outcome(self) -> str:
        """One of found, fallback, conflict, unrouted."""
        if isinstance(self.result, Found):
            return "fallback" if self.result.is_fallback else "found"
        return "conflict" if self.result.conflict else "unrouted"

    @property
    def unit(self) -> Unit | None:
        """The unit found."""
        return self.result.unit if isinstance(self.result, Found) else None

    @property
    def winner(self) -> Considered | None:
        """The rule that decided."""
        return next((one for one in self.considered if one.standing == Standing.WINS), None)

    @property
    def matched(self) -> tuple[Considered, ...]:
        """The rules that match, the deciding ones first."""
        return tuple(one for one in self.considered if one.is_match)

    @property
    def limit_text(self) -> str:
        """The limit as people say it: 2 emergency hours."""
        return limit_text(self.limit_value, LimitUnit(self.limit_unit))

    @property
    def words(self) -> str:
        """The outcome in one sentence."""
        return _OUTCOMES[self.outcome] % {"unit": self.unit}

    @property
    def agrees(self) -> bool:
        """Whether the log has the same unit by the same rule; so too where it has none yet."""
        if self.recorded is None or not self.recorded.rule:
            return True
        if isinstance(self.result, Unrouted):
            return False
        return (self.result.unit.code, self.result.rule) == (self.recorded.unit, self.recorded.rule)


_OUTCOMES = {
    "found": gettext_lazy("%(unit)s answers for it."),
    "fallback": gettext_lazy("No rule names a unit, so the locality takes it: %(unit)s."),
    "conflict": gettext_lazy(
        "Equally specific rules lead to different units, so a dispatcher decides."
    ),
    "unrouted": gettext_lazy("No rule leads to a unit in use, so a dispatcher decides."),
}


def explain_place(
    place: Place,
    condition: Condition,
    *,
    source: str = Source.INSPECTOR,
    at: datetime | None = None,
) -> Explanation:
    """Explain a report of `condition` at a place, as it would be dispatched at `at` (or now).

    `condition.minor` must be loaded; `place` should be located at the same moment.
    """
    at = at or timezone.now()
    options = CityOptions.objects.get()
    question = Question(
        condition=condition,
        district=place.district,
        county=place.county,
        street=place.street,
        cell=place.cell or "",
        source=source,
        working_time=working_time_at(at, current_version()),
    )
    weigh = unit_loads if options.route_by_load else None
    limit = options.limit_of(condition, built_up=place.built_up)
    return _explain(question, at, limit, weigh=weigh)


def explain_case(case: Case, *, at: datetime | None = None) -> Explanation | None:
    """Explain a case by the rules and its facts when it was dispatched by rule, else by those now.

    `at` asks for another moment. None for a case that was never filed: no rule has been asked.
    """
    events = list(case.event_set.order_by("case_seq"))
    given = [event for event in events if event.action in _GIVING]
    asked = next((e for e in reversed(given) if e.action == Action.DISPATCH and _rule_of(e)), None)
    until = asked.case_seq if asked is not None and at is None else case.case_seq
    then = _case_at(events, until)
    if then.condition_id is None or then.calendar_version is None:
        return None
    at = at or (asked.at if asked is not None else timezone.now())
    assert then.limit_value is not None
    return _explain(
        question_of(then, at=at),
        at,
        (then.limit_value, str(then.limit_unit)),
        keeper=keeper_of(then),  # the register keeps no versions
        weigh=_weigh_of(asked),
        number=case.number,
        recorded=_recorded(given[-1]) if given else None,
    )


_GIVING = frozenset({Action.DISPATCH, Action.REASSIGN, Action.ARBITRATE, Action.REDISPATCH})


def _rule_of(event: Event) -> str:
    return str(event.data["facts"].get("rule") or "")


def _recorded(event: Event) -> Recorded:
    facts = event.data["facts"]
    is_fallback = bool(facts.get("fallback"))
    return Recorded(event.at, event.action, event.unit, _rule_of(event), is_fallback)


_ASKED_OF_A_CASE = (
    *("minor_id", "condition_id", "component_id", "district", "county", "street", "grid_cell"),
    *("source", "calendar_version", "limit_value", "limit_unit"),
)


def _case_at(events: Iterable[Event], case_seq: int) -> Case:
    """Return what rules are asked about a case as its log had it by one of its events."""
    state: dict[str, Any] = {}
    for event in events:
        if event.case_seq <= case_seq:
            state |= event.data["set"]
    return Case(**{name: state[name] for name in _ASKED_OF_A_CASE if state.get(name) is not None})


def _weigh_of(event: Event | None) -> Weigh | None:
    """Return the loads a dispatch was decided by; where none was, those of now if they count."""
    if event is not None:
        told = event.data["facts"].get("loads") or {}
        return (lambda codes: {code: Load(*told[code]) for code in codes}) if told else None
    return unit_loads if CityOptions.objects.get().route_by_load else None


def _explain(
    question: Question,
    at: datetime,
    limit: tuple[int, str],
    *,
    keeper: Unit | None = None,
    weigh: Weigh | None = None,
    number: str = "",
    recorded: Recorded | None = None,
) -> Explanation:
    book = RuleBook(rules_at(at))
    result = book.route(question, keeper=keeper, weigh=weigh)
    loads = result.loads if isinstance(result, Found) else ()
    return Explanation(
        question=question,
        at=at,
        considered=_considered(book, question, keeper, result),
        result=result,
        limit_value=limit[0],
        limit_unit=limit[1],
        loads=tuple((book.units[code], load) for code, load in loads if code in book.units),
        number=number,
        recorded=recorded,
    )


def _considered(
    book: RuleBook, question: Question, keeper: Unit | None, result: Found | Unrouted
) -> tuple[Considered, ...]:
    """Look at every rule; those that match come first, the deciding ones before the others."""
    order = ORDER[Kind(question.condition.minor.kind)]
    answers, names = question.answers(), Names()
    looked = [(rule, *_look(book, rule, question, answers)) for rule in book.rules]
    if keeper is not None:
        looked.append((register_rule(question), (keeper,), ""))
    matching = [rule for rule, _units, failed in looked if not failed]
    ranks = [rank for rank in order if any(rule.rank == rank for rule in matching)]
    best = [rule for rule in matching if rule.rank == ranks[0]] if ranks else []
    narrowest = max(map(specificity, best), default=(0, 0, 0))

    def told(rule: RuleTerms, units: tuple[Unit, ...], failed: str) -> Considered:
        if failed:
            words = names.why_not(failed, rule, answers)
            return Considered(rule, units, Standing.UNMATCHED, words, failed)
        if rule.rank != ranks[0]:
            words = _("A rule in the capacity “%(rank)s” goes first.") % {"rank": ranks[0].label}
            return Considered(rule, units, Standing.WEAKER, words)
        if specificity(rule) != narrowest:
            return Considered(rule, units, Standing.WEAKER, _("A narrower rule goes first."))
        return _among_the_best(rule, units, result)

    rows = [told(*one) for one in looked]
    standings = list(Standing)
    return tuple(
        sorted(
            rows,
            key=lambda one: (
                standings.index(one.standing),
                order.index(Rank(one.rule.rank)),
                [-weight for weight in specificity(one.rule)],
                one.rule.code,
            ),
        )
    )


def _look(
    book: RuleBook, rule: RuleTerms, question: Question, answers: dict[str, Any]
) -> tuple[tuple[Unit, ...], str]:
    """Return the units a rule leads to here, and the first thing that does not hold."""
    units = book.units_of(rule, question.district, question.street)
    failed = mismatch(conditions_of(rule), answers)
    return units, failed or ("" if units else "unit")


def _among_the_best(
    rule: RuleTerms, units: tuple[Unit, ...], result: Found | Unrouted
) -> Considered:
    if isinstance(result, Unrouted):
        words = _("It is as narrow as another one that leads to a different unit.")
        return Considered(rule, units, Standing.TIES, words)
    if rule.code == result.rule:
        if result.loads:
            words = _("Among equal units this one has the lowest load.")
        else:
            words = _("It goes first.")
        return Considered(rule, units, Standing.WINS, words)
    if result.unit in units and not result.loads:
        words = _("It leads to the same unit as the rule that goes first.")
    else:
        words = _("Among equal units another one has the lower load.")
    return Considered(rule, units, Standing.WEAKER, words)


def explanation_answer(explained: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON-ready values; names and sentences in the reader's language."""
    question, recorded = explained.question, explained.recorded
    found = explained.result if isinstance(explained.result, Found) else None
    conflict = () if isinstance(explained.result, Found) else explained.result.conflict
    return {
        "number": explained.number or None,
        "at": explained.at.isoformat(),
        "condition": question.condition.code,
        "district": question.district,
        "county": question.county,
        "street": question.street,
        "grid_cell": question.cell or None,
        "source": question.source,
        "working_time": question.working_time or None,
        "outcome": explained.outcome,
        "unit": explained.unit.code if explained.unit else None,
        "unit_name": explained.unit.name if explained.unit else None,
        "rule": found.rule if found else None,
        "reason": found.explanation if found else None,
        "conflict": [list(pair) for pair in conflict],
        "detail": explained.words,
        "limit": {"value": explained.limit_value, "unit": explained.limit_unit},
        "loads": {unit.code: load._asdict() for unit, load in explained.loads},
        "recorded": {**vars(recorded), "at": recorded.at.isoformat()} if recorded else None,
        "agrees": explained.agrees,
        "considered": [
            {
                "rule": one.rule.code,
                "rank": one.rule.rank,
                "standing": one.standing,
                "units": [unit.code for unit in one.units],
                "failed": one.failed.removesuffix("_id") or None,
                "detail": one.words,
            }
            for one in explained.considered
        ],
    }


class Names:
    """The values of conditions as people read them."""

    def __init__(self) -> None:
        self._related: dict[tuple[str, str], str] = {}
        self._counties = {row.code: row.short_name for row in District.objects.all()}
        streets = Area.objects.filter(level=Area.Level.STREET).order_by("valid")
        self._streets = {area.code: area.name for area in streets.defer("geom", "label")}
        self._majors = {
            (row.kind, row.major_code): row.major_name for row in MinorClass.objects.all()
        }

    def why_not(self, failed: str, rule: RuleTerms, answers: dict[str, Any]) -> str:
        """Return in words which condition of a rule does not hold."""
        if failed == "unit":
            if rule.unit_id:
                return _("The unit it names is out of use.")
            return _("No unit in use of the kind it names serves this place.")
        wanted = self.value(failed, rule)
        asked = self._answer(failed, answers)
        label = LABELS[failed]
        if not asked:
            return _("%(condition)s: it asks for %(wanted)s, and here it is not known.") % {
                "condition": label,
                "wanted": wanted,
            }
        return _("%(condition)s: it asks for %(wanted)s, and here it is %(asked)s.") % {
            "condition": label,
            "wanted": wanted,
            "asked": asked,
        }

    def value(self, column: str, rule: RuleTerms) -> str:
        """Return one condition of a rule in words."""
        if column in _RELATED:
            return str(getattr(rule, column.removesuffix("_id")))
        return self._told(column, str(getattr(rule, column)), rule.kind)

    def _answer(self, column: str, answers: dict[str, Any]) -> str:
        value = str(answers[column])
        if not value or column not in _RELATED:
            return self._told(column, value, str(answers["kind"])) if value else ""
        if (column, value) not in self._related:
            self._related[column, value] = str(_RELATED[column].objects.get(pk=value))
        return self._related[column, value]

    def _told(self, column: str, value: str, kind: str) -> str:
        if column == "major_code":
            return self._majors.get((kind, value), value)
        if column == "county":
            return self._counties.get(value, value)
        if column == "street_code":
            return self._streets.get(value, value)
        words = _WORDS.get(column)
        return str(words(value).label) if words else value


_RELATED: dict[str, Any] = {
    "minor_id": MinorClass,
    "problem_class_id": ProblemClass,
    "condition_id": Condition,
    "district_id": District,
}
_WORDS: dict[str, Callable[[str], Any]] = {
    "kind": Kind,
    "severity": LimitUnit,
    "source": Source,
    "working_time": WorkingTime,
}
LABELS = {
    field.attname: field.verbose_name
    for field in Responsibility._meta.concrete_fields
    if field.attname in CONDITIONS
}


# --- conflicts ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Conflict:
    """Two rules that can match equally and lead to different units; or one with two units."""

    first: RuleTerms
    second: RuleTerms  # the first again where its own kind of unit serves a place twice
    units: tuple[Unit, ...]  # of one place where they differ
    cases: tuple[Case, ...] = field(default=())  # open ones it leaves unrouted


@dataclass(frozen=True)
class Waiting:
    """An open case listed as unrouted, and what the rules of now say of it."""

    case: Case
    result: Found | Unrouted


def unrouted_cases(cases: CaseQuerySet, book: RuleBook, *, at: datetime) -> list[Waiting]:
    """Return which of `cases` wait unrouted, the longest waiting first."""
    listed = cases.filter(stage=Stage.FILED, is_unrouted=True).order_by("filed_at", "pk")
    weigh = unit_loads if CityOptions.objects.get().route_by_load else None
    return [
        Waiting(case, book.route(question_of(case, at=at), keeper=keeper_of(case), weigh=weigh))
        for case in listed.select_related("minor", "condition__problem_class")
    ]


def conflicts(book: RuleBook, waiting: Sequence[Waiting] = ()) -> list[Conflict]:
    """Return the pairs of rules that can match equally and lead to different units, by code.

    Where the city options let the load decide, rules that ask for it do not collide.
    """
    by_load = CityOptions.objects.get().route_by_load
    districts = list(District.objects.all())
    found = []
    for group in _equal_rules(book.rules):
        pairs = [*((rule, rule) for rule in group), *combinations(group, 2)]
        for first, second in pairs:
            if (by_load and first.by_load and second.by_load) or not _compatible(first, second):
                continue
            units = _disagreement(book, first, second, districts)
            if units:
                left = tuple(one.case for one in waiting if _is_about(one, first, second))
                found.append(Conflict(first, second, units, left))
    return sorted(found, key=lambda one: (one.first.code, one.second.code))


def _equal_rules(rules: Iterable[RuleTerms]) -> list[list[RuleTerms]]:
    """Group rules of one rank that are equally narrow and ask for the same class and area."""
    groups: dict[Any, list[RuleTerms]] = defaultdict(list)
    for rule in sorted(rules, key=lambda rule: rule.code):
        same = {name: getattr(rule, name) for name in CONDITIONS if name not in _CIRCUMSTANCES}
        groups[rule.rank, specificity(rule), tuple(same.values())].append(rule)
    return list(groups.values())


_CIRCUMSTANCES = ("severity", "source", "working_time")


def _compatible(first: RuleTerms, second: RuleTerms) -> bool:
    """Whether some moment and source suit both."""
    pairs = ((getattr(first, name), getattr(second, name)) for name in _CIRCUMSTANCES)
    return all(not one or not other or one == other for one, other in pairs)


def _disagreement(
    book: RuleBook, first: RuleTerms, second: RuleTerms, districts: Collection[District]
) -> tuple[Unit, ...]:
    """Return the units the two lead to at some place where these differ."""
    streets = {"", *(unit.street_code for unit in book.units.values())}
    for district in districts:
        if first.district_id not in (None, district.slug):
            continue
        if first.county not in ("", district.county):
            continue
        for street in sorted({first.street_code} if first.street_code else streets):
            if street and not street.startswith(district.county):
                continue
            led = {
                unit.code: unit
                for rule in (first, second)
                for unit in book.units_of(rule, district.slug, street)
            }
            if len(led) > 1:
                return tuple(led[code] for code in sorted(led))
    return ()


def _is_about(waiting: Waiting, first: RuleTerms, second: RuleTerms) -> bool:
    if not isinstance(waiting.result, Unrouted):
        return False
    return {first.code, second.code} <= {rule for rule, _unit in waiting.result.conflict}
