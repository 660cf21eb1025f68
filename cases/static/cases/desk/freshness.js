// How old the picture of the desk is: as old as the oldest of its parts, whatever was heard since.

/** @import {LiveState} from "../live.js" */

export const STALE_MS = 30_000;
export const VEIL_MS = 60_000;
const SLOW_MS = 3_000; // a change that is not shown by then is behind
const SAY_RESUMED_MS = 10_000;

/**
 * What the chip says. `loaded`: nothing is known yet; `behind`: a change was heard of and is not
 * shown yet; `asking`: no connection, but asked again and again; `veiled`: too old to work with.
 * @typedef {"loaded" | "live" | "polling" | "resumed" | "behind" | "asking" | "lost" | "stale"
 *   | "veiled" | "signed_out"} Kind
 */

/** The parts of the picture, what they hold, and what was heard of since. Times are in ms. */
export class Freshness {
  /**
   * @param {string[]} parts
   * @param {() => number} now
   * @param {string[]} awaited the parts that the page came without
   */
  constructor(parts, now = () => Date.now(), awaited = []) {
    this.now = now;
    /** @type {LiveState | null} */
    this.state = null;
    this.heardAt = now(); // up to here nothing was missed but what is told of
    this.told = 0; // changes so far
    /** @type {{no: number, at: number, isMissed: boolean}[]} */
    this.pending = []; // changes that some part does not show yet
    this.held = new Map(
      parts.map((part) => [part, { no: 0, at: now(), isHere: !awaited.includes(part) }]),
    );
    this.isAsking = false; // again and again, by HTTP
    this.missed = 0; // while the connection was broken the last time; null for more than counted
    this.saidAt = null; // since when that is said
  }

  get isConnected() {
    return this.state === "live" || this.state === "polling";
  }

  /** Something came over the connection: up to then the page was told of everything. */
  hear(at) {
    if (this.isConnected) this.heardAt = Math.max(this.heardAt, at);
  }

  /** The connection changed; `missed` is how many changes were told after a break, if any. */
  connect(state, { heard, missed }) {
    const wasLost = this.state === "lost" || this.state === "signed_out";
    this.hear(heard); // while it was there
    this.state = state;
    if (!this.isConnected) return;
    this.hear(heard);
    if (!wasLost) return;
    // What an earlier break missed and nobody has read yet is not forgotten over a second break.
    const unsaid = this.saidAt === null ? this.missed : 0;
    this.missed = missed === null || unsaid === null ? null : missed + unsaid;
    this.saidAt = null;
  }

  /** A change was told. One told after a break happened at some time since the break began. */
  tell() {
    this.told += 1;
    const isMissed = !this.isConnected;
    const at = isMissed ? this.heardAt : this.now();
    this.pending.push({ no: this.told, at, isMissed });
  }

  /** Return what an answer asked for now will hold: pass it to `hold`. */
  ask() {
    return { no: this.told, at: this.now() };
  }

  /**
   * A part shows what was told before it was asked for; `isWhole` where it was asked for without
   * regard to what was told, and so shows all that had happened by then.
   */
  hold(part, asked, { isWhole = false } = {}) {
    const held = this.held.get(part);
    held.no = Math.max(held.no, asked.no);
    if (isWhole) [held.at, held.isHere] = [Math.max(held.at, asked.at), true];
    const least = Math.min(...[...this.held.values()].map(({ no }) => no));
    this.pending = this.pending.filter(({ no }) => no > least);
  }

  /** The time the picture is true for. */
  get trueAt() {
    const ages = [...this.held.values()].map((held) => {
      if (!held.isHere) return held.at;
      const open = this.pending.filter(({ no }) => no > held.no).map(({ at }) => at);
      return Math.max(held.at, Math.min(this.heardAt, ...open));
    });
    return Math.min(...ages);
  }

  /** Return what to say now. */
  look() {
    const now = this.now();
    const trueAt = this.trueAt;
    const ageMs = Math.max(0, now - trueAt);
    if (ageMs >= VEIL_MS && this.state !== "signed_out") this.isAsking = true;
    else if (this.isConnected) this.isAsking = false;
    const kind = this._kind(now, ageMs);
    if (kind === "resumed") this.saidAt = this.saidAt ?? now;
    return { kind, trueAt, ageMs, missed: this.missed };
  }

  /** @returns {Kind} */
  _kind(now, ageMs) {
    if (this.state === "signed_out") return "signed_out";
    if (ageMs >= VEIL_MS) return "veiled";
    if (ageMs >= STALE_MS) return "stale";
    if (this.state === null) return "loaded";
    if (!this.isConnected) return this.isAsking ? "asking" : "lost";
    if (this.pending.some(({ at, isMissed }) => isMissed || now - at > SLOW_MS)) return "behind";
    if ([...this.held.values()].some(({ at, isHere }) => !isHere && now - at > SLOW_MS)) return "behind";
    const isSaid = this.saidAt !== null && now - this.saidAt >= SAY_RESUMED_MS;
    if (this.missed !== 0 && !isSaid) return "resumed";
    return this.state;
  }
}
