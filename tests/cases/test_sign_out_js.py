"""sign_out.js in a browser: who has something left is asked, and the copies go with who leaves."""

import pytest
from playwright.sync_api import expect

from tests.support.modules import SECURE, modules_page

PAGE = """
<form id="sign-out" method="post" action="/sign-out/" data-user="ann">
<button>Sign out</button></form>
<dialog id="sign-out-waits"><form method="dialog"><p data-words="{n} wait"></p>
<button value="no">Stay</button><button value="yes">Go</button></form></dialog>"""
CLOSED = """() => {
  IDBFactory.prototype.open = () => { throw new DOMException("closed", "InvalidStateError"); };
}"""
START = """async () => {
  await caches.open("cityops-pages");
  await import("/static/cases/sign_out.js");
}"""


@pytest.fixture
def page(phone):
    return modules_page(phone)


def sign_out(page):
    page.set_content(PAGE)
    page.evaluate(START)
    page.get_by_role("button", name="Sign out").click()


def leave(page):
    sign_out(page)
    page.wait_for_url(f"{SECURE}/sign-out/")


def test_who_has_nothing_here_leaves_with_the_copies(page):
    leave(page)

    assert page.evaluate("caches.has('cityops-pages')") is False


@pytest.mark.parametrize(("words", "goes"), [("Stay", False), ("Go", True)])
def test_who_has_something_here_is_asked_and_keeps_it(page, words, goes):
    page.evaluate("store.putDraft({ id: 'd', user: 'ann', path: '/m/', fields: {}, photos: [] })")
    sign_out(page)
    expect(page.get_by_text("1 wait")).to_be_visible()

    page.get_by_role("button", name=words).click()

    if goes:
        page.wait_for_url(f"{SECURE}/sign-out/")
        page.evaluate(
            "import('/static/cases/queue/store.js').then((found) => (window.store = found))"
        )
    assert page.evaluate("caches.has('cityops-pages')") is not goes
    assert page.evaluate("store.drafts('ann').then((found) => found.length)") == 1


def test_a_phone_that_can_keep_nothing_lets_people_leave(page):
    page.evaluate(CLOSED)

    leave(page)

    assert page.evaluate("caches.has('cityops-pages')") is False


def test_without_a_line_nobody_leaves_and_the_copies_stay(page):
    page.evaluate("() => Object.defineProperty(navigator, 'onLine', { get: () => false })")

    leave(page)  # the browser says that it could not be asked for

    assert page.evaluate("caches.has('cityops-pages')") is True


def test_who_signs_in_finds_no_copies(page):
    page.set_content('<form method="post" action="/sign-in/"><button>Sign in</button></form>')
    page.evaluate("caches.open('cityops-pages').then(() => {})")
    page.evaluate("import('/static/cases/sign_in.js')")

    page.get_by_role("button", name="Sign in").click()

    page.wait_for_url(f"{SECURE}/sign-in/")
    assert page.evaluate("caches.has('cityops-pages')") is False
