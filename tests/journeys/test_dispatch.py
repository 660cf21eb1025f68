"""A dispatcher takes three waiting cases, two of them together; the next opens by itself."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.support.browsers import MONITOR, PHONE, form_of, one
from tests.support.running import PATIENCE_S

pytestmark = pytest.mark.journey

CONDITION = "event-0304-1"  # which no other journey files, in a district where none does
CENTRE = """
    SELECT ST_X(label) || ',' || ST_Y(label) FROM cases_area
    WHERE level = 'district' AND district_id = 'landport' AND upper_inf(valid)
"""
ANOTHER = """
    SELECT code FROM cases_unit
    WHERE district_id = 'landport' AND parent_id IS NULL AND is_active AND code <> %s
    ORDER BY code LIMIT 1
"""
# As narrow as the rule that leads to a unit now, and to another one: a conflict.
CONTRADICT = """
    INSERT INTO cases_responsibility (code, unit_kind, unit_id, {columns})
    SELECT 'contradicts', '', %s, {columns} FROM cases_responsibility
    WHERE code = %s AND upper_inf(valid) RETURNING code
"""
COLUMNS = """
    SELECT string_agg(quote_ident(column_name), ', ') FROM information_schema.columns
    WHERE table_name = 'cases_responsibility'
      AND column_name NOT IN ('id', 'code', 'unit_kind', 'unit_id')
"""


def wait_for_a_dispatcher(city, number: str) -> None:
    """Wait until dispatch has listed a case as one it found no unit for."""
    until = time.monotonic() + PATIENCE_S
    asked = "SELECT is_unrouted FROM cases_case WHERE number = %s"
    while one(city, asked, number) != "True":
        assert time.monotonic() < until, f"{number} does not wait for a dispatcher"
        time.sleep(0.2)


def test_three_waiting_cases_are_dispatched_two_together_and_the_next_opens(desks, running_city):
    city, token = running_city, running_city.manage("token", "inspector5")
    lon, lat = map(float, one(city, CENTRE).split(","))
    minor = CONDITION.rpartition("-")[0]
    first = city.file_case(token, CONDITION, minor, (lon, lat))
    city.wait_for(first, "dispatched")
    rule = one(city, "SELECT rule FROM cases_case WHERE number = %s", first)
    unit = one(city, "SELECT unit_id FROM cases_case WHERE number = %s", first)
    city.rows(CONTRADICT.format(columns=one(city, COLUMNS)), one(city, ANOTHER, unit), rule)
    places = ((lon, lat), (lon + 0.001, lat), (lon + 0.02, lat))
    number, twin, other = (city.file_case(token, CONDITION, minor, place) for place in places)
    for waiting in (number, twin, other):
        wait_for_a_dispatcher(city, waiting)

    page = desks.open("dispatcher-landport", f"/cases/{number}/", MONITOR)
    form = form_of(page, "dispatch")
    expect(form).to_contain_text("Equally specific rules lead to different units: decide.")
    expect(form).to_contain_text("due")
    form.locator("[data-unit-search]").fill("no such unit")
    expect(form.locator("[data-found]")).to_have_text("0 units found")
    form.locator(f'[data-take="{unit}"]').click()
    expect(form.locator("select[name=unit]")).to_have_value(unit)
    form.get_by_label(re.compile(twin)).check()
    form.locator("button[type=submit]").click()

    expect(page).to_have_url(re.compile(f"/cases/{other}/"))
    for done in (f"{number}: dispatch – done.", f"{twin}: dispatch – done."):
        expect(page.get_by_text(done)).to_be_visible()
    name = one(city, "SELECT name_en FROM cases_unit WHERE code = %s", unit)
    form = form_of(page, "dispatch")
    form.locator("[data-unit-search]").fill(name)
    expect(form.locator("select[name=unit]")).to_have_value(unit)
    form.locator("button[type=submit]").click()
    expect(page.get_by_text("Nothing is left to dispatch.")).to_be_visible()

    inbox = desks.open(f"unit-{unit}", "/unit/?view=sign", PHONE)
    for given in (number, twin, other):
        expect(inbox.locator(f"#row-{given}")).to_be_visible()
