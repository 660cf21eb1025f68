"""A photo is kept as it arrived, and decoded by the media worker under limits, never in web."""

import io
import os
import struct
import subprocess
import time
import uuid
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from PIL import ExifTags, Image, ImageFile

from cases.choices import Role
from cases.errors import BadPhoto
from cases.models import Attachment, Case, Effect, EffectRuling, Feedback
from cases.services import photo_store
from cases.services.effects import run_effect
from cases.services.feedback import leave_feedback
from cases.services.photo_decoder import MAX_PIXELS
from cases.services.photo_store import make, sweep_photos
from cases.services.photos import attach, store
from cases.services.rulings import rule
from tests.support.people import person
from tests.support.spine import dispatched, report, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]

REDRIVE = EffectRuling.Ruling.REDRIVE
GREY, RED = (128, 128, 128), (250, 0, 0)


def file_of(picture, form="JPEG", **words):
    out = io.BytesIO()
    picture.save(out, form, **words)
    return out.getvalue()


def jpeg(size=(64, 48), colour=GREY, **words):
    return file_of(Image.new("RGB", size, colour), **words)


def png_of(width, height):
    """Return a PNG that says how large it is and holds next to nothing."""

    def chunk(kind, content):
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def kept(raw):
    return store(io.BytesIO(raw), kind="near", sender=None)


@pytest.fixture
def attached(people, condition):
    """Tie uploads to a new case and return its attachments."""

    def tie(*raws):
        case = Case.objects.get(number=report(people, condition)["number"])
        photos = [kept(raw) for raw in raws]
        attach(case, photos, actor=people.inspector, at=timezone.now())
        return list(Attachment.objects.filter(case=case).order_by("pk"))

    return tie


def prepare(attachment):
    effect = Effect.objects.get(kind="photo", case=attachment.case_id)
    outcome = run_effect(effect.pk)
    attachment.refresh_from_db()
    return outcome


def lying(settings):
    return sorted(path.name for path in Path(settings.MEDIA_ROOT, "arrived").glob("*"))


# --- in the web process -------------------------------------------------------------------------


def test_an_upload_is_kept_and_shown_later(settings, people, condition, monkeypatch):
    number = dispatched(people, condition)
    client = Client()
    client.force_login(unit_person(number))
    form = {"action": "sign", "seen_version": "1", "key": "5d4c7f9e-63a1-4d2c-8f6b-0d9f1f3f7c11"}
    version = Case.objects.get(number=number).version
    client.post(f"/cases/{number}/actions/", form | {"seen_version": version})

    def refuse(*_):
        raise AssertionError("the web process decodes a photo")

    with monkeypatch.context() as patch:
        patch.setattr(ImageFile.ImageFile, "load", refuse)
        form |= {"action": "finish", "seen_version": Case.objects.get(number=number).version}
        form |= {"key": "5d4c7f9e-63a1-4d2c-8f6b-0d9f1f3f7c12"}
        raw = jpeg(size=(2000, 1500))
        upload = SimpleUploadedFile("after.jpg", raw, "image/jpeg")
        answer = client.post(f"/cases/{number}/actions/", form | {"photos": [upload]})

    assert answer.status_code == 302
    photo = Attachment.objects.get(case__number=number)
    assert (photo.stored_sha256, lying(settings)) == ("", [photo.sha256])
    assert "ask a dispatcher" in client.get(f"/cases/{number}/").content.decode()
    assert client.get(f"/photos/{photo.pk}/").status_code == 404

    assert prepare(photo) == "prepared"

    assert (photo.width, photo.height) == (1600, 1200)
    assert f"/photos/{photo.pk}/small/" in client.get(f"/cases/{number}/").content.decode()
    assert client.get(f"/photos/{photo.pk}/").status_code == 200


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_looking_at_an_upload_decodes_nothing(form, monkeypatch):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "a phone"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:11:26 08:30:00"
    place = {2: (27.0, 33.0, 0.0), 1: "N", 4: (109.0, 58.0, 30.0), 3: "E"}
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(place)
    picture = Image.effect_noise((300, 300), 90)
    raws = [file_of(picture, form, exif=exif), file_of(picture, form)]
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)

    told, silent = map(kept, raws)

    assert told.taken_at == datetime(2026, 11, 26, 0, 30, tzinfo=UTC)
    assert told.place == pytest.approx((109.975, 27.55))
    assert (silent.taken_at, silent.place) == (None, None)


