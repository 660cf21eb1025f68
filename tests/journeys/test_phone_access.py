"""No phone page keeps anybody out: gloves, sun, poor eyes, a screen reader, a narrow screen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.support.barriers import STRONG, TAGS, axe, small_targets, too_wide, type_sizes
from tests.support.browsers import ZHONGFANG, one

pytestmark = pytest.mark.journey

NARROW = {"width": 320, "height": 640}
CONDITION = "event-0110-1"  # exposed refuse
DIALOGS = {"/m/report/": ["#change-place", "#more"]}  # what opens them
PHONE_PAGES = ["/m/", "/m/outbox/", "/m/me/", "/m/selfcheck/", "/m/feedback/"]


@pytest.fixture(scope="module")
def work(running_city) -> dict[str, list[str]]:
    """Return the pages of an inspector asked to verify, and of a unit with a case."""
    place = ZHONGFANG["longitude"] + 0.006, ZHONGFANG["latitude"]
    hotline, accepting = (running_city.manage("token", who) for who in ("operator1", "acceptor1"))
    asked = running_city.file_case(hotline, CONDITION, "event-0110", place, source="hotline")
    running_city.act(accepting, asked, "send_verify", assignee="inspector1")
    token = running_city.manage("token", "inspector7")
    given = running_city.file_case(token, CONDITION, "event-0110", place)
    running_city.wait_for(given, "dispatched")
    code = one(running_city, "SELECT min(code) FROM cases_component")
    unit = one(running_city, "SELECT unit_id FROM cases_case WHERE number = %s", given)
    return {
        "inspector1": [*PHONE_PAGES, "/m/report/", f"/m/tasks/{asked}/", f"/p/{code}/"],
        f"unit-{unit}": ["/m/", f"/m/tasks/{given}/", "/unit/", "/unit/?view=sign"],
    }


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
@pytest.mark.parametrize("nth", [0, 1], ids=["inspector", "unit"])
def test_no_phone_page_keeps_anybody_out(desks, work, nth, locale):
    username, addresses = list(work.items())[nth]
    page = desks.open(username, addresses[0], NARROW, locale=locale)
    found = []

    for address in addresses:
        page.goto(address)
        assert page.locator("html").get_attribute("lang") == {"zh-CN": "zh-hans"}.get(locale, "en")
        found += [f"{address} {barrier}" for barrier in barriers(page)]
        for button in DIALOGS.get(address, ()):
            page.goto(address)
            page.locator(button).click()
            page.locator("dialog[open]").wait_for()
            found += [f"{address} {button} {barrier}" for barrier in barriers(page)]

    assert not found, "\n".join(found)


def barriers(page: Page) -> Iterator[str]:
    """Yield what is in the way in both themes, with the menu open, and as the settings have it.

    In a dialog the rest of the page, the menu too, is out of reach.
    """
    is_phone = page.locator("body.phone-page").count() == 1
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        found = axe(page, tags=TAGS, rules=STRONG if is_phone else [])
        yield from (f"{theme} {barrier}" for barrier in found)
    if is_phone and not page.locator("dialog[open]").count():
        page.locator(".phone-menu summary").first.click()
    yield from small_targets(page)
    yield from too_wide(page)
    usual = type_sizes(page)
    page.evaluate("document.documentElement.dataset.text = 'large'")
    grown = type_sizes(page)
    yield from (
        f"large text is {large} for {small} px: {name}"
        for (name, small), (_, large) in zip(usual, grown, strict=True)
        if large < 1.25 * small - 0.01
    )
    yield from (f"large text: {barrier}" for barrier in too_wide(page))
    page.evaluate("document.documentElement.dataset.contrast = 'high'")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        found = axe(page, tags=[], rules=STRONG)
        yield from (f"high contrast {theme} {barrier}" for barrier in found)
