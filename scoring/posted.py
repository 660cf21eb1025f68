"""What a form says: texts, whole numbers and days, refused in the words of the field."""

from datetime import date

from django.http import HttpRequest
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _

from cases.errors import InvalidInput


def posted_text(request: HttpRequest, name: str) -> str:
    """Return a text without the blanks around it; empty where the form says none."""
    return str(request.POST.get(name, "")).strip()


def posted_number(request: HttpRequest, name: str) -> int:
    """Return a whole number; raises InvalidInput."""
    text = posted_text(request, name)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidInput(_("Nothing was changed."), fields={name: _("a whole number")})
    return int(text)


def day_of(text: str, field: str = "due_on") -> date:
    """Return the day a form names; raises InvalidInput."""
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year < 2100:
        raise InvalidInput(_("Nothing was changed."), fields={field: _("a day like 2026-10-31")})
    return found
