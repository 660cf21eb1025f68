"""The form of a wall, as the administrator sets it up."""

from typing import Any, cast

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cases.choices import CITY
from cases.models import District, Wall


class WallForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A wall; its scope is chosen once, for a token must not come to open more than it did."""

    pages = forms.MultipleChoiceField(
        label=_("pages"),
        choices=Wall.Page.choices,
        initial=Wall.Page.values,
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Wall
        fields = ("name", "scope", "addresses", "pages", "rotation_s", "language", "expires_at")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "scope" in self.fields:
            names = {district.pk: district.name for district in District.objects.order_by("pk")}
            scope = cast("forms.ChoiceField", self.fields["scope"])
            scope.choices = [(CITY, _("whole city")), *names.items()]

    def clean_expires_at(self) -> Any:
        """Refuse a moment that is over."""
        expires_at = self.cleaned_data["expires_at"]
        if expires_at <= timezone.now():
            raise forms.ValidationError(_("This moment is over."))
        return expires_at
