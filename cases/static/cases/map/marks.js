// How a case and a cluster of cases look on the map: shape, weight and words, never colour alone.

const isEnglish = document.documentElement.lang.startsWith("en");
const LETTERS = isEnglish ? { event: "E", component: "C" } : { event: "事", component: "部" };
const SUPERVISED = isEnglish ? "S" : "督";
const LEAST_ARC = 0.07; // of the ring: one overdue case among hundreds is seen all the same

// Late is a tenth larger than the others.
const SHAPES = {
  normal: ['<circle cx="20" cy="20" r="13"', "t-normal"],
  soon: ['<path d="M20 4 37 34H3z"', "t-soon"],
  late: ['<rect x="3.5" y="3.5" width="33" height="33"', "t-on"],
  paused: ['<path d="M20 3 37 20 20 37 3 20z"', "t-on"],
};

const BADGE = `<circle cx="37" cy="4" r="10" class="m-badge"/>
  <text x="37" y="8.5" text-anchor="middle" class="t-badge">${SUPERVISED}</text>`;

/** The mark of one case, 40 pixels wide; rings and badge reach beyond. */
export function caseIcon({ kind, light, isSupervised, isUnsigned }, isChosen) {
  const [shape, letterClass] = SHAPES[light];
  const html = `<svg viewBox="0 0 40 40" width="40" height="40">
    ${isChosen ? '<circle cx="20" cy="20" r="30" class="m-halo"/>' : ""}
    ${isUnsigned ? '<circle cx="20" cy="20" r="25" class="m-unsigned"/>' : ""}
    ${shape} class="m-casing"/>${shape} class="m-${light}"/>
    <text x="20" y="25" text-anchor="middle" class="${letterClass}">${LETTERS[kind] ?? ""}</text>
    ${isSupervised ? BADGE : ""}</svg>`;
  const className = `case-mark${isChosen ? " is-chosen" : ""}`;
  return L.divIcon({ html, className, iconSize: [40, 40] });
}

function arc(from, to, className) {
  if (to - from >= 1) return `<circle cx="30" cy="30" r="22" class="${className}"/>`;
  const at = (share) => {
    const angle = 2 * Math.PI * share - Math.PI / 2;
    return `${(30 + 22 * Math.cos(angle)).toFixed(1)} ${(30 + 22 * Math.sin(angle)).toFixed(1)}`;
  };
  const isLarge = to - from > 0.5 ? 1 : 0;
  return `<path d="M${at(from)}A22 22 0 ${isLarge} 1 ${at(to)}" class="${className}"/>`;
}

/** The shares of a ring, worst first; a small one is widened so that it is seen. */
export function shares({ point_count: count, late, soon, paused }) {
  const parts = [
    ["late", late],
    ["soon", soon],
    ["paused", paused],
    ["normal", count - late - soon - paused],
  ].filter(([, n]) => n > 0);
  const widened = parts.map(([, n]) => Math.max(n / count, LEAST_ARC));
  const sum = widened.reduce((all, one) => all + one, 0);
  return parts.map(([light], i) => /** @type {[string, number]} */ ([light, widened[i] / sum]));
}

/** The ring of a cluster: thin green, heavy amber and red, and how many are overdue on a flag. */
export function clusterIcon(cluster) {
  const { point_count: count, late } = cluster;
  let from = 0;
  const arcs = shares(cluster).map(([light, share]) => {
    const edge = light === "soon" ? arc(from, from + share, "a-edge") : ""; // amber alone is pale
    const drawn = edge + arc(from, from + share, `a-${light}`);
    from += share;
    return drawn;
  });
  const width = 12 + 9 * String(late).length;
  const flag = late
    ? `<rect x="38" y="0" width="${width}" height="19" class="m-flag"/>
       <text x="${38 + width / 2}" y="14.5" text-anchor="middle" class="t-flag">${late}</text>`
    : "";
  const html = `<svg viewBox="0 0 60 60" width="60" height="60">
    <circle cx="30" cy="30" r="29.5" class="a-ground"/>${arcs.join("")}
    <text x="30" y="36" text-anchor="middle" class="t-count">${count}</text>${flag}</svg>`;
  return L.divIcon({ html, className: "case-cluster", iconSize: [60, 60] });
}

/** Where the chosen case lies within a cluster. */
export const chosenRing = () => L.divIcon({ className: "chosen-ring", iconSize: [28, 28] });
