// The outbox (M3): what waits on this phone, what needs the person, drafts, and what has arrived.

import { OLD_MS } from "./chip.js";
import { photosWait, wake } from "./send.js";
import {
  bytesOf,
  changeItem,
  drafts,
  dropDraft,
  dropItem,
  edit,
  heldFor,
  items,
  kept,
  ofOthers,
  onChange,
  received,
  withdraw,
} from "./store.js";

/** @import {CaseNow, KeptItem} from "types/queue" */

const SKEW_MS = 120_000;
const box = document.getElementById("outbox");
const words = JSON.parse(document.getElementById("outbox-words").textContent);
/** @type {HTMLTemplateElement} */
const row = document.getElementById("outbox-row");
/** @type {HTMLDialogElement} */
const dialog = document.getElementById("outbox-ask");
const { user } = document.getElementById("queue-chip").dataset;
const language = document.documentElement.lang === "en" ? "en-GB" : "zh-CN";

let sending = "";
let shown = "";
let thumbs = [];
let showing = Promise.resolve();

const say = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
const timeOf = (at) =>
  new Date(at).toLocaleString(language, {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });

function ageOf(at) {
  const minutes = Math.max(0, Math.round((Date.now() - at) / 60_000));
  if (minutes < 60) return say(box.dataset.minutes, { n: minutes });
  if (minutes < 48 * 60) return say(box.dataset.hours, { n: Math.round(minutes / 60) });
  return say(box.dataset.days, { n: Math.round(minutes / 1440) });
}

// --- rows ----------------------------------------------------------------------------------------

/** Make a row of `parts`: text by name, a function for a button, an address for the link. */
async function rowOf(id, title, photo, parts) {
  const line = /** @type {HTMLElement} */ (row.content.firstElementChild.cloneNode(true));
  line.dataset.id = id;
  for (const part of line.querySelectorAll("[data-part]")) {
    const given = { title, ...parts }[part.dataset.part];
    if (given === undefined || given === "") part.remove();
    else if (part.tagName === "BUTTON") part.addEventListener("click", given);
    else if (part instanceof HTMLAnchorElement) part.href = given;
    else if (given !== true) part.textContent = given;
  }
  if (photo) await showThumb(line.querySelector("img"), photo);
  return line;
}

async function showThumb(image, { owner, sha256, type }) {
  const bytes = await bytesOf(owner, sha256);
  if (bytes === null) return;
  image.src = URL.createObjectURL(new Blob([bytes], { type }));
  image.hidden = false;
  thumbs.push(image.src);
}

const thumbOf = (owner, [photo]) => photo && { ...photo, owner };

function rowOfItem(item) {
  const { id, kind, photos, created_at, is_case_sent } = item;
  const kindWord = box.dataset[`kind${kind[0].toUpperCase()}${kind.slice(1)}`];
  const done = photos.filter((photo) => photo.is_sent || photo.note).length;
  const counted = photos.length ? say(box.dataset.photos, { done, total: photos.length }) : "";
  const isHeld = !item.begun_at && heldFor(item) > 0;
  const what = kindWord === item.title ? "" : kindWord; // feedback has no other title
  const facts = [what, item.number, timeOf(created_at), ageOf(created_at), counted];
  const parts = {
    place: item.place,
    facts: facts.filter(Boolean).join(" · "),
    warning: Date.now() - created_at > OLD_MS ? box.dataset.old : isHeld ? box.dataset.held : "",
    withdraw: item.origin && !item.begun_at ? () => withdraw(id) : undefined,
    delete: () => askToDelete(item.title, item.begun_at, () => dropItem(id)),
  };
  if (item.state === "attention") Object.assign(parts, partsOfProblem(item));
  if (item.state === "attention" && item.origin && !is_case_sent) parts.edit = () => editItem(item);
  return rowOf(id, item.title, thumbOf(id, photos), parts);
}

function partsOfProblem({ id, problem, seen, number, is_case_sent }) {
  const again = () => changeItem(id, ready);
  const sentence = sentenceOf(problem, is_case_sent);
  if (problem.now === undefined) return { problem: sentence, again };
  const { now } = problem;
  const parts = { problem: sentence, versions: true, mine: mineOf(seen) };
  if (now === null) return { ...parts, now: box.dataset.unseen };
  const last = now.last && { action: words.actions[now.last.action], at: timeOf(now.last.at) };
  const facts = [words.stages[now.stage], words.units[now.unit], now.address];
  facts.push(last && say(box.dataset.last, last), now.may ? "" : box.dataset.mayNot);
  const told = { version: now.version, words: facts.filter(Boolean).join(" · ") };
  const renew = now.may ? () => changeItem(id, (item) => renewed(item, now)) : undefined;
  const open = `/cases/${number}/`;
  return { ...parts, now: say(box.dataset.version, told), renew, open };
}

function mineOf(seen) {
  if (!seen) return "";
  const facts = [seen.words, words.stages[seen.stage] ?? seen.stage, words.units[seen.unit] ?? seen.unit];
  const told = { version: seen.version, words: facts.filter(Boolean).join(" · ") };
  return say(box.dataset.version, told);
}

/** Return the server's sentence with what it says of the fields, and its code. */
function sentenceOf({ code, detail, fields, status }, isCaseSent) {
  const lost = isCaseSent ? box.dataset.photoOnlyLost : box.dataset.photoLost;
  const own = { photo_lost: lost, too_large: box.dataset.tooLarge };
  const sentence = detail || own[code] || code;
  const mend = Object.values(fields ?? {}).join(" ");
  return `${sentence} ${mend} (${say(box.dataset.code, { code: status ? `${status} ${code}` : code })})`;
}

