// Sends what waits on this phone: one thing at a time, oldest first, until the server has it all.
// Every request may be repeated without harm (Idempotency-Key, SHA-256), so after any doubt it is
// simply sent again. docs/phone.md tells the whole course.

import {
  begin,
  bytesOf,
  changeItem,
  finish,
  heldFor,
  items,
  keep,
  kept,
  newId,
  onChange,
  tellTabs,
  waitUntil,
} from "./store.js";

/** @import {KeptItem, KeptPhoto, Problem} from "types/queue" */

const API = "/api/v1/";
const LONGEST_WAIT_S = 300;
const LONGEST_QUIET_S = 3600; // what the server may ask for
const ASK_MS = 30_000;
const PHOTO_MS = 120_000; // 400 kB over a very thin line
const SILENT_MS = 150_000; // longer than any request: who holds the lock has been put to sleep
const LEASE_MS = 15_000;
const WENT_ON = new Set([403, 404, 409]); // what an action meets when the case went another way
const WAIT_STATUSES = new Set([408, 425, 429, 502, 503, 504]);

/** The line or the server is not there now: everything waits. */
class Later extends Error {
  constructor(message, wait_s = 0) {
    super(message);
    this.wait_s = wait_s;
  }
}

/** This one request failed in a way that says nothing of the others. */
class Stumbled extends Error {}

/** Nobody is signed in, or somebody else. */
class SignedOut extends Error {}

/** The server refused, with its sentence. */
class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail);
    this.problem = { status, code: problem.code, detail: problem.detail, fields: problem.fields };
  }
}

// --- when to send --------------------------------------------------------------------------------

let user = "";
let running = null;
let isWoken = false;
let isForced = false;
let timer = 0;
let hasMoved = false; // something was acknowledged in this round

/**
 * Send the items of `name`, whose page this is, now and whenever there is reason to.
 * @param {string} name
 */
export function startSending(name) {
  user = name;
  const now = () => wake(true);
  addEventListener("online", now);
  addEventListener("pageshow", now);
  document.addEventListener("visibilitychange", () => document.hidden || now());
  navigator.connection?.addEventListener?.("change", now);
  onChange(({ kind }) => kind === "change" && wake(false));
  now();
}

/**
 * Look for what is due; `force` ends the waiting after failures, not what the server asked for.
 * @param {boolean} force
 */
export function wake(force) {
  isWoken = true;
  isForced = isForced || force;
  if (running === null) running = run();
}

async function run() {
  try {
    while (isWoken) {
      const force = isForced;
      isWoken = isForced = false;
      await drain(force);
    }
  } finally {
    running = null;
    tellTabs({ kind: "rest" });
    await sleep();
  }
}

/** Wake again when the next thing is due. */
async function sleep() {
  const waiting = (await items(user)).filter((item) => item.state === "waiting");
  if (waiting.length === 0) return;
  const pace = await paceNow();
  const soonest = Math.min(...waiting.map(waitOf));
  clearTimeout(timer); // only now: another sleep may have set one while this one read
  timer = setTimeout(() => wake(false), Math.max(soonest, restOf(pace.next_at), 200));
}

const waitOf = (item) => Math.max(heldFor(item), waitUntil(item.next_at, LONGEST_WAIT_S * 1000));
const restOf = (at) => waitUntil(at, LONGEST_QUIET_S * 1000);
const paceNow = async () => (await kept(user, "pace")) ?? { failures: 0, next_at: 0, quiet_until: 0 };
const backOff = (tries) => Math.min(LONGEST_WAIT_S, 2 ** (tries - 1)) * 1000;

async function due(force) {
  const waiting = (await items(user)).filter((item) => item.state === "waiting");
  return waiting.filter((item) => (force ? heldFor(item) : waitOf(item)) === 0);
}

async function drain(force) {
  const pace = await paceNow();
  if (restOf(pace.quiet_until) > 0 || (!force && restOf(pace.next_at) > 0)) return;
  if ((await due(force)).length === 0) return;
  hasMoved = false;
  try {
    const session = await openSession();
    const tried = new Set();
    while (await alone(() => sendNext({ session, tried, force })));
    if (pace.failures || pace.paused) await keep(user, "pace", () => undefined);
  } catch (error) {
    if (error instanceof SignedOut) return await pause(error.message);
    await slowDown(error);
    if (!(error instanceof Later || error instanceof Stumbled)) throw error;
  }
}

function pause(reason) {
  const next_at = Date.now() + LONGEST_WAIT_S * 1000;
  return keep(user, "pace", () => ({ failures: 0, next_at, quiet_until: 0, paused: reason }));
}

function slowDown(error) {
  const quiet_ms = Math.min(error.wait_s ?? 0, LONGEST_QUIET_S) * 1000;
  return keep(user, "pace", (old) => {
    const failures = hasMoved ? 1 : (old?.failures ?? 0) + 1;
    const next_at = Date.now() + Math.max(backOff(failures), quiet_ms);
    return { failures, next_at, quiet_until: quiet_ms && Date.now() + quiet_ms };
  });
}

// --- one tab at a time ---------------------------------------------------------------------------

