// Made by "make bundle" from the modules in the folder js beside this one: change those.

// absslab/widgets/player/js/logic.mjs
var FADE = 5e-3;
function trackGains(n, mix) {
  return Array.from({ length: n }, (_, k) => {
    const isHeard = !mix.mute.has(k) && (mix.solo.size === 0 || mix.solo.has(k));
    return isHeard ? decibels(appliedGain(k, mix)) : 0;
  });
}
function appliedGain(k, mix) {
  const level = mix.level === "raw" ? 0 : mix.levels?.[mix.level]?.[k] ?? 0;
  return (mix.gains[k] ?? 0) + level;
}
var decibels = (dB) => 10 ** (dB / 20);
function presets(tracks) {
  const of = (kind) => tracks.flatMap((track, k) => track.kind === kind ? [k] : []);
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
function presetOf(entries, solo) {
  return entries.findIndex((entry) => entry.solo.length === solo.size && entry.solo.every((k) => solo.has(k)));
}
function pieces(position, nWanted, { length, chunk, loop }) {
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
function positionAfter(start, elapsed, { length, loop }) {
  const position = start + elapsed;
  if (!loop || start >= loop[1] || position < loop[1]) return Math.min(position, length);
  return loop[0] + (position - loop[0]) % (loop[1] - loop[0]);
}
function toFloat(buffer, nChannels, scale) {
  const view = new DataView(buffer.buffer ?? buffer, buffer.byteOffset ?? 0, buffer.byteLength);
  const n = view.byteLength / 2 / nChannels;
  return Array.from({ length: nChannels }, (_, c) => {
    const samples = new Float32Array(n);
    for (let i = 0; i < n; i++) samples[i] = view.getInt16(2 * (c * n + i), true) / 32768 * scale;
    return samples;
  });
}
function wantedChunks(position, { length, chunk, kept, loop }) {
  const last = Math.ceil(length / chunk) - 1;
  const here = Math.min(last, Math.floor(position / chunk));
  const ahead = Array.from({ length: kept }, (_, i) => here + i);
  const around = loop ? [here, Math.floor(loop[0] / chunk), ...ahead] : [...ahead, here - 1];
  return [...new Set(around)].filter((i) => i >= 0 && i <= last).slice(0, kept);
}
function zoomed([from, to], factor, around, duration, shortest = 0.05) {
  const span = Math.min(duration, Math.max(Math.min(shortest, duration), (to - from) * factor));
  const start = around - (around - from) / Math.max(to - from, 1e-9) * span;
  return moved([start, start + span], 0, duration);
}
function moved([from, to], by, duration) {
  const span = to - from;
  const start = Math.max(0, Math.min(duration - span, from + by));
  return [start, start + span];
}
function ticks(from, to, wanted) {
  const rough = Math.max((to - from) / Math.max(1, wanted), 1e-6);
  const power = 10 ** Math.floor(Math.log10(rough));
  const minutes = [60, 120, 300, 600, 900, 1800, 3600];
  const step = rough > 30 ? minutes.find((one) => one >= rough) ?? 7200 : [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
  const first = Math.ceil(from / step - 1e-9);
  const count = Math.floor((to - first * step) / step + 1e-9) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => (first + i) * step);
}
function clock(seconds, digits = 2) {
  const rounded = Number(Math.max(0, seconds).toFixed(digits));
  const minutes = Math.floor(rounded / 60);
  const rest = (rounded - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return minutes < 60 ? `${minutes}:${rest}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}
function shownGain(dB) {
  return `${dB < 0 ? "−" : "+"}${Math.abs(dB).toFixed(1)} dB`;
}
function shownHertz(hertz) {
  return hertz >= 1e3 ? `${Number((hertz / 1e3).toPrecision(3))} kHz` : `${Math.round(hertz)} Hz`;
}
var mel = { to: (hertz) => 2595 * Math.log10(1 + hertz / 700), from: (value) => 700 * (10 ** (value / 2595) - 1) };
var linear = { to: (hertz) => hertz, from: (value) => value };
function frequencyAt(height, axis, highest) {
  const scale = axis === "mel" ? mel : linear;
  return scale.from(height * scale.to(highest));
}
function heightOf(hertz, axis, highest) {
  const scale = axis === "mel" ? mel : linear;
  return scale.to(hertz) / scale.to(highest);
}
function command(event, { isText = false, isSlider = false, isKeyboardButton = false } = {}) {
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

// absslab/widgets/player/js/voice.mjs
var shared = globalThis;
function sharedContext(rate) {
  shared.absslabContexts ??= /* @__PURE__ */ new Map();
  const contexts = shared.absslabContexts;
  if (!contexts.has(rate)) contexts.set(rate, new AudioContext({ sampleRate: rate, latencyHint: "interactive" }));
  return contexts.get(rate);
}
function startVoice(context, rate, { begin, frame, n, fadesIn = false, fadesOut = false }, { buffer, version = null, offset, output }) {
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
function endVoice(voice, at, rate) {
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
function ramp(parameter, value, context) {
  const now = context.currentTime;
  parameter.cancelScheduledValues(now);
  parameter.setValueAtTime(parameter.value, now);
  parameter.linearRampToValueAtTime(value, now + FADE);
}

// absslab/widgets/player/js/engine.mjs
var LEAD = 0.03;
var AHEAD = 2.5;
var TICK = 200;
var Engine = class _Engine {
  /** @type {Piece[]} The pieces that are scheduled on the context's clock. */
  #scheduled = [];
  /** @type {{position: number, at: number, isCut: boolean} | null} What to schedule next, `at` frames after the anchor. */
  #next = null;
  /** @type {{frame: number, position: number} | null} A frame of the context's clock, and the position that it plays. */
  #anchor = null;
  /** @type {ReturnType<typeof setInterval> | null} */
  #timer = null;
  /** @type {Set<string>} Keys "track:chunk" of the sound that was asked for. */
  #asked = /* @__PURE__ */ new Set();
  /** @type {Set<string>} Keys of the sound that the kernel could not send. */
  #failed = /* @__PURE__ */ new Set();
  /** @type {AudioContext | OfflineAudioContext | null} */
  context = null;
  /** @type {AnalyserNode | null} All that is heard. */
  output = null;
  /** @type {GainNode | null} All tracks together. */
  parts = null;
  /** @type {GainNode | null} The brushed region. */
  brushed = null;
  /** @type {{gain: GainNode, analyser: AnalyserNode}[]} The outputs of the tracks. */
  outputs = [];
  /**
   * @param {object} callbacks
   * @param {(rate: number) => AudioContext | OfflineAudioContext} [callbacks.makeContext]
   * @param {() => void} [callbacks.changed] is called when there is something new to show.
   * @param {(chunks: number[][]) => void} [callbacks.wanted] is called with the [track, chunk] that are missing.
   */
  constructor({ makeContext = sharedContext, changed = () => {
  }, wanted = () => {
  } } = {}) {
    this.makeContext = makeContext;
    this.changed = changed;
    this.wanted = wanted;
    this.tracks = [];
    this.buffers = /* @__PURE__ */ new Map();
    this.mix = { solo: /* @__PURE__ */ new Set(), mute: /* @__PURE__ */ new Set(), gains: [], level: "raw", levels: null };
    this.loop = null;
    this.brush = null;
    this.isPlaying = false;
    this.isWaiting = false;
    this.rest = 0;
  }
  /**
   * What is to be played: {rate, length, chunk, kept, tracks: [{name, kind, version}]}; returns what stays as it was.
   *
   * Tracks of the same names keep what is heard of them (mix); if they are as long as well, they go on where they are (clock).
   */
  load(meta) {
    const mix = sameNames(this.tracks, meta.tracks);
    const clock2 = mix && Boolean(this.meta) && ["rate", "length", "chunk"].every((one) => this.meta[one] === meta[one]);
    if (!clock2) this.#silence();
    this.meta = meta;
    this.tracks = meta.tracks;
    this.#asked.clear();
    this.#failed.clear();
    if (!mix) this.mix = { solo: /* @__PURE__ */ new Set(), mute: /* @__PURE__ */ new Set(), gains: meta.tracks.map(() => 0), level: "raw", levels: null };
    if (clock2) return { mix, clock: clock2 };
    this.isPlaying = this.isWaiting = false;
    this.rest = 0;
    this.loop = this.brush = null;
    this.buffers.clear();
    this.#connect();
    this.setMix({});
    return { mix, clock: clock2 };
  }
  /** Whether the browser waits for a person's click before it lets the page sound. */
  get isBlocked() {
    return this.isPlaying && this.context?.state === "suspended";
  }
  get length() {
    return this.meta?.length ?? 0;
  }
  /** Sound has come: channels of Float32Array. What of it plays goes over to it; what was missed begins. */
  put({ track, chunk, version }, channels) {
    if (this.tracks[track]?.version !== version) return;
    this.buffers.set(`${track}:${chunk}`, { version, buffer: this.#buffer(channels) });
    this.#asked.delete(`${track}:${chunk}`);
    const at = this.#now() + this.#frames(LEAD);
    for (const piece of this.#scheduled) {
      const end = piece.begin + piece.n;
      const old = piece.voices.get(track);
      if (Math.floor(piece.frame / this.meta.chunk) !== chunk || end <= at || old?.version === version) continue;
      const begin = Math.max(at, piece.begin);
      if (old) endVoice(old, begin, this.meta.rate);
      const late = { ...piece, begin, frame: piece.frame + begin - piece.begin, n: end - begin, fadesIn: begin > piece.begin || piece.fadesIn };
      piece.voices.set(track, startVoice(this.context, this.meta.rate, late, this.#source(track, chunk)));
    }
    if (!this.isWaiting) this.tick();
    else if (this.#ready(Math.floor(this.rest / this.meta.chunk))) this.#resume();
  }
  /** A chunk could not be had: stop where it is missing, and ask again when a person wants to go on. */
  fail(track, chunk) {
    this.#failed.add(`${track}:${chunk}`);
    if (this.isWaiting) this.pause();
  }
  /** Only what a brush took is heard: {start, n, channels}, or null for everything again. */
  setBrush(brush) {
    const isSame2 = brush && this.brush?.start === brush.start && this.brush.n === brush.n;
    const position = brush && !isSame2 ? brush.start : this.position;
    this.brush = brush && { start: brush.start, n: brush.n, buffer: this.#buffer(brush.channels) };
    this.loop = brush && [brush.start, brush.start + brush.n];
    ramp(this.parts.gain, brush ? 0 : 1, this.context);
    this.#moveTo(position);
  }
  async play() {
    if (!this.meta || this.isPlaying) return;
    if (globalThis.absslabPlaying !== this) globalThis.absslabPlaying?.pause();
    globalThis.absslabPlaying = this;
    if (this.rest >= this.length) this.rest = this.loop?.[0] ?? 0;
    if (this.loop && (this.rest >= this.loop[1] || this.rest < this.loop[0])) this.rest = this.loop[0];
    this.isPlaying = true;
    this.#tryAgain();
    await this.context.resume?.();
    if (this.isPlaying) this.#resume();
  }
  pause() {
    if (!this.isPlaying) return;
    this.rest = this.position;
    this.#silence();
    this.isPlaying = this.isWaiting = false;
    this.changed();
  }
  seek(frame) {
    this.#moveTo(Math.max(0, Math.min(this.length, Math.round(frame))));
  }
  /** A region in frames that is played again and again, or null; of a sound too short for one it is null. */
  setLoop(loop) {
    const shortest = this.#frames(4 * FADE);
    const position = this.position;
    if (loop && this.length >= shortest) {
      const start = Math.max(0, Math.min(Math.round(loop[0]), this.length - shortest));
      this.loop = [start, Math.min(this.length, Math.max(Math.round(loop[1]), start + shortest))];
    } else this.loop = null;
    const isOutside = this.loop && (position < this.loop[0] || position >= this.loop[1]);
    this.#moveTo(isOutside ? this.loop[0] : position);
  }
  setMix(mix) {
    this.mix = { ...this.mix, ...mix };
    trackGains(this.tracks.length, this.mix).forEach((gain, k) => ramp(this.outputs[k].gain.gain, gain, this.context));
    this.changed();
  }
  /** The frame that is heard now. */
  get position() {
    if (!this.#anchor) return this.rest;
    return positionAfter(this.#anchor.position, Math.max(0, this.#now() - this.#anchor.frame), this);
  }
  /** What sounds, measured: root mean squares of the tracks behind their gains, and of all together. */
  probe() {
    const rms = (analyser) => {
      const samples = new Float32Array(analyser.fftSize);
      analyser.getFloatTimeDomainData(samples);
      return [Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length), samples.reduce((most, x) => Math.max(most, Math.abs(x)), 0)];
    };
    const isBrushed = Boolean(this.brush);
    const [out, peak] = this.output ? rms(this.output) : [0, 0];
    return {
      context: this.context?.state ?? "none",
      isPlaying: this.isPlaying,
      isWaiting: this.isWaiting,
      position: this.position / (this.meta?.rate ?? 1),
      tracks: this.tracks.map((track, k) => ({ name: track.name, rms: isBrushed ? 0 : rms(this.outputs[k].analyser)[0] })),
      brush: isBrushed,
      out,
      peak,
      n_voices: this.#voices().length,
      sounding: this.tracks.map((_, k) => this.#sounding(k))
    };
  }
  /** What is heard from one frame to another, rendered faster than it plays: channels of Float32Array. */
  async render(from, to) {
    const nChannels = Math.max(...[...this.buffers.values()].map(({ buffer }) => buffer.numberOfChannels));
    const offline = new OfflineAudioContext(nChannels, to - from, this.meta.rate);
    const twin = new _Engine({ makeContext: () => offline });
    twin.load(this.meta);
    twin.buffers = this.buffers;
    twin.mix = this.mix;
    trackGains(this.tracks.length, this.mix).forEach((gain, k) => {
      twin.outputs[k].gain.gain.cancelScheduledValues(0);
      twin.outputs[k].gain.gain.setValueAtTime(gain, 0);
    });
    twin.#anchor = { frame: 0, position: from };
    twin.#next = { position: from, at: 0, isCut: false };
    twin.#schedule(to - from);
    const rendered = await offline.startRendering();
    return Array.from({ length: nChannels }, (_, c) => rendered.getChannelData(c));
  }
  dispose() {
    this.pause();
    this.#disconnect();
    this.buffers.clear();
    this.tracks = [];
    this.meta = this.brush = null;
    if (globalThis.absslabPlaying === this) globalThis.absslabPlaying = null;
  }
  /** These [track, chunk] come without being asked for. */
  expect(chunks) {
    for (const [track, chunk] of chunks) this.#asked.add(`${track}:${chunk}`);
  }
  /** Ask for what is missing around the position, and forget what is far from it. */
  ask() {
    if (!this.meta) return;
    const chunks = wantedChunks(this.position, { ...this.meta, loop: this.loop });
    const missing = [];
    for (const chunk of chunks) {
      const order = this.tracks.map((_, k) => k).sort((a, b) => this.#isHeard(b) - this.#isHeard(a));
      for (const track of order) {
        const key = `${track}:${chunk}`;
        if (this.buffers.get(key)?.version === this.tracks[track].version || this.#asked.has(key)) continue;
        this.#asked.add(key);
        missing.push([track, chunk]);
      }
    }
    for (const key of this.buffers.keys()) if (!chunks.includes(Number(key.split(":")[1]))) this.buffers.delete(key);
    if (missing.length) this.wanted(missing);
  }
  /** The version of a track that sounds now. */
  #sounding(track) {
    const now = this.#now();
    return this.#scheduled.find((piece) => piece.begin <= now && now < piece.begin + piece.n)?.voices.get(track)?.version ?? null;
  }
  #voices() {
    return this.#scheduled.flatMap((piece) => [...piece.voices.values()]);
  }
  #isHeard(track) {
    return Number(!this.mix.mute.has(track) && (this.mix.solo.size === 0 || this.mix.solo.has(track)));
  }
  #now() {
    return Math.round((this.context?.currentTime ?? 0) * (this.meta?.rate ?? 1));
  }
  #frames(seconds) {
    return Math.round(seconds * this.meta.rate);
  }
  #connect() {
    this.#disconnect();
    this.context = this.makeContext(this.meta.rate);
    const { context } = this;
    this.output = context.createAnalyser();
    this.output.connect(context.destination);
    [this.parts, this.brushed] = [context.createGain(), context.createGain()];
    this.parts.connect(this.output);
    this.brushed.connect(this.output);
    this.outputs = this.tracks.map(() => {
      const [gain, analyser] = [context.createGain(), context.createAnalyser()];
      gain.connect(analyser).connect(this.parts);
      return { gain, analyser };
    });
  }
  #disconnect() {
    const parts = (this.outputs ?? []).flatMap(({ gain, analyser }) => [gain, analyser]);
    const nodes = [this.output, this.parts, this.brushed, ...parts].filter(Boolean);
    setTimeout(() => nodes.forEach((node) => node.disconnect()), 1e3 * (LEAD + 2 * FADE));
    this.outputs = [];
  }
  #buffer(channels) {
    const buffer = this.context.createBuffer(channels.length, channels[0].length, this.meta.rate);
    channels.forEach((samples, c) => buffer.copyToChannel(samples, c));
    return buffer;
  }
  /** Go on from a frame, playing or not. */
  #moveTo(frame) {
    this.rest = frame;
    this.#tryAgain();
    if (this.isPlaying) {
      this.#silence();
      this.#resume();
    }
    this.ask();
    this.changed();
  }
  #tryAgain() {
    this.#failed.forEach((key) => this.#asked.delete(key));
    this.#failed.clear();
  }
  #resume() {
    this.isWaiting = false;
    this.#anchor = { frame: this.#now() + this.#frames(LEAD), position: this.rest };
    this.#next = { position: this.rest, at: 0, isCut: true };
    this.tick();
    this.#timer ??= setInterval(() => this.tick(), TICK);
    this.changed();
  }
  /** Let all that sounds fade out. */
  #silence() {
    clearInterval(this.#timer);
    this.#timer = this.#anchor = this.#next = null;
    if (!this.meta) return;
    const at = this.#now() + this.#frames(LEAD);
    for (const voice of this.#voices()) endVoice(voice, at, this.meta.rate);
    this.#scheduled = [];
  }
  /** Schedule what comes, and see whether the sound is missing or over; called by a timer. */
  tick() {
    if (!this.isPlaying || !this.#anchor) return;
    const now = this.#now();
    const elapsed = now - this.#anchor.frame;
    this.#scheduled = this.#scheduled.filter((piece) => piece.begin + piece.n > now);
    const isWhole = this.#schedule(elapsed + this.#frames(AHEAD));
    this.ask();
    if (!isWhole && elapsed >= this.#next.at) {
      this.rest = this.#next.position;
      this.#silence();
      this.isWaiting = true;
      this.changed();
    } else if (isWhole && this.#next.position >= this.length && elapsed >= this.#next.at) {
      this.#silence();
      this.isPlaying = false;
      this.rest = this.length;
      this.changed();
    }
  }
  /** Schedule up to so many frames after the anchor; false where sound that is heard is missing. */
  #schedule(until) {
    for (const { frame, n, at, isCut } of pieces(this.#next.position, until - this.#next.at, this)) {
      const chunk = Math.floor(frame / this.meta.chunk);
      if (!this.#ready(chunk)) return false;
      const wraps = Boolean(this.loop) && frame + n === this.loop[1];
      const fadesIn = (at ? isCut : this.#next.isCut) && frame > 0;
      const piece = { begin: this.#anchor.frame + this.#next.at, frame, n, fadesIn, fadesOut: wraps, voices: /* @__PURE__ */ new Map() };
      this.tracks.forEach((_, k) => {
        if (this.buffers.has(`${k}:${chunk}`)) piece.voices.set(k, startVoice(this.context, this.meta.rate, piece, this.#source(k, chunk)));
      });
      this.#startBrush(piece);
      this.#scheduled.push(piece);
      this.#next = { position: wraps ? this.loop[0] : frame + n, at: this.#next.at + n, isCut: wraps };
    }
    return true;
  }
  get chunk() {
    return this.meta.chunk;
  }
  /** Whether a chunk is there of every track that is heard. */
  #ready(chunk) {
    return this.tracks.every((_, k) => !this.#isHeard(k) || this.buffers.has(`${k}:${chunk}`));
  }
  #source(track, chunk) {
    return { ...this.buffers.get(`${track}:${chunk}`), offset: chunk * this.meta.chunk, output: this.outputs[track].gain };
  }
  #startBrush({ begin, frame, n, voices }) {
    if (!this.brush) return;
    const first = Math.max(frame, this.brush.start);
    const length = Math.min(frame + n, this.brush.start + this.brush.n) - first;
    const source = { buffer: this.brush.buffer, offset: this.brush.start, output: this.brushed };
    if (length > 0) voices.set("brush", startVoice(this.context, this.meta.rate, { begin: begin + first - frame, frame: first, n: length }, source));
  }
};
function sameNames(some, others) {
  return some.length === others.length && some.every((track, k) => track.name === others[k].name && track.kind === others[k].kind);
}

// absslab/widgets/player/js/picture.mjs
function painted({ rows, columns, pixels }, table, mask = null) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = row * columns + column;
      const to = 4 * ((rows - 1 - row) * columns + column);
      const share = mask ? 0.18 + 0.82 * (mask.pixels[from] / 255) : 1;
      for (let c = 0; c < 3; c++) image.data[to + c] = table[3 * pixels[from] + c] * share;
      image.data[to + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
function place(context, canvas, { start, end }, [from, to], { x, y, width, height }) {
  const scale = width / (to - from);
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, x + (start - from) * scale, y, (end - start) * scale, height);
  context.restore();
}
function axes(context, box, [from, to], axis, highest, colour) {
  context.fillStyle = context.strokeStyle = colour;
  context.font = "11px system-ui, sans-serif";
  context.lineWidth = 1;
  context.textBaseline = "top";
  context.textAlign = "center";
  const instants = ticks(from, to, box.width / 90);
  const digits = instants.length > 1 && instants[1] - instants[0] < 1 ? instants[1] - instants[0] < 0.1 ? 2 : 1 : 0;
  for (const instant of instants) {
    const x = box.x + (instant - from) / (to - from) * box.width;
    line(context, x, box.y + box.height, x, box.y + box.height + 4);
    context.fillText(to >= 60 ? clock(instant, digits) : `${instant.toFixed(digits)} s`, Math.max(box.x + 8, Math.min(x, box.x + box.width - 14)), box.y + box.height + 6);
  }
  context.textBaseline = "middle";
  context.textAlign = "right";
  let lowest = Infinity;
  for (const hertz of frequencyTicks(axis, highest)) {
    const y = box.y + box.height * (1 - heightOf(hertz, axis, highest));
    if (lowest - y < 13) continue;
    lowest = y;
    line(context, box.x - 4, y, box.x, y);
    context.fillText(shownHertz(hertz), box.x - 6, Math.max(box.y + 6, y));
  }
}
function frequencyTicks(axis, highest) {
  if (axis === "mel") return [125, 250, 500, 1e3, 2e3, 4e3, 8e3, 16e3, 32e3].filter((hertz) => hertz <= highest);
  return ticks(0, highest, 6);
}
function under(box, [from, to], axis, highest, x, y) {
  const part = Math.max(0, Math.min(1, (x - box.x) / box.width));
  const height = Math.max(0, Math.min(1, 1 - (y - box.y) / box.height));
  return { time: from + part * (to - from), hertz: frequencyAt(height, axis, highest) };
}
function fitted(canvas, width, height) {
  const ratio = globalThis.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}
function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1e4);
}
function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}
var Bitmaps = class {
  #kept = /* @__PURE__ */ new Map();
  // "size:axis:parts" → {parts, start, end, canvas}
  constructor(player) {
    this.player = player;
  }
  /** The picture of [[track, what]] or of [[track, "sound"], [track, "mask"]]: {start, end, canvas}; null while it is not there. */
  of(size, parts, axis) {
    const found = parts.map(([track, what]) => this.player.pictures.get(`${track}:${what}:${size}:${axis}`)?.shown);
    const [first, mask] = found;
    if (!first || parts.length > 1 && !(mask && mask.start === first.start && mask.end === first.end)) return null;
    const key = `${size}:${axis}:${parts}`;
    const kept = this.#kept.get(key);
    if (kept && kept.found.every((one, i) => one === found[i])) return kept;
    const table = this.player.colours.subarray(first.what === "mask" ? 768 : 0);
    const made = { found, start: first.start, end: first.end, canvas: painted(first, table, mask) };
    this.#kept.set(key, made);
    return made;
  }
};
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// absslab/widgets/player/js/stage.mjs
var HEIGHT = 230;
var MARGIN = { left: 58, right: 8, top: 6, bottom: 22 };
var Stage = class {
  constructor(player) {
    this.player = player;
    this.track = 0;
    this.range = [0, this.duration];
    this.axis = "mel";
    this.what = "sound";
    this.tool = "seek";
    this.drag = null;
    this.bitmaps = new Bitmaps(player);
    this.canvas = element("canvas", { role: "img" });
    this.overlay = element("canvas", { class: "overlay", tabindex: 0, role: "slider", "aria-label": "Position", "aria-valuemin": 0, "aria-valuemax": this.duration.toFixed(2) });
    this.root = element("div", { class: "stage", style: `height:${HEIGHT}px` }, this.canvas, this.overlay);
    this.overlay.onpointerdown = (event) => this.#press(event);
    this.overlay.onpointermove = (event) => this.#move(event);
    this.overlay.onpointerup = () => this.#release();
    this.overlay.onpointercancel = () => this.drag = null;
    this.overlay.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }
  get engine() {
    return this.player.engine;
  }
  get rate() {
    return this.engine.meta.rate;
  }
  get highest() {
    return this.rate / 2;
  }
  get duration() {
    return this.engine.length / this.rate;
  }
  zoom(factor, around = this.engine.position / this.rate) {
    const [from, to] = this.range;
    this.range = zoomed(this.range, factor, around < from || around > to ? (from + to) / 2 : around, this.duration);
    this.player.changed();
  }
  /** Turn the page when the play-head leaves the view. */
  follow() {
    const [from, to] = this.range;
    const now = this.engine.position / this.rate;
    if (this.drag || now >= from - 1e-6 && now <= to + 1e-6) return;
    this.range = moved(this.range, now - from, this.duration);
    this.player.changed();
  }
  /** Draw the picture that there is; the one that is wanted is asked for by `ask`. */
  draw() {
    const width = this.root.clientWidth;
    if (width < 100) return;
    this.box = { x: MARGIN.left, y: MARGIN.top, width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
    const context = fitted(this.canvas, width, HEIGHT);
    this.colour = getComputedStyle(this.root).color;
    context.fillStyle = "black";
    context.fillRect(this.box.x, this.box.y, this.box.width, this.box.height);
    const found = this.bitmaps.of("large", this.#parts(), this.axis);
    if (found) place(context, found.canvas, found, this.range, this.box);
    axes(context, this.box, this.range, this.axis, this.highest, this.colour);
    const range = this.range.map((instant) => instant.toFixed(1)).join(" to ");
    this.canvas.setAttribute("aria-label", `Spectrogram of ${this.engine.tracks[this.track].name}, ${range} s`);
  }
  ask() {
    for (const [track, what] of this.#parts()) this.player.want(track, what, "large", this.axis, ...this.range);
  }
  /** Draw what moves: the play-head, and what is dragged, brushed or looped. */
  animate() {
    if (!this.box) return;
    if (getComputedStyle(this.root).color !== this.colour) this.draw();
    const now = this.engine.position / this.rate;
    if (this.engine.isPlaying) this.follow();
    const context = fitted(this.overlay, this.overlay.clientWidth, HEIGHT);
    const { box } = this;
    const x = (instant) => box.x + (instant - this.range[0]) / (this.range[1] - this.range[0]) * box.width;
    const y = (hertz) => box.y + box.height * (1 - heightOf(hertz, this.axis, this.highest));
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    const region = this.#region();
    if (region) {
      const { start, end, low = 0, high = this.highest } = region;
      const corners = [x(start), y(high), x(end) - x(start), y(low) - y(high)];
      context.fillStyle = "rgba(255, 255, 255, 0.16)";
      context.strokeStyle = "rgba(255, 255, 255, 0.85)";
      context.fillRect(...corners);
      context.strokeRect(...corners);
    }
    context.fillStyle = "white";
    context.fillRect(x(now) - 0.75, box.y, 1.5, box.height);
    this.overlay.setAttribute("aria-valuenow", now.toFixed(1));
    this.overlay.setAttribute("aria-valuetext", `${clock(now)} of ${clock(this.duration)}`);
  }
  /** What is dragged, else what is brushed, else what is looped. */
  #region() {
    if (this.drag?.isDrag) return this.#dragged();
    if (this.player.region) return this.player.region;
    const { loop } = this.engine;
    return loop && { start: loop[0] / this.rate, end: loop[1] / this.rate };
  }
  #dragged() {
    const [start, end] = [this.drag.from.time, this.drag.to.time].sort((a, b) => a - b);
    const [low, high] = [this.drag.from.hertz, this.drag.to.hertz].sort((a, b) => a - b);
    return this.tool === "brush" ? { start, end, low, high } : { start, end };
  }
  /** Which pictures the shown one is made of: [[track, what]…] */
  #parts() {
    const { tracks } = this.engine;
    if (this.what === "sound" || !tracks[this.track].has_mask) return [[this.track, "sound"]];
    if (this.what === "mask") return [[this.track, "mask"]];
    const mixture = tracks.findIndex((track) => track.kind === "mixture");
    return [[Math.max(0, mixture), "sound"], [this.track, "mask"]];
  }
  #at(event) {
    return under(this.box, this.range, this.axis, this.highest, event.offsetX, event.offsetY);
  }
  #press(event) {
    this.root.closest(".absslab-player").focus({ preventScroll: true });
    this.overlay.setPointerCapture(event.pointerId);
    this.drag = { from: this.#at(event), to: this.#at(event), x: event.offsetX, y: event.offsetY, isDrag: false };
  }
  #move(event) {
    const { drag } = this;
    if (!drag) return;
    drag.to = this.#at(event);
    drag.isDrag ||= Math.abs(event.offsetX - drag.x) > 4 || this.tool === "brush" && Math.abs(event.offsetY - drag.y) > 4;
  }
  #release() {
    if (!this.drag) return;
    const { isDrag, to } = this.drag;
    const { start, end, low, high } = this.#dragged();
    this.drag = null;
    if (!isDrag) this.engine.seek(to.time * this.rate);
    else if (this.tool === "seek") this.engine.setLoop([start * this.rate, end * this.rate]);
    else if (end - start > 0.02 && high - low > 1) this.player.brush({ start, end, low, high });
  }
  /** With ctrl: zoom; sideways, or with shift: move in time; else the page scrolls. */
  #wheel(event) {
    if (!(event.ctrlKey || event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) return;
    event.preventDefault();
    const span = this.range[1] - this.range[0];
    if (event.ctrlKey) this.zoom(Math.exp(event.deltaY / 200), this.#at(event).time);
    else this.range = moved(this.range, (event.deltaX || event.deltaY) / this.box.width * span, this.duration);
    this.player.changed();
  }
};

// absslab/widgets/player/js/view.mjs
var SETTLED = 150;
var View = class {
  constructor(el, player, title) {
    this.player = player;
    this.title = title;
    this.previous = null;
    this.root = element("div", { class: "absslab-player", tabindex: 0, role: "region", "aria-label": `Player ${title}`, "data-lm-suppress-shortcuts": "true" });
    this.root.absslab = { probe: () => player.engine.probe(), render: (from, to) => player.engine.render(from, to) };
    this.root.addEventListener("keydown", (event) => this.#key(event));
    this.root.addEventListener("click", (event) => {
      if (event.detail && event.target.closest("button")) this.root.focus({ preventScroll: true });
    });
    this.pass = (event) => this.#letPass(event);
    window.addEventListener("keydown", this.pass, true);
    el.append(this.root);
    this.size = new ResizeObserver(() => this.draw());
    this.size.observe(this.root);
    player.views.add(this);
    this.build();
    this.frame = requestAnimationFrame(() => this.#animate());
  }
  retitle(title) {
    this.title = title;
    this.root.setAttribute("aria-label", `Player ${title}`);
    this.heading.textContent = title;
  }
  dispose() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.size.disconnect();
    window.removeEventListener("keydown", this.pass, true);
    this.player.views.delete(this);
    if (!this.player.views.size) this.engine.pause();
    this.root.remove();
  }
  get engine() {
    return this.player.engine;
  }
  get rate() {
    return this.engine.meta.rate;
  }
  /** The track that the large picture shows. */
  get focus() {
    return this.stage.track;
  }
  set focus(track) {
    this.stage.track = track;
  }
  /** Make everything anew, for other tracks. */
  build() {
    this.heading = element("span", { class: "title" }, this.title);
    this.status = element("div", { class: "status", role: "status", "aria-live": "polite" });
    if (!this.engine.meta) {
      this.status.textContent = "waiting for the sound …";
      this.root.replaceChildren(this.heading, this.status);
      return;
    }
    this.stage = new Stage(this.player);
    this.bitmaps = new Bitmaps(this.player);
    this.focus = [...this.engine.mix.solo][0] ?? 0;
    this.entries = presets(this.engine.tracks);
    this.root.replaceChildren(this.#toolbar(), this.status, this.stage.root, this.#list());
    this.update();
  }
  update() {
    if (!this.play) return;
    const { engine } = this;
    const { mix } = engine;
    this.play.textContent = engine.isPlaying ? "❚❚" : "▶";
    this.play.setAttribute("aria-label", engine.isPlaying ? "Pause" : "Play");
    this.hearing.value = String(presetOf(this.entries, mix.solo));
    this.level.value = mix.level;
    this.looping.setAttribute("aria-pressed", String(Boolean(engine.loop)));
    this.everything.hidden = !engine.brush;
    const { text, region } = this.player;
    const waits = engine.isBlocked ? "the browser waits for a click before it lets a page sound" : engine.isWaiting ? "loading …" : "";
    this.status.textContent = text || waits || (region ? regionText(region) : "");
    this.status.classList.toggle("wrong", Boolean(text));
    const heard = this.player.heardGains();
    this.rows.forEach((row, k) => {
      row.root.classList.toggle("heard", heard[k] !== null);
      row.root.classList.toggle("focused", k === this.focus);
      row.name.setAttribute("aria-pressed", String(mix.solo.size === 1 && mix.solo.has(k)));
      row.mute.setAttribute("aria-pressed", String(mix.mute.has(k)));
      row.solo.setAttribute("aria-pressed", String(mix.solo.has(k)));
      row.gain.value = String(mix.gains[k] ?? 0);
      const applied = heard[k] ?? (mix.gains[k] ?? 0) + (mix.level === "raw" ? 0 : mix.levels?.[mix.level]?.[k] ?? 0);
      row.applied.textContent = mix.level !== "raw" && !mix.levels ? "…" : shownGain(applied);
    });
    this.draw();
  }
  // What is done to it
  hear(solo) {
    const { mix } = this.engine;
    const before = [...mix.solo];
    if (before.length !== solo.length || before.some((k) => !solo.includes(k))) this.previous = before;
    if (solo.length && !solo.includes(this.focus)) this.focus = solo[0];
    this.player.setMix({ solo: new Set(solo), mute: /* @__PURE__ */ new Set() });
  }
  swap() {
    if (this.previous) this.hear(this.previous);
    else if (this.engine.tracks.length > 1) this.hear([this.focus === 0 ? 1 : 0]);
  }
  toggle(kind, k) {
    const chosen = new Set(this.engine.mix[kind]);
    if (!chosen.delete(k)) chosen.add(k);
    this.player.setMix({ [kind]: chosen });
  }
  loop() {
    const { engine } = this;
    if (this.player.region) this.player.brush(null);
    else engine.setLoop(engine.loop ? null : this.stage.range.map((instant) => instant * this.rate));
  }
  /** @param {[string, any?]} command and its argument, as a key has them */
  do([name, value]) {
    const { engine } = this;
    const actions = {
      toggle: () => engine.isPlaying ? engine.pause() : engine.play(),
      hear: () => value < engine.tracks.length && this.hear([value]),
      swap: () => this.swap(),
      loop: () => this.loop(),
      mute: () => this.toggle("mute", this.focus),
      solo: () => this.toggle("solo", this.focus),
      skip: () => engine.seek(engine.position + value * this.rate),
      seek: () => engine.seek(value * this.rate),
      end: () => engine.seek(engine.length),
      zoom: () => this.stage.zoom(value),
      focus: () => {
        this.focus = (this.focus + value + engine.tracks.length) % engine.tracks.length;
        this.rows[this.focus].root.scrollIntoView({ block: "nearest" });
        this.update();
      },
      clear: () => this.player.region ? this.player.brush(null) : engine.setLoop(null)
    };
    actions[name]();
    if (name === "skip" || name === "seek") this.stage.follow();
  }
  /** Let JupyterLab have its own shortcuts, such as Ctrl+S, also while the player has the focus. */
  #letPass(event) {
    if (!(event.ctrlKey || event.metaKey || event.altKey) || !this.root.contains(event.target)) return;
    this.root.removeAttribute("data-lm-suppress-shortcuts");
    setTimeout(() => this.root.setAttribute("data-lm-suppress-shortcuts", "true"));
  }
  #key(event) {
    if (!this.play) return;
    const { target } = event;
    const found = command(event, {
      isText: target.matches("select, textarea, input:not([type=range]):not([type=radio])"),
      isSlider: target.matches("input"),
      isKeyboardButton: target.matches("button:focus-visible")
    });
    if (!found) return;
    event.preventDefault();
    event.stopPropagation();
    this.do(found);
  }
  // How it is made
  #toolbar() {
    const button = (label, title, onclick, more = {}) => element("button", { type: "button", title, onclick, ...more }, label);
    this.play = button("▶", "Play or pause (space)", () => this.do(["toggle"]), { class: "play" });
    this.time = element("span", { class: "time" });
    this.hearing = element("select", { title: "What is heard (1–9: one track; B: back to what was heard before)", "aria-label": "What is heard" }, element("option", { value: "-1" }, "own choice"));
    const groups = /* @__PURE__ */ new Map();
    this.entries.forEach((entry, i) => {
      if (!groups.has(entry.group)) groups.set(entry.group, element("optgroup", { label: entry.group }));
      groups.get(entry.group).append(element("option", { value: String(i) }, entry.label));
    });
    this.hearing.append(...groups.values());
    this.hearing.onchange = () => this.hearing.value !== "-1" && this.hear(this.entries[Number(this.hearing.value)].solo);
    this.level = choice("Level", { raw: "raw levels", loudness: "equally loud", peak: "equal peaks" }, (level) => this.player.setMix({ level }));
    this.looping = button("Loop", "Play the region, or what is in view, again and again (L)", () => this.loop());
    const seek = choice("Dragging in the picture", { seek: "drag: loop", brush: "drag: brush" }, (tool) => this.stage.tool = tool);
    seek.title = "What dragging in the picture does: choose a stretch to loop, or brush a region of time and frequency and hear only that";
    this.everything = button("Hear everything", "Leave the brushed region (Esc)", () => this.player.brush(null));
    const axis = choice("Frequency axis", { mel: "mel", linear: "linear" }, (chosen) => {
      this.stage.axis = chosen;
      this.draw();
    });
    const what = choice("Picture", { sound: "sound", mask: "mask", both: "mixture under mask" }, (chosen) => {
      this.stage.what = chosen;
      this.draw();
    });
    what.hidden = !this.engine.tracks.some((track) => track.has_mask);
    const zoom = element("span", { class: "group" }, button("−", "Zoom out (−)", () => this.stage.zoom(2)), button("+", "Zoom in (+)", () => this.stage.zoom(0.5)), button("all", "Show all", () => this.stage.zoom(Infinity)));
    const one = () => this.engine.tracks.map((_, k) => Number(k === this.focus));
    const save = element(
      "span",
      { class: "group" },
      element("span", {}, "save"),
      button("track", "The chosen track, as it is, as WAV", () => this.player.save(one(), `${this.title} ${this.engine.tracks[this.focus].name}`)),
      button("what is heard", "All that is heard, with its gains, as WAV", () => this.player.save(this.player.linearGains(), `${this.title} remix`)),
      button("picture", "The picture as PNG", () => this.stage.canvas.toBlob((blob) => download(blob, `${this.engine.tracks[this.focus].name}.png`)))
    );
    return element("div", { class: "toolbar", role: "toolbar", "aria-label": "Player" }, this.heading, this.play, this.time, this.hearing, this.level, this.looping, seek, this.everything, axis, what, zoom, save);
  }
  #list() {
    this.rows = this.engine.tracks.map((track, k) => {
      const button = (label, title, onclick, name) => element("button", { type: "button", title, onclick, class: name, "aria-label": `${title}: ${track.name}` }, label);
      const row = {
        name: button(track.name, k < 9 ? `Hear only this (${k + 1})` : "Hear only this", () => this.hear([k]), "name"),
        mute: button("M", "Mute (M)", () => this.toggle("mute", k), "small"),
        solo: button("S", "Solo, with others that are soloed (S)", () => this.toggle("solo", k), "small"),
        gain: element("input", { type: "range", min: -40, max: 20, step: 0.5, title: "Gain; double click: 0 dB", "aria-label": `Gain of ${track.name} in dB` }),
        applied: element("output", { title: "Gain that is applied" }),
        lane: element("canvas", { class: "lane", title: "Click to go there" })
      };
      const setGain = (dB) => this.player.setMix({ gains: this.engine.mix.gains.map((old, j) => j === k ? dB : old) });
      row.gain.oninput = () => setGain(Number(row.gain.value));
      row.gain.ondblclick = () => setGain(0);
      row.gain.onkeydown = (event) => {
        const step = { ArrowLeft: -0.5, ArrowDown: -0.5, ArrowRight: 0.5, ArrowUp: 0.5 }[event.key];
        if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        setGain(Math.max(-40, Math.min(20, Number(row.gain.value) + step)));
      };
      row.lane.onclick = (event) => {
        this.engine.seek(event.offsetX / row.lane.clientWidth * this.engine.length);
        this.focus = k;
        this.update();
      };
      const number = element("span", { class: "number", "aria-hidden": "true" }, k < 9 ? String(k + 1) : "");
      row.root = element("div", { class: `track ${track.kind}`, role: "group", "aria-label": `${track.name} (${track.kind})` }, number, row.name, row.mute, row.solo, row.gain, row.applied, element("div", { class: "strip" }, row.lane));
      return row;
    });
    this.list = element("div", { class: "tracks" }, ...this.rows.map((row) => row.root));
    return this.list;
  }
  // Pictures
  draw() {
    if (!this.rows || !this.engine.meta || !this.root.isConnected) return;
    this.stage.draw();
    this.rows.forEach((row, k) => this.#drawLane(row.lane, k));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#ask(), this.isAsked ? SETTLED : 0);
    this.isAsked = true;
  }
  #drawLane(lane, k) {
    const [width, height] = [lane.clientWidth, lane.clientHeight];
    const found = this.bitmaps.of("lane", [[k, "sound"]], "mel");
    if (!width || found && lane.absslabShown === found.canvas && lane.absslabWidth === width) return;
    const context = fitted(lane, width, height);
    if (found) place(context, found.canvas, found, [0, this.stage.duration], { x: 0, y: 0, width, height });
    [lane.absslabShown, lane.absslabWidth] = [found?.canvas, width];
  }
  /** Ask for the pictures that are in view. */
  #ask() {
    if (!this.engine.meta) return;
    this.stage.ask();
    this.rows.forEach((_, k) => this.player.want(k, "sound", "lane", "mel", 0, this.stage.duration));
  }
  #animate() {
    this.frame = requestAnimationFrame(() => this.#animate());
    if (!this.rows || !this.engine.meta || !this.root.isConnected) return;
    this.stage.animate();
    const [now, whole] = [this.engine.position / this.rate, this.stage.duration];
    this.list.style.setProperty("--at", String(now / whole));
    const text = `${clock(now)} / ${clock(whole)}`;
    if (this.time.textContent !== text) this.time.textContent = text;
  }
};
function regionText({ start, end, low, high }) {
  return `hearing only ${start.toFixed(2)}–${end.toFixed(2)} s, ${shownHertz(low)} to ${shownHertz(high)}`;
}
function choice(label, options, chosen) {
  const select = element("select", { title: label, "aria-label": label }, ...Object.entries(options).map(([value, text]) => element("option", { value }, text)));
  select.onchange = () => chosen(select.value);
  return select;
}

// absslab/widgets/player/js/player.mjs
var Player = class {
  constructor(model) {
    this.model = model;
    this.views = /* @__PURE__ */ new Set();
    this.pictures = /* @__PURE__ */ new Map();
    this.colours = null;
    this.text = "";
    this.region = null;
    this.nBrushes = 0;
    this.levelled = null;
    this.engine = new Engine({
      changed: () => this.changed(),
      wanted: (chunks) => this.say({ type: "need", chunks })
    });
    this.receive = (content, buffers) => {
      try {
        this.#receive(content, buffers);
      } catch (error) {
        this.text = `the player failed: ${/** @type {Error} */
        error.message}`;
        console.error(error);
      }
      this.changed();
    };
    model.on("msg:custom", this.receive);
    this.say({ type: "ready" });
  }
  say(content) {
    try {
      this.model.send(content);
    } catch {
      this.text = "the kernel is gone: what is here can be heard on; run the cell again for the rest";
    }
  }
  changed() {
    for (const view of this.views) view.update();
  }
  /** Change what is heard, and let the kernel know. */
  setMix(mix) {
    this.engine.setMix(mix);
    this.#askForLevels();
    this.tell();
    if (this.region) this.brush(this.region);
  }
  tell() {
    const { solo, mute, gains, level } = this.engine.mix;
    this.say({ type: "mix", gains: this.heardGains(), mix: { solo: [...solo], mute: [...mute], gains, level } });
  }
  #askForLevels() {
    const version = this.engine.tracks[0]?.version;
    if (this.engine.mix.level !== "raw" && this.levelled !== version) this.say({ type: "levels" });
  }
  /** dB of each track, null where it is not heard. */
  heardGains() {
    const { mix, tracks } = this.engine;
    const isHeard = (k) => !mix.mute.has(k) && (mix.solo.size === 0 || mix.solo.has(k));
    return tracks.map((_, k) => isHeard(k) ? appliedGain(k, mix) : null);
  }
  linearGains() {
    return this.heardGains().map((gain) => gain === null ? 0 : 10 ** (gain / 20));
  }
  /** Hear only a region {start, end, low, high} of what is heard; null: everything again. */
  brush(region) {
    this.text = "";
    this.region = region;
    this.nBrushes += 1;
    if (region) this.say({ type: "brush", number: this.nBrushes, ...region, gains: this.linearGains() });
    else if (this.engine.brush) this.engine.setBrush(null);
    this.changed();
  }
  save(gains, name) {
    this.text = "";
    this.say({ type: "save", gains, name });
  }
  /** Ask for a picture, unless it is there or on its way. */
  want(track, what, size, axis, start, end) {
    const { version } = this.engine.tracks[track];
    const key = `${track}:${what}:${size}:${axis}`;
    const kept = this.pictures.get(key);
    if (!kept || !isSame(kept, { version, start, end })) {
      this.pictures.set(key, { ...kept, version, start, end, shown: kept?.shown });
      this.say({ type: "tile", track, what, size, axis, start, end });
    }
    return this.pictures.get(key).shown;
  }
  dispose() {
    this.model.off("msg:custom", this.receive);
    this.engine.dispose();
    this.pictures.clear();
    for (const view of [...this.views]) view.dispose();
  }
  #receive(content, buffers) {
    const { engine } = this;
    const bytes = buffers?.[0] && new Uint8Array(buffers[0].buffer ?? buffers[0], buffers[0].byteOffset ?? 0, buffers[0].byteLength);
    if (content.type === "tracks") this.#introduce(content, bytes);
    else if (content.type === "pcm") engine.put(content, toFloat(bytes, content.channels, content.scale));
    else if (content.type === "tile") this.#picture(content, bytes);
    else if (content.type === "levels" && content.version === engine.tracks[0]?.version) {
      this.levelled = content.version;
      this.setMix({ levels: content.levels });
    } else if (content.type === "brush" && this.region && content.number === this.nBrushes) {
      engine.setBrush({ start: content.start, n: content.n, channels: toFloat(bytes, content.channels, content.scale) });
    } else if (content.type === "file") download(new Blob([bytes], { type: content.mime }), content.name);
    else if (content.type === "do") this.#do(content);
    else if (content.type === "error") {
      this.text = content.text;
      if (content.chunk !== void 0) engine.fail(content.track, content.chunk);
    }
  }
  #introduce(content, colours) {
    this.text = "";
    this.colours = colours;
    const kept = this.engine.load(content);
    if (!kept.clock) {
      this.pictures.clear();
      this.region = null;
      for (const view of this.views) view.build();
    }
    if (!kept.mix) {
      const { solo, mute, gains, level } = content.mix;
      this.levelled = null;
      this.setMix({ solo: new Set(solo), mute: new Set(mute), gains, level });
    } else this.#askForLevels();
    this.engine.expect(content.coming.map((track) => [track, 0]));
    this.engine.ask();
    if (this.region) this.brush(this.region);
    for (const view of this.views) view.update();
  }
  #picture(content, pixels) {
    const kept = this.pictures.get(`${content.track}:${content.what}:${content.size}:${content.axis}`);
    if (kept && isSame(kept, content)) kept.shown = { ...content, pixels };
  }
  #do({ command: command2, tracks, seconds }) {
    if (command2 === "hear") this.setMix({ solo: new Set(tracks), mute: /* @__PURE__ */ new Set() });
    else if (command2 === "play") this.engine.play();
    else if (command2 === "pause") this.engine.pause();
    else if (command2 === "seek") this.engine.seek(seconds * this.engine.meta.rate);
  }
};
function isSame(some, other) {
  return some.version === other.version && Math.abs(some.start - other.start) < 1e-6 && Math.abs(some.end - other.end) < 1e-6;
}
var player_default = () => {
  let player;
  return {
    initialize({ model }) {
      player = new Player(model);
      return () => player.dispose();
    },
    render({ model, el }) {
      const view = new View(el, player, model.get("title"));
      const retitle = () => view.retitle(model.get("title"));
      model.on("change:title", retitle);
      return () => {
        model.off("change:title", retitle);
        view.dispose();
      };
    }
  };
};
export {
  Player,
  player_default as default
};
