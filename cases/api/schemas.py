"""What the API accepts."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from cases.choices import Action, OrderKind, Source
from cases.clock import SAID_YEARS
from cases.datum import CRS_NAMES, to_wgs84
from cases.models import Attachment, MinorClass
from cases.services import bulk

REPORT_KINDS = (Attachment.Kind.NEAR, Attachment.Kind.FAR, Attachment.Kind.AFTER)
MOST_PHOTOS = 4  # of a report that announces them, and of an action


class LocationSerializer(serializers.Serializer[dict[str, Any]]):
    """A point with its datum."""

    lon = serializers.FloatField(min_value=-180, max_value=180)
    lat = serializers.FloatField(min_value=-90, max_value=90)
    crs = serializers.ChoiceField(choices=CRS_NAMES, default="wgs84")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Convert to WGS-84 once, here at the edge."""
        lon, lat = to_wgs84(attrs["lon"], attrs["lat"], attrs["crs"])
        return {"lon": lon, "lat": lat}


class Sha256Field(serializers.RegexField):
    """A SHA-256 in hexadecimal."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^[0-9a-f]{64}$", **kwargs)


class MomentField(serializers.DateTimeField):
    """A moment the sender's clock says."""

    def enforce_timezone(self, value: datetime) -> datetime:
        """Refuse a year that no clock shows: in another zone the moment might have none at all."""
        if value.year not in SAID_YEARS:
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ss+08:00")
        return super().enforce_timezone(value)


class ZonedField(MomentField):
    """A moment that names its zone."""

    def enforce_timezone(self, value: datetime) -> datetime:
        """Refuse a moment without a zone."""
        if value.tzinfo is None:
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ss+08:00")
        return super().enforce_timezone(value)


class NotesField(serializers.ListField):
    """Notes of photos sent before to /api/v1/photos/."""

    child = serializers.CharField(max_length=2000)


class ReportSerializer(serializers.Serializer[dict[str, Any]]):
    """A new case."""

    location = LocationSerializer()
    category = serializers.CharField(max_length=20)
    condition = serializers.CharField(max_length=24, required=False, allow_blank=True, default="")
    component = serializers.CharField(max_length=16, required=False, allow_blank=True, default="")
    description = serializers.CharField(
        max_length=2000, required=False, allow_blank=True, default=""
    )
    address = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    source = serializers.ChoiceField(  # type: ignore[assignment]  # the base class has a `source` too
        choices=Source.choices, default=Source.INSPECTOR
    )
    order_number = serializers.CharField(
        max_length=40, required=False, allow_blank=True, default=""
    )
    order_kind = serializers.ChoiceField(
        choices=OrderKind.choices, required=False, allow_blank=True, default=""
    )
    contact = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    accuracy_m = serializers.IntegerField(min_value=0, max_value=100_000, required=False)
    photos = serializers.ListField(
        child=Sha256Field(), max_length=MOST_PHOTOS, required=False, default=list
    )
    photos_taken = NotesField(max_length=6, required=False, default=list)
    self_handled = serializers.BooleanField(required=False, default=False)
    claimed_at = MomentField(required=False)


class ActionSerializer(serializers.Serializer[dict[str, Any]]):
    """An action on a case; further fields are the inputs the workflow table names."""

    action = serializers.ChoiceField(choices=Action.choices)
    seen_version = serializers.IntegerField(
        min_value=1, required=False, help_text="left out with support alone, which compares none"
    )
    claimed_at = MomentField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Ask for the version of the screen, but for a support."""
        if "seen_version" not in attrs and attrs["action"] != Action.SUPPORT:
            raise serializers.ValidationError({"seen_version": _("is required")})
        return {"seen_version": 0, **attrs}


class NotedActionSerializer(ActionSerializer):
    """An action whose photos, if it has any, were sent before."""

    photos = NotesField(max_length=MOST_PHOTOS, required=False, default=list)


class NearSerializer(LocationSerializer):
    """A place and a class whose open cases are asked."""

    category = serializers.SlugRelatedField(
        slug_field="code",
        queryset=MinorClass.objects.all(),
        help_text="minor class: event-0112",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Keep the class beside the point."""
        return {"category": attrs["category"], **super().validate(attrs)}


class RowSerializer(serializers.Serializer[dict[str, Any]]):
    """A case as its sender saw it."""

    number = serializers.CharField(max_length=15)
    seen_version = serializers.IntegerField(min_value=1)


class BulkSerializer(serializers.Serializer[dict[str, Any]]):
    """One action on many cases; `inputs` are those the workflow table names, the same for all."""

    action = serializers.ChoiceField(choices=[(one.value, one.label) for one in bulk.ACTIONS])
    inputs = serializers.DictField(required=False, default=dict)
    rows = serializers.ListField(child=RowSerializer(), min_length=1, max_length=bulk.MOST_ROWS)
