"""A wall for a test."""

from datetime import timedelta

from django.utils import timezone

from cases.choices import CITY
from cases.models import Wall
from cityops.accounts.models import User


def a_wall(scope: str = CITY, **words: object) -> Wall:
    """Make a wall of a scope that opens from this machine; its token is in `token`."""
    maker, _ = User.objects.get_or_create(username="wall-maker", defaults={"name": "wall-maker"})
    wall = Wall(
        name="大厅",
        scope=scope,
        created_by=maker,
        **{
            "addresses": ["127.0.0.1"],
            "pages": Wall.Page.values,
            "expires_at": timezone.now() + timedelta(days=30),
            **words,
        },
    )
    wall.give_token()
    wall.save()
    return wall
