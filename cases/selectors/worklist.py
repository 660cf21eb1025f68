"""The views of the desk: which open cases each holds, and how many, in one statement."""

from datetime import datetime

from django.db.models import Count, Q

from cases.choices import Stage
from cases.models import Case
from cityops.accounts.models import User


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
