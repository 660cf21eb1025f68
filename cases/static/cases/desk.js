// Keeps the desk live: map, queue, counters and the chosen case follow the log.

import { CaseMap } from "./desk_map.js";
import { follow } from "./live.js";

// Every desk hears of an event at once; so that they do not ask at once, each waits a little.
const someMs = (least, most) => least + Math.random() * (most - least);
const gatherMs = () => someMs(200, 900);
const againMs = () => someMs(3_000, 6_000); // after a request that failed
const MOST_NUMBERS = 200;
const QUEUE_AGAIN_MS = 60_000; // remaining times in the queue grow old by themselves
const STALE_MS = 30_000;
const elementOf = (event) => /** @type {HTMLElement} */ (event.target);
const isWide = () => matchMedia("(min-width: 1024px)").matches;

const desk = document.getElementById("desk");
const queue = document.getElementById("queue");
const panel = document.getElementById("panel");
const fresh = document.getElementById("fresh");
const moved = document.getElementById("moved");
const said = document.getElementById("said");
const chip = document.getElementById("chip");

const address = new URL(location.href);
let view = document.querySelector("#counters [aria-current]")?.dataset.view ?? "urgent";
let chosen = address.searchParams.get("case") ?? "";
let caseMap = null;
let changed = new Set();
let gathering = null;
const behindSince = { map: null, queue: null }; // what changed then could not be asked for yet
let isQueueWhole = true; // whether the last request for it was answered
let asked = Promise.resolve();

// --- queue and panel ---

/** Ask for the queue and show it; rejects when the server does not answer it. */
async function loadQueue() {
  fresh.hidden = true;
  const query = new URLSearchParams({ view, case: chosen });
  const address = `${desk.dataset.queue}?${query}`;
  await htmx.ajax("GET", address, { source: queue, target: queue, swap: "innerHTML" });
  if (!isQueueWhole) throw new Error("the queue was not answered");
  behindSince.queue = null;
}

/** Show the queue, if not now then as soon as the server answers. */
async function refreshQueue() {
  try {
    await loadQueue();
  } catch {
    behindSince.queue = behindSince.queue ?? Date.now();
    setTimeout(refreshQueue, againMs());
  }
}

function loadPanel() {
  moved.hidden = true;
  const address = desk.dataset.panel.replace("NUMBER", encodeURIComponent(chosen));
  // With a source of its own a request for the panel and one for the queue never replace each other.
  htmx.ajax("GET", address, { source: panel, target: panel, swap: "innerHTML" });
}

function keepAddress() {
  address.searchParams.set("view", view);
  if (chosen) address.searchParams.set("case", chosen);
  else address.searchParams.delete("case");
  history.replaceState(null, "", address);
}

function markChosen() {
  for (const row of queue.querySelectorAll("a[data-case]")) {
    if (row.dataset.case === chosen) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

function choose(number) {
  if (!isWide()) panel.scrollIntoView();
  if (number === chosen) return;
  chosen = number;
  said.textContent = "";
  keepAddress();
  markChosen();
  caseMap?.choose(chosen);
  if (chosen) loadPanel();
  else panel.textContent = "";
}

function show(name) {
  view = name;
  keepAddress();
  refreshQueue();
}

function step(by) {
  const rows = [...queue.querySelectorAll("a[data-case]")];
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row.dataset.case === chosen);
  const row = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))];
  choose(row.dataset.case);
  row.scrollIntoView({ block: "nearest" });
}

// A form was opened, or something was entered into the one that stands open.
const isTyping = () =>
  panel.querySelector("details[open]") !== null ||
  [...panel.querySelectorAll(".turn :is(input, select, textarea)")].some(isEntered);

function isEntered(field) {
  if (field === document.activeElement) return true;
  if (field.type === "checkbox") return field.checked !== field.defaultChecked;
  if (field.tagName === "SELECT") {
    const first = field.querySelector("[selected]")?.value ?? "";
    return field.value !== first;
  }
  return field.value !== field.defaultValue;
}

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = elementOf(event).closest("#queue a[data-case], #counters a[data-view]");
  if (!link) return;
  event.preventDefault();
  if (link.dataset.case) choose(link.dataset.case);
  else show(link.dataset.view);
});
fresh.addEventListener("click", refreshQueue);
moved.addEventListener("click", () => {
  panel.textContent = "";
  loadPanel();
});
// A form that was opened while its case was asked for again stays.
panel.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const shown = panel.querySelector("[data-case]")?.dataset.case;
  if (detail.requestConfig.verb !== "get" || shown !== chosen || !isTyping()) return;
  detail.shouldSwap = false;
  moved.hidden = false;
});
// To htmx a request that was refused is done too.
queue.addEventListener("htmx:afterRequest", ({ detail }) => {
  isQueueWhole = detail.xhr.status === 200;
});
// The queue is asked for again by itself. Of what else is refused the server's own words are shown;
// nginx, or a server that is gone, has none for this place.
document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.xhr.status < 429) return;
  detail.shouldSwap = detail.requestConfig.elt !== queue && detail.xhr.getResponseHeader("HX-Retarget") !== null;
});
const UNANSWERED = /** @type {const} */ (["htmx:responseError", "htmx:sendError", "htmx:timeout"]);
for (const name of UNANSWERED) {
  document.body.addEventListener(name, ({ detail }) => {
    if (detail.elt === queue || detail.xhr?.getResponseHeader("HX-Retarget")) return;
    said.textContent = said.dataset.unanswered;
  });
}
document.body.addEventListener("case-changed", () => note(chosen));
document.body.addEventListener("htmx:afterSettle", () => {
  markChosen(); // another may have been chosen while the queue was on its way
});

