// Printing the case page, and copying its number or link.

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}

const said = document.getElementById("copied");
/** @type {HTMLInputElement} */
const byHand = document.getElementById("copy-by-hand");

/** Browsers give a page the clipboard only over HTTPS or on the machine itself. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    byHand.hidden = false;
    byHand.value = text;
    byHand.select();
    const isCopied = document.execCommand("copy");
    byHand.hidden = isCopied;
    return isCopied;
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    said.textContent = (await copy(button.dataset.copy)) ? said.dataset.done : said.dataset.failed;
  });
}
