"""Periods, points, groups, totals and ranks."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

import scoring
from scoring.indicators import Assessed, Facts
from scoring.periods import BadPeriod, parse_period, periods_between
from scoring.rates import class_of, means_of_groups
from scoring.results import Beside, result_of, sums_of
from scoring.rollup import all_items, rank
from scoring.rules import half_up, points_of, ratio

SCHEME = json.loads((Path(scoring.__file__).parent / "data/scheme-2026-v1.json").read_text())
ITEMS = {item["code"]: item for item in all_items(SCHEME)}
CASE = Assessed(
    number="HH1",
    body="hecheng",
    tenths=10,
    left_undone=False,
    is_extended=False,
    is_suspended=False,
    is_key=False,
    source="inspector",
    limit_value=4,
    limit_unit="work_hour",
    cell="c1",
    minor="m1",
    unit="u1",
    filed_on=date(2026, 10, 1),
)


def printed_points(code, value):
    return half_up(points_of(ITEMS[code], value, {}))


def score_body(body, facts, wide):
    sums = [sums_of(one, SCHEME) for one in (facts, wide)]
    result = result_of(*sums, SCHEME, Beside([body]), months=1)
    return result["bodies"][0]


def test_periods_begin_at_local_midnight():
    month, quarter, year = (parse_period(n) for n in ("2026-10", "2026-Q3", "2026"))

    assert month.start == datetime(2026, 9, 30, 16, tzinfo=UTC)
    assert month.end == datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert month.wide_start == datetime(2026, 7, 31, 16, tzinfo=UTC)
    assert quarter.start == datetime(2026, 6, 30, 16, tzinfo=UTC)
    assert quarter.wide_start == quarter.start
    assert year.end == datetime(2026, 12, 31, 16, tzinfo=UTC)


def test_periods_of_a_log_come_newest_first():
    found = periods_between(datetime(2025, 12, 31, 15, tzinfo=UTC),
                            datetime(2026, 1, 31, 16, tzinfo=UTC))  # fmt: skip

    assert [period.name for period in found] == [
        "2026-02", "2026-01", "2025-12", "2026-Q1", "2025-Q4", "2026-H1", "2025-H2",
        "2026", "2025",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["2026-13", "2026-Q5", "26", "2026-1", "", "2026-10 ", "2026-00"])
def test_a_bad_period_is_refused(name):
    with pytest.raises(BadPeriod):
        parse_period(name)


def test_rounding_is_half_up():
    assert half_up(Fraction(1005, 1000)) == Decimal("1.01")
    assert half_up(Fraction(10049, 10000)) == Decimal("1.00")


@pytest.mark.parametrize(
    ("code", "credits", "printed"),
    [
        ("A1", (1136, 22, 58, 24), "17.19"), ("A1", (208, 4, 16, 8), "15.85"),
        ("A1", (143, 2, 4, 1), "18.53"), ("A1", (127, 3, 9, 3), "16.51"),
        ("A2", (450, 18, 36, 16), "15.52"), ("A2", (190, 12, 26, 12), "13.00"),
        ("A2", (90, 2, 5, 1), "17.45"), ("A2", (70, 3, 5, 2), "15.94"),
        ("A3", (238, 2, 8, 2), "13.44"), ("A3", (82, 1, 5, 2), "11.94"),
        ("A3", (42, 0, 2, 0), "13.64"), ("A3", (34, 1, 2, 1), "11.45"),
    ],
)  # fmt: skip
def test_worked_example_of_credits(code, credits, printed):
    worth = (10, 5, 4, 0)
    cases = [
        replace(CASE, number=f"{w}-{n}", cell=f"{w}-{n}", tenths=w)
        for w, many in zip(worth, credits, strict=True)
        for n in range(many)
    ]

    means, groups, _ = means_of_groups(cases)

    assert (groups, printed_points(code, 100 * means / groups)) == (sum(credits), Decimal(printed))


@pytest.mark.parametrize(
    ("code", "part", "whole", "printed"),
    [
        ("A4", 17, 2010, "9.15"), ("A4", 15, 566, "7.35"), ("A4", 1, 292, "9.66"),
        ("A4", 5, 260, "8.08"), ("A5", 2004, 2105, "7.60"), ("A5", 561, 604, "6.44"),
        ("A5", 289, 301, "8.01"), ("A5", 252, 271, "6.49"),
        ("A6", 86, 90, "7.78"), ("A6", 82, 90, "5.56"), ("A6", 87, 90, "8.33"),
        ("A6", 84, 90, "6.67"), ("A7", 71, 1180, "1.99"), ("A7", 15, 310, "2.58"),
        ("A7", 7, 170, "2.94"), ("A7", 9, 150, "2.00"), ("A8", 66, 2010, "9.72"),
        ("A8", 26, 566, "8.41"), ("A8", 6, 292, "10.00"), ("A8", 11, 260, "8.77"),
    ],
)  # fmt: skip
def test_worked_example_of_shares(code, part, whole, printed):
    value = ratio(part, whole)

    assert value is not None
    assert printed_points(code, value) == Decimal(printed)


def test_points_are_never_below_nothing():
    assert printed_points("A1", Fraction(0)) == Decimal("0.00")


def test_splitting_a_case_wins_nothing():
    late = replace(CASE, number="HH2", cell="c2", tenths=0)
    split = [replace(CASE, number=f"HH{n}") for n in range(3, 23)]

    assert means_of_groups([CASE, late]) == (1, 2, 2)
    assert means_of_groups([CASE, *split, late]) == (1, 2, 22)


def test_each_case_is_judged_by_one_item():
    assert class_of(CASE, SCHEME["cases"]) == "quick"
    assert class_of(replace(CASE, limit_value=2, limit_unit="work_day"), SCHEME["cases"]) == "works"
    assert class_of(replace(CASE, limit_unit="emergency_day"), SCHEME["cases"]) == "urgent"
    assert class_of(replace(CASE, source="media"), SCHEME["cases"]) == "urgent"
    assert class_of(replace(CASE, is_key=True), SCHEME["cases"]) == "urgent"


def _facts(cases, checks=0):
    counted = {("hecheng", "assessed"): [c.number for c in cases]}
    if checks:
        counted |= {("hecheng", n): ["HH1"] * checks for n in ("checks", "checks_passed")}
    return Facts(counted, set(cases))


def test_missing_items_share_out_their_weight_and_the_sheet_adds_up():
    quick = [replace(CASE, number=f"HH{n}", cell=f"c{n}") for n in range(30)]
    facts = _facts(quick, checks=12)

    sheet = score_body("hecheng", facts, facts)

    assert [(i["code"], i["points"]) for i in sheet["items"] if i["points"]] == [
        ("A1", "40.00"), ("A4", "20.00"), ("A5", "20.00"), ("A8", "20.00"),
    ]  # fmt: skip
    assert (sheet["total"], sheet["few_cases"]) == ("100.00", False)


def _item(code, facts, wide):
    items = score_body("hecheng", facts, wide)["items"]
    return next(item for item in items if item["code"] == code)


def test_held_cases_are_those_extended_or_suspended():
    cases = [replace(CASE, number=f"HH{n}", cell=f"c{n}") for n in range(18)]
    cases += [replace(CASE, number="HH18", is_extended=True)]
    cases += [replace(CASE, number="HH19", is_suspended=True)]

    held = _item("A8", _facts(cases), _facts(cases))

    # 2 of 20 are 10 %; what is over 3 % costs 7 of 10 points, and 40 of 100 are present.
    assert (held["value"], held["points"], held["listed"]) == ("10.00", "7.50", 2)


def _shares(part, whole, counts):
    names = dict(zip(counts, (part, whole), strict=True))
    return Facts({("hecheng", name): ["HH1"] * times for name, times in names.items()})


def test_closure_audits_are_judged_over_three_months():
    month, wide = (_shares(n - 1, n, ("audits_passed", "audits")) for n in (20, 40))

    audit = _item("A6", month, wide)

    assert (audit["value"], audit["groups"], audit["three_months"]) == ("97.50", 40, True)


def test_recurrence_is_a_share_of_the_closings_watched():
    facts = _shares(1, 20, ("recurrent", "closings"))

    recurrence = _item("A7", facts, facts)

    assert (recurrence["value"], recurrence["cases"], recurrence["listed"]) == ("5.00", 20, 20)


def test_few_groups_take_three_months_and_few_cases_are_not_ranked():
    few = _facts([replace(CASE, number=f"HH{n}", cell=f"c{n}") for n in range(9)])
    wide = _facts([replace(CASE, number=f"HH{n}", cell=f"c{n}") for n in range(10)])

    assert score_body("hecheng", few, few)["total"] is None
    sheet = score_body("hecheng", few, wide)
    assert sheet["items"][0]["three_months"] is True
    assert sheet["few_cases"] is True


def test_equal_totals_share_a_rank_and_small_gaps_are_said():
    totals = {"a": "90.00", "b": "90.00", "c": "88.00", "d": "86.01"}
    bodies = [{"body": b, "total": t, "few_cases": False} for b, t in totals.items()]

    rank(bodies, SCHEME, is_month=True)

    assert [(b["rank"], b["grade"], b["close"]) for b in bodies] == [
        (1, "A", True), (1, "A", False), (3, "B", True), (4, "B", False),
    ]  # fmt: skip
