"""What came back is shown to whoever decides, by the rule of the assessment."""

from datetime import timedelta
from itertools import count

import pytest
from django.test import Client
from django.utils import timezone

from cases.choices import Action, Role
from cases.models import Case
from cases.plane import metres
from cases.recurrence import NEAR_M, WITHIN, is_near, is_soon
from cases.selectors.recurrence import recurrence
from cases.selectors.timeline import events_of
from tests.support.crowds import crowd_around, plans_of
from tests.support.people import person
from tests.support.spine import PLACE, act, case_of, closed, dispatched, photo, report, signed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]
HERE = f"{PLACE['lon']:.7f},{PLACE['lat']:.7f}"


@pytest.fixture(autouse=True)
def _recurs(condition):
    flag(condition)


@pytest.fixture
def own():
    """Return a dispatcher of the district the cases lie in."""
    return person("d-hc", Role.DISPATCHER, "hecheng")


def flag(condition, *, recurs=True):
    condition.minor.recurs = recurs
    condition.minor.save()


def north(steps):
    """Return the place so many ten-millionths of a degree to the north, as "lon,lat"."""
    return f"{PLACE['lon']:.7f},{PLACE['lat'] + steps / 10**7:.7f}"


def farthest():
    """Return the last step north that is still as near as the rule says."""
    start = int((NEAR_M - 0.1) / 111_000 * 10**7)
    return next(n for n in count(start) if metres(HERE, north(n + 1)) > NEAR_M)


def put(number, **values):
    if "at" in values:
        values["point"] = f"SRID=4326;POINT({values.pop('at').replace(',', ' ')})"
    Case.objects.filter(number=number).update(**values)


def found(number, user):
    case = Case.objects.select_related("minor").get(number=number)
    return recurrence(case, user, events_of(case), at=timezone.now())


def told(number, user):
    """Return what is seen and how many are only counted: closings before, returns after."""
    both = found(number, user)
    return [
        ([row.number for row in side.seen], side.unseen) for side in (both.closings, both.returns)
    ]


def client_of(user):
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def words_of(user, address, status=200):
    answer = client_of(user).get(address)
    assert answer.status_code == status
    return " ".join(answer.content.decode().split())


NOTHING = ([], 0)


# --- the rule -----------------------------------------------------------------------------------


def test_a_case_is_the_return_of_a_closing_and_the_closing_knows(people, condition):
    old, _unit = closed(people, condition)
    number = dispatched(people, condition)

    assert told(number, people.chief) == [([old], 0), NOTHING]
    assert told(old, people.chief) == [NOTHING, ([number], 0)]
    assert found(number, people.chief).closings.seen[0].at == case_of(old).closed_at
    assert found(old, people.chief).returns.seen[0].at == case_of(number).filed_at


@pytest.mark.parametrize(("more", "counts"), [(0, True), (1, False)])
def test_the_last_metre_is_included(people, condition, more, counts):
    old, _unit = closed(people, condition)
    number = dispatched(people, condition)
    place = north(farthest() + more)
    put(old, at=place)

    expected = [([old], 0) if counts else NOTHING, NOTHING]
    assert told(number, people.chief) == expected
    assert is_near(HERE, place) == counts


@pytest.mark.parametrize(
    ("after", "counts"),
    [
        (timedelta(0), True),
        (timedelta(microseconds=-1), False),
        (WITHIN, True),
        (WITHIN + timedelta(microseconds=1), False),
    ],
)
def test_both_ends_of_the_days_are_included(people, condition, after, counts):
    old, _unit = closed(people, condition)
    number = dispatched(people, condition)
    filed = case_of(number).filed_at
    put(old, closed_at=filed - after)

    assert told(number, people.chief) == [([old], 0) if counts else NOTHING, NOTHING]
    assert told(old, people.chief) == [NOTHING, ([number], 0) if counts else NOTHING]
    assert is_soon(closed=filed - after, filed=filed) == counts


def test_several_closings_stand_newest_first(people, condition):
    first, second = closed(people, condition)[0], closed(people, condition)[0]
    number = dispatched(people, condition)

    assert told(number, people.chief) == [([second, first], 0), NOTHING]
    # The second is itself the return of the first.
    assert told(second, people.chief) == [([first], 0), ([number], 0)]


