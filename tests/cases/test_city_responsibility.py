"""Who answers for what: every condition in every street has a unit, and conflicts are shown."""

from collections import Counter, defaultdict
from datetime import UTC, datetime

import pytest
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from cases.models import Area, Condition, Kind, Rank, Responsibility, Unit, UnitKind
from cases.selectors.responsibility import (
    Found,
    Match,
    Question,
    Unrouted,
    decide,
    responsible_unit,
)
from tests.support.city import huaihua

__all__ = ["huaihua"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]

HEXI = ("landport", "431202", "431202006")
CHENGZHONG = ("hecheng", "431202", "431202001")
TOWNSHIP = ("zhongfang", "431221", "431221102")
ALWAYS = DateTimeTZRange(None, None)


def ask(condition, place, at=None, **circumstances):
    district, county, street = place
    known = Condition.objects.select_related("minor").get(code=condition)
    return responsible_unit(Question(known, district, county, street, **circumstances), at=at)


def add_rule(code, **columns):
    words = {"rank": Rank.OWNER, "reason_zh": "测试", "reason_en": "Test", "valid": ALWAYS}
    return Responsibility.objects.create(code=code, digest=code, **{**words, **columns})


def places():
    """Every street in every district whose territory it touches."""
    for street in Area.objects.filter(level="street"):
        for district in Area.objects.filter(level="district", county=street.county):
            shared = street.geom.intersection(district.geom).area
            if shared > 1e-7:  # about 1,000 m²: less is drawing noise
                yield district.district_id, street.county, street.code


def test_every_condition_has_a_unit_in_every_street_of_every_district():
    conditions = list(Condition.objects.select_related("minor"))
    found = Counter()
    bodies = defaultdict(set)
    everywhere = list(places())

    for district, county, street in everywhere:
        for condition in conditions:
            answer = responsible_unit(Question(condition, district, county, street), at=None)
            kind = type(answer).__name__
            found[kind, isinstance(answer, Found) and answer.is_fallback] += 1
            if isinstance(answer, Found):
                bodies[district].add(answer.unit.body)

    assert len(everywhere) >= 25
    assert {district for district, _, _ in everywhere} == {
        *("hecheng", "zhongfang", "hightech", "landport")
    }
    assert found["Unrouted", False] == 0
    assert found["Found", True] / found.total() < 0.05
    assert bodies == {slug: {slug, "city"} for slug in bodies}


def test_every_district_has_every_kind_of_unit_it_needs():
    kinds = {"urban_management", "sanitation", "municipal", "landscaping", "street_lamps"}
    kinds |= {"traffic_police", "housing", "ecology", "street_office"}

    for slug in ("hecheng", "zhongfang", "hightech", "landport"):
        of_district = Unit.objects.filter(district=slug).values_list("kind", flat=True)
        assert kinds <= set(of_district)


def test_every_street_and_township_has_its_office():
    offices = Unit.objects.filter(kind=UnitKind.STREET_OFFICE).exclude(street_code="")

    streets = Area.objects.filter(level="street").values_list("code", flat=True)
    assert Counter(offices.values_list("street_code", flat=True)) == Counter(streets)


def test_city_wide_utilities_belong_to_the_city():
    assert {unit.kind for unit in Unit.objects.filter(district=None)} >= {
        *("water", "drainage", "power", "gas", "telecom")
    }
    assert {unit.body for unit in Unit.objects.filter(district=None)} == {"city"}


@pytest.mark.parametrize(
    ("condition", "place", "unit", "is_fallback"),
    [
        ("component-0101-1", CHENGZHONG, "city-water", False),
        ("component-0101-1", TOWNSHIP, "city-water", False),
        ("component-0137-3", CHENGZHONG, "hecheng-street-lamps", False),
        ("component-0284-2", HEXI, "landport-municipal", False),
        ("component-0206-6", CHENGZHONG, "hecheng-sanitation", False),
        ("component-0206-2", CHENGZHONG, "hecheng-municipal", False),
        ("component-0123-1", CHENGZHONG, "hecheng-chengzhong", True),
        ("component-0123-1", HEXI, "landport-community", True),
        ("event-0405-1", CHENGZHONG, "hecheng-urban-management", False),
        ("event-0405-1", TOWNSHIP, "zhongfang-luyang", False),
        ("event-0107-1", CHENGZHONG, "hecheng-chengzhong", False),
        ("event-0110-1", CHENGZHONG, "hecheng-sanitation", False),
        ("event-0301-1", HEXI, "landport-ecology", False),
        ("event-0502-1", HEXI, "city-gas", False),
    ],
)
def test_the_unit_one_would_expect(condition, place, unit, is_fallback):
    answer = ask(condition, place)

    assert (answer.unit.code, answer.is_fallback) == (unit, is_fallback)
    assert Responsibility.objects.filter(code=answer.rule).exists()
    assert answer.explanation


