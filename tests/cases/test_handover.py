"""The shift hand-over: what is in it, who gives and takes it, and that nothing changes after."""

import io
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pypdf import PdfReader

from cases import policy
from cases.choices import Action, Role
from cases.errors import HandoverMoved, InvalidInput, NotAllowed
from cases.models import Case, Condition, Handover, HandoverPaper
from cases.selectors.handover import matter_of
from cases.services.handover import give_over, keep_paper, take_over, withdraw
from cityops.accounts.models import User
from tests.cases.test_wall import make_late
from tests.support.people import person
from tests.support.spine import act, dispatched, report, signed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]
HERE = {"scope": "hecheng", "desk": "command"}
ADDRESS = "/desk/handover/"


@pytest.fixture
def giver():
    return person("giver", Role.DISPATCHER, "hecheng")


@pytest.fixture
def taker():
    return person("taker", Role.DISPATCHER, "hecheng")


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def give(actor, notes="", **where):
    return give_over(actor=actor, notes=notes, **{**HERE, **where})


def numbers_in(matter):
    return {
        name: [row["number"] for row in found["rows"]]
        for name, found in matter.items()
        if found["total"]
    }


def soon(**words):
    return (timezone.now() + timedelta(**words)).replace(microsecond=0)


# --- what is handed over ------------------------------------------------------------------------


def test_the_matter_is_what_the_next_shift_must_know(people, condition, giver):
    leader = person("leader", Role.LEADER)
    emergency = Condition.objects.filter(limit_unit="emergency_hour").earliest("code")
    late = dispatched(people, condition)
    make_late(late)
    ordered = dispatched(people, condition)
    reply_by, promised_at = soon(hours=5), soon(hours=2)
    act(ordered, Action.SUPERVISE, leader, note="请尽快", reply_by=reply_by.isoformat())
    urgent = report(people, emergency)["number"]
    promised, _ = signed(people, condition)
    act(promised, Action.REMIND, people.dispatcher, promised_at=soon(hours=1).isoformat())
    act(promised, Action.REMIND, people.dispatcher, promised_at=promised_at.isoformat())
    held, unit = signed(people, condition)
    until = f"{timezone.localdate() + timedelta(days=9)}"
    act(held, Action.REQUEST_SUSPENSION, unit, reason="budget", until=until)
    act(held, Action.DECIDE_SUSPENSION, people.dispatcher, approved=True)

    matter = matter_of(giver, "hecheng", at=timezone.now())

    assert numbers_in(matter) == {
        "late": [late],
        "leader": [ordered],
        "emergency": [urgent],
        "promises": [promised],
        "suspended": [held],
    }
    times = {name: matter[name]["rows"][0]["time"] for name in ("leader", "promises")}
    assert times == {"leader": reply_by.isoformat(), "promises": promised_at.isoformat()}
    (row,) = matter["suspended"]["rows"]
    assert (row["light"], row["due_at"][:10]) == ("paused", until)


def test_what_is_answered_or_done_is_handed_over_no_more(people, condition, giver):
    leader = person("leader", Role.LEADER)
    number, unit = signed(people, condition)
    act(number, Action.SUPERVISE, leader, note="请尽快", reply_by=soon(hours=5).isoformat())
    act(number, Action.REMIND, people.dispatcher, promised_at=soon(hours=1).isoformat())
    act(number, Action.REPLY_SUPERVISION, unit, note="已安排")
    assert numbers_in(matter_of(giver, "hecheng", at=timezone.now())) == {"promises": [number]}

    act(number, Action.VOID, people.chief, reason="wrong_report")

    assert numbers_in(matter_of(giver, "hecheng", at=timezone.now())) == {}


def test_a_desk_of_a_district_hands_over_nothing_of_another(people, condition):
    make_late(dispatched(people, condition))
    other = person("other", Role.DISPATCHER, "zhongfang")

    assert numbers_in(matter_of(other, "zhongfang", at=timezone.now())) == {}
    assert numbers_in(matter_of(other, "hecheng", at=timezone.now())) == {}


def test_statements_do_not_grow_with_cases(people, condition, giver):
    taken = []
    for more in (1, 5):
        for _ in range(more):
            make_late(dispatched(people, condition))
        with CaptureQueriesContext(connection) as captured:
            matter_of(giver, "hecheng", at=timezone.now())
        taken.append(len(captured))

    assert taken == [9, 9]


@pytest.mark.parametrize("when", ["yesterday", "2020-01-01T10:00", "2099-01-01T10:00"])
def test_a_promise_is_a_time_to_come(people, condition, when):
    number = dispatched(people, condition)

    with pytest.raises(InvalidInput) as refused:
        act(number, Action.REMIND, people.dispatcher, promised_at=when)

    assert list(refused.value.fields) == ["promised_at"]


def test_a_promise_stands_on_the_timeline(people, condition):
    number = dispatched(people, condition)
    promised_at = soon(hours=1)
    act(number, Action.REMIND, people.dispatcher, promised_at=promised_at.isoformat())

    page = client_of(people.dispatcher).get(f"/cases/{number}/").content.decode()

    assert f"promised for {timezone.localtime(promised_at):%Y-%m-%d %H:%M}" in page


