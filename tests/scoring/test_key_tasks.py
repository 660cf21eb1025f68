"""Key tasks: listed, reported, confirmed by another; met on time over due; all on record."""

from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from cases.errors import InvalidInput, NotAllowed
from cases.models import Unit
from cityops.accounts.models import User
from cityops.accounts.roles import Role
from scoring.key_tasks import (
    Step,
    add_milestone,
    add_task,
    change_milestone,
    change_task,
    drop_milestone,
    judge_milestone,
    key_task_measures,
    report_progress,
)
from scoring.measured import KeyTask, KeyTaskChange, Milestone
from scoring.periods import CITY_TIME, month_of
from tests.support.people import person

NOW = timezone.now()
MONTH = month_of(NOW)
LAST = month_of(MONTH.start - timedelta(days=1))
BEFORE = month_of(LAST.start - timedelta(days=1))
TODAY = NOW.astimezone(CITY_TIME).date()

pytestmark = pytest.mark.usefixtures("huaihua", "db")


def day(number, month=LAST):
    return month.start.astimezone(CITY_TIME).date().replace(day=number)


@pytest.fixture
def office(db):
    person("a2", Role.ASSESSOR)
    return person("a1", Role.ASSESSOR)


@pytest.fixture
def second(office):
    return User.objects.with_grants().get(username="a2")


def unit_of(body):
    return Unit.objects.filter(district=body, is_active=True).earliest("pk").pk


def listed(office, *dues, body="hecheng"):
    steps = [Step(f"第{n}步", due) for n, due in enumerate(dues, start=1)]
    words = {"title": "背街小巷改造", "body": body, "unit": unit_of(body), "about": "20 条"}
    return add_task(steps=steps, actor=office, **words)


def keys(task, number=0):
    task.refresh_from_db()
    return {
        "pk": task.pk,
        "seen": task.version,
        "milestone": task.milestones.order_by("pk")[number].pk,
    }


def met(task, number, on, by):
    words = {"progress": 100, "met_on": on, "evidence": "验收单", "actor": by}
    return report_progress(**keys(task, number), **words)


def confirmed(task, number, by):
    return judge_milestone(**keys(task, number), is_met=True, reason="", actor=by)


def state():
    """Return what a refusal must leave alone."""
    return [
        list(model.objects.order_by("pk").values()) for model in (KeyTask, Milestone, KeyTaskChange)
    ]


def test_met_on_time_and_confirmed_over_due(office, second):
    task = listed(office, day(5), day(10), day(12), day(15), day(16), day(20))
    met(task, 0, day(5), office)
    confirmed(task, 0, second)  # on its last day: on time
    met(task, 1, day(11), office)
    confirmed(task, 1, second)  # a day late
    met(task, 2, day(3), office)  # nobody confirmed it
    met(task, 3, day(1), second)
    confirmed(task, 3, office)
    drop_milestone(
        **keys(listed(office, TODAY + timedelta(days=1), body="zhongfang")), reason="重复",
        actor=office,
    )  # fmt: skip
    noon = datetime(LAST.start.astimezone(CITY_TIME).year, day(18).month, 18, 12, tzinfo=CITY_TIME)

    closed = key_task_measures(LAST.start, LAST.end, NOW)
    running = key_task_measures(LAST.start, LAST.end, noon)
    before = key_task_measures(BEFORE.start, BEFORE.end, NOW)

    assert {body: (m.value, m.groups) for body, m in closed.items()} == {
        "hecheng": (Fraction(100, 3), 6)}  # fmt: skip
    assert (running["hecheng"].value, running["hecheng"].groups) == (Fraction(40), 5)
    assert before == {}


def test_a_last_day_counts_once_it_is_over(office):
    listed(office, day(10))
    at = datetime(day(10).year, day(10).month, 10, tzinfo=CITY_TIME)

    found = [
        key_task_measures(LAST.start, LAST.end, at + timedelta(hours=hours)).get("hecheng")
        for hours in (0, 23, 24)
    ]

    assert found[:2] == [None, None]
    assert (found[2].value, found[2].groups) == (0, 1)


def test_every_change_is_a_line_of_the_log(office, second):
    task = listed(office, TODAY + timedelta(days=2))
    add_milestone(pk=task.pk, seen=1, step=Step("第2步", day(20, MONTH)), reason="分步",
                  actor=office)  # fmt: skip
    change_task(pk=task.pk, seen=2, title="改", unit="", about="", reason="更名", actor=second)
    change_milestone(**keys(task), step=Step("首步", TODAY), reason="提前", actor=office)
    report_progress(**keys(task), progress=40, met_on=None, evidence="开工", actor=office)
    met(task, 0, TODAY, office)
    judge_milestone(**keys(task), is_met=False, reason="无照片", actor=second)
    met(task, 0, TODAY, office)
    confirmed(task, 0, second)

    changes = task.changes.order_by("version")
    assert [(c.version, c.kind, c.by.username) for c in changes] == [
        (1, "added", "a1"),
        (2, "milestone", "a1"),
        (3, "changed", "a2"),
        (4, "moved", "a1"),
        (5, "progress", "a1"),
        (6, "met", "a1"),
        (7, "sent_back", "a2"),
        (8, "met", "a1"),
        (9, "confirmed", "a2"),
    ]
    assert changes[6].reason == "无照片"
    assert changes[3].said == {"name": "首步", "due_on": TODAY.isoformat()}


