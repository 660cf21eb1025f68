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

/** Ask what was open at an hour, for the map. */
async function openAt(at) {
  const answer = await fetch(`${desk.dataset.cases}?at=${encodeURIComponent(at)}`);
  if (!answer.ok) throw new Error(`past: ${answer.status}`);
  return answer.json();
}

/** Show it, at once and not when the map next would: the list beside it is of that hour. */
function drawMap(columns) {
  cases?.take(columns);
  cases?.draw();
}

/**
 * Go to another hour: `query` is what follows the ? of its address. List and map change together,
 * once both have answered, or neither does.
 */
async function go(query, { keeps = true } = {}) {
  turn += 1;
  const mine = turn;
  said.textContent = "";
  try {
    const answer = await fetch(`?${query}`, { headers: { "HX-Request": "true" } });
    if (!answer.ok || answer.redirected) throw new Error(`past: ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const list = page.getElementById("past"); // made by the same template as the page
    const columns = await openAt(list.dataset.at);
    if (mine !== turn) return;
    past().replaceWith(document.importNode(list, true));
    if (keeps) history.pushState(null, "", `?${query}`);
    heat?.endAt(past().dataset.day);
    drawMap(columns);
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
  cases.drawOutline(desk.dataset.outline);
  heat = new Heat(map, document.getElementById("heat"));
  heat.until = past().dataset.day;
  const choice = /** @type {HTMLInputElement} */ (document.getElementById("heat-on"));
  choice.closest("label").hidden = false;
  const show = () => (choice.checked ? heat.layer.addTo(map) : heat.layer.remove());
  choice.addEventListener("change", show);
  show();
  try {
    const { at } = past().dataset;
    const columns = await openAt(at);
    if (at === past().dataset.at) drawMap(columns); // else another hour has been drawn meanwhile
    cases.fit();
  } catch {
    said.textContent = desk.dataset.failed;
  }
});
