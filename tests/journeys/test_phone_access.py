"""No phone page keeps anybody out: gloves, sun, poor eyes, a screen reader, a narrow screen."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.barriers import STRONG, TAGS, axe, set_large_text, small_targets, too_wide
from tests.support.browsers import ZHONGFANG, one, picture

pytestmark = pytest.mark.journey

NARROW = {"width": 320, "height": 640}
WHOLE = {"width": 320, "height": 6000}  # nothing is under the bar at the bottom
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
    page = desks.open(username, addresses[0], WHOLE, locale=locale)
    found = []

    for address in addresses:
        page.set_viewport_size(WHOLE)
        page.goto(address)
        assert page.locator("html").get_attribute("lang") == {"zh-CN": "zh-hans"}.get(locale, "en")
        found += [f"{address} {barrier}" for barrier in barriers(page, locale)]
        for button in DIALOGS.get(address, ()):
            page.set_viewport_size(NARROW)
            page.goto(address)
            page.locator(button).click()
            page.locator("dialog[open]").wait_for()
            found += [f"{address} {button} {barrier}" for barrier in barriers(page, locale)]

    assert not found, "\n".join(found)


WAITING = """
async ({ user, photo }) => {
  const { enqueue, newId, putDraft } = await import("/static/cases/queue/store.js");
  const blob = new Uint8Array(photo).buffer;
  const photos = [{ name: "near", kind: "near", blob, type: "image/jpeg", origin: "album" }];
  const said = { user, photos, title: "暴露垃圾", place: "012", body: {} };
  const report = { kind: "report", path: "/api/v1/cases/" };
  await putDraft({ ...said, id: newId(), path: "/m/report/", fields: {}, category_name: "012" });
  await enqueue({ ...said, ...report, id: newId(), held_ms: 600_000 });
  await enqueue({
    ...said,
    id: newId(),
    kind: "action",
    path: "/api/v1/cases/HH1/actions/",
    number: "HH1",
    photos: [],
    seen: { version: 3, stage: "checking", unit: "office", words: "Passed" },
  });
}
"""


def moved_on(route: Route) -> None:
    """Answer for a case that has changed since it was seen."""
    stale = {"code": "stale_case", "detail": "The case has gone on.", "status": 409}
    if route.request.method == "POST":
        kind = "application/problem+json"
        route.fulfill(status=409, content_type=kind, body=json.dumps(stale))
    elif "/actions/" in route.request.url:
        route.fulfill(json={"actions": []})
    else:
        last = {"action": "close", "at": "2026-11-26T10:00:00+08:00"}
        route.fulfill(json={"version": 5, "stage": "closed", "unit": "office", "events": [last]})


def test_what_waits_and_what_needs_a_person_keeps_nobody_out(desks):
    page = desks.open("inspector3", "/m/", WHOLE)
    page.route("**/api/v1/cases/HH1/**", moved_on)
    photo = list(picture("grey")["buffer"])
    page.evaluate(WAITING, {"user": "inspector3", "photo": photo})

    page.goto("/m/outbox/")

    for group in ("attention", "waiting", "drafts"):
        expect(page.locator(f"#group-{group} li")).to_have_count(1)
    expect(page.locator("#group-attention")).to_contain_text(re.compile("version 5", re.IGNORECASE))
    found = list(barriers(page, "zh-CN"))
    assert not found, "\n".join(found)
    desks.complaints.clear()  # the 409 itself


def test_the_phone_checks_itself_and_sends_what_it_found(desks, running_city):
    page = desks.open("inspector2", "/m/selfcheck/", NARROW)
    expect(page.locator('[data-check="place"]')).to_have_text("good · within 8 m")
    expect(page.locator('[data-check="secure"]')).to_have_text("good")
    expect(page.locator('[data-check="clock"]')).to_contain_text(
        re.compile(r"good · off by -?[01] s")
    )
    expect(page.locator('[data-check="worker"]')).to_have_text(re.compile("good|works in part"))

    page.get_by_role("button", name="Send as feedback").click()

    expect(page.get_by_role("status").filter(has_text="has arrived")).to_be_visible()
    said = one(running_city, "SELECT text FROM cases_feedback WHERE page = '/m/selfcheck/'")
    assert "place: good 8" in said.splitlines()


def test_a_phone_without_place_or_server_says_what_to_do(desks):
    page = desks.open("inspector2", "/m/", NARROW)
    page.context.clear_permissions()
    page.route("**/m/session/", lambda route: route.abort())

    page.goto("/m/selfcheck/")

    expect(page.locator('[data-check="place"]')).to_contain_text("does not work · No place: allow")
    expect(page.locator('[data-check="clock"]')).to_contain_text("could not be asked")
    desks.complaints.clear()  # the request that was cut off


def barriers(page: Page, locale: str) -> Iterator[str]:
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
    yield from set_large_text(page)
    yield from (f"large text: {barrier}" for barrier in too_wide(page))
    if locale != "zh-CN":
        return  # the colours are the same in every language
    page.evaluate("document.documentElement.dataset.contrast = 'high'")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        found = axe(page, tags=[], rules=STRONG)
        yield from (f"high contrast {theme} {barrier}" for barrier in found)
