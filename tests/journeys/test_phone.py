"""The phone's map in a real browser: a place is found, then corrected with a tap."""

import pytest
from playwright.sync_api import expect

from tests.support.browsers import PHONE, one, picture

pytestmark = pytest.mark.journey

IN_TOWN = {"longitude": 109.9765, "latitude": 27.5505}  # in the built-up area, so in a grid cell


def test_place_is_corrected_by_a_tap_and_named_at_once(desks):
    page = desks.open("inspector1", "/m/", PHONE)
    page.context.set_geolocation({**IN_TOWN, "accuracy": 8})
    page.goto("/m/report/")
    expect(page.locator("#fix")).to_have_text("Within 8 m")
    expect(page.locator("#map .accuracy")).to_have_count(1)
    expect(page.locator("#map .outline-cell.is-chosen")).to_have_count(1)
    before = (page.input_value("#id_lon"), page.inner_text("#where"))
    assert before[1]

    page.locator("#map").click(position={"x": 250, "y": 60})

    expect(page.locator("#fix")).to_have_text("Chosen on the map")
    expect(page.locator("#where")).not_to_have_text(before[1])
    assert page.input_value("#id_lon") > before[0]
    assert page.input_value("#id_accuracy_m") == ""
    expect(page.locator("#map .accuracy")).to_have_count(0)


def test_place_typed_outside_the_city_is_said_before_it_is_sent(desks):
    page = desks.open("inspector1", "/m/report/", PHONE)
    expect(page.locator("#fix")).to_have_text("Within 8 m")

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
    expect(page.locator("#map .pin")).to_have_count(1)

    page.select_option("#id_condition", index=1)
    page.set_input_files("#id_near", picture("grey"))
    page.set_input_files("#id_far", picture("olive"))
    page.click("button[type=submit].primary")

    number = page.get_by_role("status").filter(has_text="Received").inner_text().split()[-1]
    reported = "SELECT component_id FROM cases_case WHERE number = %s"
    assert one(running_city, reported, number) == code
    page.goto(f"/p/{code}/")
    expect(page.locator(f'a[href="/cases/{number}/"]')).to_be_visible()