// --- map ---

/** Ask for all cases of the map or some; in turn, so that no older answer covers a newer one. */
function loadCases(numbers) {
  const ask = () => askCases(numbers);
  asked = asked.then(ask, ask);
  return asked;
}

async function askCases(numbers) {
  // Of a map that does not hold all, no change tells which of the others comes up: ask for all.
  if (caseMap?.notShown) numbers = undefined;
  const query = numbers ? `?numbers=${numbers.join(",")}` : "";
  const answer = await fetch(desk.dataset.cases + query);
  if (!answer.ok) throw new Error(String(answer.status));
  await caseMap?.take(await answer.json(), numbers);
}

async function loadAll() {
  try {
    await loadCases();
    behindSince.map = null;
  } catch {
    behindSince.map = behindSince.map ?? Date.now();
    setTimeout(loadAll, againMs());
  }
}

window.addEventListener("map:init", async ({ detail }) => {
  caseMap = new CaseMap(detail.map, choose);
  caseMap.chosen = chosen;
  await Promise.all([caseMap.drawOutline(desk.dataset.outline), loadAll()]);
  caseMap.fit();
});

// --- live ---

function note(number) {
  changed.add(number);
  gather(gatherMs());
}

function gather(wait) {
  gathering = gathering ?? setTimeout(catchUp, wait);
}

async function catchUp() {
  const numbers = [...changed];
  changed = new Set();
  try {
    await loadCases(numbers.length > MOST_NUMBERS ? undefined : numbers);
    if (queue.matches(":hover")) fresh.hidden = false;
    else await loadQueue();
    if (numbers.includes(chosen)) {
      if (isTyping()) moved.hidden = false;
      else loadPanel();
    }
    behindSince.map = null;
  } catch {
    numbers.forEach((number) => changed.add(number));
    behindSince.map = behindSince.map ?? Date.now();
  }
  gathering = null;
  if (changed.size) gather(behindSince.map ? againMs() : gatherMs());
}

let state = null; // until the connection has opened or failed
const heard = follow({
  heads: JSON.parse(document.getElementById("heads").textContent),
  onNotice: ({ kind, case: number }) => {
    if (kind === "gone" && number === chosen) choose("");
    note(number);
  },
  onResync: () => {
    loadAll();
    refreshQueue();
    if (chosen && !isTyping()) loadPanel();
  },
  onState: (now) => {
    state = now;
    sayFreshness();
  },
});

function sayFreshness() {
  if (state === null) return;
  const behind = Math.min(behindSince.map ?? Infinity, behindSince.queue ?? Infinity);
  const trueAt = Math.min(heard(), behind);
  const age = Date.now() - trueAt;
  const time = new Date(trueAt).toLocaleTimeString(document.documentElement.lang);
  const isStale = (state === "live" || state === "polling") && (behind < Infinity || age > STALE_MS);
  const kind = isStale ? "stale" : state;
  const words = chip.dataset[{ signed_out: "signedOut" }[kind] ?? kind].replace("{time}", time);
  const ago = chip.dataset.ago.replace("{s}", String(Math.round(age / 1000)));
  chip.textContent = kind === "live" || kind === "polling" ? `${words} · ${ago}` : words;
  chip.dataset.state = kind;
}

if (!chosen && isWide()) step(1); // the worst case is on top, and open
setInterval(sayFreshness, 1000);
setInterval(() => {
  if (!queue.matches(":hover")) refreshQueue();
}, QUEUE_AGAIN_MS);

// --- keys ---

/** @type {HTMLInputElement} */
const keysOn = document.getElementById("keys-on");
keysOn.checked = localStorage.getItem("desk-keys") !== "off";
keysOn.addEventListener("change", () => {
  localStorage.setItem("desk-keys", keysOn.checked ? "on" : "off");
  keysOn.blur(); // so that the next key is not taken for one of the box
});

const keys = {
  j: () => step(1),
  k: () => step(-1),
  g: () => caseMap?.fit(),
  o: () => panel.querySelector("h2 a")?.click(),
  enter: () => caseMap?.centre(),
  escape: () => queue.querySelector("[aria-current]")?.focus(),
};

// Ctrl+Enter sends the form one is in; a form that ends in two buttons waits for one of them.
panel.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
  const buttons = elementOf(event).closest("form")?.querySelectorAll("[type=submit]");
  if (buttons?.length === 1) buttons[0].click();
});

document.addEventListener("keydown", (event) => {
  if (!keysOn.checked || event.isComposing) return;
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const target = elementOf(event);
  if (target.closest("input, select, textarea, [contenteditable]")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  const key = event.key.toLowerCase();
  if (key === "enter" && target.closest("a, button, summary, .leaflet-marker-icon")) return;
  const viewLink = /^[1-8]$/.test(key)
    ? document.querySelectorAll("#counters a")[Number(key) - 1]
    : null;
  if (!viewLink && !keys[key]) return;
  event.preventDefault();
  if (viewLink) show(viewLink.dataset.view);
  else keys[key]();
});
