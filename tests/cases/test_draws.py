"""Weekly draws: by lot, repeatable, once; answers owed; the refusal ledger's page."""

import hashlib
from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from cases.choices import DISTRICT_SLUGS, Action, Role, Stage
from cases.models import Case, CityOptions, Draw, Event, Reply, Task
from cases.selectors.draws import revisits_due
from cases.services.draws import draw_samples, make_draw
from cases.services.ledger_check import verify_ledger
from tests.cases.test_pages_case import client_of
from tests.support.people import person
from tests.support.spine import act, closed, dispatched, report, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


@pytest.fixture
def strangers():
    return [person(f"s{n}", Role.INSPECTOR, grids=("431202",)) for n in range(2)]


def next_monday():
    """Return a moment after the week in which the cases of a test were closed has ended."""
    return timezone.now() + timedelta(days=7)


def test_draw_can_be_repeated_from_what_is_printed(people, condition):
    numbers = [closed(people, condition)[0] for _ in range(4)]
    CityOptions.objects.update(audits_a_week=2)
    end = next_monday().replace(hour=0, minute=0, second=0, microsecond=0)

    draw = make_draw(Draw.Kind.CLOSURE, end)

    heads = b"".join(bytes.fromhex(draw.heads[slug]) for slug in DISTRICT_SLUGS)
    seed = hashlib.sha256(heads + draw.name.encode()).digest()
    order = sorted(numbers, key=lambda n: hashlib.sha256(seed + n.encode()).digest())
    assert draw.seed == seed.hex()
    assert draw.numbers == {Case.objects.get(number=numbers[0]).district: order[:2]}
    last = Event.objects.filter(scope=Case.objects.get(number=numbers[0]).scope).latest("dseq")
    assert draw.heads[last.scope] == bytes(last.hash).hex()
    assert make_draw(Draw.Kind.CLOSURE, end).pk == draw.pk


def test_audits_are_sent_once_to_strangers(people, condition, strangers):
    number = closed(people, condition)[0]
    declined = report(people, condition, source="hotline")["number"]
    act(declined, Action.DECLINE, people.acceptor, reason="not_in_scope")
    at = next_monday()

    assert draw_samples(at=at) == "2 audits sent"
    assert draw_samples(at=at) == "0 audits sent"

    tasks = {task.kind: task for task in Task.objects.filter(draw__isnull=False)}
    assert set(tasks) == {"audit_closure", "audit_decline"}
    assert tasks["audit_closure"].assignee in strangers
    assert tasks["audit_closure"].case.number == number
    act(declined, Action.ANSWER_AUDIT, tasks["audit_decline"].assignee, passed=True)
    assert Draw.objects.get(kind="revisit").numbers == {
        Case.objects.get(number=declined).district: [declined]
    }
    assert verify_ledger() == []


def test_weeks_missed_while_nothing_ran_are_drawn_when_it_runs_again(people, condition, strangers):
    draw_samples()
    number = closed(people, condition)[0]

    told = draw_samples(at=next_monday() + timedelta(days=14))

    assert told == "1 audits sent"
    ends = list(Draw.objects.filter(kind="closure").order_by("end").values_list("end", flat=True))
    assert [later - earlier for earlier, later in pairwise(ends)] == [timedelta(days=7)] * 3
    drawn = [draw.numbers for draw in Draw.objects.filter(kind="closure").order_by("end")]
    assert drawn == [{}, {Case.objects.get(number=number).district: [number]}, {}, {}]


def test_case_reopened_before_the_draw_is_not_audited(people, condition, strangers):
    number = closed(people, condition)[0]
    act(number, Action.REOPEN, people.chief, reason="came_back")

    assert draw_samples(at=next_monday()) == "0 audits sent"

    assert Case.objects.get(number=number).stage == Stage.RETURNED
    assert not Task.objects.filter(draw__isnull=False).exists()


