"""Counted twice, by a fold and by SQL: both agree on any log; each altered rule is noticed."""

import pytest
from django.db import transaction

from scoring import selectors
from scoring.indicators import facts_of
from scoring.periods import parse_period
from scoring.selectors import facts_between
from scoring.words import COUNT_NAMES, REPORT_COUNTS
from tests.scoring.ledger import forget_statistics, write
from tests.scoring.logs import day, random_log

LOGS = 2000
OCTOBER, CUT_OFF = parse_period("2026-10"), day("11-03 09:00")
LOOKS = {  # period, as of, by
    "October's end": ("2026-10", None, "body"),
    "October at a cut-off": ("2026-10", CUT_OFF, "body"),
    "October a month later": ("2026-10", day("12-01"), "body"),
    "October under way": ("2026-10", day("10-20"), "body"),
    "November at a cut-off": ("2026-11", day("12-20"), "body"),
    "the quarter at a cut-off": ("2026-Q4", day("12-31 12:00"), "body"),
    "the year": ("2026", None, "body"),
    "October by unit": ("2026-10", day("11-10"), "unit"),
    "October by street": ("2026-10", day("11-10"), "street"),
    "October by cell": ("2026-10", None, "cell"),
}


@pytest.fixture(scope="module")
def rows():
    return [row for seed in range(LOGS) for row in random_log(seed, cases=1)]


@pytest.fixture(scope="module")
def ledger(huaihua, rows, django_db_blocker):
    with django_db_blocker.unblock(), transaction.atomic():
        write(rows)
        forget_statistics()
        yield
        transaction.set_rollback(True)


@pytest.mark.django_db
@pytest.mark.parametrize("look", LOOKS)
def test_sql_and_fold_agree(ledger, rows, look):
    name, as_of, by = LOOKS[look]
    period = parse_period(name)

    folded = facts_of(rows, period.start, period.end, as_of=as_of, by=by)
    selected = facts_between(period.start, period.end, as_of=as_of, by=by)

    assert selected.members == folded.members
    assert selected.assessed == folded.assessed


ALTERED = {  # a rule, and how it is got wrong
    "finishing at the deadline is on time": (
        "least(coalesce(end_at, moment), moment) > due_at",
        "least(coalesce(end_at, moment), moment) >= due_at",
    ),
    "only runs of the current cycle are judged": (
        "s.case_seq >= coalesce(o.seq, 0) AS is_judged",
        "true AS is_judged",
    ),
    "a recomputed deadline holds for a finished run too": (
        "WHEN r.action = 'recompute_deadline' AND r.due_at IS NOT NULL",
        "WHEN false",
    ),
    "a deadline recomputed since acts as if known": (
        "WHEN m.key IS NOT NULL THEN m.due_at WHEN",
        "WHEN false THEN m.due_at WHEN",
    ),
    "an extension is the dispatcher's to approve": (
        "AND facts->>'level' = 'dispatcher'",
        "AND facts->>'level' IS NOT NULL",
    ),
    "an unmerged case goes on in its run": (
        "AND NOT (action = 'merge' AND case_seq < coalesce(u.seq, 0))",
        "",
    ),
    "a case voided in time is removed": (
        "WHERE a.placed IS NULL AND (NOT l.late OR c.seq > l.case_seq)",
        "WHERE a.placed IS NULL",
    ),
    "a confirmation holds for what came before it": (
        "(NOT l.late OR c.seq > l.case_seq)",
        "(NOT l.late OR c.seq > 0)",
    ),
    "a late case handed to another body stays with the first": (
        "WHERE x.late AND x.body <> k.body AND p.at >=",
        "WHERE false AND p.at >=",
    ),
    "an appeal excuses its own cycle": (
        "AND k.case_seq > coalesce(o.seq, 0)",
        "",
    ),
    "an adjustment names its period": (
        "AND facts->>'period' = ANY(%(periods)s)",
        "",
    ),
    "a forced close has no credit": ("CASE WHEN forced THEN 0 WHEN late", "CASE WHEN late"),
    "one supervised before it was due is key": (
        "OR r.at < f.first_due",
        "OR r.at <= f.first_due + interval '30 days'",
    ),
    "a unit that shirked is the one before": (
        "SELECT r.body_before, 'shirked'",
        "SELECT r.body, 'shirked'",
    ),
    "the public is neither inspector nor another system": (
        "s.source IN ('hotline', 'citizen', 'leader', 'media')",
        "s.source <> ''",
    ),
    "a key case closed before the period is none of it": (
        "AND (l.stage <> 'closed' OR l.closed_at >= %(start)s)",
        "",
    ),
    "a merged report is in neither count of reports": (
        "l.key = d.key AND l.action = 'merge'",
        "l.key = d.key AND false",
    ),
}


@pytest.fixture(scope="module")
def october(rows):
    return facts_of(rows, OCTOBER.start, OCTOBER.end, as_of=CUT_OFF)


@pytest.mark.django_db
@pytest.mark.parametrize("rule", ALTERED)
def test_an_altered_rule_is_noticed(ledger, october, monkeypatch, rule):
    right, wrong = ALTERED[rule]
    assert selectors.FACTS.count(right) == 1
    monkeypatch.setattr(selectors, "FACTS", selectors.FACTS.replace(right, wrong))

    altered = facts_between(OCTOBER.start, OCTOBER.end, as_of=CUT_OFF)

    assert (altered.members, altered.assessed) != (october.members, october.assessed)


def test_the_logs_bring_every_count(october):
    """So that the twins agree on each of them by more than both leaving it out."""
    names = {name for _, name, _ in october.members}

    assert names == COUNT_NAMES.keys() | REPORT_COUNTS.keys()
