"""Decodes one photo and nothing else: a program of its own, so that a bad file harms only it.

`python -I photo_decoder.py` reads an upload from stdin and writes a line of JSON (width, height,
and the lengths of what follows), the large picture and the small one to stdout. Knows no setting,
no database and no file; ends with code 3 when the upload cannot be decoded, with another when that
is not known: want of memory may be the machine's.
"""

import io
import json
import os
import resource
import sys

from PIL import Image, ImageOps

MAX_PIXELS = 50_000_000  # refused before decoding; a 12 MP phone photo is a quarter of it
FORMATS = ("JPEG", "PNG", "WEBP")
LONG_EDGE = 1600
THUMBNAIL_EDGE = 320
UNREADABLE = 3  # exit code
MEMORY_BYTES = 512 * 1024 * 1024
CPU_S = 8


class TooLarge(ValueError):
    """The picture has more pixels than are ever decoded."""


def render(raw: bytes) -> tuple[Image.Image, Image.Image]:
    """Return the photo upright at 1600 px and at 320 px, without what its camera wrote.

    Raises OSError, ValueError, SyntaxError or MemoryError for what is no such photo.
    """
    with Image.open(io.BytesIO(raw), formats=FORMATS) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise TooLarge
        picture.draft("RGB", (LONG_EDGE, LONG_EDGE))  # JPEG decodes straight to a smaller size
        if picture.mode not in ("L", "RGB", "RGBA"):
            return _sizes(picture.convert("RGB"))
        return _sizes(picture)


def _sizes(picture: Image.Image) -> tuple[Image.Image, Image.Image]:
    picture.thumbnail((LONG_EDGE, LONG_EDGE))  # first: what follows then needs little memory
    large = ImageOps.exif_transpose(picture).convert("RGB")
    large.info.clear()
    small = large.copy()
    small.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE))
    return large, small


def as_jpeg(picture: Image.Image) -> bytes:
    """Return the file that is stored."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return out.getvalue()


def main() -> int:
    """Decode what stands on stdin within fixed memory and time, after all other work."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        large, small = render(sys.stdin.buffer.read())
        files = as_jpeg(large), as_jpeg(small)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return UNREADABLE
    head = {"width": large.width, "height": large.height, "lengths": [len(file) for file in files]}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + b"".join(files))
    return 0


if __name__ == "__main__":
    sys.exit(main())
