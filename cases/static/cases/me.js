// My page: says so where the browser does not tell what kind of network it is on; new settings end
// the copies of pages with the old ones in them.

import { forgetPages } from "./queue/shell.js";

for (const form of document.querySelectorAll(".phone form[method=post]")) {
  form.addEventListener("submit", () => navigator.onLine && forgetPages().catch(() => {}));
}
document.getElementById("no-network-type").hidden = navigator.connection?.type !== undefined;
