"""desk_map.js in a browser, with Leaflet and Supercluster as they are served."""

import random
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cases.models import ComponentState
from cases.selectors.worklist import views
from tests.support.modules import SECURE, serve_modules

ZOOMS = range(9, 20)
LIGHTS = ("late", "soon", "normal", "paused")
KINDS = ("event", "component")
CARD = '<ul class="cards">{}</ul>'
MARKUP = """
<section class="desk-map" data-cards="/desk/cards/" style="width:900px;height:600px">
  <div id="map" style="width:900px;height:600px"></div>
  <div class="map-tools">
    <button data-map="in">+</button><button data-map="out">-</button>
    <button data-map="fit">0</button><button data-map="list">list</button>
    <input type="checkbox" name="follow">
    <details class="map-layers" data-near="/outline/near/" data-components="/desk/components/"
      data-component="/p/CODE/" data-tianditu="KEY" data-fallen="fallen" data-closer="closer"
      data-cut="{n} cut" data-unanswered="unanswered">
      <summary>Layers</summary>
      <label><input type="radio" name="base" value="map"></label>
      <label><input type="radio" name="base" value="imagery"></label>
      <label><input type="radio" name="base" value="none" checked></label>
      <label><input type="checkbox" value="grid" checked></label>
      <label><input type="checkbox" value="components"></label>
      <label><input type="checkbox" value="of_view"></label>
      <label hidden><input type="checkbox" value="heat"></label>
      <p role="status"></p>
    </details>
  </div>
  <div class="map-card" hidden></div>
  <div class="map-list" data-none="none" data-unanswered="unanswered" hidden>
    <p><button>x</button></p><div class="map-rows"></div>
    <p class="map-more" data-words="{n} more"></p>
  </div>
  <p class="map-counts"><span data-count="map" data-words="{n} on the map"></span>
    <a href="#" data-count="placeless" data-words="{n} without"></a>
    <b data-count="cut" data-words="{n} cut"></b></p>
</section>
"""
START = """async () => {
  const { CaseMap } = await import("/static/cases/desk_map.js");
  window.chosen = [];
  const map = L.map("map", { minZoom: 9, maxZoom: 19, zoomAnimation: false, fadeAnimation: false })
    .setView([27.55, 109.97], 12);
  window.map = map;
  window.cases = new CaseMap(map, (number) => window.chosen.push(number));
}"""
# Every zoom of the cities' map: what clusters and single cases stand for together.
SUMS = """(zooms) => zooms.map((zoom) => cases.index.getClusters([-180, -85, 180, 85], zoom)
  .reduce((all, { properties: p }) => {
    const one = p.cluster ? p : { point_count: 1, [p.light]: 1 };
    for (const name of ["point_count", "late", "soon", "paused"]) all[name] += one[name] ?? 0;
    return all;
  }, { point_count: 0, late: 0, soon: 0, paused: 0 }))"""
DRAWN = """() => [...document.querySelectorAll(".case-mark, .case-cluster")]
  .map((mark) => Number(mark.querySelector(".t-count")?.textContent ?? 1))
  .reduce((all, one) => all + one, 0)"""
TAKE = "([columns, numbers]) => cases.take(columns, numbers ?? undefined)"


@pytest.fixture
def page(browser):
    """Open a page with the map in its section; what it asks for is answered or kept by the test."""
    with browser.new_context(viewport={"width": 1000, "height": 800}) as context:
        serve_modules(context, SECURE)
        context.route(
            f"{SECURE}/static/cases/desk_map.css",
            lambda route: route.fulfill(
                body=Path(finders.find("cases/desk_map.css")).read_text(), content_type="text/css"
            ),
        )
        for path in ("/outline/near/**", "/desk/components/**", "/desk/cards/**"):
            context.route(f"{SECURE}{path}", lambda route: route.fulfill(status=404, body=""))
        context.route("https://*.tianditu.gov.cn/**", lambda route: route.abort())
        page = context.new_page()
        page.complaints = []
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(f"{SECURE}/desk/")
        page.evaluate("html => { document.body.innerHTML = html; }", MARKUP)
        for name in ("leaflet/leaflet.js", "cases/vendor/supercluster-9.1.0.min.js"):
            page.add_script_tag(content=Path(finders.find(name)).read_text())
        page.add_style_tag(content=Path(finders.find("leaflet/leaflet.css")).read_text())
        page.add_style_tag(content=Path(finders.find("cases/desk_map.css")).read_text())
        page.evaluate(START)
        yield page
        assert page.complaints == []


