"""The phone's queue on the running city: the line goes, answers are lost, the browser is killed."""

import hashlib
import os
import re
import signal
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest
from playwright.sync_api import BrowserContext, Error, Page, Route, expect

from tests.support.barriers import STRONG, TAGS, axe, small_targets, too_wide
from tests.support.browsers import PATIENCE_MS, PHONE, ZHONGFANG, Desks, one, picture

pytestmark = pytest.mark.journey

CONDITION = "event-0110-1"  # exposed refuse
PATIENCE_S = PATIENCE_MS / 1000 * 3
OPEN_STORE = "async () => (window.store = await import('/static/cases/queue/store.js'))"
ENQUEUE = """async ([item, photos]) => {
  for (const photo of photos) photo.blob = Uint8Array.from(photo.bytes).buffer;
  await store.enqueue({ ...item, photos: photos.map(({ bytes, ...photo }) => photo) });
}"""
# The pages, and a file that only the task's page needs, which is kept last.
KEPT = """async (paths) => {
  const pages = await caches.open("cityops-pages");
  const found = await Promise.all(paths.map((path) => pages.match(path)));
  const files = await (await caches.open("cityops-static")).keys();
  return found.every(Boolean) && files.some(({ url }) => /idb-/.test(url));
}"""
# What makes photos small is the last that the page of feedback needs.
SHRINKS = """async () => {
  const files = await (await caches.open("cityops-static")).keys();
  return files.some(({ url }) => /shrink/.test(url));
}"""
PLACE = {"lon": ZHONGFANG["longitude"], "lat": ZHONGFANG["latitude"], "crs": "wgs84"}
REPORT = {"location": PLACE, "category": "event-0110", "condition": CONDITION}


class KilledPhone:
    """A browser with a profile of its own, which is killed as a phone kills one, and comes back."""

    def __init__(self, browser, city, profile: Path, username: str) -> None:
        self.kind, self.city, self.profile, self.username = (
            browser.browser_type,
            city,
            profile,
            username,
        )
        self.lost: set[tuple[str, str, str | None]] = set()
        self.context: BrowserContext | None = None

    def open(self) -> Page:
        self.context = self.kind.launch_persistent_context(
            self.profile,
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox"],
            base_url=self.city.address,
            viewport=PHONE,
            locale="en-US",
            service_workers="block",  # its requests could not be lost here
        )
        self.context.route("**/api/v1/**", self.lose_first_answer)
        page = self.context.pages[0]
        page.set_default_timeout(PATIENCE_MS)
        page.goto("/m/outbox/")
        if "/sign-in/" in page.url:
            page.fill("#id_username", self.username)
            page.fill("#id_password", self.city.demo_password)
            page.click("button.primary")
            page.wait_for_url("**/m/outbox/")
        page.evaluate(OPEN_STORE)
        return page

    def lose_first_answer(self, route: Route) -> None:
        request = route.request
        asked = (request.method, request.url, request.header_value("Idempotency-Key"))
        if asked in self.lost:
            route.continue_()
            return
        self.lost.add(asked)
        asking = self.context
        try:
            route.fetch()  # the server does it all the same
            route.abort()
        except Error:
            if asking is self.context:  # else its phone was killed while the server answered
                raise

    def kill(self) -> None:
        """End the browser without a word, by its own profile."""
        killed, self.context = self.context, None
        assert killed is not None
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                mine = f"--user-data-dir={self.profile}".encode() in words
                if mine and not any(word.startswith(b"--type=") for word in words):
                    os.kill(int(folder.name), signal.SIGKILL)
        with suppress(Error):
            killed.close()


@pytest.fixture
def killed_phone(browser, running_city, tmp_path) -> Iterator[KilledPhone]:
    phone = KilledPhone(browser, running_city, tmp_path / "profile", "inspector9")
    yield phone
    if phone.context:
        phone.kill()


@pytest.fixture
def phones(desks) -> Iterator[Desks]:
    """Everybody's phone; what it says of a line the test has cut or bent is no complaint."""
    yield desks
    ours = ("net::ERR_", "Failed to fetch", *(f"status of {code}" for code in (403, 404, 409)))
    rest = [line for line in desks.complaints if not any(word in line for word in ours)]
    assert rest == []
    desks.complaints.clear()


def photo(name: str, colour: str) -> dict[str, object]:
    kind = {"kind": name} if name in ("near", "far") else {}
    return {"name": name, **kind, "origin": "camera", "bytes": list(picture(colour)["buffer"])}


def sent_by(city, username: str) -> int:
    query = """
        SELECT count(*) FROM cases_case c JOIN accounts_user u ON u.id = c.reporter_id
        WHERE u.username = %s
    """
    ((count,),) = city.rows(query, username)
    return int(count)


