// The place of a report: found by the phone, or chosen by the person, named and drawn at once.

import { Locator, ROUGH_M } from "./locate.js";
import { MiniMap } from "./mini_map.js";

const time = () => new Date().toTimeString().slice(0, 5);

export class Place {
  /**
   * @param {HTMLFormElement} form
   * @param {() => void} changed called when the place is another one, or is named
   */
  constructor(form, changed) {
    this.changed = changed;
    /** @type {(fix: import("./locate.js").Fix) => void} */
    this.onFix = () => {};
    this.onChosen = () => {};
    this.isHeld = () => false; // whether the place stays as it is, whatever is found
    this.fix = form.querySelector("#fix");
    this.where = form.querySelector("#where");
    this.box = form.querySelector("#mini");
    this.change = form.querySelector("#change-place");
    /** @type {HTMLDetailsElement} */
    this.degrees = form.querySelector("#degrees");
    /** @type {HTMLInputElement} */
    this.lon = form.querySelector("#id_lon");
    /** @type {HTMLInputElement} */
    this.lat = form.querySelector("#id_lat");
    /** @type {HTMLInputElement} */
    this.accuracy = form.querySelector("#id_accuracy_m");
    this.miniMap = new MiniMap(this.box);
    /** Whether the person chose the place: then no position found later replaces it. */
    this.isChosen = false;
    this.named = {};
    this.locator = new Locator((at) => this._found(at), () => this.isThere || this._say("none"));
    this.change.hidden = false;
    this.change.addEventListener("click", () => this._pick());
    this.box.addEventListener("click", () => this._pick());
    this.degrees.open = this.degrees.querySelector("[aria-invalid=true]") !== null;
    for (const input of [this.lon, this.lat]) {
      input.addEventListener("input", () => this._typed());
      input.addEventListener("change", () => this.show());
    }
  }

  /** Whether longitude and latitude are there and can be. */
  get isThere() {
    return [this.lon, this.lat].every((input) => input.value !== "" && input.validity.valid);
  }

  get point() {
    return this.isThere ? { lon: Number(this.lon.value), lat: Number(this.lat.value) } : null;
  }

  get words() {
    return this.named.words ?? "";
  }

  /** Begin with what the page was given, or search. */
  start() {
    if (this.isThere) {
      this.isChosen = true;
      const by = this.accuracy.value ? "found" : "typed";
      this._say("given" in this.fix.dataset ? "given" : by, this.accuracy.value);
      this.show();
    } else this._say("wait");
    this.locator.start();
  }

  /** Show a place kept in a draft. */
  restore({ lon, lat, accuracy_m, is_chosen }) {
    if (!lon || !lat) return;
    this._put(Number(lon), Number(lat), accuracy_m);
    this.isChosen = Boolean(is_chosen);
    this._say(accuracy_m ? (accuracy_m > ROUGH_M ? "rough" : "found") : "picked", accuracy_m);
  }

  /** Say where the place is in words, and draw it. */
  show() {
    this.named = {};
    this.where.textContent = "";
    if (!this.isThere) return;
    this._draw();
    this._name();
    this.changed();
  }

  _found(at) {
    this.onFix(at);
    if (this.isChosen || (this.isThere && this.isHeld())) return;
    this._put(at.lon, at.lat, at.accuracy_m);
    this._say(at.accuracy_m > ROUGH_M ? "rough" : "found", at.accuracy_m);
  }

  _put(lon, lat, metres) {
    this.lon.value = lon.toFixed(7);
    this.lat.value = lat.toFixed(7);
    this.accuracy.value = metres || "";
    this.show();
  }

  _typed() {
    this.isChosen = true;
    this.accuracy.value = "";
    this._say("typed");
  }

  _say(kind, metres = "") {
    this.fix.textContent = this.fix.dataset[kind].replace("{m}", metres).replace("{at}", time());
    this.fix.classList.toggle("phone-rough", ["rough", "none", "mapless"].includes(kind));
  }

  _draw() {
    this.box.hidden = false;
    const { lon, lat } = this.point;
    this.miniMap.show(lon, lat, Number(this.accuracy.value), this.named.cell);
  }

  async _name() {
    this.asking?.abort();
    this.asking = new AbortController();
    const query = new URLSearchParams({ lon: this.lon.value, lat: this.lat.value });
    try {
      const address = `${this.where.dataset.locate}?${query}`;
      const answer = await fetch(address, { signal: this.asking.signal });
      this._called(answer.ok, await answer.json());
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "AbortError") this._called(false, {});
    }
  }

  _called(isKnown, place) {
    const parts = [place.street_name, place.community_name, place.grid_cell?.slice(-3)];
    const words = isKnown ? parts.filter(Boolean).join(" · ") : "";
    this.named = { words, cell: place.grid_cell };
    const { outside, unknown, strange } = this.where.dataset;
    const told = words && !this._isOwn(place) ? strange.replace("{place}", words) : words;
    this.where.textContent = told || (place.code === "outside_city" ? outside : unknown);
    this.where.classList.toggle("phone-rough", words === "");
    this._draw();
    this.changed();
  }

  /** Whether a place lies in the person's own grid; so does any for one who has none. */
  _isOwn({ grid_cell: cell, community }) {
    const own = this.where.dataset.own.split(" ");
    const place = cell ?? community;
    return own.some((digits) => place.startsWith(digits) || (!cell && digits.startsWith(place)));
  }

  async _pick() {
    const picker = await import("./place_picker.js").catch(() => null);
    if (!picker) {
      this.degrees.open = true; // no line: longitude and latitude can be entered
      this._say("mapless");
      return;
    }
    const picked = await picker.pickPlace(this.point, this.locator);
    this.change.focus();
    if (!picked) return;
    this.isChosen = true;
    this._put(picked.lon, picked.lat, picked.accuracy_m);
    this._say(picked.accuracy_m ? "found" : "picked", picked.accuracy_m);
    this.onChosen();
  }
}
