"""Hot spots: each number is the cases behind it, to each reader of what is theirs."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from cases.choices import Action, Role
from cases.models import Case, RollupCase
from cases.selectors.heat import Asked
from cases.selectors.hot_spots import RANKS, cases_counted, hot_spots
from cases.selectors.rollup import COLUMNS
from cases.selectors.spans import parse_span
from cases.services.rollup import advance_rollup
from tests.support.people import person
from tests.support.spine import act, case_of, closed, dispatched

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


@pytest.fixture(autouse=True)
def _recurs(condition):
    condition.minor.recurs = True
    condition.minor.save()


@pytest.fixture
def own():
    return person("d-hc", Role.DISPATCHER, "hecheng")


@pytest.fixture
def rival():
    return person("d-zf", Role.DISPATCHER, "zhongfang")


def asked(**words):
    return Asked(parse_span("90d", today=timezone.localdate()), **words)


def answer_of(user, address, **query):
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client.get(address, query)


def page_of(user, address, **query):
    answer = answer_of(user, address, **query)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


@pytest.fixture
def spot(people, condition):
    """Return the numbers of three cases of one class in one cell, the first of them come back."""
    old, _unit = closed(people, condition)
    numbers = [old, dispatched(people, condition), dispatched(people, condition)]
    advance_rollup()
    return numbers


def counted(user, **words):
    return [
        (one.asked.place, one.asked.category, one.counts["filed"], one.counts["recurrent"])
        for one in hot_spots(user, asked(**words), by="filed").spots
    ]


def test_a_cell_and_class_are_counted_with_what_came_back(spot, people, condition, own):
    cell = case_of(spot[0]).grid_cell

    assert counted(people.chief) == counted(own) == [(cell, condition.minor_id, 3, 1)]


def test_a_district_counts_its_own_alone(spot, people, condition, own, rival):
    Case.objects.filter(number=spot[1]).update(district="zhongfang")
    act(spot[1], Action.REMIND, people.dispatcher)  # its log goes on, so it is counted anew
    advance_rollup()
    cell = case_of(spot[0]).grid_cell

    # What came back to a rival came back all the same, and only one of its cases is no hot spot.
    assert counted(people.chief) == [(cell, condition.minor_id, 3, 1)]
    assert counted(own) == [(cell, condition.minor_id, 2, 1)]
    assert counted(rival) == []
    for count in COLUMNS:
        rows = cases_counted(own, asked(place=cell, category=condition.minor_id), count=count)
        assert spot[1] not in {case.number for case in rows}


def test_every_number_is_the_rows_behind_it(spot, people, own, rival):
    act(spot[2], Action.VOID, people.chief, reason="wrong_report", note="a")
    advance_rollup()
    for user in (people.chief, own, rival):
        for one in hot_spots(user, asked(), by="filed").spots:
            rows = {name: cases_counted(user, one.asked, count=name).count() for name in COLUMNS}
            assert rows == one.counts
    page = page_of(own, "/desk/hotspots/")
    links = re.findall(r'href="(/desk/hotspots/cases/\?[^"]+)"[^>]*>(\d+)</a>', page)
    assert [n for _link, n in links] == ["2", "1", "1"]  # filed, closed, came back
    for link, n in links:
        listed = page_of(own, link.replace("&amp;", "&"))
        assert listed.count("<strong>") == int(n), link


def test_rows_of_what_came_back_name_what_may_be_seen(spot, people, condition, own):
    cell = case_of(spot[0]).grid_cell
    query = {"place": cell, "category": condition.minor_id, "count": "recurrent"}
    address = "/desk/hotspots/cases/"
    back = Case.objects.get(pk=RollupCase.objects.get(case__number=spot[0]).recurred_in).number

    assert f'came back as <a href="/cases/{back}/">' in page_of(own, address, **query)
    Case.objects.filter(number=back).update(district="zhongfang")
    page = page_of(own, address, **query)
    assert spot[0] in page
    assert back not in page
    assert "came back as a case that is not yours to see" in page
    assert back in page_of(people.chief, address, **query)


def test_spots_are_ranked_by_cases_or_by_what_came_back(spot, people, condition):
    other = type(condition).objects.filter(minor__kind="event", limit_unit="work_hour")
    other = other.exclude(minor=condition.minor).earliest("code")
    for _ in range(4):
        dispatched(people, other)
    advance_rollup()

    ranks = {
        by: [one.asked.category for one in hot_spots(people.chief, asked(), by=by).spots]
        for by in RANKS
    }

    assert ranks == {
        "filed": [other.minor_id, condition.minor_id],
        "recurrent": [condition.minor_id, other.minor_id],
    }
    assert counted(people.chief, category=other.minor_id) == [
        (case_of(spot[0]).grid_cell, other.minor_id, 4, 0)
    ]


def test_one_case_alone_is_no_hot_spot(people, condition):
    dispatched(people, condition)
    advance_rollup()

    assert counted(people.chief) == []
    page = page_of(people.chief, "/desk/hotspots/")
    assert "No class came up twice in one grid cell in this time." in page


def test_days_outside_the_span_are_not_counted(spot, people):
    day = timezone.localdate() - timedelta(days=1)
    span = parse_span(f"{day}..{day}", today=day)

    assert hot_spots(people.chief, Asked(span), by="filed").spots == []


def test_the_closer_is_told_how_often_the_class_came_up_in_the_cell(spot, people, own):
    unit = person("u-1", Role.UNIT, case_of(spot[1]).unit_id)
    for address in (f"/cases/{spot[1]}/", f"/cases/{spot[1]}/panel/"):
        page = page_of(people.chief, address)
        assert "This grid cell had 3 cases of this class in 90 days" in page
        assert "; 1 closing came back" in page
    link = re.search(r'href="(/desk/hotspots/cases/\?[^"]+)"', page)[1].replace("&amp;", "&")
    assert page_of(people.chief, link).count("<strong>") == 3
    assert "This grid cell" not in page_of(unit, f"/cases/{spot[1]}/")


@pytest.mark.parametrize(
    ("address", "query"),
    [
        ("/desk/hotspots/", {"by": "nonsense"}),
        ("/desk/hotspots/", {"period": "never"}),
        ("/desk/hotspots/cases/", {"place": "431202"}),
        ("/desk/hotspots/cases/", {"place": "431202001001001", "category": "event"}),
        ("/desk/hotspots/cases/", {"count": "nonsense"}),
    ],
)
def test_what_is_no_hot_spot_is_refused(people, address, query):
    assert answer_of(people.chief, address, **query).status_code == 422


def test_who_reads_no_counts_finds_no_page(spot, people):
    unit = person("u-1", Role.UNIT, case_of(spot[1]).unit_id)

    for user in (unit, people.inspector):
        for address in ("/desk/hotspots/", "/desk/hotspots/cases/"):
            assert answer_of(user, address).status_code == 404


def test_the_ranking_takes_as_many_statements_for_one_as_for_three(
    spot, people, condition, django_assert_num_queries
):
    conditions = type(condition).objects.filter(minor__kind="event", limit_unit="work_hour")
    with django_assert_num_queries(2):
        assert len(hot_spots(people.chief, asked(), by="filed").spots) == 1
    minors = conditions.exclude(minor=condition.minor).order_by("code")
    for other in minors.distinct("code")[:2]:
        for _ in range(2):
            dispatched(people, other)
    advance_rollup()

    with django_assert_num_queries(2):
        assert len(hot_spots(people.chief, asked(), by="filed").spots) > 1
