"""The wall in a real browser: it fits three sizes, turns, is interrupted, and tells its age."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.test_main_job import open_case

pytestmark = pytest.mark.journey

SIZES = {(1920, 1080): 28, (3840, 2160): 56, (5760, 2160): 56}  # the least letter of each, in px
ROTATED = ("today", "compare", "trend", "late")
MAKE = """
from datetime import timedelta
from django.utils import timezone
from cases.models import Wall
from cityops.accounts.models import User
wall = Wall(name="大厅", scope="city", addresses=["127.0.0.0/8", "::1/128"], pages=Wall.Page.values,
            language="{language}", expires_at=timezone.now() + timedelta(days=1),
            created_by=User.objects.first())
print(wall.give_token())
wall.save()
"""
# What is cut off or lies outside the screen; the marks of the map are cut by its frame.
CLIPPED = """
() => [...document.querySelectorAll("#frame *")]
  .filter((one) => one.checkVisibility() && !one.closest("svg") && one.tagName !== "BR")
  .filter((one) => {
    const box = one.getBoundingClientRect();
    const isOut = box.right > innerWidth + 0.5 || box.bottom > innerHeight + 0.5
      || box.left < -0.5 || box.top < -0.5;
    const isInline = getComputedStyle(one).display === "inline";
    const isCut = one.scrollWidth > one.clientWidth + 1 || one.scrollHeight > one.clientHeight + 2;
    return isOut || (isCut && !isInline);
  })
  .map((one) => `${one.tagName}.${one.className} ${one.textContent.trim().slice(0, 20)}`)
"""
# Columns that stand beside each other, and what stands below them.
OVERLAPPING = """
() => {
  const parts = [...document.querySelectorAll(".bar > *, main > :not([hidden]) > *, .foot > *")]
    .filter((one) => one.checkVisibility() && one.getBoundingClientRect().width);
  const box = (one) => one.getBoundingClientRect();
  return parts.flatMap((a, nth) => parts.slice(nth + 1).filter((b) =>
      box(a).left < box(b).right - 1 && box(b).left < box(a).right - 1
      && box(a).top < box(b).bottom - 1 && box(b).top < box(a).bottom - 1)
    .map((b) => `${a.tagName}.${a.className} and ${b.tagName}.${b.className}`));
}
"""
SMALLEST = """
() => Math.min(...[...document.querySelectorAll("#frame *")]
  .filter((one) => one.checkVisibility())
  .filter((one) => [...one.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()))
  .map((one) => parseFloat(getComputedStyle(one).fontSize)))
