"""Satisfaction: random revisits of the log, surveys read before they are kept, thirty answers."""

import io
import json
from datetime import timedelta
from fractions import Fraction

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cases.errors import InvalidInput, NotAllowed, PeriodClosed
from cases.models import DistrictHead, Draw
from cityops.accounts.models import User
from cityops.accounts.roles import Role
from scoring.lifecycle import stored_dates
from scoring.measured import Survey, SurveyAnswer
from scoring.models import Edition
from scoring.periods import CITY_TIME, month_of, months_after
from scoring.satisfaction import (
    Fault,
    import_survey,
    read_survey,
    revisited,
    satisfaction_measures,
    surveyed,
    withdraw_survey,
)
from scoring.versions import scheme_of
from tests.scoring.ledger import write
from tests.scoring.logs import DISTRICTS, Story
from tests.scoring.periods_city import dated, window_over
from tests.support.people import person
from tests.support.scores import score_now

pytestmark = pytest.mark.usefixtures("huaihua", "db")
NOW = timezone.now()
MONTH = month_of(NOW)
LAST = month_of(MONTH.start - timedelta(days=1))
DAY = LAST.start.astimezone(CITY_TIME).date().replace(day=5).isoformat()
HEAD = "编号,区县,评价,日期"


@pytest.fixture(autouse=True)
def provisional(db):
    """Let last month still be open to all."""
    dated(LAST, closed=timedelta(days=2), window=timedelta(days=9))


@pytest.fixture
def office(db):
    return person("a1", Role.ASSESSOR)


def file_of(*lines, head=HEAD, encoding="utf-8"):
    return "\n".join([head, *lines]).encode(encoding)


def imported(office, *lines, name="三季度"):
    return import_survey(
        period=LAST, name=name, read=read_survey(file_of(*lines), LAST), actor=office
    )


def faults(raw):
    read = read_survey(raw, LAST)
    assert read.answers == ()
    return [(fault.line, fault.column) for fault in read.faults]


# --- the file -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_file_is_read_whatever_it_was_saved_as(encoding):
    lines = [f"1,鹤城区,满意,{DAY}", "", f' 2 ,zhongfang,5,"{DAY.replace("-", "/")}"']

    read = read_survey(file_of(*lines, encoding=encoding), LAST)

    assert read.faults == ()
    assert [(a.line, a.number, a.body, a.mark, a.said_on.isoformat()) for a in read.answers] == [
        (2, "1", "hecheng", 4, DAY),
        (4, "2", "zhongfang", 5, DAY),
    ]


def test_every_fault_names_line_and_column():
    lines = [
        f"1,鹤城区,6,{DAY}",
        f",火星,满意,{DAY}",
        "2,鹤城区,满意,昨天",
        f"2,鹤城区,满意,{MONTH.start.astimezone(CITY_TIME).date()}",
        f"3,鹤城区,12,{DAY}",
        f"4,鹤城区,5,{DAY}",
        "5,鹤城区",
    ]

    assert faults(file_of(*lines)) == [
        (2, "评价"),
        (3, "编号"),
        (3, "区县"),
        (4, "日期"),
        (5, "编号"),  # as in line 4
        (5, "日期"),  # in another month
        (6, "评价"),
        (8, "评价"),
        (8, "日期"),
    ]


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b"", [(1, "")]),
        (file_of(), [(1, "")]),
        (file_of("1", head="编号,评价"), [(1, "区县"), (1, "日期")]),
        (b"\xff\xfe\x00", [(1, "")]),
        (b"PK\x00\x03", [(1, "")]),
        (b"a" * 1_000_001, [(1, "")]),
    ],
)
def test_what_is_no_survey_is_said_so(raw, found):
    assert faults(raw) == found


def test_a_quotation_mark_that_is_not_closed_swallows_no_line():
    lines = [f'1,鹤城区,5,{DAY},"好', f"2,鹤城区,4,{DAY},", f'3,鹤城区,3,{DAY},"差']

    read = read_survey(file_of(*lines, head=f"{HEAD},备注"), LAST)

    assert read.answers == ()
    assert [fault.message for fault in read.faults] == ["this is no CSV"]


