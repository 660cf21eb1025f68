// One page at a time: arrows, space and the buttons turn them; the address names the page.

const slides = [...document.querySelectorAll(".slide")];
const [back, on, theme] = ["back", "on", "theme"].map(
  (id) => /** @type {HTMLButtonElement} */ (document.getElementById(id)),
);
const place = document.getElementById("place");
const clock = document.getElementById("clock");
const started = Date.now();

function shown() {
  const wanted = Number(window.location.hash.slice(1)) || 1;
  return Math.min(Math.max(wanted, 1), slides.length);
}

function turn() {
  const page = shown();
  slides.forEach((slide, number) => {
    slide.hidden = number + 1 !== page;
  });
  place.textContent = `${page} / ${slides.length}`;
  back.disabled = page === 1;
  on.disabled = page === slides.length;
}

function go(by) {
  const page = Math.min(Math.max(shown() + by, 1), slides.length);
  window.history.replaceState(null, "", `#${page}`);
  turn();
}

function tell() {
  const passed = Math.floor((Date.now() - started) / 1000);
  const seconds = String(passed % 60).padStart(2, "0");
  clock.textContent = `${Math.floor(passed / 60)}:${seconds}`;
}

function paint(name) {
  document.body.dataset.theme = name;
  theme.textContent = name === "dark" ? theme.dataset.light : theme.dataset.dark;
}

const KEYS = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1 };

back.hidden = on.hidden = theme.hidden = false;
back.addEventListener("click", () => go(-1));
on.addEventListener("click", () => go(1));
theme.addEventListener("click", () => paint(document.body.dataset.theme === "dark" ? "light" : "dark"));
window.addEventListener("hashchange", turn);
document.addEventListener("keydown", (event) => {
  const at = /** @type {Element} */ (event.target);
  const target = at.closest("button, a, summary");
  const by = KEYS[event.key];
  if (!by || event.ctrlKey || event.altKey || event.metaKey || (target && event.key === " ")) {
    return;
  }
  event.preventDefault();
  go(by);
});
paint(window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
turn();
tell();
setInterval(tell, 1000);
