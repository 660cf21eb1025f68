"""The page behind a component's QR code, its labels, its import page, and reports about it."""

import io
import json
import re
import uuid

import pypdf
import pytest
import segno
from django.test import Client
from django.urls import reverse

from cases.choices import Role
from cases.models import Attachment, Case, Component, Condition, MinorClass
from cases.services.intake import Report, report_case
from cases.services.ledger_check import verify_ledger
from cases.views.labels import AT_ONCE, label_sheet
from cityops.accounts.models import User
from tests.cases.test_pages_phone import client_of, hidden, upload
from tests.support.components import COVER, component, register
from tests.support.people import person
from tests.support.spine import PLACE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]

CODE = COVER["标识码"]
PAGE = f"/p/{CODE}/"
PIXEL = segno.make_qr("x").png_data_uri()
IMPORT = "/admin/cases/component/import/"


@pytest.fixture
def cover():
    return component()


@pytest.fixture
def problem(cover):
    """Return a filing condition of the cover's class."""
    return Condition.objects.filter(minor=cover.minor_id).earliest("code")


@pytest.fixture
def root():
    client = Client()
    client.force_login(User.objects.create_superuser("root", name="root"))
    return client


def about(cover, problem, reporter, **words):
    said = {**PLACE, "category": cover.minor_id, "condition": problem.code}
    report = Report(**said, component=cover.code, **words)
    return report_case(report=report, actor=reporter, key=uuid.uuid4())["number"]


# --- the page -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_signed_in", [False, True])
def test_who_holds_no_role_reads_name_code_and_whom_to_call(cover, problem, people, is_signed_in):
    number = about(cover, problem, people.inspector)
    client = Client()
    if is_signed_in:
        client.force_login(User.objects.create_user("nobody", name="nobody"))

    answer = client.get(PAGE)

    text = answer.content.decode()
    assert answer.status_code == 200
    assert [
        word for word in ("迎丰中路雨水井盖", "431202 0103 000901", "12345") if word in text
    ] == [*("迎丰中路雨水井盖", "431202 0103 000901", "12345")]
    inner = (number, "intact", "Drainage", "Hecheng District", "109.97", "Storm-drain", "/m/report")
    assert [word for word in inner if word in text] == []


def test_who_works_here_reads_all_of_it(cover, problem, people):
    number = about(cover, problem, people.inspector)

    text = client_of(people.dispatcher).get(PAGE).content.decode()

    for word in ("intact", "Huaihua Drainage Office", "Storm-drain manhole cover", number):
        assert word in text
    assert "/m/report/" not in re.sub(r"<nav.*?</nav>", "", text, flags=re.DOTALL)


def test_open_cases_alone_and_only_those_in_sight(cover, problem, people):
    mine = about(cover, problem, people.inspector)
    declined = about(cover, problem, people.inspector)
    Case.objects.filter(number=declined).update(stage="declined")
    elsewhere = report_case(
        report=Report(**PLACE, category=problem.minor_id, condition=problem.code),
        actor=people.inspector,
        key=uuid.uuid4(),
    )["number"]
    readers = {
        "city": people.dispatcher,
        "district": person("d-hecheng", Role.DISPATCHER, "hecheng"),
        "other": person("d-zhongfang", Role.DISPATCHER, "zhongfang"),
        "reporter": people.inspector,
        "inspector": people.checker,
    }

    seen = {
        name: sorted(set(re.findall(r"HH\d{13}", client_of(one).get(PAGE).content.decode())))
        for name, one in readers.items()
    }

    assert elsewhere not in seen["city"]
    assert seen == {
        "city": [mine],
        "district": [mine],
        "other": [],
        "reporter": [mine],
        "inspector": [],
    }


def test_an_inspector_is_told_what_others_reported_but_not_of_whom(cover, problem, people):
    about(cover, problem, people.inspector)
    Case.objects.update(description="请联系张三")

    seen = {
        name: " ".join(client_of(one).get(PAGE).content.decode().split())
        for name, one in {
            "inspector": people.checker,
            "other": person("d-zhongfang", Role.DISPATCHER, "zhongfang"),
        }.items()
    }

    assert "reported by somebody else" in seen["inspector"]
    assert problem.text_en in seen["inspector"]
    assert "Open cases on it (1)" in seen["inspector"]
    for hidden_word in ("HH20", "张三", people.inspector.name + "<", "/photos/"):
        assert hidden_word not in seen["inspector"]
    assert "reported by somebody else" not in seen["other"]
    assert "None that you may see." in seen["other"]


