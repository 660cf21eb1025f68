"""What the desk lives on goes away while cases come in: its chip never lies, and nothing is lost.

Runs late: it leaves a hundred cases behind.
"""

import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from playwright.sync_api import Page, expect

from deploy.processes import Supervisor
from tests.support.browsers import MONITOR, ZHONGFANG

pytestmark = pytest.mark.journey

CONDITION = "event-0110-1"  # exposed refuse
EVENTS_A_REPORT = 4  # report, accept, file, dispatch
CUT_MS = 120_000
# The hub looks at the log itself every 5 s where Redis is silent, and a desk asks within half a
# second; so much younger than the truth a picture may be said to be.
SLACK_MS = 8_000
WAIT_MS = 60_000

# What the page holds and what the chip says of it, four times a second.
SAMPLE = """async () => {
  const { src } = document.querySelector('script[src*="/cases/desk."]');
  window.desk = await import(src);
  window.samples = [];
  setInterval(() => {
    const { dataset, textContent } = document.getElementById("chip");
    const { map } = window.desk.held();
    const all = Number(document.querySelector('#views [data-view="all"]').dataset.count);
    samples.push({ now: Date.now(), state: dataset.state, said: textContent,
      trueAt: Number(dataset.trueAt), map: map.length, all,
      isVeiled: document.querySelector(".desk").classList.contains("is-veiled") });
  }, 250);
}"""
SAME = """async () => {
  const { number } = await (await fetch("/desk/cases/")).json();
  const page = new DOMParser().parseFromString(
    await (await fetch("/desk/queue/?view=all")).text(), "text/html");
  const rows = [...page.querySelectorAll("ol a[data-case]")].map((row) => row.dataset.case);
  const { map, queue } = window.desk.held();
  return { map: map.sort().join() === number.sort().join(), queue: queue.join() === rows.join(),
    number: number.length };
}"""
HEADS = "SELECT sum(dseq)::int FROM cases_districthead"
OPENED = """SELECT extract(epoch FROM at) * 1000 FROM cases_event WHERE action = 'report'"""
# Other journeys leave reports nobody accepts, and cases sent back: those stay as they are.
NEWEST = "SELECT coalesce(max(id), 0) FROM cases_case"
UNSETTLED = """SELECT count(*) FROM cases_case WHERE stage IN ('reported', 'accepted', 'filed')
               AND NOT is_unrouted AND id > %s"""


@pytest.fixture(scope="module", autouse=True)
def nobody_is_too_fast(running_city) -> None:
    """One inspector does the work of many."""
    with psycopg.connect(running_city.variables["DATABASE_URL"]) as connection:
        connection.execute(
            "UPDATE cases_cityoptions SET user_burst = 1000000, scope_burst = 1000000"
        )


@pytest.fixture(scope="module")
def file(running_city) -> Callable[[int], None]:
    """Return what files so many cases, none near another."""
    token = running_city.manage("token", "inspector7")
    places = (
        (ZHONGFANG["longitude"] - 0.03 + 0.0012 * x, ZHONGFANG["latitude"] + 0.01 + 0.0012 * y)
        for y in range(20)
        for x in range(20)
    )

    def some(count: int) -> None:
        for _ in range(count):
            running_city.file_case(token, CONDITION, "event-0110", next(places))

    return some


@pytest.fixture(scope="module")
def settled(running_city) -> Callable[[], int]:
    """Return what waits until every case filed here is dispatched, and gives the sum of heads."""
    ((newest,),) = running_city.rows(NEWEST)

    def wait() -> int:
        until = time.monotonic() + 120
        while running_city.rows(UNSETTLED, newest) != [(0,)]:
            assert time.monotonic() < until, "cases wait for their dispatch"
            time.sleep(0.5)
        ((heads,),) = running_city.rows(HEADS)
        return int(heads)

    return wait


@pytest.fixture(scope="module")
def processes(running_city) -> Iterator[Supervisor]:
    """Return the processes of the city; all run again afterwards."""
    supervisor = Supervisor(running_city.home)
    yield supervisor
    for name in ("redis-broker", "redis-channels", "live"):
        if not supervisor.running(name):
            supervisor.start(name)


