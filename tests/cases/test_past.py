"""The map of a past hour is the fold of the log up to it, for each reader of what was theirs."""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cases.choices import OPEN_STAGES, Action, Role
from cases.models import Case, RollupCase, RollupState
from cases.selectors.history import past_statement
from tests.support.months import DAYS, UNTIL, logged
from tests.support.people import person
from tests.support.spine import act, report

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("days")]
SHANGHAI = ZoneInfo("Asia/Shanghai")
COLUMNS = ("lon", "lat", "light", "stage", "unit", "district", "supervised")
MOMENTS = [UNTIL - timedelta(hours=n) for n in (-1, 1, 9, 30, 53, 77, 24 * DAYS - 2)]


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def asked(at):
    return {"at": f"{at.astimezone(SHANGHAI):%Y-%m-%dT%H:%M}"}


def feed(user, at):
    answer = client_of(user).get("/desk/past/cases/", asked(at))
    assert answer.status_code == 200, answer.content
    return answer.json()


def folded(at):
    """Fold the log up to `at` in plain Python: the open cases with what a map tells of them."""
    found = {}
    for event in logged(before=at):
        state = found.setdefault(event.case.number, {})
        state.update(event.data["set"])
        state["now"], state["then"] = event.to_stage, event.district
    cases = {}
    for number, state in found.items():
        if state["now"] not in OPEN_STAGES:
            continue
        due, soon = (
            datetime.fromisoformat(state[name]) if state.get(name) else None
            for name in ("lamp_due_at", "lamp_soon_at")
        )
        light = "late" if due and due < at else "soon" if soon and soon <= at else "normal"
        lon, lat = (
            float(Decimal(part).quantize(Decimal("1e-6"), ROUND_HALF_UP))
            for part in state["point"].split(",")
        )
        cases[number] = (
            lon,
            lat,
            "paused" if state["now"] == "suspended" else light,
            state["now"],
            state.get("unit_id"),
            state["then"],
            int(bool(state.get("supervised"))),
        )
    return cases


def shown(columns):
    rows = zip(*(columns[name] for name in COLUMNS), strict=True)
    return dict(zip(columns["number"], rows, strict=True))


@pytest.fixture
def city():
    return person("city", Role.SUPERVISOR)


@pytest.mark.parametrize("at", MOMENTS)
def test_the_past_is_the_fold_of_the_log_up_to_it(city, at):
    columns, fold = feed(city, at), folded(at)

    assert shown(columns) == fold
    assert columns["total"] == len(fold)
    assert columns["without_point"] == len(columns["placeless"]) == columns["not_shown"] == 0
    page = client_of(city).get("/desk/past/", asked(at))
    assert page.context["found"].total == len(fold)
    assert sum(page.context["found"].lights.values()) == len(fold)
    assert sum(n for _, n in page.context["stages"]) == len(fold)
    numbers = [row["case"].number for row in page.context["rows"]]
    assert numbers == columns["number"][:200]


def test_it_is_the_same_where_nothing_was_counted_yet(city):
    at = UNTIL - timedelta(hours=30)
    before = feed(city, at)
    RollupCase.objects.all().delete()
    RollupState.objects.all().delete()

    assert feed(city, at) == before
    assert before["total"] > 10


def test_the_last_moment_is_the_present(city):
    columns = feed(city, UNTIL + timedelta(hours=1))

    now = dict(Case.objects.open().values_list("number", "stage"))
    assert dict(zip(columns["number"], columns["stage"], strict=True)) == now


@pytest.mark.parametrize("district", ["hecheng", "zhongfang"])
def test_a_district_sees_what_was_its_own_and_is_in_its_sight(district):
    own = person("own", Role.DISPATCHER, district)
    at = UNTIL - timedelta(hours=30)

    found = shown(feed(own, at))

    visible = set(Case.objects.all().visible_to(own).values_list("number", flat=True))
    fold = folded(at)
    assert found == {n: row for n, row in fold.items() if row[5] == district and n in visible}
    assert 0 < len(found) < len(fold)


