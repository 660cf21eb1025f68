// Keeps the desk live: map, queue, counters and the chosen case follow the log.

import { CaseMap } from "./desk_map.js";
import { askIn, closeDialog, isOpen, openDialog } from "./desk/dialogs.js";
import { Freshness } from "./desk/freshness.js";
import { areKeysOn, bindKeys, turnKeys } from "./desk/keys.js";
import { Panel } from "./desk/panel.js";
import { Rows } from "./desk/rows.js";
import { SignIn } from "./desk/sign_in.js";
import { share } from "./desk/windows.js";
import { Heat } from "./heat.js";
import { follow } from "./live.js";

// Every desk hears of an event at once; so that they do not ask at once, each waits a little.
const someMs = (least, most) => least + Math.random() * (most - least);
const gatherMs = () => someMs(50, 250);
const againMs = () => someMs(3_000, 6_000); // after a request that failed
const ANSWER_MS = 15_000; // an answer that has not come by then is none
const MOST_NUMBERS = 200;
const QUEUE_AGAIN_MS = 60_000; // remaining times in the queue grow old by themselves
const POLL_MS = 10_000; // where the connection does not come back
const elementOf = (event) => /** @type {HTMLElement} */ (event.target);
const isWide = () => matchMedia("(min-width: 1024px)").matches;

const desk = document.getElementById("desk");
const chip = document.getElementById("chip");
/** @type {HTMLInputElement} */
const search = document.getElementById("q");
const hasMap = document.getElementById("map") !== null;
const title = document.title;

const rows = new Rows(document.getElementById("queue"), document.getElementById("fresh"));
const panel = new Panel({
  box: document.getElementById("panel"),
  said: document.getElementById("said"),
  moved: document.getElementById("moved"),
  onSignedOut,
});
const fresh = hasMap
  ? new Freshness(["map", "queue"], undefined, ["map"])
  : new Freshness(["queue"]);

const address = new URL(location.href);
let view = document.getElementById("queue").dataset.view;
let words = search.value;
let chosen = address.searchParams.get("case") ?? "";
let acted = ""; // the case an action was just taken on: once it leaves the view the next is chosen
let caseMap = null;
let changed = new Set();
let gathering = null;
let asked = Promise.resolve(); // the last request of the map: in turn, no answer covers a newer one
let queueTurn = 0;
const painted = { map: {}, queue: {} }; // the heads that each holds

/** The numbers of the cases that map and list hold, for whoever wants to compare. */
export const held = () => ({ map: [...(caseMap?.cases.keys() ?? [])], queue: rows.numbers });

// --- asking -------------------------------------------------------------------------------------

class SignedOut extends Error {}

/** Ask the server; rejects where it does not answer, or answers with the sign-in page. */
async function ask(path) {
  const stop = new AbortController();
  const alarm = setTimeout(() => stop.abort(), ANSWER_MS);
  try {
    const answer = await fetch(path, { signal: stop.signal });
    if (answer.redirected) {
      onSignedOut();
      throw new SignedOut();
    }
    if (!answer.ok) throw new Error(String(answer.status));
    return await answer.text();
  } finally {
    clearTimeout(alarm);
  }
}

/**
 * Ask for views, counts and queue, and show them. Where it is named what `changed`, the other cards
 * are told by number alone and stay as they are.
 */
async function loadQueue({ isAsked = false, changed = undefined } = {}) {
  queueTurn += 1;
  const turn = queueTurn;
  const mark = fresh.ask();
  const query = new URLSearchParams({ view, case: chosen, ...(words && { q: words }) });
  if (changed) query.set("changed", changed.join(","));
  const text = await ask(`${desk.dataset.queue}?${query}`);
  if (turn !== queueTurn) return; // a newer question is on its way
  const answer = new DOMParser().parseFromString(text, "text/html");
  for (const id of ["counters", "views", "found"]) {
    const [old, now] = [document.getElementById(id), answer.getElementById(id)];
    if (old && now) renewPart(old, document.importNode(now, true));
  }
  const before = rows.numbers;
  const list = document.importNode(answer.querySelector("ol"), true);
  if (!rows.fill(list)) return loadQueue({ isAsked }); // another list was shown meanwhile
  const now = rows.cards(list).map((card) => card.dataset.case);
  rows.take(list, { isAsked });
  markChosen();
  sayTitle();
  fresh.hold("queue", mark, { isWhole: true });
  hasPainted("queue", JSON.parse(answer.getElementById("heads").textContent));
  return goOn(before, now);
}

/** Put a part in the place of the old one, with the focus where it was. */
function renewPart(old, now) {
  const at = [...old.querySelectorAll("a")].indexOf(document.activeElement);
  old.replaceWith(now);
  if (at >= 0) now.querySelectorAll("a")[at]?.focus();
}

