"""wall.js in a browser without a server: it claims no picture younger than it is, and stays."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.modules import SECURE

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<body data-feed="/wall/feed/" data-outline="/wall/outline/" data-setting="1" data-rotation="20"
  data-script="v1" data-live="live" data-ago="{s} s ago" data-stale="stale" data-lost="lost"
  data-as-of="as of {time}" data-more="{n} more">
<div id="frame"><p id="chip"></p><p id="clock"></p>
  <section data-page="compare" hidden><div data-content></div></section>
  <section data-page="alarm" hidden><div data-content></div></section>
  <section id="ended" hidden></section><p id="dots"></p><p id="stamp"></p><p id="veil" hidden></p>
</div><script type="module" src="/static/cases/wall.js"></script></body></html>"""
FEED = {"heads": {"city": 7}, "pages": {"compare": "<b>five cases</b>"}, "alarms": [], "map": None}


class Server:
    """Answers as the city does, is away, or lets a question hang."""

    def __init__(self, context):
        self.status, self.setting, self.script, self.page_status = 200, "1", "v1", 200
        self.hangs, self.hung, self.pages = False, [], 0
        context.route(f"{SECURE}/wall/", self.page)
        context.route(f"{SECURE}/wall/feed/", self.feed)
        context.route(f"{SECURE}/wall/outline/", lambda route: route.fulfill(json={}))

    def page(self, route):
        self.pages += 1
        route.fulfill(body=PAGE, status=self.page_status, content_type="text/html")

    def feed(self, route):
        if self.hangs:
            self.hung.append(route)
        elif self.status == 200:
            self.answer(route)
        else:
            route.fulfill(status=self.status)

    def answer(self, route):
        headers = {"Wall-Setting": self.setting, "Wall-Time": "2026-11-27T02:00:00Z", "ETag": "e"}
        route.fulfill(json={**FEED, "script": self.script}, headers=headers)


@pytest.fixture
def server(phone):
    return Server(phone)


@pytest.fixture
def wall(phone, server):
    """A wall that shows its page; the test moves its clock on."""
    page = phone.new_page()
    page.clock.install()
    page.goto(f"{SECURE}/wall/")
    expect(page.locator("b")).to_have_text("five cases")
    expect(chip(page)).to_have_attribute("data-state", "live")
    return page


def chip(page):
    return page.locator("#chip")


def wait_until(page, is_so):
    """Let the page run, and the server here answer it."""
    for _ in range(200):
        if is_so():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come")


def test_a_clock_that_is_set_back_makes_no_picture_young(wall, server):
    server.status = 503
    wall.clock.set_system_time("2020-01-01T00:00:00Z")

    wall.clock.run_for(31_000)
    expect(chip(wall)).to_have_attribute("data-state", "stale")

    wall.clock.run_for(31_000)
    expect(chip(wall)).to_have_attribute("data-state", "lost")
    expect(wall.locator("#clock")).to_contain_text("10:01:")  # of Huaihua, by the server's clock


def test_an_answer_that_was_long_on_its_way_is_as_old_as_its_question(wall, server):
    server.hangs = True
    wall.clock.run_for(6_000)
    wait_until(wall, lambda: len(server.hung) == 1)
    wall.clock.run_for(7_000)

    server.answer(server.hung.pop())
    # The next question, which hangs as well: the answer has been taken.
    wait_until(wall, lambda: len(server.hung) == 1)

    said = re.fullmatch(r"live · (\d+) s ago", chip(wall).text_content())
    assert 7 <= int(said[1]) <= 15


@pytest.mark.parametrize(("what", "value"), [("setting", "2"), ("script", "v2")])
def test_a_wall_does_not_load_the_page_of_an_error(wall, server, what, value):
    wall.evaluate("window.isOld = true")
    setattr(server, what, value)
    server.page_status = 503

    for pages in (2, 3):
        wall.clock.run_for(6_000)
        wait_until(wall, lambda pages=pages: server.pages == pages)

    assert wall.evaluate("window.isOld")
    expect(wall.locator("b")).to_have_text("five cases")

    server.page_status = 200
    with wall.expect_navigation():
        wall.clock.run_for(6_000)
