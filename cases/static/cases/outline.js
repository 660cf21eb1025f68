// Outlines of our own areas as layers of a map, each with its name.

const isEnglish = document.documentElement.lang.startsWith("en");

const KEPT = "areas"; // a cache of the browser's own: the outlines of the city, once seen

/** Fetch areas as GeoJSON; none when they cannot be had, for a map works without. */
export async function fetchAreas(address) {
  const answer = await fetch(address).catch((error) => copyOf(address, error));
  if (!answer.ok) return { type: "FeatureCollection", features: [] };
  const isWhole = !address.includes("?"); // what lies near a place differs with each place
  if (isWhole && globalThis.caches) await keep(address, answer.clone()).catch(() => {}); // it is full
  return answer.json();
}

const keep = async (address, copy) => (await caches.open(KEPT)).put(address, copy);

/** Without a network the outlines seen last are as good as those of today. */
async function copyOf(address, error) {
  const copy = await globalThis.caches?.match(address, { cacheName: KEPT });
  if (!copy) throw error;
  return copy;
}

/** The name of an area in the reader's language. */
export const nameOf = ({ properties }) => (isEnglish ? properties.en : properties.zh);

function nameMark(area, pane) {
  const { properties } = area;
  const span = document.createElement("span");
  span.textContent = nameOf(area);
  const icon = L.divIcon({ html: span, className: `place place-${properties.level}`, iconSize: null });
  return L.marker([properties.lat, properties.lon], { icon, pane, interactive: false, keyboard: false });
}

/** Draw areas and their names on a map or into a layer group; returns the layer of the areas. */
export function drawAreas(collection, target, namesPane = "markerPane") {
  const style = ({ properties }) => ({ className: `outline outline-${properties.level}` });
  const layer = L.geoJSON(collection, { style, interactive: false }).addTo(target);
  for (const feature of collection.features) nameMark(feature, namesPane).addTo(target);
  return layer;
}
