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

const present = document.getElementById("present");
document.addEventListener("keydown", (event) => {
  const at = /** @type {Element} */ (event.target);
  const typing = at.closest("input, select, textarea");
  const plain = !event.ctrlKey && !event.altKey && !event.metaKey && !event.isComposing;
  if (present && plain && !typing && event.key.toLowerCase() === "p") {
    present.click();
  }
});
