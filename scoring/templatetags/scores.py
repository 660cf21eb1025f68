"""How figures of the score stand on a page."""

from collections.abc import Sequence
from decimal import Decimal

from django import template
from django.utils.translation import pgettext

register = template.Library()


@register.filter
def size(change: Decimal) -> str:
    """Return by how much a total changed; up or down is told beside it."""
    return str(abs(change))


@register.filter
def told(totals: Sequence[Decimal | None]) -> str:
    """Return the totals of a line in words, for whoever does not see it."""
    return pgettext("list", ", ").join("–" if one is None else str(one) for one in totals)
