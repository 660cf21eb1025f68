"""The pages of a period's life: the strip, the forms of the office, editions and objections."""

import io
from datetime import date, timedelta

import pytest
from django.contrib.gis.geos import Point
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from cases.choices import Role
from scoring.key_tasks import Step, add_task, report_progress
from scoring.lifecycle import stand_of
from scoring.measured import OnsiteAnswer, OnsiteDraw, OnsitePoint
from scoring.models import Edition, Objection, ScoredPeriod
from scoring.objections import raise_objection, say
from scoring.publishing import submit_run
from scoring.schemes import seal_of
from scoring.services import compute_run
from tests.scoring.periods_city import LATE, OCTOBER, dated, october, rule, touch_heads, window_over
from tests.scoring.test_lifecycle import publish
from tests.support.people import person

STANDING = "/score/2026-10/standing/"


@pytest.fixture
def city(transactional_db, tmp_path):
    october(tmp_path)


@pytest.fixture
def office(transactional_db):
    return [person(f"assessor{n}", Role.ASSESSOR) for n in range(2)]


def text(answer):
    return answer.content.decode()


def test_a_period_goes_its_way_through_the_pages(client, city, office):
    dated(closed=timedelta(days=4), window=timedelta(days=9))
    client.force_login(office[0])

    assert "Close the period" in text(client.get("/score/2026-10/"))
    assert client.post("/score/2026-10/close/", {"days": "0"}).status_code == 422
    assert client.post("/score/2026-10/close/", {"days": "5"})["location"] == STANDING
    assert stand_of(OCTOBER).state == "objections"
    window_over()
    page = client.get(STANDING)
    run = page.context["run"]
    assert client.post("/score/2026-10/submit/", {"run": run.pk})["location"] == STANDING
    assert "Approve and publish" not in text(client.get(STANDING))
    client.force_login(office[1])
    page = client.get(STANDING)
    assert "Approve and publish" in text(page)
    said = {"edition": Edition.objects.get().pk, "seal": page.context["run"].seal}
    assert client.post("/score/2026-10/approve/", said)["location"] == "/score/2026-10/"

    ranking = client.get("/score/2026-10/")
    assert ranking.context["run"] == run
    assert "submitted by assessor0, approved by assessor1" in text(ranking)
    assert client.post("/score/2026-10/approve/", said).status_code == 409


def test_a_live_period_says_when_it_is_expected_and_the_office_sets_the_day(client, city, office):
    client.force_login(office[0])
    day = timezone.localdate() + timedelta(days=40)
    month = f"{timezone.localdate():%Y-%m}"
    said = {"closes_on": f"{day}", "days": "5"}

    assert client.post(f"/score/{month}/dates/", {**said, "closes_on": "x"}).status_code == 422
    assert client.post(f"/score/{month}/dates/", said).status_code == 302

    assert f"Not settled yet, expected {day:%m-%d}" in text(client.get(f"/score/{month}/"))


def test_the_office_sees_what_the_run_goes_without_before_it_submits(client, city, office):
    """Points nobody inspected and milestones nobody confirmed are in no count, and it says so."""
    words = {"name": "onsite-2026-10", "heads": {}, "seed": "", "checklist": {}, "pool": {}}
    words |= {"assessors": {}, "drawn_by": office[0], "drawn_at": OCTOBER.start}
    draw = OnsiteDraw.objects.create(period=OCTOBER.name, **words)
    for number in (1, 2, 3):
        point = OnsitePoint.objects.create(
            draw=draw, body="zhongfang", kind="back", cell=f"c{number}", order=number,
            place=Point(110, 27), assessor=office[0], assessor_of=[],
        )  # fmt: skip
    with transaction.atomic():
        OnsiteAnswer.objects.create(
            point=point, by=office[0], at=OCTOBER.start, deducted=0, score=100
        )
    task = add_task(
        title="老旧小区", body="hightech", unit="", about="", actor=office[0], at=OCTOBER.start,
        steps=[Step("开工", date(2026, 10, 9)), Step("完工", date(2026, 10, 20))],
    )  # fmt: skip
    first = task.milestones.get(name="开工").pk
    report_progress(pk=task.pk, milestone=first, seen=1, progress=100, met_on=date(2026, 10, 9),
                    evidence="a", actor=office[0], at=OCTOBER.end)  # fmt: skip
    window_over()
    client.force_login(office[0])

    page = client.get("/score/2026-10/standing/")

    shown = " ".join(page.content.decode().split())
    assert "2 of 3 points not inspected" in shown
    assert shown.count("points not inspected") == 1
    assert "老旧小区 · 开工</a> reported as met, nobody confirmed it" in shown
    assert "完工" not in shown
    assert page.context["standing"].action == "submit"


