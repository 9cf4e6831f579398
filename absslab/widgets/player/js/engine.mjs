// @ts-check
// The engine plays any number of tracks on one clock. All of them always run, and only gains decide
// which are heard: so a switch between tracks has no gap.
//
// The words of the engine; all counts are in frames (samples per channel):
//   position  a frame of the sound;
//   rest      the position while nothing plays;
//   clock     the time of the audio context in frames: it also counts while nothing plays;
//   anchor    a frame of the clock and the position that is heard at it; it connects the two;
//   chunk     a part of a track as the kernel sends it, of `chunkLength` frames;
//   stretch   a part of the sound that plays without a jump, from a frame of the clock on;
//   voice     what plays one track in a stretch, with its fades;
//   isCut     whether a stretch begins where the one before did not end; then it fades in.

import { ChunkRequests } from "./chunk_requests.mjs";
import { BLOCKED, ClockWatch, startContext } from "./clock_watch.mjs";
import { AudioGraph, measure } from "./graph.mjs";
import {
  FADE,
  fitLoop,
  hasSameLength,
  haveSameNames,
  isHeard,
  newMix,
  pieces,
  positionAfter,
  trackGains,
  wantedChunks,
} from "./logic.mjs";
import { endVoice, ramp, sharedContext, startVoice } from "./voice.mjs";

/**
 * @import { Brush, ChunkKey, Loop, Meta, Mix, ScheduledStretch, Track } from "./types.d.ts"
 */

const LEAD = 0.03; // s from a command to its sound
const AHEAD = 2.5; // s that are scheduled ahead: the timers of a hidden page run once a second
const TICK = 200; // ms
const SILENT_RATE = 48000; // Hz, of the context that stands in for one that the browser refuses

/** @type {any} What the players of a page share. */
const page = globalThis;

export class Engine {
  /** @type {Meta | null} */
  meta = null;
  /** @type {Track[]} */
  tracks = [];
  /** @type {Map<string, {version: number, buffer: AudioBuffer}>} By "track:chunk". */
  buffers = new Map();
  /** @type {Mix} */
  mix = newMix(0);
  /** @type {Loop | null} */
  loop = null;
  /** @type {Brush | null} */
  brush = null;
  isPlaying = false;
  isWaiting = false; // for sound that is missing
  problem = ""; // why it does not play, in words
  #refusal = ""; // why the browser can't play these tracks at all, in words
  #watch = new ClockWatch();
  #rest = 0; // the position in frames while it does not play
  /** @type {AudioGraph | null} */
  graph = null;
  /** @type {ScheduledStretch[]} */
  #scheduled = [];
  /** @type {{position: number, at: number, isCut: boolean} | null} */
  #next = null; // the next position to schedule, `at` frames after the anchor
  /** @type {{frame: number, position: number} | null} */
  #anchor = null; // a frame of the clock, and the position that is heard at it
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer = undefined;
  requests = new ChunkRequests();

  /**
   * @param {object} callbacks
   * @param {(rate: number) => BaseAudioContext} [callbacks.makeContext]
   * @param {() => void} [callbacks.changed] is called when there is something new to show
   * @param {(chunks: ChunkKey[]) => void} [callbacks.wanted] is called with chunks that are missing
   */
  constructor({ makeContext = sharedContext, changed = () => {}, wanted = () => {} } = {}) {
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
    const { message } = /** @type {Error} */ (error);
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
    if (this.tracks[track]?.version !== version) return; // it was superseded on its way
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
        fadesIn: begin > stretch.begin || stretch.fadesIn,
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
    if (page.absslabPlaying !== this) page.absslabPlaying?.pause();
    page.absslabPlaying = this;
    const { loop } = this;
    if (this.#rest >= this.length) this.#rest = loop?.[0] ?? 0;
    if (loop && (this.#rest >= loop[1] || this.#rest < loop[0])) this.#rest = loop[0];
    this.isPlaying = true;
    this.requests.forgetFailures();
    this.changed();
    const problem = await startContext(/** @type {AudioContext} */ (this.#audio.context));
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
      sounding: this.tracks.map((_, k) => this.#soundingVersion(k)),
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
    const twin = new Engine({ makeContext: () => offline });
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
    if (page.absslabPlaying === this) page.absslabPlaying = null;
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
    if (graph) setTimeout(() => graph.disconnect(), 1000 * (LEAD + 2 * FADE)); // when it has faded
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
    this.#timer = undefined;
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
      /** @type {ScheduledStretch} */
      const stretch = {
        begin: anchor.frame + next.at,
        frame,
        n,
        fadesIn: (isFirst ? next.isCut : isCut) && frame > 0,
        fadesOut: wraps,
        voices: new Map(),
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
}
