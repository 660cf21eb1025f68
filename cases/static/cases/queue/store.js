// What the phone keeps until the server has it: drafts, items on their way, their photos, receipts.
// One database for all tabs and all people of this phone; everything in it names whose it is.

import { openDB } from "../vendor/idb-8.0.4.js";
import { sha256 } from "./sha256.js";

/**
 * @import {Database, Draft, Item, KeptItem, KeptPhoto, Message, OpenStores, Small, StoreName,
 *   Stores} from "types/queue"
 */

/** @type {StoreName[]} */
const STORES = ["drafts", "items", "photos", "received", "kept"];
const RECEIPTS = 20;

/** @type {Promise<Database> | null} */
let opening = null;

/** Return the database; opened anew where the phone has cut the connection off without a word. */
async function database() {
  const asked = connection();
  const db = await asked;
  try {
    db.transaction("kept");
    return db;
  } catch {
    if (opening === asked) opening = null;
    return connection();
  }
}

function connection() {
  if (opening === null) {
    opening = openDB("cityops", 1, {
      upgrade(db) {
        for (const name of /** @type {const} */ (["drafts", "items", "received"])) {
          db.createObjectStore(name, { keyPath: "id" });
        }
        db.createObjectStore("photos"); // bytes by [draft or item, SHA-256]
        db.createObjectStore("kept"); // small things by [person, name]
      },
      blocking(_from, _to, event) {
        /** @type {IDBDatabase} */ (event.target).close();
        opening = null;
      },
      terminated: () => (opening = null),
    });
    opening.catch(() => (opening = null));
  }
  return opening;
}

/**
 * Do `work` in one transaction that is on the disk when this resolves, or not at all.
 * @template T
 * @param {(stores: OpenStores) => T | Promise<T>} work
 * @param {"change" | "kept"} kind
 */
async function change(work, kind = "change") {
  const db = await database();
  const transaction = db.transaction(STORES, "readwrite", { durability: "strict" });
  const opened = STORES.map((name) => [name, transaction.objectStore(name)]);
  const stores = /** @type {OpenStores} */ (Object.fromEntries(opened));
  try {
    const result = await work(stores);
    await transaction.done;
    tellTabs({ kind });
    return result;
  } catch (error) {
    transaction.done.catch(() => {}); // it fails for the same reason
    try {
      transaction.abort();
    } catch {
      // It ended by itself.
    }
    throw error;
  }
}

// --- telling the other tabs ----------------------------------------------------------------------

const listeners = new Set();
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("cityops-queue") : null;
channel?.addEventListener("message", ({ data }) => listeners.forEach((listen) => listen(data)));

/**
 * Tell every tab of this phone, this one included.
 * @param {Message} message
 */
export function tellTabs(message) {
  channel?.postMessage(message);
  listeners.forEach((listen) => listen(message));
}

/**
 * Call `listen` after every change, in whatever tab it was made; returns how to stop.
 * @param {(message: Message) => void} listen
 */
export function onChange(listen) {
  listeners.add(listen);
  return () => listeners.delete(listen);
}

// --- photos --------------------------------------------------------------------------------------

/** Read the photos' bytes before a transaction opens: it would not wait for that. */
async function read(photos) {
  return Promise.all(
    photos.map(async ({ blob, ...about }) => {
      const bytes = blob instanceof Blob ? await blob.arrayBuffer() : blob;
      const type = about.type || (blob instanceof Blob && blob.type) || "image/jpeg";
      const sha = about.sha256 || (await sha256(bytes));
      return { bytes, about: { ...about, type, size: bytes.byteLength, sha256: sha } };
    }),
  );
}

const allOf = (owner) => IDBKeyRange.bound([owner], [owner, []]);

/** Keep exactly these bytes for `owner`; those already there are not written again. */
async function putBytes(store, owner, photos) {
  const there = new Set((await store.getAllKeys(allOf(owner))).map(([, sha]) => sha));
  const wanted = new Map(photos.map(({ about, bytes }) => [about.sha256, bytes]));
  for (const sha of there) if (!wanted.has(sha)) store.delete([owner, sha]);
  for (const [sha, bytes] of wanted) if (!there.has(sha)) store.put(bytes, [owner, sha]);
}

/** Return the bytes of a photo, null if the phone has lost them. */
export async function bytesOf(owner, sha) {
  return (await (await database()).get("photos", [owner, sha])) ?? null;
}

// --- drafts --------------------------------------------------------------------------------------

/**
 * Keep a draft; resolves when it is on the disk. One that was stored for sending meanwhile stays
 * what it is: a late save does not bring it back.
 * @param {Draft} draft
 */
export async function putDraft(draft) {
  const photos = await read(draft.photos);
  const saved_at = draft.saved_at ?? new Date().toISOString();
  return change(async (stores) => {
    if ((await stores.items.get(draft.id)) || (await stores.received.get(draft.id))) return;
    await putBytes(stores.photos, draft.id, photos);
    stores.drafts.put({ ...draft, saved_at, photos: photos.map(({ about }) => about) });
  });
}

/**
 * Return a draft with its photos as Blobs; null if there is none, or it is another person's.
 * @param {string} id
 * @param {string} [user]
 * @returns {Promise<Draft | null>}
 */
export async function getDraft(id, user) {
  const db = await database();
  const draft = await db.get("drafts", id);
  if (!draft || (user !== undefined && draft.user !== user)) return null;
  const photos = draft.photos.map(async (about) => {
    const bytes = await bytesOf(id, about.sha256);
    return bytes && { ...about, blob: new Blob([bytes], { type: about.type }) };
  });
  return { ...draft, photos: (await Promise.all(photos)).filter(Boolean) };
}

