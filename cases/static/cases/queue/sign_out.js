// Whether a person signs out who still has something on this phone; the copies of their pages go
// with them.

import { forgetPages } from "./shell.js";
import { drafts, items } from "./store.js";

/** Ask who has something left here; tells whether they go. @param {string} user */
export async function maySignOut(user) {
  const kept = await Promise.all([items(user), drafts(user)]).catch(() => []); // it keeps nothing
  const left = kept.flat().length;
  if (left && !(await confirms(left))) return false;
  if (navigator.onLine) await forgetPages().catch(() => {}); // offline nobody is signed out
  return true;
}

/** Ask with the words of the page's dialog; tells whether the person goes on. */
function confirms(n) {
  /** @type {HTMLDialogElement} */
  const dialog = document.getElementById("sign-out-waits");
  const words = dialog.querySelector("[data-words]");
  words.textContent = words.dataset.words.replace("{n}", String(n));
  if (!dialog.showModal) return Promise.resolve(confirm(words.textContent));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answer) => {
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true });
  });
}
