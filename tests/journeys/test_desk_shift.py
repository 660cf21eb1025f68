"""A shift at the desk by keyboard alone, and what a page does when a session or a server ends."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsers import MONITOR, ZHONGFANG, one

pytestmark = pytest.mark.journey

# Its closing condition asks for no photo, so a unit finishes it over HTTP.
WITHOUT_PHOTO = """SELECT code FROM cases_condition WHERE NOT needs_after_photo AND is_active
                   AND starts_with(minor_id, 'event-') ORDER BY code LIMIT 1"""
UNIT = "SELECT unit_id FROM cases_case WHERE number = %s"
STAGE = "SELECT stage FROM cases_case WHERE number = %s"
ACTIONS = """SELECT count(*) FROM cases_event e JOIN cases_case c ON c.id = e.case_id
             WHERE c.number = %s AND e.action = %s"""
ASSIGNEE = """SELECT u.username FROM cases_task t JOIN accounts_user u ON u.id = t.assignee_id
              JOIN cases_case c ON c.id = t.case_id WHERE c.number = %s AND t.answered_at IS NULL"""
DESK = "dispatcher-zhongfang"


class Cases:
    """Cases brought over HTTP to where the desk has to act."""

    def __init__(self, city) -> None:
        self.city, self.nth = city, 0
        self.condition = one(city, WITHOUT_PHOTO)
        self.token = city.manage("token", "inspector7")

    def dispatched(self) -> tuple[str, str]:
        """Return a new case and the token of its unit."""
        self.nth += 1
        place = ZHONGFANG["longitude"] + 0.02 + 0.002 * self.nth, ZHONGFANG["latitude"]
        minor = self.condition.rpartition("-")[0]
        number = self.city.file_case(self.token, self.condition, minor, place)
        self.city.wait_for(number, "dispatched")
        return number, self.city.manage("token", f"unit-{one(self.city, UNIT, number)}")

    def returned(self) -> str:
        number, unit = self.dispatched()
        self.city.act(unit, number, "return", reason="not_responsible", note="不属本单位职责")
        return number

    def with_extension(self) -> str:
        number, unit = self.dispatched()
        self.city.act(unit, number, "sign")
        self.city.act(unit, number, "request_extension", reason="weather")
        head = self.city.manage("token", f"head-{one(self.city, UNIT, number)}")
        self.city.act(head, number, "decide_extension", approved="true")
        return number

    def handled(self) -> str:
        number, unit = self.dispatched()
        self.city.act(unit, number, "sign")
        self.city.act(unit, number, "finish")
        return number


@pytest.fixture(scope="module")
def cases(running_city) -> Cases:
    return Cases(running_city)


def chosen(page: Page) -> str:
    return page.locator("#queue [aria-current]").get_attribute("data-case") or ""


def show_view(page: Page, digit: str) -> None:
    """Press the key of a view, and wait until its queue is the one shown."""
    page.keyboard.press(digit)
    expect(page.locator("#views [aria-current]")).to_have_attribute("data-digit", digit)


def walk_to(page: Page, number: str) -> None:
    """Go down the queue until the case is chosen."""
    expect(page.locator(f"#row-{number}")).to_be_attached()
    for _ in range(page.locator("#queue [data-case]").count()):
        page.keyboard.press("k")
    for _ in range(page.locator("#queue [data-case]").count()):
        if chosen(page) == number:
            break
        page.keyboard.press("j")
    expect(page.locator(f'#panel [data-case="{number}"]')).to_be_visible()


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.name || document.activeElement.type || ''"))


def test_a_shift_of_a_dispatcher_by_keyboard_alone(desks, running_city, cases):
    again, ruled = cases.returned(), cases.returned()
    reminded, _ = cases.dispatched()
    extended = cases.with_extension()
    page = desks.open(DESK, "/desk/", MONITOR)
    expect(page.locator("#chip[data-state=live]")).to_be_visible()

    # A case that came back goes to another unit: D opens the form on its first field.
    show_view(page, "4")
    expect(page).to_have_url(re.compile("view=dispatch"))
    walk_to(page, again)
    page.keyboard.press("d")
    assert focused(page) == "search"
    page.keyboard.press("Tab")
    assert focused(page) == "unit"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#said")).to_contain_text(again)
    # It has left the view, so the next one is chosen.
    expect(page.locator(f"#row-{again}")).to_have_count(0)
    expect(page.locator(f"#row-{ruled}")).to_have_attribute("aria-current", "true")
    assert one(running_city, STAGE, again) == "dispatched"

    # The other return is ruled on: R goes to the ruling.
    expect(page.locator(f'#panel [data-case="{ruled}"]')).to_be_visible()
    page.keyboard.press("r")
    assert focused(page) == "ruling"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Control+Enter")
    expect(page.locator(f"#row-{ruled}")).to_have_count(0)
    assert one(running_city, STAGE, ruled) == "dispatched"

    # A unit is reminded; the case stays in the view and stays chosen.
    show_view(page, "8")
    walk_to(page, reminded)
    page.keyboard.press("u")
    assert focused(page) == "note"
    page.keyboard.type("U J 8")  # typed, not obeyed
    page.keyboard.press("Control+Enter")
    expect(page.locator("#said")).to_contain_text("remind")
    expect(page.locator(f"#row-{reminded}")).to_have_attribute("aria-current", "true")
    assert one(running_city, ACTIONS, reminded, "remind") == "1"

    # An extension is decided; what cannot be done says why.
    show_view(page, "7")
    walk_to(page, extended)
    page.keyboard.press("v")
    expect(page.locator("#said")).not_to_be_empty()
    page.keyboard.press("e")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    while focused(page) != "approved":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(f"#row-{extended}")).to_have_count(0)
    assert one(running_city, ACTIONS, extended, "decide_extension") == "2"

    # Found by its number, then back to the view one was in.
    page.keyboard.press("/")
    page.keyboard.type(reminded)
    expect(page.locator("#queue [data-case]")).to_have_count(1)
    page.keyboard.press("Escape")
    show_view(page, "8")
    expect(page.locator(f"#row-{ruled}")).to_be_attached()


def test_check_and_closing_by_keyboard_alone(desks, running_city, cases):
    number = cases.handled()
    running_city.wait_for(number, "checking")
    checker = running_city.manage("token", one(running_city, ASSIGNEE, number))
    running_city.act(checker, number, "answer_check", passed="true")
    page = desks.open("chief1", "/desk/", MONITOR)
    expect(page.locator("#chip[data-state=live]")).to_be_visible()

    show_view(page, "6")
    walk_to(page, number)
    page.keyboard.press("v")
    expect(page.locator("#ask")).to_contain_text(number)
    page.keyboard.press("Escape")
    expect(page.locator("#ask")).to_be_hidden()
    assert one(running_city, STAGE, number) == "checked"
    page.keyboard.press("v")
    page.keyboard.press("Enter")

    expect(page.locator(f"#row-{number}")).to_have_count(0)
    assert one(running_city, STAGE, number) == "closed"


def test_back_reload_and_a_link_bring_the_same_desk(desks, running_city, cases):
    number, _ = cases.dispatched()
    page = desks.open(DESK, "/desk/?view=all", MONITOR)
    expect(page.locator("#chip[data-state=live]")).to_be_visible()
    walk_to(page, number)

    show_view(page, "3")
    expect(page.locator('#views [data-view="file"]')).to_have_attribute("aria-current", "true")
    page.go_back()
    expect(page.locator('#views [data-view="all"]')).to_have_attribute("aria-current", "true")
    expect(page.locator(f"#row-{number}")).to_have_attribute("aria-current", "true")
    page.reload()
    expect(page.locator(f"#row-{number}")).to_have_attribute("aria-current", "true")
    page.keyboard.press("o")
    page.wait_for_url(f"**/cases/{number}/")
    page.go_back()
    expect(page.locator(f'#panel [data-case="{number}"]')).to_be_visible()


def test_windows_follow_one_choice(desks, cases):
    number, _ = cases.dispatched()
    page = desks.open(DESK, "/desk/?view=all", MONITOR)
    alone = page.context.new_page()
    alone.goto("/desk/?only=map&view=all")
    expect(alone.locator("#chip[data-state=live]")).to_be_visible()

    walk_to(page, number)

    expect(alone).to_have_url(re.compile(f"case={number}"))


def test_a_session_that_ended_is_taken_up_over_the_page(desks, running_city, cases):
    number, _ = cases.dispatched()
    page = desks.open(DESK, f"/desk/?view=all&case={number}", MONITOR)
    expect(page.locator("#chip[data-state=live]")).to_be_visible()
    page.keyboard.press("d")
    page.locator("#reassign-note").fill("half a sentence")

    running_city.end_sessions()
    page.locator("#reassign-unit").select_option(index=1)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#signed-out")).to_be_visible()
    page.locator("#again-password").fill(running_city.demo_password)
    page.keyboard.press("Enter")

    expect(page.locator("#signed-out")).to_be_hidden()
    expect(page.locator("#chip")).to_have_attribute("data-state", re.compile("live|resumed"))
    assert page.locator("#reassign-note").input_value() == "half a sentence"
    page.locator("#reassign-note").press("Control+Enter")
    expect(page.locator("#said")).to_contain_text(number)
    assert one(running_city, ACTIONS, number, "reassign") == "1"
