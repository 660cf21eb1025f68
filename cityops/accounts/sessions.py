"""Looking a session up again while a socket stays open."""

from django.contrib.sessions.models import Session
from django.utils import timezone

from cityops.accounts.models import User


def signed_in(session_key: str | None, user_id: int | None) -> User | None:
    """Return the active user of a session that is still valid, with all roles read."""
    sessions = Session.objects.filter(pk=session_key, expire_date__gt=timezone.now())
    if user_id is None or session_key is None or not sessions.exists():
        return None
    user = User.objects.with_grants().filter(pk=user_id, is_active=True).first()
    if user is not None:
        _ = user.grants  # read now, not in the event loop
    return user
