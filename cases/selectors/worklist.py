"""The views of the desk: which open cases each holds, how many, and the first of them."""

from datetime import datetime

from django.db.models import Count, Q, QuerySet

from cases.choices import Stage
from cases.models import Case
from cityops.accounts.models import User

MOST_SHOWN = 200


def views(at: datetime) -> dict[str, Q]:
    """Return the filter of every view over open cases, in the order of the keys 1 to 7."""
    return {
        "urgent": Q(lamp_soon_at__lte=at) | Q(lamp_due_at__lt=at),
        "accept": Q(stage__in=[Stage.REPORTED, Stage.VERIFYING]),
        "file": Q(stage=Stage.ACCEPTED),
        "dispatch": Q(stage__in=[Stage.RETURNED, Stage.DISPUTED])
        | Q(stage=Stage.FILED, is_unrouted=True),
        "check": Q(stage__in=[Stage.HANDLED, Stage.CHECKING]),
        "close": Q(stage=Stage.CHECKED),
        "all": Q(),
    }


def counts(user: User, *, at: datetime) -> dict[str, int]:
    """Return how many open cases of `user` each view holds."""
    counted = {name: Count("pk", filter=where or None) for name, where in views(at).items()}
    return Case.objects.all().visible_to(user).open().aggregate(**counted)


def queue(user: User, view: str, *, at: datetime) -> QuerySet[Case]:
    """Return the open cases of a view `user` may see, the first due first, at most `MOST_SHOWN`."""
    found = Case.objects.all().visible_to(user).open().filter(views(at)[view])
    return found.select_related("minor", "unit").order_by("lamp_due_at", "number")[:MOST_SHOWN]
