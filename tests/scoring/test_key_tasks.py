"""Key tasks: listed, reported, confirmed by another; met on time over due; all on record."""

import uuid
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from cases.choices import DISTRICT_SLUGS
from cases.errors import InvalidInput, NotAllowed, PeriodClosed
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
    keep_milestone,
    key_task_measures,
    milestones_waiting,
    report_progress,
)
from scoring.measured import KeyTask, KeyTaskChange, Milestone
from scoring.periods import CITY_TIME, month_of
from tests.scoring.periods_city import dated, window_over
from tests.support.people import person

NOW = timezone.now()
MONTH = month_of(NOW)
LAST = month_of(MONTH.start - timedelta(days=1))
BEFORE = month_of(LAST.start - timedelta(days=1))
TODAY = NOW.astimezone(CITY_TIME).date()

pytestmark = pytest.mark.usefixtures("huaihua", "db")


def day(number, month=LAST):
    return month.start.astimezone(CITY_TIME).date().replace(day=number)


@pytest.fixture(autouse=True)
def provisional(db):
    """Let last month still be open to all."""
    dated(LAST, closed=timedelta(days=2), window=timedelta(days=9))


@pytest.fixture
def office(db):
    person("a2", Role.ASSESSOR)
    return person("a1", Role.ASSESSOR)


@pytest.fixture
def second(office):
    return User.objects.with_grants().get(username="a2")


def unit_of(body):
    return Unit.objects.filter(district=body, is_active=True).earliest("pk").pk