def wait_until(page: Page, is_so) -> None:
    """Wait for what the phone does, telling it again and again that there is a line."""
    until = monotonic() + PATIENCE_S
    while not is_so():
        assert monotonic() < until, page.inner_text("main")
        page.evaluate("() => { dispatchEvent(new Event('online')) }")
        page.wait_for_timeout(200)


def wait_for(page: Page, promised: str, argument: object = None) -> None:
    until = monotonic() + PATIENCE_S
    while not page.evaluate(promised, argument):
        assert monotonic() < until, promised
        page.wait_for_timeout(100)


def waiting(page: Page) -> int:
    return int(page.evaluate("store.items('inspector9').then((items) => items.length)"))


def test_ten_reports_made_offline_arrive_once(killed_phone, running_city):
    city, page = running_city, killed_phone.open()
    before = sent_by(city, "inspector9")
    killed_phone.context.set_offline(True)
    shas: dict[str, set[str]] = {}
    for report in range(10):
        key, hue = str(uuid.uuid4()), 25 * report
        photos = [photo(name, f"rgb({hue},{n},90)") for n, name in enumerate(("near", "far", "3"))]
        shas[key] = {hashlib.sha256(bytes(one["bytes"])).hexdigest() for one in photos}
        item = {"id": key, "user": "inspector9", "kind": "report", "path": "/api/v1/cases/"}
        page.evaluate(ENQUEUE, [{**item, "body": REPORT, "title": "Exposed refuse"}, photos])
    expect(page.locator("#queue-chip")).to_have_text("Offline · 10 to send")
    killed_phone.kill()

    page = killed_phone.open()
    wait_until(page, lambda: sent_by(city, "inspector9") > before + 2)
    killed_phone.kill()
    page = killed_phone.open()
    wait_until(page, lambda: waiting(page) == 0)

    assert sent_by(city, "inspector9") == before + 10
    query = """
        SELECT c.client_uuid::text, a.sha256 FROM cases_attachment a
        JOIN cases_case c ON c.id = a.case_id WHERE c.client_uuid = ANY(%s::uuid[])
    """
    stored = city.rows(query, list(shas))
    assert sorted(stored) == sorted((key, sha) for key, photos in shas.items() for sha in photos)
    expect(page.locator("#group-received li")).to_have_count(10)
    expect(page.locator("#queue-chip")).to_be_hidden()


def verify_case(city) -> tuple[str, str]:
    """Have a citizen's report sent out to be verified; return its number and the inspector."""
    operator, acceptor = (city.manage("token", name) for name in ("operator1", "acceptor1"))
    place = PLACE["lon"], PLACE["lat"]
    number = city.file_case(operator, CONDITION, "event-0110", place, source="citizen")
    city.act(acceptor, number, "send_verify")
    query = """
        SELECT u.username FROM cases_task t JOIN accounts_user u ON u.id = t.assignee_id
        JOIN cases_case c ON c.id = t.case_id WHERE c.number = %s
    """
    return number, one(city, query, number)


def enqueue_answer(page: Page, city, number: str, username: str, versions_ago: int = 0) -> None:
    now = one(city, "SELECT version FROM cases_case WHERE number = %s", number)
    version = int(now) - versions_ago
    item = {
        "id": str(uuid.uuid4()),
        "user": username,
        "kind": "action",
        "path": f"/api/v1/cases/{number}/actions/",
        "body": {"action": "answer_verify", "seen_version": version, "passed": True},
        "title": "Verify: exposed refuse",
        "number": number,
        "seen": {"version": version, "stage": "verifying", "unit": "", "words": "true"},
    }
    page.evaluate(OPEN_STORE)
    page.evaluate(ENQUEUE, [item, [photo("photo", "teal")]])


def test_an_answer_to_a_case_that_went_on_waits_with_both_versions(phones, running_city):
    number, username = verify_case(running_city)
    page = phones.open(username, "/m/outbox/", PHONE)
    page.evaluate(OPEN_STORE)
    page.context.set_offline(True)
    enqueue_answer(page, running_city, number, username)
    expect(page.locator("#group-waiting li")).to_contain_text("Verify: exposed refuse")
    chief = running_city.manage("token", "chief1")
    running_city.act(chief, number, "void", reason="wrong_report")

    page.context.set_offline(False)

    row = page.locator("#group-attention li")
    expect(row).to_contain_text("Your answer")
    expect(row).to_contain_text("being verified")
    expect(page.locator("#queue-chip")).to_have_text("1 need you")
    require_no_barrier(page)
    row.get_by_role("button", name="Delete").click()
    require_no_barrier(page)
    page.get_by_role("button", name="Keep it").click()
    expect(row.locator("img")).to_be_visible()
    row.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete “Verify: exposed refuse”").click()
    expect(page.get_by_text("Nothing waits on this phone.")).to_be_visible()