/** @returns {Partial<KeptItem>} */
const ready = () => ({ state: "waiting", tries: 0, next_at: 0, problem: undefined });
/** @type {(item: KeptItem, now: CaseNow) => Partial<KeptItem>} */
const renewed = ({ body, seen }, now) => ({
  ...ready(),
  body: { ...body, seen_version: now.version },
  seen: { ...seen, version: now.version, stage: now.stage, unit: now.unit },
});

async function editItem({ id, origin }) {
  if (await edit(id)) location.assign(`${origin.path}#${id}`);
}

function rowOfDraft({ id, path, photos, category_name, saved_at }) {
  const title = category_name || box.dataset.kindReport;
  const counted = photos.length ? say(box.dataset.photos, { done: 0, total: photos.length }) : "";
  return rowOf(id, title, thumbOf(id, photos), {
    facts: [timeOf(saved_at), ageOf(Date.parse(saved_at)), counted].filter(Boolean).join(" · "),
    edit: () => location.assign(`${path}#${id}`),
    delete: () => askToDelete(title, false, () => dropDraft(id)),
  });
}

const rowOfReceipt = ({ id, title, place, number, received_at }) =>
  rowOf(id, title, null, {
    place,
    facts: [number, timeOf(received_at)].filter(Boolean).join(" · "),
    open: number && `/cases/${number}/`,
  });

function askToDelete(title, hasBegun, work) {
  const asked = say(box.dataset.delete, { title });
  dialog.querySelector('[data-part="yes"]').textContent = asked;
  dialog.querySelector('[data-part="begun"]').textContent = hasBegun ? box.dataset.deleteBegun : "";
  if (!dialog.showModal) return confirm(asked) && work();
  dialog.returnValue = "";
  dialog.onclose = () => dialog.returnValue === "yes" && work();
  return dialog.showModal();
}

// --- the page ------------------------------------------------------------------------------------

async function fill(name, rows) {
  const group = document.getElementById(`group-${name}`);
  const lines = await Promise.all(rows);
  const list = group.querySelector("ul");
  list.textContent = "";
  list.append(...lines);
  group.hidden = lines.length === 0;
}

async function show() {
  const [own, begun, arrived] = await Promise.all([items(user), drafts(user), received(user)]);
  const minute = Math.floor(Date.now() / 60_000);
  const content = JSON.stringify([own, begun, arrived, sending, minute]);
  if (content !== shown) await showLists(own, begun, arrived);
  shown = content;
  await showState(own.filter((item) => item.state === "waiting").length);
}

async function showLists(own, begun, arrived) {
  const focus = /** @type {HTMLElement | null} */ (document.activeElement);
  const [line, part] = [focus?.closest(".outbox-row")?.dataset.id, focus?.dataset.part];
  const old = thumbs;
  thumbs = [];
  const moves = own.filter((item) => item.state === "waiting" && item.id === sending);
  const waits = own.filter((item) => item.state === "waiting" && item.id !== sending);
  const today = new Date().toDateString();
  const fresh = arrived.filter((one) => new Date(one.received_at).toDateString() === today);
  await fill("attention", own.filter((item) => item.state === "attention").map(rowOfItem));
  await fill("sending", moves.map(rowOfItem));
  await fill("waiting", waits.map(rowOfItem));
  await fill("drafts", begun.map(rowOfDraft));
  await fill("received", fresh.map(rowOfReceipt));
  document.getElementById("send-now").hidden = waits.length === 0;
  document.getElementById("outbox-empty").hidden = own.length + begun.length + fresh.length > 0;
  old.forEach((url) => URL.revokeObjectURL(url));
  if (line) box.querySelector(`[data-id="${line}"] [data-part="${part}"]`)?.focus();
}

async function showState(waiting) {
  const { data, pace } = { data: box.dataset, pace: await kept(user, "pace") };
  const paused = pace?.paused === "other_user" ? data.pausedOtherUser : data.pausedSignedOut;
  const failing = navigator.onLine ? data.failing : data.offline;
  const isFailing = waiting > 0 && (!navigator.onLine || pace?.failures > 0);
  const wifi = waiting > 0 && photosWait() ? data.wifi : "";
  write("outbox-state", waiting && pace?.paused ? paused : isFailing ? failing : wifi);
  document.getElementById("outbox-sign-in").hidden = !(waiting && pace?.paused);
  const skew = (await kept("", "skew")) ?? 0;
  const isOff = Math.abs(skew) > SKEW_MS;
  write("outbox-skew", isOff ? say(data.skew, { n: Math.round(Math.abs(skew) / 60_000) }) : "");
  const others = await ofOthers(user);
  write("outbox-others", others ? say(data.others, { n: others }) : "");
}

function write(id, text) {
  const line = document.getElementById(id);
  line.hidden = text === "";
  line.textContent = text;
}

async function showStorage() {
  const room = await navigator.storage?.estimate?.();
  if (!room) return;
  const mega = (bytes) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
  const told = { used: mega(room.usage), free: mega(room.quota - room.usage) };
  write("outbox-storage", say(box.dataset.storage, told));
}

const showSoon = () => (showing = showing.then(show, show));

onChange((message) => {
  if (message.kind === "progress") sending = message.id;
  if (message.kind === "rest") sending = "";
  showSoon();
});
for (const event of ["online", "offline"]) addEventListener(event, showSoon);
document.getElementById("send-now").addEventListener("click", () => wake(true));
setInterval(showSoon, 60_000);
showSoon();
showStorage();
navigator.storage?.persist?.();
