// @ts-check
// The decisions of the player, without sound and without a page.
// Positions are frames of the sound, times are seconds.

/** @import { Loop, Meta, Mix, Preset, TimeRange, Track } from "./types.d.ts" */

export const FADE = 0.005; // s: of a switch between tracks, a seek, and the seam of a loop

/**
 * Return whether a track is heard: it is not muted, and no other track is soloed.
 *
 * @param {number} track
 * @param {Mix} mix
 */
export function isHeard(track, mix) {
  return !mix.mute.has(track) && (mix.solo.size === 0 || mix.solo.has(track));
}

/**
 * Return the linear gain of each track, from its own gain and its matched gain.
 *
 * @param {number} n
 * @param {Mix} mix
 */
export function trackGains(n, mix) {
  return Array.from({ length: n }, (_, track) => {
    return isHeard(track, mix) ? toLinear(appliedGain(track, mix)) : 0;
  });
}

/**
 * Return the dB by which a track is changed: its own gain and its matched gain.
 *
 * @param {number} track
 * @param {Mix} mix
 */
export function appliedGain(track, mix) {
  return (mix.gains[track] ?? 0) + matchedGain(track, mix);
}

/**
 * Return the dB by which a track is matched to the others; 0 while they are not measured.
 *
 * @param {number} track
 * @param {Mix} mix
 */
function matchedGain(track, mix) {
  if (mix.level === "raw") return 0;
  return mix.matchedGains?.[mix.level]?.[track] ?? 0;
}

/** @param {number} dB */
export const toLinear = (dB) => 10 ** (dB / 20);

/**
 * Return the tracks that can be heard together by a name.
 *
 * @param {Pick<Track, "name" | "kind">[]} tracks
 * @returns {Preset[]}
 */
export function presets(tracks) {
  /** @param {string} kind */
  const numbersOf = (kind) => {
    return tracks.flatMap((track, k) => (track.kind === kind ? [k] : []));
  };
  const sources = numbersOf("source");
  const parts = [...sources, ...numbersOf("residual")];
  /** @type {Preset[]} */
  const entries = [];
  /** @param {string} group @param {number[]} numbers */
  const addEach = (group, numbers) => {
    for (const k of numbers) entries.push({ label: tracks[k].name, group, solo: [k] });
  };
  addEach("Mixture", numbersOf("mixture"));
  addEach("Sources", sources);
  if (sources.length > 1) {
    for (const k of sources) {
      const solo = parts.filter((other) => other !== k);
      entries.push({ label: `all but ${tracks[k].name}`, group: "Everything but", solo });
    }
    entries.push({ label: "all sources", group: "Together", solo: sources });
  }
  addEach("Left over", numbersOf("residual"));
  addEach("References", numbersOf("reference"));
  addEach("Others", [...numbersOf("background"), ...numbersOf("other")]);
  return entries;
}

/**
 * Return the number of the preset that is heard, or −1.
 *
 * @param {Preset[]} entries
 * @param {Set<number>} solo
 */
export function findPreset(entries, solo) {
  return entries.findIndex((entry) => {
    return entry.solo.length === solo.size && entry.solo.every((k) => solo.has(k));
  });
}

/**
 * Return the pieces of sound that follow each other from a position on.
 *
 * A piece ends where the sound, a chunk or the loop ends. `at` counts the frames from the position
 * to the piece. A piece `isCut` if it does not continue the one before. Without a loop they stop at
 * the end of the sound.
 *
 * @param {number} position
 * @param {number} nWanted
 * @param {{length: number, chunkLength: number, loop: Loop | null}} sound
 */
export function pieces(position, nWanted, { length, chunkLength, loop }) {
  const list = [];
  let frame = position;
  let at = 0;
  let isCut = true;
  while (at < nWanted) {
    const loopEnd = loop && frame < loop[1] ? loop[1] : null;
    const chunkEnd = (Math.floor(frame / chunkLength) + 1) * chunkLength;
    const n = Math.min(Math.min(loopEnd ?? length, chunkEnd) - frame, nWanted - at);
    if (n > 0) list.push({ frame, n, at, isCut });
    at += n;
    frame += n;
    isCut = false;
    if (loop && loopEnd !== null && frame >= loopEnd) {
      frame = loop[0];
      isCut = true;
    } else if (frame >= length) {
      break;
    }
  }
  return list;
}

