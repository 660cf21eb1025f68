"""Photos: decoded, size-limited, re-encoded without EXIF, stored under their SHA-256."""

import hashlib
import io
import uuid
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.utils.translation import gettext as _
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from cases.choices import Action
from cases.errors import BadPhoto
from cases.models import Attachment, Case
from cityops.accounts.models import User

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 50_000_000  # refused before decoding; a 12 MP phone photo is a quarter of it
LONG_EDGE = 1600
THUMBNAIL_EDGE = 320
FORMATS = ("JPEG", "PNG", "WEBP")


@dataclass(frozen=True)
class StoredPhoto:
    """A photo on disk, not yet tied to a case."""

    kind: str
    sha256: str
    stored_sha256: str
    width: int
    height: int
    size: int
    taken_at: datetime | None = None  # as the camera claims
    place: tuple[float, float] | None = None  # lon, lat, as the camera claims

    def as_note(self) -> dict[str, Any]:
        """Return it in JSON's words."""
        return {**asdict(self), "taken_at": self.taken_at and self.taken_at.isoformat()}

    @classmethod
    def from_note(cls, note: dict[str, Any]) -> "StoredPhoto":
        """Return what `as_note` told."""
        taken_at, place = note["taken_at"], note["place"]
        told = {
            "taken_at": datetime.fromisoformat(taken_at) if taken_at else None,
            "place": (place[0], place[1]) if place else None,
        }
        return cls(**{**note, **told})


# What an action's photos show; of the others they show the place after handling.
_KINDS = {
    Action.ANSWER_VERIFY: Attachment.Kind.VERIFY,
    Action.ANSWER_CHECK: Attachment.Kind.CHECK,
    Action.ANSWER_AUDIT: Attachment.Kind.AUDIT,
    Action.APPEAL: Attachment.Kind.EVIDENCE,
    Action.REOPEN: Attachment.Kind.EVIDENCE,
}


def kind_of_photos(action: Action) -> Attachment.Kind:
    """Return what the photos sent with an action show."""
    return _KINDS.get(action, Attachment.Kind.AFTER)


def store(upload: IO[bytes], *, kind: str, expected_sha256: str = "") -> StoredPhoto:
    """Check and store an upload; returns what was stored. Raises BadPhoto with the fix.

    Storing the same photo again writes the same file, so it may run twice.
    """
    raw = upload.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise BadPhoto(_("The photo is larger than 10 MB. Take it in a smaller size."))
    if not raw:
        raise BadPhoto(_("The photo is empty. Take it again."))
    arrived = hashlib.sha256(raw).hexdigest()
    if expected_sha256 and arrived != expected_sha256:
        raise BadPhoto(_("The photo did not arrive whole: its SHA-256 differs. Send it again."))
    picture, taken_at, place = _decode(raw)
    large = _jpeg(picture, LONG_EDGE)
    stored = hashlib.sha256(large).hexdigest()
    folder = Path(settings.MEDIA_ROOT) / "photos" / stored[:2]
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / f"{stored}-s.jpg", _jpeg(picture, THUMBNAIL_EDGE))
    _write(folder / f"{stored}.jpg", large)
    with Image.open(io.BytesIO(large)) as shown:
        width, height = shown.size
    return StoredPhoto(kind, arrived, stored, width, height, len(large), taken_at, place)


def _decode(raw: bytes) -> tuple[Image.Image, datetime | None, tuple[float, float] | None]:
    """Return the picture, upright, and when and where its camera says it was taken."""
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise BadPhoto(
                    _("The photo has more than 50 megapixels. Take it in a smaller size.")
                )
            exif = picture.getexif()
            taken_at, place = _taken_at(exif), _place(exif)
            picture.draft("RGB", (LONG_EDGE, LONG_EDGE))  # JPEG decodes straight to a smaller size
            return ImageOps.exif_transpose(picture).convert("RGB"), taken_at, place
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise BadPhoto(_("The file is not a JPEG, PNG or WebP photo that can be read.")) from None


def _taken_at(exif: Image.Exif) -> datetime | None:
    """Return the camera's time; without a zone it is that of Asia/Shanghai."""
    said = exif.get_ifd(ExifTags.IFD.Exif)
    text = f"{said.get(ExifTags.Base.DateTimeOriginal)}{said.get(_OFFSET, '+08:00')}"
    try:
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S%z")
    except ValueError:
        return None


_OFFSET = ExifTags.Base.OffsetTimeOriginal


def _place(exif: Image.Exif) -> tuple[float, float] | None:
    """Return lon, lat of the camera in WGS-84 degrees, if it says both."""
    said = exif.get_ifd(ExifTags.IFD.GPSInfo)
    try:
        lon = _degrees(said[ExifTags.GPS.GPSLongitude], said[ExifTags.GPS.GPSLongitudeRef], "W")
        lat = _degrees(said[ExifTags.GPS.GPSLatitude], said[ExifTags.GPS.GPSLatitudeRef], "S")
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (lon, lat) if isfinite(lon) and abs(lon) <= 180 and abs(lat) <= 90 else None


def _degrees(parts: Any, side: str, negative: str) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    value = degrees + minutes / 60 + seconds / 3600
    return -value if side == negative else value


def _jpeg(picture: Image.Image, edge: int) -> bytes:
    smaller = picture.copy()
    smaller.thumbnail((edge, edge))
    smaller.info.clear()
    out = io.BytesIO()
    smaller.save(out, "JPEG", quality=80)
    return out.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Write whole or not at all: a crash leaves no half photo under a final name."""
    if path.exists():
        return
    part = path.with_suffix(f".{uuid.uuid4().hex}.part")
    part.write_bytes(content)
    part.replace(path)


def attach(case: Case, photos: Iterable[StoredPhoto], *, actor: User, at: datetime) -> None:
    """Tie stored photos to a case; the same photo twice is one row."""
    rows = [
        Attachment(
            case=case,
            kind=photo.kind,
            sha256=photo.sha256,
            stored_sha256=photo.stored_sha256,
            width=photo.width,
            height=photo.height,
            size=photo.size,
            added_by=actor,
            added_at=at,
        )
        for photo in photos
    ]
    Attachment.objects.bulk_create(rows, ignore_conflicts=True)