def test_nobody_is_asked_where_everybody_was_involved(people, condition):
    closed(people, condition)[0]

    assert draw_samples(at=next_monday()) == "0 audits sent"


def test_draws_page_shows_seed_and_results(people, condition, strangers):
    closed(people, condition)[0]
    draw_samples(at=next_monday())
    supervisor = person("sup", Role.SUPERVISOR)

    page = client_of(supervisor).get("/draws/").content.decode()

    draw = Draw.objects.get(kind="closure")
    assert draw.seed in page
    assert "1 sent · 0 answered" in " ".join(page.split())
    assert client_of(people.inspector).get("/draws/").status_code == 404


def test_operator_gives_an_answer_once_and_revisits(people, condition):
    words = {"source": "hotline", "order_number": "HT-9", "contact": "王先生"}
    number = report(people, condition, **words)["number"]
    act(number, Action.DECLINE, people.acceptor, reason="not_in_scope")
    reply = Reply.objects.get()
    make_draw(Draw.Kind.REVISIT, timezone.now())
    client = client_of(people.operator)

    page = client.get("/replies/").content.decode()
    assert ("HT-9" in page, "王先生" in page) == (True, True)
    assert page.count(f"/cases/{number}/") == 2
    assert client.post("/replies/", {"reply": reply.pk}).status_code == 302
    given_at = Reply.objects.get().given_at
    assert client.post("/replies/", {"reply": reply.pk}).status_code == 302

    assert Reply.objects.get().given_at == given_at
    act(number, Action.REVISIT, people.operator, satisfaction="4")
    assert f"/cases/{number}/" not in client.get("/replies/").content.decode().split("<main")[1]


def test_who_was_asked_before_the_draw_is_asked_again(people, condition):
    """The answer of one an operator chose to ask is in no score."""
    number = report(people, condition, source="hotline", order_number="HT-9")["number"]
    act(number, Action.DECLINE, people.acceptor, reason="not_in_scope")
    act(number, Action.REVISIT, people.operator, satisfaction="5")
    draw = make_draw(Draw.Kind.REVISIT, timezone.now())

    assert [case.number for case in revisits_due(people.operator, [draw])] == [number]
    act(number, Action.REVISIT, people.operator, satisfaction="4")
    assert revisits_due(people.operator, [draw]) == []


def test_second_assessor_finds_what_waits_for_them(people, condition):
    number = closed(people, condition)[0]
    one, two = person("as1", Role.ASSESSOR), person("as2", Role.ASSESSOR)
    words = {"period": "2026-11", "effect": "exempt", "note": "系统故障"}
    act(number, Action.PROPOSE_ADJUST, one, **words)

    assert f"/cases/{number}/" in client_of(two).get("/draws/").content.decode()
    act(number, Action.ADJUST, two, approved=False)
    assert f"/cases/{number}/" not in client_of(two).get("/draws/").content.decode()


@pytest.mark.parametrize("reply", ["", "x", "0", "9" * 30])
def test_unknown_answer_is_not_found(people, reply):
    assert client_of(people.operator).post("/replies/", {"reply": reply}).status_code == 404


def test_refusal_ledger_shows_returns_and_rulings(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    act(number, Action.RETURN, unit, reason="not_responsible")
    code = unit.grants[0].scope_key
    act(number, Action.REASSIGN, people.dispatcher, unit=code, ruling="unjustified")
    supervisor = client_of(person("sup", Role.SUPERVISOR))

    page = supervisor.get("/refusals/").content.decode()

    assert number in page
    assert "the return was not justified" in page
    assert "No unit returned a case" in supervisor.get("/refusals/?period=2020-01").content.decode()
    assert supervisor.get("/refusals/?period=rubbish").status_code == 200
    zhongfang = client_of(person("sup2", Role.SUPERVISOR, "zhongfang"))
    assert number not in zhongfang.get("/refusals/").content.decode()
