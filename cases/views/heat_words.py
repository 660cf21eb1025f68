"""Heat and trend in words, and what they let one choose."""

from typing import Any

from django.utils.translation import get_language, gettext_lazy, pgettext_lazy

from cases.models import MinorClass

COUNT_WORDS = {
    "reported": pgettext_lazy("count", "reported"),
    "filed": pgettext_lazy("count", "filed"),
    "closed": pgettext_lazy("count", "closed"),
    "overdue": gettext_lazy("first overdue"),
    "recurrent": gettext_lazy("came back"),
}
SPAN_WORDS = {
    "7d": gettext_lazy("last 7 days"),
    "30d": gettext_lazy("last 30 days"),
    "90d": gettext_lazy("last 90 days"),
    "365d": gettext_lazy("last 365 days"),
}
BUCKET_WORDS = {
    "day": gettext_lazy("by day"),
    "week": gettext_lazy("by week"),
    "month": gettext_lazy("by month"),
}


def class_choices() -> list[tuple[str, str]]:
    """Return kinds, major and minor classes as (code, name), in catalogue order."""
    found: dict[str, str] = {}
    is_english = (get_language() or "").startswith("en")
    for minor in MinorClass.objects.filter(is_active=True).order_by(
        "-kind", "major_code", "minor_code"
    ):
        found.setdefault(minor.kind, str(minor.get_kind_display()))
        major = minor.major_en if is_english else minor.major_zh
        found.setdefault(f"{minor.kind}-{minor.major_code}", f"– {major}")
        found[minor.pk] = f"– – {minor.name}"
    return list(found.items())


def heat_choices() -> dict[str, Any]:
    """Return what the layer of heat lets one choose."""
    return {"counts": COUNT_WORDS, "spans": SPAN_WORDS, "classes": class_choices()}
