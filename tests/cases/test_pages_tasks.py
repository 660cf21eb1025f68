"""The phone's tasks: an inspector sees what is asked of every kind and answers it once."""

import re
import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from cases.choices import Action, Role
from cases.models import Attachment, Case, Event, Task
from cases.services.ledger_check import verify_ledger
from tests.cases.test_pages_phone import client_of, hidden, upload
from tests.support.people import person
from tests.support.spine import act, dispatched, head_of, photo, report, unit_person

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


GROUP = r'<h2 id="group-\w+">\s*(Overdue|Today|Later) \(<span data-count>1</span>\)\s*</h2>'


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
    assert 'href="geo:27.550500,109.976500?q=27.550500,109.976500"' in page
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
    result = "Passed" if passed == "true" else "Failed"
    assert f"{number}: answered “{result}”." in text_of(answer)
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
        assert "This is over: you answered “Passed” on" in page
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


# --- the other kinds ----------------------------------------------------------------------------


def verified(people, condition):
    """Return a 12345 report that was sent for verification, and who is to answer."""
    number = report(people, condition, source="hotline", description="有积水")["number"]
    act(number, Action.SEND_VERIFY, people.acceptor, note="看井盖是否还在")
    return number, Task.objects.get(case__number=number).assignee


def audited_closing(people, condition):
    """Return a closed case whose closing is audited, and by whom."""
    third = person("i3", Role.INSPECTOR, grids=("431202",))
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.SIGN, unit)
    act(number, Action.FINISH, unit, photos=(photo(),), place="109.90,27.50")
    act(number, Action.ANSWER_CHECK, people.checker, passed=True)
    act(number, Action.CLOSE, people.chief)
    act(number, Action.AUDIT_CLOSURE, person("s1", Role.SUPERVISOR))
    return number, third


def audited_decline(people, condition):
    """Return a declined report whose declining is audited, and by whom."""
    number = report(people, condition, source="hotline")["number"]
    act(number, Action.DECLINE, people.acceptor, reason="not_in_scope")
    act(number, Action.AUDIT_DECLINE, person("s1", Role.SUPERVISOR))
    return number, Task.objects.get().assignee


KINDS = {
    "verify": (verified, "Verify", "Is it so on site?", ("It is so", "It is not so")),
    "audit_closure": (
        *(audited_closing, "Audit", "Was it closed rightly?"),
        ("It holds", "It does not hold"),
    ),
    "audit_decline": (
        *(audited_decline, "Audit", "Was it declined rightly?"),
        ("It holds", "It does not hold"),
    ),
}


