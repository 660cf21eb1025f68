// The report page, made quick: photos, place, class, then one press stores it on the phone. Without
// this script the form posts itself; so it does for people whose reports do not go by the queue.

import { enqueue } from "./queue/store.js";
import { tellNextPage } from "./queue/toast.js";
import { Category } from "./report/category.js";
import { Draft } from "./report/draft.js";
import { Duplicates } from "./report/duplicates.js";
import { FRESH_MS } from "./report/locate.js";
import { PhotoTiles } from "./report/photos.js";
import { Place } from "./report/place.js";

const WITHDRAWN_WITHIN_MS = 10_000;
const PATIENCE_MS = 15_000;

/** @type {HTMLFormElement} */
const form = document.getElementById("report");
const { user, api, home } = form.dataset;
const isQueued = "queue" in form.dataset;
const summary = document.getElementById("faults");
const words = summary.dataset;
/** @type {HTMLTextAreaElement} */
const note = document.getElementById("id_description");
/** @type {HTMLInputElement} */
const address = document.getElementById("id_address");
/** @type {HTMLInputElement | null} */
const selfHandled = document.getElementById("id_self_handled");
/** @type {HTMLInputElement | null} */
const component = document.getElementById("id_component_code");
/** @type {HTMLButtonElement} */
const submit = form.querySelector("button[type=submit]");

const draft = new Draft(user, collect);
const place = new Place(form, lookAround);
const category = new Category(form, isQueued ? user : "");
const tiles = new PhotoTiles(form, {
  locator: place.locator,
  opening,
  changed: touch,
  isPlain: !isQueued,
});
const box = document.getElementById("twins");
const twins = box && new Duplicates(box, support);
const phrases = JSON.parse(document.getElementById("phrases").textContent);
let isEntered = false; // a position alone is nothing to keep

form.noValidate = true;
form.classList.add("is-quick");
place.onFix = (fix) => tiles.lateFix(fix);
place.isHeld = () => tiles.isAged;
place.onChosen = touch;
for (const part of form.querySelectorAll("[data-quick]")) part.hidden = !isQueued;

function touch() {
  isEntered = true;
  if (isQueued) draft.touch();
}

function collect() {
  if (!isEntered || !isQueued) return null;
  return {
    fields: {
      condition: category.select.value,
      description: note.value,
      address: address.value,
      component: component?.value ?? "",
      self_handled: Boolean(selfHandled?.checked),
      place: { ...place.point, accuracy_m: accuracy(), is_chosen: place.isChosen },
      others: [...(twins?.others ?? [])],
    },
    photos: tiles.photos,
    category_name: category.chosen?.name ?? "",
  };
}

const accuracy = () => Number(place.accuracy.value) || undefined;

/** Write down what is entered, and look where a photo taken now is taken. */
function opening({ type }) {
  if (isQueued) draft.save();
  if (type === "click") place.locator.start();
}

function lookAround() {
  twins?.look(place.point, category.chosen?.minor);
}

// --- what was begun before -----------------------------------------------------------------------

async function begin() {
  place.start();
  if (isQueued) await draft.restore(restore);
  await category.start();
  suit();
  document.querySelector("[aria-invalid=true]")?.focus();
}

/** Show a draft again, but for what was entered anew while it was read. */
async function restore({ fields, photos, saved_at }) {
  isEntered = true;
  note.value = note.value || fields.description;
  address.value = address.value || fields.address;
  if (component) component.value = component.value || fields.component;
  if (selfHandled) selfHandled.checked = selfHandled.checked || fields.self_handled;
  for (const number of fields.others) twins?.others.add(number);
  category.select.value = category.select.value || fields.condition;
  place.restore(fields.place);
  place.isHeld = () => tiles.isAged || Date.now() - Date.parse(saved_at) > FRESH_MS;
  await tiles.restore(photos);
  const strip = document.getElementById("restored");
  const at = new Date(saved_at).toTimeString().slice(0, 5);
  strip.querySelector("span").textContent = strip.dataset.words.replace("{at}", at);
  strip.hidden = false;
}

document.getElementById("start-over").addEventListener("click", async () => {
  await draft.clear();
  location.replace(location.pathname + location.search);
});

// A page brought back by the browser as it was left has a report that is stored already.
addEventListener("pageshow", (event) => {
  if (event.persisted && draft.isOver) location.reload();
  else ready();
});

// --- what the class asks for ---------------------------------------------------------------------

function suit() {
  const { chosen } = category;
  const rule = document.getElementById("photo-rule");
  rule.textContent = chosen ? rule.dataset[`need${chosen.photos}`] : rule.dataset.need;
  const part = document.getElementById("part");
  if (part) part.hidden = chosen?.kind !== "component";
  const offered = document.getElementById("ready-phrases");
  offered.textContent = "";
  offered.append(...(phrases[chosen?.problemCode] ?? []).map(phraseButton));
  lookAround();
}

function phraseButton(phrase) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = phrase;
  button.addEventListener("click", () => {
    const text = [note.value.trim(), phrase].filter(Boolean).join(words.comma);
    note.value = text.slice(0, note.maxLength);
    touch();
  });
  return button;
}

for (const kind of ["input", "change"]) form.addEventListener(kind, touch);
category.select.addEventListener("change", suit);

