// The alarms of the desk: what rings, until somebody says that they know. Which events ring, and how
// loud, the server says (docs/notifications.md); a lost connection this page finds by itself.

import { Link, LINK } from "./alarms/link.js";
import { asClock, mutedFor, toggleMute as toggle } from "./alarms/mute.js";
import { BEAT_MS, OneWindow } from "./alarms/one_window.js";
import { Ringer } from "./alarms/ringer.js";
import { Sound } from "./alarms/sound.js";
import { Rows, Toasts } from "./alarms/toasts.js";

const AGAIN_MS = 30_000;
const GATHER_MS = { least: 200, most: 900 }; // many desks hear of an event at once
const TOLD = "desk-alarms-told"; // what the window that rings tells the others
const TITLE_COUNT = /^\(\d+\) /;

const stack = document.getElementById("alarms");
const bar = document.getElementById("alarm-unlock");
const status = document.getElementById("alarm-status");
const panel = document.getElementById("alarm-sound");
const state = panel.querySelector(".sound-state");
const muteButton = panel.querySelector(".sound-mute");
/** @type {HTMLFormElement} */
const choices = panel.querySelector("form");
/** @type {Record<string, HTMLInputElement>} */
const fields = Object.fromEntries(
  [...choices.querySelectorAll("input")].map((field) => [field.name, field]),
);
/** @type {HTMLInputElement} */
const token = stack.querySelector("[name=csrfmiddlewaretoken]");

const sound = new Sound();
const oneWindow = new OneWindow();
const link = new Link();
const rows = new Rows();
/** @type {Map<string, number>} */
const rung = new Map(); // how often each has rung
/** @type {Set<string>} */
const unsent = new Set(); // known here, and the server was not reached
let told = {
  isFirst: true, // until the feed has answered nothing is news
  alarms: [],
  kinds: [],
  link: { tier: 1, after_s: 60 },
  quiet: false,
  quiet_from: "",
  quiet_until: "",
  volume: 70,
};
let seenBefore = null; // ids of tier 2 when last looked
let known = null; // ids of tier 1 that were open and unknown when last looked
let askedAt = 0;
let gathering = null;
let isAsking = false;
let isMissed = false; // whether something was heard of while a question was on its way
const headers = { Accept: "application/json" };
const ANSWER_MS = 15_000;

/** Fetch, but give up a connection that died without a word. */
async function fetchInTime(address, options) {
  const stop = new AbortController();
  const alarm = setTimeout(() => stop.abort(), ANSWER_MS);
  try {
    return await fetch(address, { ...options, signal: stop.signal });
  } finally {
    clearTimeout(alarm);
  }
}

const ringer = new Ringer(sound, (ids) => {
  localStorage.setItem(TOLD, JSON.stringify({ ids, at: Date.now() }));
  hearRings(ids);
});
const toasts = new Toasts(stack, {
  find: (number) =>
    document.dispatchEvent(new CustomEvent("desk-choose", { detail: { number } })),
  know: acknowledge,
});

// --- what is open ---

const isRinging = ({ tier, acknowledged, id }) => tier === 1 && !acknowledged && !unsent.has(id);

/** All that are open, the lost connection first. */
function open() {
  const own = told.alarms;
  if (!link.isOpen(told.link.after_s) || told.link.tier > 2) return own;
  const says = stack.dataset.link;
  return [{ id: LINK, tier: told.link.tier, says, number: "", acknowledged: link.isKnown }, ...own];
}

async function ask() {
  if (isAsking) {
    isMissed = true; // what was heard of now may not be in the answer that is on its way
    return;
  }
  isAsking = true;
  askedAt = Date.now();
  try {
    await sendUnsent();
    const answer = await fetchInTime(stack.dataset.feed, { headers });
    if (answer.ok && !answer.redirected) {
      const said = await answer.json();
      const alarms = said.alarms.map((alarm) => ({ ...alarm, id: String(alarm.id) }));
      told = { ...said, alarms, isFirst: false };
      fillChoices();
    }
  } catch {
    // No connection: what was open still is, and the link's own alarm says why.
  } finally {
    isAsking = false;
  }
  look();
  if (isMissed) {
    isMissed = false;
    askSoon();
  }
}