@pytest.mark.parametrize("passed", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_asked_in_its_own_words_and_answered(people, condition, kind, passed):
    make, verb, question, buttons = KINDS[kind]
    number, assignee = make(people, condition)
    client = client_of(assignee)

    home = text_of(client.get("/m/"))
    page = text_of(client.get(f"/m/tasks/{number}/"))
    said = answer_of(number, passed=str(passed).lower(), note="看过", photo=upload())
    answer = client.post(f"/m/tasks/{number}/", said, follow=True)

    assert f'<span class="phone-verb">{verb}</span>' in home
    assert question in page
    assert tuple(re.findall(r'name="passed" value="\w+">(.+?)</button>', page)) == buttons
    assert f"{number}: answered “{buttons[not passed]}”." in text_of(answer)
    task = Task.objects.get(case__number=number, kind=kind)
    assert (task.passed, task.falsified) == (passed, False)
    shown = {"verify": "verify"}.get(kind, "audit")
    assert Attachment.objects.filter(case__number=number, kind=shown).count() == 1


def test_only_the_audit_of_a_closing_may_call_it_feigned(people, condition):
    number, auditor = audited_closing(people, condition)
    client = client_of(auditor)
    said = answer_of(number, passed="true", falsified="on")

    refused = client.post(f"/m/tasks/{number}/", said)
    assert refused.status_code == 422
    assert "A closing that holds was not feigned." in text_of(refused)
    assert not Event.objects.filter(action=Action.ANSWER_AUDIT).exists()
    client.post(f"/m/tasks/{number}/", said | {"passed": "false"})

    assert Task.objects.get(kind="audit_closure").falsified
    assert Event.objects.get(action=Action.ANSWER_AUDIT).data["facts"]["falsified"] is True


def test_feigned_is_no_word_of_a_check(people, number):
    client = client_of(people.checker)

    assert 'name="falsified"' not in text_of(client.get(f"/m/tasks/{number}/"))
    client.post(f"/m/tasks/{number}/", answer_of(number, passed="false", falsified="on"))

    assert not Task.objects.get().falsified
    assert "falsified" not in Event.objects.get(action=Action.ANSWER_CHECK).data["facts"]


def test_checker_and_auditor_see_what_is_doubtful_about_the_photos(people, condition):
    number, auditor = audited_closing(people, condition)

    page = text_of(client_of(auditor).get(f"/m/tasks/{number}/"))

    assert "The photo was taken away from the place" in page


def test_declined_report_says_why(people, condition):
    number, auditor = audited_decline(people, condition)

    page = text_of(client_of(auditor).get(f"/m/tasks/{number}/"))

    assert "Declined: not in scope" in page
    assert "After" not in page


def test_page_says_what_whoever_asked_wants_looked_at(people, condition):
    number, assignee = verified(people, condition)

    page = text_of(client_of(assignee).get(f"/m/tasks/{number}/"))

    assert "看井盖是否还在" in page
    assert "有积水" in page


def test_withdrawn_task_says_so(people, number):
    client, seen = client_of(people.checker), answer_of(number)
    act(number, Action.VOID, people.chief, reason="other")

    late = client.post(f"/m/tasks/{number}/", seen)

    assert late.status_code == 403
    for page in (text_of(late), text_of(client.get(f"/m/tasks/{number}/"))):
        assert "This was withdrawn on" in page
        assert 'name="passed"' not in page
    assert f"/m/tasks/{number}/" not in text_of(client.get("/m/"))
    assert answers() == 0


def test_home_groups_tasks_by_the_day_they_are_due(people, condition):
    made = [verified(people, condition)[0] for _ in range(3)]
    tasks = Task.objects.order_by("pk")
    assignee = tasks[0].assignee
    tasks.update(assignee=assignee)
    now = timezone.now()
    dues = (now - timedelta(minutes=37), now, now + timedelta(days=2))
    for task, due_at in zip(tasks, dues, strict=True):
        Task.objects.filter(pk=task.pk).update(
            due_at=timezone.localtime(now).replace(hour=23, minute=59, second=59)
            if due_at == now
            else due_at
        )

    page = text_of(client_of(assignee).get("/m/"))

    parts = re.split(GROUP, page.partition("My reports")[0])
    assert parts[1::2] == ["Overdue", "Today", "Later"]
    assert [re.findall(r"/m/tasks/(HH\d+)/", part) for part in parts[2::2]] == [[n] for n in made]
    assert "0:37 over" in parts[2]


def test_statements_of_home_stay_the_same_for_one_task_and_for_three(
    people, condition, django_assert_num_queries
):
    verified(people, condition)
    assignee = Task.objects.get().assignee
    client = client_of(assignee)
    for count in (1, 3):
        while Task.objects.count() < count:
            verified(people, condition)
        Task.objects.update(assignee=assignee)
        with django_assert_num_queries(7):
            page = client.get("/m/").content.decode()
        assert page.count("/m/tasks/") == count


# --- kinds, photos and what a unit has to do ------------------------------------------------------


def cards(page):
    """Return the numbers of the cards of the page that are shown, and of those that are not."""
    found = re.findall(r'<li class="card task-card".*?</li>', page, re.DOTALL)
    told = [(re.search(r"HH\d{13}", card)[0], " hidden>" in card[:300]) for card in found]
    return [n for n, is_hidden in told if not is_hidden], [n for n, is_hidden in told if is_hidden]


def test_home_shows_one_kind_of_task_and_keeps_the_others_at_hand(people, condition, number):
    other, assignee = verified(people, condition)
    Task.objects.update(assignee=assignee)
    client = client_of(assignee)

    shown = {kind: client.get(f"/m/?kind={kind}").content.decode() for kind in ("", "check", "x")}

    assert sorted(cards(shown[""])[0]) == sorted([number, other])
    assert cards(shown["check"]) == ([number], [other])
    assert cards(shown["x"])[1] == []
    assert re.findall(r'data-kind="(\w*)"\s+aria-current', shown["check"]) == ["check"]
    words = " ".join(re.sub(r"<[^>]+>", " ", shown["check"]).split())
    assert "All 2 Verify 1 Check 1" in words


def test_card_has_the_place_and_the_first_photo(people, number):
    for kind, at in (("after", 1), ("far", 3), ("near", 2)):
        Attachment.objects.create(
            case=Case.objects.get(),
            kind=kind,
            sha256=f"{at}" * 64,
            stored_sha256=f"{at}" * 64,
            added_by=people.inspector,
            added_at=f"2026-01-0{at}T00:00Z",
        )

    page = client_of(people.checker).get("/m/").content.decode()

    near = Attachment.objects.get(kind="near")
    assert re.findall(r"/photos/(\d+)/small/", page) == [str(near.pk)]
    assert 'data-lon="109.976500" data-lat="27.550500"' in page


def test_unit_finds_what_it_has_to_handle_among_its_tasks(people, condition):
    number = dispatched(people, condition)
    unit, other = unit_person(number), person("u-other", Role.UNIT, "some-other-unit")

    page = text_of(client_of(unit).get("/m/"))

    assert cards(page) == ([number], [])
    assert '<span class="phone-verb">Sign for</span>' in page
    assert cards(text_of(client_of(other).get("/m/"))) == ([], [])
    act(number, Action.SIGN, unit)
    assert '<span class="phone-verb">Handle</span>' in text_of(client_of(unit).get("/m/"))
    act(number, Action.FINISH, unit, photos=(photo(),))
    assert cards(text_of(client_of(unit).get("/m/"))) == ([], [])


def test_head_of_the_unit_finds_what_waits_for_a_decision(people, condition):
    number = dispatched(people, condition)
    act(number, Action.REQUEST_EXTENSION, unit_person(number), reason="weather")

    page = text_of(client_of(head_of(number)).get("/m/"))

    assert cards(page) == ([number], [])
    assert '<span class="phone-verb">Decide on the extension</span>' in page
    assert "Decide on" not in text_of(client_of(unit_person(number)).get("/m/"))


def test_unit_handles_a_case_from_its_page(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    client, address = client_of(unit), f"/m/tasks/{number}/"

    for action, words in (("sign", {}), ("finish", {"note": "已清理", "photos": upload()})):
        page = client.get(address)
        said = {name: hidden(page, name) for name in ("key", "seen_version")}
        answer = client.post(address, {"action": action, **said, **words})
        assert (answer.status_code, answer["Location"]) == (302, "/m/")

    assert Case.objects.get().stage == "checking"
    assert Attachment.objects.get().kind == "after"
    assert f"{number}: finish handling – done." in text_of(client.get("/m/"))


def test_unit_returns_a_case_with_a_reason_of_the_list(people, condition):
    number = dispatched(people, condition)
    client, address = client_of(unit_person(number)), f"/m/tasks/{number}/"
    page = client.get(address)
    said = {name: hidden(page, name) for name in ("key", "seen_version")}

    refused = client.post(address, {"action": "return", **said})
    assert (refused.status_code, Case.objects.get().stage) == (422, "dispatched")
    answer = client.post(address, {"action": "return", **said, "reason": "unclear_place"})

    assert answer.status_code == 302
    assert Case.objects.get().stage == "returned"
    assert client.get(address).status_code == 404  # it is not theirs any more


def test_unit_asks_for_more_time_with_a_photo(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.SIGN, unit)
    client, address = client_of(unit), f"/m/tasks/{number}/"
    page = client.get(address)
    said = {name: hidden(page, name) for name in ("key", "seen_version")}
    words = {"action": "request_extension", "reason": "weather", "photos": upload()}

    answer = client.post(address, said | words)

    assert answer.status_code == 302
    assert f"adds the limit of the case once more: {condition.limit_text}" in text_of(page)
    assert Case.objects.get().waiting_for == ["extension_head"]
    (attachment,) = Attachment.objects.all()
    event = Event.objects.get(action=Action.REQUEST_EXTENSION)
    assert (attachment.kind, event.data["facts"]["photos"]) == ("evidence", [attachment.sha256])
    assert verify_ledger() == []


def test_stale_form_of_a_unit_shows_the_case_as_it_stands(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    client, address = client_of(unit), f"/m/tasks/{number}/"
    page = client.get(address)
    said = {name: hidden(page, name) for name in ("key", "seen_version")}
    act(number, Action.SIGN, unit)

    answer = client.post(address, {"action": "sign", **said})

    assert answer.status_code == 409
    assert "“sign for” cannot be done to a case that is “being handled”." in text_of(answer)
    assert 'value="finish"' in text_of(answer)
    assert Event.objects.filter(action=Action.SIGN).count() == 1


def test_page_of_a_case_is_for_its_own_unit(people, condition):
    number = dispatched(people, condition)
    strangers = (person("u9", Role.UNIT, "no-such-unit"), people.dispatcher)

    for user in strangers:
        assert client_of(user).get(f"/m/tasks/{number}/").status_code == 404
        said = {"action": "sign", "seen_version": 0, "key": uuid.uuid4()}
        assert client_of(user).post(f"/m/tasks/{number}/", said).status_code == 404
    assert Case.objects.get().stage == "dispatched"


def test_forms_say_what_the_phone_keeps_of_an_answer(people, number):
    unit_case = dispatched(people, Case.objects.get().condition)
    readers = {number: people.checker, unit_case: unit_person(unit_case)}
    pages = {one: client_of(user).get(f"/m/tasks/{one}/") for one, user in readers.items()}

    forms = {one: re.findall(r"<form[^>]*data-queue[^>]*>", text_of(pages[one])) for one in readers}

    told = {
        one: [dict(re.findall(r'data-(\w+)="([^"]*)"', form)) for form in forms[one]]
        for one in forms
    }
    (check,) = told[number]
    case = Case.objects.get(number=number)
    assert (check["action"], check["version"]) == ("answer_check", str(case.version))
    assert (check["number"], check["stage"], check["unit"]) == (number, "checking", case.unit_id)
    assert check["api"] == f"/api/v1/cases/{number}/actions/"
    assert check["words"] == f"{case.get_stage_display()} · {case.unit.name}"
    assert check["title"].startswith("Check · ")
    actions = [form["action"] for form in told[unit_case]]
    assert actions[0] == "sign"
    assert {"return", "request_extension"} < set(actions)
    assert "/m/outbox/" in pages[number].content.decode()
