// The chip in the header of every phone page: how much waits on this phone, and whether it moves.
// Loading it also starts the sending, and keeps the shell for a cold start.

import { startSending } from "./send.js";
import { keepShell } from "./shell.js";
import { items, kept, onChange } from "./store.js";

export const OLD_MS = 24 * 3600 * 1000;
const STUCK_MS = 150_000; // longer than any request: the tab that told of progress is gone

const chip = document.getElementById("queue-chip");
let progress = null;
let showing = Promise.resolve();

/** Return what the chip says: its state and the numbers in it. */
function stateOf(own, pace, now) {
  const attention = own.filter((item) => item.state === "attention").length;
  const waiting = own.length - attention;
  if (attention) return ["attention", { n: attention }];
  if (!waiting) return ["none", {}];
  if (progress && now - progress.at < STUCK_MS) {
    return [progress.total ? "sending" : "sendingOne", progress];
  }
  const old = own.filter((item) => now - item.created_at > OLD_MS).length;
  if (old) return ["old", { n: old }];
  if (pace?.paused) return ["paused", { n: waiting }];
  if (!navigator.onLine || pace?.failures) return ["offline", { n: waiting }];
  return ["waiting", { n: waiting }];
}

async function show() {
  const { user } = chip.dataset;
  const [state, numbers] = stateOf(await items(user), await kept(user, "pace"), Date.now());
  const words = chip.dataset[`words${state[0].toUpperCase()}${state.slice(1)}`] ?? "";
  if (chip.hidden && state !== "none") navigator.storage?.persist?.();
  chip.hidden = state === "none";
  chip.dataset.state = state;
  const said = words.replace(/\{(\w+)\}/g, (_, name) => String(numbers[name]));
  chip.textContent = said.replace(/(\d) /g, "$1\u00a0"); // the number stays with what it counts
}

const showSoon = () => (showing = showing.then(show, show));

function hear(message) {
  if (message.kind === "progress") {
    const done = Math.min(message.done + 1, message.total);
    progress = { done, total: message.total, at: Date.now() };
  } else if (message.kind === "rest") progress = null;
  showSoon();
}

if (chip) {
  onChange(hear);
  for (const event of ["online", "offline"]) addEventListener(event, showSoon);
  setInterval(showSoon, 60_000);
  showSoon();
  startSending(chip.dataset.user);
  keepShell();
}
