"""How log lines look."""

import logging
import re
from typing import Any

# PostgreSQL repeats the row it refuses, people and all.
_ROW = re.compile(r"\n(DETAIL|CONTEXT):.*?(?=\n\n(?:The above|During handling)|\Z)", re.DOTALL)

_WALL = re.compile(r"/wall/[\w-]{20,}")  # the address of a wall is the key to it


class Line(logging.Formatter):
    """A line a message, without keys; errors of the database without the row they were about."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return _WALL.sub("/wall/*", super().format(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as logging calls it
        """Return the traceback as text."""
        return _ROW.sub("", super().formatException(ei))