def test_a_number_is_the_same_however_it_was_saved(office):
    """A spreadsheet makes 1 of 001, and a keyboard １."""
    imported(office, f"001,鹤城区,5,{DAY}", f"a-7,鹤城区,5,{DAY}")

    again = read_survey(file_of(f"1,鹤城区,5,{DAY}", f"Ａ-7,鹤城区,5,{DAY}"), LAST)
    twice = read_survey(file_of(f"02,鹤城区,5,{DAY}", f"２,鹤城区,5,{DAY}"), LAST)

    assert [(fault.line, fault.message) for fault in again.faults] == [
        (2, "“1” was imported before"),
        (3, "“a-7” was imported before"),
    ]
    assert [fault.message for fault in twice.faults] == ["“2” stands in line 2, too"]
    assert sorted(SurveyAnswer.objects.values_list("number", flat=True)) == ["1", "a-7"]


def test_a_day_still_to_come_is_a_fault(office):
    later = months_after(NOW, 1)[0]
    day = later.start.astimezone(CITY_TIME).date().isoformat()

    (fault,) = read_survey(file_of(f"1,鹤城区,5,{day}"), later).faults

    assert (fault.line, fault.column, fault.message) == (2, "日期", "this day is still to come")


def test_two_who_import_the_same_at_once_are_told_so(office):
    """Both read it before the other kept it."""
    read = read_survey(file_of(f"1,鹤城区,5,{DAY}"), LAST)
    other = read_survey(file_of(f"1,鹤城区,5,{DAY}", ""), LAST)
    import_survey(period=LAST, name="a", read=read, actor=office)

    with pytest.raises(InvalidInput) as refusal:
        import_survey(period=LAST, name="b", read=other, actor=office)

    assert refusal.value.fields == {"file": "its answers were imported before"}
    assert (Survey.objects.count(), SurveyAnswer.objects.count()) == (1, 1)


def test_faults_beyond_fifty_are_counted():
    read = read_survey(file_of(*[f"{n},火星,5,{DAY}" for n in range(60)]), LAST)

    assert (len(read.faults), read.more) == (50, 10)


# --- keeping it ---------------------------------------------------------------------------------


def test_an_answer_counts_once_a_month_and_a_file_once(office):
    imported(office, f"1,鹤城区,5,{DAY}")

    assert read_survey(file_of(f"1,鹤城区,4,{DAY}"), LAST).faults == (
        Fault(2, "编号", "“1” was imported before"),
    )
    with pytest.raises(InvalidInput) as refusal:
        import_survey(period=LAST, name="a", read=read_survey(file_of(f"1,鹤城区,5,{DAY}")),
                      actor=office)  # fmt: skip
    assert refusal.value.fields == {"file": "this very file was imported before"}
    with pytest.raises(IntegrityError, match="survey_answer_once"), transaction.atomic():
        SurveyAnswer.objects.create(survey=Survey.objects.get(), period=LAST.name, number="1",
                                    body="hecheng", mark=1, said_on=NOW.date())  # fmt: skip
    assert SurveyAnswer.objects.count() == 1


def counted():
    """Return how many answers about 鹤城区 stand beside the score."""
    return surveyed(LAST.start, LAST.end).get(("hecheng", 1), 0)


def test_a_survey_taken_back_counts_no_more_and_may_come_anew(office):
    survey = imported(office, f"1,鹤城区,1,{DAY}")
    other = person("h1", Role.ASSESSOR, "hecheng")

    with pytest.raises(NotAllowed):
        withdraw_survey(pk=survey.pk, reason="a", actor=other)
    with pytest.raises(InvalidInput):
        withdraw_survey(pk=survey.pk, reason=" ", actor=office)
    assert counted() == 1
    withdraw_survey(pk=survey.pk, reason="样本有误", actor=office)
    assert counted() == 0
    with pytest.raises(InvalidInput):
        withdraw_survey(pk=survey.pk, reason="again", actor=office)
    imported(office, f"1,鹤城区,1,{DAY}")

    assert counted() == 1
    survey.refresh_from_db()
    assert survey.withdrawn_reason == "样本有误"


@pytest.mark.parametrize("name", [" ", "a" * 101])
def test_a_wrong_import_is_refused_and_keeps_nothing(office, name):
    read = read_survey(file_of(f"1,鹤城区,5,{DAY}"))

    with pytest.raises(InvalidInput):
        import_survey(period=LAST, name=name, read=read, actor=office)
    with pytest.raises(NotAllowed):
        import_survey(period=LAST, name="a", read=read, actor=person("l1", Role.LEADER))

    assert (Survey.objects.count(), SurveyAnswer.objects.count()) == (0, 0)


