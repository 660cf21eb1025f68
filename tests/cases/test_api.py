"""The API core: report, act, locate, categories; problem JSON; statement counts."""

import re
import uuid
from datetime import datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cases.choices import Action, Role
from cases.models import Case, Event, Task
from cityops.accounts.models import ApiToken, Grant
from tests.support.people import person
from tests.support.spine import PLACE, act, dispatched, report, unit_person

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


# Telephones of either kind, and what only looks like one.
NUMBERS = (
    "路边 13812342210，0745-2234567、07452234567 或 010-12345678；"
    " 138123422101 x13812342210 HH2026112600001 109.13812342210 43120201120001"
)


def client_of(user):
    return Client(headers={"authorization": f"Bearer {ApiToken.issue(user)}"})


def body(condition, **words):
    return {
        "location": {**PLACE, "crs": "wgs84"},
        "category": condition.minor_id,
        "condition": condition.code,
        **words,
    }


def post(client, url, data, key=None):
    headers = {"Idempotency-Key": str(key)} if key else {}
    return client.post(url, data, content_type="application/json", headers=headers)


def test_report_returns_the_filed_case(people, condition):
    answer = post(client_of(people.inspector), "/api/v1/cases/", body(condition), uuid.uuid4())

    assert answer.status_code == 201
    case = answer.json()
    assert (case["stage"], case["district"], case["version"]) == ("filed", "hecheng", 3)
    assert [event["action"] for event in case["events"]] == ["report", "accept", "file"]
    assert [event["dseq"] for event in case["events"]] == [1, 2, 3]


def test_report_takes_thirteen_statements(people, condition):
    client = client_of(people.inspector)
    post(client, "/api/v1/cases/", body(condition), uuid.uuid4())

    with CaptureQueriesContext(connection) as captured:
        post(client, "/api/v1/cases/", body(condition), uuid.uuid4())

    statements = [q["sql"] for q in captured if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert len(statements) == 13  # the tokens it takes are one


def test_same_key_same_answer(people, condition):
    client, key = client_of(people.inspector), uuid.uuid4()

    first = post(client, "/api/v1/cases/", body(condition), key)
    again = post(client, "/api/v1/cases/", body(condition), key)

    assert again.json() == first.json()
    assert Case.objects.count() == 1


def test_a_list_tells_a_case_as_its_own_page_does(people, condition):
    numbers = [dispatched(people, condition)]
    client = client_of(people.dispatcher)
    numbers.append(
        post(
            client_of(people.inspector),
            "/api/v1/cases/",
            body(condition, description=NUMBERS),
            uuid.uuid4(),
        ).json()["number"]
    )

    listed = client.get("/api/v1/cases/").json()

    assert [row["number"] for row in listed["cases"]] == numbers[::-1]
    assert listed["next"] is None
    for row in listed["cases"]:
        own = client.get(f"/api/v1/cases/{row['number']}/").json() | {"events": []}
        del own["deadlines"]  # told for one case at a time
        assert with_moments(row) == with_moments(own)


@pytest.mark.parametrize(
    ("reader", "told"), [("operator", True), ("acceptor", False), (None, False)]
)
def test_a_telephone_number_is_told_to_operators_alone(people, condition, reader, told):
    number = report(people, condition, source="hotline", description="13812342210")["number"]
    act(number, Action.SEND_VERIFY, people.acceptor, note="0745-2234567")
    sent_to = Task.objects.get().assignee
    client = Client()
    client.force_login(getattr(people, reader) if reader else sent_to)  # the inspector sent there
    pages = ["/api/v1/cases/", f"/api/v1/cases/{number}/", f"/cases/{number}/"]

    texts = [client.get(page).content.decode() for page in pages]
    if not reader:
        texts.append(client.get(f"/m/tasks/{number}/").content.decode())
        said = {"action": "answer_verify", "passed": True, "note": "0745-2234567"}
        said |= {"seen_version": Case.objects.get().version}
        texts.append(post(client, f"/api/v1/cases/{number}/actions/", said).content.decode())

    assert ["13812342210" in text for text in texts[:3]] == [told] * 3
    assert ["0745-2234567" in text for text in texts[1:3]] == [told] * 2
    for text in [] if told else texts:
        assert "****" in text
        assert not re.search("13812342210|0745-2234567", text)


@pytest.mark.parametrize(("operates", "told"), [("hecheng", True), ("landport", False)])
def test_an_operator_of_another_district_is_told_no_telephone_number(
    people, condition, operates, told
):
    """Who reads the case in another post, and answers elsewhere."""
    number = report(people, condition, source="hotline", description="13812342210")["number"]
    reader = person("two", Role.OPERATOR, operates)
    Grant.objects.create(
        user=reader, role=Role.ACCEPTOR, scope_kind="district", scope_key="hecheng"
    )
    client = Client()
    client.force_login(reader)
    pages = ["/api/v1/cases/", f"/api/v1/cases/{number}/", f"/cases/{number}/"]

    texts = [client.get(page).content.decode() for page in pages]

    assert [number in text for text in texts] == [True] * 3
    assert ["13812342210" in text for text in texts] == [told] * 3
    assert ["138****2210" in text for text in texts] == [not told] * 3


def with_moments(row):
    """Read the moments: PostgreSQL and Python write the same one with more or fewer zeros."""
    return {
        name: datetime.fromisoformat(value) if name.endswith(("_at", "_until")) and value else value
        for name, value in row.items()
    }


def test_a_case_explains_each_running_deadline(people, condition):
    number = dispatched(people, condition)
    case = Case.objects.get(number=number)

    client = client_of(people.dispatcher)
    told = client.get(f"/api/v1/cases/{number}/").json()["deadlines"]

    assert [one["kind"] for one in told] == ["handle", "sign"]
    handle, sign = told
    assert handle["limit"] == {"value": case.limit_value, "unit": case.limit_unit}
    assert handle["calendar"] == case.calendar_version
    assert (handle["pauses"], handle["extensions"]) == ([], [])
    assert datetime.fromisoformat(handle["due_at"]) == case.due_at
    started = datetime.fromisoformat(handle["started_at"])
    assert started == case.event_set.get(action="dispatch").at
    assert handle["lines"][-1] == f"Due at {timezone.localtime(case.due_at):%Y-%m-%d %H:%M}."
    assert (sign["limit"], sign["calendar"]) == ({"value": 60, "unit": "minute"}, None)
    assert sign["lines"][1:3] == [
        "The limit is 60 minutes.",
        "It runs through nights, weekends and holidays.",
    ]


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"category": "event-9999"}, 422, "invalid_input", "category"),
        ({"location": {"lon": 200, "lat": 27.5}}, 422, "invalid_input", "location.lon"),
        ({"location": {"lon": 113.0, "lat": 28.2}}, 422, "outside_city", None),
        ({"photos": ["abc"]}, 422, "invalid_input", "photos.0"),
        ({"source": "hotline"}, 422, "invalid_input", "source"),
    ],
)
def test_bad_report_is_refused_by_name(people, condition, change, status, code, field):
    answer = post(
        client_of(people.inspector), "/api/v1/cases/", body(condition, **change), uuid.uuid4()
    )

    assert answer.status_code == status
    assert answer["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == code
    assert field is None or field in problem["fields"]
    assert (Case.objects.count(), Event.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00+08:00",
        "1969-12-31T23:59:59Z",
        "2101-01-01T00:00:00",
        "9999-12-31T23:59:59-08:00",
    ],
)
def test_a_year_no_clock_shows_is_refused(people, condition, moment):
    number, said = dispatched(people, condition), {"claimed_at": moment}
    before = Event.objects.count()
    sign = {"action": "sign", "seen_version": Case.objects.get().version}

    answers = [
        post(client_of(people.inspector), "/api/v1/cases/", body(condition, **said), uuid.uuid4()),
        post(client_of(unit_person(number)), f"/api/v1/cases/{number}/actions/", sign | said),
    ]

    for answer in answers:
        assert (answer.status_code, list(answer.json()["fields"])) == (422, ["claimed_at"])
    assert Event.objects.count() == before


