"""What assessment.md §5 says must hold between counts, on random logs."""

from collections import Counter

import pytest

from scoring.indicators import facts_of
from scoring.periods import parse_period
from tests.scoring.logs import DISTRICTS, day, random_log

OCTOBER, NOVEMBER = parse_period("2026-10"), parse_period("2026-11")
CUT_OFF = day("11-20 09:00")
BODIES = (*DISTRICTS, "city")
SOURCES = {"inspector", "hotline", "leader", "media"}
OPEN = ("to_dispatch", "not_due", "overdue_unhandled", "suspended_open", "in_check")
PARTS = ("closed", "forced", "in_check", "overdue_unhandled", "late_exit")  # of should_close
SUBSETS = {
    "closed_on_time": "closed",
    "exempt": "closed",
    "handled_on_time": "handled",
    "handled": "need_handle",
    "need_handle_judged": "need_handle",
    "should_close_judged": "should_close",
    "extended_assessed": "assessed",
    "checks_passed": "checks",
    "audits_passed": "audits",
    "refused_wrongly": "refusals_audited",
    "accurate_dispatch": "first_finished",
    "recurrent": "closings",
    "valid_reports": "decided_reports",
}
# Counts of events, which add up where nothing takes a case back or out.
FLOWS = ("filed", "closed", "forced", "checks", "returned_times", "extended_times", "suspended",
         "deferred", "shirked", "transferred_in", "self_handled", "audits")  # fmt: skip
SEEDS = pytest.mark.parametrize("seed", range(30))


def october(rows, as_of=None):
    return facts_of(rows, OCTOBER.start, OCTOBER.end, as_of=as_of)


def of(facts, *names):
    """Return (body, case, times) of some counts together, in order."""
    return sorted((b, c, t) for (b, n, c), t in facts.members.items() if n in names)


def cases(facts, *names):
    return sorted(number for _, number, _ in of(facts, *names))


@SEEDS
def test_open_cases_are_five_disjoint_sets(seed):
    facts = october(random_log(seed, cases=30, without={"assess"}))

    assert of(facts, *OPEN) == of(facts, "backlog_out")
    assert {times for _, _, times in of(facts, *OPEN)} == {1}


@SEEDS
@pytest.mark.parametrize("as_of", [None, CUT_OFF], ids=["at the end", "at a cut-off"])
def test_sums_are_of_disjoint_parts(seed, as_of):
    facts = october(random_log(seed, cases=30), as_of)

    assert of(facts, "should_close") == of(facts, *PARTS)
    assert {times for _, _, times in of(facts, "should_close")} == {1}
    assert of(facts, "need_handle") == of(facts, "handled", "overdue_unhandled", "late_exit")
    assert of(facts, "should_close") == of(facts, "should_close_judged", "exempt")
    judged = set(PARTS) - {"in_check"} | {"suspended_open"}
    assert of(facts, "assessed", "exempt") == of(facts, *judged)
    assert sorted((a.body, a.number, 1) for a in facts.assessed) == of(facts, "assessed")


@SEEDS
@pytest.mark.parametrize("as_of", [None, CUT_OFF], ids=["at the end", "at a cut-off"])
def test_a_numerator_is_a_subset_of_its_denominator(seed, as_of):
    facts = october(random_log(seed, cases=30), as_of)

    for part, whole in SUBSETS.items():
        for body, number, times in of(facts, part):
            assert times <= facts.members[body, whole, number]
    assert set(of(facts, "exempt")).isdisjoint(of(facts, "closed_on_time"))


@SEEDS
def test_backlog_moves_by_what_comes_in_and_goes_out(seed):
    rows = random_log(seed, cases=30)
    facts = october(rows)
    ends = {"backlog_out": OCTOBER.end, "backlog_in": OCTOBER.start}
    filed = {row.number: row.seq for row in rows if row.action == "file"}
    during = [row for row in rows if OCTOBER.start <= row.at < OCTOBER.end]
    during = [row for row in during if row.seq >= filed.get(row.number, row.seq + 1)]

    for district in DISTRICTS:
        held = {}
        for name, end in ends.items():
            at = {row.number: row.district for row in rows if row.at < end}
            held[name] = sum(at[number] == district for number in cases(facts, name))
        own = [row.action for row in during if row.district == district]
        came = sum(map(own.count, ("file", "reopen", "unmerge")))
        went = sum(map(own.count, ("close", "force_close", "void", "merge")))
        moves = [row.facts for row in during if row.action == "moved_in"]
        came += sum(said["to_district"] == district for said in moves)
        went += sum(said["from_district"] == district for said in moves)
        assert held["backlog_out"] == held["backlog_in"] + came - went


@SEEDS
def test_months_add_up(seed):
    rows = random_log(seed, cases=30, without={"assess", "reopen", "unmerge"})
    first, second = october(rows), facts_of(rows, NOVEMBER.start, NOVEMBER.end)
    both = facts_of(rows, OCTOBER.start, NOVEMBER.end)
    exits = of(first, "late_exit")
    # A case that left a body late and came back late counts in both months, once in the whole;
    # one that left the other body in time afterwards is removed from the whole.
    twice = {(b, c) for b, c, _ in of(second, *PARTS)}
    removed = set(cases(second, "voided", "merged")) - set(cases(second, "late_exit"))

    for body in BODIES:
        counted = first.count(body, "should_close") + second.count(body, "should_close")
        counted -= first.count(body, "in_check") + first.count(body, "overdue_unhandled")
        counted -= sum((b, c) in twice or c in removed for b, c, _ in exits if b == body)
        assert both.count(body, "should_close") == counted


@SEEDS
def test_what_happened_adds_up(seed):
    rows = random_log(seed, cases=30, without={"assess", "reopen", "unmerge", "leave"})
    months = [october(rows), facts_of(rows, NOVEMBER.start, NOVEMBER.end)]
    both = facts_of(rows, OCTOBER.start, NOVEMBER.end)

    for name in FLOWS:
        parts = [times for month in months for _, _, times in of(month, name)]
        assert sum(parts) == sum(times for _, _, times in of(both, name))


@SEEDS
def test_the_four_bodies_and_the_city_are_the_whole_log(seed):
    every = october(random_log(seed, cases=30), CUT_OFF)
    rows = random_log(seed, cases=30, without={"assess", "leave"})
    facts, by_unit = october(rows), facts_of(rows, OCTOBER.start, OCTOBER.end, by="unit")
    filed = {row.number: row.at for row in rows if row.action == "file"}
    stages = {row.number: row.to_stage for row in rows if row.at < OCTOBER.end}
    known = sorted(number for number, at in filed.items() if at < OCTOBER.end)

    assert {body for body, _, _ in every.members} <= {*BODIES, *SOURCES}
    assert cases(facts, "filed") == [n for n in known if filed[n] >= OCTOBER.start]
    assert cases(facts, *OPEN) == [n for n in known if stages[n] != "closed"]
    for name in ("closed", "forced", "checks", "shirked", "returned_times"):
        by_case = [Counter(), Counter()]
        for counter, found in zip(by_case, (facts, by_unit), strict=True):
            for _, number, times in of(found, name):
                counter[number] += times
        assert by_case[0] == by_case[1]
