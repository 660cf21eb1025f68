// Heat on a map: places coloured by how many cases were counted there, with a legend in numbers.

/** @import {FeatureCollection, Feature} from "geojson" */

const CELL_ZOOM = 14; // from here on cells, farther off communities
const TILE_ZOOM = 14; // the tiles cells come in
const SNAP = 0.02; // degrees: windows are asked for in steps, so that most are asked for once
const WAIT_MS = 200; // after the map has moved
const AGAIN_MS = 60_000; // counts go on while one looks
const MOST = 10; // places listed for those who cannot point at them
const isEnglish = document.documentElement.lang.startsWith("en");
const language = isEnglish ? "en" : "zh";

/**
 * Counts as the server gives them, in columns.
 * @typedef {{level: string, place: string[], n: number[], step: number[], area: string[],
 *   first: string, last: string, total: number, elsewhere: number, areas_version: string,
 *   scales: Record<string, [number, number, number][]>,
 *   areas: Record<string, Record<string, string>>}} Counts
 */

const tileOf = ({ lat, lng }) => {
  const n = 2 ** TILE_ZOOM;
  const rad = (lat * Math.PI) / 180;
  return {
    x: Math.floor(((lng + 180) / 360) * n),
    y: Math.floor(((1 - Math.asinh(Math.tan(rad)) / Math.PI) / 2) * n),
  };
};

/** Colours places on a map; `layer` is what a choice of layers puts on and takes off. */
export class Heat {
  /**
   * @param {L.Map} map
   * @param {HTMLElement} box holds the choices and the legend; its data- attributes addresses and words
   */
  constructor(map, box) {
    this.map = map;
    this.box = box;
    this.until = ""; // the last day counted; empty for today
    /** @type {Map<string, Promise<FeatureCollection>>} by address */
    this.outlines = new Map();
    /** @type {Map<string, {n: number, step: number}>} */
    this.counts = new Map();
    this.turn = 0; // tells a late answer from the last one asked for
    map.createPane("heat").style.zIndex = "350"; // under the outlines and the marks
    const renderer = L.canvas({ pane: "heat", padding: 0.3 });
    this.places = L.geoJSON(null, {
      pane: "heat",
      // @ts-ignore -- Leaflet takes it as an option of every path
      renderer,
      style: (feature) => this._style(feature),
    });
    this.places.bindTooltip((layer) => this._words(/** @type {any} */ (layer).feature), { sticky: true });
    this.places.bindPopup((layer) => this._card(/** @type {any} */ (layer).feature));
    this.layer = L.layerGroup([this.places]);
    this.layer.on("add", () => this._show());
    this.layer.on("remove", () => this._hide());
    map.on("moveend", () => this._soon());
    box.addEventListener("change", () => this.load());
    L.DomEvent.disableClickPropagation(box).disableScrollPropagation(box);
    matchMedia("(prefers-color-scheme: dark)").addListener(() => this._repaint());
  }

  /** Count up to a day, 2026-10-03, instead of today. */
  endAt(day) {
    this.until = day;
    this.load();
  }

  get isShown() {
    return this.map.hasLayer(this.layer);
  }

  _show() {
    this.box.hidden = false;
    this.load();
    this.clock = setInterval(() => document.hidden || this.load(), AGAIN_MS);
  }

  _hide() {
    this.box.hidden = true;
    clearInterval(this.clock);
  }

  _soon() {
    clearTimeout(this.waiting);
    if (this.isShown) this.waiting = setTimeout(() => this.load(), WAIT_MS);
  }

  _chosen(name) {
    return /** @type {HTMLSelectElement} */ (this.box.querySelector(`select[name=${name}]`)).value;
  }

  /** The days counted, as the server takes them. */
  get period() {
    const name = this._chosen("period");
    if (!this.until) return name;
    const last = new Date(`${this.until}T00:00:00Z`);
    const first = new Date(last.getTime() - (parseInt(name, 10) - 1) * 86_400_000);
    return `${first.toISOString().slice(0, 10)}..${this.until}`;
  }

  /** Ask for the counts of the window and colour it. */
  async load() {
    if (!this.isShown) return;
    this.turn += 1;
    const turn = this.turn;
    const zoom = Math.round(this.map.getZoom());
    const query = new URLSearchParams({
      count: this._chosen("count"),
      period: this.period,
      category: this._chosen("category"),
      zoom: String(zoom),
    });
    if (zoom >= CELL_ZOOM) query.set("bbox", this._window());
    try {
      const answer = await fetch(`${this.box.dataset.address}?${query}`);
      if (!answer.ok) throw new Error(`heat: ${answer.status}`);
      /** @type {Counts} */
      const counts = await answer.json();
      const outlines = await this._outlines(counts);
      if (turn === this.turn && this.isShown) this._draw(counts, outlines);
    } catch {
      if (turn === this.turn) this._say(this.box.dataset.failed);
    }
  }

  _window() {
    const bounds = this.map.getBounds();
    const down = (n) => Math.floor(n / SNAP) * SNAP;
    const [west, south] = [down(bounds.getWest()), down(bounds.getSouth())];
    const [east, north] = [down(bounds.getEast()) + SNAP, down(bounds.getNorth()) + SNAP];
    return [west, south, east, north].map((n) => n.toFixed(2)).join(",");
  }

