// A small map on which a place is chosen with one tap: outlines, the grid around, the point.

import { drawAreas, fetchAreas } from "./outline.js";

const CLOSE_ZOOM = 16;
const ROUGH_ZOOM = 14; // a tap on a map of less detail than this is no place yet
const GRID_ZOOM = 15;
const FAR_M = 300; // the grid is asked for again this far from where it was asked for

const PIN = `<svg viewBox="0 0 32 44" width="32" height="44">
  <path d="M16 2a14 14 0 0 1 14 14c0 9-14 26-14 26S2 25 2 16A14 14 0 0 1 16 2z"/>
  <circle cx="16" cy="16" r="5"/></svg>`;

export class PlaceMap {
  /**
   * @param {HTMLElement} box its data-outline and data-near are the addresses of the outlines
   * @param {(lon: number, lat: number) => void} onPick
   */
  constructor(box, onPick) {
    this.box = box;
    this.onPick = onPick;
    box.hidden = false;
    const { zoomIn, zoomOut } = box.dataset;
    this.map = L.map(box, { zoomControl: false, attributionControl: false, minZoom: 9, maxZoom: 19 });
    L.control.zoom({ zoomInTitle: zoomIn, zoomOutTitle: zoomOut }).addTo(this.map);
    this.map.setView([27.55, 109.98], 10);
    this.grid = L.layerGroup().addTo(this.map);
    this.place = L.layerGroup().addTo(this.map);
    this.map.on("click", ({ latlng }) => this._tap(latlng.wrap()));
    this.map.on("moveend", () => this._drawGrid());
    this.map.on("zoomend", () => this._showNames());
  }

  /** Draw districts and streets, and show them all unless a place is known. */
  async drawOutline() {
    const outline = await fetchAreas(this.box.dataset.outline);
    const layer = drawAreas(outline, this.map).bringToBack();
    // An animated move would begin with the next frame, and undo that to a place found meanwhile.
    const isEmpty = !layer.getBounds().isValid();
    if (!this.at && !isEmpty) this.map.fitBounds(layer.getBounds(), { animate: false });
    this._showNames();
  }

  /** Show the point, with a circle as wide as it is uncertain, and bring it into view. */
  show(lon, lat, accuracyM = 0) {
    const isFirst = !this.at;
    this.at = L.latLng(lat, lon);
    this.place.clearLayers();
    if (accuracyM) {
      const circle = { radius: accuracyM, className: "accuracy", interactive: false };
      L.circle(this.at, circle).addTo(this.place);
    }
    const icon = L.divIcon({ html: PIN, className: "pin", iconSize: [32, 44], iconAnchor: [16, 42] });
    L.marker(this.at, { icon, interactive: false, keyboard: false }).addTo(this.place);
    if (isFirst) this.map.setView(this.at, CLOSE_ZOOM, { animate: false });
    else if (!this.map.getBounds().contains(this.at)) this.map.panTo(this.at);
  }

  /** Mark the grid cell of this code, if it is drawn. */
  markCell(code) {
    this.cell = code;
    this.grid.eachLayer((layer) => {
      if (!(layer instanceof L.GeoJSON)) return; // a name
      layer.eachLayer((drawn) => {
        const one = /** @type {L.Polygon} */ (drawn);
        const isIt = one.feature.properties.code === code;
        one.getElement()?.classList.toggle("is-chosen", isIt);
        if (isIt) one.bringToFront();
      });
    });
  }

  _tap(at) {
    if (this.map.getZoom() < ROUGH_ZOOM) {
      this.map.setView(at, Math.min(this.map.getZoom() + 3, CLOSE_ZOOM));
      return;
    }
    this.onPick(at.lng, at.lat);
  }

  async _drawGrid() {
    const at = this.map.getCenter();
    if (this.map.getZoom() < GRID_ZOOM) return;
    if (this.gridAt && this.gridAt.distanceTo(at) < FAR_M) return;
    this.gridAt = at;
    const near = await fetchAreas(`${this.box.dataset.near}?lon=${at.lng}&lat=${at.lat}`);
    if (at !== this.gridAt) return;
    this.grid.clearLayers();
    drawAreas(near, this.grid);
    this.markCell(this.cell);
  }

  _showNames() {
    const zoom = this.map.getZoom();
    this.box.dataset.scale = zoom < 12 ? "city" : zoom < GRID_ZOOM ? "street" : "cell";
  }
}
