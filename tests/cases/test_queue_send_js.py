"""queue/send.js in a browser, before a server that loses, refuses and keeps waiting."""

import hashlib
import json
import time
from collections import Counter
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.modules import PLAIN, SECURE, modules_page

PATIENCE_S = 20
PROBLEM = "application/problem+json"
STORE = """async ([item, texts]) => {
  const photos = texts.map((text, i) => ({
    name: ["near", "far"][i], kind: ["near", "far"][i], blob: new Blob([text]), origin: "camera",
    taken_at: "2026-11-26T10:00:00+08:00", lon: 109.9, lat: 27.5, accuracy_m: 8.4,
  }));
  await store.enqueue({ title: "Litter", ...item, photos });
}"""
START = "async () => (await import('/static/cases/queue/send.js')).startSending('ann')"

# Waiting takes no time: the clock jumps instead. What watches over one request stays as it is.
HURRY = """() => {
  window.waits = [];
  const [real, clock] = [window.setTimeout, Date.now];
  let ahead = 0;
  Date.now = () => clock() + ahead;
  window.setTimeout = (work, ms) => {
    if (ms === 30_000 || ms === 120_000) return real(work, ms);
    window.waits.push(Math.round(ms / 1000));
    return real(() => { ahead += ms; work(); }, 0);
  };
}"""


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Server:
    """Answers as the API does, once the test's `faults` for that address are used up."""

    def __init__(self, context, origin):
        self.user, self.origin = "ann", origin
        self.asked: list[tuple[str, str]] = []
        self.cases: dict[str, dict] = {}  # by key
        self.photos: dict[str, bytes] = {}  # by SHA-256
        self.taken = Counter()
        self.faults: dict[str, list] = {}
        self.queries: dict[str, dict] = {}
        context.route(f"{origin}/api/**", self.answer)
        context.route(f"{origin}/m/session/", self.answer)

    def answer(self, route):
        request, parts = route.request, urlsplit(route.request.url)
        self.asked.append((request.method, parts.path))
        waiting = self.faults.get(f"{request.method} {parts.path}") or self.faults.get("*")
        fault = waiting.pop(0) if waiting else None
        if fault == "unsent":
            return route.abort()
        if fault and fault != "lost":
            return route.fulfill(**fault)
        body = self.take(request, parts)
        if fault == "lost":  # taken, but the answer never arrives
            return route.abort()
        return route.fulfill(json=body)

    def take(self, request, parts):
        if parts.path == "/m/session/":
            now = datetime.now(UTC).isoformat()
            return {"user": self.user, "name": "Ann", "csrf": "token", "now": now}
        assert request.header_value("For-User") == "ann"
        assert request.method == "GET" or request.header_value("X-CSRFToken") == "token"
        if request.method == "PUT":
            digest = parts.path.split("/")[-2]
            self.photos[digest] = request.post_data_buffer
            self.queries[digest] = {k: v[0] for k, v in parse_qs(parts.query).items()}
            return {"sha256": digest, "note": f"note-{digest[:4]}"}
        if request.method == "POST":
            key = request.header_value("Idempotency-Key")
            self.taken[key] += 1
            number = f"HH{len(self.cases) + 1}"
            case = {**request.post_data_json, "number": number}
            return {"number": self.cases.setdefault(key, case)["number"]}
        if parts.path.endswith("/actions/"):
            return {"version": 3, "actions": [{"action": "answer_check"}]}
        event = {"action": "reassign", "at": "2026-11-26T02:00:00Z"}
        return {"version": 3, "stage": "dispatched", "unit": "u", "address": "", "events": [event]}


def problem(status, code, detail="", **headers):
    body = json.dumps({"status": status, "code": code, "detail": detail})
    return {"status": status, "content_type": PROBLEM, "body": body, "headers": headers}


@pytest.fixture
def server(phone):
    return Server(phone, SECURE)


@pytest.fixture
def page(phone, server):
    return modules_page(phone)


