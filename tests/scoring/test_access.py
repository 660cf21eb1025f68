"""The command and the API: one run for both, and only for those who may read it."""

import io
import json
import re

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from cases.models import Unit
from cases.services.city import load_city
from cityops.accounts.roles import Role
from scoring import drill
from scoring.models import Run
from tests.scoring.ledger import write
from tests.scoring.logs import Story, day, random_log
from tests.support.city import SmallCity, open_logs
from tests.support.people import person


def ask(user, period):
    client = APIClient()
    client.force_authenticate(user)
    return client.get(f"/api/v1/assessments/{period}/")


@pytest.mark.django_db(transaction=True)
def test_command_and_api_share_one_stored_run():
    open_logs()
    out = io.StringIO()

    call_command("score", "2026-10", "--json", stdout=out)
    answer = ask(person("l1", Role.LEADER), "2026-10")

    run = Run.objects.get()
    assert answer.status_code == 200
    assert out.getvalue().strip() == run.result
    assert answer.json()["seal"] == run.seal
    assert answer.json()["bodies"] == json.loads(run.result)["bodies"]
    assert [b["rank"] for b in answer.json()["bodies"]] == [None] * 4


NUMBER = re.compile(r'<a href="(/score/2026-10/([\w-]+)/(\w+)/\?run=\d+)">\s*([\d,]+)\s*</a>')


@pytest.mark.django_db(transaction=True)
def test_page_api_and_command_say_the_same_and_each_number_has_as_many_rows(
    client, tmp_path, monkeypatch
):
    monkeypatch.setattr(drill, "ROWS_A_PAGE", 10_000)
    open_logs()
    load_city(SmallCity(tmp_path).write(), since=None, progress=lambda line: None)
    write(random_log(5, cases=800))
    client.force_login(person("l1", Role.LEADER))
    out = io.StringIO()

    call_command("score", "2026-10", "--json", stdout=out)
    api = ask(person("l2", Role.LEADER), "2026-10").json()
    page = client.get("/score/2026-10/").content.decode()

    sealed = json.loads(out.getvalue())
    assert {name: api[name] for name in sealed} == sealed
    said = {"city": sealed["city"]["counts"]} | {
        source: report["counts"] for source, report in sealed["reports"].items()
    }
    for body in sealed["bodies"]:
        lines = [*body["items"], *body["deductions"]["items"]]
        items = {i["code"]: i["listed"] for i in lines if i["points"]}
        said[body["body"]] = body["counts"] | {code: n for code, n in items.items() if n}
        assert f">{body['total']}</a>" in page
    sheets = [client.get(f"/score/2026-10/{body['body']}/").content.decode()
              for body in sealed["bodies"]]  # fmt: skip
    shown = {(body, count): (address, int(n.replace(",", ""))) for address, body, count, n
             in NUMBER.findall("".join([page, *sheets]))}  # fmt: skip
    assert {key: n for key, (_, n) in shown.items()} == {
        (body, count): n for body, counts in said.items() for count, n in counts.items()
    }
    for address, number in shown.values():
        assert client.get(address).content.decode().count("data-case=") == number


@pytest.mark.django_db(transaction=True)
def test_the_command_counts_by_unit(tmp_path):
    open_logs()
    load_city(SmallCity(tmp_path).write(), since=None, progress=lambda line: None)
    unit, other = Unit.objects.order_by("code").values_list("code", flat=True)[:2]
    story = Story().filed(day("10-05")).given(day("10-05"), day("10-09"), unit=unit)
    story.returned(day("10-06")).given(day("10-07"), day("10-10"), unit=other, action="reassign",
                                       ruling="unjustified")  # fmt: skip
    write(story.rows)
    table, plain = io.StringIO(), io.StringIO()

    call_command("score", "2026-10", "--units", stdout=table)
    call_command("score", "2026-10", "--units", "--json", stdout=plain)

    counts = json.loads(plain.getvalue())
    assert counts.keys() == {unit, other}
    assert counts[unit]["shirked"] == 1
    assert counts[other]["overdue_unhandled"] == 1
    head, *lines = [line.split() for line in table.getvalue().splitlines()]
    assert head == ["unit", "assessed", "closed_on_time", "overdue_unhandled", "late_exit",
                    "shirked"]  # fmt: skip
    assert lines == [[unit, "0", "0", "0", "0", "1"], [other, "1", "0", "1", "0", "0"]]
    assert Run.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_an_empty_and_a_future_period_say_so(client):
    open_logs()
    client.force_login(person("l1", Role.LEADER))

    empty, future = client.get("/score/2026-10/"), client.get("/score/2098-Q1/")

    assert "Nothing was reported, filed or handled in October 2026." in empty.content.decode()
    assert "Quarter 1 of 2098 has not begun" in future.content.decode()
    assert client.get("/score/2098-Q1/hecheng/filed/").status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "scope", "status"),
    [(Role.ASSESSOR, "", 404), (Role.DISPATCHER, "hecheng", 404), (Role.UNIT, "u1", 403),
     (Role.OPERATOR, "", 403)],
)  # fmt: skip
def test_a_bad_period_is_not_found_and_units_are_refused(role, scope, status):
    assert ask(person("p1", role, scope), "2026-13").status_code == status
    assert Run.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("words", [["2026-13"], ["2026-10", "--scheme", "none"]])
def test_the_command_says_what_is_wrong(words):
    with pytest.raises(CommandError) as refusal:
        call_command("score", *words)

    assert refusal.value.returncode == 2
