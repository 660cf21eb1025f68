"""The report page in a real browser: few taps, nothing lost, nothing asked or sent twice."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.browsers import PHONE, ZHONGFANG, one, picture
from tests.support.reporting import choose, received, take_photo

pytestmark = pytest.mark.journey

REFUSE = "event-0110-1"  # exposed household refuse: one photo
IN_TOWN = {"longitude": 109.9765, "latitude": 27.5505}  # in the built-up area, so in a grid cell
STORED = "Stored on the phone"
ITEMS = """async () => {
  const db = await new Promise((done) => {
    const asked = indexedDB.open("cityops");
    asked.onsuccess = () => done(asked.result);
  });
  const count = await new Promise((done) => {
    const asked = db.transaction("items").objectStore("items").count();
    asked.onsuccess = () => done(asked.result);
  });
  db.close();
  return count;
}"""


def open_report(desks, username: str = "inspector1", *, east_m: int = 0) -> Page:
    """Open the report page where nobody else of this file stands."""
    page = desks.open(username, "/m/", PHONE)
    place = {**IN_TOWN, "longitude": IN_TOWN["longitude"] + east_m / 99_000}
    page.context.set_geolocation({**place, "accuracy": 8})
    page.clock.install()
    page.goto("/m/report/")
    expect(page.locator("#fix")).to_contain_text("±8 m")
    return page


def reports_of(city, username: str) -> int:
    return int(
        one(
            city,
            "SELECT count(*) FROM cases_case c JOIN accounts_user u ON u.id = c.reporter_id"
            " WHERE u.username = %s",
            username,
        )
    )


def let_shrinking_take(page: Page, seconds: float) -> None:
    page.evaluate(
        """(seconds) => {
          const real = window.createImageBitmap;
          const wait = () => new Promise((done) => setTimeout(done, seconds * 1000));
          window.createImageBitmap = async (file) => (await wait(), real(file));
        }""",
        seconds,
    )


def draft_in(page: Page) -> str:
    return page.evaluate("location.hash.slice(1)")


def test_a_report_is_stored_with_four_taps_and_one_photo(desks, running_city):
    token = running_city.manage("token", "inspector1")
    place = IN_TOWN["longitude"] - 0.004, IN_TOWN["latitude"]
    running_city.file_case(token, REFUSE, "event-0110", place)  # what this person reports
    before = reports_of(running_city, "inspector1")
    page = desks.open("inspector1", "/m/", PHONE)
    page.context.set_geolocation({**IN_TOWN, "accuracy": 8})
    page.clock.install()
    taps: list[Locator] = []

    def tap(target: Locator) -> None:
        taps.append(target)
        target.click()

    tap(page.locator('main a[href="/m/report/"]').first)
    take_photo(page, "near", "saddlebrown")  # the one photo; the camera's button is the next tap
    taps.append(page.locator("#id_near"))
    tap(page.locator(".category", has_text="Exposed household refuse").first)
    tap(page.locator("#submit"))

    expect(page.locator("#toast")).to_contain_text(STORED)
    assert len(taps) <= 4
    assert page.url.endswith("/m/")
    number = received(page)
    assert reports_of(running_city, "inspector1") == before + 1
    query = (
        "SELECT concat_ws(' ', condition_id, accuracy_m,"
        " (SELECT count(*) FROM cases_attachment a WHERE a.case_id = c.id))"
        " FROM cases_case c WHERE number = %s"
    )
    assert one(running_city, query, number) == f"{REFUSE} 8 1"


def test_a_place_outside_ones_own_grid_is_told_and_may_be_reported(desks):
    page = open_report(desks, "inspector2", east_m=-200)  # a community of theirs
    expect(page.locator("#where")).to_contain_text("·")
    expect(page.locator("#where")).not_to_contain_text("outside your own grid")

    page.context.set_geolocation({**ZHONGFANG, "accuracy": 8})
    page.goto("/m/")
    page.goto("/m/report/")

    expect(page.locator("#where")).to_contain_text("(outside your own grid)")
    expect(page.locator("#submit")).to_be_enabled()


def test_nothing_is_lost_when_the_phone_ends_the_page_at_the_camera(desks):
    page = open_report(desks, east_m=200)
    take_photo(page, "near", "saddlebrown")
    choose(page, REFUSE)
    page.fill("#id_description", "behind the market")
    where, id_ = page.input_value("#id_lon"), draft_in(page)
    page.locator('.shot[data-slot="far"]').dispatch_event("pointerdown")  # the camera opens
    page.reload()

    expect(page.locator("#restored")).to_contain_text("Restored what you entered at")
    expect(page.locator('.shot[data-slot="near"] img')).to_be_visible()
    expect(page.locator("#chosen")).to_contain_text("Household refuse")
    assert page.input_value("#id_description") == "behind the market"
    assert page.input_value("#id_lon") == where
    assert draft_in(page) == id_

    page.goto("/m/")
    page.goto("/m/report/")
    expect(page.locator("#fix")).to_contain_text("±8 m")
    expect(page.locator("#restored")).to_be_hidden()
    expect(page.locator(".shot img")).to_have_count(0)
    assert page.input_value("#id_description") == page.input_value("#id_condition") == ""
    assert draft_in(page) != id_


def test_a_draft_opened_somewhere_else_stays_where_it_was_written(desks):
    page = open_report(desks, east_m=300)
    page.fill("#id_description", "behind the market")
    where = page.input_value("#id_lon")
    page.click("#save-draft")
    page.wait_for_url("**/m/")
    page.goto("/m/outbox/")
    page.context.set_geolocation({**ZHONGFANG, "accuracy": 8})
    page.clock.fast_forward(600_000)

    page.get_by_role("button", name="Edit").click()

    expect(page.locator("#restored")).to_be_visible()
    page.wait_for_timeout(500)  # the position of now is found
    assert page.input_value("#id_lon") == where


def test_cleared_is_gone_for_good(desks):
    page = open_report(desks, east_m=400)
    page.fill("#id_description", "never mind")
    page.wait_for_timeout(500)  # longer than the pause a draft is kept after
    page.reload()
    old = page.url
    page.click("#start-over")
    expect(page.locator("#restored")).to_be_hidden()
    page.goto("/m/")
    page.goto(old)

    expect(page.locator("#fix")).to_contain_text("±8 m")
    assert page.input_value("#id_description") == ""


def test_what_is_missing_is_said_where_it_is_missing_and_nothing_is_stored(desks):
    page = open_report(desks, east_m=600)
    page.click("#submit")
    expect(page.locator("#faults")).to_be_visible()
    expect(page.locator("#more-fault")).to_have_text("Choose what is wrong.")
    expect(page.locator("#more")).to_be_focused()

    choose(page, REFUSE)
    page.click("#submit")

    expect(page.locator("#id_near-fault")).to_have_text("This problem needs this photo.")
    expect(page.locator("#more-fault")).to_have_count(0)
    assert page.url.endswith(draft_in(page))
    assert page.evaluate(ITEMS) == 0


def test_a_report_withdrawn_in_time_is_a_draft_again_and_never_sent(desks, running_city):
    before = reports_of(running_city, "inspector1")
    page = open_report(desks, east_m=800)
    take_photo(page, "near", "olive")
    choose(page, REFUSE)
    page.click("#submit")
    page.locator("#toast").get_by_role("button", name="Withdraw").click()
    expect(page.locator("#toast")).to_contain_text("it is a draft again")
    again = page.get_by_role("link", name="Edit it").get_attribute("href")
    page.clock.fast_forward(11_000)  # past the moment it would have been sent
    page.wait_for_timeout(1000)

    assert page.evaluate(ITEMS) == 0
    assert reports_of(running_city, "inspector1") == before

    page.goto("/m/report/")
    expect(page.locator("#fix")).to_contain_text("±8 m")
    page.evaluate("address => location.assign(address)", again)  # the same page, another draft
    expect(page.locator('.shot[data-slot="near"] img')).to_be_visible()
    expect(page.locator("#chosen")).to_contain_text("Household refuse")

    page.evaluate("() => { location.hash = 'content' }")  # as the link to the content does
    page.wait_for_function("id => location.hash === `#${id}`", arg=again.partition("#")[2])


def test_the_same_thing_is_supported_and_not_reported_twice(desks, running_city):
    token = running_city.manage("token", "inspector2")
    lon = IN_TOWN["longitude"] + 1000 / 99_000
    number = running_city.file_case(token, REFUSE, "event-0110", (lon, IN_TOWN["latitude"]))
    before = reports_of(running_city, "inspector1")
    page = open_report(desks, east_m=1010)
    choose(page, REFUSE)
    expect(page.locator("#twins")).to_contain_text("10 m away")
    page.click("#twin-no")
    expect(page.locator("#twins")).to_be_hidden()
    page.wait_for_timeout(500)
    page.reload()
    expect(page.locator("#restored")).to_be_visible()
    page.wait_for_timeout(1000)  # longer than it takes to ask again
    expect(page.locator("#twins")).to_be_hidden()

    page.goto("/m/")
    page.goto("/m/report/")
    choose(page, REFUSE)
    page.click("#twin-look")
    twin = page.locator(".twin", has_text=number)
    twin.get_by_role("button", name="Yes, the same").click()

    assert received(page) == number
    assert reports_of(running_city, "inspector1") == before
    seen = (
        "SELECT count(*) FROM cases_event e JOIN cases_case c ON c.id = e.case_id"
        " WHERE e.action = 'support' AND c.number = %s"
    )
    assert one(running_city, seen, number) == "1"


def test_what_was_fixed_on_the_spot_comes_with_its_photo_and_is_checked(desks, running_city):
    page = open_report(desks, east_m=1400)
    take_photo(page, "near", "tan")
    choose(page, REFUSE)
    page.check("#id_self_handled")
    page.click("#submit")
    expect(page.locator("#id_after-fault")).to_be_visible()
    take_photo(page, "after", "lightgreen")
    page.click("#submit")

    number = received(page)

    query = "SELECT concat_ws(' ', stage, is_self_handled) FROM cases_case WHERE number = %s"
    assert one(running_city, query, number) == "checking t"


def test_the_place_is_moved_under_the_cross_hair_by_keys_alone(desks):
    page = desks.open("inspector1", "/m/", PHONE)
    page.context.set_geolocation({**IN_TOWN, "accuracy": 8})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("/m/report/")
    expect(page.locator("#fix")).to_contain_text("±8 m")
    expect(page.locator("#mini .outline-cell.is-chosen")).to_have_count(1)
    expect(page.locator("#where")).not_to_be_empty()
    before = page.input_value("#id_lon"), page.inner_text("#where")
    assert not [address for address in asked if "leaflet" in address]

    page.click("#change-place")
    expect(page.locator("#place-map")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(300)  # one step of the map after another
    page.click('[data-do="here"]')

    expect(page.locator("#fix")).to_have_text("Chosen on the map")
    assert float(page.input_value("#id_lon")) > float(before[0]) + 0.0005
    assert page.input_value("#id_accuracy_m") == ""
    expect(page.locator("#change-place")).to_be_focused()


def test_a_class_is_found_by_pinyin_initials_and_kept_in_front(desks):
    page = open_report(desks, "inspector2", east_m=1600)
    page.click("#more")
    page.fill("#category-search", "blshlj")
    star = page.locator(f'[data-pin="{REFUSE}"]')
    star.click()
    expect(star).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")

    page.reload()

    expect(page.locator(".category").first).to_contain_text("Exposed household refuse")


def test_a_report_takes_four_photos_and_no_fifth(desks):
    page = open_report(desks, east_m=1800)
    for slot, colour in {"near": "brown", "far": "olive", "more1": "tan", "more2": "grey"}.items():
        take_photo(page, slot, colour)

    expect(page.locator("#album")).to_be_hidden()
    page.locator('[data-slot="far"] .shot-drop').click()
    expect(page.locator("#album")).to_be_visible()
    expect(page.locator(".shot img")).to_have_count(3)


def test_two_photos_of_the_album_one_at_once_after_the_other_are_both_there(desks):
    page = open_report(desks, east_m=1900)
    let_shrinking_take(page, 0.5)
    for colour in ("brown", "olive"):
        page.set_input_files("#album-input", picture(colour))
    page.clock.run_for(2000)

    for slot in ("near", "far"):
        expect(page.locator(f'.shot[data-slot="{slot}"] img')).to_be_visible()


def test_going_back_to_a_stored_report_begins_another(desks, running_city):
    before = reports_of(running_city, "inspector1")
    page = open_report(desks, east_m=2000)
    take_photo(page, "near", "brown")
    choose(page, REFUSE)
    first = draft_in(page)
    page.click("#submit")
    received(page)

    page.go_back()
    expect(page.locator("#fix")).to_contain_text("±8 m")

    expect(page.locator(".shot img")).to_have_count(0)
    assert draft_in(page) != first
    assert reports_of(running_city, "inspector1") == before + 1


def test_an_operator_may_press_submit_while_a_photo_is_made_small(desks, running_city):
    before = reports_of(running_city, "operator1")
    page = desks.open("operator1", "/m/report/", PHONE)
    expect(page.locator("#fix")).to_contain_text("±8 m")
    choose(page, REFUSE)
    let_shrinking_take(page, 1)
    page.set_input_files("#id_near", picture("peru"))

    page.click("#submit")

    page.wait_for_url(lambda url: "/m/report/" not in url)
    assert reports_of(running_city, "operator1") == before + 1


def test_a_phone_that_can_keep_nothing_reports_all_the_same(desks, running_city):
    before = reports_of(running_city, "inspector1")
    page = open_report(desks, east_m=2200)
    take_photo(page, "near", "sienna")
    choose(page, REFUSE)
    page.evaluate(
        """() => {
          const full = new DOMException("full", "QuotaExceededError");
          IDBObjectStore.prototype.put = () => { throw full; };
        }"""
    )

    page.click("#submit")

    expect(page.get_by_text("Received: HH")).to_be_visible()
    assert reports_of(running_city, "inspector1") == before + 1
    photos = (
        "SELECT count(*) FROM cases_attachment a JOIN cases_case c ON c.id = a.case_id"
        " JOIN accounts_user u ON u.id = c.reporter_id"
        " WHERE u.username = %s AND c.reported_at = (SELECT max(reported_at) FROM cases_case)"
    )
    assert one(running_city, photos, "inspector1") == "1"
