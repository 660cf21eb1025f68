// What is wrong: the tiles of what this person reports most, and the list behind “More…”.
// Both set the form's own select, which stays hidden.

import { keep, kept } from "../queue/store.js";

const TILES = 5; // and “More…”
const REMEMBERED = 20;

/**
 * A filing condition to choose.
 * @typedef {object} Choice
 * @property {string} code
 * @property {string} minor code of its class
 * @property {string} name of the class
 * @property {string} problem what is wrong with it, in a word or two
 * @property {string} problemCode
 * @property {string} text
 * @property {string} limit
 * @property {string} kind
 * @property {string} kindName
 * @property {string} major
 * @property {string} initials
 * @property {number} photos how many it needs
 */

/** @returns {Choice} */
function choiceOf(option) {
  const { dataset: group, label } = option.parentElement;
  const { problem, photos } = option.dataset;
  const [text, limit] = option.textContent.trim().split(/\s+·\s+(?=[^·]*$)/);
  return {
    code: option.value,
    minor: option.value.replace(/-\d+$/, ""),
    name: label,
    problem: document.getElementById("problems").querySelector(`[value="${problem}"]`)?.textContent,
    problemCode: problem,
    text,
    limit,
    kind: group.kind,
    kindName: group.kindName,
    major: group.major,
    initials: group.initials,
    photos: Number(photos),
  };
}

export class Category {
  /**
   * @param {HTMLFormElement} form
   * @param {string} user whose recents are shown; empty where nothing is kept
   */
  constructor(form, user) {
    this.user = user;
    this.box = form.querySelector("#category");
    /** @type {HTMLSelectElement} */
    this.select = form.querySelector("#id_condition");
    this.chosenLine = form.querySelector("#chosen");
    /** @type {NodeListOf<HTMLOptionElement>} */
    const options = this.select.querySelectorAll("optgroup > option");
    /** @type {Map<string, Choice>} */
    this.choices = new Map(Array.from(options, (option) => [option.value, choiceOf(option)]));
    this.select.hidden = true;
    this.box.hidden = false;
    this.pins = [];
    this.recent = [];
    this.often = this.box.dataset.often.split(" ").filter(Boolean);
    this.select.addEventListener("change", () => this._show());
    this.more = this.box.querySelector("#more");
    this.more.addEventListener("click", () => this._open());
  }

  /** Show the tiles, with what this phone remembers of the person. */
  async start() {
    this._show();
    const known = this.user ? await kept(this.user, "categories").catch(() => null) : null;
    if (known) Object.assign(this, known);
    this._show();
  }

  get chosen() {
    return this.choices.get(this.select.value) ?? null;
  }

  choose(code) {
    this.select.value = code;
    this.select.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** Remember what was reported just now; the report does not wait for it. */
  remember() {
    const code = this.select.value;
    this._keep(({ pins, recent }) => {
      const others = recent.filter((one) => one !== code);
      return { pins, recent: [code, ...others].slice(0, REMEMBERED) };
    });
  }

  /** Pin a condition to the front, or take it away from there. */
  pin(code) {
    const isPinned = this.pins.includes(code);
    this.pins = isPinned ? this.pins.filter((one) => one !== code) : [...this.pins, code];
    const { pins } = this;
    this._keep(({ recent }) => ({ pins, recent }));
    this._show();
    return !isPinned;
  }

  _keep(change) {
    if (!this.user) return;
    const make = (old) => change({ pins: [], recent: [], ...old });
    keep(this.user, "categories", make).catch(() => {}); // only a convenience
  }

  _show() {
    const { chosen } = this;
    const hadFocus = document.activeElement?.matches("#category > .category");
    const wanted = [...new Set([...this.pins, ...this.recent, ...this.often])];
    let shown = wanted.filter((code) => this.choices.has(code)).slice(0, TILES);
    if (chosen && !shown.includes(chosen.code)) shown = [chosen.code, ...shown].slice(0, TILES);
    for (const old of this.box.querySelectorAll(".category")) old.remove();
    this.more.before(...shown.map((code) => this._tile(this.choices.get(code))));
    if (hadFocus) this.box.querySelector("[aria-pressed=true]")?.focus(); // not back to the top
    this.chosenLine.textContent = chosen ? `${chosen.text} · ${chosen.limit}` : "";
  }

  _tile({ code, name, problem }) {
    const tile = document.createElement("button");
    tile.type = "button";
    tile.className = "category";
    tile.setAttribute("aria-pressed", String(code === this.select.value));
    const words = document.createElement("small");
    words.textContent = problem;
    tile.append(name, words);
    tile.addEventListener("click", () => this.choose(code));
    return tile;
  }

  async _open() {
    const picker = await import("./category_picker.js").catch(() => null);
    if (!picker) {
      this.select.hidden = false; // no line: the whole list stands in the page
      this.select.focus();
      return;
    }
    const code = await picker.pickCategory(this);
    if (code) this.choose(code);
    this.more.focus();
  }
}
