// The map of a past hour: moves from hour to hour without losing the place on the map.

import { CaseMap } from "./desk_map.js";
import { Heat } from "./heat.js";

const desk = document.getElementById("past-desk");
const said = document.getElementById("past-said");
const past = () => document.getElementById("past");
/** @type {CaseMap} */
let cases = null;
/** @type {Heat} */
let heat = null;
let turn = 0; // tells a late answer from the last one asked for

/** Show on the map what was open at the hour the list is of. */
async function drawMap() {
  const mine = turn;
  const answer = await fetch(`${desk.dataset.cases}?at=${encodeURIComponent(past().dataset.at)}`);
  if (!answer.ok) throw new Error(`past: ${answer.status}`);
  const columns = await answer.json();
  if (mine === turn) await cases.take(columns);
}

/** Go to another hour: `query` is what follows the ? of its address. */
async function go(query, { keeps = true } = {}) {
  turn += 1;
  const mine = turn;
  said.textContent = "";
  try {
    const answer = await fetch(`?${query}`, { headers: { "HX-Request": "true" } });
    if (!answer.ok || answer.redirected) throw new Error(`past: ${answer.status}`);
    const text = await answer.text();
    if (mine !== turn) return;
    past().outerHTML = text; // of our own server, made by the same template as the page
    if (keeps) history.pushState(null, "", `?${query}`);
    heat?.endAt(past().dataset.day);
    await drawMap();
  } catch {
    if (mine === turn) said.textContent = desk.dataset.failed;
  }
}

/** Show a case's place; its page, which is of today, opens by its link. */
function choose(number) {
  const row = document.querySelector(`#past a[data-case="${CSS.escape(number)}"]`);
  for (const other of document.querySelectorAll("#past a[aria-current]")) {
    other.removeAttribute("aria-current");
  }
  row?.setAttribute("aria-current", "true");
  row?.scrollIntoView({ block: "nearest" });
  cases.choose(number);
}

const isTyping = (target) => target.closest("input, select, textarea") !== null;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  if (isTyping(/** @type {HTMLElement} */ (event.target))) return;
  const steps = [...document.querySelectorAll("#past a[data-key]")];
  const step = /** @type {HTMLAnchorElement} */ (steps.find((one) => one.dataset.key === event.key));
  if (!step) return;
  event.preventDefault();
  go(step.search.slice(1));
});

desk.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  const step = /** @type {HTMLAnchorElement} */ (target.closest("a[data-key]"));
  if (!step || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go(step.search.slice(1));
});

desk.addEventListener("focusin", (event) => {
  const row = /** @type {HTMLElement} */ (event.target).closest("a[data-case]");
  if (row && cases) choose(/** @type {HTMLElement} */ (row).dataset.case);
});

desk.addEventListener("submit", (event) => {
  event.preventDefault();
  const fields = new FormData(/** @type {HTMLFormElement} */ (event.target));
  go(new URLSearchParams(/** @type {any} */ (fields)).toString());
});

addEventListener("popstate", () => go(location.search.slice(1), { keeps: false }));

addEventListener("map:init", async ({ detail: { map } }) => {
  cases = new CaseMap(map, choose);
  cases.drawOutline(desk.dataset.outline, desk.dataset.near);
  heat = new Heat(map, document.getElementById("heat"));
  heat.until = past().dataset.day;
  const choice = /** @type {HTMLInputElement} */ (document.getElementById("heat-on"));
  choice.closest("label").hidden = false;
  const show = () => (choice.checked ? heat.layer.addTo(map) : heat.layer.remove());
  choice.addEventListener("change", show);
  show();
  try {
    await drawMap();
    cases.fit();
  } catch {
    said.textContent = desk.dataset.failed;
  }
});
