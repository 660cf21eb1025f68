// The wall: asks one feed, shows its pages in turn, and says at every moment how old they are.

import { WallMap } from "./wall_map.js";

const ASK_MS = 5_000;
const PATIENCE_MS = 8_000;
const STALE_MS = 30_000;
const LOST_MS = 60_000;
const ALARM_MS = 20_000;
const SHIFT_MS = 300_000;
const SHIFTS = [[0, 0], [2, 0], [2, 2], [0, 2]]; // px, round and round
const RESTART_MS = 5_000;
const LONGEST_RESTART_MS = 120_000;
const GONE = 404;

const body = document.body;
const words = body.dataset;
const language = document.documentElement.lang;
const byId = (id) => document.getElementById(id);
/** @type {HTMLElement[]} */
const sections = [...document.querySelectorAll("[data-page]")];
const sectionOf = (name) => sections.find((section) => section.dataset.page === name);
const rotated = sections.filter((section) => section.dataset.page !== "alarm");
/** @type {Map<HTMLElement, WallMap>} */
const maps = new Map();
for (const section of sections) {
  const svg = section.querySelector("svg");
  if (svg?.dataset.map !== undefined) maps.set(section, new WallMap(svg, language));
}

let etag = "";
/** @type {Moment | null} */
let heard = null; // when the answer that is shown was asked for: it is at most that old
let ahead = Date.now() - performance.now(); // the server's clock less the steady one of this page
let asOf = null; // the moment what is shown was true, in the server's time
let logs = "";
let isAsking = false;
let asked = -ASK_MS;
let drawable = new Set(); // the pages that hold something
let shown = -1; // place in `rotated`
let nextAt = 0;
let seen = null; // the alarms this wall knows; null before the first answer
/** @type {{key: string, lon: number | null, lat: number | null, html: string}[]} */
let waiting = [];
let alarmUntil = 0;

// --- time ---------------------------------------------------------------------------------------

const clock = new Intl.DateTimeFormat(language, {
  timeZone: "Asia/Shanghai",
  hour12: false,
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});
const calendar = new Intl.DateTimeFormat(language, {
  timeZone: "Asia/Shanghai",
  month: "short",
  day: "numeric",
  weekday: "short",
});

/**
 * A moment by both clocks of this machine: the steady one stands still while it sleeps, the other
 * may be set.
 * @typedef {{steady: number, date: number}} Moment
 * @returns {Moment}
 */
const moment = () => ({ steady: performance.now(), date: Date.now() });

/** How long ago that was: as long as either clock says, so that nothing seems younger than it is. */
function ageOf({ steady, date }) {
  const now = moment();
  return Math.max(now.steady - steady, now.date - date);
}

const timeOf = (moment) => clock.format(new Date(moment)).replace(/^24/, "00");

// --- asking -------------------------------------------------------------------------------------

async function ask() {
  if (isAsking) return;
  isAsking = true;
  asked = performance.now();
  const begun = moment();
  const patience = new AbortController();
  const bell = setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    const headers = etag ? { "If-None-Match": etag } : {};
    const options = { headers, cache: /** @type {const} */ ("no-store"), signal: patience.signal };
    const answer = await fetch(words.feed, { ...options, credentials: "omit" });
    if (answer.status === GONE) return end();
    if (answer.status !== 304 && !answer.ok) return;
    if (answer.headers.get("Wall-Setting") !== words.setting) return await loadAnew();
    if (!byId("ended").hidden) return await loadAnew(); // it may be shown again
    const now = performance.now();
    const feed = answer.status === 304 ? null : await answer.json();
    if (feed && feed.script !== words.script) return await loadAnew(); // the city has a newer version
    hear(answer.headers.get("Wall-Time"), begun, now);
    if (!feed) return;
    etag = answer.headers.get("ETag") ?? "";
    take(feed);
  } catch (error) {
    // Without an answer the chip says how long ago the last one came.
    const isUnanswered = error instanceof TypeError || error instanceof DOMException;
    if (!isUnanswered) throw error;
  } finally {
    clearTimeout(bell);
    isAsking = false;
  }
}

/** An answer asked for at `begun` came at `now` of the steady clock, true at the time `told`. */
function hear(told, begun, now) {
  heard = begun;
  asOf = Date.parse(told) || Date.now();
  ahead = asOf - now;
}

/** Load the page anew if the server has it now: nobody is there to do it on an error's page. */
async function loadAnew() {
  const stop = new AbortController();
  const bell = setTimeout(() => stop.abort(), PATIENCE_MS);
  const options = { cache: /** @type {const} */ ("no-store"), signal: stop.signal };
  const answer = await fetch(location.href, options).catch(() => null);
  clearTimeout(bell);
  if (answer?.ok) location.reload();
}

/** The token opens nothing any more: show nothing that is no longer this screen's to show. */
function end() {
  etag = "";
  heard = null;
  for (const section of sections) section.hidden = true;
  for (const section of sections) section.querySelector("[data-content]").textContent = "";
  maps.forEach((map) => map.clear());
  drawable = new Set();
  waiting = [];
  alarmUntil = 0;
  byId("ended").hidden = false;
}

// --- showing ------------------------------------------------------------------------------------

