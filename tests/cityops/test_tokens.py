"""Tokens: however many ask at once, they get no more than there are."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from cases.choices import CITY
from cases.models import Bucket, CityOptions
from cases.services.limits import take_room, take_token


def let(**numbers):
    CityOptions.objects.update_or_create(pk=1, defaults=numbers)


def at_once(ask):
    """Ask two hundred times; returns how many passed, and how many seconds it took in all."""
    begun = time.monotonic()
    with ThreadPoolExecutor(max_workers=40) as threads:
        passed = Counter(threads.map(ask, range(200)))
    return passed, time.monotonic() - begun


@pytest.mark.django_db(transaction=True)
def test_two_hundred_parallel_calls_get_twenty_tokens():
    let(user_burst=20, user_per_s=1, scope_burst=1000)

    def ask(_):
        try:
            return take_token(user_id=1, scope="hecheng") == 0
        finally:
            connection.close()

    passed, taken_s = at_once(ask)

    assert 20 <= passed[True] <= 20 + taken_s  # one comes back a second
    assert passed[True] + passed[False] == 200
    assert 0 <= Bucket.objects.get(key="user:1").tokens < 20


@pytest.mark.django_db(transaction=True)
def test_two_hundred_people_of_a_district_get_its_twenty_tokens():
    let(user_burst=1000, scope_burst=20, scope_per_s=1)

    def ask(user_id):
        try:
            return take_token(user_id=user_id, scope="hecheng") == 0
        finally:
            connection.close()

    passed, taken_s = at_once(ask)

    assert 20 <= passed[True] <= 20 + taken_s
    assert take_token(user_id=1, scope="zhongfang") == 0


@pytest.mark.django_db
def test_who_must_wait_takes_nothing_from_the_district():
    let(user_burst=1, user_per_s=1, scope_burst=100, scope_per_s=1)

    waits = [take_token(user_id=7, scope="hecheng") for _ in range(5)]

    assert waits == [0, 1, 1, 1, 1]
    assert Bucket.objects.get(key="scope:hecheng").tokens == 99


@pytest.mark.django_db
def test_tokens_come_back_up_to_the_burst():
    let(user_burst=3, user_per_s=2, scope_burst=100)
    for _ in range(3):
        assert take_token(user_id=7, scope=CITY) == 0
    with connection.cursor() as cursor:
        cursor.execute("UPDATE cases_bucket SET at = at - interval '1 hour'")

    after = [take_token(user_id=7, scope=CITY) for _ in range(4)]

    assert after == [0, 0, 0, 1]


@pytest.mark.django_db
def test_a_new_limit_holds_at_once():
    let(user_burst=1000)
    assert take_token(user_id=7, scope=CITY) == 0

    let(user_burst=1)

    assert [take_token(user_id=7, scope=CITY) for _ in range(2)] == [0, 1]


@pytest.mark.django_db
def test_room_for_photos_comes_back_up_to_the_burst(settings):
    settings.PHOTO_BURST_KB, settings.PHOTO_KB_PER_S = 10, 2
    assert [take_room(user_id=7, size=size) for size in (4_000, 5_001, 1)] == [0, 0, 1]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE cases_bucket SET at = at - interval '1 hour'")

    after = [take_room(user_id=7, size=size) for size in (10_000, 10_000)]

    assert after == [0, 5]
    assert take_room(user_id=8, size=10_000) == 0


@pytest.mark.django_db
def test_a_photo_larger_than_the_share_takes_all_of_it(settings):
    settings.PHOTO_BURST_KB, settings.PHOTO_KB_PER_S = 10, 1

    assert [take_room(user_id=7, size=50_000) for _ in range(2)] == [0, 10]
