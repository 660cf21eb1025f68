// The map of a wall: districts, streets and the open cases as one SVG. Nobody drags it, and all of
// it, names and counts too, grows with the wall, which a tiled map for a desk does not.

/** @import {PointFeature} from "supercluster" */

const LIGHTS = ["normal", "soon", "late", "paused"];
const NEAR_ZOOM = 15.5; // some 1.5 km across: streets and their names are seen
const APART = 3.4; // between two marks at least, in sizes of the text
const NAME_STEPS = [0, -2, 2, -4, 4, -6, 6, -8, 8]; // up and down, in sizes of the text
const SVG = "http://www.w3.org/2000/svg";

const xOf = (lon) => (lon + 180) / 360;
const yOf = (lat) => {
  const sine = Math.sin((lat * Math.PI) / 180);
  return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
};

/** @typedef {{lon: number[], lat: number[], light: number[]}} Marks */

/** Districts and the open cases within an `svg` element. */
export class WallMap {
  /**
   * @param {SVGSVGElement} svg
   * @param {string} language
   */
  constructor(svg, language) {
    this.svg = svg;
    this.name = language.startsWith("en") ? "en" : "zh";
    this.areas = [];
    /** @type {{lon: number, lat: number} | null} */
    this.target = null;
    new ResizeObserver(() => this.draw()).observe(svg);
  }

  /** Take the outlines; `scope` is the district the wall is of, or empty. */
  outline(collection) {
    this.areas = collection.features;
    this.draw();
  }

  /**
   * Take the open cases.
   * @param {Marks} marks
   */
  take({ lon, lat, light }) {
    const count = (/** @type {string} */ word) => (one) => (LIGHTS[one.light] === word ? 1 : 0);
    /** @type {PointFeature<{light: number}>[]} */
    const points = light.map((one, i) => ({
      type: "Feature",
      properties: { light: one },
      geometry: { type: "Point", coordinates: [lon[i], lat[i]] },
    }));
    this.points = points;
    this.clusterOptions = {
      extent: 256, // so that the radius is in pixels
      maxZoom: 17,
      map: (one) => ({ late: count("late")(one), soon: count("soon")(one) }),
      reduce: (all, one) => {
        all.late += one.late;
        all.soon += one.soon;
      },
    };
    this.index = null;
    this.draw();
  }

  /** Hold and show nothing; a map that is not in sight is emptied, too. */
  clear() {
    this.points = [];
    this.index = null;
    this.target = null;
    this.areas = [];
    this.svg.textContent = "";
  }

  /** Show a place from near by, with a ring around it; `null` shows the whole again. */
  centre(place) {
    this.target = place;
    this.draw();
  }

  /** Draw everything for the size the map has now. */
  draw() {
    const { width, height } = this.svg.getBoundingClientRect();
    if (!width || !height) return;
    this.size = parseFloat(getComputedStyle(this.svg).fontSize);
    this.width = width;
    this.height = height;
    this._look();
    const marks = this._clusters();
    this.svg.textContent = "";
    this.svg.append(
      ...this._outlines(),
      ...marks.map(({ properties, at }) => this._mark(properties, at)),
      ...this._target(),
      ...this._names(marks.map(({ at }) => at)),
    );
  }

  /** Choose the middle and the scale: near the target, else so that all is seen. */
  _look() {
    if (this.target) {
      this.scale = 256 * 2 ** NEAR_ZOOM * (this.size / 28);
      this.middle = [xOf(this.target.lon), yOf(this.target.lat)];
      return;
    }
    const box = { west: Infinity, east: -Infinity, north: Infinity, south: -Infinity };
    const add = (lon, lat) => {
      box.west = Math.min(box.west, xOf(lon));
      box.east = Math.max(box.east, xOf(lon));
      box.north = Math.min(box.north, yOf(lat));
      box.south = Math.max(box.south, yOf(lat));
    };
    (this.points ?? []).forEach(({ geometry }) => add(...geometry.coordinates));
    if (!this.points?.length) this._rings(this.areas).forEach((ring) => ring.forEach((p) => add(...p)));
    if (box.west === Infinity) Object.assign(box, { west: 0.8, east: 0.81, north: 0.42, south: 0.43 });
    const [spanX, spanY] = [box.east - box.west, box.south - box.north];
    const room = 5 * this.size; // for whole marks at the edges
    const fits = Math.min((this.width - room) / spanX, (this.height - room) / spanY);
    this.scale = Math.min(fits, 256 * 2 ** NEAR_ZOOM * (this.size / 28));
    this.middle = [(box.west + box.east) / 2, (box.north + box.south) / 2];
  }

  /** @returns {[number, number]} where a place is drawn, in pixels */
  _at(lon, lat) {
    return [
      (xOf(lon) - this.middle[0]) * this.scale + this.width / 2,
      (yOf(lat) - this.middle[1]) * this.scale + this.height / 2,
    ];
  }

  _isInside([x, y], margin) {
    return x > margin && y > margin && x < this.width - margin && y < this.height - margin;
  }

  _rings(features) {
    return features.flatMap(({ geometry: { type, coordinates } }) =>
      type === "Polygon" ? coordinates : coordinates.flat(),
    );
  }

