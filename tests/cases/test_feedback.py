"""Feedback about the pages: kept once, with a screenshot made safe, and read in the admin."""

import hashlib
import uuid
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client

from cases.choices import Role
from cases.models import Attachment, Case, Effect, Feedback
from cases.services.effects import run_effect
from cases.services.photo_store import sweep_photos
from cityops.accounts.models import User
from tests.cases.test_pages_phone import client_of, hidden, upload
from tests.cases.test_phone_api import fields_of, jpeg, later, note_of, post, token_of
from tests.support.people import person
from tests.support.spine import PLACE

pytestmark = pytest.mark.django_db


@pytest.fixture
def inspector():
    return person("i1", Role.INSPECTOR, grids=("431202",))


@pytest.fixture
def admin():
    return client_of(User.objects.create_superuser("root", name="root"))


def said(**words):
    return {"key": str(uuid.uuid4()), "page": "/m/report/", "text": "拍照按钮太小"} | words


def leave(client, **words):
    return client.post("/m/feedback/", said(**words))


def test_what_is_said_is_kept_with_the_page_it_was_said_on(inspector):
    client = client_of(inspector)
    form = client.get("/m/feedback/?page=/m/report/")
    key, page = hidden(form, "key"), hidden(form, "page")

    answers = [leave(client, key=key, page=page) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    kept = Feedback.objects.get()
    assert (kept.by, kept.page, kept.text) == (inspector, "/m/report/", "拍照按钮太小")
    assert (kept.sha256, kept.read_at) == ("", None)
    assert Effect.objects.count() == 0


@pytest.mark.parametrize(
    "second", [{"text": "字也太小"}, {"text": "字也太小", "screenshot": None}, {"screenshot": None}]
)
def test_another_text_under_the_same_key_is_kept_once_it_is_sent_again(inspector, second):
    client, key = client_of(inspector), str(uuid.uuid4())
    leave(client, key=key)
    second = {name: value or upload() for name, value in second.items()}

    refused = leave(client, key=key, **second)

    assert refused.status_code == 422
    assert "received before with other content" in refused.content.decode()
    assert Feedback.objects.count() == 1
    again = {"key": hidden(refused, "key"), "text": second.get("text", "拍照按钮太小")}
    if "screenshot" in second:
        again["kept_screenshot"] = hidden(refused, "kept_screenshot")
    assert leave(client, **again).status_code == 302
    kept = Feedback.objects.latest("pk")
    assert (kept.text, bool(kept.sha256)) == (again["text"], "screenshot" in second)
    assert Effect.objects.count() == ("screenshot" in second)


def test_what_somebody_else_said_is_not_taken_for_ones_own(inspector):
    key = str(uuid.uuid4())
    leave(client_of(inspector), key=key)

    answer = leave(client_of(person("i2", Role.INSPECTOR, grids=("431202",))), key=key)

    assert answer.status_code == 422
    assert Feedback.objects.get().by == inspector


@pytest.mark.usefixtures("huaihua")
def test_the_note_of_a_screenshot_is_no_photo_of_a_report(inspector, condition):
    client = client_of(inspector)
    note = hidden(leave(client, text="", screenshot=upload()), "kept_screenshot")
    said = {"location": PLACE, "category": condition.minor_id, "condition": condition.code}

    answer = client.post(
        "/api/v1/cases/",
        said | {"photos_taken": [note]},
        "application/json",
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )

    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["photos_taken.0"])
    assert Case.objects.count() == 0


@pytest.mark.usefixtures("huaihua")
def test_what_a_form_kept_shows_what_its_field_says(inspector, condition):
    client = client_of(inspector)
    note = hidden(leave(client, text="", screenshot=upload()), "kept_screenshot")
    report = {**PLACE, "key": str(uuid.uuid4()), "condition": condition.code}

    answer = client.post("/m/report/", report | {"kept_near": note, "kept_far": note})

    assert answer.status_code == 302
    kinds = Attachment.objects.values_list("kind", flat=True)
    assert sorted(kinds) == ["far", "near"]


def test_every_phone_page_leads_to_it(inspector):
    page = client_of(inspector).get("/m/selfcheck/").content.decode()

    assert 'href="/m/feedback/?page=/m/selfcheck/"' in page


@pytest.mark.parametrize("words", [{"text": "  "}, {"text": "x" * 4001}, {"key": "x"}])
def test_what_says_nothing_or_too_much_is_refused_and_nothing_kept(inspector, words):
    answer = leave(client_of(inspector), **words)

    assert answer.status_code == 422
    assert Feedback.objects.count() == 0


@pytest.mark.parametrize("page", ["https://elsewhere.example/", "//elsewhere.example", "x"])
def test_a_page_of_elsewhere_is_forgotten(inspector, page):
    leave(client_of(inspector), page=page)

    assert Feedback.objects.get().page == ""


def test_a_screenshot_is_made_safe_by_the_worker_and_then_shown(inspector, admin, settings):
    leave(client_of(inspector), screenshot=upload())
    kept = Feedback.objects.get()
    address = f"/admin/cases/feedback/{kept.pk}/screenshot/"
    assert (len(kept.sha256), kept.stored_sha256) == (64, "")
    assert admin.get(address).status_code == 404

    effect = Effect.objects.get(kind="screenshot")
    assert [run_effect(effect.pk) for _ in range(2)] == ["prepared", "held elsewhere"]

    kept.refresh_from_db()
    assert Path(settings.MEDIA_ROOT, kept.path).exists()
    assert admin.get(address)["X-Accel-Redirect"].endswith(kept.path)
    assert address in admin.get(f"/admin/cases/feedback/{kept.pk}/change/").content.decode()
    assert client_of(inspector).get(address).status_code == 302
    clerk = client_of(User.objects.create_user("clerk", name="clerk", is_staff=True))
    assert clerk.get(address).status_code == 403


