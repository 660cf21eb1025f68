"""Each fault once, shortened, on one lab: the gate's word that nothing is lost or doubled."""

import json

import pytest

from tests.faultlab.faults import all_faults
from tests.faultlab.faults.steady import beyond_leases
from tests.faultlab.figures import Figures, Size
from tests.faultlab.runner import running
from tests.faultlab.trial import run_fault


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with running(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.mark.parametrize("fault", all_faults().values(), ids=lambda fault: fault.name)
def test_city_stands(lab, fault):
    verdict = run_fault(lab, fault, Size(seed=1, short=True))
    if not verdict.passed:
        lab.refound(out=lab.home.path / f"out-after-{fault.name}")  # the others are judged alone

    assert verdict.complaints == [], json.dumps(verdict.figures)


def test_a_figure_outside_its_limits_is_named():
    figures = Figures(Size())
    figures.note("cases", 3, at_least=4)
    figures.note("late", 2, "s", at_most=1)
    figures.note("fine", 1, "s", at_most=1, at_least=1)

    assert figures.missed() == ["cases is 3, not at least 4", "late is 2 s, not at most 1"]


def test_only_times_are_loosened_in_a_shortened_run():
    figures = Figures(Size(short=True))
    figures.note("late", 2, "s", at_most=1)
    figures.note("hard", 2, "s", at_most=1, hard=True)
    figures.note("doubled", 1, at_most=0)

    assert figures.missed() == ["hard is 2 s, not at most 1", "doubled is 1, not at most 0"]


@pytest.mark.parametrize(
    ("done", "deaths", "beyond"),
    [
        (4, [], 4),
        (16, [], 16),  # nobody died, so nothing excuses a lease
        (16, [1], 0),
        (22, [1], 6),
        (32, [1, 18], 0),
        (32, [1], 16),
    ],
)
def test_only_a_death_excuses_a_lease(done, deaths, beyond):
    assert beyond_leases(0, done, deaths) == beyond
