"""Hostile files at both doors and through the media worker (faults.md S09): none stored unsafe."""

import hashlib
import io
import json
import resource
import time
import uuid
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from cases.models import Attachment, Case, Effect, Event
from cases.services.effects import run_effect
from tests.support.spine import PLACE
from tests.support.uploads import BOMBS, GPS, REFUSED, SCRIPT, SHOWN, UNREADABLE, Upload

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]

DECODED_IN_S = 10
MEMORY_KB = 512 * 1024
TRACES = (b"<script", b"<?php", b"Exif", b"GPS", b"Photoshop", b"ICC_PROFILE", b"PK\x03\x04")


@pytest.fixture
def client(people):
    client = Client()
    client.force_login(people.inspector)
    return client


def files(settings):
    return sorted(path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file())


def put(client, upload: Upload, raw: bytes):
    """Send it to the API, as a phone does."""
    address = f"/api/v1/photos/{hashlib.sha256(raw).hexdigest()}/"
    return client.put(address, raw, upload.claims)


def submit(client, condition, upload: Upload, raw: bytes):
    """Send it with the plain form of a report."""
    file = SimpleUploadedFile("photo.jpg", raw, upload.claims)
    file.name = upload.name
    said = {**PLACE, "condition": condition.code, "key": str(uuid.uuid4()), "near": file}
    return client.post("/m/report/", said)


def nothing_came_in(settings):
    counts = [model.objects.count() for model in (Case, Attachment, Effect, Event)]
    return counts == [0, 0, 0, 0] and files(settings) == []


def decode(attachment):
    """Let the media worker prepare it, within its bounds."""
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    outcome = run_effect(Effect.objects.get(kind="photo", case=attachment.case_id).pk)
    attachment.refresh_from_db()
    assert time.monotonic() - begun < DECODED_IN_S
    # The most of any child so far, a browser of an earlier test too; each begins as a copy of us.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert most <= max(MEMORY_KB, before, own)
    return outcome


def assert_safe(settings, attachment):
    """Look at what is served: two JPEG of our own making, and nothing of what was brought."""
    for path in (attachment.path, attachment.thumbnail_path):
        shown = Path(settings.MEDIA_ROOT, path)
        raw = shown.read_bytes()
        with Image.open(io.BytesIO(raw)) as picture:
            assert (picture.format, picture.mode) == ("JPEG", "RGB")
            assert max(picture.size) <= 1600
            assert dict(picture.getexif()) == {}
            assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
            picture.load()
        assert [trace for trace in TRACES if trace in raw] == []
    own = {attachment.sha256, attachment.stored_sha256, attachment.stored_sha256 + "-s"}
    assert {path.stem for path in files(settings)} <= own


def test_the_corpus_is_as_large_as_it_should_be():
    assert len(REFUSED) + len(SHOWN) + len(BOMBS) + len(UNREADABLE) >= 60


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_photo_is_turned_away_at_both_doors(client, condition, settings, name):
    upload = REFUSED[name]
    raw = upload.make()

    assert put(client, upload, raw).status_code == 422
    assert submit(client, condition, upload, raw).status_code == 422
    assert nothing_came_in(settings)


@pytest.mark.filterwarnings("ignore:.*EXIF:UserWarning")  # Pillow tells of it and goes on
@pytest.mark.parametrize("name", SHOWN)
def test_what_is_a_photo_is_shown_without_what_it_brought(client, condition, settings, name):
    upload = SHOWN[name]
    raw = upload.make()

    assert put(client, upload, raw).status_code == 200
    assert submit(client, condition, upload, raw).status_code == 302
    attachment = Attachment.objects.get()
    assert decode(attachment) == "prepared"

    assert_safe(settings, attachment)
    answer = client.get(f"/photos/{attachment.pk}/")
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("image/jpeg", "nosniff")


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_turned_away_or_defused(client, condition, settings, name):
    upload = BOMBS[name]
    raw = upload.make()
    assert len(raw) < 1024 * 1024

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = put(client, upload, raw).status_code == 200
    answer = submit(client, condition, upload, raw)

    assert answer.status_code == (302 if kept else 422)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + MEMORY_KB
    if not kept:
        assert nothing_came_in(settings)
        return
    attachment = Attachment.objects.get()
    if decode(attachment) == "prepared":
        assert_safe(settings, attachment)
    else:
        assert attachment.is_unreadable


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_decoded_is_never_served(client, condition, settings, name):
    upload = UNREADABLE[name]
    raw = upload.make()

    assert submit(client, condition, upload, raw).status_code == 302
    attachment = Attachment.objects.get()
    assert decode(attachment) == "unreadable"

    assert attachment.is_unreadable
    for tail in ("", "small/"):
        assert client.get(f"/photos/{attachment.pk}/{tail}").status_code == 404
    assert [path.name for path in files(settings)] == [attachment.sha256]


@pytest.mark.parametrize("name", ["jpeg with gps", "png with gps", "webp with gps"])
def test_the_case_keeps_the_place_the_file_names(client, condition, name):
    submit(client, condition, SHOWN[name], SHOWN[name].make())

    told = json.loads(Event.objects.get(action="report").private)
    lon, lat = 109 + 58 / 60 + 30 / 3600, 27 + 33 / 60
    assert GPS[2] == (27.0, 33.0, 0.0)
    assert told["taken"][0]["place"] == f"{lon:.7f},{lat:.7f}"


@pytest.mark.parametrize("name", ["taken in the year 1", "taken in the year 9999"])
def test_a_year_that_no_camera_shows_is_no_time(client, condition, name):
    assert submit(client, condition, SHOWN[name], SHOWN[name].make()).status_code == 302

    attachment = Attachment.objects.get()
    assert attachment.taken_at is None
    assert decode(attachment) == "prepared"
    assert client.get(f"/cases/{attachment.case.number}/").status_code == 200


def test_a_file_of_another_kind_is_not_read_as_one_of_ours(client, condition, settings):
    """A door that trusted the claim, or the name, would let the page in."""
    for claims in ("image/jpeg", "image/png", "image/webp", "text/html"):
        upload = Upload(lambda: SCRIPT, "photo.jpg", claims)
        assert put(client, upload, SCRIPT).status_code == 422
        assert submit(client, condition, upload, SCRIPT).status_code == 422
    assert nothing_came_in(settings)
