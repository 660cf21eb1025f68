// Whoever signs in finds no copies of another person's pages on this phone.

import { forgetPages } from "./queue/shell.js";

for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", () => forgetPages().catch(() => {}));
}
