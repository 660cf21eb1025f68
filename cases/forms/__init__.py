"""Forms of the pages: what a person typed, checked field by field."""

import uuid
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, cast

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from cases.choices import Action, OrderKind, Role, Source
from cases.clock import SpecialDay
from cases.errors import BadPhoto, KeyReused, NoRoom, Refusal, TooMany
from cases.models import (
    Attachment,
    Component,
    Condition,
    PhotoRule,
    Task,
)
from cases.selectors.calendars import Stretch
from cases.services.intake import Report
from cases.services.photo_notes import note_of, photo_of
from cases.services.photos import StoredPhoto, kind_of_photos, store
from cityops.accounts.models import User

PHOTO_TYPES = "image/jpeg,image/png,image/webp"
_SATURDAY = 5
_LONGEST_DAYS = 31  # of a holiday; longer is a slip of the pen

# Services speak to programmers too; these are the same refusals for the person at the form.
_SENTENCES = {
    "outside_city": _("This place lies outside the four districts. Correct the place."),
    "not_allowed": _("You may not do this."),
    "move_not_allowed": _("This case has gone on, and this can no longer be done."),
    "stale_case": _("This case has changed since you opened it. Look again, then submit."),
    "idempotency_key_reused": _(
        "This form was received before with other content. Submit again to send it as a new one."
    ),
    "bad_photo": _(
        "This is not a photo that can be stored. Take a JPEG, PNG or WebP photo up to 10 MB."
    ),
    "busy": _("The system is busy. Nothing is lost: submit again shortly."),
    "demo_month_filling": _("The demo month is being written. Submit again in a few minutes."),
}


class PhotoInput(forms.FileInput):
    """A file input that opens the camera on a phone."""

    def __init__(self) -> None:
        super().__init__({"accept": PHOTO_TYPES, "capture": "environment"})


class AlbumInput(forms.FileInput):
    """A file input that leaves the choice between camera and album to the phone."""

    def __init__(self) -> None:
        super().__init__({"accept": PHOTO_TYPES})


class RefusableForm(forms.Form):
    """A form with a key that makes a double submit one change, and that can show a refusal.

    Photos are stored as they arrive. A browser never fills a file input again, so the form hands
    back a signed note of each stored photo, good for the same person only.
    """

    photo_kinds: dict[str, str] = {}
    refusal_fields: dict[str, str] = {}

    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.user = user
        for name in self.photo_kinds:
            self.fields[f"kept_{name}"] = forms.CharField(
                required=False, widget=forms.HiddenInput(), max_length=1000
            )

    def say(self, name: str, value: Any) -> None:
        """Show `value` in a field when the form is shown again."""
        self.data = dict(self.data.items()) | {name: str(value)}

    def refuse(self, refusal: Refusal) -> None:
        """Show why a service refused, at the field it concerns.

        Content that changed under its key gets a new key.
        """
        sentence = _SENTENCES.get(refusal.code, refusal.message)
        self.add_error(self.refusal_fields.get(refusal.code), sentence)
        if isinstance(refusal, KeyReused):
            self.say("key", uuid.uuid4())

    def clean(self) -> dict[str, Any]:
        """Store new photos and read the notes of those stored before."""
        for name, kind in self.photo_kinds.items():
            self.cleaned_data[name] = self._photo(name, kind)
        return self.cleaned_data

    def _photo(self, name: str, kind: str) -> StoredPhoto | None:
        upload = self.cleaned_data.get(name)
        if not isinstance(upload, UploadedFile):
            kept = photo_of(self.cleaned_data.get(f"kept_{name}", ""), self.user)
            return kept and replace(kept, kind=kind)  # whatever it was sent as
        try:
            photo = store(upload, kind=kind, sender=self.user)
        except (BadPhoto, TooMany, NoRoom) as refusal:
            self.add_error(name, _SENTENCES.get(refusal.code, refusal.message))
            return None
        self.say(f"kept_{name}", note_of(photo, self.user))
        return photo

    @property
    def photos(self) -> tuple[StoredPhoto, ...]:
        """The photos of the form in order."""
        found = (self.cleaned_data.get(name) for name in self.photo_kinds)
        return tuple(photo for photo in found if photo is not None)

    @property
    def kept(self) -> list[str]:
        """Names of the photo fields whose photo has arrived."""
        return [
            name for name in self.photo_kinds if self.is_bound and self.data.get("kept_" + name)
        ]


