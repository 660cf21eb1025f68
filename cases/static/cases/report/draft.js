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
    this.isKept = false;
    this.isCurrent = false; // what is on the disk is what is on the page
    this.isOver = false;
    addEventListener("pagehide", () => this.save());
    document.addEventListener("visibilitychange", () => document.hidden && this.save());
  }

  /** Return the draft the address names; without one the page starts empty, under a new id. */
  async restore() {
    const named = location.hash.slice(1);
    this.opening = named ? getDraft(named, this.user).catch(() => null) : null;
    const draft = await this.opening;
    if (draft) this.id = draft.id;
    this.isKept = Boolean(draft);
    this._name();
    return draft;
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
    await this.opening; // what is entered meanwhile belongs to the draft the address names
    const said = this.isOver || this.isCurrent ? null : this.collect();
    if (said) {
      this.isKept = this.isCurrent = true;
      const path = location.pathname + location.search;
      this.saving = putDraft({ id: this.id, user: this.user, path, ...said });
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
    if (this.isKept) await dropDraft(this.id);
  }

  _name() {
    const address = `${location.pathname}${location.search}#${this.id}`;
    history.replaceState(history.state, "", address);
  }
}
