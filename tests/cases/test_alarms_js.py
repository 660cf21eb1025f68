"""alarms.js in a browser, before a clock, a server and an audio device of the test's own."""

import pytest
from django.template.loader import render_to_string
from django.utils import translation
from playwright.sync_api import expect

from tests.support.modules import SECURE

# The audio clock follows the page's own, once it runs; `played` holds when each tone is to begin.
DEVICE = """
window.mayRun = true;
window.played = [];
window.AudioContext = class {
  constructor() { this.state = "suspended"; this.destination = {}; this.from = 0; }
  get currentTime() { return this.state === "running" ? (Date.now() - this.from) / 1000 : 0; }
  resume() {
    if (window.mayRun && this.state !== "running") {
      this.state = "running";
      this.from = Date.now();
    }
    return Promise.resolve();
  }
  createGain() {
    const gain = {
      value: 0,
      setValueAtTime() {},
      linearRampToValueAtTime(value) { this.loudest = Math.max(this.loudest ?? 0, value); },
    };
    return { gain, connect() {}, disconnect() {} };
  }
  createOscillator() {
    const context = this;
    const tone = { frequency: { value: 0 }, isBack: false };
    return Object.assign(tone, {
      connect(gain) { tone.gain = gain.gain; },
      disconnect() { tone.isBack = true; },
      start(from) { window.played.push({ tone, at: context.from + from * 1000 }); },
      stop() {},
    });
  }
};
"""
SERVER = """
window.feed = { alarms: [], kinds: ["overdue"], link: { tier: 1, after_s: 60 }, quiet: false,
                quiet_from: "", quiet_until: "", ringing: 0, volume: 80 };
window.posted = [];
window.isDown = false;
window.asked = 0;
window.fetch = async (address, { method = "GET" } = {}) => {
  if (window.isDown) throw new TypeError("no network");
  if (method === "POST") {
    window.posted.push(address);
    const id = Number(address.split("/")[3]);
    const acknowledged = { says: "wang: got it" };
    for (const one of feed.alarms) if (one.id === id) one.acknowledged = acknowledged;
    return { ok: true, status: 200, json: async () => ({ acknowledged }) };
  }
  window.asked += 1;
  return { ok: true, status: 200, json: async () => JSON.parse(JSON.stringify(window.feed)) };
};
"""
NO_LOCKS = "Object.defineProperty(navigator, 'locks', { value: undefined });"
# Starts of the first tone of each ring, in seconds since the page was opened, heard up to now.
HEARD = """(hertz) => window.played
  .filter(({ tone, at }) => !tone.isBack && tone.frequency.value === hertz && at <= Date.now())
  .map(({ at }) => (at - window.opened) / 1000)"""
RING, TONE = 880, 740


@pytest.fixture
def markup():
    with translation.override("en"):
        parts = [
            render_to_string(f"cases/desk/_{name}.html", {"csrf_token": "token"})
            for name in ("sound", "alarms", "alarm_status")
        ]
    rows = '<div id="queue"><a data-case="HH1">HH1</a><a data-case="HH2">HH2</a></div>'
    return f"{rows}{''.join(parts)}<title>Desk</title>"


@pytest.fixture
def desk(phone, markup):
    """Open desks of one browser; the clock stands unless it is told to run."""
    phone.clock.install(time="2026-11-26T08:00:00Z")

    def open_desk(*, may_run=True, scripts=(), alarms=()):
        page = phone.new_page()
        page.goto(f"{SECURE}/desk/")
        page.set_content(markup)
        for script in (DEVICE, SERVER, *scripts):
            page.evaluate(f"() => {{ {script} }}")
        page.evaluate("may => { window.mayRun = may; window.opened = Date.now(); }", may_run)
        page.evaluate("alarms => { window.feed.alarms = alarms; }", list(alarms))
        page.evaluate("async () => { window.alarms = await import('/static/cases/alarms.js'); }")
        page.wait_for_function("window.asked > 0")
        return page

    return open_desk


def alarm(pk, number="HH1", tier=1, **words):
    known = {"acknowledged": None, "escalated": "", "minor": "manhole", "address": ""}
    return {"id": pk, "tier": tier, "number": number, "says": "newly overdue", **known, **words}


