// The tasks of the phone: shown by kind, how far away, on a map; how old the list is stands on it.

import { loadLeaflet } from "./lazy_leaflet.js";
import { drawAreas, fetchAreas } from "./outline.js";
import { items, onChange, received } from "./queue/store.js";

const OLD_MS = 10 * 60_000;
const REFRESH_MS = 60_000; // a list younger than this is not asked for again by itself
const CLOSE_ZOOM = 16;
const SPOT_PLACES = 4; // decimals of a degree within which cards share a mark: 10 m
const ROUND_M = 10;
const EARTH_M = 6_371_000;

let here = null; // where the phone is, once it may be known
let map = null;

const section = () => document.getElementById("tasks");
const cards = () => [...section().querySelectorAll(".tasks-group .task-card")];

// --- by kind -------------------------------------------------------------------------------------

function choose(kind) {
  for (const card of cards()) card.hidden = kind !== "" && card.dataset.kind !== kind;
  for (const link of section().querySelectorAll(".tasks-kinds a")) {
    if (link.dataset.kind === kind) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  let shown = 0;
  for (const group of section().querySelectorAll(".tasks-group")) {
    const count = group.querySelectorAll(".task-card:not([hidden])").length;
    group.hidden = map !== null || count === 0;
    group.querySelector("[data-count]").textContent = String(count);
    shown += count;
  }
  section().querySelector("[data-none]").hidden = shown > 0;
  map?.draw();
}

/** Show the kind the address names: the phone's own copy of the page shows them all. */
function chooseAsAddressed() {
  const kind = new URLSearchParams(location.search).get("kind") ?? "";
  const links = [...section().querySelectorAll(".tasks-kinds a")];
  if (kind !== chosen() && links.some(({ dataset }) => dataset.kind === kind)) choose(kind);
}

const chosen = () => section().querySelector(".tasks-kinds a[aria-current]")?.dataset.kind ?? "";

// --- how far -------------------------------------------------------------------------------------

const radians = (degrees) => (degrees * Math.PI) / 180;

/** Metres between two places close to each other. */
function distance(a, b) {
  const x = radians(b.lon - a.lon) * Math.cos(radians((a.lat + b.lat) / 2));
  return Math.hypot(x, radians(b.lat - a.lat)) * EARTH_M;
}

function length(metres) {
  if (metres < 1000) return `${Math.round(metres / ROUND_M) * ROUND_M} m`;
  return `${(metres / 1000).toFixed(metres < 10_000 ? 1 : 0)} km`;
}

const placeOf = ({ dataset }) =>
  dataset.lon === undefined ? null : { lon: Number(dataset.lon), lat: Number(dataset.lat) };

function showDistances() {
  if (!here) return;
  for (const card of cards()) {
    const place = placeOf(card);
    const words = card.querySelector("[data-away]");
    words.hidden = place === null;
    if (place) words.textContent = words.dataset.away.replace("{n}", length(distance(here, place)));
  }
}

function locate() {
  navigator.geolocation?.getCurrentPosition(
    ({ coords }) => {
      here = { lon: coords.longitude, lat: coords.latitude };
      showDistances();
      map?.draw();
    },
    () => {},
    { enableHighAccuracy: false, timeout: 15_000, maximumAge: 60_000 },
  );
}

// Nobody is asked for their place by opening a list: only who has allowed it before sees distances.
async function locateIfAllowed() {
  const state = await navigator.permissions?.query({ name: "geolocation" }).catch(() => null);
  if (state?.state === "granted") locate();
}

// --- the map -------------------------------------------------------------------------------------

class TaskMap {
  constructor(box) {
    const { zoomIn, zoomOut, outline } = box.dataset;
    this.map = L.map(box, { zoomControl: false, attributionControl: false, minZoom: 9, maxZoom: 19 });
    this.map.setView([27.55, 109.98], 11);
    const zoom = L.control.zoom({ zoomInTitle: zoomIn, zoomOutTitle: zoomOut });
    zoom.setPosition("bottomright").addTo(this.map); // at the bottom, where no popup opens
    this.marks = L.layerGroup().addTo(this.map);
    this._drawOutline(outline);
    this.map.on("zoomend", () => this._showNames());
    this._showNames();
    this.isFitted = false;
    this.draw();
  }

  async _drawOutline(address) {
    const areas = await fetchAreas(address).catch(() => null); // the marks stand without it
    if (areas) drawAreas(areas, this.map).bringToBack();
  }

  _showNames() {
    this.map.getContainer().dataset.scale = this.map.getZoom() < 12 ? "city" : "street";
  }

  /** Mark every card shown at its place, those of one place together, and where the phone is. */
  draw() {
    this.marks.clearLayers();
    const spots = new Map();
    for (const card of cards().filter((one) => !one.hidden && placeOf(one))) {
      const { lon, lat } = placeOf(card);
      const spot = `${lat.toFixed(SPOT_PLACES)} ${lon.toFixed(SPOT_PLACES)}`;
      spots.set(spot, [...(spots.get(spot) ?? []), card]);
    }
    for (const found of spots.values()) this._mark(found).addTo(this.marks);
    if (here) this._dot(here).addTo(this.marks);
    if (this.isFitted || spots.size === 0) return;
    this.isFitted = true;
    const bounds = [...spots.keys()].map((spot) => spot.split(" ").map(Number));
    this.map.fitBounds(bounds, { maxZoom: CLOSE_ZOOM, padding: [40, 40], animate: false });
  }

  _mark(found) {
    const { lon, lat } = placeOf(found[0]);
    const isLate = found.some((card) => card.querySelector(".light-late"));
    const shape = found[0].querySelector(".light [aria-hidden]")?.textContent ?? "○";
    const icon = L.divIcon({
      html: found.length > 1 ? String(found.length) : shape,
      className: `task-mark${isLate ? " task-mark-late" : ""}`,
      iconSize: [48, 48],
    });
    const name = found.map((card) => card.querySelector(".open").textContent.trim()).join(", ");
    const list = document.createElement("ul");
    list.className = "tasks-popup";
    list.append(...found.map((card) => card.cloneNode(true)));
    const popup = { maxWidth: 260, maxHeight: 300, closeButton: false };
    // No stop of the keyboard: the list says the same.
    const mark = L.marker([lat, lon], { icon, title: name, alt: name, keyboard: false });
    return mark.bindPopup(list, popup);
  }

  _dot({ lon, lat }) {
    const icon = L.divIcon({ className: "task-mark task-mark-me", iconSize: [20, 20] });
    return L.marker([lat, lon], { icon, interactive: false, keyboard: false });
  }

  close() {
    this.map.remove();
  }
}

async function switchMap(button) {
  const box = document.getElementById("map");
  const isOpening = map === null;
  if (isOpening) {
    try {
      await loadLeaflet(box);
    } catch {
      document.getElementById("fresh").textContent = box.dataset.failed;
      return;
    }
    if (map) return; // pressed twice while the library was on its way
    box.hidden = false;
    map = new TaskMap(box);
    locate();
  } else {
    map.close();
    map = null;
    box.hidden = true;
  }
  button.textContent = isOpening ? button.dataset.list : button.dataset.map;
  choose(chosen());
}

// --- how fresh -----------------------------------------------------------------------------------

const renderedAt = () => new Date(section().dataset.renderedAt);

/** The time of a moment, with the day where that was not today. */
function timeOf(at) {
  const two = (n) => String(n).padStart(2, "0");
  const isToday = at.toDateString() === new Date().toDateString();
  const day = isToday ? "" : `${two(at.getMonth() + 1)}-${two(at.getDate())} `;
  return day + at.toTimeString().slice(0, 5);
}

/** Say of when the list is: "updated" then, or kept since then, "offline" or with a server "failing". */
function showAge(state = navigator.onLine ? "updated" : "offline") {
  const words = document.getElementById("fresh");
  words.textContent = words.dataset[state].replace("{at}", timeOf(renderedAt()));
  const isOld = state !== "updated" || Date.now() - Number(renderedAt()) > OLD_MS;
  words.classList.toggle("is-old", isOld);
}

/** Put the list as the server has it now in the place of this one; where it cannot be had it stays. */
async function refresh() {
  const answer = await fetch(location.href).catch(() => null);
  if (answer?.redirected) return location.assign(answer.url); // nobody is signed in any more
  const text = answer?.ok ? await answer.text().catch(() => "") : "";
  const list = new DOMParser().parseFromString(text, "text/html").getElementById("tasks");
  if (list === null) return showAge(answer === null ? "offline" : "failing");
  return replaceBy(list);
}

function replaceBy(list) {
  const focus = section().contains(document.activeElement) && (document.activeElement.id || "refresh");
  const isMap = map !== null;
  if (isMap) switchMap(document.getElementById("map-switch"));
  section().replaceWith(list);
  begin();
  const button = document.getElementById("map-switch");
  if (isMap && button) switchMap(button);
  if (focus) document.getElementById(focus)?.focus();
}

/** Refresh by itself what is not quite new; not under the eyes of who looks at the map. */
function refreshIfOld() {
  const isOld = Date.now() - Number(renderedAt()) > REFRESH_MS;
  return navigator.onLine && map === null && isOld ? refresh() : showAge();
}

// --- what was answered on this phone -------------------------------------------------------------

let waiting = new Set();

/** Mark the cards that were answered on this phone; ask for the list anew once one was sent. */
async function showAnswered() {
  const user = document.getElementById("queue-chip")?.dataset.user;
  if (!user) return;
  const before = waiting;
  const [own, done] = await Promise.all([items(user), received(user)]);
  const actions = own.filter(({ kind }) => kind === "action");
  waiting = new Set(actions.map(({ number }) => number));
  // Received after this list was made: it is an old one and does not know.
  const madeAt = Number(renderedAt());
  const after = done.filter(({ kind, received_at }) => kind === "action" && received_at > madeAt);
  for (const card of cards()) {
    const { number, version } = card.dataset;
    const isDone = after.some((one) => one.number === number && one.version === Number(version));
    const isWaiting = waiting.has(number);
    card.classList.toggle("is-answered", isWaiting || isDone);
    const words = card.querySelector(".task-waits");
    words.hidden = !isWaiting && !isDone;
    words.textContent = isWaiting ? words.dataset.waits : words.dataset.received;
  }
  if ([...before].some((number) => !waiting.has(number))) await refresh();
}

const showAnsweredIfKept = () => showAnswered().catch(() => {}); // a phone that keeps nothing

function begin() {
  const button = document.getElementById("map-switch");
  if (button) button.hidden = false;
  showAge();
  showDistances();
  showAnsweredIfKept();
}

document.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  /** @type {HTMLAnchorElement} */
  const link = target.closest(".tasks-kinds a, #refresh, #map-switch");
  if (!link) return;
  event.preventDefault();
  if (link.id === "refresh") refresh();
  else if (link.id === "map-switch") switchMap(link);
  else {
    history.replaceState(null, "", link.href);
    choose(link.dataset.kind);
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") refreshIfOld();
});
addEventListener("online", refreshIfOld);
addEventListener("offline", () => showAge());

onChange(showAnsweredIfKept);
begin();
chooseAsAddressed();
refreshIfOld(); // the phone's own copy may have been quicker than the line
locateIfAllowed();