def test_the_newest_photo_in_sight_shows_how_it_looks(cover, problem, people):
    about(cover, problem, people.inspector)
    for kind, day, stored in (
        ("near", 1, "1"),
        ("after", 3, "2"),
        ("far", 4, "3"),
        ("near", 5, ""),
    ):
        Attachment.objects.create(
            case=Case.objects.get(),
            kind=kind,
            sha256=f"{day}" * 64,
            stored_sha256=stored * 64,
            added_by=people.inspector,
            added_at=f"2026-01-0{day}T00:00Z",
        )

    def photos(user):
        page = client_of(user).get(PAGE).content.decode()
        return re.findall(r'href="/photos/(\d+)/"', page)

    assert photos(people.dispatcher) == [str(Attachment.objects.get(kind="after").pk)]
    assert photos(people.checker) == []
    Case.objects.update(stage="voided")
    assert photos(people.dispatcher) == []


@pytest.mark.parametrize("code", ["4312020103999999", "x", "43120201030009010"])
def test_there_is_no_page_of_a_code_nobody_registered(cover, people, code):
    assert Client().get(f"/p/{code}/").status_code == 404
    assert client_of(people.dispatcher).get(f"/p/{code}/").status_code == 404


def test_reads_the_same_number_of_rows_whatever_lies_open(
    cover, problem, people, django_assert_num_queries
):
    about(cover, problem, people.inspector)
    client = client_of(people.dispatcher)

    for _ in range(2):
        with django_assert_num_queries(8):
            client.get(PAGE)
        about(cover, problem, people.inspector)
        about(cover, problem, people.inspector)


# --- reports about it ---------------------------------------------------------------------------


def test_the_report_form_knows_class_and_place(cover, problem, people):
    page = client_of(people.inspector).get(PAGE).content.decode()
    (address,) = re.findall(r'href="(/m/report/\?component=\d+)"', page)

    text = client_of(people.inspector).get(address).content.decode()

    (choice,) = re.findall(r'<select name="condition".*?</select>', text, re.DOTALL)
    codes = re.findall(r'<option value="([^"]+)"', choice)
    assert codes == list(
        Condition.objects.filter(minor=cover.minor_id).order_by("no").values_list("code", flat=True)
    )
    assert 'value="109.9765"' in text
    assert 'value="27.5505"' in text
    assert "迎丰中路雨水井盖" in text


def test_the_report_becomes_a_case_of_the_component_also_after_a_refusal(cover, problem, people):
    client = client_of(people.inspector)
    address = f"/m/report/?component={CODE}"
    words = {**PLACE, "key": str(uuid.uuid4()), "condition": problem.code}

    refused = client.post(address, words)
    assert (refused.status_code, Case.objects.count()) == (422, 0)
    assert 'action="' not in re.search(r"<form[^>]*id=\"report\"", refused.content.decode())[0]
    photos = {"near": upload("red"), "far": upload("blue")}
    answer = client.post(address, {**words, "key": hidden(refused, "key"), **photos})

    assert answer.status_code == 302
    case = Case.objects.get()
    assert (case.component, case.minor_id) == (cover, cover.minor_id)
    assert verify_ledger() == []
    shown = client_of(people.dispatcher).get(f"/cases/{case.number}/").content.decode()
    assert f'href="{PAGE}"' in shown


def test_a_problem_of_another_class_is_no_choice(cover, people, condition):
    words = {**PLACE, "key": str(uuid.uuid4()), "condition": condition.code, "near": upload()}

    answer = client_of(people.inspector).post(f"/m/report/?component={CODE}", words)

    assert answer.status_code == 422
    assert Case.objects.count() == 0


def test_there_is_no_form_about_an_unknown_component(cover, people):
    client = client_of(people.inspector)

    assert client.get("/m/report/?component=1").status_code == 404


def by_api(user, **body):
    said = {"location": {**PLACE, "crs": "wgs84"}, **body}
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    client = client_of(user)
    return client.post("/api/v1/cases/", json.dumps(said), "application/json", headers=headers)


def test_the_api_takes_and_tells_the_component(cover, problem, people):
    answer = by_api(
        people.inspector, category=cover.minor_id, condition=problem.code, component=CODE
    )

    assert (answer.status_code, answer.json()["component"]) == (201, CODE)
    (event,) = Case.objects.get().event_set.filter(action="report")
    assert event.data["set"]["component_id"] == CODE
    assert verify_ledger() == []


@pytest.mark.parametrize(
    ("code", "field"),
    [("4312020103999999", "component"), (CODE, "category"), ("1" * 17, "component")],
)
def test_the_api_refuses_a_component_that_does_not_fit(cover, people, condition, code, field):
    answer = by_api(people.inspector, category=condition.minor_id, component=code)

    assert answer.status_code == 422
    assert set(answer.json()["fields"]) == {field}
    assert Case.objects.count() == 0


# --- labels -------------------------------------------------------------------------------------


def sheet(pdf):
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


@pytest.mark.parametrize(("number", "pages"), [(1, [1]), (24, [24]), (49, [24, 24, 1])])
def test_a_sheet_has_24_labels_a_page(number, pages):
    drawn = [Component(code=f"4312020103{n:06d}", name="雨水井盖") for n in range(number)]

    found = sheet(label_sheet(drawn, lambda one: f"https://example.org/p/{one.code}/"))

    assert [text.count("雨水井盖") for text in found] == pages
    assert [len(re.findall(r"431202 0103 \d{6}", text)) for text in found] == pages


