"""Telephone numbers in what people say: in full to a case's operators, to others a hint."""

import re
from collections.abc import Callable

from cases import policy
from cases.choices import Role
from cityops.accounts.models import User
from cityops.accounts.roles import ScopeKind

# Mobile and trunk numbers; a case number or the code of a component is none. PostgreSQL reads the
# two as Python does (case_list.py).
NUMBER = r"(?<![\dA-Za-z])(1[3-9]\d|0\d{2,3}-?)\d{3,4}(\d{4})(?!\d)"
HINT = r"\1****\2"
_NUMBER = re.compile(NUMBER)


def sees_telephones(reader: User, case: policy.CaseLike) -> bool:
    """Whether the reader is told the telephone numbers of this case in full."""
    return Role.OPERATOR in policy.roles_over(reader, case)


def telephone_reach(reader: User) -> policy.Reach:
    """Return the cases of which `sees_telephones` holds, for many at once."""
    held = [
        (grant.scope_kind, grant.scope_key)
        for grant in (reader.grants if reader.is_active else ())
        if grant.role == Role.OPERATOR
    ]
    return policy.Reach(
        is_whole=any(kind == ScopeKind.CITY for kind, _ in held),
        districts=frozenset(key for kind, key in held if kind == ScopeKind.DISTRICT),
    )


def mask_telephones(text: str) -> str:
    """Return the text with the middle of every telephone number hidden: 138****2210."""
    return _NUMBER.sub(HINT, text)


def said_to(reader: User, case: policy.CaseLike) -> Callable[[str], str]:
    """Return what makes of a text of this case what the reader is told of it."""
    return str if sees_telephones(reader, case) else mask_telephones