def store(page, id, texts=(), **item):
    report = {
        "id": id,
        "user": "ann",
        "kind": "report",
        "path": "/api/v1/cases/",
        "body": {"n": id},
    }
    page.evaluate(STORE, [{**report, **item}, list(texts)])


def start(page):
    page.evaluate(START)


def wait_for(page, promised):
    until = time.monotonic() + PATIENCE_S
    while not page.evaluate(promised):
        assert time.monotonic() < until, f"not in {PATIENCE_S} s: {promised}"
        page.wait_for_timeout(50)


def wait_until_empty(page):
    wait_for(page, "store.items('ann').then((items) => items.length === 0)")


def wait_for_attention(page):
    wait_for(page, "store.items('ann').then((items) => items[0].state === 'attention')")


def item_of(page):
    (item,) = page.evaluate("store.items('ann')")
    return item


def test_a_report_and_its_photos_arrive_and_leave_a_receipt(page, server):
    store(page, "k1", ["near", "far"])
    start(page)
    wait_until_empty(page)

    assert server.cases == {"k1": {"n": "k1", "photos": [sha("near"), sha("far")], "number": "HH1"}}
    assert server.photos == {sha("near"): b"near", sha("far"): b"far"}
    assert server.queries[sha("near")] == {
        "kind": "near",
        "origin": "camera",
        "taken_at": "2026-11-26T10:00:00+08:00",
        "lon": "109.9000000",
        "lat": "27.5000000",
        "accuracy_m": "8",
    }
    assert [one["number"] for one in page.evaluate("store.received('ann')")] == ["HH1"]


def test_oldest_first_one_at_a_time(page, server):
    for id in ("k1", "k2", "k3"):
        store(page, id)
    start(page)
    wait_until_empty(page)

    assert list(server.cases) == ["k1", "k2", "k3"]


def test_a_lost_answer_is_asked_for_again_without_a_double(page, server):
    page.evaluate(HURRY)
    server.faults = {
        "POST /api/v1/cases/": ["lost"],
        f"PUT /api/v1/cases/HH1/photos/{sha('near')}/": ["lost", "unsent"],
    }
    store(page, "k1", ["near", "far"])
    start(page)
    wait_until_empty(page)

    assert (len(server.cases), server.taken["k1"]) == (1, 2)
    assert server.photos == {sha("near"): b"near", sha("far"): b"far"}


def test_only_what_is_missing_is_sent_again(page, server):
    page.evaluate(HURRY)
    far = f"/api/v1/cases/HH1/photos/{sha('far')}/"
    server.faults = {f"PUT {far}": ["unsent"]}
    store(page, "k1", ["near", "far"])
    start(page)
    wait_until_empty(page)

    puts = [path for method, path in server.asked if method == "PUT"]
    assert puts == [far.replace(sha("far"), sha("near")), far, far]
    assert server.taken["k1"] == 1


def test_what_was_fixed_on_the_spot_hands_its_photos_in_first(page, server):
    store(page, "k1", ["near"], body={"self_handled": True})
    start(page)
    wait_until_empty(page)

    assert [ask for ask in server.asked if ask[1] != "/m/session/"] == [
        ("PUT", f"/api/v1/photos/{sha('near')}/"),
        ("POST", "/api/v1/cases/"),
    ]
    assert server.cases["k1"]["photos_taken"] == [f"note-{sha('near')[:4]}"]


ACTION = {
    "kind": "action",
    "path": "/api/v1/cases/HH7/actions/",
    "body": {"action": "answer_check", "seen_version": 2, "passed": True},
    "number": "HH7",
    "seen": {"version": 2, "stage": "checking", "unit": "u", "words": "passed"},
}


def test_an_action_sends_its_photos_first_and_names_them(page, server):
    store(page, "k1", ["near"], **ACTION)
    start(page)
    wait_until_empty(page)

    assert server.cases["k1"]["photos"] == [f"note-{sha('near')[:4]}"]
    assert "kind" not in server.queries[sha("near")]


