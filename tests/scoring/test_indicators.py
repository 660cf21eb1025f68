"""Single counts of assessment.md §5, by the fold; and runs, which keep their lists."""

from datetime import timedelta
from fractions import Fraction
from hashlib import sha256

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from cases.choices import Role
from cases.ledger import canonical
from cases.models import DistrictHead
from scoring.indicators import facts_of
from scoring.lifecycle import stored_dates
from scoring.models import Edition, Run, RunList
from scoring.periods import parse_period
from scoring.results import Beside, result_of, sums_of
from scoring.schemes import codes_of
from scoring.selectors import facts_between
from scoring.services import forget_provisional
from scoring.versions import scheme_of
from scoring.words import COUNT_NAMES, REPORT_COUNTS
from tests.scoring.ledger import write
from tests.scoring.logs import DISTRICTS, Story, day, random_log
from tests.scoring.test_rules import SCHEME
from tests.support.people import person
from tests.support.scores import score_now

OCTOBER, NOVEMBER = parse_period("2026-10"), parse_period("2026-11")


DERIVED = {
    "need_dispatch", "need_handle", "need_handle_judged", "should_close", "should_close_judged",
    "backlog_in", "backlog_out",
}  # fmt: skip
STAGE_COUNTS = {
    f"{kind}_{word}"
    for kind in ("accept", "dispatch", "sign", "check")
    for word in ("clocks", "on_time")
} | {"first_finished", "accurate_dispatch"}


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


def handled(story, finished="10-08", closed="10-09"):
    return story.finished(day(finished)).checked(day(finished)).closed(day(closed))


def begun(due="10-10"):
    return Story().filed(day("10-05")).given(day("10-05"), day(due)).signed(day("10-05"))


