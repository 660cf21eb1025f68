"""The ranking page and the lists behind its numbers."""

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test.utils import CaptureQueriesContext

from cases.models import Case, DistrictHead
from cityops.accounts.roles import Role
from scoring import drill
from scoring.sheet import _measured
from scoring.versions import scheme_of
from tests.scoring.ledger import write
from tests.scoring.logs import DISTRICTS, Story, day
from tests.scoring.test_indicators import OCTOBER
from tests.support.people import person
from tests.support.scores import score_now


def a_few_cases():
    """Return a case that is late, one without a unit, and one checked twice."""
    rows = Story("HH1").filed(day("10-05")).given(day("10-05"), day("10-10")).rows
    rows += Story("HH2").filed(day("10-06")).rows
    story = Story("HH3").filed(day("10-06")).given(day("10-06"), day("10-20"))
    story.signed(day("10-06")).finished(day("10-07")).checked(day("10-07"), passed=False)
    story.reworked(day("10-08"), day("10-20")).finished(day("10-09")).checked(day("10-09"))
    return rows + story.rows


def keep_heads():
    """Let each log have a head behind all of its events, which is what a run reads first."""
    heads = [DistrictHead(scope=s, hash=b"", at=day("10-01")) for s in (*DISTRICTS, "city")]
    DistrictHead.objects.bulk_create(heads, ignore_conflicts=True)
    DistrictHead.objects.update(dseq=10_000)


@pytest.fixture
def run(huaihua, db):
    write(a_few_cases())
    keep_heads()
    return score_now(OCTOBER, scheme_of())


def listed(client, run, body, count):
    page = client.get(f"/score/2026-10/{body}/{count}/?run={run.pk}")
    assert page.status_code == 200
    return page


def test_every_number_leads_to_as_many_cases(client, run):
    client.force_login(person("l1", Role.LEADER))

    page = client.get(f"/score/2026-10/?run={run.pk}")
    filed = listed(client, run, "hecheng", "filed")
    late = listed(client, run, "hecheng", "overdue_unhandled")

    assert page.status_code == 200
    assert f'/score/2026-10/hecheng/filed/?run={run.pk}">3</a>' in page.content.decode()
    assert [row["number"] for row in filed.context["rows"]] == ["HH1", "HH2", "HH3"]
    assert [row["number"] for row in late.context["rows"]] == ["HH1"]
    assert '<a href="/cases/HH1/">HH1</a>' in late.content.decode()


def test_a_value_is_shown_in_its_unit_and_points_by_hand_without_a_list(client, run):
    charged = score_now(OCTOBER, scheme_of("example-jinhua"))
    client.force_login(person("l1", Role.LEADER))

    page = client.get(f"/score/2026-10/?run={charged.pk}")

    hecheng = next(body for body in page.context["bodies"] if body["body"] == "hecheng")
    shown = {line["code"]: line["measured"] for line in hecheng["lines"]}
    line = next(line for line in hecheng["lines"] if line["code"] == "H4")
    assert line["values"] == ["1.00", "0.00", "0.00"]
    assert shown["H4"] == "1 · 0 · 0"
    assert shown["H5"] == "–"
    assert _measured("98.50", "closure_rate") == "98.50%"
    by_hand = render_to_string("scoring/_why.html", {"why": {"name": "a", "lost": 1, "full": 5}})
    assert "<a" not in by_hand


def test_a_case_is_listed_as_often_as_it_counts(client, run):
    client.force_login(person("l1", Role.LEADER))

    page = listed(client, run, "hecheng", "checks")

    rows = [(row["number"], row["time"], row["times"]) for row in page.context["rows"]]
    assert page.context["total"] == 2
    assert rows == [("HH3", 1, 2), ("HH3", 2, 2)]
    assert "2 times" in page.content.decode()


def test_a_long_list_is_paged_and_loses_no_row(client, run, monkeypatch):
    monkeypatch.setattr(drill, "ROWS_A_PAGE", 2)
    client.force_login(person("l1", Role.LEADER))
    address = f"/score/2026-10/hecheng/filed/?run={run.pk}"

    found = [client.get(f"{address}&page={n}").context["rows"] for n in (1, 2)]

    assert [[row["number"] for row in rows] for rows in found] == [["HH1", "HH2"], ["HH3"]]


def test_another_district_sees_headers_only(client, run):
    client.force_login(person("d1", Role.DISPATCHER, "zhongfang"))

    page = listed(client, run, "hecheng", "filed")

    assert [row["is_visible"] for row in page.context["rows"]] == [False] * 3
    assert "/cases/HH" not in page.content.decode()
    assert Case.objects.get(number="HH1").minor.name_en not in page.content.decode()


def test_a_list_of_one_class_does_not_tell_the_class_of_a_rivals_cases(client, huaihua, db):
    own = Story("HH9", "zhongfang").filed(day("10-07"))
    write([*a_few_cases(), *own.rows])
    keep_heads()
    made = score_now(OCTOBER, scheme_of())
    code = Case.objects.get(number="HH1").minor_id
    client.force_login(person("d1", Role.DISPATCHER, "zhongfang"))

    def listed_of(body, more=""):
        return client.get(f"/score/2026-10/{body}/filed/?run={made.pk}&class={code}{more}")

    rival, whole, ten = listed_of("hecheng"), listed_of("all"), listed_of("all", "&draw=10")

    assert (rival.context["rows"], rival.context["others"]) == ([], 3)
    assert [row["number"] for row in whole.context["rows"]] == ["HH9"]
    for page in (rival, whole):
        assert len(page.context["rows"]) + page.context["others"] == page.context["total"]
    for page in (rival, whole, ten):
        assert "HH1" not in page.content.decode()
    assert "and 3 cases of other districts" in rival.content.decode()
    client.force_login(person("l1", Role.LEADER))
    assert (len(listed_of("all").context["rows"]), listed_of("all").context["others"]) == (4, 0)


def test_a_list_costs_the_same_whatever_its_length(client, run):
    client.force_login(person("l1", Role.LEADER))
    listed(client, run, "hecheng", "filed")
    counts = []
    for count in ("overdue_unhandled", "filed"):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            listed(client, run, "hecheng", count)
        counts.append(len(queries))

    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "path", ["hecheng/none", "nowhere/filed", "city/A1", "inspector/filed", "hecheng/valid_reports"]
)
def test_a_number_that_is_not_on_the_page_is_not_found(client, run, path):
    client.force_login(person("l1", Role.LEADER))

    assert client.get(f"/score/2026-10/{path}/?run={run.pk}").status_code == 404


def test_the_form_leads_to_the_period_chosen(client, run):
    client.force_login(person("l1", Role.LEADER))

    assert client.get("/score/?period=2026-Q4")["location"] == "/score/2026-Q4/"
    assert client.get("/score/?period=2026-13").status_code == 404
    page = client.get(f"/score/2026-10/?run={run.pk}")
    assert [name for name, _ in page.context["periods"]] == [
        "2026-10",
        "2026-Q4",
        "2026-H2",
        "2026",
    ]


def test_units_are_refused_and_a_wrong_run_is_not_found(client, run):
    client.force_login(person("u1", Role.UNIT, "u1"))
    assert client.get(f"/score/2026-10/?run={run.pk}").status_code == 403

    client.force_login(person("l1", Role.LEADER))
    assert client.get("/score/2026-10/?run=x").status_code == 404
    assert client.get(f"/score/2026-11/?run={run.pk}").status_code == 404
    assert client.get("/score/2026-13/").status_code == 404
