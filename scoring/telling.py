"""Who is told what of a period or an action item: rows of the bell, with what they tell of."""

from collections.abc import Collection

from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from cases.choices import CITY, Role
from cases.models import Notice
from cases.notices import ITEM_POSTS, PERIOD_POSTS
from cityops.accounts.models import Grant, User
from cityops.accounts.roles import ScopeKind
from scoring.lifecycle import default_dates, lock_period, moment_of_action
from scoring.meeting_models import ActionItem
from scoring.models import Edition, Objection, ScoredPeriod
from scoring.periods import earlier, month_of, parse_period, periods_between
from scoring.selectors import log_span


def tell_closed(dates: ScoredPeriod, *, actor: User | None = None) -> None:
    """Tell everybody that a period is closed, and until when it may be objected to."""
    people, until = _people(), dates.window_until.isoformat()
    if actor:
        people -= {actor.pk}
    _tell(people, dates.name, "closed", _course(dates.name), until=until)


def tell_of_closings() -> str:
    """Tell, once each, of the periods that closed by themselves and may still be objected to.

    Safe to run twice or late: whose window is over by then is not told of any more.
    """
    now, told = timezone.now(), []
    (last,) = earlier(month_of(now), 1)
    span, names = log_span(), {one.name for one in periods_between(last.start, now)}
    dated = ScoredPeriod.objects.filter(closes_at__lte=now, window_until__gt=now)
    for period in map(parse_period, sorted(names | set(dated.values_list("name", flat=True)))):
        if span is None or period.end <= span[0]:
            continue
        with transaction.atomic():
            lock_period(period)
            at = moment_of_action()
            dates = ScoredPeriod.objects.filter(pk=period.name).first() or default_dates(period)
            by_itself = dates.closed_by_id is None and dates.closes_at <= at < dates.window_until
            if by_itself and not Notice.objects.filter(period=period.name, told="closed").exists():
                tell_closed(dates)
                told.append(period.name)
    return "told of " + ", ".join(told) if told else "nothing closed"


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


def tell_item(item: ActionItem, told: str, *, actor: User) -> None:
    """Tell the people of the unit that answers for an item, its parent's too: a key of OF_ITEM."""
    units = [unit for unit in (item.unit_id, item.unit.parent_id) if unit]
    grants = Grant.objects.filter(
        scope_kind=ScopeKind.UNIT, scope_key__in=units, role__in=ITEM_POSTS
    )
    people = set(grants.values_list("user_id", flat=True)) - {actor.pk}
    _tell(people, item.meeting.period, told, _item(item), due=item.due_on.isoformat())


def tell_item_asked(item: ActionItem, *, actor: User) -> None:
    """Tell the assessors of the city that an item was reported as done."""
    people = _people([CITY], [Role.ASSESSOR]) - {actor.pk}
    _tell(people, item.meeting.period, "item_asked", _item(item))


def _item(item: ActionItem) -> str:
    return reverse("score_meeting_item", args=[item.pk])


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