/** Do `work` while no other tab sends. Two at once would do no harm, only load. */
async function alone(work) {
  if (!navigator.locks) return withLease(work);
  let heard = Date.now();
  const stop = onChange(() => (heard = Date.now()));
  const giveUp = new AbortController();
  const watch = setInterval(() => {
    if (Date.now() - heard > SILENT_MS) giveUp.abort();
  }, 10_000);
  const got = () => {
    clearInterval(watch);
    return work();
  };
  try {
    return await navigator.locks.request("cityops-queue", { signal: giveUp.signal }, got);
  } catch (error) {
    if (!giveUp.signal.aborted) throw error;
    return await navigator.locks.request("cityops-queue", { steal: true }, work);
  } finally {
    clearInterval(watch);
    stop();
  }
}

/** The same by a lease in the database, for browsers and pages that have no locks. */
async function withLease(work) {
  const mine = newId();
  const claim = () =>
    keep("", "lease", (old) => {
      const isFree = !old || old.owner === mine || waitUntil(old.until, LEASE_MS) === 0;
      return isFree ? { owner: mine, until: Date.now() + LEASE_MS } : old;
    });
  while ((await claim()).owner !== mine) await new Promise((done) => setTimeout(done, 1000));
  const renew = setInterval(claim, LEASE_MS / 3);
  try {
    return await work();
  } finally {
    clearInterval(renew);
    await keep("", "lease", (old) => (old?.owner === mine ? undefined : old));
  }
}

// --- what is sent --------------------------------------------------------------------------------

/** Send the oldest item that is due and was not tried in this round; false when there is none. */
async function sendNext({ session, tried, force }) {
  const next = (await due(force)).find((item) => !tried.has(item.id));
  if (!next) return false;
  tried.add(next.id);
  const item = await begin(next.id);
  if (item === null) return true;
  try {
    await send(item, session);
  } catch (error) {
    if (error instanceof Refused) await refuse(item, error.problem, session);
    else if (error instanceof Stumbled) await later(item);
    else throw error;
  }
  return true;
}

/** @param {KeptItem} item */
async function send(item, session) {
  tell(item, 0);
  const number = item.kind === "report" ? await report(item, session) : await act(item, session);
  await finish(item.id, number);
}

/** @param {KeptItem} item */
async function report(item, session) {
  const photos = item.photos;
  if (item.body.self_handled) {
    const photos_taken = await handIn(item, session);
    return (await post(item, { ...item.body, photos_taken }, session)).number;
  }
  let { number } = item;
  if (!item.is_case_sent) {
    const shas = [...new Set(photos.map((photo) => photo.sha256))];
    ({ number } = await post(item, { ...item.body, photos: shas }, session));
    await changeItem(item.id, () => ({ is_case_sent: true, number }));
  }
  for (const [at, photo] of photos.entries()) {
    tell(item, at);
    if (photo.is_sent) continue;
    await put(`${API}cases/${number}/photos/${photo.sha256}/`, item, photo, session);
    await changePhoto(item.id, photo.sha256, { is_sent: true });
  }
  return number;
}

/** @param {KeptItem} item */
async function act(item, session) {
  const photos = await handIn(item, session);
  const body = photos.length ? { ...item.body, photos } : item.body;
  await post(item, body, session);
  return item.number;
}

/**
 * Hand in the photos of an item before what they belong to; return the server's notes of them.
 * @param {KeptItem} item
 */
async function handIn(item, session) {
  const notes = [];
  for (const [at, photo] of item.photos.entries()) {
    tell(item, at);
    const note =
      photo.note ?? (await put(`${API}photos/${photo.sha256}/`, item, photo, session)).note;
    if (!note) throw new Later("no note");
    if (!photo.note) await changePhoto(item.id, photo.sha256, { note });
    notes.push(note);
  }
  return notes;
}

const changePhoto = (id, sha, changes) =>
  changeItem(id, ({ photos }) => ({
    photos: photos.map((photo) => (photo.sha256 === sha ? { ...photo, ...changes } : photo)),
  }));

function tell({ id, title, photos }, done) {
  tellTabs({ kind: "progress", id, title, done, total: photos.length });
}

// --- when it is not taken ------------------------------------------------------------------------

const later = (item) =>
  changeItem(item.id, ({ tries }) => ({ tries: tries + 1, next_at: Date.now() + backOff(tries + 1) }));

/**
 * Leave a refused item to the person, with what the server said and how the case is now.
 * @param {KeptItem} item
 * @param {Problem} problem
 */
async function refuse(item, problem, session) {
  if (problem.code === "photo_expired") {
    // Its note is older than the server takes; the photo itself is still here.
    await changeItem(item.id, ({ photos }) => ({ photos: photos.map(({ note, ...rest }) => rest) }));
    return later(item);
  }
  const now = WENT_ON.has(problem.status) && item.number ? await caseNow(item, session) : undefined;
  return changeItem(item.id, () => ({ state: "attention", problem: { ...problem, now } }));
}