def test_a_screenshot_that_cannot_be_decoded_is_said_to_be_unreadable(inspector, admin, settings):
    leave(client_of(inspector), screenshot=upload())
    kept = Feedback.objects.get()
    Path(settings.MEDIA_ROOT, "arrived", kept.sha256).write_bytes(b"no photo")

    run_effect(Effect.objects.get(kind="screenshot").pk)

    kept.refresh_from_db()
    assert (kept.is_unreadable, kept.stored_sha256) == (True, "")
    page = admin.get(f"/admin/cases/feedback/{kept.pk}/change/", headers={"accept-language": "en"})
    assert "cannot be read" in page.content.decode()


def test_a_screenshot_that_waits_is_not_swept_away(inspector, settings, monkeypatch):
    leave(client_of(inspector), screenshot=upload())
    monkeypatch.setattr("cases.services.photo_store._age_s", lambda path: 10**9)
    arrived = Path(settings.MEDIA_ROOT, "arrived", Feedback.objects.get().sha256)

    sweep_photos()
    assert arrived.exists()

    run_effect(Effect.objects.get(kind="screenshot").pk)
    sweep_photos()
    assert not arrived.exists()


def test_what_is_no_screenshot_is_refused_and_nothing_kept(inspector, settings):
    file = SimpleUploadedFile("page.html", b"<script>alert(1)</script>", "image/png")

    answer = leave(client_of(inspector), screenshot=file)

    assert answer.status_code == 422
    assert Feedback.objects.count() == 0
    assert not Path(settings.MEDIA_ROOT, "arrived").exists()


def test_the_administrator_marks_as_read_once(inspector, admin):
    for _ in range(2):
        leave(client_of(inspector))
    first, second = Feedback.objects.order_by("pk")
    chosen = {"action": "read", "_selected_action": [first.pk]}

    admin.post("/admin/cases/feedback/", chosen)
    first.refresh_from_db()
    read_at = first.read_at
    admin.post("/admin/cases/feedback/", chosen)

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.read_by.username, first.read_at) == ("root", read_at)
    assert (second.read_by, second.read_at) == (None, None)


def test_who_may_not_read_feedback_marks_none(inspector):
    leave(client_of(inspector))
    clerk = client_of(User.objects.create_user("clerk", name="clerk", is_staff=True))
    chosen = {"action": "read", "_selected_action": [Feedback.objects.get().pk]}

    assert clerk.post("/admin/cases/feedback/", chosen).status_code == 403
    assert Client().get("/m/feedback/").status_code == 302

    assert Feedback.objects.get().read_at is None


def test_the_database_keeps_nothing_empty_and_nothing_half_read(inspector):
    for words in ({"text": ""}, {"text": "x", "read_by": inspector}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Feedback.objects.create(key=uuid.uuid4(), by=inspector, **words)


# --- as a phone sends it that kept it first -------------------------------------------------------


def say_by_api(client, key=None, **words):
    return post(client, "/api/v1/feedback/", {"text": "拍照按钮太小", **words}, key)


def test_what_a_phone_kept_arrives_once_with_its_screenshot(inspector):
    client, key = client_of(inspector), uuid.uuid4()
    photos = [note_of(client, jpeg())]

    answers = [say_by_api(client, key, page="/m/tasks/1/", photos=photos) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    kept = Feedback.objects.get()
    assert (kept.by, kept.page, kept.text) == (inspector, "/m/tasks/1/", "拍照按钮太小")
    assert kept.sha256 == hashlib.sha256(jpeg()).hexdigest()
    assert run_effect(Effect.objects.get(kind="screenshot").pk) == "prepared"


def test_a_phone_that_waited_too_long_sends_its_screenshot_again(inspector):
    client = token_of(inspector)
    photos = [note_of(client, jpeg())]

    with later(hours=25):
        expired = say_by_api(client, photos=photos)
        kept = Feedback.objects.count()
        again = say_by_api(client, photos=[note_of(client, jpeg())])

    assert fields_of(expired) == (422, "photo_expired", ["photos.0"])
    assert (kept, again.status_code, Feedback.objects.count()) == (0, 201, 1)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"text": " "}, "text"),
        ({"text": "x" * 4001}, "text"),
        ({"page": "/" + "x" * 200}, "page"),
        ({"photos": ["no note"]}, "photos.0"),
        ({"photos": ["a", "b"]}, "photos"),
    ],
)
def test_what_a_phone_says_wrongly_is_refused_and_nothing_kept(inspector, words, field):
    answer = say_by_api(client_of(inspector), **words)

    assert (answer.status_code, sorted(answer.json()["fields"])) == (422, [field])
    assert Feedback.objects.count() == 0


def test_a_page_of_elsewhere_is_forgotten_here_too(inspector):
    say_by_api(client_of(inspector), page="https://elsewhere.example/")

    assert Feedback.objects.get().page == ""


def test_a_key_under_which_something_else_was_said_is_refused(inspector):
    client, key = client_of(inspector), uuid.uuid4()
    say_by_api(client, key)

    answer = say_by_api(client, key, text="字也太小")

    assert fields_of(answer) == (422, "idempotency_key_reused", ["Idempotency-Key"])
    assert Feedback.objects.get().text == "拍照按钮太小"


def test_only_whose_photos_the_api_takes_keeps_feedback_on_the_phone(inspector):
    leader = person("l1", Role.LEADER)

    pages = [client_of(one).get("/m/feedback/").content.decode() for one in (inspector, leader)]

    assert ["data-queue" in page for page in pages] == [True, False]