/** Take what is open into toasts, title, status and ringer. */
function look() {
  const all = open();
  const ringing = all.filter(isRinging);
  const ids = ringing.map(({ id }) => id);
  const fresh = told.isFirst ? [] : takeFresh(all.filter(({ tier }) => tier === 2));
  for (const alarm of ringing) {
    if (known && !known.has(alarm.id) && alarm.number) rows.flash(alarm.number);
  }
  for (const alarm of all) {
    if (alarm.acknowledged && alarm.tier === 1 && known?.has(alarm.id) && alarm.id !== LINK) {
      sayWhoKnows(alarm);
    }
  }
  fresh.forEach((alarm) => toasts.pass(alarm));
  if (!told.isFirst) known = new Set(ids);
  const shown = all.filter((one) => one.tier === 1 && !one.acknowledged);
  toasts.show(
    shown.map((one) => ({ ...one, isUnsent: unsent.has(one.id) })),
    (id) => rung.get(id) ?? 0,
  );
  const standing = all.map(({ id }) => id);
  ringer.take(ids, fresh.map(({ id }) => id), standing);
  sayCount();
  beat();
}

/** Of tier 2, those that came since this page was opened. */
function takeFresh(alarms) {
  const seen = seenBefore;
  seenBefore = new Set(alarms.map(({ id }) => id));
  return seen ? alarms.filter(({ id }) => !seen.has(id)) : [];
}

function sayWhoKnows(alarm) {
  toasts.pass({ ...alarm, id: `known-${alarm.id}`, tier: 3, says: alarm.acknowledged.says });
}

function sayCount() {
  const n = open().filter(isRinging).length;
  const words = n ? status.dataset.some.replace("{n}", String(n)) : status.dataset.none;
  if (status.textContent !== words) status.textContent = words;
  status.classList.toggle("has-some", n > 0);
  const title = document.title.replace(TITLE_COUNT, "");
  const wanted = n ? `(${n}) ${title}` : title;
  if (document.title !== wanted) document.title = wanted;
}

function hearRings(ids) {
  ids.forEach((id) => rung.set(id, (rung.get(id) ?? 0) + 1));
  toasts.show(
    open()
      .filter((one) => one.tier === 1 && !one.acknowledged)
      .map((one) => ({ ...one, isUnsent: unsent.has(one.id) })),
    (id) => rung.get(id) ?? 0,
  );
}

// --- 知道了 ---

async function acknowledge(id) {
  if (id === LINK) link.isKnown = true;
  else unsent.add(id);
  look(); // silent at once, whatever the network does
  if (id === LINK) return;
  await sendUnsent();
  await ask();
}

async function sendUnsent() {
  for (const id of [...unsent]) {
    const body = new URLSearchParams({ csrfmiddlewaretoken: token.value });
    const address = stack.dataset.acknowledge.replace("/0/", `/${id}/`);
    try {
      const answer = await fetchInTime(address, { method: "POST", body, headers });
      // A stale form, too many at once, a server that is down: it stays known here, and is sent again.
      if ((!answer.ok && answer.status !== 404) || answer.redirected) return;
      // Not theirs any more, or gone: the feed says so, too.
      const said = answer.ok ? await answer.json() : null;
      told.alarms = told.alarms
        .filter((alarm) => alarm.id !== id || said)
        .map((alarm) => (alarm.id === id ? { ...alarm, acknowledged: said.acknowledged } : alarm));
      unsent.delete(id);
    } catch {
      return; // kept, and sent with the next question
    }
  }
}

/** Say 知道了 to the alarm on top. */
export function acknowledgeTop() {
  const first = open().find(isRinging);
  if (first) acknowledge(first.id);
}

export function toggleMute() {
  toggle();
  beat();
}

// --- sound ---