/** Return the case as it is now and whether the action is still open to me; null if not seen. */
async function caseNow(item, session) {
  try {
    const path = `${API}cases/${item.number}/`;
    const found = await ask(path, {}, session);
    const { actions } = await ask(`${path}actions/`, {}, session);
    const last = found.events[found.events.length - 1];
    return {
      version: found.version,
      stage: found.stage,
      unit: found.unit,
      address: found.address,
      last: last && { action: last.action, at: last.at },
      may: actions.some(({ action }) => action === item.body.action),
    };
  } catch (error) {
    if (error instanceof Refused) return null;
    throw error;
  }
}

// --- requests ------------------------------------------------------------------------------------

/** Ask who is signed in: before anything is sent, so that nothing goes out under another name. */
async function openSession() {
  const session = await ask("/m/session/", {}, { user, csrf: "" });
  if (!session.user || !session.csrf) throw new Later("no session");
  if (session.user !== user) throw new SignedOut("other_user");
  const skew_ms = Math.round(Date.now() - Date.parse(session.now));
  const known = await kept("", "skew");
  if (known === undefined || Math.abs(known - skew_ms) > 1000) {
    await keep("", "skew", () => skew_ms);
  }
  return session;
}

/** @param {KeptItem} item */
async function post(item, body, session) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": item.id };
  const how = { method: "POST", headers, body: JSON.stringify(body) };
  const answer = await ask(item.path, how, session);
  hasMoved = true;
  return answer;
}

/** Tell whether photos wait: the person keeps them for Wi-Fi, and this phone says it has none. */
export const photosWait = () =>
  document.documentElement.dataset.photos === "wifi" && navigator.connection?.type === "cellular";

/** @param {string} path @param {KeptItem} item @param {KeptPhoto} photo */
async function put(path, item, photo, session) {
  if (photosWait()) throw new Stumbled("no Wi-Fi");
  const body = await bytesOf(item.id, photo.sha256);
  if (body === null) throw new Refused(0, { code: "photo_lost", detail: "" });
  const headers = {
    "Content-Type": photo.type,
    "Content-Disposition": `attachment; filename=${photo.sha256.slice(0, 8)}`,
  };
  const about = queryOf(photo, item.kind);
  const answer = await ask(`${path}?${about}`, { method: "PUT", headers, body }, session, PHOTO_MS);
  hasMoved = true;
  return answer;
}

/** Return what the page says of a photo, as the API takes it. @param {KeptPhoto} photo */
function queryOf(photo, kind) {
  const degrees = (value) => (Number.isFinite(value) ? value.toFixed(7) : undefined);
  const whole = (value) => (Number.isFinite(value) ? Math.round(value) : undefined);
  const said = {
    kind: kind === "report" ? photo.kind : undefined,
    origin: photo.origin,
    taken_at: photo.origin === "camera" ? photo.taken_at : undefined,
    lon: degrees(photo.lon),
    lat: degrees(photo.lat),
    accuracy_m: whole(photo.accuracy_m),
    heading: whole(photo.heading),
  };
  const given = Object.entries(said).filter(([, value]) => value !== undefined && value !== null);
  return new URLSearchParams(given);
}

/** Send one request; return the JSON of a success, throw what else came of it. */
async function ask(path, request, session, patience_ms = ASK_MS) {
  const stop = new AbortController();
  const alarm = setTimeout(() => stop.abort(), patience_ms);
  const headers = {
    Accept: "application/json",
    "X-CSRFToken": session.csrf,
    "For-User": encodeURIComponent(session.user),
    ...request.headers,
  };
  // A page that redirects, or one that is no JSON, is not the API: a portal or a proxy speaks.
  const how = { ...request, headers, credentials: "same-origin", cache: "no-store" };
  try {
    const answer = await fetch(path, { ...how, redirect: "error", signal: stop.signal });
    return await read(answer);
  } catch (error) {
    if (stop.signal.aborted) throw new Stumbled("timeout");
    if (error instanceof TypeError || error instanceof SyntaxError) throw new Later(error.message);
    throw error;
  } finally {
    clearTimeout(alarm);
  }
}

async function read(answer) {
  const { status } = answer;
  if (answer.ok) return answer.json();
  if (WAIT_STATUSES.has(status)) throw new Later(String(status), retryAfter(answer));
  if (status >= 500) throw new Stumbled(String(status));
  const type = answer.headers.get("Content-Type") ?? "";
  const problem = type.startsWith("application/problem+json") ? await answer.json() : null;
  if (status === 401) throw new SignedOut(problem?.code === "other_user" ? "other_user" : "signed_out");
  if (status === 413) throw new Refused(status, problem ?? { code: "too_large", detail: "" });
  // The token went out of date under way: the next round asks for a new one.
  if (problem === null || problem.detail?.startsWith("CSRF")) throw new Later(String(status));
  throw new Refused(status, problem);
}

/** Return how many seconds the server asks for, 0 if it does not say. */
function retryAfter(answer) {
  const said = answer.headers.get("Retry-After") ?? "";
  if (/^\d+$/.test(said)) return Number(said);
  const at = Date.parse(said);
  return Number.isNaN(at) ? 0 : Math.max((at - Date.now()) / 1000, 0);
}