def test_an_old_note_is_taken_anew(page, server):
    page.evaluate(HURRY)
    server.faults = {f"POST {ACTION['path']}": [problem(422, "photo_expired")]}
    store(page, "k1", ["near"], **ACTION)
    start(page)
    wait_until_empty(page)

    assert [method for method, path in server.asked if path.startswith("/api/")] == [
        "PUT",
        "POST",
        "PUT",
        "POST",
    ]


@pytest.mark.parametrize(("status", "code"), [(409, "stale_case"), (403, "not_allowed")])
def test_a_case_that_moved_on_is_shown_with_both_versions(page, server, status, code):
    server.faults = {f"POST {ACTION['path']}": [problem(status, code, "It has moved on.")]}
    store(page, "k1", **ACTION)
    start(page)
    wait_for_attention(page)

    item = item_of(page)
    assert item["seen"]["version"] == 2
    assert item["problem"] | {"fields": None} == {
        "status": status,
        "code": code,
        "detail": "It has moved on.",
        "fields": None,
        "now": {
            "version": 3,
            "stage": "dispatched",
            "unit": "u",
            "address": "",
            "last": {"action": "reassign", "at": "2026-11-26T02:00:00Z"},
            "may": True,
        },
    }


def test_a_refusal_waits_for_the_person_and_holds_nobody_up(page, server):
    server.faults = {"POST /api/v1/cases/": [problem(422, "outside_city", "Outside the city.")]}
    store(page, "k1", ["near"])
    store(page, "k2")
    start(page)
    wait_for(page, "store.received('ann').then((rows) => rows.length === 1)")

    item = item_of(page)
    assert (item["id"], item["state"], item["problem"]["detail"]) == (
        "k1",
        "attention",
        "Outside the city.",
    )
    assert page.evaluate(f"store.bytesOf('k1', '{sha('near')}').then(b => b.byteLength)") == 4


@pytest.mark.parametrize(
    ("said", "reason"), [(problem(401, "not_authenticated"), "signed_out"), (None, "other_user")]
)
def test_nothing_is_sent_under_another_name_or_none(page, server, said, reason):
    if said:
        server.faults = {"GET /m/session/": [said] * 9}
    else:
        server.user = "bob"
    store(page, "k1")
    start(page)
    wait_for(page, "store.kept('ann', 'pace').then((pace) => pace?.paused)")

    assert page.evaluate("store.kept('ann', 'pace').then(pace => pace.paused)") == reason
    assert {path for _, path in server.asked} == {"/m/session/"}
    assert item_of(page)["state"] == "waiting"

    server.faults, server.user = {}, "ann"
    page.evaluate("dispatchEvent(new Event('pageshow'))")
    wait_until_empty(page)


def test_a_sign_out_under_way_keeps_everything(page, server):
    near = f"PUT /api/v1/cases/HH1/photos/{sha('near')}/"
    server.faults = {near: [problem(401, "other_user")]}
    store(page, "k1", ["near"])
    start(page)
    wait_for(page, "store.kept('ann', 'pace').then((pace) => pace?.paused)")

    item = item_of(page)
    assert (item["state"], item["is_case_sent"], item["number"]) == ("waiting", True, "HH1")


@pytest.mark.parametrize(
    "fault",
    [
        "unsent",
        {"status": 503, "body": "starting"},
        {"status": 429, "content_type": PROBLEM, "body": "{}"},
        {"status": 200, "content_type": "text/html", "body": "<p>Log in to this hotspot"},
        {"status": 403, "content_type": "text/html", "body": "blocked"},
        {"status": 302, "headers": {"Location": "/portal/"}},
        problem(403, "permission_denied", "CSRF Failed: token"),
        problem(500, "error"),
    ],
    ids=lambda fault: str(fault)[:40],
)
def test_what_the_line_does_is_no_refusal(page, server, fault):
    page.evaluate(HURRY)
    server.faults = {"POST /api/v1/cases/": [fault, fault]}
    store(page, "k1")
    start(page)
    wait_until_empty(page)

    assert list(server.cases) == ["k1"]
    assert [ask[0] for ask in server.asked].count("POST") == 3