CREDITS = {  # how it went: (case, credit, left undone, extended, suspended)
    "on time": (handled(begun()), 1, False, False, False),
    "on time by an extension": (
        handled(begun().extended(day("10-09"), day("10-14")), "10-12", "10-13"),
        Fraction(1, 2), False, True, False,
    ),
    "extended without need": (
        handled(begun().extended(day("10-07"), day("10-14"))), 1, False, True, False,
    ),
    "endorsed by the head of unit only": (
        handled(begun().extended(day("10-07"), day("10-14"), level="unit_head"), "10-12", "10-13"),
        Fraction(2, 5), False, False, False,
    ),
    "suspended": (
        begun().suspended(day("10-07"), approved=True), Fraction(1, 2), False, False, True,
    ),
    "deferred by a leader": (
        begun().suspended(day("10-07"), action="defer"), Fraction(1, 2), False, False, True,
    ),
    "suspended, and on time with what remained": (
        handled(begun().suspended(day("10-07"), approved=True).resumed(day("10-20"), day("10-23")),
                "10-22", "10-23"), 1, False, False, False,
    ),
    "late": (handled(begun(), "10-12", "10-13"), Fraction(2, 5), False, False, False),
    "open and late by days": (begun("10-30"), 0, False, False, False),
    "open and late by weeks": (begun(), 0, True, False, False),
    "force-closed": (begun().closed(day("10-08"), action="force_close"), 0, True, False, False),
    "voided late": (begun().voided(day("10-11")), 0, True, False, False),
    "reworked in what remained": (
        handled(begun().finished(day("10-09")).checked(day("10-12"), passed=False)
                .reworked(day("10-13"), day("10-14")), "10-14", "10-15"), 1, False, False, False,
    ),
    "late, but the calendar was corrected": (
        handled(begun(), "10-12", "10-13").recomputed(day("11-02"), day("10-13")),
        1, False, False, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", CREDITS)
def test_credit(how):
    story, *judged = CREDITS[how]

    facts = facts_of(story.rows, OCTOBER.start, OCTOBER.end, as_of=day("11-03"))

    (case,) = facts.assessed
    assert [case.credit, case.left_undone, case.is_extended, case.is_suspended] == judged


UNASSESSED = {
    "voided in time": begun().voided(day("10-08")),
    "merged in time": begun().merged(day("10-08")),
    "merged late, with the assessor's word": begun().merged(day("10-12")).confirmed(day("10-13")),
    "closed late and exempt": handled(begun(), "10-12", "10-13").upheld(day("10-20")),
    "closed late, exempt by adjustment": (
        handled(begun(), "10-12", "10-13").adjusted(day("11-02"), "2026-10", "exempt")
    ),
    "left out of the period": begun().adjusted(day("11-02"), "2026-10", "leave_out"),
}


@pytest.mark.parametrize("how", UNASSESSED)
def test_who_leaves_is_not_assessed(how):
    facts = facts_of(UNASSESSED[how].rows, OCTOBER.start, OCTOBER.end, as_of=day("11-03"))

    assert facts.assessed == set()


@pytest.mark.parametrize(
    "story",
    [
        handled(begun(), "10-12", "10-13").upheld(day("10-20"), level="dispatcher"),
        handled(begun(), "10-12", "10-13").upheld(day("10-20"), upheld=False),
        handled(begun(), "10-12", "10-13").adjusted(day("11-02"), "2026-11", "exempt"),
        handled(begun(), "10-12", "10-13").adjusted(day("11-02"), "2026-10", "", approved=False),
        begun().merged(day("10-12")),
        begun().merged(day("10-08")).unmerged(day("10-11"), "handling", day("10-13")),
        begun().voided(day("10-08")).adjusted(day("11-02"), "2026-10", "put_in"),
    ],
    ids=["endorsed only", "not upheld", "of another period", "refused", "merged late", "unmerged",
         "put in"],
)  # fmt: skip
def test_who_does_not_leave_is_assessed(story):
    facts = facts_of(story.rows, OCTOBER.start, OCTOBER.end, as_of=day("11-03"))

    assert [case.number for case in facts.assessed] == ["HH1"]


def test_an_adjustment_of_a_month_holds_in_the_quarter_too():
    rows = handled(begun(), "10-12", "10-13").adjusted(day("11-02"), "2026-10", "exempt").rows
    quarter = parse_period("2026-Q4")

    assert facts_of(rows, quarter.start, quarter.end).count("hecheng", "exempt") == 1


def test_a_running_period_knows_no_ruling_to_come():
    rows = begun().voided(day("10-09")).rows

    until = facts_of(rows, OCTOBER.start, OCTOBER.end, as_of=day("10-08"))

    assert until.count("hecheng", "not_due") == 1
    assert until.count("hecheng", "voided") == 0


@pytest.mark.parametrize(
    ("kind", "at", "is_key"),
    [("leader", "10-09", True), ("important", "10-09", True), ("overdue", "10-09", False),
     ("leader", "10-10", False)],
)  # fmt: skip
def test_a_case_supervised_before_it_was_due_is_key(kind, at, is_key):
    story = begun().add("supervise", "", day(at), kind=kind)

    (case,) = facts_of(story.rows, OCTOBER.start, OCTOBER.end).assessed

    assert case.is_key == is_key


def test_moves_count_for_both_districts_and_the_case_where_it_is():
    story = Story(district="hecheng").filed(day("10-05"))
    story.moved(day("10-06"), "landport", by="transfer").given(day("10-07"), day("10-20"))

    assert counts(story.rows, OCTOBER) == {"transferred_out": 1}
    assert counts(story.rows, OCTOBER, "landport") == {
        "transferred_in": 1, "filed": 1, "overdue_unhandled": 1, "assessed": 1,
    }  # fmt: skip


def test_shirking_is_charged_to_who_returned_by_body_and_by_unit():
    story = begun().returned(day("10-06"))
    story.given(day("10-07"), day("10-20"), unit="u2", action="reassign", ruling="unjustified")

    by_unit = facts_of(story.rows, OCTOBER.start, OCTOBER.end, by="unit")

    assert counts(story.rows, OCTOBER)["shirked"] == 1
    assert {(b, c) for b, n, c in by_unit.members if n == "shirked"} == {("u1", "HH1")}


def test_audits_count_for_closings_and_for_refusals_apart():
    rows = handled(begun()).audited(day("10-20"), passed=False, falsified=True).rows
    refused = Story("HH2").reported(day("10-05")).declined(day("10-06"))
    rows += refused.audited(day("10-12"), passed=False).rows

    facts = facts_of(rows, OCTOBER.start, OCTOBER.end)

    names = ("audits", "audits_passed", "falsified", "refusals_audited", "refused_wrongly")
    assert [facts.count("hecheng", name) for name in names] == [1, 0, 1, 1, 1]


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


@pytest.mark.django_db
@pytest.mark.parametrize("at", ["10-20", "11-02"])
def test_a_recomputed_deadline_holds_for_a_finished_run_too(huaihua, at):
    story = Story().filed(day("10-05")).given(day("10-05"), day("10-10")).signed(day("10-06"))
    story.finished(day("10-12")).recomputed(day(at), day("10-13"))
    write(story.rows)

    cut_off = day("11-03 09:00")
    folded = facts_of(story.rows, OCTOBER.start, OCTOBER.end, as_of=cut_off)
    selected = facts_between(OCTOBER.start, OCTOBER.end, as_of=cut_off)

    assert folded.count("hecheng", "handled_on_time") == 1
    assert selected.members == folded.members


def test_self_handled_cases_are_in_no_other_count():
    story = Story().self_handled(day("10-05")).add("send_check", "checking", day("10-05"))
    story.checked(day("10-06")).closed(day("10-06"))

    facts = facts_of(story.rows, OCTOBER.start, OCTOBER.end)

    assert dict(facts.members) == {("hecheng", "self_handled", "HH1"): 1}
    assert facts.assessed == set()


def test_order_of_reading_changes_no_byte():
    rows = random_log(7, cases=80)
    shuffled = sorted(rows, key=lambda r: sha256(f"{r.number}/{r.seq}".encode()).digest())

    sheets = [
        canonical(
            result_of(sums_of(f, SCHEME), sums_of(f, SCHEME), SCHEME, Beside(DISTRICTS), months=1)
        )
        for f in (facts_of(r, OCTOBER.start, OCTOBER.end) for r in (rows, shuffled))
    ]

    assert sheets[0] == sheets[1]


@pytest.mark.django_db
def test_by_street_a_case_lies_where_it_lay_at_the_end(huaihua):
    told = Story("HH1", grid_cell="a").reported(day("10-31 22:00"))
    rows = told.filed(day("11-01 08:00"), cell="b").rows
    write(rows)

    october = facts_between(OCTOBER.start, OCTOBER.end, by="street")

    assert october.lists[("s-a", "accept_clocks")] == ["HH1"]
    assert {body for body, _ in october.lists if body.startswith("s-")} == {"s-a"}
    assert october.members == facts_of(rows, OCTOBER.start, OCTOBER.end, by="street").members


@pytest.mark.django_db
def test_a_run_is_kept_and_its_lists_hold_as_many_cases_as_its_counts(huaihua):
    write(random_log(3, cases=60))
    heads = [DistrictHead(scope=s, hash=b"", at=day("10-01")) for s in (*DISTRICTS, "city")]
    DistrictHead.objects.bulk_create(heads, ignore_conflicts=True)
    scheme = scheme_of()

    run = score_now(OCTOBER, scheme)
    again = score_now(OCTOBER, scheme)

    rows = random_log(3, cases=60)
    folded = facts_of(rows, OCTOBER.start, OCTOBER.end, as_of=run.as_of)
    assert (again.pk, Run.objects.count()) == (run.pk, 1)
    listed = RunList.objects.exclude(count__in=codes_of(SCHEME)).values_list(
        "body", "count", "numbers"
    )
    assert {(b, c): n for b, c, n in listed} == folded.lists
    assert {count for _, count in folded.lists} <= COUNT_NAMES.keys() | REPORT_COUNTS.keys()


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["cityops_web", "cityops_system"])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE scoring_run SET as_of = now()",
        "UPDATE scoring_runlist SET numbers = '{}'",
        "TRUNCATE scoring_runlist, scoring_run",
    ],
)
def test_the_program_may_not_change_a_run(huaihua, role, change):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL ROLE {role}")
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
            cursor.execute(change)
        cursor.execute("RESET ROLE")


