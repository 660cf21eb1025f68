"""A score taken on from an earlier moment is the score read from the whole log."""

import random
from datetime import timedelta

import pytest
from django.db import transaction

from scoring.periods import parse_period
from scoring.results import moved_on, sums_of
from scoring.selectors import changed_since, facts_between
from tests.scoring.ledger import write
from tests.scoring.logs import DISTRICTS, day, random_log
from tests.scoring.test_rules import SCHEME

OCTOBER = parse_period("2026-10")
STARTS = (OCTOBER.start, OCTOBER.wide_start)
ALL_READ = dict.fromkeys((*DISTRICTS, "city"), 10**9)
LEAPS = [timedelta(seconds=1), timedelta(hours=5), timedelta(days=1), timedelta(days=6)]


def places_apart(places):
    """Return the rows of six cases at each of so many places, too far apart to be one."""
    rows = []
    for place in range(places):
        for row in random_log(place):
            said = row.data["set"]
            if "point" in said:
                said["point"] = f"{109 + place / 100:.7f},{said['point'].split(',')[1]}"
                said["grid_cell"] += str(place)
            rows.append(row)
    return rows


@pytest.fixture(scope="module")
def rows():
    return places_apart(60)


@pytest.mark.django_db
@pytest.mark.parametrize("by", ["body", "unit", "street"])
@pytest.mark.parametrize("seed", range(12))
def test_what_changed_added_to_what_was_is_what_is(huaihua, rows, seed, by):
    dice = random.Random(seed)  # noqa: S311  # a test's own dice
    since = OCTOBER.start + timedelta(hours=dice.randrange(1, 24 * 30))
    until = since + dice.choice(LEAPS)
    with transaction.atomic():
        write([row for row in rows if row.at < until])
        changed = changed_since(ALL_READ, since, until, most=1000)
        for start in STARTS:
            before, after = (sums(start, at, by) for at in (since, until))
            then, now = (sums(start, at, by, changed) for at in (since, until))

            assert moved_on(before, then, now) == after
        assert len(changed) < 360
        transaction.set_rollback(True)


def sums(start, as_of, by, cases=None):
    facts = facts_between(start, OCTOBER.end, as_of=as_of, by=by, cases=cases)
    return sums_of(facts, SCHEME)


@pytest.mark.django_db
def test_nothing_is_taken_on_over_events_from_before(huaihua, rows):
    with transaction.atomic():
        write([row for row in rows if row.at < day("10-20")])

        span = (day("10-19"), day("10-20"))
        assert changed_since(ALL_READ, *span, most=1000)
        assert changed_since(ALL_READ, *span, most=3) is None
        assert changed_since({**ALL_READ, "hecheng": 5}, *span, most=1000) is None
        transaction.set_rollback(True)