def test_another_class_is_no_return(people, condition):
    old, _unit = closed(people, condition)
    number = dispatched(people, condition)
    minor = type(condition.minor).objects.exclude(pk=condition.minor_id).first()
    put(old, minor=minor)

    assert told(number, people.chief) == [NOTHING, NOTHING]


def test_a_class_without_the_flag_never_recurs(people, condition):
    flag(condition, recurs=False)
    old, _unit = closed(people, condition)
    number = dispatched(people, condition)

    assert told(number, people.chief) == told(old, people.chief) == [NOTHING, NOTHING]


def test_the_flag_is_the_one_of_the_filing_not_of_today(people, condition):
    old, _unit = closed(people, condition)
    number = dispatched(people, condition)
    flag(condition, recurs=False)
    later = dispatched(people, condition)

    assert told(number, people.chief) == [([old], 0), NOTHING]
    assert told(later, people.chief) == [NOTHING, NOTHING]
    assert told(old, people.chief) == [NOTHING, ([number], 0)]


def test_a_forced_closing_is_none_and_a_reopened_case_was_not_closed(people, condition):
    forced, _unit = signed(people, condition)
    act(forced, Action.FORCE_CLOSE, people.chief, reason="cannot_be_done", note="a")
    number = dispatched(people, condition)
    assert told(number, people.chief) == [NOTHING, NOTHING]
    assert told(forced, people.chief) == [NOTHING, NOTHING]

    old, _unit = closed(people, condition)
    again = dispatched(people, condition)
    assert told(again, people.chief)[0] == ([old], 0)
    act(old, Action.REOPEN, people.chief, reason="came_back", note="a", photos=(photo(),))

    assert told(again, people.chief) == [NOTHING, NOTHING]


def test_what_was_voided_never_came_back(people, condition):
    old, _unit = closed(people, condition)
    number = dispatched(people, condition)
    act(number, Action.VOID, people.chief, reason="wrong_report", note="a")

    assert told(number, people.chief) == told(old, people.chief) == [NOTHING, NOTHING]


def test_what_an_inspector_fixed_on_the_spot_is_no_return(people, condition):
    old, _unit = closed(people, condition)
    number = dispatched(people, condition)
    put(number, is_self_handled=True)

    assert told(number, people.chief) == told(old, people.chief) == [NOTHING, NOTHING]


def test_a_case_without_a_place_is_looked_up_nowhere(people, condition, django_assert_num_queries):
    number = dispatched(people, condition)
    put(number, point=None)
    case = Case.objects.select_related("minor").get(number=number)

    with django_assert_num_queries(0):
        assert recurrence(case, people.chief, [], at=timezone.now()).closings.count == 0


def test_one_not_yet_filed_counts_up_to_now(people, condition):
    old, _unit = closed(people, condition)
    number = report(people, condition, source="hotline", order_number="A1")["number"]
    assert case_of(number).filed_at is None

    assert told(number, people.chief) == [([old], 0), NOTHING]
    put(old, closed_at=timezone.now() - WITHIN - timedelta(minutes=1))
    assert told(number, people.chief) == [NOTHING, NOTHING]


# --- who sees which -----------------------------------------------------------------------------


def test_a_rivals_case_is_counted_and_neither_named_nor_linked(people, condition, own):
    old, hidden = closed(people, condition)[0], closed(people, condition)[0]
    number = dispatched(people, condition)
    put(hidden, district="zhongfang", address="CANARY", description="CANARY", unit=None)

    assert told(number, own) == [([old], 1), NOTHING]
    assert told(number, people.chief) == [([hidden, old], 0), NOTHING]
    for address in (f"/cases/{number}/", f"/cases/{number}/?tab=place", f"/cases/{number}/panel/"):
        page = words_of(own, address)
        assert "this class was closed 2 times within 50 m in the 7 days" in page
        assert f'<a href="/cases/{old}/">{old}</a>' in page
        assert "1 is not yours to see: only counted." in page
        assert hidden not in page
        assert "CANARY" not in page


