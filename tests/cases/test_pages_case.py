"""The case page: what it shows, whom it hides from, and the actions it offers and takes."""

import re
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from cases.choices import Action, Role
from cases.models import Attachment, Case, Event
from cases.services.photo_store import arrived_path
from cases.views.action_forms import action_forms
from tests.support.people import person
from tests.support.spine import act, dispatched, photo, report, unit_person

STATEMENTS = 25
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def client_of(user):
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def post(user, number, action, *, query="", **fields):
    form = {
        "action": action,
        "seen_version": Case.objects.get(number=number).version,
        "key": str(uuid.uuid4()),
        **fields,
    }
    return client_of(user).post(f"/cases/{number}/actions/{query}", form)


def text_of(answer):
    return " ".join(answer.content.decode().split())


def test_page_shows_facts_light_and_history(people, condition):
    number = dispatched(people, condition)
    case = Case.objects.get(number=number)

    page = text_of(client_of(people.dispatcher).get(f"/cases/{number}/"))

    assert number in page
    assert condition.text_en in page
    assert case.unit.name_en in page
    assert case.rule in page
    assert "○</span> on time" in page
    assert " left</span>" in page
    assert f"{timezone.localtime(case.due_at):%Y-%m-%d %H:%M}" in page
    assert page.count("<strong>dispatch</strong>") == 1
    assert "to be dispatched → to be signed for" in page


def test_page_tells_how_the_deadline_came_about(people, condition):
    number = dispatched(people, condition)
    due = timezone.localtime(Case.objects.get(number=number).due_at)

    page = text_of(client_of(people.dispatcher).get(f"/cases/{number}/"))

    assert "How this deadline came about" in page
    assert f"<li>The limit is {condition.limit_text}.</li>" in page
    assert f"<li>Due at {due:%Y-%m-%d %H:%M}.</li>" in page
    assert page.count("<li>The limit is 60 minutes.</li>") == 1  # to sign


def test_page_owns_up_where_the_log_does_not_explain_a_deadline(people, condition, caplog):
    number = dispatched(people, condition)
    Case.objects.filter(number=number).update(due_at=timezone.now())

    page = text_of(client_of(people.dispatcher).get(f"/cases/{number}/"))

    assert "The log does not explain this deadline." in page
    assert number in caplog.text


def test_page_speaks_chinese(people, condition):
    number = dispatched(people, condition)
    client = client_of(people.dispatcher)

    page = client.get(f"/cases/{number}/", headers={"accept-language": "zh-hans"})

    assert condition.text_zh in page.content.decode()


def test_page_has_no_inline_code_and_is_constant_in_statements(
    people, condition, django_assert_num_queries
):
    number = dispatched(people, condition)
    client = client_of(people.dispatcher)
    client.get(f"/cases/{number}/")  # the calendar is read once for a process

    with django_assert_num_queries(STATEMENTS):
        page = client.get(f"/cases/{number}/").content.decode()
    for _ in range(3):
        act(number, Action.REMIND, people.dispatcher)
    with django_assert_num_queries(STATEMENTS):
        assert client.get(f"/cases/{number}/").content.decode().count("<q>") == 0

    assert re.findall(r"<script(?![^>]* src=)", page) == []
    assert "style=" not in page


@pytest.mark.parametrize("method", ["get", "post"])
def test_hidden_case_is_not_found(people, condition, method):
    number = dispatched(people, condition)
    stranger = client_of(person("elsewhere", Role.UNIT, "no-such-unit"))
    url = f"/cases/{number}/" if method == "get" else f"/cases/{number}/actions/"

    assert getattr(stranger, method)(url).status_code == 404


def test_page_asks_to_sign_in(people, condition):
    number = dispatched(people, condition)

    assert Client().get(f"/cases/{number}/").status_code == 302


def test_page_offers_what_the_table_allows(people, condition):
    number = dispatched(people, condition)
    case = Case.objects.get(number=number)

    unit = [form.action for form in action_forms(unit_person(number), case)]
    dispatcher = [form.action for form in action_forms(people.dispatcher, case)]
    acceptor = [form.action for form in action_forms(people.acceptor, case)]

    assert unit == ["sign", "request_extension", "return"]
    assert dispatcher == ["reassign", "redispatch", "send_assist", "remind", "merge"]
    assert acceptor == ["remind"]


def test_what_leads_forward_is_offered_first_and_a_late_return_not_at_all(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.SIGN, unit)
    case = Case.objects.get(number=number)

    in_time = [form.action for form in action_forms(unit, case)]
    case.due_at = timezone.now()
    late = [form.action for form in action_forms(unit, case)]

    assert in_time == ["finish", "request_extension", "request_suspension", "return"]
    assert late == ["finish"]


