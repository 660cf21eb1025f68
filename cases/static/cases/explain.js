// Makes the question of the explain page quicker: a place by one tap, search in the list.

import { narrowBy } from "./narrow.js";
import { PlaceMap } from "./place_map.js";

/** @type {HTMLInputElement} */
const lon = document.getElementById("id_lon");
/** @type {HTMLInputElement} */
const lat = document.getElementById("id_lat");
const map = new PlaceMap(document.getElementById("map"), (newLon, newLat) => {
  lon.value = newLon.toFixed(7);
  lat.value = newLat.toFixed(7);
  map.show(newLon, newLat);
});

function showPlace() {
  if (lon.value !== "" && lat.value !== "" && lon.validity.valid && lat.validity.valid) {
    map.show(Number(lon.value), Number(lat.value));
  }
}

map.drawOutline();
showPlace();
for (const input of [lon, lat]) input.addEventListener("change", showPlace);
document.getElementById("search-box").hidden = false;
narrowBy(document.getElementById("id_condition"), document.getElementById("search"));
