"""What an agenda proposes of a simulated city, against the same rules told case by case."""

from datetime import timedelta
from fractions import Fraction

import pytest

from cases.choices import UNIT_STAGES, LimitUnit
from cases.clock import Limit
from cases.models import Case, CityOptions, Event, Refusal
from cases.plane import metres
from cases.recurrence import NEAR_M, WITHIN
from cases.selectors.calendars import load_calendar
from cases.selectors.deadline import seconds_left
from cityops.accounts.roles import Role
from scoring.agenda import LATELY, MOST, proposals
from scoring.models import Objection, Run, ScoredPeriod
from scoring.periods import month_of
from scoring.schemes import seal_of
from scoring.versions import scheme_of
from tests.scoring.periods_city import rule
from tests.support.months import UNTIL, days
from tests.support.people import person

__all__ = ["days"]
AT = UNTIL + timedelta(days=6)  # when what was open at the end has become late
pytestmark = pytest.mark.usefixtures("days", "db")


@pytest.fixture
def office(db):
    return person("agenda-office", Role.ASSESSOR)


def proposed(office, why, at=AT):
    """Return (subject, reason) of what was proposed for one reason, in order."""
    return [
        (one.subject, reason)
        for one in proposals(office, at=at)
        for reason in one.reasons
        if reason["why"] == why
    ]


def over(case):
    limit = Limit(case.limit_value, LimitUnit(case.limit_unit))
    left = seconds_left(case, case.due_at, at=AT)
    return Fraction(-left, limit.seconds(load_calendar(case.calendar_version)))


def test_the_worst_overdue_are_the_latest_of_all_for_their_limit(office):
    late = [c for c in Case.objects.filter(stage__in=UNIT_STAGES) if c.due_at < AT]
    assert len(late) > 2 * MOST
    assert len({(c.limit_unit, c.limit_value) for c in late}) > 3

    found = proposed(office, "overdue")

    worst = sorted(late, key=lambda case: (-over(case), case.number))[:MOST]
    assert [(subject, reason["multiple"]) for subject, reason in found] == [
        (f"case:{case.number}", f"{float(over(case)):.2f}") for case in worst
    ]


def came_back():
    """Return the closings that came back by (area, class): the rule told for each pair of cases."""
    forced = set(Event.objects.filter(action="force_close").values_list("case", "at"))
    cases = [
        case
        for case in Case.objects.select_related("minor").filter(point__isnull=False)
        if case.minor.recurs and not case.is_self_handled
    ]
    found = {}
    for shut in cases:
        if shut.stage != "closed" or (shut.pk, shut.closed_at) in forced:
            continue
        for filed in cases:
            is_after = filed.filed_at and shut.closed_at <= filed.filed_at
            if (
                filed.pk != shut.pk
                and filed.minor_id == shut.minor_id
                and filed.stage not in ("declined", "voided", "merged")
                and is_after
                and filed.filed_at - shut.closed_at <= WITHIN
                and metres(*(f"{c.point.x},{c.point.y}" for c in (shut, filed))) <= NEAR_M
            ):
                area = shut.grid_cell or shut.community or shut.street
                found.setdefault((area, shut.minor_id), set()).add(shut.number)
    return found


def test_places_with_most_returns_come_first(office):
    back_again()
    expected = came_back()
    assert expected

    found = proposed(office, "repeated")

    most = sorted(expected, key=lambda place: (-len(expected[place]), place))[:MOST]
    assert [(subject, reason["times"]) for subject, reason in found] == [
        (f"place:{area}/{minor}", len(expected[area, minor])) for area, minor in most
    ]


def back_again():
    """Let what is open of a class be at the place of what was closed of it, in the tables alone."""
    closed = Case.objects.filter(stage="closed", minor__recurs=True, point__isnull=False)
    closed = closed.exclude(is_self_handled=True).order_by("pk")
    filed = Case.objects.open().filter(filed_at__isnull=False).order_by("pk")
    for number, (shut, again) in enumerate(zip(closed[:40], filed[:40], strict=False)):
        Case.objects.filter(pk=again.pk).update(
            minor=shut.minor,
            point=shut.point,
            filed_at=shut.closed_at + timedelta(days=number % 9, seconds=-(number % 5)),
        )


