// Made by "make bundle" from the modules in the folder js beside this one: change those.

// absslab/widgets/player/js/logic.mjs
var FADE = 5e-3;
function isHeard(track, mix) {
  return !mix.mute.has(track) && (mix.solo.size === 0 || mix.solo.has(track));
}
function trackGains(n, mix) {
  return Array.from({ length: n }, (_, track) => {
    return isHeard(track, mix) ? toLinear(appliedGain(track, mix)) : 0;
  });
}
function appliedGain(track, mix) {
  return (mix.gains[track] ?? 0) + matchedGain(track, mix);
}
function matchedGain(track, mix) {
  if (mix.level === "raw") return 0;
  return mix.matchedGains?.[mix.level]?.[track] ?? 0;
}
var toLinear = (dB) => 10 ** (dB / 20);
function presets(tracks) {
  const numbersOf = (kind) => {
    return tracks.flatMap((track, k) => track.kind === kind ? [k] : []);
  };
  const sources = numbersOf("source");
  const parts = [...sources, ...numbersOf("residual")];
  const entries = [];
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
function findPreset(entries, solo) {
  return entries.findIndex((entry) => {
    return entry.solo.length === solo.size && entry.solo.every((k) => solo.has(k));
  });
}
function pieces(position, nWanted, { length, chunkLength, loop }) {
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
function positionAfter(start, elapsed, { length, loop }) {
  const position = start + elapsed;
  if (!loop || start >= loop[1] || position < loop[1]) return Math.min(position, length);
  return loop[0] + (position - loop[0]) % (loop[1] - loop[0]);
}
function toFloat(bytes, nChannels, scale) {
  const isView = ArrayBuffer.isView(bytes);
  const buffer = isView ? bytes.buffer : bytes;
  const view = new DataView(buffer, isView ? bytes.byteOffset : 0, bytes.byteLength);
  const n = view.byteLength / 2 / nChannels;
  return Array.from({ length: nChannels }, (_, channel) => {
    const samples = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      samples[i] = view.getInt16(2 * (channel * n + i), true) / 32768 * scale;
    }
    return samples;
  });
}
function wantedChunks(position, { length, chunkLength, kept, loop }) {
  const last = Math.ceil(length / chunkLength) - 1;
  const current = Math.min(last, Math.floor(position / chunkLength));
  const ahead = Array.from({ length: kept }, (_, i) => current + i);
  const around = loop ? [current, Math.floor(loop[0] / chunkLength), ...ahead] : [...ahead, current - 1];
  return [...new Set(around)].filter((i) => i >= 0 && i <= last).slice(0, kept);
}
function zoomRange([from, to], factor, around, duration, shortest = 0.05) {
  const wanted = Math.max(Math.min(shortest, duration), (to - from) * factor);
  const span = Math.min(duration, wanted);
  const start = around - (around - from) / Math.max(to - from, 1e-9) * span;
  return moveRange([start, start + span], 0, duration);
}
function moveRange([from, to], by, duration) {
  const span = to - from;
  const start = Math.max(0, Math.min(duration - span, from + by));
  return [start, start + span];
}
var LONG_STEPS = [60, 120, 300, 600, 900, 1800, 3600];
function ticks(from, to, nWanted) {
  const rough = Math.max((to - from) / Math.max(1, nWanted), 1e-6);
  const step = roundStep(rough);
  const first = Math.ceil(from / step - 1e-9);
  const count = Math.floor((to - first * step) / step + 1e-9) + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => (first + i) * step);
}
function roundStep(rough) {
  if (rough > 30) return LONG_STEPS.find((step) => step >= rough) ?? 7200;
  const power = 10 ** Math.floor(Math.log10(rough));
  const steps = [1, 2, 5].map((digit) => digit * power);
  return steps.find((step) => step >= rough * 0.999) ?? 10 * power;
}
function formatTime(seconds, digits = 2) {
  const rounded = Number(Math.max(0, seconds).toFixed(digits));
  const minutes = Math.floor(rounded / 60);
  const width = digits ? 3 + digits : 2;
  const rest = (rounded - 60 * minutes).toFixed(digits).padStart(width, "0");
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}
function formatGain(dB) {
  return `${dB < 0 ? "−" : "+"}${Math.abs(dB).toFixed(1)} dB`;
}
function formatHertz(hertz) {
  if (hertz < 1e3) return `${Math.round(hertz)} Hz`;
  return `${Number((hertz / 1e3).toPrecision(3))} kHz`;
}
var MEL = {
  /** @param {number} hertz */
  toHeight: (hertz) => 2595 * Math.log10(1 + hertz / 700),
  /** @param {number} mel */
  toHertz: (mel) => 700 * (10 ** (mel / 2595) - 1)
};
var LINEAR = {
  /** @param {number} hertz */
  toHeight: (hertz) => hertz,
  /** @param {number} height */
  toHertz: (height) => height
};
function frequencyAt(height, axis, highest) {
  const scale = axis === "mel" ? MEL : LINEAR;
  return scale.toHertz(height * scale.toHeight(highest));
}
function heightOf(hertz, axis, highest) {
  const scale = axis === "mel" ? MEL : LINEAR;
  return scale.toHeight(hertz) / scale.toHeight(highest);
}
var LETTERS = {
  b: ["swap"],
  l: ["loop"],
  m: ["mute"],
  s: ["solo"],
  "+": ["zoom", 0.5],
  "=": ["zoom", 0.5],
  "-": ["zoom", 2]
};
function readKey(event, { isText = false, isSlider = false, isKeyboardButton = false } = {}) {
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
function readMovement(key, seconds) {
  if (key === "ArrowLeft") return ["skip", -seconds];
  if (key === "ArrowRight") return ["skip", seconds];
  if (key === "ArrowUp") return ["focus", -1];
  if (key === "ArrowDown") return ["focus", 1];
  if (key === "Home") return ["seek", 0];
  if (key === "End") return ["end"];
  return null;
}
function newMix(n) {
  return { solo: /* @__PURE__ */ new Set(), mute: /* @__PURE__ */ new Set(), gains: Array(n).fill(0), level: "raw", matchedGains: null };
}
function haveSameNames(tracks, others) {
  if (tracks.length !== others.length) return false;
  return tracks.every(({ name, kind }, k) => name === others[k].name && kind === others[k].kind);
}
function hasSameLength(meta, other) {
  return meta.rate === other.rate && meta.length === other.length && meta.chunk_length === other.chunk_length;
}
function fitLoop(region, length, shortest) {
  const start = Math.max(0, Math.min(Math.round(region[0]), length - shortest));
  const end = Math.max(Math.round(region[1]), start + shortest);
  return [start, Math.min(length, end)];
}

// absslab/widgets/player/js/chunk_requests.mjs
var nameOf = (track, chunk) => `${track}:${chunk}`;
var ChunkRequests = class {
  /** @type {Set<string>} */
  #asked = /* @__PURE__ */ new Set();
  /** @type {Set<string>} */
  #failed = /* @__PURE__ */ new Set();
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
      ...numbers.filter((k) => !isHeard(k, mix))
    ];
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
};

// absslab/widgets/player/js/clock_watch.mjs
var PATIENCE = 3e3;
var BLOCKED = "the browser does not start its sound: press play again, and see whether this page may play sound and whether there is a loudspeaker";
async function startContext(context) {
  if (context.state === "running") return "";
  const tooLate = new Promise((resolve) => setTimeout(resolve, PATIENCE));
  try {
    await Promise.race([context.resume(), tooLate]);
  } catch (error) {
    return `the browser does not start its sound (${/** @type {Error} */
    error.message}): reload the page`;
  }
  return String(context.state) === "running" ? "" : BLOCKED;
}
var ClockWatch = class {
  #time = 0;
  // s, of the context when it was last looked at
  #moved = 0;
  // ms, when the clock was last seen to move
  #nLooks = 0;
  // since then; a machine that slept has looked only once
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
};

