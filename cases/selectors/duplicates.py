"""Open cases a new one may be a duplicate of: same minor class, near, and recent (domain.md §3)."""

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.gis.db.models.functions import Distance
from django.db.models import OuterRef, Subquery

from cases.choices import OPEN_STAGES
from cases.models import Attachment, Case, CityOptions
from cityops.accounts.models import User

MOST_SHOWN = 5


@dataclass(frozen=True)
class Candidate:
    """One open case nearby, with what tells at a glance whether it is the same thing."""

    case: Case
    distance_m: int
    age: timedelta  # between the two reports
    photo_id: int | None


def candidates(case: Case, user: User, options: CityOptions) -> list[Candidate]:
    """Return the nearest open cases of the same class reported before `case`, within the limits.

    Only those `user` may see. Nothing for a case without a place or no longer open.
    """
    if case.point is None or case.stage not in OPEN_STAGES:
        return []
    near = Case.objects.all().visible_to(user).open().exclude(pk=case.pk)
    found = (
        near.filter(
            minor=case.minor_id,
            reported_at__lte=case.reported_at,
            reported_at__gte=case.reported_at - timedelta(hours=options.duplicate_h),
            point__dwithin=(case.point, _degrees(options.duplicate_m)),
        )
        .annotate(away=Distance("point", case.point), photo_id=_first_photo())
        .order_by("away", "pk")[: MOST_SHOWN * 2]
    )
    rows = [
        Candidate(
            row,
            round(getattr(row, "away").m),  # noqa: B009  # annotated above
            case.reported_at - row.reported_at,
            getattr(row, "photo_id"),  # noqa: B009  # annotated above
        )
        for row in found
    ]
    return [row for row in rows if row.distance_m <= options.duplicate_m][:MOST_SHOWN]


def _first_photo() -> Subquery:
    photos = Attachment.objects.filter(case=OuterRef("pk")).exclude(stored_sha256="")
    photos = photos.order_by("added_at", "pk")
    return Subquery(photos.values("pk")[:1])


def _degrees(metres: int) -> float:
    """Return degrees that span at least `metres` at the city's latitude, for the index."""
    return metres / 90_000
