// The alarm no server can send: the live connection of this page is lost.

export const LINK = "link";

/** Watches the state of the live connection. */
export class Link {
  constructor() {
    this.lostSince = 0;
    this.isKnown = false;
  }

  /**
   * A page that is asked to sign in again is no loss.
   * @param {string} state as live.js gives it
   * @param {number} heard when anything was heard last, ms
   */
  take(state, heard) {
    if (state !== "lost") {
      this.lostSince = 0;
      this.isKnown = false;
    } else if (!this.lostSince) this.lostSince = heard;
  }

  /** @returns {boolean} whether it has been lost for longer than `afterS` */
  isOpen(afterS) {
    return this.lostSince > 0 && Date.now() - this.lostSince > afterS * 1000;
  }
}
