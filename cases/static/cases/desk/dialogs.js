// Dialogs over a page; a browser that knows none shows them as a box of the page.

/** @param {HTMLDialogElement} dialog */
export const isOpen = (dialog) => dialog.hasAttribute("open");

/** @param {HTMLDialogElement} dialog */
export function openDialog(dialog) {
  if (isOpen(dialog)) return;
  if (dialog.showModal) dialog.showModal();
  else dialog.setAttribute("open", "");
}

/** @param {HTMLDialogElement} dialog */
export function closeDialog(dialog) {
  if (dialog.close) dialog.close();
  else dialog.removeAttribute("open");
}

/** Ask a question; true once it is answered with the first button. */
export function askIn(dialog, words) {
  dialog.querySelector("[data-words]").textContent = words;
  openDialog(dialog);
  return new Promise((resolve) => {
    const answer = (isYes) => {
      dialog.removeEventListener("click", onClick);
      dialog.removeEventListener("close", onClose);
      closeDialog(dialog);
      resolve(isYes);
    };
    const onClick = ({ target }) => {
      const button = target.closest("button");
      if (button) answer(button.value === "yes");
    };
    const onClose = () => answer(false);
    dialog.addEventListener("click", onClick);
    dialog.addEventListener("close", onClose);
  });
}
