// The service worker of /m/: lets the phone's pages open without a line, and nothing more. What is
// reported stands in the queue of the page (queue/store.js) and never passes through here: only
// pages, small photos and static files are answered, and nothing is ever sent from here.
"use strict";

const STATIC = "cityops-static";
const PAGES = "cityops-pages"; // of one person, and their small photos
const OWNER = "/m/owner";
const OUTBOX = "/m/outbox/";
const PATIENCE_MS = 3000;
const FRESH_MS = 600_000;
const MOST_TASKS = 30;
const HASHED = /\.[0-9a-f]{12}\./; // a hashed name never changes its content
const SMALL_PHOTO = /^\/photos\/\d+\/small\/$/;

addEventListener("install", () => skipWaiting());
addEventListener("activate", (event) => event.waitUntil(takeOver()));
addEventListener("message", (event) => {
  if (event.data.kind === "keep") event.waitUntil(keepSoon());
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
  const now = fetch(request).then(keepPage);
  event.waitUntil(now.catch(() => {}));
  const copy = isSignIn(request) ? undefined : await copyOf(request.url);
  if (copy === undefined) return now.catch(() => shelter(request));
  const patience = new Promise((done) => setTimeout(done, PATIENCE_MS));
  const first = await Promise.race([now.catch(() => undefined), patience]);
  return first && first.status < 500 ? first : copy;
}

/** Somebody has just signed in here: the copies may be another person's. */
const isSignIn = ({ referrer }) => referrer !== "" && new URL(referrer).pathname === "/sign-in/";

const copyOf = (url) => caches.match(url, { cacheName: PAGES, ignoreSearch: true, ignoreVary: true });

/** Where there is no copy, the outbox tells what waits. */
async function shelter({ url }) {
  const outbox = absolute(OUTBOX);
  const leads = url !== outbox && (await copyOf(outbox));
  return leads ? Response.redirect(outbox) : Response.error();
}

// --- keeping -------------------------------------------------------------------------------------

async function fetched(request, name) {
  const answer = await fetch(request);
  if (answer.ok) await (await caches.open(name)).put(request, answer.clone());
  return answer;
}

/** Keep a copy of a person's page; the first one of somebody else ends the copies of the last. */
async function keepPage(answer) {
  if (answer.type === "opaqueredirect") await forgetAllBut([OWNER, OUTBOX]); // nobody is signed in
  const { pathname, search } = new URL(answer.url || location.href);
  const isPage = answer.ok && !answer.redirected && !search && pathname.startsWith("/m/");
  if (!isPage || !/^text\/html/.test(answer.headers.get("Content-Type") ?? "")) return answer;
  const user = /id="queue-chip"[^>]*data-user="([^"]*)"/.exec(await answer.clone().text())?.[1];
  if (user === undefined) return answer;
  const owner = await (await caches.match(OWNER, { cacheName: PAGES }))?.text();
  if (owner !== user) await caches.delete(PAGES);
  const pages = await caches.open(PAGES);
  if (owner !== user) await pages.put(OWNER, new Response(user));
  await pages.put(pathname, answer.clone());
  return answer;
}

async function forgetAllBut(paths) {
  await prune(PAGES, new Set(paths.map(absolute)));
}

let keeping = null;

function keepSoon() {
  if (keeping === null) keeping = keepAll().catch(() => {}).finally(() => (keeping = null));
  return keeping;
}

/** Keep the three pages, those of the open tasks, and all that any of them needs. */
async function keepAll() {
  const home = await text("/m/");
  if (home === "") return;
  const tasks = [...home.matchAll(/href="(\/m\/tasks\/[^"/]+\/)"/g)].map(([, path]) => path);
  const paths = ["/m/report/", OUTBOX, ...new Set(tasks)].slice(0, 2 + MOST_TASKS);
  const pages = [home];
  for (const path of paths) pages.push(await text(path));
  const photos = await keepLinked(pages, /src="(\/photos\/\d+\/small\/)"/g, PAGES);
  const files = await keepFiles(pages);
  await prune(STATIC, files);
  await prune(PAGES, new Set([...photos, ...[OWNER, "/m/", ...paths].map(absolute)]), isTransient);
}

/** Return the text of a page, from a copy not too old or from the server; empty if not given. */
async function text(path) {
  const copy = await copyOf(absolute(path));
  const age = copy ? Date.now() - Date.parse(copy.headers.get("Date") ?? "") : Infinity;
  const answer = age < FRESH_MS ? copy : await fetch(path).then(keepPage);
  return answer.ok && !answer.redirected ? answer.text() : "";
}

const absolute = (path) => new URL(path, location.origin).href;
const isTransient = (url) => /^\/(m\/tasks|photos)\//.test(new URL(url).pathname);

async function keepLinked(pages, pattern, name) {
  const urls = new Set();
  for (const page of pages) for (const [, path] of page.matchAll(pattern)) urls.add(absolute(path));
  for (const url of urls) {
    if (!(await caches.match(url, { cacheName: name }))) await fetched(url, name).catch(() => {});
  }
  return urls;
}

/** Keep the static files of pages, and what those import or show in their turn. */
async function keepFiles(pages) {
  const named = /"(\/static\/[^"\s]+\.\w+)"/g;
  const found = new Set();
  for (const page of pages) for (const [, path] of page.matchAll(named)) found.add(absolute(path));
  for (const url of found) {
    for (const next of await linksOf(await staticFile(new Request(url)), url)) found.add(next);
  }
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
async function prune(name, wanted, isMeant = () => true) {
  const cache = await caches.open(name);
  for (const { url } of await cache.keys()) {
    if (!wanted.has(url) && isMeant(url)) await cache.delete(url);
  }
}
