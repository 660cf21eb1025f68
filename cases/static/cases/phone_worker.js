// The service worker of /m/: lets the phone's pages open without a line, and nothing more. What is
// reported stands in the queue of the page (queue/store.js) and never passes through here: only
// pages, small photos and static files are answered, and nothing is ever sent from here.
"use strict";

const STATIC = "cityops-static";
const PAGES = "cityops-pages"; // of one person, and their small photos
const OWNER = "/m/owner";
const OUTBOX = "/m/outbox/";
const FEEDBACK = "/m/feedback/";
const PATIENCE_MS = 3000;
const FRESH_MS = 600_000;
const MOST_TASKS = 30;
const HASHED = /\.[0-9a-f]{12}\./; // a hashed name never changes its content
const KEPT = /^\/m\/((report|outbox|feedback|tasks\/[^/]+)\/)?$/;
const MESSAGE = /<main id="content">\s*<p class="note"/; // said once, so not in a copy
const CARD = /data-number="([^"]+)"\s+data-version="(\d+)"/g;
const SMALL_PHOTO = /^\/photos\/\d+\/small\/$/;

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(takeOver()));
addEventListener("message", (event) => {
  if (event.data.kind === "keep") event.waitUntil(keepSoon());
  if (event.data.kind === "forget") event.waitUntil(forget());
});
addEventListener("fetch", (event) => {
  const { method, mode, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method !== "GET" || origin !== location.origin) return;
  if (pathname.startsWith("/static/")) event.respondWith(staticFile(event.request));
  else if (SMALL_PHOTO.test(pathname)) event.respondWith(smallPhoto(event.request));
  else if (mode === "navigate" && pathname.startsWith("/m/")) event.respondWith(page(event));
});

async function takeOver() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("cityops-") && ![STATIC, PAGES].includes(name));
  await Promise.all(old.map((name) => caches.delete(name)));
  await clients.claim();
}

// --- answering -----------------------------------------------------------------------------------

async function staticFile(request) {
  const copy = await caches.match(request, { cacheName: STATIC });
  if (copy && HASHED.test(request.url)) return copy;
  return fetched(request, STATIC).catch((error) => copy ?? Promise.reject(error));
}

async function smallPhoto(request) {
  return (await caches.match(request, { cacheName: PAGES })) ?? fetch(request);
}

/** Answer with the page of now; with the last copy where the line is slow, gone or broken. */
async function page(event) {
  const { request } = event;
  const now = fetchPage(request, turn);
  event.waitUntil(now.catch(() => {}));
  const copy = isSignIn(request) ? undefined : await copyOf(request.url);
  if (copy === undefined) return now.catch(() => shelter(request));
  const patience = new Promise((done) => isFromElsewhere(request) || setTimeout(done, PATIENCE_MS));
  const first = await Promise.race([now.catch(() => undefined), patience]);
  return first && first.status < 500 ? first : copy;
}

/** Somebody has just signed in here: the copies may be another person's. */
const isSignIn = ({ referrer }) => referrer !== "" && new URL(referrer).pathname === "/sign-in/";

/** From a page outside /m/, where somebody may have signed in: a copy only stands in for no line. */
const isFromElsewhere = ({ referrer }) =>
  referrer !== "" && !new URL(referrer).pathname.startsWith("/m/");

/** The last copy of a page: /m/ for any kind, feedback of any page, of a report none of a component. */
function copyOf(url) {
  const ignoreSearch = ["/m/", FEEDBACK].includes(new URL(url).pathname);
  return caches.match(url, { cacheName: PAGES, ignoreSearch, ignoreVary: true });
}

/** Where there is no copy, the outbox tells what waits. */
async function shelter({ url }) {
  const outbox = absolute(OUTBOX);
  const leads = url !== outbox && (await copyOf(outbox));
  return leads ? Response.redirect(outbox) : Response.error();
}

// --- keeping -------------------------------------------------------------------------------------

let turn = 0; // grows as people sign in and out: nothing asked for in an earlier one is kept

async function forget() {
  turn += 1;
  await caches.delete(PAGES);
}

/** Fetch something and keep it; a full phone keeps nothing, and the answer is there all the same. */
async function fetched(request, name) {
  const asked = turn;
  const answer = await fetch(request);
  if (answer.ok && turn === asked) await keepIn(name, request, answer.clone()).catch(() => {});
  return answer;
}

const keepIn = async (name, request, copy) => (await caches.open(name)).put(request, copy);

/** The same of a page, `asked` in this turn; rejects where the line breaks before its end. */
async function fetchPage(request, asked) {
  const answer = await fetch(request);
  const isText = /^text\/html/.test(answer.headers.get("Content-Type") ?? "");
  const page = isText ? await answer.clone().text() : "";
  if (turn === asked) await keepPage(answer, page).catch(() => {});
  return answer;
}

