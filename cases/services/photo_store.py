"""Where photos lie below MEDIA_ROOT: as they arrived for a while, and as they are shown for good.

The media worker makes the one from the other (`prepare_photo`), never the web process.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from cases.models import Attachment, Effect
from cases.services import photo_decoder

DECODE_S = 10  # by the clock; photo_decoder bounds its memory and processor time itself
PART_KEPT_S = 10 * 60  # half a file whose writer died
PREPARED_KEPT_S = 3600  # a backup holds the database first and the files a little later
UNUSED_KEPT_S = 25 * 3600  # a form hands back a photo for a day (cases/forms.py)


@dataclass(frozen=True)
class Made:
    """The picture that is shown, beside it a small one, by the SHA-256 of the first."""

    stored_sha256: str
    width: int
    height: int
    size: int  # bytes


class DecoderDied(Exception):
    """The decoder was ended or ran out of time: perhaps the photo's fault, perhaps not."""


# --- as it arrived ------------------------------------------------------------------------------


def keep_arrived(raw: bytes) -> str:
    """Keep an upload and return its SHA-256; kept again it stays as long as a new one."""
    name = hashlib.sha256(raw).hexdigest()
    path = arrived_path(name)
    try:
        os.utime(path)
    except FileNotFoundError:
        _write(path, raw)
    return name


def arrived_path(sha256: str) -> Path:
    """Return where an upload lies until it is prepared."""
    return _arrived_folder() / sha256


def _arrived_folder() -> Path:
    return Path(settings.MEDIA_ROOT) / "arrived"


def _write(path: Path, content: bytes) -> None:
    """Write whole or not at all, and onto the disk: the phone forgets what was received."""
    if path.exists():
        return
    part = _arrived_folder() / f"{uuid.uuid4().hex}.part"
    for folder in (part.parent, path.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


# --- as it is shown -----------------------------------------------------------------------------


def prepare_photo(effect: Effect) -> str:
    """Make a photo fit to be shown; safe to repeat, since the same photo makes the same files.

    One that cannot be decoded is marked so. Where the decoder only died the run fails, and the
    last one decides that it was the photo.
    """
    name = effect.payload["sha256"]
    waiting = Attachment.objects.filter(
        case=effect.case_id, sha256=name, stored_sha256="", is_unreadable=False
    )
    if not waiting.exists():
        return "prepared before"
    try:
        made = _made_before(name) or make(arrived_path(name).read_bytes())
    except DecoderDied:
        if effect.runs < effect.max_runs:
            raise
        made = None
    if made is None:
        waiting.update(is_unreadable=True)
        return "unreadable"
    waiting.update(
        stored_sha256=made.stored_sha256, width=made.width, height=made.height, size=made.size
    )
    return "prepared"


def _made_before(sha256: str) -> Made | None:
    """Return what was made of the same upload for another case."""
    done = Attachment.objects.filter(sha256=sha256).exclude(stored_sha256="").first()
    return Made(done.stored_sha256, done.width, done.height, done.size) if done else None


def make(raw: bytes) -> Made | None:
    """Decode an upload apart, under limits, and store what is shown; None when it is no photo.

    Raises DecoderDied.
    """
    command = [sys.executable, "-I", photo_decoder.__file__]
    try:
        # Nothing of this process goes along: no variables, no open connection.
        done = subprocess.run(  # noqa: S603  # our own program
            command, input=raw, capture_output=True, timeout=DECODE_S, env={}, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DecoderDied(f"no answer within {DECODE_S} s") from error
    if done.returncode == photo_decoder.UNREADABLE:
        return None
    if done.returncode:
        raise DecoderDied(f"exit {done.returncode}: {done.stderr[-300:]!r}")
    line, _, files = done.stdout.partition(b"\n")
    head = json.loads(line)
    length = head["lengths"][0]
    return store_made(files[:length], files[length:], head["width"], head["height"])


def store_made(large: bytes, small: bytes, width: int, height: int) -> Made:
    """Store the two files, the small one first: where the large one is, both are."""
    name = hashlib.sha256(large).hexdigest()
    folder = Path(settings.MEDIA_ROOT) / "photos" / name[:2]
    _write(folder / f"{name}-s.jpg", small)
    _write(folder / f"{name}.jpg", large)
    return Made(name, width, height, len(large))


# --- what nobody needs any more -----------------------------------------------------------------


def sweep_photos() -> str:
    """Delete uploads that were prepared or belong to no case, and half files; returns how many."""
    parts = uploads = 0
    for path in sorted(_arrived_folder().glob("*")):
        with suppress(FileNotFoundError):  # another sweep was first, or the half file is whole
            age_s = time.time() - path.stat().st_mtime
            if path.suffix == ".part":
                if age_s > PART_KEPT_S:
                    path.unlink()
                    parts += 1
            elif age_s > PREPARED_KEPT_S and age_s > _kept_s(path.name):
                path.unlink()
                uploads += 1
    return f"{uploads} uploads, {parts} half files"


def _kept_s(sha256: str) -> float:
    """Return how long an upload is kept; one that waits for its preparation, for ever."""
    rows = Attachment.objects.filter(sha256=sha256).values_list("stored_sha256", "is_unreadable")
    if any(not stored and not is_unreadable for stored, is_unreadable in rows):
        return float("inf")
    return PREPARED_KEPT_S if rows else UNUSED_KEPT_S
