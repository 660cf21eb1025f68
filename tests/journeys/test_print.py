"""A case on paper: a usual one fits on one A4."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.browsers import MONITOR

pytestmark = pytest.mark.journey

CONDITION = "event-0110-1"
HECHENG = (109.9765, 27.5505)


def test_a_usual_case_prints_on_one_sheet(desks, running_city):
    token = running_city.manage("token", "inspector3")
    number = running_city.file_case(token, CONDITION, CONDITION.rpartition("-")[0], HECHENG)
    page = desks.open("dispatcher1", f"/cases/{number}/", MONITOR)
    expect(page.get_by_role("button", name="Print")).to_be_visible()

    pdf = page.pdf(prefer_css_page_size=True)
    page.emulate_media(media="print")

    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    expect(page.locator(".sheet-foot svg")).to_be_visible()
    expect(page.locator(".timeline li").last).to_be_visible()
    for hidden in (".acts", ".top", ".tools"):
        expect(page.locator(hidden).first).to_be_hidden()
