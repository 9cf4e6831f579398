// @ts-check
// Whether the browser's clock of sound runs: a browser may keep it still, without a word.

const PATIENCE = 3000; // ms until the clock must run

export const BLOCKED =
  "the browser does not start its sound: press play again, and see whether this page may play sound " +
  "and whether there is a loudspeaker";

/**
 * Let the clock of a context run, and return why it does not, in words.
 *
 * @param {AudioContext} context
 */
export async function startContext(context) {
  if (context.state === "running") return "";
  const tooLate = new Promise((resolve) => setTimeout(resolve, PATIENCE));
  try {
    await Promise.race([context.resume(), tooLate]);
  } catch (error) {
    return `the browser does not start its sound (${/** @type {Error} */ (error).message}): reload the page`;
  }
  return String(context.state) === "running" ? "" : BLOCKED;
}

/** Looks at the clock of a context again and again. */
export class ClockWatch {
  #time = 0; // s, of the context when it was last looked at
  #moved = 0; // ms, when the clock was last seen to move
  #nLooks = 0; // since then; a machine that slept has looked only once

  /** Watch from now on. */
  begin() {
    this.#moved = Date.now();
    this.#nLooks = 0;
  }

  /**
   * Look at the clock, and return whether it has stood still for a time.
   *
   * @param {BaseAudioContext} context
   */
  isStuck(context) {
    const now = Date.now();
    this.#nLooks += 1;
    if (context.currentTime !== this.#time) {
      this.#moved = now;
      this.#nLooks = 0;
    }
    this.#time = context.currentTime;
    return this.#nLooks > 2 && now - this.#moved > PATIENCE;
  }
}
