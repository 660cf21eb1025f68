"""What a phone sends by itself: who is signed in, photos before their action, duplicates near."""

import errno
import hashlib
import io
import json
import re
import time
import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLResolver, get_resolver
from django.utils import timezone
from PIL import ExifTags, Image

from cases.choices import Action, Role
from cases.ledger import open_book, open_folder
from cases.models import Attachment, Case, CityOptions, Event
from cases.services import photo_store
from cases.services.ledger_check import verify_ledger
from cityops.accounts.models import ApiToken, User
from tests.support.people import person
from tests.support.spine import PLACE, act, case_of, dispatched, photo, report, signed
from tests.support.uploads import padded

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def browser_of(user, **words):
    client = Client(**words)
    client.force_login(user)
    return client


def token_of(user):
    """Return a client whose sign-in outlasts a session."""
    return Client(headers={"authorization": f"Bearer {ApiToken.issue(user)}"})


@contextmanager
def later(**words):
    """Let the signatures and the requests of a block be made that much later."""
    ahead = timedelta(**words)
    seconds, now = time.time, timezone.now
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.time", lambda: seconds() + ahead.total_seconds())
        patch.setattr("django.utils.timezone.now", lambda: now() + ahead)
        yield


def jpeg(colour="grey"):
    out = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(out, "JPEG")
    return out.getvalue()


def put(client, raw, query="", sha256=None):
    name = sha256 or hashlib.sha256(raw).hexdigest()
    return client.put(f"/api/v1/photos/{name}/{query}", raw, "image/jpeg")


def lying(settings):
    return sorted(path.name for path in Path(settings.MEDIA_ROOT, "arrived").glob("*"))


def note_of(client, raw, query=""):
    answer = put(client, raw, query)
    assert answer.status_code == 200
    return answer.json()["note"]


def post(client, url, data, key=None, **headers):
    headers = {"Idempotency-Key": str(key or uuid.uuid4()), **headers}
    return client.post(url, data, content_type="application/json", headers=headers)


def body(condition, **words):
    place = {**PLACE, "crs": "wgs84"}
    return {
        "location": place,
        "category": condition.minor_id,
        "condition": condition.code,
        **words,
    }


def fields_of(answer):
    return answer.status_code, answer.json()["code"], sorted(answer.json().get("fields", ()))


# --- who is signed in ---------------------------------------------------------------------------


def test_session_says_who_is_signed_in_and_gives_a_token_that_works(people, condition):
    client = browser_of(people.inspector, enforce_csrf_checks=True)

    answer = client.get("/m/session/")

    said = answer.json()
    assert (answer.status_code, said["user"], said["name"]) == (200, "i1", "i1")
    assert "no-store" in answer["Cache-Control"]
    assert abs(datetime.fromisoformat(said["now"]) - timezone.now()) < timedelta(minutes=1)
    refused = post(client, "/api/v1/cases/", body(condition))
    sent = post(client, "/api/v1/cases/", body(condition), **{"X-CSRFToken": said["csrf"]})
    assert (refused.status_code, sent.status_code) == (403, 201)


def test_session_of_nobody_is_refused_as_a_program_reads_it(people):
    User.objects.filter(pk=people.checker.pk).update(must_change_password=True)

    for client in (Client(), browser_of(people.checker)):
        answer = client.get("/m/session/")
        assert answer.status_code == 401
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "not_authenticated"


def test_what_was_kept_for_another_person_is_refused_and_changes_nothing(people, condition):
    client = browser_of(people.checker, enforce_csrf_checks=True)

    answer = post(client, "/api/v1/cases/", body(condition), **{"For-User": "i1"})

    assert fields_of(answer) == (401, "other_user", [])
    assert Case.objects.count() == 0


def test_the_name_of_a_user_may_be_percent_encoded(people, condition):
    User.objects.filter(pk=people.inspector.pk).update(username="网格员1")
    token = ApiToken.issue(people.inspector)
    headers = {"Authorization": f"Bearer {token}", "For-User": "%E7%BD%91%E6%A0%BC%E5%91%981"}

    answer = post(Client(), "/api/v1/cases/", body(condition), **headers)

    assert answer.status_code == 201


def routes_of(resolver, prefix=""):
    for part in resolver.url_patterns:
        route = prefix + str(part.pattern)
        yield from routes_of(part, route) if isinstance(part, URLResolver) else (route,)


