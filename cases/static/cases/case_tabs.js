// Turns the tabs of the case page without loading it again: what was typed beside them stays.

import { FIELDS, isEntered } from "./desk/panel.js";

const tabs = document.querySelector("[data-tabs]");
const place = document.getElementById("tab");
const said = document.getElementById("tab-said");
const elementOf = (event) => /** @type {HTMLElement} */ (event.target);
let asked = 0;

const isTyping = () =>
  [...document.querySelectorAll("main form")].some((form) =>
    [...form.querySelectorAll(FIELDS)].some(isEntered),
  );

function say(words) {
  said.textContent = words;
  said.hidden = !words;
}

/**
 * Show what the page at `address` has in the place of the tab. Where that fails the whole page is
 * loaded, unless something was typed on this one.
 */
async function show(address, { isNew = false } = {}) {
  asked += 1;
  const mine = asked;
  say("");
  try {
    const answer = await fetch(address, { credentials: "same-origin" });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("tab");
    if (!fresh) throw new Error("no tab");
    if (mine !== asked) return; // another was asked for meanwhile
    if (isNew) history.pushState(null, "", address);
    place.innerHTML = fresh.innerHTML;
    place.dataset.tab = fresh.dataset.tab;
  } catch {
    if (mine !== asked) return;
    if (isTyping()) say(said.dataset.failed);
    else location.href = address;
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
  show(link.href, { isNew: true });
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
