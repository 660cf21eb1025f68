// The sounds of the desk by Web Audio. A sound counts as proved once the audio clock really runs:
// browsers let none be heard before somebody has touched the page.

// Seconds from the start, hertz, seconds long. Two tones for what must be known, one for the rest.
const TONES = {
  1: [
    [0, 880, 0.35],
    [0.4, 660, 0.45],
  ],
  2: [[0, 740, 0.4]],
};
const EDGE_S = 0.02; // a tone that begins at once clicks
const LOUDEST = 0.5;

/** What plays, and whether it can be heard. */
export class Sound {
  constructor() {
    this.context = null;
    this.lastTime = 0;
    this.isHeard = false; // as `prove` found last
  }

  /** Try to start; a browser lets it only while it handles a touch, or where it trusts the site. */
  start() {
    const Context = window.AudioContext ?? window["webkitAudioContext"];
    if (!Context) return;
    this.context = this.context ?? new Context();
    if (this.context.state !== "running") this.context.resume().catch(() => undefined);
  }

  /** Look whether the audio clock has moved since the last look; returns whether it runs. */
  prove() {
    if (!this.context) return false;
    const time = this.context.currentTime;
    this.isHeard = this.context.state === "running" && time > this.lastTime;
    this.lastTime = time;
    return this.isHeard;
  }

  /**
   * Plan the sound of a tier on the audio clock, which no browser slows down in a hidden page.
   * @param {1 | 2} tier
   * @param {number} inMs from now
   * @param {number} volume 0 to 1
   * @returns {() => void} takes it back
   */
  plan(tier, inMs, volume) {
    if (!this.context) return () => undefined;
    const { context } = this;
    const start = context.currentTime + Math.max(0, inMs) / 1000;
    const gain = context.createGain();
    gain.connect(context.destination);
    gain.gain.value = 0;
    const players = TONES[tier].map(([after, hertz, long]) => {
      const player = context.createOscillator();
      player.frequency.value = hertz;
      player.connect(gain);
      const from = start + after;
      gain.gain.setValueAtTime(0, from);
      gain.gain.linearRampToValueAtTime(volume * LOUDEST, from + EDGE_S);
      gain.gain.setValueAtTime(volume * LOUDEST, from + long - EDGE_S);
      gain.gain.linearRampToValueAtTime(0, from + long);
      player.start(from);
      player.stop(from + long);
      return player;
    });
    players[players.length - 1].onended = () => gain.disconnect();
    return () => {
      players.forEach((player) => player.disconnect());
      gain.disconnect();
    };
  }
}