def test_every_address_of_the_api_refuses_another_persons_request(people):
    client = browser_of(people.inspector)
    routes = [route for route in routes_of(get_resolver()) if route.startswith("api/v1/")]

    assert routes
    for route in routes:
        answer = client.get(f"/{route}", headers={"For-User": "somebody"})
        assert fields_of(answer) == (401, "other_user", []), route


def test_a_refusal_is_in_the_senders_language_and_names_what_is_wrong(people, condition):
    client, chinese = browser_of(people.inspector), {"Accept-Language": "zh-hans"}
    wrong = {"location": {**PLACE, "lat": "x"}, "description": ["?"]}
    photo = "/api/v1/photos/" + "0" * 64 + "/"

    refused = [
        post(client, "/api/v1/cases/", wrong, **chinese),
        post(client, "/api/v1/cases/", body(condition, source="hotline"), **chinese),
        client.put(photo, b"", "image/jpeg", headers=chinese),
        client.get("/api/v1/cases/HH2000010100001/", headers=chinese),
        client.get("/api/v1/cases/?limit=0", headers=chinese),
    ]

    said = [answer.json() for answer in refused]
    assert said[0]["detail"] == "缺少或填写有误：location.lat，category，description。"
    assert list(said[0]["fields"]) == ["location.lat", "category", "description"]
    words = [word for one in said for word in (one["detail"], *one.get("fields", {}).values())]
    assert [word for word in words if not re.search("[一-鿿]", word)] == []


# --- photos before their action -----------------------------------------------------------------


def test_an_action_names_a_photo_that_was_sent_before(people, condition, settings):
    number, unit = signed(people, condition)
    client, raw = browser_of(unit), jpeg()
    note = note_of(client, raw)
    assert Attachment.objects.count() == 0

    finish = {"action": "finish", "seen_version": case_of(number).version, "photos": [note]}
    answer = post(client, f"/api/v1/cases/{number}/actions/", finish)

    assert answer.status_code == 200
    kept = Attachment.objects.get(case__number=number)
    assert (kept.kind, kept.sha256) == ("after", hashlib.sha256(raw).hexdigest())
    assert Path(settings.MEDIA_ROOT, "arrived", kept.sha256).read_bytes() == raw


def test_a_request_is_the_same_by_its_photos_whatever_their_notes(people, condition):
    number, unit = signed(people, condition)
    client, key = token_of(unit), uuid.uuid4()
    url = f"/api/v1/cases/{number}/actions/"
    finish = {"action": "finish", "seen_version": case_of(number).version}
    first = post(client, url, finish | {"photos": [note_of(client, jpeg())]}, key)
    old = note_of(client, jpeg())

    with later(hours=25):
        again = post(client, url, finish | {"photos": [old]}, key)
        other = post(client, url, finish | {"photos": [note_of(client, jpeg("red"))]}, key)

    assert (again.status_code, again.json()) == (200, first.json())
    assert fields_of(other) == (422, "idempotency_key_reused", ["Idempotency-Key"])
    assert Event.objects.filter(case__number=number, action="finish").count() == 1


def test_a_note_is_good_for_a_day_and_for_its_own_person(people, condition):
    number, unit = signed(people, condition)
    client = token_of(unit)
    url, version = f"/api/v1/cases/{number}/actions/", case_of(number).version
    good, theirs = note_of(client, jpeg()), note_of(browser_of(people.inspector), jpeg())

    for hours, notes, field in (
        (0, [good, theirs], "photos.1"),
        (0, ["no note"], "photos.0"),
        (24.1, [good], "photos.0"),
    ):
        with later(hours=hours):
            finish = {"action": "finish", "seen_version": version, "photos": notes}
            assert fields_of(post(client, url, finish)) == (422, "photo_expired", [field])
    assert case_of(number).stage == "handling"


def test_an_action_without_photos_takes_no_notes(people, condition):
    number = dispatched(people, condition)
    unit = person("u", Role.UNIT, case_of(number).unit_id)
    client = browser_of(unit)
    sign = {"action": "sign", "seen_version": case_of(number).version}

    answer = post(
        client,
        f"/api/v1/cases/{number}/actions/",
        sign | {"photos": [note_of(client, jpeg())]},
    )

    assert fields_of(answer) == (422, "invalid_input", ["photos"])
    assert case_of(number).stage == "dispatched"


def files_of(*colours):
    return [SimpleUploadedFile("a.jpg", jpeg(colour), "image/jpeg") for colour in colours]


