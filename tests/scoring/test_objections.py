"""Objections: who may object to which number, who reads what, and how it ends."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from cases.choices import Role
from cases.errors import InvalidInput, NotAllowed, PeriodClosed, StalePeriod, StillDisputed
from cases.models import Case, Request
from scoring.lifecycle import stand_of
from scoring.models import Objection, ObjectionAdjustment, ObjectionMessage
from scoring.objections import (
    answer_objection,
    link_adjustment,
    raise_objection,
    say,
    value_in,
    withdraw_objection,
)
from scoring.periods import parse_period
from scoring.publishing import submit_run
from scoring.services import compute_run
from tests.scoring.periods_city import LATE, OCTOBER, dated, october, window_over
from tests.scoring.test_lifecycle import at_once
from tests.support.people import person


@pytest.fixture
def run(transactional_db, tmp_path):
    october(tmp_path)
    dated()
    return compute_run(OCTOBER)


@pytest.fixture
def leader(transactional_db):
    return person("leader", Role.LEADER, "zhongfang")


@pytest.fixture
def office(transactional_db):
    return [person(f"assessor{n}", Role.ASSESSOR) for n in range(2)]


def objected(run, actor, body="zhongfang", count="closed_on_time", text="HH1 是按时的"):
    return raise_objection(
        period=OCTOBER, seen_run=run.pk, body=body, count=count, text=text, actor=actor
    )


def test_a_district_objects_to_a_count_an_item_or_a_total_as_it_saw_it(run, leader):
    made = [
        objected(run, leader, body, count)
        for body, count in (("zhongfang", "closed_on_time"), ("hecheng", "A1"),
                            ("hecheng", "total"), ("city", "filed"))
    ]  # fmt: skip

    assert [one.value for one in made] == [value_in(run, one.body, one.count) for one in made]
    assert made[0].value == "27"
    assert {one.district for one in made} == {"zhongfang"}
    assert stand_of(OCTOBER).open_objections == 4
    assert stand_of(parse_period("2026-Q4")).open_objections == 4
    assert stand_of(parse_period("2026-11")).open_objections == 0


@pytest.mark.parametrize(
    ("role", "scope"),
    [(Role.DISPATCHER, ""), (Role.DISPATCHER, "zhongfang"), (Role.ADMIN, ""),
     (Role.UNIT_HEAD, "office")],
)  # fmt: skip
def test_others_do_not_object(run, role, scope):
    with pytest.raises(NotAllowed):
        objected(run, person("x", role, scope))

    assert Objection.objects.count() == 0


@pytest.mark.parametrize(
    ("body", "count", "text"),
    [("zhongfang", "none", "a"), ("nowhere", "filed", "a"), ("city", "total", "a"),
     ("zhongfang", "filed", "  "), ("zhongfang", "filed", "a" * 2001)],
)  # fmt: skip
def test_what_is_no_number_or_says_nothing_is_refused(run, leader, body, count, text):
    with pytest.raises(InvalidInput):
        objected(run, leader, body, count, text)

    assert Objection.objects.count() == 0


def test_may_be_objected_only_in_the_window_and_to_a_run_of_the_closed_period(run, leader):
    dated(closed=timedelta(days=1))
    with pytest.raises(PeriodClosed):
        objected(run, leader)
    window_over()
    with pytest.raises(PeriodClosed):
        objected(run, leader)
    dated()
    with pytest.raises(StalePeriod):
        raise_objection(
            period=OCTOBER, seen_run=run.pk + 1, body="hecheng", count="filed", text="a",
            actor=leader,
        )  # fmt: skip

    assert Objection.objects.count() == 0


def test_a_side_has_one_open_objection_to_a_number(run, leader, office):
    first = objected(run, leader)
    with pytest.raises(InvalidInput):
        objected(run, person("other", Role.SUPERVISOR, "zhongfang"))
    objected(run, person("rival", Role.LEADER, "hecheng"))
    answer_objection(objection=first.pk, upheld=False, answer="已核", actor=office[0])

    objected(run, leader)

    assert sorted(Objection.objects.values_list("district", "state")) == [
        ("hecheng", "open"), ("zhongfang", "open"), ("zhongfang", "rejected"),
    ]  # fmt: skip


def test_two_object_at_once_and_one_objection_stands(run, leader):
    colleague = person("other", Role.SUPERVISOR, "zhongfang")

    came = at_once(lambda: objected(run, leader), lambda: objected(run, colleague))

    assert sorted(came) == ["InvalidInput", "done"]
    assert Objection.objects.get().raised_by == [leader, colleague][came.index("done")]


def test_both_sides_argue_and_the_office_answers_with_a_reason(run, leader, office):
    made = objected(run, leader)
    say(objection=made.pk, text="见照片", actor=leader)
    say(objection=made.pk, text="哪一件?", actor=office[0])
    for actor in (person("rival", Role.LEADER, "hecheng"), person("d", Role.DISPATCHER)):
        with pytest.raises(NotAllowed):
            say(objection=made.pk, text="a", actor=actor)
    with pytest.raises(NotAllowed):
        answer_objection(objection=made.pk, upheld=True, answer="a", actor=leader)
    with pytest.raises(InvalidInput):
        answer_objection(objection=made.pk, upheld=True, answer=" ", actor=office[0])
    assert Objection.objects.get().is_open

    answer_objection(objection=made.pk, upheld=True, answer="属实, 已调整", actor=office[0])

    after = Objection.objects.get()
    assert (after.state, after.answer, after.answered_by) == ("upheld", "属实, 已调整", office[0])
    assert list(ObjectionMessage.objects.values_list("district", flat=True)) == [
        "zhongfang", "city",
    ]  # fmt: skip
    with pytest.raises(StalePeriod):
        say(objection=made.pk, text="a", actor=leader)
    with pytest.raises(StalePeriod):
        withdraw_objection(objection=made.pk, actor=leader)
    with pytest.raises(IntegrityError), transaction.atomic():
        Objection.objects.update(answer="x")
    with pytest.raises(IntegrityError), transaction.atomic():
        Objection.objects.all().delete()
    assert Objection.objects.get().answer == "属实, 已调整"


def test_the_office_objects_too_but_another_answers(run, office):
    made = objected(run, office[0])

    with pytest.raises(NotAllowed):
        answer_objection(objection=made.pk, upheld=True, answer="a", actor=office[0])
    answer_objection(objection=made.pk, upheld=False, answer="a", actor=office[1])

    assert Objection.objects.get().state == "rejected"


def test_its_own_side_takes_it_back_and_nobody_else(run, leader, office):
    made = objected(run, leader)
    for actor in (office[0], person("rival", Role.LEADER, "hecheng")):
        with pytest.raises(NotAllowed):
            withdraw_objection(objection=made.pk, actor=actor)
    assert Objection.objects.get().is_open

    withdraw_objection(objection=made.pk, actor=person("c", Role.ASSESSOR, "zhongfang"))

    assert Objection.objects.get().state == "withdrawn"


def test_it_is_answered_and_taken_back_at_once_and_one_holds(run, leader, office):
    made = objected(run, leader)

    came = at_once(
        lambda: answer_objection(objection=made.pk, upheld=True, answer="a", actor=office[0]),
        lambda: withdraw_objection(objection=made.pk, actor=leader),
    )

    assert sorted(came) == ["StalePeriod", "done"]
    assert Objection.objects.get().state == ["upheld", "withdrawn"][came.index("done")]


def test_an_open_objection_blocks_until_it_is_answered(run, leader, office):
    made = objected(run, leader)
    window_over()
    with pytest.raises(StillDisputed):
        submit_run(period=OCTOBER, seen_run=run.pk, reason="", actor=office[0])

    answer_objection(objection=made.pk, upheld=False, answer="a", actor=office[0])

    assert submit_run(period=OCTOBER, seen_run=run.pk, reason="", actor=office[0]).number == 1


def test_an_objection_to_a_month_blocks_the_quarter(run, leader, office):
    quarter = parse_period("2026-Q3")
    dated(quarter)
    window_over(quarter)
    september = parse_period("2026-09")
    dated(september)
    seen, whole = compute_run(september), compute_run(quarter)
    raise_objection(
        period=september, seen_run=seen.pk, body="hecheng", count="filed", text="a", actor=leader
    )
    window_over(september)

    with pytest.raises(StillDisputed):
        submit_run(period=quarter, seen_run=whole.pk, reason="", actor=office[0])


def adjustment(period="2026-10", number=LATE):
    now = timezone.now()
    assessor = person(f"a-{number}-{period}", Role.ASSESSOR)
    return Request.objects.create(
        case=Case.objects.get(number=number), kind="adjust", state="approved", period=period,
        effect="exempt", asked_by=assessor, asked_at=now, decided_by=assessor, decided_at=now,
    )  # fmt: skip


def test_an_adjustment_is_named_as_the_answer_once(run, leader, office):
    made = objected(run, leader)
    mine, other = adjustment(), adjustment("2026-09", "HHhecheng1")

    with pytest.raises(InvalidInput):
        link_adjustment(objection=made.pk, request=other.pk, actor=office[0])
    with pytest.raises(NotAllowed):
        link_adjustment(objection=made.pk, request=mine.pk, actor=leader)
    assert ObjectionAdjustment.objects.count() == 0
    link_adjustment(objection=made.pk, request=mine.pk, actor=office[0])
    with pytest.raises(InvalidInput):
        link_adjustment(objection=made.pk, request=mine.pk, actor=office[1])

    assert ObjectionAdjustment.objects.get().request == mine
