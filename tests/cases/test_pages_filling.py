"""Every page of a demo city says so while its month of cases is being written."""

from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection

from cases import ledger
from tests.cases.test_pages_phone import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]
WORDS = "The demo data is still being written"


@contextmanager
def month_being_written():
    """Hold the lock the writer of the month holds, on a connection of its own."""
    with psycopg.connect(**connection.get_connection_params()) as writer:
        writer.execute("SELECT pg_advisory_lock(%s)", [ledger.FILLING_LOCK])
        yield
        writer.execute("SELECT pg_advisory_unlock(%s)", [ledger.FILLING_LOCK])


def ask_again(monkeypatch):
    monkeypatch.setattr(ledger, "_last_asked", (-ledger.ASK_AGAIN_S, False))


@pytest.mark.parametrize("address", ["/m/", "/m/report/", "/sign-in/?next=/x"])
def test_page_says_that_the_month_is_being_written(client, people, monkeypatch, address):
    reader = client if "sign-in" in address else client_of(people.inspector)
    ask_again(monkeypatch)
    with month_being_written():
        during = reader.get(address).content.decode()
    ask_again(monkeypatch)
    after = reader.get(address).content.decode()

    assert during.count(WORDS) == 1
    assert WORDS not in after


def test_real_city_never_asks(people, monkeypatch, settings):
    settings.DEMO = False
    ask_again(monkeypatch)

    with month_being_written():
        assert WORDS not in client_of(people.inspector).get("/m/").content.decode()

    assert ledger._last_asked[0] < 0


def test_question_costs_one_statement_in_a_while(people, monkeypatch, django_assert_num_queries):
    client = client_of(people.inspector)
    ask_again(monkeypatch)

    with django_assert_num_queries(6):
        client.get("/m/")
    with django_assert_num_queries(5):
        client.get("/m/")


def test_shared_lock_of_ordinary_writers_is_not_a_month(people, monkeypatch):
    ask_again(monkeypatch)

    with psycopg.connect(**connection.get_connection_params()) as writer:
        writer.execute("SELECT pg_advisory_xact_lock_shared(%s)", [ledger.FILLING_LOCK])
        assert ledger.is_filling() is False