@pytest.mark.parametrize(
    ("files", "field", "says"),
    [
        ({"photos": files_of("red", "green", "blue", "grey", "white")}, "photos", "4 at most"),
        ({"photos": files_of("red"), "photo": files_of("blue")}, "photo", "are called photos"),
        ({"file": files_of("red")}, "file", "are called photos"),
        ({"photos": [*files_of("red"), "a note"]}, "photos", "not both"),
    ],
)
def test_no_file_of_an_action_is_left_out(people, condition, settings, files, field, says):
    number, unit = signed(people, condition)
    finish = {"action": "finish", "seen_version": case_of(number).version}

    answer = browser_of(unit).post(f"/api/v1/cases/{number}/actions/", finish | files)

    assert fields_of(answer) == (422, "invalid_input", [field])
    assert says in answer.json()["detail"]
    assert case_of(number).stage == "handling"
    assert lying(settings) == []


def test_four_files_of_an_action_are_kept(people, condition):
    number, unit = signed(people, condition)
    finish = {"action": "finish", "seen_version": case_of(number).version}
    files = {"photos": files_of("red", "green", "blue", "grey")}

    answer = browser_of(unit).post(f"/api/v1/cases/{number}/actions/", finish | files)

    assert answer.status_code == 200
    assert Attachment.objects.filter(case__number=number).count() == 4


@pytest.mark.parametrize(
    ("raw", "query", "sha256", "code", "fields"),
    [
        (jpeg(), "", "0" * 64, "bad_photo", []),
        (b"no photo", "", None, "bad_photo", []),
        (b"", "", None, "invalid_input", ["file"]),
        (jpeg(), "?kind=selfie", None, "invalid_input", ["kind"]),
    ],
)
def test_a_bad_photo_is_refused_and_not_kept(people, settings, raw, query, sha256, code, fields):
    answer = put(browser_of(people.inspector), raw, query, sha256)

    assert fields_of(answer) == (422, code, fields)
    assert not Path(settings.MEDIA_ROOT, "arrived").exists()


def test_who_takes_no_action_with_photos_sends_none(people, settings):
    answer = put(browser_of(people.dispatcher), jpeg())

    assert fields_of(answer) == (403, "not_allowed", [])
    assert not Path(settings.MEDIA_ROOT, "arrived").exists()


def test_what_was_fixed_on_the_spot_comes_with_the_photos_sent_before(people, condition):
    client = browser_of(people.inspector)
    near, after = note_of(client, jpeg()), note_of(client, jpeg("green"), "?kind=after")
    fixed = body(condition, self_handled=True)

    refused = post(client, "/api/v1/cases/", fixed | {"photos_taken": [near]})
    sent = post(client, "/api/v1/cases/", fixed | {"photos_taken": [near, after]})

    assert fields_of(refused) == (422, "invalid_input", ["after"])
    assert sent.status_code == 201
    case = Case.objects.get()
    assert (case.is_self_handled, case.stage) == (True, "checking")
    kinds = Attachment.objects.filter(case=case).values_list("kind", flat=True)
    assert sorted(kinds) == ["after", "near"]


# --- what one person may have kept --------------------------------------------------------------


def test_a_photo_the_report_did_not_announce_is_not_kept(people, condition, settings):
    client, raw = browser_of(people.inspector), jpeg()
    number = post(client, "/api/v1/cases/", body(condition, photos=["0" * 64])).json()["number"]

    url = f"/api/v1/cases/{number}/photos/{hashlib.sha256(raw).hexdigest()}/"
    answer = client.put(url, raw, "image/jpeg")

    assert fields_of(answer) == (422, "bad_photo", [])
    assert lying(settings) == []


def test_photos_wait_while_little_is_free_on_the_disk(people, settings, monkeypatch):
    client = browser_of(people.inspector)
    disk = SimpleNamespace(free=settings.LEAST_FREE - 1)
    monkeypatch.setattr(photo_store.shutil, "disk_usage", lambda path: disk)

    refused = put(client, jpeg())
    assert fields_of(refused) == (503, "no_room", [])
    assert refused["Retry-After"] == "60"
    assert lying(settings) == []

    disk.free += 1
    assert put(client, jpeg()).status_code == 200
    disk.free = 0
    assert put(client, jpeg()).status_code == 200  # it lies there already
    assert put(client, jpeg("red")).status_code == 503
    assert len(lying(settings)) == 1


