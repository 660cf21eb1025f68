// The live connection of a page: a socket that resumes where it was, a long poll where no socket
// gets through. The protocol: docs/live.md.

const SILENT_MS = 45_000;
const HELLO_MS = 10_000;
// A thousand screens that lost one server come back over a dozen seconds, not all at once.
const FIRST_WAIT_S = 12;
const LONGEST_WAIT_S = 20;
const LEAST_WAIT_S = 0.5;
const SIGNED_OUT = 4401;
const SOCKET_AGAIN_MS = 60_000;
const POLL_MS = 40_000; // an answer comes after 25 s at the latest
const FAILURES_TO_POLL = 2;

/**
 * Follow the logs from `heads` on.
 * @param {object} page
 * @param {Record<string, number>} page.heads where the picture of the page stands
 * @param {(notice: {scope: string, dseq: number, kind: string, case: string}) => void} page.onNotice
 * @param {() => void} page.onResync too much was missed: load the whole picture
 * @param {(state: "live" | "polling" | "lost" | "signed_out") => void} page.onState
 * @returns {() => number} the time, in ms, anything was heard last
 */
export function follow({ heads, onNotice, onResync, onState }) {
  const last = { ...heads };
  let heard = Date.now();
  let failures = 0;
  let isOpenTo = false; // whether a socket has ever got through to this page

  function take(message) {
    heard = Date.now();
    if (message.type === "notice") {
      if (message.dseq <= (last[message.scope] ?? 0)) return true;
      if (message.dseq !== (last[message.scope] ?? 0) + 1) return false;
      last[message.scope] = message.dseq;
      onNotice(message);
      document.dispatchEvent(new CustomEvent("live-notice", { detail: message }));
    } else if (message.type === "upto") {
      last[message.scope] = Math.max(last[message.scope] ?? 0, message.upto);
    } else if (message.type === "resync") {
      Object.assign(last, message.heads);
      onResync();
      document.dispatchEvent(new Event("live-resync"));
    } else if (message.type === "heartbeat") {
      // It comes after every notice up to its heads: what is not here by now was lost.
      return Object.entries(message.heads).every(([scope, head]) => (last[scope] ?? 0) >= head);
    }
    return true;
  }

  function later(work) {
    failures += 1;
    const longest = Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (failures - 1));
    setTimeout(work, (LEAST_WAIT_S + Math.random() * (longest - LEAST_WAIT_S)) * 1000);
  }

  function open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws/live/`);
    let isGreeted = false;
    let alarm = setTimeout(() => socket.close(), HELLO_MS);

    socket.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      clearTimeout(alarm);
      alarm = setTimeout(() => socket.close(), SILENT_MS);
      if (message.type === "hello") {
        isGreeted = isOpenTo = true;
        failures = 0;
        socket.send(JSON.stringify({ type: "resume", last }));
        onState("live");
      }
      if (!take(message)) socket.close();
    });
    socket.addEventListener("close", ({ code }) => {
      clearTimeout(alarm);
      if (code === SIGNED_OUT) return onState("signed_out");
      // The first one refused: this network lets none through, and nobody need wait to be sure.
      const isVain = !isOpenTo || failures >= FAILURES_TO_POLL;
      if (!isGreeted && isVain) return poll(Date.now() + SOCKET_AGAIN_MS);
      onState("lost");
      return later(open);
    });
  }

  async function poll(until) {
    const stop = new AbortController();
    const alarm = setTimeout(() => stop.abort(), POLL_MS);
    try {
      const after = Object.entries(last).map(([scope, dseq]) => `${scope}:${dseq}`).join(",");
      const answer = await fetch(`/live/events?after=${after}`, { signal: stop.signal });
      if (answer.status === 401) return onState("signed_out");
      if (!answer.ok) throw new Error(String(answer.status));
      const { messages, heads: reached } = await answer.json();
      messages.forEach(take);
      Object.assign(last, reached);
      heard = Date.now();
      failures = FAILURES_TO_POLL; // a socket that is refused again leads straight back here
      onState("polling");
    } catch {
      onState("lost");
      return later(open);
    } finally {
      clearTimeout(alarm);
    }
    return Date.now() < until ? poll(until) : open();
  }

  open();
  return () => heard;
}
