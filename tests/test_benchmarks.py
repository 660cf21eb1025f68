"""What the benchmarks stand on: a ledger of many cases that is a true one."""

import threading
from collections import Counter
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import connection

from cases.models import Case, CityOptions, DistrictHead, Event, Request
from cases.services.demo_users import create_demo_users
from cases.services.intake import next_number
from cases.services.ledger_check import verify_ledger
from cases.simulation import beside, simulate
from deploy.benchmarks import start
from deploy.benchmarks.fill import CannotFillError, fill
from deploy.benchmarks.flooder import FRESH_KEY, Flood
from deploy.benchmarks.limits import lifted
from deploy.benchmarks.screen import _late_ms
from deploy.console import Refusal

UNTIL = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]


def quiet(line):
    pass


def told_apart(column):
    """How many values the cases have in a column, none left out."""
    return Case.objects.exclude(**{column: None}).values(column).distinct().count()


def test_a_month_becomes_many_cases_with_true_chains(settings, tmp_path, eventful, monkeypatch):
    monkeypatch.setattr(beside, "REPORTED_AGAIN", 0.5)
    settings.DEMO, settings.DEMO_PASSWORD_FILE = True, tmp_path / "demo_password"
    settings.DEMO_PASSWORD_FILE.write_text("the-demo-password\n")
    create_demo_users()
    simulate(days=2, per_day=20, seed=1, until=UNTIL, progress=quiet)
    requests, survivors = Request.objects.count(), told_apart("merged_into")
    orders = told_apart("order_number")
    cases, events = Case.objects.count(), Event.objects.filter(case__isnull=False).count()
    connection.check_constraints()  # what is deferred to the commit would stop the emptying
    last = max(DistrictHead.objects.values_list("at", flat=True))

    made = fill(cases * 24, quiet)

    assert made == Case.objects.count() == cases * 24
    assert Event.objects.count() == events * 24
    assert Case.objects.values("number").distinct().count() == made
    assert max(Event.objects.values_list("at", flat=True)) <= last
    assert verify_ledger() == []
    assert Request.objects.count() == requests * 24 > 0
    assert told_apart("merged_into") == survivors * 24 > 0
    assert told_apart("order_number") == (orders - 1) * 24 + 1 > 1  # none is one for all
    assert next_number(last) not in Case.objects.values_list("number", flat=True)


def test_without_a_month_nothing_is_filled():
    with pytest.raises(CannotFillError, match="run simulate"):
        fill(100, quiet)

    assert Case.objects.count() == 0


class Stub(BaseHTTPRequestHandler):
    """Takes a report, refuses every other one, and remembers the keys."""

    keys: list[str] = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.keys.append(self.headers["Idempotency-Key"])
        self.send_response(201 if len(self.keys) % 2 else 429)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words):
        """Say nothing."""


def test_a_flood_sends_what_it_was_told_whatever_is_answered():
    with ThreadingHTTPServer(("127.0.0.1", 0), Stub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        call = ("POST", "/api/v1/cases/", b"{}", {"Idempotency-Key": FRESH_KEY})
        flood = Flood(server.server_address[1], 200, 0.25, [call])
        flood.run()
        server.shutdown()

    assert sum(flood.statuses.values()) == 50
    assert flood.statuses == Counter({201: 25, 429: 25})
    assert len(set(Stub.keys)) == 50


def test_limits_come_back_after_a_benchmark():
    CityOptions.objects.update(user_burst=7)

    with lifted():
        assert CityOptions.objects.get().user_burst > 10**6

    assert CityOptions.objects.get().user_burst == 7


def test_without_a_browser_its_benchmarks_are_refused_before_a_city_is_started(monkeypatch):
    begun = []
    monkeypatch.setattr(start.shutil, "which", lambda name: None)
    monkeypatch.setattr(start, "_deploy", lambda *words: begun.append(words))

    with pytest.raises(Refusal, match="apt-get install chromium"):
        start.run(["paint"])

    assert begun == []


def test_without_a_browser_the_others_are_measured(monkeypatch, capsys):
    measured = []
    monkeypatch.setattr(start.shutil, "which", lambda name: None)
    monkeypatch.setattr(start, "_deploy", lambda *words: None)
    monkeypatch.setattr(start, "_measure", lambda home, cases, form, names: measured.append(names))

    start.run([])

    assert measured == [[name for name in start.NAMES if name not in start.IN_A_BROWSER]]
    assert "Left out, desk, paint" in capsys.readouterr().err


def test_a_change_is_painted_by_the_first_screen_that_holds_it():
    painted = [[1_000, {"hecheng": 4}], [2_500, {"hecheng": 6}], [4_000, {"hecheng": 7}]]
    written = {("hecheng", 5): 2.0, ("hecheng", 6): 2.25, ("hecheng", 8): 3.0}

    assert _late_ms(painted, written) == [500, 250]
