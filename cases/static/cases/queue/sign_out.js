// Asks before a person signs out who still has something on this phone, and takes the copies of
// their pages from it.

import { forgetPages } from "./shell.js";
import { drafts, items } from "./store.js";

/** @param {string} user */
export function guardSignOut(user) {
  /** @type {HTMLDialogElement} */
  const dialog = document.getElementById("sign-out-waits");
  /** @type {HTMLFormElement} */
  const form = document.getElementById("sign-out");
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    const kept = await Promise.all([items(user), drafts(user)]).catch(() => []); // it keeps nothing
    const left = kept.flat().length;
    if (left && !(await confirms(dialog, left))) return;
    if (navigator.onLine) await forgetPages().catch(() => {}); // offline nobody is signed out
    form.submit();
  });
}

/** Ask with the words of `dialog`; tells whether the person goes on. */
function confirms(dialog, n) {
  const words = dialog.querySelector("[data-words]");
  words.textContent = words.dataset.words.replace("{n}", String(n));
  if (!dialog.showModal) return Promise.resolve(confirm(words.textContent));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
  });
}
