"""What gaming wins: each move of assessment.md §7 played by a district, and the sign it has.

The same month is written without moves and then with one in each district: the same reports, the
same luck, so that what differs is the move. docs/gaming.md tells the figures. It takes too long for
the gate: deploy/test tests/scoring/test_gaming_moves.py.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from itertools import chain
from statistics import fmean
from typing import Any, NamedTuple

import pytest
from django.db import transaction

from cases.choices import DISTRICT_SLUGS, Source
from cases.models import CityOptions, DemoMonth
from cases.services.city import load_city
from cases.services.demo_users import create_demo_users
from cases.simulation import city, read_moves, simulate
from cases.simulation import month as month_module
from cases.simulation.city import Profile
from cases.simulation.gaming import Move
from scoring.periods import parse_period
from scoring.results import result_of, sums_of
from scoring.rules import Measure
from scoring.selectors import facts_between, reference_of
from scoring.versions import scheme_of
from tests.support.city import HUAIHUA, open_logs

OCTOBER = parse_period("2026-10")
UNTIL = datetime(2026, 10, 31, 16, tzinfo=UTC)  # midnight in the city
DAYS, PER_DAY, WEEKS, SEED = 30, 16, 4, 1  # about 100 cases of a district are assessed
# Four equal districts, about 15 % late, of which 30 % are left.
LIKE = Profile(0.25, 0.88, 0.74, passes=0.95, returns=0.03, slow_sign=0.06, left=0.3)
# More reports from outside than usual: only they pass an acceptor, who may refuse them.
SOURCES = {Source.INSPECTOR: 40.0, Source.HOTLINE: 35.0, Source.CITIZEN: 25.0}
# More urgent cases and works, so that each of the three kinds has its ten groups.
CLASSES = {"event-0405": 230, "component-0284": 110}
ALL = 10_000
GROUPED = ("A1", "A2", "A3")
ROUNDS = (
    ("void-late", "extend-late", "suspend-late", "force-close-late"),
    ("close-late-ones", "halve-lateness", "refuse-hard", "hand-over-late"),
    # What is stated of finishing early is next to nothing: two districts play it.
    ("finish-early", "easy-cases-same-cells", "finish-early", "easy-cases-elsewhere"),
)


class Score(NamedTuple):
    """What a district's month comes to."""

    here: Fraction  # the total, with deductions as the lots of a real city would find them
    grouped: Fraction  # what A1 to A3 bring to it, where splitting is undone
    plain: Fraction  # the system score in a total by a formula that voids and suspensions leave
    sheet: Mapping[str, Any]


@pytest.fixture
def four_alike(transactional_db, settings, tmp_path, monkeypatch):
    """Make the four alike, and let the lots take every closing, refusal and reporter."""
    settings.DEMO, settings.DEMO_PASSWORD_FILE = True, tmp_path / "demo_password"
    settings.DEMO_PASSWORD_FILE.write_text("the-demo-password\n")
    settings.MEDIA_ROOT = tmp_path
    for slug in city.PROFILES:
        monkeypatch.setitem(city.PROFILES, slug, LIKE)
    for code, weight in CLASSES.items():
        monkeypatch.setitem(city.CLASSES, code, weight)
    monkeypatch.setattr(city, "SOURCES", SOURCES)
    monkeypatch.setattr(month_module, "SCAN_EVERY", timedelta(hours=1))  # delays lamps, no score
    open_logs()
    load_city(HUAIHUA, since=None, progress=lambda line: None)
    create_demo_users()
    CityOptions.objects.update(audits_a_week=ALL, decline_audits_a_week=ALL, revisits_a_week=ALL)


def month(seed: int, *moves: str) -> dict[str, Score]:
    """Write October with these moves in place of the one before, and score it."""
    DemoMonth.objects.update(ended_at=None)  # as if cut off: it is written anew
    simulate(
        days=DAYS,
        per_day=PER_DAY,
        seed=seed,
        until=UNTIL,
        progress=lambda line: None,
        moves=read_moves(moves),
    )
    with transaction.atomic():
        return scores()


