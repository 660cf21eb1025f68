// Choosing rows of a list: all at once, by key, and how many an action is for.

const rows = [...document.querySelectorAll("tr[data-row]")];
/** @type {NodeListOf<HTMLInputElement>} */
const found = document.querySelectorAll("input[name=rows]");
const boxes = [...found];
/** @type {HTMLInputElement} */
const all = document.querySelector("input[data-all]");
const form = document.getElementById("bulk");
const most = Number(form?.dataset.most ?? Infinity);
const chosen = document.getElementById("chosen");

function show() {
  const checked = boxes.filter((box) => box.checked);
  if (all) {
    all.checked = checked.length > 0 && checked.length >= Math.min(boxes.length, most);
    all.indeterminate = checked.length > 0 && !all.checked;
  }
  for (const row of rows) {
    row.classList.toggle("is-chosen", Boolean(row.querySelector("input:checked")));
  }
  if (!form) return;
  if (chosen) chosen.textContent = chosen.dataset.words.replace("{n}", String(checked.length));
  for (const button of form.querySelectorAll("button")) {
    const action = button.dataset.action;
    const able = checked.filter((box) => !action || box.dataset.can.split(" ").includes(action));
    button.querySelector("[data-count]").textContent = `(${able.length})`;
    button.disabled = able.length === 0;
  }
}

if (all && boxes.length) {
  for (const part of all.parentElement.children) /** @type {HTMLElement} */ (part).hidden = false;
  all.addEventListener("change", () => {
    boxes.forEach((box, place) => {
      box.checked = all.checked && place < most;
    });
    show();
  });
}
document.addEventListener("change", (event) => {
  const { name } = /** @type {HTMLInputElement} */ (event.target);
  if (name === "rows") show();
});
addEventListener("pageshow", show); // Back restores what was chosen
show();

// A form is sent once; the button works again when it is come back to or nothing answered. A file
// leaves the page where it is, so its button soon works again. Safari before 15.4 does not say which
// button sent a form: it is the one that was pressed last.
/** @type {HTMLButtonElement} */
let pressed = null;
document.addEventListener("click", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  pressed = target.closest("button[type=submit]") ?? pressed;
});
document.addEventListener("submit", (event) => {
  const sent = /** @type {HTMLFormElement} */ (event.target);
  if (sent !== form && !("export" in sent.dataset)) return;
  const button = /** @type {HTMLButtonElement} */ (event.submitter ?? pressed);
  const buttons = sent.querySelectorAll("button");
  setTimeout(() => {
    for (const one of buttons) one.disabled = true;
  });
  setTimeout(
    () => {
      for (const one of buttons) one.disabled = false;
      show();
    },
    button && "stays" in button.dataset ? 3000 : 15_000,
  );
});

// --- keys ---

/** @type {HTMLInputElement} */
const keysOn = document.getElementById("keys-on");
if (keysOn) {
  keysOn.checked = localStorage.getItem("desk-keys") !== "off";
  keysOn.addEventListener("change", () => {
    localStorage.setItem("desk-keys", keysOn.checked ? "on" : "off");
    keysOn.blur(); // so that the next key is not taken for one of the box
  });
}

function step(by) {
  const at = rows.indexOf(document.activeElement?.closest("tr[data-row]"));
  const row = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))];
  row?.querySelector(".what a").focus();
}

function choose() {
  const row = document.activeElement?.closest("tr[data-row]");
  row?.querySelector("input[name=rows]")?.click();
}

const keys = {
  j: () => step(1),
  k: () => step(-1),
  x: choose,
  "/": () => document.getElementById("q").focus(),
};

document.addEventListener("keydown", (event) => {
  if (!keysOn?.checked || event.isComposing || event.keyCode === 229) return;
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const field = target.closest("input:not([type=checkbox]), select, textarea");
  const key = event.key.toLowerCase();
  if (field || !keys[key]) return;
  event.preventDefault();
  keys[key]();
});
