"""Files that are not what they seem, made here: what an upload may be at its worst.

REFUSED are turned away at the door, SHOWN are kept and shown re-encoded, UNREADABLE look like
photos from outside and turn out not to be. Values make the bytes when called.
"""

import gzip
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import NamedTuple

from PIL import ExifTags, Image, PngImagePlugin

Make = Callable[[], bytes]
LIMIT = 10 * 1024 * 1024
SCRIPT = b"<html><script>alert(document.cookie)</script></html>"
PHP = b"<?php system($_GET['c']); ?>"
GPS = {1: "N", 2: (27.0, 33.0, 0.0), 3: "E", 4: (109.0, 58.0, 30.0)}


class Upload(NamedTuple):
    """A file as it is sent: how it is called, what it claims to be, and its bytes."""

    make: Make
    name: str = "photo.jpg"
    claims: str = "image/jpeg"


# --- building blocks ----------------------------------------------------------------------------


def picture(mode: str = "RGB", size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.new(mode, size, 90 if mode in ("L", "P", "1", "I;16") else None)


def saved(form: str, image: Image.Image | None = None, **words: object) -> bytes:
    out = io.BytesIO()
    (image or picture()).save(out, form, **words)
    return out.getvalue()


def exif(*, gps: bool = True, orientation: int = 1, taken: str = "") -> Image.Exif:
    tags = Image.Exif()
    if taken:
        tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    tags[ExifTags.Base.Make] = "a phone"
    tags[ExifTags.Base.Orientation] = orientation
    tags[ExifTags.Base.ImageDescription] = SCRIPT.decode()
    if gps:
        tags.get_ifd(ExifTags.IFD.GPSInfo).update(GPS)
    return tags


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def jpeg_with(*segments: bytes, after: bytes = b"") -> bytes:
    """Return a JPEG with segments behind its start and bytes behind its end."""
    raw = saved("JPEG")
    return raw[:2] + b"".join(segments) + raw[2:] + after


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def png_with(*chunks: bytes, after: bytes = b"") -> bytes:
    """Return a PNG with chunks behind its header and bytes behind its end."""
    raw = saved("PNG")
    return raw[:33] + b"".join(chunks) + raw[33:] + after


def png_of(width: int, height: int, rows: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def zeros(megabytes: int) -> bytes:
    """Return compressed zeros: a thousandth of what they become."""
    squeeze = zlib.compressobj(9)
    parts = [squeeze.compress(bytes(1024 * 1024)) for _ in range(megabytes)]
    return b"".join([*parts, squeeze.flush()])


def zip_of(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.class", content)
    return out.getvalue()


def frames(form: str, count: int) -> bytes:
    first, *others = (Image.new("L", (8, 8), number % 256) for number in range(count))
    return saved(form, first, save_all=True, append_images=others)


def jpeg_of(width: int, height: int) -> bytes:
    """Return a small JPEG whose head claims another size."""
    raw = bytearray(saved("JPEG"))
    start = raw.index(b"\xff\xc0")
    raw[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(raw)


def webp_of(width: int, height: int) -> bytes:
    """Return a WebP whose extended header claims a size."""
    raw = saved("WEBP")
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + size + raw[12:]
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def padded(length: int) -> bytes:
    raw = saved("JPEG")
    return raw + bytes(length - len(raw) - 2) + b"\xff\xd9"


def noise(length: int) -> bytes:
    return random.Random(7).randbytes(length)  # noqa: S311  # no secret


def garbled(raw: bytes, start: bytes) -> bytes:
    """Return a file whose picture data are noise from somewhere on."""
    at = raw.index(start) + len(start) + 12
    end = len(raw) - 14
    return raw[:at] + noise(end - at) + raw[end:]


def looping_exif() -> bytes:
    """Return EXIF whose directory names itself as the next one, and claims 65,535 entries."""
    entry = struct.pack("<HHII", ExifTags.IFD.Exif, 4, 1, 8)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 0xFFFF) + entry * 4 + struct.pack("<I", 8)


def text_png(**words: str) -> bytes:
    notes = PngImagePlugin.PngInfo()
    for name, text in words.items():
        notes.add_text(name, text)
    return saved("PNG", pnginfo=notes)


BILLION_LAUGHS = (
    b"http://ns.adobe.com/xap/1.0/\0<!DOCTYPE x [<!ENTITY a 'ha'>"
    + b"".join(b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><x:xmpmeta>&j;<exif:GPSLatitude>27,33.0N</exif:GPSLatitude></x:xmpmeta>"
)
ICC = b"ICC_PROFILE\0\x01\x01" + noise(60_000)

# --- the corpus ---------------------------------------------------------------------------------

REFUSED: dict[str, Upload] = {
    "nothing": Upload(lambda: b""),
    "a page": Upload(lambda: SCRIPT, "a.html", "text/html"),
    "a page named jpg": Upload(lambda: SCRIPT),
    "svg": Upload(lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.svg", "image/svg+xml"),
    "svg with a script": Upload(
        lambda: b"<?xml version='1.0'?><svg><script>alert(1)</script></svg>", "a.png", "image/png"
    ),
    "xml with entities": Upload(lambda: BILLION_LAUGHS[29:], "a.xml", "text/xml"),
    "php": Upload(lambda: PHP, "a.php.jpg"),
    "javascript": Upload(lambda: b"alert(1)//", "a.js", "text/javascript"),
    "a shell script": Upload(lambda: b"#!/bin/sh\nrm -rf /\n", "a.sh"),
    "elf": Upload(lambda: b"\x7fELF" + noise(400), "a"),
    "exe": Upload(lambda: b"MZ" + noise(400), "a.jpg.exe"),
    "zip": Upload(lambda: zip_of(PHP), "a.zip", "application/zip"),
    "zip bomb": Upload(lambda: zip_of(bytes(50_000_000)), "a.zip"),
    "gzip bomb": Upload(lambda: gzip.compress(bytes(20_000_000)), "a.gz"),
    "pdf": Upload(lambda: saved("PDF"), "a.pdf", "application/pdf"),
    "postscript": Upload(lambda: saved("EPS"), "a.eps"),
    "gif": Upload(lambda: saved("GIF", picture("L")), "a.gif", "image/gif"),
    "gif of many frames": Upload(lambda: frames("GIF", 1000), "a.gif", "image/gif"),
    "gif and jar": Upload(lambda: saved("GIF", picture("L")) + zip_of(PHP), "a.jar.gif"),
    "bmp": Upload(lambda: saved("BMP"), "a.bmp", "image/bmp"),
    "tiff with gps": Upload(lambda: saved("TIFF", exif=exif()), "a.tiff", "image/tiff"),
    "ico": Upload(lambda: saved("ICO"), "a.ico", "image/x-icon"),
    "ppm": Upload(lambda: saved("PPM"), "a.ppm"),
    "tga": Upload(lambda: saved("TGA"), "a.tga"),
    "pcx": Upload(lambda: saved("PCX"), "a.pcx"),
    "psd": Upload(lambda: b"8BPS\0\x01" + noise(400), "a.psd"),
    "heic": Upload(lambda: b"\0\0\0\x18ftypheic" + noise(400), "a.heic", "image/heic"),
    "mp4": Upload(lambda: b"\0\0\0\x18ftypmp42" + noise(400), "a.mp4", "video/mp4"),
    "sound": Upload(lambda: b"RIFF" + struct.pack("<I", 404) + b"WAVE" + noise(400), "a.wav"),
    "noise": Upload(lambda: noise(5000)),
    "jpeg, the first bytes": Upload(lambda: b"\xff\xd8\xff\xe0"),
    "jpeg, cut in its head": Upload(lambda: saved("JPEG")[:200]),
    "jpeg, cut in half": Upload(lambda: saved("JPEG", picture(size=(640, 480)))[:-400]),
    "jpeg of no height": Upload(lambda: jpeg_of(64, 0)),
    "jpeg that claims 4 gigapixels": Upload(lambda: jpeg_of(65_000, 65_000)),
    "jpeg of 200 megapixels": Upload(
        lambda: saved("JPEG", Image.new("L", (20_000, 10_000)), quality=1)
    ),
    "png, the first bytes": Upload(lambda: b"\x89PNG\r\n\x1a\n", "a.png", "image/png"),
    "png without its end": Upload(lambda: saved("PNG")[:-12], "a.png", "image/png"),
    "png with a broken head": Upload(
        lambda: saved("PNG")[:29] + b"\0\0\0\0" + saved("PNG")[33:], "a.png", "image/png"
    ),
    "png of 20,000 x 20,000": Upload(lambda: png_of(20_000, 20_000), "a.png", "image/png"),
    "png that claims 2^31": Upload(lambda: png_of(2**31 - 1, 2**31 - 1), "a.png", "image/png"),
    "webp cut off": Upload(lambda: saved("WEBP")[:-9], "a.webp", "image/webp"),
    "webp that claims 268 megapixels": Upload(
        lambda: webp_of(16_383, 16_383), "a.webp", "image/webp"
    ),
    "one byte too many": Upload(lambda: padded(LIMIT + 1)),
}

SHOWN: dict[str, Upload] = {
    "jpeg": Upload(lambda: saved("JPEG")),
    "png": Upload(lambda: saved("PNG"), "a.png", "image/png"),
    "webp": Upload(lambda: saved("WEBP"), "a.webp", "image/webp"),
    "webp without loss": Upload(lambda: saved("WEBP", lossless=True), "a.webp", "image/webp"),
    "jpeg that claims to be a page": Upload(lambda: saved("JPEG"), "a.html", "text/html"),
    "png that claims to be svg": Upload(lambda: saved("PNG"), "a.svg", "image/svg+xml"),
    "png named jpg": Upload(lambda: saved("PNG")),
    "a double extension": Upload(lambda: saved("JPEG"), "shell.php.jpg"),
    "a path for a name": Upload(lambda: saved("JPEG"), "../../../etc/cron.d/a.jpg"),
    "a windows path": Upload(lambda: saved("JPEG"), "C:\\inetpub\\a.asp;.jpg"),
    "a name from right to left": Upload(lambda: saved("JPEG"), "a\u202egpj.exe"),
    "a very long name": Upload(lambda: saved("JPEG"), "a" * 4000 + ".jpg"),
    "exactly the limit": Upload(lambda: padded(LIMIT)),
    "one pixel": Upload(lambda: saved("PNG", picture(size=(1, 1))), "a.png", "image/png"),
    "a line": Upload(lambda: saved("PNG", picture(size=(1, 30_000))), "a.png", "image/png"),
    "49 megapixels": Upload(
        lambda: saved("PNG", Image.new("1", (7000, 7000))), "a.png", "image/png"
    ),
    "grey": Upload(lambda: saved("JPEG", picture("L"))),
    "cmyk": Upload(lambda: saved("JPEG", picture("CMYK"))),
    "progressive": Upload(lambda: saved("JPEG", progressive=True)),
    "palette with a hole": Upload(
        lambda: saved("PNG", picture("P"), transparency=0), "a.png", "image/png"
    ),
    "transparent": Upload(lambda: saved("PNG", picture("LA")), "a.png", "image/png"),
    "16 bits": Upload(lambda: saved("PNG", picture("I;16")), "a.png", "image/png"),
    "turned": Upload(lambda: saved("JPEG", exif=exif(orientation=6))),
    "jpeg with gps": Upload(lambda: saved("JPEG", exif=exif())),
    "png with gps": Upload(lambda: saved("PNG", exif=exif()), "a.png", "image/png"),
    "webp with gps": Upload(lambda: saved("WEBP", exif=exif()), "a.webp", "image/webp"),
    "taken in the year 1": Upload(lambda: saved("JPEG", exif=exif(taken="0001:01:01 00:00:00"))),
    "taken in the year 9999": Upload(
        lambda: saved("JPEG", exif=exif(taken="9999:12:31 23:59:59")),
    ),
    "two pictures in one": Upload(lambda: frames("MPO", 2)),
    "exif that names itself": Upload(lambda: jpeg_with(segment(0xE1, looping_exif()))),
    "exif of noise": Upload(lambda: jpeg_with(segment(0xE1, b"Exif\0\0" + noise(9000)))),
    "xmp of a billion laughs": Upload(lambda: jpeg_with(segment(0xE1, BILLION_LAUGHS))),
    "iptc": Upload(lambda: jpeg_with(segment(0xED, b"Photoshop 3.0\0" + SCRIPT))),
    "an icc profile of noise": Upload(lambda: jpeg_with(segment(0xE2, ICC))),
    "a script in the comment": Upload(lambda: jpeg_with(segment(0xFE, SCRIPT))),
    "php in the comment": Upload(lambda: jpeg_with(segment(0xFE, PHP)), "a.phtml"),
    "jpeg and a page": Upload(lambda: jpeg_with(after=SCRIPT)),
    "jpeg and jar": Upload(lambda: jpeg_with(after=zip_of(PHP)), "a.jar"),
    "png and a page": Upload(lambda: png_with(after=SCRIPT), "a.png", "image/png"),
    "png with a script in a text": Upload(
        lambda: text_png(Comment=SCRIPT.decode()), "a.png", "image/png"
    ),
    "png with a chunk of its own": Upload(
        lambda: png_with(chunk(b"scRt", SCRIPT)), "a.png", "image/png"
    ),
    "webp and a page": Upload(lambda: saved("WEBP") + SCRIPT, "a.webp", "image/webp"),
    "png of many frames": Upload(lambda: frames("PNG", 400), "a.png", "image/png"),
    "webp of many frames": Upload(lambda: frames("WEBP", 400), "a.webp", "image/webp"),
    "png with more rows than it says": Upload(
        lambda: png_of(64, 48, bytes(40_000_000)), "a.png", "image/png"
    ),
}

# Bombs in texts and profiles of a PNG: refused at once or dropped, never unfolded.
BOMBS: dict[str, Upload] = {
    "a text of 100 MB": Upload(
        lambda: png_with(chunk(b"zTXt", b"Comment\0\0" + zeros(100))), "a.png", "image/png"
    ),
    "a text of 100 MB in any language": Upload(
        lambda: png_with(chunk(b"iTXt", b"Comment\0\1\0\0\0" + zeros(100))), "a.png", "image/png"
    ),
    "a profile of 100 MB": Upload(
        lambda: png_with(chunk(b"iCCP", b"a\0\0" + zeros(100))), "a.png", "image/png"
    ),
}

UNREADABLE: dict[str, Upload] = {
    "png without rows": Upload(lambda: png_of(64, 48), "a.png", "image/png"),
    "png of noise": Upload(
        lambda: garbled(saved("PNG", Image.effect_noise((300, 300), 90)), b"IDAT"),
        "a.png",
        "image/png",
    ),
    "webp of noise": Upload(
        lambda: garbled(saved("WEBP", Image.effect_noise((300, 300), 90)), b"VP8 "),
        "a.webp",
        "image/webp",
    ),
}
