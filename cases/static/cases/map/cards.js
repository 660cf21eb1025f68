// What a mark stands for in words: a card while the pointer is over it, and a list of the cases
// that lie too close together, or that are in sight, for the keyboard.

const HOVER_MS = 150;
const LEAVE_MS = 250; // so that the pointer can be moved into the card
const KEPT_MS = 10_000;
const MOST = 100; // in a list; how many more there are is said
const GAP = 24;

export class Cards {
  /**
   * @param {L.Map} map
   * @param {HTMLElement} box the map's section, with the card and the list in it
   * @param {(number: string) => void} onChoose
   */
  constructor(map, box, onChoose) {
    this.map = map;
    this.address = box.dataset.cards;
    this.card = box.querySelector(".map-card");
    this.list = box.querySelector(".map-list");
    this.rows = this.list.querySelector(".map-rows");
    this.more = this.list.querySelector(".map-more");
    /** @type {Map<string, {at: number, html: Promise<string>}>} */
    this.kept = new Map();
    this.card.addEventListener("mouseenter", () => clearTimeout(this.leaving));
    this.card.addEventListener("mouseleave", () => this.leave());
    for (const shown of [this.card, this.list]) {
      L.DomEvent.disableClickPropagation(shown).disableScrollPropagation(shown);
      shown.addEventListener("click", (event) => {
        const link = /** @type {HTMLElement} */ (event.target).closest("a[data-case]");
        if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        onChoose(link.dataset.case);
      });
    }
    this.list.querySelector("button").addEventListener("click", () => this.closeList());
    this.list.addEventListener("keydown", (event) => this._key(event));
    document.addEventListener("keydown", ({ key }) => key === "Escape" && this.hide());
    map.on("movestart zoomstart", () => this.hide());
    map.on("click", () => this.closeList());
  }

  async _ask(numbers) {
    const answer = await fetch(`${this.address}?numbers=${numbers.join(",")}`);
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    return answer.text();
  }

  /** Show the card of a case beside its mark, as soon as the pointer has rested there. */
  hover(number, at) {
    clearTimeout(this.leaving);
    clearTimeout(this.coming);
    this.coming = setTimeout(async () => {
      const kept = this.kept.get(number);
      const isFresh = kept && Date.now() - kept.at < KEPT_MS;
      const asked = isFresh ? kept : { at: Date.now(), html: this._ask([number]) };
      this.kept.clear();
      this.kept.set(number, asked);
      this.wanted = number;
      try {
        const html = await asked.html;
        if (this.wanted !== number || !html.trim()) return;
        this.card.innerHTML = html;
        this._place(this.card, at);
      } catch {
        this.kept.delete(number); // a card is a help; without one the mark still opens its case
      }
    }, HOVER_MS);
  }

  leave() {
    clearTimeout(this.coming);
    clearTimeout(this.leaving);
    this.leaving = setTimeout(() => this.hide(), LEAVE_MS);
  }

  hide() {
    clearTimeout(this.coming);
    this.wanted = "";
    this.card.hidden = true;
  }

  /** List cases, those that press most first; `from` has the focus when the list is closed. */
  async open(numbers, at, from = document.activeElement) {
    this.hide();
    this.from = /** @type {HTMLElement} */ (from);
    const shown = numbers.slice(0, MOST);
    const left = numbers.length - shown.length;
    this.more.hidden = left === 0;
    this.more.textContent = this.more.dataset.words.replace("{n}", String(left));
    try {
      this.rows.innerHTML = shown.length ? await this._ask(shown) : "";
      if (!this.rows.querySelector("a")) this.rows.textContent = this.list.dataset.none;
    } catch {
      this.rows.textContent = this.list.dataset.unanswered;
    }
    this._place(this.list, at);
    (this.rows.querySelector("a") ?? this.list.querySelector("button")).focus();
  }

  closeList() {
    if (this.list.hidden) return;
    const hadFocus = this.list.contains(document.activeElement);
    this.list.hidden = true;
    if (hadFocus) (this.from?.isConnected ? this.from : this.map.getContainer()).focus();
  }

  _key(event) {
    const links = [...this.rows.querySelectorAll("a")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") this.closeList();
    else if (step) {
      const at = links.findIndex((link) => link === document.activeElement);
      links[Math.min(links.length - 1, Math.max(0, at + step))]?.focus();
      event.preventDefault();
    } else return;
    event.stopPropagation();
  }

  /** Beside a place of the map, wherever there is room. */
  _place(shown, at) {
    shown.hidden = false;
    const size = this.map.getSize();
    const point = this.map.latLngToContainerPoint(at);
    const isRight = point.x + GAP + shown.offsetWidth <= size.x;
    const left = isRight ? point.x + GAP : point.x - GAP - shown.offsetWidth;
    const top = Math.min(point.y - GAP, size.y - shown.offsetHeight - 8);
    shown.style.left = `${Math.max(8, left)}px`;
    shown.style.top = `${Math.max(8, top)}px`;
  }
}
