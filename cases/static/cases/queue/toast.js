// Says on the page that follows what became of what was just stored, and lets it be withdrawn
// while it has not begun. “Received” is said only once the server has said so.

import { heldFor, items, onChange, received, withdraw } from "./store.js";

const KEY = "cityops-toast";
const SHOWN_MS = 8_000;

const toast = document.getElementById("toast");
const user = document.getElementById("queue-chip")?.dataset.user;
let about = null;
let timer = 0;

/**
 * Let the next page say what became of this; call it before leaving the page.
 * @param {{id: string, user: string, kind: "report" | "action" | "support" | "feedback" | "draft"}} said
 */
export function tellNextPage(said) {
  sessionStorage.setItem(KEY, JSON.stringify(said));
}

const button = () => toast.querySelector("button");

function say(words) {
  toast.hidden = false;
  toast.querySelector("span").textContent = words;
}

/** There is nothing more to tell. */
function end() {
  clearTimeout(timer);
  about = null;
  sessionStorage.removeItem(KEY);
  button().hidden = true;
}

const hideLater = () => setTimeout(() => (toast.hidden = true), SHOWN_MS);

/** That it waits was said for long enough, the chip says it too; what becomes of it is said again. */
function rest() {
  toast.hidden = true;
  about.isSaid = true;
  tellNextPage(about);
}

async function show() {
  clearTimeout(timer);
  if (about === null) return;
  const { id } = about;
  const [waiting, done] = await Promise.all([items(user), received(user)]);
  if (about?.id !== id) return;
  const receipt = done.find((one) => one.id === id);
  const item = waiting.find((one) => one.id === id);
  if (receipt) {
    const { heard, received: words } = toast.dataset;
    say(receipt.kind === "feedback" ? heard : words.replace("{number}", receipt.number));
    end();
    hideLater();
  } else if (!item || item.state === "attention") {
    end();
    toast.hidden = true; // the chip tells of what needs attention
  } else if (!about.isSaid) {
    say(navigator.onLine ? toast.dataset.stored : toast.dataset.offline);
    offerWithdrawal(item);
  }
}

function offerWithdrawal(item) {
  const left_s = Math.ceil(heldFor(item) / 1000);
  button().hidden = !item.origin || Boolean(item.begun_at) || left_s === 0;
  button().textContent = `${toast.dataset.withdraw} (${left_s})`;
  clearTimeout(timer); // another look may have set one meanwhile
  timer = button().hidden ? setTimeout(rest, SHOWN_MS) : setTimeout(show, 1000);
}

async function takeBack() {
  const { id } = about;
  const item = (await items(user)).find((one) => one.id === id);
  if (!item || !(await withdraw(id))) return;
  const link = document.createElement("a");
  link.href = `${item.origin.path}#${id}`;
  link.textContent = toast.dataset.edit;
  say(toast.dataset.withdrawn);
  toast.append(link); // it stays as long as the page: nobody need be quick
  end();
}

if (toast) {
  about = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  if (about?.user !== user) about = null; // the tab was another person's before
  button().addEventListener("click", takeBack);
  onChange(show);
  for (const kind of ["online", "offline"]) addEventListener(kind, show);
  if (about?.kind === "draft") {
    say(toast.dataset.draft);
    end();
    hideLater();
  } else show();
}
