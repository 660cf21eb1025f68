// Where this phone is: the best position within 15 s. And what a page says of a photo it takes.

export const ROUGH_M = 50;
const PATIENCE_MS = 15_000;
const DENIED = 1; // code of the error
export const FRESH_MS = 60_000; // a place found, or written down, within it is where one stands
export const LATE_FIX_MS = 15_000;
const OLD_MS = 10 * 60_000; // a file older than this was not taken by the camera just now

/**
 * A position of the phone, WGS-84.
 * @typedef {{lon: number, lat: number, accuracy_m: number, heading: number | null, at: number}} Fix
 */

export class Locator {
  /**
   * @param {(fix: Fix) => void} [onFix] called with each better position
   * @param {() => void} [onNone] called when a search ends without any
   */
  constructor(onFix = () => {}, onNone = () => {}) {
    this.onFix = onFix;
    this.onNone = onNone;
    /** @type {Fix | null} */
    this.best = null;
    this.watch = null;
  }

  get isPossible() {
    return Boolean(navigator.geolocation);
  }

  /** Search anew for 15 s; what was found before stands until something as good is found. */
  start() {
    this.stop();
    if (!this.isPossible) {
      this.onNone();
      return;
    }
    this.found = null;
    const options = { enableHighAccuracy: true, timeout: PATIENCE_MS };
    const found = (at) => this._take(at);
    const failed = ({ code }) => code === DENIED && this._end(); // all else may pass
    this.watch = navigator.geolocation.watchPosition(found, failed, options);
    this.timer = setTimeout(() => this._end(), PATIENCE_MS);
  }

  stop() {
    if (this.watch !== null) navigator.geolocation.clearWatch(this.watch);
    clearTimeout(this.timer);
    this.watch = null;
  }

  /** The best position if it is of this minute: where a photo taken now is taken. */
  get fresh() {
    return this.best && Date.now() - this.best.at < FRESH_MS ? this.best : null;
  }

  _end() {
    this.stop();
    if (!this.found) this.onNone();
  }

  _take({ coords }) {
    const accuracy_m = Math.round(coords.accuracy);
    if (this.found && this.found.accuracy_m <= accuracy_m) return;
    const fix = {
      lon: coords.longitude,
      lat: coords.latitude,
      accuracy_m,
      heading: Number.isFinite(coords.heading) ? Math.round(coords.heading) : null,
      at: Date.now(),
    };
    this.found = fix;
    // A first rough position of a new search does not replace a good one found a moment ago.
    if (accuracy_m > ROUGH_M && this.fresh && this.fresh.accuracy_m < accuracy_m) return;
    this.best = fix;
    this.onFix(fix);
  }
}

/**
 * Return what the page says of a photo. An album photo has neither time nor place: nobody knows
 * where and when it was taken.
 * @param {"camera" | "album"} origin
 * @param {Fix | null} fix
 */
export function saidOf(origin, fix) {
  if (origin === "album") return { origin };
  const said = { origin, taken_at: new Date().toISOString() };
  if (!fix) return said;
  const { lon, lat, accuracy_m, heading } = fix;
  const place = { lon: Number(lon.toFixed(7)), lat: Number(lat.toFixed(7)), accuracy_m };
  return { ...said, ...place, ...(heading === null ? {} : { heading }) };
}

/** Return where a file that the camera was asked for came from: some phones offer the album too. */
export const originOf = (file) => (Date.now() - file.lastModified > OLD_MS ? "album" : "camera");

/** Return a photo with its place, if it was taken just before the position was found. */
export function withLateFix(photo, fix) {
  const isOpen = photo.origin === "camera" && photo.lon === undefined;
  if (!isOpen || Date.now() - Date.parse(photo.taken_at) > LATE_FIX_MS) return photo;
  const { lon, lat, accuracy_m } = saidOf("camera", fix);
  return { ...photo, lon, lat, accuracy_m };
}