def test_a_case_that_moved_is_shown_to_whose_it_was(people, condition):
    number = report(people, condition)["number"]
    between = timezone.now()
    act(number, Action.TRANSFER, people.dispatcher, district="zhongfang", reason="border")
    after = timezone.now() + timedelta(seconds=1)
    readers = [person(slug, Role.DISPATCHER, slug) for slug in ("hecheng", "zhongfang")]

    def told(reader, at):
        statement, values = past_statement(reader, "SELECT number, district FROM was", at)
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return [row for row in cursor.fetchall() if row[0] == number]

    assert [told(one, between) for one in readers] == [[(number, "hecheng")], []]
    assert [told(one, after) for one in readers] == [[], [(number, "zhongfang")]]


def test_nothing_of_another_district_stands_in_page_or_columns():
    own = person("own", Role.DISPATCHER, "hightech")
    at = UNTIL - timedelta(hours=9)
    others = [n for n, row in folded(at).items() if row[5] != "hightech"]
    Case.objects.exclude(district="hightech").update(address="canary", description="canary")

    texts = [
        client_of(own).get(address, asked(at)).content.decode()
        for address in ("/desk/past/", "/desk/past/cases/")
    ]

    assert others
    for text in texts:
        assert "canary" not in text
        assert not [number for number in others if number in text]


def test_the_page_says_what_it_is_and_offers_nothing_to_do(city):
    at = UNTIL - timedelta(hours=9)
    page = client_of(city).get("/desk/past/", asked(at))
    text = page.content.decode()

    assert f"History · {at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}, not now" in text
    assert 'id="chip"' not in text
    main = text[text.index("<main") : text.index("</main")]
    assert 'method="post"' not in main
    assert "/actions/" not in main
    assert "hx-" not in main
    queries = [step["query"] for step in page.context["steps"]]
    local = at.astimezone(SHANGHAI).replace(tzinfo=None)
    hours = [-24, -1, 1, 24]
    assert queries == [f"at={local + timedelta(hours=n):%Y-%m-%dT%H}%3A00" for n in hours]


def test_a_script_gets_the_list_alone(city):
    answer = client_of(city).get("/desk/past/", asked(MOMENTS[1]), headers={"HX-Request": "true"})

    assert answer.content.decode().lstrip().startswith('<div id="past"')
    assert b"<html" not in answer.content


def test_what_is_not_past_is_shown_as_of_the_last_full_hour(city):
    page = client_of(city).get("/desk/past/", {"day": "2222-01-01", "hour": "7"})

    assert page.context["at"] <= timezone.now()
    assert not page.context["steps"][2]["is_past"]


@pytest.mark.parametrize("query", [{"at": "soon"}, {"at": "1500-01-01"}, {"day": "2026-02-31"},
                                   {"day": "2026-11-01", "hour": "25"}])  # fmt: skip
def test_no_hour_is_refused(city, query):
    assert client_of(city).get("/desk/past/", query).status_code == 422
    assert client_of(city).get("/desk/past/cases/", query).status_code == 422


def test_a_unit_finds_no_history():
    unit = person("u", Role.UNIT, "office")

    for address in ("/desk/past/", "/desk/past/cases/"):
        assert client_of(unit).get(address).status_code == 404


def test_one_statement_over_lives_and_last_events(city):
    with CaptureQueriesContext(connection) as found:
        feed(city, UNTIL - timedelta(hours=9))
    (statement,) = (q["sql"] for q in found if "cases_rollupcase" in q["sql"])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # few rows here: what many would use
        cursor.execute(f"EXPLAIN {statement}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("SET LOCAL enable_seqscan = on")

    assert "rollup_life" in plan
    assert "event_case_seq" in plan
    assert "Seq Scan on cases_event" not in plan