_CONDITIONS = Condition.objects.filter(is_active=True, minor__is_active=True).select_related(
    "minor"
)


def _order_fields() -> dict[str, forms.Field]:
    """Return what an operator enters of a 12345 order and of whom to answer."""
    kinds = [("", _("no 12345 order")), *OrderKind.choices]
    return {
        "order_number": forms.CharField(
            label=_("Number of the 12345 order"), required=False, max_length=40
        ),
        "order_kind": forms.ChoiceField(label=_("Kind of order"), required=False, choices=kinds),
        "contact": forms.CharField(label=_("Whom to answer"), required=False, max_length=100),
    }


class ReportForm(RefusableForm):
    """A problem seen on the street."""

    photo_kinds = {
        "near": Attachment.Kind.NEAR,
        "far": Attachment.Kind.FAR,
        "after": Attachment.Kind.AFTER,
    }
    refusal_fields = {"outside_city": "lat"}

    near = forms.FileField(label=_("Near photo"), required=False, widget=PhotoInput())
    far = forms.FileField(label=_("Far photo"), required=False, widget=PhotoInput())
    after = forms.FileField(label=_("Photo after handling"), required=False, widget=PhotoInput())
    lon = forms.FloatField(label=_("Longitude (WGS-84)"), min_value=-180, max_value=180)
    lat = forms.FloatField(label=_("Latitude (WGS-84)"), min_value=-90, max_value=90)
    accuracy_m = forms.IntegerField(
        required=False, min_value=0, max_value=100_000, widget=forms.HiddenInput
    )
    address = forms.CharField(
        label=_("Address or landmark (optional)"), required=False, max_length=200
    )
    condition = forms.ModelChoiceField(
        _CONDITIONS,
        label=_("What is wrong"),
        error_messages={
            "required": _("Choose what is wrong."),
            "invalid_choice": _("This is not in the list any more. Choose another."),
        },
    )
    component_code = forms.CharField(
        label=_("Code on the component (optional)"),
        required=False,
        max_length=20,
        widget=forms.TextInput({"inputmode": "numeric", "autocomplete": "off"}),
    )
    description = forms.CharField(
        label=_("Note (optional)"),
        required=False,
        max_length=200,
        widget=forms.Textarea({"rows": 3}),
    )

    def __init__(
        self, *args: Any, user: User, component: Component | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, user=user, **kwargs)
        self.component = component
        if component is not None:
            self._take_from(component)
            del self.fields["component_code"]
        for name in ("lon", "lat"):
            self.fields[name].error_messages["required"] = _("The place is missing.")
            self.fields[name].widget.attrs |= {"step": "any", "inputmode": "decimal"}
        if not user.holds(Role.INSPECTOR):
            others = [c for c in Source.choices if c[0] != Source.SYSTEM]
            self.fields["source"] = forms.ChoiceField(label=_("Source"), choices=others)
            self.initial.setdefault("source", Source.HOTLINE)
            self.fields |= _order_fields()
        else:
            self.fields["self_handled"] = forms.BooleanField(
                label=_("I have fixed it on the spot"), required=False
            )

    def _take_from(self, component: Component) -> None:
        """Fill in place and class of the component; its problems alone are to choose from."""
        self.initial = {**self.initial, "lon": component.point.x, "lat": component.point.y}
        self.fields["condition"].queryset = self.conditions  # type: ignore[attr-defined]  # a model's choice

    def clean(self) -> dict[str, Any]:
        """Ask for the photos the filing condition needs."""
        cleaned = super().clean()
        if not cleaned.get("self_handled"):
            cleaned["after"] = None  # chosen before the tick was taken back
        elif cleaned["after"] is None and "after" not in self.errors:
            self.add_error("after", _("What you fixed needs a photo taken after."))
        condition = cleaned.get("condition")
        if condition is None:
            return cleaned
        self._find_component(cleaned.get("component_code", ""), condition)
        if condition.photo_rule == PhotoRule.NEAR_AND_FAR:
            self._require_photos("near", "far")
        elif condition.photo_rule == PhotoRule.ONE and not self.photos:
            self._require_photos("near")
        return cleaned

    def _find_component(self, code: str, condition: Condition) -> None:
        """Take the component whose code was read off it; it must be of the class chosen."""
        code = "".join(code.split())
        if not code:
            return
        self.component = Component.objects.filter(code=code, minor=condition.minor_id).first()
        if self.component is None:
            self.add_error(
                "component_code",
                _("No such component of this class is registered. Correct it or leave it out."),
            )

    def _require_photos(self, *names: str) -> None:
        for name in names:
            if self.cleaned_data.get(name) is None and name not in self.errors:
                self.add_error(name, _("This problem needs this photo."))

    @property
    def conditions(self) -> QuerySet[Condition]:
        """The filing conditions to choose from, those of a class together."""
        found = _CONDITIONS.order_by("minor__order", "no")
        return found.filter(minor=self.component.minor_id) if self.component else found

    def report(self) -> Report:
        """Return what the person said; the form must be valid."""
        said = self.cleaned_data
        return Report(
            lon=said["lon"],
            lat=said["lat"],
            accuracy_m=said["accuracy_m"],
            category=said["condition"].minor_id,
            condition=said["condition"].code,
            component=self.component.code if self.component else "",
            description=said["description"],
            address=said["address"],
            source=Source(said.get("source", Source.INSPECTOR)),
            order_number=said.get("order_number", ""),
            order_kind=said.get("order_kind", ""),
            contact=said.get("contact", ""),
            is_self_handled=said.get("self_handled", False),
        )


