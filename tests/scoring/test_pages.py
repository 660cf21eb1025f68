"""The ranking page and the lists behind its numbers."""

import json

import pytest
from django.utils import timezone

from cityops.accounts.roles import Role
from scoring.models import Run, RunCase
from scoring.services import result_of, scheme_of
from tests.scoring.logs import Story, day
from tests.scoring.test_indicators import OCTOBER, facts_of, write
from tests.support.people import person


@pytest.fixture
def run(huaihua, db):
    rows = Story("HH1").filed(day("10-05")).given(day("10-05"), day("10-10")).rows
    rows += Story("HH2").filed(day("10-06")).rows
    write(rows)
    facts = facts_of(rows, OCTOBER.start, OCTOBER.end)
    scheme = scheme_of()
    from_facts = result_of(facts, facts, scheme.data, is_month=True)
    run = Run.objects.create(
        period="2026-10", as_of=timezone.now(), heads={}, scheme=scheme,
        inputs_digest="", result=json.dumps(from_facts), seal="",
    )  # fmt: skip
    for (body, count, number), times in facts.members.items():
        RunCase.objects.create(run=run, body=body, count=count, number=number, times=times)
    return run


def test_every_number_leads_to_as_many_cases(client, run):
    client.force_login(person("l1", Role.LEADER))

    page = client.get(f"/score/2026-10/?run={run.pk}")
    filed = client.get(f"/score/2026-10/hecheng/filed/?run={run.pk}")
    late = client.get(f"/score/2026-10/hecheng/overdue_unhandled/?run={run.pk}")

    assert page.status_code == 200
    assert f"/score/2026-10/hecheng/filed/?run={run.pk}" in page.content.decode()
    assert [c["number"] for c in filed.context["cases"]] == ["HH1", "HH2"]
    assert [c["number"] for c in late.context["cases"]] == ["HH1"]


def test_another_district_sees_headers_only(client, run):
    client.force_login(person("d1", Role.DISPATCHER, "zhongfang"))

    page = client.get(f"/score/2026-10/hecheng/filed/?run={run.pk}")

    assert [c["is_visible"] for c in page.context["cases"]] == [False, False]
    assert "/api/v1/cases/" not in page.content.decode()


def test_units_are_refused_and_a_wrong_run_is_not_found(client, run):
    client.force_login(person("u1", Role.UNIT, "u1"))
    assert client.get(f"/score/2026-10/?run={run.pk}").status_code == 403

    client.force_login(person("l1", Role.LEADER))
    assert client.get("/score/2026-10/?run=x").status_code == 404
    assert client.get(f"/score/2026-11/?run={run.pk}").status_code == 404
    assert client.get("/score/2026-13/").status_code == 404
