"""A score asked for while the log is being written."""

import threading

import pytest
from django.db import connection, transaction

from cases.choices import Role
from scoring.periods import parse_period
from scoring.services import compute_run
from tests.support.city import open_logs
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def writer():
    """Hold a head in another thread, as a long transaction would, until told to let go."""
    open_logs()
    held, let_go = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("UPDATE cases_districthead SET dseq = dseq WHERE scope = 'hecheng'")
            held.set()
            let_go.wait(20)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    yield let_go
    let_go.set()
    thread.join(20)


def test_ranking_says_try_again_while_the_log_is_held(writer, client):
    client.force_login(person("leader", Role.LEADER))
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")

    answer = client.get("/score/2026-10/")

    assert answer.status_code == 503
    assert answer["retry-after"] == "2"
    writer.set()
    with connection.cursor() as cursor:
        cursor.execute("RESET lock_timeout")
    assert client.get("/score/2026-10/").status_code == 200


def test_run_waits_for_the_writer_and_sees_all_of_it(writer):
    threading.Timer(0.3, writer.set).start()

    run = compute_run(parse_period("2026-10"))

    assert run.heads["hecheng"] == 0
