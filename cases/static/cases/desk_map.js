// The map of the desk: outlines, and the open cases as marks, clustered.

import { Cards } from "./map/cards.js";
import { Layers } from "./map/layers.js";
import { caseIcon, chosenRing, clusterIcon } from "./map/marks.js";
import { drawAreas, fetchAreas } from "./outline.js";

/** @import {BBox} from "geojson" */
/** @import {ClusterProperties, PointFeature} from "supercluster" */

const STREETS_ZOOM = 12;
const GRID_ZOOM = 15;
const LEAST_ZOOM = 9;
const DEEPEST_ZOOM = 19; // cases that lie together even there are listed
const CLOSE_ZOOM = 18;
const CLUSTER_PX = 60;
const MARGIN = 0.3; // drawn around the window, in its own size
const MOST_BUSY = 8; // changes are gathered for so many times as long as drawing the last ones took
const REBUILD_MS = 100; // and for so long at least
const PAN_PX = 120;
const KEPT = "desk-follow";
const WORST_FIRST = ["late", "soon", "normal", "paused"];

/**
 * An open case, as Supercluster takes it.
 * @typedef {{number: string, kind: string, light: string, stage: string,
 *   isSupervised: boolean, isUnsigned: boolean}} Shown
 * @typedef {PointFeature<Shown>} CaseFeature
 *
 * What a mark stands for: a case or a cluster.
 * @typedef {Partial<Shown & ClusterProperties & {late: number, soon: number, paused: number}>} Marked
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
    /** @type {Set<string>} open cases without a point */
    this.placeless = new Set();
    this.notShown = 0; // how many more are open than a map takes
    /** @type {Map<string, L.Marker>} by what they look like and where */
    this.marks = new Map();
    this.layer = L.layerGroup().addTo(map);
    map.createPane("places").style.zIndex = "450"; // over the outlines, under the marks
    this.chosen = "";
    this.isOfView = false;
    this.drawAgainAt = 0; // not before, for changes alone
    map.on("moveend", () => this.draw());
    map.on("move", () => this._drawAhead());
    map.on("zoomstart", () => (this.isZooming = true));
    map.on("zoomend", () => (this.isZooming = false));
    const box = map.getContainer().closest(".desk-map");
    if (box) this._furnish(/** @type {HTMLElement} */ (box));
  }

  /** Bind what stands around the map in its section. */
  _furnish(box) {
    this.cards = new Cards(this.map, box, this.onChoose);
    const ofView = { show: (on) => this._showView(on) };
    this.layers = new Layers(this.map, box.querySelector(".map-layers"), [["of_view", ofView]]);
    this.counts = box.querySelector(".map-counts");
    this.map.zoomControl?.remove(); // its words are English
    const tools = box.querySelector(".map-tools");
    L.DomEvent.disableClickPropagation(tools).disableScrollPropagation(tools);
    const acts = {
      in: () => this.zoomBy(1),
      out: () => this.zoomBy(-1),
      fit: () => this.fit(),
      list: (button) => this._listInSight(button),
    };
    for (const button of tools.querySelectorAll("button[data-map]"))
      button.addEventListener("click", () => acts[button.dataset.map](button));
    this.follower = tools.querySelector("input[name=follow]");
    this.follower.addEventListener("change", () => this.follow(this.follower.checked));
    this.follow(localStorage.getItem(KEPT) === "on");
  }

  /** Draw districts and streets, and the grid around the middle when close. */
  async drawOutline(address) {
    this.outline = drawAreas(await fetchAreas(address), this.map, "places").bringToBack();
    this.map.on("zoomend", () => this._showNames());
    this._showNames();
  }

  _showNames() {
    const zoom = this.map.getZoom();
    const scale = zoom < STREETS_ZOOM ? "city" : zoom < GRID_ZOOM ? "street" : "cell";
    this.map.getContainer().dataset.scale = scale;
  }

  /** Whether only the cases of the desk's view are shown; the page loads them. */
  _showView(on) {
    if (on === this.isOfView) return;
    this.isOfView = on;
    document.dispatchEvent(new Event("map-scope"));
  }

  /** Let a layer be chosen beside the others, under a name that stands in the layers' box. */
  addOverlay(name, layer) {
    this.layers.addOverlay(name, layer);
  }

  /**
   * Take the columns of all open cases, or of the asked `numbers`: those missing have left, and so
   * have those that lost their point. Returns a promise of the moment they are drawn.
   */
  take(columns, numbers) {
    if (numbers) {
      for (const number of numbers) {
        this.cases.delete(number);
        this.placeless.delete(number);
      }
    } else {
      this.cases.clear();
      this.placeless.clear();
      this.notShown = columns.not_shown ?? 0;
    }
    columns.number.forEach((number, i) => {
      const properties = {
        number,
        kind: columns.kind[i],
        light: columns.light[i],
        stage: columns.stage[i],
        isSupervised: Boolean(columns.supervised?.[i]),
        isUnsigned: Boolean(columns.unacknowledged?.[i]),
      };
      this.cases.set(number, {
        type: "Feature",
        properties,
        geometry: { type: "Point", coordinates: [columns.lon[i], columns.lat[i]] },
      });
    });
    columns.placeless?.forEach((number) => this.placeless.add(number));
    this.isChanged = true;
    return this._drawSoon();
  }

  /** How many are on the map, have no place, and are more than the map takes: together all. */
  get totals() {
    return { map: this.cases.size, placeless: this.placeless.size, notShown: this.notShown };
  }

  _drawSoon() {
    if (this.drawing) return this.drawing;
    const wait = this.drawAgainAt - performance.now();
    if (wait <= 0) {
      this.draw();
      return Promise.resolve();
    }
    this.drawing = new Promise((resolve) => {
      setTimeout(() => {
        this.drawing = null;
        this.draw();
        resolve();
      }, wait);
    });
    return this.drawing;
  }

  _rebuild() {
    this.isChanged = false;
    this.index = new Supercluster({
      radius: CLUSTER_PX,
      extent: 256, // the size of Leaflet's tiles, so that the radius is in its pixels
      minZoom: LEAST_ZOOM,
      maxZoom: DEEPEST_ZOOM,
      map: ({ light }) => ({
        late: light === "late" ? 1 : 0,
        soon: light === "soon" ? 1 : 0,
        paused: light === "paused" ? 1 : 0,
      }),
      reduce: (all, one) => {
        all.late += one.late;
        all.soon += one.soon;
        all.paused += one.paused;
      },
    }).load([...this.cases.values()]);
    this._sayCounts();
  }

  _sayCounts() {
    if (!this.counts) return;
    const { map, placeless, notShown } = this.totals;
    for (const said of this.counts.querySelectorAll("[data-count]")) {
      const n = { map, placeless, cut: notShown }[said.dataset.count];
      said.textContent = said.dataset.words.replace("{n}", String(n));
      said.hidden = n === 0 && said.dataset.count !== "map";
    }
  }

  /** @param {L.LatLngBounds} bounds */
  _within(bounds) {
    /** @type {BBox} */
    const box = [bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()];
    const zoom = Math.round(this.map.getZoom());
    return /** @type {PointFeature<Marked>[]} */ (this.index.getClusters(box, zoom));
  }

  /** While the map is dragged, draw again when what was drawn ahead is used up. */
  _drawAhead() {
    if (this.isZooming || !this.drawn || this.drawn.contains(this.map.getBounds())) return;
    this.draw();
  }

  /** Draw what the window shows; marks that stay are left alone, others become new ones. */
  draw() {
    if (!this.isChanged && !this.index) return;
    const begun = performance.now();
    const isRebuilt = this.isChanged;
    if (isRebuilt) this._rebuild();
    this.drawn = this.map.getBounds().pad(MARGIN);
    const wanted = new Map(this._within(this.drawn).map((one) => [this._key(one), one]));
    const spare = [];
    for (const [key, mark] of this.marks) {
      if (wanted.has(key)) continue;
      this.marks.delete(key);
      spare.push(mark);
    }
    let isAlone = false;
    for (const [key, feature] of wanted) {
      isAlone = isAlone || feature.properties.number === this.chosen;
      if (!this.marks.has(key)) this.marks.set(key, this._dress(spare.pop(), feature));
    }
    spare.forEach((mark) => mark.remove());
    this._ring(isAlone ? null : this.cases.get(this.chosen));
    if (isRebuilt) {
      const now = performance.now();
      this.drawAgainAt = now + Math.max(REBUILD_MS, MOST_BUSY * (now - begun));
    }
    document.dispatchEvent(new CustomEvent("map-painted", { detail: this.totals }));
  }

  /** Mark where the chosen case lies within its cluster. */
  _ring(feature) {
    this.ring?.remove();
    if (!feature) return;
    const [lon, lat] = feature.geometry.coordinates;
    const options = { icon: chosenRing(), interactive: false, keyboard: false, zIndexOffset: 1000 };
    this.ring = L.marker([lat, lon], options).addTo(this.layer);
  }

  _key({ properties: p, geometry }) {
    const what = p.cluster
      ? `${p.cluster_id}/${p.point_count}/${p.late}/${p.soon}/${p.paused}`
      : `${p.number}/${p.light}/${p.stage}/${p.isSupervised}/${p.number === this.chosen}`;
    return `${what}@${geometry.coordinates.join(",")}`;
  }

  /** Make a mark that is no longer needed, or a new one, look like this. */
  _dress(mark = this._newMark(), feature) {
    const { properties: p, geometry } = feature;
    const isChosen = p.number === this.chosen;
    mark.feature = feature;
    mark.setLatLng([geometry.coordinates[1], geometry.coordinates[0]]);
    mark.setIcon(p.cluster ? clusterIcon(p) : caseIcon(p, isChosen));
    const light = p.cluster ? (p.late ? "late" : p.soon ? "soon" : "normal") : p.light;
    mark.setZIndexOffset((isChosen ? 1000 : 0) + ({ late: 200, soon: 100 }[light] ?? 0));
    mark.addTo(this.layer);
    const { dataset } = mark.getElement();
    dataset.light = light; // of a cluster the worst
    for (const [name, value] of [["case", p.number], ["stage", p.stage]]) {
      if (value) dataset[name] = value;
      else delete dataset[name];
    }
    return mark;
  }

  _newMark() {
    // No stop of the Tab key: the queue is the way in for a keyboard.
    const mark = L.marker([0, 0], { icon: chosenRing(), keyboard: false });
    mark.on("click", () => this._press(mark));
    mark.on("mouseover", () => {
      const { number } = mark.feature.properties;
      if (number) this.cards?.hover(number, mark.getLatLng());
    });
    mark.on("mouseout", () => this.cards?.leave());
    return mark;
  }

  _press(mark) {
    const { number, cluster_id: cluster } = mark.feature.properties;
    if (number) {
      this.cards?.hide();
      this.onChoose(number);
      return;
    }
    const at = mark.getLatLng();
    const zoom = this.index.getClusterExpansionZoom(cluster);
    this.map.setView(at, Math.min(zoom, DEEPEST_ZOOM), { animate: zoom <= DEEPEST_ZOOM });
    if (zoom <= DEEPEST_ZOOM) return;
    this.cards?.open(this._numbersOf(mark.feature), at, this.map.getContainer());
  }

  /** The cases a mark stands for. */
  _numbersOf({ properties: p }) {
    if (!p.cluster) return [p.number];
    const leaves = this.index.getLeaves(p.cluster_id, Infinity);
    return this._worstFirst(leaves.map((leaf) => leaf.properties));
  }

  _worstFirst(cases) {
    const rank = ({ light }) => WORST_FIRST.indexOf(light);
    return [...cases].sort((a, b) => rank(a) - rank(b)).map(({ number }) => number);
  }

  /** List the cases the window shows: the same for a keyboard as pressing each mark. */
  _listInSight(button) {
    const bounds = this.map.getBounds();
    const inSight = [...this.cases.values()].filter(({ geometry }) =>
      bounds.contains([geometry.coordinates[1], geometry.coordinates[0]]),
    );
    const numbers = this._worstFirst(inSight.map(({ properties }) => properties));
    const beside = this.map.containerPointToLatLng([button.parentElement.offsetLeft, 40]);
    this.cards.open(numbers, beside, button);
  }

  choose(number) {
    this.chosen = number;
    this.draw();
    if (this.isFollowing) this._bringIn();
  }

  /** Whether the map moves to what is chosen; it never moves by itself otherwise. */
  follow(on) {
    this.isFollowing = on;
    localStorage.setItem(KEPT, on ? "on" : "off");
    if (this.follower) this.follower.checked = on;
    if (on) this._bringIn();
  }

  _bringIn() {
    const at = this._chosenAt();
    if (at && !this.map.getBounds().pad(-0.15).contains(at)) this.map.panTo(at);
  }

  _chosenAt() {
    const found = this.cases.get(this.chosen);
    return found && L.latLng(found.geometry.coordinates[1], found.geometry.coordinates[0]);
  }

  zoomBy(n) {
    this.map.setZoom(this.map.getZoom() + n);
  }

  /** Move by steps: `panBy(1, 0)` shows what lies to the right. */
  panBy(x, y) {
    this.map.panBy([x * PAN_PX, y * PAN_PX]);
  }

  /** Bring the chosen case into view. */
  centre() {
    const at = this._chosenAt();
    if (at) this.map.setView(at, Math.max(this.map.getZoom(), CLOSE_ZOOM));
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
