// The list of all that may be wrong: searched by words or pinyin initials, or opened group by group.

/** @type {HTMLDialogElement} */
const dialog = document.getElementById("category-dialog");
/** @type {HTMLInputElement} */
const search = dialog.querySelector("#category-search");
const list = dialog.querySelector("#category-list");
const MOST = 60; // shown of a search; what is typed further narrows it

let category = null;
/** @type {(code: string | null) => void} */
let settle = () => {};

/**
 * Let the person choose; null if they leave it as it was, or are choosing already.
 * @param {{choices: Map<string, object>, select: HTMLSelectElement, pins: string[],
 *   pin: (code: string) => boolean}} from the class of ./category.js
 * @returns {Promise<string | null>}
 */
export async function pickCategory(from) {
  if (dialog.hasAttribute("open")) return null; // pressed twice while this module was on its way
  category = from;
  search.value = "";
  show();
  dialog.showModal ? dialog.showModal() : dialog.setAttribute("open", "");
  const code = await new Promise((choose) => (settle = choose));
  dialog.close ? dialog.close() : dialog.removeAttribute("open");
  return code;
}

function show() {
  list.textContent = "";
  list.append(...rowsOf([...category.choices.values()]));
}

search.addEventListener("input", show);
search.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
dialog.addEventListener("close", () => settle(null));
dialog.querySelector("[data-do=back]").addEventListener("click", () => settle(null));
list.addEventListener("click", ({ target }) => {
  const button = /** @type {HTMLElement} */ (target).closest("button");
  if (button?.dataset.choose) settle(button.dataset.choose);
  if (button?.dataset.pin) showPin(button, category.pin(button.dataset.pin));
});

function rowsOf(choices) {
  const wanted = search.value.trim().toLowerCase();
  if (!wanted) return groupsOf(choices);
  const found = choices.filter(({ name, initials, text, problem }) =>
    [name, initials, text, problem].some((words) => words?.toLowerCase().includes(wanted)),
  );
  if (found.length === 0) return [element("p", "muted", list.dataset.none)];
  return minorsOf(found.slice(0, MOST));
}

/** Component or event, then the major class; both fold, and what is inside is made when opened. */
function groupsOf(choices) {
  return [...split(choices, (one) => one.kindName)].flatMap(([kind, ofKind]) => [
    element("h3", "", kind),
    ...[...split(ofKind, (one) => one.major)].map(([major, ofMajor]) => fold(major, ofMajor)),
  ]);
}

function fold(title, choices) {
  const details = element("details");
  details.append(element("summary", "", title));
  details.addEventListener(
    "toggle",
    () => details.append(...minorsOf(choices)),
    { once: true },
  );
  return details;
}

const minorsOf = (choices) =>
  [...split(choices, (one) => one.minor)].map(([, ofMinor]) => {
    const section = element("section", "minor");
    section.append(element("h4", "", ofMinor[0].name), ...ofMinor.map(row));
    return section;
  });

function row(choice) {
  const line = element("div", "choice");
  const choose = element("button", "", choice.text);
  choose.type = "button";
  choose.dataset.choose = choice.code;
  choose.setAttribute("aria-pressed", String(choice.code === category.select.value));
  choose.append(element("small", "", `${choice.problem} · ${choice.limit}`));
  const star = element("button", "star");
  star.type = "button";
  star.dataset.pin = choice.code;
  star.setAttribute("aria-label", list.dataset.pin.replace("{name}", choice.text));
  showPin(star, category.pins.includes(choice.code));
  line.append(choose, star);
  return line;
}

function showPin(star, isPinned) {
  star.textContent = isPinned ? "★" : "☆";
  star.setAttribute("aria-pressed", String(isPinned));
}

function split(choices, key) {
  const groups = new Map();
  for (const one of choices) groups.set(key(one), [...(groups.get(key(one)) ?? []), one]);
  return groups;
}

function element(name, className = "", words = "") {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.textContent = words;
  return node;
}