def test_a_period_that_was_submitted_takes_no_survey(office):
    heads = [DistrictHead(scope=s, hash=b"", at=LAST.start) for s in (*DISTRICTS, "city")]
    DistrictHead.objects.bulk_create(heads, ignore_conflicts=True)
    run = score_now(LAST, scheme_of())
    dates = stored_dates(LAST)
    Edition.objects.create(period=dates, number=1, run=run, submitted_by=office, submitted_at=NOW)

    with pytest.raises(PeriodClosed):
        imported(office, f"1,鹤城区,5,{DAY}")

    assert (Survey.objects.count(), SurveyAnswer.objects.count()) == (0, 0)


def test_after_the_days_of_objections_no_survey_is_taken_or_taken_back(office):
    survey = imported(office, f"1,鹤城区,5,{DAY}")
    window_over(LAST)

    with pytest.raises(PeriodClosed, match="days of objections"):
        imported(office, f"2,鹤城区,5,{DAY}")
    with pytest.raises(PeriodClosed):
        withdraw_survey(pk=survey.pk, reason="a", actor=office)

    survey.refresh_from_db()
    assert (Survey.objects.count(), survey.withdrawn_at) == (1, None)


# --- revisits and the measure -------------------------------------------------------------------


def closed(number, at, *answers, district="hecheng"):
    """Return a case closed at a moment, and asked about so many days later: (days, mark)."""
    story = Story(number, district=district).filed(at).given(at, at + timedelta(days=9))
    story.signed(at).finished(at).checked(at).closed(at)
    for days, mark in answers:
        story.add("revisit", "", at + timedelta(days=days), satisfaction=mark)
    return story.rows


def drawn(start, name="", **numbers):
    end = start + timedelta(days=7)
    name = name or f"revisit-{start:%j}"
    Draw.objects.create(name=name, kind="revisit", start=start, end=end, heads={}, seed="",
                        drawn_at=end, numbers=numbers)  # fmt: skip


def test_only_revisits_drawn_by_lot_count_each_once(office):
    start = LAST.start + timedelta(days=2)
    rows = [
        *closed("HH1", start, (8, 5), (9, 1)),  # the first answer counts
        *closed("HH2", start, (8, 1)),  # nobody drew it
        *closed("HH3", start, (1, 5), (9, 2)),  # asked before the draw, too: by whom was it chosen
        *closed("HH4", start, (40, 5)),  # answered in the next month
        *closed("HH5", start),  # not asked
        *closed("HH7", start, (6, 5)),  # asked before the draw alone
        *Story("HH6", district="zhongfang").reported(start).declined(start)
        .add("revisit", "", start + timedelta(days=8), satisfaction=2).rows,
    ]  # fmt: skip
    write(rows)
    drawn(start, hecheng=["HH1", "HH3", "HH4", "HH5", "HH7"], zhongfang=["HH6"])
    drawn(start + timedelta(days=1), hecheng=["HH1"])  # drawn again: the same answer

    found = revisited(LAST.start, LAST.end, NOW + timedelta(days=99))
    until = revisited(LAST.start, LAST.end, start + timedelta(days=8, hours=1))

    assert sorted((one.number, one.body, one.mark) for one in found) == [
        ("HH1", "hecheng", 5),
        ("HH3", "hecheng", 2),
        ("HH6", "zhongfang", 2),
    ]
    assert sorted(one.number for one in until) == ["HH1", "HH6"]


def test_the_mean_over_revisits_needs_thirty_answers_and_no_survey_stands_in(client, office):
    start = LAST.start + timedelta(days=2)
    bodies = {"hecheng": 30, "zhongfang": 29}
    for body, many in bodies.items():
        numbers = [f"HH{body}{n:02}" for n in range(many)]
        write([row for n, number in enumerate(numbers)
               for row in closed(number, start, (8, 1 + n % 5), district=body)])  # fmt: skip
        drawn(start, f"revisit-{body}", **{body: numbers})
    imported(office, *[f"{body}{n},{body},5,{DAY}" for body in bodies for n in range(99)])
    heads = [DistrictHead(scope=s, hash=b"", at=LAST.start) for s in (*DISTRICTS, "city")]
    DistrictHead.objects.bulk_create(heads, ignore_conflicts=True)

    measures = satisfaction_measures(LAST.start, LAST.end, NOW)
    run = score_now(LAST, scheme_of())

    # 6 × (100 + 80 + 60 + 30 + 0) over 30
    assert (measures["hecheng"].value, measures["hecheng"].groups) == (Fraction(54), 30)
    lines = {
        sheet["body"]: next(line for line in sheet["items"] if line["code"] == "C")
        for sheet in json.loads(run.result)["bodies"]
    }
    assert (lines["hecheng"]["value"], lines["hecheng"]["groups"]) == ("54.00", 30)
    assert lines["zhongfang"]["points"] is None  # 29, over three months too
    client.force_login(person("l1", Role.LEADER))
    ranking = client.get(f"/score/{LAST.name}/hecheng/?run={run.pk}").content.decode()
    page = client.get(f"/score/satisfaction/{LAST.name}/")
    assert f'href="/score/satisfaction/{LAST.name}/#hecheng">30</a>' in ranking
    assert page.content.decode().count("data-revisit=") == 59
    shown = {body["body"]: body for body in page.context["bodies"]}
    assert (str(shown["hecheng"]["mean"]), shown["hecheng"]["answers"]) == ("54.00", 30)
    assert str(shown["hecheng"]["survey_mean"]) == "100.00"


