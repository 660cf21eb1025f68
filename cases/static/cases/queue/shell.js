// Has the service worker keep what the phone's pages need to open without a line.

const PAGES = "cityops-pages";

export async function keepShell() {
  if (!navigator.serviceWorker || !location.pathname.startsWith("/m/")) return;
  try {
    await navigator.serviceWorker.register("/m/sw.js", { scope: "/m/" });
    const { active } = await navigator.serviceWorker.ready;
    active.postMessage({ kind: "keep" });
  } catch {
    // Private windows and web views refuse it; the pages then need the line, the queue does not.
  }
}

/** Take the copies of a person's pages from this phone, also those that are just being made. */
export async function forgetPages() {
  const worker = await navigator.serviceWorker?.getRegistration("/m/");
  worker?.active?.postMessage({ kind: "forget" });
  await globalThis.caches?.delete(PAGES);
}
