"""The counts of assessment.md §5: golden cases, identities, and the fold against its twin."""

import secrets
from datetime import timedelta
from fractions import Fraction
from hashlib import sha256

import pytest
from django.db import connection

from cases.ledger import canonical
from cases.models import Case, DistrictHead, Event, MinorClass
from scoring.indicators import facts_of
from scoring.models import Run, RunList
from scoring.periods import parse_period
from scoring.selectors import facts_between
from scoring.services import result_of, run_in_snapshot, scheme_of
from scoring.words import COUNT_NAMES, REPORT_COUNTS
from tests.scoring.logs import DISTRICTS, Story, day, random_log
from tests.scoring.test_rules import ITEMS, SCHEME

OCTOBER, NOVEMBER = parse_period("2026-10"), parse_period("2026-11")


DERIVED = {"need_dispatch", "need_handle", "should_close", "backlog_in", "backlog_out"}
STAGE_COUNTS = {
    f"{kind}_{word}"
    for kind in ("accept", "dispatch", "sign", "check")
    for word in ("clocks", "on_time")
} | {"first_finished", "accurate_dispatch"}
SUMS = ("filed", "closed", "should_close", "checks", "returned_times", "self_handled", "shirked")
PARTS = ("closed", "in_check", "overdue_unhandled", "late_exit")  # of should_close


def counts(rows, period, body="hecheng"):
    """Return the counts of a body but its sums and the centre's own."""
    facts = facts_of(rows, period.start, period.end)
    apart = DERIVED | STAGE_COUNTS
    return {n: t for (b, n, _), t in facts.members.items() if b == body and n not in apart}


def stage_counts(rows, period, *bodies):
    """Return the counts of stage clocks, dispatch and reports of some bodies together."""
    facts = facts_of(rows, period.start, period.end)
    known = STAGE_COUNTS | {"decided_reports", "valid_reports"}
    found = {}
    for (body, name, _), times in sorted(facts.members.items()):
        if body in bodies and name in known:
            found[name] = found.get(name, 0) + times
    return found


def test_not_yet_due_is_no_failure():
    story = Story().filed(day("10-20")).given(day("10-20"), day("11-03")).signed(day("10-20"))
    story.finished(day("11-02")).checked(day("11-02")).closed(day("11-02"))

    assert counts(story.rows, OCTOBER) == {"filed": 1, "not_due": 1}
    assert counts(story.rows, NOVEMBER) == {
        "handled": 1, "handled_on_time": 1, "closed": 1, "closed_on_time": 1, "assessed": 1,
        "checks": 1, "checks_passed": 1,
    }  # fmt: skip


def test_overdue_at_the_end_counts_and_counts_again_when_closed():
    story = Story().filed(day("10-20")).given(day("10-20"), day("10-30")).signed(day("10-20"))
    story.finished(day("11-01")).checked(day("11-02")).closed(day("11-02"))

    assert counts(story.rows, OCTOBER) == {"filed": 1, "overdue_unhandled": 1, "assessed": 1}
    assert counts(story.rows, NOVEMBER) == {
        "handled": 1, "closed": 1, "assessed": 1, "checks": 1, "checks_passed": 1,
    }  # fmt: skip


def test_rework_within_the_remaining_time_is_on_time():
    story = Story().filed(day("10-30")).given(day("10-30"), day("11-03")).signed(day("10-30"))
    story.finished(day("10-31")).checked(day("11-01 08:00"), passed=False)
    story.reworked(day("11-01 09:00"), day("11-04")).finished(day("11-02"))
    story.checked(day("11-02")).closed(day("11-02"))

    assert counts(story.rows, OCTOBER) == {
        "filed": 1, "handled": 1, "handled_on_time": 1, "in_check": 1,
    }  # fmt: skip
    assert counts(story.rows, NOVEMBER) == {
        "handled": 1, "handled_on_time": 1, "closed": 1, "closed_on_time": 1, "assessed": 1,
        "checks": 2, "checks_passed": 1, "reworked": 1, "reworked_times": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "district", "city"),
    [
        ("hecheng", {"filed", "closed", "handled", "checks", "checks_passed", "assessed"}, set()),
        ("city", {"filed", "late_exit", "assessed"}, {"closed", "closed_on_time", "handled",
         "handled_on_time", "checks", "checks_passed", "assessed"}),
    ],
)  # fmt: skip
def test_a_late_case_handed_on_stays_late_with_its_body(body, district, city):
    story = Story().filed(day("10-05")).given(day("10-05"), day("10-10")).signed(day("10-05"))
    story.given(day("10-12"), day("10-20"), unit="B", body=body, action="reassign")
    story.signed(day("10-12")).finished(day("10-15")).checked(day("10-15")).closed(day("10-15"))

    assert counts(story.rows, OCTOBER).keys() == district
    assert counts(story.rows, OCTOBER, "city").keys() == city
    assert counts(story.rows, NOVEMBER) == counts(story.rows, NOVEMBER, "city") == {}


