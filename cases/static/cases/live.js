// The live connection of a page: a socket that resumes where it was, a long poll where no socket
// gets through. The protocol: docs/live.md.

const SILENT_MS = 30_000; // a heartbeat comes every 20 s
const HELLO_MS = 10_000;
// A thousand screens that lost one server come back over a dozen seconds, not all at once.
const FIRST_WAIT_S = 12;
const LONGEST_WAIT_S = 20;
const LEAST_WAIT_S = 0.5;
const SIGNED_OUT = 4401;
const SOCKET_AGAIN_MS = 60_000;
const POLL_MS = 40_000; // an answer comes after 25 s at the latest
const FAILURES_TO_POLL = 2;
const QUIET_MS = 22_000; // heard of so lately that a page shown again need not ask

/**
 * How the connection stands: `heard`, in ms, is when anything came last; `missed` how many notices
 * came after a break, null when it was so many that the whole picture is to be loaded.
 * @typedef {"live" | "polling" | "lost" | "signed_out"} LiveState
 * @typedef {{heard: number, missed: number | null}} LiveDetail
 */

/**
 * Follow the logs from `heads` on. It is "live" or "polling" only once all that was missed has
 * been told.
 * @param {object} page
 * @param {Record<string, number>} page.heads where the picture of the page stands
 * @param {(notice: {scope: string, dseq: number, kind: string, case: string}) => void} page.onNotice
 * @param {() => void} page.onResync too much was missed: load the whole picture
 * @param {(state: LiveState, detail: LiveDetail) => void} page.onState
 */
export function follow({ heads, onNotice, onResync, onState }) {
  const last = { ...heads };
  let heard = Date.now();
  let failures = 0;
  let isOpenTo = false; // whether a socket has ever got through to this page
  let missed = 0; // notices since the connection was there last
  let isAnew = false; // whether the whole picture had to be loaded since
  /** @type {LiveState | null} */
  let state = null;
  let leave = () => {}; // the connection of now, without a word
  let waiting = null; // for the next try

  function say(now) {
    state = now;
    const detail = { heard, missed: isAnew ? null : missed };
    if (now === "live" || now === "polling") [missed, isAnew] = [0, false];
    onState(now, detail);
    document.dispatchEvent(new CustomEvent("live-state", { detail: { state, heard } }));
  }

  /** Take a message; false where it shows that another was lost. */
  function take(message) {
    if (message.type === "notice") {
      if (message.dseq <= (last[message.scope] ?? 0)) return true;
      if (message.dseq !== (last[message.scope] ?? 0) + 1) return false;
      last[message.scope] = message.dseq;
      missed += 1;
      onNotice(message);
      document.dispatchEvent(new CustomEvent("live-notice", { detail: message }));
    } else if (message.type === "upto") {
      last[message.scope] = Math.max(last[message.scope] ?? 0, message.upto);
    } else if (message.type === "resync") {
      Object.assign(last, message.heads);
      isAnew = true;
      onResync();
      document.dispatchEvent(new Event("live-resync"));
    } else if (message.type === "heartbeat") {
      // It comes after every notice up to its heads: what is not here by now was lost.
      return hasCome(message.heads);
    }
    return true;
  }

  const hasCome = (to) => Object.entries(to).every(([scope, head]) => (last[scope] ?? 0) >= head);

  function later(work) {
    failures += 1;
    const longest = Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (failures - 1));
    const wait = LEAST_WAIT_S + Math.random() * (longest - LEAST_WAIT_S);
    waiting = setTimeout(work, wait * 1000);
  }

  function open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws/live/`);
    let greeting = null; // the heads of its hello: up to them all was missed
    let isLeft = false;
    let alarm = setTimeout(gone, HELLO_MS);

    leave = () => {
      isLeft = true; // a dead network may take minutes to say that it is closed
      clearTimeout(alarm);
      socket.close();
    };

    function gone({ code } = { code: 0 }) {
      if (isLeft) return undefined;
      leave();
      if (code === SIGNED_OUT) return say("signed_out");
      // The first one refused: this network lets none through, and nobody need wait to be sure.
      const isVain = !isOpenTo || failures >= FAILURES_TO_POLL;
      if (!greeting && isVain) return poll(Date.now() + SOCKET_AGAIN_MS);
      say("lost");
      return later(open);
    }

    socket.addEventListener("message", ({ data }) => {
      if (isLeft) return undefined;
      clearTimeout(alarm);
      alarm = setTimeout(gone, SILENT_MS);
      for (const line of data.split("\n")) {
        const message = JSON.parse(line);
        if (message.type === "hello") {
          greeting = message.heads;
          isOpenTo = true;
          failures = 0;
          socket.send(JSON.stringify({ type: "resume", last }));
        }
        if (!take(message)) return gone();
      }
      heard = Date.now();
      if (state === "live" && missed) missed = 0;
      if (greeting && state !== "live" && hasCome(greeting)) say("live");
      return undefined;
    });
    socket.addEventListener("close", gone);
  }

  async function poll(until) {
    const stop = new AbortController();
    const alarm = setTimeout(() => stop.abort(), POLL_MS);
    let isLeft = false;
    leave = () => {
      isLeft = true;
      stop.abort();
    };
    try {
      const after = Object.entries(last).map(([scope, dseq]) => `${scope}:${dseq}`).join(",");
      const answer = await fetch(`/live/events?after=${after}`, { signal: stop.signal });
      if (answer.status === 401) return say("signed_out");
      if (!answer.ok) throw new Error(String(answer.status));
      const { messages, heads: reached } = await answer.json();
      if (isLeft) return undefined;
      messages.forEach(take);
      Object.assign(last, reached);
      heard = Date.now();
      failures = FAILURES_TO_POLL; // a socket that is refused again leads straight back here
      say("polling");
    } catch {
      if (isLeft) return undefined;
      say("lost");
      return later(open);
    } finally {
      clearTimeout(alarm);
    }
    return Date.now() < until ? poll(until) : open();
  }

  /** Leave the connection and open another now: it is doubtful, or somebody has signed in again. */
  function retry() {
    clearTimeout(waiting);
    leave();
    if (state === "live" || state === "polling") say("lost");
    open();
  }

  document.addEventListener("visibilitychange", () => {
    // The timers of a hidden page are late: what should have been noticed is noticed now.
    if (document.hidden || state === "signed_out" || Date.now() - heard < QUIET_MS) return;
    retry();
  });
  window.addEventListener("online", () => {
    if (state !== "signed_out") retry();
  });
  window.addEventListener("offline", () => {
    if (state === "signed_out") return;
    clearTimeout(waiting);
    leave();
    say("lost");
    later(open);
  });

  open();
  return { heard: () => heard, heads: () => ({ ...last }), retry };
}
