// What lies under and beside the cases: base map, grid, components, and overlays of others.
// What is shown is kept in this browser.

import { Components } from "./components.js";
import { Grid } from "./grid.js";

const KEPT = "desk-layers";
const HOSTS = "01234567"; // t0 … t7
const DEEPEST_TILE = 18;
const FAILURES = 4; // tiles one after the other, before the base map is given up
const PATIENCE_MS = 12_000; // and how long the first may take
const isEnglish = document.documentElement.lang.startsWith("en");
// 天地图: lines and names; CGCS2000, which is WGS-84 to a screen.
const BASES = { map: ["vec", isEnglish ? "eva" : "cva"], imagery: ["img", "cia"] };

const tileAddress = (layer, key) =>
  `https://t{s}.tianditu.gov.cn/${layer}_w/wmts?SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0` +
  `&LAYER=${layer}&STYLE=default&TILEMATRIXSET=w&FORMAT=tiles` +
  `&TILEMATRIX={z}&TILEROW={y}&TILECOL={x}&tk=${encodeURIComponent(key)}`;

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {}; // not ours
  }
}

export class Layers {
  /**
   * @param {L.Map} map
   * @param {HTMLDetailsElement} box the choice; its data- attributes hold addresses, words and the key
   * @param {[string, {show(on: boolean): void}][]} more what else is chosen there
   */
  constructor(map, box, more) {
    this.map = map;
    this.box = box;
    this.said = box.querySelector("[role=status]");
    this.kept = read();
    map.createPane("base").style.zIndex = "150";
    this.base = L.layerGroup().addTo(map);
    this.overlays = new Map(
      /** @type {[string, {show(on: boolean): void}][]} */ ([
        ["grid", new Grid(map, box.dataset.near)],
        ["components", new Components(map, box, (words) => this._say(words))],
        ...more,
      ]),
    );
    for (const input of this._inputs()) {
      if (input.type === "radio") input.checked = input.value === this._wantedBase();
      else input.checked = this.kept[input.value] ?? input.defaultChecked;
    }
    box.addEventListener("change", ({ target }) => {
      const input = /** @type {HTMLInputElement} */ (target);
      this.kept[input.type === "radio" ? "base" : input.value] =
        input.type === "radio" ? input.value : input.checked;
      localStorage.setItem(KEPT, JSON.stringify(this.kept));
      if (input.type === "radio") this._showBase(input.value);
      else this.overlays.get(input.value)?.show(input.checked);
    });
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !box.open) return;
      event.stopPropagation();
      box.open = false;
      box.querySelector("summary").focus();
    });
    map.on("mousedown", () => (box.open = false));
    this._showBase(this._wantedBase());
    for (const [name, overlay] of this.overlays) overlay.show(this._isWanted(name));
  }

  /** @returns {HTMLInputElement[]} */
  _inputs() {
    return [...this.box.querySelectorAll("input")];
  }

  _input(value) {
    return this._inputs().find((input) => input.value === value);
  }

  _isWanted(name) {
    return this._input(name)?.checked ?? false;
  }

  _wantedBase() {
    const wanted = this.kept.base ?? "map";
    return this.box.dataset.tianditu && BASES[wanted] ? wanted : "none";
  }

  /**
   * Let a layer be chosen under a name the box has an entry for; it is shown if it was last time.
   * @param {string} name
   * @param {L.Layer} layer
   */
  addOverlay(name, layer) {
    const input = this._input(name);
    input.closest("label").hidden = false;
    const show = (on) => (on ? layer.addTo(this.map) : layer.remove());
    this.overlays.set(name, { show });
    show(input.checked);
  }

  _say(words) {
    this.said.textContent = words;
  }

  _showBase(name) {
    clearTimeout(this.patience);
    this.base.clearLayers();
    this._say("");
    const layers = this.box.dataset.tianditu ? (BASES[name] ?? []) : [];
    this.map.getContainer().classList.toggle("has-base", layers.length > 0);
    if (layers.length === 0) return;
    let failures = 0;
    const failed = () => {
      failures += 1;
      if (failures >= FAILURES) this._fallBack();
    };
    const loaded = () => {
      failures = 0;
      clearTimeout(this.patience);
    };
    for (const layer of layers) {
      const options = { subdomains: HOSTS, pane: "base", maxNativeZoom: DEEPEST_TILE, maxZoom: 19 };
      // The key may be bound to the address of this site, so its origin is told, and no more.
      /** @type {L.TileLayerOptions} */
      const asked = { ...options, referrerPolicy: "origin" };
      L.tileLayer(tileAddress(layer, this.box.dataset.tianditu), asked)
        .on("tileerror", failed)
        .on("tileload", loaded)
        .addTo(this.base);
    }
    this.patience = setTimeout(() => this._fallBack(), PATIENCE_MS);
  }

  /** Without tiles the outlines and the grid are the map; the base map comes back when chosen. */
  _fallBack() {
    this._showBase("none");
    this._input("none").checked = true;
    this._input("grid").checked = true;
    this.overlays.get("grid").show(true);
    this._say(this.box.dataset.fallen);
  }
}
