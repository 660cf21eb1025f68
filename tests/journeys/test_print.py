"""A case on paper: a usual one, and one with much to tell, each fit on one A4."""

import io

import pytest
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from tests.support.browsers import MONITOR

pytestmark = pytest.mark.journey

CONDITION = "event-0110-1"
HECHENG = (109.9765, 27.5505)
A4_POINTS = (595, 842)


def sheets_of(page: Page) -> list[str]:
    """Print a page as its own style says; return the text of each sheet, all of them A4 upright."""
    reader = PdfReader(io.BytesIO(page.pdf(prefer_css_page_size=True)))
    for sheet in reader.pages:
        assert (round(sheet.mediabox.width), round(sheet.mediabox.height)) == A4_POINTS
    return [sheet.extract_text() for sheet in reader.pages]


def test_a_usual_case_prints_on_one_sheet(desks, running_city):
    token = running_city.manage("token", "inspector3")
    number = running_city.file_case(token, CONDITION, CONDITION.rpartition("-")[0], HECHENG)
    page = desks.open("dispatcher1", f"/cases/{number}/", MONITOR, locale="zh-CN")
    expect(page.locator("[data-print]")).to_be_visible()

    (text,) = sheets_of(page)
    page.emulate_media(media="print")

    for words in ("怀化", number, f"/cases/{number}/"):
        assert words in text
    expect(page.locator(".sheet-foot svg")).to_be_visible()
    expect(page.locator(".locator")).to_be_visible()
    expect(page.locator(".timeline li").last).to_be_visible()
    for hidden in (".acts", ".top", ".tools", ".tabs"):
        expect(page.locator(hidden).first).to_be_hidden()


@pytest.mark.parametrize("tab", ["photos", "timeline", "place", "log"])
def test_a_case_with_a_long_history_prints_the_same_sheet_from_every_tab(desks, running_city, tab):
    number = long_case(running_city)
    page = desks.open("dispatcher1", f"/cases/{number}/?tab={tab}", MONITOR)
    expect(page.locator(f'[data-tabs] [data-tab="{tab}"]')).to_have_attribute(
        "aria-current", "page"
    )

    (text,) = sheets_of(page)

    assert "lines in the middle are left out" in text


def long_case(city) -> str:
    """Return a case that was reminded of twenty times and has much said about it."""
    if not hasattr(city, "long_case"):
        token, desk = city.manage("token", "inspector3"), city.manage("token", "dispatcher1")
        said = {
            "description": "路口垃圾成堆，气味大。" * 30,
            "address": "迎丰中路与红星路交叉口东南角",
        }
        minor = CONDITION.rpartition("-")[0]
        number = city.file_case(token, CONDITION, minor, HECHENG, **said)
        city.wait_for(number, "dispatched")
        for _ in range(20):
            city.act(desk, number, "remind", note="请尽快处理。")
        city.long_case = number
    return str(city.long_case)