def put(page, *alarms):
    """Let the server have these alarms, and the page hear that something happened."""
    before = page.evaluate("alarms => { feed.alarms = alarms; return window.asked; }", list(alarms))
    page.evaluate(
        "document.dispatchEvent(new CustomEvent('live-notice',"
        " { detail: { scope: 'hecheng', dseq: 1, kind: 'overdue', case: 'HH9' } }))"
    )
    page.clock.run_for(1_000)
    page.wait_for_function("before => window.asked > before", arg=before)


def heard(page, hertz=RING):
    return [round(at) for at in page.evaluate(HEARD, hertz)]


def wait(page, seconds):
    page.clock.run_for(seconds * 1_000)


def link(page, state):
    page.evaluate(
        "state => document.dispatchEvent(new CustomEvent('live-state',"
        " { detail: { state, heard: Date.now() } }))",
        state,
    )


# --- sound that is proved -----------------------------------------------------------------------


def test_the_bar_stays_until_the_audio_clock_really_moves(desk):
    page = desk(may_run=False)
    wait(page, 3)
    expect(page.locator("#alarm-unlock")).to_be_visible()
    expect(page.locator(".sound-state")).to_have_text("▲ no sound")

    page.click("#alarm-unlock")
    wait(page, 3)
    expect(page.locator("#alarm-unlock")).to_be_visible()

    page.evaluate("window.mayRun = true")
    page.click("#alarm-unlock")
    wait(page, 3)

    expect(page.locator("#alarm-unlock")).to_be_hidden()
    expect(page.locator(".sound-state")).to_have_text("♪ sound on")


def test_any_touch_of_the_page_turns_the_sound_on(desk):
    page = desk(may_run=False)
    page.evaluate("window.mayRun = true")

    page.locator("#queue a").first.click()
    wait(page, 3)

    expect(page.locator("#alarm-unlock")).to_be_hidden()


def test_a_device_that_says_it_runs_and_does_not_is_no_sound(desk):
    frozen = "Object.defineProperty(AudioContext.prototype, 'currentTime', { get: () => 5 });"
    page = desk(scripts=[frozen])

    wait(page, 5)

    expect(page.locator("#alarm-unlock")).to_be_visible()


# --- tier 1 -------------------------------------------------------------------------------------


def test_tier_1_rings_every_thirty_seconds_until_somebody_knows(desk):
    page = desk()
    wait(page, 5)
    put(page, alarm(1))
    toast = page.locator(".alarm[data-alarm='1']")
    expect(toast).to_contain_text("newly overdue")
    assert page.title() == "(1) Desk"

    wait(page, 65)
    assert len(heard(page)) == 3
    first, second, third = heard(page)
    assert (second - first, third - second) == (30, 30)
    expect(toast).to_contain_text("rung: 3")

    page.evaluate("document.dispatchEvent(new Event('alarm-acknowledge'))")
    page.wait_for_function("window.posted.length === 1")
    expect(toast).to_have_count(0)
    wait(page, 120)

    assert page.evaluate("window.posted") == ["/desk/alarms/1/acknowledge/"]
    assert len(heard(page)) == 3
    assert page.title() == "Desk"
    expect(page.locator("#alarm-status")).to_have_text("No alarm waits for “Got it”")


def test_a_hidden_page_with_a_tick_a_minute_still_rings_in_time(desk):
    """What is to be heard before the next tick is on the audio clock already."""
    page = desk()
    wait(page, 5)
    put(page, alarm(1))
    wait(page, 1)

    page.clock.fast_forward(61_000)

    assert len(heard(page)) == 3


def test_another_alarm_rings_at_once_and_not_into_the_ring(desk):
    page = desk()
    wait(page, 5)
    put(page, alarm(1))
    wait(page, 10)
    put(page, alarm(1), alarm(2, "HH2"))
    wait(page, 2)

    first, second = heard(page)
    assert 9 <= second - first <= 13
    expect(page.locator("#alarm-status")).to_contain_text("2 open")


def test_what_ends_by_itself_falls_silent(desk):
    page = desk()
    wait(page, 5)
    put(page, alarm(1))
    wait(page, 5)
    put(page)
    wait(page, 60)

    assert len(heard(page)) == 1
    expect(page.locator(".alarm")).to_have_count(0)


def test_who_knows_is_told_to_the_others(desk):
    page = desk()
    wait(page, 5)
    put(page, alarm(1))

    put(page, alarm(1, acknowledged={"says": "wang: got it"}))

    expect(page.locator(".alarm[data-alarm='known-1']")).to_contain_text("wang: got it")
    expect(page.locator(".alarm[data-alarm='1']")).to_have_count(0)
    wait(page, 60)
    assert len(heard(page)) == 1


