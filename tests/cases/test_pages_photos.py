"""Photos go to those who may see the case, and to nobody else."""

import pytest
from django.test import Client
from django.utils import timezone

from cases.choices import Role
from cases.models import Attachment, Case
from tests.support.people import person
from tests.support.spine import dispatched, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]

SHA = "ab" * 32


@pytest.fixture
def attachment(people, condition):
    case = Case.objects.get(number=dispatched(people, condition))
    return Attachment.objects.create(
        case=case,
        kind=Attachment.Kind.NEAR,
        sha256="cd" * 32,
        stored_sha256=SHA,
        width=4,
        height=3,
        size=100,
        added_by=people.inspector,
        added_at=timezone.now(),
    )


def get(user, url):
    client = Client()
    client.force_login(user)
    return client.get(url)


@pytest.mark.parametrize(("tail", "suffix"), [("", ""), ("small/", "-s")])
def test_photo_is_sent_by_nginx_and_kept_private(attachment, tail, suffix):
    answer = get(unit_person(attachment.case.number), f"/photos/{attachment.pk}/{tail}")

    assert answer.status_code == 200
    assert answer["X-Accel-Redirect"] == f"/protected-media/photos/ab/{SHA}{suffix}.jpg"
    assert answer["Content-Type"] == "image/jpeg"
    assert "private" in answer["Cache-Control"]


@pytest.mark.parametrize("tail", ["", "small/"])
def test_photo_of_a_hidden_case_is_not_found(attachment, tail):
    answer = get(person("elsewhere", Role.UNIT, "no-such-unit"), f"/photos/{attachment.pk}/{tail}")

    assert answer.status_code == 404
    assert "X-Accel-Redirect" not in answer


def test_photo_asks_to_sign_in(attachment):
    answer = Client().get(f"/photos/{attachment.pk}/")

    assert answer.status_code == 302
    assert "X-Accel-Redirect" not in answer
