"""Forms of the routing pages: what to explain, and a rule of a draft."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from cases.choices import Source
from cases.errors import Refusal
from cases.models import Condition, Rank
from cases.models.routing import RULE_TERMS, RuleTerms

_MAJOR = 2  # digits of a major class
_OF_A_CLASS = ("kind", "major_code", "minor", "minor_id")  # said in one field


class MomentInput(forms.DateTimeInput):
    """A field of date and time of the browser, which wants them in ISO form."""

    input_type = "datetime-local"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%dT%H:%M")


class ExplainForm(forms.Form):
    """What to explain: a case by its number, or a problem at a place as if it were reported."""

    case = forms.CharField(label=_("Case number"), max_length=20, required=False)
    lon = forms.FloatField(
        label=_("Longitude (WGS-84)"), min_value=-180, max_value=180, required=False
    )
    lat = forms.FloatField(
        label=_("Latitude (WGS-84)"), min_value=-90, max_value=90, required=False
    )
    condition = forms.ModelChoiceField(
        Condition.objects.filter(is_active=True, minor__is_active=True)
        .select_related("minor")
        .order_by("minor__order", "no"),
        label=_("What is wrong"),
        required=False,
        error_messages={
            "invalid_choice": _("This is not in the list any more. Choose another."),
        },
    )
    source = forms.ChoiceField(label=_("Source"), choices=Source.choices, required=False)
    at = forms.DateTimeField(
        label=_("By the rules of (empty: now)"), required=False, widget=MomentInput
    )

    def __init__(self, *args: Any, of_places: bool, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.of_places = of_places
        for name in ("lon", "lat"):
            self.fields[name].widget.attrs |= {"step": "any", "inputmode": "decimal"}

    def clean(self) -> dict[str, Any]:
        """Ask for place and problem where no case is named, of those who may ask about places."""
        said = self.cleaned_data
        said["source"] = said.get("source") or Source.INSPECTOR
        if said.get("case") or self.errors:
            return said
        if not self.of_places:
            self.add_error("case", _("Give the number of a case."))
            return said
        if said.get("lon") is None or said.get("lat") is None:
            self.add_error("lat", _("The place is missing."))
        if said.get("condition") is None:
            self.add_error("condition", _("Choose what is wrong."))
        return said


class DraftForm(forms.Form):
    """A new draft: what it is to change, and why."""

    title = forms.CharField(label=_("What changes"), max_length=80)
    reason = forms.CharField(
        label=_("Why"), max_length=400, widget=forms.Textarea({"rows": 3}), strip=True
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


class PublishForm(forms.Form):
    """Publishing a draft: why now, and which state of it was looked at."""

    reason = forms.CharField(
        label=_("Why it goes live"),
        help_text=_("It stands beside the rules for good."),
        max_length=400,
        widget=forms.Textarea({"rows": 2}),
    )
    seen_edition = forms.CharField(max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})


class RuleForm(forms.Form):
    """A rule of a draft, as it should stand; an empty condition means "any"."""

    code = forms.SlugField(
        label=_("Code of the rule"),
        max_length=60,
        help_text=_("Letters, digits and hyphens; it stays for good."),
    )
    rank = forms.ChoiceField(label=_("Capacity"), choices=Rank.choices)
    reason_zh = forms.CharField(label=_("Reason (Chinese)"), max_length=80)
    reason_en = forms.CharField(label=_("Reason (English)"), max_length=160)
    category = forms.ChoiceField(label=_("Class"), required=False)
    condition = forms.ChoiceField(label=_("Filing condition"), required=False)
    problem_class = forms.ChoiceField(label=_("Problem class"), required=False)
    severity = forms.ChoiceField(label=_("Severity: the limit counts in"), required=False)
    county = forms.ChoiceField(label=_("County, its zones included"), required=False)
    district = forms.ChoiceField(label=_("Assessment district"), required=False)
    street_code = forms.ChoiceField(label=_("Street or township"), required=False)
    cell = forms.CharField(
        label=_("Grid cell"), help_text=_("15 digits, or empty"), max_length=15, required=False
    )
    source = forms.ChoiceField(label=_("Source"), required=False)
    working_time = forms.ChoiceField(label=_("Time of dispatch"), required=False)
    unit_kind = forms.ChoiceField(
        label=_("The unit of this kind that serves the place"), required=False
    )
    unit = forms.ChoiceField(label=_("Or this very unit"), required=False)
    by_load = forms.BooleanField(
        label=_("Among equal units the one with the lowest load"), required=False
    )

    def __init__(
        self,
        *args: Any,
        choices: Mapping[str, Sequence[tuple[str, Any]]],
        is_new: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        if not is_new:
            self.fields["code"].widget = forms.HiddenInput()
        for name, held in choices.items():
            self.fields[name].choices = held  # type: ignore[attr-defined]  # a choice field

    def refuse(self, refusal: Refusal) -> None:
        """Show why the service refused, at the fields it concerns."""
        for name, words in refusal.fields.items():
            field = "category" if name in _OF_A_CLASS else name.removesuffix("_id")
            self.add_error(field if field in self.fields else None, capfirst(words))

    def terms(self) -> dict[str, Any]:
        """Return the terms of the rule by column; the form must be valid."""
        said = self.cleaned_data
        kind, _dash, code = said["category"].partition("-")
        keys = ("problem_class", "condition", "district", "unit")
        return {
            "kind": kind,
            "major_code": code[:_MAJOR],
            "minor_id": said["category"] if len(code) > _MAJOR else None,
            **{f"{name}_id": said[name] or None for name in keys},
            **{name: said[name] for name in RULE_TERMS if name in said},
        }


def said_of(rule: RuleTerms) -> dict[str, Any]:
    """Return a rule as its form says it."""
    category = f"{rule.kind}-{rule.major_code}" if rule.major_code else rule.kind
    return {
        **rule.terms(),
        "code": rule.code,
        "category": rule.minor_id or category,
        "condition": rule.condition_id or "",
        "problem_class": rule.problem_class_id or "",
        "district": rule.district_id or "",
        "unit": rule.unit_id or "",
    }
