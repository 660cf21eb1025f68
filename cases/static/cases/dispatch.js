// The form that gives a case to a unit: suggestions are taken by one press, units are searched.
// Works for any such form of the page, also one that came later.

const root = document.documentElement;
const elementOf = (event) => /** @type {HTMLElement} */ (event.target);
/** @type {WeakMap<HTMLSelectElement, HTMLOptGroupElement[]>} every group as the page had it */
const whole = new WeakMap();

root.classList.add("has-script"); // shows what only works with it

const chooserOf = (element) => element.closest("[data-chooser]");
/** @returns {HTMLSelectElement} */
const selectOf = (chooser) => chooser.querySelector("select[name=unit]");

/** Show in the list only the units whose name or initials hold `words`; of no words all. */
function search(chooser, words) {
  const select = selectOf(chooser);
  if (!whole.has(select)) whole.set(select, [...select.querySelectorAll("optgroup")]);
  const asked = words.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = select.value;
  const holds = (option) => {
    const text = `${option.textContent.toLowerCase()} ${option.dataset.initials}`;
    return asked.every((word) => text.includes(word));
  };
  let found = 0;
  for (const old of select.querySelectorAll("optgroup")) old.remove();
  for (const group of whole.get(select)) {
    const shown = /** @type {HTMLOptGroupElement} */ (group.cloneNode());
    for (const option of group.querySelectorAll("option")) {
      if (holds(option)) shown.append(option.cloneNode(true));
    }
    found += shown.children.length;
    if (shown.children.length) select.append(shown);
  }
  select.value = chosen;
  /** @type {HTMLOptionElement} */
  const first = select.querySelector("optgroup option");
  if (asked.length && select.selectedIndex < 1 && first) first.selected = true;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
  const told = chooser.querySelector("[data-found]");
  told.textContent = asked.length ? told.dataset.words.replace("{n}", String(found)) : "";
  sayDue(chooser);
}

/** What remains of the limit holds only for the unit that gave the case back without reason. */
function sayDue(chooser) {
  const goesOn = chooser.querySelector('[data-due="goes-on"]');
  if (!goesOn) return;
  const ruling = chooser.closest("form").querySelector("select[name=ruling]")?.value;
  const isSame = selectOf(chooser).value === chooser.dataset.back;
  const doesGoOn = ruling === "unjustified" && isSame;
  goesOn.hidden = !doesGoOn;
  chooser.querySelector('[data-due="full"]').hidden = doesGoOn;
}

function take(chooser, code) {
  const box = chooser.querySelector("[data-unit-search]");
  if (box.value) {
    box.value = "";
    search(chooser, "");
  }
  selectOf(chooser).value = code;
  sayDue(chooser);
}

function sayAllDue() {
  for (const chooser of document.querySelectorAll("[data-chooser]")) sayDue(chooser);
}

sayAllDue();
document.body.addEventListener("htmx:afterSettle", sayAllDue);
document.addEventListener("click", (event) => {
  const button = elementOf(event).closest("[data-take]");
  if (button) take(chooserOf(button), button.dataset.take);
});
document.addEventListener("input", (event) => {
  const box = /** @type {HTMLInputElement} */ (event.target);
  if (box.matches("[data-unit-search]")) search(chooserOf(box), box.value);
});
document.addEventListener("change", (event) => {
  const chooser = elementOf(event).closest("form")?.querySelector("[data-chooser]");
  if (chooser) sayDue(chooser);
});
// Enter in the search goes on to the list; it does not send the form.
document.addEventListener("keydown", (event) => {
  const box = elementOf(event);
  if (event.key !== "Enter" || event.ctrlKey || event.metaKey || event.isComposing) return;
  if (!box.matches("[data-unit-search]")) return;
  event.preventDefault();
  selectOf(chooserOf(box)).focus();
});

// --- at the desk the next case to dispatch opens by itself ---

document.body.addEventListener("desk-next", (event) => {
  const { detail } = /** @type {CustomEvent<{ number: string }>} */ (event);
  const said = document.getElementById("said");
  const words = said ? [...said.children] : [];
  document.dispatchEvent(new CustomEvent("desk-choose", { detail: { number: detail.number } }));
  if (!words.length) return;
  said.textContent = "";
  said.append(...words); // what became of the one before
});
