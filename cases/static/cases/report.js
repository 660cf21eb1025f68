// Makes the report form quicker: position and map, search in the list, no second press while
// sending. The form works without it.

import { narrowBy } from "./narrow.js";
import "./photo_tiles.js";
import { PlaceMap } from "./place_map.js";

const ROUGH_M = 50;
const form = document.getElementById("report");
const fix = document.getElementById("fix");
const where = document.getElementById("where");
const locate = document.getElementById("locate");
const degrees = document.getElementById("degrees");
const lon = document.getElementById("id_lon");
const lat = document.getElementById("id_lat");
const accuracy = document.getElementById("id_accuracy_m");
const placeMap = new PlaceMap(document.getElementById("map"), pick);

let watch = null;
let asking = null;

function say(kind, metres) {
  fix.textContent = fix.dataset[kind].replace("{m}", metres);
  fix.classList.toggle("phone-rough", kind === "rough" || kind === "none");
}

const hasPlace = () => lon.value !== "" && lat.value !== "" && lon.validity.valid && lat.validity.valid;

/** Show the place of the fields on the map and in words. */
function showPlace() {
  asking?.abort();
  where.textContent = "";
  if (!hasPlace()) return;
  placeMap.show(Number(lon.value), Number(lat.value), Number(accuracy.value));
  nameOfPlace();
}

async function nameOfPlace() {
  asking = new AbortController();
  const { signal } = asking;
  const query = new URLSearchParams({ lon: lon.value, lat: lat.value });
  try {
    const answer = await fetch(`${where.dataset.locate}?${query}`, { signal });
    const place = await answer.json();
    const known = [place.street_name, place.community_name, place.grid_cell?.slice(-3)];
    placeMap.markCell(place.grid_cell ?? "");
    const words = answer.ok ? known.filter(Boolean).join(" · ") : "";
    const refusal = place.code === "outside_city" ? where.dataset.outside : where.dataset.unknown;
    where.textContent = words || refusal;
    where.classList.toggle("phone-rough", words === "");
  } catch (error) {
    if (error.name !== "AbortError") where.textContent = where.dataset.unknown;
  }
}

function stopLocating() {
  if (watch !== null) navigator.geolocation.clearWatch(watch);
  watch = null;
}

function put(newLon, newLat, metres) {
  lon.value = newLon.toFixed(7);
  lat.value = newLat.toFixed(7);
  accuracy.value = metres;
  showPlace();
}

function keepBest({ coords }) {
  const metres = Math.round(coords.accuracy);
  if (accuracy.value !== "" && Number(accuracy.value) <= metres) return;
  put(coords.longitude, coords.latitude, metres);
  say(metres > ROUGH_M ? "rough" : "found", metres);
}

function startLocating() {
  stopLocating();
  accuracy.value = "";
  say("wait");
  const failed = () => {
    stopLocating();
    if (accuracy.value === "") say("none");
  };
  watch = navigator.geolocation.watchPosition(keepBest, failed, {
    enableHighAccuracy: true,
    timeout: 15000,
  });
  setTimeout(stopLocating, 15000);
}

function pick(newLon, newLat) {
  stopLocating();
  put(newLon, newLat, "");
  say("picked");
}

function typed() {
  stopLocating();
  accuracy.value = "";
  say("typed");
}

placeMap.drawOutline();
degrees.open = form.querySelector("#degrees [aria-invalid=true]") !== null;
if (navigator.geolocation) {
  locate.hidden = false;
  locate.addEventListener("click", startLocating);
}
if (hasPlace()) {
  const by = "given" in fix.dataset ? "given" : "typed";
  say(accuracy.value === "" ? by : "found", accuracy.value);
  showPlace();
} else if (navigator.geolocation) startLocating();
else say("none");
for (const input of [lon, lat]) {
  input.addEventListener("input", typed);
  input.addEventListener("change", showPlace);
  // A browser cannot point at a missing value in closed details and would say nothing.
  input.addEventListener("invalid", () => (degrees.open = true));
}

document.getElementById("search-box").hidden = false;
narrowBy(document.getElementById("id_condition"), document.getElementById("search"));

// A second press is harmless, the key makes it one case; this only shows that the first one works.
const submit = form.querySelector("button[type=submit]");
const words = submit.textContent;
function ready() {
  submit.disabled = false;
  submit.textContent = words;
}
form.addEventListener("submit", () => {
  submit.disabled = true;
  submit.textContent = submit.dataset.sending;
  setTimeout(ready, 15000);
});
window.addEventListener("pageshow", ready);
document.querySelector("[aria-invalid=true]")?.focus();
