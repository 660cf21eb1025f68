"""A leader's first page, the presentation and twelve periods, over a log of the small city."""

import pytest
from django.utils import timezone

from cases.errors import Busy
from cases.models import Case
from cases.services.city import load_city
from cityops.accounts.roles import Role
from scoring import frame
from tests.scoring.ledger import write
from tests.scoring.logs import random_log
from tests.support.city import SmallCity, open_logs
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def city(tmp_path):
    open_logs()
    load_city(SmallCity(tmp_path).write(), since=None, progress=lambda line: None)
    write(random_log(5, cases=300))


def test_a_leader_begins_with_three_numbers_that_open_their_cases(client, city):
    late = Case.objects.order_by("pk")[:2]
    now = timezone.now()
    for case in late:
        Case.objects.filter(pk=case.pk).update(
            stage="filed", closed_at=None, lamp_due_at=now - timezone.timedelta(hours=1)
        )
    client.force_login(person("l1", Role.LEADER))

    page = client.get("/score/leader/")

    figures = page.context["figures"]
    assert [figure.name for figure in figures][:2] == ["Filed today", "Overdue, open"]
    for figure in figures[:2]:
        listed = client.get(figure.address)
        assert listed.status_code == 200
    assert figures[1].shown == "2"
    assert figures[1].address == "/cases/?stage=open&light=late"
    assert {case.pk for case, _ in page.context["late"]} == {case.pk for case in late}


def known(page):
    return [column.name for column in page.context["columns"] if column.is_known]


def test_of_the_periods_nobody_looked_at_the_newest_is_computed_and_more_while_there_is_time(
    client, city, monkeypatch
):
    client.force_login(person("l1", Role.LEADER))
    monkeypatch.setattr(frame, "COMPUTED_S", 0)
    assert known(client.get("/score/2026-10/trend/")) == ["2026-09", "2026-10"]
    monkeypatch.setattr(frame, "COMPUTED_S", 60)
    assert known(client.get("/score/2026-10/trend/")) == ["2026-08", "2026-09", "2026-10"]
    monkeypatch.setattr(frame, "COMPUTED_S", 0)

    page = client.get("/score/2026-10/trend/")

    assert known(page) == ["2026-08", "2026-09", "2026-10"]
    opened = client.get("/score/2026-08/").context["bodies"]
    totals = {body["name"]: body["total"] for body in opened}
    for name, values in page.context["lines"]:
        assert (None if values[9] is None else str(values[9])) == totals[name]


def test_twelve_periods_are_a_table_with_the_lines(client, city, monkeypatch):
    monkeypatch.setattr(frame, "COMPUTED_S", 60)
    client.force_login(person("l1", Role.LEADER))

    page = client.get("/score/2026-10/trend/")

    assert known(page) == ["2026-08", "2026-09", "2026-10"]  # the log begins in August
    for name, values in page.context["lines"]:
        plotted = next(one for one in page.context["plot"]["series"] if one["name"] == name)
        assert plotted["values"] == [None if v is None else str(v) for v in values]
        for value in values:
            assert value is None or f"<td>{value}</td>" in page.content.decode()


def test_streets_and_units_are_compared_by_the_system_score_alone(client, city):
    client.force_login(person("l1", Role.LEADER))

    for scope, version in (("unit", "2026-v1-unit"), ("street", "2026-v1-street")):
        page = client.get(f"/score/2026-10/?scope={scope}")
        assert page.context["run"].scheme_id == version
        for body in page.context["bodies"]:
            assert {line["code"] for line in body["lines"]} == {f"A{n}" for n in range(1, 9)}


def test_the_presentation_shows_no_more_than_the_ranking(client, city):
    client.force_login(person("l1", Role.LEADER))

    ranking = client.get("/score/2026-10/")
    page = client.get(f"/score/2026-10/show/?run={ranking.context['run'].pk}")

    shown, ranked = page.context["bodies"], ranking.context["bodies"]
    assert [body["total"] for body in shown] == [body["total"] for body in ranked]
    assert page.content.decode().count('class="slide') >= 4


def test_a_draw_is_the_same_ten_for_the_same_link(client, city):
    client.force_login(person("l1", Role.LEADER))
    run = client.get("/score/2026-10/").context["run"]
    address = f"/score/2026-10/all/filed/?run={run.pk}&draw=10"

    first, again = (
        [row["number"] for row in client.get(address).context["rows"]] for _ in range(2)
    )

    assert first == again
    assert len(set(first)) == 10


def test_a_class_of_cases_has_counts_and_no_score(client, city):
    client.force_login(person("l1", Role.LEADER))
    code = Case.objects.earliest("pk").minor_id
    run = client.get("/score/2026-10/").context["run"]

    page = client.get(f"/score/2026-10/?run={run.pk}&class={code[:8]}")

    assert client.get("/score/2026-10/?class=event-99").status_code == 404
    for body in page.context["bodies"]:
        assert "total" not in body
        listed = client.get(body["first"].address)
        assert listed.status_code == 200, body["first"].address
        assert listed.context["total"] == body["first"].value


def test_while_the_log_cannot_be_read_the_last_score_is_shown_with_a_word(
    client, city, monkeypatch
):
    client.force_login(person("l1", Role.LEADER))
    run = client.get("/score/2026-10/").context["run"]

    def busy(*args):
        raise Busy("The log is being written.")

    monkeypatch.setattr(frame, "compute_run", busy)
    page = client.get("/score/2026-10/")

    assert page.context["run"] == run
    assert "the last one that was computed" in page.content.decode()
