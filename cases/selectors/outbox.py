"""Effects that are not done, for who rules on them: how many of what, and each that waits."""

from collections.abc import Collection
from datetime import datetime
from typing import TypedDict

from django.db.models import Count, F, Min, Q, QuerySet

from cases.models import Effect, EffectRuling
from cases.models.effect import STUCK

PARKED = Q(state="due", parked_at__isnull=False)
# What a list can be narrowed to; the first is shown unasked.
STANDINGS: dict[str, Q] = {
    "waiting": Q(state__in=STUCK) | PARKED,
    "dead": Q(state="dead"),
    "needs_review": Q(state="needs_review"),
    "parked": PARKED,
    "due": Q(state="due", parked_at=None),
    "discarded": Q(state="discarded"),
}


class Line(TypedDict):
    """How many effects of one kind and scope stand where."""

    scope: str
    kind: str
    due: int
    oldest_at: datetime | None  # when the one that waits longest was asked for
    parked: int
    dead: int
    needs_review: int


def effects_in(scopes: Collection[str], *, standing: str, kind: str = "") -> QuerySet[Effect]:
    """Return the effects of `scopes` that stand so, most urgent first."""
    found = Effect.objects.filter(STANDINGS[standing], scope__in=scopes)
    if kind:
        found = found.filter(kind=kind)
    return found.order_by("urgency", F("due_at").asc(nulls_last=True), "pk")


def count_open(scopes: Collection[str]) -> list[Line]:
    """Count what is not done and not discarded, by scope and kind."""
    found = Effect.objects.filter(scope__in=scopes).exclude(state="done").exclude(state="discarded")
    counted = found.values("scope", "kind").annotate(
        due=Count("pk", filter=STANDINGS["due"]),
        oldest_at=Min("created_at", filter=STANDINGS["due"]),
        parked=Count("pk", filter=PARKED),
        dead=Count("pk", filter=STANDINGS["dead"]),
        needs_review=Count("pk", filter=STANDINGS["needs_review"]),
    )
    return [Line(**row) for row in counted.order_by("scope", "kind")]


def rulings_in(scopes: Collection[str]) -> QuerySet[EffectRuling]:
    """Return what was ruled about effects of `scopes`, the latest first."""
    found = EffectRuling.objects.filter(effect__scope__in=scopes)
    return found.select_related("by", "effect__case").order_by("-at", "-pk")
