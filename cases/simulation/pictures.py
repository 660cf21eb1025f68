"""Drawn photos for simulated cases, each marked 模拟 (simulated) so that none passes for real."""

import io
from dataclasses import replace
from random import Random

from PIL import Image, ImageDraw

from cases.models import Attachment
from cases.services.photo_decoder import as_jpeg, render
from cases.services.photo_store import store_made
from cases.services.photos import StoredPhoto, store

SIZE = (640, 480)
SCENES = 4  # of each kind

# The two characters as strokes on a grid of ten: no font with Chinese is needed on the machine.
_SIMULATED = (
    ((0, 3, 4, 3), (2, 0, 2, 10), (2, 4, 0, 7), (2, 4, 4, 6)),  # 模: the tree on its left
    ((4, 1, 10, 1), (6, 0, 6, 2), (8, 0, 8, 2)),
    ((5, 3, 9, 3), (5, 3, 5, 6), (9, 3, 9, 6), (5, 4.5, 9, 4.5), (5, 6, 9, 6)),
    ((4, 7.5, 10, 7.5), (7, 6, 7, 7.5), (7, 7.5, 4.5, 10), (7, 7.5, 9.5, 10)),
    ((12, 2, 15, 2), (14, 0, 14, 10), (14, 10, 13, 9), (12, 6.5, 15.5, 5)),  # 拟: the hand
    ((17, 1, 17, 8), (17, 8, 18.5, 7), (18.5, 2, 19.3, 3.5)),
    ((21, 1, 20.5, 5), (20.5, 5, 17.5, 10), (20, 6.5, 22, 10)),
)


class Album:
    """Stored photos to attach, drawn once a run."""

    def __init__(self) -> None:
        self._photos = {
            kind.value: [_store(kind, scene) for scene in range(SCENES)] for kind in Attachment.Kind
        }

    def pick(self, rng: Random, *kinds: Attachment.Kind) -> tuple[StoredPhoto, ...]:
        """Return one photo of each of `kinds`."""
        return tuple(rng.choice(self._photos[kind.value]) for kind in kinds)


def _store(kind: Attachment.Kind, scene: int) -> StoredPhoto:
    out = io.BytesIO()
    draw_scene(kind, scene).save(out, "JPEG", quality=85)
    stored = store(io.BytesIO(out.getvalue()), kind=kind.value, sender=None)
    large, small = render(out.getvalue())  # here: a picture of our own needs no guard
    made = store_made(as_jpeg(large), as_jpeg(small), *large.size)
    return replace(stored, made=made)


def draw_scene(kind: Attachment.Kind, scene: int) -> Image.Image:
    """Draw a street; near and far show something lying there, after and check show it gone."""
    rng = Random(f"{kind.value}{scene}")  # noqa: S311  # a drawing
    picture = Image.new("RGB", SIZE, (190 + rng.randrange(30), 215, 235))
    draw = ImageDraw.Draw(picture)
    width, height = SIZE
    for left in range(-20, width, 110):
        top = rng.randrange(60, 170)
        grey = rng.randrange(130, 190)
        draw.rectangle((left, top, left + 100, 280), fill=(grey, grey - 8, grey - 20))
    draw.rectangle((0, 280, width, 340), fill=(176, 168, 158))
    draw.rectangle((0, 340, width, height), fill=(92, 94, 98))
    for left in range(20, width, 120):
        draw.rectangle((left, 405, left + 60, 413), fill=(225, 225, 215))
    if kind in (Attachment.Kind.NEAR, Attachment.Kind.FAR):
        _draw_heap(draw, rng, size=90 if kind == Attachment.Kind.NEAR else 28)
    _mark(draw, left=width - 210, top=20, unit=8)
    return picture


def _draw_heap(draw: ImageDraw.ImageDraw, rng: Random, *, size: int) -> None:
    middle = rng.randrange(160, 480)
    for _ in range(9):
        x, y = middle + rng.randrange(-size, size), 350 - rng.randrange(0, size)
        colour = (rng.randrange(60, 200), rng.randrange(60, 160), rng.randrange(40, 120))
        draw.ellipse((x - size // 3, y - size // 4, x + size // 3, y + size // 4), fill=colour)


def _mark(draw: ImageDraw.ImageDraw, *, left: int, top: int, unit: int) -> None:
    draw.rectangle((left - 10, top - 10, left + 190, top + 92), fill=(255, 255, 255))
    for group in _SIMULATED:
        for x1, y1, x2, y2 in group:
            ends = (left + x1 * unit, top + y1 * unit, left + x2 * unit, top + y2 * unit)
            draw.line(ends, fill=(180, 20, 20), width=4)