/**
 * Return the position `elapsed` frames after `start` was played.
 *
 * @param {number} start
 * @param {number} elapsed
 * @param {{length: number, loop: Loop | null}} sound
 */
export function positionAfter(start, elapsed, { length, loop }) {
  const position = start + elapsed;
  if (!loop || start >= loop[1] || position < loop[1]) return Math.min(position, length);
  return loop[0] + ((position - loop[0]) % (loop[1] - loop[0]));
}

/**
 * Convert int16 samples, channel after channel, to floats.
 *
 * @param {ArrayBuffer | ArrayBufferView} bytes
 * @param {number} nChannels
 * @param {number} scale
 */
export function toFloat(bytes, nChannels, scale) {
  const isView = ArrayBuffer.isView(bytes);
  const buffer = isView ? bytes.buffer : bytes;
  const view = new DataView(buffer, isView ? bytes.byteOffset : 0, bytes.byteLength);
  const n = view.byteLength / 2 / nChannels;
  return Array.from({ length: nChannels }, (_, channel) => {
    const samples = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      samples[i] = (view.getInt16(2 * (channel * n + i), true) / 32768) * scale;
    }
    return samples;
  });
}

/**
 * Return the chunks to keep: those around a position, the ones ahead first.
 *
 * @param {number} position
 * @param {{length: number, chunkLength: number, kept: number, loop: Loop | null}} sound
 */
export function wantedChunks(position, { length, chunkLength, kept, loop }) {
  const last = Math.ceil(length / chunkLength) - 1;
  const current = Math.min(last, Math.floor(position / chunkLength));
  const ahead = Array.from({ length: kept }, (_, i) => current + i);
  const around = loop
    ? [current, Math.floor(loop[0] / chunkLength), ...ahead]
    : [...ahead, current - 1];
  return [...new Set(around)].filter((i) => i >= 0 && i <= last).slice(0, kept);
}

/**
 * Zoom a range of time around an instant, and keep it within the sound.
 *
 * @param {TimeRange} range
 * @param {number} factor
 * @param {number} around
 * @param {number} duration
 * @returns {TimeRange}
 */
export function zoomRange([from, to], factor, around, duration, shortest = 0.05) {
  const wanted = Math.max(Math.min(shortest, duration), (to - from) * factor);
  const span = Math.min(duration, wanted);
  const start = around - ((around - from) / Math.max(to - from, 1e-9)) * span;
  return moveRange([start, start + span], 0, duration);
}

/**
 * Move a range of time by seconds, and keep it within the sound.
 *
 * @param {TimeRange} range
 * @param {number} by
 * @param {number} duration
 * @returns {TimeRange}
 */
export function moveRange([from, to], by, duration) {
  const span = to - from;
  const start = Math.max(0, Math.min(duration - span, from + by));
  return [start, start + span];
}

const LONG_STEPS = [60, 120, 300, 600, 900, 1800, 3600]; // s

/**
 * Return about `nWanted` round instants for an axis.
 *
 * @param {number} from
 * @param {number} to
 * @param {number} nWanted
 */
export function ticks(from, to, nWanted) {
  const rough = Math.max((to - from) / Math.max(1, nWanted), 1e-6);
  const step = roundStep(rough);
  const first = Math.ceil(from / step - 1e-9);
  const count = Math.floor((to - first * step) / step + 1e-9) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => (first + i) * step);
}

/** @param {number} rough */
function roundStep(rough) {
  if (rough > 30) return LONG_STEPS.find((step) => step >= rough) ?? 7200;
  const power = 10 ** Math.floor(Math.log10(rough));
  const steps = [1, 2, 5].map((digit) => digit * power);
  return steps.find((step) => step >= rough * 0.999) ?? 10 * power;
}

/**
 * Return a time as text: 0:03.25
 *
 * @param {number} seconds
 */
