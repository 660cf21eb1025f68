"""How pages look on this phone, and what its photos cost: kept by the browser, not with the user.

A shared phone keeps one choice, and somebody's two phones may differ.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

# What may be chosen; the first is taken where nothing is.
CHOICES: dict[str, tuple[str, ...]] = {
    "picture": ("1600", "1024", "2048"),  # px of the longer side of a photo that is sent
    "photos": ("any", "wifi"),  # the network photos may go over
    "text": ("normal", "large"),
    "contrast": ("normal", "high"),
}
_KEPT_S = 365 * 24 * 3600


def preferences(request: HttpRequest) -> dict[str, Any]:
    """Return what the browser keeps, for every page; a value that is none of ours is left out."""
    kept = {name: request.COOKIES.get(f"phone-{name}") for name in CHOICES}
    return {"preferences": _valid(kept)}


def keep_preferences(response: HttpResponse, chosen: dict[str, str]) -> None:
    """Let the browser keep what was chosen, for a year."""
    for name, value in _valid(chosen).items():
        response.set_cookie(
            f"phone-{name}",
            value,
            max_age=_KEPT_S,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


def _valid(values: dict[str, Any]) -> dict[str, str]:
    return {
        name: values[name] if values.get(name) in choices else choices[0]
        for name, choices in CHOICES.items()
    }