// --- before it is sent ---------------------------------------------------------------------------

/** Return what is missing: where, and in what words. */
function faults() {
  const { chosen } = category;
  const found = [];
  const photos = ["near", "far", "more1", "more2"].filter((slot) => tiles.has(slot));
  if (chosen?.photos === 1 && photos.length === 0) found.push(["id_near", words.photo]);
  if (chosen?.photos === 2) {
    for (const slot of ["near", "far"]) {
      if (!tiles.has(slot)) found.push([`id_${slot}`, words.photo]);
    }
  }
  if (!place.isThere) found.push(["change-place", words.place]);
  if (!chosen) found.push(["more", words.condition]);
  if (selfHandled?.checked && !tiles.has("after")) found.push(["id_after", words.after]);
  return found;
}

function showFaults(found) {
  for (const old of form.querySelectorAll(".fault")) old.remove();
  for (const marked of form.querySelectorAll("[aria-invalid]")) marked.removeAttribute("aria-invalid");
  for (const marked of form.querySelectorAll(".is-faulty")) marked.classList.remove("is-faulty");
  summarise(found.length > 0 ? words.missing : "");
  for (const [id, sentence] of found) {
    const at = document.getElementById(id);
    const line = document.createElement("p");
    line.className = "fault error";
    line.id = `${id}-fault`;
    line.textContent = sentence;
    if (at.matches("input")) at.setAttribute("aria-invalid", "true");
    at.setAttribute("aria-describedby", line.id);
    const part = at.closest(".shot, #category, #place");
    part.classList.add("is-faulty");
    part.append(line);
  }
  if (found.length > 0) document.getElementById(found[0][0]).focus();
}

function summarise(sentence) {
  summary.textContent = sentence;
  summary.hidden = sentence === "";
}

// --- sending -------------------------------------------------------------------------------------

const label = submit.innerHTML;

let patience = 0;

function ready() {
  clearTimeout(patience);
  submit.disabled = false;
  submit.innerHTML = label;
}

function busy() {
  submit.disabled = true;
  submit.textContent = submit.dataset.sending;
  patience = setTimeout(() => {
    ready();
    summarise(words.slow);
  }, PATIENCE_MS);
}

/** Post the form as it stands. Its own `submit` is the button of that name. */
const post = () => HTMLFormElement.prototype.submit.call(form);

form.addEventListener("submit", async (event) => {
  const isHeld = isQueued || faults().length > 0 || tiles.pending.size > 0;
  if (isHeld) event.preventDefault();
  busy();
  await tiles.settled();
  const found = faults();
  showFaults(found);
  if (found.length > 0) ready();
  else if (!isQueued && isHeld) post();
  else if (isQueued) store("report", api, reportBody(), { held_ms: WITHDRAWN_WITHIN_MS });
});

function reportBody() {
  const { chosen } = category;
  const part = chosen.kind === "component" ? (form.dataset.component ?? component?.value.trim()) : "";
  return {
    location: { ...place.point, crs: "wgs84" },
    category: chosen.minor,
    condition: chosen.code,
    description: note.value.trim(),
    address: address.value.trim(),
    claimed_at: new Date().toISOString(),
    ...(accuracy() ? { accuracy_m: accuracy() } : {}),
    ...(part ? { component: part } : {}),
    ...(selfHandled?.checked ? { self_handled: true } : {}),
  };
}

/** The person sees the very thing that is reported already: say so there, and end. */
function support(number) {
  const { lon, lat } = place.point;
  const said = note.value.trim();
  const body = { action: "support", place: `${lon},${lat}`, ...(said ? { note: said } : {}) };
  store("support", `${api}${number}/actions/`, body, { number, held_ms: WITHDRAWN_WITHIN_MS });
}

async function store(kind, path, body, { number = undefined, held_ms }) {
  await tiles.settled();
  const { name = "", problem = "" } = category.chosen ?? {};
  const photos = tiles.photos.filter((photo) => photo.kind !== "after" || body.self_handled);
  const { id } = draft;
  isEntered = true;
  category.remember();
  try {
    await draft.flush(); // what a withdrawn report becomes again
    draft.end();
    await enqueue({
      id,
      user,
      kind,
      path,
      body,
      photos,
      title: [name, problem].filter(Boolean).join(" · "),
      place: address.value.trim() || place.words,
      number,
      held_ms,
    });
  } catch {
    draft.isOver = false;
    if (kind === "report" && navigator.onLine && tiles.giveBack()) postUnstored();
    else {
      summarise(words.unstored);
      ready();
    }
    return;
  }
  leave(id, kind);
}

/** The phone has no room, but there is a line: the form goes as it would without this script. */
function postUnstored() {
  const key = /** @type {HTMLInputElement} */ (form.elements.namedItem("key"));
  key.value = draft.id; // should the draft be sent too, it counts once
  post();
}

function leave(id, kind) {
  tellNextPage({ id, user, kind });
  location.assign(home);
}

document.getElementById("save-draft")?.addEventListener("click", async () => {
  isEntered = true;
  await tiles.settled();
  draft.flush().then(
    () => leave(draft.id, "draft"),
    () => summarise(words.unstored),
  );
});

begin();
