"""Sign-in that counts every try in PostgreSQL before the password is looked at."""

from datetime import datetime

from django.contrib.auth.backends import ModelBackend
from django.db import connection
from django.http import HttpRequest

from cityops.accounts.models import SignInLock, User


class LockingBackend(ModelBackend):
    """ModelBackend with a lock-out, and roles read in the statement that reads the user."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: object,
    ) -> User | None:
        """Return the user, or None when the password is wrong or the name is locked."""
        if username is None or password is None or reserve_try(username) is not None:
            return None
        user = super().authenticate(request, username=username, password=password)
        if user is None:
            return None
        SignInLock.objects.forget(username)
        return user

    def get_user(self, user_id: int) -> User | None:
        """Return the active user with all roles, in one statement."""
        user = User.objects.with_grants().filter(pk=user_id).first()
        return user if user and self.user_can_authenticate(user) else None


def reserve_try(username: str) -> datetime | None:
    """Count one try; return the end of the lock when this try must not be looked at.

    One UPSERT, so of any number of parallel tries at most `SignInLock.LIMIT` pass. The last of
    them already carries the lock, for its refusal to say so; a success takes it off again.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO accounts_signinlock AS l (username, tries) VALUES (%(name)s, 1)
            ON CONFLICT (username) DO UPDATE SET
              tried_at = now(),
              tries = CASE WHEN l.locked_until <= now() THEN 1 ELSE l.tries + 1 END,
              locked_until = CASE
                WHEN l.locked_until <= now() THEN NULL
                WHEN l.tries + 1 >= %(limit)s AND l.locked_until IS NULL
                  THEN now() + make_interval(secs => %(secs)s)
                ELSE l.locked_until END
            RETURNING CASE WHEN l.tries > %(limit)s THEN l.locked_until END
            """,
            {
                "name": username.lower()[:60],
                "limit": SignInLock.LIMIT,
                "secs": SignInLock.LOCK_SECONDS,
            },
        )
        (locked_until,) = cursor.fetchone()
        return locked_until  # type: ignore[no-any-return]  # a column of timestamptz
