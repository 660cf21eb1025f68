"""The one sentence: who moved most and through which item, and what it links to."""

from decimal import Decimal

from scoring.sentence import sentence_of, worth_of
from scoring.sheet import Number


def body(name, total, was, points, **said):
    """Return a body as the ranking shows it; `points` of A1 in S, which brings 60 of 100, and B."""
    items = [
        {"code": "A1", "part": "S", "points": points[0], "full": "100.00"},
        {"code": "B", "part": "", "points": points[1], "full": "40.00"},
    ]
    lines = [{**item, "name": item["code"], "number": Number("A1", 53, "/list/")} for item in items]
    return {
        "body": name, "name": name, "total": total, "rank": 1, "items": items, "lines": lines,
        "change": None if was is None else Decimal(total) - Decimal(was),
        "parts": [{"code": "S", "part": "", "full": "60.00", "of": "100.00", "points": "1"}],
        "overdue": Number("late", 0, "/late/"), "why": None, **said,
    }  # fmt: skip


def test_it_names_who_moved_most_and_the_item_that_moved_it():
    now = [body("a", "88.00", "89.00", ("90", "34")), body("b", "80.00", "86.00", ("80", "32"))]
    before = {
        "a": body("a", "89.00", None, ("92", "34")),
        "b": body("b", "86.00", None, ("95", "29")),
    }

    said = sentence_of(now, before, "September 2026")

    assert said.body == "b"
    assert said.text == (
        "b has 80.00, down 6.00 from September 2026, mainly through “A1”: 80 of 100.00 points."
    )
    assert [(link.words, link.number.address) for link in said.links] == [
        ("see its 53 cases", "/list/")
    ]


def test_an_item_counts_by_what_its_part_brings():
    assert worth_of(body("a", "1", None, ("50", "20"))) == {"A1": 30, "B": 20}


def test_without_a_period_before_it_names_the_last_and_where_it_lost_most():
    why = {"name": "A2", "lost": Decimal("7.00"), "full": "20.00", "number": None}
    now = [body("a", "88.00", None, ("1", "1")),
           body("b", "70.00", None, ("1", "1"), rank=2, why=why,
                overdue=Number("late", 21, "/late/"))]  # fmt: skip

    said = sentence_of(now, {}, "September 2026")

    assert said.text == "b stands last with 70.00. It lost most in “A2”: 7.00 of 20.00 points."
    assert [link.words for link in said.links] == ["see 21 overdue cases"]


def test_nobody_ranked_says_nothing():
    assert sentence_of([body("a", "88.00", None, ("1", "1"), rank=None)], {}, "") is None
