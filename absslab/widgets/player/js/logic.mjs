// @ts-check
// What the player decides, without sound and without a page. Positions are frames of the sound, times are seconds.

export const FADE = 0.005; // s: a switch between tracks, a seek, the seam of a loop

/** Linear gain of each track: silent when muted, or when others are soloed; level and own gain in dB. */
export function trackGains(n, mix) {
  return Array.from({ length: n }, (_, k) => {
    const isHeard = !mix.mute.has(k) && (mix.solo.size === 0 || mix.solo.has(k));
    return isHeard ? decibels(appliedGain(k, mix)) : 0;
  });
}

/** dB that a track is changed by: its own gain and what its level asks for. */
export function appliedGain(k, mix) {
  const level = mix.level === "raw" ? 0 : mix.levels?.[mix.level]?.[k] ?? 0;
  return (mix.gains[k] ?? 0) + level;
}

export const decibels = (dB) => 10 ** (dB / 20);

/** Which tracks sound together by a name: [{label, group, solo}] */
export function presets(tracks) {
  const of = (kind) => tracks.flatMap((track, k) => (track.kind === kind ? [k] : []));
  const sources = of("source");
  const parts = [...sources, ...of("residual")];
  const one = (k) => ({ label: tracks[k].name, solo: [k] });
  const groups = [["Mixture", of("mixture").map(one)], ["Sources", sources.map(one)]];
  if (sources.length > 1) {
    groups.push(["Everything but", sources.map((k) => ({ label: `all but ${tracks[k].name}`, solo: parts.filter((other) => other !== k) }))]);
    groups.push(["Together", [{ label: "all sources", solo: sources }]]);
  }
  groups.push(["Left over", of("residual").map(one)], ["References", of("reference").map(one)]);
  groups.push(["Others", [...of("background"), ...of("other")].map(one)]);
  return groups.flatMap(([group, entries]) => entries.map((entry) => ({ ...entry, group })));
}

/** The preset that is heard, or −1. */
export function presetOf(entries, solo) {
  return entries.findIndex((entry) => entry.solo.length === solo.size && entry.solo.every((k) => solo.has(k)));
}

/**
 * The stretches of sound that follow on each other: [{frame, n, at, isCut}].
 *
 * They begin at `position`, are `at` frames later than its playing, end where the sound, a chunk or the loop ends, and are
 * `isCut` where they do not go on from the one before. Without a loop they stop at the end of the sound.
 */
export function pieces(position, nWanted, { length, chunk, loop }) {
  const found = [];
  let [frame, at, isCut] = [position, 0, true];
  while (at < nWanted) {
    const isInLoop = loop && frame < loop[1];
    const end = Math.min(isInLoop ? loop[1] : length, (Math.floor(frame / chunk) + 1) * chunk);
    const n = Math.min(end - frame, nWanted - at);
    if (n > 0) found.push({ frame, n, at, isCut });
    at += n;
    frame += n;
    isCut = false;
    if (isInLoop && frame >= loop[1]) [frame, isCut] = [loop[0], true];
    else if (frame >= length) break;
  }
  return found;
}

/** Where in the sound one is, `elapsed` frames after `start` was played. */
export function positionAfter(start, elapsed, { length, loop }) {
  const position = start + elapsed;
  if (!loop || start >= loop[1] || position < loop[1]) return Math.min(position, length);
  return loop[0] + ((position - loop[0]) % (loop[1] - loop[0]));
}

/** Int16 samples, channel after channel, to floats. */
export function toFloat(buffer, nChannels, scale) {
  const view = new DataView(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength);
  const n = view.byteLength / 2 / nChannels;
  return Array.from({ length: nChannels }, (_, c) => {
    const samples = new Float32Array(n);
    for (let i = 0; i < n; i++) samples[i] = (view.getInt16(2 * (c * n + i), true) / 32768) * scale;
    return samples;
  });
}