def test_broken_exif_is_no_reason_to_refuse_a_photo():
    photo = kept(jpeg(exif=b"Exif\0\0" + b"\xff" * 40))

    assert (photo.taken_at, photo.place) == (None, None)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "empty"),
        (b"x" * (10 * 1024 * 1024 + 1), "larger than 10 MB"),
        (b"no photo", "not a JPEG, PNG or WebP photo"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a JPEG, PNG or WebP photo"),
        (file_of(Image.new("P", (8, 8)), "GIF"), "not a JPEG, PNG or WebP photo"),
        (jpeg()[:-40], "did not arrive whole"),
        (file_of(Image.new("RGB", (64, 48)), "WEBP")[:-9], "not a JPEG, PNG or WebP photo"),
        (png_of(20_000, 10_000), "more than 50 megapixels"),
        (png_of(8_000, 7_000), "more than 50 megapixels"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)}",
)
def test_what_is_no_photo_is_refused_and_not_kept(settings, raw, says):
    with pytest.raises(BadPhoto, match=says):
        kept(raw)

    assert not Path(settings.MEDIA_ROOT, "arrived").exists()


def test_a_real_200_megapixel_photo_is_refused_in_no_time():
    raw = file_of(Image.new("L", (20_000, 10_000)), "JPEG", quality=1)
    assert len(raw) < 10 * 1024 * 1024
    begun = time.process_time()

    with pytest.raises(BadPhoto, match="50 megapixels"):
        kept(raw)

    assert time.process_time() - begun < 1  # decoding it takes several seconds


def test_an_expected_photo_that_came_otherwise_is_not_kept(settings):
    with pytest.raises(BadPhoto, match="SHA-256 differs"):
        store(io.BytesIO(jpeg()), kind="near", sender=None, expected_sha256="0" * 64)

    assert not Path(settings.MEDIA_ROOT, "arrived").exists()


def test_the_same_photo_twice_is_kept_once(settings, attached):
    first, second = kept(jpeg()), kept(jpeg())

    assert first == second
    assert lying(settings) == [first.sha256]


# --- in the media worker ------------------------------------------------------------------------


def test_what_is_shown_stands_upright_without_what_the_camera_wrote(settings, attached):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # the top is on the right side
    exif[ExifTags.Base.Make] = "Phone of somebody"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    picture = Image.new("RGB", (2400, 1200), GREY)
    picture.paste(RED, (0, 0, 1200, 1200))
    (photo,) = attached(file_of(picture, exif=exif))

    assert prepare(photo) == "prepared"

    with Image.open(Path(settings.MEDIA_ROOT, photo.path)) as shown:
        assert shown.size == (photo.width, photo.height) == (800, 1600)
        assert shown.getpixel((400, 100))[0] > 200  # what was left is now on top
        assert shown.getpixel((400, 1500))[0] < 150
        assert dict(shown.getexif()) == {}
    with Image.open(Path(settings.MEDIA_ROOT, photo.thumbnail_path)) as small:
        assert small.size == (160, 320)
    assert photo.size == Path(settings.MEDIA_ROOT, photo.path).stat().st_size
    assert b"somebody" not in Path(settings.MEDIA_ROOT, photo.path).read_bytes()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16"])
def test_every_kind_of_picture_becomes_a_jpeg(settings, attached, mode):
    (photo,) = attached(file_of(Image.new(mode, (30, 20)), "PNG"))

    assert prepare(photo) == "prepared"
    with Image.open(Path(settings.MEDIA_ROOT, photo.path)) as shown:
        assert (shown.format, shown.mode, shown.size) == ("JPEG", "RGB", (30, 20))


