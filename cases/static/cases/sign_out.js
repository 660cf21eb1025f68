// Asks on every page before a person signs out who still has something in this browser. What looks
// for it is loaded only then.

/** @type {HTMLFormElement | null} */
const form = document.getElementById("sign-out");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const queue = await import("./queue/sign_out.js").catch(() => null); // no line: nobody leaves
  if (queue && !(await queue.maySignOut(form.dataset.user))) return;
  form.submit();
});