def require_no_barrier(page: Page) -> None:
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert axe(page, tags=TAGS, rules=STRONG) == []
    assert [*small_targets(page), *too_wide(page)] == []


def test_an_answer_may_be_sent_again_on_the_version_of_now(phones, running_city):
    number, username = verify_case(running_city)
    page = phones.open(username, "/m/outbox/", PHONE)
    enqueue_answer(page, running_city, number, username, versions_ago=1)

    row = page.locator("#group-attention li")
    expect(row).to_contain_text("stale_case")
    row.get_by_role("button", name="Send on the new version").click()

    expect(page.locator("#group-received li")).to_contain_text(number)
    running_city.wait_for(number, "reported")


def test_the_pages_open_without_a_line_once_they_were_kept(phones, running_city):
    number, username = verify_case(running_city)
    page = phones.open(username, "/m/", PHONE)
    expect(page.locator(f'a[href="/m/tasks/{number}/"]').first).to_be_visible()
    wanted = ["/m/report/", "/m/outbox/", f"/m/tasks/{number}/"]
    wait_for(page, KEPT, wanted)
    page.context.set_offline(True)

    for path, words in (
        ("/m/", "My work"),
        ("/m/report/", "Report"),
        ("/m/outbox/", "Nothing waits on this phone."),
        (f"/m/tasks/{number}/", number),
    ):
        page.goto(path)
        expect(page.get_by_text(words).first).to_be_visible()
        assert page.evaluate("getComputedStyle(document.body).margin") == "0px"  # its style is here
    page.goto("/m/me/")  # never kept: the outbox stands in for it
    expect(page).to_have_url(f"{running_city.address}/m/outbox/")

    page.context.set_offline(False)
    page.context.clear_cookies()
    page.goto("/m/")
    expect(page).to_have_url(re.compile("/sign-in/"))
    page.context.set_offline(True)
    page.goto(f"/m/tasks/{number}/")  # theirs no more; what they stored still is
    expect(page).to_have_url(f"{running_city.address}/m/outbox/")


def test_feedback_written_without_a_line_arrives_once_there_is_one(phones, running_city):
    words = f"The button is small: {uuid.uuid4()}"
    page = phones.open("inspector4", "/m/", PHONE)
    wait_for(page, KEPT, ["/m/", "/m/outbox/", "/m/feedback/"])
    wait_for(page, SHRINKS)
    page.context.set_offline(True)
    page.goto("/m/feedback/?page=/m/report/")

    page.get_by_label("What is wrong, or could be better?").fill(words)
    page.get_by_label("Screenshot (optional)").set_input_files(picture("teal"))
    page.locator("img.phone-preview").wait_for()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#queue-chip")).to_have_text("Offline · 1 to send")
    page.goto("/m/outbox/")
    expect(page.locator("#group-waiting li")).to_contain_text(words)
    page.context.set_offline(False)

    expect(page.locator("#group-received li")).to_contain_text("Feedback")
    query = "SELECT page || sha256 FROM cases_feedback WHERE text = %s"
    assert re.fullmatch("/m/report/[0-9a-f]{64}", one(running_city, query, words))


def test_whoever_signs_out_is_told_what_still_waits_and_it_stays_theirs(phones, running_city):
    page = phones.open("inspector3", "/m/outbox/", PHONE)
    page.evaluate(OPEN_STORE)
    item: dict[str, object] = {"id": str(uuid.uuid4()), "user": "inspector3", "kind": "report"}
    item |= {"title": "Refuse", "held_ms": 600_000}  # it waits for as long as this test takes
    page.evaluate(ENQUEUE, [{**item, "path": "/api/v1/cases/", "body": REPORT}, []])
    expect(page.locator("#queue-chip")).to_have_text("1 to send")

    leave = page.get_by_role("button", name="Sign out", exact=True)
    page.locator(".phone-menu summary").click()
    leave.click()
    page.get_by_role("button", name="Stay signed in").click()
    page.goto("/notices/")  # no page of the phone
    leave.click()
    page.get_by_role("button", name="Sign out all the same").click()

    page.wait_for_url("**/sign-in/**")
    assert page.evaluate("caches.has('cityops-pages')") is False
    page.fill("#id_username", "inspector4")
    page.fill("#id_password", running_city.demo_password)
    page.click("button.primary")
    page.wait_for_url("**/m/")
    page.goto("/m/outbox/")
    expect(page.get_by_text("1 more belong to other people of this phone")).to_be_visible()
    expect(page.get_by_text("Refuse")).to_have_count(0)