def test_finishing_at_the_deadline_is_on_time_and_the_end_belongs_to_the_next_period():
    story = Story().filed(day("10-05")).given(day("10-05"), day("10-31")).signed(day("10-05"))
    story.finished(day("10-31")).checked(day("10-31")).closed(OCTOBER.end)

    assert counts(story.rows, OCTOBER).keys() >= {"handled_on_time", "in_check"}
    assert counts(story.rows, NOVEMBER).keys() == {"closed", "closed_on_time", "assessed"}


def test_a_week_past_the_deadline_is_left_undone():
    due = OCTOBER.end - timedelta(days=7)
    found = []
    for moment in (due, due - timedelta(seconds=1)):
        story = Story().filed(day("10-05")).given(day("10-05"), moment)
        found += facts_of(story.rows, OCTOBER.start, OCTOBER.end).assessed

    assert [case.left_undone for case in found] == [False, True]
    assert [case.credit for case in found] == [Fraction(0), Fraction(0)]


def test_stage_clocks_count_in_the_period_they_end_and_while_they_run_late():
    story = Story().filed(day("10-20 10:00"))
    story.given(day("10-20 10:20"), day("11-10"))

    assert stage_counts(story.rows, OCTOBER, "hecheng", "inspector") == {
        "accept_clocks": 1, "accept_on_time": 1, "dispatch_clocks": 1, "sign_clocks": 1,
        "decided_reports": 1, "valid_reports": 1,
    }  # fmt: skip
    assert stage_counts(story.rows, NOVEMBER, "hecheng", "inspector") == {"sign_clocks": 1}

    story.signed(day("11-02")).finished(day("11-03")).checked(day("11-03 00:30"))

    assert stage_counts(story.rows, OCTOBER, "hecheng") == {
        "accept_clocks": 1, "accept_on_time": 1, "dispatch_clocks": 1, "sign_clocks": 1,
    }  # fmt: skip
    assert stage_counts(story.rows, NOVEMBER, "hecheng") == {
        "sign_clocks": 1, "check_clocks": 1, "check_on_time": 1, "first_finished": 1,
        "accurate_dispatch": 1,
    }  # fmt: skip


def test_a_stage_not_yet_due_is_in_no_count():
    story = Story().reported(OCTOBER.end - timedelta(minutes=15))

    assert stage_counts(story.rows, OCTOBER, "hecheng") == {}
    assert stage_counts(story.rows, NOVEMBER, "hecheng") == {"accept_clocks": 1}


def test_declined_reports_are_decided_but_not_valid_by_their_source():
    rows = Story("HH1", source="hotline").reported(day("10-05")).declined(day("10-06")).rows
    rows += Story("HH2", source="hotline").filed(day("10-05")).rows
    rows += Story("HH3").reported(day("10-05")).rows

    found = stage_counts(rows, OCTOBER, "hotline")

    assert found == {"decided_reports": 2, "valid_reports": 1}
    assert stage_counts(rows, OCTOBER, "inspector") == {}


@pytest.mark.parametrize(("unit", "accurate"), [("other", 0), ("part", 1)])
def test_dispatch_is_accurate_when_the_first_unit_or_its_part_finishes(unit, accurate):
    parent = {"parent": "u1"} if unit == "part" else {}
    story = Story().filed(day("10-05")).given(day("10-05"), day("10-09"), unit="u1")
    story.returned(day("10-05")).given(day("10-05"), day("10-09"), unit, action="reassign",
                                       **parent)  # fmt: skip
    story.signed(day("10-06")).finished(day("10-06"))

    found = stage_counts(story.rows, OCTOBER, "hecheng")

    assert (found["first_finished"], found.get("accurate_dispatch", 0)) == (1, accurate)


def again(filed, **words):
    """Return a case closed on 10 October and another filed later, of a class that recurs."""
    kind = {"minor_id": "m2", "recurs": True}
    first = Story("HH1", **kind).filed(day("10-05")).given(day("10-05"), day("10-20"))
    first.signed(day("10-05")).finished(day("10-09")).checked(day("10-09")).closed(day("10-10"))
    return first.rows + Story("HH2", **(kind | words)).filed(day(filed)).rows


