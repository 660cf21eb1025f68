// The map of the desk: outlines, and the open cases as marks, clustered.

import { drawAreas, fetchAreas } from "./outline.js";

/** @import {BBox} from "geojson" */
/** @import {ClusterProperties, PointFeature} from "supercluster" */

const STREETS_ZOOM = 12;
const GRID_ZOOM = 15;
const FAR_M = 300; // the grid is asked for again this far from where it was asked for
const CLUSTER_PX = 60;
const DEEPEST_CLUSTER = 17;
const isEnglish = document.documentElement.lang.startsWith("en");
const LETTERS = isEnglish ? { event: "E", component: "C" } : { event: "事", component: "部" };

const letter = (kind, className) =>
  `<text x="20" y="25" text-anchor="middle" class="${className}">${LETTERS[kind] ?? ""}</text>`;
// Told apart by shape and weight, not by colour alone; late is a tenth larger.
const MARKS = {
  normal: (kind) => `<circle cx="20" cy="20" r="13" class="m-normal"/>${letter(kind, "t-normal")}`,
  soon: (kind) => `<path d="M20 4 37 34H3z" class="m-soon"/>${letter(kind, "t-soon")}`,
  late: (kind) => `<rect x="4" y="4" width="32" height="32" class="m-late"/>${letter(kind, "t-on")}`,
  paused: (kind) => `<path d="M20 3 37 20 20 37 3 20z" class="m-paused"/>${letter(kind, "t-on")}`,
};

function markIcon({ kind, light }, isChosen) {
  const html = `<svg viewBox="0 0 40 40" width="40" height="40">${MARKS[light](kind)}</svg>`;
  const className = `case-mark${isChosen ? " is-chosen" : ""}`;
  return L.divIcon({ html, className, iconSize: [40, 40] });
}

function arc(from, to, className) {
  if (to - from >= 1) return `<circle cx="28" cy="28" r="22" class="${className}"/>`;
  const at = (share) => {
    const angle = 2 * Math.PI * share - Math.PI / 2;
    return `${(28 + 22 * Math.cos(angle)).toFixed(1)} ${(28 + 22 * Math.sin(angle)).toFixed(1)}`;
  };
  const isLarge = to - from > 0.5 ? 1 : 0;
  return `<path d="M${at(from)}A22 22 0 ${isLarge} 1 ${at(to)}" class="${className}"/>`;
}

function clusterIcon({ point_count: count, late, soon }) {
  const [a, b] = [late / count, (late + soon) / count];
  const arcs = [
    late ? arc(0, a, "a-late") : "",
    soon ? arc(a, b, "a-soon") : "",
    b < 1 ? arc(b, 1, "a-normal") : "",
  ].join("");
  const flag = late
    ? `<rect x="${late > 99 ? 28 : 33}" y="1" width="${late > 99 ? 29 : 24}" height="17" class="m-late"/>
       <text x="${late > 99 ? 42.5 : 45}" y="14" text-anchor="middle" class="t-flag">${late}</text>`
    : "";
  const html = `<svg viewBox="0 0 58 56" width="58" height="56">
    <circle cx="28" cy="28" r="27" class="a-ground"/>${arcs}
    <text x="28" y="33" text-anchor="middle" class="t-count">${count}</text>${flag}</svg>`;
  return L.divIcon({ html, className: "case-cluster", iconSize: [58, 56] });
}

/**
 * An open case, as Supercluster takes it.
 * @typedef {{number: string, kind: string, light: string, stage: string}} Shown
 * @typedef {PointFeature<Shown>} CaseFeature
 *
 * What a mark stands for: a case, a cluster, or the chosen case within a cluster.
 * @typedef {Partial<Shown & ClusterProperties & {late: number, soon: number,
 *   isInCluster: boolean}>} Marked
 */

/** The marks of the open cases on a Leaflet map. */
export class CaseMap {
  /**
   * @param {L.Map} map
   * @param {(number: string) => void} onChoose
   */
  constructor(map, onChoose) {
    this.map = map;
    this.onChoose = onChoose;
    /** @type {Map<string, CaseFeature>} */
    this.cases = new Map();
    /** @type {Map<string, L.Marker>} */
    this.marks = new Map();
    this.layer = L.layerGroup().addTo(map);
    map.createPane("places").style.zIndex = "450"; // over the outlines, under the marks
    this.chosen = "";
    map.on("moveend", () => this.draw());
  }

  /** Draw districts and streets, and the grid around the middle when close. */
  async drawOutline(address, nearAddress) {
    this.nearAddress = nearAddress;
    this.outline = drawAreas(await fetchAreas(address), this.map, "places").bringToBack();
    this.grid = L.layerGroup().addTo(this.map);
    this.map.on("zoomend", () => this._showNames());
    this.map.on("moveend", () => this._drawGrid());
    this._showNames();
    this._drawGrid();
  }

  _showNames() {
    const zoom = this.map.getZoom();
    const scale = zoom < STREETS_ZOOM ? "city" : zoom < GRID_ZOOM ? "street" : "cell";
    this.map.getContainer().dataset.scale = scale;
  }

