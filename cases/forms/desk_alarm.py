"""How somebody wants to hear the alarms of the desk."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _

from cases.models import DeskAlarmChoice


class DeskAlarmChoiceForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Volume and quiet hours; both ends of these, or neither."""

    class Meta:
        model = DeskAlarmChoice
        fields = ("volume", "quiet_from", "quiet_until")

    def clean(self) -> dict[str, Any] | None:
        """Refuse quiet hours with one end, or that last the whole day."""
        cleaned = super().clean() or {}
        begin, end = cleaned.get("quiet_from"), cleaned.get("quiet_until")
        if (begin is None) != (end is None) or (begin is not None and begin == end):
            self.add_error("quiet_until", _("Give both times, one after the other, or neither."))
        return cleaned