@pytest.mark.parametrize(
    ("filed", "words", "recurrent"),
    [
        ("10-17", {}, 1),
        ("10-17 00:01", {}, 0),
        ("10-09", {}, 0),
        ("10-12", {"point": "109.9765000,27.5509400"}, 1),
        ("10-12", {"point": "109.9765000,27.5509600"}, 0),
        ("10-12", {"point": "109.9769950,27.5505000"}, 1),
        ("10-12", {"point": "109.9770200,27.5505000"}, 0),
        ("10-12", {"minor_id": "m3"}, 0),
    ],
)
def test_recurrence_is_the_same_class_close_by_within_a_week(filed, words, recurrent):
    facts = facts_of(again(filed, **words), OCTOBER.start, OCTOBER.end)

    found = facts.count("hecheng", "closings"), facts.count("hecheng", "recurrent")
    assert found == (1, recurrent)
    november = facts_of(again(filed, **words), NOVEMBER.start, NOVEMBER.end)
    assert november.count("hecheng", "closings") == 0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("filed", "point", "listed"),
    [
        ("10-17", "109.9765000,27.5509400", ["HH1"]),  # 49 m
        ("10-17", "109.9765000,27.5509600", []),  # 51 m
        ("10-17 00:01", "109.9765000,27.5509400", []),
    ],
)
def test_recurrence_is_measured_in_metres(huaihua, filed, point, listed):
    rows = again(filed, point=point)
    write(rows)

    selected = facts_between(OCTOBER.start, OCTOBER.end)

    assert selected.members == facts_of(rows, OCTOBER.start, OCTOBER.end).members
    assert selected.lists.get(("hecheng", "recurrent"), []) == listed


def test_self_handled_cases_are_in_no_other_count():
    story = Story(is_self_handled=True).filed(day("10-05")).given(day("10-05"), day("10-09"))
    story.signed(day("10-05")).finished(day("10-06")).checked(day("10-06")).closed(day("10-06"))

    facts = facts_of(story.rows, OCTOBER.start, OCTOBER.end)

    assert dict(facts.members) == {("hecheng", "self_handled", "HH1"): 1}
    assert facts.assessed == set()


@pytest.mark.parametrize("seed", range(40))
def test_open_cases_are_five_disjoint_sets(seed):
    rows = random_log(seed, cases=30)
    facts = facts_of(rows, OCTOBER.start, OCTOBER.end)

    for body in (*DISTRICTS, "city"):
        five = ("to_dispatch", "not_due", "overdue_unhandled", "suspended_open", "in_check")
        assert facts.count(body, "backlog_out") == sum(facts.count(body, n) for n in five)


@pytest.mark.parametrize("seed", range(40))
def test_backlog_moves_by_what_is_filed_and_closed(seed):
    rows = random_log(seed, cases=30)
    facts = facts_of(rows, OCTOBER.start, OCTOBER.end)
    apart = {r.number for r in rows if r.data["set"].get("is_self_handled")}

    for district in DISTRICTS:
        own = {r.number for r in rows if r.district == district}

        def held(name, own=own):
            return sum(t for (_, n, c), t in facts.members.items() if n == name and c in own)

        def events(action, own=own - apart):
            during = (r for r in rows if OCTOBER.start <= r.at < OCTOBER.end)
            return sum(r.action == action and r.number in own for r in during)

        assert held("backlog_out") == held("backlog_in") + events("file") - events("close")


@pytest.mark.parametrize("seed", range(40))
def test_should_close_is_the_sum_of_its_disjoint_parts(seed):
    facts = facts_of(random_log(seed, cases=30), OCTOBER.start, OCTOBER.end)

    def of(*names):
        return sorted((b, c, t) for (b, n, c), t in facts.members.items() if n in names)

    assert of("should_close") == of(*PARTS)
    assert {times for _, _, times in of("should_close")} == {1}
    assert of("need_handle") == of("handled", "overdue_unhandled", "late_exit")


@pytest.mark.parametrize("seed", range(40))
def test_months_add_up(seed):
    rows = random_log(seed, cases=30)
    first, second, both = (
        facts_of(rows, a.start, b.end)
        for a, b in ((OCTOBER, OCTOBER), (NOVEMBER, NOVEMBER), (OCTOBER, NOVEMBER))
    )
    # A case that left a body late and came back late counts in both months, once in the whole.
    back = {(b, c) for (b, n, c) in first.members if n == "late_exit"}
    back &= {(b, c) for (b, n, c) in second.members if n in PARTS}

    for body in (*DISTRICTS, "city"):
        sums = {name: first.count(body, name) + second.count(body, name) for name in SUMS}
        open_between = first.count(body, "in_check") + first.count(body, "overdue_unhandled")
        sums["should_close"] -= open_between + sum(b == body for b, _ in back)
        assert {name: both.count(body, name) for name in SUMS} == sums


