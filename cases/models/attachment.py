"""Photos of a case."""

from typing import ClassVar

from django.conf import settings
from django.contrib.gis.db import models
from django.utils.translation import gettext_lazy as _


def shown_path(stored_sha256: str) -> str:
    """Return where below MEDIA_ROOT the file of a prepared photo lies."""
    return f"photos/{stored_sha256[:2]}/{stored_sha256}.jpg"


class Attachment(models.Model):
    """A photo of a case; shown once it is decoded, size-limited, re-encoded, without EXIF.

    `sha256` names the bytes that arrived (what the phone claims), `stored_sha256` the file served,
    at MEDIA_ROOT/photos/<first two digits>/<stored_sha256>.jpg, beside its 320 px thumbnail `-s`.
    Until the media worker has made that it is empty; what cannot be decoded is unreadable. Time and
    place are the word of the page that took it, or else of the file.
    """

    class Kind(models.TextChoices):
        """What the photo shows."""

        NEAR = "near", _("near")
        FAR = "far", _("far")
        AFTER = "after", _("after handling")
        CHECK = "check", _("at the check")
        VERIFY = "verify", _("at the verification")
        AUDIT = "audit", _("at the audit")
        EVIDENCE = "evidence", _("evidence")

    class Origin(models.TextChoices):
        """Where the phone took the photo from."""

        CAMERA = "camera", _("from the camera")
        ALBUM = "album", _("from the album")

    case = models.ForeignKey("cases.Case", models.PROTECT)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    sha256 = models.CharField(max_length=64)
    stored_sha256 = models.CharField(max_length=64, blank=True)
    is_unreadable = models.BooleanField(default=False)
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    size = models.PositiveIntegerField(default=0)  # bytes of the stored file
    origin = models.CharField(max_length=6, choices=Origin.choices, blank=True)
    taken_at = models.DateTimeField(null=True)
    point = models.PointField(srid=4326, null=True, spatial_index=False)  # lon, lat
    accuracy_m = models.PositiveIntegerField(null=True)  # of the point
    heading = models.PositiveSmallIntegerField(null=True)  # degrees from north, clockwise
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT)
    added_at = models.DateTimeField()

    objects: ClassVar[models.Manager["Attachment"]] = models.Manager()

    class Meta:
        verbose_name = _("photo")
        verbose_name_plural = _("photos")
        constraints = [
            models.UniqueConstraint(fields=["case", "sha256", "kind"], name="photo_once"),
            models.CheckConstraint(
                condition=models.Q(is_unreadable=False) | models.Q(stored_sha256=""),
                name="photo_shown_or_unreadable",
            ),
        ]
        indexes = [models.Index(fields=["sha256"], name="photo_by_arrived")]

    def __str__(self) -> str:
        return f"{self.case_id} {self.kind}"

    @property
    def path(self) -> str:
        """Path below MEDIA_ROOT."""
        return shown_path(self.stored_sha256)

    @property
    def thumbnail_path(self) -> str:
        """Path of the 320 px thumbnail below MEDIA_ROOT."""
        return f"photos/{self.stored_sha256[:2]}/{self.stored_sha256}-s.jpg"