# --- giving and taking --------------------------------------------------------------------------


def test_one_gives_and_another_takes(giver, taker):
    given = give(giver, "井盖备件在三楼")

    taken = take_over(pk=given.pk, actor=taker)

    assert (taken.given_by, taken.taken_by) == (giver, taker)
    assert taken.taken_at >= taken.given_at
    assert taken.notes == "井盖备件在三楼"


def test_taking_over_twice_is_taking_over_once(giver, taker):
    given = give(giver)
    first = take_over(pk=given.pk, actor=taker)

    again = take_over(pk=given.pk, actor=taker)

    assert (again.pk, again.taken_at) == (first.pk, first.taken_at)
    with pytest.raises(HandoverMoved):
        take_over(pk=given.pk, actor=person("third", Role.DISPATCHER, "hecheng"))


def test_who_gives_does_not_take(giver):
    given = give(giver)

    with pytest.raises(NotAllowed):
        take_over(pk=given.pk, actor=giver)

    assert Handover.objects.get().taken_at is None


def test_a_desk_is_handed_over_once_at_a_time(giver, taker):
    give(giver)

    with pytest.raises(HandoverMoved):
        give(taker)
    person_of_city = person("city", Role.DISPATCHER)
    give(person_of_city, scope="city")
    give(person("chief", Role.DUTY_CHIEF, "hecheng"), desk="supervision")

    assert Handover.objects.count() == 3


@pytest.mark.parametrize(
    ("role", "scope"),
    [
        (Role.DISPATCHER, "zhongfang"),
        (Role.DISPATCHER, ""),
        (Role.DUTY_CHIEF, "hecheng"),
        (Role.LEADER, "hecheng"),
        (Role.INSPECTOR, "hecheng"),
    ],
)
def test_only_the_same_desk_takes_over(giver, role, scope):
    given, other = give(giver), person("other", role, scope)

    with pytest.raises((NotAllowed, Handover.DoesNotExist)):
        take_over(pk=given.pk, actor=other)
    with pytest.raises(NotAllowed):
        give(other)

    assert Handover.objects.get().taken_at is None


def test_only_who_gave_takes_back_and_only_before_it_is_taken(giver, taker):
    given = give(giver)
    with pytest.raises(NotAllowed):
        withdraw(pk=given.pk, actor=taker)
    withdraw(pk=given.pk, actor=giver)
    assert not Handover.objects.exists()

    again = give(giver)
    take_over(pk=again.pk, actor=taker)
    with pytest.raises(HandoverMoved):
        withdraw(pk=again.pk, actor=giver)

    assert Handover.objects.get().taken_by == taker


def test_notes_have_an_end(giver):
    with pytest.raises(InvalidInput):
        give(giver, "长" * 4_001)

    assert not Handover.objects.exists()


def test_desks_follow_the_roles():
    both = person("both", Role.DUTY_CHIEF, "hecheng")
    both.grant_set.create(role=Role.ACCEPTOR, scope_kind="city")
    reader = person("reader", Role.LEADER, "hecheng")
    found = User.objects.with_grants().get(pk=both.pk)

    assert policy.desks_of(found) == [("city", "supervision"), ("hecheng", "supervision")]
    assert policy.desks_of(reader) == []
    assert policy.handover_scopes(reader) == {"hecheng"}
    assert policy.handover_scopes(person("unit", Role.UNIT, "hecheng")) == frozenset()


# --- kept as it was -----------------------------------------------------------------------------


@pytest.mark.parametrize("words", [{"notes": "x"}, {"taken_by": None, "taken_at": None}])
def test_the_database_keeps_what_was_taken_over(giver, taker, words):
    given = give(giver, "as it was")
    take_over(pk=given.pk, actor=taker)

    with pytest.raises(IntegrityError), transaction.atomic():
        Handover.objects.update(**words)
    with pytest.raises(IntegrityError), transaction.atomic():
        Handover.objects.all().delete()

    kept = Handover.objects.get()
    assert (kept.notes, kept.taken_by) == ("as it was", taker)


def test_the_database_lets_an_open_one_only_be_taken(giver, taker):
    give(giver)

    with pytest.raises(IntegrityError), transaction.atomic():
        Handover.objects.update(notes="otherwise")
    with pytest.raises(IntegrityError), transaction.atomic():
        Handover.objects.update(taken_by=giver, taken_at=timezone.now())

    assert Handover.objects.get().notes == ""


@pytest.mark.parametrize("role", ["cityops_web", "cityops_system"])
def test_no_process_changes_a_paper(giver, taker, role):
    given = give(giver)
    take_over(pk=given.pk, actor=taker)
    keep_paper(given, b"first")

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT has_table_privilege(%s, 'cases_handoverpaper', 'UPDATE, DELETE, TRUNCATE')",
            [role],
        )
        assert cursor.fetchone() == (False,)
    assert keep_paper(given, b"second") == b"first"


# --- the page -----------------------------------------------------------------------------------


