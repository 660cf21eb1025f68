"""The shipped schemes against sums worked by hand, through the engine that scores a month.

Each case names the measures of several bodies and what a clerk with pencil and paper gets; the
sums stand in the comments. Rounding: half up to two places, each printed figure once.
"""

import json
from fractions import Fraction
from pathlib import Path

import pytest

import scoring
from scoring.rollup import Entry, Inputs, score
from scoring.rules import Measure

DATA = Path(scoring.__file__).parent / "data"


def shipped(name):
    return json.loads((DATA / f"scheme-{name}.json").read_text("utf-8"))


def rate(part, whole):
    """Return a rate as counting gives it; an empty whole has no value."""
    return Measure(Fraction(100 * part, whole) if whole else None, whole, whole)


def times(number, key=0):
    return Measure(Fraction(number), None, number, key)


def body(name, now, *, sample=100, kind="", **entered):
    entries = {code: Entry(Fraction(points), 7) for code, points in entered.items()}
    return Inputs(name, now, now, sample, kind, entries)


def sheets_of(scheme, bodies, months=1):
    return {sheet["body"]: sheet for sheet in score(scheme, bodies, months=months)}


def points(sheet):
    return {line["code"]: line["points"] for line in sheet["items"]}


def outcome(sheet):
    return sheet["total"], sheet["rank"], sheet["grade"]


# --- the default scheme: the worked example of assessment.md §8, to the last digit ---------------


def credit(ones, halves, forties, nothing):
    whole = ones + halves + forties + nothing
    value = (ones + Fraction(halves, 2) + Fraction(2 * forties, 5)) * 100 / whole
    return Measure(value, whole, whole)


def default_body(name, a1, a2, a3, shares, onsite, satisfaction, tasks, **counts):
    a4, a5, a6, a7, a8 = (rate(*pair) for pair in shares)
    measured = {
        "quick_credit": credit(*a1),
        "works_credit": credit(*a2),
        "urgent_credit": credit(*a3),
        "left_undone_rate": a4,
        "check_pass_rate": a5,
        "audit_pass_rate": a6,
        "recurrence_rate": a7,
        "held_rate": a8,
        "onsite": Measure(Fraction(onsite), 24, 24),
        "satisfaction": Measure(Fraction(satisfaction), 30, 30),
        "key_tasks": rate(*tasks),
        "falsified": times(counts.get("falsified", 0)),
        "refused_wrongly": times(counts.get("refused", 0)),
        "shirk_rate": rate(counts.get("shirked", 0), shares[0][1]),
    }
    return body(name, measured, sample=shares[0][1])


def four(**changed):
    said = {
        "hecheng": (
            (1136, 22, 58, 24), (450, 18, 36, 16), (238, 2, 8, 2),
            ((17, 2010), (2004, 2105), (86, 90), (71, 1180), (66, 2010)),
            "86.40", "79.20", (11, 12), {"refused": 1},
        ),
        "zhongfang": (
            (208, 4, 16, 8), (190, 12, 26, 12), (82, 1, 5, 2),
            ((15, 566), (561, 604), (82, 90), (15, 310), (26, 566)),
            "84.10", "81.50", (9, 10), {},
        ),
        "hightech": (
            (143, 2, 4, 1), (90, 2, 5, 1), (42, 0, 2, 0),
            ((1, 292), (289, 301), (87, 90), (7, 170), (6, 292)),
            "90.30", "82.00", (8, 8), {},
        ),
        "landport": (
            (127, 3, 9, 3), (70, 3, 5, 2), (34, 1, 2, 1),
            ((5, 260), (252, 271), (84, 90), (9, 150), (11, 260)),
            "85.70", "78.60", (7, 8), {"falsified": 1},
        ),
    } | changed  # fmt: skip
    return [default_body(name, *told, **counts) for name, (*told, counts) in said.items()]


