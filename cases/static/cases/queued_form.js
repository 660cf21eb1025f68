// Takes the form of an action, or of feedback, over: what it says is kept on the phone and sent
// from there, so that a dead spot costs nothing. Without this script the form posts itself.

import { tellNextPage } from "./queue/toast.js";
import { sha256 } from "./queue/sha256.js";
import {
  drafts,
  dropDraft,
  enqueue,
  getDraft,
  items,
  newId,
  onChange,
  putDraft,
  received,
} from "./queue/store.js";
import { Locator, originOf, saidOf, withLateFix } from "./report/locate.js";
import { shrink } from "./report/shrink.js";

/** @import {Item} from "types/queue" */

const SAVE_MS = 400;
const SHOWN_LETTERS = 60; // of feedback, so that one can tell it in the outbox
const NOT_SAID = new Set(["csrfmiddlewaretoken", "key", "seen_version", "action"]);

const user = document.getElementById("queue-chip")?.dataset.user;
const words = document.getElementById("queued-words")?.dataset ?? {};

/** Return what a ticked box says: yes, or one more of the values ticked before. */
function valueOf({ value }, before) {
  if (value === "true") return true;
  return before === undefined ? value : `${before},${value}`;
}

class QueuedForm {
  constructor(form) {
    this.form = form;
    this.action = form.dataset.action;
    this.kind = form.dataset.kind ?? "action";
    this.id = newId();
    /** The photos by the input they were chosen with. */
    this.photos = new Map();
    this.pending = new Set();
    this.saving = Promise.resolve();
    this.inputs = [...form.querySelectorAll("input[type=file]")];
    this.isPhotoNeeded = this.inputs.some((input) => input.required);
    this.locator = new Locator((fix) => this._lateFix(fix));
    for (const input of this.inputs) this._listen(input);
    form.addEventListener("input", () => this._saveSoon());
    this.isTouched = false; // nobody wants a draft of a form that was only looked at
    form.addEventListener("click", ({ target }) => this._press(target.closest("button[type=submit]")));
    form.addEventListener("submit", (event) => this._submit(event));
    addEventListener("pagehide", () => this._save());
  }

  // --- what was entered --------------------------------------------------------------------------

  /** Show again what was entered before the page was left, or killed while its camera was open. */
  async restore() {
    const own = (await drafts(user)).filter(({ path, fields }) => {
      return path === location.pathname && fields.action === this.action;
    });
    const wanted = own.find(({ id }) => id === location.hash.slice(1)) ?? own[own.length - 1];
    const draft = wanted && (await getDraft(wanted.id, user));
    if (!draft) return;
    this.id = draft.id;
    for (const [name, value] of Object.entries(draft.fields)) this._fill(name, value);
    for (const photo of draft.photos) {
      const input = this.inputs.find(({ id }) => id === photo.name);
      if (input) this._put(input, photo);
    }
    this._say(draft.saved_at);
  }

  _fill(name, value) {
    for (const field of this.form.elements) {
      if (field.name !== name || ["hidden", "file"].includes(field.type)) continue;
      if (field.type !== "checkbox") field.value = value;
      else field.checked = value === true || value.split(",").includes(field.value);
    }
  }

  _say(savedAt) {
    this.form.closest("details")?.setAttribute("open", "");
    const at = new Date(savedAt).toTimeString().slice(0, 5);
    const line = document.createElement("p");
    line.className = "note task-restored";
    line.setAttribute("role", "status");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words.again;
    button.addEventListener("click", async () => {
      line.remove();
      this.form.reset();
      this.isTouched = false;
      for (const input of this.inputs) this._drop(input);
      clearTimeout(this.timer);
      await this.saving.catch(() => {});
      await dropDraft(this.id);
    });
    line.append(words.restored.replace("{at}", at), " ", button);
    this.form.prepend(line);
  }

