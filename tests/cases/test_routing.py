"""Routing rules: conditions, why a case goes where it goes, and where rules collide."""

from datetime import UTC, datetime
from itertools import permutations

import pytest
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.utils import timezone

from cases.models import Area, Case, CityOptions, Condition, Effect, Rank, Responsibility, Unit
from cases.selectors.place import locate
from cases.selectors.responsibility import Found, Question, Unrouted, responsible_unit
from cases.selectors.routing import Standing, explain_case, explain_place
from cases.selectors.rule_book import RuleBook, rules_at
from cases.selectors.rule_conflicts import conflicts, unrouted_cases
from cases.selectors.unit_load import unit_loads
from cases.services.effects import run_effects
from tests.support.city import huaihua
from tests.support.components import component
from tests.support.people import person
from tests.support.spine import PLACE, case_of, condition, dispatched, media, people, report
from tests.support.spine import run_dispatch as dispatch

__all__ = ["condition", "huaihua", "media", "people"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]

CHENGZHONG = ("hecheng", "431202", "431202001")
WORKDAY_NOON = datetime(2026, 11, 25, 3, tzinfo=UTC)  # a Wednesday, 11:00 in Huaihua
SUNDAY = datetime(2026, 11, 22, 3, tzinfo=UTC)


def asked(code="event-0405-1", place=CHENGZHONG, **circumstances):
    known = Condition.objects.select_related("minor").get(code=code)
    return Question(known, *place, **circumstances)


def put(code, *, unit="hecheng-ecology", **columns):
    words = {"rank": Rank.LOCALITY, "reason_zh": "测试", "reason_en": "Test"}
    words |= {"valid": DateTimeTZRange(None, None)}
    if "unit_kind" not in columns:
        columns["unit_id"] = unit
    return Responsibility.objects.create(code=code, digest=code, **{**words, **columns})


# --- further conditions ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "fits", "fits_not"),
    [
        ("source", "hotline", {"source": "hotline"}, {"source": "inspector"}),
        ("source", "hotline", {"source": "hotline"}, {}),
        ("cell", "431202001001001", {"cell": "431202001001001"}, {"cell": "431202001001002"}),
        ("working_time", "outside", {"working_time": "outside"}, {"working_time": "inside"}),
        ("working_time", "inside", {"working_time": "inside"}, {}),
    ],
)
def test_a_further_condition_decides_only_where_it_holds(column, value, fits, fits_not):
    put("special", minor_id="event-0405", **{column: value})

    assert responsible_unit(asked(**fits), at=None).rule == "special"
    assert responsible_unit(asked(**fits_not), at=None).rule != "special"


def test_severity_is_the_unit_of_the_limit():
    category = {"kind": "component", "major_code": "01", "minor_id": "component-0101"}
    put("urgent", severity="emergency_hour", rank=Rank.OWNER, **category)

    assert responsible_unit(asked("component-0101-1"), at=None).rule == "urgent"
    assert responsible_unit(asked("component-0101-4"), at=None).rule != "urgent"


def test_a_circumstance_makes_a_rule_narrower_but_less_than_an_area_does():
    put("plain", minor_id="event-0405", unit="hecheng-housing")
    put("by-source", minor_id="event-0405", source="hotline")

    assert responsible_unit(asked(source="hotline"), at=None).rule == "by-source"

    put("by-area", minor_id="event-0405", district_id="hecheng", unit="hecheng-housing")
    assert responsible_unit(asked(source="hotline"), at=None).rule == "by-area"


def test_one_circumstance_is_not_narrower_than_another():
    put("by-source", minor_id="event-0405", source="hotline", unit="hecheng-housing")
    put("by-night", minor_id="event-0405", working_time="outside")

    answer = responsible_unit(asked(source="hotline", working_time="outside"), at=None)

    assert answer.conflict == (("by-night", "hecheng-ecology"), ("by-source", "hecheng-housing"))


def test_dispatch_asks_for_source_cell_and_working_time(people, condition):
    put("inspectors", condition_id=condition.code, source="inspector")
    put("hotline", condition_id=condition.code, source="hotline", unit="hecheng-housing")

    number = dispatched(people, condition)

    assert case_of(number).rule == "inspectors"


