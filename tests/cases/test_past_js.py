"""past.js in a browser without a server: list and map are of one hour, whatever answers late."""

from functools import partial

import pytest

from tests.support.modules import SECURE

PAGE = """<!doctype html><html><body><p id="past-said"></p>
<div id="past-desk" data-cases="/past/cases/" data-failed="failed">{}</div>
<label hidden><input id="heat-on" type="checkbox"></label>
<script type="module" src="/static/cases/past.js"></script></body></html>"""
LIST = '<div id="past" data-at="{0}" data-day="{0}">list of {0}{1}</div>'
STEPS = "".join(f'<a data-key="{hour}" href="?at={hour}">{hour}</a>' for hour in range(1, 6))
MAP = """export class CaseMap {
  drawOutline() {}
  fit() {}
  choose() {}
  take(columns) { this.next = columns.at; return Promise.resolve(); }
  draw() { window.drawn = this.next; }
}"""
HEAT = """export class Heat {
  constructor() { this.layer = { addTo() {}, remove() {} }; }
  endAt() {}
}"""


@pytest.fixture
def past(phone):
    """A page at hour 1; what is asked of `held` hours waits there until it is answered."""
    page = phone.new_page()
    page.held, page.broken = {}, set()

    def answer(route):
        at = route.request.url.partition("at=")[2] or "1"
        if "hx-request" in route.request.headers:
            body = LIST.format(at, STEPS)
        else:
            body = PAGE.format(LIST.format(at, STEPS))
        route.fulfill(body=body, content_type="text/html")

    def columns(route):
        at = route.request.url.partition("at=")[2]
        if at in page.held:
            page.held[at].append(route)
        elif at in page.broken:
            route.fulfill(status=503)
        else:
            route.fulfill(json={"at": at})

    phone.route(f"{SECURE}/past/**", answer)
    phone.route(f"{SECURE}/past/cases/**", columns)
    kind = "text/javascript"
    for name, body in (("desk_map", MAP), ("heat", HEAT)):
        fulfill = partial(lambda body, route: route.fulfill(body=body, content_type=kind), body)
        phone.route(f"{SECURE}/static/cases/{name}.js", fulfill)
    page.goto(f"{SECURE}/past/")
    return page


def start(page):
    page.evaluate("dispatchEvent(new CustomEvent('map:init', { detail: { map: {} } }))")


def hours(page):
    """Return the hours of list and map, and what is said."""
    said = "document.getElementById('past-said').textContent"
    return page.evaluate(f"[document.getElementById('past').dataset.at, window.drawn, {said}]")


def ask(page, hour):
    page.keyboard.press(str(hour))


def wait_until_held(page, hour):
    while not page.held[str(hour)]:
        page.wait_for_timeout(20)


def answer_held(page, hour):
    for route in page.held[str(hour)]:
        route.fulfill(json={"at": str(hour)})


def test_list_and_map_change_together(past):
    start(past)
    past.wait_for_function("window.drawn === '1'")
    past.held["2"] = []

    ask(past, 2)
    wait_until_held(past, 2)
    assert hours(past) == ["1", "1", ""]

    answer_held(past, 2)
    past.wait_for_function("window.drawn === '2'")
    assert hours(past) == ["2", "2", ""]


def test_an_hour_whose_map_fails_leaves_the_one_before(past):
    start(past)
    past.wait_for_function("window.drawn === '1'")
    past.broken.add("2")

    ask(past, 2)

    past.wait_for_function("document.getElementById('past-said').textContent === 'failed'")
    assert hours(past) == ["1", "1", "failed"]


def test_one_left_behind_for_an_hour_that_fails_is_not_half_shown(past):
    """Hour 2 is asked for, its map is slow; hour 3 is asked for and fails."""
    start(past)
    past.wait_for_function("window.drawn === '1'")
    past.held["2"] = []
    past.broken.add("3")
    ask(past, 2)
    wait_until_held(past, 2)

    ask(past, 3)
    past.wait_for_function("document.getElementById('past-said').textContent === 'failed'")
    answer_held(past, 2)
    past.wait_for_load_state("networkidle")

    assert hours(past) == ["1", "1", "failed"]


def test_the_first_answer_of_the_map_does_not_cover_a_later_hour(past):
    past.held["1"] = []
    start(past)
    wait_until_held(past, 1)
    ask(past, 2)
    past.wait_for_function("window.drawn === '2'")

    answer_held(past, 1)
    past.wait_for_load_state("networkidle")

    assert hours(past) == ["2", "2", ""]