def test_few_answers_of_a_month_are_taken_over_three(office):
    """What the month lacks, the two before it have."""
    write([row for n in range(31) for row in closed(f"HH{n:02}", LAST.start, (8, 5))])
    drawn(LAST.start, hecheng=[f"HH{n:02}" for n in range(31)])
    heads = [DistrictHead(scope=s, hash=b"", at=LAST.start) for s in (*DISTRICTS, "city")]
    DistrictHead.objects.bulk_create(heads, ignore_conflicts=True)

    run = score_now(MONTH, scheme_of())

    beside = json.loads(run.beside)
    assert beside["given"] == {}
    assert beside["given_wide"]["hecheng"]["satisfaction"]["groups"] == 31
    sheet = next(s for s in json.loads(run.result)["bodies"] if s["body"] == "hecheng")
    line = next(line for line in sheet["items"] if line["code"] == "C")
    assert (line["value"], line["groups"], line["three_months"]) == ("100.00", 31, True)


def test_the_page_costs_the_same_whatever_was_answered(client, office):
    start, number = LAST.start + timedelta(days=2), 12
    write([row for n in range(number) for row in closed(f"HH{n:02}", start, (8, 5))])
    client.force_login(person("l1", Role.LEADER))
    counts = []
    for many in (1, number):
        Draw.objects.all().delete()
        drawn(start, hecheng=[f"HH{n:02}" for n in range(many)])
        with CaptureQueriesContext(connection) as queries:
            page = client.get(f"/score/satisfaction/{LAST.name}/")
        assert page.content.decode().count("data-revisit=") == many
        counts.append(len(queries))

    assert counts[0] == counts[1]


# --- the page -----------------------------------------------------------------------------------


def test_a_file_is_looked_at_then_imported(client, office):
    client.force_login(office)
    address = f"/score/satisfaction/{LAST.name}/import/"
    right = {"name": "三季度", "file": io.BytesIO(file_of(f"1,鹤城区,5,{DAY}"))}

    wrong = client.post(address, right | {"file": io.BytesIO(file_of(f"1,火星,5,{DAY}"))})
    looked = client.post(address, right)
    before = Survey.objects.count()
    done = client.post(address, {"seen": looked.context["seen"]})
    again = client.post(address, {"seen": looked.context["seen"]})
    forged = client.post(address, {"seen": looked.context["seen"] + "x"})

    assert (wrong.status_code, looked.status_code, before) == (422, 200, 0)
    assert 'data-fault="2"' in wrong.content.decode()
    assert (done.status_code, again.status_code, forged.status_code) == (302, 422, 302)
    assert SurveyAnswer.objects.get().body == "hecheng"
    survey = Survey.objects.get()
    back = client.post(f"/score/satisfaction/survey/{survey.pk}/withdraw/", {"reason": "误"})
    assert back.status_code == 302
    assert "误" in client.get(f"/score/satisfaction/{LAST.name}/").content.decode()


def test_readers_read_and_enter_nothing(client, office):
    survey = imported(office, f"1,鹤城区,5,{DAY}")
    leader = person("l1", Role.LEADER)
    client.force_login(User.objects.get(pk=leader.pk))

    page = client.get(f"/score/satisfaction/{LAST.name}/")

    assert page.status_code == 200
    assert "<form" not in page.content.decode().partition("<main")[2].partition("</main>")[0]
    for address in (f"{LAST.name}/import/", f"survey/{survey.pk}/withdraw/"):
        assert client.post(f"/score/satisfaction/{address}", {"reason": "a"}).status_code == 403
    survey.refresh_from_db()
    assert survey.withdrawn_at is None
