"""queue/toast.js in a browser: what the page after says of what was stored, and to whom."""

import pytest
from playwright.sync_api import expect

from tests.support.modules import modules_page

TOAST = """<a id="queue-chip" data-user="{user}"></a>
<div id="toast" data-stored="Stored" data-offline="Stored offline" data-received="Got {{number}}"
     data-draft="Draft" data-withdraw="Withdraw" data-withdrawn="Withdrawn" data-edit="Edit" hidden>
  <span></span><button type="button" hidden></button></div>"""
STORE = """async (held_ms) => {
  const draft = { id: "d1", user: "ann", path: "/m/report/", fields: {}, photos: [] };
  await store.putDraft(draft);
  const said = { kind: "report", path: "/api/v1/cases/", body: {}, title: "Litter" };
  await store.enqueue({ ...said, id: "d1", user: "ann", held_ms });
  const told = { id: "d1", user: "ann", kind: "report" };
  sessionStorage.setItem("cityops-toast", JSON.stringify(told));
}"""


@pytest.fixture
def page(phone):
    return modules_page(phone)


def next_page(page, user="ann"):
    page.set_content(TOAST.format(user=user))
    page.evaluate("import('/static/cases/queue/toast.js')")
    page.wait_for_timeout(200)


def test_nobody_else_is_told_of_it_or_may_withdraw_it(page):
    page.evaluate(STORE, 60_000)

    next_page(page, "bob")

    expect(page.locator("#toast")).to_be_hidden()
    assert [item["id"] for item in page.evaluate("store.items('ann')")] == ["d1"]


def test_what_waits_is_said_once_and_its_receipt_when_it_comes(page):
    page.clock.install()
    page.evaluate(STORE, 0)
    next_page(page)
    expect(page.locator("#toast")).to_contain_text("Stored")

    page.clock.run_for(9_000)
    expect(page.locator("#toast")).to_be_hidden()
    page.evaluate("store.finish('d1', 'HH1')")

    expect(page.locator("#toast")).to_contain_text("Got HH1")
    page.clock.run_for(9_000)
    expect(page.locator("#toast")).to_be_hidden()


def test_the_way_to_what_was_withdrawn_does_not_run_away(page):
    page.clock.install()
    page.evaluate(STORE, 60_000)
    next_page(page)

    page.get_by_role("button", name="Withdraw").click()

    expect(page.get_by_role("link", name="Edit")).to_have_attribute("href", "/m/report/#d1")
    page.clock.run_for(60_000)
    expect(page.get_by_role("link", name="Edit")).to_be_visible()
