"""The phone's task page: an inspector sees what to check and answers it once."""

import uuid

import pytest
from django.test import Client

from cases.choices import Action, Role
from cases.models import Attachment, Case, Event, Task
from tests.cases.test_pages_phone import client_of, hidden, upload
from tests.support.people import person
from tests.support.spine import act, dispatched, photo, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


@pytest.fixture
def number(people, condition):
    """Return a case whose check was sent to `people.checker`."""
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.SIGN, unit)
    act(number, Action.FINISH, unit, photos=(photo(),))
    assert Task.objects.get().assignee == people.checker
    return number


def answer_of(number, **words):
    version = Case.objects.get(number=number).version
    return {"key": str(uuid.uuid4()), "seen_version": version, "passed": "true"} | words


def text_of(answer):
    return " ".join(answer.content.decode().split())


def answers():
    return Event.objects.filter(action=Action.ANSWER_CHECK).count()


def test_page_shows_what_to_check_where_and_the_photos(people, condition, number):
    Attachment.objects.create(
        case=Case.objects.get(),
        kind="near",
        sha256="0" * 64,
        stored_sha256="0" * 64,
        width=1,
        height=1,
        size=1,
        added_by=people.inspector,
        added_at="2026-01-01T00:00Z",
    )

    answer = client_of(people.checker).get(f"/m/tasks/{number}/")
    page = text_of(answer)

    assert answer.status_code == 200
    assert condition.closing_en in page
    assert condition.text_en in page
    assert "Hecheng" in page
    assert 'href="geo:27.550500,109.976500"' in page
    (near, after) = Attachment.objects.order_by("added_at")
    for shown in (near, after):
        assert f'src="/photos/{shown.pk}/small/"' in page
    assert page.index(f"/photos/{near.pk}/") < page.index(f"/photos/{after.pk}/")
    assert hidden(answer, "seen_version") == str(Case.objects.get().version)
    assert 'name="passed" value="true"' in page
    assert 'name="passed" value="false"' in page


def test_home_leads_to_the_task_before_the_reports(people, number):
    page = client_of(people.checker).get("/m/").content.decode()

    assert f'href="/m/tasks/{number}/"' in page
    assert page.index(f"/m/tasks/{number}/") < page.index("My reports")
    reporter = client_of(people.inspector).get("/m/").content.decode()
    assert f'href="/cases/{number}/"' in reporter
    assert "/m/tasks/" not in reporter


@pytest.mark.parametrize(("passed", "stage"), [("true", "checked"), ("false", "returned")])
def test_answer_with_photo_and_note_moves_the_case(people, number, passed, stage):
    client = client_of(people.checker)

    said = answer_of(number, passed=passed, note="路面", photo=upload())
    answer = client.post(f"/m/tasks/{number}/", said, follow=True)

    assert answer.redirect_chain == [("/m/", 302)]
    assert f"{number}: check answered, {'passed' if passed == 'true' else 'failed'}." in text_of(
        answer
    )
    case = Case.objects.get()
    assert case.stage == stage
    assert Attachment.objects.filter(case=case, kind="check").count() == 1
    assert '"opinion":"路面"' in Event.objects.get(action=Action.ANSWER_CHECK).private
    assert f"/m/tasks/{number}/" not in client.get("/m/").content.decode()


def test_double_press_answers_once(people, number):
    client, said = client_of(people.checker), answer_of(number)

    answers_got = [client.post(f"/m/tasks/{number}/", said).status_code for _ in range(2)]

    assert answers_got == [302, 302]
    assert answers() == 1


def test_second_answer_finds_the_check_over(people, number):
    client = client_of(people.checker)
    seen = answer_of(number, passed="false")
    client.post(f"/m/tasks/{number}/", answer_of(number))

    late = client.post(f"/m/tasks/{number}/", seen)

    assert late.status_code == 403
    for page in (text_of(late), text_of(client.get(f"/m/tasks/{number}/"))):
        assert "This check is over: you answered it on" in page
        assert ", passed." in page
        assert 'name="passed"' not in page
    assert answers() == 1
    assert Case.objects.get().stage == "checked"


def test_stale_answer_shows_the_case_again_and_keeps_the_photo(people, number):
    client = client_of(people.checker)
    said = answer_of(number, seen_version=0, photo=upload())

    answer = client.post(f"/m/tasks/{number}/", said)

    assert answer.status_code == 409
    assert "This case has changed since you opened it." in text_of(answer)
    assert answers() == 0
    kept = {name: hidden(answer, name) for name in ("key", "seen_version", "kept_photo")}
    client.post(f"/m/tasks/{number}/", kept | {"passed": "true"})
    assert answers() == 1
    assert Attachment.objects.filter(kind="check").count() == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"passed": ""}, "Press “Passed” or “Failed”."),
        ({"passed": "perhaps"}, "Select a valid choice."),
        ({"note": "长" * 1001}, "at most 1000"),
        ({"seen_version": "x"}, "Not sent yet."),
    ],
)
def test_wrong_answer_changes_nothing(people, number, words, sentence):
    answer = client_of(people.checker).post(f"/m/tasks/{number}/", answer_of(number) | words)

    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert answers() == 0
    assert Case.objects.get().stage == "checking"


@pytest.mark.parametrize("method", ["get", "post"])
def test_task_of_another_gets_one_sentence(people, number, method):
    strangers = [people.inspector, people.dispatcher, person("u9", Role.UNIT, "no-such-unit")]

    for user in strangers:
        for address in (f"/m/tasks/{number}/", "/m/tasks/HH2020010100001/"):
            answer = getattr(client_of(user), method)(address, answer_of(number))

            assert answer.status_code == 404
            assert "There is no such task for you" in text_of(answer)
    assert answers() == 0


def test_task_given_to_another_is_no_longer_theirs(people, number):
    client = client_of(people.checker)
    said = answer_of(number)
    Task.objects.update(assignee=people.inspector)

    assert client.get(f"/m/tasks/{number}/").status_code == 404
    assert client.post(f"/m/tasks/{number}/", said).status_code == 404
    assert answers() == 0


def test_page_asks_to_sign_in(number):
    assert Client().get(f"/m/tasks/{number}/").status_code == 302
    assert Client().post(f"/m/tasks/{number}/", answer_of(number)).status_code == 302
    assert answers() == 0
