"""Two workers count at once: each case once."""

import threading

import pytest
from django.db import connections, transaction

from cases.models import RollupState
from cases.services.city import load_city
from cases.services.rollup import advance, advance_rollup
from tests.cases.test_rollup import is_true
from tests.support.city import HUAIHUA, open_logs
from tests.support.spine import report

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def city():
    open_logs()
    load_city(HUAIHUA, since=None, progress=lambda line: None)


def test_two_workers_at_once_count_once(people, condition):
    numbers = [report(people, condition)["number"] for _ in range(4)]
    advance()  # makes the row of the position
    together, said = threading.Barrier(2), []

    def work():
        try:
            together.wait(10)
            for _ in range(5):
                said.append(advance_rollup())
        finally:
            connections.close_all()

    both = [threading.Thread(target=work) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(30)

    assert len(said) == 10
    assert len(numbers) == 4
    assert is_true()


def test_whoever_finds_the_position_held_stands_aside(people, condition):
    report(people, condition)
    advance()
    said = []

    def other():
        try:
            said.append(advance_rollup())
        finally:
            connections.close_all()

    with transaction.atomic():
        RollupState.objects.select_for_update().get(pk=1)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(30)
    assert said == ["stands aside"]
    advance_rollup()
    assert is_true()
