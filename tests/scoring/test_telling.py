"""Who is told of a period in the bell: whose step it is, and whose numbers they are."""

from datetime import timedelta

import pytest
from django.utils import timezone

from cases.choices import Role
from cases.errors import NotAllowed
from cases.models import Notice
from scoring.objections import answer_objection, raise_objection, withdraw_objection
from scoring.periods import earlier, month_of, periods_between
from scoring.publishing import close_period, return_edition, submit_run
from scoring.services import compute_run
from scoring.telling import tell_of_closings
from tests.scoring.periods_city import LATE, OCTOBER, dated, october, rule, touch_heads, window_over
from tests.scoring.test_lifecycle import publish
from tests.support.people import person


@pytest.fixture
def people(transactional_db, tmp_path):
    october(tmp_path)
    now = timezone.now()
    (last,) = earlier(month_of(now), 1)
    over = [one for one in periods_between(last.start, now) if one.end <= now]
    for period in (*over, OCTOBER):  # nothing closes by itself
        dated(period, closed=timedelta(days=4), window=timedelta(days=9))
    return {
        one.username: one
        for one in (
            person("office", Role.ASSESSOR),
            person("second", Role.ASSESSOR),
            person("leader", Role.LEADER, "zhongfang"),
            person("rival", Role.SUPERVISOR, "hecheng"),
            person("desk", Role.DISPATCHER, "zhongfang"),
        )
    }


def told():
    """Return who was told what since the last call."""
    rows = Notice.objects.order_by("told", "user__username")
    found = list(rows.values_list("told", "user__username", "address"))
    rows.delete()
    return found


def objected(people):
    run = compute_run(OCTOBER)
    return raise_objection(
        period=OCTOBER, seen_run=run.pk, body="zhongfang", count="filed", text="少",
        actor=people["leader"],
    )  # fmt: skip


def submitted(people):
    run = compute_run(OCTOBER)
    return submit_run(period=OCTOBER, seen_run=run.pk, reason="", actor=people["office"])


def published(people, reason=""):
    publish([people["office"], people["second"]], reason)


def test_the_districts_are_told_of_the_closing_and_until_when_they_may_object(client, people):
    with pytest.raises(NotAllowed):
        close_period(period=OCTOBER, days=5, actor=people["leader"])
    assert told() == []

    dates = close_period(period=OCTOBER, days=5, actor=people["office"])

    client.force_login(people["leader"])
    page = client.get("/notices/").content.decode()
    until = dates.window_until.astimezone(OCTOBER.start.tzinfo)
    assert f"The period is closed: objections until {until:%m-%d %H:%M}" in page
    assert client.get("/notices/unread/").json()["unread"] == 1
    mine = Notice.objects.get(user=people["leader"])
    assert client.post(f"/notices/{mine.pk}/")["location"] == "/score/2026-10/standing/"
    assert client.get("/notices/unread/").json()["unread"] == 0
    assert told() == [
        ("closed", name, "/score/2026-10/standing/") for name in ("leader", "rival", "second")
    ]


def test_a_period_that_closes_by_itself_is_told_of_once(people):
    dated(closed=timedelta(days=1))
    assert tell_of_closings() == "nothing closed"
    assert told() == []
    dated(closed=timedelta(hours=-1))

    assert tell_of_closings() == "told of 2026-10"
    assert tell_of_closings() == "nothing closed"

    assert [(what, who) for what, who, _ in told()] == [
        ("closed", who) for who in ("leader", "office", "rival", "second")
    ]


def test_nobody_is_told_of_a_closing_by_somebody_again_nor_when_it_is_too_late(people):
    close_period(period=OCTOBER, days=5, actor=people["office"])
    told()
    assert tell_of_closings() == "nothing closed"
    window_over()
    assert tell_of_closings() == "nothing closed"
    assert told() == []


def test_an_objection_tells_the_office_and_its_answer_the_side_that_raised_it(people):
    dated()
    made = objected(people)
    thread = f"/score/2026-10/objections/{made.pk}/"
    assert told() == [("objected", "office", thread), ("objected", "second", thread)]

    answer_objection(objection=made.pk, upheld=False, answer="复核无误", actor=people["office"])
    assert told() == [("answered", "leader", thread)]

    again = objected(people)
    told()
    withdraw_objection(objection=again.pk, actor=people["leader"])
    assert told() == []


def test_each_step_of_publishing_tells_whose_turn_it_is_and_in_the_end_everybody(people):
    window_over()
    course = "/score/2026-10/standing/"
    sent = submitted(people)
    assert told() == [("submitted", "second", course)]
    return_edition(period=OCTOBER, edition=sent.pk, reason="再核", actor=people["second"])
    assert told() == [("returned", "office", course)]

    published(people)
    address = "/score/2026-10/editions/1/"
    assert told() == [
        *(("published", name, address) for name in ("leader", "office", "rival")),
        ("submitted", "second", course),
    ]

    rule(LATE)
    touch_heads()
    published(people, "申诉")
    address = "/score/2026-10/editions/2/"
    assert told() == [
        *(("reissued", name, address) for name in ("leader", "office", "rival")),
        ("submitted", "second", course),
    ]


def test_who_left_the_post_or_the_city_is_told_nothing_more(client, people):
    close_period(period=OCTOBER, days=5, actor=people["office"])
    people["leader"].grant_set.all().delete()
    client.force_login(people["leader"])
    assert client.get("/notices/unread/").json()["unread"] == 0
    mine = Notice.objects.get(user=people["leader"])
    assert client.post(f"/notices/{mine.pk}/").status_code == 404
    told()

    people["rival"].is_active = False
    people["rival"].save()
    window_over()
    published(people)

    assert [name for what, name, _address in told() if what == "published"] == ["office"]
