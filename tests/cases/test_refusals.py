"""What a refused or repeated request leaves behind: nothing, and its first answer."""

import io
import json
import uuid
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client
from PIL import Image

from cases.choices import Role
from cases.models import Attachment, Case, Event
from tests.support.people import person
from tests.support.spine import PLACE, dispatched, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def upload():
    out = io.BytesIO()
    Image.new("RGB", (9, 7), "red").save(out, "JPEG")
    file = io.BytesIO(out.getvalue())
    file.name = "photo.jpg"
    return file


def kept_files():
    return list(Path(settings.MEDIA_ROOT).rglob("*.jpg"))


@pytest.fixture
def number(people, condition):
    return dispatched(people, condition)


@pytest.fixture
def giving_back(number):
    version = Case.objects.get(number=number).version
    return {"action": "return", "seen_version": version, "reason": "other"}


def test_a_return_sent_again_gets_its_answer_though_the_case_has_left(number, giving_back):
    client, headers = client_of(unit_person(number)), {"Idempotency-Key": str(uuid.uuid4())}
    url = f"/api/v1/cases/{number}/actions/"
    first = client.post(url, giving_back, "application/json", headers=headers)
    events = Event.objects.count()

    again = client.post(url, giving_back, "application/json", headers=headers)

    assert client.get(f"/api/v1/cases/{number}/").status_code == 404
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert Event.objects.count() == events


def test_a_return_form_sent_twice_leads_on_both_times(number, giving_back):
    client, form = client_of(unit_person(number)), {**giving_back, "key": str(uuid.uuid4())}
    first = client.post(f"/cases/{number}/actions/", form)
    events = Event.objects.count()

    again = client.post(f"/cases/{number}/actions/", form)

    assert (first.status_code, again.status_code) == (302, 302)
    assert Event.objects.count() == events


def test_somebody_elses_key_opens_nothing(number, giving_back):
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    url = f"/api/v1/cases/{number}/actions/"
    owner = client_of(unit_person(number))
    assert owner.post(url, giving_back, "application/json", headers=headers).status_code == 200
    stranger = client_of(person("elsewhere", Role.UNIT, "no-such-unit"))

    answer = stranger.post(url, giving_back, "application/json", headers=headers)

    assert answer.status_code == 404


