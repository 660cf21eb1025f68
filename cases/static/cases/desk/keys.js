// The keys of the desk: single letters, never while somebody types, and with a switch to turn them off.

const KEPT = "desk-keys";
const FIELDS = "input, select, textarea, [contenteditable]";

/** Whether keys are on in this browser. */
export function areKeysOn() {
  try {
    return localStorage.getItem(KEPT) !== "off";
  } catch {
    return true;
  }
}

/** Keep whether keys are on. */
export function turnKeys(isOn) {
  try {
    localStorage.setItem(KEPT, isOn ? "on" : "off");
  } catch {
    // Then it holds for this page only.
  }
}

/** Whether a key press belongs to an input method that is still composing. */
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

/**
 * Run what a key stands for.
 * @param {object} desk
 * @param {Record<string, () => void>} desk.keys by the key, in lower case
 * @param {(digit: number) => boolean} desk.onDigit whether the digit stands for a view
 * @param {(field: HTMLElement) => void} desk.onLeave Escape in a field
 * @param {(target: HTMLElement) => boolean} desk.onEnter whether Enter on this element is taken
 * @param {() => boolean} desk.isOn
 */
export function bindKeys({ keys, onDigit, onLeave, onEnter, isOn }) {
  document.addEventListener("keydown", (event) => {
    if (isComposing(event) || event.ctrlKey || event.altKey || event.metaKey) return;
    if (document.querySelector("dialog[open]")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const key = event.key.toLowerCase();
    if (target.closest(FIELDS) && target.getAttribute("type") !== "checkbox") {
      if (key === "escape") onLeave(target);
      return;
    }
    if (event.repeat && key !== "j" && key !== "k") return; // one press, one act
    if (!isOn() && key !== "escape") return;
    if (key === "enter") {
      if (onEnter(target)) event.preventDefault();
      return;
    }
    if (/^[1-9]$/.test(key) ? onDigit(Number(key)) : keys[key]) {
      event.preventDefault();
      keys[key]?.();
    }
  });
}