const again = { queue: 0, map: 0 }; // the retries that are due

/** Show the queue, if not now then as soon as the server answers. */
async function refreshQueue(how) {
  try {
    await loadQueue(how);
  } catch (error) {
    if (error instanceof SignedOut) return;
    clearTimeout(again.queue); // one retry, however many questions failed
    again.queue = setTimeout(refreshQueue, againMs());
  }
}

/** Ask for all cases of the map or some; in turn, so that no older answer covers a newer one. */
function loadCases(numbers) {
  if (!hasMap) return Promise.resolve();
  // Taken now, with the numbers: what is told while this waits its turn is not among them.
  const [mark, heads] = [fresh.ask(), live.heads()];
  const next = () => askCases(numbers, mark, heads);
  asked = asked.then(next, next);
  return asked;
}

async function askCases(some, mark, heads) {
  // Of a map that does not hold all, no change tells which of the others comes up: ask for all.
  const numbers = caseMap?.notShown ? undefined : some;
  const query = new URLSearchParams(numbers && { numbers: numbers.join(",") });
  if (caseMap?.isOfView) query.set("view", view);
  const text = await ask(`${desk.dataset.cases}?${query}`);
  const columns = JSON.parse(text);
  await caseMap?.take(columns, numbers);
  fresh.hold("map", mark, { isWhole: !numbers });
  hasPainted("map", numbers ? heads : columns.heads);
}

async function loadAll() {
  try {
    await loadCases();
  } catch (error) {
    if (error instanceof SignedOut) return;
    clearTimeout(again.map);
    again.map = setTimeout(loadAll, againMs());
  }
}

/** Tell the page once map and queue hold everything up to a position of each log. */
function hasPainted(part, heads) {
  painted[part] = heads;
  const other = hasMap ? painted.map : painted.queue;
  const both = {};
  for (const [scope, head] of Object.entries(painted.queue)) {
    both[scope] = Math.min(head, other[scope] ?? 0);
  }
  const tell = () =>
    document.dispatchEvent(new CustomEvent("desk-painted", { detail: { heads: both } }));
  if (document.hidden) tell();
  else requestAnimationFrame(() => setTimeout(tell, 0));
  sayFreshness();
}

// --- choosing -----------------------------------------------------------------------------------

function keepAddress({ isNew = false } = {}) {
  const top = rows.box.scrollTop;
  history.replaceState({ top }, "");
  for (const [name, value] of Object.entries({ view, q: words, case: chosen })) {
    if (value) address.searchParams.set(name, value);
    else address.searchParams.delete(name);
  }
  if (isNew) history.pushState({ top: 0 }, "", address);
  else history.replaceState({ top }, "", address);
}

function markChosen() {
  for (const card of rows.cards()) {
    if (card.dataset.case === chosen) card.setAttribute("aria-current", "true");
    else card.removeAttribute("aria-current");
  }
}

function choose(number, { isTold = false, keepsWords = false } = {}) {
  if (number && !isWide()) panel.box.scrollIntoView();
  if (number === chosen) return;
  const said = panel.said.innerHTML;
  chosen = number;
  acted = "";
  if (!isTold) tellWindows({ number });
  keepAddress();
  markChosen();
  caseMap?.choose(chosen);
  panel.show(chosen, desk.dataset.panel.replace("NUMBER", encodeURIComponent(chosen)));
  if (keepsWords) panel.said.innerHTML = said;
  document.dispatchEvent(new CustomEvent("desk-chosen", { detail: { number } }));
}

/** Choose the next case where the one just acted on has left the view. */
function goOn(before, now) {
  if (!acted || acted !== chosen) return;
  const at = before.indexOf(acted);
  acted = "";
  if (at < 0 || now.includes(chosen)) return;
  choose(now[Math.min(at, now.length - 1)] ?? "", { keepsWords: true });
  focusCard();
}

function show(name) {
  [view, words, search.value] = [name, "", ""];
  keepAddress({ isNew: true });
  refreshQueue({ isAsked: true });
  if (caseMap?.isOfView) loadAll();
}

function step(by) {
  const numbers = rows.numbers;
  if (numbers.length === 0) return;
  const isIn = rows.box.contains(document.activeElement);
  const at = numbers.indexOf(chosen);
  choose(numbers[at < 0 ? 0 : Math.min(numbers.length - 1, Math.max(0, at + by))]);
  const card = rows.card(chosen);
  card.scrollIntoView({ block: "nearest" });
  if (isIn) card.focus({ preventScroll: true });
}