def test_photos_wait_where_the_disk_turns_out_to_be_full(people, settings, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(photo_store, "_sync", lambda folder: None)
    monkeypatch.setattr(photo_store.os, "fsync", full)

    answer = put(browser_of(people.inspector), jpeg())

    assert fields_of(answer) == (503, "no_room", [])
    assert lying(settings) == []


def test_one_person_has_no_more_kept_at_once_than_the_share(people, settings):
    settings.PHOTO_BURST_KB, settings.PHOTO_KB_PER_S = 10, 1
    client, other = browser_of(people.inspector), browser_of(people.checker)
    photos = [padded(4100 + n) for n in range(3)]

    answers = [put(client, raw) for raw in photos]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["code"] == "too_many_requests"
    assert 1 <= int(answers[2]["Retry-After"]) <= 5
    assert len(lying(settings)) == 2
    assert put(client, photos[0]).status_code == 200  # one that lies there takes no room
    assert put(other, photos[2]).status_code == 200


def test_an_action_brings_no_more_than_the_share_either(people, condition, settings):
    settings.PHOTO_BURST_KB, settings.PHOTO_KB_PER_S = 5, 1
    number, unit = signed(people, condition)
    finish = {"action": "finish", "seen_version": case_of(number).version}
    files = [SimpleUploadedFile("a.jpg", padded(4100 + n), "image/jpeg") for n in range(2)]

    answer = browser_of(unit).post(f"/api/v1/cases/{number}/actions/", finish | {"photos": files})

    assert fields_of(answer) == (429, "too_many_requests", [])
    assert case_of(number).stage == "handling"


# --- what the page says of a photo --------------------------------------------------------------


def words(**said):
    return "?" + urlencode(said)


HERE = {"lon": PLACE["lon"], "lat": PLACE["lat"]}
CAMERA = {"origin": "camera", "taken_at": "2026-11-26T10:42:00+08:00"}


def finish_with(people, condition, raw, **said):
    number, unit = signed(people, condition)
    client = browser_of(unit)
    notes = [note_of(client, raw, words(**said))]
    finish = {"action": "finish", "seen_version": case_of(number).version, "photos": notes}
    assert post(client, f"/api/v1/cases/{number}/actions/", finish).status_code == 200
    return case_of(number)


def test_the_pages_word_stands_with_the_photo_and_in_the_event(people, condition):
    case = finish_with(people, condition, jpeg(), **CAMERA, **HERE, accuracy_m=8.4, heading=359.6)

    photo = Attachment.objects.get(case=case)
    taken_at = datetime.fromisoformat(CAMERA["taken_at"])
    assert (photo.origin, photo.taken_at) == ("camera", taken_at)
    assert (photo.accuracy_m, photo.heading) == (8, 0)
    assert photo.point.coords == pytest.approx((PLACE["lon"], PLACE["lat"]))
    event = Event.objects.get(case=case, action="finish")
    assert event.data["facts"]["photos"] == [photo.sha256]
    assert json.loads(event.private)["taken"] == [
        {
            "sha256": photo.sha256,
            "origin": "camera",
            "at": "2026-11-26T02:42:00.000000Z",
            "place": f"{PLACE['lon']:.7f},{PLACE['lat']:.7f}",
            "accuracy_m": 8,
            "heading": 0,
        }
    ]


def test_where_somebody_stood_is_in_no_header_and_can_be_erased(people, condition):
    place = f"{PLACE['lon']:.7f},{PLACE['lat']:.7f}"
    case = finish_with(people, condition, jpeg(), **CAMERA, **HERE, accuracy_m=8)
    event = Event.objects.get(case=case, action="finish")
    assert place in event.private
    assert place not in event.header

    told = browser_of(people.chief).get(f"/api/v1/cases/{case.number}/").json()["events"]
    assert not [row for row in told if "taken" in row.get("facts", ())]

    Event.objects.filter(pk=event.pk).update(private=None, salt=None)
    assert verify_ledger() == []


def test_a_log_that_says_it_in_a_header_still_holds(people, condition):
    number = report(people, condition)["number"]
    taken = [{"sha256": "0" * 64, "place": f"{PLACE['lon']:.7f},{PLACE['lat']:.7f}"}]
    with transaction.atomic():
        folder = open_folder(number=number)
        with open_book(folder.case.scope) as book:
            facts = {"sha256": "0" * 64, "taken": taken}
            book.append(folder, Action.STORE_PHOTO, role=Role.INSPECTOR, facts=facts)

    assert verify_ledger() == []
    assert browser_of(people.chief).get(f"/api/v1/cases/{number}/").status_code == 200


def exif_of(text):
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = text
    return exif


@pytest.mark.parametrize(
    ("said", "file", "doubts"),
    [
        ({**CAMERA, "taken_at": "2100-01-01T00:00:00Z", **HERE}, "2020:01:01 00:00:00", []),
        ({**CAMERA, "taken_at": "2020-01-01T00:00:00Z"}, "2100:01:01 00:00:00", ["taken_before"]),
        ({"origin": "camera", "lon": 110.1, "lat": 27.4}, "", ["taken_away"]),
        ({"origin": "album"}, "2020:01:01 00:00:00", ["taken_before"]),
        ({"origin": "album"}, "", []),
        ({}, "2020:01:01 00:00:00", ["taken_before"]),
    ],
)
def test_the_pages_word_is_compared_and_the_files_where_it_said_none(
    people, condition, said, file, doubts
):
    out = io.BytesIO()
    Image.new("RGB", (64, 48)).save(out, "JPEG", exif=exif_of(file) if file else Image.Exif())

    assert finish_with(people, condition, out.getvalue(), **said).photo_doubts == doubts


def test_a_photo_from_the_album_says_so_where_it_is_shown(people, condition):
    case = finish_with(people, condition, jpeg(), origin="album")

    page = browser_of(people.chief).get(f"/cases/{case.number}/").content.decode()

    assert "from the album, time unknown" in page


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"origin": "scanner"}, "origin"),
        ({"origin": "album", "taken_at": CAMERA["taken_at"]}, "taken_at"),
        ({"taken_at": CAMERA["taken_at"]}, "taken_at"),
        ({"origin": "camera", "taken_at": "2026-11-26T10:42:00"}, "taken_at"),
        ({"origin": "camera", "taken_at": "0001-01-01T00:00:00+08:00"}, "taken_at"),
        ({"origin": "camera", "taken_at": "yesterday"}, "taken_at"),
        ({"lon": "110"}, "lat"),
        ({"lat": "27"}, "lon"),
        ({**HERE, "lon": 181}, "lon"),
        ({**HERE, "lat": "nan"}, "lat"),
        ({**HERE, "accuracy_m": -1}, "accuracy_m"),
        ({**HERE, "accuracy_m": "inf"}, "accuracy_m"),
        ({"accuracy_m": 5}, "accuracy_m"),
        ({"heading": 361}, "heading"),
        ({"heading": "nan"}, "heading"),
    ],
)
def test_a_wrong_word_is_refused_by_name_and_nothing_is_kept(people, settings, said, field):
    answer = put(browser_of(people.inspector), jpeg(), words(**said))

    assert fields_of(answer) == (422, "invalid_input", [field])
    assert not Path(settings.MEDIA_ROOT, "arrived").exists()


