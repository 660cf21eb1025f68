"""The golden cases of assessment.md §5: October, cut off on 3 November 09:00, then November.

Each is counted by the fold, and all of them together once more by SQL.
"""

from collections import Counter
from dataclasses import replace

import pytest

from scoring.indicators import facts_of
from scoring.periods import parse_period
from scoring.selectors import facts_between
from tests.scoring.ledger import write
from tests.scoring.logs import Story, day

MONTHS = {
    "October": (parse_period("2026-10"), day("11-03 09:00")),
    "November": (parse_period("2026-11"), day("12-03 09:00")),
}
CHECKED = ("checks", "checks_passed")
ON_TIME = ("handled", "handled_on_time", "closed", "closed_on_time", "assessed", *CHECKED)
LATE = ("handled", "closed", "assessed", *CHECKED)
APART = {  # sums, and what is measured of the centre
    "need_dispatch", "need_handle", "need_handle_judged", "should_close", "should_close_judged",
    "backlog_in", "backlog_out", "decided_reports", "valid_reports", "first_finished",
    "accurate_dispatch",
    *(f"{kind}_{word}" for kind in ("accept", "dispatch", "sign", "check")
      for word in ("clocks", "on_time")),
}  # fmt: skip


def case(filed, due, **said):
    """Return a case filed, dispatched to A and signed for on one day."""
    story = Story(**said).filed(day(filed)).given(day(filed), day(due), unit="A")
    return story.signed(day(filed))


def closed(story, finished, closed):
    return story.finished(day(finished)).checked(day(closed)).closed(day(closed))


def handed_on(body):
    story = case("10-05", "10-10")
    story.given(day("10-12"), day("10-20"), unit="B", body=body, action="reassign")
    return closed(story.signed(day("10-12")), "10-15", "10-16")


def reworked():
    story = case("10-30", "11-03").finished(day("10-31 10:00"))
    story.checked(day("11-01 08:00"), passed=False).reworked(day("11-01 09:00"), day("11-04"))
    return closed(story, "11-02", "11-02")


def reopened():
    story = closed(case("10-20", "10-30"), "10-27", "10-28")
    story.reopened(day("11-05"), day("11-12")).reworked(day("11-05"), day("11-12"))
    return closed(story, "11-08", "11-09")


GOLDEN = {  # name: (story, {body: counts of October}, {body: counts of November})
    "due 3 Nov, finished and closed 2 Nov": (
        closed(case("10-20", "11-03"), "11-02", "11-02"),
        {"hecheng": ["filed", "not_due"]},
        {"hecheng": ON_TIME},
    ),
    "due 30 Oct, finished 1 Nov, closed 2 Nov": (
        closed(case("10-20", "10-30"), "11-01", "11-02"),
        {"hecheng": ["filed", "overdue_unhandled", "assessed"]},
        {"hecheng": LATE},
    ),
    "finished 31 Oct in time, check failed 1 Nov, finished in the remaining time, closed 2 Nov": (
        reworked(),
        {"hecheng": ["filed", "handled", "handled_on_time", "in_check"]},
        {"hecheng": [*ON_TIME, "checks", "reworked", "reworked_times"]},
    ),
    "due 20 Oct, unfinished, voided 2 Nov": (
        case("10-10", "10-20").voided(day("11-02")),
        {"hecheng": ["filed", "overdue_unhandled", "assessed"]},
        {"hecheng": ["late_exit", "assessed", "voided"]},
    ),
    "the same, confirmed by the cut-off": (
        case("10-10", "10-20").voided(day("11-02")).confirmed(day("11-03 08:00")),
        {},
        {"hecheng": ["voided"]},
    ),
    "filed 25 Oct, due 5 Nov, voided 2 Nov": (
        case("10-25", "11-05").voided(day("11-02")),
        {},
        {"hecheng": ["voided"]},
    ),
    "filed 25 Oct, due 5 Nov, voided 4 Nov, after publication": (
        case("10-25", "11-05").voided(day("11-04")),
        {"hecheng": ["filed", "not_due"]},
        {"hecheng": ["voided"]},
    ),
    "suspended 15 Oct to 31 Dec": (
        case("10-10", "10-20").suspended(day("10-15"), approved=True),
        {"hecheng": ["filed", "suspended", "suspended_open", "assessed"]},
        {"hecheng": ["suspended_open", "assessed"]},
    ),
    "closed late 20 Oct, appeal upheld 2 Nov": (
        closed(case("10-10", "10-15"), "10-19", "10-20").upheld(day("11-02")),
        {"hecheng": ["filed", "handled", "closed", "exempt", *CHECKED]},
        {},
    ),
    "closed late 20 Oct, appeal upheld 10 Nov": (
        closed(case("10-10", "10-15"), "10-19", "10-20").upheld(day("11-10")),
        {"hecheng": ["filed", *LATE]},
        {},
    ),
    "unit A late on 10 Oct, reassigned 12 Oct to B of the same district, closed": (
        handed_on("hecheng"),
        {"hecheng": ["filed", *LATE], "unit A": ["late_exit", "assessed"], "unit B": ON_TIME},
        {},
    ),
    "the same, but B is the gas company": (
        handed_on("city"),
        {"hecheng": ["filed", "late_exit", "assessed"], "city": ON_TIME},
        {},
    ),
    "closed 28 Oct, reopened 5 Nov, closed 9 Nov": (
        reopened(),
        {"hecheng": ["filed", *ON_TIME]},
        {"hecheng": [*ON_TIME, "reopened", "reopened_times", "reworked", "reworked_times"]},
    ),
}


def counts_of(facts, body, number="HH1"):
    """Return the counts of one case under one body, without the sums and the centre's own."""
    found = {n: t for (b, n, c), t in facts.members.items() if (b, c) == (body, number)}
    return {n: t for n, t in found.items() if n not in APART}


def expected(name, month):
    _, *months = GOLDEN[name]
    return {body: dict(Counter(names)) for body, names in months[list(MONTHS).index(month)].items()}


@pytest.mark.parametrize("month", MONTHS)
@pytest.mark.parametrize("name", GOLDEN)
def test_golden_case(name, month):
    story, (period, as_of) = GOLDEN[name][0], MONTHS[month]
    said = expected(name, month)

    facts = facts_of(story.rows, period.start, period.end, as_of=as_of)
    units = facts_of(story.rows, period.start, period.end, as_of=as_of, by="unit")

    for body in ("hecheng", "city"):
        assert counts_of(facts, body) == said.get(body, {})
    for unit in {"unit A", "unit B"} & said.keys():
        assert counts_of(units, unit.removeprefix("unit ")) == said[unit]


@pytest.mark.django_db
def test_golden_cases_by_sql(huaihua):
    numbers = {name: f"HH{n:03d}" for n, name in enumerate(GOLDEN)}
    rows = []
    for name, (story, *_) in GOLDEN.items():
        rows += [replace(row, number=numbers[name]) for row in story.rows]
    write(rows)

    for month, (period, as_of) in MONTHS.items():
        facts = facts_between(period.start, period.end, as_of=as_of)
        units = facts_between(period.start, period.end, as_of=as_of, by="unit")
        for name, number in numbers.items():
            said = expected(name, month)
            for body in ("hecheng", "city"):
                assert counts_of(facts, body, number) == said.get(body, {})
            for unit in {"unit A", "unit B"} & said.keys():
                assert counts_of(units, unit.removeprefix("unit "), number) == said[unit]
