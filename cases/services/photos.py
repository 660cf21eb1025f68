"""Photos as they come in: looked at from outside, kept, and tied to a case.

Nothing is decoded here, in the web process: the media worker does that (photo_store.py).
"""

import hashlib
import io
import struct
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from math import isfinite
from typing import IO, Any

from django.contrib.gis.geos import Point
from django.utils.translation import gettext as _
from PIL import ExifTags, Image, UnidentifiedImageError

from cases.choices import Action
from cases.clock import SAID_YEARS
from cases.errors import BadPhoto, TooMany
from cases.models import Attachment, Case, Effect
from cases.services.limits import take_room
from cases.services.photo_decoder import FORMATS, MAX_PIXELS
from cases.services.photo_store import Made, has_arrived, keep_arrived
from cityops.accounts.models import User

MAX_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class StoredPhoto:
    """A photo on disk, not yet tied to a case; `made` once it is fit to be shown.

    Time and place are the word of the page that took it, or else of the file.
    """

    kind: str
    sha256: str
    size: int  # bytes that arrived
    taken_at: datetime | None = None
    place: tuple[float, float] | None = None  # lon, lat
    origin: str = ""  # as the page says
    accuracy_m: int | None = None  # of the place
    heading: int | None = None  # degrees from north, clockwise
    made: Made | None = None

    def as_note(self) -> dict[str, Any]:
        """Return it in JSON's words, without what the media worker made since."""
        words = {**asdict(self), "taken_at": self.taken_at and self.taken_at.isoformat()}
        del words["made"]
        return words

    @classmethod
    def from_note(cls, note: dict[str, Any]) -> "StoredPhoto":
        """Return what `as_note` told."""
        taken_at, place = note["taken_at"], note["place"]
        told = {
            "taken_at": datetime.fromisoformat(taken_at) if taken_at else None,
            "place": (place[0], place[1]) if place else None,
        }
        return cls(**{**note, **told})


def facts_of(photos: Iterable[StoredPhoto]) -> dict[str, Any]:
    """Return what the header of an event keeps of its photos: their SHA-256."""
    return {"photos": [photo.sha256 for photo in photos]}


def taken_of(photos: Iterable[StoredPhoto]) -> dict[str, Any]:
    """Return what was said of each photo, as `taken`; nothing where nothing was.

    Where somebody stood, and when, can be erased: it belongs to the private part of an event.
    """
    said = [{"sha256": photo.sha256, **_said(photo)} for photo in photos if _said(photo)]
    return {"taken": said} if said else {}


def _said(photo: StoredPhoto) -> dict[str, Any]:
    words = {
        "origin": photo.origin or None,
        "at": photo.taken_at,
        "place": Point(*photo.place) if photo.place else None,
        "accuracy_m": photo.accuracy_m,
        "heading": photo.heading,
    }
    return {name: word for name, word in words.items() if word is not None}


# What an action's photos show; of the others they show the place after handling.
_KINDS = {
    Action.ANSWER_VERIFY: Attachment.Kind.VERIFY,
    Action.ANSWER_CHECK: Attachment.Kind.CHECK,
    Action.ANSWER_AUDIT: Attachment.Kind.AUDIT,
    Action.REQUEST_EXTENSION: Attachment.Kind.EVIDENCE,
    Action.APPEAL: Attachment.Kind.EVIDENCE,
    Action.REOPEN: Attachment.Kind.EVIDENCE,
    Action.SUPPORT: Attachment.Kind.NEAR,
}


def kind_of_photos(action: Action) -> Attachment.Kind:
    """Return what the photos sent with an action show."""
    return _KINDS.get(action, Attachment.Kind.AFTER)


def store(
    upload: IO[bytes], *, kind: str, sender: User | None, expected_sha256: str = ""
) -> StoredPhoto:
    """Check and keep an upload; returns what was kept. Raises BadPhoto with the fix.

    Keeping the same photo again writes the same file, so it may run twice. Raises TooMany where the
    `sender`, if somebody is, has sent more than one person may have kept, and NoRoom.
    """
    raw = upload.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise BadPhoto(_("The photo is larger than 10 MB. Take it in a smaller size."))
    if not raw:
        raise BadPhoto(_("The photo is empty. Take it again."))
    arrived = hashlib.sha256(raw).hexdigest()
    if expected_sha256 and arrived != expected_sha256:
        raise BadPhoto(_("The photo did not arrive whole: its SHA-256 differs. Send it again."))
    taken_at, place = _look_at(raw)
    if sender is not None and not has_arrived(arrived):
        _require_share(sender, len(raw))
    return StoredPhoto(kind, keep_arrived(raw), len(raw), taken_at, place)


