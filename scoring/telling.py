"""Who is told what of a period: rows of the bell, in the transaction of what they tell."""

from collections.abc import Collection

from django.db.models import Q
from django.urls import reverse

from cases.choices import CITY, Role
from cases.models import Notice
from cases.notices import PERIOD_POSTS
from cityops.accounts.models import Grant, User
from cityops.accounts.roles import ScopeKind
from scoring.models import Edition, Objection, ScoredPeriod


def tell_closed(dates: ScoredPeriod, *, actor: User) -> None:
    """Tell everybody that a period is closed, and until when it may be objected to."""
    people, until = _people() - {actor.pk}, dates.window_until.isoformat()
    _tell(people, dates.name, "closed", _course(dates.name), until=until)


def tell_objected(objection: Objection) -> None:
    """Tell the office that somebody objected."""
    people = _people([CITY], [Role.ASSESSOR]) - {objection.raised_by_id}
    _tell(people, objection.period_id, "objected", _thread(objection))


def tell_answered(objection: Objection) -> None:
    """Tell who objected, and their side, that the office answered."""
    people = _people([objection.district]) | {objection.raised_by_id}
    _tell(people - {objection.answered_by_id}, objection.period_id, "answered", _thread(objection))


def tell_submitted(edition: Edition) -> None:
    """Tell the other assessors of the city that a run waits."""
    people = _people([CITY], [Role.ASSESSOR]) - {edition.submitted_by_id}
    _tell(people, edition.period_id, "submitted", _course(edition.period_id))


def tell_returned(edition: Edition) -> None:
    """Tell who submitted a run that another sent it back."""
    people = {edition.submitted_by_id} - {edition.returned_by_id}
    _tell(people, edition.period_id, "returned", _course(edition.period_id))


def tell_published(edition: Edition) -> None:
    """Tell everybody that an edition of a period is in force."""
    address = reverse("score_edition", args=[edition.period_id, edition.number])
    told = "published" if edition.number == 1 else "reissued"
    people = _people() - {edition.approved_by_id}
    _tell(people, edition.period_id, told, address, edition=edition.number)


def _course(period: str) -> str:
    return reverse("score_standing", args=[period])


def _thread(objection: Objection) -> str:
    return reverse("score_objection", args=[objection.period_id, objection.pk])


def _people(
    sides: Collection[str] | None = None, posts: Collection[Role] = PERIOD_POSTS
) -> set[int | None]:
    """Return those with a post over one of the sides, `city` the whole city; over any by default.

    None is of nobody, as in what a row does not name.
    """
    near = Q(scope_kind=ScopeKind.DISTRICT)
    if sides is not None:
        near &= Q(scope_key__in=sides)
    if sides is None or CITY in sides:
        near |= Q(scope_kind=ScopeKind.CITY)
    grants = Grant.objects.filter(near, role__in=posts)
    return set(grants.values_list("user_id", flat=True))


def _tell(
    people: Collection[int | None], period: str, told: str, address: str, **words: object
) -> None:
    known = [pk for pk in people if pk is not None]
    active = User.objects.filter(pk__in=known, is_active=True).order_by("pk")
    said = {"period": period, "told": told, "address": address, "words": words}
    Notice.objects.bulk_create([Notice(user=user, **said) for user in active])
