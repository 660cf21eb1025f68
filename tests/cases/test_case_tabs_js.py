"""case_tabs.js in a browser without a server: a tab that does not come costs nothing typed."""

import pytest
from playwright.sync_api import expect

from tests.support.modules import SECURE

PAGE = """<!doctype html><html><body><main>
<nav data-tabs><a href="/case/" data-tab="overview" aria-current="page">Overview</a>
  <a href="/case/?tab=log" data-tab="log">Log</a></nav>
<p id="tab-said" data-failed="failed" hidden></p>
<div id="tab" data-tab="{0}">this is {0}</div>
<form><textarea name="note"></textarea></form></main>
<script type="module" src="/static/cases/case_tabs.js"></script></body></html>"""


@pytest.fixture
def case(phone):
    """A case page; while `status` is another one, its tabs do not come."""
    page = phone.new_page()
    page.status = 200

    def answer(route):
        tab = route.request.url.partition("tab=")[2] or "overview"
        route.fulfill(body=PAGE.format(tab), status=page.status, content_type="text/html")

    phone.route(f"{SECURE}/case/**", answer)
    page.goto(f"{SECURE}/case/")
    return page


def test_a_tab_that_comes_keeps_what_was_typed(case):
    case.fill("textarea", "half a sentence")

    case.click("text=Log")

    expect(case.locator("#tab")).to_have_text("this is log")
    assert case.url == f"{SECURE}/case/?tab=log"
    assert case.input_value("textarea") == "half a sentence"


def test_a_tab_that_does_not_come_keeps_what_was_typed_and_says_so(case):
    case.fill("textarea", "half a sentence")
    case.status = 503

    case.click("text=Log")

    expect(case.locator("#tab-said")).to_have_text("failed")
    expect(case.locator("#tab-said")).to_be_visible()
    assert case.url == f"{SECURE}/case/"
    assert case.input_value("textarea") == "half a sentence"
    assert case.text_content("#tab") == "this is overview"

    case.status = 200
    case.click("text=Log")
    expect(case.locator("#tab")).to_have_text("this is log")
    expect(case.locator("#tab-said")).to_be_hidden()


def test_with_nothing_typed_the_whole_page_is_loaded(case):
    case.status = 503

    with case.expect_navigation():
        case.click("text=Log")

    assert case.url == f"{SECURE}/case/?tab=log"