def test_a_shift_is_handed_over_on_the_page(people, condition, giver, taker):
    late = dispatched(people, condition)
    make_late(late)
    first, second = client_of(giver), client_of(taker)

    said = {"do": "give", "desk": "hecheng-command", "notes": "看好 3 号泵站"}
    assert first.post(ADDRESS, said).status_code == 302
    given = Handover.objects.get()
    Case.objects.filter(number=late).update(lamp_due_at=soon(days=3))  # it goes on meanwhile
    seen = second.get(ADDRESS).content.decode()
    answer = second.post(ADDRESS, {"do": "take", "handover": given.pk, "desk": "hecheng-command"})

    assert late in seen
    assert "看好 3 号泵站" in seen
    assert answer["Location"] == f"{ADDRESS}{given.pk}/"
    kept = second.get(answer["Location"]).content.decode()
    assert late in kept


def test_who_took_over_has_done_so_whatever_becomes_of_the_pdf(giver, taker, monkeypatch):
    given, client = give(giver), client_of(taker)
    said = {"do": "take", "handover": given.pk, "desk": "hecheng-command"}
    with monkeypatch.context() as patch:
        patch.setattr("cases.views.handover._paper", lambda _found: 1 / 0)
        answers = [client.post(ADDRESS, said)["Location"] for _ in range(2)]

    assert answers == [f"{ADDRESS}{given.pk}/"] * 2
    assert Handover.objects.get().taken_by == taker
    assert client.get(f"{answers[0]}pdf/").content[:5] == b"%PDF-"
    assert HandoverPaper.objects.get().handover == given


def test_a_refusal_keeps_what_was_written(giver, taker):
    give(giver, "of the first")

    said = {"do": "give", "desk": "hecheng-command", "notes": "of the second"}
    page = client_of(taker).post(ADDRESS, said)

    assert page.status_code == 409
    assert "being handed over already" in page.content.decode()
    assert "readonly>of the second</textarea>" in page.content.decode()
    assert Handover.objects.get().notes == "of the first"


def test_what_is_taken_back_stands_in_the_form_again(giver):
    given, client = give(giver, "看好 3 号泵站"), client_of(giver)

    page = client.post(ADDRESS, {"do": "withdraw", "handover": given.pk, "desk": "hecheng-command"})

    assert page.status_code == 200
    assert not Handover.objects.exists()
    assert ">看好 3 号泵站</textarea>" in page.content.decode()
    assert "Taken back" in page.content.decode()


@pytest.mark.parametrize("handover", ["", "x", "0", "99999999999999999999999"])
def test_an_unknown_hand_over_does_not_exist(giver, handover):
    answer = client_of(giver).post(ADDRESS, {"do": "take", "handover": handover})

    assert answer.status_code == 404


def test_the_pdf_is_made_once_and_kept(giver, taker, people, condition):
    make_late(dispatched(people, condition))
    given = give(giver, "备注")
    address = f"{ADDRESS}{given.pk}/pdf/"
    assert client_of(taker).get(address).status_code == 404  # not taken over yet
    take_over(pk=given.pk, actor=taker)

    first, second = (client_of(who).get(address) for who in (taker, giver))

    assert first["Content-Type"] == "application/pdf"
    assert first.content[:5] == b"%PDF-"
    assert "备注" in PdfReader(io.BytesIO(first.content)).pages[0].extract_text()
    assert second.content == first.content


def test_hand_overs_are_read_by_their_scope_alone(giver, taker):
    given = give(giver)
    take_over(pk=given.pk, actor=taker)
    keep_paper(given, b"%PDF-kept")
    addresses = [f"{ADDRESS}{given.pk}/", f"{ADDRESS}{given.pk}/pdf/"]
    readers = {
        "leader": person("l1", Role.LEADER, "hecheng"),
        "chief": person("c9", Role.DUTY_CHIEF, "hecheng"),
        "city": person("d9", Role.DISPATCHER),
        "other": person("z1", Role.DISPATCHER, "zhongfang"),
        "unit": person("u1", Role.UNIT, "hecheng"),
    }

    found = {
        name: {client_of(user).get(address).status_code for address in addresses}
        for name, user in readers.items()
    }
    listed = {
        name
        for name, user in readers.items()
        if f"{ADDRESS}{given.pk}/" in client_of(user).get(ADDRESS).content.decode()
    }

    expected = {"leader": {200}, "chief": {200}, "city": {404}, "other": {404}, "unit": {404}}
    assert found == expected
    assert listed == {"leader", "chief"}


def test_older_ones_stand_on_further_pages(giver, taker, monkeypatch):
    monkeypatch.setattr("cases.views.handover.A_PAGE", 2)
    pks = []
    for _ in range(5):
        given = give(giver)
        take_over(pk=given.pk, actor=taker)
        pks.append(given.pk)
    client = client_of(taker)

    first = client.get(ADDRESS).context
    second = client.get(f"{ADDRESS}?before={first['older']}").context
    last = client.get(f"{ADDRESS}?before={second['older']}").context

    shown = [[one.pk for one, _ in page["past"]] for page in (first, second, last)]
    assert shown == [pks[4:2:-1], pks[2:0:-1], pks[:1]]
    assert last["older"] is None
