"""What a killed worker and two emptied Redis servers cost: nothing (faults.md)."""

import random
import signal
import time

FILINGS = 200
HALT_AT = 80  # from here the worker has tasks delivered to it, and finishes none
DISASTER_AT = 100
AGAIN_AT = 170  # whatever it is doing just then
RECOVERY_S = 120
WORKER = "worker-dispatch.hecheng"


def dispatched(city, numbers):
    query = "SELECT count(*) FROM cases_case WHERE number = ANY(%s) AND stage = 'dispatched'"
    return city.rows(query, numbers)[0][0]


def wait_until_dispatched(city, numbers):
    deadline = time.monotonic() + RECOVERY_S
    while dispatched(city, numbers) < len(numbers) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert dispatched(city, numbers) == len(numbers)


def test_no_filing_is_lost_or_dispatched_twice(running_city):
    city, draw = running_city, random.Random(4)  # noqa: S311 - places, not secrets
    token = city.manage("token", "inspector1")
    conditions = city.rows(
        "SELECT c.code, c.minor_id FROM cases_condition c JOIN cases_minorclass m"
        " ON m.code = c.minor_id WHERE m.kind = 'event' ORDER BY c.code LIMIT 50"
    )
    numbers, undone, before = [], 0, city.pid(WORKER)

    for index in range(FILINGS):
        if index == HALT_AT:
            wait_until_dispatched(city, numbers)  # a stopped process must not hold a lock
            city.send(WORKER, signal.SIGSTOP)
        if index == DISASTER_AT:
            undone = len(numbers) - dispatched(city, numbers)
            city.send(WORKER, signal.SIGKILL)
            city.forget_redis()
        if index == AGAIN_AT:
            city.send(WORKER, signal.SIGKILL)
        place = draw.uniform(109.965, 110.005), draw.uniform(27.52, 27.57)
        numbers.append(city.file_case(token, *draw.choice(conditions), place))

    wait_until_dispatched(city, numbers)
    assert undone == DISASTER_AT - HALT_AT
    assert len(set(numbers)) == FILINGS
    assert city.pid(WORKER) != before
    each = city.rows(
        "SELECT count(*) FROM cases_event e JOIN cases_case c ON c.id = e.case_id"
        " WHERE c.number = ANY(%s) AND e.action = 'dispatch' GROUP BY c.id",
        numbers,
    )
    assert each == [(1,)] * FILINGS
    assert city.manage("verify_ledger").endswith(" 0 faults")