def test_a_reader_sees_where_it_stands_but_no_form(client, city, office):
    submit_run(period=OCTOBER, seen_run=compute_run(OCTOBER).pk, reason="", actor=office[0])
    client.force_login(person("leader", Role.LEADER, "hecheng"))

    page = text(client.get(STANDING))

    assert "Submitted for approval" in text(client.get("/score/2026-10/"))
    shown = page.partition("score-page life-page")[2].partition("</main>")[0]
    assert "The run that waits for approval" in shown
    assert "<form" not in shown


def test_the_edition_stands_while_the_log_goes_on_and_a_re_issue_takes_its_place(
    client, city, office
):
    first = publish(office).run
    client.force_login(office[0])
    rule(LATE)
    touch_heads()

    ranking = client.get("/score/2026-10/")
    assert ranking.context["run"] == first
    assert "1 ruling came after" in text(ranking)
    changes = client.get("/score/2026-10/changes/")
    newer = changes.context["run"]
    assert LATE in text(changes)
    moved = {(row["body"], str(row["count"])): row for row in changes.context["moved"]}
    assert moved["Hecheng", "Exempt"]["entered"] == [LATE]
    assert [one["number"] for one in changes.context["annex"]] == [LATE]
    assert client.get("/score/2026-10/").context["standing"].would_change
    said = {"run": newer.pk, "reason": ""}
    assert client.post("/score/2026-10/submit/", said).status_code == 422
    assert client.post("/score/2026-10/submit/", {**said, "reason": "申诉"}).status_code == 302
    assert client.get("/score/2026-10/").context["run"] == first
    client.force_login(office[1])
    client.post(
        "/score/2026-10/approve/", {"edition": Edition.objects.latest("pk").pk, "seal": newer.seal}
    )

    assert client.get("/score/2026-10/").context["run"] == newer
    page = client.get("/score/2026-10/editions/2/")
    assert "申诉" in text(page)
    assert [one["number"] for one in page.context["annex"]] == [LATE]
    old = client.get("/score/2026-10/editions/1/")
    assert "Edition 2 has taken its place." in text(old)
    assert client.get(f"/score/2026-10/?run={first.pk}").context["run"] == first
    assert client.get("/score/2026-10/editions/3/").status_code == 404
    assert "Nothing would change." in text(client.get("/score/2026-10/changes/"))


def test_api_and_command_give_the_published_bytes(city, office):
    sealed = publish(office).run
    rule(LATE)
    touch_heads()
    api, out, wrong = APIClient(), io.StringIO(), [["3"], ["1", "--units"], ["1", "--scheme", "x"]]
    api.force_authenticate(person("l", Role.LEADER))

    call_command("score", "2026-10", "--edition", "1", stdout=out)
    said = api.get("/api/v1/assessments/2026-10/").json()

    assert out.getvalue() == sealed.result
    assert seal_of(out.getvalue()) == sealed.seal == said["seal"]
    assert (said["state"], said["edition"]) == ("published", 1)
    for words in wrong:
        with pytest.raises(CommandError) as refusal:
            call_command("score", "2026-10", "--edition", *words)
        assert refusal.value.returncode == 2
    with pytest.raises(CommandError) as refusal:
        call_command("score", "2026-10", "--units", "--scheme", "example-jinhua")
    assert refusal.value.returncode == 2


