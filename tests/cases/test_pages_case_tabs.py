"""The tabs of the case page: what each shows, to whom, and what is written down of who looked."""

import re

import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cases.choices import Action, Role
from cases.models import Attachment, Case, Disclosure, Event
from cases.selectors.same_place import RADIUS_M, same_place
from cases.services.ledger_check import verify_ledger
from tests.support.components import component, register
from tests.support.crowds import crowd_around, plans_of
from tests.support.people import person
from tests.support.spine import act, case_of, closed, dispatched, report, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]
PHONE = "13812342210"
TABS = ("", "?tab=photos", "?tab=timeline", "?tab=place", "?tab=log")


def client_of(user):
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def page_of(user, number, query=""):
    answer = client_of(user).get(f"/cases/{number}/{query}")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def shown(page):
    """Return the names of the parts a screen shows, whatever paper has."""
    parts = re.findall(r'<section class="card([^"]*)" aria-labelledby="(\w+)"', page)
    return [name for classes, name in parts if "paper" not in classes.replace("no-paper", "")]


# --- tabs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "parts"),
    [
        ("", ["facts", "photos"]),
        ("?tab=photos", ["compare"]),
        ("?tab=timeline", ["timeline"]),
        ("?tab=place", ["place"]),
        ("?tab=log", ["log"]),
        ("?tab=nonsense", ["facts", "photos"]),
    ],
)
def test_each_tab_has_its_address_and_paper_always_the_same(people, condition, query, parts):
    number = dispatched(people, condition)

    page = page_of(people.dispatcher, number, query)

    assert [part for part in shown(page) if part != "actions"] == parts
    for name in ("facts", "photos", "timeline"):
        assert page.count(f'id="{name}"') == 1
    assert page.count('aria-current="page"') == 1


def test_tabs_keep_where_the_reader_goes_on_to(people, condition):
    number = dispatched(people, condition)

    page = page_of(people.dispatcher, number, "?next=/desk/")

    assert f'href="/cases/{number}/?tab=timeline&amp;next=%2Fdesk%2F"' in page
    log = page_of(people.chief, number, "?tab=log&next=/desk/")
    assert f'href="/cases/{number}/?tab=log&amp;verify=1&amp;next=%2Fdesk%2F"' in log


def test_a_supervised_case_says_so_in_its_head(people, condition):
    number = dispatched(people, condition)
    Case.objects.filter(number=number).update(supervised=["overdue"])

    assert '<span aria-hidden="true">督</span> supervised' in page_of(people.dispatcher, number)


def test_statements_of_a_tab_do_not_grow_with_the_log(people, condition, django_assert_num_queries):
    number = dispatched(people, condition)
    client = client_of(people.dispatcher)
    counts = {}
    for query in TABS:
        client.get(f"/cases/{number}/{query}")
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/cases/{number}/{query}")
        counts[query] = len(captured)
    for _ in range(3):
        act(number, Action.REMIND, people.dispatcher)
        dispatched(people, condition)

    for query in TABS:
        with django_assert_num_queries(counts[query]):
            client.get(f"/cases/{number}/{query}")


# --- before and after ---------------------------------------------------------------------------


def test_photos_stand_beside_each_other_and_the_address_says_which(people, condition):
    number, _unit = closed(people, condition)
    case = case_of(number)
    for kind in ("near", "far"):
        Attachment.objects.create(
            case=case,
            kind=kind,
            sha256=kind[0] * 64,
            stored_sha256=kind[0] * 64,
            added_at=timezone.now(),
            added_by=people.inspector,
            origin="album",
        )
    far = Attachment.objects.get(case=case, kind="far")

    page = page_of(people.dispatcher, number, f"?tab=photos&before={far.pk}")
    compare = page[page.index("data-compare") :]

    assert f'<img src="/photos/{far.pk}/"' in compare
    assert "from the album, time unknown" in compare
    assert compare.count('aria-current="true"') == 1
    onward = page_of(people.dispatcher, number, f"?tab=photos&before={far.pk}&next=/desk/")
    links = re.findall(r'href="(\?[^"]+)" data-photo', onward)
    assert links
    assert all(link.endswith("&amp;next=%2Fdesk%2F") for link in links)