def listed(office, *dues, body="hecheng", at=LAST.start, **more):
    """List a task, as it was done before its milestones were due."""
    steps = [Step(f"第{n}步", due) for n, due in enumerate(dues, start=1)]
    words = {"title": "背街小巷改造", "body": body, "unit": unit_of(body), "about": "20 条"}
    return add_task(steps=steps, actor=office, at=at, **words | more)


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
    add_milestone(pk=task.pk, seen=1, step=Step("第2步", TODAY), reason="分步",
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


def test_a_late_milestone_is_not_moved_and_dropped_by_two_alone(office, second):
    task = listed(office, TODAY - timedelta(days=1))
    before = state()

    with pytest.raises(InvalidInput) as refusal:
        change_milestone(**keys(task), step=Step("a", TODAY), reason="a", actor=office)
    assert refusal.value.fields == {"due_on": "its day is over, so it stays"}
    with pytest.raises(InvalidInput):
        keep_milestone(**keys(task), reason="a", actor=second)
    assert state() == before

    drop_milestone(**keys(task), reason="应为 12 月", actor=office)
    proposed = state()
    with pytest.raises(NotAllowed, match="second assessor"):
        drop_milestone(**keys(task), reason="a", actor=office)
    assert state() == proposed
    keep_milestone(**keys(task), reason="日期无误", actor=second)
    drop_milestone(**keys(task), reason="应为 12 月", actor=second)
    assert task.milestones.get().dropped_at is None
    row = drop_milestone(**keys(task), reason="核实", actor=office)

    with pytest.raises(IntegrityError, match="dropped_by_another"), transaction.atomic():
        Milestone.objects.update(dropped_by=second)
    assert (row.dropped_by, row.dropped_at is None) == (office, False)
    assert [c.kind for c in task.changes.order_by("version")] == [
        "added", "drop_asked", "drop_kept", "drop_asked", "dropped"]  # fmt: skip


def test_a_day_that_is_over_is_no_last_day(office):
    """A mistyped one would be late at once, and the district would pay for good."""
    over = Step("a", TODAY - timedelta(days=1))
    with pytest.raises(InvalidInput) as refusal:
        listed(office, TODAY, over.due_on, at=None)
    assert refusal.value.fields == {"milestones[2]": "today or a day to come"}
    assert KeyTask.objects.count() == 0
    task = listed(office, TODAY)
    before = state()

    for change in (
        lambda: add_milestone(pk=task.pk, seen=1, step=over, reason="a", actor=office),
        lambda: change_milestone(**keys(task), step=over, reason="a", actor=office),
    ):
        with pytest.raises(InvalidInput) as refusal:
            change()
        assert refusal.value.fields == {"due_on": "today or a day to come"}

    assert state() == before


def test_a_form_sent_twice_lists_one_task(office):
    key = uuid.uuid4()
    task = listed(office, TODAY, key=key)

    again = listed(office, TODAY, key=key)
    with pytest.raises(InvalidInput, match="another task"):
        listed(office, TODAY, key=key, title="另一项")

    assert again == task
    assert (KeyTask.objects.count(), Milestone.objects.count()) == (1, 1)
    assert KeyTaskChange.objects.count() == 1


def test_a_task_keeps_its_unit_whatever_became_of_it(client, office):
    """Changing the title of one whose unit was deactivated, or moved, leaves that alone."""
    task = listed(office, TODAY)
    Unit.objects.filter(pk=task.unit_id).update(is_active=False, district="zhongfang")
    client.force_login(office)
    address = f"/score/key-tasks/task/{task.pk}/"

    page = client.get(address).content.decode()
    said = {"do": "change", "seen": 1, "title": "改", "about": "", "reason": "更名"}
    done = client.post(address, said | {"unit": task.unit_id})
    other = Unit.objects.filter(district="zhongfang").exclude(pk=task.unit_id).earliest("pk")
    wrong = client.post(address, said | {"seen": 2, "unit": other.pk})

    name = Unit.objects.get(pk=task.unit_id).name
    assert f'<option value="{task.unit_id}" selected>{name}</option>' in page
    assert f"responsible unit: {name}" in page
    assert (done.status_code, wrong.status_code) == (302, 422)
    before, task = task.unit_id, KeyTask.objects.get()
    assert (task.title, task.unit_id) == ("改", before)


def test_a_late_milestone_is_followed_up_after_its_month_and_moves_no_count(office, second):
    task = listed(office, day(5), day(6), day(7))
    met(task, 2, day(7), office)  # nobody confirmed it in time
    window_over(LAST)
    counted = key_task_measures(LAST.start, LAST.end, NOW)

    report_progress(**keys(task), progress=60, met_on=None, evidence="a", actor=office)
    row = met(task, 0, day(8), office)
    confirmed(task, 0, second)
    for change in (lambda: met(task, 1, day(6), office), lambda: confirmed(task, 2, second)):
        with pytest.raises(PeriodClosed):
            change()

    row.refresh_from_db()
    assert (row.confirmed_by, row.is_on_time) == (second, False)
    assert row.light(on=TODAY) == "met_late"
    assert key_task_measures(LAST.start, LAST.end, NOW) == counted
    assert [one.name for one in milestones_waiting(LAST.start, LAST.end)] == ["第3步"]


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
        add_task(**right | words, actor=office, at=LAST.start)

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


def test_after_the_days_of_objections_no_count_is_moved(office, second):
    task = listed(office, day(5), day(6))
    met(task, 0, day(5), office)
    window_over(LAST)
    before = state()

    with pytest.raises(PeriodClosed, match="days of objections"):
        confirmed(task, 0, second)
    with pytest.raises(PeriodClosed):
        met(task, 1, day(6), office)

    assert state() == before


def test_the_office_lists_reports_and_confirms_on_the_pages(client, office, second):
    client.force_login(office)
    address = f"/score/key-tasks/{MONTH.name}/"
    form = {"title": "老旧小区", "body": "hecheng", "unit": unit_of("hecheng"), "about": "",
            "name1": "开工", "due1": TODAY.isoformat()}  # fmt: skip

    empty = client.get(f"{address}add/")
    form["key"] = empty.context["key"]
    wrong = client.post(f"{address}add/", form | {"due1": "x"})
    added = client.post(f"{address}add/", form)
    twice = client.post(f"{address}add/", form)
    task = KeyTask.objects.get()
    assert f'name="key" value="{form["key"]}"' in empty.content.decode()
    assert f'name="key" value="{form["key"]}"' in wrong.content.decode()
    assert empty.content.decode().count("<optgroup") == len(DISTRICT_SLUGS)
    assert twice["location"] == added["location"]
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