def test_labels_are_in_chinese_in_a_font_that_travels_with_them():
    pdf = label_sheet([Component(code=CODE, name="雨水井盖")], lambda one: "https://example.org/")

    (page,) = pypdf.PdfReader(io.BytesIO(pdf)).pages
    fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
    described = [font["/DescendantFonts"][0].get_object()["/FontDescriptor"] for font in fonts]
    assert "发现问题请扫码" in page.extract_text()
    assert {name.split("+")[1][:12] for name in (f["/FontName"] for f in described)} == {
        "Noto-Sans-CJ"
    }
    assert all({"/FontFile2", "/FontFile3"} & set(font.get_object()) for font in described)


def test_the_code_of_a_label_leads_to_the_page(cover, monkeypatch, root):
    told = []
    monkeypatch.setattr("cases.views.labels._qr", lambda address: told.append(address) or PIXEL)

    answer = root.post(
        "/admin/cases/component/",
        {"action": "print_labels", "_selected_action": [CODE]},
        headers={"host": "localhost:8000"},
    )

    assert answer.headers["Content-Type"] == "application/pdf"
    assert "迎丰中路雨水井盖" in sheet(answer.content)[0]
    assert told == [f"http://localhost:8000{PAGE}"]


def test_too_many_labels_at_once_are_refused(cover, root, monkeypatch):
    monkeypatch.setattr("cases.admin.AT_ONCE", 0)

    answer = root.post(
        "/admin/cases/component/", {"action": "print_labels", "_selected_action": [CODE]}
    )

    assert AT_ONCE == 480
    assert answer.status_code == 302


# --- the admin site -----------------------------------------------------------------------------


def send(client, raw):
    return client.post(IMPORT, {"file": io.BytesIO(raw)})


def test_a_file_is_looked_at_before_it_is_written(root):
    preview = send(root, register({}))

    assert preview.status_code == 200
    assert Component.objects.count() == 0
    done = root.post(IMPORT, {"seen": hidden(preview, "seen")}, follow=True)
    assert done.redirect_chain == [(reverse("admin:cases_component_changelist"), 302)]
    assert "Imported: 1 new, 0 changed, 0 unchanged." in done.content.decode()
    assert Component.objects.get().code == CODE
    history = root.get("/admin/").content.decode()
    assert "components" in history


def test_faults_are_shown_with_row_and_column_and_cannot_be_confirmed(cover, root):
    preview = send(root, register({"标识码": "4312020103000902"}, {"状态": "坏"}))

    text = preview.content.decode()
    assert preview.status_code == 422
    assert re.search(r"<td>3</td>\s*<td>状态</td>\s*<td>坏</td>", text)
    assert hidden(preview, "seen") is None
    assert Component.objects.count() == 1


def test_a_change_is_shown_before_and_after(cover, root):
    text = send(root, register({"状态": "破损"})).content.decode()

    assert re.search(r"<td>intact</td>\s*<td>damaged</td>", text)


def test_a_register_that_changed_since_is_shown_again(root):
    preview = send(root, register({}))
    component(名称="另一个名称")

    again = root.post(IMPORT, {"seen": hidden(preview, "seen")})

    assert again.status_code == 200
    assert "The register has changed since" in again.content.decode()
    assert Component.objects.get().name == "另一个名称"
    root.post(IMPORT, {"seen": hidden(again, "seen")})
    assert Component.objects.get().name == COVER["名称"]


def test_what_was_not_signed_here_is_not_loaded(root):
    answer = root.post(IMPORT, {"seen": "a:b"}, follow=True)

    assert answer.redirect_chain == [(IMPORT, 302)]
    assert Component.objects.count() == 0


def test_no_file_and_a_file_too_large_are_refused(root, monkeypatch):
    monkeypatch.setattr("cases.views.component_import.MAX_BYTES", 10)

    assert root.post(IMPORT, {}).status_code == 422
    large = send(root, register({}))
    assert large.status_code == 422
    assert "larger than 4 MB" in large.content.decode()


def test_the_list_finds_by_initials_and_state(cover, root):
    initials = MinorClass.objects.get(code=cover.minor_id).initials
    for query in (f"q={initials}", "state__exact=intact", f"q={CODE}"):
        assert CODE in root.get(f"/admin/cases/component/?{query}").content.decode()
    assert CODE not in root.get("/admin/cases/component/?state__exact=damaged").content.decode()


def test_state_and_departments_are_edited_by_hand_but_not_the_place(cover, root):
    address = f"/admin/cases/component/{CODE}/change/"

    answer = root.post(
        address,
        {"name": "新名", "state": "missing", "owner": "city-water", "code": "1", "point": ""},
    )

    assert answer.status_code == 302
    found = Component.objects.get()
    assert (found.code, found.name, found.state, found.owner_id) == (
        *(CODE, "新名", "missing", "city-water"),
    )
    assert found.point == cover.point
