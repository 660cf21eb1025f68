"""When a case leaves one's sight, a right is taken away, or a reader does not read."""

import asyncio
import json
import time
import uuid

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext

from cases import consumers
from cases import hub as hubs
from cases.choices import Action, Role
from cases.hub import hub
from cases.models import Case
from cases.policy import reach_of
from cases.selectors.feed import read_heads
from cases.services.city import load_city
from cases.services.intake import Report, report_case
from cityops.accounts.models import Grant, User
from cityops.accounts.roles import ScopeKind
from cityops.accounts.sessions import still_signed_in
from tests.support.city import SmallCity, open_logs
from tests.support.people import person
from tests.support.sockets import Socket, connect, cookie_of, hear, listen, quiet_hub, tell
from tests.support.spine import act, run_dispatch

__all__ = ["quiet_hub"]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quiet_hub")]

REPORT = Report(lon=110.015, lat=27.515, category="event-0112", condition="event-0112-1")


@pytest.fixture
def inspector(tmp_path):
    open_logs()
    load_city(SmallCity(tmp_path).write(), since=None, progress=lambda line: None)
    return person("i1", Role.INSPECTOR, grids=("431202",))


@pytest.fixture
def office():
    return person("u1", Role.UNIT, "office")


@pytest.fixture
def number(inspector, office):
    """A case the unit `office` has to sign for."""
    said = report_case(report=REPORT, actor=inspector, key=uuid.uuid4())
    assert run_dispatch(said["number"]) == "dispatched"
    return said["number"]


def give_back(number, office):
    act(number, Action.RETURN, office, reason="other")


async def after(work, *arguments):
    await sync_to_async(work)(*arguments)
    await tell()


async def until(is_so):
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110  # the code under test has no such event
            await asyncio.sleep(0.02)


async def say_more(socket, count):
    return [(m["kind"], m["case"]) if m["type"] == "notice" else m["type"]
            for m in await hear(socket, count)]  # fmt: skip


# --- a case leaves --------------------------------------------------------------------------------


async def test_a_unit_is_told_that_a_case_has_left_and_nothing_more(number, office):
    socket, hello = await listen(office)

    await after(give_back, number, office)
    (gone,) = await hear(socket, 1)

    assert gone == {
        "type": "notice",
        "scope": "hecheng",
        "dseq": hello["heads"]["hecheng"] + 1,
        "kind": "gone",
        "case": number,
    }
    await socket.leave()


async def test_neither_a_stranger_nor_later_news_of_a_case_that_left(number, office):
    dispatcher = await sync_to_async(person)("d1", Role.DISPATCHER)
    stranger, _ = await listen(await sync_to_async(person)("u2", Role.UNIT, "zone-office"))
    owner, _ = await listen(office)

    await after(give_back, number, office)
    await after(lambda: act(number, Action.REASSIGN, dispatcher, unit="brigade"))

    assert await say_more(stranger, 2) == ["upto", "upto"]
    assert await say_more(owner, 2) == [("gone", number), "upto"]
    await stranger.leave()
    await owner.leave()


async def test_one_reader_of_both_events_is_told_the_same_as_two_readings(number, office):
    dispatcher = await sync_to_async(person)("d1", Role.DISPATCHER)
    successor = await sync_to_async(person)("u2", Role.UNIT, "brigade")
    old, _ = await listen(office)
    new, _ = await listen(successor)

    await sync_to_async(give_back)(number, office)
    await after(lambda: act(number, Action.REASSIGN, dispatcher, unit="brigade"))

    assert await say_more(old, 2) == [("gone", number), "upto"]
    assert await say_more(new, 2) == [("return", number), ("reassign", number)]
    await old.leave()
    await new.leave()


async def test_a_case_that_came_back_is_not_gone(number, office):
    dispatcher = await sync_to_async(person)("d1", Role.DISPATCHER)
    socket, _ = await listen(office)

    await sync_to_async(give_back)(number, office)
    await after(lambda: act(number, Action.REASSIGN, dispatcher, unit="office"))

    assert await say_more(socket, 2) == [("return", number), ("reassign", number)]
    await socket.leave()


async def test_long_poll_and_replay_tell_of_a_case_that_left_too(number, office):
    heads = await sync_to_async(read_heads)()
    await sync_to_async(give_back)(number, office)
    client = AsyncClient()
    await client.aforce_login(office)

    answer = await client.get("/live/events", {"after": f"hecheng:{heads['hecheng']}"})

    (message,) = answer.json()["messages"]
    assert (message["kind"], message["case"]) == ("gone", number)


# --- a right is taken away ------------------------------------------------------------------------


def change_password(user):
    user.set_password("another one")
    user.save(update_fields=["password"])


def disable(user):
    User.objects.filter(pk=user.pk).update(is_active=False)


def reset(user):
    User.objects.filter(pk=user.pk).update(must_change_password=True)


@pytest.mark.parametrize("taking_away", [change_password, disable, reset])
async def test_a_socket_ends_soon_after_its_right(inspector, monkeypatch, taking_away):
    monkeypatch.setattr(hubs, "CHECK_S", 0.1)
    gone = await sync_to_async(person)("d1", Role.DISPATCHER)
    stays, _ = await listen(inspector)
    socket, _ = await listen(gone)

    await sync_to_async(taking_away)(gone)

    assert (await socket.receive_output(2))["code"] == 4401
    assert await stays.receive_nothing(0.3)
    assert [one.user for one in hub().listeners] == [inspector]
    await stays.leave()


