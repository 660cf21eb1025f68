"""Looking a session up again while a socket stays open."""

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from cityops.accounts.models import User


def signed_in(session_key: str | None, user_id: int | None) -> User | None:
    """Return the active user of a session that is still valid, with all roles read.

    The session must be this user's and made with the present password, as on any page.
    """
    if session_key is None or user_id is None:
        return None
    session = Session.objects.filter(pk=session_key, expire_date__gt=timezone.now()).first()
    if session is None:
        return None
    held = session.get_decoded()
    user = User.objects.with_grants().filter(pk=user_id, is_active=True).first()
    if user is None or user.must_change_password or held.get(SESSION_KEY) != str(user.pk):
        return None
    if not constant_time_compare(held.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
        return None
    _ = user.grants  # read now, not in the event loop
    return user