# The two buttons an answer from the site ends in.
ANSWER_WORDS = {
    Action.ANSWER_VERIFY: (_("It is so"), _("It is not so")),
    Action.ANSWER_CHECK: (_("Passed"), _("Failed")),
    Action.ANSWER_AUDIT: (_("It holds"), _("It does not hold")),
}


class AnswerForm(RefusableForm):
    """What an inspector found at the place; its two buttons say the result.

    Asks what the workflow table names for the action; only a closing can have been feigned.
    """

    refusal_fields = {"bad_photo": "photo"}

    seen_version = forms.IntegerField(min_value=0, max_value=999_999_999, widget=forms.HiddenInput)
    photo = forms.FileField(label=_("Photo (optional)"), required=False, widget=PhotoInput())
    album = forms.FileField(label=_("From the album"), required=False, widget=AlbumInput())
    note = forms.CharField(
        label=_("Note (optional)"),
        required=False,
        max_length=1000,
        widget=forms.Textarea({"rows": 3}),
    )
    falsified = forms.BooleanField(label=_("The closing was feigned"), required=False)
    passed = forms.TypedChoiceField(label=_("Result"), coerce=lambda value: value == "true")

    def __init__(self, *args: Any, kind: Task.Kind, action: Action, **kwargs: Any) -> None:
        self.photo_kinds = dict.fromkeys(("photo", "album"), kind_of_photos(action))
        super().__init__(*args, **kwargs)
        if kind != Task.Kind.AUDIT_CLOSURE:
            del self.fields["falsified"]
        yes, no = self.words = ANSWER_WORDS[action]
        passed = cast("forms.TypedChoiceField", self.fields["passed"])
        passed.choices = [("true", yes), ("false", no)]
        passed.error_messages["required"] = _("Press “%(yes)s” or “%(no)s”.") % {
            "yes": yes,
            "no": no,
        }

    def clean(self) -> dict[str, Any]:
        """Refuse to call a closing feigned that holds."""
        said = super().clean()
        if said.get("falsified") and said.get("passed"):
            self.add_error("falsified", _("A closing that holds was not feigned. Decide for one."))
        return said

    def inputs(self) -> dict[str, Any]:
        """Return the answer in the table's words."""
        names = ("passed", "note", "falsified")
        return {name: self.cleaned_data[name] for name in names if name in self.fields}


