"""Looking sessions up again while sockets stay open."""

import json
from collections.abc import Mapping
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils.crypto import constant_time_compare

from cityops.accounts.models import User

_STANDING = """
    SELECT u.id, u.username, u.name, u.password, u.is_active, s.session_key, s.session_data,
           (SELECT coalesce(jsonb_agg(jsonb_build_object(
               'role', g.role, 'scope_kind', g.scope_kind, 'scope_key', g.scope_key,
               'grids', g.grids) ORDER BY g.id), '[]')
            FROM accounts_grant g WHERE g.user_id = u.id)::text AS grant_list
    FROM unnest(%s::text[], %s::bigint[]) AS held (session_key, user_id)
    JOIN django_session s ON s.session_key = held.session_key AND s.expire_date > now()
    JOIN accounts_user u ON u.id = held.user_id
    WHERE u.is_active AND NOT u.must_change_password
"""


def still_signed_in(held: Mapping[str, int]) -> dict[str, User]:
    """Return the user, with all roles, of every session of `held` (key: user id) that stands.

    The session must be this user's and made with the present password, as on any page. One
    statement, however many sessions.
    """
    rows: Any = User.objects.raw(_STANDING, [list(held), list(held.values())])
    return {row.session_key: _with_roles(row) for row in rows if _is_own(row)}


def signed_in(session_key: str | None, user_id: int | None) -> User | None:
    """Return the active user of one session that is still valid, with all roles read."""
    if session_key is None or user_id is None:
        return None
    return still_signed_in({session_key: user_id}).get(session_key)


def _is_own(row: Any) -> bool:
    said = Session(session_data=row.session_data).get_decoded()
    return said.get(SESSION_KEY) == str(row.pk) and constant_time_compare(
        said.get(HASH_SESSION_KEY, ""), row.get_session_auth_hash()
    )


def _with_roles(row: Any) -> User:
    row.grant_rows = json.loads(row.grant_list)
    user: User = row
    _ = user.grants  # read now, not in the event loop
    return user
