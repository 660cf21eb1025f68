"""The phone's ES modules in a browser, without a server: an origin of their own, answered here."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from playwright.sync_api import BrowserContext, Page, Route

SECURE = "http://localhost:9"  # where a browser offers what it keeps from plain http
PLAIN = "http://phone.invalid"
BLANK = "<!doctype html><meta charset=utf-8><title>modules</title><body></body>"


def serve_modules(context: BrowserContext, origin: str) -> None:
    """Answer /static/ from the tree and everything else with an empty page."""

    def static(route: Route) -> None:
        found = finders.find(route.request.url.removeprefix(f"{origin}/static/"))
        route.fulfill(body=Path(str(found)).read_text(), content_type="text/javascript")

    context.route(f"{origin}/**", lambda r: r.fulfill(body=BLANK, content_type="text/html"))
    context.route(f"{origin}/static/**", static)


def modules_page(context: BrowserContext, origin: str = SECURE) -> Page:
    """Open a page with `window.store`, the queue's store."""
    page = context.new_page()
    page.goto(f"{origin}/m/")
    page.evaluate("async () => (window.store = await import('/static/cases/queue/store.js'))")
    return page


@pytest.fixture
def phone(browser) -> Iterator[BrowserContext]:
    """A phone that keeps what is stored on it until the test ends."""
    with browser.new_context() as context:
        for origin in (SECURE, PLAIN):
            serve_modules(context, origin)
        yield context
