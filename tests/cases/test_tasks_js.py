"""tasks.js in a browser: how old the list is, and that an old one is not taken for that of now."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from tests.support.modules import SECURE

LIST = """<!doctype html><meta charset=utf-8>
<a id="queue-chip" data-user="ann"></a>
<section id="tasks" data-rendered-at="{at}">
  <span id="fresh" data-updated="Updated {{at}}" data-offline="Offline {{at}}"
        data-failing="Failing {{at}}"></span>
  <a id="refresh" href="/m/">Refresh</a>
  <nav class="tasks-kinds">
    <a data-kind="" aria-current="true" href="/m/">All</a>
    <a data-kind="check" href="/m/?kind=check">Check</a>
  </nav>
  <section class="tasks-group"><span data-count></span>
    <li class="task-card" data-kind="verify" data-number="HH7" data-version="2">verify it
      <p class="task-waits" data-waits="waits" data-received="received" hidden></p></li>
  </section>
  <p data-none hidden></p>
</section>
<script type="module" src="/static/cases/tasks.js"></script>"""


class Home:
    """Answers for the list, as old as the test says."""

    def __init__(self, context):
        self.ages = [timedelta(0)]  # of the answers to come; the last stands for all after it
        self.status = 200
        self.asked = 0
        context.route(f"{SECURE}/m/**", self.answer)

    def answer(self, route):
        self.asked += 1
        age = self.ages.pop(0) if len(self.ages) > 1 else self.ages[0]
        body = LIST.format(at=(datetime.now(UTC) - age).isoformat())
        route.fulfill(status=self.status, body=body, content_type="text/html")


@pytest.fixture
def home(phone):
    return Home(phone)


@pytest.fixture
def page(phone, home):
    return phone.new_page()


def test_an_old_list_is_asked_for_anew_by_itself(page, home):
    home.ages = [timedelta(days=1, minutes=5), timedelta(0)]
    page.goto(f"{SECURE}/m/")

    page.wait_for_function(
        "Date.now() - new Date(document.getElementById('tasks').dataset.renderedAt) < 60_000"
    )
    assert home.asked == 2


def test_a_list_of_yesterday_says_its_day(page, home):
    at = datetime.now(UTC) - timedelta(days=3)
    home.ages = [timedelta(days=3)]
    page.goto(f"{SECURE}/m/")

    words = page.evaluate(
        "at => [new Date(at).getMonth() + 1, new Date(at).getDate()]", at.isoformat()
    )
    expect(page.locator("#fresh")).to_contain_text("Updated {:02}-{:02} ".format(*words))
    expect(page.locator("#fresh")).to_have_class("is-old")


def test_offline_is_said_for_as_long_as_it_is_so(page):
    page.goto(f"{SECURE}/m/")
    expect(page.locator("#fresh")).to_contain_text("Updated")

    page.context.set_offline(True)
    expect(page.locator("#fresh")).to_contain_text("Offline")
    page.context.set_offline(False)

    expect(page.locator("#fresh")).to_contain_text("Updated")


def test_a_server_that_fails_is_not_called_offline_and_the_list_stays(page, home):
    page.goto(f"{SECURE}/m/")
    home.status = 500

    page.click("#refresh")

    expect(page.locator("#fresh")).to_contain_text("Failing")
    expect(page.locator(".task-card")).to_be_visible()


def test_a_refresh_keeps_the_focus(page, home):
    page.goto(f"{SECURE}/m/")
    page.evaluate("window.first = document.getElementById('tasks')")

    page.click("#refresh")

    page.wait_for_function("document.getElementById('tasks') !== first")
    expect(page.locator("#refresh")).to_be_focused()


def test_a_copy_that_shows_all_kinds_shows_the_one_the_address_names(page):
    page.goto(f"{SECURE}/m/?kind=check")

    expect(page.locator(".task-card")).to_be_hidden()
    expect(page.locator("[data-kind=check]")).to_have_attribute("aria-current", "true")
