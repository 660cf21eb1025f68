"""The form of feedback about a page."""

from django import forms
from django.utils.translation import gettext_lazy as _

from cases.forms import PHOTO_TYPES, RefusableForm

MOST_LETTERS = 4000


class FeedbackForm(RefusableForm):
    """What somebody says about a page, with a screenshot out of the album if they like."""

    photo_kinds = {"screenshot": "screenshot"}

    page = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)
    text = forms.CharField(
        label=_("What is wrong, or could be better?"),
        max_length=MOST_LETTERS,
        widget=forms.Textarea({"rows": 6}),
        error_messages={"required": _("Write what is wrong, or could be better.")},
    )
    screenshot = forms.FileField(
        label=_("Screenshot (optional)"),
        required=False,
        widget=forms.FileInput({"accept": PHOTO_TYPES}),
    )

    def clean_page(self) -> str:
        """Return the path of the page."""
        return own_page(str(self.cleaned_data["page"]))


def own_page(page: str) -> str:
    """Return the path of a page; what is none of this site is forgotten."""
    return page if page.startswith("/") and not page.startswith("//") else ""