# --- the working calendar -----------------------------------------------------------------------


class DayInput(forms.DateInput):
    """A date field of the browser, which wants ISO dates whatever the language."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class StretchForm(forms.Form):
    """One line of a holiday announcement: days off, or workdays made up."""

    KINDS = (("holiday", _("holiday")), ("makeup", _("make-up workday")))

    first = forms.DateField(label=_("First day"), widget=DayInput)
    last = forms.DateField(label=_("Last day"), widget=DayInput, required=False)
    kind = forms.ChoiceField(label=_("Kind"), choices=KINDS, initial="holiday")
    name_zh = forms.CharField(label=_("Name (Chinese)"), max_length=40)
    name_en = forms.CharField(label=_("Name (English)"), max_length=80)

    def clean(self) -> dict[str, Any]:
        """Check the days among themselves: in order, and a make-up workday on a weekend."""
        said = self.cleaned_data
        first, last = said.get("first"), said.get("last") or said.get("first")
        if first is None or last is None:
            return said
        if last < first:
            self.add_error("last", _("This lies before the first day. Turn the two round."))
        elif (last - first).days > _LONGEST_DAYS:
            self.add_error("last", _("This is over a month after the first day. Correct one."))
        elif said.get("kind") == "makeup" and any(
            day.weekday() < _SATURDAY for day in self._days(first, last)
        ):
            self.add_error(
                "first",
                _("A weekday is worked anyway. Take a Saturday or Sunday, or make it a holiday."),
            )
        return said

    @staticmethod
    def _days(first: date, last: date) -> list[date]:
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]

    def stretch(self) -> Stretch:
        """Return what was typed."""
        said = self.cleaned_data
        return Stretch(
            said["first"],
            said["last"] or said["first"],
            said["kind"] == "makeup",
            said["name_zh"],
            said["name_en"],
        )


class StretchesOfAYear(forms.BaseFormSet):  # type: ignore[type-arg]  # not generic at run time
    """The special days of one year."""

    def __init__(self, *args: Any, year: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.year = year

    @classmethod
    def get_default_prefix(cls) -> str:
        """Name the lines in what is sent."""
        return "days"

    def clean(self) -> None:
        """Refuse days of another year, and a day told twice, at the line that tells it."""
        seen: set[date] = set()
        for form in self._said():
            days = {one.day for one in form.stretch().days()}
            if any(day.year != self.year for day in days):
                form.add_error(
                    "first", _("This is not in %(year)s. Correct the date.") % {"year": self.year}
                )
            if twice := min(days & seen, default=None):
                form.add_error(
                    "first", _("%(day)s stands twice. Remove it from one line.") % {"day": twice}
                )
            seen |= days

    def _said(self) -> list[StretchForm]:
        """Return the lines that are filled in, whole, and not taken away."""
        return [
            form
            for form in self.forms
            if form.has_changed() and form.is_valid() and not form.cleaned_data["DELETE"]
        ]

    def days(self) -> list[SpecialDay]:
        """Return the special days told."""
        return [day for form in self._said() for day in form.stretch().days()]


StretchFormSet = cast(
    "type[StretchesOfAYear]",
    forms.formset_factory(
        StretchForm, formset=StretchesOfAYear, extra=4, max_num=100, can_delete=True
    ),
)


class CalendarYearForm(forms.Form):
    """What an edit of a year says beside its days."""

    is_provisional = forms.BooleanField(
        label=_("The holidays of this year are not announced yet"), required=False
    )
    note = forms.CharField(
        label=_("Note on the version"),
        max_length=200,
        required=False,
        help_text=_("Why, and on whose word"),
        widget=forms.TextInput({"class": "vLargeTextField"}),
    )