def test_who_reported_does_not_confirm(office):
    task = listed(office, day(5))
    row = met(task, 0, day(5), office)
    before = state()

    with pytest.raises(NotAllowed, match="second assessor"):
        confirmed(task, 0, office)
    with pytest.raises(IntegrityError, match="confirmed_by_another"), transaction.atomic():
        Milestone.objects.filter(pk=row.pk).update(confirmed_by=office, confirmed_at=NOW)

    assert state() == before


def test_a_late_milestone_is_neither_moved_nor_dropped(office):
    task = listed(office, TODAY - timedelta(days=1))
    before = state()

    for change in (
        lambda: change_milestone(**keys(task), step=Step("a", TODAY), reason="a", actor=office),
        lambda: drop_milestone(**keys(task), reason="a", actor=office),
    ):
        with pytest.raises(InvalidInput) as refusal:
            change()
        assert refusal.value.fields == {"due_on": "its day is over, so it stays"}

    assert state() == before


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ({"title": " "}, {"title"}),
        ({"body": "nowhere"}, {"body"}),
        ({"unit": "none"}, {"unit"}),
        ({"steps": []}, {"milestones"}),
        ({"steps": [Step("", day(5))]}, {"milestones[1]"}),
        ({"about": "a" * 1001}, {"about"}),
    ],
)
def test_a_wrong_task_is_refused_by_field(office, words, fields):
    right = {"title": "a", "body": "hecheng", "unit": "", "about": "", "steps": [Step("a", day(5))]}

    with pytest.raises(InvalidInput) as refusal:
        add_task(**right | words, actor=office)

    assert set(refusal.value.fields) == fields
    assert KeyTask.objects.count() == 0


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"progress": 101}, "progress"),
        ({"progress": 100}, "met_on"),
        ({"progress": 99, "met_on": day(5)}, "met_on"),
        ({"progress": 100, "met_on": TODAY + timedelta(days=1)}, "met_on"),
        ({"evidence": ""}, "evidence"),
        ({"seen": 7}, ""),
    ],
)
def test_a_wrong_report_is_refused_and_changes_nothing(office, words, field):
    task = listed(office, day(5))
    before = state()
    right = {**keys(task), "progress": 50, "met_on": None, "evidence": "a", "actor": office}

    with pytest.raises(InvalidInput) as refusal:
        report_progress(**right | words)

    assert set(refusal.value.fields) == ({field} if field else set())
    assert state() == before


def test_districts_enter_nothing(office):
    task = listed(office, day(5))
    other = person("h1", Role.ASSESSOR, "hecheng")
    before = state()

    with pytest.raises(NotAllowed):
        listed(other, day(5))
    with pytest.raises(NotAllowed):
        met(task, 0, day(5), other)

    assert state() == before


def test_the_office_lists_reports_and_confirms_on_the_pages(client, office, second):
    client.force_login(office)
    address = f"/score/key-tasks/{MONTH.name}/"
    form = {"title": "老旧小区", "body": "hecheng", "unit": unit_of("hecheng"), "about": "",
            "name1": "开工", "due1": TODAY.isoformat()}  # fmt: skip

    wrong = client.post(f"{address}add/", form | {"due1": "x"})
    added = client.post(f"{address}add/", form)
    task = KeyTask.objects.get()
    pk = task.milestones.get().pk
    said = {"seen": 1, "milestone": pk, "do": "report", "progress": 100, "evidence": "a",
            "met_on": TODAY.isoformat()}  # fmt: skip
    reported = client.post(added["location"], said)
    own = client.post(added["location"], {"seen": 2, "milestone": pk, "do": "confirm"})
    client.force_login(second)
    done = client.post(added["location"], {"seen": 2, "milestone": pk, "do": "confirm"})

    assert (wrong.status_code, added.status_code) == (422, 302)
    assert "a day like 2026-10-31" in wrong.content.decode()
    assert (reported.status_code, own.status_code, done.status_code) == (302, 403, 302)
    assert task.milestones.get().is_on_time
    page = client.get(added["location"]).content.decode()
    assert "confirmed" in page
    assert "✓" in page


def test_lights_stand_with_a_word_and_the_list_marks_what_counts(client, office):
    listed(
        office, TODAY - timedelta(days=40), TODAY + timedelta(days=3), TODAY + timedelta(days=30)
    )
    client.force_login(person("l1", Role.LEADER, "zhongfang"))
    month = LAST.name

    page = client.get(f"/score/key-tasks/{month}/")

    rows = next(b for b in page.context["bodies"] if b["body"] == "hecheng")["rows"]
    (row,) = rows
    assert [(m["light"], str(m["word"]), m["counts"]) for m in row["milestones"]] == [
        ("late", "overdue", True),
        ("soon", "due soon", False),
        ("normal", "on time", False),
    ]
    assert client.get(f"/score/key-tasks/{month}/add/").status_code == 403
    assert client.post(f"/score/key-tasks/task/{row['task'].pk}/").status_code == 403
