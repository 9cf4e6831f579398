// @ts-check
// Which chunks of sound the player has asked the kernel for, and which the kernel could not send.

import { isHeard } from "./logic.mjs";

/** @import { ChunkKey, Mix, Track } from "./types.d.ts" */

/** @param {number} track @param {number} chunk */
const nameOf = (track, chunk) => `${track}:${chunk}`;

export class ChunkRequests {
  /** @type {Set<string>} */
  #asked = new Set();
  /** @type {Set<string>} */
  #failed = new Set();

  clear() {
    this.#asked.clear();
    this.#failed.clear();
  }

  /**
   * Count chunks as asked for: the kernel sends them unasked.
   *
   * @param {ChunkKey[]} chunks
   */
  expect(chunks) {
    for (const [track, chunk] of chunks) this.#asked.add(nameOf(track, chunk));
  }

  /**
   * Forget that chunks were asked for: they have come, or got lost.
   *
   * @param {ChunkKey[]} chunks
   */
  forget(chunks) {
    for (const [track, chunk] of chunks) this.#asked.delete(nameOf(track, chunk));
  }

  /**
   * Note that the kernel can't send a chunk: it is not asked for again before `forgetFailures`.
   *
   * @param {number} track
   * @param {number} chunk
   */
  fail(track, chunk) {
    this.#failed.add(nameOf(track, chunk));
  }

  forgetFailures() {
    for (const key of this.#failed) this.#asked.delete(key);
    this.#failed.clear();
  }

  /**
   * Return the chunks that are neither here nor asked for, what is heard first; from now on they
   * count as asked for.
   *
   * @param {number[]} chunks
   * @param {object} sounds
   * @param {Track[]} sounds.tracks
   * @param {Mix} sounds.mix
   * @param {Map<string, {version: number}>} sounds.buffers by "track:chunk"
   */
  takeMissing(chunks, { tracks, mix, buffers }) {
    const numbers = tracks.map((_, k) => k);
    const heardFirst = [
      ...numbers.filter((k) => isHeard(k, mix)),
      ...numbers.filter((k) => !isHeard(k, mix)),
    ];
    /** @type {ChunkKey[]} */
    const missing = [];
    for (const chunk of chunks) {
      for (const track of heardFirst) {
        const key = nameOf(track, chunk);
        const isCurrent = buffers.get(key)?.version === tracks[track].version;
        if (isCurrent || this.#asked.has(key)) continue;
        this.#asked.add(key);
        missing.push([track, chunk]);
      }
    }
    return missing;
  }
}