def test_a_photo_that_cannot_be_shown_is_said_so(people, condition):
    number = dispatched(people, condition)
    Attachment.objects.create(
        case=case_of(number),
        kind="near",
        sha256="a" * 64,
        added_at=timezone.now(),
        added_by=people.inspector,
    )

    page = page_of(people.dispatcher, number, "?tab=photos")

    assert "1 photo cannot be shown now." in page
    assert "This photo is being prepared." in page


# --- same place ---------------------------------------------------------------------------------


def rows_of(number, user):
    case = Case.objects.select_related("minor").get(number=number)
    return {row.case.number: row for row in same_place(case, user).rows}


def test_near_ones_those_of_the_cell_and_of_the_component_are_listed_open_first(people, condition):
    old, _unit = closed(people, condition)
    number, near = dispatched(people, condition), dispatched(people, condition)
    in_cell, far = dispatched(people, condition), dispatched(people, condition)
    here = case_of(number)
    assert here.grid_cell
    Case.objects.filter(number=in_cell).update(point="SRID=4326;POINT(109.9790 27.5505)")
    Case.objects.filter(number=in_cell).update(grid_cell=here.grid_cell)
    Case.objects.filter(number=far).update(
        point="SRID=4326;POINT(109.99 27.56)", grid_cell="", component=None
    )

    found = rows_of(number, people.dispatcher)

    assert {near, old} <= set(found)
    assert far not in found
    assert found[near].away_m == 0
    assert [row.is_open for row in found.values()] == sorted(
        (row.is_open for row in found.values()), reverse=True
    )
    assert found[near].is_same_cell


def test_a_case_on_the_same_component_is_listed_wherever_it_lies(people, condition):
    number, other = dispatched(people, condition), dispatched(people, condition)
    Case.objects.filter(number=other).update(point="SRID=4326;POINT(109.99 27.56)", grid_cell="")
    assert other not in rows_of(number, people.dispatcher)
    register()
    code = component().pk
    Case.objects.filter(number__in=[number, other]).update(component=code)

    row = rows_of(number, people.dispatcher)[other]

    assert row.is_same_component
    assert not row.is_near
    assert row.away_m > RADIUS_M


def test_what_came_back_is_called_so_in_the_list(people, condition):
    condition.minor.recurs = True
    condition.minor.save()
    old, _unit = closed(people, condition)
    number, other = dispatched(people, condition), dispatched(people, condition)
    Case.objects.filter(number=other).update(point="SRID=4326;POINT(109.9775 27.5505)")

    page = page_of(people.dispatcher, number, "?tab=place")
    rows = page[page.index('id="place"') :].split("<li>")[1:]

    assert {one for one in (old, other) for row in rows if one in row} == {old, other}
    assert [row for row in rows if "came back" in row] == [row for row in rows if old in row]


def test_nothing_of_another_district_is_at_the_same_place(people, condition):
    number, other = dispatched(people, condition), dispatched(people, condition)
    Case.objects.filter(number=other).update(
        district="zhongfang", address="CANARY", description="CANARY", unit=None, stage="returned"
    )
    own = person("d-hc", Role.DISPATCHER, "hecheng")

    assert rows_of(number, own) == {}
    page = page_of(own, number, "?tab=place")
    assert other not in page
    assert "CANARY" not in page
    assert other in page_of(people.dispatcher, number, "?tab=place")


def test_the_place_is_found_by_the_spatial_index(people, condition):
    number = dispatched(people, condition)
    case = Case.objects.select_related("minor").get(number=number)
    crowd_around(number, 5000)

    plan = plans_of(lambda: same_place(case, people.dispatcher))

    assert plan.count("case_place_time") == 2  # near, and in the cell
    assert "Seq Scan on cases_case" not in plan


# --- log ----------------------------------------------------------------------------------------


def test_the_log_shows_scope_position_hash_and_header_of_every_event(people, condition):
    number = dispatched(people, condition)
    events = list(Event.objects.filter(case__number=number))

    page = page_of(people.dispatcher, number, "?tab=log")

    for event in events:
        assert f"<code>{event.scope}/{event.dseq}</code>" in page
        assert f"<code>{bytes(event.hash).hex()[:12]}…</code>" in page
    assert page.count("<pre") == len(events)
    assert "&quot;case_seq&quot;: 1" in page


