"""The report page of a component, and a place entered by hand, in a real browser."""

import pytest
from playwright.sync_api import expect

from tests.support.browsers import PHONE, one
from tests.support.reporting import received, take_photo

pytestmark = pytest.mark.journey


def test_place_typed_outside_the_city_is_said_before_it_is_sent(desks):
    page = desks.open("inspector1", "/m/report/", PHONE)
    expect(page.locator("#fix")).to_contain_text("±8 m")

    page.locator("#degrees summary").click()
    page.fill("#id_lon", "100")
    page.press("#id_lon", "Tab")

    expect(page.locator("#where")).to_contain_text("outside the four districts")
    assert all("422" in line for line in desks.complaints)  # the refused question itself
    desks.complaints.clear()


def test_the_page_behind_a_code_leads_to_a_case_of_its_component(desks, running_city):
    code = one(running_city, "SELECT min(code) FROM cases_component WHERE district = 'hecheng'")
    page = desks.open("inspector1", f"/p/{code}/", PHONE)
    page.get_by_role("link", name="Report its problem").click()
    expect(page.locator("#fix")).to_have_text("The place of the component")
    expect(page.locator("#mini .pin")).to_have_count(1)

    page.click("#more")
    page.locator("#category-list summary").first.click()
    page.locator("[data-choose]").first.click()
    take_photo(page, "near", "grey")
    take_photo(page, "far", "olive")
    page.clock.install()
    page.click("#submit")

    number = received(page)
    reported = "SELECT component_id FROM cases_case WHERE number = %s"
    assert one(running_city, reported, number) == code
    page.goto(f"/p/{code}/")
    expect(page.locator(f'a[href="/cases/{number}/"]')).to_be_visible()
