// The photo tiles of a report: take or choose, shrink, look at, take away.

import { sha256 } from "../queue/sha256.js";
import { LATE_FIX_MS, originOf, saidOf, withLateFix } from "./locate.js";
import { shrink } from "./shrink.js";

/** @import {Photo} from "types/queue" */

export class PhotoTiles {
  /**
   * @param {HTMLFormElement} form
   * @param {object} options
   * @param {import("./locate.js").Locator} options.locator
   * @param {() => void} options.opening called before the camera or the album opens
   * @param {() => void} options.changed
   * @param {boolean} options.isPlain the form posts its inputs itself, so they keep the files
   */
  constructor(form, { locator, opening, changed, isPlain }) {
    this.locator = locator;
    this.changed = changed;
    this.isPlain = isPlain;
    this.words = form.querySelector("#shots").dataset;
    /** @type {Map<string, Photo>} */
    this.taken = new Map();
    this.pending = new Set();
    this.tiles = [...form.querySelectorAll(".shot")];
    this.album = form.querySelector("#album");
    for (const tile of this.tiles) {
      const input = this._input(tile);
      input.addEventListener("click", (event) => this._isBusy(tile) && event.preventDefault());
      this._listen(input, opening, (file) => this._take(tile, file, originOf(file)));
    }
    const album = this.album.querySelector("input");
    this._listen(album, opening, (file) => this._take(this._freeTile(), file, "album"));
    this._showTiles();
  }

  /** The photos in the order of their tiles. */
  get photos() {
    return this.tiles.map((tile) => this.taken.get(tile.dataset.slot)).filter(Boolean);
  }

  /** Whether the first photo was taken a while ago: the person may have walked on since. */
  get isAged() {
    const times = this.photos.map(({ taken_at }) => Date.parse(taken_at)).filter(Boolean);
    return times.length > 0 && Date.now() - Math.min(...times) > LATE_FIX_MS;
  }

  /** Whether this tile has its photo, or the server has it already. */
  has(slot) {
    return this.taken.has(slot) || this._tile(slot).classList.contains("is-kept");
  }

  /** Resolve when no photo is being made smaller any more. */
  async settled() {
    while (this.pending.size > 0) await Promise.all(this.pending);
  }

  /** Give photos taken just before the position was found their place. */
  lateFix(fix) {
    for (const [slot, photo] of this.taken) this.taken.set(slot, withLateFix(photo, fix));
  }

  /** Show photos of a draft in their tiles again, but where one was taken meanwhile. */
  async restore(photos) {
    for (const photo of photos.filter(({ name }) => !this.taken.has(name))) {
      this._put(this._tile(photo.name), photo);
    }
    this._showTiles();
  }

  _tile = (slot) => this.tiles.find((tile) => tile.dataset.slot === slot);

  _input = (tile) => tile.querySelector("input[type=file]");

  _isBusy = (tile) => tile.classList.contains("is-busy");

  _isFree = (tile) => !this.taken.has(tile.dataset.slot) && !this._isBusy(tile);

  _freeTile = () => this.tiles.find((tile) => tile.dataset.slot !== "after" && this._isFree(tile));

  _listen(input, opening, take) {
    // The phone may end the page while its camera is open: what is entered is written down first.
    for (const kind of ["pointerdown", "keydown", "click"]) input.addEventListener(kind, opening);
    input.closest("label, .shot")?.addEventListener("pointerdown", opening);
    const taken = () => {
      const [file] = input.files;
      if (!this.isPlain || input.id === "album-input") input.value = "";
      if (file) take(file);
    };
    input.addEventListener("change", taken);
    taken(); // the camera may have been quicker than this script
  }

  async _take(tile, file, origin) {
    if (!tile) return;
    const work = this._make(tile, file, saidOf(origin, this.locator.fresh));
    this.pending.add(work);
    this._showTiles();
    await work;
    this.pending.delete(work);
    this._showTiles();
    this.changed();
  }

  async _make(tile, file, said) {
    this._say(tile, "");
    tile.classList.add("is-busy");
    try {
      const blob = await shrink(file);
      const bytes = await blob.arrayBuffer();
      const sha = await sha256(bytes);
      if (this.photos.some((photo) => photo.sha256 === sha)) {
        this._say(tile, this.words.twice);
        return;
      }
      const { slot, kind } = tile.dataset;
      this._put(tile, { name: slot, kind, blob: bytes, type: "image/jpeg", sha256: sha, ...said });
      if (this.isPlain) this._mirror(tile, blob);
    } catch {
      this._say(tile, this.words.unreadable);
    } finally {
      tile.classList.remove("is-busy");
    }
  }

  /** Let the form post the photos itself; tells whether it can: not every tile has a field for it. */
  giveBack() {
    const full = this.tiles.filter(({ dataset }) => this.taken.has(dataset.slot));
    if (!full.every((tile) => this._input(tile).name)) return false;
    for (const tile of full) this._mirror(tile, this.taken.get(tile.dataset.slot).blob);
    return true;
  }

  /** Let the form post the small photo instead of the large one. */
  _mirror(tile, blob) {
    const files = new DataTransfer();
    files.items.add(new File([blob], `${tile.dataset.slot}.jpg`, { type: "image/jpeg" }));
    this._input(tile).files = files.files;
  }

  _put(tile, photo) {
    const { slot, name } = tile.dataset;
    this._clear(tile);
    this.taken.set(slot, photo);
    const image = document.createElement("img");
    const type = photo.type ?? "image/jpeg";
    const blob = photo.blob instanceof Blob ? photo.blob : new Blob([photo.blob], { type });
    image.src = URL.createObjectURL(blob);
    image.alt = name;
    const words = document.createElement("span");
    words.className = "shot-words";
    const from = photo.origin === "album" ? this.words.album : "";
    words.textContent = [name, `${Math.ceil(blob.size / 1024)} KB`, from].filter(Boolean).join(" · ");
    const drop = document.createElement("button");
    drop.type = "button";
    drop.className = "shot-drop";
    drop.textContent = "✕";
    drop.setAttribute("aria-label", this.words.remove.replace("{name}", name));
    drop.addEventListener("click", () => this._drop(tile));
    tile.append(image, words, drop);
    tile.classList.add("has-photo");
  }

  _drop(tile) {
    this._clear(tile);
    this.taken.delete(tile.dataset.slot);
    this._input(tile).value = "";
    this._showTiles();
    this._input(tile).focus();
    this.changed();
  }

  _clear(tile) {
    const image = tile.querySelector("img");
    if (image) URL.revokeObjectURL(image.src);
    for (const old of tile.querySelectorAll("img, .shot-words, .shot-drop")) old.remove();
    tile.classList.remove("has-photo");
  }

  /** Near and far are always there; a further tile only once those before it are filled. */
  _showTiles() {
    const more = this.tiles.filter(({ dataset }) => dataset.slot.startsWith("more"));
    let isNext = this.has("near") && this.has("far") && !this.isPlain;
    for (const tile of more) {
      tile.hidden = !isNext && !this.has(tile.dataset.slot);
      isNext = isNext && this.has(tile.dataset.slot);
    }
    const room = this.isPlain ? ["near", "far"] : ["near", "far", ...more.map((t) => t.dataset.slot)];
    this.album.hidden = !room.some((slot) => this._isFree(this._tile(slot)));
  }

  /** Say something at a tile; nothing takes it away. */
  _say(tile, sentence) {
    tile.querySelector(".error")?.remove();
    if (!sentence) return;
    const line = document.createElement("p");
    line.className = "error";
    line.setAttribute("role", "alert");
    line.textContent = sentence;
    tile.append(line);
  }
}
