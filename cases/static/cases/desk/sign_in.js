// The session has ended: sign in again over the page, and go on with everything that stands there.

import { closeDialog, isOpen, openDialog } from "./dialogs.js";

const tokenIn = (page) => page.querySelector("input[name=csrfmiddlewaretoken]")?.value;
const userIn = (page) => page.querySelector("#sign-out")?.dataset.user;

async function pageOf(address, options = {}) {
  const answer = await fetch(address, { credentials: "same-origin", ...options });
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

/** The dialog that asks for name and password where the session has ended. */
export class SignIn {
  /**
   * @param {HTMLDialogElement} dialog
   * @param {string} user whose page it is
   * @param {() => void} onSignedIn
   */
  constructor(dialog, user, onSignedIn) {
    this.dialog = dialog;
    this.user = user;
    this.onSignedIn = onSignedIn;
    this.form = dialog.querySelector("form");
    /** @type {HTMLInputElement} */
    this.username = this.form.querySelector("[name=username]");
    /** @type {HTMLInputElement} */
    this.password = this.form.querySelector("[name=password]");
    this.said = dialog.querySelector("[role=alert]");
    /** @type {HTMLElement} */
    this.change = dialog.querySelector("[data-change]");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    // There is nothing to do behind it: Escape does not close it.
    dialog.addEventListener("cancel", (event) => event.preventDefault());
  }

  /** Ask, with the name filled in and the password to be typed. */
  ask() {
    if (isOpen(this.dialog)) return;
    this.said.textContent = "";
    this.change.hidden = true;
    this.username.value = this.user;
    openDialog(this.dialog);
    this.password.focus();
  }

  async send() {
    const button = this.form.querySelector("button");
    const words = button.textContent;
    button.disabled = true;
    button.textContent = this.dialog.dataset.sending;
    this.said.textContent = "";
    try {
      this._take(await this._answer());
    } catch {
      this.said.textContent = this.dialog.dataset.unanswered;
    }
    button.disabled = false;
    button.textContent = words;
  }

  /** Somebody may have signed in in another window meanwhile: look, renew the tokens, and close. */
  async look() {
    try {
      const page = await pageOf(this.dialog.dataset.home);
      if (!userIn(page)) return;
      if (isOpen(this.dialog)) this._take(page);
      else this._isRenewed(page);
    } catch {
      // No answer: the dialog stays.
    }
  }

  async _answer() {
    const address = this.form.getAttribute("action");
    const page = await pageOf(address);
    if (userIn(page)) return page; // signed in already, in another window
    const body = new URLSearchParams({
      username: this.username.value,
      password: this.password.value,
      csrfmiddlewaretoken: tokenIn(page),
      next: this.dialog.dataset.home,
    });
    return pageOf(address, { method: "POST", body });
  }

  _take(page) {
    const user = userIn(page);
    if (!user) {
      const error = page.querySelector("p.error");
      this.said.textContent = error?.textContent ?? this.dialog.dataset.unanswered;
      this.password.select();
      return;
    }
    if (!this._isRenewed(page)) return;
    this.password.value = "";
    const mustChange = page.querySelector("form[data-must-change]") !== null;
    this.change.hidden = !mustChange;
    if (mustChange) {
      this.said.textContent = this.dialog.dataset.mustChange; // no page is open to them before
      return;
    }
    closeDialog(this.dialog);
    this.onSignedIn();
  }

  /** Give every form the new token; another user gets a page of their own instead. */
  _isRenewed(page) {
    if (userIn(page) !== this.user) {
      location.reload(); // what stands here was for another's eyes
      return false;
    }
    const token = tokenIn(page);
    /** @type {NodeListOf<HTMLInputElement>} */
    const fields = document.querySelectorAll("input[name=csrfmiddlewaretoken]");
    for (const field of fields) field.value = token;
    return true;
  }
}
