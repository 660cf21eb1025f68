"""Supporting a case that is reported already, instead of reporting it again."""

import hashlib
import io
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client
from PIL import Image

from cases.choices import Action, Role
from cases.models import Attachment, CityOptions, DistrictHead, Event, Support
from tests.support.people import person
from tests.support.spine import PLACE, act, case_of, dispatched, report

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]

HERE = "{lon},{lat}".format(**PLACE)


def browser_of(user):
    client = Client()
    client.force_login(user)
    return client


def support(user, number, **words):
    data = {"action": "support", "place": HERE, **words}
    return browser_of(user).post(
        f"/api/v1/cases/{number}/actions/",
        {name: value for name, value in data.items() if value is not None},
        content_type="application/json",
        headers={"Idempotency-Key": str(uuid.uuid4())},
    )


def jpeg():
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "grey").save(out, "JPEG")
    return out.getvalue()


def state():
    """Return what a refusal leaves alone."""
    heads = list(DistrictHead.objects.order_by("scope").values_list("scope", "dseq"))
    return heads, Support.objects.count(), Attachment.objects.count()


def north(metres):
    return f"{PLACE['lon']},{PLACE['lat'] + metres / 111_000}"


def test_an_inspector_supports_a_case_of_another_without_seeing_more_of_it(people, condition):
    number = dispatched(people, condition)
    before = case_of(number)

    answer = support(people.checker, number, note="又看到一次")

    assert answer.status_code == 200
    assert answer.json() == {
        "number": number,
        "stage": "dispatched",
        "version": before.version,
        "supports": 1,
    }
    event = Event.objects.get(case=before, action="support")
    assert (event.from_stage, event.to_stage) == ("dispatched", "dispatched")
    assert (event.actor, event.actor_role) == (people.checker, "inspector")
    assert "又看到一次" not in event.header
    assert browser_of(people.checker).get(f"/cases/{number}/").status_code == 404
    page = browser_of(people.chief).get(f"/cases/{number}/").content.decode()
    assert "by 1 other inspector" in page
    assert "又看到一次" in page


def test_the_same_person_supports_a_case_once(people, condition):
    number = dispatched(people, condition)
    first = support(people.checker, number)
    before = state()

    again = support(people.checker, number, note="再次")

    assert (again.status_code, again.json()) == (200, first.json())
    assert state() == before
    assert support(person("i3", Role.INSPECTOR), number).json()["supports"] == 2
    row = Support.objects.get(by=people.checker)
    row.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save(force_insert=True)


def test_a_support_never_goes_stale_and_leaves_an_open_form_right(people, condition):
    number = dispatched(people, condition)
    version = case_of(number).version

    assert support(people.checker, number, seen_version=1).status_code == 200
    assert case_of(number).version == version


def test_a_support_may_bring_a_photo_sent_before(people, condition):
    number = dispatched(people, condition)
    raw = jpeg()
    address = f"/api/v1/photos/{hashlib.sha256(raw).hexdigest()}/?origin=album"
    put = browser_of(people.checker).put(address, raw, "image/jpeg")

    answer = support(people.checker, number, photos=[put.json()["note"]])

    assert answer.status_code == 200
    kept = Attachment.objects.get(case__number=number)
    assert (kept.kind, kept.origin, kept.added_by) == ("near", "album", people.checker)


def test_the_reporter_does_not_support_an_own_report(people, condition):
    number = dispatched(people, condition)
    before = state()

    answer = support(people.inspector, number)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert state() == before


@pytest.mark.parametrize("place", ["far", "nowhere", None, "nan,nan"])
def test_who_does_not_stand_before_it_learns_nothing_of_it(people, condition, place):
    number = dispatched(people, condition)
    options = CityOptions.objects.get()
    place = {"far": north(options.duplicate_m + 2), "nowhere": "0,0"}.get(place, place)
    before = state()

    answer = support(people.checker, number, place=place)
    unknown = support(people.checker, "HH2026010100001", place=place)

    assert answer.status_code in (404, 422)
    told, said = answer.json(), unknown.json()
    assert (answer.status_code, told) == (unknown.status_code, said)
    assert state() == before


def test_who_sees_the_case_but_stands_elsewhere_is_told_so(people, condition):
    number = report(people, condition, source="hotline")["number"]
    act(number, Action.SEND_VERIFY, people.acceptor, assignee=people.checker.username)

    answer = support(people.checker, number, place=north(500))

    assert (answer.status_code, sorted(answer.json()["fields"])) == (422, ["place"])


def test_only_open_cases_are_supported(people, condition):
    number = dispatched(people, condition)
    act(number, Action.VOID, people.chief, reason="wrong_report")
    before = state()

    answer = support(people.checker, number)

    assert (answer.status_code, answer.json()["code"]) == (409, "move_not_allowed")
    assert state() == before


def test_nobody_but_inspectors_supports(people, condition):
    number = dispatched(people, condition)
    stranger = person("u", Role.UNIT, "no-such-unit")
    before = state()

    seen, hidden = support(people.dispatcher, number), support(stranger, number)

    assert (seen.status_code, hidden.status_code) == (403, 404)
    assert state() == before


def test_a_file_with_a_support_is_refused_before_it_is_kept(people, condition, settings):
    number = dispatched(people, condition)
    settings.MEDIA_ROOT = settings.MEDIA_ROOT / "empty"
    file = SimpleUploadedFile("seen.jpg", jpeg(), "image/jpeg")
    said = {"action": "support", "place": HERE, "photos": file}

    answer = browser_of(people.checker).post(f"/api/v1/cases/{number}/actions/", said)

    assert (answer.status_code, sorted(answer.json()["fields"])) == (422, ["photos"])
    assert answer.json()["detail"] == "A support takes its photos as notes."
    assert not settings.MEDIA_ROOT.exists()


def test_a_hint_says_whether_one_has_supported_the_case(people, condition):
    number = dispatched(people, condition)
    asked = {**PLACE, "category": condition.minor_id}
    client = browser_of(people.checker)

    before = client.get("/api/v1/cases/near/", asked).json()["cases"]
    support(people.checker, number)
    after = client.get("/api/v1/cases/near/", asked).json()["cases"]

    assert [(row["number"], row["supported"]) for row in before] == [(number, False)]
    assert [row["supported"] for row in after] == [True]


def test_a_support_is_not_offered_at_the_case(people, condition):
    number = report(people, condition, source="hotline")["number"]
    act(number, Action.SEND_VERIFY, people.acceptor, assignee=people.checker.username)

    listed = browser_of(people.checker).get(f"/api/v1/cases/{number}/actions/").json()["actions"]

    assert [row["action"] for row in listed] == ["answer_verify"]