def test_disputes_returns_shirking_and_objections_are_proposed(office):
    cases = list(Case.objects.open().exclude(unit=None).order_by("pk")[:3])
    Case.objects.filter(pk=cases[0].pk).update(return_count=5)
    Case.objects.filter(pk=cases[1].pk).update(return_count=1)
    for case, ruling, ago in (
        (cases[1], "unjustified", 1),
        (cases[1], "justified", 1),
        (cases[2], "unjustified", LATELY.days + 1),
    ):
        at = AT - timedelta(days=ago)
        words = {"unit": case.unit, "reason": "not_ours", "returned_at": at, "ruled_at": at}
        Refusal.objects.create(case=case, ruling=ruling, **words)
    objection = objected()

    assert proposed(office, "returned")[0] == (
        f"case:{cases[0].number}", {"why": "returned", "times": 5},
    )  # fmt: skip
    shirked = [(s, r) for s, r in proposed(office, "shirked") if s.endswith(cases[1].number)]
    assert shirked == [(f"case:{cases[1].number}", {"why": "shirked", "body": cases[1].unit.body})]
    assert f"case:{cases[2].number}" not in dict(proposed(office, "shirked"))
    assert [subject for subject, _ in proposed(office, "objection")] == [
        f"objection:{objection.pk}"
    ]
    Objection.objects.filter(pk=objection.pk).update(
        state="withdrawn", answered_by=office, answered_at=AT
    )
    assert proposed(office, "objection") == []


def objected():
    month = month_of(UNTIL)
    ScoredPeriod.objects.create(
        name=month.name, ends_at=month.end, closes_at=month.end, window_until=month.end
    )
    run = Run.objects.create(
        period=month.name, as_of=UNTIL, heads={}, scheme=scheme_of(), inputs_digest="a",
        result="{}", seal=seal_of("{}"),
    )  # fmt: skip
    return Objection.objects.create(
        period_id=month.name, run=run, body="hecheng", count="filed", value="1",
        district="zhongfang", text="a", raised_by=person("objects", Role.LEADER, "zhongfang"),
        raised_at=UNTIL,
    )  # fmt: skip


def test_open_cases_in_trouble_beside_a_border_are_proposed(office):
    within = CityOptions.objects.get().border_warning_m
    Case.objects.update(border_m=within + 1)
    near, late, quiet = Case.objects.open().exclude(due_at=None).order_by("-pk")[:3]
    Case.objects.filter(pk=near.pk).update(border_m=within, return_count=1)
    Case.objects.filter(pk=late.pk).update(border_m=0, lamp_due_at=AT - timedelta(days=900))
    Case.objects.filter(pk=quiet.pk).update(
        border_m=0, lamp_due_at=AT + timedelta(days=1), was_late=False, return_count=0
    )

    found = proposed(office, "border")

    assert dict(found) == {
        f"case:{late.number}": {"why": "border", "metres": 0},
        f"case:{near.number}": {"why": "border", "metres": within},
    }


def test_open_cases_that_went_to_another_district_are_proposed(office):
    ends = {"from_district": "hecheng", "to_district": "landport"}
    moved, filed, over = (
        *Case.objects.open().order_by("pk")[:2], Case.objects.filter(stage="closed").first(),
    )  # fmt: skip
    for case, by in ((moved, "arbitrate"), (filed, "file"), (over, "transfer")):
        rule(case.number, "moved_in", by=by, **ends)

    found = dict(proposed(office, "moved"))

    assert found.pop(f"case:{moved.number}") == {
        "why": "moved", "from": "hecheng", "to": "landport",
    }  # fmt: skip
    assert {f"case:{case.number}" for case in (filed, over)}.isdisjoint(found)


def test_only_what_the_reader_sees_is_proposed(office):
    district = person("agenda-district", Role.ASSESSOR, "hecheng")

    numbers = {number for one in proposals(district, at=AT) for number in one.numbers}

    seen = Case.objects.filter(number__in=numbers).visible_to(district)
    assert numbers
    assert seen.count() == len(numbers)
