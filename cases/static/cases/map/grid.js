// Grid cells and communities of what the map shows, once it is close enough.

import { drawAreas, fetchAreas } from "../outline.js";

const LEAST_ZOOM = 15;
const MARGIN = 0.3; // fetched around the window, in its own size
const WIDEST = 0.1; // degrees; the server answers no wider box

/** A box around what the map shows as the server takes it, and as Leaflet compares it. */
export function boxAround(map, margin) {
  const bounds = map.getBounds().pad(margin);
  const text = bounds
    .toBBoxString()
    .split(",")
    .map((edge) => Number(edge).toFixed(5))
    .join(",");
  const size = Math.max(bounds.getEast() - bounds.getWest(), bounds.getNorth() - bounds.getSouth());
  return { bounds, text, isTooWide: size > WIDEST };
}

export class Grid {
  /**
   * @param {L.Map} map
   * @param {string} address of the outlines near a place
   */
  constructor(map, address) {
    this.map = map;
    this.address = address;
    this.layer = L.layerGroup();
    map.on("moveend", () => this._load());
  }

  /** @param {boolean} on */
  show(on) {
    if (on) this.layer.addTo(this.map);
    else this.layer.remove();
    this._load();
  }

  async _load() {
    if (!this.map.hasLayer(this.layer) || this.map.getZoom() < LEAST_ZOOM) return;
    if (this.loaded?.contains(this.map.getBounds())) return;
    const wide = boxAround(this.map, MARGIN);
    const { bounds, text } = wide.isTooWide ? boxAround(this.map, 0) : wide;
    this.loaded = bounds;
    const areas = await fetchAreas(`${this.address}?box=${text}`).catch(() => null);
    if (bounds !== this.loaded) return;
    if (areas === null) {
      this.loaded = null; // without a network; the next move asks again
      return;
    }
    this.layer.clearLayers();
    drawAreas(areas, this.layer, "places");
  }
}