def test_check_is_offered_to_its_inspector_alone(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.SIGN, unit)
    act(number, Action.FINISH, unit, photos=(photo(),))
    case = Case.objects.get(number=number)

    answer = client_of(people.checker).get(f"/cases/{number}/")
    page = " ".join(answer.content.decode().split())

    assert 'name="passed" value="true"' in page
    assert 'name="passed" value="false"' in page
    assert action_forms(people.inspector, case) == []


def test_units_offered_are_of_the_district_or_city_wide(people, condition):
    number = dispatched(people, condition)
    case = Case.objects.get(number=number)
    form = action_forms(people.dispatcher, case)[0]

    codes = {code for row in form.fields if row.name == "unit" for code, _ in row.choices}

    bodies = {unit.body for unit in type(case.unit).objects.filter(code__in=codes)}
    assert bodies == {"city", case.district}


def test_action_moves_the_case_and_says_so(people, condition):
    number = dispatched(people, condition)

    answer = post(unit_person(number), number, "sign")

    assert answer.status_code == 302
    assert answer["Location"] == f"/cases/{number}/"
    assert Case.objects.get(number=number).stage == "handling"


def test_sending_a_form_twice_acts_once(people, condition):
    number = dispatched(people, condition)
    unit, form = unit_person(number), {"seen_version": 0, "key": str(uuid.uuid4())}
    form["seen_version"] = Case.objects.get(number=number).version

    answers = [post(unit, number, "sign", **form) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert Event.objects.filter(action="sign").count() == 1


def test_stale_form_shows_the_present_state(people, condition):
    number = dispatched(people, condition)
    seen = Case.objects.get(number=number).version
    unit = unit_person(number)
    act(number, Action.SIGN, unit)

    answer = post(unit, number, "return", seen_version=seen, reason="other", note="not ours")

    assert answer.status_code == 409
    assert "has moved on since you opened it" in text_of(answer)
    assert "<strong>being handled</strong>" in text_of(answer)
    assert "not ours</textarea>" in text_of(answer)
    assert Case.objects.get(number=number).stage == "handling"


def test_refused_action_names_what_to_mend(people, condition):
    number = dispatched(people, condition)

    answer = post(unit_person(number), number, "return", reason="")

    assert answer.status_code == 422
    page = text_of(answer)
    assert "“return” still needs: Reason." in page
    assert '<p class="hint" id="return-reason-hint">Is required</p>' in page
    assert Case.objects.get(number=number).stage == "dispatched"


@pytest.mark.parametrize(
    "wrong", [{"action": "fly"}, {"seen_version": "x"}, {"seen_version": "9" * 30}, {"key": "x"}]
)
def test_broken_form_is_refused(people, condition, wrong):
    number = dispatched(people, condition)
    form = {"action": "sign", "seen_version": "1", "key": str(uuid.uuid4())} | wrong

    answer = client_of(unit_person(number)).post(f"/cases/{number}/actions/", form)

    assert answer.status_code == 422
    assert Case.objects.get(number=number).stage == "dispatched"


def test_person_without_the_role_may_not_act(people, condition):
    number = dispatched(people, condition)

    assert post(people.acceptor, number, "sign").status_code == 403


def test_finish_stores_its_photos(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.SIGN, unit)
    stored = photo()
    content = arrived_path(stored.sha256).read_bytes()
    upload = SimpleUploadedFile("after.jpg", content, "image/jpeg")

    answer = post(unit, number, "finish", photos=[upload], note="patched")

    assert answer.status_code == 302
    attachment = Attachment.objects.get(case__number=number)
    assert attachment.kind == "after"
    page = text_of(client_of(unit).get(f"/cases/{number}/"))
    assert "This photo is being prepared." in page
    assert "<q>patched</q>" in page


def test_file_that_is_no_photo_is_refused(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.SIGN, unit)

    answer = post(unit, number, "finish", photos=[SimpleUploadedFile("a.jpg", b"no photo")])

    assert answer.status_code == 422
    assert Case.objects.get(number=number).stage == "handling"


def test_case_out_of_sight_leads_on_to_the_inbox(people, condition):
    number = dispatched(people, condition)

    answer = post(unit_person(number), number, "return", reason="not_responsible")

    assert answer.status_code == 302
    assert answer["Location"] == "/unit/"


@pytest.mark.parametrize(
    ("wanted", "shown"), [("/unit/", "/unit/"), ("https://evil.example/", None)]
)
def test_next_stays_on_this_site(people, condition, wanted, shown):
    number = dispatched(people, condition)

    answer = post(unit_person(number), number, "sign", query=f"?next={wanted}")

    assert answer["Location"] == (shown or f"/cases/{number}/")


def test_closed_case_shows_no_light(people, condition):
    number = report(people, condition)["number"]
    Case.objects.filter(number=number).update(stage="declined")

    page = text_of(client_of(people.dispatcher).get(f"/cases/{number}/"))

    assert "○</span> on time" not in page
