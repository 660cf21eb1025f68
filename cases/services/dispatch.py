"""Automatic dispatch: a filed case finds its unit, or is listed for the dispatcher."""

from cases.choices import CITY, Action, Stage
from cases.ledger import Book, Folder, open_book, open_folder
from cases.models import Case, CityOptions, Component, Effect, Unit
from cases.selectors.responsibility import Found, Unrouted, responsible_unit
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
    found = unit_for(folder)
    options = CityOptions.objects.get()
    with open_book(folder.case.scope) as book:
        return give_to(book, folder, found, options)


def unit_for(folder: Folder) -> Found | Unrouted:
    """Return who answers for a filed case by the rules valid now."""
    case = folder.case
    assert case.condition is not None  # filing froze it
    case.condition.minor = case.minor
    return responsible_unit(
        condition=case.condition,
        district=case.district,
        county=case.county,
        street_code=case.street,
        at=None,
        keeper=_keeper(case),
    )


def _keeper(case: Case) -> Unit | None:
    """Return whom the register names for the case's component: its maintainer, else its owner.

    A sub-unit gets its work from its parent; a unit of another district only by arbitration.
    """
    if case.component_id is None:
        return None
    found = Component.objects.select_related("maintainer__parent", "owner__parent")
    component = found.get(pk=case.component_id)
    if component.minor_id != case.minor_id:  # the case turned out to be about something else
        return None
    for named in (component.maintainer, component.owner):
        unit = named.parent or named if named else None
        if unit is not None and unit.is_active and unit.body in (CITY, case.district):
            return unit
    return None


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
        )
        return "dispatched"
    if not folder.case.is_unrouted:
        folder.case.is_unrouted = True
        facts = {"conflict": [list(pair) for pair in found.conflict]}
        book.append(folder, Action.ROUTE, facts=facts)
    return "unrouted"
