// The registered components of what the map shows, as small dots once it is close.

import { boxAround } from "./grid.js";

const LEAST_ZOOM = 17;
const MARGIN = 0.1;

export class Components {
  /**
   * @param {L.Map} map
   * @param {HTMLElement} box its data-components is the address of the feed; words stand beside it
   * @param {(words: string) => void} say
   */
  constructor(map, box, say) {
    this.map = map;
    this.words = box.dataset;
    this.say = say;
    map.createPane("components").style.zIndex = "420"; // over the outlines, under names and cases
    this.canvas = L.canvas({ pane: "components" });
    this.layer = L.layerGroup();
    map.on("moveend", () => this._load());
  }

  /** @param {boolean} on */
  show(on) {
    if (on) this.layer.addTo(this.map);
    else {
      this.layer.remove();
      this.say("");
    }
    this._load();
  }

  async _load() {
    if (!this.map.hasLayer(this.layer)) return;
    if (this.map.getZoom() < LEAST_ZOOM) {
      this.layer.clearLayers();
      this.loaded = null;
      this.say(this.words.closer);
      return;
    }
    if (this.loaded?.contains(this.map.getBounds())) return;
    const { bounds, text } = boxAround(this.map, MARGIN);
    this.loaded = bounds;
    const answer = await fetch(`${this.words.components}?box=${text}`).catch(() => null);
    const found = answer?.ok ? await answer.json().catch(() => null) : null;
    if (bounds !== this.loaded) return;
    if (found === null) {
      this.loaded = null;
      this.say(this.words.unanswered);
      return;
    }
    this._draw(found);
  }

  _draw(found) {
    const style = getComputedStyle(this.map.getContainer());
    const [ink, card] = ["--ink", "--card"].map((name) => style.getPropertyValue(name).trim());
    this.layer.clearLayers();
    found.code.forEach((code, i) => {
      const isWhole = found.state[i] === "intact";
      L.circleMarker([found.lat[i], found.lon[i]], {
        renderer: this.canvas,
        radius: 5,
        weight: 2,
        color: ink,
        fillColor: isWhole ? card : ink, // solid: something is wrong with it
        fillOpacity: 1,
      })
        .bindTooltip(() => this._name(found, i), { direction: "top" })
        .on("click", () => open(this.words.component.replace("CODE", code), "_blank", "noopener"))
        .addTo(this.layer);
    });
    const left = found.not_shown;
    this.say(left ? this.words.cut.replace("{n}", String(left)) : "");
  }

  _name(found, i) {
    const said = document.createElement("span");
    const state = this.words[`state_${found.state[i]}`] ?? found.state[i];
    said.textContent = `${found.name[i]} ${found.code[i]} · ${state}`;
    return said;
  }
}
