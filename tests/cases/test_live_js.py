"""live.js in a browser, before a socket that loses things."""

from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

STUB = """
window.sockets = [];
window.told = [];
window.WebSocket = class extends EventTarget {
  constructor() { super(); this.sent = []; this.isClosed = false; window.sockets.push(this); }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() {
    this.isClosed = true;
    this.dispatchEvent(new CloseEvent("close", { code: 1000 }));
  }
  say(message) {
    this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) }));
  }
};
window.waits = [];
window.works = [];
window.setTimeout = (work, ms) => {
  window.works.push(work);
  return window.waits.push(ms);
};
Math.random = () => window.drawn;
window.drawn = 0;
"""
START = """
follow({
  heads: { hecheng: 5 },
  onNotice: ({ dseq }) => window.told.push(dseq),
  onResync: () => {},
  onState: () => {},
});
"""
ASKED = """() => {
  window.asked = [];
  window.fetch = (address) => new Promise(() => window.asked.push(address));
}"""
HELLO = {"type": "hello", "heads": {"hecheng": 5}}


@pytest.fixture
def page(browser):
    """Open a page whose live.js talks to a socket the test speaks for."""
    with browser.new_page() as page:
        page.set_content("<!doctype html>")
        page.add_script_tag(content=STUB)
        source = Path(finders.find("cases/live.js")).read_text()
        page.add_script_tag(type="module", content=source + START)
        page.wait_for_function("window.sockets.length === 1")
        yield page


def say(page, *messages):
    page.evaluate("messages => messages.forEach(m => window.sockets.at(-1).say(m))", list(messages))


def notice(dseq):
    return {"type": "notice", "scope": "hecheng", "dseq": dseq, "kind": "sign", "case": "HH1"}


def is_closed(page):
    return page.evaluate("window.sockets[0].isClosed")


def heartbeat(dseq):
    return {"type": "heartbeat", "heads": {"hecheng": dseq}}


def test_a_heartbeat_ahead_of_the_notices_means_that_one_was_lost(page):
    say(page, HELLO, notice(6), heartbeat(6))
    assert page.evaluate("window.told") == [6]
    assert not is_closed(page)

    say(page, heartbeat(7))

    assert is_closed(page)


def test_a_notice_out_of_order_is_not_shown(page):
    say(page, HELLO, notice(7))

    assert is_closed(page)
    assert page.evaluate("window.told") == []


@pytest.mark.parametrize(("drawn", "waits_s"), [(0, 0.5), (0.5, 6.25), (0.999999, 12)])
def test_the_first_new_try_is_drawn_from_a_dozen_seconds(page, drawn, waits_s):
    say(page, HELLO)
    page.evaluate(f"window.drawn = {drawn}; window.sockets[0].close()")

    assert page.evaluate("window.waits.at(-1)") == pytest.approx(waits_s * 1000, abs=1)


def test_no_new_try_waits_longer_than_twenty_seconds(page):
    say(page, HELLO)
    page.evaluate("window.drawn = 0.999999")
    page.evaluate("window.sockets.at(-1).close(); window.works.at(-1)()")
    page.evaluate("window.sockets.at(-1).close()")

    assert page.evaluate("window.waits.at(-1)") == pytest.approx(20_000, abs=1)


@pytest.mark.parametrize(("greeting", "asked"), [([], 1), ([HELLO], 0)])
def test_a_first_socket_that_is_refused_asks_by_long_poll_at_once(page, greeting, asked):
    page.evaluate(ASKED)
    say(page, *greeting)

    page.evaluate("window.sockets[0].close()")

    assert page.evaluate("window.asked") == ["/live/events?after=hecheng:5"] * asked