def test_severity_is_that_of_the_filing(people, condition):
    put("urgent", condition_id=condition.code, severity=condition.limit_unit)
    number = report(people, condition)["number"]
    Condition.objects.filter(pk=condition.pk).update(limit_unit="emergency_day")

    assert dispatch(number) == "dispatched"
    assert case_of(number).rule == "urgent"
    assert explain_case(case_of(number)).agrees


def test_the_order_of_rules_never_decides():
    put("a", condition_id="event-0405-1")
    put("b", minor_id="event-0405", source="hotline", unit="hecheng-housing")
    put("c", condition_id="event-0405-1", unit="hecheng-sanitation", working_time="inside")
    put("d", condition_id="event-0405-1", unit="hecheng-housing", source="hotline")
    rules = rules_at(timezone.now())
    rules = [rule for rule in rules if rule.code in ("a", "b", "c", "d")]
    question = asked(source="hotline", working_time="inside")

    answers = {RuleBook(shuffled).route(question) for shuffled in permutations(rules)}

    (answer,) = answers
    assert answer.conflict == (("c", "hecheng-sanitation"), ("d", "hecheng-housing"))


# --- by load --------------------------------------------------------------------------------------


def twins(**columns):
    put("a", minor_id="event-0405", **columns)
    put("b", minor_id="event-0405", unit="hecheng-housing", **columns)


def test_the_load_decides_only_if_city_and_rules_say_so(people, condition):
    twins(by_load=True)
    question = asked()

    assert isinstance(responsible_unit(question, at=None), Unrouted)
    assert responsible_unit(question, at=None, weigh=unit_loads).unit.code == "hecheng-ecology"

    Responsibility.objects.filter(code="b").update(by_load=False)
    assert isinstance(responsible_unit(question, at=None, weigh=unit_loads), Unrouted)


def test_the_lower_load_per_handler_gets_the_case(people, condition):
    CityOptions.objects.update(route_by_load=True)
    Responsibility.objects.filter(condition=condition).delete()
    put("a", condition_id=condition.code, by_load=True)
    put("b", condition_id=condition.code, by_load=True, unit="hecheng-housing")
    for number in range(2):
        person(f"handler{number}", "unit", "hecheng-ecology")

    units = [case_of(dispatched(people, condition)).unit_id for _ in range(4)]

    assert units == ["hecheng-ecology", "hecheng-housing", "hecheng-ecology", "hecheng-ecology"]


def test_cases_dispatched_together_share_the_load(people, condition):
    CityOptions.objects.update(route_by_load=True)
    Responsibility.objects.filter(condition=condition).delete()
    put("a", condition_id=condition.code, by_load=True)
    put("b", condition_id=condition.code, by_load=True, unit="hecheng-housing")
    numbers = [report(people, condition)["number"] for _ in range(4)]
    asked = Effect.objects.filter(kind="dispatch", state="due")

    run_effects(list(asked.values_list("pk", flat=True)))

    units = [case_of(number).unit_id for number in numbers]
    assert sorted(units) == ["hecheng-ecology"] * 2 + ["hecheng-housing"] * 2


def test_a_dispatch_by_load_keeps_the_loads_it_saw(people, condition):
    CityOptions.objects.update(route_by_load=True)
    put("a", condition_id=condition.code, by_load=True)
    put("b", condition_id=condition.code, by_load=True, unit="hecheng-housing")
    number = dispatched(people, condition)
    dispatched(people, condition)

    explained = explain_case(case_of(number))

    assert [(unit.code, load.open_cases) for unit, load in explained.loads] == [
        ("hecheng-ecology", 0),
        ("hecheng-housing", 0),
    ]
    assert explained.agrees


# --- explain --------------------------------------------------------------------------------------


