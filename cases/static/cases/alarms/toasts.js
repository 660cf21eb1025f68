// What the desk shows of its alarms. Tier 1 stays until somebody knows of it; tier 2 goes by itself.

const MOST = 3; // of tier 1 at once; the next moves up
const SOON_GONE_MS = 8_000;
const TINT_MS = 3_000;
const FLASH_MS = 3_000;

/**
 * @typedef {object} DeskAlarm
 * @property {string} id
 * @property {number} tier
 * @property {string} says
 * @property {string} number of the case; empty where there is none
 * @property {string} minor
 * @property {string} address
 * @property {string} escalated
 * @property {boolean} [isUnsent] said here, and not yet to the server
 */

/** The stack of toasts, from a <template> of the page. */
export class Toasts {
  /**
   * @param {HTMLElement} stack
   * @param {{find: (number: string) => void, know: (id: string) => void}} does
   */
  constructor(stack, does) {
    this.stack = stack;
    this.does = does;
    /** @type {HTMLTemplateElement} */
    this.template = stack.querySelector("template");
    this.more = stack.querySelector(".alarm-more");
    /** @type {Map<string, HTMLElement>} */
    this.shown = new Map();
  }

  /**
   * Show tier 1: those that nobody knows of, the first of them on top.
   * @param {DeskAlarm[]} alarms
   * @param {(id: string) => number} rungOf how often one has rung
   */
  show(alarms, rungOf) {
    const top = alarms.slice(0, MOST);
    const wanted = new Set(top.map(({ id }) => id));
    for (const [id, toast] of this.shown) {
      if (toast.dataset.tier === "1" && !wanted.has(id)) this._remove(id);
    }
    for (const alarm of top) {
      const toast = this.shown.get(alarm.id) ?? this._make(alarm);
      this._fill(toast, alarm, rungOf(alarm.id));
    }
    const rest = alarms.length - top.length;
    this.more.hidden = rest === 0;
    this.more.textContent = this.stack.dataset.more.replace("{n}", String(rest));
  }

  /** Show one that goes by itself: tier 2, or who knows of one of tier 1. */
  pass(alarm) {
    const toast = this.shown.get(alarm.id) ?? this._make(alarm);
    this._fill(toast, alarm, 0);
    toast.querySelector(".alarm-known").hidden = true;
    setTimeout(() => this._remove(alarm.id), SOON_GONE_MS);
  }

  _make(alarm) {
    const made = /** @type {DocumentFragment} */ (this.template.content.cloneNode(true));
    const toast = /** @type {HTMLElement} */ (made.firstElementChild);
    toast.dataset.tier = String(alarm.tier);
    toast.dataset.alarm = alarm.id;
    toast.setAttribute("role", alarm.tier === 1 ? "alert" : "status");
    toast.querySelector(".alarm-shape").textContent = alarm.tier === 1 ? "■" : "▲";
    const find = toast.querySelector(".alarm-find");
    find.hidden = !alarm.number;
    find.addEventListener("click", () => this.does.find(alarm.number));
    toast.querySelector(".alarm-known").addEventListener("click", () => this.does.know(alarm.id));
    this.more.before(toast);
    this.shown.set(alarm.id, toast);
    return toast;
  }

  _fill(toast, alarm, rung) {
    const words = this.stack.dataset;
    const say = (name, text) => {
      const place = toast.querySelector(`.alarm-${name}`);
      if (place.textContent !== text) place.textContent = text; // else it would be read out again
    };
    say("says", alarm.says);
    say("about", [alarm.number, alarm.minor, alarm.address].filter(Boolean).join(" · "));
    say("rung", rung ? words.rung.replace("{n}", String(rung)) : "");
    say("escalated", alarm.isUnsent ? words.unsent : (alarm.escalated ?? ""));
  }

  _remove(id) {
    const toast = this.shown.get(id);
    if (!toast) return;
    const hadFocus = toast.contains(document.activeElement);
    toast.remove();
    this.shown.delete(id);
    if (hadFocus) this.stack.querySelector("[data-tier='1'] .alarm-known")?.focus();
  }
}

/** Rows of the queue that flash or are tinted, also when the queue is drawn anew meanwhile. */
export class Rows {
  constructor() {
    /** @type {Map<string, {name: string, until: number}>} */
    this.marked = new Map();
    const queue = document.getElementById("queue");
    new MutationObserver(() => this.draw()).observe(queue, { childList: true, subtree: true });
  }

  flash(number) {
    this._mark(number, "is-rung", FLASH_MS);
  }

  /** Tier 3; a row that flashes is tinted already. */
  tint(number) {
    if (this.marked.get(number)?.name !== "is-rung") this._mark(number, "is-changed", TINT_MS);
  }

  _mark(number, name, ms) {
    const mark = { name, until: Date.now() + ms };
    this.marked.set(number, mark);
    this.draw();
    setTimeout(() => {
      if (this.marked.get(number) === mark) this.marked.delete(number);
      this.draw();
    }, ms);
  }

  draw() {
    for (const row of document.querySelectorAll("#queue [data-case]")) {
      const mark = this.marked.get(row.dataset.case);
      for (const name of ["is-rung", "is-changed"]) {
        row.classList.toggle(name, mark?.name === name);
      }
    }
  }
}
