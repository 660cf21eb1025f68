"""Signed notes of kept photos: what a form or a phone hands back in place of the bytes.

A note is good for the person it was given to, for a day: the upload it names lies as long
(photo_store.py).
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.core import signing
from django.utils.translation import gettext as _

from cases.errors import PhotoExpired
from cases.services.idempotency import was_answered
from cases.services.photos import StoredPhoto
from cityops.accounts.models import User

GOOD_FOR = timedelta(hours=24)
_SALT = "cases.photo.3"  # changed with what a note holds


def note_of(photo: StoredPhoto, user: User) -> str:
    """Return the note of a photo that `user` sent."""
    return signing.dumps({"user": user.pk, "photo": photo.as_note()}, salt=_SALT)


def photo_of(note: str, user: User) -> StoredPhoto | None:
    """Return the photo a note is good for; None when it is good no more, or another's."""
    return _read(note, user, GOOD_FOR)


def photos_of_notes(
    notes: Sequence[str], user: User, *, field: str, key: uuid.UUID | None
) -> tuple[StoredPhoto, ...]:
    """Return the photos of a request. Raises PhotoExpired naming `field`.

    A request answered before is let through to its answer, however old its notes are by now.
    """
    photos = [photo_of(note, user) for note in notes]
    if None in photos and was_answered(user, key):
        photos = [_read(note, user, None) for note in notes]
    gone = [f"{field}.{number}" for number, photo in enumerate(photos) if photo is None]
    if gone:
        raise PhotoExpired(
            _("A photo was sent too long ago, or by somebody else. Send it again."),
            fields=dict.fromkeys(gone, _("send the photo again and use its new note")),
        )
    return tuple(photo for photo in photos if photo is not None)


def _read(note: str, user: User, good_for: timedelta | None) -> StoredPhoto | None:
    try:
        said = signing.loads(note, salt=_SALT, max_age=good_for)
    except signing.BadSignature:
        return None
    return StoredPhoto.from_note(said["photo"]) if said["user"] == user.pk else None
