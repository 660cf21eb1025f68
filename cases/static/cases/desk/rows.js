// The cards of the queue: a new list replaces the old one without a jump, and not under a pointer.

/** The list of cards. */
export class Rows {
  /**
   * @param {HTMLElement} box holds the list, and scrolls
   * @param {HTMLElement} more the button that says how many new cases wait
   */
  constructor(box, more) {
    this.box = box;
    this.more = more;
    /** @type {HTMLElement | null} */
    this.waiting = null; // the list to show as soon as the pointer is gone
    this.isOver = false;
    box.addEventListener("mouseenter", () => (this.isOver = true));
    box.addEventListener("mouseleave", () => {
      this.isOver = false;
      this.release();
    });
    more.addEventListener("click", () => {
      this.release();
      this.box.scrollTop = 0;
    });
  }

  get list() {
    return this.box.querySelector("ol");
  }

  /** The numbers of the cases, in order. */
  get numbers() {
    return this.cards().map((card) => card.dataset.case);
  }

  /** @returns {HTMLElement[]} */
  cards(list = this.list) {
    return [...list.querySelectorAll("a[data-case]")];
  }

  card(number) {
    return this.cards().find((card) => card.dataset.case === number);
  }

  /** Put the cards that are held where a list names them alone; false where one is not held. */
  fill(list) {
    const lists = this.waiting ? [this.waiting, this.list] : [this.list];
    for (const item of [...list.querySelectorAll("[data-known]")]) {
      const number = item.getAttribute("data-known");
      const held = lists.map((one) => one.querySelector(`a[data-case="${number}"]`)).find(Boolean);
      if (!held) return false;
      const card = /** @type {HTMLElement} */ (held.cloneNode(true));
      card.classList.remove("is-new", "is-gone");
      item.removeAttribute("data-known");
      item.append(card);
    }
    return true;
  }

  /**
   * Show a list that came from the server. With the pointer over the list what is there is only
   * brought up to date where it stands, and new cases wait; `isAsked` by the reader, nothing does.
   */
  take(list, { isAsked = false } = {}) {
    if (isAsked) {
      this.waiting = null;
      this.more.hidden = true;
      this.list.replaceWith(list);
      this.box.scrollTop = 0;
      return;
    }
    this.waiting = list;
    if (!this.isOver) {
      this.release();
      return;
    }
    const fresh = new Map(this.cards(list).map((card) => [card.dataset.case, card]));
    for (const card of this.cards()) {
      const now = fresh.get(card.dataset.case);
      card.classList.toggle("is-gone", !now);
      if (now) renew(card, now);
      fresh.delete(card.dataset.case);
    }
    this.more.hidden = fresh.size === 0;
    this.more.textContent = this.more.dataset[fresh.size === 1 ? "one" : "some"].replace("{n}", String(fresh.size));
  }

  /** Show the list that waits. */
  release() {
    const list = this.waiting;
    this.waiting = null;
    this.more.hidden = true;
    if (list) this._keepingPlace(() => this._merge(list));
  }

  /** The card that is chosen, or the first one in sight, stays where it is on the screen. */
  _keepingPlace(work) {
    const top = this.box.getBoundingClientRect().top;
    const isInSight = (card) => {
      const { top: from, bottom: to } = card.getBoundingClientRect();
      return to > top && from < top + this.box.clientHeight;
    };
    const seen = this.cards().filter(isInSight);
    const kept = seen.find((card) => card.hasAttribute("aria-current")) ?? seen[0];
    const from = kept?.getBoundingClientRect().top;
    const isAtTop = this.box.scrollTop === 0 && !kept?.hasAttribute("aria-current");
    work();
    if (kept?.isConnected && !isAtTop) this.box.scrollTop += kept.getBoundingClientRect().top - from;
  }

  /** Make the list the new one; a card that stays is the same element, and keeps the focus. */
  _merge(list) {
    const old = new Map(this.cards().map((card) => [card.dataset.case, card]));
    const isFirst = old.size === 0;
    const items = [...list.children].map((item) => {
      /** @type {HTMLElement} */
      const now = item.querySelector("a[data-case]");
      const card = now && old.get(now.dataset.case);
      if (!card) {
        if (now && !isFirst) now.classList.add("is-new");
        return item;
      }
      card.classList.remove("is-new");
      renew(card, now);
      return card.parentElement;
    });
    const mine = this.list;
    const stays = new Set(items);
    for (const item of [...mine.children]) if (!stays.has(item)) item.remove();
    // To move an element is to take its focus, so the others are put around that one.
    const focused = items.find((item) => item.contains(document.activeElement));
    let next = null;
    for (const item of items.reverse()) {
      if (item !== focused && (item.parentElement !== mine || item.nextSibling !== next)) {
        mine.insertBefore(item, next);
      }
      next = item;
    }
  }
}

/** Give a card the looks of another of the same case. */
function renew(card, now) {
  const isCurrent = card.getAttribute("aria-current");
  const isNew = card.classList.contains("is-new");
  for (const name of ["class", "title", "href"]) card.setAttribute(name, now.getAttribute(name));
  if (isCurrent) card.setAttribute("aria-current", isCurrent);
  if (isNew) card.classList.add("is-new");
  if (card.innerHTML !== now.innerHTML) card.innerHTML = now.innerHTML;
}
