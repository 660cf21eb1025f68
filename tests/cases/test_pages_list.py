"""The list of cases: what it shows, its saved searches, and acting on many cases at once."""

import re
import uuid

import pytest
from django.utils.http import urlencode

from cases.choices import Action, Role
from cases.models import Case, Event, SavedSearch
from cases.views import searches
from tests.cases.test_pages_phone import client_of
from tests.support.people import person
from tests.support.spine import act, dispatched, report, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def numbers(answer):
    return re.findall(r'data-row="(HH\d{13})"', answer.content.decode())


def state():
    return (
        list(Case.objects.order_by("pk").values_list("stage", "version")),
        Event.objects.count(),
    )


def chosen(answer):
    """Return the rows whose box is checked."""
    boxes = re.findall(r"<input[^>]*name=\"rows\"[^>]*>", answer.content.decode())
    return [re.search(r"HH\d{13}", box).group() for box in boxes if "checked" in box]


def rows(*names):
    return [f"{n}:{Case.objects.get(number=n).version}" for n in names]


# --- the list -----------------------------------------------------------------------------------


def test_the_list_shows_what_answers_to_the_filters(people, condition):
    first, second = (report(people, condition)["number"] for _ in range(2))
    Case.objects.filter(number=second).update(address="红星路")
    client = client_of(people.dispatcher)

    assert numbers(client.get("/cases/")) == [second, first]
    assert numbers(client.get("/cases/?q=hxl&stage=open")) == [second]
    assert numbers(client.get("/cases/?stage=closed")) == []
    assert "No case you may see" in client.get("/cases/?stage=closed").content.decode()


def test_pages_follow_one_another_by_address(people, condition, monkeypatch):
    monkeypatch.setattr("cases.views.case_list.SIZES", (2, 4))
    held = [report(people, condition)["number"] for _ in range(5)][::-1]
    client = client_of(people.dispatcher)

    seen, address = [], "/cases/?stage=open"
    while address:
        answer = client.get(address)
        seen.append(numbers(answer))
        address = answer.context["next"] and "/cases/" + answer.context["next"]

    assert seen == [held[:2], held[2:4], held[4:]]
    assert numbers(client.get("/cases/?show=4")) == held[:4]


def test_a_grid_cell_or_all_of_an_area_can_be_asked_for(people, condition):
    first, second = (report(people, condition)["number"] for _ in range(2))
    cell = Case.objects.get(number=first).grid_cell
    other = f"{cell[:12]}{int(cell[12:]) + 1:03}"
    Case.objects.filter(number=second).update(grid_cell=other)
    client = client_of(people.dispatcher)

    assert numbers(client.get(f"/cases/?grid={cell}")) == [first]
    for area in (cell[:6], cell[:9], cell[:12]):
        assert numbers(client.get(f"/cases/?grid={area}")) == [second, first]
    assert numbers(client.get("/cases/?grid=431281")) == []
    assert "Grid cell: 431281" in client.get("/cases/?grid=431281").content.decode()


def test_every_row_can_be_chosen_for_a_file(people, condition):
    dispatched(people, condition)

    page = client_of(people.chief).get("/cases/").content.decode()

    assert 'data-can=""' in page
    assert 'formaction="/cases/export/"' in page


@pytest.mark.parametrize(
    "query",
    ["grid=4312", "grid=x", "stage=lost", "from=x", "cursor=x", "sort=x", "q=1+2+3+4+5+6+7+8+9"],
)
def test_a_wrong_filter_shows_nothing_and_says_so(people, condition, query):
    report(people, condition)

    answer = client_of(people.dispatcher).get(f"/cases/?{query}")

    assert answer.status_code == 422
    assert numbers(answer) == []
    assert "not understood" in answer.content.decode()


def test_a_set_filter_can_be_taken_away(people):
    answer = client_of(people.dispatcher).get("/cases/?q=%E4%BA%95&stage=open&sort=due")

    assert [chip.without for chip in answer.context["chips"]] == [
        "?stage=open&sort=due",
        "?q=%E4%BA%95&sort=due",
    ]


def test_the_count_says_when_it_is_bounded(people, condition, monkeypatch):
    for _ in range(3):
        report(people, condition)
    client = client_of(people.dispatcher)
    assert "3 cases" in client.get("/cases/").content.decode()

    for module in ("cases.views.case_list", "cases.selectors.case_search"):
        monkeypatch.setattr(f"{module}.MOST_COUNTED", 2)
    assert "over 2 cases" in client.get("/cases/").content.decode()


