"""A unit, its head and the desk: each acts where the case waits for them."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.browsers import MONITOR, PHONE, ZHONGFANG, form_of, one, picture

pytestmark = pytest.mark.journey

ELSEWHERE = {"longitude": 109.98, "latitude": 27.55}
CONDITION = "event-0110-1"  # exposed refuse


def test_unit_head_and_desk_find_what_waits_for_them(desks, running_city):
    token = running_city.manage("token", "inspector7")
    place = ZHONGFANG["longitude"] - 0.006, ZHONGFANG["latitude"]  # alone there on the map
    number = running_city.file_case(token, CONDITION, CONDITION.rpartition("-")[0], place)
    desk = desks.open("dispatcher-zhongfang", "/desk/?view=all", MONITOR)
    mark = desk.locator(f'#desk .case-mark[data-case="{number}"]')
    expect(mark).to_have_attribute("data-stage", "dispatched")
    code = one(running_city, "SELECT unit_id FROM cases_case WHERE number = %s", number)

    unit = desks.open(f"unit-{code}", "/unit/?view=sign", PHONE)
    unit.get_by_role("button", name=f"Sign for {number}").click()
    expect(unit.locator(f"#row-{number}")).to_have_count(0)
    unit.goto(f"/cases/{number}/")
    form = form_of(unit, "request_extension")
    form.locator("select").select_option("weather")
    form.locator("button[type=submit]").click()

    head = desks.open(f"head-{code}", "/unit/?view=decide", PHONE)
    row = head.locator(f"#row-{number}")
    expect(row).to_contain_text("weather")
    row.get_by_text("Decide on the extension").first.click()
    row.get_by_role("button", name="Approve").click()
    expect(head.locator(f"#row-{number}")).to_have_count(0)

    desk.keyboard.press("7")
    waiting = desk.locator(f'#queue [data-case="{number}"]')
    expect(waiting).to_contain_text("extension: the dispatcher decides")

    unit.goto("/unit/?view=handling")
    mine = unit.locator(f"#row-{number}")
    expect(mine).to_contain_text("extension: the dispatcher decides")
    mine.locator("summary", has_text="Finish handling").click()
    unit.context.set_geolocation({**ELSEWHERE, "accuracy": 8})
    mine.locator("input[type=file]").first.set_input_files(picture("lightgreen"))
    expect(mine.locator("img.phone-preview").first).to_be_visible()
    expect(mine.locator("input[name=place]")).to_have_value(re.compile(r"^109\.98"))
    mine.get_by_role("button", name="Finish handling").click()
    expect(unit.locator(f"#row-{number}")).to_have_count(0)
    expect(desk.locator(f'#queue [data-case="{number}"]')).to_have_count(0)
    doubts = "SELECT photo_doubts::text FROM cases_case WHERE number = %s"
    assert one(running_city, doubts, number) == "{taken_away}"