def test_what_came_back_to_a_rival_is_counted_at_the_closed_case(people, condition, own):
    old, _unit = closed(people, condition)
    number = dispatched(people, condition)
    put(number, district="zhongfang")

    page = words_of(own, f"/cases/{old}/")

    assert told(old, own) == [NOTHING, ([], 1)]
    assert "It came back after its closing: 1 case within 50 m and 7 days." in page
    assert number not in page
    assert f'<a href="/cases/{number}/">{number}</a>' in words_of(people.chief, f"/cases/{old}/")


# --- where it stands ----------------------------------------------------------------------------


def test_whoever_closes_sees_it_beside_the_form(people, condition):
    old, _unit = closed(people, condition)
    number, unit = signed(people, condition)
    act(number, Action.FINISH, unit, photos=(photo(),))
    act(number, Action.ANSWER_CHECK, people.checker, passed=True)

    for address in (f"/cases/{number}/", f"/cases/{number}/panel/"):
        page = words_of(people.chief, address)
        assert 'name="action" value="close"' in page
        assert page.index("this class was closed 1 time") < page.index('value="close"')
        assert f'<a href="/cases/{old}/">{old}</a>' in page


def test_whoever_checks_on_site_sees_how_often_it_was_closed(people, condition):
    old, _unit = closed(people, condition)
    number, unit = signed(people, condition)
    act(number, Action.FINISH, unit, photos=(photo(),))
    task = case_of(number).task_set.select_related("assignee").get(kind="check")

    page = words_of(task.assignee, f"/m/tasks/{number}/")

    seen = Case.objects.all().visible_to(task.assignee).filter(number=old).exists()
    assert "this class was closed 1 time within 50 m" in page
    assert (f'href="/cases/{old}/"' in page) == seen
    assert ("1 is not yours to see" in page) != seen


def test_whoever_files_or_dispatches_sees_that_a_new_report_comes_back(people, condition):
    old, _unit = closed(people, condition)
    number = report(people, condition, source="hotline", order_number="A1")["number"]

    page = words_of(people.acceptor, f"/cases/{number}/panel/")

    assert "this class was closed 1 time within 50 m in the last 7 days" in page
    assert f'<a href="/cases/{old}/">{old}</a>' in page


def test_a_page_without_anything_come_back_says_nothing(people, condition):
    number = dispatched(people, condition)

    page = words_of(people.dispatcher, f"/cases/{number}/")

    assert 'class="again' not in page


# --- what it costs ------------------------------------------------------------------------------


def test_it_costs_the_same_for_one_and_for_many(people, condition, django_assert_num_queries):
    closed(people, condition)
    number = dispatched(people, condition)
    case = Case.objects.select_related("minor").get(number=number)
    events = events_of(case)
    for _ in range(2):
        with django_assert_num_queries(1):
            rows = recurrence(case, people.chief, events, at=timezone.now()).closings.count
        closed(people, condition)

    assert rows == 1


def test_it_is_found_by_the_index_of_places(people, condition, own):
    old, _unit = closed(people, condition)
    crowd_around(old, 5000)  # all closed soon enough before: the place decides
    case = Case.objects.select_related("minor").get(number=dispatched(people, condition))

    events = events_of(case)
    plan = plans_of(lambda: recurrence(case, own, events, at=timezone.now()))

    assert "case_place_time" in plan
    assert "Seq Scan on cases_case" not in plan


# --- before a report is sent --------------------------------------------------------------------


def asked_near(user, condition):
    answer = client_of(user).get("/api/v1/cases/near/", {**PLACE, "category": condition.minor_id})
    assert answer.status_code == 200
    return answer.json()


def test_a_report_is_told_beforehand_that_it_comes_back(people, condition):
    old, _unit = closed(people, condition)
    put(old, district="zhongfang", address="CANARY")

    hints = asked_near(people.checker, condition)

    assert hints == {"cases": [], "came_back": {"closings": 1, "metres": 50, "days": 7}}
    flag(condition, recurs=False)
    assert asked_near(people.checker, condition)["came_back"]["closings"] == 0
    flag(condition)
    put(old, closed_at=timezone.now() - WITHIN - timedelta(minutes=1))
    assert asked_near(people.checker, condition)["came_back"]["closings"] == 0


def test_the_form_has_the_words_for_it(people):
    page = words_of(people.inspector, "/m/report/")

    assert 'data-once="Came back: closed once within {m} m in the last {d} days."' in page