def test_the_worked_example_of_the_default_scheme():
    sheets = sheets_of(shipped("2026-v1"), four())

    assert {n: (s["parts"][0]["score"], s["parts"][0]["points"]) for n, s in sheets.items()} == {
        "hecheng": ("82.39", "49.43"),
        "zhongfang": ("71.13", "42.68"),
        "hightech": ("88.56", "53.14"),
        "landport": ("75.91", "45.55"),
    }
    assert {n: [points(s)[c] for c in "BCD"] for n, s in sheets.items()} == {
        "hecheng": ["21.60", "7.92", "4.58"],
        "zhongfang": ["21.03", "8.15", "4.50"],
        "hightech": ["22.58", "8.20", "5.00"],
        "landport": ["21.43", "7.86", "4.38"],
    }
    assert {n: s["deductions"]["points"] for n, s in sheets.items()} == {
        "hecheng": "0.50", "zhongfang": "0.00", "hightech": "0.00", "landport": "1.00",
    }  # fmt: skip
    assert {n: outcome(s) for n, s in sheets.items()} == {
        "hightech": ("88.92", 1, "B"),
        "hecheng": ("83.03", 2, "B"),
        "landport": ("78.22", 3, "B"),
        "zhongfang": ("76.36", 4, "B"),
    }
    assert [n for n, s in sheets.items() if s["close"]] == ["landport"]  # 78.22 - 76.36 = 1.86
    assert sheets["zhongfang"]["weakest"] == "A2"
    assert points(sheets["zhongfang"])["A1"] == "15.85"


def test_a_part_one_of_the_four_lacks_is_dropped_for_all_four():
    bodies = four()
    bodies[0].now["onsite"] = Measure(None, 0)

    sheets = sheets_of(shipped("2026-v1"), bodies)

    # Without the 25 of the inspection 75 are left, each weight times 4/3. The High-tech Zone:
    # 88.56 x 0.6 x 4/3 = 70.848; 82.00 x 0.1 x 4/3 = 10.933; 5 x 4/3 = 6.666: 88.45.
    assert {points(s)["B"] for s in sheets.values()} == {None}
    assert sheets["hightech"]["parts"][0]["points"] == "70.85"
    assert (points(sheets["hightech"])["C"], points(sheets["hightech"])["D"]) == ("10.93", "6.67")
    assert sheets["hightech"]["total"] == "88.45"


def test_deductions_stop_at_ten_a_month_and_thirty_a_quarter():
    told = four()[3]
    bodies = [body("landport", told.now | {"falsified": times(24)}, sample=260)]

    month, quarter = (sheets_of(shipped("2026-v1"), bodies, m)["landport"] for m in (1, 3))

    # 45.55 + 21.43 + 7.86 + 4.38 = 79.22.
    assert (month["deductions"]["items"][0]["points"], month["total"]) == ("24.00", "69.22")
    assert quarter["total"] == "55.22"


def test_shirking_costs_half_a_point_a_percent_of_m():
    told = four()[1]
    shirked = told.now | {"shirk_rate": rate(5, 566)}

    sheet = sheets_of(shipped("2026-v1"), [body("zhongfang", shirked, sample=566)])["zhongfang"]

    # 0.5 x 5 / 566 x 100 = 0.4416...
    assert sheet["deductions"]["items"][2]["points"] == "0.44"


# --- 区域评价: 10 % public reports, 20 % band of cases a cell, 30 % closed, 40 % on time ---------


def region(name, public, per_cell, closed, on_time, **more):
    measured = {
        "public_report_rate": rate(*public),
        "filed_per_cell": Measure(None if per_cell is None else Fraction(per_cell)),
        "closure_rate": rate(*closed),
        "on_time_closure_rate": rate(*on_time),
    }
    return body(name, measured, **more)


