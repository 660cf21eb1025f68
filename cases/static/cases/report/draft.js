// A report being written, kept on the phone under the id in the page's address.

import { dropDraft, getDraft, newId, putDraft } from "../queue/store.js";

const PAUSE_MS = 300;

export class Draft {
  /**
   * @param {string} user whose it is
   * @param {() => object | null} collect what is on the page now; null while nothing is entered
   */
  constructor(user, collect) {
    this.user = user;
    this.collect = collect;
    this.id = newId();
    this.saving = Promise.resolve();
    this.isKept = false;
    this.isCurrent = false; // what is on the disk is what is on the page
    this.isOver = false;
    addEventListener("pagehide", () => this.save());
    document.addEventListener("visibilitychange", () => document.hidden && this.save());
  }

  /**
   * Have `show` fill the page with the draft the address names; without one it starts empty, under
   * a new id. Nothing is kept before, for it would replace what was not shown yet.
   */
  restore(show) {
    this.opening = this._open(show);
    addEventListener("hashchange", () => this._follow());
    return this.opening;
  }

  async _open(show) {
    const draft = await this._named();
    if (draft) this.id = draft.id;
    this.isKept = Boolean(draft);
    this._name();
    if (draft) await show(draft);
  }

  /** Open another draft that a link on this very page led to; any other link takes no name away. */
  async _follow() {
    if (location.hash.slice(1) === this.id) return;
    if (await this._named()) location.reload();
    else this._name();
  }

  async _named() {
    const id = location.hash.slice(1);
    return id ? getDraft(id, this.user).catch(() => null) : null;
  }

  /** Keep what is on the page once nothing has changed for a moment. */
  touch() {
    this.isCurrent = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), PAUSE_MS);
  }

  /** Keep what is on the page now; that it could not be kept is said when it is to be sent. */
  save() {
    this.flush().catch(() => {});
  }

  /** Keep what is on the page now; resolves when it is on the disk. */
  async flush() {
    clearTimeout(this.timer);
    await this.opening;
    const said = this.isOver || this.isCurrent ? null : this.collect();
    if (said) {
      this.isKept = this.isCurrent = true;
      const path = location.pathname + location.search;
      const draft = { id: this.id, user: this.user, path, ...said };
      this.saving = this.saving.catch(() => {}).then(() => putDraft(draft));
      this.saving.catch(() => (this.isCurrent = false));
    }
    await this.saving;
  }

  /** Nothing is saved any more: it was stored for sending. */
  end() {
    clearTimeout(this.timer);
    this.isOver = true;
  }

  /** Throw it away and begin under a new id. */
  async clear() {
    this.end();
    await this.saving.catch(() => {});
    if (this.isKept) await dropDraft(this.id);
  }

  _name() {
    const address = `${location.pathname}${location.search}#${this.id}`;
    history.replaceState(history.state, "", address);
  }
}
