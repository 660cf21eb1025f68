"""Telephone numbers in what people say: in full to operators, who answer, to others a hint."""

import re
from collections.abc import Callable

from cases.choices import Role
from cityops.accounts.models import User

# Mobile and trunk numbers; a case number or the code of a component is none. PostgreSQL reads the
# two as Python does (case_list.py).
NUMBER = r"(?<![\dA-Za-z])(1[3-9]\d|0\d{2,3}-?)\d{3,4}(\d{4})(?!\d)"
HINT = r"\1****\2"
_NUMBER = re.compile(NUMBER)


def sees_telephones(reader: User) -> bool:
    """Whether the reader is told telephone numbers in full."""
    return reader.holds(Role.OPERATOR)


def mask_telephones(text: str) -> str:
    """Return the text with the middle of every telephone number hidden: 138****2210."""
    return _NUMBER.sub(HINT, text)


def said_to(reader: User) -> Callable[[str], str]:
    """Return what makes of a text what the reader is told of it."""
    return str if sees_telephones(reader) else mask_telephones