@pytest.mark.django_db
def test_the_seal_of_a_run_is_that_of_its_result(huaihua):
    said = {"period": "2026-10", "as_of": OCTOBER.end, "heads": {}, "scheme": scheme_of()}

    with pytest.raises(IntegrityError, match="run_seal_is_of_its_result"), transaction.atomic():
        Run.objects.create(**said, result="{}", seal=sha256(b"{ }").hexdigest())

    assert not Run.objects.exists()


@pytest.mark.django_db
def test_old_runs_nobody_submitted_are_forgotten(huaihua):
    write(random_log(3, cases=5))
    heads = [DistrictHead(scope=s, hash=b"", at=day("10-01")) for s in (*DISTRICTS, "city")]
    DistrictHead.objects.bulk_create(heads, ignore_conflicts=True)
    scheme = scheme_of()
    said = {"result": "{}", "seal": sha256(b"{}").hexdigest()}
    made = {
        name: Run.objects.create(period="2026-10", as_of=at, heads={}, scheme=scheme, **said)
        for name, at in (("running", day("10-20")), ("closed", OCTOBER.end), ("sent", day("11-02")))
    }
    Edition.objects.create(
        period=stored_dates(OCTOBER),
        number=1,
        run=made["sent"],
        submitted_by=person("a1", Role.ASSESSOR),
        submitted_at=day("11-02"),
    )

    new = score_now(OCTOBER, scheme)
    forget_provisional(new)

    assert set(Run.objects.values_list("pk", flat=True)) == {made["sent"].pk, new.pk}
