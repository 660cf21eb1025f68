// The page on which a phone tries by itself what reporting needs of it. Each check answers
// good, poor or bad and a number for the words; what it found stands as text to be sent, too.

const PLACE_MS = 15_000;
const ROUGH_M = 50;
const OFF_S = 60;
const MB = 1e6;
const CLEARED_MS = 3_000; // how long the browser may take to say whether it keeps data for good

/** @typedef {{result: string, n?: number, words?: string}} Found */

const good = (n) => ({ result: "good", n });
const poor = (n) => ({ result: "poor", n });
/** @returns {Found} */
const bad = () => ({ result: "bad" });

/** @type {Record<string, () => Promise<Found>>} */
const CHECKS = {
  async secure() {
    return window.isSecureContext ? good() : bad();
  },

  async camera() {
    if (!("capture" in document.createElement("input"))) {
      // Desk browsers know no capture; a camera they name can be used from the album's dialogue.
      return (await cameras()) > 0 ? poor() : bad();
    }
    return (await cameras()) > 0 ? good() : poor();
  },

  async place() {
    if (!navigator.geolocation) return bad();
    const fix = await new Promise((resolve) => {
      navigator.geolocation.getCurrentPosition(resolve, () => resolve(null), {
        enableHighAccuracy: true,
        timeout: PLACE_MS,
        maximumAge: 0,
      });
    });
    if (fix === null) return bad();
    const metres = Math.round(fix.coords.accuracy);
    return metres > ROUGH_M ? poor(metres) : good(metres);
  },

  async storage() {
    if (!(await canKeep())) return bad();
    const room = await navigator.storage?.estimate?.();
    const free = room ? Math.round((room.quota - room.usage) / MB) : undefined;
    return (await isKeptForGood()) ? good(free) : poor(free);
  },

  async clock() {
    const before = Date.now();
    const answer = await fetch(list.dataset.session, { headers: { Accept: "application/json" } });
    if (!answer.ok) return bad();
    const { now } = await answer.json();
    const seconds = Math.round(((before + Date.now()) / 2 - Date.parse(now)) / 1000);
    return Math.abs(seconds) > OFF_S ? poor(seconds) : good(seconds);
  },

  async worker() {
    if (!("serviceWorker" in navigator)) return bad();
    const found = await navigator.serviceWorker.getRegistration("/m/");
    return found?.active ? good() : poor();
  },

  async network() {
    if (!navigator.onLine) return bad();
    const { type, effectiveType } = navigator.connection ?? {};
    return { result: "good", words: [type, effectiveType].filter(Boolean).join(" ") };
  },
};

async function cameras() {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  return devices.filter((device) => device.kind === "videoinput").length;
}

/** Whether a database takes something and gives it back. */
function canKeep() {
  return new Promise((resolve) => {
    const opening = indexedDB.open("selfcheck", 1);
    opening.onerror = () => resolve(false);
    opening.onupgradeneeded = () => opening.result.createObjectStore("kept");
    opening.onsuccess = () => {
      const writing = opening.result.transaction("kept", "readwrite");
      writing.objectStore("kept").put(new ArrayBuffer(1024), "kept");
      writing.onabort = () => resolve(false);
      writing.oncomplete = () => {
        opening.result.close();
        indexedDB.deleteDatabase("selfcheck");
        resolve(true);
      };
    };
  });
}

/** Whether the browser has promised not to clear what is kept; a browser that asks may not answer. */
async function isKeptForGood() {
  const asked = navigator.storage?.persist?.() ?? false;
  return Promise.race([asked, new Promise((done) => setTimeout(done, CLEARED_MS, false))]);
}

const list = document.getElementById("checks");
const again = document.getElementById("again");
/** @type {HTMLTextAreaElement} */
const report = document.getElementById("report-text");

function show(place, result, words) {
  place.className = `check-${result}`;
  place.textContent = words;
}

async function run(place) {
  const name = place.dataset.check;
  show(place, "waiting", list.dataset.waiting);
  const found = await CHECKS[name]().catch(bad);
  const said = (place.dataset[found.result] ?? found.words ?? "").replace("{n}", found.n ?? "?");
  const head = list.dataset[found.result];
  show(place, found.result, said ? `${head} · ${said}` : head);
  const number = found.n === undefined ? "" : ` ${found.n}`;
  return `${name}: ${found.result}${number}${found.words ? ` ${found.words}` : ""}`;
}

async function runAll() {
  again.hidden = true;
  const lines = await Promise.all([...list.querySelectorAll("dd")].map(run));
  const { width, height } = window.screen;
  const screen = `screen: ${width}x${height} at ${window.devicePixelRatio}`;
  const facts = [navigator.userAgent, screen, `language: ${navigator.language}`];
  report.value = [...lines, ...facts].join("\n");
  report.form.hidden = false;
  again.hidden = false;
}

again.addEventListener("click", runAll);
runAll();
