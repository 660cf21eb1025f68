"""The phone pages: report a problem, see what became of it, answer a check."""

import gzip
import io
import posixpath
import re
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.contrib.staticfiles import finders
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from cases.choices import Role
from cases.models import Attachment, Case, Condition
from tests.support.components import component
from tests.support.people import person
from tests.support.spine import PLACE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def upload(colour="grey"):
    out = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(out, "JPEG")
    return SimpleUploadedFile("street.jpg", out.getvalue(), "image/jpeg")


def said(condition, **words):
    return {
        "key": str(uuid.uuid4()),
        **PLACE,
        "accuracy_m": "8",
        "condition": condition.code,
        "description": "在路灯旁",
    } | words


def with_photos(condition, **words):
    return said(condition, near=upload("red"), far=upload("blue"), **words)


def hidden(answer, name):
    found = re.search(rf'name="{name}" value="([^"]+)"', answer.content.decode())
    return found and found[1]


def test_report_becomes_a_case_with_its_photos(people, condition):
    client = client_of(people.inspector)

    answer = client.post("/m/report/", with_photos(condition), follow=True)

    case = Case.objects.get()
    assert answer.redirect_chain == [("/m/", 302)]
    assert case.number in answer.content.decode()
    assert (case.reporter, case.condition, case.accuracy_m) == (people.inspector, condition, 8)
    assert case.description == "在路灯旁"
    assert {a.kind for a in Attachment.objects.filter(case=case)} == {"near", "far"}


def test_double_submit_makes_one_case(people, condition):
    client = client_of(people.inspector)
    key = str(uuid.uuid4())

    answers = [client.post("/m/report/", with_photos(condition, key=key)) for _ in range(2)]

    assert [a.status_code for a in answers] == [302, 302]
    assert Case.objects.count() == 1


def test_other_content_under_a_used_key_gets_a_new_key(people, condition):
    client = client_of(people.inspector)
    words = with_photos(condition)
    client.post("/m/report/", words)

    again = with_photos(condition, key=words["key"], description="另一处")
    answer = client.post("/m/report/", again)

    assert answer.status_code == 422
    assert hidden(answer, "key") not in (None, words["key"])
    assert Case.objects.count() == 1


def test_wrong_report_keeps_what_was_typed_and_the_photos(people, condition):
    client = client_of(people.inspector)

    answer = client.post("/m/report/", with_photos(condition, lon="", address="迎丰中路"))

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "The place is missing." in page
    assert 'value="迎丰中路"' in page
    assert "在路灯旁" in page
    assert re.search(rf'value="{condition.code}"[^>]*selected', page)
    kept = {name: hidden(answer, name) for name in ("kept_near", "kept_far")}
    client.post("/m/report/", said(condition, **kept))
    assert Case.objects.get().attachment_set.count() == 2


def test_report_whose_photo_finds_no_room_keeps_what_was_typed(people, condition, monkeypatch):
    client = client_of(people.inspector)

    with monkeypatch.context() as patch:
        full = SimpleNamespace(free=0)
        patch.setattr("cases.services.photo_store.shutil.disk_usage", lambda path: full)
        answer = client.post("/m/report/", with_photos(condition))

    assert answer.status_code == 422
    assert "There is no room for photos now." in answer.content.decode()
    assert "在路灯旁" in answer.content.decode()
    assert Case.objects.count() == 0
    client.post("/m/report/", with_photos(condition, key=hidden(answer, "key")))
    assert Case.objects.get().attachment_set.count() == 2


def test_photo_kept_for_another_person_is_not_taken(people, condition):
    answer = client_of(people.inspector).post("/m/report/", with_photos(condition, lon=""))
    kept = {name: hidden(answer, name) for name in ("kept_near", "kept_far")}
    Condition.objects.filter(pk=condition.pk).update(photo_rule="one")

    stolen = client_of(people.checker).post("/m/report/", said(condition, **kept))

    assert stolen.status_code == 422
    assert not Case.objects.exists()


@pytest.mark.parametrize(("rule", "missing"), [("none", 0), ("one", 1), ("near_and_far", 2)])
def test_condition_says_which_photos_are_needed(people, condition, rule, missing):
    Condition.objects.filter(pk=condition.pk).update(photo_rule=rule)

    answer = client_of(people.inspector).post("/m/report/", said(condition))

    errors = answer.context["form"].errors if missing else {}
    assert len(errors) == missing
    assert answer.content.decode().count("<li>This problem needs this photo.</li>") == missing
    assert Case.objects.count() == (0 if missing else 1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"lon": "100"}, "outside the four districts"),
        ({"lon": "nan"}, "Enter a number."),
        ({"condition": "event-9999-9"}, "Choose another."),
        ({"description": "长" * 201}, "at most 200"),
        ({"near": SimpleUploadedFile("a.jpg", b"no photo", "image/jpeg")}, "not a photo"),
    ],
)
def test_wrong_field_is_said_at_the_field(people, condition, words, sentence):
    answer = client_of(people.inspector).post("/m/report/", with_photos(condition) | words)

    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Case.objects.exists()


def test_only_inspectors_and_operators_report(people, condition):
    for user in (people.dispatcher, person("u1", Role.UNIT, "some-unit")):
        assert client_of(user).get("/m/report/").status_code == 403
        assert client_of(user).post("/m/report/", with_photos(condition)).status_code == 403
    assert Client().get("/m/report/").status_code == 302
    assert not Case.objects.exists()