def test_the_region_score():
    sheets = sheets_of(
        shipped("example-region"),
        [
            # 10 x 94.00 % = 9.40; 3.5 a cell: up to 4, 75 % of 20 = 15.00;
            # 30 x 190/200 = 28.50; 40 x 170/200 = 34.00; together 86.90.
            region("hecheng", (12, 200), "3.5", (190, 200), (170, 200)),
            # 10 x (1 - 1/30) = 9.666 -> 9.67; exactly 2 a cell: still 90 % of 20 = 18.00;
            # 30 x 29/30 = 29.00; 40 x 28/30 = 37.333 -> 37.33; together 94.00.
            region("landport", (1, 30), "2", (29, 30), (28, 30)),
            # 8.01 a cell: past the last end, 0; 10 x 100 % = 10.00; 30 x 1/3 = 10.00;
            # 40 x 1/3 = 13.333 -> 13.33; together 33.33.
            region("zhongfang", (0, 60), "8.01", (20, 60), (20, 60)),
            # No cells are drawn there: 80 points are left, each x 100/80.
            # 12.50 x 1; 37.50 x 0.5 = 18.75; 50 x 0.5 = 25.00; together 56.25.
            region("hightech", (0, 20), None, (10, 20), (10, 20)),
        ],
    )

    assert points(sheets["hecheng"]) == {"R1": "9.40", "R2": "15.00", "R3": "28.50", "R4": "34.00"}
    assert points(sheets["landport"]) == {"R1": "9.67", "R2": "18.00", "R3": "29.00", "R4": "37.33"}
    assert points(sheets["zhongfang"])["R2"] == "0.00"
    assert points(sheets["hightech"]) == {"R1": "12.50", "R2": None, "R3": "18.75", "R4": "25.00"}
    assert {n: outcome(s) for n, s in sheets.items()} == {
        "landport": ("94.00", 1, "A"),
        "hecheng": ("86.90", 2, "B"),
        "hightech": ("56.25", 3, "D"),
        "zhongfang": ("33.33", 4, "E"),
    }


# --- 部门评价: kinds of unit ranked apart ---------------------------------------------------------


def unit(name, held, closed, on_time, reworked, kind="sanitation", **more):
    measured = {
        "cases_held": times(held),
        "closure_rate": rate(*closed),
        "on_time_handling_rate": rate(*on_time),
        "rework_to_close": rate(reworked, closed[1]),
    }
    return body(name, measured, kind=kind, **more)


def test_the_department_score():
    sheets = sheets_of(
        shipped("example-department"),
        [
            # 50 held: up to 50, 10.00; 30 x 45/50 = 27.00; 30 x 40/50 = 24.00;
            # 30 x (1 - 5/50) = 27.00; together 88.00.
            unit("a", 50, (45, 50), (40, 50), 5),
            # 51 held: the next band, 9.00; 30 x 1 = 30.00; 30 x 22/25 = 26.40;
            # 30 x (1 - 13/50) = 22.20; together 87.60.
            unit("b", 51, (50, 50), (44, 50), 13),
            # The same as a: a tie, both first, and the next of the kind third.
            unit("c", 50, (45, 50), (40, 50), 5),
            # More reworks than closings due, as that formula allows: 0, never less.
            # 1001 held: 0; 30 x 0.5 = 15.00; 15.00; 0.00; together 30.00. Alone of its kind.
            unit("d", 1001, (10, 20), (10, 20), 21, kind="municipal"),
            # Nothing was due: every rate is empty, only the band of cases is left.
            unit("e", 0, (0, 0), (0, 0), 0, sample=0),
        ],
    )

    assert points(sheets["a"]) == {"P1": "10.00", "P2": "27.00", "P3": "24.00", "P4": "27.00"}
    assert points(sheets["b"]) == {"P1": "9.00", "P2": "30.00", "P3": "26.40", "P4": "22.20"}
    assert points(sheets["d"])["P4"] == "0.00"
    assert {n: (s["total"], s["rank"], s["group"]) for n, s in sheets.items()} == {
        "a": ("88.00", 1, "sanitation"),
        "c": ("88.00", 1, "sanitation"),
        "b": ("87.60", 3, "sanitation"),
        "d": ("30.00", 1, "municipal"),
        "e": ("100.00", None, "sanitation"),
    }
    assert sheets["e"]["few_cases"] is True


# --- Yuncheng: late closings count 0.4; 50 system, 20 brigade, 30 sub-district -------------------


def team(name, on_time, late, extended, reworked, whole, **entered):
    measured = {
        "on_time_closure_rate": rate(on_time, whole),
        "overdue_closure_rate": rate(late, whole),
        "extension_to_close": rate(extended, whole),
        "rework_to_close": rate(reworked, whole),
    }
    return body(name, measured, sample=whole, **entered)


