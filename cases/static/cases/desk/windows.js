// The windows of one user follow one choice.

/**
 * Share the choice of a case between the windows of a user.
 * @param {string} user
 * @param {(message: {number?: string, isSignedIn?: boolean}) => void} onTold
 * @returns {(message: {number?: string, isSignedIn?: boolean}) => void} tells the other windows
 */
export function share(user, onTold) {
  const name = `desk:${user}`;
  if (window.BroadcastChannel) {
    const channel = new BroadcastChannel(name);
    channel.addEventListener("message", ({ data }) => onTold(data));
    return (message) => channel.postMessage(message);
  }
  // A browser that knows no channel tells other windows of what is stored.
  window.addEventListener("storage", ({ key, newValue }) => {
    if (key === name && newValue) onTold(JSON.parse(newValue).message);
  });
  return (message) => {
    try {
      localStorage.setItem(name, JSON.stringify({ message, at: Date.now() }));
    } catch {
      // Storage may be full or forbidden: then each window goes its own way.
    }
  };
}