def test_explain_looks_at_every_rule_and_says_of_each_why(django_assert_num_queries):
    put("other-source", minor_id="event-0405", source="hotline")
    condition = Condition.objects.select_related("minor").get(code="event-0405-1")

    place = locate(**PLACE)
    explain_place(place, condition)  # reads the calendar once for all

    with django_assert_num_queries(9):
        explained = explain_place(place, condition)

    assert len(explained.considered) == Responsibility.objects.count()
    assert all(one.words for one in explained.considered)
    by_code = {one.rule.code: one for one in explained.considered}
    assert by_code["other-source"].failed == "source"
    assert by_code["other-source"].words == (
        "source: it asks for 12345 hotline, and here it is inspector."
    )
    assert explained.winner.rule.code == explained.result.rule
    assert explained.unit.code == "hecheng-urban-management"
    assert (explained.limit_value, explained.limit_unit) == (
        condition.limit_value,
        condition.limit_unit,
    )
    assert explained.outcome == "found"
    assert explained.words == f"{explained.unit} answers for it."


def test_explain_asks_the_calendar_for_working_time():
    put("by-night", minor_id="event-0405", working_time="outside")
    condition = Condition.objects.select_related("minor").get(code="event-0405-1")
    place = locate(**PLACE)

    assert explain_place(place, condition, at=SUNDAY).result.rule == "by-night"
    by_day = explain_place(place, condition, at=WORKDAY_NOON)
    assert by_day.result.rule != "by-night"
    failed = [one.failed for one in by_day.considered if one.rule.code == "by-night"]
    assert failed == ["working_time"]


def test_explain_shows_both_rules_of_a_conflict():
    put("a", condition_id="event-0405-1")
    put("b", condition_id="event-0405-1", unit="hecheng-housing")
    condition = Condition.objects.select_related("minor").get(code="event-0405-1")

    explained = explain_place(locate(**PLACE), condition)

    ties = [one.rule.code for one in explained.considered if one.standing == Standing.TIES]
    assert (explained.outcome, explained.unit, ties) == ("conflict", None, ["a", "b"])


def test_explain_says_when_nobody_in_use_serves_the_place():
    Unit.objects.filter(code="hecheng-ecology").update(is_active=False)
    put("a", condition_id="event-0405-1")
    condition = Condition.objects.select_related("minor").get(code="event-0405-1")

    explained = explain_place(locate(**PLACE), condition)

    (one,) = [one for one in explained.considered if one.rule.code == "a"]
    assert (one.failed, one.words) == ("unit", "The unit it names is out of use.")


def test_a_case_is_explained_by_the_rules_it_was_dispatched_by(people, condition):
    number = dispatched(people, condition)
    went_by = case_of(number).rule
    Responsibility.objects.filter(code=went_by).update(valid=DateTimeTZRange(None, timezone.now()))
    put("new", condition_id=condition.code)

    explained = explain_case(case_of(number), at=None)
    now = explain_case(case_of(number), at=timezone.now())

    assert (explained.recorded.rule, explained.recorded.unit) == (
        went_by,
        case_of(number).unit_id,
    )
    assert (now.result.rule, now.agrees) == ("new", False)


def test_a_case_never_filed_has_no_explanation(people, condition):
    CityOptions.objects.update(auto_file=False, auto_accept=False)
    number = report(people, condition)["number"]

    assert explain_case(case_of(number)) is None


# --- memory and database agree --------------------------------------------------------------------


def test_the_rules_in_memory_say_what_the_database_says():
    put("cell", minor_id="event-0405", cell="431202001001001")
    put("night", kind="event", working_time="outside")
    put("hot", kind="component", severity="emergency_hour", source="hotline")
    put("pair-a", minor_id="event-0107")
    put("pair-b", minor_id="event-0107", unit="hecheng-housing")
    put("twin", minor_id="event-0110", county="431202", unit_kind="street_office")
    Unit.objects.filter(code="zhongfang-sanitation").update(is_active=False)
    book = RuleBook(rules_at(timezone.now()))
    streets = Area.objects.filter(level="street").values_list("county", "code")
    circumstances = [
        {},
        {"source": "hotline", "working_time": "inside", "cell": "431202001001001"},
        {"source": "inspector", "working_time": "outside"},
    ]
    looked = 0

    for number, known in enumerate(Condition.objects.select_related("minor")):
        for county, street in (streets[number % len(streets)], ("431202", "431202001")):
            for district in ("hecheng", "landport") if county == "431202" else ("zhongfang",):
                words = circumstances[number % 3]
                question = Question(known, district, county, street, **words)
                assert book.route(question) == responsible_unit(question, at=None)
                looked += 1

    assert looked > 1000