async function keepPage(answer, page) {
  if (answer.type === "opaqueredirect") await forgetAllBut([OWNER, OUTBOX]); // nobody is signed in
  const user = /id="queue-chip"[^>]*data-user="([^"]*)"/.exec(page)?.[1];
  if (!answer.ok || answer.redirected || user === undefined) return;
  const copies = await copiesOf(user);
  const { pathname, search } = new URL(answer.url);
  const isMeant = KEPT.test(pathname) && !search && !MESSAGE.test(page);
  if (isMeant) await copies.put(pathname, answer.clone());
}

/** Open the copies of a person; the first page of somebody else ends those of the last. */
async function copiesOf(user) {
  const owner = await (await caches.match(OWNER, { cacheName: PAGES }))?.text();
  if (owner !== user) await caches.delete(PAGES);
  const copies = await caches.open(PAGES);
  if (owner !== user) await copies.put(OWNER, new Response(user));
  return copies;
}

async function forgetAllBut(paths) {
  await prune(PAGES, new Set(paths.map(absolute)));
}

let keeping = null;

function keepSoon() {
  if (keeping === null) keeping = keepAll().catch(() => {}).finally(() => (keeping = null));
  return keeping;
}

/** Keep the four pages, those of the open tasks, and all that any of them needs. */
async function keepAll() {
  const asked = turn;
  const home = await text("/m/", asked);
  if (home === "") return;
  const always = ["/m/report/", OUTBOX, FEEDBACK];
  const versions = new Map(always.map((path) => [path, null]));
  for (const [, number, version] of home.matchAll(CARD)) versions.set(`/m/tasks/${number}/`, version);
  const wanted = [...versions].slice(0, always.length + MOST_TASKS);
  const pages = [home];
  for (const [path, version] of wanted) {
    if (turn === asked) pages.push(await text(path, asked, version));
  }
  const photos = await keepPhotos(pages, asked);
  const files = await keepFiles(pages);
  if (turn !== asked) return;
  const paths = [OWNER, "/m/", ...wanted.map(([path]) => path)];
  await prune(STATIC, files);
  await prune(PAGES, new Set([...photos, ...paths.map(absolute)]), isTransient);
}

/**
 * Return the text of a page: of a copy not too old or of this version of its case, else from the
 * server; without a line of any copy. Empty if there is none.
 */
async function text(path, asked, version = null) {
  const copy = await copyOf(absolute(path));
  const known = copy ? await copy.clone().text() : "";
  const isOfNow = version !== null && known.includes(`data-version="${version}"`);
  if (isOfNow || (copy && isFresh(copy))) return known;
  const answer = await fetchPage(path, asked).catch(() => copy);
  return answer?.ok && !answer.redirected ? answer.text() : "";
}

const isFresh = ({ headers }) => Date.now() - Date.parse(headers.get("Date") ?? "") < FRESH_MS;

const absolute = (path) => new URL(path, location.origin).href;
const isTransient = (url) => /^\/(m\/tasks|photos)\//.test(new URL(url).pathname);

async function keepPhotos(pages, asked) {
  const named = /src="(\/photos\/\d+\/small\/)"/g;
  const urls = new Set();
  for (const page of pages) for (const [, path] of page.matchAll(named)) urls.add(absolute(path));
  for (const url of urls) {
    const isThere = await caches.match(url, { cacheName: PAGES });
    if (!isThere && turn === asked) await fetched(url, PAGES).catch(() => {});
  }
  return urls;
}

/** Keep the static files of pages, and what those import or show in their turn. */
async function keepFiles(pages) {
  const named = /"(\/static\/[^"\s]+\.\w+)"/g;
  const found = new Set();
  for (const page of pages) for (const [, path] of page.matchAll(named)) found.add(absolute(path));
  let lost = null;
  for (const url of found) {
    try {
      for (const next of await linksOf(await staticFile(new Request(url)), url)) found.add(next);
    } catch (error) {
      lost = error; // what comes after it may be had
    }
  }
  if (lost) throw lost; // what it needs is not known, so nothing is deleted
  return found;
}

async function linksOf(answer, url) {
  const kinds = { js: /(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']+)["']/g, css: /url\(["']?([^"')]+)/g };
  const pattern = kinds[/\.(js|css)$/.exec(url)?.[1]];
  if (!pattern || !answer.ok) return [];
  const links = [...(await answer.text()).matchAll(pattern)].map(([, to]) => new URL(to, url));
  return links.filter((link) => link.origin === location.origin).map((link) => link.href);
}

/** Delete from a cache what nothing refers to any more. */
async function prune(name, wanted, isMeant = (/** @type {string} */ _url) => true) {
  const cache = await caches.open(name);
  for (const { url } of await cache.keys()) {
    if (!wanted.has(url) && isMeant(url)) await cache.delete(url);
  }
}