def test_waits_double_up_to_five_minutes(page, server):
    server.faults = {"*": ["unsent"] * 99}
    store(page, "k1")
    page.evaluate(HURRY)
    start(page)
    wait_for(page, "waits.length >= 11")

    assert page.evaluate("waits.slice(0, 11)") == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_the_servers_own_wait_is_kept_even_when_woken(page, server):
    server.faults = {
        "POST /api/v1/cases/": [problem(429, "too_many_requests", **{"Retry-After": "2"})]
    }
    store(page, "k1")
    start(page)
    wait_for(page, "store.kept('ann', 'pace').then((pace) => pace?.quiet_until)")
    asked = len(server.asked)

    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_timeout(700)
    assert len(server.asked) == asked

    wait_until_empty(page)


def test_what_is_held_can_be_withdrawn_and_is_sent_after(page, server):
    store(page, "k1", held_ms=1500)
    start(page)
    page.wait_for_timeout(500)
    assert server.asked == []

    wait_until_empty(page)
    assert list(server.cases) == ["k1"]


@pytest.mark.parametrize("origin", [SECURE, PLAIN])
def test_many_tabs_send_everything_once(phone, origin):
    server = Server(phone, origin)
    pages = [modules_page(phone, origin) for _ in range(3)]
    for number in range(6):
        store(pages[0], f"k{number}", [f"photo {number}"])

    for page in pages:
        start(page)
    wait_until_empty(pages[0])

    assert server.taken == {f"k{number}": 1 for number in range(6)}
    assert len([method for method, _ in server.asked if method == "PUT"]) == 6


def test_another_tab_carries_on_when_the_sending_one_is_closed(phone, page, server):
    server.faults = {"POST /api/v1/cases/": ["unsent"]}
    other = modules_page(phone)
    store(page, "k1")
    start(page)
    start(other)

    page.close()

    wait_until_empty(other)
    assert list(server.cases) == ["k1"]


def test_photos_kept_for_wifi_wait_while_the_report_goes(page, server):
    page.evaluate(
        """() => {
          document.documentElement.dataset.photos = "wifi";
          window.line = Object.assign(new EventTarget(), { type: "cellular" });
          Object.defineProperty(navigator, "connection", { value: window.line });
        }"""
    )
    store(page, "k1", ["near"])
    start(page)
    wait_for(page, "store.items('ann').then(([item]) => item.tries > 0)")
    assert (list(server.cases), server.photos) == (["k1"], {})

    page.evaluate("() => { line.type = 'wifi'; line.dispatchEvent(new Event('change')) }")

    wait_until_empty(page)
    assert server.photos == {sha("near"): b"near"}


def test_a_photo_the_phone_has_lost_is_said(page, server):
    store(page, "k1", ["near"])
    page.evaluate(
        """() => new Promise((done) => {
          const asked = indexedDB.open("cityops");
          asked.onsuccess = () => {
            const work = asked.result.transaction("photos", "readwrite");
            work.objectStore("photos").clear();
            work.oncomplete = () => { asked.result.close(); done(); };
          };
        })"""
    )
    start(page)
    wait_for_attention(page)

    assert item_of(page)["problem"]["code"] == "photo_lost"


def test_a_clock_set_back_holds_nothing(page, server):
    server.faults = {"POST /api/v1/cases/": ["unsent"]}
    page.evaluate(
        """() => {
          const clock = Date.now;
          window.ahead = 86_400_000;
          Date.now = () => clock() + window.ahead;
        }"""
    )
    store(page, "k1", held_ms=10_000)
    start(page)
    page.wait_for_timeout(300)
    assert (item_of(page)["state"], server.cases) == ("waiting", {})

    page.evaluate("() => { ahead = 0; dispatchEvent(new Event('online')) }")  # set to automatic
    wait_for(page, "store.kept('ann', 'pace').then((pace) => pace?.failures)")
    page.evaluate("() => { ahead = -86_400_000 }")  # and back again, during the wait

    wait_until_empty(page)