export function dropDraft(id) {
  return change(async (stores) => {
    stores.drafts.delete(id);
    // An item may carry on under the same id; then its photos are the item's.
    if (!(await stores.items.get(id))) stores.photos.delete(allOf(id));
  });
}

/**
 * @template {"drafts" | "items" | "received"} N
 * @param {N} name
 * @param {string} user
 * @param {keyof Stores[N]["value"]} order
 */
async function allOwn(name, user, order) {
  const rows = /** @type {Stores[N]["value"][]} */ (await (await database()).getAll(name));
  const own = rows.filter((row) => row.user === user);
  return own.sort((a, b) => (a[order] < b[order] ? -1 : 1));
}

/** Return a person's drafts, oldest first, without the bytes of their photos. @param {string} user */
export const drafts = (user) => allOwn("drafts", user, "saved_at");

// --- items ---------------------------------------------------------------------------------------

/**
 * Store what is to be sent, in the place of the draft of the same id; resolves when it is on the
 * disk ("已存"). Storing one twice changes nothing.
 * @param {Item} given
 */
export async function enqueue({ photos = [], held_ms = 0, ...said }) {
  const ready = await read(photos);
  return change(async (stores) => {
    if ((await stores.items.get(said.id)) || (await stores.received.get(said.id))) return;
    const origin = await stores.drafts.get(said.id);
    await putBytes(stores.photos, said.id, ready);
    stores.items.put({
      ...said,
      photos: ready.map(({ about }) => about),
      origin,
      held_ms,
      created_at: Date.now(),
      state: "waiting",
      tries: 0,
      next_at: 0,
    });
    stores.drafts.delete(said.id);
  });
}

/**
 * Make an item a draft again, if it had not begun; tells whether it did.
 * @param {string} id
 */
export const withdraw = (id) => backToDraft(id, (item) => !item.begun_at);

/** Make a refused report a draft again, if the server keeps nothing of it. */
export const edit = (id) => backToDraft(id, (item) => item.state === "attention" && !item.is_case_sent);

async function backToDraft(id, may) {
  return change(async (stores) => {
    const item = await stores.items.get(id);
    if (!item?.origin || !may(item)) return false;
    const { origin, photos } = item;
    stores.drafts.put({ ...origin, photos: photos.map(unsent) });
    stores.items.delete(id);
    return true;
  });
}

/** @param {KeptPhoto} photo */
function unsent({ is_sent, note, ...about }) {
  return about;
}

/** Return a person's items, oldest first. @param {string} user */
export const items = (user) => allOwn("items", user, "created_at");

/** Return what the server has acknowledged to a person, newest first. @param {string} user */
export const received = async (user) => (await allOwn("received", user, "received_at")).reverse();

/** Return how much waits on this phone that is not this person's. */
export async function ofOthers(user) {
  const db = await database();
  const rows = [...(await db.getAll("items")), ...(await db.getAll("drafts"))];
  return rows.filter((row) => row.user !== user).length;
}

/** Return in how many ms a moment comes that never lay further off than `longest`. */
export function waitUntil(at, longest) {
  const left = at - Date.now();
  return left > longest ? 0 : Math.max(left, 0); // further off: the clock was set back since
}

/** Return for how many ms an item may still be withdrawn before it is sent. @param {KeptItem} item */
export const heldFor = ({ created_at, held_ms }) => waitUntil(created_at + held_ms, held_ms);

/** Mark an item as begun and return it; null when it is gone or asks for attention. */
export function begin(id) {
  return change(async (stores) => {
    const item = await stores.items.get(id);
    if (!item || item.state !== "waiting") return null;
    const begun = { ...item, begun_at: item.begun_at ?? Date.now() };
    stores.items.put(begun);
    return begun;
  });
}

/**
 * Change an item by what `changes` makes of it; nothing if it is gone.
 * @param {string} id
 * @param {(item: KeptItem) => Partial<KeptItem>} changes
 */
export function changeItem(id, changes) {
  return change(async (stores) => {
    const item = await stores.items.get(id);
    if (item) stores.items.put({ ...item, ...changes(item) });
  });
}

/** Let an acknowledged item go, photos and all; its receipt says what was answered on which version. */
export function finish(id, number) {
  return change(async (stores) => {
    const item = await stores.items.get(id);
    if (!item) return;
    const { user, kind, title, place, body, seen } = item;
    const answered = { action: body.action, version: seen?.version };
    stores.items.delete(id);
    stores.photos.delete(allOf(id));
    const received_at = Date.now();
    stores.received.put({ id, user, kind, title, place, number, ...answered, received_at });
    const receipts = (await stores.received.getAll()).filter((row) => row.user === user);
    receipts.sort((a, b) => b.received_at - a.received_at);
    for (const old of receipts.slice(RECEIPTS)) stores.received.delete(old.id);
  });
}

/** Throw an item and its photos away. */
export function dropItem(id) {
  return change(async (stores) => {
    stores.items.delete(id);
    stores.photos.delete(allOf(id));
  });
}

// --- small things --------------------------------------------------------------------------------

/**
 * Keep a small thing of a person's under a name; `make` is given what was there.
 * @template {keyof Small} N
 * @param {string} user
 * @param {N} name
 * @param {(old: Small[N] | undefined) => Small[N] | undefined} make
 */
export function keep(user, name, make) {
  return change(async ({ kept: store }) => {
    const value = make(/** @type {Small[N]} */ (await store.get([user, name])));
    store.put(value, [user, name]);
    return value;
  }, "kept");
}

/**
 * Return what was kept under a name, undefined if nothing was.
 * @template {keyof Small} N
 * @param {string} user
 * @param {N} name
 */
export async function kept(user, name) {
  return /** @type {Small[N] | undefined} */ (await (await database()).get("kept", [user, name]));
}

/** Return a new random UUID; browsers make one themselves only on secure pages. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
