"""The live rows of tests/permissions.txt: who is told of what, by socket and by long poll."""

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from cases.choices import Action
from cases.hub import hub
from cases.selectors.feed import read_heads
from tests.support.access import DISTRICTS, World, load_table_city
from tests.support.sockets import Socket, hear, quiet_hub, tell
from tests.support.spine import act
from tests.test_permissions import TABLE, Row

__all__ = ["quiet_hub"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet_hub")]


@pytest.fixture
def world(tmp_path):
    load_table_city(tmp_path)
    return World()


def answer_checks(world):
    for whose in DISTRICTS:
        number = world.cases["checking", whose]
        act(number, Action.ANSWER_CHECK, world.inspectors[whose], passed=True)


def told(messages, scope):
    """Return yes or no for a log in which one thing happened."""
    (message,) = [m for m in messages if m["scope"] == scope]
    return "yes" if message["type"] == "notice" else "no"


def listed(route, method):
    return {whose: TABLE.rows[Row(route, method, "", whose)] for whose in DISTRICTS}


def as_rows(found):
    return {whose: {actor: cells[whose] for actor, cells in found.items()} for whose in DISTRICTS}


async def test_the_socket_tells_whom_the_table_says(world):
    sockets, found = {}, {}
    for actor in TABLE.actors:
        socket = Socket(world.cookies.get(actor, ""))
        await socket.open()
        first = await socket.receive_output(5)
        if first["type"] == "websocket.close":
            assert first["code"] == 4401
            found[actor] = dict.fromkeys(DISTRICTS, "out")
        else:
            sockets[actor] = socket
            await socket.say('{"type":"resume","last":{}}')

    await sync_to_async(answer_checks)(world)
    await tell()
    for actor, socket in sockets.items():
        messages = await hear(socket, 2)
        found[actor] = {w: told(messages, scope) for w, scope in DISTRICTS.items()}
        await socket.leave()

    assert as_rows(found) == listed("ws/live/", "HEAR")


async def test_the_long_poll_tells_whom_the_table_says(world):
    found = {}
    before = await sync_to_async(read_heads)()
    after = ",".join(f"{scope}:{before[scope]}" for scope in DISTRICTS.values())
    await sync_to_async(answer_checks)(world)
    for actor in TABLE.actors:
        client = AsyncClient()
        client.cookies["sessionid"] = world.cookies.get(actor, "")
        answer = await client.get("/live/events", {"after": after})
        if answer.status_code != 200:
            found[actor] = dict.fromkeys(DISTRICTS, str(answer.status_code))
            continue
        messages = answer.json()["messages"]
        found[actor] = {w: told(messages, scope) for w, scope in DISTRICTS.items()}

    assert as_rows(found) == listed("live/events", "GET")
    assert hub().listeners == set()
