// Silence for ten minutes, for all windows of this browser, and never for good.

export const MUTE_MS = 600_000;
const NAME = "desk-alarms-muted-until";

/** @returns {number} ms of silence left; what claims to last longer than ten minutes is none */
export function mutedFor() {
  const left = Number(localStorage.getItem(NAME) ?? 0) - Date.now();
  return left > 0 && left <= MUTE_MS ? left : 0;
}

export function toggleMute() {
  if (mutedFor()) localStorage.removeItem(NAME);
  else localStorage.setItem(NAME, String(Date.now() + MUTE_MS));
}

/** @returns {string} minutes and seconds, as a clock shows them */
export function asClock(ms) {
  const s = Math.ceil(ms / 1000);
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}