function focusCard() {
  const card = rows.card(chosen) ?? rows.cards()[0];
  (card ?? rows.box).focus();
}

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = elementOf(event).closest("#queue a[data-case], a[data-view], a[data-window]");
  if (!link) return;
  event.preventDefault();
  if (link.dataset.case) {
    choose(link.dataset.case);
    openDrawer(true);
  } else if (link.dataset.view) show(link.dataset.view);
  else window.open(link.getAttribute("href"), `desk-${link.dataset.window}`, "popup");
});
document.addEventListener("desk-choose", ({ detail }) => {
  choose(detail.number);
  caseMap?.centre();
});
document.addEventListener("map-scope", () => loadAll());
document.addEventListener("desk-show", ({ detail }) => show(detail.view));

let searching = null;
search.form.addEventListener("submit", (event) => {
  event.preventDefault();
  seek();
});
search.addEventListener("input", () => {
  clearTimeout(searching);
  searching = setTimeout(seek, 400);
});

function seek() {
  clearTimeout(searching);
  const now = search.value.trim();
  if (now === words) return;
  const isNew = !words;
  words = now;
  keepAddress({ isNew });
  refreshQueue({ isAsked: true });
}

window.addEventListener("popstate", async ({ state }) => {
  const asked = new URL(location.href).searchParams;
  address.search = location.search;
  [view, words] = [asked.get("view") ?? view, asked.get("q") ?? ""];
  search.value = words;
  choose(asked.get("case") ?? chosen);
  if (caseMap?.isOfView) loadAll();
  await refreshQueue({ isAsked: true });
  rows.box.scrollTop = state?.top ?? 0;
});
window.addEventListener("pagehide", () => keepAddress());

const drawer = document.getElementById("drawer");
function openDrawer(isOpen) {
  drawer?.classList.toggle("is-open", isOpen);
}
document.getElementById("drawer-close")?.addEventListener("click", () => {
  openDrawer(false);
  focusCard();
});

const tellWindows = share(desk.dataset.user, ({ number, isSignedIn }) => {
  if (isSignedIn) signIn.look(); // also where it never asked: the new sign-in made its tokens old
  if (number !== undefined && !panel.isTyping()) choose(number, { isTold: true });
});

// --- map ----------------------------------------------------------------------------------------

window.addEventListener("map:init", async ({ detail }) => {
  caseMap = new CaseMap(detail.map, (number) => {
    choose(number);
    openDrawer(true);
  });
  caseMap.chosen = chosen;
  caseMap.addOverlay("heat", new Heat(detail.map, document.getElementById("heat")).layer);
  await Promise.all([caseMap.drawOutline(desk.dataset.outline), loadAll()]);
  caseMap.fit();
});

// --- live ---------------------------------------------------------------------------------------

function note(number, wait = gatherMs()) {
  changed.add(number);
  gather(wait);
}

function gather(wait) {
  gathering = gathering ?? setTimeout(catchUp, wait);
}

async function catchUp() {
  const numbers = [...changed];
  changed = new Set();
  const some = numbers.length > MOST_NUMBERS ? undefined : numbers;
  const loaded = await Promise.all(
    [loadCases(some), loadQueue({ changed: some })].map((one) =>
      one.then(() => true, (error) => error),
    ),
  );
  const isDone = loaded.every((one) => one === true);
  if (!isDone) numbers.forEach((number) => changed.add(number));
  else if (numbers.includes(chosen)) panel.refresh();
  gathering = null;
  if (changed.size && !loaded.some((one) => one instanceof SignedOut)) {
    gather(isDone ? gatherMs() : againMs());
  }
}

const live = follow({
  heads: JSON.parse(document.getElementById("heads").textContent),
  onNotice: ({ kind, case: number }) => {
    fresh.tell();
    if (kind === "gone" && number === chosen) choose("");
    note(number);
  },
  onResync: () => {
    fresh.tell();
    loadAll();
    refreshQueue();
    panel.refresh();
  },
  onState: (state, detail) => {
    fresh.connect(state, detail);
    if (state === "signed_out") onSignedOut();
    sayFreshness();
  },
});

function sayFreshness() {
  fresh.hear(live.heard());
  const { kind, trueAt, ageMs, missed } = fresh.look();
  const time = new Date(trueAt).toLocaleTimeString(document.documentElement.lang, { hour12: false });
  const name = { signed_out: "signedOut" }[kind] ?? kind;
  const told = kind === "resumed" && missed === null ? "anew" : name;
  chip.textContent = chip.dataset[told]
    .replace("{time}", time)
    .replace("{s}", String(Math.round(ageMs / 1000)))
    .replace("{n}", String(missed));
  chip.dataset.state = kind;
  chip.dataset.trueAt = String(trueAt);
  desk.classList.toggle("is-veiled", kind === "veiled");
}

