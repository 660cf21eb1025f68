"""Why a case goes where it goes: every rule looked at, the one that wins, and the limit."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases.choices import Action, LimitUnit, Source
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
    Unit,
    WorkingTime,
)
from cases.models.category import limit_text
from cases.models.routing import RuleTerms
from cases.selectors.calendars import current_version
from cases.selectors.place import Place
from cases.selectors.responsibility import (
    ORDER,
    Found,
    Load,
    Question,
    Unrouted,
    Weigh,
    keeper_of,
    question_of,
    register_rule,
    specificity,
    working_time_at,
)
from cases.selectors.rule_book import (
    CONDITIONS,
    RuleBook,
    conditions_of,
    last_change,
    mismatch,
    rules_at,
)
from cases.selectors.unit_load import unit_loads


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
        return _says(self.result, self.recorded)


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
    by_log = asked if at is None else None
    at = at or (asked.at if asked is not None else timezone.now())
    assert then.limit_value is not None
    explain = partial(
        _explain,
        question_of(then, at=at),
        at,
        (then.limit_value, str(then.limit_unit)),
        keeper=keeper_of(then),  # the register keeps no versions
        weigh=_weigh_of(by_log),
        number=case.number,
        recorded=_recorded(given[-1]) if given else None,
    )
    explained = explain()
    if by_log is None or _says(explained.result, _recorded(by_log)):
        return explained
    return _by_rules_before(by_log, explain) or explained


PUBLISHING = timedelta(minutes=1)  # a publication takes at most, from its moment to its commit


def _by_rules_before(event: Event, explain: Callable[..., Explanation]) -> Explanation | None:
    """Explain a dispatch by the rules before the last change, if that is what its log says.

    One that ran while the change was being committed still read the rules before it.
    """
    changed_at = last_change(event.at)
    if changed_at is None or event.at - changed_at > PUBLISHING:
        return None
    earlier = explain(rules=rules_at(changed_at - timedelta.resolution))
    return earlier if _says(earlier.result, _recorded(event)) else None


def _says(result: Found | Unrouted, recorded: Recorded) -> bool:
    """Whether rules lead to the unit of the log, by its rule."""
    if isinstance(result, Unrouted):
        return False
    return (result.unit.code, result.rule) == (recorded.unit, recorded.rule)


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
    rules: list[Responsibility] | None = None,
) -> Explanation:
    """Explain by `rules`, or those valid at `at`."""
    book = RuleBook(rules_at(at) if rules is None else rules)
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
    answers, names = question.answers(), Names()
    looked = [(rule, *_look(book, rule, question, answers)) for rule in book.rules]
    if keeper is not None:
        looked.append((register_rule(question), (keeper,), ""))
    failing = [
        Considered(rule, units, Standing.UNMATCHED, names.why_not(failed, rule, answers), failed)
        for rule, units, failed in looked
        if failed
    ]
    kind = Kind(question.condition.minor.kind)
    matching = [(rule, units) for rule, units, failed in looked if not failed]
    return (*standings(kind, matching, result), *_in_order(kind, failing))


def standings(
    kind: Kind, matching: Iterable[tuple[RuleTerms, tuple[Unit, ...]]], result: Found | Unrouted
) -> tuple[Considered, ...]:
    """Return why each of the rules that match wins, ties or comes after; the deciding ones first.

    `matching` are they with the units they lead to here, `result` what was decided among them.
    """
    rows = list(matching)
    order = ORDER[kind]
    ranks = [rank for rank in order if any(rule.rank == rank for rule, _units in rows)]
    best = [rule for rule, _units in rows if rule.rank == ranks[0]]
    narrowest = max(map(specificity, best), default=(0, 0, 0))

    def told(rule: RuleTerms, units: tuple[Unit, ...]) -> Considered:
        if rule.rank != ranks[0]:
            words = _("A rule in the capacity “%(rank)s” goes first.") % {"rank": ranks[0].label}
            return Considered(rule, units, Standing.WEAKER, words)
        if specificity(rule) != narrowest:
            return Considered(rule, units, Standing.WEAKER, _("A narrower rule goes first."))
        return _among_the_best(rule, units, result)

    return _in_order(kind, [told(*one) for one in rows])


def _in_order(kind: Kind, rows: Iterable[Considered]) -> tuple[Considered, ...]:
    standings_, order = list(Standing), ORDER[kind]
    return tuple(
        sorted(
            rows,
            key=lambda one: (
                standings_.index(one.standing),
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
    if result.unit in units:
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