/** Once a second, and whenever something has changed: prove the sound, ring, count down. */
function beat() {
  const muted = mutedFor();
  const isMuted = muted > 0;
  oneWindow.stand(sound.isHeard);
  const how = { may: oneWindow.rings, isMuted, isQuiet: told.quiet, volume: told.volume / 100 };
  ringer.tick(how);
  if (!isMuted && !told.quiet) ringer.tone(how);
  bar.hidden = sound.isHeard;
  const words = isMuted
    ? state.dataset.muted.replace("{left}", asClock(muted))
    : !sound.isHeard
      ? state.dataset.off
      : told.quiet
        ? state.dataset.quiet
        : state.dataset.on;
  if (state.textContent !== words) state.textContent = words;
  panel.dataset.state = isMuted ? "muted" : sound.isHeard ? "on" : "off";
  const mute = isMuted ? muteButton.dataset.on : muteButton.dataset.off;
  if (muteButton.textContent !== mute) muteButton.textContent = mute;
  muteButton.setAttribute("aria-pressed", String(isMuted));
}

function fillChoices() {
  if (choices.contains(document.activeElement)) return;
  fields.volume.value = String(told.volume);
  fields.quiet_from.value = told.quiet_from;
  fields.quiet_until.value = told.quiet_until;
}

async function keepChoices() {
  told.volume = Number(fields.volume.value);
  const body = new URLSearchParams(/** @type {any} */ (new FormData(choices)));
  const failed = panel.querySelector(".sound-failed");
  try {
    const answer = await fetchInTime(choices.action, { method: "POST", body });
    failed.hidden = answer.ok && !answer.redirected; // the sign-in page keeps nothing
    if (failed.hidden) await ask();
  } catch {
    failed.hidden = false;
  }
}

bar.addEventListener("click", () => sound.start());
// Any touch of the page may start it: nobody should have to find the bar.
for (const name of ["pointerdown", "keydown"]) {
  document.addEventListener(name, () => {
    if (!sound.isHeard) sound.start();
  });
}
panel.querySelector(".sound-try").addEventListener("click", () => {
  sound.start();
  const volume = Number(fields.volume.value) / 100;
  sound.plan(1, 0, volume);
  sound.plan(2, 1_500, volume);
});
muteButton.addEventListener("click", toggleMute);
choices.addEventListener("change", keepChoices);
choices.addEventListener("submit", (event) => {
  event.preventDefault();
  keepChoices();
});

// --- what makes it look again ---

function askSoon() {
  // The timers of a hidden page wait up to a minute, what it hears of does not.
  if (document.hidden && Date.now() - askedAt > GATHER_MS.most) {
    ask();
    return;
  }
  const wait = GATHER_MS.least + Math.random() * (GATHER_MS.most - GATHER_MS.least);
  gathering =
    gathering ??
    setTimeout(() => {
      gathering = null;
      ask();
    }, wait);
}

document.addEventListener("live-notice", ({ detail }) => {
  rows.tint(detail.case);
  const isOurs = told.alarms.some(({ number }) => number === detail.case);
  if (isOurs || told.kinds.includes(detail.kind)) askSoon();
});
document.addEventListener("live-resync", askSoon);
document.addEventListener("live-state", (event) => {
  const { state: now, heard } = /** @type {CustomEvent} */ (event).detail;
  link.take(now, heard);
  look();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) ask();
});
document.addEventListener("alarm-acknowledge", acknowledgeTop);
document.addEventListener("alarm-mute", toggleMute);
addEventListener("storage", ({ key, newValue }) => {
  if (key === TOLD && newValue) hearRings(JSON.parse(newValue).ids);
  beat();
});

// The desk names its page anew with its own counts.
new MutationObserver(sayCount).observe(document.querySelector("title"), { childList: true });
sound.start(); // runs at once where the browser trusts the site
setInterval(() => {
  sound.prove();
  if (Date.now() - askedAt >= AGAIN_MS) ask();
  if (link.lostSince) look();
  else beat();
}, BEAT_MS);
ask();
