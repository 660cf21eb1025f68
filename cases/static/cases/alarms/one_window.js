// Of all windows of one browser one rings. A Web Lock says which, and passes on when that window
// closes; where there are none, a heartbeat in localStorage that the others take over.

const NAME = "desk-alarms-ringer";
const BEAT_MS = 1_000;
const DEAD_MS = 4_000;

/** Tells whether this window is the one that rings; only those that can be heard stand for it. */
export class OneWindow {
  constructor() {
    this.id = `${Date.now()}-${Math.random()}`;
    this.rings = false;
    this.stands = false;
    this.giveUp = () => undefined;
    this.seenFree = 0; // since when nobody has beaten
    addEventListener("pagehide", () => this.stand(false));
  }

  /** Say whether this window could ring. */
  stand(could) {
    if (could === this.stands) {
      if (could && !navigator.locks) this._beat();
      return;
    }
    this.stands = could;
    if (!could) this._stepDown();
    else if (navigator.locks) this._askForLock();
    else this._beat();
  }

  _askForLock() {
    const stop = new AbortController();
    this.giveUp = () => stop.abort();
    const hold = () =>
      new Promise((done) => {
        this.giveUp = () => done(undefined);
        this.rings = true;
      });
    navigator.locks.request(NAME, { signal: stop.signal }, hold).catch(() => undefined);
  }

  _stepDown() {
    this.giveUp();
    if (this.rings && !navigator.locks) localStorage.removeItem(NAME);
    this.rings = false;
  }

  /** Beat, or take over from one that no longer does. Called each second by what stands. */
  _beat() {
    const now = Date.now();
    const [id, at] = (localStorage.getItem(NAME) ?? " 0").split(" ");
    const isAlive = id !== "" && now - Number(at) < DEAD_MS;
    if (isAlive && id !== this.id) {
      this.rings = false;
      this.seenFree = 0;
      return;
    }
    // Two that find it free both write; a beat later the one whose name stands there rings.
    this.rings = id === this.id;
    localStorage.setItem(NAME, `${this.id} ${now}`);
  }
}

export { BEAT_MS };
