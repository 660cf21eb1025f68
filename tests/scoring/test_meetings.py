"""Scheduling meetings: an agenda put in order, decisions tracked to done, what is open carried."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from cases.errors import InvalidInput, NotAllowed
from cases.models import Case, Condition, Notice, Unit
from cases.selectors.calendars import current_version
from cityops.accounts.models import Grant, User
from cityops.accounts.roles import Role
from scoring.meeting_models import ActionItem, AgendaLine, ItemChange, Meeting, MeetingChange
from scoring.meetings import (
    add_line,
    carried_to,
    correct_item,
    correct_meeting,
    drop_item,
    finish_meeting,
    items_for,
    judge_item,
    months_to_prepare,
    move_item,
    move_line,
    prepare_meeting,
    propose_again,
    record_item,
    remove_line,
    report_item,
    restore_line,
    times_carried,
)
from scoring.periods import CITY_TIME, earlier, month_of
from tests.support.people import person

NOW = timezone.now()
MONTH = month_of(NOW)
BEFORE_LAST, LAST = earlier(MONTH, 2)
TODAY = NOW.astimezone(CITY_TIME).date()
WEEK = TODAY + timedelta(days=7)

pytestmark = pytest.mark.usefixtures("huaihua", "db")


@pytest.fixture
def office(db):
    return person("a1", Role.ASSESSOR)


@pytest.fixture
def second(office):
    return person("a2", Role.ASSESSOR)


def unit_of(body):
    return Unit.objects.filter(district=body, is_active=True).earliest("pk")


def late_case(number, body="hecheng", *, hours=50, **words):
    """Put a case in the tables that a unit should have finished so many hours ago; no log knows."""
    condition = Condition.objects.filter(limit_unit="emergency_hour").earliest("code")
    now = timezone.now()
    facts = {
        "stage": "handling",
        "source": "inspector",
        "minor_id": condition.minor_id,
        "condition": condition,
        "unit": unit_of(body),
        "due_at": now - timedelta(hours=hours),
        "base_due_at": now - timedelta(hours=hours),
        "lamp_due_at": now - timedelta(hours=hours),
        "limit_value": 10,
        "limit_unit": "emergency_hour",
        "calendar_version": current_version(),
        "address": f"秘密路{number}",
        "reported_at": now - timedelta(days=9),
        "filed_at": now - timedelta(days=9),
    }
    return Case.objects.create(number=number, scope=body, district=body, body=body, **facts | words)


def prepared(office, period=MONTH):
    return prepare_meeting(period=period, actor=office)


def seen(meeting):
    meeting.refresh_from_db()
    return {"period": meeting.period, "seen": meeting.version}


def decided(meeting, office, *, body="hecheng", line=None, due_on=WEEK, text="三日内清理"):
    words = {"text": text, "unit": unit_of(body).pk, "due_on": due_on, "line": line}
    return record_item(**seen(meeting), **words, actor=office)


def finished(meeting, office):
    finish_meeting(**seen(meeting), held_on=TODAY, actor=office)
    meeting.refresh_from_db()
    return meeting


def keys(item):
    item.refresh_from_db()
    return {"pk": item.pk, "seen": item.version}


def done(item, office, second):
    report_item(**keys(item), note="已清理", is_done=True, actor=office)
    return judge_item(**keys(item), is_done=True, note="", actor=second)


def agenda(meeting):
    lines = meeting.lines.filter(removed_at=None).order_by("position")
    return [(line.position, line.numbers[0] if line.numbers else line.text) for line in lines]


def state():
    """Return what a refusal must leave alone."""
    models = (Meeting, AgendaLine, ActionItem, MeetingChange, ItemChange)
    return [list(model.objects.order_by("pk").values()) for model in models]


def refused(act, *, fields=(), error=InvalidInput, says=""):
    before = state()
    with pytest.raises(error) as refusal:
        act()
    assert set(refusal.value.fields) == set(fields)
    assert says in refusal.value.message
    assert state() == before


# --- the agenda ---------------------------------------------------------------------------------


def test_the_ledger_proposes_the_latest_for_their_limit_first(office):
    late_case("HH1", hours=20)
    late_case("HH2", hours=30, limit_value=5)
    late_case("HH3", hours=30)
    late_case("HH4", hours=-1)

    meeting = prepared(office)

    assert agenda(meeting) == [(1, "HH2"), (2, "HH3"), (3, "HH1")]
    line = meeting.lines.get(position=1)
    assert (line.kind, line.subject) == ("overdue", "case:HH2")
    assert [(one["why"], one["multiple"]) for one in line.reasons] == [("overdue", "6.00")]
    assert [(c.kind, c.by, c.version) for c in meeting.changes.all()] == [("prepared", office, 1)]


def test_a_case_found_in_several_ways_is_one_line_with_all_its_reasons(office):
    late_case("HH1", border_m=20, return_count=2)

    (line,) = prepared(office).lines.all()

    assert line.kind == "overdue"
    assert [one["why"] for one in line.reasons] == ["overdue", "returned", "border"]


def test_the_office_puts_lines_in_order_removes_adds_and_puts_back(office):
    for number, hours in (("HH1", 90), ("HH2", 80), ("HH3", 70)):
        late_case(number, hours=hours)
    meeting = prepared(office)
    first, _second, third = meeting.lines.order_by("position")

    move_line(**seen(meeting), line=third.pk, to=1, actor=office)
    assert agenda(meeting) == [(1, "HH3"), (2, "HH1"), (3, "HH2")]
    remove_line(**seen(meeting), line=first.pk, actor=office)
    add_line(**seen(meeting), text="秋季专项", number=" hh2 ", actor=office)
    assert agenda(meeting) == [(1, "HH3"), (2, "HH2"), (3, "HH2")]
    restore_line(**seen(meeting), line=first.pk, actor=office)
    move_line(**seen(meeting), line=third.pk, to=99, actor=office)

    assert agenda(meeting) == [(1, "HH2"), (2, "HH2"), (3, "HH1"), (4, "HH3")]
    own = meeting.lines.get(kind="own")
    assert (own.text, own.numbers, own.added_by) == ("秋季专项", ["HH2"], office)
    changes = meeting.changes.order_by("version")
    assert [(c.version, c.kind, c.line_id) for c in changes] == [
        (1, "prepared", None),
        (2, "moved", third.pk),
        (3, "removed", first.pk),
        (4, "added", own.pk),
        (5, "restored", first.pk),
        (6, "moved", third.pk),
    ]


def test_reading_the_ledger_anew_adds_what_is_new_and_leaves_out_what_was_removed(office):
    late_case("HH1", hours=90)
    kept = late_case("HH2", hours=80)
    meeting = prepared(office)
    remove_line(**seen(meeting), line=meeting.lines.get(position=1).pk, actor=office)
    late_case("HH3", hours=99)
    Case.objects.filter(pk=kept.pk).update(return_count=3)

    fresh = propose_again(**seen(meeting), actor=office)

    assert fresh == 1
    assert agenda(meeting) == [(1, "HH2"), (2, "HH3")]
    reasons = meeting.lines.get(subject="case:HH2").reasons
    assert [one["why"] for one in reasons] == ["overdue", "returned"]


# --- one after another --------------------------------------------------------------------------


def test_one_meeting_is_open_at_a_time_and_each_is_later_than_the_last(office):
    first = prepared(office, LAST)
    refused(lambda: prepared(office), says="A meeting is open")
    finished(first, office)
    refused(lambda: prepared(office, LAST), fields=["period"])
    refused(lambda: prepared(office, BEFORE_LAST), fields=["period"])
    with pytest.raises(IntegrityError, match="a later month"), transaction.atomic():
        Meeting.objects.create(period=LAST.name, as_of=NOW, prepared_by=office, prepared_at=NOW)

    assert [month.name for month in months_to_prepare(NOW)][-1] == MONTH.name
    second = prepared(office)
    with pytest.raises(IntegrityError, match="meeting_one_open"), transaction.atomic():
        Meeting.objects.create(period="2099-01", as_of=NOW, prepared_by=office, prepared_at=NOW)
    assert second.is_open
    assert months_to_prepare(NOW) == []


def test_what_is_open_is_carried_and_what_ended_before_is_not(office, second):
    first = prepared(office, BEFORE_LAST)
    open_one, over, dropped = (decided(first, office, text=text) for text in ("一", "二", "三"))
    finished(first, office)
    done(over, office, second)
    drop_item(**keys(dropped), reason="不再需要", actor=office)
    middle = prepared(office, LAST)
    new = decided(middle, office, text="四")
    finished(middle, office)
    last = prepared(office)
    done(open_one, office, second)  # while the last meeting is being prepared

    items = ActionItem.objects.all()
    assert list(carried_to(middle, items)) == [open_one]
    assert list(carried_to(last, items)) == [open_one, new]
    periods = [BEFORE_LAST.name, LAST.name, MONTH.name]
    assert [times_carried(one, periods, to=last.period) for one in (open_one, new)] == [2, 1]
    assert times_carried(open_one, periods, to=middle.period) == 1
    assert [one.number for one in (open_one, over, dropped, new)] == [1, 2, 3, 1]


def test_a_finished_meeting_stands(office):
    late_case("HH1")
    late_case("HH2", hours=60)
    meeting = prepared(office)
    line, other = meeting.lines.order_by("position")
    item = decided(meeting, office, line=line.pk)
    remove_line(**seen(meeting), line=other.pk, actor=office)
    finished(meeting, office)

    for act in (
        lambda: propose_again(**seen(meeting), actor=office),
        lambda: add_line(**seen(meeting), text="a", number="", actor=office),
        lambda: remove_line(**seen(meeting), line=line.pk, actor=office),
        lambda: restore_line(**seen(meeting), line=other.pk, actor=office),
        lambda: move_line(**seen(meeting), line=line.pk, to=1, actor=office),
        lambda: decided(meeting, office),
        lambda: finished(meeting, office),
    ):
        refused(act, says="stands as it is")
    for model, pk, words in (
        (Meeting, meeting.pk, {"held_on": TODAY - timedelta(days=1)}),
        (AgendaLine, line.pk, {"position": 9}),
        (ActionItem, item.pk, {"text": "b"}),
        (ActionItem, item.pk, {"unit": unit_of("zhongfang")}),
    ):
        with pytest.raises(IntegrityError, match="stands as it is"), transaction.atomic():
            model.objects.filter(pk=pk).update(**words)
    with pytest.raises(IntegrityError, match="stands as it is"), transaction.atomic():
        Meeting.objects.filter(pk=meeting.pk).update(finished_at=None, finished_by=None)


def test_a_finished_meeting_is_corrected_by_new_lines(office, second):
    meeting = prepared(office)
    wrong = decided(meeting, office, text="三十日内")
    refused(
        lambda: correct_meeting(**seen(meeting), text="a", actor=office), says="meeting is open"
    )
    finished(meeting, office)

    correct_meeting(**seen(meeting), text="出席单位另有两家", actor=second)
    words = {"unit": unit_of("landport").pk, "due_on": WEEK, "reason": "笔误"}
    right = correct_item(**keys(wrong), text="三日内", **words, actor=second)

    wrong.refresh_from_db()
    assert (wrong.text, wrong.dropped_at is not None) == ("三十日内", True)
    assert (right.number, right.text, right.body, right.replaces) == (
        2,
        "三日内",
        "landport",
        wrong,
    )
    changes = meeting.changes.order_by("version")
    assert [(c.kind, c.text, c.by) for c in changes][-2:] == [
        ("corrected", "出席单位另有两家", second),
        ("corrected", "笔误", second),
    ]
    refused(lambda: correct_item(**keys(wrong), text="b", **words, actor=office), says="has ended")


# --- action items -------------------------------------------------------------------------------


def test_an_item_is_reported_by_its_owner_and_confirmed_by_the_office(office, second):
    owner = person("u1", Role.UNIT, unit_of("hecheng").pk)
    item = decided(prepared(office), office)

    report_item(**keys(item), note="已安排", is_done=False, actor=owner)
    report_item(**keys(item), note="已完成", is_done=True, actor=owner)
    refused(
        lambda: report_item(**keys(item), note="再报", is_done=True, actor=owner),
        says="waits to be confirmed",
    )
    judge_item(**keys(item), is_done=False, note="缺照片", actor=office)
    report_item(**keys(item), note="已补", is_done=True, actor=owner)
    judge_item(**keys(item), is_done=True, note="", actor=second)

    changes = item.changes.order_by("version")
    assert [(c.version, c.kind, c.note, c.by.username) for c in changes] == [
        (1, "recorded", "", "a1"),
        (2, "progress", "已安排", "u1"),
        (3, "asked", "已完成", "u1"),
        (4, "sent_back", "缺照片", "a1"),
        (5, "asked", "已补", "u1"),
        (6, "confirmed", "", "a2"),
    ]
    item.refresh_from_db()
    assert (item.asked_by, item.confirmed_by, item.light(on=WEEK + timedelta(days=9))) == (
        owner,
        second,
        "met",
    )
    refused(lambda: drop_item(**keys(item), reason="a", actor=office), says="has ended")
    with pytest.raises(IntegrityError, match="stands as it is"), transaction.atomic():
        ActionItem.objects.filter(pk=item.pk).update(confirmed_at=None, confirmed_by=None)


def test_who_reported_does_not_confirm(office):
    item = decided(prepared(office), office)
    report_item(**keys(item), note="电话确认", is_done=True, actor=office)

    refused(
        lambda: judge_item(**keys(item), is_done=True, note="", actor=office),
        error=NotAllowed,
        says="second assessor",
    )
    with pytest.raises(IntegrityError, match="confirmed_by_another"), transaction.atomic():
        ActionItem.objects.filter(pk=item.pk).update(confirmed_by=office, confirmed_at=NOW)


def test_others_than_the_office_and_the_owner_change_nothing(office):
    meeting = prepared(office)
    item = decided(meeting, office)
    strangers = [
        person("u9", Role.UNIT, unit_of("zhongfang").pk),
        person("h1", Role.ASSESSOR, "hecheng"),
        person("l1", Role.LEADER),
        person("d1", Role.DISPATCHER, "hecheng"),
    ]

    for actor in strangers:
        for act in (
            lambda actor=actor: decided(meeting, actor),
            lambda actor=actor: finished(meeting, actor),
            lambda actor=actor: propose_again(**seen(meeting), actor=actor),
            lambda actor=actor: report_item(**keys(item), note="a", is_done=True, actor=actor),
            lambda actor=actor: drop_item(**keys(item), reason="a", actor=actor),
        ):
            refused(act, error=NotAllowed)


def test_a_later_meeting_moves_the_last_day_and_the_first_stays(office):
    first = prepared(office, LAST)
    item = decided(first, office, due_on=TODAY - timedelta(days=1))
    refused(
        lambda: move_item(**keys(item), due_on=WEEK, reason="雨季", actor=office),
        says="A later meeting",
    )
    assert item.light(on=TODAY) == "late"
    finished(first, office)
    second = prepared(office)
    refused(
        lambda: move_item(**keys(item), due_on=LAST.start.date(), reason="", actor=office),
        fields=["due_on", "reason"],
    )

    move_item(**keys(item), due_on=WEEK, reason="雨季", actor=office)

    item.refresh_from_db()
    assert (item.first_due_on, item.due_on) == (TODAY - timedelta(days=1), WEEK)
    assert item.light(on=TODAY) == "soon"
    change = item.changes.get(kind="moved")
    assert (change.meeting, change.said["was"], change.note) == (
        second, (TODAY - timedelta(days=1)).isoformat(), "雨季",
    )  # fmt: skip


def test_an_item_reported_after_its_last_day_stays_late(office, second):
    meeting = prepared(office, LAST)
    late = decided(meeting, office, due_on=TODAY - timedelta(days=1))
    in_time = decided(meeting, office, due_on=TODAY)
    done(late, office, second)
    report_item(**keys(in_time), note="已清理", is_done=True, actor=office)

    lights = [ActionItem.objects.get(pk=one.pk).light(on=WEEK) for one in (late, in_time)]

    assert lights == ["late", "met"]


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ({"text": " "}, ["text"]),
        ({"text": "a" * 401}, ["text"]),
        ({"unit": "none"}, ["unit"]),
        ({"due_on": LAST.start.date()}, ["due_on"]),
        ({"line": 10**6}, []),
        ({"seen": 9}, []),
    ],
)
def test_a_wrong_decision_is_refused_by_field(office, words, fields):
    meeting = prepared(office)
    right = {**seen(meeting), "text": "a", "unit": unit_of("hecheng").pk, "due_on": WEEK,
             "line": None}  # fmt: skip

    refused(lambda: record_item(**right | words, actor=office), fields=fields)


def test_a_line_something_was_decided_about_stays(office):
    late_case("HH1")
    meeting = prepared(office)
    line = meeting.lines.get()
    item = decided(meeting, office, line=line.pk)

    refused(lambda: remove_line(**seen(meeting), line=line.pk, actor=office), says="it stays")
    drop_item(**keys(item), reason="误记", actor=office)
    remove_line(**seen(meeting), line=line.pk, actor=office)

    assert agenda(meeting) == []


# --- who reads what -----------------------------------------------------------------------------


def test_a_district_reads_its_own_items_and_a_unit_its_own(office):
    meeting = prepared(office)
    own, rival = decided(meeting, office), decided(meeting, office, body="zhongfang")
    other = Unit.objects.filter(district="hecheng", is_active=True).latest("pk")
    beside = record_item(
        **seen(meeting), line=None, text="b", unit=other.pk, due_on=WEEK, actor=office
    )

    def read(role, scope=""):
        return set(items_for(person(f"{role}-{scope}", role, scope)))

    assert read(Role.LEADER) == {own, rival, beside}
    assert read(Role.DISPATCHER, "hecheng") == {own, beside}
    assert read(Role.UNIT, unit_of("hecheng").pk) == {own}
    assert read(Role.UNIT_HEAD, unit_of("zhongfang").pk) == {rival}
    assert read(Role.OPERATOR) == set()
    disabled = person("gone", Role.LEADER)
    User.objects.filter(pk=disabled.pk).update(is_active=False)
    assert set(items_for(User.objects.with_grants().get(pk=disabled.pk))) == set()


@pytest.mark.parametrize("page", ["", "paper/"])
def test_the_agenda_names_a_rivals_case_and_tells_no_more(client, office, page):
    late_case("HH1", "hecheng")
    late_case("HH2", "zhongfang")
    meeting = prepared(office)
    decided(meeting, office, body="zhongfang", text="外区事项")
    decided(meeting, office, text="本区事项")
    client.force_login(person("h1", Role.LEADER, "hecheng"))

    text = client.get(f"/score/meetings/{meeting.period}/{page}").content.decode()

    assert "秘密路HH1" in text
    assert "HH2" in text
    assert "秘密路HH2" not in text
    assert 'href="/cases/HH2/"' not in text
    assert "本区事项" in text
    assert "外区事项" not in text


def test_the_office_leads_a_meeting_through_on_its_pages(client, office, second):
    late_case("HH1")
    client.force_login(office)
    owner = person("u1", Role.UNIT, unit_of("hecheng").pk)

    made = client.post("/score/meetings/", {"period": MONTH.name})
    address = made["location"]
    meeting = Meeting.objects.get()
    line = meeting.lines.get()
    form = {"do": "record", "seen": 1, "line": line.pk, "unit": unit_of("hecheng").pk,
            "text": "三日内清理", "due_on": WEEK.isoformat()}  # fmt: skip
    wrong = client.post(address, form | {"due_on": "x"})
    stale = client.post(address, form | {"seen": 9})
    recorded = client.post(address, form)
    page = client.get(address).content.decode()
    chosen = client.get(address, {"about": line.pk}).context["owner"]
    moved = client.post(address, {"do": "move", "seen": 2, "line": line.pk, "to": 1})
    ended = client.post(address, {"do": "finish", "seen": 3, "held_on": TODAY.isoformat()})
    item = ActionItem.objects.get()
    client.force_login(owner)
    mine = client.get("/score/meetings/items/")
    hidden = client.get(address)
    said = {"do": "done", "seen": 1, "note": "已清理"}
    reported = client.post(f"/score/meetings/items/{item.pk}/", said)
    client.force_login(second)
    judged = client.post(f"/score/meetings/items/{item.pk}/", {"do": "confirm", "seen": 2})

    assert chosen == unit_of("hecheng").pk
    assert moved["location"] == f"{address}#line-{line.pk}"
    assert recorded["location"] == f"{address}#items"
    assert (made.status_code, recorded.status_code, ended.status_code) == (302, 302, 302)
    assert (wrong.status_code, stale.status_code, hidden.status_code) == (422, 422, 403)
    assert "三日内清理" in wrong.content.decode()  # what was typed is kept
    assert "a day like 2026-10-31" in wrong.content.decode()
    assert f"{MONTH.name} #1" in page
    assert [row["item"] for row in mine.context["rows"]] == [item]
    assert (reported.status_code, judged.status_code) == (302, 302)
    assert "confirmed done" in client.get(f"/score/meetings/items/{item.pk}/").content.decode()


def test_a_carried_item_says_from_where_and_how_often_on_the_page(client, office):
    first = prepared(office, BEFORE_LAST)
    decided(first, office, due_on=TODAY - timedelta(days=3))
    finished(first, office)
    finished(prepared(office, LAST), office)
    meeting = prepared(office)
    client.force_login(person("l1", Role.LEADER))

    page = client.get(f"/score/meetings/{meeting.period}/")

    (row,) = page.context["carried"]
    assert (row["times"], row["light"], row["is_late"]) == (2, "late", True)
    assert f"carried from {BEFORE_LAST.name}," in page.content.decode()


def test_pages_take_as_many_statements_for_many_lines_and_items(client, office):
    meeting = prepared(office)
    client.force_login(office)

    def count(address):
        with connection.execute_wrapper(_counting(found := [])):
            assert client.get(address).status_code == 200
        return len(found)

    pages = [f"/score/meetings/{meeting.period}/", "/score/meetings/items/", "/score/meetings/",
             f"/score/meetings/{meeting.period}/paper/"]  # fmt: skip
    for number in range(3):
        late_case(f"HH{number}", hours=50 + number)
        decided(meeting, office)
    propose_again(**seen(meeting), actor=office)
    few = [count(page) for page in pages]
    for number in range(3, 9):
        late_case(f"HH{number}", hours=50 + number)
        decided(meeting, office)
    propose_again(**seen(meeting), actor=office)

    assert [count(page) for page in pages] == few


def _counting(found):
    def wrapper(execute, sql, params, many, context):
        found.append(sql)
        return execute(sql, params, many, context)

    return wrapper


# --- who is told --------------------------------------------------------------------------------


def told():
    """Return who was told what since the last call."""
    rows = Notice.objects.order_by("pk")
    found = [(row.told, row.user.username) for row in rows.select_related("user")]
    rows.delete()
    return found


@pytest.fixture
def owner(db):
    return person("worker", Role.UNIT, unit_of("hecheng").pk)


def test_the_owner_is_told_when_the_meeting_is_over(office, second, owner, client):
    meeting = prepared(office)
    kept, gone = decided(meeting, office), decided(meeting, office)
    drop_item(**keys(gone), reason="重复", actor=office)
    decided(meeting, office, body="zhongfang")
    assert told() == []

    finished(meeting, office)

    notice = Notice.objects.get()
    assert (notice.user, notice.told, notice.period) == (owner, "item", MONTH.name)
    client.force_login(owner)
    page = client.get("/notices/").content.decode()
    assert f"The scheduling meeting decided something your unit does until {WEEK:%m-%d}" in page
    assert client.post(f"/notices/{notice.pk}/")["location"] == f"/score/meetings/items/{kept.pk}/"
    assert client.get(f"/score/meetings/items/{kept.pk}/").status_code == 200


def test_a_report_tells_the_office_and_its_answer_the_owner(office, second, owner):
    meeting = prepared(office)
    item = decided(meeting, office)
    finished(meeting, office)
    told()

    report_item(**keys(item), note="在办", is_done=False, actor=owner)
    assert told() == []
    report_item(**keys(item), note="已清理", is_done=True, actor=owner)
    assert told() == [("item_asked", "a1"), ("item_asked", "a2")]
    judge_item(**keys(item), is_done=False, note="仍有残留", actor=office)
    assert told() == [("item_back", "worker")]
    report_item(**keys(item), note="已清理", is_done=True, actor=owner)
    told()
    judge_item(**keys(item), is_done=True, note="", actor=office)
    assert told() == [("item_done", "worker")]


def test_who_leaves_the_unit_is_told_nothing_of_it_any_more(office, owner, client):
    meeting = prepared(office)
    decided(meeting, office)
    finished(meeting, office)
    client.force_login(owner)
    assert client.get("/notices/unread/").json()["unread"] == 1

    Grant.objects.filter(user=owner).delete()

    assert client.get("/notices/unread/").json()["unread"] == 0


def test_a_corrected_owner_is_told_and_so_is_the_one_before(office, owner):
    other = person("other", Role.UNIT_HEAD, unit_of("zhongfang").pk)
    meeting = prepared(office)
    item = decided(meeting, office)
    finished(meeting, office)
    told()

    words = {"text": "改派", "unit": unit_of("zhongfang").pk, "due_on": WEEK}
    correct_item(**keys(item), **words, reason="派错单位", actor=office)

    assert told() == [("item_dropped", owner.username), ("item", other.username)]
