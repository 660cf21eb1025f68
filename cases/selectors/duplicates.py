"""Open cases a new one may be a duplicate of: same minor class, near, and recent (domain.md §3)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.gis.db.models.functions import Distance
from django.contrib.gis.geos import Point
from django.core import signing
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from cases.choices import OPEN_STAGES
from cases.models import Attachment, Case, CityOptions, MinorClass, Support
from cases.plane import degrees
from cityops.accounts.models import User

MOST_SHOWN = 5
HINT_GOOD_FOR = timedelta(hours=1)
_BEFORE = (Attachment.Kind.NEAR, Attachment.Kind.FAR, Attachment.Kind.VERIFY)
_SALT = "cases.hint"


@dataclass(frozen=True)
class Candidate:
    """One open case nearby, with what tells at a glance whether it is the same thing."""

    case: Case
    distance_m: int
    age: timedelta  # between the two reports
    photo_id: int | None
    is_supported: bool = False  # by whom a hint is for


def candidates(case: Case, user: User, options: CityOptions) -> list[Candidate]:
    """Return the nearest open cases of the same class reported before `case`, within the limits.

    Only those `user` may see. Nothing for a case without a place or no longer open.
    """
    if case.point is None or case.stage not in OPEN_STAGES:
        return []
    near = Case.objects.all().visible_to(user).open().exclude(pk=case.pk)
    return _nearest(near, case.point, case.minor_id, options, at=case.reported_at)


def hints(
    point: Point, minor: MinorClass, user: User, options: CityOptions, *, at: datetime
) -> list[Candidate]:
    """Return the nearest open cases that a report made at `at` may repeat; `point` in WGS-84."""
    mine = Support.objects.filter(case=OuterRef("pk"), by=user)
    near = Case.objects.all().hinted_to(user).annotate(is_supported=Exists(mine))
    near = near.select_related("minor", "condition")
    return _nearest(near, point, minor.pk, options, at=at)


def _nearest(
    cases: "QuerySet[Case]", point: Point, minor: str, options: CityOptions, *, at: datetime
) -> list[Candidate]:
    found = (
        cases.filter(
            minor=minor,
            reported_at__lte=at,
            reported_at__gte=at - timedelta(hours=options.duplicate_h),
            point__dwithin=(point, degrees(options.duplicate_m)),
        )
        .annotate(away=Distance("point", point), photo_id=_first_photo())
        .order_by("away", "pk")[: MOST_SHOWN * 2]
    )
    rows = [
        Candidate(
            row,
            round(getattr(row, "away").m),  # noqa: B009  # annotated above
            at - row.reported_at,
            getattr(row, "photo_id"),  # noqa: B009  # annotated above
            getattr(row, "is_supported", False),
        )
        for row in found
    ]
    return [row for row in rows if row.distance_m <= options.duplicate_m][:MOST_SHOWN]


def lies_near(number: str, place: Point, options: CityOptions) -> bool:
    """Whether the case lies where a report at `place` would have been told of it."""
    cases = Case.objects.filter(number=number, point__isnull=False)
    away = cases.annotate(away=Distance("point", place)).values_list("away", flat=True).first()
    return away is not None and round(away.m) <= options.duplicate_m


def _first_photo() -> Subquery:
    photos = Attachment.objects.filter(case=OuterRef("pk"), kind__in=_BEFORE)
    photos = photos.exclude(stored_sha256="").order_by("added_at", "pk")
    return Subquery(photos.values("pk")[:1])


# --- the photo of a hint ------------------------------------------------------------------------


def hint_of(photo_id: int, user: User) -> str:
    """Return what opens the photo of a case that was named to `user`, for an hour."""
    return signing.dumps([user.pk, photo_id], salt=_SALT)


def is_hint(text: str, photo_id: int, user: User) -> bool:
    """Whether `text` was given to `user` for this photo, and lately."""
    try:
        said = signing.loads(text, salt=_SALT, max_age=HINT_GOOD_FOR)
    except signing.BadSignature:
        return False
    return bool(said == [user.pk, photo_id])