  _outlines() {
    const districts = this.areas.filter(({ properties }) => properties.level === "district");
    const streets = this.areas.filter(({ properties }) => properties.level === "street");
    const path = (feature, level) => {
      const d = this._rings([feature])
        .map((ring) => `M${ring.map((p) => this._at(...p).map((n) => n.toFixed(1)).join(" ")).join("L")}Z`)
        .join("");
      return element("path", { d, class: `outline outline-${level}` });
    };
    return [
      ...districts.map((one) => path(one, "district")),
      ...streets.map((one) => path(one, "street")),
    ];
  }

  /** Names of the districts, from near by of the streets, each where no mark and no name stands. */
  _names(taken) {
    const level = this.target ? "street" : "district";
    const u = this.size;
    const boxes = taken.map(([x, y]) => [x - 2.2 * u, y - 2.4 * u, x + 2.8 * u, y + 2.2 * u]);
    const legend = [this.width - 24 * u, this.height - 2.4 * u, this.width, this.height];
    if (!this.target) boxes.push(legend);
    const named = this.areas.filter(({ properties }) => properties.level === level);
    return named.flatMap(({ properties }) => {
      const text = properties[this.name];
      const half = (text.length * u * (this.name === "zh" ? 1 : 0.58)) / 2 + 0.2 * u;
      const [x, middle] = this._at(properties.lon, properties.lat);
      for (const step of NAME_STEPS) {
        const y = middle + step * u;
        const box = [x - half, y - u, x + half, y + 0.4 * u];
        const isSeen = box[0] > 0 && box[1] > 0 && box[2] < this.width && box[3] < this.height;
        if (!isSeen || boxes.some((other) => overlaps(box, other))) continue;
        boxes.push(box);
        return [element("text", { x, y, class: "area-name" }, text)];
      }
      return [];
    });
  }

  /** The marks within the window, each with where it is drawn. */
  _clusters() {
    if (!this.points?.length) return [];
    const zoom = Math.max(0, Math.floor(Math.log2(this.scale / 256)));
    const radius = Math.round(APART * this.size);
    if (!this.index || this.radius !== radius) {
      this.index = new Supercluster({ ...this.clusterOptions, radius }).load(this.points);
      this.radius = radius;
    }
    return this.index
      .getClusters([-180, -85, 180, 85], zoom)
      .map((one) => ({ properties: one.properties, at: this._at(...one.geometry.coordinates) }))
      .filter(({ at }) => this._isInside(at, -this.size));
  }

  _mark(properties, [x, y]) {
    const u = this.size;
    const at = { transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` };
    if (!properties.cluster) return element("g", at, spot(LIGHTS[properties.light], u * 0.5));
    const { point_count: count, late, soon } = properties;
    const r = u * (1.05 + 0.24 * String(count).length);
    const [a, b] = [late / count, (late + soon) / count];
    const parts = [
      element("circle", { r: r + u * 0.15, class: "spot-ground" }),
      ...arc(r, b, 1, "arc-normal"),
      ...arc(r, a, b, "arc-soon"),
      ...arc(r, 0, a, "arc-late"),
      element("text", { y: u * 0.36, class: "spot-count" }, String(count)),
    ];
    if (late) {
      const wide = u * (0.5 + 0.62 * String(late).length);
      const flag = { x: r * 0.55, y: -r - u * 0.55, width: wide, height: u * 1.1, class: "spot-late" };
      parts.push(element("rect", flag));
      const text = { x: r * 0.55 + wide / 2, y: -r + u * 0.37, class: "spot-flag" };
      parts.push(element("text", text, String(late)));
    }
    return element("g", at, ...parts);
  }

  _target() {
    if (!this.target) return [];
    const [cx, cy] = this._at(this.target.lon, this.target.lat);
    return [element("circle", { cx, cy, r: this.size * 2.4, class: "target" })];
  }
}

const overlaps = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];

/** A single case in the shape of its light. */
function spot(light, r) {
  if (light === "normal") return element("circle", { r, class: "spot-normal" });
  const points = {
    soon: `0,${-r * 1.2} ${r * 1.2},${r} ${-r * 1.2},${r}`,
    late: `${-r},${-r} ${r},${-r} ${r},${r} ${-r},${r}`,
    paused: `0,${-r * 1.2} ${r * 1.2},0 0,${r * 1.2} ${-r * 1.2},0`,
  }[light];
  return element("polygon", { points, class: `spot-${light}` });
}

/** An arc of a circle around the origin, from one share of it to another; none without a length. */
function arc(r, from, to, name) {
  if (to <= from) return [];
  if (to - from >= 1) return [element("circle", { r, class: name })];
  const at = (share) => {
    const angle = 2 * Math.PI * share - Math.PI / 2;
    return `${(r * Math.cos(angle)).toFixed(1)} ${(r * Math.sin(angle)).toFixed(1)}`;
  };
  const d = `M${at(from)}A${r} ${r} 0 ${to - from > 0.5 ? 1 : 0} 1 ${at(to)}`;
  return [element("path", { d, class: name })];
}

function element(name, attributes, ...content) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...content);
  return made;
}
