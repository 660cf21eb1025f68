// The bell in the header: how many notices are unread. A notice of the live connection is a hint;
// the notices themselves are written a moment after the event. Many pages hear of it at once, so
// each waits for a time of its own before it asks.

import { follow } from "./live.js";

const ASK_AFTER_MS = { least: 1_500, most: 6_000 };
const ASK_ANYWAY_MS = 60_000;
const MOST = 99;

const bell = document.getElementById("bell");
const badge = bell.querySelector("b");
let waiting = null;
let isMore = false; // something happened while waiting, whose notices may not be written yet
let kinds = new Set();

async function ask() {
  const answer = await fetch(bell.dataset.address, { headers: { Accept: "application/json" } });
  if (!answer.ok || answer.redirected) return undefined;
  const told = await answer.json();
  kinds = new Set(told.kinds);
  badge.hidden = told.unread === 0;
  badge.textContent = told.unread > MOST ? `${MOST}+` : String(told.unread);
  badge.setAttribute("aria-label", bell.dataset.words.replace("{n}", badge.textContent));
  return told.heads;
}

const askQuietly = () => ask().catch(() => undefined); // offline: asked again later

function askSoon() {
  if (waiting) {
    isMore = true;
    return;
  }
  const { least, most } = ASK_AFTER_MS;
  waiting = setTimeout(
    () => {
      waiting = null;
      askQuietly();
      if (isMore) askSoon();
      isMore = false;
    },
    least + Math.random() * (most - least),
  );
}

document.addEventListener("live-notice", ({ detail }) => {
  if (kinds.has(detail.kind)) askSoon();
});
document.addEventListener("live-resync", askSoon);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) askQuietly();
});
setInterval(() => {
  if (!document.hidden) askQuietly();
}, ASK_ANYWAY_MS);

// A page that follows the logs itself brings their heads with it.
askQuietly().then((heads) => {
  if (!heads || document.getElementById("heads")) return;
  follow({ heads, onNotice() {}, onResync() {}, onState() {} });
});