def test_the_yuncheng_score():
    sheets = sheets_of(
        shipped("example-yuncheng"),
        [
            # 80 % on time + 0.4 x 15 % = 86 %: 80 x 0.86 = 68.80; 10 x 0.95 = 9.50; 10 x 0.98 =
            # 9.80; system 88.10, half of it 44.05; + 18.50 + 27.25 = 89.80; + 1.50 = 91.30.
            team("a", 160, 30, 10, 4, 200, Y4="18.5", Y5="27.25", J1="1.5"),
            # 150/151 + 0.4 x 1/151: 80 x 150.4/151 = 79.6821 -> 79.68; 10.00; 10.00; system 99.68,
            # half 49.84; + 20 + 30 = 99.84; a bonus of 9 stops at 5; the total stops at 100.
            team("b", 150, 1, 0, 0, 151, Y4="20", Y5="30", J1="9"),
            # 40 % + 0.4 x 10 % = 44 %: 35.20; 10 x 0.9 = 9.00; 10.00; system 54.20, half 27.10;
            # + 10 + 12 = 49.10; less a deduction of 2.25: 46.85.
            team("c", 40, 10, 10, 0, 100, Y4="10", Y5="12", K1="2.25"),
        ],
    )

    assert [points(sheets["a"])[c] for c in ("Y1", "Y2", "Y3")] == ["68.80", "9.50", "9.80"]
    assert sheets["a"]["parts"][0]["points"] == "44.05"
    assert points(sheets["b"])["Y1"] == "79.68"
    assert sheets["b"]["bonuses"] == {
        "items": [{"code": "J1", "entry": 7, "points": "5.00"}],
        "points": "5.00",
    }
    assert {n: outcome(s) for n, s in sheets.items()} == {
        "b": ("100.00", 1, "A"),
        "a": ("91.30", 2, "A"),
        "c": ("46.85", 3, "D"),
    }


def test_an_appraisal_one_team_lacks_counts_for_none():
    sheets = sheets_of(
        shipped("example-yuncheng"),
        [
            team("a", 160, 30, 10, 4, 200, Y4="18.5", Y5="27.25"),
            team("b", 200, 0, 0, 0, 200, Y4="20"),
        ],
    )

    # The sub-district appraisal's 30 go to the other 70, each x 10/7:
    # 88.10 x 0.5 x 10/7 = 62.928 -> 62.93; 18.50 x 10/7 = 26.428 -> 26.43; together 89.36.
    assert points(sheets["a"])["Y5"] is None
    assert (sheets["a"]["parts"][0]["points"], points(sheets["a"])["Y4"]) == ("62.93", "26.43")
    assert (sheets["a"]["total"], sheets["b"]["total"]) == ("89.36", "100.00")


# --- Jinniu: five rates of streets ---------------------------------------------------------------


def street(name, handled, on_time, need, reworked, close, waiting, extended, **more):
    measured = {
        "handling_rate": rate(handled, need),
        "on_time_handling_rate": rate(on_time, need),
        "rework_to_close": rate(reworked, close),
        "overdue_unhandled_rate": rate(waiting, need),
        "extension_to_handle": rate(extended, need),
    }
    return body(name, measured, **more)


def test_the_jinniu_score():
    sheets = sheets_of(
        shipped("example-jinniu"),
        [
            # 30 x 110/120 = 27.50; 20 x 100/120 = 16.666 -> 16.67; 20 x (1 - 6/118) = 18.983 ->
            # 18.98; 20 x (1 - 10/120) = 18.333 -> 18.33; 10 x (1 - 3/120) = 9.75; together 91.23.
            street("a", 110, 100, 120, 6, 118, 10, 3),
            # 30 x 9/9 -> below ten: taken over three months, which are as short here: "-" but for
            # nothing. No total, no rank.
            street("b", 9, 9, 9, 0, 9, 0, 0, sample=9),
            # 30.00 + 20.00 + 20 x (1 - 1/16) = 18.75 + 20.00 + 10 x (1 - 8/16) = 5.00: 93.75.
            street("c", 16, 16, 16, 1, 16, 0, 8, sample=30),
        ],
    )

    assert list(points(sheets["a"]).values()) == ["27.50", "16.67", "18.98", "18.33", "9.75"]
    assert {n: outcome(s) for n, s in sheets.items()} == {
        "c": ("93.75", 1, "A"),
        "a": ("91.23", 2, "A"),
        "b": (None, None, None),
    }
    assert sheets["a"]["close"] is False
    assert sheets["c"]["close"] is False  # 93.75 - 91.23 = 2.52


