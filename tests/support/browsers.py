"""Everybody's own browser on the running city."""

import io
from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

ZHONGFANG = {"longitude": 109.9449, "latitude": 27.4402}
PATIENCE_MS = 20_000
PHONE = {"width": 360, "height": 780}
MONITOR = {"width": 1920, "height": 1080}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


class Desks:
    """Everybody's own browser; what a browser complains about is kept."""

    def __init__(self, browser, city) -> None:
        self.browser, self.city = browser, city
        self.contexts: list[BrowserContext] = []
        self.complaints: list[str] = []

    def open(
        self, username: str, address: str, viewport: dict[str, int], *, locale: str = "en-US"
    ) -> Page:
        context = self.browser.new_context(
            base_url=self.city.address,
            viewport=viewport,
            locale=locale,
            geolocation={**ZHONGFANG, "accuracy": 8},
            permissions=["geolocation"],
        )
        self.contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda m: m.type == "error" and self.complaints.append(m.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto("/sign-in/")
        page.fill("#id_username", username)
        page.fill("#id_password", self.city.demo_password)
        page.click("button.primary")
        page.wait_for_url(lambda url: "/sign-in/" not in url)
        page.goto(address)
        return page


@pytest.fixture
def desks(browser, running_city) -> Iterator[Desks]:
    opened = Desks(browser, running_city)
    yield opened
    for context in opened.contexts:
        context.close()
    assert opened.complaints == []


def picture(colour: str) -> dict[str, object]:
    out = io.BytesIO()
    Image.new("RGB", (1280, 960), colour).save(out, "JPEG")
    return {"name": "p.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()}


def one(city, query: str, *values: object) -> str:
    ((value,),) = city.rows(query, *values)
    return str(value)


def form_of(page: Page, action: str) -> Locator:
    """Return the form of an action on a case page, with all that it is folded into open."""
    form = page.locator(f'form:has(input[name="action"][value="{action}"])')
    form.evaluate(
        "form => { for (let e = form; e; e = e.parentElement)"
        " if (e.tagName === 'DETAILS') e.open = true }"
    )
    return form