def test_order_of_reading_changes_no_byte():
    rows = random_log(7, cases=80)
    shuffled = sorted(rows, key=lambda r: sha256(f"{r.number}/{r.seq}".encode()).digest())

    sheets = [
        canonical(result_of(f, f, SCHEME, is_month=True))
        for f in (facts_of(r, OCTOBER.start, OCTOBER.end) for r in (rows, shuffled))
    ]

    assert sheets[0] == sheets[1]


def write(rows):
    """Put rows into the ledger's tables; hashes are not the matter here."""
    numbers = sorted({row.number for row in rows})
    minor = MinorClass.objects.earliest("code")
    first = {row.number: row for row in reversed(rows)}
    last = {row.number: row for row in rows}
    closed = {n: row.at for n, row in last.items() if row.to_stage == "closed"}
    made = Case.objects.bulk_create(
        [
            Case(number=n, scope=first[n].district, district=first[n].district,
                 stage="closed" if n in closed else "reported", closed_at=closed.get(n),
                 source="inspector", minor=minor, reported_at=first[n].at,
                 is_self_handled=first[n].data["set"].get("is_self_handled", False))
            for n in numbers
        ],
        batch_size=1000,
    )  # fmt: skip
    cases = {case.number: case for case in made}
    Event.objects.bulk_create(
        (        Event(
            scope=row.district, dseq=place, case=cases[row.number], case_seq=row.seq,
            action=row.action, from_stage=_stage_before(rows, place), to_stage=row.to_stage,
            at=row.at, actor_role="system", district=row.district, body=row.body, unit=row.unit,
            sets_clock=row.due_at is not None, due_at=row.due_at, base_due_at=row.base_due_at,
            data=row.data, header="", body_digest=b"", prev_hash=b"", hash=secrets.token_bytes(4),
        )
        for place, row in enumerate(rows, 1)),
        batch_size=1000,
    )  # fmt: skip


def forget_statistics():
    """Leave the planner with the statistics of before, as a large import does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_class SET reltuples = 3, relpages = 800 WHERE relname = 'cases_event'"
        )


def _stage_before(rows, place):
    row = rows[place - 1]
    return rows[place - 2].to_stage if row.seq > 1 else ""


@pytest.mark.django_db
def test_sql_and_fold_agree_on_random_logs(huaihua):
    rows = [row for seed in range(500) for row in random_log(seed)]
    write(rows)
    forget_statistics()

    for period in (OCTOBER, NOVEMBER, parse_period("2026-Q3"), parse_period("2026")):
        folded = facts_of(rows, period.start, period.end)
        selected = facts_between(period.start, period.end)
        assert selected.members == folded.members
        assert selected.assessed == folded.assessed
    names = {name for _, name, _ in folded.members}
    apart = {"shirked", "returned", "reworked", "self_handled", "closings", "recurrent"}
    assert names >= STAGE_COUNTS | apart | {*PARTS, "decided_reports", "valid_reports"}


@pytest.mark.django_db
def test_a_run_is_kept_and_its_lists_hold_as_many_cases_as_its_counts(huaihua):
    write(random_log(3, cases=60))
    heads = [DistrictHead(scope=s, hash=b"", at=day("10-01")) for s in (*DISTRICTS, "city")]
    DistrictHead.objects.bulk_create(heads, ignore_conflicts=True)
    scheme = scheme_of()

    run = run_in_snapshot(OCTOBER, scheme)
    again = run_in_snapshot(OCTOBER, scheme)

    rows = random_log(3, cases=60)
    folded = facts_of(rows, OCTOBER.start, OCTOBER.end)
    assert (again.pk, Run.objects.count()) == (run.pk, 1)
    listed = RunList.objects.exclude(count__in=ITEMS).values_list("body", "count", "numbers")
    assert {(b, c): n for b, c, n in listed} == folded.lists
    assert {count for _, count in folded.lists} <= COUNT_NAMES.keys() | REPORT_COUNTS.keys()


@pytest.mark.django_db
def test_old_provisional_runs_are_forgotten_and_closed_ones_kept(huaihua):
    write(random_log(3, cases=5))
    heads = [DistrictHead(scope=s, hash=b"", at=day("10-01")) for s in (*DISTRICTS, "city")]
    DistrictHead.objects.bulk_create(heads, ignore_conflicts=True)
    scheme = scheme_of()
    made = {
        name: Run.objects.create(period="2026-10", as_of=at, heads={}, scheme=scheme, result="{}")
        for name, at in (("running", day("10-20")), ("closed", OCTOBER.end))
    }

    new = run_in_snapshot(OCTOBER, scheme)

    assert set(Run.objects.values_list("pk", flat=True)) == {made["closed"].pk, new.pk}
