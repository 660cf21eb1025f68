// Prints the page, passes its link on, and opens the presentation by its key.

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

for (const button of document.querySelectorAll("[data-share]")) {
  const canCopy = Boolean(navigator.clipboard);
  button.hidden = !navigator.share && !canCopy;
  button.addEventListener("click", async () => {
    const page = { title: document.title.trim(), url: window.location.href };
    try {
      if (navigator.share) {
        await navigator.share(page);
        return;
      }
      await navigator.clipboard.writeText(page.url);
      button.textContent = button.dataset.copied;
    } catch (error) {
      // Whoever closed the dialog changed their mind; nothing is lost.
      if (!(error instanceof DOMException && error.name === "AbortError")) {
        window.prompt(page.title, page.url);
      }
    }
  });
}

// The switch of the desk and the list (cases/desk/keys.js) holds here, too.
function areKeysOn() {
  try {
    return localStorage.getItem("desk-keys") !== "off";
  } catch {
    return true; // storage is blocked
  }
}

const present = document.getElementById("present");
const hint = present && present.querySelector("kbd");
if (hint) {
  hint.hidden = !areKeysOn();
}
document.addEventListener("keydown", (event) => {
  const at = /** @type {Element} */ (event.target);
  const typing = at.closest("input, select, textarea");
  const plain = !event.ctrlKey && !event.altKey && !event.metaKey && !event.isComposing;
  if (present && plain && !typing && areKeysOn() && event.key.toLowerCase() === "p") {
    present.click();
  }
});