function take(feed) {
  byId("ended").hidden = true;
  logs = Object.values(feed.heads).join(" · ");
  drawable = new Set();
  for (const section of rotated) {
    const html = feed.pages[section.dataset.page];
    if (html === null || html === undefined) continue;
    section.querySelector("[data-content]").innerHTML = html;
    drawable.add(section);
    fit(section);
  }
  if (feed.map) {
    maps.forEach((map) => map.take(feed.map));
    const rest = document.querySelector("[data-unplaced]");
    if (rest) rest.textContent = feed.map.unplaced;
  } else {
    drawable.delete(sectionOf("today"));
  }
  hearAlarms(feed.alarms);
  if (!drawable.has(rotated[shown])) turn();
}

function hearAlarms(alarms) {
  const known = seen;
  seen = new Set(alarms.map(({ key }) => key));
  if (!known) return; // what happened before the wall was switched on interrupts nobody
  waiting.push(...alarms.filter(({ key }) => !known.has(key)));
}

/** Interrupt the pages with the newest alarm that waits; the others are told as a number. */
function alarm() {
  const newest = waiting.pop();
  const section = sectionOf("alarm");
  const content = section.querySelector("[data-content]");
  content.innerHTML = newest.html;
  if (waiting.length) {
    const more = document.createElement("p");
    more.textContent = words.more.replace("{n}", String(waiting.length));
    content.append(more);
  }
  waiting = [];
  alarmUntil = performance.now() + ALARM_MS;
  show(section);
  const hasPlace = newest.lon !== null;
  section.querySelector(".map").hidden = !hasPlace;
  maps.get(section).centre(hasPlace ? { lon: newest.lon, lat: newest.lat } : null);
}

/** Show the next page that holds something. */
function turn() {
  nextAt = performance.now() + Number(words.rotation) * 1000;
  for (let step = 1; step <= rotated.length; step++) {
    const place = (shown + step) % rotated.length;
    if (!drawable.has(rotated[place])) continue;
    shown = place;
    show(rotated[place]);
    return;
  }
}

/** Leave out the last rows of a table that does not fit, and say how many are not there. */
function fit(section) {
  const rest = section.querySelector("[data-unshown]");
  const content = section.querySelector("[data-content]");
  if (!rest || section.hidden) return;
  const rows = [...section.querySelectorAll("tbody tr")];
  rows.forEach((row) => (row.hidden = false));
  const tell = () => {
    const count = Number(rest.dataset.unshown) + rows.filter((row) => row.hidden).length;
    rest.textContent = count ? rest.dataset.words.replace("{n}", String(count)) : "";
  };
  tell();
  for (let last = rows.length - 1; last > 0 && content.scrollHeight > content.clientHeight; last--) {
    rows[last].hidden = true;
    tell();
  }
}

function show(section) {
  for (const one of sections) one.hidden = one !== section;
  maps.get(section)?.draw();
  fit(section);
  const dots = rotated.map((one) => {
    const dot = document.createElement("i");
    dot.className = one === section ? "is-shown" : "";
    return dot;
  });
  byId("dots").textContent = "";
  byId("dots").append(...dots);
}

function tell() {
  const now = performance.now();
  byId("clock").textContent = `${calendar.format(now + ahead)} ${timeOf(now + ahead)}`;
  const [x, y] = SHIFTS[Math.floor(now / SHIFT_MS) % SHIFTS.length];
  byId("frame").style.setProperty("--shift-x", `${x}px`);
  byId("frame").style.setProperty("--shift-y", `${y}px`);
  const age = heard ? ageOf(heard) : Infinity;
  const chip = byId("chip");
  byId("veil").hidden = age < LOST_MS || !asOf;
  if (!asOf) return;
  const time = timeOf(asOf);
  const state = age < STALE_MS ? "live" : age < LOST_MS ? "stale" : "lost";
  const ago = words.ago.replace("{s}", String(Math.floor(age / 1000)));
  const said = { live: `${words.live} · ${ago}`, stale: words.stale, lost: words.lost }[state];
  chip.dataset.state = state;
  chip.textContent = said.replace("{time}", time);
  byId("stamp").textContent = words.asOf.replace("{time}", time).replace("{logs}", logs);
}

function tick() {
  const now = performance.now();
  tell();
  if (now - asked >= ASK_MS) ask();
  if (alarmUntil && now < alarmUntil) return;
  if (alarmUntil) {
    alarmUntil = 0;
    if (!waiting.length && drawable.has(rotated[shown])) show(rotated[shown]);
  }
  if (waiting.length) alarm();
  else if (drawable.size && now >= nextAt) turn();
}

// --- a wall nobody stands at --------------------------------------------------------------------

/** Load the page anew after an error nobody foresaw; each time later, so that it does not spin. */
function restart() {
  const last = Number(sessionStorage.getItem("wall-restart")) || RESTART_MS / 2;
  const wait = Math.min(last * 2, LONGEST_RESTART_MS);
  sessionStorage.setItem("wall-restart", String(wait));
  setTimeout(loadAnew, wait);
  setInterval(loadAnew, 2 * wait + PATIENCE_MS); // where the server did not have it then
}

addEventListener("error", restart, { once: true });
addEventListener("unhandledrejection", restart, { once: true });
setTimeout(() => sessionStorage.removeItem("wall-restart"), 2 * LONGEST_RESTART_MS);

async function outline() {
  const answer = await fetch(words.outline, { credentials: "omit" }).catch(() => null);
  if (!answer?.ok) return setTimeout(outline, PATIENCE_MS);
  const areas = await answer.json();
  maps.forEach((map) => map.outline(areas));
}

addEventListener("resize", () => sections.forEach(fit));
setInterval(tick, 1000);
outline();
tick();
