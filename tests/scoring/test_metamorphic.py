"""What must not change a score, and what changes it in a known way, on random logs."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from cases.ledger import canonical
from scoring.indicators import facts_of
from scoring.periods import parse_period
from scoring.rates import INDICATORS, Reading, measures_of
from scoring.results import Beside, rates_of, result_of, sums_of
from scoring.rollup import indicators_in
from tests.scoring.logs import DISTRICTS, Story, day, random_log
from tests.scoring.test_rules import SCHEME

OCTOBER = parse_period("2026-10")
CUT_OFF = day("11-20 09:00")
SEEDS = pytest.mark.parametrize("seed", range(12))
READ = [n for n in indicators_in(SCHEME) if n not in {"onsite", "satisfaction", "key_tasks"}]


def october(rows):
    return facts_of(rows, OCTOBER.start, OCTOBER.end, as_of=CUT_OFF)


def sheets(rows):
    """Return the sheet of each of the four by its name, without the order they came out in."""
    sums = sums_of(october(rows), SCHEME)
    found = result_of(sums, sums, SCHEME, Beside(DISTRICTS), months=1)
    return {sheet["body"]: sheet for sheet in found["bodies"]}


def measured(facts, body):
    parts = sums_of(facts, SCHEME).get(body, {})
    values = {name: m.value for name, m in measures_of(READ, Reading(parts)).items()}
    return values, rates_of(parts)


def mixed_up(things, seed):
    return random.Random(seed).sample(things, len(things))  # noqa: S311  # a test's own dice


def log(seed):
    return random_log(seed, cases=50)


@SEEDS
def test_the_order_of_reading_does_not_matter(seed):
    rows = log(seed)
    mixed = mixed_up(rows, seed)

    assert canonical(sheets(mixed)) == canonical(sheets(rows))


@SEEDS
def test_the_numbers_of_cases_do_not_matter(seed):
    rows = log(seed)
    numbers = sorted({row.number for row in rows})
    other = dict(zip(numbers, mixed_up(numbers, seed), strict=True))

    assert sheets([replace(row, number=other[row.number]) for row in rows]) == sheets(rows)


@SEEDS
def test_districts_that_change_places_change_scores(seed):
    rows = log(seed)
    other = dict(zip(DISTRICTS, mixed_up(DISTRICTS, seed), strict=True))

    def move(row):
        facts = {
            key: other.get(value, value) if key.endswith("_district") else value
            for key, value in row.facts.items()
        }
        data = {**row.data, "facts": facts}
        place = other.get(row.district, row.district)
        return replace(row, district=place, body=other.get(row.body, row.body), data=data)

    was, now = sheets(rows), sheets([move(row) for row in rows])

    for body, sheet in was.items():
        assert now[other[body]] == {**sheet, "body": other[body]}


@SEEDS
def test_what_concerns_another_time_changes_nothing(seed):
    rows = log(seed)
    before = Story("HH-before").filed(day("03-02")).given(day("03-02"), day("03-05"))
    before.signed(day("03-02")).finished(day("03-03")).checked(day("03-03")).closed(day("03-04"))
    after = Story("HH-after").filed(day("11-02")).given(day("11-02"), day("11-03"))

    assert sheets([*rows, *before.rows, *after.rows]) == sheets(rows)


@SEEDS
def test_a_report_that_is_declined_is_in_no_ones_score(seed):
    rows = log(seed)
    declined = Story("HH-no").reported(day("10-05")).declined(day("10-05 01:00"))

    was, now = sheets(rows), sheets([*rows, *declined.rows])

    for body, sheet in was.items():
        assert now[body]["total"] == sheet["total"]
        assert now[body]["items"] == sheet["items"]
    facts = october([*rows, *declined.rows])
    assert facts.count("inspector", "decided_reports") == (
        october(rows).count("inspector", "decided_reports") + 1
    )


@SEEDS
def test_the_same_work_twice_over_is_worth_the_same(seed):
    """Elsewhere, so that nothing recurs near the other and no group becomes larger."""
    rows = log(seed)

    def elsewhere(row):
        said = dict(row.data.get("set", {}))
        if "point" in said:
            lon, lat = said["point"].split(",")
            said["point"] = f"{float(lon) + 0.5:.7f},{lat}"
        for name in ("grid_cell", "street"):
            if name in said:
                said[name] += "-2"
        return replace(row, number=f"{row.number}-2", data={**row.data, "set": said})

    once, twice = october(rows), october([*rows, *map(elsewhere, rows)])

    for body in (*DISTRICTS, "city"):
        (values, rates), (doubled, same) = measured(once, body), measured(twice, body)
        assert same == rates
        for name, value in values.items():
            is_rate = INDICATORS[name].unit == "percent"
            assert doubled[name] == (value if is_rate or value is None else 2 * value), name
        for name in ("filed", "closed", "should_close", "assessed", "recurrent", "checks"):
            assert twice.count(body, name) == 2 * once.count(body, name)


@SEEDS
def test_cases_only_one_district_ever_had_are_nothing_to_the_others(seed):
    rows = log(seed)
    had = {number: set() for number in {row.number for row in rows}}
    for row in rows:
        moved = {row.facts.get("from_district", ""), row.facts.get("to_district", "")}
        had[row.number] |= {row.district, row.body, *moved} - {""}
    own = {number for number, bodies in had.items() if bodies == {"hightech"}}
    every, left = october(rows), october([row for row in rows if row.number not in own])

    for body in set(DISTRICTS) - {"hightech"}:
        (was, rates), (now, same) = measured(every, body), measured(left, body)
        # What was reported again near by is a recurrence whoever has it now.
        del was["recurrence_rate"], now["recurrence_rate"], rates["recurrent"], same["recurrent"]
        assert (now, same) == (was, rates)


@SEEDS
def test_a_day_earlier_throughout_is_the_same_for_a_period_a_day_earlier(seed):
    rows = log(seed)
    by = timedelta(days=1)

    def sooner(row):
        due = [at and at - by for at in (row.due_at, row.base_due_at)]
        data = dict(row.data)
        if starts := data.get("starts"):
            data["starts"] = {**starts, "due_at": (_moment(starts["due_at"]) - by).isoformat()}
        return replace(row, at=row.at - by, due_at=due[0], base_due_at=due[1], data=data)

    was = facts_of(rows, OCTOBER.start, OCTOBER.end)
    now = facts_of([sooner(row) for row in rows], OCTOBER.start - by, OCTOBER.end - by)
    adjusted = {row.number for row in rows if row.action == "adjust"}  # they name a month

    def others(facts):
        return {key: n for key, n in facts.members.items() if key[2] not in adjusted}

    assert others(now) == others(was)


def _moment(text):
    return type(OCTOBER.start).fromisoformat(text)


def test_a_district_without_cases_has_no_score_and_costs_the_others_nothing():
    rows = [row for row in log(1) if "landport" not in {row.district, row.body}]
    numbers = {row.number for row in log(1)} - {
        row.number for row in log(1) if "landport" in {row.district, row.body}
    }
    rows = [row for row in rows if row.number in numbers]

    found = sheets(rows)

    assert (found["landport"]["total"], found["landport"]["rank"]) == (None, None)
    assert found["landport"]["counts"] == {}
    values, rates = measured(october(rows), "landport")
    assert set(rates.values()) == {None}
    assert all(INDICATORS[name].unit != "percent" or v is None for name, v in values.items())
