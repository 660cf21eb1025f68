// Chooses a place on the whole screen: the map moves under a fixed cross-hair. Works without tiles,
// by finger, by buttons and by arrow keys.

import { loadLeaflet } from "../lazy_leaflet.js";
import { drawAreas, fetchAreas, nameOf } from "../outline.js";

const CLOSE_ZOOM = 17;
const GRID_ZOOM = 15;
const FAR_M = 300; // the grid is asked for again this far from where it was asked for
const NONE = { features: [] };

/** @type {HTMLDialogElement} */
const dialog = document.getElementById("place-dialog");
const [box, where, hits] = ["map", "where", "hits"].map((part) =>
  dialog.querySelector(`#place-${part}`),
);
/** @type {HTMLInputElement} */
const search = dialog.querySelector("#place-search");
let map = null;
let grid = null;
let gridAt = null;
let circle = null;
let streets = [];
let near = [];
let phone = null; // where this phone is, as the page finds it
/** @type {(place: {lon: number, lat: number, accuracy_m: number} | null) => void} */
let settle = () => {};
let timer = 0;
let asked = 0; // how often a name was asked for
let isFollowing = false; // until the person moves the map themselves
let fixAt = null; // the position the cross-hair was brought to, if it is still there

/**
 * Let the person choose a place; null if they leave it as it was, or are choosing already.
 * @param {{lon: number, lat: number} | null} from
 * @param {import("./locate.js").Locator} locator
 * @returns {Promise<{lon: number, lat: number, accuracy_m: number} | null>}
 */
export async function pickPlace(from, locator) {
  if (dialog.hasAttribute("open")) return null; // pressed twice while this module was on its way
  const { onFix } = locator;
  phone = locator;
  open();
  const choice = new Promise((choose) => (settle = choose));
  show(from, onFix).catch(() => (where.textContent = where.dataset.failed));
  const chosen = await choice;
  locator.onFix = onFix;
  isFollowing = false;
  close();
  return chosen;
}

async function show(from, onFix) {
  await start();
  map.invalidateSize({ animate: false });
  if (from) map.setView([from.lat, from.lon], CLOSE_ZOOM, { animate: false });
  drawAccuracy(phone.best);
  phone.onFix = (fix) => {
    onFix(fix);
    drawAccuracy(fix);
    if (isFollowing) goTo(fix);
  };
  moved();
  box.focus();
}

const actions = {
  here: () => map && settle(centre()),
  back: () => settle(null),
  closer: () => map?.zoomIn(),
  further: () => map?.zoomOut(),
  me() {
    isFollowing = true;
    if (phone.fresh) goTo(phone.fresh);
    phone.start();
  },
};
for (const [part, act] of Object.entries(actions)) {
  dialog.querySelector(`[data-do=${part}]`).addEventListener("click", act);
}
dialog.addEventListener("close", () => settle(null));

// Safari before 15.4 has no modal dialogs; there it lies over the page.
const open = () => (dialog.showModal ? dialog.showModal() : dialog.setAttribute("open", ""));
const close = () => (dialog.close ? dialog.close() : dialog.removeAttribute("open"));

async function start() {
  if (map) return;
  await loadLeaflet(box);
  map = L.map(box, {
    zoomControl: false,
    attributionControl: false,
    minZoom: 9,
    maxZoom: 19,
    keyboardPanDelta: 40,
  });
  map.setView([27.55, 109.98], 11);
  grid = L.layerGroup().addTo(map);
  map.on("moveend", moved);
  map.on("zoomend", showNames);
  map.on("dragstart keydown", () => (isFollowing = false));
  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  showNames();
  drawOutline();
}

async function drawOutline() {
  const outline = await fetchAreas(box.dataset.outline).catch(() => NONE);
  drawAreas(outline, map).bringToBack();
  streets = outline.features;
}

function centre() {
  const { lng, lat } = map.getCenter().wrap();
  const isFix = fixAt && map.distance(map.getCenter(), [fixAt.lat, fixAt.lon]) < 1;
  return { lon: lng, lat, accuracy_m: isFix ? fixAt.accuracy_m : 0 };
}

function goTo(fix) {
  if (!map) return;
  fixAt = fix;
  const zoom = Math.max(map.getZoom(), CLOSE_ZOOM);
  map.setView([fix.lat, fix.lon], zoom, { animate: false });
}

function drawAccuracy(fix) {
  circle?.remove();
  if (!fix) return;
  const look = { radius: fix.accuracy_m, className: "accuracy", interactive: false };
  circle = L.circle([fix.lat, fix.lon], look).addTo(map);
}

function moved() {
  drawGrid();
  clearTimeout(timer);
  timer = setTimeout(name, 400);
}

async function drawGrid() {
  const at = map.getCenter();
  if (map.getZoom() < GRID_ZOOM || (gridAt && gridAt.distanceTo(at) < FAR_M)) return;
  gridAt = at;
  const query = `?lon=${at.lng}&lat=${at.lat}`;
  const found = await fetchAreas(box.dataset.near + query).catch(() => null);
  if (at !== gridAt) return;
  if (found === null) gridAt = null; // no connection: the next move asks again
  near = (found ?? NONE).features;
  grid.clearLayers();
  if (found) drawAreas(found, grid);
}

/** Say in words where the cross-hair is; what was asked before the last move is not shown. */
async function name() {
  const { lon, lat } = centre();
  const turn = ++asked;
  const say = (words) => turn === asked && (where.textContent = words);
  const address = `${where.dataset.locate}?lon=${lon.toFixed(7)}&lat=${lat.toFixed(7)}`;
  try {
    const answer = await fetch(address);
    const place = await answer.json();
    const parts = [place.street_name, place.community_name, place.grid_cell?.slice(-3)];
    if (answer.ok) say(parts.filter(Boolean).join(" · "));
    else say(place.code === "outside_city" ? where.dataset.outside : where.dataset.unknown);
  } catch {
    say(where.dataset.unknown);
  }
}

function showNames() {
  const zoom = map.getZoom();
  box.dataset.scale = zoom < 12 ? "city" : zoom < GRID_ZOOM ? "street" : "cell";
}

/** List the streets, communities and cells whose name holds what is typed. */
function find() {
  const wanted = search.value.trim().toLowerCase();
  const all = [...near, ...streets];
  const found = wanted ? all.filter((area) => nameOf(area).toLowerCase().includes(wanted)) : [];
  hits.textContent = "";
  hits.append(...found.slice(0, 6).map(hit));
}

function hit(area) {
  const { lon, lat, level } = area.properties;
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = nameOf(area);
  button.addEventListener("click", () => {
    const zoom = level === "cell" || level === "community" ? CLOSE_ZOOM : 14;
    map.setView([lat, lon], zoom, { animate: false });
    search.value = "";
    hits.textContent = "";
    box.focus();
  });
  return button;
}