def test_no_text_and_no_person_stands_in_the_log(people, condition):
    number = str(report(people, condition, description="CANARY", address="CANARY")["number"])
    act(number, Action.REMIND, people.dispatcher, note="CANARY")

    page = page_of(people.dispatcher, number, "?tab=log")

    log = page[page.index('aria-labelledby="log"') :].partition("</section>")[0]
    assert "CANARY" not in log
    assert people.inspector.name not in re.sub(r"<[^>]*>", " ", log).split()


def test_only_who_answers_for_what_is_written_reads_the_log(people, condition):
    number = dispatched(people, condition)
    unit = unit_person(number)
    elsewhere = person("d-zf", Role.DISPATCHER, "zhongfang")
    Case.objects.filter(number=number).update(also_districts=["zhongfang"])
    statuses = {
        user.username: client_of(user).get(f"/cases/{number}/?tab=log").status_code
        for user in (people.dispatcher, people.chief, people.acceptor, people.inspector)
    }

    assert statuses == {"d1": 200, "c1": 200, "a1": 404, "i1": 404}
    for user in (unit, elsewhere):  # they see the case, not its log
        assert client_of(user).get(f"/cases/{number}/").status_code == 200
        assert client_of(user).get(f"/cases/{number}/?tab=log").status_code == 404
        assert "?tab=log" not in page_of(user, number)


def test_verifying_names_the_event_that_was_changed(people, condition):
    number = dispatched(people, condition)
    whole = page_of(people.dispatcher, number, "?tab=log&verify=1")
    last = Event.objects.filter(case__number=number).latest("case_seq")
    Event.objects.filter(pk=last.pk).update(unit="another")

    broken = page_of(people.dispatcher, number, "?tab=log&verify=1")

    assert "their hashes hold, and each follows the one before it." in whole
    assert "1 event does not add up." in broken
    assert broken.count("a column differs from the header") == 1


# --- people -------------------------------------------------------------------------------------


def told(people, condition):
    """Return a case that hides a name and a telephone number from all but operators."""
    words = {"source": "hotline", "contact": f"王小明 {PHONE}", "description": f"call {PHONE}"}
    return str(report(people, condition, **words)["number"])


def test_showing_people_is_written_down_and_lasts_for_one_answer(people, condition):
    number = told(people, condition)
    events = Event.objects.count()
    client = client_of(people.dispatcher)
    assert PHONE not in page_of(people.dispatcher, number)

    answer = client.post(f"/cases/{number}/people/")

    page = " ".join(answer.content.decode().split())
    assert f"王小明 {PHONE}" in page
    assert f"call {PHONE}" in page
    assert answer["Cache-Control"] == "private, no-store"
    row = Disclosure.objects.get()
    assert (row.case.number, row.by, row.role) == (number, people.dispatcher, "dispatcher")
    assert PHONE not in page_of(people.dispatcher, number)
    assert f"{people.dispatcher.name} <span" in page_of(people.dispatcher, number, "?tab=log")
    assert Event.objects.count() == events  # no event: no score changes
    assert verify_ledger() == []


@pytest.mark.parametrize("role", [Role.LEADER, Role.ASSESSOR, Role.ADMIN])
def test_who_need_not_reach_people_may_not_have_them_shown(people, condition, role):
    number = told(people, condition)
    user = person("x1", role)

    answer = client_of(user).post(f"/cases/{number}/people/")

    assert answer.status_code == 403
    assert PHONE not in answer.content.decode()
    assert "Show names and numbers" not in page_of(user, number)
    assert not Disclosure.objects.exists()


def test_nothing_is_offered_to_show_where_nothing_is_hidden(people, condition):
    number = dispatched(people, condition)

    assert "Show names and numbers" not in page_of(people.dispatcher, number)
    assert "Show names and numbers" not in page_of(people.operator, told(people, condition))


@pytest.mark.parametrize(
    "statement", ["UPDATE cases_disclosure SET role = 'leader'", "DELETE FROM cases_disclosure"]
)
def test_what_was_written_down_stays(people, condition, statement):
    client_of(people.dispatcher).post(f"/cases/{told(people, condition)}/people/")

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SAVEPOINT before")
        cursor.execute("SET LOCAL ROLE cityops_web")
        with pytest.raises(ProgrammingError, match="permission denied"):
            cursor.execute(statement)
        cursor.execute("ROLLBACK TO before")
    assert Disclosure.objects.filter(role="dispatcher").count() == 1