export function formatTime(seconds, digits = 2) {
  const rounded = Number(Math.max(0, seconds).toFixed(digits));
  const minutes = Math.floor(rounded / 60);
  const width = digits ? 3 + digits : 2;
  const rest = (rounded - 60 * minutes).toFixed(digits).padStart(width, "0");
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

/** @param {number} dB */
export function formatGain(dB) {
  return `${dB < 0 ? "−" : "+"}${Math.abs(dB).toFixed(1)} dB`;
}

/** @param {number} hertz */
export function formatHertz(hertz) {
  if (hertz < 1000) return `${Math.round(hertz)} Hz`;
  return `${Number((hertz / 1000).toPrecision(3))} kHz`;
}

// The mel scale of O'Shaughnessy, as spectrogram_tiles.py has it for the rows of the tiles.
const MEL = {
  /** @param {number} hertz */
  toHeight: (hertz) => 2595 * Math.log10(1 + hertz / 700),
  /** @param {number} mel */
  toHertz: (mel) => 700 * (10 ** (mel / 2595) - 1),
};
const LINEAR = {
  /** @param {number} hertz */
  toHeight: (hertz) => hertz,
  /** @param {number} height */
  toHertz: (height) => height,
};

/**
 * Return the frequency at a height of a spectrogram, 0 at its bottom and 1 at its top.
 *
 * @param {number} height
 * @param {string} axis mel or linear
 * @param {number} highest Hz
 */
export function frequencyAt(height, axis, highest) {
  const scale = axis === "mel" ? MEL : LINEAR;
  return scale.toHertz(height * scale.toHeight(highest));
}

/**
 * Return the height of a frequency in a spectrogram.
 *
 * @param {number} hertz
 * @param {string} axis mel or linear
 * @param {number} highest Hz
 */
export function heightOf(hertz, axis, highest) {
  const scale = axis === "mel" ? MEL : LINEAR;
  return scale.toHeight(hertz) / scale.toHeight(highest);
}

/** @typedef {[name: string, argument?: number]} Command */

/** @type {Record<string, Command>} */
const LETTERS = {
  b: ["swap"],
  l: ["loop"],
  m: ["mute"],
  s: ["solo"],
  "+": ["zoom", 0.5],
  "=": ["zoom", 0.5],
  "-": ["zoom", 2],
};

/**
 * Return the command that a key means to the player, or null.
 *
 * @param {Pick<KeyboardEvent, "key"> & Partial<KeyboardEvent>} event
 * @returns {Command | null}
 */
export function readKey(
  event,
  { isText = false, isSlider = false, isKeyboardButton = false } = {},
) {
  const { key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (key === "Escape") return ["clear"];
  if (isText) return null;
  if (key === " ") return isKeyboardButton ? null : ["toggle"];
  if (/^[1-9]$/.test(key)) return ["hear", Number(key) - 1];
  const letter = LETTERS[key.toLowerCase()];
  if (letter) return letter;
  return isSlider ? null : readMovement(key, event.shiftKey ? 0.1 : 1);
}

/**
 * @param {string} key
 * @param {number} seconds
 * @returns {Command | null}
 */
function readMovement(key, seconds) {
  if (key === "ArrowLeft") return ["skip", -seconds];
  if (key === "ArrowRight") return ["skip", seconds];
  if (key === "ArrowUp") return ["focus", -1];
  if (key === "ArrowDown") return ["focus", 1];
  if (key === "Home") return ["seek", 0];
  if (key === "End") return ["end"];
  return null;
}

/**
 * Return a mix in which all of n tracks are heard as they are.
 *
 * @param {number} n
 * @returns {Mix}
 */
export function newMix(n) {
  return { solo: new Set(), mute: new Set(), gains: Array(n).fill(0), level: "raw", matchedGains: null };
}

/** @param {Track[]} tracks @param {Track[]} others */
export function haveSameNames(tracks, others) {
  if (tracks.length !== others.length) return false;
  return tracks.every(({ name, kind }, k) => name === others[k].name && kind === others[k].kind);
}

/** @param {Meta} meta @param {Meta} other */
export function hasSameLength(meta, other) {
  return meta.rate === other.rate && meta.length === other.length && meta.chunk_length === other.chunk_length;
}

/**
 * Return the loop that is next to a region: whole frames within the sound, and not too short.
 *
 * @param {number[]} region
 * @param {number} length of the sound
 * @param {number} shortest
 * @returns {Loop}
 */
export function fitLoop(region, length, shortest) {
  const start = Math.max(0, Math.min(Math.round(region[0]), length - shortest));
  const end = Math.max(Math.round(region[1]), start + shortest);
  return [start, Math.min(length, end)];
}