def test_a_photo_of_a_report_carries_the_pages_word(people, condition):
    client, raw = browser_of(people.inspector), jpeg()
    sha = hashlib.sha256(raw).hexdigest()
    number = post(client, "/api/v1/cases/", body(condition, photos=[sha])).json()["number"]

    url = f"/api/v1/cases/{number}/photos/{sha}/" + words(kind="far", **CAMERA)
    answer = client.put(url, raw, "image/jpeg")

    assert (answer.status_code, answer.json()["stage"]) == (200, "filed")
    photo = Attachment.objects.get(case__number=number)
    assert (photo.kind, photo.origin) == ("far", "camera")
    event = Event.objects.get(case__number=number, action="store_photo")
    assert event.data["facts"] == {"sha256": sha}
    assert json.loads(event.private)["taken"] == [
        {"sha256": sha, "origin": "camera", "at": "2026-11-26T02:42:00.000000Z"}
    ]


@pytest.mark.parametrize("role", ["inspector", "operator"])
def test_the_log_says_in_which_role_a_photo_was_stored(people, condition, role):
    client, raw = browser_of(getattr(people, role)), jpeg()
    sha = hashlib.sha256(raw).hexdigest()
    number = post(client, "/api/v1/cases/", body(condition, photos=[sha])).json()["number"]

    client.put(f"/api/v1/cases/{number}/photos/{sha}/", raw, "image/jpeg")

    events = Event.objects.filter(case__number=number, action__in=("report", "store_photo"))
    assert set(events.values_list("actor_role", flat=True)) == {role}
    assert events.count() == 2


