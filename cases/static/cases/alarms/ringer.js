// When the desk sounds. By the time that has passed and never by the number of ticks: a hidden page
// is given one a minute, so the rings of the next minute and a half are planned ahead.

export const REPEAT_MS = 30_000;
export const APART_MS = 60_000; // between two sounds of tier 2
const AHEAD_MS = 90_000;
const BREATH_MS = 3_000; // a new alarm does not ring into the ring of another
const LAST_RANG = "desk-alarms-rang";
const LAST_TONE = "desk-alarms-tone";

const kept = (name) => Number(localStorage.getItem(name) ?? 0);

/** Sounds for what is open, in the one window that rings. */
export class Ringer {
  /**
   * @param {{plan: (tier: 1 | 2, inMs: number, volume: number) => () => void}} sound
   * @param {(ids: string[]) => void} onRang what has just rung
   */
  constructor(sound, onRang) {
    this.sound = sound;
    this.onRang = onRang;
    /** @type {{at: number, takeBack: () => void}[]} */
    this.planned = [];
    this.open = new Set(); // ids of tier 1 that nobody knows of
    this.wanted = new Set(); // ids of tier 2 that have not sounded
    this.isNew = false;
    this.softness = 0; // of what is planned: it is planned again when it changes
  }

  /**
   * Take what is open now.
   * @param {string[]} ringing ids of tier 1 that nobody knows of
   * @param {string[]} fresh ids of tier 2 seen for the first time
   * @param {string[]} standing ids of all that are open
   */
  take(ringing, fresh, standing) {
    this.isNew = this.isNew || ringing.some((id) => !this.open.has(id));
    this.open = new Set(ringing);
    fresh.forEach((id) => this.wanted.add(id));
    this.wanted.forEach((id) => {
      if (!standing.includes(id)) this.wanted.delete(id);
    });
  }

  /**
   * Do what is due.
   * @param {{may: boolean, isMuted: boolean, isQuiet: boolean, volume: number}} how `may`: this is
   *   the window that rings
   */
  tick({ may, isMuted, isQuiet, volume }) {
    const now = Date.now();
    this._sayWhatRang(now);
    if (!may || isMuted || isQuiet) this.wanted.clear();
    if (!may || isMuted || this.open.size === 0) {
      this.isNew = false;
      this._takeBack(now);
      return;
    }
    // Quiet hours make it soft and never silent.
    const loudness = isQuiet ? volume / 2 : volume;
    if (loudness !== this.softness) this._takeBack(now);
    this.softness = loudness;
    this._ring(now, loudness);
  }

  /** Sound once for what is new in tier 2. */
  tone({ may, volume }) {
    const now = Date.now();
    if (!may || this.wanted.size === 0 || now - kept(LAST_TONE) < APART_MS) return;
    this.wanted.clear();
    localStorage.setItem(LAST_TONE, String(now));
    this.sound.plan(2, this.open.size ? BREATH_MS : 0, volume);
  }

  _ring(now, loudness) {
    const last = kept(LAST_RANG);
    if (this.isNew) this._takeBack(now);
    let next = this.planned.length
      ? this.planned[this.planned.length - 1].at + REPEAT_MS
      : Math.max(now, last + (this.isNew ? BREATH_MS : REPEAT_MS));
    this.isNew = false;
    for (; next <= now + AHEAD_MS; next += REPEAT_MS) {
      this.planned.push({ at: next, takeBack: this.sound.plan(1, next - now, loudness) });
    }
    this._sayWhatRang(now);
  }

  _sayWhatRang(now) {
    while (this.planned.length && this.planned[0].at <= now) {
      const { at } = this.planned.shift();
      localStorage.setItem(LAST_RANG, String(at));
      this.onRang([...this.open]);
    }
  }

  _takeBack(now) {
    this.planned.filter(({ at }) => at > now).forEach(({ takeBack }) => takeBack());
    this.planned = [];
  }
}