"""


@pytest.fixture
def walls(browser, running_city) -> Iterator:
    """Return a function that sets up a wall and opens it; the tests hold its clock."""
    contexts = []

    def open_wall(size=(1920, 1080), language="zh-hans", **settings) -> Page:
        made = running_city.manage("shell", "-v0", "-c", MAKE.format(language=language))
        width, height = size
        context = browser.new_context(
            base_url=running_city.address,
            viewport={"width": width, "height": height},
            **settings,
        )
        contexts.append(context)
        page = context.new_page()
        page.clock.install()
        page.goto(f"/wall/{made.splitlines()[-1]}/")
        expect(page.locator("#chip")).to_have_attribute("data-state", "live")
        return page

    yield open_wall
    for context in contexts:
        context.close()


def shown(page: Page):
    return page.locator("[data-page]:not([hidden])")


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_page_fits(walls, running_city, size, language):
    open_case(running_city)
    page = walls(size, language)

    for name in ROTATED:
        expect(shown(page)).to_have_attribute("data-page", name)
        assert page.evaluate(CLIPPED) == [], name
        assert page.evaluate(OVERLAPPING) == [], name
        assert page.evaluate(SMALLEST) >= SIZES[size], name
        page.clock.fast_forward(31_000)


def test_pages_turn_and_come_round_again(walls):
    page, seen = walls(), []

    for _ in range(5):
        seen.append(shown(page).get_attribute("data-page"))
        expect(shown(page)).to_have_count(1)
        page.clock.fast_forward(20_000)
        assert shown(page).get_attribute("data-page") == seen[-1]
        page.clock.fast_forward(11_000)

    assert tuple(seen) == (*ROTATED, "today")


def test_a_new_alarm_interrupts_and_the_pages_go_on(walls, running_city):
    number = open_case(running_city)
    running_city.wait_for(number, "dispatched")
    page = walls()

    running_city.let_pass(number, "handle")

    alarm = page.locator("[data-page=alarm]")
    expect(alarm).to_contain_text(number)
    expect(alarm.locator(".target")).to_be_visible()
    expect(alarm).to_contain_text("新超期")
    box = alarm.locator("svg").bounding_box()
    ring = alarm.locator(".target").bounding_box()
    for axis, side in (("x", "width"), ("y", "height")):
        middle = box[axis] + box[side] / 2
        assert ring[axis] + ring[side] / 2 == pytest.approx(middle, abs=2)
    page.clock.fast_forward(21_000)
    expect(alarm).to_be_hidden()
    expect(shown(page)).to_have_count(1)


def test_what_was_late_before_interrupts_nobody(walls, running_city):
    number = open_case(running_city)
    running_city.wait_for(number, "dispatched")
    watching = walls()
    running_city.let_pass(number, "handle")
    expect(watching.locator("[data-page=alarm]")).to_contain_text(number)

    fresh = walls()

    assert shown(fresh).get_attribute("data-page") == "today"
    fresh.clock.fast_forward(6_000)
    expect(fresh.locator("[data-page=alarm]")).to_be_hidden()


def test_without_the_server_the_wall_says_so(walls):
    page = walls()
    chip, veil = page.locator("#chip"), page.locator("#veil")
    expect(chip).to_have_text(re.compile(r"^● 实时 · \d 秒前$"))
    page.route("**/feed/", lambda route: route.abort())

    page.clock.fast_forward(31_000)
    expect(chip).to_have_text(re.compile(r"^▲ 可能过时 · 最后 \d\d:\d\d:\d\d$"))
    expect(veil).to_be_hidden()
    stamp = page.locator("#stamp").inner_text()
    page.clock.fast_forward(31_000)
    expect(chip).to_have_text(re.compile(r"^■ 无连接 · 最后 \d\d:\d\d:\d\d$"))
    expect(veil).to_be_visible()
    assert page.locator("#stamp").inner_text() == stamp

    page.unroute("**/feed/")
    page.clock.fast_forward(6_000)
    expect(chip).to_have_attribute("data-state", "live")
    expect(veil).to_be_hidden()


def test_a_revoked_wall_shows_nothing_any_more(walls, running_city):
    number = open_case(running_city)
    running_city.wait_for(number, "dispatched")
    running_city.let_pass(number, "handle")
    page = walls()

    running_city.manage(
        "shell",
        "-c",
        "from cases.models import Wall; from django.utils import timezone;"
        "Wall.objects.update(revoked_at=timezone.now())",
    )
    page.clock.fast_forward(6_000)

    expect(page.locator("#ended")).to_be_visible()
    assert "HH" not in page.locator("main").evaluate("main => main.textContent")
    assert page.locator("main svg *").count() == 0


def test_a_script_that_fails_starts_again(walls):
    page = walls()
    page.evaluate("document.body.dataset.before = 'yes'")

    page.evaluate("void Promise.reject(new Error('unforeseen'))")

    expect(page.locator("body[data-before]")).to_have_count(0)
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")


def test_the_picture_wanders_so_that_nothing_burns_in(walls):
    page = walls()
    places = set()

    for _ in range(4):
        box = page.locator("#frame").bounding_box()
        places.add((round(box["x"]), round(box["y"])))
        page.clock.fast_forward(300_000)

    assert places == {(2, 2), (4, 2), (4, 4), (2, 4)}


def test_nothing_moves_for_whoever_wants_no_motion(walls, running_city):
    number = open_case(running_city)
    running_city.wait_for(number, "dispatched")
    page = walls(reduced_motion="reduce")
    running_city.let_pass(number, "handle")

    ring = page.locator("[data-page=alarm] .target")
    expect(ring).to_be_visible()
    assert ring.evaluate("one => getComputedStyle(one).animationName") == "none"