def test_only_what_the_table_allows_is_offered(people, condition):
    report(people, condition)
    held = dispatched(people, condition)

    def actions(user):
        return client_of(user).get("/cases/").context["actions"]

    assert actions(people.dispatcher) == [Action.DISPATCH]
    assert actions(unit_person(held)) == [Action.SIGN]
    assert actions(people.chief) == []


# --- many at once -------------------------------------------------------------------------------


def send(user, action, names, **fields):
    sent = {"action": action, "rows": names, "back": "/cases/?stage=open", **fields}
    return client_of(user).post("/cases/bulk/", sent)


def test_a_choice_is_shown_before_anything_is_done(people, condition):
    new, held = report(people, condition)["number"], dispatched(people, condition)
    before = state()

    answer = send(people.dispatcher, "dispatch", rows(new, held))

    assert chosen(answer) == [new]
    assert sorted(numbers(answer)) == sorted([new, held])
    assert 'href="/cases/?stage=open"' in answer.content.decode()
    assert state() == before


def test_results_stand_beside_the_rows_and_what_failed_stays_chosen(people, condition):
    good, stale = report(people, condition)["number"], report(people, condition)["number"]
    gone = dispatched(people, condition)
    names = [*rows(good), f"{stale}:1", *rows(gone), "HH2020010100001:1"]
    key = str(uuid.uuid4())

    answer = send(people.dispatcher, "dispatch", names, key=key, unit="hecheng-sanitation")
    text = answer.content.decode()

    assert "1 case done" in text
    assert "3 refused" in text
    assert chosen(answer) == [stale]
    assert "stale_case" in text
    assert "HH2020010100001" in text
    assert f"{stale}:{Case.objects.get(number=stale).version}" in text  # to be tried again
    assert Case.objects.get(number=good).stage == "dispatched"
    assert Case.objects.get(number=stale).stage == "filed"

    before = state()
    send(people.dispatcher, "dispatch", names, key=key, unit="hecheng-sanitation")
    assert state() == before


def test_nothing_is_done_to_what_one_may_not_see(people, condition):
    number = report(people, condition)["number"]
    other = person("d2", Role.DISPATCHER, "landport")
    before = state()

    answer = send(
        other, "dispatch", rows(number), key=str(uuid.uuid4()), unit="landport-sanitation"
    )

    assert numbers(answer) == []
    assert "no such case that you may see" in answer.content.decode()
    assert state() == before


def test_choosing_nothing_is_said(people):
    answer = send(people.dispatcher, "dispatch", [], key=str(uuid.uuid4()))

    assert "No case was chosen" in answer.content.decode()


def test_too_many_are_not_done(people, condition, monkeypatch):
    names = [report(people, condition)["number"] for _ in range(3)]
    monkeypatch.setattr("cases.services.bulk.MOST_ROWS", 2)
    before = state()

    answer = send(
        people.dispatcher,
        "dispatch",
        rows(*names),
        key=str(uuid.uuid4()),
        unit="hecheng-sanitation",
    )

    assert "At most 2 cases" in answer.content.decode()
    assert chosen(answer) == names[:2]
    assert state() == before


@pytest.mark.parametrize(
    "change",
    [{"action": "void"}, {"action": "x"}, {"rows": "HH2026112300001"}, {"key": "x"}],
    ids=str,
)
def test_a_form_of_nobody_is_refused(people, change):
    fields = {"action": "sign", "rows": "HH2026112300001:1", "key": str(uuid.uuid4()), **change}

    answer = client_of(people.dispatcher).post("/cases/bulk/", fields)

    assert answer.status_code == 422


def test_back_leads_nowhere_else(people):
    sent = {"action": "sign", "rows": "HH2026112300001:1", "back": "https://elsewhere.example/"}

    answer = client_of(people.dispatcher).post("/cases/bulk/", sent)

    assert answer.context["back"] == "/cases/"