# --- Jinhua: thresholds, charges in steps, key cases double --------------------------------------


def county(name, on_time, closed, urgent, urgent_on_time, whole, *, charges=(), **entered):
    reworks, falsified, shirked = charges or (times(0),) * 3
    measured = {
        "on_time_closure_rate": rate(on_time, whole),
        "closure_rate": rate(closed, whole),
        "urgent_closure_rate": rate(*urgent),
        "urgent_on_time_rate": rate(*urgent_on_time),
        "reworked_times": reworks,
        "falsified": falsified,
        "shirked": shirked,
    }
    return body(name, measured, sample=whole, **entered)


def test_the_jinhua_score():
    manual = {"H5": "4.5", "H6": "8"}
    sheets = sheets_of(
        shipped("example-jinhua"),
        [
            # 70.0 % on time and 90.0 % closed: just full, 50.00 and 20.00. Urgent 19 of 20 closed,
            # -0.5 x 5 = -2.50; 18 of 20 on time, -0.5 x (95 - 90) = -2.50: 5.00. Two reworks at
            # 0.2 and two more at 0.5: 1.40 off: 3.60. + 4.50 + 8.00 = 91.10.
            county(
                "a",
                140,
                180,
                (19, 20),
                (18, 20),
                200,
                charges=(times(4), times(0), times(0)),
                **manual,
            ),
            # 65.5 % on time: 50 - 4.5 = 45.50; 85 % closed: 20 - 5 = 15.00; urgent all on time:
            # 10.00. One rework in a key case counts twice, 0.40 off, one falsified likewise, 2.00
            # off, and one shirked, 1.00 off, leave 1.60 of the five. With 12.50 more it is 84.60.
            county(
                "b",
                131,
                170,
                (12, 12),
                (12, 12),
                200,
                charges=(times(1, 1), times(1, 1), times(1)),
                **manual,
            ),
            # The cap: 3 falsified, 3 shirked are 6.00 off 5: 0.00. 50.00 + 20.00 + 10.00 + 12.50.
            county(
                "c",
                200,
                200,
                (12, 12),
                (12, 12),
                200,
                charges=(times(0), times(3), times(3)),
                **manual,
            ),
            # 10 % on time: 50 - 60, never below 0: 0.00; 20 % closed: 0.00; urgent 5.00 + 12.50;
            # of ten urgent ones none closed: -50 and -47.5: 0.00. Quality 5.00: together 17.50.
            county("d", 20, 40, (0, 10), (0, 10), 200, **manual),
        ],
    )

    assert list(points(sheets["a"]).values()) == ["50.00", "20.00", "5.00", "3.60", "4.50", "8.00"]
    assert list(points(sheets["b"]).values()) == ["45.50", "15.00", "10.00", "1.60", "4.50", "8.00"]
    assert points(sheets["c"])["H4"] == "0.00"
    assert {n: outcome(s) for n, s in sheets.items()} == {
        "c": ("92.50", 1, "A"),
        "a": ("91.10", 2, "A"),
        "b": ("84.60", 3, "B"),
        "d": ("17.50", 4, "E"),
    }
    assert sheets["c"]["close"] is True  # 92.50 - 91.10 = 1.40
    # The value of an item of several terms is that of each of them.
    terms = next(i for i in sheets["a"]["items"] if i["code"] == "H3")
    assert (terms["value"], terms["values"]) == (None, ["95.00", "90.00"])


@pytest.mark.parametrize(
    ("reworks", "off"),
    [(0, "0.00"), (1, "0.20"), (2, "0.40"), (3, "0.90"), (5, "1.90"), (12, "5.00")],
)
def test_reworks_cost_more_from_the_third_on(reworks, off):
    charges = (times(reworks), times(0), times(0))
    told = county("a", 200, 200, (12, 12), (12, 12), 200, charges=charges, H5="5", H6="10")

    sheet = sheets_of(shipped("example-jinhua"), [told])["a"]

    assert Fraction(points(sheet)["H4"]) == 5 - Fraction(off)
