"""phone_worker.js: what it answers and keeps, run in a page instead of in a worker."""

import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.modules import SECURE, modules_page

WORKER = Path(__file__).resolve().parents[2] / "cases" / "static" / "cases" / "phone_worker.js"
LONG_AGO = "Thu, 01 Jan 2026 00:00:00 GMT"
OPEN = """async ([path, referrer]) => {
  const answer = await page({ request: new Request(path, { referrer }), waitUntil() {} });
  return answer.type === "error" ? "no page" : answer.text();
}"""
HURRY = """() => {
  const real = setTimeout;
  window.setTimeout = (work, ms) => real(work, ms === 3000 ? 20 : ms);
}"""
FULL = """() => {
  Cache.prototype.put = () => Promise.reject(new DOMException("full", "QuotaExceededError"));
}"""
KEPT = """async () => {
  const copies = (await caches.has("cityops-pages")) ? await caches.open("cityops-pages") : null;
  return (await copies?.keys() ?? []).map(({ url }) => new URL(url).pathname).sort();
}"""

ALWAYS = ["/m/", "/m/feedback/", "/m/outbox/", "/m/owner"]


class Server:
    """Answers every page of the phone for `user`, so slowly, with these words and tasks."""

    def __init__(self, context):
        self.user, self.words, self.slow_s = "ann", "first", 0.0
        self.message = ""
        self.versions: dict[str, int] = {}  # of the cases there are tasks about
        self.lost: set[str] = set()
        self.asked = Counter()
        context.route(f"{SECURE}/m/**", self.answer)

    def answer(self, route):
        path = urlsplit(route.request.url).path
        self.asked[path] += 1
        if path in self.lost:
            return route.abort()
        time.sleep(self.slow_s)
        cards = "".join(
            f'<li data-number="{number}"\n    data-version="{version}">'
            for number, version in self.versions.items()
            if path in ("/m/", f"/m/tasks/{number}/")
        )
        body = (
            f'<main id="content">\n{self.message}</main>'
            f'<a id="queue-chip" data-user="{self.user}"></a>{self.user}: {self.words}{cards}'
        )
        return route.fulfill(body=body, content_type="text/html", headers={"Date": LONG_AGO})


@pytest.fixture
def page(phone):
    page = modules_page(phone)
    page.add_script_tag(content=WORKER.read_text())
    return page


@pytest.fixture
def server(phone, page):
    return Server(phone)


def open_page(page, path, referrer="/m/outbox/"):
    return page.evaluate(OPEN, [path, referrer])


def test_a_full_phone_shows_the_page_of_now(page, server):
    open_page(page, "/m/")
    page.evaluate(FULL)
    server.words = "second"

    assert "ann: second" in open_page(page, "/m/")


def test_a_full_phone_loads_what_a_page_needs(page, server):
    page.evaluate(FULL)

    file = "new Request('/static/cases/me.js')"
    assert page.evaluate(f"staticFile({file}).then((answer) => answer.ok)") is True


@pytest.mark.parametrize(
    ("referrer", "shown"), [("/m/outbox/", "ann: first"), ("/cases/HH7/", "bob: second")]
)
def test_a_slow_line_gives_nobody_the_page_of_who_had_the_phone_before(
    page, server, referrer, shown
):
    page.evaluate(HURRY)
    open_page(page, "/m/")
    server.user, server.words, server.slow_s = "bob", "second", 0.5  # bob has signed in elsewhere

    assert shown in open_page(page, "/m/", referrer)


def test_without_a_line_the_copy_is_there_from_wherever_one_comes(page, server):
    open_page(page, "/m/")
    server.lost = {"/m/"}

    assert "ann: first" in open_page(page, "/m/", "/cases/HH7/")


def test_the_first_page_of_somebody_else_ends_the_copies(page, server):
    for path in ("/m/", "/m/report/"):
        open_page(page, path)
    server.user = "bob"

    open_page(page, "/m/outbox/", "/sign-in/")

    assert page.evaluate(KEPT) == ["/m/outbox/", "/m/owner"]


def test_what_comes_after_a_sign_out_is_not_kept(page, server):
    server.slow_s = 0.3
    page.evaluate(
        """async () => {
          const late = fetchPage("/m/", turn);
          await forget();
          await late;
        }"""
    )

    assert page.evaluate(KEPT) == []


def test_a_report_about_a_component_waits_for_its_own_page(page, server):
    page.evaluate(HURRY)
    open_page(page, "/m/report/")
    server.words, server.slow_s = "of the component", 0.5

    assert "of the component" in open_page(page, "/m/report/?component=1")


def test_a_page_with_a_message_is_not_kept(page, server):
    server.message = '<p class="note" role="status">Kept.</p>'
    open_page(page, "/m/")

    assert page.evaluate(KEPT) == ["/m/owner"]


def test_pages_that_need_a_line_anyway_are_not_kept(page, server):
    for path in ("/m/me/", "/m/selfcheck/"):
        open_page(page, path)

    assert page.evaluate(KEPT) == ["/m/owner"]


def test_open_tasks_are_kept_and_asked_for_again_once_they_changed(page, server):
    server.versions = {"HH1": 1, "HH2": 1}
    page.evaluate("keepAll()")
    page.evaluate("keepAll()")
    assert (server.asked["/m/"], server.asked["/m/tasks/HH1/"]) == (2, 1)

    server.versions = {"HH1": 2}
    page.evaluate("keepAll()")

    assert (server.asked["/m/tasks/HH1/"], server.asked["/m/tasks/HH2/"]) == (2, 1)
    assert page.evaluate(KEPT) == [*ALWAYS, "/m/report/", "/m/tasks/HH1/"]


def test_one_lost_page_does_not_keep_the_others_from_being_kept(page, server):
    server.versions, server.lost = {"HH1": 1, "HH2": 1}, {"/m/report/", "/m/tasks/HH1/"}

    page.evaluate("keepAll()")

    assert page.evaluate(KEPT) == [*ALWAYS, "/m/tasks/HH2/"]


def test_feedback_about_any_page_can_be_written_without_a_line(page, server):
    page.evaluate("keepAll()")
    server.lost = {"/m/feedback/"}

    assert "ann: first" in open_page(page, "/m/feedback/?page=/m/report/")
