"""What the pages of inputs measured outside the cases say alike: the period, and each other."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from scoring.periods import Period, periods_between
from scoring.selectors import log_span
from scoring.words import period_words

# Of what has a last day, as shape and word: colour never says it alone.
LIGHTS = {
    "normal": ("○", pgettext_lazy("light", "on time")),
    "soon": ("▲", pgettext_lazy("light", "due soon")),
    "late": ("■", pgettext_lazy("light", "overdue")),
    "met": ("✓", pgettext_lazy("light", "met")),
}


def inputs_of(period: str) -> list[tuple[str, str, str]]:
    """Return (name, words, address) of each page of inputs for a period."""
    words = {
        "onsite": _("On-site inspection"),
        "satisfaction": _("Satisfaction"),
        "key_tasks": _("Key tasks"),
    }
    return [(n, w, reverse(f"score_{n}", args=[period])) for n, w in words.items()]


def frame_of(here: str, period: Period) -> dict[str, Any]:
    """Return what each page of inputs says of its period, and the ways to others."""
    span = log_span()
    periods = periods_between(*span) if span else []
    return {
        "here": here,
        "period": period,
        "period_words": period_words(period),
        "others": [
            (period_words(one), reverse(f"score_{here}", args=[one.name]))
            for one in periods
            if one != period
        ],
        "inputs": inputs_of(period.name),
    }
