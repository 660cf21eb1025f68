"""What a draft of routing rules would change, tried on the cases of the last days."""

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.core.cache import cache
from django.utils import timezone
from redis.exceptions import RedisError

from cases import policy
from cases.models import (
    Case,
    CityOptions,
    Condition,
    DraftRule,
    Responsibility,
    RoutingDraft,
    Unit,
)
from cases.models.case import CaseQuerySet
from cases.models.routing import RULE_TERMS
from cases.selectors.responsibility import (
    Found,
    Question,
    Unrouted,
    components_kept,
    keeper_named,
    working_time_at,
)
from cases.selectors.rule_book import RuleBook, rules_at, rules_with
from cases.selectors.unit_load import weigh_once
from cityops.accounts.models import User

Answer = Found | Unrouted
MOST_ASKED = 50_000  # cases: seconds of work, for one page
CHUNK = 2000
KEPT_S = 60  # a dry run, while its reader filters it and takes the file


@dataclass(frozen=True)
class Tried:
    """A case, what the rules were asked about it, and where it goes by the live and by the draft.

    It moves if that is another unit, none any more, or one where there was none.
    """

    number: str
    filed_at: datetime
    question: Question
    before: Answer
    after: Answer


@dataclass(frozen=True)
class Tally:
    """How many of the cases end without a unit, and how many of them by contradicting rules."""

    found: int
    fallback: int
    unrouted: int  # no rule leads to a unit in use
    conflicting: int  # equally specific rules lead to different units


@dataclass(frozen=True)
class UnitChange:
    """How many of the cases a unit would get and lose."""

    unit: Unit
    moved_in: int
    moved_out: int


@dataclass(frozen=True)
class DryRun:
    """The cases filed in a span of time, asked of the live rules and of those of a draft.

    `edition` names exactly the rules that were compared: publishing asks for it.
    """

    edition: str
    since: datetime
    until: datetime
    is_cut: bool  # only the newest MOST_ASKED cases were asked: those filed from `since` on
    checked: int
    weighed: int  # of them those where the load decides, by the loads of now for all
    moved: tuple[Tried, ...]  # newest first
    before: Tally
    after: Tally
    units: tuple[UnitChange, ...]  # those that would get or lose cases, by code


def edition_of(draft: RoutingDraft, live: Iterable[Responsibility]) -> str:
    """Return the mark of a draft on top of live rules; any change of either gives another."""
    rows = [
        [row.change, row.base_id, row.code, *(getattr(row, name) for name in RULE_TERMS)]
        for row in DraftRule.objects.filter(draft=draft).order_by("code")
    ]
    words = [sorted(rule.pk for rule in live), rows]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:32]


def dry_run_kept(draft: RoutingDraft, *, days: int, user: User) -> DryRun:
    """Return the dry run over what `user` may see; the same question is answered once a minute.

    Any change of the draft, the live rules or what the reader sees makes it another question.
    """
    reach = policy.reach_of(user)
    whose = [reach.is_whole, sorted(reach.districts), sorted(reach.units), reach.inspector_id]
    words = [edition_of(draft, rules_at(timezone.now())), days, whose]
    key = "dry_run:" + hashlib.sha256(json.dumps(words).encode()).hexdigest()
    known: DryRun | None = None
    with suppress(RedisError):  # then it is done again
        known = cache.get(key)
    if known is None:
        known = dry_run(draft, days=days, cases=Case.objects.all().visible_to(user))
        with suppress(RedisError):
            cache.set(key, known, KEPT_S)
    return known


