// The chosen case beside the list: its forms open in place and are never replaced under a hand.

const UNANSWERED = /** @type {const} */ (["htmx:responseError", "htmx:sendError", "htmx:timeout"]);
export const FIELDS = "input:not([type=hidden]), select, textarea";

/** The panel of the chosen case. */
export class Panel {
  /**
   * @param {object} parts
   * @param {HTMLElement} parts.box
   * @param {HTMLElement} parts.said
   * @param {HTMLElement} parts.moved the button that shows a case that has moved on
   * @param {() => void} parts.onSignedOut
   */
  constructor({ box, said, moved, onSignedOut }) {
    this.box = box;
    this.said = said;
    this.moved = moved;
    this.address = "";
    this.number = "";
    moved.addEventListener("click", () => {
      box.textContent = "";
      this.load();
    });
    box.addEventListener("htmx:beforeRequest", ({ detail }) => this._wait(detail));
    box.addEventListener("htmx:afterRequest", ({ detail }) => this._goOn(detail));
    document.body.addEventListener("htmx:beforeSwap", ({ detail }) => {
      if (new URL(detail.xhr.responseURL || location.href).pathname.startsWith("/sign-in/")) {
        detail.shouldSwap = false;
        onSignedOut();
        return;
      }
      // The server's own words are shown; nginx, or a server that is gone, has none for this place.
      if (detail.xhr.status >= 429) {
        detail.shouldSwap = detail.xhr.getResponseHeader("HX-Retarget") !== null;
      }
    });
    // A form that was opened while its case was asked for again stays.
    box.addEventListener("htmx:beforeSwap", ({ detail }) => {
      if (detail.requestConfig.verb !== "get") {
        // The form of a case that was left meanwhile: its answer is not of the case shown now.
        if (!box.contains(detail.requestConfig.elt)) detail.shouldSwap = false;
        return;
      }
      const asked = detail.requestConfig.path;
      if (asked !== this.address) detail.shouldSwap = false; // another was chosen meanwhile
      else if (this.shown === this.number && this.isTyping()) {
        detail.shouldSwap = false;
        moved.hidden = false;
      }
    });
    for (const name of UNANSWERED) {
      document.body.addEventListener(name, ({ detail }) => {
        if (detail.xhr?.getResponseHeader("HX-Retarget")) return;
        said.textContent = said.dataset.unanswered;
      });
    }
    // Faster than htmx, which binds what it has swapped in only once that has settled.
    box.addEventListener("submit", (event) => {
      const form = /** @type {HTMLFormElement} */ (event.target);
      if (event.defaultPrevented || !form.hasAttribute("hx-post")) return;
      event.preventDefault();
      htmx.process(form);
      this._pressed(form).click();
    });
    // Ctrl+Enter sends the form one is in; a form that ends in two buttons waits for one of them.
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
      const target = /** @type {HTMLElement} */ (event.target);
      const buttons = target.closest("form")?.querySelectorAll("[type=submit]");
      if (buttons?.length === 1) buttons[0].click();
    });
  }

  /** The number of the case that stands there. */
  get shown() {
    return this.box.querySelector("[data-case]")?.dataset.case ?? "";
  }

  /** Show another case, or none. */
  show(number, address) {
    this.number = number;
    this.address = address;
    this.said.textContent = "";
    if (number) this.load();
    else this.box.textContent = "";
  }

  load() {
    this.moved.hidden = true;
    const { box, address } = this;
    // With a source of its own a request for the panel and one of a form never replace each other.
    htmx.ajax("GET", address, { source: box, target: box, swap: "innerHTML" }).catch(() => {});
  }

  /** Say that the case is not as it is shown. */
  sayMoved() {
    this.moved.hidden = false;
  }

  /** Show the case as it is now, or say that it has moved on where somebody is typing. */
  refresh() {
    if (!this.number) return;
    if (this.isTyping()) this.moved.hidden = false;
    else this.load();
  }

  /** Whether a form was opened, or something entered into the one that stands open. */
  isTyping() {
    return (
      this.box.querySelector(".acts details[open]") !== null ||
      [...this.box.querySelectorAll(".turn form")].some((form) =>
        [...form.querySelectorAll(FIELDS)].some(isEntered),
      )
    );
  }

  /** Return the form that a letter opens, if the workflow offers it. */
  form(letter) {
    /** @type {HTMLFormElement | null} */
    const form = this.box.querySelector(`form[data-letter="${letter}"]`);
    if (form || letter !== "r") return form;
    // To whoever rules on returns it is the form that does.
    return this.box.querySelector("form [name=ruling]")?.closest("form") ?? null;
  }

  /** Open a form with the focus on its first field. */
  open(form, field = form.querySelector(FIELDS)) {
    for (let part = form; part && part !== this.box; part = part.parentElement) {
      if (part.tagName === "DETAILS") part.open = true;
    }
    form.scrollIntoView({ block: "nearest" });
    (field ?? form.querySelector("[type=submit]")).focus();
  }

  /** Open the form of a letter, or say why there is none. */
  openBy(letter) {
    const form = this.form(letter);
    const ruling = form?.querySelector("[name=ruling]");
    if (form) this.open(form, letter === "r" && ruling ? ruling : undefined);
    else this.sayWhyNot(letter);
  }

  sayWhyNot(letter) {
    const why = this.box.querySelector("[data-case]")?.getAttribute(`data-why-${letter}`);
    this.said.textContent = why ?? this.said.dataset.nothing;
  }

  /** Go to the note of the form that stands open, else of the first that takes one. */
  openNote() {
    const notes = [...this.box.querySelectorAll("form [name=note]")];
    const isOpen = (note) => note.closest("details")?.open ?? true;
    const note = notes.find(isOpen) ?? notes[0];
    if (note) this.open(note.closest("form"), note);
    else this.said.textContent = this.said.dataset.noNote;
  }

  /** Fold a form that was opened and not filled. */
  fold(field) {
    const details = field.closest("details");
    const form = field.closest("form");
    if (!details || !form) return;
    field.blur();
    if (![...form.querySelectorAll(FIELDS)].some(isEntered)) details.open = false;
  }

  /** The button a form was sent with; the focused one, where it was one of its own. */
  _pressed(form) {
    const buttons = [...form.querySelectorAll("[type=submit]")];
    return buttons.find((button) => button === document.activeElement) ?? buttons[0];
  }

  _wait({ elt }) {
    if (elt.tagName !== "FORM") return;
    const pressed = this._pressed(elt);
    for (const button of elt.querySelectorAll("button")) {
      button.dataset.words = button.innerHTML;
      button.disabled = true;
    }
    if (pressed) pressed.textContent = this.said.dataset.sending;
  }

  _goOn({ elt }) {
    if (elt.tagName !== "FORM") return;
    for (const button of elt.querySelectorAll("button[data-words]")) {
      button.innerHTML = button.dataset.words;
      button.disabled = false;
      delete button.dataset.words;
    }
  }
}

/** Whether something was entered into a field, or is about to be. */
export function isEntered(field) {
  if (field === document.activeElement) return true;
  if (field.type === "checkbox") return field.checked !== field.defaultChecked;
  if (field.tagName === "SELECT") {
    const first = field.querySelector("[selected]")?.value ?? "";
    return field.value !== first;
  }
  return field.value !== field.defaultValue;
}