class City:
    """Open cases as the server holds them; `columns` is what it answers."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.rows: dict[str, dict[str, object]] = {}
        self.last = 0

    def new(self) -> str:
        self.last += 1
        number = f"HH20261126{self.last:05}"
        self.rows[number] = {}
        self.change(number)
        return number

    def change(self, number: str) -> None:
        spot = self.rng.choice([(109.97, 27.55), (109.9701, 27.5501), (110.1, 27.4)])
        spread = self.rng.choice([0, 0, 0.0002, 0.02])
        self.rows[number] = {
            "lon": round(spot[0] + self.rng.uniform(-spread, spread), 6),
            "lat": round(spot[1] + self.rng.uniform(-spread, spread), 6),
            "kind": self.rng.choice(KINDS),
            "light": self.rng.choice(LIGHTS),
            "stage": self.rng.choice(["reported", "dispatched", "handling"]),
            "unit": None,
            "district": "hecheng",
            "supervised": self.rng.choice([0, 1]),
            "unacknowledged": self.rng.choice([0, 1]),
            "placed": self.rng.random() < 0.8,
        }

    def columns(self, numbers=None, *, most=5000):
        asked = {n: row for n, row in self.rows.items() if numbers is None or n in numbers}
        placed = {n: row for n, row in asked.items() if row["placed"]}
        shown = dict(list(placed.items())[:most])
        names = ["lon", "lat", "kind", "light", "stage", "unit", "district"]
        names += ["supervised", "unacknowledged"]
        return {
            "number": list(shown),
            **{name: [row[name] for row in shown.values()] for name in names},
            "placeless": [n for n, row in asked.items() if not row["placed"]],
            "total": len(asked),
            "without_point": len(asked) - len(placed),
            "not_shown": len(placed) - len(shown),
            "heads": {"hecheng": self.last},
        }

    @property
    def lights(self):
        placed = [row["light"] for row in self.rows.values() if row["placed"]]
        return {light: placed.count(light) for light in LIGHTS}


def take(page, columns, numbers=None):
    page.evaluate(TAKE, [columns, numbers])


def check(page, city, most=5000):
    """The picture equals the list at every zoom, by sum and by light; the page says the same."""
    totals = page.evaluate("cases.totals")
    assert totals["map"] + totals["placeless"] + totals["notShown"] == len(city.rows)
    sums = page.evaluate(SUMS, list(ZOOMS))
    assert [one["point_count"] for one in sums] == [totals["map"]] * len(sums)
    if not totals["notShown"]:
        for one in sums:
            assert {k: one[k] for k in ("late", "soon", "paused")} == {
                k: city.lights[k] for k in ("late", "soon", "paused")
            }
    said = page.locator(".map-counts [data-count]")
    assert [said.nth(i).text_content().split()[0] for i in range(3)] == [
        str(totals[name]) for name in ("map", "placeless", "notShown")
    ]


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), size=st.integers(0, 120), rounds=st.integers(0, 5))
def test_clusters_and_placeless_are_the_list_at_every_zoom(page, seed, size, rounds):
    """Random cities with random changes on top: 4 of the figures the map must show."""
    city = City(random.Random(seed))  # noqa: S311 - reproducible, not secret
    page.evaluate("cases.drawnAt = -2000")
    for _ in range(size):
        city.new()
    take(page, city.columns())
    check(page, city)
    for _ in range(rounds):
        known = sorted(city.rows)
        touched = city.rng.sample(known, min(len(known), city.rng.randint(0, 9)))
        for number in touched:
            if city.rng.random() < 0.3:
                del city.rows[number]
            else:
                city.change(number)
        touched += [city.new() for _ in range(city.rng.randint(0, 3))]
        page.evaluate("cases.drawnAt = -2000")  # no second passes between them here
        take(page, city.columns(touched), touched)
        check(page, city)


@pytest.mark.parametrize("view", list(views(None)))
def test_a_view_alone_is_clustered_whole(page, view):
    """The map takes any part of the cases; a smaller part leaves nothing of the larger behind."""
    city, part = City(random.Random(view)), City(random.Random(view))  # noqa: S311
    for _ in range(60):
        city.new()
    part.rows = dict(list(city.rows.items())[: len(view) * 3])
    take(page, city.columns())
    page.evaluate("cases.drawnAt = -2000")

    take(page, part.columns())

    check(page, part)


def test_what_does_not_fit_is_counted_and_said(page):
    city = City(random.Random(1))  # noqa: S311
    for _ in range(50):
        city.new()

    take(page, city.columns(most=20))

    check(page, city, most=20)
    assert page.locator("[data-count=cut]").is_visible()


def placed(city, count, lon=109.97, lat=27.55, step=0.0, **columns):
    numbers = []
    for i in range(count):
        number = city.new()
        city.rows[number].update(lon=lon + step * i, lat=lat, placed=True, **columns)
        numbers.append(number)
    return numbers


@pytest.fixture
def city():
    return City(random.Random(7))  # noqa: S311


def test_a_mark_tells_its_light_kind_ring_and_badge_by_shape(page, city):
    for i, light in enumerate(LIGHTS):
        placed(
            city,
            1,
            lon=109.95 + i * 0.02,
            light=light,
            kind="event",
            supervised=0,
            unacknowledged=0,
        )
    placed(city, 1, lon=110.03, light="normal", kind="component", supervised=1, unacknowledged=1)
    take(page, city.columns())
    page.evaluate("map.setView([27.55, 109.99], 13)")
    page.evaluate("cases.choose('HH2026112600001')")

    drawn = page.evaluate(
        """() => [...document.querySelectorAll(".case-mark")]
          .sort((a, b) => a.dataset.case < b.dataset.case ? -1 : 1)
          .map((mark) => [
            mark.querySelector("[class^=m-]:not(.m-casing):not(.m-halo):not(.m-unsigned)").tagName,
            mark.querySelector("text").textContent,
            ["halo", "unsigned", "badge"].filter((one) => mark.querySelector(`.m-${one}`)).join(),
          ])"""
    )

    assert drawn == [
        ["rect", "事", "halo"],
        ["path", "事", ""],
        ["circle", "事", ""],
        ["path", "事", ""],
        ["circle", "部", "unsigned,badge"],
    ]
    widths = page.evaluate(
        """() => ["late", "normal"].map((light) => {
          const mark = document.querySelector(`.m-${light}`);
          const outline = parseFloat(getComputedStyle(mark).strokeWidth);
          return mark.getBBox().width + (light === "normal" ? outline : 0);
        })"""
    )
    assert widths[0] == pytest.approx(1.1 * widths[1], rel=0.01)


def test_the_worst_light_of_a_cluster_is_seen_however_few_they_are(page, city):
    placed(city, 300, light="normal")
    placed(city, 1, light="late")
    take(page, city.columns())

    ring = page.locator(".case-cluster")
    assert ring.get_attribute("data-light") == "late"
    assert ring.locator(".t-flag").text_content() == "1"
    assert ring.locator(".t-count").text_content() == "301"
    length = page.evaluate("document.querySelector('.a-late').getTotalLength()")
    assert length > 0.05 * 2 * 3.14159 * 22
    weights = page.evaluate(
        """() => ["late", "normal"].map((light) =>
          getComputedStyle(document.querySelector(`.a-${light}`)).strokeWidth)"""
    )
    assert weights == ["11px", "4px"]


def answer_cards(page, asked):
    def answer(route):
        numbers = route.request.url.split("numbers=")[1].split(",")
        asked.append(numbers)
        rows = "".join(f'<li><a href="/cases/{n}/" data-case="{n}">{n}</a></li>' for n in numbers)
        route.fulfill(body=CARD.format(rows), content_type="text/html")

    page.context.route(f"{SECURE}/desk/cards/**", answer)


def test_a_cluster_that_zooming_opens_is_zoomed_to(page, city):
    placed(city, 1)
    placed(city, 1, lon=109.975)
    take(page, city.columns())
    zoom = page.evaluate("map.getZoom()")

    page.locator(".case-cluster").click()

    assert page.evaluate("map.getZoom()") > zoom
    assert page.locator(".case-mark").count() == 2
    assert page.locator(".map-list").is_hidden()


def test_cases_at_one_place_are_listed_worst_first_for_the_keyboard(page, city):
    asked = []
    answer_cards(page, asked)
    (calm,) = placed(city, 1, light="normal")
    (late,) = placed(city, 1, light="late")
    take(page, city.columns())

    page.locator(".case-cluster").click()
    page.wait_for_selector(".map-list a:focus")

    assert page.evaluate("map.getZoom()") == 19
    assert asked == [[late, calm]]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.evaluate("window.chosen") == [calm]
    page.keyboard.press("Escape")
    assert page.locator(".map-list").is_hidden()
    assert page.evaluate("document.activeElement.id") == "map"


def test_what_is_in_sight_is_listed_from_a_button(page, city):
    asked = []
    answer_cards(page, asked)
    (here,) = placed(city, 1)
    placed(city, 1, lon=111.0)
    take(page, city.columns())

    page.locator("button[data-map=list]").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".map-list a:focus")
    page.keyboard.press("Escape")

    assert asked == [[here]]
    assert page.evaluate("document.activeElement.dataset.map") == "list"
    assert page.locator(".case-mark, .case-cluster").first.get_attribute("tabindex") is None


def test_a_mark_shows_its_card_while_the_pointer_is_there(page, city):
    asked = []
    answer_cards(page, asked)
    (number,) = placed(city, 1)
    take(page, city.columns())

    page.locator(".case-mark").hover()
    page.wait_for_selector(".map-card:not([hidden])")

    assert page.locator(".map-card").text_content() == number
    page.keyboard.press("Escape")
    assert page.locator(".map-card").is_hidden()
    page.mouse.move(5, 5)
    page.locator(".case-mark").hover()
    page.wait_for_selector(".map-card:not([hidden])")
    assert asked == [[number]]  # asked a moment ago


def test_the_map_moves_to_the_chosen_case_only_when_it_follows(page, city):
    (far,) = placed(city, 1, lon=110.3)
    take(page, city.columns())
    centre = (
        "(() => { const at = map.getCenter(); return [at.lng.toFixed(3), at.lat.toFixed(3)]; })()"
    )
    before = page.evaluate(centre)

    page.evaluate(f"cases.choose('{far}')")
    assert page.evaluate(centre) == before

    page.locator("input[name=follow]").check()
    page.wait_for_function("map.getBounds().contains([27.55, 110.3])")
    page.evaluate("cases.choose('')")
    page.locator("input[name=follow]").uncheck()
    assert page.evaluate("localStorage.getItem('desk-follow')") == "off"


def test_changes_are_drawn_at_most_once_a_second_and_a_move_at_once(page, city):
    placed(city, 3, step=0.05)
    take(page, city.columns())
    page.evaluate(
        """() => {
          window.builds = 0;
          const old = cases._rebuild.bind(cases);
          cases._rebuild = () => { window.builds += 1; old(); };
        }"""
    )

    built = page.evaluate(
        """async (columns) => {
          cases.drawnAt = performance.now();
          const drawn = [1, 2, 3].map(() => cases.take(columns, []));
          const before = window.builds;
          await Promise.all(drawn);
          return [before, window.builds];
        }""",
        city.columns([]),
    )

    assert built == [0, 1]
    page.evaluate(
        """() => {
          cases.take({ number: [], placeless: [] }, []);
          map.panBy([400, 0], { animate: false });
        }"""
    )
    assert page.evaluate("window.builds") == 2


def test_marks_out_of_sight_are_taken_for_those_in_sight(page, city):
    placed(city, 40, step=0.03)
    take(page, city.columns())
    page.evaluate(
        """() => {
          window.made = window.dressed = 0;
          const [make, dress] = [cases._newMark.bind(cases), cases._dress.bind(cases)];
          cases._newMark = () => { window.made += 1; return make(); };
          cases._dress = (...those) => { window.dressed += 1; return dress(...those); };
        }"""
    )
    for _ in range(20):
        page.evaluate("map.panBy([300, 0], { animate: false })")
        assert page.evaluate(DRAWN) == page.evaluate(
            "[...cases.marks.values()].reduce((all, { feature }) =>"
            " all + (feature.properties.point_count ?? 1), 0)"
        )

    made, dressed = page.evaluate("[window.made, window.dressed]")
    assert made < dressed / 2


# --- layers -------------------------------------------------------------------------------------


def test_a_base_map_that_cannot_be_had_falls_back_to_the_grid_and_says_so(page):
    page.wait_for_function(
        "document.querySelector('.map-layers [role=status]').textContent === 'fallen'"
    )

    assert page.locator("input[value=none]").is_checked()
    assert page.locator("input[value=grid]").is_checked()
    assert not page.evaluate("map.getContainer().classList.contains('has-base')")
    assert page.evaluate("localStorage.getItem('desk-layers')") is None


def test_the_base_map_comes_back_by_choice_and_is_remembered(page):
    page.wait_for_function(
        "document.querySelector('.map-layers [role=status]').textContent === 'fallen'"
    )
    tile = Path(finders.find("leaflet/images/marker-icon.png")).read_bytes()
    asked = []

    def answer(route):
        asked.append(route.request.url)
        route.fulfill(body=tile, content_type="image/png")

    page.context.route("https://*.tianditu.gov.cn/**", answer)
    page.locator(".map-layers summary").focus()
    page.keyboard.press("Enter")
    page.locator("input[value=none]").focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_selector(".leaflet-tile-loaded")

    assert page.evaluate("JSON.parse(localStorage.getItem('desk-layers')).base") == "imagery"
    assert {url.split(".cn/")[1].split("/")[0] for url in asked} == {"img_w", "cia_w"}
    assert all("tk=KEY" in url for url in asked)
    assert page.locator(".map-layers [role=status]").text_content() == ""


def test_components_show_from_close_by_and_say_what_is_cut(page):
    columns = {"code": ["4312020103000901"], "name": ["cover"], "state": [ComponentState.DAMAGED]}
    columns |= {"lon": [109.97], "lat": [27.55], "not_shown": 4}
    asked = []

    def answer(route):
        asked.append(route.request.url)
        route.fulfill(json=columns)

    page.context.route(f"{SECURE}/desk/components/**", answer)
    page.locator(".map-layers summary").click()
    said = page.locator(".map-layers [role=status]")

    page.locator("input[value=components]").check()
    assert said.text_content() == "closer"
    assert asked == []
    page.evaluate("map.setView([27.55, 109.97], 17)")
    page.wait_for_function(
        "document.querySelector('.map-layers [role=status]').textContent === '4 cut'"
    )

    box = [float(edge) for edge in asked[-1].split("box=")[1].split(",")]
    assert box[0] < 109.97 < box[2]
    assert box[1] < 27.55 < box[3]


def test_an_overlay_of_others_is_offered_and_remembered(page):
    page.evaluate("window.heat = L.layerGroup(); cases.addOverlay('heat', window.heat)")
    page.locator(".map-layers summary").click()
    entry = page.locator("input[value=heat]")
    assert entry.is_visible()
    assert not page.evaluate("map.hasLayer(window.heat)")

    entry.check()

    assert page.evaluate("map.hasLayer(window.heat)")
    assert page.evaluate("JSON.parse(localStorage.getItem('desk-layers')).heat") is True


def test_the_page_is_told_when_only_the_view_is_to_be_shown(page):
    page.evaluate(
        "() => document.addEventListener('map-scope', () => window.chosen.push(cases.isOfView))"
    )
    page.locator(".map-layers summary").click()

    page.locator("input[value=of_view]").check()
    page.locator("input[value=of_view]").uncheck()

    assert page.evaluate("window.chosen") == [True, False]
