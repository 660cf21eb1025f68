"""The report page's own modules in a browser: photos made small, the best position, the toast."""

import base64
import io

import pytest
from django.contrib.staticfiles import finders
from PIL import Image
from playwright.sync_api import Error, expect

from tests.support.modules import SECURE, modules_page

BROWSERS = {
    "native": "",
    "without": "window.createImageBitmap = () => Promise.reject(new Error('none here'))",
    "apple": """
      Object.defineProperty(navigator, "vendor", { value: "Apple Computer, Inc." });
      const real = createImageBitmap;
      window.createImageBitmap = () => real(new ImageData(30, 30));""",
}
SHRINK = """async ([text, edge, browser]) => {
  eval(browser);
  const { shrink } = await import("/static/cases/report/shrink.js");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const small = await shrink(new File([bytes], "a.jpg", { type: "image/jpeg" }), edge);
  const made = new Uint8Array(await small.arrayBuffer());
  return btoa(Array.from(made, (byte) => String.fromCharCode(byte)).join(""));
}"""
WATCH = """async () => {
  window.told = [];
  window.searches = 0;
  navigator.geolocation.watchPosition = (found, failed) => {
    Object.assign(window, { found, failed });
    return ++window.searches;
  };
  navigator.geolocation.clearWatch = () => {};
  const { Locator, saidOf } = await import("/static/cases/report/locate.js");
  window.saidOf = saidOf;
  const tell = ({ accuracy_m }) => window.told.push(accuracy_m);
  window.locator = new Locator(tell, () => window.told.push("none"));
  window.locator.start();
}"""


@pytest.fixture
def page(phone):
    return modules_page(phone)