let isPolling = false;
async function poll() {
  if (!fresh.isAsking || isPolling) return;
  isPolling = true;
  await Promise.allSettled([loadCases(), loadQueue()]);
  isPolling = false;
}

function onSignedOut() {
  fresh.connect("signed_out", { heard: live.heard(), missed: 0 });
  sayFreshness();
  signIn.ask();
}

const signIn = new SignIn(document.getElementById("signed-out"), desk.dataset.user, () => {
  tellWindows({ isSignedIn: true });
  live.retry();
  loadAll();
  refreshQueue();
  gather(0);
});

document.body.addEventListener("token-is-old", () => signIn.look());
document.addEventListener("visibilitychange", () => {
  sayFreshness(); // timers of a hidden page are late
  if (!document.hidden && isOpen(signIn.dialog)) signIn.look();
});
setInterval(sayFreshness, 1000);
setInterval(poll, POLL_MS);
setInterval(() => refreshQueue(), QUEUE_AGAIN_MS);

// --- what was done ------------------------------------------------------------------------------

document.body.addEventListener("case-changed", () => {
  acted = chosen;
  fresh.tell();
  note(chosen, 0);
});
document.body.addEventListener("htmx:afterSettle", ({ target }) => {
  const isHere = panel.box.contains(/** @type {Node} */ (target));
  if (isHere && document.activeElement === document.body && acted) focusCard();
});

function sayTitle() {
  document.title = document.getElementById("counters").dataset.title || title;
}

// --- keys ---------------------------------------------------------------------------------------

/** @type {HTMLDialogElement} */
const help = document.getElementById("keys-help");
/** @type {HTMLInputElement} */
const keysOn = document.getElementById("keys-on");
keysOn.checked = areKeysOn();
document.body.classList.toggle("keys-off", !keysOn.checked);
keysOn.addEventListener("change", () => {
  turnKeys(keysOn.checked);
  document.body.classList.toggle("keys-off", !keysOn.checked);
});
document.getElementById("keys-open").addEventListener("click", () => openDialog(help));
document.getElementById("keys-close").addEventListener("click", () => closeDialog(help));

function openForm(letter) {
  if (!chosen) return;
  openDrawer(true);
  panel.openBy(letter);
}

/** Ask, then press the button that says yes. */
async function pass() {
  const form = panel.form("v");
  if (!form) {
    panel.sayWhyNot("v");
    return;
  }
  openDrawer(true);
  panel.open(form, form.querySelector("[type=submit]"));
  const button = form.querySelector("[type=submit]");
  const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("ask"));
  const ask = dialog.dataset.words
    .replace("{number}", panel.shown)
    .replace("{what}", button.textContent.trim());
  if (!(await askIn(dialog, ask))) return;
  if (button.isConnected) button.click();
  else panel.sayMoved();
}

const send = (name) => document.dispatchEvent(new Event(name));
bindKeys({
  isOn: () => keysOn.checked,
  keys: {
    j: () => step(1),
    k: () => step(-1),
    g: () => caseMap?.fit(),
    o: () => panel.box.querySelector("a[data-page]")?.click(),
    u: () => openForm("u"),
    d: () => openForm("d"),
    e: () => openForm("e"),
    r: () => openForm("r"),
    n: () => {
      openDrawer(true);
      panel.openNote();
    },
    v: pass,
    a: () => send("alarm-acknowledge"),
    m: () => send("alarm-mute"),
    "/": () => search.focus(),
    "?": () => openDialog(help),
    escape: () => {
      openDrawer(false);
      focusCard();
    },
  },
  onDigit: (digit) => {
    const link = document.querySelector(`#views [data-digit="${digit}"]`);
    if (link) show(link.dataset.view);
    return link !== null;
  },
  onEnter: (target) => {
    const card = target.closest("#queue a[data-case]");
    if (!card && target.closest("a, button, summary, .leaflet-marker-icon")) return false;
    if (card) choose(card.dataset.case);
    openDrawer(true);
    caseMap?.centre();
    return true;
  },
  onLeave: (field) => {
    if (field === search && search.value) {
      search.value = "";
      seek();
    } else if (panel.box.contains(field)) panel.fold(field);
    focusCard();
  },
});

document.body.classList.add("is-scripted");
sayTitle();
const { top } = history.state ?? {};
if (top) rows.box.scrollTop = top;
if (!chosen && isWide()) choose(rows.numbers[0] ?? "", { isTold: true }); // the worst is on top
else if (chosen && desk.dataset.only !== "map") openDrawer(true);