def test_the_largest_photo_allowed_fits_into_the_decoder():
    side = int(MAX_PIXELS**0.5)
    made = make(file_of(Image.new("RGBA", (side, side)), "PNG", compress_level=1))

    assert made is not None
    assert (made.width, made.height) == (1600, 1600)


def test_a_damaged_photo_says_so_and_is_never_shown(attached, people):
    whole = file_of(Image.effect_noise((300, 300), 90), "PNG")
    damaged = whole[:2000] + b"\0" * 4000 + whole[6000:]
    (photo,) = attached(damaged)

    assert prepare(photo) == "unreadable"

    assert (photo.is_unreadable, photo.stored_sha256) == (True, "")
    client = Client()
    client.force_login(people.inspector)
    page = client.get(f"/cases/{photo.case.number}/").content.decode()
    assert "cannot be read: its file is damaged" in page


def test_the_same_photo_of_another_case_is_not_decoded_again(attached, monkeypatch):
    (first,) = attached(jpeg())
    prepare(first)
    monkeypatch.setattr(photo_store, "make", None)
    photo_store.arrived_path(first.sha256).unlink()

    (second,) = attached(jpeg())
    photo_store.arrived_path(first.sha256).unlink()

    assert prepare(second) == "prepared"
    assert second.stored_sha256 == first.stored_sha256


def test_preparing_twice_changes_nothing(attached):
    (photo,) = attached(jpeg())
    prepare(photo)
    effect = Effect.objects.get(kind="photo")

    assert photo_store.prepare_photo(effect) == "prepared before"


def die(*command, **words):
    raise subprocess.TimeoutExpired(command, 10)


def test_a_photo_whose_decoder_always_dies_waits_for_a_person_and_is_no_worse(
    attached, monkeypatch
):
    (photo,) = attached(jpeg())
    with monkeypatch.context() as patch:
        patch.setattr(photo_store.subprocess, "run", die)
        outcomes = [prepare(photo) for _ in range(8)]

    effect = Effect.objects.get(kind="photo")
    assert (outcomes, effect.state) == (["failed"] * 8, Effect.State.DEAD)
    assert not photo.is_unreadable

    chief = person("boss", Role.ADMIN)
    assert rule(effect_id=effect.pk, seen_runs=8, ruling=REDRIVE, reason="", actor=chief)
    assert prepare(photo) == "prepared"


def test_a_decoder_that_died_once_is_tried_again(attached, monkeypatch):
    (photo,) = attached(jpeg())
    with monkeypatch.context() as patch:
        patch.setattr(photo_store.subprocess, "run", die)
        assert prepare(photo) == "failed"

    assert prepare(photo) == "prepared"


def test_the_decoder_has_no_more_memory_than_its_limit(monkeypatch, tmp_path):
    """A picture that would take a gigabyte ends the decoder's work, not the machine's."""
    hungry = tmp_path / "hungry.py"
    source = Path(photo_store.photo_decoder.__file__).read_text()
    hungry.write_text(source.replace("large, small = render(", "bytearray(2**30); render("))
    monkeypatch.setattr(photo_store.photo_decoder, "__file__", str(hungry))

    with pytest.raises(photo_store.DecoderDied, match="MemoryError"):
        make(jpeg())


def test_the_decoder_knows_no_secret(monkeypatch):
    given = {}

    def look(command, **words):
        given.update(words)
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(photo_store.subprocess, "run", look)
    make(jpeg())

    assert given["env"] == {}


# --- the broom ----------------------------------------------------------------------------------


def age(name, seconds):
    path = photo_store.arrived_path(name)
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_the_broom_takes_what_nobody_needs(settings, attached):
    (waiting,) = attached(jpeg(colour=(1, 2, 3)))
    (shown,) = attached(jpeg(colour=(4, 5, 6)))
    prepare(shown)
    (unreadable,) = attached(jpeg(colour=(6, 5, 4)))
    Attachment.objects.filter(pk=unreadable.pk).update(is_unreadable=True)
    of_no_case, of_a_form = kept(jpeg(colour=(7, 8, 9))), kept(jpeg(colour=(9, 8, 7)))
    half = photo_store.arrived_path("half.part")
    for name in ("half.part", "new.part"):
        photo_store.arrived_path(name).write_bytes(b"half")
    day = 24 * 3600
    age(waiting.sha256, 30 * day)
    age(unreadable.sha256, 30 * day)
    age(shown.sha256, 3700)
    age(of_no_case.sha256, 26 * 3600)
    age(of_a_form.sha256, day)
    age(half.name, 601)

    assert sweep_photos() == "2 uploads, 1 half files"
    left = [waiting.sha256, unreadable.sha256, of_a_form.sha256, "new.part"]
    assert lying(settings) == sorted(left)
    assert prepare(waiting) == "prepared"


