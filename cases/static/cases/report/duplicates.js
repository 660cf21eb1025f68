// Says before a report is sent that the same may be reported already, with what tells: photo,
// distance, age; and that it is something closed lately, come back. Without a connection it says
// nothing.

const PAUSE_MS = 400;

export class Duplicates {
  /**
   * @param {HTMLElement} box its data-address is where near open cases are asked for
   * @param {(number: string) => void} onSame the person says it is this one
   */
  constructor(box, onSame) {
    this.box = box;
    this.onSame = onSame;
    this.cameBack = document.getElementById("came-back");
    this.row = box.querySelector("template");
    this.list = box.querySelector("#twin-list");
    /** Numbers the person said are another thing, for this draft. */
    this.others = new Set();
    box.querySelector("#twin-look").addEventListener("click", () => this._open());
    box.querySelector("#twin-no").addEventListener("click", () => this._refuse());
  }

  /** Ask again once place and class stand still; `point` and `minor` may be missing yet. */
  look(point, minor) {
    const asked = point && minor ? `${point.lon},${point.lat},${minor}` : "";
    if (asked === this.asked) return;
    this.asked = asked;
    clearTimeout(this.timer);
    this._show([]);
    this._say();
    if (asked) this.timer = setTimeout(() => this._ask(asked, point, minor), PAUSE_MS);
  }

  async _ask(asked, { lon, lat }, category) {
    const query = new URLSearchParams({ lon, lat, category });
    try {
      const answer = await fetch(`${this.box.dataset.address}?${query}`);
      if (!answer.ok || asked !== this.asked) return;
      const { cases, came_back: back } = await answer.json();
      this._show(cases);
      this._say(back);
    } catch {
      if (asked === this.asked) this.asked = ""; // asked again with the next change
    }
  }

  _show(cases) {
    this.twins = cases.filter(({ number }) => !this.others.has(number));
    this.box.hidden = this.twins.length === 0;
    this.list.hidden = true;
    this.list.textContent = "";
    if (this.twins.length === 0) return;
    const [first] = this.twins;
    this.box.querySelector("#twin-first").textContent = this._facts(first);
    this.box.querySelector("#twin-count").textContent = this.box.dataset.count.replace(
      "{n}",
      this.twins.length,
    );
  }

  /** Say how often the same class was closed here lately; the rule's numbers come with it. */
  _say(back) {
    this.cameBack.hidden = !back?.closings;
    if (!back?.closings) return;
    const { once, often } = this.cameBack.dataset;
    this.cameBack.textContent = (back.closings === 1 ? once : often)
      .replace("{n}", back.closings)
      .replace("{m}", back.metres)
      .replace("{d}", back.days);
  }

  _facts({ condition, distance_m, age_min }) {
    const { away, minutes, hours } = this.box.dataset;
    const age = age_min < 60 ? minutes : hours;
    const n = age_min < 60 ? age_min : Math.round(age_min / 60);
    return [condition, away.replace("{n}", distance_m), age.replace("{n}", n)]
      .filter(Boolean)
      .join(" · ");
  }

  _open() {
    this.list.textContent = "";
    this.list.append(...this.twins.map((twin) => this._twin(twin)));
    this.list.hidden = false;
    this.list.querySelector("button")?.focus();
  }

  _twin(twin) {
    const row = /** @type {DocumentFragment} */ (this.row.content.cloneNode(true));
    const [image, facts] = [row.querySelector("img"), row.querySelector("p")];
    const same = row.querySelector("button");
    if (twin.photo_large ?? twin.photo) image.src = twin.photo_large ?? twin.photo;
    else image.remove();
    facts.textContent = [this._facts(twin), twin.address, twin.number].filter(Boolean).join(" · ");
    const known = twin.own ? this.box.dataset.own : twin.supported && this.box.dataset.supported;
    same.disabled = Boolean(known);
    if (known) same.textContent = known;
    same.addEventListener("click", () => this.onSame(twin.number));
    return row;
  }

  _refuse() {
    for (const { number } of this.twins) this.others.add(number);
    this._show([]);
    this.box.dispatchEvent(new Event("change", { bubbles: true }));
  }
}