def test_operator_names_the_source(people, condition):
    client = client_of(people.operator)

    assert 'name="source"' in client.get("/m/report/").content.decode()
    client.post("/m/report/", with_photos(condition, source="hotline"))

    assert Case.objects.get().source == "hotline"


def test_inspector_cannot_choose_a_source(people, condition):
    client_of(people.inspector).post("/m/report/", with_photos(condition, source="leader"))

    assert Case.objects.get().source == "inspector"


def test_page_lets_no_inline_code_in(people):
    page = client_of(people.inspector).get("/m/report/").content.decode()

    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    scripts = re.findall(r"<script[^>]*>", page)
    assert all("src=" in tag or 'type="application/json"' in tag for tag in scripts)
    assert page.count('capture="environment"') == 5  # near, far, two more, after


def test_home_asks_the_database_the_same_for_one_report_and_for_three(
    people, condition, django_assert_num_queries
):
    client = client_of(people.inspector)
    for number in (1, 3):
        while Case.objects.count() < number:
            client.post("/m/report/", with_photos(condition))
        client.get("/m/")  # the messages of the reports are shown and gone
        with django_assert_num_queries(6):
            page = client.get("/m/").content.decode()
        assert page.count(" · 018</p>") == number


def test_map_is_drawn_from_the_grid_around_a_point(people, huaihua):
    client = client_of(people.inspector)

    near = client.get("/outline/near/", PLACE).json()["features"]

    codes = {feature["properties"]["code"] for feature in near}
    place = client.get("/api/v1/locate/", PLACE).json()
    assert {place["grid_cell"], place["community"]} < codes
    assert 20 < len(codes) < 400
    (cell,) = [f for f in near if f["properties"]["code"] == place["grid_cell"]]
    assert cell["properties"]["zh"] == place["grid_cell"][-3:]


@pytest.mark.parametrize("query", ["", "?lon=a&lat=1", "?lon=nan&lat=1", "?lon=1"])
def test_grid_around_no_point_is_refused(people, query):
    assert client_of(people.inspector).get(f"/outline/near/{query}").status_code == 400
    assert Client().get(f"/outline/near/{query}").status_code == 302


def test_what_is_fixed_on_the_spot_needs_its_photo_and_goes_to_a_check(people, condition):
    client = client_of(people.inspector)

    refused = client.post("/m/report/", with_photos(condition, self_handled="on"))
    assert refused.status_code == 422
    assert "What you fixed needs a photo taken after." in refused.content.decode()
    assert not Case.objects.exists()
    client.post("/m/report/", with_photos(condition, self_handled="on", after=upload("green")))

    case = Case.objects.get()
    assert (case.is_self_handled, case.stage) == (True, "checking")
    assert {a.kind for a in Attachment.objects.filter(case=case)} == {"near", "far", "after"}


def test_photo_of_a_tick_taken_back_is_left_out(people, condition):
    client = client_of(people.inspector)

    client.post("/m/report/", with_photos(condition, after=upload("green")))

    case = Case.objects.get()
    assert (case.is_self_handled, case.stage) == (False, "filed")
    assert {a.kind for a in Attachment.objects.filter(case=case)} == {"near", "far"}


def weight_of(addresses):
    """Bytes of these files and of all the modules they import, gzipped one by one as nginx does."""
    todo, weights = list(addresses), {}
    while todo:
        name = todo.pop()
        if name in weights:
            continue
        text = Path(str(finders.find(name))).read_bytes()
        weights[name] = len(gzip.compress(text, 6))
        if name.endswith(".js"):
            imports = re.findall(r'^import[^"]*"([^"]+)";', text.decode(), re.MULTILINE)
            todo += [posixpath.normpath(posixpath.join(name, "..", path)) for path in imports]
    return sum(weights.values())


def test_report_page_weighs_little_and_loads_no_map_before_one_is_opened(people):
    answer = client_of(people.inspector).get("/m/report/", headers={"accept-language": "zh-hans"})

    page = answer.content.decode()
    files = re.findall(r'(?:<script[^>]* src|<link[^>]* href)="/static/([^"]+)"', page)
    weight = len(gzip.compress(answer.content, 6)) + weight_of(files)
    on_demand = ["cases/report/place_picker.js", "cases/report/category_picker.js"]
    leaflet = re.findall(r'data-(?:leaflet|outline)-\w+="/static/([^"]+)"', page)
    assert len(files) > 4
    assert len(leaflet) == 3
    assert not set(files) & set(leaflet)
    assert weight <= 70_000
    assert weight + weight_of([*on_demand, *leaflet]) <= 125_000


def test_phone_offers_what_is_reported_most(people, condition):
    client = client_of(people.inspector)
    assert 'data-often=""' in client.get("/m/report/").content.decode()
    other = Condition.objects.filter(photo_rule="one").exclude(pk=condition.pk).first()
    for one in (condition, condition, other):
        client.post("/m/report/", with_photos(one))

    page = client.get("/m/report/").content.decode()

    assert f'data-often="{condition.code} {other.code}"' in page


def test_component_is_named_by_the_code_read_off_it(people):
    cover = component()
    condition = Condition.objects.filter(minor=cover.minor).earliest("code")
    client = client_of(people.inspector)
    spaced = f"{cover.code[:6]} {cover.code[6:]}"

    wrong = client.post("/m/report/", with_photos(condition, component_code="4312020101009999"))
    assert wrong.status_code == 422
    assert "No such component of this class is registered." in wrong.content.decode()
    assert not Case.objects.exists()
    client.post("/m/report/", with_photos(condition, component_code=spaced))

    assert Case.objects.get().component == cover