def dry_run(
    draft: RoutingDraft,
    *,
    days: int,
    cases: CaseQuerySet | None = None,
    at: datetime | None = None,
) -> DryRun:
    """Ask live and draft rules about the cases filed in the last `days`; changes nothing.

    Both are asked with each case's facts of now, the working time of its filing, the component
    register and the loads of now. Cases no unit was ever looked for, the self-handled ones, are
    left out, and of more than MOST_ASKED the oldest. `cases` limits it to what the reader may see.
    """
    until = at or timezone.now()
    since = until - timedelta(days=days)
    live = rules_at(until)
    units = list(Unit.objects.filter(is_active=True))
    now, then = RuleBook(live, units), RuleBook(rules_with(draft, live), units)
    weigh = weigh_once() if CityOptions.objects.get().route_by_load else None
    visible = Case.objects.all() if cases is None else cases

    @functools.cache
    def both(question: Question, keeper: Unit | None) -> tuple[Question, Answer, Answer]:
        return (
            question,
            now.route(question, keeper=keeper, weigh=weigh),
            then.route(question, keeper=keeper, weigh=weigh),
        )

    moved: list[Tried] = []
    was, goes = Counter[str](), Counter[str]()
    checked = weighed = 0
    for number, filed_at, asked, keeper in _asked(visible, since, until):
        if checked == MOST_ASKED:
            break
        question, before, after = both(asked, keeper)
        checked, oldest = checked + 1, filed_at
        was[_end_of(before)] += 1
        goes[_end_of(after)] += 1
        weighed += any(isinstance(one, Found) and bool(one.loads) for one in (before, after))
        if _goes_to(before) != _goes_to(after):
            moved.append(Tried(number, filed_at, question, before, after))
    else:
        oldest = since
    return DryRun(
        edition=edition_of(draft, live),
        since=oldest,
        until=until,
        is_cut=oldest > since,
        checked=checked,
        weighed=weighed,
        moved=tuple(moved),
        before=_tally(was),
        after=_tally(goes),
        units=_unit_changes(moved),
    )


_FACTS = (
    *("number", "filed_at", "condition_id", "district", "county", "street", "grid_cell"),
    *("source", "calendar_version", "limit_unit", "component_id", "minor_id"),
)


def _asked(
    cases: CaseQuerySet, since: datetime, until: datetime
) -> Iterator[tuple[str, datetime, Question, Unit | None]]:
    """Yield what the rules are asked about each case, newest first."""
    conditions = {row.pk: row for row in Condition.objects.select_related("minor")}
    filed = cases.filter(filed_at__gte=since, filed_at__lte=until, is_self_handled=False)
    newest = filed.order_by("-filed_at", "-pk").values(*_FACTS)[: MOST_ASKED + 1]
    rows = newest.iterator(CHUNK)
    while some := list(islice(rows, CHUNK)):
        yield from _questions(some, conditions)


def _questions(
    rows: list[dict[str, Any]], conditions: dict[str, Condition]
) -> Iterator[tuple[str, datetime, Question, Unit | None]]:
    components = components_kept(row["component_id"] for row in rows)
    for row in rows:
        component = components.get(row["component_id"])
        question = Question(
            condition=conditions[row["condition_id"]],
            district=row["district"],
            county=row["county"],
            street=row["street"],
            cell=row["grid_cell"],
            source=row["source"],
            working_time=working_time_at(row["filed_at"], row["calendar_version"]),
            severity=row["limit_unit"],
        )
        keeper = keeper_named(component, row["minor_id"], row["district"])
        yield row["number"], row["filed_at"], question, keeper


def _goes_to(answer: Answer) -> str | None:
    return answer.unit.code if isinstance(answer, Found) else None


def _tally(ends: Counter[str]) -> Tally:
    return Tally(ends["found"], ends["fallback"], ends["unrouted"], ends["conflicting"])


def _end_of(answer: Answer) -> str:
    if isinstance(answer, Found):
        return "fallback" if answer.is_fallback else "found"
    return "conflicting" if answer.conflict else "unrouted"


def _unit_changes(moved: Iterable[Tried]) -> tuple[UnitChange, ...]:
    units: dict[str, Unit] = {}
    moved_in: Counter[str] = Counter()
    moved_out: Counter[str] = Counter()
    for one in moved:
        for answer, count in ((one.before, moved_out), (one.after, moved_in)):
            if isinstance(answer, Found):
                units[answer.unit.code] = answer.unit
                count[answer.unit.code] += 1
    return tuple(UnitChange(units[code], moved_in[code], moved_out[code]) for code in sorted(units))
