"""Who a benchmark acts as: demo accounts, by token or by session."""

from django.conf import settings
from django.test import Client

from cityops.accounts.models import ApiToken, User


def token_of(username: str) -> dict[str, str]:
    """Return the header of a new API token."""
    return {"Authorization": f"Bearer {ApiToken.issue(User.objects.get(username=username))}"}


def session_of(username: str) -> dict[str, str]:
    """Return the header of a new session."""
    client = Client()
    client.force_login(User.objects.get(username=username))
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={client.session.session_key}"}