def test_missing_key_is_refused(people, condition):
    answer = post(client_of(people.inspector), "/api/v1/cases/", body(condition))

    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["fields"]
    assert Case.objects.count() == 0


def test_anonymous_gets_401(condition):
    answer = post(Client(), "/api/v1/cases/", body(condition), uuid.uuid4())

    assert answer.status_code == 401
    assert answer.json()["code"] == "not_authenticated"


def test_unit_signs_over_the_api(people, condition):
    number = dispatched(people, condition)
    client = client_of(unit_person(number))

    offered = client.get(f"/api/v1/cases/{number}/actions/").json()
    answer = post(
        client,
        f"/api/v1/cases/{number}/actions/",
        {"action": "sign", "seen_version": offered["version"]},
    )

    assert [row["action"] for row in offered["actions"]] == [
        "sign",
        "request_extension",
        "return",
    ]
    assert (answer.status_code, answer.json()["stage"]) == (200, "handling")


def test_stale_action_gets_409_with_the_present_version(people, condition):
    number = dispatched(people, condition)
    client = client_of(unit_person(number))

    answer = post(client, f"/api/v1/cases/{number}/actions/", {"action": "sign", "seen_version": 1})

    assert answer.status_code == 409
    assert answer.json()["code"] == "stale_case"
    assert answer.json()["version"] == Case.objects.get().version
    assert Case.objects.get().stage == "dispatched"


def test_case_of_another_unit_does_not_exist(people, condition):
    number = dispatched(people, condition)
    client = client_of(person("stranger", Role.UNIT, "another-unit"))

    assert client.get(f"/api/v1/cases/{number}/").status_code == 404
    assert client.get("/api/v1/cases/").json()["cases"] == []


def test_list_takes_the_same_statements_for_one_and_three(people, condition):
    client = client_of(people.dispatcher)
    counts = []
    for _ in range(2):
        dispatched(people, condition)
        with CaptureQueriesContext(connection) as captured:
            client.get("/api/v1/cases/")
        counts.append(len(captured))

    assert counts == [2, 2]


def test_locate_converts_the_datum_once(people):
    client = client_of(people.inspector)

    plain = client.get("/api/v1/locate/", PLACE).json()
    shifted = client.get("/api/v1/locate/", {**PLACE, "crs": "gcj02"}).json()

    assert plain["district"] == "hecheng"
    assert plain["grid_cell"] is not None
    assert shifted["location"] != plain["location"]


def test_categories_list_every_class(people):
    listed = client_of(people.inspector).get("/api/v1/categories/").json()["categories"]

    assert len(listed) == 190
    assert sum(len(minor["conditions"]) for minor in listed) == 480