  _saveSoon() {
    this.isTouched = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this._save(), SAVE_MS);
  }

  _save() {
    this._keep().catch(() => {}); // the phone has no room: the page itself still holds it
  }

  /** Keep what is entered, after what is being kept already; resolves when it is on the disk. */
  _keep() {
    clearTimeout(this.timer);
    if (!this.isSent && this.isTouched) {
      const draft = {
        id: this.id,
        user,
        path: location.pathname,
        fields: { ...this._said(), action: this.action },
        photos: [...this.photos.values()],
        category_name: this.form.dataset.title,
      };
      this.saving = this.saving.catch(() => {}).then(() => putDraft(draft));
    }
    return this.saving;
  }

  /** Return the fields of the form that say something, in the words of the API. */
  _said() {
    /** @type {Record<string, string | boolean>} */
    const said = {};
    for (const field of this.form.elements) {
      const isOther = !field.name || NOT_SAID.has(field.name) || field.name.startsWith("kept_");
      if (isOther || ["file", "submit", "button"].includes(field.type)) continue;
      if (field.type === "checkbox") {
        if (field.checked) said[field.name] = valueOf(field, said[field.name]);
      } else if (field.value) said[field.name] = field.value;
    }
    return said;
  }

  // --- photos ------------------------------------------------------------------------------------

  _listen(input) {
    input.required = false; // a photo out of a draft cannot be put back into the input
    const opening = () => {
      this._save(); // the phone may end the page while its camera is open
      if (input.hasAttribute("capture") && !this.locator.fresh) this.locator.start();
    };
    for (const kind of ["pointerdown", "click"]) input.addEventListener(kind, opening);
    input.addEventListener("change", () => {
      for (const one of this.inputs) one.setCustomValidity("");
      const [file] = input.files;
      if (file) this._take(input, file);
      else this._drop(input);
    });
  }

  async _take(input, file) {
    const origin = input.hasAttribute("capture") ? originOf(file) : "album";
    const said = saidOf(origin, this.locator.fresh);
    const work = this._make(input, file, said).catch(() => this._refuse(input, words.unreadable));
    this.pending.add(work);
    await work;
    this.pending.delete(work);
    this.isTouched = true;
    this._save();
  }

  async _make(input, file, said) {
    const blob = await shrink(file);
    const sha = await sha256(await blob.arrayBuffer());
    this._put(input, { name: input.id, blob, type: "image/jpeg", sha256: sha, ...said });
  }

  _put(input, photo) {
    this._drop(input);
    this.photos.set(input, photo);
    const image = document.createElement("img");
    image.className = "phone-preview";
    image.src = URL.createObjectURL(photo.blob);
    image.alt = "";
    input.before(image);
  }

  _drop(input) {
    this.photos.delete(input);
    const image = input.parentElement.querySelector(".phone-preview");
    if (!image) return;
    URL.revokeObjectURL(image.src);
    image.remove();
  }

  /** Say at an input why nothing is sent; the next choice takes it back. */
  _refuse(input, sentence) {
    input.setCustomValidity(sentence);
    input.reportValidity();
  }

  /** Give photos taken just before the position was found their place. */
  _lateFix(fix) {
    for (const [input, photo] of this.photos) this.photos.set(input, withLateFix(photo, fix));
  }

  // --- sending -----------------------------------------------------------------------------------

  /** Remember the button: Chrome 80 and Safari before 15.4 do not name it when the form is sent. */
  _press(button) {
    this.pressed = button ?? this.pressed;
  }

  async _submit(event) {
    event.preventDefault();
    if (this.isBusy) return;
    const button = event.submitter ?? this.pressed;
    const answer = { name: button?.name, value: button?.value, words: button?.textContent.trim() };
    const ready = this._busy(button);
    while (this.pending.size > 0) await Promise.all(this.pending);
    if (this.isPhotoNeeded && this.photos.size === 0) {
      ready();
      this._refuse(this.inputs[0], words.photo);
      return;
    }
    this.isTouched = true;
    const kept = this._keep(); // what a refused answer becomes again
    this.isSent = true;
    try {
      await kept;
      await enqueue(this._item(answer));
    } catch {
      this._post(answer);
      return;
    }
    tellNextPage({ id: this.id, user, kind: this.kind });
    location.assign(words.home);
  }

  /** Say on the pressed button that its answer is being stored; none can be pressed meanwhile. */
  _busy(button) {
    const buttons = [...this.form.querySelectorAll("button[type=submit]")];
    const label = button?.textContent;
    const show = (isBusy) => {
      this.isBusy = isBusy;
      for (const one of buttons) one.disabled = isBusy;
      if (button) button.textContent = isBusy ? words.sending : label;
    };
    show(true);
    return () => show(false);
  }

  /** @returns {Item} */
  _item(answer) {
    const { api: path, title } = this.form.dataset;
    const item = { id: this.id, user, path, title, photos: [...this.photos.values()] };
    return { ...item, ...(this.kind === "feedback" ? this._feedback() : this._answer(answer, title)) };
  }

  _answer({ name, value, words: pressed }, title) {
    const { number, place, version, stage, unit, words: stood } = this.form.dataset;
    return {
      kind: /** @type {const} */ ("action"),
      body: {
        action: this.action,
        seen_version: Number(version),
        claimed_at: new Date().toISOString(),
        ...this._said(),
        ...(name ? { [name]: value === "true" } : {}),
      },
      title: name ? `${title} · ${pressed}` : title,
      place,
      number,
      seen: { version: Number(version), stage, unit, words: stood },
    };
  }

  _feedback() {
    const body = this._said();
    // The phone's own copy of the page was made for no page in particular.
    body.page = body.page ?? new URLSearchParams(location.search).get("page") ?? "";
    const place = String(body.text).slice(0, SHOWN_LETTERS);
    return { kind: /** @type {const} */ ("feedback"), body, place };
  }

  /** Post the form itself where the phone could keep nothing: no script could have done more. */
  _post({ name, value }) {
    if (name) {
      const field = document.createElement("input");
      this.form.append(Object.assign(field, { type: "hidden", name, value }));
    }
    this.form.submit();
  }
}