// absslab/widgets/player/js/graph.mjs
var AudioGraph = class {
  /**
   * @param {BaseAudioContext} context
   * @param {number} nTracks
   */
  constructor(context, nTracks) {
    this.context = context;
    this.output = context.createAnalyser();
    this.output.connect(context.destination);
    this.allTracks = context.createGain();
    this.allTracks.connect(this.output);
    this.brush = context.createGain();
    this.brush.connect(this.output);
    this.tracks = Array.from({ length: nTracks }, () => {
      const gain = context.createGain();
      const analyser = context.createAnalyser();
      gain.connect(analyser).connect(this.allTracks);
      return { gain, analyser };
    });
  }
  /**
   * Return a buffer with samples of each channel.
   *
   * @param {Float32Array<ArrayBuffer>[]} channels
   * @param {number} rate Hz
   */
  makeBuffer(channels, rate) {
    const buffer = this.context.createBuffer(channels.length, channels[0].length, rate);
    channels.forEach((samples, channel) => buffer.copyToChannel(samples, channel));
    return buffer;
  }
  disconnect() {
    const ofTracks = this.tracks.flatMap(({ gain, analyser }) => [gain, analyser]);
    for (const node of [this.output, this.allTracks, this.brush, ...ofTracks]) node.disconnect();
  }
};
function measure(analyser) {
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  let power = 0;
  let peak = 0;
  for (const sample of samples) {
    power += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  return { rms: Math.sqrt(power / samples.length), peak };
}

// absslab/widgets/player/js/voice.mjs
var page = globalThis;
function sharedContext(rate) {
  page.absslabContexts ??= /* @__PURE__ */ new Map();
  const contexts = page.absslabContexts;
  if (!contexts.has(rate)) {
    contexts.set(rate, openContext(rate));
  }
  return contexts.get(rate);
}
function openContext(rate) {
  try {
    return new AudioContext({ sampleRate: rate, latencyHint: "interactive" });
  } catch (error) {
    if (
      /** @type {Error} */
      error.name !== "NotSupportedError"
    ) throw error;
    return new AudioContext({ latencyHint: "interactive" });
  }
}
function startVoice(context, rate, stretch, { buffer, version, offset, output }) {
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
function endVoice(voice, at, rate) {
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
var SILENT_RATE = 48e3;
var page2 = globalThis;
var Engine = class _Engine {
  /** @type {Meta | null} */
  meta = null;
  /** @type {Track[]} */
  tracks = [];
  /** @type {Map<string, {version: number, buffer: AudioBuffer}>} By "track:chunk". */
  buffers = /* @__PURE__ */ new Map();
  /** @type {Mix} */
  mix = newMix(0);
  /** @type {Loop | null} */
  loop = null;
  /** @type {Brush | null} */
  brush = null;
  isPlaying = false;
  isWaiting = false;
  // for sound that is missing
  problem = "";
  // why it does not play, in words
  #refusal = "";
  // why the browser can't play these tracks at all, in words
  #watch = new ClockWatch();
  #rest = 0;
  // the position in frames while it does not play
  /** @type {AudioGraph | null} */
  graph = null;
  /** @type {ScheduledStretch[]} */
  #scheduled = [];
  /** @type {{position: number, at: number, isCut: boolean} | null} */
  #next = null;
  // the next position to schedule, `at` frames after the anchor
  /** @type {{frame: number, position: number} | null} */
  #anchor = null;
  // a frame of the clock, and the position that is heard at it
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer = void 0;
  requests = new ChunkRequests();
  /**
   * @param {object} callbacks
   * @param {(rate: number) => BaseAudioContext} [callbacks.makeContext]
   * @param {() => void} [callbacks.changed] is called when there is something new to show
   * @param {(chunks: ChunkKey[]) => void} [callbacks.wanted] is called with chunks that are missing
   */
  constructor({ makeContext = sharedContext, changed = () => {
  }, wanted = () => {
  } } = {}) {
    this.makeContext = makeContext;
    this.changed = changed;
    this.wanted = wanted;
  }
  /**
   * Load tracks, and return what stays as it was.
   *
   * Tracks of the same names and kinds keep the mix. If rate, length and length of a chunk are the
   * same as well, they go on playing where they are: they keep the clock.
   *
   * @param {Meta} meta
   */
  load(meta) {
    const before = this.meta;
    const keepsMix = haveSameNames(this.tracks, meta.tracks);
    const keepsClock = keepsMix && before !== null && hasSameLength(before, meta);
    if (!keepsClock) this.#silence();
    this.meta = meta;
    this.tracks = meta.tracks;
    this.requests.clear();
    if (!keepsMix) this.mix = newMix(meta.tracks.length);
    if (keepsClock) return { keepsMix, keepsClock };
    this.isPlaying = false;
    this.isWaiting = false;
    this.#rest = 0;
    this.loop = null;
    this.brush = null;
    this.buffers.clear();
    this.#disconnect();
    this.problem = "";
    this.#refusal = "";
    this.graph = new AudioGraph(this.#openContext(meta.rate), meta.tracks.length);
    this.setMix({});
    return { keepsMix, keepsClock };
  }
  /**
   * Return a context for a rate; a silent one if the browser refuses, so that the rest can be used.
   *
   * @param {number} rate
   * @returns {BaseAudioContext}
   */
  #openContext(rate) {
    try {
      return this.makeContext(rate);
    } catch (error) {
      this.#refuse(error);
      return new OfflineAudioContext(1, 1, SILENT_RATE);
    }
  }
  /**
   * Stop, since the browser can't play these tracks.
   *
   * @param {unknown} error
   */
  #refuse(error) {
    const { message } = (
      /** @type {Error} */
      error
    );
    this.#refusal = `this browser can't play sound of ${this.#loaded.rate} Hz (${message})`;
    this.#stop(this.#refusal);
  }
  /**
   * Stop, and say why.
   *
   * @param {string} problem
   */
  #stop(problem) {
    this.pause();
    this.problem = problem;
    this.changed();
  }
  /** Whether the browser waits for a click before it lets the page sound. */
  get isBlocked() {
    return this.isPlaying && this.graph?.context.state === "suspended";
  }
  get length() {
    return this.meta?.length ?? 0;
  }
  get chunkLength() {
    return this.#loaded.chunk_length;
  }
  get #loaded() {
    if (!this.meta) throw new Error("no tracks are loaded");
    return this.meta;
  }
  get #audio() {
    if (!this.graph) throw new Error("no tracks are loaded");
    return this.graph;
  }
  /**
   * Take sound that has come. A stretch of it that plays already goes over to it; a stretch that
   * had no sound yet begins.
   *
   * @param {{track: number, chunk: number, version: number}} key
   * @param {Float32Array<ArrayBuffer>[]} channels
   */
  put({ track, chunk, version }, channels) {
    if (this.tracks[track]?.version !== version) return;
    const key = `${track}:${chunk}`;
    if (this.#refusal) return;
    try {
      this.buffers.set(key, { version, buffer: this.#audio.makeBuffer(channels, this.#loaded.rate) });
    } catch (error) {
      this.#refuse(error);
      return;
    }
    this.requests.forget([[track, chunk]]);
    this.#joinScheduled(track, chunk, version);
    if (!this.isWaiting) this.tick();
    else if (this.#hasChunk(Math.floor(this.#rest / this.chunkLength))) this.#resume();
  }
  /** @param {number} track @param {number} chunk @param {number} version */
  #joinScheduled(track, chunk, version) {
    const { rate } = this.#loaded;
    const earliest = this.#now() + this.#frames(LEAD);
    for (const stretch of this.#scheduled) {
      const end = stretch.begin + stretch.n;
      const old = stretch.voices.get(track);
      const isOfChunk = Math.floor(stretch.frame / this.chunkLength) === chunk;
      if (!isOfChunk || end <= earliest || old?.version === version) continue;
      const begin = Math.max(earliest, stretch.begin);
      if (old) endVoice(old, begin, rate);
      const remainder = {
        ...stretch,
        begin,
        frame: stretch.frame + begin - stretch.begin,
        n: end - begin,
        fadesIn: begin > stretch.begin || stretch.fadesIn
      };
      const source = this.#source(track, chunk);
      if (source) stretch.voices.set(track, startVoice(this.#audio.context, rate, remainder, source));
    }
  }
  /**
   * Stop where a chunk is missing that the kernel can't send; it is asked for again when a person
   * wants to go on.
   *
   * @param {number} track
   * @param {number} chunk
   */
  fail(track, chunk) {
    this.requests.fail(track, chunk);
    if (this.isWaiting) this.pause();
  }
  /**
   * Let only a brushed region be heard, or everything again if it is null.
   *
   * @param {{start: number, n: number, channels: Float32Array<ArrayBuffer>[]} | null} brush
   */
  setBrush(brush) {
    const isSame = brush && this.brush?.start === brush.start && this.brush.n === brush.n;
    const position = brush && !isSame ? brush.start : this.position;
    this.brush = null;
    this.loop = null;
    if (brush) {
      const { start, n, channels } = brush;
      this.brush = { start, n, buffer: this.#audio.makeBuffer(channels, this.#loaded.rate) };
      this.loop = [start, start + n];
    }
    ramp(this.#audio.allTracks.gain, brush ? 0 : 1, this.#audio.context);
    this.#moveTo(position);
  }
  async play() {
    if (!this.meta || this.isPlaying) return;
    this.problem = this.#refusal;
    if (this.problem) {
      this.changed();
      return;
    }
    if (page2.absslabPlaying !== this) page2.absslabPlaying?.pause();
    page2.absslabPlaying = this;
    const { loop } = this;
    if (this.#rest >= this.length) this.#rest = loop?.[0] ?? 0;
    if (loop && (this.#rest >= loop[1] || this.#rest < loop[0])) this.#rest = loop[0];
    this.isPlaying = true;
    this.requests.forgetFailures();
    this.changed();
    const problem = await startContext(
      /** @type {AudioContext} */
      this.#audio.context
    );
    if (!this.isPlaying) return;
    if (problem) this.#stop(problem);
    else this.#resume();
  }
  pause() {
    if (!this.isPlaying) return;
    this.#rest = this.position;
    this.#silence();
    this.isPlaying = false;
    this.isWaiting = false;
    this.changed();
  }
  /** @param {number} frame */
  seek(frame) {
    this.#moveTo(Math.max(0, Math.min(this.length, Math.round(frame))));
  }
  /**
   * Play a region in frames again and again; a sound that is too short for a loop has none.
   *
   * @param {number[] | null} loop
   */
  setLoop(loop) {
    const shortest = this.#frames(4 * FADE);
    const position = this.position;
    this.loop = null;
    if (loop && this.length >= shortest) this.loop = fitLoop(loop, this.length, shortest);
    this.#moveTo(this.#intoLoop(position));
  }
  /** @param {number} position */
  #intoLoop(position) {
    const { loop } = this;
    return loop && (position < loop[0] || position >= loop[1]) ? loop[0] : position;
  }
  /** @param {Partial<Mix>} mix */
  setMix(mix) {
    this.mix = { ...this.mix, ...mix };
    trackGains(this.tracks.length, this.mix).forEach((gain, k) => {
      ramp(this.#audio.tracks[k].gain.gain, gain, this.#audio.context);
    });
    this.changed();
  }
  /** The frame that is heard now. */
  get position() {
    if (!this.#anchor) return this.#rest;
    const elapsed = Math.max(0, this.#now() - this.#anchor.frame);
    return positionAfter(this.#anchor.position, elapsed, this);
  }
  /** Measure what sounds now, of each track behind its gain and of all together; for tests. */
  probe() {
    const graph = this.graph;
    const { rms, peak } = graph ? measure(graph.output) : { rms: 0, peak: 0 };
    const isBrushed = this.brush !== null;
    return {
      context: graph?.context.state ?? "none",
      isPlaying: this.isPlaying,
      isWaiting: this.isWaiting,
      position: this.position / (this.meta?.rate ?? 1),
      tracks: this.tracks.map(({ name }, k) => {
        return { name, rms: isBrushed ? 0 : measure(this.#audio.tracks[k].analyser).rms };
      }),
      brush: isBrushed,
      out: rms,
      peak,
      n_voices: this.#voices().length,
      sounding: this.tracks.map((_, k) => this.#soundingVersion(k))
    };
  }
  /**
   * Render what is heard from one frame to another, faster than it plays; for tests.
   *
   * @param {number} from
   * @param {number} to
   */
  async render(from, to) {
    const buffers = [...this.buffers.values()];
    const nChannels = Math.max(...buffers.map(({ buffer }) => buffer.numberOfChannels));
    const offline = new OfflineAudioContext(nChannels, to - from, this.#loaded.rate);
    const twin = new _Engine({ makeContext: () => offline });
    twin.load(this.#loaded);
    twin.buffers = this.buffers;
    twin.mix = this.mix;
    trackGains(this.tracks.length, this.mix).forEach((gain, k) => {
      const parameter = twin.#audio.tracks[k].gain.gain;
      parameter.cancelScheduledValues(0);
      parameter.setValueAtTime(gain, 0);
    });
    twin.#anchor = { frame: 0, position: from };
    twin.#next = { position: from, at: 0, isCut: false };
    twin.#schedule(to - from);
    const rendered = await offline.startRendering();
    return Array.from({ length: nChannels }, (_, channel) => rendered.getChannelData(channel));
  }
  dispose() {
    this.pause();
    this.#disconnect();
    this.buffers.clear();
    this.tracks = [];
    this.meta = null;
    this.brush = null;
    if (page2.absslabPlaying === this) page2.absslabPlaying = null;
  }
  /** The numbers of the chunks around the position that are kept here, the most urgent first. */
  get wantedChunks() {
    const meta = this.#loaded;
    return wantedChunks(this.position, { ...meta, chunkLength: this.chunkLength, loop: this.loop });
  }
  /** Ask for the chunks that are missing around the position, and drop those far from it. */
  ask() {
    if (!this.meta) return;
    const chunks = this.wantedChunks;
    const missing = this.requests.takeMissing(chunks, this);
    for (const key of this.buffers.keys()) {
      if (!chunks.includes(Number(key.split(":")[1]))) this.buffers.delete(key);
    }
    if (missing.length) this.wanted(missing);
  }
  /** @param {number} track */
  #soundingVersion(track) {
    const now = this.#now();
    const current = this.#scheduled.find(({ begin, n }) => begin <= now && now < begin + n);
    return current?.voices.get(track)?.version ?? null;
  }
  #voices() {
    return this.#scheduled.flatMap((stretch) => [...stretch.voices.values()]);
  }
  /** The frame of the clock. */
  #now() {
    return Math.round((this.graph?.context.currentTime ?? 0) * (this.meta?.rate ?? 1));
  }
  /** @param {number} seconds */
  #frames(seconds) {
    return Math.round(seconds * this.#loaded.rate);
  }
  #disconnect() {
    const graph = this.graph;
    this.graph = null;
    if (graph) setTimeout(() => graph.disconnect(), 1e3 * (LEAD + 2 * FADE));
  }
  /**
   * Go on from a frame, playing or not.
   *
   * @param {number} frame
   */
  #moveTo(frame) {
    this.#rest = frame;
    this.requests.forgetFailures();
    if (this.isPlaying) {
      this.#silence();
      this.#resume();
    }
    this.ask();
    this.changed();
  }
  #resume() {
    this.isWaiting = false;
    this.#watch.begin();
    this.#anchor = { frame: this.#now() + this.#frames(LEAD), position: this.#rest };
    this.#next = { position: this.#rest, at: 0, isCut: true };
    this.tick();
    this.#timer ??= setInterval(() => this.tick(), TICK);
    this.changed();
  }
  /** Let all that sounds fade out. */
  #silence() {
    clearInterval(this.#timer);
    this.#timer = void 0;
    this.#anchor = null;
    this.#next = null;
    if (!this.meta) return;
    const at = this.#now() + this.#frames(LEAD);
    for (const voice of this.#voices()) endVoice(voice, at, this.meta.rate);
    this.#scheduled = [];
  }
  /** Schedule what comes, and notice where sound is missing or has ended; a timer calls it. */
  tick() {
    if (!this.isPlaying || !this.#anchor) return;
    if (this.#watch.isStuck(this.#audio.context)) {
      this.#stop(BLOCKED);
      return;
    }
    const now = this.#now();
    const elapsed = now - this.#anchor.frame;
    this.#scheduled = this.#scheduled.filter((stretch) => stretch.begin + stretch.n > now);
    const isComplete = this.#schedule(elapsed + this.#frames(AHEAD));
    this.ask();
    const next = this.#next;
    if (!next || elapsed < next.at) return;
    if (!isComplete) {
      this.#silence();
      this.#rest = next.position;
      this.isWaiting = true;
      this.changed();
    } else if (next.position >= this.length) {
      this.#silence();
      this.#rest = this.length;
      this.isPlaying = false;
      this.changed();
    }
  }
  /**
   * Schedule up to so many frames after the anchor; returns false where sound that is heard is
   * missing.
   *
   * @param {number} until
   */
  #schedule(until) {
    const { rate } = this.#loaded;
    let next = this.#next;
    const anchor = this.#anchor;
    if (!next || !anchor) return false;
    for (const { frame, n, at, isCut } of pieces(next.position, until - next.at, this)) {
      const chunk = Math.floor(frame / this.chunkLength);
      if (!this.#hasChunk(chunk)) return false;
      const { loop } = this;
      const wraps = loop !== null && frame + n === loop[1];
      const isFirst = at === 0;
      const stretch = {
        begin: anchor.frame + next.at,
        frame,
        n,
        fadesIn: (isFirst ? next.isCut : isCut) && frame > 0,
        fadesOut: wraps,
        voices: /* @__PURE__ */ new Map()
      };
      this.tracks.forEach((_, k) => {
        const source = this.#source(k, chunk);
        if (source) stretch.voices.set(k, startVoice(this.#audio.context, rate, stretch, source));
      });
      this.#startBrush(stretch);
      this.#scheduled.push(stretch);
      next = { position: wraps ? loop[0] : frame + n, at: next.at + n, isCut: wraps };
      this.#next = next;
    }
    return true;
  }
  /**
   * Return whether a chunk is here of every track that is heard.
   *
   * @param {number} chunk
   */
  #hasChunk(chunk) {
    return this.tracks.every((_, k) => !isHeard(k, this.mix) || this.buffers.has(`${k}:${chunk}`));
  }
  /** @param {number} track @param {number} chunk */
  #source(track, chunk) {
    const sound = this.buffers.get(`${track}:${chunk}`);
    if (!sound) return null;
    return { ...sound, offset: chunk * this.chunkLength, output: this.#audio.tracks[track].gain };
  }
  /** @param {ScheduledStretch} stretch */
  #startBrush({ begin, frame, n, voices }) {
    const { brush } = this;
    if (!brush) return;
    const first = Math.max(frame, brush.start);
    const length = Math.min(frame + n, brush.start + brush.n) - first;
    if (length <= 0) return;
    const part = { begin: begin + first - frame, frame: first, n: length };
    const source = { buffer: brush.buffer, offset: brush.start, output: this.#audio.brush };
    const voice = startVoice(this.#audio.context, this.#loaded.rate, part, source);
    voices.set("brush", voice);
  }
};

// absslab/widgets/ui/js/page.mjs
function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) Object.assign(node, { [key]: value });
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}
function contextOf(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser can't draw on a canvas");
  return context;
}
function fitCanvas(canvas, width, height) {
  const ratio = globalThis.devicePixelRatio || 1;
  const pixelWidth = Math.round(width * ratio);
  const pixelHeight = Math.round(height * ratio);
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    canvas.width = pixelWidth;
    canvas.height = pixelHeight;
  }
  const context = contextOf(canvas);
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

// absslab/widgets/player/js/axes.mjs
var MEL_TICKS = [125, 250, 500, 1e3, 2e3, 4e3, 8e3, 16e3, 32e3];
function drawAxes(context, box, range, axis, highest, colour) {
  context.fillStyle = colour;
  context.strokeStyle = colour;
  context.font = "11px system-ui, sans-serif";
  context.lineWidth = 1;
  drawTimes(context, box, range);
  drawFrequencies(context, box, axis, highest);
}
function drawTimes(context, box, [from, to]) {
  context.textBaseline = "top";
  context.textAlign = "center";
  const bottom = box.y + box.height;
  const instants = ticks(from, to, box.width / 90);
  const digits = digitsFor(instants);
  for (const instant of instants) {
    const x = box.x + (instant - from) / (to - from) * box.width;
    drawLine(context, x, bottom, x, bottom + 4);
    const text = to >= 60 ? formatTime(instant, digits) : `${instant.toFixed(digits)} s`;
    const textX = Math.max(box.x + 8, Math.min(x, box.x + box.width - 14));
    context.fillText(text, textX, bottom + 6);
  }
}
function digitsFor([first, second]) {
  if (second === void 0 || second - first >= 1) return 0;
  return second - first < 0.1 ? 2 : 1;
}
function drawFrequencies(context, box, axis, highest) {
  context.textBaseline = "middle";
  context.textAlign = "right";
  let lastY = Infinity;
  for (const hertz of frequencyTicks(axis, highest)) {
    const y = box.y + box.height * (1 - heightOf(hertz, axis, highest));
    if (lastY - y < 13) continue;
    lastY = y;
    drawLine(context, box.x - 4, y, box.x, y);
    context.fillText(formatHertz(hertz), box.x - 6, Math.max(box.y + 6, y));
  }
}
function frequencyTicks(axis, highest) {
  if (axis === "mel") return MEL_TICKS.filter((hertz) => hertz <= highest);
  return ticks(0, highest, 6);
}
function pointAt(box, [from, to], axis, highest, x, y) {
  const part = Math.max(0, Math.min(1, (x - box.x) / box.width));
  const height = Math.max(0, Math.min(1, 1 - (y - box.y) / box.height));
  return { time: from + part * (to - from), hertz: frequencyAt(height, axis, highest) };
}
function drawLine(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

// absslab/widgets/player/js/tiles.mjs
var DIMMED = 0.18;
var MASK_COLOURS = 768;
function paint({ rows, columns, pixels }, colours, mask) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = contextOf(canvas);
  const image = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = row * columns + column;
      const to = 4 * ((rows - 1 - row) * columns + column);
      const share = mask ? DIMMED + (1 - DIMMED) * (mask.pixels[from] / 255) : 1;
      for (let c = 0; c < 3; c++) image.data[to + c] = colours[3 * pixels[from] + c] * share;
      image.data[to + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
function drawBitmap(context, { canvas, start, end }, [from, to], box) {
  const { x, y, width, height } = box;
  const scale = width / (to - from);
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, x + (start - from) * scale, y, (end - start) * scale, height);
  context.restore();
}
var Bitmaps = class {
  /** @type {Map<string, Bitmap>} */
  #painted = /* @__PURE__ */ new Map();
  // by "size:axis:parts"
  /** @param {import("./player.mjs").Player} player */
  constructor(player) {
    this.player = player;
  }
  /**
   * Return the bitmap of a sound, of a mask, or of a sound under a mask; null until its tiles come.
   *
   * @param {string} size lane or large
   * @param {TilePart[]} parts
   * @param {string} axis mel or linear
   */
  find(size, parts, axis) {
    const tiles = parts.map(([track, what]) => this.player.shownTile(track, what, size, axis));
    const [first, mask] = tiles;
    if (!first) return null;
    const fits = mask && mask.start === first.start && mask.end === first.end;
    if (parts.length > 1 && !fits) return null;
    const key = `${size}:${axis}:${parts}`;
    const painted = this.#painted.get(key);
    if (painted?.tiles.every((tile, i) => tile === tiles[i])) return painted;
    const colours = this.player.colours.subarray(first.what === "mask" ? MASK_COLOURS : 0);
    const { start, end } = first;
    const bitmap = { tiles, start, end, canvas: paint(first, colours, mask) };
    this.#painted.set(key, bitmap);
    return bitmap;
  }
};

// absslab/widgets/player/js/spectrogram.mjs
var HEIGHT = 230;
var MARGIN = { left: 58, right: 8, top: 6, bottom: 22 };
var DRAG_DISTANCE = 4;
var Spectrogram = class {
  track = 0;
  // that is shown
  axis = "mel";
  what = "sound";
  // or mask, or both
  tool = "seek";
  // what a drag does: seek (it makes a loop) or brush
  /** @type {{from: Point, to: Point, x: number, y: number, isDrag: boolean} | null} */
  #drag = null;
  /** @type {Box | null} */
  #box = null;
  #colour = "";
  #drawn = "";
  // what the overlay shows
  /** @param {import("./player.mjs").Player} player */
  constructor(player) {
    this.player = player;
    this.range = [0, this.duration];
    this.bitmaps = new Bitmaps(player);
    this.canvas = element("canvas", { role: "img" });
    this.overlay = element("canvas", {
      class: "overlay",
      tabindex: 0,
      role: "slider",
      "aria-label": "Position",
      "aria-valuemin": 0,
      "aria-valuemax": this.duration.toFixed(2)
    });
    const style = `height:${HEIGHT}px`;
    this.root = element("div", { class: "stage", style }, this.canvas, this.overlay);
    this.overlay.onpointerdown = (event) => this.#press(event);
    this.overlay.onpointermove = (event) => this.#move(event);
    this.overlay.onpointerup = () => this.#release();
    this.overlay.onpointercancel = () => this.#drag = null;
    const options = { passive: false };
    this.overlay.addEventListener("wheel", (event) => this.#wheel(event), options);
  }
  get engine() {
    return this.player.engine;
  }
  get rate() {
    return this.player.rate;
  }
  /** The highest frequency in Hz. */
  get highest() {
    return this.rate / 2;
  }
  /** Length of the sound in s. */
  get duration() {
    return this.engine.length / this.rate;
  }
  /** @param {number} factor */
  zoom(factor, around = this.engine.position / this.rate) {
    const [from, to] = this.range;
    const isOutside = around < from || around > to;
    this.range = zoomRange(this.range, factor, isOutside ? (from + to) / 2 : around, this.duration);
    this.player.changed();
  }
  /** Move on by a page when the play-head leaves the view. */
  follow() {
    const [from, to] = this.range;
    const now = this.engine.position / this.rate;
    if (this.#drag || now >= from - 1e-6 && now <= to + 1e-6) return;
    this.range = moveRange(this.range, now - from, this.duration);
    this.player.changed();
  }
  /** Draw the tile that is here; `ask` asks for the one that is missing. */
  draw() {
    const width = this.root.clientWidth;
    if (width < 100) return;
    const box = {
      x: MARGIN.left,
      y: MARGIN.top,
      width: width - MARGIN.left - MARGIN.right,
      height: HEIGHT - MARGIN.top - MARGIN.bottom
    };
    this.#box = box;
    const context = fitCanvas(this.canvas, width, HEIGHT);
    this.#colour = getComputedStyle(this.root).color;
    context.fillStyle = "black";
    context.fillRect(box.x, box.y, box.width, box.height);
    const bitmap = this.bitmaps.find("large", this.#parts(), this.axis);
    if (bitmap) drawBitmap(context, bitmap, this.range, box);
    drawAxes(context, box, this.range, this.axis, this.highest, this.#colour);
    const range = this.range.map((instant) => instant.toFixed(1)).join(" to ");
    const { name } = this.engine.tracks[this.track];
    this.canvas.setAttribute("aria-label", `Spectrogram of ${name}, ${range} s`);
  }
  ask() {
    for (const [track, what] of this.#parts()) {
      this.player.want(track, what, "large", this.axis, ...this.range);
    }
  }
  /** Draw what has moved: the play-head, or the region that is dragged, brushed or looped. */
  animate() {
    if (!this.#box) return;
    if (getComputedStyle(this.root).color !== this.#colour) this.draw();
    const box = this.#box;
    if (this.engine.isPlaying) this.follow();
    const now = this.engine.position / this.rate;
    const region = this.#region();
    const width = this.overlay.clientWidth;
    const moving = [now, region, box, width, devicePixelRatio, this.range, this.axis];
    const drawn = JSON.stringify(moving);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const context = fitCanvas(this.overlay, width, HEIGHT);
    context.beginPath();
    context.rect(box.x, box.y, box.width, box.height);
    context.clip();
    if (region) this.#drawRegion(context, box, region);
    context.fillStyle = "white";
    context.fillRect(this.#toX(now, box) - 0.75, box.y, 1.5, box.height);
    this.overlay.setAttribute("aria-valuenow", now.toFixed(1));
    const text = `${formatTime(now)} of ${formatTime(this.duration)}`;
    this.overlay.setAttribute("aria-valuetext", text);
  }
  /** @param {CanvasRenderingContext2D} context @param {Box} box @param {Region} region */
  #drawRegion(context, box, { start, end, low, high }) {
    const x = this.#toX(start, box);
    const y = this.#toY(high, box);
    const width = this.#toX(end, box) - x;
    const height = this.#toY(low, box) - y;
    context.fillStyle = "rgba(255, 255, 255, 0.16)";
    context.strokeStyle = "rgba(255, 255, 255, 0.85)";
    context.fillRect(x, y, width, height);
    context.strokeRect(x, y, width, height);
  }
  /** @param {number} instant @param {Box} box */
  #toX(instant, box) {
    const [from, to] = this.range;
    return box.x + (instant - from) / (to - from) * box.width;
  }
  /** @param {number} hertz @param {Box} box */
  #toY(hertz, box) {
    return box.y + box.height * (1 - heightOf(hertz, this.axis, this.highest));
  }
  /**
   * Return the region that is dragged, else the one that is brushed, else the one that is looped.
   *
   * @returns {Region | null}
   */
  #region() {
    const allFrequencies = { low: 0, high: this.highest };
    if (this.#drag?.isDrag) {
      const dragged = this.#dragged(this.#drag);
      return this.tool === "brush" ? dragged : { ...dragged, ...allFrequencies };
    }
    if (this.player.region) return this.player.region;
    const { loop } = this.engine;
    return loop && { start: loop[0] / this.rate, end: loop[1] / this.rate, ...allFrequencies };
  }
  /** @param {{from: Point, to: Point}} drag */
  #dragged({ from, to }) {
    return {
      start: Math.min(from.time, to.time),
      end: Math.max(from.time, to.time),
      low: Math.min(from.hertz, to.hertz),
      high: Math.max(from.hertz, to.hertz)
    };
  }
  /**
   * Return the tiles of which the shown image is made.
   *
   * @returns {TilePart[]}
   */
  #parts() {
    const { tracks } = this.engine;
    if (this.what === "sound" || !tracks[this.track].has_mask) return [[this.track, "sound"]];
    if (this.what === "mask") return [[this.track, "mask"]];
    const mixture = tracks.findIndex((track) => track.kind === "mixture");
    return [
      [Math.max(0, mixture), "sound"],
      [this.track, "mask"]
    ];
  }
  /** @param {MouseEvent} event @param {Box} box */
  #pointOf({ offsetX, offsetY }, box) {
    return pointAt(box, this.range, this.axis, this.highest, offsetX, offsetY);
  }
  /** @param {PointerEvent} event */
  #press(event) {
    if (!this.#box) return;
    const player = (
      /** @type {HTMLElement | null} */
      this.root.closest(".absslab-player")
    );
    player?.focus({ preventScroll: true });
    this.overlay.setPointerCapture(event.pointerId);
    const from = this.#pointOf(event, this.#box);
    this.#drag = { from, to: from, x: event.offsetX, y: event.offsetY, isDrag: false };
  }
  /** @param {PointerEvent} event */
  #move(event) {
    const drag = this.#drag;
    if (!drag || !this.#box) return;
    drag.to = this.#pointOf(event, this.#box);
    const isFarInTime = Math.abs(event.offsetX - drag.x) > DRAG_DISTANCE;
    const isFarInFrequency = Math.abs(event.offsetY - drag.y) > DRAG_DISTANCE;
    drag.isDrag ||= isFarInTime || this.tool === "brush" && isFarInFrequency;
  }
  #release() {
    const drag = this.#drag;
    if (!drag) return;
    const { start, end, low, high } = this.#dragged(drag);
    this.#drag = null;
    if (!drag.isDrag) this.engine.seek(drag.to.time * this.rate);
    else if (this.tool === "seek") this.engine.setLoop([start * this.rate, end * this.rate]);
    else if (end - start > 0.02 && high - low > 1) this.player.brush({ start, end, low, high });
  }
  /**
   * Zoom with ctrl; move in time sideways or with shift; else the page scrolls.
   *
   * @param {WheelEvent} event
   */
  #wheel(event) {
    const isSideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (!this.#box || !(event.ctrlKey || isSideways)) return;
    event.preventDefault();
    if (event.ctrlKey) {
      this.zoom(Math.exp(event.deltaY / 200), this.#pointOf(event, this.#box).time);
    } else {
      const span = this.range[1] - this.range[0];
      const by = (event.deltaX || event.deltaY) / this.#box.width * span;
      this.range = moveRange(this.range, by, this.duration);
    }
    this.player.changed();
  }
};

// absslab/widgets/player/js/track_row.mjs
var LOWEST_GAIN = -40;
var HIGHEST_GAIN = 20;
var GAIN_STEP = 0.5;
var GAIN_KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 };
function makeTrackRow(view, track, k) {
  const hasKey = k < 9;
  const makeButton2 = (label2, title, onclick, kind) => {
    const name2 = `${title}: ${track.name}`;
    const attributes = { type: "button", title, onclick, class: kind, "aria-label": name2 };
    return element("button", attributes, label2);
  };
  const hearTitle = hasKey ? `Hear only this (${k + 1})` : "Hear only this";
  const soloTitle = "Solo, with others that are soloed (S)";
  const name = makeButton2(track.name, hearTitle, () => view.hear([k]), "name");
  const mute = makeButton2("M", "Mute (M)", () => view.toggle("mute", k), "small");
  const solo = makeButton2("S", soloTitle, () => view.toggle("solo", k), "small");
  const gain = makeGainSlider(view, track, k);
  const applied = element("output", { title: "Gain that is applied" });
  const lane = element("canvas", { class: "lane", title: "Click to go there" });
  lane.onclick = (event) => {
    view.engine.seek(event.offsetX / lane.clientWidth * view.engine.length);
    view.focus = k;
    view.update();
  };
  const number = element("span", { class: "number", "aria-hidden": "true" });
  number.textContent = hasKey ? String(k + 1) : "";
  const label = `${track.name} (${track.kind})`;
  const root = element(
    "div",
    { class: `track ${track.kind}`, role: "group", "aria-label": label },
    ...[number, name, mute, solo, gain, applied],
    element("div", { class: "strip" }, lane)
  );
  return { root, name, mute, solo, gain, applied, lane };
}
function makeGainSlider(view, track, k) {
  const slider = element("input", {
    type: "range",
    min: LOWEST_GAIN,
    max: HIGHEST_GAIN,
    step: GAIN_STEP,
    title: "Gain; double click: 0 dB",
    "aria-label": `Gain of ${track.name} in dB`
  });
  const setGain = (dB) => {
    const { gains } = view.engine.mix;
    view.player.setMix({ gains: gains.map((before, j) => j === k ? dB : before) });
  };
  slider.oninput = () => setGain(Number(slider.value));
  slider.ondblclick = () => setGain(0);
  slider.onkeydown = (event) => {
    const direction = GAIN_KEYS[event.key];
    if (!direction || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const dB = Number(slider.value) + direction * GAIN_STEP;
    setGain(Math.max(LOWEST_GAIN, Math.min(HIGHEST_GAIN, dB)));
  };
  return slider;
}

// absslab/widgets/player/js/view.mjs
var SETTLED = 150;
var View = class {
  /** @type {number[] | null} */
  #previous = null;
  // the tracks that were soloed before: B goes back to them
  /** @type {Content | null} */
  #content = null;
  // null until the tracks have come
  /** @type {Preset[]} */
  #presets = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = void 0;
  #hasAsked = false;
  /**
   * @param {HTMLElement} el
   * @param {import("./player.mjs").Player} player
   * @param {string} title
   */
  constructor(el, player, title) {
    this.player = player;
    this.title = title;
    this.root = element("div", {
      class: "absslab-player",
      tabindex: 0,
      role: "region",
      "aria-label": `Player ${title}`,
      "data-lm-suppress-shortcuts": "true"
    });
    this.heading = element("span", { class: "title" }, title);
    this.status = element("div", { class: "status", role: "status", "aria-live": "polite" });
    this.bitmaps = new Bitmaps(player);
    const { engine } = player;
    const render = (from, to) => engine.render(from, to);
    Object.assign(this.root, { absslab: { probe: () => engine.probe(), render } });
    this.root.addEventListener("keydown", (event) => this.#onKey(event));
    this.root.addEventListener("click", (event) => this.#onClick(event));
    this.passShortcut = (event) => this.#passShortcut(event);
    window.addEventListener("keydown", this.passShortcut, true);
    el.append(this.root);
    this.resizing = new ResizeObserver(() => this.draw());
    this.resizing.observe(this.root);
    player.views.add(this);
    this.build();
    this.frame = requestAnimationFrame(() => this.#animate());
  }
  /** @param {string} title */
  retitle(title) {
    this.title = title;
    this.root.setAttribute("aria-label", `Player ${title}`);
    this.heading.textContent = title;
  }
  dispose() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.#timer);
    this.resizing.disconnect();
    window.removeEventListener("keydown", this.passShortcut, true);
    this.player.views.delete(this);
    if (!this.player.views.size) this.engine.pause();
    this.root.remove();
  }
  get engine() {
    return this.player.engine;
  }
  get rate() {
    return this.player.rate;
  }
  /** The track that the large spectrogram shows. */
  get focus() {
    return this.#content?.spectrogram.track ?? 0;
  }
  set focus(track) {
    if (this.#content) this.#content.spectrogram.track = track;
  }
  get #spectrogram() {
    if (!this.#content) throw new Error("no tracks are loaded");
    return this.#content.spectrogram;
  }
  /** Make everything anew, for other tracks. */
  build() {
    if (!this.engine.meta) {
      this.status.textContent = "waiting for the sound …";
      this.root.replaceChildren(this.heading, this.status);
      return;
    }
    const spectrogram = new Spectrogram(this.player);
    spectrogram.track = [...this.engine.mix.solo][0] ?? 0;
    this.bitmaps = new Bitmaps(this.player);
    this.#presets = presets(this.engine.tracks);
    const toolbar = this.makeToolbar(spectrogram);
    const rows = this.engine.tracks.map((track, k) => makeTrackRow(this, track, k));
    const list = element("div", { class: "tracks" }, ...rows.map((row) => row.root));
    this.#content = { spectrogram, toolbar, rows, list };
    this.root.replaceChildren(toolbar.root, this.status, spectrogram.root, list);
    this.update();
  }
  /** Show the state of the player. */
  update() {
    if (!this.#content) return;
    const { toolbar, rows } = this.#content;
    const { engine, player } = this;
    const { mix } = engine;
    toolbar.play.textContent = engine.isPlaying ? "❚❚" : "▶";
    toolbar.play.setAttribute("aria-label", engine.isPlaying ? "Pause" : "Play");
    toolbar.preset.value = String(findPreset(this.#presets, mix.solo));
    toolbar.level.value = mix.level;
    toolbar.loop.setAttribute("aria-pressed", String(Boolean(engine.loop)));
    toolbar.everything.hidden = !engine.brush;
    this.status.textContent = this.#statusText();
    this.status.classList.toggle("wrong", Boolean(player.text || engine.problem));
    const gains = player.heardGains();
    rows.forEach((row, k) => {
      row.root.classList.toggle("heard", gains[k] !== null);
      row.root.classList.toggle("focused", k === this.focus);
      row.name.setAttribute("aria-pressed", String(mix.solo.size === 1 && mix.solo.has(k)));
      row.mute.setAttribute("aria-pressed", String(mix.mute.has(k)));
      row.solo.setAttribute("aria-pressed", String(mix.solo.has(k)));
      row.gain.value = String(mix.gains[k] ?? 0);
      const areGainsKnown = mix.level === "raw" || mix.matchedGains;
      row.applied.textContent = areGainsKnown ? formatGain(appliedGain(k, mix)) : "…";
    });
    this.draw();
  }
  #statusText() {
    const { text, region } = this.player;
    if (text || this.engine.problem) return text || this.engine.problem;
    if (this.engine.isBlocked) return "the browser waits for a click before it lets a page sound";
    if (this.engine.isWaiting) return "loading …";
    return region ? regionText(region) : "";
  }
  // Commands of the listener
  /** @param {number[]} solo */
  hear(solo) {
    const before = [...this.engine.mix.solo];
    const isOther = before.length !== solo.length || before.some((k) => !solo.includes(k));
    if (isOther) this.#previous = before;
    if (solo.length && !solo.includes(this.focus)) this.focus = solo[0];
    this.player.setMix({ solo: new Set(solo), mute: /* @__PURE__ */ new Set() });
  }
  swap() {
    if (this.#previous) this.hear(this.#previous);
    else if (this.engine.tracks.length > 1) this.hear([this.focus === 0 ? 1 : 0]);
  }
  /** @param {"mute" | "solo"} kind @param {number} track */
  toggle(kind, track) {
    const tracks = new Set(this.engine.mix[kind]);
    if (!tracks.delete(track)) tracks.add(track);
    this.player.setMix({ [kind]: tracks });
  }
  toggleLoop() {
    const { engine } = this;
    if (this.player.region) this.player.brush(null);
    else if (engine.loop) engine.setLoop(null);
    else engine.setLoop(this.#spectrogram.range.map((instant) => instant * this.rate));
  }
  /** Leave the brushed region or the loop. */
  clear() {
    if (this.player.region) this.player.brush(null);
    else this.engine.setLoop(null);
  }
  /** @param {number} by */
  moveFocus(by) {
    if (!this.#content) return;
    const { length } = this.engine.tracks;
    this.focus = (this.focus + by + length) % length;
    this.#content.rows[this.focus].root.scrollIntoView({ block: "nearest" });
    this.update();
  }
  /** @param {Command} command */
  run([name, value = 0]) {
    const { engine } = this;
    switch (name) {
      case "toggle":
        if (engine.isPlaying) engine.pause();
        else engine.play();
        break;
      case "hear":
        if (value < engine.tracks.length) this.hear([value]);
        break;
      case "swap":
        this.swap();
        break;
      case "loop":
        this.toggleLoop();
        break;
      case "mute":
      case "solo":
        this.toggle(name, this.focus);
        break;
      case "skip":
        engine.seek(engine.position + value * this.rate);
        this.#spectrogram.follow();
        break;
      case "seek":
        engine.seek(value * this.rate);
        this.#spectrogram.follow();
        break;
      case "end":
        engine.seek(engine.length);
        break;
      case "zoom":
        this.#spectrogram.zoom(value);
        break;
      case "focus":
        this.moveFocus(value);
        break;
      case "clear":
        this.clear();
        break;
    }
  }
  /**
   * Leave JupyterLab its own shortcuts, such as Ctrl+S, also while the player has the focus.
   *
   * @param {KeyboardEvent} event
   */
  #passShortcut(event) {
    const isShortcut = event.ctrlKey || event.metaKey || event.altKey;
    if (!isShortcut || !this.root.contains(
      /** @type {Node} */
      event.target
    )) return;
    this.root.removeAttribute("data-lm-suppress-shortcuts");
    setTimeout(() => this.root.setAttribute("data-lm-suppress-shortcuts", "true"));
  }
  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (!this.#content) return;
    const target = (
      /** @type {Element} */
      event.target
    );
    const command = readKey(event, {
      isText: target.matches("select, textarea, input:not([type=range]):not([type=radio])"),
      isSlider: target.matches("input"),
      isKeyboardButton: target.matches("button:focus-visible")
    });
    if (!command) return;
    event.preventDefault();
    event.stopPropagation();
    this.run(command);
  }
  /**
   * Give the focus back to the player after a click on a button, so that the space key plays.
   *
   * @param {MouseEvent} event
   */
  #onClick(event) {
    const isButton = (
      /** @type {Element} */
      event.target.closest("button")
    );
    if (event.detail && isButton) this.root.focus({ preventScroll: true });
  }
  // The toolbar
  /** @param {Spectrogram} spectrogram */
  makeToolbar(spectrogram) {
    const play = makeButton("▶", "Play or pause (space)", () => this.run(["toggle"]));
    play.classList.add("play");
    const time = element("span", { class: "time" });
    const preset = this.#makePresetChoice();
    const levels = { raw: "raw levels", loudness: "equally loud", peak: "equal peaks" };
    const level = makeChoice("Level", levels, (value) => this.player.setMix({ level: value }));
    const loop = makeButton("Loop", LOOP_HELP, () => this.toggleLoop());
    const tools = { seek: "drag: loop", brush: "drag: brush" };
    const tool = makeChoice("Dragging in the picture", tools, (value) => {
      spectrogram.tool = value;
    });
    tool.title = TOOL_HELP;
    const leaveHelp = "Leave the brushed region (Esc)";
    const everything = makeButton("Hear everything", leaveHelp, () => this.player.brush(null));
    const axes = { mel: "mel", linear: "linear" };
    const axis = makeChoice("Frequency axis", axes, (value) => {
      spectrogram.axis = value;
      this.draw();
    });
    const contents = { sound: "sound", mask: "mask", both: "mixture under mask" };
    const what = makeChoice("Picture", contents, (value) => {
      spectrogram.what = value;
      this.draw();
    });
    what.hidden = !this.engine.tracks.some((track) => track.has_mask);
    const zoom = element(
      "span",
      { class: "group" },
      makeButton("−", "Zoom out (−)", () => spectrogram.zoom(2)),
      makeButton("+", "Zoom in (+)", () => spectrogram.zoom(0.5)),
      makeButton("all", "Show all", () => spectrogram.zoom(Infinity))
    );
    const root = element(
      "div",
      { class: "toolbar", role: "toolbar", "aria-label": "Player" },
      ...[this.heading, play, time, preset, level, loop, tool, everything, axis, what, zoom],
      this.#makeSaveButtons(spectrogram)
    );
    return { root, play, time, preset, level, loop, everything };
  }
  #makePresetChoice() {
    const label = "What is heard";
    const title = `${label} (1–9: one track; B: back to what was heard before)`;
    const ownChoice = element("option", { value: "-1" }, "own choice");
    const select = element("select", { title, "aria-label": label }, ownChoice);
    const groups = /* @__PURE__ */ new Map();
    this.#presets.forEach((preset, i) => {
      const group = groups.get(preset.group) ?? element("optgroup", { label: preset.group });
      groups.set(preset.group, group);
      group.append(element("option", { value: String(i) }, preset.label));
    });
    select.append(...groups.values());
    select.onchange = () => {
      if (select.value !== "-1") this.hear(this.#presets[Number(select.value)].solo);
    };
    return select;
  }
  /** @param {Spectrogram} spectrogram */
  #makeSaveButtons(spectrogram) {
    const nameOfFocus = () => this.engine.tracks[this.focus].name;
    const saveTrack = () => {
      const gains = this.engine.tracks.map((_, k) => Number(k === this.focus));
      this.player.save(gains, `${this.title} ${nameOfFocus()}`);
    };
    const saveMix = () => this.player.save(this.player.linearGains(), `${this.title} remix`);
    const saveImage = () => {
      spectrogram.canvas.toBlob((blob) => {
        if (blob) download(blob, `${nameOfFocus()}.png`);
      });
    };
    return element(
      "span",
      { class: "group" },
      element("span", {}, "save"),
      makeButton("track", "The chosen track, as it is, as WAV", saveTrack),
      makeButton("what is heard", "All that is heard, with its gains, as WAV", saveMix),
      makeButton("picture", "The picture as PNG", saveImage)
    );
  }
  // Drawing
  draw() {
    if (!this.#content || !this.engine.meta || !this.root.isConnected) return;
    this.#content.spectrogram.draw();
    this.#content.rows.forEach((row, k) => this.#drawLane(row, k));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#askForTiles(), this.#hasAsked ? SETTLED : 0);
    this.#hasAsked = true;
  }
  /** @param {TrackRow} row @param {number} track */
  #drawLane(row, track) {
    const width = row.lane.clientWidth;
    const height = row.lane.clientHeight;
    const bitmap = this.bitmaps.find("lane", [[track, "sound"]], "mel");
    const isDrawn = bitmap && row.drawn === bitmap.canvas && row.drawnWidth === width;
    if (!width || isDrawn) return;
    const context = fitCanvas(row.lane, width, height);
    const box = { x: 0, y: 0, width, height };
    if (bitmap) drawBitmap(context, bitmap, [0, this.#spectrogram.duration], box);
    row.drawn = bitmap?.canvas;
    row.drawnWidth = width;
  }
  /** Ask for the tiles that are in view. */
  #askForTiles() {
    if (!this.#content || !this.engine.meta) return;
    const { spectrogram, rows } = this.#content;
    spectrogram.ask();
    rows.forEach((_, k) => this.player.want(k, "sound", "lane", "mel", 0, spectrogram.duration));
  }
  #animate() {
    this.frame = requestAnimationFrame(() => this.#animate());
    if (!this.#content || !this.engine.meta || !this.root.isConnected) return;
    const { spectrogram, toolbar, list } = this.#content;
    spectrogram.animate();
    const now = this.engine.position / this.rate;
    const at = String(now / spectrogram.duration);
    if (list.style.getPropertyValue("--at") !== at) list.style.setProperty("--at", at);
    const text = `${formatTime(now)} / ${formatTime(spectrogram.duration)}`;
    if (toolbar.time.textContent !== text) toolbar.time.textContent = text;
  }
};
var LOOP_HELP = "Play the region, or what is in view, again and again (L)";
var TOOL_HELP = "What dragging in the picture does: choose a stretch to loop, or brush a region of time and frequency and hear only that";
function regionText({ start, end, low, high }) {
  const times = `${start.toFixed(2)}–${end.toFixed(2)} s`;
  return `hearing only ${times}, ${formatHertz(low)} to ${formatHertz(high)}`;
}
function makeButton(label, title, onclick) {
  return element("button", { type: "button", title, onclick }, label);
}
function makeChoice(label, options, chosen) {
  const children = Object.entries(options).map(([value, text]) => {
    return element("option", { value }, text);
  });
  const select = element("select", { title: label, "aria-label": label }, ...children);
  select.onchange = () => chosen(select.value);
  return select;
}

// absslab/widgets/player/js/player.mjs
var BINARY = /* @__PURE__ */ new Set(["tracks", "pcm", "tile", "brush", "file"]);
var COLOURS_SIZE = 1536;
var MOST_UNDERWAY = 4;
var PATIENCE2 = 30;
var Player = class {
  /** @type {Set<View>} */
  views = /* @__PURE__ */ new Set();
  /** @type {Map<string, TileRequest>} */
  #tiles = /* @__PURE__ */ new Map();
  // by "track:what:size:axis"
  /** @type {ChunkKey[]} */
  #waiting = [];
  // chunks that the engine wants and the kernel was not asked for yet
  /** @type {Map<string, ChunkKey>} */
  #underway = /* @__PURE__ */ new Map();
  // by "track:chunk", those that the kernel is to send
  #patience = PATIENCE2;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #patienceTimer = void 0;
  colours = new Uint8Array();
  text = "";
  // an error, shown until something else happens
  /** @type {Region | null} */
  region = null;
  // that is brushed
  #nBrushes = 0;
  // the number of the latest brush: answers to older ones are dropped
  /** @type {number | null} */
  #matchedVersion = null;
  // of the tracks whose matched gains are known
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.engine = new Engine({
      changed: () => this.changed(),
      wanted: (chunks) => {
        this.#waiting.unshift(...chunks);
        this.#askForChunks();
      }
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
    this.#send({ type: "ready" });
  }
  /** Sampling rate in Hz. */
  get rate() {
    return this.engine.meta?.rate ?? 1;
  }
  /** @param {object} content */
  #send(content) {
    try {
      this.model.send(content);
    } catch {
      this.text = "the kernel is gone: what is here can be heard on; run the cell again for the rest";
    }
  }
  /**
   * Ask for what is heard at once, and for the rest a few chunks at a time. What waits, but is far
   * from the position by now, is dropped.
   */
  #askForChunks() {
    const wantedNumbers = this.#waiting.length ? this.engine.wantedChunks : [];
    const isWanted = ([, chunk]) => wantedNumbers.includes(chunk);
    this.engine.requests.forget(this.#waiting.filter((chunk) => !isWanted(chunk)));
    this.#waiting = this.#waiting.filter(isWanted);
    const isUrgent = ([track]) => isHeard(track, this.engine.mix);
    const urgent = this.#waiting.filter(isUrgent);
    const rest = this.#waiting.filter((chunk) => !isUrgent(chunk));
    const room = Math.max(0, MOST_UNDERWAY - this.#underway.size - urgent.length);
    const chunks = [...urgent, ...rest.slice(0, room)];
    this.#waiting = rest.slice(room);
    if (!chunks.length) return;
    for (const [track, chunk] of chunks) this.#underway.set(`${track}:${chunk}`, [track, chunk]);
    this.#send({ type: "need", chunks });
    this.#waitForAnswer();
  }
  /** Ask again for what is underway when no sound comes for a time. */
  #waitForAnswer() {
    clearTimeout(this.#patienceTimer);
    if (!this.#underway.size) return;
    this.#patienceTimer = setTimeout(() => {
      this.#patience *= 2;
      this.engine.requests.forget([...this.#underway.values()]);
      this.#underway.clear();
      this.engine.ask();
      this.#askForChunks();
    }, 1e3 * this.#patience);
  }
  /** @param {number} track @param {number} chunk */
  #arrived(track, chunk) {
    this.#underway.delete(`${track}:${chunk}`);
    this.#askForChunks();
  }
  changed() {
    for (const view of this.views) view.update();
  }
  /**
   * Change the mix, and let the kernel know.
   *
   * @param {Partial<Mix>} mix
   */
  setMix(mix) {
    this.engine.setMix(mix);
    this.#askForChunks();
    this.#askForMatchedGains();
    this.#sendMix();
    if (this.region) this.brush(this.region);
  }
  #sendMix() {
    const { solo, mute, gains, level } = this.engine.mix;
    const mix = { solo: [...solo], mute: [...mute], gains, level };
    this.#send({ type: "mix", gains: this.heardGains(), mix });
  }
  #askForMatchedGains() {
    const version = this.engine.meta?.version;
    const areKnown = this.engine.mix.level === "raw" || this.#matchedVersion === version;
    if (!areKnown) this.#send({ type: "matched_gains" });
  }
  /** The gain of each track in dB; null where it is not heard. */
  heardGains() {
    const { mix, tracks } = this.engine;
    return tracks.map((_, k) => isHeard(k, mix) ? appliedGain(k, mix) : null);
  }
  linearGains() {
    return this.heardGains().map((gain) => gain === null ? 0 : toLinear(gain));
  }
  /**
   * Hear only a region of what is heard, or everything again if it is null.
   *
   * @param {Region | null} region
   */
  brush(region) {
    this.text = "";
    this.region = region;
    this.#nBrushes += 1;
    if (region) {
      const gains = this.linearGains();
      this.#send({ type: "brush", number: this.#nBrushes, ...region, gains });
    } else if (this.engine.brush) {
      this.engine.setBrush(null);
    }
    this.changed();
  }
  /** @param {number[]} gains linear, one per track @param {string} name */
  save(gains, name) {
    this.text = "";
    this.#send({ type: "save", gains, name });
  }
  /**
   * Return the tile to show; ask for the wanted one, unless it is here or on its way.
   *
   * @param {number} track
   * @param {string} what sound or mask
   * @param {string} size lane or large
   * @param {string} axis mel or linear
   * @param {number} start s
   * @param {number} end s
   */
  want(track, what, size, axis, start, end) {
    const { version } = this.engine.tracks[track];
    const key = `${track}:${what}:${size}:${axis}`;
    const request = this.#tiles.get(key);
    if (!request || !isSameStretch(request, { version, start, end })) {
      this.#tiles.set(key, { version, start, end, shown: request?.shown });
      this.#send({ type: "tile", track, what, size, axis, start, end });
    }
    return this.#tiles.get(key)?.shown;
  }
  /**
   * Return the latest tile that has come.
   *
   * @param {number} track
   * @param {string} what
   * @param {string} size
   * @param {string} axis
   */
  shownTile(track, what, size, axis) {
    return this.#tiles.get(`${track}:${what}:${size}:${axis}`)?.shown;
  }
  dispose() {
    this.model.off("msg:custom", this.receive);
    clearTimeout(this.#patienceTimer);
    this.engine.dispose();
    this.#tiles.clear();
    for (const view of [...this.views]) view.dispose();
  }
  /** @param {any} content @param {any[]} [buffers] */
  #receive(content, buffers) {
    const { engine } = this;
    const bytes = toBytes(buffers?.[0]);
    if (BINARY.has(content.type) && !bytes.length) {
      this.#missBytes(content);
      return;
    }
    switch (content.type) {
      case "tracks":
        this.#load(content, bytes);
        break;
      case "pcm":
        engine.put(content, toFloat(bytes, content.channels, content.scale));
        if (content.version === engine.tracks[content.track]?.version) {
          this.#arrived(content.track, content.chunk);
        }
        this.#waitForAnswer();
        break;
      case "tile":
        this.#keepTile({ ...content, pixels: bytes });
        break;
      case "matched_gains":
        if (content.version !== engine.meta?.version) break;
        this.#matchedVersion = content.version;
        this.setMix({ matchedGains: content.gains });
        break;
      case "brush":
        if (!this.region || content.number !== this.#nBrushes) break;
        engine.setBrush({
          start: content.start,
          n: content.n,
          channels: toFloat(bytes, content.channels, content.scale)
        });
        break;
      case "file":
        download(new Blob([bytes], { type: content.mime }), content.name);
        break;
      case "do":
        this.#do(content);
        break;
      case "error":
        this.text = content.text;
        if (content.chunk !== void 0) {
          engine.fail(content.track, content.chunk);
          this.#arrived(content.track, content.chunk);
          this.#waitForAnswer();
        }
        break;
    }
  }
  /**
   * Say that sound can't reach this page, and stop.
   *
   * @param {any} content of a message that came without its bytes
   */
  #missBytes(content) {
    const { engine } = this;
    if (content.type === "tracks") this.#load(content, new Uint8Array(COLOURS_SIZE));
    if (content.type === "pcm") {
      engine.fail(content.track, content.chunk);
      this.#arrived(content.track, content.chunk);
    }
    engine.pause();
    this.text = "sound can't reach this page: the notebook's front end, or a proxy, drops the binary part of messages";
    this.changed();
  }
  /** @param {any} content @param {Uint8Array<ArrayBuffer>} colours */
  #load(content, colours) {
    this.text = "";
    this.colours = colours;
    this.#waiting = [];
    const coming = content.coming.map((track) => [track, 0]);
    this.#underway = new Map(coming.map(([track, chunk]) => [`${track}:${chunk}`, [track, chunk]]));
    this.#waitForAnswer();
    const { keepsClock, keepsMix } = this.engine.load(content);
    for (const [key, request] of this.#tiles) {
      const { shown } = request;
      if (!shown) this.#tiles.delete(key);
      else if (!isSameStretch(shown, request)) this.#tiles.set(key, { ...shown, shown });
    }
    if (!keepsClock) {
      this.#tiles.clear();
      this.region = null;
      for (const view of this.views) view.build();
    }
    if (keepsMix) {
      this.#askForMatchedGains();
    } else {
      const { solo, mute, gains, level } = content.mix;
      this.#matchedVersion = null;
      this.setMix({ solo: new Set(solo), mute: new Set(mute), gains, level });
    }
    this.engine.requests.expect(coming);
    this.engine.ask();
    if (this.region) this.brush(this.region);
    for (const view of this.views) view.update();
  }
  /** @param {Tile} tile */
  #keepTile(tile) {
    const request = this.#tiles.get(`${tile.track}:${tile.what}:${tile.size}:${tile.axis}`);
    if (request && isSameStretch(request, tile)) request.shown = tile;
  }
  /** @param {{command: string, tracks?: number[], seconds?: number}} command */
  #do({ command, tracks = [], seconds = 0 }) {
    if (command === "hear") this.setMix({ solo: new Set(tracks), mute: /* @__PURE__ */ new Set() });
    else if (command === "play") this.engine.play();
    else if (command === "pause") this.engine.pause();
    else if (command === "seek") this.engine.seek(seconds * this.rate);
  }
};
function toBytes(buffer) {
  if (!buffer) return new Uint8Array();
  if (!ArrayBuffer.isView(buffer)) return new Uint8Array(buffer);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
function isSameStretch(stretch, other) {
  if (stretch.version !== other.version) return false;
  return Math.abs(stretch.start - other.start) < 1e-6 && Math.abs(stretch.end - other.end) < 1e-6;
}
var player_default = () => {
  let player;
  return {
    /** @param {{model: Model}} widget */
    initialize({ model }) {
      player = new Player(model);
      return () => player.dispose();
    },
    /** @param {{model: Model, el: HTMLElement}} widget */
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
