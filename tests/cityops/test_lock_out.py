"""Failed sign-ins at the same moment: no more than five are looked at."""

import threading

import pytest
from django.db import connection

from cityops.accounts.backends import reserve_try


@pytest.mark.django_db(transaction=True)
def test_of_twenty_tries_at_once_five_are_looked_at():
    start, looked_at = threading.Barrier(20), []

    def attempt():
        start.wait(10)
        looked_at.append(reserve_try("someone") is None)
        connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert looked_at.count(True) == 5
    assert len(looked_at) == 20
