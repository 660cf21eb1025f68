"""Photos sent by themselves: one a report announced, or one that a request will name."""

from dataclasses import replace
from typing import IO, Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cases import policy
from cases.api.parsers import PhotoParser
from cases.api.schemas import REPORT_KINDS, ZonedField
from cases.api.views import person, visible_case
from cases.errors import InvalidInput, NotAllowed
from cases.models import Attachment
from cases.selectors.timeline import case_answer
from cases.services.intake import add_due_photo, require_announced, require_reporter
from cases.services.photo_notes import note_of
from cases.services.photos import StoredPhoto, store


class PhotoWordsSerializer(serializers.Serializer[dict[str, Any]]):
    """What is said of a photo beside its bytes."""

    kind = serializers.ChoiceField(
        choices=[kind.value for kind in REPORT_KINDS],
        default=Attachment.Kind.NEAR.value,
        help_text="of a report's photo; an action knows what its photos show",
    )
    origin = serializers.ChoiceField(choices=Attachment.Origin.values, required=False)
    taken_at = ZonedField(required=False, help_text="of a photo from the camera, with its zone")
    lon = serializers.FloatField(min_value=-180, max_value=180, required=False)
    lat = serializers.FloatField(min_value=-90, max_value=90, required=False)
    accuracy_m = serializers.FloatField(min_value=0, max_value=100_000, required=False)
    heading = serializers.FloatField(
        min_value=0, max_value=360, required=False, help_text="degrees from north, clockwise"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Want a place whole, numbers that are numbers, and a time of the camera only."""
        wrong: dict[str, str] = {}
        if ("lon" in attrs) != ("lat" in attrs):
            wrong["lat" if "lon" in attrs else "lon"] = _("send both lon and lat, or neither")
        if "taken_at" in attrs and attrs.get("origin") != Attachment.Origin.CAMERA:
            wrong["taken_at"] = _("send it with the origin camera only")
        if "accuracy_m" in attrs and "lon" not in attrs:
            wrong["accuracy_m"] = _("send it with lon and lat only")
        if wrong:
            raise serializers.ValidationError(wrong)
        return attrs

    def told_of(self, photo: StoredPhoto) -> StoredPhoto:
        """Return the photo with the page's word on it, where it said one."""
        said = self.validated_data
        return replace(
            photo,
            origin=said.get("origin", ""),
            taken_at=said.get("taken_at", photo.taken_at),
            place=(said["lon"], said["lat"]) if "lon" in said else photo.place,
            accuracy_m=round(said["accuracy_m"]) if "accuracy_m" in said else None,
            heading=round(said["heading"]) % 360 if "heading" in said else None,
        )


class CasePhoto(APIView):
    """A photo a report announced by its SHA-256."""

    parser_classes = [MultiPartParser, PhotoParser]

    @extend_schema(
        operation_id="case_photo",
        request={"image/jpeg": OpenApiTypes.BINARY},
        parameters=[PhotoWordsSerializer],
        responses=OpenApiTypes.OBJECT,
    )
    def put(self, request: Request, number: str, sha256: str) -> Response:
        """Store the photo; the last one lets the report go on. Repeating changes nothing."""
        case = visible_case(request, number)
        require_reporter(case, person(request))
        require_announced(case, sha256)
        photo = _store(request, sha256)
        case = add_due_photo(number=number, photo=photo, actor=person(request))
        return Response(case_answer(case, [], reader=person(request), at=timezone.now()))


class Photo(APIView):
    """A photo for an action, or for the report of something fixed on the spot."""

    parser_classes = [MultiPartParser, PhotoParser]

    @extend_schema(
        operation_id="photo_keep",
        request={"image/jpeg": OpenApiTypes.BINARY},
        parameters=[PhotoWordsSerializer],
        responses=OpenApiTypes.OBJECT,
    )
    def put(self, request: Request, sha256: str) -> Response:
        """Keep the photo for a day and return its `note`, to be handed in by the same person.

        It is named in `photos` of an action, or in `photos_taken` of a report.
        """
        if not policy.may_send_photos(person(request)):
            raise NotAllowed(_("Your role sends no photos."))
        photo = _store(request, sha256)
        return Response({"sha256": photo.sha256, "note": note_of(photo, person(request))})


def _store(request: Request, sha256: str) -> StoredPhoto:
    """Check and keep the photo of a request. Raises InvalidInput, BadPhoto, TooMany, NoRoom."""
    words = PhotoWordsSerializer(data=request.query_params)
    words.is_valid(raise_exception=True)
    upload: IO[bytes] | None = request.FILES.get("file")
    if upload is None:
        raise InvalidInput(_("The photo is missing."), fields={"file": _("send the photo's bytes")})
    kind, sender = words.validated_data["kind"], person(request)
    photo = store(upload, kind=kind, sender=sender, expected_sha256=sha256)
    return words.told_of(photo)
