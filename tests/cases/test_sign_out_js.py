"""queue/sign_out.js in a browser: everybody can leave, and the copies go with who does."""

import pytest

from tests.support.modules import SECURE, modules_page

PAGE = """
<form id="sign-out" method="post" action="/sign-out/"><button>Sign out</button></form>
<dialog id="sign-out-waits"><p data-words="{n} wait"></p></dialog>"""
CLOSED = """() => {
  IDBFactory.prototype.open = () => { throw new DOMException("closed", "InvalidStateError"); };
}"""
START = """async () => {
  await caches.open("cityops-pages");
  (await import("/static/cases/queue/sign_out.js")).guardSignOut("ann");
}"""


@pytest.fixture
def page(phone):
    return modules_page(phone)


def sign_out(page):
    page.set_content(PAGE)
    page.evaluate(START)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{SECURE}/sign-out/")


def test_who_has_nothing_here_leaves_with_the_copies(page):
    sign_out(page)

    assert page.evaluate("caches.has('cityops-pages')") is False


def test_a_phone_that_can_keep_nothing_lets_people_leave(page):
    page.evaluate(CLOSED)

    sign_out(page)

    assert page.evaluate("caches.has('cityops-pages')") is False


def test_without_a_line_nobody_leaves_and_the_copies_stay(page):
    page.evaluate("() => Object.defineProperty(navigator, 'onLine', { get: () => false })")

    sign_out(page)  # the browser says that it could not be asked for

    assert page.evaluate("caches.has('cityops-pages')") is True


def test_who_signs_in_finds_no_copies(page):
    page.set_content('<form method="post" action="/sign-in/"><button>Sign in</button></form>')
    page.evaluate("caches.open('cityops-pages').then(() => {})")
    page.evaluate("import('/static/cases/sign_in.js')")

    page.get_by_role("button", name="Sign in").click()

    page.wait_for_url(f"{SECURE}/sign-in/")
    assert page.evaluate("caches.has('cityops-pages')") is False