# --- conflicts ------------------------------------------------------------------------------------


def pairs(book):
    return [(one.first.code, one.second.code) for one in conflicts(book)]


def live():
    return RuleBook(rules_at(timezone.now()))


def test_the_demo_city_has_no_conflict():
    assert pairs(live()) == []


@pytest.mark.parametrize(
    ("first", "second", "collide"),
    [
        ({}, {}, True),
        ({"source": "hotline"}, {"source": "inspector"}, False),
        ({"source": "hotline"}, {"working_time": "outside"}, True),
        ({"source": "hotline"}, {}, False),  # the first is narrower
        ({"district_id": "hecheng"}, {"district_id": "landport"}, False),
        ({"rank": Rank.OWNER}, {}, False),
        ({"by_load": True}, {"by_load": True}, True),  # the city does not let the load decide
    ],
)
def test_rules_collide_if_both_can_match_equally(first, second, collide):
    put("a", minor_id="event-0405", **first)
    put("b", minor_id="event-0405", unit="hecheng-housing", **second)

    assert pairs(live()) == ([("a", "b")] if collide else [])


def test_rules_that_lead_to_the_same_unit_everywhere_do_not_collide():
    place = {"minor_id": "event-0405", "district_id": "hecheng"}
    put("named", **place)
    put("by-kind", unit_kind="ecology", **place)

    assert pairs(live()) == []


def test_a_kind_of_unit_that_serves_a_place_twice_collides_with_itself():
    twin = Unit.objects.get(code="hecheng-ecology")
    twin.pk = "hecheng-ecology-twin"
    twin.save(force_insert=True)
    Responsibility.objects.exclude(unit_kind="ecology").delete()
    Responsibility.objects.exclude(pk=Responsibility.objects.first().pk).delete()

    (found,) = conflicts(live())

    assert found.first == found.second
    assert [unit.code for unit in found.units] == ["hecheng-ecology", "hecheng-ecology-twin"]


def test_no_conflict_where_the_load_decides():
    CityOptions.objects.update(route_by_load=True)
    twins(by_load=True)

    assert pairs(live()) == []


def test_a_conflict_names_the_cases_it_leaves_unrouted(people, condition):
    put("a", condition_id=condition.code)
    put("b", condition_id=condition.code, unit="hecheng-housing")
    number = report(people, condition)["number"]
    assert dispatch(number) == "unrouted"
    book = live()

    waiting = unrouted_cases(Case.objects.all(), book, at=timezone.now())
    (found,) = conflicts(book, waiting)

    assert [case.number for case in found.cases] == [number]
    Responsibility.objects.filter(code="b").delete()
    (now,) = unrouted_cases(Case.objects.all(), live(), at=timezone.now())
    assert isinstance(now.result, Found)


@pytest.mark.usefixtures("media")
def test_unrouted_cases_take_as_many_statements_for_one_as_for_three(
    people, condition, django_assert_num_queries
):
    put("a", condition_id=condition.code, by_load=True)
    put("b", condition_id=condition.code, unit="hecheng-housing", by_load=True)
    cover = component()
    for _ in range(3):
        assert dispatch(report(people, condition)["number"]) == "unrouted"
    CityOptions.objects.update(route_by_load=True)  # so the load is asked of each tie
    Case.objects.update(component=cover)
    book, cases = live(), Case.objects.order_by("pk")

    for most in (1, 3):
        some = Case.objects.filter(pk__in=list(cases.values_list("pk", flat=True)[:most]))
        with django_assert_num_queries(4):  # cases, components, options, loads
            waiting = unrouted_cases(some, book, at=timezone.now())
        assert [one.result.unit.code for one in waiting] == ["hecheng-ecology"] * most
