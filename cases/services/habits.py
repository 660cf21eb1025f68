"""Keeping how somebody likes to work at the desk."""

from cases.models import Habit
from cityops.accounts.models import User


def keep_habit(*, user: User, opens_next: bool) -> None:
    """Keep whether the next case to dispatch opens by itself."""
    Habit.objects.update_or_create(user=user, defaults={"opens_next": opens_next})
