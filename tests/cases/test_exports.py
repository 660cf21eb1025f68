"""The list as a file: the rows of the page, for its reader alone, and no formula in it."""

import csv
import io
import random
import uuid
from contextlib import nullcontext

import pytest
from django.utils.http import urlencode

from cases.choices import Role
from cases.models import Case, Export, ListColumns
from cases.selectors.columns import COLUMNS
from cases.services import exports
from cases.services.workbook import FORMULA_SIGNS
from tests.cases.test_pages_list import numbers
from tests.cases.test_pages_phone import client_of
from tests.support.people import person
from tests.support.spine import dispatched, report
from tests.support.workbooks import read_workbook

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


@pytest.fixture(autouse=True)
def one_transaction(monkeypatch):
    """Read in the transaction of the test, which cannot become a snapshot any more."""
    monkeypatch.setattr(exports, "one_snapshot", nullcontext)


def post(user, query="", **fields):
    sent = {"query": query, "export_key": str(uuid.uuid4()), **fields}
    return client_of(user).post("/cases/export/", sent)


def sheets(answer):
    assert answer.status_code == 200, answer
    assert "spreadsheetml" in answer["Content-Type"]
    return read_workbook(answer.content)


def numbers_in(answer):
    rows = sheets(answer)[0].rows
    place = rows[0].index("Case number")
    return [row[place] for row in rows[1:]]


# --- at once ------------------------------------------------------------------------------------


def test_a_file_holds_the_rows_of_the_list_in_its_order(people, condition, monkeypatch):
    monkeypatch.setattr(exports, "PAGE", 2)
    for place in range(5):
        number = report(people, condition)["number"]
        Case.objects.filter(number=number).update(address=f"红星路 {place % 2}")
    dispatched(people, condition)
    client = client_of(people.dispatcher)
    rng = random.Random(5)  # noqa: S311  # reproducible, not secret

    for _ in range(12):
        words = {
            "q": rng.choice(["", "hxl", "红星路 1"]),
            "stage": rng.choice(["", "open", "filed", "dispatched", "closed"]),
            "light": rng.choice(["", "", "normal", "late"]),
            "sort": rng.choice(["newest", "oldest", "due", "closed"]),
        }
        query = urlencode({name: word for name, word in words.items() if word})
        listed = numbers(client.get(f"/cases/?{query}"))
        answer = post(people.dispatcher, query)
        if listed:
            assert numbers_in(answer) == listed, query
        else:
            assert answer.status_code == 302


def test_cells_have_types_and_the_second_sheet_says_what_they_are(people, condition):
    number = dispatched(people, condition)

    cases, about = sheets(post(people.dispatcher, "stage=open"))

    head, row = cases.rows
    told = dict(zip(head, row, strict=False))
    assert told["Case number"] == number
    assert told["Time light"] == "on time"
    assert isinstance(told["Due"], float)
    assert isinstance(told["Reported"], float)
    assert '<autoFilter ref="A1:' in cases.xml
    assert 'state="frozen"' in cases.xml
    words = dict(about.rows)
    assert words["Scope"] == "the whole city"
    assert words["Stage"] == "all open"
    assert words["Order"] == "reported last"
    assert words["Cases"] == "1"
    assert words["Made by"] == "d1 (d1)"
    assert "As of" in words


@pytest.mark.parametrize("sign", sorted(FORMULA_SIGNS))
def test_no_text_becomes_a_formula(people, condition, sign):
    number = report(people, condition)["number"]
    text = f"{sign}cmd|' /C calc'!A0"
    Case.objects.filter(number=number).update(address=text, description=text)
    ListColumns.objects.create(user=people.dispatcher, keys=["place", "description"])

    cases, _ = sheets(post(people.dispatcher))  # read_workbook finds no formula

    head, row = cases.rows
    told = dict(zip(head, row, strict=False))
    assert told["Description"] == text
    answer = client_of(people.dispatcher).get("/api/v1/cases/export/")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    _, line = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert [cell for cell in line if "calc" in cell] == [f"'{text}", f"'{text}"]


