"""A month cut off in the middle is written anew, unless people have worked in it since."""

import os
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from cases.choices import Role
from cases.models import Case, DemoMonth, DistrictHead, Event
from cases.services.city import load_city
from cases.services.demo_users import create_demo_users
from cases.services.intake import Report, report_case
from cases.services.ledger_check import verify_ledger
from cases.simulation import CannotSimulateError, simulate
from tests.support.city import SmallCity, open_logs
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def demo(settings, tmp_path):
    settings.DEMO, settings.DEMO_PASSWORD_FILE = True, tmp_path / "demo_password"
    settings.DEMO_PASSWORD_FILE.write_text("the-demo-password\n")
    open_logs()
    load_city(SmallCity(tmp_path).write(), since=None, progress=lambda line: None)
    create_demo_users()


@pytest.fixture
def cut_off(demo, tmp_path):
    """Start `simulate` as a process of its own and kill it in the middle."""
    database = connection.settings_dict
    place = f"{database['HOST']}:{database['PORT']}/{database['NAME']}"
    address = f"postgres://{database['USER']}:{database['PASSWORD']}@{place}"
    process = subprocess.Popen(
        [sys.executable, "manage.py", "simulate", "--days", "20", "--per-day", "100"],
        env={
            **os.environ,
            "DATABASE_URL": address,
            "DJANGO_SETTINGS_MODULE": "cityops.settings",
            "CITYOPS_HOME": str(tmp_path),
            "CITYOPS_DEMO": "1",
        },
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            if Case.objects.exists() or process.poll() is not None:
                break
            time.sleep(0.2)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(10)
    assert 0 < Case.objects.count() < 2000
    assert DemoMonth.objects.get().ended_at is None


def again():
    return simulate(days=2, per_day=10, seed=3, until=timezone.now(), progress=lambda line: None)


def test_month_cut_off_is_written_anew(cut_off):
    again()

    assert Case.objects.count() == 20
    assert Event.objects.earliest("at").at > timezone.now() - timedelta(days=2, minutes=1)
    assert DemoMonth.objects.get().ended_at is not None
    assert verify_ledger() == []


def test_month_people_have_worked_in_stays(cut_off):
    place = Report(lon=110.015, lat=27.515, category="event-0112", condition="event-0112-1")
    report_case(report=place, actor=person("somebody", Role.INSPECTOR, grids=("431202",)))
    heads = list(DistrictHead.objects.order_by("pk").values_list("dseq", "hash"))

    with pytest.raises(CannotSimulateError, match="stays partial"):
        again()

    assert list(DistrictHead.objects.order_by("pk").values_list("dseq", "hash")) == heads
    assert DemoMonth.objects.filter(ended_at=None).count() == 0
