"""The desk keeps nobody out: both languages and themes, with its panel, menu and dialogs open."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.barriers import TAGS, axe, small_targets, too_wide
from tests.support.browsers import MONITOR, ZHONGFANG

pytestmark = pytest.mark.journey

CONDITION = "event-0110-1"  # exposed refuse
WIDTHS = (1024, 1366, 1920)
LEAST = {"alone": 32, "in_text": 18}  # a mouse; in a line of text as high as the line


@pytest.fixture(scope="module")
def number(running_city) -> str:
    token = running_city.manage("token", "inspector7")
    place = ZHONGFANG["longitude"] + 0.012, ZHONGFANG["latitude"]
    found = running_city.file_case(token, CONDITION, "event-0110", place)
    running_city.wait_for(found, "dispatched")
    return found


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_no_part_of_the_desk_keeps_anybody_out(desks, running_city, number, locale):
    page = desks.open("dispatcher1", f"/desk/?view=all&case={number}", MONITOR, locale=locale)
    expect(page.locator("#chip[data-state=live]")).to_be_visible()
    found = [f"panel {barrier}" for barrier in barriers(page)]

    page.click(".desk-menu summary")
    found += [f"menu {barrier}" for barrier in barriers(page)]
    page.click(".desk-menu summary")
    page.keyboard.press("u")
    found += [f"form {barrier}" for barrier in barriers(page)]
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#keys-help")).to_be_visible()
    found += [f"keys {barrier}" for barrier in barriers(page)]
    page.keyboard.press("Escape")
    running_city.end_sessions()
    expect(page.locator("#signed-out")).to_be_visible()
    found += [f"signed out {barrier}" for barrier in barriers(page)]

    assert not found, "\n".join(found)


@pytest.mark.parametrize("only", ["map", "list"])
def test_a_window_of_one_part_keeps_nobody_out(desks, number, only):
    page = desks.open("dispatcher1", f"/desk/?only={only}&view=all&case={number}", MONITOR)
    expect(page.locator("#chip[data-state=live]")).to_be_visible()

    found = list(barriers(page))

    assert not found, "\n".join(found)


def test_english_counters_stand_in_one_row(desks, number):
    for width in WIDTHS:
        page = desks.open("dispatcher1", "/desk/", {"width": width, "height": 768})
        counters = page.locator("#counters a")
        tops = counters.evaluate_all("all => all.map((one) => one.getBoundingClientRect().top)")
        words = counters.evaluate_all("all => all.map((one) => one.scrollWidth <= one.clientWidth)")
        assert (len(tops), len(set(tops)), set(words)) == (6, 1, {True})
        assert page.evaluate("document.querySelector('.top').offsetHeight") == 64


def barriers(page: Page) -> Iterator[str]:
    """Yield what is in the way, in both themes and at each width."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        yield from (f"{theme} {barrier}" for barrier in axe(page, tags=TAGS, rules=[]))
    page.emulate_media(color_scheme="light")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 768})
        yield from (f"{width} {barrier}" for barrier in too_wide(page))
        yield from (f"{width} {barrier}" for barrier in small_targets(page, **LEAST))
    page.set_viewport_size(MONITOR)
