"""Failed sign-ins at the same moment: no more than five are looked at."""

import threading
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from cases.services.upkeep import delete_old_ticks
from cityops.accounts.backends import reserve_try
from cityops.accounts.models import SignInLock
from cityops.accounts.roles import Role
from tests.support.people import person


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


@pytest.mark.django_db
def test_tries_are_forgotten_after_a_day_whether_the_name_is_known_or_not():
    person("known", Role.LEADER)
    for name in ("known", "unknown", "tried-today"):
        reserve_try(name)
    old = timezone.now() - timedelta(hours=25)
    SignInLock.objects.exclude(username="tried-today").update(tried_at=old)

    delete_old_ticks()

    assert [lock.username for lock in SignInLock.objects.all()] == ["tried-today"]


@pytest.mark.django_db
def test_a_new_try_makes_the_row_young_again():
    reserve_try("someone")
    SignInLock.objects.update(tried_at=timezone.now() - timedelta(hours=25))

    reserve_try("someone")
    delete_old_ticks()

    assert SignInLock.objects.get().tries == 2


@pytest.mark.django_db
def test_sessions_that_have_ended_are_deleted():
    Session.objects.create(session_key="old", session_data="", expire_date=timezone.now())
    tomorrow = timezone.now() + timedelta(days=1)
    Session.objects.create(session_key="young", session_data="", expire_date=tomorrow)

    delete_old_ticks()

    assert [session.session_key for session in Session.objects.all()] == ["young"]