  async _drawGrid() {
    if (this.map.getZoom() < GRID_ZOOM) return;
    const at = this.map.getCenter();
    if (this.gridAt && this.gridAt.distanceTo(at) < FAR_M) return;
    this.gridAt = at;
    const near = await fetchAreas(`${this.nearAddress}?lon=${at.lng}&lat=${at.lat}`);
    if (at !== this.gridAt) return;
    this.grid.clearLayers();
    drawAreas(near, this.grid, "places");
  }

  /** Take the columns of all open cases, or of the asked `numbers`: those missing have left. */
  take(columns, numbers) {
    if (numbers) numbers.forEach((number) => this.cases.delete(number));
    else this.cases.clear();
    columns.number.forEach((number, i) => {
      const properties = {
        number,
        kind: columns.kind[i],
        light: columns.light[i],
        stage: columns.stage[i],
      };
      this.cases.set(number, {
        type: "Feature",
        properties,
        geometry: { type: "Point", coordinates: [columns.lon[i], columns.lat[i]] },
      });
    });
    this.index = new Supercluster({
      radius: CLUSTER_PX,
      extent: 256, // the size of Leaflet's tiles, so that the radius is in its pixels
      maxZoom: DEEPEST_CLUSTER,
      map: ({ light }) => ({ late: light === "late" ? 1 : 0, soon: light === "soon" ? 1 : 0 }),
      reduce: (all, one) => {
        all.late += one.late;
        all.soon += one.soon;
      },
    }).load([...this.cases.values()]);
    this.draw();
  }

  /** Draw what the window shows; marks that stay the same are left alone. */
  draw() {
    if (!this.index) return;
    const bounds = this.map.getBounds().pad(0.2);
    /** @type {BBox} */
    const box = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
    const shown = new Set();
    /** @type {PointFeature<Marked>[]} */
    const features = this.index.getClusters(box, Math.round(this.map.getZoom()));
    const isAlone = features.some(({ properties: p }) => p.number === this.chosen);
    const chosen = this.cases.get(this.chosen);
    if (chosen && !isAlone) features.push({ ...chosen, properties: { isInCluster: true } });
    for (const feature of features) {
      const key = this._key(feature);
      shown.add(key);
      if (!this.marks.has(key)) this.marks.set(key, this._mark(feature).addTo(this.layer));
    }
    for (const [key, mark] of this.marks) {
      if (shown.has(key)) continue;
      mark.remove();
      this.marks.delete(key);
    }
  }

  _key({ properties: p, geometry }) {
    if (p.isInCluster) return `chosen@${geometry.coordinates.join(",")}`;
    const what = p.cluster
      ? `${p.point_count}/${p.late}/${p.soon}`
      : `${p.number}/${p.light}/${p.stage}/${p.number === this.chosen}`;
    return `${what}@${geometry.coordinates.join(",")}`;
  }

  _mark({ properties: p, geometry }) {
    const at = L.latLng(geometry.coordinates[1], geometry.coordinates[0]);
    if (p.isInCluster) {
      const icon = L.divIcon({ className: "chosen-ring", iconSize: [28, 28] });
      return L.marker(at, { icon, interactive: false, keyboard: false, zIndexOffset: 1000 });
    }
    if (p.cluster) {
      const icon = clusterIcon(p);
      const mark = L.marker(at, { icon, alt: String(p.point_count), keyboard: false });
      const deeper = () => Math.min(this.index.getClusterExpansionZoom(p.cluster_id), 19);
      return mark.on("click", () => this.map.setView(at, deeper()));
    }
    const icon = markIcon(p, p.number === this.chosen);
    const zIndexOffset = { late: 200, soon: 100 }[p.light] ?? 0;
    // No stop of the Tab key: the queue is the way in for a keyboard.
    const options = { icon, title: p.number, alt: p.number, zIndexOffset, keyboard: false };
    const mark = L.marker(at, options);
    mark.on("add", () => {
      mark.getElement().dataset.case = p.number;
      mark.getElement().dataset.stage = p.stage;
    });
    return mark.on("click", () => this.onChoose(p.number));
  }

  choose(number) {
    this.chosen = number;
    this.draw();
  }

  /** Bring the chosen case into view. */
  centre() {
    const found = this.cases.get(this.chosen);
    if (!found) return;
    const [lon, lat] = found.geometry.coordinates;
    this.map.setView([lat, lon], Math.max(this.map.getZoom(), DEEPEST_CLUSTER + 1));
  }

  /** Show every open case; the city where there is none. */
  fit() {
    const points = [...this.cases.values()].map(({ geometry }) => geometry.coordinates);
    const bounds = points.length
      ? L.latLngBounds(points.map(([lon, lat]) => [lat, lon])).pad(0.1)
      : this.outline?.getBounds();
    if (bounds?.isValid()) this.map.fitBounds(bounds, { maxZoom: 15 });
  }
}
