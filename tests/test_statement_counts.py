"""Pages and feeds take as many statements for ten thousand cases as for a handful."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from cases.choices import Waiting
from cases.models import Case
from cases.services.demo_users import create_demo_users
from cases.simulation import simulate
from cityops.accounts.models import User
from deploy.benchmarks.fill import fill

UNTIL = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("huaihua")]

# What a page takes, the session and the user included.
COUNTS = {
    ("dispatcher1", "/desk/"): 11,
    ("dispatcher1", "/desk/?q=hxl"): 12,
    ("dispatcher1", "/desk/queue/"): 10,
    ("dispatcher1", "/desk/queue/?view=decide"): 10,
    ("dispatcher1", "/desk/cases/"): 3,
    ("dispatcher1", "/desk/alarms/"): 7,
    ("dispatcher1", "/desk/cards/?numbers=HH2026111900001,HH2026111900002"): 3,
    ("dispatcher1", "/desk/components/?box=109.96,27.54,109.98,27.56"): 3,
    ("dispatcher1", "/desk/heat/?period=30d"): 6,
    ("dispatcher1", "/desk/heat/?period=30d&zoom=15"): 6,
    ("dispatcher1", "/desk/heat/areas/?x=13197&y=6887"): 3,
    ("dispatcher1", "/desk/trend/?period=30d"): 7,
    ("dispatcher1", "/desk/hotspots/?period=30d"): 6,
    ("dispatcher1", "/desk/past/?at=2026-11-19T12:00"): 4,
    ("dispatcher1", "/desk/past/cases/?at=2026-11-19T12:00"): 3,
    ("dispatcher1", "/api/v1/cases/"): 3,
    ("dispatcher1", "/api/v1/cases/?q=hxl&stage=open"): 4,
    ("dispatcher1", "/cases/"): 11,
    ("dispatcher1", "/cases/?q=hx&show=200"): 12,
    ("dispatcher1", "/downloads/"): 3,
    ("dispatcher1", "/api/v1/locate/?lon=109.9765&lat=27.5505"): 4,
    ("inspector", "/m/"): 6,
    ("unit", "/unit/"): 9,
}


def taken(username, address):
    client = Client()
    client.force_login(User.objects.get(username=username))
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def let_one_wait_for_a_decision():
    """Let a view have something to show that chance need not give it in two days."""
    case = Case.objects.open().exclude(unit=None).earliest("pk")
    Case.objects.filter(pk=case.pk).update(waiting_for=[Waiting.SUSPENSION])


def counts():
    busiest = Case.objects.open().exclude(unit=None).earliest("pk").unit_id
    reporter = Case.objects.filter(source="inspector").earliest("pk").reporter.username
    names = {"unit": f"unit-{busiest}", "inspector": reporter}
    return {(who, address): taken(names.get(who, who), address) for who, address in COUNTS}


def test_statements_do_not_grow_with_the_log(settings, tmp_path):
    settings.DEMO, settings.DEMO_PASSWORD_FILE = True, tmp_path / "demo_password"
    settings.DEMO_PASSWORD_FILE.write_text("the-demo-password\n")
    create_demo_users()
    simulate(days=2, per_day=8, seed=1, until=UNTIL, progress=lambda line: None)
    let_one_wait_for_a_decision()
    connection.check_constraints()

    few = counts()
    fill(10_000, lambda line: None)
    many = counts()

    assert few == COUNTS
    assert many == COUNTS
