"""Tasks on the phone in a real browser: handled, answered in a dead spot, kept over a reload."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browsers import PHONE, ZHONGFANG, one, picture

pytestmark = pytest.mark.journey

CONDITION = "event-0110-1"  # exposed refuse
UNIT = "SELECT unit_id FROM cases_case WHERE number = %s"
ASSIGNEE = """
    SELECT u.username FROM cases_task t JOIN accounts_user u ON u.id = t.assignee_id
    JOIN cases_case c ON c.id = t.case_id WHERE c.number = %s AND t.answered_at IS NULL
"""
PHOTOS = """
    SELECT count(*) FROM cases_attachment a JOIN cases_case c ON c.id = a.case_id
    WHERE c.number = %s AND a.kind = %s
"""


@pytest.fixture
def number(running_city) -> str:
    """Return a case that lies with its unit, alone at its place."""
    place = ZHONGFANG["longitude"] - 0.012, ZHONGFANG["latitude"]
    token = running_city.manage("token", "inspector7")
    number = running_city.file_case(token, CONDITION, CONDITION.rpartition("-")[0], place)
    running_city.wait_for(number, "dispatched")
    return number


def card(page: Page, number: str):
    return page.locator(f'.task-card[data-number="{number}"]')


def sign_and_finish(desks, city, number: str) -> Page:
    """Have a unit sign for the case and finish it, from its tasks on a phone."""
    unit = desks.open(f"unit-{one(city, UNIT, number)}", "/m/", PHONE)
    card(unit, number).get_by_role("link").click()
    unit.get_by_role("button", name="Sign for").click()
    unit.wait_for_url("**/m/")
    city.wait_for(number, "handling")
    unit.goto(f"/m/tasks/{number}/")
    form = unit.locator('form[data-action="finish"]')
    form.get_by_role("button", name="Finish handling").click()
    assert form.locator("input[type=file]").first.evaluate("input => input.validationMessage")
    form.locator("input[type=file]").first.set_input_files(picture("lightgreen"))
    expect(form.locator("img.phone-preview")).to_be_visible()
    form.get_by_role("button", name="Finish handling").click()
    unit.wait_for_url("**/m/")
    city.wait_for(number, "checking")
    return unit


def test_a_check_answered_in_a_dead_spot_arrives_when_there_is_a_line(desks, running_city, number):
    sign_and_finish(desks, running_city, number)
    assert one(running_city, PHOTOS, number, "after") == "1"
    phone = desks.open(one(running_city, ASSIGNEE, number), "/m/", PHONE)
    expect(card(phone, number)).to_contain_text("away")
    phone.evaluate("navigator.serviceWorker.ready.then(() => true)")
    phone.goto(f"/m/tasks/{number}/")
    form = phone.locator('form[data-action="answer_check"]')
    form.locator("textarea").fill("路面干净")
    form.locator("input[type=file]").first.set_input_files(picture("lightblue"))
    expect(form.locator("img.phone-preview")).to_be_visible()

    phone.context.set_offline(True)
    form.get_by_role("button", name="Passed").click()
    phone.wait_for_url("**/m/")
    expect(card(phone, number)).to_contain_text("Kept on this phone, not sent yet")
    assert one(running_city, ASSIGNEE.replace("u.username", "count(*)"), number) == "1"
    phone.goto(f"/m/tasks/{number}/")  # out of the phone's own copy
    expect(phone.locator(".task-waits")).to_contain_text("kept on this phone, not sent yet")
    expect(form).to_be_hidden()
    phone.goto("/m/")
    phone.context.set_offline(False)

    running_city.wait_for(number, "checked")
    assert one(running_city, PHOTOS, number, "check") == "1"
    expect(card(phone, number)).to_have_count(0)
    desks.complaints[:] = [line for line in desks.complaints if "ERR_INTERNET" not in line]


def test_what_was_entered_outlives_the_page_and_one_tap_empties_it(desks, running_city, number):
    unit = desks.open(f"unit-{one(running_city, UNIT, number)}", f"/m/tasks/{number}/", PHONE)
    form = unit.locator('form[data-action="return"]')
    unit.get_by_text("Return", exact=True).first.click()
    form.locator("select").select_option("unclear_place")
    form.locator("textarea").fill("找不到门牌")
    unit.wait_for_timeout(600)  # the pause after which it is written down

    unit.reload()
    expect(form.locator(".task-restored")).to_contain_text("Restored")
    expect(form.locator("textarea")).to_have_value("找不到门牌")
    expect(form.locator("select")).to_have_value("unclear_place")
    form.get_by_role("button", name="Start again").click()
    unit.reload()

    expect(unit.locator(".task-restored")).to_have_count(0)
    expect(form.locator("textarea")).to_have_value("")
    assert one(running_city, "SELECT stage FROM cases_case WHERE number = %s", number) == (
        "dispatched"
    )


def test_map_shows_the_same_cards_as_the_list(desks, running_city, number):
    unit = desks.open(f"unit-{one(running_city, UNIT, number)}", "/m/", PHONE)
    expect(card(unit, number)).to_be_visible()

    unit.get_by_role("button", name="Map").click()
    expect(card(unit, number)).to_be_hidden()
    unit.locator("#map .task-mark:not(.task-mark-me)").first.click()
    popup = unit.locator("#map .leaflet-popup")
    expect(popup.locator("a.open").first).to_have_attribute("href", re.compile("^/m/tasks/HH"))
    unit.get_by_role("button", name="List").click()
    expect(card(unit, number)).to_be_visible()