def test_what_was_open_when_the_page_opened_rings_too(desk):
    page = desk(alarms=[alarm(1)])

    wait(page, 2)
    page.wait_for_function("async () => (await navigator.locks.query()).held.length === 1")
    wait(page, 1)

    assert len(heard(page)) == 1


def test_without_network_it_is_silent_at_once_and_sent_later(desk):
    page = desk()
    wait(page, 5)
    put(page, alarm(1))
    wait(page, 2)
    page.evaluate("window.isDown = true; window.alarms.acknowledgeTop()")
    expect(page.locator(".alarm[data-alarm='1']")).to_contain_text("not sent yet")
    wait(page, 90)
    assert len(heard(page)) == 1

    page.evaluate("window.isDown = false")
    wait(page, 31)
    page.wait_for_function("window.posted.length === 1")

    expect(page.locator(".alarm[data-alarm='1']")).to_have_count(0)


def test_find_asks_the_desk_to_choose_the_case(desk):
    page = desk()
    page.evaluate(
        "document.addEventListener('desk-choose', ({detail}) => { window.chose = detail.number })"
    )
    put(page, alarm(1, "HH2"))

    page.locator(".alarm-find").focus()
    page.keyboard.press("Enter")

    assert page.evaluate("window.chose") == "HH2"


def test_the_row_of_a_new_alarm_flashes_and_stops(desk):
    page = desk()
    put(page, alarm(1, "HH2"))

    expect(page.locator("#queue [data-case=HH2]")).to_have_class("is-rung")
    wait(page, 4)
    expect(page.locator("#queue [data-case=HH2]")).not_to_have_class("is-rung")


def test_any_other_event_tints_its_row_for_three_seconds(desk):
    page = desk()
    page.evaluate(
        "document.dispatchEvent(new CustomEvent('live-notice',"
        " { detail: { scope: 'hecheng', dseq: 1, kind: 'sign', case: 'HH1' } }))"
    )

    expect(page.locator("#queue [data-case=HH1]")).to_have_class("is-changed")
    wait(page, 4)
    expect(page.locator("#queue [data-case=HH1]")).not_to_have_class("is-changed")
    assert heard(page) == []


# --- tier 2 -------------------------------------------------------------------------------------


def test_tier_2_sounds_once_at_most_once_a_minute_and_goes_by_itself(desk):
    page = desk()
    wait(page, 5)
    put(page, alarm(1, tier=2))
    expect(page.locator(".alarm[data-alarm='1']")).to_be_visible()
    expect(page.locator(".alarm-known")).to_be_hidden()
    put(page, alarm(1, tier=2), alarm(2, "HH2", tier=2))
    put(page, alarm(1, tier=2), alarm(2, "HH2", tier=2), alarm(3, "HH3", tier=2))
    wait(page, 10)
    expect(page.locator(".alarm")).to_have_count(0)
    assert len(heard(page, TONE)) == 1

    wait(page, 120)

    first, second = heard(page, TONE)
    assert second - first >= 60
    assert heard(page) == []


def test_tier_2_that_was_there_before_is_no_news(desk):
    page = desk(alarms=[alarm(1, tier=2)])

    wait(page, 5)

    assert heard(page, TONE) == []
    expect(page.locator(".alarm")).to_have_count(0)


# --- mute and quiet hours -----------------------------------------------------------------------


def test_mute_lasts_ten_minutes_counts_down_and_never_longer(desk):
    page = desk()
    wait(page, 5)
    page.evaluate("document.dispatchEvent(new Event('alarm-mute'))")
    wait(page, 19)
    expect(page.locator(".sound-state")).to_have_text("◆ muted 9:41")
    put(page, alarm(1))
    wait(page, 60)
    assert heard(page) == []
    expect(page.locator(".alarm[data-alarm='1']")).to_be_visible()

    wait(page, 600)

    assert len(heard(page)) >= 1
    expect(page.locator(".sound-state")).to_have_text("♪ sound on")


def test_a_mute_somebody_wrote_for_longer_counts_for_nothing(desk):
    page = desk()
    page.evaluate("localStorage.setItem('desk-alarms-muted-until', String(Date.now() + 3.6e6))")
    wait(page, 5)
    put(page, alarm(1))
    wait(page, 2)

    assert len(heard(page)) == 1