def test_every_socket_is_looked_at_within_five_seconds():
    assert hubs.CHECK_S < 5


async def test_a_socket_narrows_with_its_roles_and_loads_afresh(number):
    user = await sync_to_async(person)("d1", Role.DISPATCHER)
    socket, hello = await listen(user)

    await sync_to_async(Grant.objects.filter(user=user).update)(
        scope_kind=ScopeKind.DISTRICT, scope_key="landport"
    )
    await hub().check()
    (resync,) = await hear(socket, 1)
    await after(act, number, Action.SIGN, await sync_to_async(User.objects.get)(username="u1"))

    assert resync == {"type": "resync", "heads": hello["heads"]}
    assert await say_more(socket, 1) == ["upto"]
    await socket.leave()


async def test_nothing_is_said_where_nothing_was_taken_away(inspector):
    socket, _ = await listen(inspector)

    await hub().check()

    assert await socket.receive_nothing(0.2)
    await socket.leave()


async def test_a_waiting_long_poll_ends_with_its_right(inspector):
    client = AsyncClient()
    await client.aforce_login(inspector)
    waiting = asyncio.create_task(client.get("/live/events", {"after": "hecheng:0"}))
    await until(lambda: hub().listeners)

    await sync_to_async(disable)(inspector)
    await hub().check()

    assert (await asyncio.wait_for(waiting, 2)).status_code == 401


@pytest.mark.parametrize("count", [1, 3])
def test_all_sockets_are_looked_at_in_one_statement(inspector, count):
    users = [person(f"d{n}", Role.DISPATCHER) for n in range(count)]
    held = {cookie_of(user): user.pk for user in users}
    stolen = {cookie_of(inspector): users[0].pk}  # a session of somebody else

    with CaptureQueriesContext(connection) as captured:
        found = still_signed_in({**held, **stolen})

    assert len(captured) == 1
    assert {key: user.pk for key, user in found.items()} == held
    assert {user.roles for user in found.values()} == {frozenset({Role.DISPATCHER})}


# --- a reader that does not read ------------------------------------------------------------------


async def blocked(user, *, room):
    """Connect a socket whose network takes `room` messages and then no more."""
    socket = Socket(await sync_to_async(cookie_of)(user))
    socket.output_queue._maxsize = room
    await socket.open()
    await socket.say('{"type":"resume","last":{}}')
    # The resume is answered once somebody waits for what is to be told next.
    await until(lambda: any(one.queue._getters for one in hub().listeners if one.user == user))
    return socket


async def rest_of(socket):
    frames = []
    while not frames or frames[-1]["type"] != "websocket.close":
        frames.append(await socket.receive_output(5))
    return frames


async def report(inspector):
    await sync_to_async(report_case)(report=REPORT, actor=inspector, key=uuid.uuid4())


async def test_a_blocked_reader_is_closed_within_bounded_time(inspector, monkeypatch):
    monkeypatch.setattr(consumers, "SEND_S", 0.3)
    socket = await blocked(inspector, room=1)
    await report(inspector)
    begun = time.monotonic()
    await tell()

    await until(lambda: not hub().listeners)

    assert time.monotonic() - begun < 2
    frames = await rest_of(socket)
    assert [frame.get("code") for frame in frames] == [None, 4429]


async def test_a_blocked_reader_holds_a_bounded_number_of_messages(inspector, monkeypatch):
    monkeypatch.setattr(hubs, "WAITING_LIMIT", 5)
    socket = await blocked(inspector, room=1)
    (listener,) = hub().listeners
    for _ in range(3):
        await report(inspector)
        await tell()
        assert listener.queue.qsize() <= 5

    await until(lambda: not hub().listeners)

    assert (await rest_of(socket))[-1]["code"] == 4429


async def test_one_blocked_reader_does_not_keep_the_others_waiting(inspector):
    slow = await blocked(await sync_to_async(person)("d1", Role.DISPATCHER), room=1)
    quick, _ = await listen(inspector)
    await report(inspector)
    await asyncio.wait_for(tell(), 2)

    assert [kind for kind, _ in await say_more(quick, 3)] == ["report", "accept", "file"]
    await quick.leave()
    slow.stop()


async def test_a_socket_that_never_resumes_is_not_kept_for_ever(inspector, monkeypatch):
    monkeypatch.setattr(hubs, "WAITING_LIMIT", 2)
    socket = await connect(inspector)
    await hear(socket, 1)
    await report(inspector)
    await tell()

    assert (await socket.receive_output(2))["code"] == 4429
    assert hub().listeners == set()


def test_frames_of_a_closed_case_name_only_the_number(number, office):
    give_back(number, office)
    case = Case.objects.get(number=number)

    (gone,) = hubs.messages_for(reach_of(office), "hecheng", _last_event(), 6)[:1]

    assert set(gone) == {"type", "scope", "dseq", "kind", "case"}
    assert json.dumps(gone).count(case.last_reason) == 0


def _last_event():
    head = read_heads()["hecheng"]
    return hubs.events_between("hecheng", head - 1, head)
