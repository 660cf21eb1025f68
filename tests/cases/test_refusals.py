"""What a refused or repeated request leaves behind: nothing, and its first answer."""

import io
import uuid
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from PIL import Image

from cases.choices import Role
from cases.models import Attachment, Case, Event
from tests.support.people import person
from tests.support.spine import dispatched, unit_person

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
