// @ts-check
// Voices: stretches of sound on the context's clock, with fades where the sound is cut.

import { FADE } from "./logic.mjs";

/** @import { Stretch, Voice, VoiceSource } from "./types.d.ts" */

/** @type {any} What the players of a page share. */
const page = globalThis;

/**
 * Return the page's audio context of a sampling rate. Its own rate is the sound's, so that nothing
 * is resampled; where the browser refuses the rate, it is the loudspeaker's.
 *
 * @param {number} rate
 * @returns {AudioContext}
 */
export function sharedContext(rate) {
  page.absslabContexts ??= new Map();
  const contexts = page.absslabContexts;
  if (!contexts.has(rate)) {
    contexts.set(rate, openContext(rate));
  }
  return contexts.get(rate);
}

/** @param {number} rate */
function openContext(rate) {
  try {
    return new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
  } catch (error) {
    if (/** @type {Error} */ (error).name !== "NotSupportedError") throw error;
    return new AudioContext({ latencyHint: "interactive" });
  }
}

/**
 * Start a voice that plays a stretch of the sound.
 *
 * @param {BaseAudioContext} context
 * @param {number} rate of the sound and of the clock
 * @param {Stretch} stretch
 * @param {VoiceSource} source
 * @returns {Voice}
 */
export function startVoice(context, rate, stretch, { buffer, version, offset, output }) {
  const { begin, frame, n, fadesIn = false, fadesOut = false } = stretch;
  const source = context.createBufferSource();
  const envelope = context.createGain();
  const from = begin / rate;
  const to = (begin + n) / rate;
  source.buffer = buffer;
  source.connect(envelope).connect(output);
  if (fadesIn) {
    envelope.gain.setValueAtTime(0, from).linearRampToValueAtTime(1, from + FADE);
  }
  if (fadesOut) {
    const fadeStart = Math.max(from + FADE, to - FADE);
    envelope.gain.setValueAtTime(1, fadeStart).linearRampToValueAtTime(0, to);
  }
  source.start(from, (frame - offset) / rate, n / rate);
  source.onended = () => {
    source.disconnect();
    envelope.disconnect();
  };
  return { version, source, envelope, begin, end: begin + n, fadesIn };
}

/**
 * Let a voice fade out from a frame of the clock on, or never begin.
 *
 * @param {Voice} voice
 * @param {number} at
 * @param {number} rate
 */
export function endVoice(voice, at, rate) {
  if (voice.end <= at) return;
  if (voice.begin >= at) {
    voice.source.stop();
    voice.source.disconnect();
    return;
  }
  const level = voice.fadesIn ? Math.min(1, (at - voice.begin) / (FADE * rate)) : 1;
  const time = at / rate;
  const { gain } = voice.envelope;
  voice.end = at;
  gain.cancelScheduledValues(time);
  gain.setValueAtTime(level, time).linearRampToValueAtTime(0, time + FADE);
  voice.source.stop(time + FADE);
}

/**
 * Change a parameter without a click.
 *
 * @param {AudioParam} parameter
 * @param {number} value
 * @param {BaseAudioContext} context
 */
export function ramp(parameter, value, context) {
  const now = context.currentTime;
  parameter.cancelScheduledValues(now);
  parameter.setValueAtTime(parameter.value, now);
  parameter.linearRampToValueAtTime(value, now + FADE);
}