def test_an_answered_key_is_good_for_its_own_request_only(number, giving_back):
    client, headers = client_of(unit_person(number)), {"Idempotency-Key": str(uuid.uuid4())}
    url = f"/api/v1/cases/{number}/actions/"
    client.post(url, giving_back, "application/json", headers=headers)
    other = {**giving_back, "reason": "duplicate"}

    answer = client.post(url, other, "application/json", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("url", ["/cases/{}/actions/", "/api/v1/cases/{}/actions/"])
@pytest.mark.parametrize(("action", "status"), [("finish", 403), ("answer_check", 403)])
def test_photos_of_a_refused_action_are_not_kept(people, number, url, action, status):
    form = {"action": action, "seen_version": 4, "passed": "true", "photos": upload()}

    answer = client_of(people.acceptor).post(url.format(number), {**form, "key": str(uuid.uuid4())})

    assert answer.status_code == status
    assert kept_files() == []
    assert Attachment.objects.count() == 0


def test_an_action_that_takes_no_photos_keeps_none(number):
    form = {"action": "sign", "seen_version": Case.objects.get(number=number).version}

    answer = client_of(unit_person(number)).post(
        f"/api/v1/cases/{number}/actions/", {**form, "photos": upload()}
    )

    assert (answer.status_code, answer.json()["fields"]) == (
        422,
        {"photos": "is not an input of this action"},
    )
    assert kept_files() == []
    assert Case.objects.get(number=number).stage == "dispatched"


# --- what no database holds -----------------------------------------------------------------------

_ODD = ["\0", "a\0b", "\ud800", {"a": 1}, ["x"], 1.5, 7]


@pytest.mark.parametrize("value", _ODD, ids=ascii)
@pytest.mark.parametrize("name", ["unit", "note", "ruling", "nobody_asked"])
def test_odd_inputs_are_refused_and_change_nothing(people, number, name, value):
    case = Case.objects.get(number=number)
    words = {"action": "reassign", "seen_version": case.version, "unit": case.unit_id}
    events = Event.objects.count()

    answer = client_of(people.dispatcher).post(
        f"/api/v1/cases/{number}/actions/",
        json.dumps({**words, name: value}),
        "application/json",
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )

    assert (answer.status_code, list(answer.json()["fields"])) == (422, [name])
    assert Event.objects.count() == events


def test_an_odd_name_of_an_input_is_refused(people, number):
    words = {"action": "reassign", "seen_version": 4, "\ud800": "x"}

    answer = client_of(people.dispatcher).post(
        f"/api/v1/cases/{number}/actions/", json.dumps(words), "application/json"
    )

    assert (answer.status_code, answer.json()["fields"]) == (
        422,
        {"\\ud800": "send plain text"},
    )


def test_a_form_with_a_nul_is_refused_and_changes_nothing(people, number):
    case = Case.objects.get(number=number)
    form = {"action": "reassign", "seen_version": case.version, "unit": case.unit_id}

    answer = client_of(people.dispatcher).post(
        f"/cases/{number}/actions/", {**form, "note": "\0", "key": str(uuid.uuid4())}
    )

    assert answer.status_code == 422
    assert Case.objects.get(number=number).version == case.version


@pytest.mark.parametrize(
    "address",
    [
        "/api/v1/cases/?stage=%00",
        "/api/v1/cases/?q=%00",
        "/api/v1/cases/%00/",
        "/api/v1/categories/?kind=%00",
        "/cases/%00/panel/",
        "/desk/?case=%00",
        "/desk/cases/?numbers=%00",
    ],
)
def test_an_address_with_a_nul_is_a_bad_request(people, address):
    assert client_of(people.dispatcher).get(address).status_code == 400


def test_json_nested_too_deeply_is_a_bad_request(people):
    answer = client_of(people.inspector).post(
        "/api/v1/cases/",
        "[" * 100_000 + "]" * 100_000,
        "application/json",
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")


@pytest.mark.parametrize(
    "words",
    [{"stage": "closed"}, {"district": "landport"}, {"number": "HH1"}, {"version": 99},
     {"unit": "city-water"}, {"reporter": 1}, {"due_at": "2030-01-01T00:00:00Z"}],
    ids=str,
)  # fmt: skip
def test_nobody_writes_a_column_by_naming_it(people, condition, words):
    report = {"location": PLACE, "category": condition.minor_id, "condition": condition.code}

    answer = client_of(people.inspector).post(
        "/api/v1/cases/",
        {**report, **words},
        "application/json",
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )

    case = Case.objects.get(number=answer.json()["number"])
    assert (case.stage, case.district, case.version) == ("filed", "hecheng", 3)
    assert (case.unit, case.reporter, case.due_at) == (None, people.inspector, None)


# --- ways out of the site -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_nobody_is_led_to_another_site(people, number, target):
    case = Case.objects.get(number=number)
    form = {"action": "reassign", "seen_version": case.version, "unit": case.unit_id}
    client = client_of(people.dispatcher)

    answers = [
        client.post(
            f"/cases/{number}/actions/?{urlencode({'next': target})}",
            {**form, "key": str(uuid.uuid4())},
        ),
        client.get(f"/sign-in/?{urlencode({'next': target})}"),
        client.post("/i18n/setlang/", {"language": "en", "next": target}),
    ]

    assert [answer.status_code for answer in answers] == [302, 302, 302]
    assert [answer["Location"] for answer in answers] == [f"/cases/{number}/", "/", "/"]


@pytest.mark.parametrize(
    "headers",
    [{"X-Forwarded-Host": "evil.example"}, {"X-Forwarded-For": "127.0.0.1"},
     {"X-HTTP-Method-Override": "GET"}, {"X-Accel-Redirect": "/protected-media/x"}],
)  # fmt: skip
def test_headers_of_a_proxy_open_nothing(headers):
    answer = Client(headers=headers).get("/desk/")

    assert (answer.status_code, answer["Location"]) == (302, "/sign-in/?next=/desk/")
    assert "X-Accel-Redirect" not in answer
