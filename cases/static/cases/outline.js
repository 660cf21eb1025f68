// Outlines of our own areas as layers of a map, each with its name.

const isEnglish = document.documentElement.lang.startsWith("en");

/** Fetch areas as GeoJSON; none when they cannot be had, for a map works without. */
export async function fetchAreas(address) {
  const answer = await fetch(address);
  return answer.ok ? answer.json() : { type: "FeatureCollection", features: [] };
}

function nameOf({ properties }, pane) {
  const span = document.createElement("span");
  span.textContent = isEnglish ? properties.en : properties.zh;
  const icon = L.divIcon({ html: span, className: `place place-${properties.level}`, iconSize: null });
  const at = [properties.lat, properties.lon];
  return L.marker(at, { icon, pane, interactive: false, keyboard: false });
}

/** Draw areas and their names on a map or into a layer group; returns the layer of the areas. */
export function drawAreas(collection, target, namesPane = "markerPane") {
  const style = ({ properties }) => ({ className: `outline outline-${properties.level}` });
  const layer = L.geoJSON(collection, { style, interactive: false }).addTo(target);
  for (const feature of collection.features) nameOf(feature, namesPane).addTo(target);
  return layer;
}
