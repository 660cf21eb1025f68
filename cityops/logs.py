"""How log lines look."""

import logging
import re
from typing import Any

# PostgreSQL repeats the row it refuses, people and all.
_ROW = re.compile(r"\n(DETAIL|CONTEXT):.*?(?=\n\n(?:The above|During handling)|\Z)", re.DOTALL)


class Line(logging.Formatter):
    """A line a message; errors of the database without the row they were about."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - as logging calls it
        """Return the traceback as text."""
        return _ROW.sub("", super().formatException(ei))
