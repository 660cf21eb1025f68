"""Half-years, and how every kind of period is read, listed and said."""

from datetime import datetime

import pytest
from django.utils.translation import override

from deploy.verify_log import period_of
from scoring.periods import CITY_TIME, BadPeriod, parse_period, periods_between, periods_within
from scoring.words import period_words


def test_a_half_year_is_six_months_with_quarters_and_months_within():
    half = parse_period("2026-H2")

    within = [one.name for one in periods_within(half.start, half.end)]

    assert half.start == datetime(2026, 7, 1, tzinfo=CITY_TIME)
    assert half.end == datetime(2027, 1, 1, tzinfo=CITY_TIME)
    assert (half.months, half.is_month, half.wide_start) == (6, False, half.start)
    assert within == [
        *("2026-12", "2026-11", "2026-10", "2026-09", "2026-08", "2026-07"),
        *("2026-Q4", "2026-Q3", "2026-H2"),
    ]


def test_a_span_lists_halves_between_quarters_and_years():
    found = periods_between(
        datetime(2026, 6, 30, tzinfo=CITY_TIME), datetime(2026, 7, 1, tzinfo=CITY_TIME)
    )

    assert [one.name for one in found] == [
        *("2026-07", "2026-06", "2026-Q3", "2026-Q2", "2026-H2", "2026-H1", "2026"),
    ]


@pytest.mark.parametrize("name", ["2026-H0", "2026-H3", "2026-h1", "2026-H", "2026-H1 ", "H1"])
def test_there_is_no_such_half_year(name):
    with pytest.raises(BadPeriod):
        parse_period(name)


@pytest.mark.parametrize("name", ["2026-H1", "2026-H2"])
def test_the_verifier_knows_the_half_year_from_its_name(name):
    period = parse_period(name)

    said = period_of(name)

    assert said["months"] == 6
    assert said["names"] == [one.name for one in periods_within(period.start, period.end)]
    assert datetime.fromisoformat(said["start"]) == period.start
    assert datetime.fromisoformat(said["end"]) == period.end


def test_half_years_are_said_in_words():
    with override("en"):
        said = [period_words(parse_period(name)) for name in ("2026-H1", "2026-H2", "2026-Q2")]

    assert said == ["First half of 2026", "Second half of 2026", "Quarter 2 of 2026"]
