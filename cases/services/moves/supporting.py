"""An inspector sees what is reported already, and says so instead of reporting it again."""

from typing import Any

from django.contrib.gis.geos import Point
from django.utils.translation import gettext as _

from cases.choices import Action, Role
from cases.errors import InvalidInput
from cases.ledger import Book
from cases.models import Case, CityOptions, Support
from cases.selectors.duplicates import lies_near
from cases.services.moves.inputs import place_of
from cases.services.moves.step import Step
from cases.services.photos import facts_of, taken_of
from cases.workflow import Input
from cityops.accounts.models import User


def require_near(number: str, actor: User, inputs: dict[str, Any]) -> None:
    """Let an inspector at a case who names a place in front of it, others who see it anyway.

    Raises Case.DoesNotExist for a case that is neither seen nor near, InvalidInput.
    """
    seen = Case.objects.visible_to(actor).filter(number=number)
    if actor.holds(Role.INSPECTOR):
        place = Point(*place_of(inputs.get(Input.PLACE, "")), srid=4326)
        if lies_near(number, place, CityOptions.objects.get()):
            return
        if seen.exists():
            raise InvalidInput(
                _("The case does not lie where you say you see it."),
                fields={Input.PLACE: _("send the place you were told of the case at")},
            )
    if not seen.exists():
        raise Case.DoesNotExist


def support(book: Book, step: Step) -> None:
    """Record who sees it too; said again by the same person it changes nothing."""
    assert step.by.actor is not None
    who = {"case": step.folder.case, "by": step.by.actor}
    if Support.objects.filter(**who).exists():
        step.photos = ()
        return
    words = step.by.words(**taken_of(step.photos))
    book.append(step.folder, Action.SUPPORT, facts=facts_of(step.photos), **words)
    step.rows.append(Support(**who, at=book.at))


def support_answer(case: Case) -> dict[str, Any]:
    """Return what the answer to a hint may tell of a case its sender perhaps does not see."""
    count = Support.objects.filter(case=case).count()
    return {
        "number": case.number,
        "stage": case.stage,
        "version": case.version,
        "supports": count,
    }