  /** The outlines of the places counted: communities all at once, cells in tiles. */
  async _outlines({ level, areas_version: version }) {
    const base = `${this.box.dataset.areas}?v=${encodeURIComponent(version)}`;
    if (level === "community") return (await this._fetched(base)).features;
    const bounds = this.map.getBounds();
    const [from, to] = [tileOf(bounds.getNorthWest()), tileOf(bounds.getSouthEast())];
    const wanted = [];
    for (let x = from.x; x <= to.x; x += 1)
      for (let y = from.y; y <= to.y; y += 1) wanted.push(this._fetched(`${base}&x=${x}&y=${y}`));
    return (await Promise.all(wanted)).map(({ features }) => features).flat();
  }

  _fetched(address) {
    if (!this.outlines.has(address)) {
      const found = fetch(address).then((answer) => {
        if (!answer.ok) throw new Error(`areas: ${answer.status}`);
        return answer.json();
      });
      found.catch(() => this.outlines.delete(address));
      this.outlines.set(address, found);
    }
    return this.outlines.get(address);
  }

  /**
   * @param {Counts} counts
   * @param {Feature[]} outlines
   */
  _draw(counts, outlines) {
    this.counts.clear();
    counts.place.forEach((code, i) => this.counts.set(code, { n: counts.n[i], step: counts.step[i] }));
    const open = /** @type {any} */ (this.map)._popup?.isOpen() && this.map.hasLayer(this.places);
    if (!open) this.places.closePopup();
    this._paint();
    const wanted = outlines.filter(({ properties }) => this.counts.has(properties.code));
    this.places.clearLayers();
    this.places.addData(/** @type {FeatureCollection} */ ({ type: "FeatureCollection", features: wanted }));
    this._tell(counts, outlines);
  }

  /** Read the colours off the style sheet: a canvas knows no classes. */
  _paint() {
    const style = getComputedStyle(document.documentElement);
    this.colours = [1, 2, 3, 4, 5].map((step) => style.getPropertyValue(`--heat-${step}`).trim());
    this.edge = style.getPropertyValue("--control").trim();
  }

  _repaint() {
    this._paint();
    this.places.setStyle((feature) => this._style(feature));
  }

  _style({ properties }) {
    const { step } = this.counts.get(properties.code);
    const fillColor = this.colours[step - 1];
    return { color: this.edge, weight: 1, fillColor, fillOpacity: 0.78 };
  }

  _name({ properties }) {
    const own = properties[language];
    const cell = properties.code.length === 15 ? `${this.box.dataset.cell} ${own}` : own;
    return properties.around ? `${properties.around} · ${cell}` : cell;
  }

  _words(feature) {
    const words = document.createElement("span");
    words.textContent = `${this._name(feature)}: ${this.counts.get(feature.properties.code).n}`;
    return words;
  }

  _card(feature) {
    const card = document.createElement("p");
    const link = document.createElement("a");
    link.href = this._trend(feature.properties.code);
    link.textContent = this.box.dataset.link;
    card.append(this._words(feature), document.createElement("br"), link);
    return card;
  }

  _trend(place) {
    const query = { place, period: this.period, category: this._chosen("category") };
    return `${this.box.dataset.trend}?${new URLSearchParams(query)}`;
  }

  /** Say in numbers and words what the colours mean, and how much they do not show. */
  _tell(counts, outlines) {
    const area = this._commonest(counts.area);
    const steps = this.box.querySelector(".heat-steps");
    steps.textContent = "";
    for (const [from, to, step] of counts.scales[area] ?? []) {
      const item = document.createElement("li");
      item.className = `is-${step}`;
      item.textContent = from === to ? String(from) : `${from}–${to}`;
      steps.append(item);
    }
    this.box.querySelector(".heat-area").textContent = counts.areas[area]?.[language] ?? "";
    this._list(outlines);
    const { range, total, none } = this.box.dataset;
    const days = range.replace("{from}", counts.first).replace("{to}", counts.last);
    const words = total.replace("{n}", String(counts.total)).replace("{rest}", String(counts.elsewhere));
    this._say(`${days} · ${counts.total ? words : none}`);
  }

  /** The built-up area most places in sight belong to: its scale is the one shown. */
  _commonest(areas) {
    const many = new Map();
    for (const area of areas) many.set(area, (many.get(area) ?? 0) + 1);
    return [...many].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
  }

  _list(outlines) {
    const list = this.box.querySelector(".heat-places");
    list.textContent = "";
    const n = (feature) => this.counts.get(feature.properties.code)?.n ?? 0;
    const most = [...outlines].sort((a, b) => n(b) - n(a)).slice(0, MOST);
    for (const feature of most.filter((one) => n(one) > 0)) {
      const link = document.createElement("a");
      link.href = this._trend(feature.properties.code);
      link.textContent = `${this._name(feature)}: ${n(feature)}`;
      const item = document.createElement("li");
      item.append(link);
      list.append(item);
    }
  }

  _say(words) {
    this.box.querySelector(".heat-said").textContent = words;
  }
}