def test_telephones_are_hidden_as_on_the_screen(people, condition):
    number = report(people, condition, description="请打13812342210")["number"]
    Case.objects.filter(number=number).update(
        contact="王先生 13812342210", address="路 13812342210"
    )
    for user in (people.dispatcher, people.operator):
        ListColumns.objects.create(user=user, keys=[column.key for column in COLUMNS])

    hidden = str(sheets(post(people.dispatcher))[0].rows)
    full = str(sheets(post(people.operator))[0].rows)

    assert "13812342210" not in hidden
    assert hidden.count("138****2210") == 3
    assert "王**" in hidden
    assert full.count("13812342210") == 3


def test_a_dispatcher_of_a_district_gets_nothing_of_another(people, condition):
    number = report(people, condition)["number"]
    canary = "金丝雀-7351"
    Case.objects.filter(number=number).update(address=canary, description=canary)
    near, far = person("n", Role.DISPATCHER, "hecheng"), person("f", Role.DISPATCHER, "landport")
    for user in (near, far):
        ListColumns.objects.create(user=user, keys=[column.key for column in COLUMNS])

    assert canary in str(sheets(post(near))[0].rows)
    assert post(far).status_code == 302
    assert post(far, chosen="1", rows=[f"{number}:1"]).status_code == 302
    answer = client_of(far).get("/api/v1/cases/export/")
    assert canary not in answer.content.decode()


def test_the_chosen_rows_alone_are_exported(people, condition):
    names = [report(people, condition)["number"] for _ in range(3)]

    answer = post(people.dispatcher, chosen="1", rows=[f"{names[0]}:1", f"{names[2]}:1"])

    assert numbers_in(answer) == [names[2], names[0]]
    assert dict(sheets(answer)[1].rows)["Chosen rows"] == "2"
    none = post(people.dispatcher, chosen="1")
    assert none.status_code == 302
    assert not Export.objects.exists()


def test_a_file_shows_the_chosen_columns(people, condition):
    report(people, condition)
    client = client_of(people.dispatcher)
    sent = {"columns": ["stage", "returns", "nobody"], "back": "/cases/?stage=open"}

    answer = client.post("/cases/columns/", sent)

    assert answer["Location"] == "/cases/?stage=open"
    assert ListColumns.objects.get().keys == ["case", "stage", "returns"]
    cases, _ = sheets(post(people.dispatcher))
    assert cases.rows[0] == ["Case number", "Minor class", "Stage", "Returns", "Reworks"]
    assert cases.rows[1][3:] == [0.0, 0.0]
    page = client.get("/cases/").content.decode()
    assert "Returns and reworks</th>" in page
    assert "Place</th>" not in page
    client.post("/cases/columns/", {"reset": "1"})
    assert not ListColumns.objects.exists()


def test_csv_has_the_rows_of_the_list(people, condition):
    held = [report(people, condition)["number"] for _ in range(3)]
    client = client_of(people.dispatcher)

    answer = client.get("/api/v1/cases/export/?columns=stage&sort=oldest")

    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row[0] for row in rows] == ["Case number", *held]
    assert rows[0][1:] == ["Minor class", "Stage"]
    for query in ("columns=nobody", "stage=lost", "limit=3"):
        assert client.get(f"/api/v1/cases/export/?{query}").status_code == 422


def test_csv_refuses_more_than_goes_at_once(people, condition, monkeypatch):
    for _ in range(3):
        report(people, condition)
    monkeypatch.setattr("cases.api.export.MOST_AT_ONCE", 2)

    answer = client_of(people.dispatcher).get("/api/v1/cases/export/")

    assert answer.status_code == 422
    assert "narrow the filters" in answer.content.decode()


def test_a_wrong_list_is_not_exported(people, condition):
    report(people, condition)

    assert post(people.dispatcher, "stage=lost").status_code == 302
    assert not Export.objects.exists()