@pytest.mark.parametrize("path", ["/api/v1/locate/", "/api/v1/cases/near/"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_is_no_number_is_no_place(people, condition, path, value):
    asked = {**PLACE, "lat": value, "category": condition.minor_id}

    answer = browser_of(people.inspector).get(path, asked)

    assert fields_of(answer) == (422, "invalid_input", ["lat"])


# --- duplicates near ----------------------------------------------------------------------------


def near(client, **words):
    asked = {**PLACE, "category": "event-0112", **words}
    return client.get("/api/v1/cases/near/", asked)


def numbers(answer):
    return [row["number"] for row in answer.json()["cases"]]


def beside(metres_north):
    return {**PLACE, "lat": PLACE["lat"] + metres_north / 111_000}


def test_a_report_is_told_of_open_cases_near_even_of_others(people, condition):
    number = report(people, condition, address="人民路 1 号", photos=(photo("near"),))["number"]
    client, other = browser_of(people.checker), browser_of(person("i3", Role.INSPECTOR))
    assert client.get(f"/api/v1/cases/{number}/").status_code == 404

    answer = near(client, category=condition.minor_id, **beside(30))

    row = answer.json()["cases"][0]
    assert (row["number"], row["distance_m"], row["age_min"]) == (number, 30, 0)
    assert (row["condition"], row["address"]) == (condition.text, "人民路 1 号")
    assert row["own"] is False
    assert "description" not in row
    for name in ("photo", "photo_large"):
        assert client.get(row[name]).status_code == 200
        assert client.get(row[name].partition("?")[0]).status_code == 404
        assert other.get(row[name]).status_code == 404
    with later(minutes=61):
        assert client.get(row["photo"]).status_code == 404


def test_near_is_within_the_citys_limits(people, condition):
    number = report(people, condition)["number"]
    client, minor = token_of(people.checker), {"category": condition.minor_id}
    options = CityOptions.objects.get()

    assert numbers(near(client, **minor, **beside(options.duplicate_m - 1))) == [number]
    assert numbers(near(client, **minor, **beside(options.duplicate_m + 2))) == []
    with later(hours=options.duplicate_h + 1):
        assert numbers(near(client, **minor)) == []


def test_an_ended_case_is_no_duplicate_and_its_photo_is_shut(people, condition):
    number = report(people, condition, photos=(photo("near"),))["number"]
    client, minor = browser_of(people.checker), {"category": condition.minor_id}
    shown = near(client, **minor).json()["cases"][0]["photo"]

    act(number, Action.VOID, people.chief, reason="wrong_report")

    assert numbers(near(client, **minor)) == []
    assert client.get(shown).status_code == 404


def test_a_hint_shuts_no_photo_of_an_own_case_that_ended(people, condition):
    number = report(people, condition, photos=(photo("near"),))["number"]
    client, minor = browser_of(people.inspector), {"category": condition.minor_id}
    shown = near(client, **minor).json()["cases"][0]["photo"]

    act(number, Action.VOID, people.chief, reason="wrong_report")

    assert client.get(shown).status_code == 200


def test_what_is_said_of_people_stays_out_of_a_hint(people, condition):
    words = {"address": "张三家门口", "description": "张三 13812345678", "contact": "李四"}
    report(people, condition, source="hotline", **words)

    answer = near(browser_of(people.inspector), category=condition.minor_id)

    assert len(answer.json()["cases"]) == 1
    assert not any(word in answer.content.decode() for word in ("张三", "李四", "138"))


def test_one_hint_and_three_take_the_same_statements(people, condition):
    client, minor = token_of(people.checker), {"category": condition.minor_id}
    counts = []
    for number in (1, 3):
        while Case.objects.count() < number:
            report(people, condition, photos=(photo("near"),))
        with CaptureQueriesContext(connection) as captured:
            assert len(numbers(near(client, **minor))) == number
        counts.append(len(captured))

    assert counts == [4, 4]


def test_only_who_reports_asks_what_is_near(people, condition):
    unit = person("u", Role.UNIT, "no-such-unit")

    assert fields_of(near(browser_of(unit))) == (403, "not_allowed", [])
    assert fields_of(near(browser_of(people.inspector), category="none"))[2] == ["category"]
    assert fields_of(near(browser_of(people.inspector), lon="x"))[2] == ["lon"]
    assert Client().get("/api/v1/cases/near/").status_code == 401
