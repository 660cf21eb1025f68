"""The list of cases in a real browser: found by initials, chosen by key, signed for together."""

import re

import pytest
from playwright.sync_api import expect

from tests.journeys.test_main_job import open_case
from tests.support.browsers import MONITOR, PHONE, one

pytestmark = pytest.mark.journey

WAITING = """SELECT count(*) FROM cases_case
             WHERE stage = 'dispatched' AND unit_id = %s AND minor_id = 'event-0110'"""


def unit_of(city, number: str) -> str:
    """Return the unit a case was dispatched to, once it was."""
    city.wait_for(number, "dispatched")
    return one(city, "SELECT unit_id FROM cases_case WHERE number = %s", number)


def test_a_unit_signs_for_many_and_sees_what_became_of_each(desks, running_city):
    numbers = sorted(open_case(running_city) for _ in range(3))
    (code,) = {unit_of(running_city, number) for number in numbers}
    waiting = int(one(running_city, WAITING, code))  # the three, and what others have left
    user = f"unit-{code}"
    page = desks.open(user, "/cases/", MONITOR)

    page.fill("#q", "blsh")  # 暴露生活垃圾
    page.select_option("#f-stage", "dispatched")
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**q=blsh**")  # the list before may have as many rows
    expect(page.locator("tr[data-row]")).to_have_count(waiting)
    for key in "jxjx":
        page.keyboard.press(key)
    expect(page.locator("#chosen")).to_have_text("2 chosen")
    page.locator("#bulk").get_by_role("button", name="Sign for").click()
    expect(page.get_by_role("button", name="the chosen cases (2)")).to_be_visible()

    newest = numbers[-1]
    other = desks.open(user, "/unit/", PHONE)
    other.get_by_role("button", name=f"Sign for {newest}").click()
    page.get_by_role("button", name="the chosen cases (2)").click()

    expect(page.get_by_role("status")).to_contain_text("1 case done · 1 refused")
    expect(page.locator(f'tr[data-row="{newest}"] .result')).to_contain_text("✕")
    expect(page.locator(f'tr[data-row="{numbers[-2]}"] .result')).to_contain_text("done")
    page.get_by_role("link", name="Back to the list").click()
    expect(page).to_have_url(re.compile(r"q=blsh&stage=dispatched"))
    expect(page.locator("tr[data-row]")).to_have_count(waiting - 2)


def test_back_restores_the_search_and_what_was_chosen(desks, running_city):
    number = open_case(running_city)
    user = f"unit-{unit_of(running_city, number)}"
    page = desks.open(user, f"/cases/?q={number}", MONITOR)
    page.check("input[name=rows]")
    expect(page.locator("#chosen")).to_have_text("1 chosen")

    page.locator(f'tr[data-row="{number}"] a').click()
    expect(page).to_have_url(re.compile(f"/cases/{number}/"))
    page.go_back()

    expect(page.locator("#q")).to_have_value(number)
    expect(page.locator("input[name=rows]")).to_be_checked()
    expect(page.locator("#chosen")).to_have_text("1 chosen")


@pytest.mark.parametrize("viewport", [PHONE, MONITOR], ids=["phone", "desk"])
def test_the_list_has_not_to_be_scrolled_sideways(desks, running_city, viewport):
    open_case(running_city)
    page = desks.open("dispatcher1", "/cases/?stage=open&sort=due", viewport)

    expect(page.locator("tr[data-row]").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
