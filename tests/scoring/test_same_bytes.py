"""The same log gives the same bytes: in other processes, places, languages and orders of rows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection, connections

from scoring.models import Run
from tests.cases.test_concurrency import city
from tests.scoring.ledger import write
from tests.scoring.logs import random_log

ROOT = Path(__file__).resolve().parents[2]
__all__ = ["city"]
pytestmark = pytest.mark.django_db(transaction=True)
PERIOD = "2026-10"
AT_HOME = {"PYTHONHASHSEED": "0", "TZ": "Asia/Shanghai", "LC_ALL": "C"}
# A reader elsewhere: what Python and its libraries might let slip into a number or an order.
ELSEWHERE = {
    "the same once more": {},
    "another seed of hashes": {"PYTHONHASHSEED": "1"},
    "a random seed of hashes": {"PYTHONHASHSEED": "random"},
    "UTC": {"TZ": "UTC"},
    "New York": {"TZ": "America/New_York"},
    "Chinese": {"LC_ALL": "zh_CN.UTF-8", "LANGUAGE": "zh"},
    "Turkish": {"LC_ALL": "tr_TR.UTF-8"},
    "optimised": {"PYTHONOPTIMIZE": "2"},
}


@pytest.fixture
def log(city):
    """Two months of cases, committed, so that other processes see them."""
    write(random_log(11, cases=120))


def address_of(database):
    server, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    return f"{server}/{database}"


def scored(database="", **words):
    """Return what a process of its own computes and prints, whatever was kept before."""
    Run.objects.all().delete()
    url = address_of(database or connection.settings_dict["NAME"])
    kept = {k: v for k, v in os.environ.items() if k not in {"LANG", "DATABASE_URL_WEB"}}
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "score", PERIOD, "--json"],
        env={**kept, "DATABASE_URL": url, "DATABASE_URL_SYSTEM": url, **AT_HOME, **words},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_a_score_is_the_same_bytes_wherever_it_is_computed(log):
    here = scored()

    assert b'"bodies"' in here
    for name, words in ELSEWHERE.items():
        assert scored(**words) == here, name


def test_a_score_does_not_hang_on_the_order_of_rows(log):
    """The table is written anew in an order that has nothing to do with time or case."""
    here = scored()
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX by_chance ON cases_event (md5(id::text))")
        cursor.execute("CLUSTER cases_event USING by_chance")
        cursor.execute("ALTER TABLE cases_event SET WITHOUT CLUSTER")
        cursor.execute("DROP INDEX by_chance")
        cursor.execute("SELECT id FROM cases_event LIMIT 20")
        found = [pk for (pk,) in cursor.fetchall()]
    connections.close_all()

    assert found != sorted(found)
    assert scored() == here


@pytest.fixture
def restored(log):
    """The same log in another database, which came there by way of a dump, as a backup does."""
    name = connection.settings_dict["NAME"]
    copy = f"{name}_restored"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {copy}")
        cursor.execute(f"CREATE DATABASE {copy} TEMPLATE template0")
    try:
        dump = run("pg_dump", "--format=custom", address_of(name))
        run("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={address_of(copy)}", of=dump)
        yield copy
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {copy} WITH (FORCE)")


def run(*command, of=None):
    done = subprocess.run(command, input=of, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_a_score_from_a_restored_backup_is_the_same_bytes(restored):
    assert scored(restored) == scored()