def _require_share(sender: User, size: int) -> None:
    if wait_s := take_room(user_id=sender.pk, size=size):
        words = _("Many photos came from you at once. Wait %(s)d s, then send this one again.")
        raise TooMany(words % {"s": wait_s}, wait_s=wait_s)


def _look_at(raw: bytes) -> tuple[datetime | None, tuple[float, float] | None]:
    """Return when and where the camera says it was, having read no more than the file's head.

    Raises BadPhoto for what is no photo, has too many pixels, or ends too early.
    """
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise BadPhoto(
                    _("The photo has more than 50 megapixels. Take it in a smaller size.")
                )
            if not _is_whole(raw, str(picture.format)):
                raise BadPhoto(_("The photo did not arrive whole. Send it again."))
            return _said_by_camera(picture.info.get("exif", b""))
    except Image.DecompressionBombError:
        raise BadPhoto(
            _("The photo has more than 50 megapixels. Take it in a smaller size.")
        ) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        raise BadPhoto(_("The file is not a JPEG, PNG or WebP photo that can be read.")) from None


def _is_whole(raw: bytes, kind: str) -> bool:
    """Tell from its marks whether a file has its end; only decoding would tell all."""
    if kind in ("JPEG", "MPO"):  # some phones put a second picture behind the first
        return raw.rfind(b"\xff\xd9") > raw.rfind(b"\xff\xda")  # an end after the last scan
    if kind == "PNG":
        return b"IEND" in raw
    return len(raw) >= int.from_bytes(raw[4:8], "little") + 8


def _said_by_camera(raw: bytes) -> tuple[datetime | None, tuple[float, float] | None]:
    """Return time and place out of EXIF; what cannot be read says neither.

    Not by `Image.getexif`, which decodes a whole PNG to look for it.
    """
    exif = Image.Exif()
    try:
        exif.load(raw)
        return _taken_at(exif), _place(exif)
    except (OSError, ValueError, SyntaxError, LookupError, TypeError, struct.error):
        return None, None


def _taken_at(exif: Image.Exif) -> datetime | None:
    """Return the camera's time; without a zone it is that of Asia/Shanghai.

    A year that no clock shows says nothing: in another zone the moment might have none at all.
    """
    said = exif.get_ifd(ExifTags.IFD.Exif)
    text = f"{said.get(ExifTags.Base.DateTimeOriginal)}{said.get(_OFFSET, '+08:00')}"
    try:
        taken_at = datetime.strptime(text, "%Y:%m:%d %H:%M:%S%z")
    except ValueError:
        return None
    return taken_at if taken_at.year in SAID_YEARS else None


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


def attach(case: Case, photos: Iterable[StoredPhoto], *, actor: User, at: datetime) -> None:
    """Tie stored photos to a case and ask for their preparation; the same twice is one row."""
    photos = list(photos)
    rows = [
        Attachment(
            case=case,
            kind=photo.kind,
            sha256=photo.sha256,
            stored_sha256=photo.made.stored_sha256 if photo.made else "",
            width=photo.made.width if photo.made else 0,
            height=photo.made.height if photo.made else 0,
            size=photo.made.size if photo.made else 0,
            origin=photo.origin,
            taken_at=photo.taken_at,
            point=Point(*photo.place, srid=4326) if photo.place else None,
            accuracy_m=photo.accuracy_m,
            heading=photo.heading,
            added_by=actor,
            added_at=at,
        )
        for photo in photos
    ]
    Attachment.objects.bulk_create(rows, ignore_conflicts=True)
    effects = [
        Effect(
            key=f"photo:{case.number}:{photo.kind}:{photo.sha256}",
            kind="photo",
            queue="media",
            scope=case.scope,
            case=case,
            case_seq=case.case_seq,
            payload={"sha256": photo.sha256},
            created_at=at,
            next_at=at,
        )
        for photo in photos
        if photo.made is None
    ]
    Effect.objects.bulk_create(effects, ignore_conflicts=True)