def test_a_unit_signs_for_many_in_its_inbox(people, condition):
    names = [dispatched(people, condition) for _ in range(3)]
    unit = unit_person(names[0])
    page = client_of(unit).get("/unit/").content.decode()
    boxes = re.findall(r'name="rows"\s+value="([^"]+)"', page)
    key = re.search(r'id="bulk".*?name="key" value="([^"]+)"', page, re.DOTALL).group(1)
    act(names[2], Action.SIGN, unit)

    answer = send(unit, "sign", boxes, key=key)

    assert sorted(box.partition(":")[0] for box in boxes) == sorted(names)
    assert set(Case.objects.values_list("stage", flat=True)) == {"handling"}
    assert (answer.context["done"], answer.context["refused"]) == (2, 1)


# --- saved searches -----------------------------------------------------------------------------


def offered(user):
    context = client_of(user).get("/cases/").context
    return [one.name for one in context["searches"]["rows"]]


def save(user, name, query="stage=open", **fields):
    return client_of(user).post("/cases/searches/", {"name": name, "query": query, **fields})


def test_a_search_is_saved_without_its_page(people):
    answer = save(people.dispatcher, "  late   ones ", "light=late&q=&sort=newest&cursor=abc&x=1")

    held = SavedSearch.objects.get()
    assert (held.name, held.query, held.is_shared) == ("late ones", "light=late", False)
    assert answer["Location"] == "/cases/?light=late"


def test_a_shared_search_is_offered_within_the_scope(people):
    near = person("d2", Role.DISPATCHER, "landport")
    same = person("a2", Role.ACCEPTOR, "landport")
    other = person("d3", Role.DISPATCHER, "hecheng")
    save(near, "ours", is_shared="on")
    save(near, "mine")

    assert offered(near) == ["mine", "ours"]
    assert offered(same) == ["ours"]
    assert offered(other) == offered(people.dispatcher) == offered(people.inspector) == []

    type(near).objects.filter(pk=near.pk).update(is_active=False)
    assert offered(same) == []


def test_inspectors_share_no_scope(people):
    save(people.inspector, "mine", is_shared="on")

    assert offered(people.checker) == []


def test_a_shared_search_finds_only_what_its_reader_may_see(people, condition):
    number = report(people, condition)["number"]
    save(people.dispatcher, "open", f"q={number}", is_shared="on")
    unit = person("u2", Role.UNIT, "landport-sanitation")

    assert numbers(client_of(people.acceptor).get(f"/cases/?q={number}")) == [number]
    assert numbers(client_of(unit).get(f"/cases/?q={number}")) == []


def test_a_search_is_renamed_shared_and_deleted_by_its_owner_only(people):
    save(people.dispatcher, "a")
    save(people.dispatcher, "b", "stage=closed")
    held = SavedSearch.objects.get(name="a")
    address = f"/cases/searches/{held.pk}/"
    before = list(SavedSearch.objects.order_by("pk").values())

    assert client_of(people.acceptor).post(address, {"name": "c"}).status_code == 404
    assert client_of(people.acceptor).post(f"{address}delete/").status_code == 404
    assert client_of(people.dispatcher).post(address, {"name": "b"}).status_code == 302
    assert client_of(people.dispatcher).post(address, {"name": " "}).status_code == 302
    assert list(SavedSearch.objects.order_by("pk").values()) == before

    client_of(people.dispatcher).post(address, {"name": "c", "is_shared": "on"})
    held.refresh_from_db()
    assert (held.name, held.is_shared) == ("c", True)

    client_of(people.dispatcher).post(f"{address}delete/")
    assert [one.name for one in SavedSearch.objects.all()] == ["b"]


def test_saving_under_the_same_name_replaces(people):
    save(people.dispatcher, "a")
    save(people.dispatcher, "a", "stage=closed")

    assert SavedSearch.objects.get().query == "stage=closed"


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("", "stage=open"),
        ("a", ""),
        ("a", "stage=lost"),
        ("a", "sort=newest"),
        (" \0", "stage=open"),
    ],
)
def test_an_empty_or_wrong_search_is_not_saved(people, name, query):
    assert save(people.dispatcher, name, query).status_code == 302
    assert not SavedSearch.objects.exists()


def test_there_is_a_most(people, monkeypatch):
    monkeypatch.setattr(searches, "MOST", 2)
    for name in "abc":
        save(people.dispatcher, name)
    save(people.dispatcher, "a", "stage=closed")

    assert {one.name: one.query for one in SavedSearch.objects.all()} == {
        "a": "stage=closed",
        "b": "stage=open",
    }


def test_the_longest_search_fits(people):
    query = urlencode({"q": "井" * 200})

    save(people.dispatcher, "long", query)

    assert SavedSearch.objects.get().query == query