# --- objections ---------------------------------------------------------------------------------


@pytest.fixture
def objection(city):
    dated()
    run = compute_run(OCTOBER)
    leader = person("leader", Role.LEADER, "zhongfang")
    made = raise_objection(
        period=OCTOBER, seen_run=run.pk, body="zhongfang", count="filed", text="少了一件",
        actor=leader,
    )  # fmt: skip
    say(objection=made.pk, text="内部说明", actor=leader)
    return made


def test_every_number_of_the_sheet_leads_to_its_objection_while_that_may_be(client, city):
    dated()
    client.force_login(person("leader", Role.LEADER, "zhongfang"))

    page = client.get("/score/2026-10/hecheng/")
    address = f"/score/2026-10/object/?run={page.context['run'].pk}&amp;body=hecheng&amp;count="
    assert {code for code in ("A1", "A4", "total") if f'{address}{code}"' in text(page)} == {
        "A1", "A4", "total",
    }  # fmt: skip
    form = client.get(f"{address}A1".replace("&amp;", "&"))
    assert form.status_code == 200
    said = {"run": page.context["run"].pk, "body": "hecheng", "count": "A1"}
    assert client.post("/score/2026-10/object/", {**said, "text": ""}).status_code == 422
    made = client.post("/score/2026-10/object/", {**said, "text": "太高"})

    assert made["location"] == f"/score/2026-10/objections/{Objection.objects.get().pk}/"
    assert Objection.objects.get().value == form.context["value"]
    window_over()
    assert "/object/" not in text(client.get("/score/2026-10/hecheng/"))
    assert client.post("/score/2026-10/object/", {**said, "text": "b"}).status_code == 409
    assert client.get("/score/2026-10/object/?run=1&body=x&count=y").status_code == 404


def test_every_reader_sees_objection_and_answer_and_its_sides_the_messages(
    client, objection, office
):
    address = f"/score/2026-10/objections/{objection.pk}/"
    client.force_login(office[0])
    assert "内部说明" in text(client.get(address))
    assert client.post(f"{address}say/", {"text": " "}).status_code == 422
    assert client.post(f"{address}answer/", {"answer": "a"}).status_code == 422
    assert Objection.objects.get().is_open
    client.post(f"{address}answer/", {"answer": "已复核", "verdict": "rejected"})

    client.force_login(person("rival", Role.LEADER, "hecheng"))
    page = text(client.get(address))
    assert "少了一件" in page
    assert "已复核" in page
    assert "内部说明" not in page
    assert "少了一件" in text(client.get("/score/2026-10/objections/"))
    assert client.post(f"{address}answer/", {"answer": "a"}).status_code == 422
    assert client.get(f"/score/2026-11/objections/{objection.pk}/").status_code == 404


def test_pages_cost_the_same_whatever_was_objected(client, objection, office):
    client.force_login(office[0])
    run = objection.run

    def counted(address):
        with CaptureQueriesContext(connection) as queries:
            client.get(address)
        return len(queries)

    addresses = ("/score/2026-10/objections/", STANDING)
    few = [counted(address) for address in addresses]
    for body in ("hecheng", "landport", "hightech"):
        raise_objection(
            period=OCTOBER, seen_run=run.pk, body=body, count="filed", text="a",
            actor=objection.raised_by,
        )  # fmt: skip

    assert [counted(address) for address in addresses] == few


def test_units_see_none_of_it(client, objection):
    client.force_login(person("u", Role.UNIT, "u1"))

    for path in ("standing/", "objections/", f"objections/{objection.pk}/", "changes/"):
        assert client.get(f"/score/2026-10/{path}").status_code == 403
    assert client.post("/score/2026-10/close/").status_code == 403
    assert (Edition.objects.count(), ScoredPeriod.objects.count()) == (0, 1)
