// Turns the tabs of the case page without loading it again: what was typed beside them stays.

const tabs = document.querySelector("[data-tabs]");
const place = document.getElementById("tab");
const elementOf = (event) => /** @type {HTMLElement} */ (event.target);
let asked = 0;

/** Show what the page at `address` has in the place of the tab; the whole page where that fails. */
async function show(address) {
  asked += 1;
  const mine = asked;
  try {
    const answer = await fetch(address, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("tab");
    if (!fresh) throw new Error("no tab");
    if (mine !== asked) return; // another was asked for meanwhile
    place.innerHTML = fresh.innerHTML;
    place.dataset.tab = fresh.dataset.tab;
  } catch {
    location.href = address;
    return;
  }
  mark();
  ready();
}

function mark() {
  for (const link of tabs.querySelectorAll("a")) {
    if (link.dataset.tab === place.dataset.tab) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  /** @type {HTMLAnchorElement} */
  const link = elementOf(event).closest("[data-tabs] a, #tab a[data-tab], #tab a[data-photo]");
  if (!link) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  show(link.href);
});
addEventListener("popstate", () => show(location.href));

// --- before and after ---

function ready() {
  const tools = place.querySelector("[data-compare-tools]");
  if (tools) tools.hidden = place.querySelector(".compare img") === null;
}

function turn() {
  const box = place.querySelector("[data-compare]");
  const turned = (Number(box.dataset.turned ?? 0) + 1) % 4;
  box.dataset.turned = String(turned);
}

function overlay() {
  const box = place.querySelector("[data-compare]");
  const button = place.querySelector("[data-overlay]");
  const isOver = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(isOver));
  box.classList.toggle("is-over", isOver);
}

place.addEventListener("click", (event) => {
  const target = elementOf(event);
  if (target.closest("[data-turn]")) turn();
  else if (target.closest("[data-overlay]")) overlay();
});

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (elementOf(event).closest("input, select, textarea")) return;
  const tools = place.querySelector("[data-compare-tools]");
  if (!tools || tools.hidden || localStorage.getItem("desk-keys") === "off") return;
  if (event.key === "[") turn();
  else if (event.key === "]") overlay();
});

ready();
