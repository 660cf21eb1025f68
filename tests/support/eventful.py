"""A simulated city in which what is rare happens often, so that few cases show it all."""

import pytest

from cases.choices import Source
from cases.simulation import afterwards, beside, city, waiting
from cases.simulation.life import Life

RARE = 0.12  # odds below which something is rare
OFTEN = 0.4


@pytest.fixture
def eventful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make rare things thirty times as likely; some need odds of their own."""
    happens = Life.happens

    def happens_often(life: Life, odds: float) -> bool:
        return happens(life, min(OFTEN, odds * 30) if odds < RARE else odds)

    monkeypatch.setattr(Life, "happens", happens_often)
    monkeypatch.setattr(beside, "REPORTED_AGAIN", 0.15)
    monkeypatch.setattr(beside, "UNMERGED", 0.6)
    monkeypatch.setattr(city, "AT_BORDER", 0.1)
    monkeypatch.setitem(city.SOURCES, Source.HOTLINE, 30.0)
    monkeypatch.setattr(waiting, "FORCED", 0.9)
    monkeypatch.setattr(afterwards, "CONFIRMED", 1.0)
