"""Live screens: who is told what, resume, and the long-poll twin."""

import asyncio
import json
import uuid

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from cases.choices import Role
from cases.hub import replay
from cases.services.city import load_city
from cases.services.intake import Report, report_case
from tests.support.city import SmallCity, open_logs
from tests.support.people import person
from tests.support.sockets import Socket, connect, hear, listen, quiet_hub, tell

__all__ = ["quiet_hub"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet_hub")]

REPORT = Report(lon=110.015, lat=27.515, category="event-0112", condition="event-0112-1")


@pytest.fixture
def inspector(tmp_path):
    open_logs()
    load_city(SmallCity(tmp_path).write(), since=None, progress=lambda line: None)
    return person("i1", Role.INSPECTOR, grids=("431202",))


async def report(inspector):
    words = {"report": REPORT, "actor": inspector, "key": uuid.uuid4()}
    return await sync_to_async(report_case)(**words)


async def test_dispatcher_hears_every_event(inspector):
    dispatcher = await sync_to_async(person)("d1", Role.DISPATCHER)
    socket, hello = await listen(dispatcher)

    answer = await report(inspector)
    await tell()
    notices = await hear(socket, 3)

    assert hello["heads"]["hecheng"] == 0
    assert [n["kind"] for n in notices] == ["report", "accept", "file"]
    assert [n["dseq"] for n in notices] == [1, 2, 3]
    assert {n["case"] for n in notices} == {answer["number"]}
    await socket.leave()


async def test_no_gap_where_only_some_events_concern_a_reader(inspector):
    other = await sync_to_async(person)("i2", Role.INSPECTOR, grids=("431202",))
    socket, _ = await listen(inspector)

    for reporter in (inspector, other, inspector):
        await report(reporter)
    await tell()
    heard = await hear(socket, 7)

    assert [n.get("dseq", n.get("upto")) for n in heard] == [1, 2, 3, 6, 7, 8, 9]
    assert [n["type"] for n in heard].index("upto") == 3
    await socket.leave()


async def test_stranger_learns_only_how_far_the_log_has_come(inspector):
    stranger = await sync_to_async(person)("d2", Role.DISPATCHER, "zhongfang")
    socket, _ = await listen(stranger)

    await report(inspector)
    await tell()

    assert await hear(socket, 1) == [{"type": "upto", "scope": "hecheng", "upto": 3}]
    await socket.leave()


async def test_resume_replays_exactly_what_was_missed(inspector):
    dispatcher = await sync_to_async(person)("d1", Role.DISPATCHER)
    for _ in range(2):
        await report(inspector)
    socket = await connect(dispatcher)
    await hear(socket, 1)

    await socket.say(json.dumps({"type": "resume", "last": {"hecheng": 2}}))
    missed = await hear(socket, 4)

    assert [n["dseq"] for n in missed] == [3, 4, 5, 6]
    assert await socket.receive_nothing(0.2)
    await socket.leave()


async def test_what_was_missed_comes_before_what_is_new(inspector):
    dispatcher = await sync_to_async(person)("d1", Role.DISPATCHER)
    await report(inspector)
    socket = await connect(dispatcher)
    await hear(socket, 1)
    await report(inspector)
    await tell()

    await socket.say(json.dumps({"type": "resume", "last": {"hecheng": 0}}))
    heard = await hear(socket, 6)

    assert [n["dseq"] for n in heard] == [1, 2, 3, 4, 5, 6]
    await socket.leave()


async def test_page_ahead_of_the_hub_is_not_told_to_start_again(inspector):
    await report(inspector)

    assert await replay(inspector, {"hecheng": 3}, {"hecheng": 0}) == []


async def test_long_poll_says_how_far_its_messages_reach(inspector):
    await report(inspector)
    client = AsyncClient()
    await client.aforce_login(inspector)
    first = (await client.get("/live/events", {"after": "hecheng:0"})).json()
    await report(inspector)
    await tell()

    second = (await client.get("/live/events", {"after": "hecheng:3"})).json()

    assert (first["heads"]["hecheng"], second["heads"]["hecheng"]) == (3, 6)
    assert [m["dseq"] for m in second["messages"]] == [4, 5, 6]


async def test_too_far_behind_is_told_to_start_again(inspector):
    messages = await replay(inspector, {"hecheng": 0}, {"hecheng": 501})

    assert messages == [{"type": "resync", "heads": {"hecheng": 501}}]


async def test_bad_frames_are_errors_and_then_the_end(inspector):
    socket = await connect(inspector)
    await hear(socket, 1)

    for frame in ["nonsense", "[]", '{"type":"resume","last":{"x":1}}', "{}", "1"]:
        await socket.say(frame)
    answers = await hear(socket, 5)

    assert {answer["type"] for answer in answers} == {"error"}
    assert (await socket.receive_output(5))["code"] == 4400


async def test_nobody_unknown_gets_in(inspector):
    socket = Socket()
    await socket.open()

    assert (await socket.receive_output(5))["code"] == 4401


async def test_long_poll_is_woken_by_an_event(inspector):
    dispatcher = await sync_to_async(person)("d1", Role.DISPATCHER)
    client = AsyncClient()
    await client.aforce_login(dispatcher)
    waiting = asyncio.create_task(client.get("/live/events", {"after": "hecheng:0"}))
    await asyncio.sleep(0.3)

    await report(inspector)
    await tell()
    answer = (await asyncio.wait_for(waiting, 5)).json()

    assert [m["dseq"] for m in answer["messages"]] == [1, 2, 3]
    assert answer["heads"]["hecheng"] == 3


async def test_long_poll_answers_at_once_from_an_old_cursor(inspector):
    await report(inspector)
    client = AsyncClient()
    await client.aforce_login(inspector)

    answer = await client.get("/live/events", {"after": "hecheng:1"})

    assert [m["dseq"] for m in answer.json()["messages"]] == [2, 3]


@pytest.mark.parametrize("after", ["hecheng", "mars:1", "hecheng:-1", "hecheng:x"])
async def test_long_poll_refuses_a_bad_cursor(inspector, after):
    client = AsyncClient()
    await client.aforce_login(inspector)

    answer = await client.get("/live/events", {"after": after})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
