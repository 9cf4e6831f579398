// @ts-check
// Pieces of sound on the context's clock: from a frame on, for some frames, faded where they do not go on from another.

import { FADE } from "./logic.mjs";

/** @type {any} What the players of a page share. */
const shared = globalThis;

/** The page's audio context of a sampling rate; a context's own rate being the sound's, nothing is resampled. */
export function sharedContext(rate) {
  shared.absslabContexts ??= new Map();
  const contexts = shared.absslabContexts;
  if (!contexts.has(rate)) contexts.set(rate, new AudioContext({ sampleRate: rate, latencyHint: "interactive" }));
  return contexts.get(rate);
}

/**
 * Start a voice: frame `frame` of the sound at frame `begin` of the clock, for n frames.
 *
 * The buffer holds the sound from frame `offset` on; the rate is the sound's.
 */
export function startVoice(context, rate, { begin, frame, n, fadesIn = false, fadesOut = false }, { buffer, version = null, offset, output }) {
  const [source, envelope] = [context.createBufferSource(), context.createGain()];
  const [from, to] = [begin / rate, (begin + n) / rate];
  source.buffer = buffer;
  source.connect(envelope).connect(output);
  if (fadesIn) envelope.gain.setValueAtTime(0, from).linearRampToValueAtTime(1, from + FADE);
  if (fadesOut) envelope.gain.setValueAtTime(1, Math.max(from + FADE, to - FADE)).linearRampToValueAtTime(0, to);
  source.start(from, (frame - offset) / rate, n / rate);
  source.onended = () => [source, envelope].forEach((node) => node.disconnect());
  return { version, source, envelope, begin, end: begin + n, fadesIn };
}

/** Let a voice fade out from a frame of the clock on, or never begin. */
export function endVoice(voice, at, rate) {
  if (voice.end <= at) return;
  if (voice.begin >= at) {
    voice.source.stop();
    voice.source.disconnect();
    return;
  }
  const level = voice.fadesIn ? Math.min(1, (at - voice.begin) / (FADE * rate)) : 1;
  voice.end = at;
  voice.envelope.gain.cancelScheduledValues(at / rate);
  voice.envelope.gain.setValueAtTime(level, at / rate).linearRampToValueAtTime(0, at / rate + FADE);
  voice.source.stop(at / rate + FADE);
}

/** Go over to a value without a click. */
export function ramp(parameter, value, context) {
  const now = context.currentTime;
  parameter.cancelScheduledValues(now);
  parameter.setValueAtTime(parameter.value, now);
  parameter.linearRampToValueAtTime(value, now + FADE);
}