def told_of(people, photo):
    """Send a photo as the screenshot of feedback too; return its effect."""
    words = {"text": "太小", "page": "", "key": uuid.uuid4()}
    leave_feedback(**words, actor=people.inspector, screenshot=photo)
    return Effect.objects.get(kind="screenshot")


def test_a_photo_that_is_a_screenshot_too_waits_for_its_action(people, condition):
    photo = kept(jpeg())
    assert run_effect(told_of(people, photo).pk) == "prepared"
    age(photo.sha256, 24 * 3600)

    assert sweep_photos() == "0 uploads, 0 half files"
    case = Case.objects.get(number=report(people, condition)["number"])
    attach(case, [photo], actor=people.inspector, at=timezone.now())
    assert prepare(Attachment.objects.get()) == "prepared"


def test_a_screenshot_that_is_a_photo_of_a_case_needs_no_upload(people, attached):
    (photo,) = attached(jpeg())
    prepare(photo)
    effect = told_of(people, kept(jpeg()))
    photo_store.arrived_path(photo.sha256).unlink()

    assert run_effect(effect.pk) == "prepared"
    assert Feedback.objects.get().stored_sha256 == photo.stored_sha256


def test_an_upload_kept_again_while_the_broom_judges_it_stays(settings, monkeypatch):
    name = kept(jpeg()).sha256
    age(name, 26 * 3600)
    judge = photo_store._kept_s

    def judge_while_a_phone_sends_it_again(sha256):
        kept_s = judge(sha256)
        assert kept(jpeg()).sha256 == name
        return kept_s

    monkeypatch.setattr(photo_store, "_kept_s", judge_while_a_phone_sends_it_again)

    assert sweep_photos() == "0 uploads, 0 half files"
    assert lying(settings) == [name]


def test_an_upload_kept_again_while_it_is_put_aside_stays(settings, monkeypatch):
    name = kept(jpeg()).sha256
    age(name, 26 * 3600)
    judge = photo_store._delete_unneeded

    def judge_while_a_phone_sends_it_again(aside):
        assert kept(jpeg()).sha256 == name
        return judge(aside)

    monkeypatch.setattr(photo_store, "_delete_unneeded", judge_while_a_phone_sends_it_again)

    assert sweep_photos() == "1 uploads, 0 half files"
    assert lying(settings) == [name]


@pytest.mark.parametrize(("age_s", "left"), [(0, True), (26 * 3600, False)])
def test_what_a_broom_that_died_put_aside_is_judged_by_the_next(settings, age_s, left):
    name = kept(jpeg()).sha256
    age(name, age_s)
    path = photo_store.arrived_path(name)
    path.rename(path.with_suffix(".aside"))

    sweep_photos()

    assert lying(settings) == [name] * left


def test_what_is_kept_has_its_name_on_the_disk_too(monkeypatch):
    """Follow what is written through: the folder, once the file stands in it."""
    synced = []

    def follow(handle):
        path = Path(f"/proc/self/fd/{handle}").readlink()
        synced.append((path, sorted(path.glob("*")) if path.is_dir() else None))
        sync(handle)

    sync = os.fsync
    monkeypatch.setattr(photo_store.os, "fsync", follow)
    path = photo_store.arrived_path(kept(jpeg()).sha256)

    assert next(folder for folder, files in synced if files is not None) in path.parents
    assert synced[-1] == (path.parent, [path])

    synced.clear()
    kept(jpeg())

    assert synced == [(path.parent, [path])]
