// Makes the report form quicker: position, search in the list, no second press while sending.
// The form works without it.

const ROUGH_M = 50;
const form = document.getElementById("report");
const fix = document.getElementById("fix");
const locate = document.getElementById("locate");
const lon = document.getElementById("id_lon");
const lat = document.getElementById("id_lat");
const accuracy = document.getElementById("id_accuracy_m");

let watch = null;

function say(kind, metres) {
  fix.textContent = fix.dataset[kind].replace("{m}", metres);
  fix.classList.toggle("phone-rough", kind === "rough" || kind === "none");
}

function stopLocating() {
  if (watch !== null) navigator.geolocation.clearWatch(watch);
  watch = null;
}

function keepBest(position) {
  const metres = Math.round(position.coords.accuracy);
  if (accuracy.value !== "" && Number(accuracy.value) <= metres) return;
  lon.value = position.coords.longitude.toFixed(7);
  lat.value = position.coords.latitude.toFixed(7);
  accuracy.value = metres;
  say(metres > ROUGH_M ? "rough" : "found", metres);
}

function startLocating() {
  stopLocating();
  accuracy.value = "";
  say("wait");
  const failed = () => {
    stopLocating();
    if (accuracy.value === "") say("none");
  };
  watch = navigator.geolocation.watchPosition(keepBest, failed, {
    enableHighAccuracy: true,
    timeout: 15000,
  });
  setTimeout(stopLocating, 15000);
}

function typed() {
  stopLocating();
  accuracy.value = "";
  say("typed");
}

if (navigator.geolocation) {
  locate.hidden = false;
  locate.addEventListener("click", startLocating);
  if (lon.value === "" && lat.value === "") startLocating();
}
for (const input of [lon, lat]) input.addEventListener("input", typed);

// Options are taken out and put back: phones ignore `hidden` on them.
const select = document.getElementById("id_condition");
const search = document.getElementById("search");
const groups = [...select.querySelectorAll("optgroup")].map((group) => ({
  group,
  words: `${group.label} ${group.dataset.search}`.toLowerCase(),
  options: [...group.children],
}));

function narrow() {
  const wanted = search.value.trim().toLowerCase();
  const chosen = select.value;
  for (const { group, words, options } of groups) {
    const whole = words.includes(wanted);
    const kept = options.filter(
      (option) =>
        whole || option.value === chosen || option.textContent.toLowerCase().includes(wanted),
    );
    group.replaceChildren(...kept);
    if (kept.length > 0) select.append(group);
    else group.remove();
  }
  select.value = chosen;
}

document.getElementById("search-box").hidden = false;
search.addEventListener("input", narrow);
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter") event.preventDefault();
});

// A second press is harmless, the key makes it one case; this only shows that the first one works.
const submit = form.querySelector("button[type=submit]");
const words = submit.textContent;
function ready() {
  submit.disabled = false;
  submit.textContent = words;
}
form.addEventListener("submit", () => {
  submit.disabled = true;
  submit.textContent = submit.dataset.sending;
  setTimeout(ready, 15000);
});
window.addEventListener("pageshow", ready);
document.querySelector("[aria-invalid=true]")?.focus();
