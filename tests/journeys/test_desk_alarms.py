"""The desk rings: a case that is overdue until A is pressed, a lost connection by itself."""

import re
import time
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.support.browsers import MONITOR, ZHONGFANG, one

pytestmark = pytest.mark.journey

CONDITION = "event-0110-1"  # exposed refuse
NONE_WAITS = "No alarm waits for “Got it”"
PATIENCE_S = 30
LINK_S = 3  # an administrator's choice; as shipped it is a minute
KNOWN_BY = """SELECT u.username FROM cases_deskalarm a JOIN cases_case c ON c.id = a.case_id
              JOIN accounts_user u ON u.id = a.acknowledged_by_id
              WHERE c.number = %s AND a.ring = 'late'"""


@pytest.fixture
def impatient(running_city) -> Iterator[None]:
    """Let the desk ring sooner for a lost connection."""

    def choose(wait_s: int) -> None:
        with psycopg.connect(running_city.variables["DATABASE_URL"]) as connection:
            query = "UPDATE cases_deskalarmrule SET wait_s = %s WHERE ring = 'link'"
            connection.execute(query, [wait_s])

    choose(LINK_S)
    yield
    choose(60)


def handled(city) -> str:
    """Return a case of 中方县 that a unit handles."""
    token = city.manage("token", "inspector3")
    place = ZHONGFANG["longitude"] - 0.011, ZHONGFANG["latitude"] - 0.004
    number = str(city.file_case(token, CONDITION, CONDITION.rpartition("-")[0], place))
    city.wait_for(number, "dispatched")
    code = one(city, "SELECT unit_id FROM cases_case WHERE number = %s", number)
    city.act(city.manage("token", f"unit-{code}"), number, "sign")
    return number


def turn_on(desk: Page) -> None:
    """Touch the page, as anybody does who works on it; wait until the audio clock moves."""
    desk.locator("h1").click()
    expect(desk.locator("#alarm-unlock")).to_be_hidden()
    expect(desk.locator(".sound-state")).to_have_text("♪ sound on")


def quieten(desk) -> None:
    """Answer for what other tests have left ringing."""
    status = desk.locator("#alarm-status")
    until = time.monotonic() + PATIENCE_S
    desk.locator("h1").click()
    while status.inner_text() != NONE_WAITS:
        assert time.monotonic() < until, status.inner_text()
        desk.keyboard.press("a")
        desk.wait_for_timeout(200)


def test_an_overdue_case_rings_until_somebody_presses_a(desks, running_city):
    number = handled(running_city)
    chief = desks.open("chief-zhongfang", "/desk/", MONITOR)
    desk = desks.open("dispatcher-zhongfang", "/desk/", MONITOR)
    turn_on(desk)
    quieten(desk)

    running_city.let_pass(number, "handle")

    toast = desk.locator(".alarm[data-tier='1']").filter(has_text=number)
    expect(toast).to_contain_text("overdue")
    expect(toast).to_contain_text("rung: 1")
    expect(desk).to_have_title(re.compile(r"^\(1\) "))
    expect(desk.locator("#alarm-status")).to_contain_text("1 open")
    expect(chief.locator(".alarm[data-tier='1']").filter(has_text=number)).to_be_visible()

    toast.get_by_role("button", name="Locate").click()
    expect(desk.locator("#panel")).to_contain_text(number)
    desk.locator("h1").click()
    desk.keyboard.press("a")

    expect(toast).to_have_count(0)
    expect(desk.locator("#alarm-status")).to_have_text(NONE_WAITS)
    assert one(running_city, KNOWN_BY, number) == "dispatcher-zhongfang"
    said = chief.locator(".alarm[data-tier='3']").filter(has_text="got it")
    expect(said.filter(has_text=number)).to_be_visible(timeout=45_000)  # asked each 30 s


@pytest.mark.usefixtures("impatient")
def test_a_lost_connection_rings_by_itself_and_ends_when_it_is_back(desks):
    desk = desks.open("dispatcher-zhongfang", "/desk/", MONITOR)
    sockets: list[WebSocketRoute] = []
    is_cut = False

    def carry(socket: WebSocketRoute) -> None:
        if is_cut:
            socket.close()
            return
        sockets.append(socket)
        socket.connect_to_server()

    desk.route_web_socket("**/ws/live/", carry)
    desk.route("**/live/events*", lambda route: route.abort() if is_cut else route.continue_())
    desk.reload()
    turn_on(desk)
    expect(desk.locator("#chip[data-state=live]")).to_be_visible()

    is_cut = True
    for socket in sockets:
        socket.close()

    toast = desk.locator(".alarm[data-alarm=link]")
    expect(toast).to_contain_text("the live connection is lost")
    expect(toast).to_contain_text("rung: 1")

    is_cut = False

    expect(toast).to_have_count(0)
    expect(desk.locator("#chip[data-state=live]")).to_be_visible()
    # What the browser says of the requests that were cut is no complaint of the page.
    desks.complaints[:] = [said for said in desks.complaints if "/live/events" not in said]
    desks.complaints[:] = [said for said in desks.complaints if "ERR_FAILED" not in said]