def test_it_asks_one_query(django_assert_num_queries):
    condition = Condition.objects.select_related("minor").get(code="event-0405-1")

    with django_assert_num_queries(1):
        responsible_unit(Question(condition, *CHENGZHONG), at=None)


def test_the_unit_is_the_stored_one():
    assert ask("event-0405-1", CHENGZHONG).unit == Unit.objects.get(code="hecheng-urban-management")


# --- order --------------------------------------------------------------------------------------


def test_a_component_goes_to_its_owner_first():
    add_rule("locality", kind="component", unit_kind="street_office", rank=Rank.LOCALITY)

    assert ask("component-0101-1", CHENGZHONG).unit.code == "city-water"


def test_an_event_goes_to_its_locality_first():
    add_rule("locality", kind="event", unit_kind="street_office", rank=Rank.LOCALITY)

    assert ask("event-0405-1", CHENGZHONG).unit.code == "hecheng-chengzhong"


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        ({"condition_id": "event-0405-1"}, {"minor_id": "event-0405"}),
        ({"minor_id": "event-0405"}, {"major_code": "04", "kind": "event"}),
        ({"minor_id": "event-0405", "problem_class_id": "other"}, {"minor_id": "event-0405"}),
        ({"street_code": "431202001"}, {"district_id": "hecheng"}),
        ({"district_id": "hecheng"}, {"county": "431202"}),
        ({"minor_id": "event-0405"}, {"kind": "event", "street_code": "431202001"}),
    ],
)
def test_the_narrower_rule_wins(narrow, wide):
    Responsibility.objects.all().delete()
    add_rule("wide", unit_id="hecheng-housing", **wide)
    add_rule("narrow", unit_id="hecheng-ecology", **narrow)

    assert ask("event-0405-1", CHENGZHONG).rule == "narrow"


def test_equally_narrow_rules_that_disagree_leave_it_unrouted():
    add_rule("b", condition_id="event-0405-1", unit_id="hecheng-ecology")
    add_rule("a", condition_id="event-0405-1", unit_id="hecheng-housing")

    answer = ask("event-0405-1", CHENGZHONG)

    assert isinstance(answer, Unrouted)
    assert answer.conflict == (("a", "hecheng-housing"), ("b", "hecheng-ecology"))


def test_equally_narrow_rules_that_agree_route_it():
    add_rule("b", condition_id="event-0405-1", unit_id="hecheng-ecology")
    add_rule("a", condition_id="event-0405-1", unit_id="hecheng-ecology")

    assert ask("event-0405-1", CHENGZHONG).rule == "a"


def test_two_units_of_one_kind_in_a_district_leave_it_unrouted():
    twin = Unit.objects.get(code="hecheng-urban-management")
    twin.pk = "hecheng-urban-management-twin"
    twin.save(force_insert=True)

    answer = ask("event-0405-1", CHENGZHONG)

    assert isinstance(answer, Unrouted)
    assert len(answer.conflict) == 2


def test_no_rule_at_all_leaves_it_unrouted():
    Responsibility.objects.all().delete()

    assert ask("event-0405-1", CHENGZHONG) == Unrouted("no rule names a unit here")


def test_a_unit_out_of_use_is_passed_over():
    Unit.objects.filter(code="hecheng-urban-management").update(is_active=False)

    answer = ask("event-0405-1", CHENGZHONG)

    assert (answer.unit.code, answer.is_fallback) == ("hecheng-chengzhong", True)


def test_rules_count_only_while_they_are_valid():
    april = datetime(2026, 4, 1, tzinfo=UTC)
    add_rule(
        "later",
        condition_id="event-0405-1",
        unit_id="hecheng-ecology",
        valid=DateTimeTZRange(april, None),
    )

    before = ask("event-0405-1", CHENGZHONG, at=datetime(2026, 3, 31, tzinfo=UTC))
    after = ask("event-0405-1", CHENGZHONG, at=april)

    assert before.unit.code == "hecheng-urban-management"
    assert after.unit.code == "hecheng-ecology"


def test_decide_needs_no_database(django_assert_num_queries):
    unit = Unit(code="u", district_id="hecheng")
    rule = Responsibility(code="r", rank=Rank.FALLBACK, reason_zh="兜底", reason_en="Last")

    with django_assert_num_queries(0):
        answer = decide(Kind.EVENT, [Match(rule, unit)])

    assert isinstance(answer, Found)
    assert answer.is_fallback