def street(width, height, *, orientation=1):
    """A picture whose top left corner is red, with the place it was taken at in its EXIF."""
    image = Image.new("RGB", (width, height), "grey")
    image.paste("red", (0, 0, width // 4, height // 4))
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x8825] = {1: "N", 2: (27.0, 33.0, 1.8)}
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    return base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize("browser_kind", BROWSERS)
@pytest.mark.parametrize(
    ("orientation", "size", "red"), [(1, (1600, 1200), (100, 100)), (6, (1200, 1600), (1100, 100))]
)
def test_a_photo_is_made_small_upright_and_without_its_exif(
    page, browser_kind, orientation, size, red
):
    photo = street(2400, 1800, orientation=orientation)

    made = base64.b64decode(page.evaluate(SHRINK, [photo, 1600, BROWSERS[browser_kind]]))

    with Image.open(io.BytesIO(made)) as image:
        assert (image.format, image.size) == ("JPEG", size)
        assert dict(image.getexif()) == {}
        strength, green, _ = image.convert("RGB").getpixel(red)
        assert strength > 200 > 100 > green
    assert len(made) < len(base64.b64decode(photo))


def test_a_small_photo_is_not_blown_up(page):
    made = base64.b64decode(page.evaluate(SHRINK, [street(640, 480), 1600, ""]))

    with Image.open(io.BytesIO(made)) as image:
        assert image.size == (640, 480)


@pytest.mark.parametrize("browser_kind", ["native", "without"])
def test_what_is_no_picture_is_refused(page, browser_kind):
    with pytest.raises(Error):
        page.evaluate(
            SHRINK, [base64.b64encode(b"no picture").decode(), 1600, BROWSERS[browser_kind]]
        )


def test_a_closed_dialog_is_hidden_where_the_browser_knows_none(page):
    page.set_content('<style>dialog { display: block }</style><dialog class="full">It</dialog>')
    for name in ("cityops/site.css", "cases/phone_queue.css", "cases/phone_report.css"):
        page.add_style_tag(path=str(finders.find(name)))

    expect(page.locator("dialog")).to_be_hidden()
    page.evaluate("document.querySelector('dialog').setAttribute('open', '')")
    expect(page.locator("dialog")).to_be_visible()


def find(page, accuracy, heading=None):
    coords = {"longitude": 109.9, "latitude": 27.5, "accuracy": accuracy, "heading": heading}
    page.evaluate("coords => window.found({ coords })", coords)


def test_only_a_better_position_is_told(page):
    page.evaluate(WATCH)

    for accuracy in (80, 200, 12.4, 30, 8):
        find(page, accuracy)

    assert page.evaluate("told") == [80, 12, 8]


def test_a_rough_position_of_a_new_search_does_not_replace_a_good_one(page):
    page.evaluate(WATCH)
    find(page, 8)
    page.evaluate("locator.start()")
    find(page, 400)
    assert page.evaluate("locator.best.accuracy_m") == 8

    find(page, 20)

    assert page.evaluate("told") == [8, 20]


def test_a_search_that_may_not_find_any_position_says_so_once(page):
    page.evaluate(WATCH)

    page.evaluate("failed({ code: 2 })")  # not now: the search goes on
    assert page.evaluate("told") == []
    page.evaluate("failed({ code: 1 })")

    assert page.evaluate("told") == ["none"]


def test_an_album_photo_has_neither_time_nor_place(page):
    page.evaluate(WATCH)
    find(page, 8, heading=271.6)

    album = page.evaluate("saidOf('album', locator.best)")
    camera = page.evaluate("saidOf('camera', locator.best)")

    assert album == {"origin": "album"}
    assert camera.pop("taken_at").endswith("Z")
    place = {"lon": 109.9, "lat": 27.5, "accuracy_m": 8, "heading": 272}
    assert camera == {"origin": "camera"} | place


def test_a_draft_is_not_written_over_before_it_is_shown(page):
    kept = page.evaluate(
        """async () => {
          const fields = { note: "here" };
          await store.putDraft({ id: "d1", user: "ann", path: "/m/report/", fields, photos: [] });
          history.replaceState(null, "", "#d1");
          const { Draft } = await import("/static/cases/report/draft.js");
          let note = "";
          const draft = new Draft("ann", () => ({ fields: { note }, photos: [] }));
          const opened = draft.restore(({ fields }) => (note = fields.note));
          await Promise.all([opened, draft.flush()]); // something was entered meanwhile
          return (await store.getDraft("d1", "ann")).fields;
        }"""
    )

    assert kept == {"note": "here"}


def test_outlines_once_seen_are_there_without_a_network(phone):
    areas = {"type": "FeatureCollection", "features": [{"a": 1}]}
    phone.route(f"{SECURE}/outline/**", lambda route: route.fulfill(json=areas))
    page = modules_page(phone)
    fetch = """async (address) => {
      const { fetchAreas } = await import("/static/cases/outline.js");
      return fetchAreas(address).catch(() => "no network");
    }"""
    near = "/outline/near/?lon=1&lat=2"
    assert [page.evaluate(fetch, address) for address in ("/outline/", near)] == [areas, areas]

    phone.route(f"{SECURE}/outline/**", lambda route: route.abort())

    assert page.evaluate(fetch, "/outline/") == areas
    assert page.evaluate(fetch, near) == "no network"


def test_outlines_are_there_on_a_full_phone(phone):
    areas = {"type": "FeatureCollection", "features": []}
    phone.route(f"{SECURE}/outline/**", lambda route: route.fulfill(json=areas))
    page = modules_page(phone)

    found = page.evaluate(
        """async () => {
          Cache.prototype.put = () => Promise.reject(new DOMException("", "QuotaExceededError"));
          return (await import("/static/cases/outline.js")).fetchAreas("/outline/");
        }"""
    )

    assert found == areas


@pytest.mark.parametrize(
    ("closings", "words"), [(0, None), (1, "once, 50 m, 7 d"), (3, "3 times, 50 m, 7 d")]
)
def test_a_report_is_told_that_it_is_something_come_back(phone, closings, words):
    answer = {"cases": [], "came_back": {"closings": closings, "metres": 50, "days": 7}}
    phone.route(f"{SECURE}/near/**", lambda route: route.fulfill(json=answer))
    page = modules_page(phone)

    page.evaluate(
        """async () => {
          document.body.innerHTML = `
            <p id="came-back" data-once="once, {m} m, {d} d"
               data-often="{n} times, {m} m, {d} d" hidden></p>
            <section id="twins" data-address="/near/" data-count="{n}" hidden>
              <h2 id="twin-count"></h2><p id="twin-first"></p>
              <button id="twin-look"></button><button id="twin-no"></button>
              <div id="twin-list"></div><template></template></section>`;
          const { Duplicates } = await import("/static/cases/report/duplicates.js");
          window.twins = new Duplicates(document.getElementById("twins"), () => {});
          window.twins.asked = "here";
          await window.twins._ask("here", { lon: 109.97, lat: 27.55 }, "event-0405");
        }"""
    )
    said = page.locator("#came-back")

    assert said.is_hidden() == (words is None)
    assert (said.text_content() or None) == words
    page.evaluate("() => window.twins.look(null, null)")  # the place is looked for again
    assert said.is_hidden()
