"""Where photos lie below MEDIA_ROOT: as they arrived for a while, and as they are shown for good.

The media worker makes the one from the other (`prepare_photo`), never the web process.
"""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from cases.errors import NoRoom
from cases.models import Attachment, Effect, Feedback
from cases.services import photo_decoder

DECODE_S = 10  # by the clock; photo_decoder bounds its memory and processor time itself
PART_KEPT_S = 10 * 60  # half a file whose writer died
PREPARED_KEPT_S = 3600  # a backup holds the database first and the files a little later
UNUSED_KEPT_S = 25 * 3600  # a form or a phone hands back a photo for a day (photo_notes.py)


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
    """Keep an upload and return its SHA-256; kept again it stays as long as a new one.

    Raises NoRoom where little is free: the city's database may lie on the same disk.
    """
    name = hashlib.sha256(raw).hexdigest()
    path = arrived_path(name)
    with suppress(FileNotFoundError):
        os.utime(path)
    if not path.exists() and _free() < settings.LEAST_FREE:
        raise _no_room()
    try:
        _write(path, raw)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room() from error
        raise
    return name


def _no_room() -> NoRoom:
    return NoRoom(_("There is no room for photos now. Keep this one and send it again later."))


def _free() -> int:
    """Return the bytes that are free where photos lie."""
    media = Path(settings.MEDIA_ROOT)
    _make_folder(media)
    return shutil.disk_usage(media).free


def has_arrived(sha256: str) -> bool:
    """Whether an upload lies here already."""
    return arrived_path(sha256).exists()


def arrived_path(sha256: str) -> Path:
    """Return where an upload lies until it is prepared."""
    return _arrived_folder() / sha256


def _arrived_folder() -> Path:
    return Path(settings.MEDIA_ROOT) / "arrived"


def _write(path: Path, content: bytes) -> None:
    """Write whole or not at all, and onto the disk: the phone forgets what was received."""
    if not path.exists():
        part = _arrived_folder() / f"{uuid.uuid4().hex}.part"
        for folder in (part.parent, path.parent):
            _make_folder(folder)
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError:  # most likely the disk is full: half a file makes that no better
            part.unlink(missing_ok=True)
            raise
        part.replace(path)
    _sync(path.parent)  # also where another writer has only just put it


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk: a file whose name is lost is lost."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- as it is shown -----------------------------------------------------------------------------


def prepare_photo(effect: Effect) -> str:
    """Make a photo fit to be shown; safe to repeat, since the same photo makes the same files.

    One that cannot be decoded is marked so. Where the decoder only died the run fails; the last
    one leaves it to a person, for a busy machine is no fault of the photo.
    """
    name = effect.payload["sha256"]
    waiting = Attachment.objects.filter(
        case=effect.case_id, sha256=name, stored_sha256="", is_unreadable=False
    )
    if not waiting.exists():
        return "prepared before"
    made = _made_before(name) or make(arrived_path(name).read_bytes())
    if made is None:
        waiting.update(is_unreadable=True)
        return "unreadable"
    waiting.update(
        stored_sha256=made.stored_sha256, width=made.width, height=made.height, size=made.size
    )
    return "prepared"


def prepare_screenshot(effect: Effect) -> str:
    """Make the screenshot of feedback fit to be shown, as `prepare_photo` does a photo."""
    rows = Feedback.objects.filter(pk=effect.payload["feedback"])
    waiting = rows.filter(stored_sha256="", is_unreadable=False)
    if not waiting.exists():
        return "prepared before"
    name = effect.payload["sha256"]
    made = _made_before(name) or make(arrived_path(name).read_bytes())
    if made is None:
        waiting.update(is_unreadable=True)
        return "unreadable"
    waiting.update(stored_sha256=made.stored_sha256)
    return "prepared"


def _made_before(sha256: str) -> Made | None:
    """Return what was made of the same upload for a case before."""
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
    """Delete uploads that were prepared or belong to no case, and half files; returns how many.

    An upload is put aside before it is judged for good, so that none goes which a phone was told
    meanwhile is kept: `keep_arrived` finds it and makes it new, or finds nothing and writes it.
    """
    parts = uploads = 0
    for path in sorted(_arrived_folder().glob("*")):
        with suppress(FileNotFoundError):  # another sweep was first, or the half file is whole
            if path.suffix == ".part":
                if _age_s(path) > PART_KEPT_S:
                    path.unlink()
                    parts += 1
            elif path.suffix == _ASIDE or _is_unneeded(path):
                uploads += _delete_unneeded(path.replace(path.with_suffix(_ASIDE)))
    return f"{uploads} uploads, {parts} half files"


_ASIDE = ".aside"  # one whose sweep died is judged by the next


def _delete_unneeded(aside: Path) -> bool:
    """Delete an upload that was put aside, or put it back; tells which."""
    if _is_unneeded(aside):
        aside.unlink()
        return True
    aside.replace(aside.with_suffix(""))
    return False


def _is_unneeded(path: Path) -> bool:
    age_s = _age_s(path)
    return age_s > PREPARED_KEPT_S and age_s > _kept_s(path.stem)


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _kept_s(sha256: str) -> float:
    """Return how long an upload is kept: for ever while it is the only copy of what is shown.

    What was made of it for a case serves whatever is handed in later (`_made_before`); what was
    made of a screenshot does not.
    """
    of_cases, of_feedback = (
        list(rows.filter(sha256=sha256).values_list("stored_sha256", flat=True))
        for rows in (Attachment.objects, Feedback.objects)
    )
    if "" in (*of_cases, *of_feedback):  # waits for its preparation, or could not be decoded
        return float("inf")
    findings = Effect.objects.filter(kind="finding", payload__photos__contains=[{"sha256": sha256}])
    if findings.exclude(state=Effect.State.DONE).exists():  # nothing else backs its deduction
        return float("inf")
    return PREPARED_KEPT_S if of_cases else UNUSED_KEPT_S