def test_m_again_ends_the_mute(desk):
    page = desk()
    wait(page, 5)
    page.evaluate("window.alarms.toggleMute(); window.alarms.toggleMute()")
    put(page, alarm(1))
    wait(page, 2)

    assert len(heard(page)) == 1


def test_in_quiet_hours_tier_1_is_softer_and_tier_2_silent(desk):
    page = desk()
    page.evaluate("window.feed.quiet = true")
    wait(page, 31)
    put(page, alarm(1), alarm(2, "HH2", tier=2))
    wait(page, 2)

    assert heard(page, TONE) == []
    assert len(heard(page)) == 1
    loudest = page.evaluate("played.find(({ tone }) => !tone.isBack).tone.gain.loudest")
    assert loudest == pytest.approx(0.5 * 0.8 / 2)


# --- one window rings ---------------------------------------------------------------------------


@pytest.mark.parametrize("scripts", [(), (NO_LOCKS,)], ids=["locks", "heartbeat"])
def test_of_two_windows_one_rings_and_the_other_takes_over(desk, scripts):
    pages = [desk(scripts=scripts) for _ in range(2)]
    for _ in range(6):
        for page in pages:
            wait(page, 1)
    for page in pages:
        put(page, alarm(1))
    for _ in range(12):
        for page in pages:
            wait(page, 1)
    rang = [len(heard(page)) for page in pages]
    assert sorted(rang) == [0, 1]
    expect(pages[rang.index(0)].locator(".alarm[data-alarm='1']")).to_contain_text("rung: 1")

    pages[rang.index(1)].close()
    other = pages[rang.index(0)]
    for _ in range(35):
        wait(other, 1)

    assert len(heard(other)) >= 1


def test_a_window_that_cannot_be_heard_leaves_it_to_one_that_can(desk):
    silent, loud = desk(may_run=False), desk()
    for _ in range(4):
        for page in (silent, loud):
            wait(page, 1)

    for page in (silent, loud):
        put(page, alarm(1))
    wait(loud, 2)

    assert (heard(silent), len(heard(loud))) == ([], 1)


# --- the link -----------------------------------------------------------------------------------


def test_a_minute_without_connection_rings_and_ends_when_it_is_back(desk):
    page = desk()
    wait(page, 5)
    link(page, "lost")
    wait(page, 58)
    assert heard(page) == []

    wait(page, 6)
    assert len(heard(page)) == 1
    toast = page.locator(".alarm[data-alarm=link]")
    expect(toast).to_contain_text("the live connection is lost")
    expect(toast.locator(".alarm-find")).to_be_hidden()

    link(page, "live")

    expect(toast).to_have_count(0)
    wait(page, 60)
    assert len(heard(page)) == 1


def test_the_minute_counts_from_what_was_heard_last(desk):
    page = desk()
    wait(page, 50)
    page.evaluate(
        "document.dispatchEvent(new CustomEvent('live-state',"
        " { detail: { state: 'lost', heard: Date.now() - 45000 } }))"
    )

    wait(page, 17)

    expect(page.locator(".alarm[data-alarm=link]")).to_be_visible()


def test_a_title_the_desk_writes_anew_keeps_the_count(desk):
    page = desk()
    put(page, alarm(1))
    page.evaluate("document.title = '(7) Overdue 7 · Desk'")

    page.wait_for_function("document.title === '(1) Overdue 7 · Desk'")


def test_a_lost_connection_that_is_known_of_is_silent_and_rings_anew_the_next_time(desk):
    page = desk()
    wait(page, 5)
    link(page, "lost")
    wait(page, 64)
    page.evaluate("window.alarms.acknowledgeTop()")
    wait(page, 60)
    assert len(heard(page)) == 1
    assert page.evaluate("window.posted") == []

    link(page, "live")
    link(page, "lost")
    wait(page, 64)

    assert len(heard(page)) == 2


def test_choices_that_the_sign_in_page_swallowed_are_not_said_to_be_kept(desk):
    page = desk()
    page.evaluate("() => { window.fetch = async () => ({ ok: true, redirected: true }); }")

    page.evaluate(
        "document.querySelector('#alarm-sound [name=volume]')"
        ".dispatchEvent(new Event('change', { bubbles: true }))"
    )

    page.wait_for_function("!document.querySelector('#alarm-sound .sound-failed').hidden")
