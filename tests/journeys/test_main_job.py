"""The main job in real browsers: from an inspector's phone to the ranking, nobody reloads."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsers import MONITOR, PHONE, ZHONGFANG, one, picture
from tests.support.reporting import choose, received, take_photo

pytestmark = pytest.mark.journey

CONDITION = "event-0110-1"  # exposed refuse


def open_case(city) -> str:
    """File a case in 中方县, near where a journey looks for a mark but not on top of it."""
    token = city.manage("token", "inspector3")
    place = ZHONGFANG["longitude"] + 0.006, ZHONGFANG["latitude"]
    return city.file_case(token, CONDITION, CONDITION.rpartition("-")[0], place)


def closed_in_zhongfang(page: Page, period: str) -> int:
    answer = page.request.get(f"/api/v1/assessments/{period}/")
    assert answer.status == 200
    (body,) = [b for b in answer.json()["bodies"] if b["body"] == "zhongfang"]
    return int(body["counts"].get("closed", 0))


def report_with_photo(phone: Page) -> str:
    take_photo(phone, "near", "saddlebrown")
    take_photo(phone, "far", "olive")
    expect(phone.locator("#fix")).to_contain_text("8 m")
    choose(phone, CONDITION)
    phone.clock.install()
    phone.click("#submit")
    return received(phone)


def test_a_case_goes_from_a_phone_to_the_ranking(desks, running_city):
    period = f"{datetime.now(ZoneInfo('Asia/Shanghai')):%Y-%m}"
    leader = desks.open("leader1", f"/score/{period}/", {"width": 1366, "height": 768})
    before = closed_in_zhongfang(leader, period)
    desk = desks.open("dispatcher-zhongfang", "/desk/?view=all", MONITOR)
    expect(desk.locator("#chip[data-state=live]")).to_be_visible()

    phone = desks.open("inspector3", "/m/report/", PHONE)
    number = report_with_photo(phone)

    row = desk.locator(f'#queue [data-case="{number}"]')
    expect(row).to_be_visible()
    row.click()
    expect(desk.locator("#panel")).to_contain_text("to be signed for")
    desk.keyboard.press("Enter")  # so near that no other case covers it
    desk.mouse.move(1700, 20)  # under a pointer the list waits
    mark = desk.locator(f'#desk .case-mark[data-case="{number}"]')
    expect(mark).to_have_attribute("data-stage", "dispatched")

    code = one(running_city, "SELECT unit_id FROM cases_case WHERE number = %s", number)
    unit = desks.open(f"unit-{code}", "/unit/", PHONE)
    unit.get_by_role("button", name=f"Sign for {number}").click()
    expect(desk.locator("#panel")).to_contain_text("being handled")
    unit.goto(f"/cases/{number}/")
    unit.set_input_files("#finish-photos-1", picture("lightgreen"))
    unit.get_by_role("button", name="Finish handling").click()
    expect(desk.locator("#panel")).to_contain_text("being checked")

    checker = one(
        running_city,
        "SELECT u.username FROM cases_task t JOIN cases_case c ON c.id = t.case_id"
        " JOIN accounts_user u ON u.id = t.assignee_id WHERE c.number = %s",
        number,
    )
    assert checker != "inspector3"
    site = desks.open(checker, "/m/", PHONE)
    site.locator(f'a[href*="{number}"]').first.click()
    site.locator("input[type=file]").first.set_input_files(picture("lightblue"))
    site.get_by_role("button", name="Passed").click()
    expect(desk.locator("#panel")).to_contain_text("to be closed")

    chief = desks.open("chief1", "/desk/?view=close", MONITOR)
    chief.locator(f'#queue [data-case="{number}"]').click()
    chief.locator("#panel").get_by_role("button", name="Close", exact=True).click()
    expect(chief.locator("#said")).to_contain_text("done")

    expect(mark).to_have_count(0)
    expect(desk.locator(f'#queue [data-case="{number}"]')).to_have_count(0)
    assert closed_in_zhongfang(leader, period) == before + 1
    leader.goto(f"/score/{period}/zhongfang/closed/")
    expect(leader.get_by_text(number)).to_be_visible()
    assert "0 faults" in running_city.manage("verify_ledger")


@pytest.mark.parametrize(
    ("username", "address", "viewport"),
    [
        ("inspector1", "/m/", PHONE),
        ("inspector1", "/m/report/", PHONE),
        ("dispatcher1", "/desk/", PHONE),
        ("dispatcher1", "/desk/", MONITOR),
    ],
)
def test_nothing_has_to_be_scrolled_sideways(desks, username, address, viewport):
    page = desks.open(username, address, viewport)

    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_the_desk_shows_the_map_and_the_queue_before_anything_is_live(desks, running_city):
    number = open_case(running_city)
    desk = desks.open("dispatcher1", "/desk/?view=all", MONITOR)

    expect(desk.locator(f'#queue [data-case="{number}"]')).to_be_visible()
    for name in ("Hecheng", "Zhongfang", "High-tech", "Land Port"):
        expect(desk.locator(".place-district", has_text=name)).to_have_count(1)
    wide = {part: desk.locator(part).bounding_box() for part in (".desk-queue", ".desk-map")}
    assert wide[".desk-queue"]["width"] >= 400
    assert wide[".desk-map"]["width"] >= 1000
    assert wide[".desk-map"]["height"] >= 700
    shown = desk.locator(".desk-map .case-mark, .desk-map .case-cluster")
    expect(shown.first).to_be_visible()


def test_a_desk_without_a_socket_follows_by_long_poll(desks, running_city):
    desk = desks.open("dispatcher1", "/score/", MONITOR)
    desk.route_web_socket("**/ws/live/", lambda socket: socket.close())
    desk.goto("/desk/?view=all")

    number = open_case(running_city)

    expect(desk.locator(f'#queue [data-case="{number}"]')).to_be_visible()
    expect(desk.locator("#chip[data-state=polling]")).to_be_visible()


def test_a_desk_says_when_it_cannot_ask_what_has_changed(desks, running_city):
    desk = desks.open("dispatcher1", "/score/", MONITOR)
    desk.route("**/desk/cases/**", lambda route: route.fulfill(status=503))
    desk.goto("/desk/?view=all")
    chip = desk.locator("#chip")
    expect(chip).to_have_attribute("data-state", re.compile("^(behind|stale)$"))
    refused = len(desks.complaints)
    desks.complaints.clear()

    desk.unroute("**/desk/cases/**")

    expect(desk.locator("#chip[data-state=live]")).to_be_visible()
    assert refused > 0


def test_keys_walk_the_queue_unless_they_are_off(desks, running_city):
    first, second = open_case(running_city), open_case(running_city)
    desk = desks.open("dispatcher1", "/desk/?view=all", MONITOR)
    rows = desk.locator("#queue a[data-case]")
    chosen = desk.locator("#queue a[aria-current]")
    order = [rows.nth(place).get_attribute("data-case") for place in range(rows.count())]
    assert {first, second} <= set(order)

    expect(chosen).to_have_attribute("data-case", order[0])
    desk.keyboard.press("j")
    expect(chosen).to_have_attribute("data-case", order[1])
    expect(desk.locator("#panel")).to_contain_text(order[1])
    desk.keyboard.press("?")
    desk.locator("#keys-on").uncheck()
    desk.locator("#keys-close").click()
    desk.keyboard.press("k")
    expect(chosen).to_have_attribute("data-case", order[1])
