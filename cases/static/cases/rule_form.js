// Makes the form of a rule quicker: search in the list of classes, conditions of the class only.

import { narrowBy } from "./narrow.js";

/** @type {HTMLSelectElement} */
const category = document.getElementById("id_category");
/** @type {HTMLSelectElement} */
const condition = document.getElementById("id_condition");
const groups = [...condition.querySelectorAll("optgroup")];

/** Offer the conditions of the class that is chosen, and of classes within it. */
function offer() {
  const chosen = condition.value;
  for (const group of groups) {
    if (group.dataset.minor.startsWith(category.value)) condition.append(group);
    else group.remove();
  }
  condition.value = chosen;
  if (condition.selectedIndex < 0) condition.value = "";
}

document.getElementById("search-box").hidden = false;
narrowBy(category, document.getElementById("search"));
category.addEventListener("change", offer);
offer();
document.querySelector("[aria-invalid=true]")?.focus();
