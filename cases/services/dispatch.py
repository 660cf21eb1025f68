"""Automatic dispatch: a filed case finds its unit, or is listed for the dispatcher."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from django.utils import timezone

from cases.choices import Action, Stage
from cases.ledger import Book, Folder, open_book, open_folders
from cases.models import CityOptions, Effect
from cases.selectors.responsibility import (
    Found,
    Unrouted,
    Weigh,
    keeper_of,
    question_of,
    responsible_unit,
)
from cases.selectors.unit_load import unit_loads
from cases.services import filing


def dispatch_filed(effects: Sequence[Effect]) -> list[str]:
    """Dispatch the filed cases of `effects`; returns each outcome. Runs in their transaction.

    Acts only where a case is still as the filing left it. Compared is the version, not the last
    event: a lamp may have been written about the waiting case meanwhile.
    """
    folders = open_folders(effect.case_id for effect in effects if effect.case_id is not None)
    options = CityOptions.objects.get()
    given: Counter[str] = Counter()
    plans: dict[int, tuple[Folder, Found | Unrouted]] = {}
    for effect, folder in _still_filed(effects, folders):
        found = unit_for(folder, options, weigh=partial(unit_loads, given=given))
        if isinstance(found, Found):
            given[found.unit.code] += 1
        plans[effect.pk] = folder, found
    outcomes = {effect.pk: "superseded" for effect in effects}
    if plans:
        with open_book(*{folder.case.scope for folder, _ in plans.values()}) as book:
            outcomes |= {key: give_to(book, *plan, options) for key, plan in plans.items()}
    return list(outcomes.values())


def _still_filed(
    effects: Sequence[Effect], folders: Mapping[int, Folder]
) -> Iterator[tuple[Effect, Folder]]:
    """Yield each case that is as its filing left it, once; changes of rules ask for it again."""
    seen: set[int] = set()
    for effect in effects:
        assert effect.case_id is not None
        case = folders[effect.case_id].case
        is_same = case.stage == Stage.FILED and case.version == effect.payload["version"]
        if is_same and case.pk not in seen:
            seen.add(case.pk)
            yield effect, folders[case.pk]


def unit_for(
    folder: Folder,
    options: CityOptions,
    *,
    at: datetime | None = None,
    weigh: Weigh = unit_loads,
) -> Found | Unrouted:
    """Return who answers for a filed case by the rules valid now.

    `at` is the moment of the dispatch that working time is told by, by default now; `weigh` tells
    the loads where the city lets rules choose by them.
    """
    case = folder.case
    return responsible_unit(
        question_of(case, at=at or timezone.now()),
        at=None,
        keeper=keeper_of(case),
        weigh=weigh if options.route_by_load else None,
    )


def give_to(book: Book, folder: Folder, found: Found | Unrouted, options: CityOptions) -> str:
    """Dispatch to the unit found; nobody found lists the case as unrouted, once."""
    if isinstance(found, Found):
        filing.assign(
            book,
            folder,
            Action.DISPATCH,
            found.unit,
            filing.By(),
            options=options,
            rule=found.rule,
            is_fallback=found.is_fallback,
            facts={"loads": {unit: list(load) for unit, load in found.loads}}
            if found.loads
            else None,
        )
        return "dispatched"
    if not folder.case.is_unrouted:
        folder.case.is_unrouted = True
        facts = {"conflict": [list(pair) for pair in found.conflict]}
        book.append(folder, Action.ROUTE, facts=facts)
    return "unrouted"
