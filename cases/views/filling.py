"""What every page of a demo city says while its month of cases is being written."""

from typing import Any

from django.http import HttpRequest

from cases.ledger import is_filling


def filling(request: HttpRequest) -> dict[str, Any]:
    """Return the question, not its answer: a page that does not ask costs nothing."""
    return {"is_filling": is_filling}