/** Hide the forms of what was answered on this phone, and say in their place what became of it. */
async function hideAnswered(forms) {
  const [waiting, done] = await Promise.all([items(user), received(user)]);
  const madeAt = Date.parse(words.renderedAt);
  const after = done.filter(({ received_at }) => received_at > madeAt); // this page is an old copy
  for (const form of forms) {
    const { kind, number, action, version } = form.dataset;
    if (kind) continue; // there is always more to say
    const isOf = (one) => one.number === number && (one.action ?? one.body?.action) === action;
    const isDone = after.some((one) => isOf(one) && one.version === Number(version));
    tell(form, waiting.some(isOf) ? words.waits : isDone ? words.received : "");
  }
}

/** Say something in the place of a form; nothing shows the form. */
function tell(form, sentence) {
  form.hidden = sentence !== "";
  const said = sentence && `${form.dataset.title}: ${sentence}`;
  const box = form.closest("details") ?? form;
  const before = box.previousElementSibling;
  const old = before?.classList.contains("task-waits") ? before : null;
  if ((old?.textContent ?? "") === said) return;
  old?.remove();
  if (!said) return;
  const line = document.createElement("p");
  line.className = "note task-waits";
  line.setAttribute("role", "status");
  const link = document.createElement("a");
  link.className = "phone-link";
  link.href = words.outbox;
  link.textContent = said;
  line.append(link);
  box.before(line);
}

// A page brought back by the browser as it was left has an answer that is stored already.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

async function begin() {
  const forms = [...document.querySelectorAll("form[data-queue]")];
  const taken = forms.map((form) => new QueuedForm(form));
  await hideAnswered(forms);
  await Promise.all(taken.map((one) => one.restore()));
  onChange(() => hideAnswered(forms));
}

if (user) begin().catch(() => {}); // without a store every form posts itself