/** Chunks to have: those around a position, the ones ahead first, as many as may be kept. */
export function wantedChunks(position, { length, chunk, kept, loop }) {
  const last = Math.ceil(length / chunk) - 1;
  const here = Math.min(last, Math.floor(position / chunk));
  const ahead = Array.from({ length: kept }, (_, i) => here + i);
  const around = loop ? [here, Math.floor(loop[0] / chunk), ...ahead] : [...ahead, here - 1];
  return [...new Set(around)].filter((i) => i >= 0 && i <= last).slice(0, kept);
}

/**
 * A range of time in seconds, zoomed around an instant and kept within the sound.
 *
 * @param {number[]} range [from, to]
 * @param {number} factor
 * @param {number} around
 * @param {number} duration
 */
export function zoomed([from, to], factor, around, duration, shortest = 0.05) {
  const span = Math.min(duration, Math.max(Math.min(shortest, duration), (to - from) * factor));
  const start = around - ((around - from) / Math.max(to - from, 1e-9)) * span;
  return moved([start, start + span], 0, duration);
}

/**
 * A range of time, moved by seconds and kept within the sound.
 *
 * @param {number[]} range [from, to] in seconds
 * @param {number} by
 * @param {number} duration
 */
export function moved([from, to], by, duration) {
  const span = to - from;
  const start = Math.max(0, Math.min(duration - span, from + by));
  return [start, start + span];
}

/** Round instants for an axis: about `wanted` of them. */
export function ticks(from, to, wanted) {
  const rough = Math.max((to - from) / Math.max(1, wanted), 1e-6);
  const power = 10 ** Math.floor(Math.log10(rough));
  const minutes = [60, 120, 300, 600, 900, 1800, 3600];
  const step = rough > 30 ? minutes.find((one) => one >= rough) ?? 7200 : [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
  const first = Math.ceil(from / step - 1e-9);
  const count = Math.floor((to - first * step) / step + 1e-9) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => (first + i) * step);
}

/** 0:03.25 */
export function clock(seconds, digits = 2) {
  const rounded = Number(Math.max(0, seconds).toFixed(digits));
  const minutes = Math.floor(rounded / 60);
  const rest = (rounded - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

export function shownGain(dB) {
  return `${dB < 0 ? "−" : "+"}${Math.abs(dB).toFixed(1)} dB`;
}

export function shownHertz(hertz) {
  return hertz >= 1000 ? `${Number((hertz / 1000).toPrecision(3))} kHz` : `${Math.round(hertz)} Hz`;
}

/** Mel scale of the picture's rows, as O'Shaughnessy defined it. */
const mel = { to: (hertz) => 2595 * Math.log10(1 + hertz / 700), from: (value) => 700 * (10 ** (value / 2595) - 1) };
const linear = { to: (hertz) => hertz, from: (value) => value };

/** Frequency at a height of the picture, 0 at its foot and 1 at its top. */
export function frequencyAt(height, axis, highest) {
  const scale = axis === "mel" ? mel : linear;
  return scale.from(height * scale.to(highest));
}

/** Height of a frequency in the picture. */
export function heightOf(hertz, axis, highest) {
  const scale = axis === "mel" ? mel : linear;
  return scale.to(hertz) / scale.to(highest);
}

/** What a key means to the player: [command, argument] or null. */
export function command(event, { isText = false, isSlider = false, isKeyboardButton = false } = {}) {
  const { key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (key === "Escape") return ["clear"];
  if (isText) return null;
  if (key === " ") return isKeyboardButton ? null : ["toggle"];
  if (/^[1-9]$/.test(key)) return ["hear", Number(key) - 1];
  const step = event.shiftKey ? 0.1 : 1;
  if (!isSlider && key === "ArrowLeft") return ["skip", -step];
  if (!isSlider && key === "ArrowRight") return ["skip", step];
  if (!isSlider && key === "ArrowUp") return ["focus", -1];
  if (!isSlider && key === "ArrowDown") return ["focus", 1];
  const letters = { b: ["swap"], l: ["loop"], m: ["mute"], s: ["solo"], "+": ["zoom", 0.5], "=": ["zoom", 0.5], "-": ["zoom", 2] };
  return letters[key.toLowerCase()] ?? (isSlider ? null : { Home: ["seek", 0], End: ["end"] }[key] ?? null);
}