@pytest.fixture
def page(desks) -> Iterator[Page]:
    """Return the desk of a dispatcher of the whole city, watched all the time."""
    page = desks.open("dispatcher1", "/desk/?view=all", MONITOR)
    expect(page.locator("#chip[data-state=live]")).to_be_visible()
    page.evaluate(SAMPLE)
    page.wait_for_function("() => samples.length > 0")
    yield page
    # A browser complains of every request that is not answered; that is what these tests do.
    desks.complaints[:] = [line for line in desks.complaints if not _is_of_the_outage(line)]


def _is_of_the_outage(line: str) -> bool:
    return any(word in line for word in ("ERR_", "WebSocket", "502", "503", "504", "fetch"))


def is_whole(page: Page) -> None:
    """Wait for a chip that says live, then compare list and map with the server's."""
    page.wait_for_function(
        "() => ['live', 'resumed'].includes(document.getElementById('chip').dataset.state)",
        timeout=WAIT_MS,
    )
    # What came last may be on its way for as long as the chip may still say live.
    until = time.monotonic() + SLACK_MS / 1000
    while (same := page.evaluate(SAME)) and not (same["map"] and same["queue"]):
        assert time.monotonic() < until, same
        page.wait_for_timeout(250)


def said_the_truth(page: Page, city) -> list[dict]:
    """Check each sample against the log: all that had come by the time it was true for is held."""
    many = page.evaluate("samples.length")  # what stands there now is in the next
    page.wait_for_function("(many) => samples.length > many", arg=many)
    opened = sorted(float(at) for (at,) in city.rows(OPENED))
    samples = page.evaluate("samples")
    ended = len(opened) - page.evaluate(SAME)["number"]
    for sample in samples:
        due = sum(at <= sample["trueAt"] - SLACK_MS for at in opened) - ended
        assert min(sample["map"], sample["all"]) >= due, sample
        age_ms = sample["now"] - sample["trueAt"]
        if sample["state"] in ("live", "resumed", "polling", "asking", "behind", "lost"):
            assert age_ms < 30_000 + SLACK_MS, sample
        assert sample["isVeiled"] == (sample["state"] == "veiled"), sample
    return samples


def states(samples: list[dict]) -> list[str]:
    """Return the states in the order they were said, each once in a row."""
    found: list[str] = []
    for sample in samples:
        if found[-1:] != [sample["state"]]:
            found.append(sample["state"])
    return found


def test_the_live_process_is_killed_and_started_again(page, running_city, processes, file, settled):
    settled()
    processes.stop("live")
    page.wait_for_function("() => document.getElementById('chip').dataset.state !== 'live'")

    file(10)
    settled()
    processes.start("live")

    is_whole(page)
    seen = states(said_the_truth(page, running_city))
    assert seen[0] == "live"
    assert {"lost", "resumed"} <= set(seen)


def test_redis_is_stopped_and_started_again(page, running_city, processes, file, settled):
    settled()
    processes.stop("redis-channels", "redis-broker")
    file(10)
    before = page.evaluate(SAME)["number"]
    # PostgreSQL is the truth, and the hub looks at it by itself: the desk does not wait for Redis.
    page.wait_for_function(
        "(count) => window.desk.held().map.length === count", arg=before, timeout=WAIT_MS
    )
    processes.start("redis-broker", "redis-channels")
    settled()

    heads = page.evaluate(SAME)["number"]
    page.wait_for_function(
        "(count) => window.desk.held().map.length === count", arg=heads, timeout=WAIT_MS
    )
    is_whole(page)
    said_the_truth(page, running_city)


def test_one_browser_is_cut_off_while_three_hundred_changes_happen(
    page, running_city, file, settled
):
    before = settled()
    page.wait_for_function("() => document.getElementById('chip').dataset.state === 'live'")
    page.context.set_offline(True)
    cut_at = page.evaluate("Date.now()")

    file(300 // EVENTS_A_REPORT)
    after = settled()
    page.wait_for_function(f"() => Date.now() > {cut_at + CUT_MS}", timeout=CUT_MS + WAIT_MS)
    assert page.locator("#chip").get_attribute("data-state") == "veiled"
    assert "asking every 10 s" in page.inner_text("#chip")
    page.context.set_offline(False)

    assert after - before >= 300
    chip = page.locator("#chip")
    expect(chip).to_have_text(f"● live · {after - before} notices caught up", timeout=WAIT_MS)
    is_whole(page)
    seen = states(said_the_truth(page, running_city))
    assert [state for state in seen if state in ("lost", "stale", "veiled")] == [
        "lost",
        "stale",
        "veiled",
    ]
    assert seen.index("resumed") > seen.index("veiled")
