// A small still picture of a place: the grid around it, the point, and how uncertain it is.

import { fetchAreas, nameOf } from "../outline.js";

const METRES_A_PIXEL = 2;
const METRES_A_DEGREE = 111_320;
const FAR_M = 300; // the grid is asked for again this far from where it was asked for
const SVG = "http://www.w3.org/2000/svg";
const PIN = "M0 0C0 0-13-15-13-25a13 13 0 0 1 26 0C13-15 0 0 0 0z";

function shape(name, attributes, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

export class MiniMap {
  /** @param {HTMLElement} box its data-near is the address of the grid around a place */
  constructor(box) {
    this.box = box;
  }

  /** Draw the place at once, and the grid around it as soon as it is there. */
  async show(lon, lat, accuracyM, cell) {
    this.at = { lon, lat, accuracyM, cell };
    this._draw();
    if (this.asked && this._metres(this.asked, this.at) < FAR_M) return;
    this.asked = { lon, lat };
    const asked = this.asked;
    const near = await fetchAreas(`${this.box.dataset.near}?lon=${lon}&lat=${lat}`).catch(() => null);
    if (asked !== this.asked) return;
    if (near === null) this.asked = undefined; // no connection: the next place asks again
    this.areas = near?.features ?? [];
    this._draw();
  }

  _metres(from, to) {
    const [x, y] = this._offset(to, from);
    return Math.hypot(x, y);
  }

  /** Metres east and south of `from`. */
  _offset({ lon, lat }, from = this.at) {
    const across = METRES_A_DEGREE * Math.cos((from.lat * Math.PI) / 180);
    return [(lon - from.lon) * across, (from.lat - lat) * METRES_A_DEGREE];
  }

  _draw() {
    const width = this.box.clientWidth || 320;
    const height = this.box.clientHeight || 76;
    const middle = height * 0.6; // the pin stands above its point
    const view = `${-width / 2} ${-middle} ${width} ${height}`;
    const circle = { r: this.at.accuracyM / METRES_A_PIXEL, class: "accuracy" };
    const areas = (this.areas ?? []).map((area) => this._area(area));
    const here = (this.areas ?? []).find(this._isHere);
    const names = here ? [this._name(here, 12 - width / 2, 20 - middle)] : [];
    const pin = shape("g", { class: "pin" }, shape("path", { d: PIN }), shape("circle", { cy: -25, r: 5 }));
    const picture = shape("svg", { viewBox: view, "aria-hidden": "true", focusable: "false" });
    picture.append(...areas, ...names, ...(this.at.accuracyM ? [shape("circle", circle)] : []), pin);
    this.box.querySelector("svg")?.remove();
    this.box.prepend(picture);
  }

  _isHere = ({ properties }) => properties.code === this.at.cell;

  _area(area) {
    const { type, coordinates } = area.geometry;
    const rings = type === "MultiPolygon" ? coordinates.flat() : coordinates;
    const here = this._isHere(area) ? " is-chosen" : "";
    const d = rings.map((ring) => `M${ring.map((at) => this._point(at)).join("L")}z`).join("");
    return shape("path", { d, class: `outline outline-${area.properties.level}${here}` });
  }

  _point([lon, lat]) {
    return this._offset({ lon, lat }).map((metres) => (metres / METRES_A_PIXEL).toFixed(1));
  }

  _name(area, x, y) {
    const words = shape("text", { x, y, class: "cell-name" });
    words.textContent = nameOf(area);
    return words;
  }
}