def scores() -> dict[str, Score]:
    """Score October by the default scheme; inspections and key tasks are alike for all."""
    scheme = scheme_of().data
    sums, wide = (
        sums_of(facts_between(start, OCTOBER.end, as_of=OCTOBER.end), scheme)
        for start in (OCTOBER.start, OCTOBER.wide_start)
    )
    read = reference_of(scheme, OCTOBER, as_of=OCTOBER.end)
    alike = {"onsite": Measure(Fraction(85)), "key_tasks": Measure(Fraction(90))}
    given, wide_given = (
        {body: {**of.get(body, {}), **alike} for body in DISTRICT_SLUGS}
        for of in (read.given, read.given_wide)
    )
    beside = replace(read, bodies=DISTRICT_SLUGS, given=given, given_wide=wide_given)
    result = result_of(sums, wide, scheme, beside, months=1)
    return {sheet["body"]: score_of(sheet) for sheet in result["bodies"]}


def score_of(sheet: Mapping[str, Any]) -> Score:
    counts: Mapping[str, int] = defaultdict(int, sheet["counts"])
    feigned, refused, shirked = (Fraction(one["points"]) for one in sheet["deductions"]["items"])
    off = feigned * lot(8 * WEEKS, counts["audits"]) + shirked
    off += refused * lot(5 * WEEKS, counts["refusals_audited"])
    before = Fraction(sheet["total"]) + Fraction(sheet["deductions"]["points"])
    ended = counts["closed"] + counts["forced"]
    due = ended + counts["in_check"] + counts["overdue_unhandled"]
    plain = 30 * Fraction(ended, due) + 40 * Fraction(counts["closed_on_time"], due)
    plain += 30 * Fraction(counts["checks_passed"], counts["checks"])
    grouped = sum(Fraction(i["points"]) for i in sheet["items"] if i["code"] in GROUPED)
    return Score(before - min(off, 10), grouped * 6 / 10, plain * 6 / 10, sheet)


def lot(drawn: int, audited: int) -> Fraction:
    """Return the share of what was audited here that the lots of a real city would have drawn."""
    return Fraction(min(drawn, audited), audited or 1)


MORE, LESS, NOTHING, LITTLE = "more", "less", "nothing", "little"
SIGNS = {  # of what a move does to the total: here, and by the plain formula
    "close-late-ones": (MORE, MORE),
    "halve-lateness": (MORE, MORE),
    "void-late": (LESS, MORE),
    "finish-early": (LITTLE, MORE),  # stated: a little less; see docs/gaming.md
    "extend-late": (LESS, MORE),
    "suspend-late": (LESS, MORE),
    "refuse-hard": (LESS, MORE),
    "easy-cases-same-cells": (NOTHING, MORE),  # of what groups are for; see docs/gaming.md
    "easy-cases-elsewhere": (MORE, MORE),
    "force-close-late": (LESS, MORE),
    "hand-over-late": (LESS, MORE),
}
BAND = {NOTHING: 0.5, LITTLE: 1.0}  # points of the total, either way


@cache
def without_moves() -> dict[str, Score]:
    return month(SEED)


@pytest.mark.usefixtures("four_alike")
def test_four_alike_are_ranked_by_enough_cases():
    assert all(score.sheet["rank"] for score in without_moves().values())


@pytest.mark.usefixtures("four_alike")
@pytest.mark.parametrize("moves", ROUNDS, ids=" ".join)
def test_a_move_does_to_the_total_what_the_assessment_says(moves):
    before = without_moves()

    after = month(SEED, *map(":".join, zip(DISTRICT_SLUGS, moves, strict=True)))

    wrong = {
        move: both
        for move, both in won_by(moves, before, after).items()
        if not all(map(agrees, both, SIGNS[move]))
    }
    assert wrong == {}


def agrees(won: float, sign: str) -> bool:
    if sign in BAND:
        return abs(won) <= BAND[sign]
    return won > 0 if sign == MORE else won < 0


def won_by(moves, before, after) -> dict[str, tuple[float, float]]:
    """Return what each move did to the total, here and plain: the mean of those who play it."""
    won = defaultdict(list)
    for district, move in zip(DISTRICT_SLUGS, moves, strict=True):
        now, then = after[district], before[district]
        here = now.here - then.here
        if move == Move.EASY_SAME_CELLS:
            here = now.grouped - then.grouped
        won[move].append((float(here), float(now.plain - then.plain)))
    return {move: tuple(map(fmean, zip(*all_, strict=True))) for move, all_ in won.items()}


def test_every_move_is_played_and_has_a_sign():
    assert set(chain(*ROUNDS)) == SIGNS.keys() == set(Move)
