"""Automatic dispatch: a filed case finds its unit, or is listed for the dispatcher."""

from datetime import datetime

from django.utils import timezone

from cases.choices import Action, Stage
from cases.ledger import Book, Folder, open_book, open_folder
from cases.models import CityOptions, Effect
from cases.selectors.responsibility import (
    Found,
    Unrouted,
    keeper_of,
    question_of,
    responsible_unit,
)
from cases.selectors.unit_load import unit_loads
from cases.services import filing


def dispatch_filed(effect: Effect) -> str:
    """Dispatch the filed case of `effect`; returns the outcome. Runs in the effect's transaction.

    Acts only if the case is still as the filing left it. Compared is the version, not the last
    event: a lamp may have been written about the waiting case meanwhile.
    """
    assert effect.case_id is not None
    folder = open_folder(pk=effect.case_id)
    if folder.case.stage != Stage.FILED or folder.case.version != effect.payload["version"]:
        return "superseded"
    options = CityOptions.objects.get()
    found = unit_for(folder, options)
    with open_book(folder.case.scope) as book:
        return give_to(book, folder, found, options)


def unit_for(
    folder: Folder, options: CityOptions, *, at: datetime | None = None
) -> Found | Unrouted:
    """Return who answers for a filed case by the rules valid now.

    `at` is the moment of the dispatch that working time is told by, by default now.
    """
    case = folder.case
    return responsible_unit(
        question_of(case, at=at or timezone.now()),
        at=None,
        keeper=keeper_of(case),
        weigh=unit_loads if options.route_by_load else None,
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
