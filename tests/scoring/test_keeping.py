"""Scores at hand: a tick computes them, and a page shows the last one while it waits."""

import pytest
from django.db import connection
from django.utils import timezone

from cases.errors import Busy
from cases.models import DistrictHead
from cases.ticks import TICKS
from scoring import services
from scoring.frame import newest_run
from scoring.keeping import LEVELS, keep_scores
from scoring.models import Run
from scoring.periods import earlier, month_of, periods_between
from scoring.services import compute_run
from tests.scoring.periods_city import OCTOBER, october, rule


@pytest.fixture
def city(transactional_db, tmp_path):
    october(tmp_path)


def test_each_score_that_may_be_looked_at_is_at_hand(city):
    assert TICKS["keep_scores"].queue == "report"

    said = keep_scores()

    now = timezone.now()
    (last,) = earlier(month_of(now), 1)
    names = {one.name for one in periods_between(last.start, now)}
    kept = set(Run.objects.values_list("period", "scheme__level"))
    assert {(name, level) for name in names for level in LEVELS} <= kept
    assert said == f"{len(kept)} scores"


def test_a_page_shows_the_last_score_while_the_database_has_no_time(city, monkeypatch):
    kept = compute_run(OCTOBER)
    rule("HHhecheng0")
    DistrictHead.objects.update(dseq=20_000)
    read = services.facts_between

    def for_long(*words, **named):
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 1")
            cursor.execute("SELECT pg_sleep(5)")
        return read(*words, **named)

    monkeypatch.setattr(services, "facts_between", for_long)

    shown = newest_run(OCTOBER)

    assert (shown, shown.is_last_kept) == (kept, True)
    with pytest.raises(Busy):
        compute_run(OCTOBER)
    monkeypatch.undo()
    assert compute_run(OCTOBER).as_of > kept.as_of
