"""Fixtures every test may ask for."""

import math

import pytest
from django.conf import settings as project
from django.utils import translation

from cases import ledger
from cases.choices import CITY
from cases.selectors import home_scope
from tests.support.browsers import browser, desks
from tests.support.city import huaihua
from tests.support.eventful import eventful
from tests.support.modules import phone
from tests.support.months import days
from tests.support.outside import authority, mail_server, other_system, secured_system
from tests.support.running import running_city
from tests.support.spine import condition, media, people

__all__ = [
    "authority",
    "browser",
    "condition",
    "days",
    "desks",
    "eventful",
    "huaihua",
    "mail_server",
    "media",
    "other_system",
    "people",
    "phone",
    "running_city",
    "secured_system",
]


@pytest.fixture(autouse=True)
def each_test_begins_in_the_same_language():
    """A page asked for in another one leaves it behind in the thread of the tests."""
    translation.activate(project.LANGUAGE_CODE)


@pytest.fixture(autouse=True)
def nothing_is_filling(monkeypatch):
    """Answer beforehand what a page asks every few seconds, so statements can be counted."""
    monkeypatch.setattr(ledger, "_last_asked", (math.inf, False))


@pytest.fixture(autouse=True)
def everybody_is_of_the_city(monkeypatch):
    """Answer beforehand what a process looks up every few minutes, likewise."""
    monkeypatch.setattr(home_scope, "_looked_up", lambda statement, key: CITY)
